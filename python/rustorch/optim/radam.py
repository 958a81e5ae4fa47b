"""RAdam."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch.optim._checks import check_betas, check_options
from rustorch.optim._counted import Counted


class RAdam(Counted):
    """Adam whose steps are rectified while the mean square has few terms; Liu and others, "On the variance of the
    adaptive learning rate and beyond"."""

    _old_states = {"decoupled_weight_decay": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr, epsilon=eps)
        check_betas(betas)
        check_options(lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _start(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["exp_avg"] = rt.zeros_like(param)
        state["exp_avg_sq"] = rt.zeros_like(param)

    def _update(
        self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any], lr: Any, count: float
    ) -> None:
        first, second = group["betas"]
        decay = group["weight_decay"]
        if decay != 0 and group["decoupled_weight_decay"]:
            param.mul_(1 - lr * decay)
        elif decay != 0:
            grad = grad.add(param, alpha=decay)
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - first)
        square.mul_(second).addcmul_(grad, grad, value=1 - second)
        step = mean / (1 - first**count)
        rest = 1 - second**count
        # How many terms the mean square is worth, at most and by now.
        most = 2 / (1 - second) - 1
        worth = most - 2 * count * second**count / rest
        if worth > 5.0:
            rectified = ((worth - 4) * (worth - 2) * most / ((most - 4) * (most - 2) * worth)) ** 0.5
            step = step * lr * (rest**0.5 / square.sqrt().add_(group["eps"])) * rectified
        else:
            step = step * lr
        param.sub_(step)


__all__ = ["RAdam"]
