"""How many steps an optimiser has made for each parameter."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch import _core


def _dtype() -> Any:
    return rt.float64 if rt.tensor(0.0).dtype == rt.float64 else rt.float32


class StepCounts:
    """`state[param]["step"]` is a tensor, as in torch, and counts the steps; what depends on the number comes from a
    Python count beside it, so that no step has to wait for a value. Whoever writes to the tensor is heeded: its version
    is compared.
    """

    def __init__(self) -> None:
        self._known: dict[int, list[Any]] = {}

    def start(self, param: Any) -> Any:
        """A tensor that counts from 0."""
        step = rt.tensor(0.0, dtype=_dtype())
        self._known[id(param)] = [step, step._version, 0.0]
        return step

    def advance(self, param: Any, step: Any) -> float:
        """Counts one step in the tensor and returns the count, without waiting for the tensor's value."""
        entry = self._known.get(id(param))
        if entry is None or entry[0] is not step or entry[1] != step._version:
            entry = self._known[id(param)] = [step, 0, float(step.item())]
        entry[2] += 1
        step.fill_(entry[2])
        entry[1] = step._version
        return entry[2]

    def restore(self, optimizer: Any) -> None:
        """Makes tensors of steps that were saved as numbers."""
        for group in optimizer.param_groups:
            for param in group["params"]:
                saved = optimizer.state.get(param)
                if saved and not isinstance(saved["step"], _core.Tensor):
                    saved["step"] = rt.tensor(float(saved["step"]), dtype=_dtype())


def refuse_capturable(group: dict[str, Any]) -> None:
    if group["capturable"] and any(param.grad is not None for param in group["params"]):
        raise AssertionError(
            "If capturable=True, params and state_steps must be on supported devices; "
            "the CPU is none of them: use capturable=False."
        )
