"""Adadelta."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch.optim._checks import check_options
from rustorch.optim._counted import Counted


class Adadelta(Counted):
    """Steps by the gradient times the root mean square of the steps over that of the gradients; Zeiler, "ADADELTA"."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_options(lr, epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _start(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["square_avg"] = rt.zeros_like(param)
        state["acc_delta"] = rt.zeros_like(param)

    def _update(
        self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any], lr: Any, count: float
    ) -> None:
        rho, eps = group["rho"], group["eps"]
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        square, steps = state["square_avg"], state["acc_delta"]
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        step = steps.add(eps).sqrt_().div_(square.add(eps).sqrt_()).mul_(grad)
        steps.mul_(rho).addcmul_(step, step, value=1 - rho)
        param.add_(step, alpha=-lr)


__all__ = ["Adadelta"]
