"""How many steps an optimiser has made for each parameter."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.utils._tracing import current


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
        _core._capture_again()
        step = rt.tensor(0.0, dtype=_dtype())
        self._known[id(param)] = [step, step._version, 0.0]
        return step

    def advance(self, param: Any, step: Any) -> float:
        """Counts one step in the tensor and returns the count, without waiting for the tensor's value."""
        entry = self._known.get(id(param))
        if entry is None or entry[0] is not step or entry[1] != step._version:
            # The value is needed once: the next call will know it.
            _core._capture_again()
            entry = self._known[id(param)] = [step, 0, float(step.item())]
        tracing = current()
        if tracing is not None:
            return self._traced(tracing, entry, step)
        entry[2] += 1
        step.fill_(entry[2])
        entry[1] = step._version
        return entry[2]

    def _traced(self, tracing: Any, entry: Any, step: Any) -> Any:
        """As `advance` while a function is captured: each call of the program counts on."""
        groups = tracing.shared.setdefault(id(self), {})
        group = groups.get(id(entry))
        if group is None:
            group = groups.get(("from", entry[2]))
            if group is None:
                group = groups["from", entry[2]] = _Together(tracing, entry)
            groups[id(entry)] = group
        count = group.advance(entry)
        step.fill_(count)
        entry[1] = step._version
        return count

    def restore(self, optimizer: Any) -> None:
        """Makes tensors of steps that were saved as numbers."""
        for group in optimizer.param_groups:
            for param in group["params"]:
                saved = optimizer.state.get(param)
                if saved and not isinstance(saved["step"], _core.Tensor):
                    saved["step"] = rt.tensor(float(saved["step"]), dtype=_dtype())


class _Together:
    """Counts that are the same number in every call of a captured program."""

    def __init__(self, tracing: Any, first: list[Any]) -> None:
        # What each advance within a call comes to.
        self.counts = [tracing.item(first, 2)]
        self.entries: list[list[Any]] = []
        self.advances: dict[int, int] = {}
        tracing.after(self.count)
        tracing.check(self.changed)

    def advance(self, entry: list[Any]) -> Any:
        made = self.advances.get(id(entry))
        if made is None:
            made = 0
            self.entries.append(entry)
        made = self.advances[id(entry)] = made + 1
        if made == len(self.counts):
            self.counts.append(self.counts[-1] + 1)
        entry[2] += 1
        return self.counts[made]

    def count(self) -> None:
        for entry in self.entries:
            entry[2] += self.advances[id(entry)]
            entry[1] = entry[0]._version

    def changed(self) -> str | None:
        first = self.entries[0][2]
        for step, version, count in self.entries:
            if version != step._version or count != first:
                return "the step counts of an optimiser were written"
        return None


def refuse_capturable(group: dict[str, Any]) -> None:
    if group["capturable"] and any(param.grad is not None for param in group["params"]):
        raise AssertionError(
            "If capturable=True, params and state_steps must be on supported devices; "
            "the CPU is none of them: use capturable=False."
        )
