"""Adamax."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch.optim._checks import check_betas, check_options
from rustorch.optim._counted import Counted


class Adamax(Counted):
    """Adam by the largest gradients so far instead of their mean square; Kingma and Ba, "Adam", section 7.1."""

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_options(lr, epsilon=eps)
        check_betas(betas)
        check_options(lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["exp_avg"] = rt.zeros_like(param)
        state["exp_inf"] = rt.zeros_like(param)

    def _update(
        self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any], lr: Any, count: float
    ) -> None:
        first, second = group["betas"]
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        mean, largest = state["exp_avg"], state["exp_inf"]
        mean.lerp_(grad, 1 - first)
        largest.copy_(rt.maximum(largest * second, grad.abs() + group["eps"]))
        param.addcdiv_(mean, largest, value=-lr / (1 - first**count))


__all__ = ["Adamax"]
