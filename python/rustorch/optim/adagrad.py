"""Adagrad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.optim._steps import StepCounts
from rustorch.optim.optimizer import Optimizer, check_flags, option


class Adagrad(Optimizer):
    """Steps by the gradient over the root of the sum of its squares so far."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, _core.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (
            ("learning rate:", lr),
            ("lr_decay value:", lr_decay),
            ("weight_decay value:", weight_decay),
            ("initial_accumulator_value value:", initial_accumulator_value),
            ("epsilon value:", eps),
        ):
            if not 0.0 <= value:
                raise ValueError(f"Invalid {name} {value}")
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_flags(foreach, fused, differentiable)
        self._counts = StepCounts()
        for group in self.param_groups:
            for param in group["params"]:
                state = self.state[param]
                state["step"] = self._counts.start(param)
                state["sum"] = rt.full_like(param, initial_accumulator_value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
            group.setdefault("maximize", False)
            group.setdefault("differentiable", False)
            group.setdefault("fused", None)
        self._counts = StepCounts()
        self._counts.restore(self)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        return self._run_step(closure, self._update_group)

    def _update_group(self, group: dict[str, Any], touched: list[Any]) -> None:
        lr, eps = option(group, "lr"), option(group, "eps")
        lr_decay, decay = option(group, "lr_decay"), option(group, "weight_decay")
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            count = self._counts.advance(param, state["step"])
            if group["maximize"]:
                grad = -grad
            if decay != 0:
                grad = grad.add(param, alpha=decay)
            total = state["sum"]
            total.addcmul_(grad, grad, value=1)
            root = total.sqrt().add(eps)
            param.addcdiv_(grad, root, value=-lr / (1 + (count - 1) * lr_decay))
            touched += [total, param]


__all__ = ["Adagrad"]
