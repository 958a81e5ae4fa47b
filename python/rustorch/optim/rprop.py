"""Rprop."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch.optim._checks import check_options
from rustorch.optim._counted import Counted
from rustorch.optim.optimizer import number


class Rprop(Counted):
    """Steps by the sign of the gradient, whose sizes grow while it stays and shrink where it turns; Riedmiller and
    Braun, "A direct adaptive method for faster backpropagation learning"."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["prev"] = rt.zeros_like(param)
        state["step_size"] = rt.full_like(param, float(number(group["lr"])))

    def _update(
        self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any], lr: Any, count: float
    ) -> None:
        shrink, grow = group["etas"]
        previous, size = state["prev"], state["step_size"]
        turned = grad * previous
        size.mul_(rt.where(turned > 0, grow, rt.where(turned < 0, shrink, 1.0))).clamp_(*group["step_sizes"])
        # Where the gradient has turned, nothing moves, and the next sign is new.
        grad = grad.masked_fill(turned < 0, 0.0)
        param.addcmul_(grad.sign(), size, value=-1)
        previous.copy_(grad)


__all__ = ["Rprop"]
