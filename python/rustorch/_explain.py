"""``explain``: what a function compiled and ran, kernel by kernel."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import InvalidArgumentError

__all__ = ["Explanation", "Kernel", "explain"]

# The trace is one for the process, so only one explanation can be under way.
tracing = threading.Lock()


@dataclass(frozen=True)
class Kernel:
    """One launch on the thread pool, or one tuned routine, that ran."""

    name: str
    kind: str
    reason: str
    """Why its result was materialised."""
    bytes_read: int
    """Of the elements that it read, each counted once; likewise written."""
    bytes_written: int
    flops: int
    seconds: float
    compile_seconds: float
    """The code generator's; zero where compiled code was at hand."""
    cached: bool


@dataclass(frozen=True)
class Explanation:
    """The result of a call and what it took. ``print`` shows it as a table."""

    result: Any
    kernels: list[Kernel]
    compiles: int
    """Graphs compiled, of one or more kernels."""
    allocations: int
    """Requests that reached the operating system."""
    cache_hits: int
    """Runs of a graph that was compiled before."""
    compile_seconds: float
    """From graphs to code: those of the kernels and the passes before."""
    run_seconds: float
    """Those of the kernels and the memory for their results."""

    def __str__(self) -> str:
        lines = aligned([HEADINGS, *map(cells, self.kernels)]) if self.kernels else []
        counts = [
            counted(len(self.kernels), "kernel"),
            f"{counted(self.compiles, 'compile')} in {duration(self.compile_seconds)}",
            counted(self.cache_hits, "cache hit"),
            counted(self.allocations, "allocation"),
            f"ran {duration(self.run_seconds)}",
        ]
        return "\n".join([*lines, ", ".join(counts)])


def explain(fn: Callable[..., Any]) -> Callable[..., Explanation]:
    """Makes ``fn`` explain itself: ``explain(fn)(*args)`` calls it, computes its results and prints what ran.

    Work that was pending before the call is finished first and does not show.
    """

    @functools.wraps(fn)
    def explained(*args: Any, **kwargs: Any) -> Explanation:
        core = importlib.import_module("._core", __package__)
        if not tracing.acquire(blocking=False):
            raise InvalidArgumentError("explain(): another explanation is under way; finish that call first")
        try:
            core._flush()
            core._trace_begin()
            try:
                result = fn(*args, **kwargs)
                core._flush()
            finally:
                trace = core._trace_end()
        finally:
            tracing.release()
        explanation = Explanation(
            result=result,
            **trace | {"kernels": [Kernel(**kernel) for kernel in trace["kernels"]]},
        )
        print(explanation)
        return explanation

    return explained


HEADINGS = ["kernel", "kind", "materialised because", "read", "written", "flops", "run", "compile"]
TEXT_COLUMNS = 3


def cells(kernel: Kernel) -> list[str]:
    return [
        kernel.name,
        kernel.kind,
        kernel.reason,
        scaled(kernel.bytes_read, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
        scaled(kernel.bytes_written, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
        scaled(kernel.flops, 1000, ["", "k", "M", "G", "T"]).rstrip(),
        duration(kernel.seconds),
        "cached" if kernel.cached else duration(kernel.compile_seconds),
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < TEXT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def scaled(amount: float, step: int, units: Sequence[str]) -> str:
    """Three digits or so: 1000 would round up into the next unit, so it is taken there."""
    unit = 0
    while unit + 1 < len(units) and amount >= 999.5:
        amount, unit = amount / step, unit + 1
    digits = 0 if unit == 0 or amount >= 99.95 else 1
    return f"{amount:.{digits}f} {units[unit]}"


def duration(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    return scaled(seconds * 1e9, 1000, ["ns", "µs", "ms", "s"])
