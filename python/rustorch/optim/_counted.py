"""Optimisers that count their steps and update one parameter after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rustorch import _core
from rustorch.optim._steps import StepCounts, refuse_capturable
from rustorch.optim.optimizer import Optimizer, option


class Counted(Optimizer):
    """What such optimisers share; `_start` makes the state of a parameter, `_update` makes one step."""

    _old_states: dict[str, Any] = {}

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self._counts = StepCounts()
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        missing = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
        for group in self.param_groups:
            for name, value in (missing | self._old_states).items():
                group.setdefault(name, value)
        self._counts = StepCounts()
        self._counts.restore(self)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        return self._run_step(closure, self._update_group)

    def _start(self, param: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _update(
        self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any], lr: Any, count: float
    ) -> None:
        raise NotImplementedError

    def _update_group(self, group: dict[str, Any], touched: list[Any]) -> None:
        refuse_capturable(group)
        lr = option(group, "lr")
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state["step"] = self._counts.start(param)
                self._start(param, state, group)
            count = self._counts.advance(param, state["step"])
            if group["maximize"]:
                grad = -grad
            self._update(param, grad, state, group, lr, count)
            tensors = (value for name, value in state.items() if name != "step" and isinstance(value, _core.Tensor))
            touched += [param, *tensors]


__all__ = ["Counted"]
