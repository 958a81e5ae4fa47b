"""ASGD."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch.optim._checks import check_options
from rustorch.optim._counted import Counted
from rustorch.optim.optimizer import number


class ASGD(Counted):
    """Gradient descent with shrinking steps, and the mean of the parameters from step `t0` on in the state; Polyak and
    Juditsky, "Acceleration of stochastic approximation by averaging"."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_options(lr, lambd=lambd, alpha=alpha, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["eta"] = rt.full_like(state["step"], float(number(group["lr"])))
        state["mu"] = rt.ones_like(state["step"])
        state["ax"] = rt.zeros_like(param)

    def _update(
        self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any], lr: Any, count: float
    ) -> None:
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        step, share, mean = state["eta"], state["mu"], state["ax"]
        param.mul_(1 - group["lambd"] * step)
        param.addcmul_(grad, step, value=-1)
        # A share of 1 gives the parameter itself, not what rounding makes of it.
        mean.copy_(rt.where(share == 1, param, mean + (param - mean) * share))
        step.fill_(lr / (1 + group["lambd"] * lr * count) ** group["alpha"])
        share.fill_(1 / max(1, count - group["t0"]))


__all__ = ["ASGD"]
