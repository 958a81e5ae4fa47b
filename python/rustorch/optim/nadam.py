"""NAdam."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch.optim._checks import check_betas, check_options
from rustorch.optim._counted import Counted


class NAdam(Counted):
    """Adam with Nesterov's momentum; Dozat, "Incorporating Nesterov momentum into Adam"."""

    _old_states = {"decoupled_weight_decay": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr, epsilon=eps)
        check_betas(betas)
        check_options(lr, weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for saved in self.state.values():
            if saved and not isinstance(saved["mu_product"], rt.Tensor):
                saved["mu_product"] = rt.tensor(float(saved["mu_product"]))

    def _start(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["mu_product"] = rt.ones_like(state["step"])
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
        now, then = (first * (1.0 - 0.5 * 0.96 ** (number * group["momentum_decay"])) for number in (count, count + 1))
        # A tensor of one element, whose value nothing waits for.
        product = state["mu_product"]
        product.mul_(now)
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - first)
        square.mul_(second).addcmul_(grad, grad, value=1 - second)
        root = square.div(1 - second**count).sqrt_().add_(group["eps"])
        param.addcdiv_(grad * (-lr * (1.0 - now) / (1.0 - product)), root)
        param.addcdiv_(mean * (-lr * then / (1.0 - product * then)), root)


__all__ = ["NAdam"]
