"""Times the peers in turns, and compares what they computed."""

from __future__ import annotations

import gc
import statistics
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .case import Array, Case, Run
from .peers import Peer

# torch's OpenMP workers spin for about 200 ms after their last work, and would take a core from the next peer.
IDLE = 0.25
LEAST_CALLS = 3


@dataclass(frozen=True)
class Effort:
    rounds: int
    seconds: float
    """How long one peer's turn lasts."""
    idle: float = IDLE


@dataclass
class Timing:
    """What one peer took, in seconds."""

    turns: list[float] = field(default_factory=list)
    """The median of each turn."""
    best: float = float("inf")
    error: str | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.turns) if self.turns else float("nan")


def measure(case: Case, peers: Sequence[Peer], effort: Effort) -> dict[str, Timing]:
    """By peer; without those that cannot say the case. Results are compared with torch's, or
    with those of the first peer where torch takes no part."""
    arrays = case.arrays(np.random.default_rng(0))
    timings: dict[str, Timing] = {}
    runs: dict[str, Run] = {}
    results: dict[str, list[Array]] = {}
    for peer in peers:
        try:
            run = peer.prepare(case, arrays)
            if run is None:
                continue
            for _ in range(case.steps - 1):
                run()
            results[peer.name] = [peer.array(part) for part in parts(run())]
            runs[peer.name] = run
            timings[peer.name] = Timing()
        except Exception as error:
            timings[peer.name] = Timing(error=first_line(error))
    reference = "torch" if "torch" in results else next(iter(results), None)
    for name, result in results.items():
        wrong = difference(result, results[reference], case.tolerance)
        if wrong:
            timings[name].error = f"differs from {reference}: {wrong}"
    del arrays, results
    for _ in range(effort.rounds):
        for name, run in runs.items():
            gc.collect()
            time.sleep(effort.idle)
            samples = turn(run, effort.seconds)
            timings[name].turns.append(statistics.median(samples))
            timings[name].best = min(timings[name].best, *samples)
    return timings


def turn(run: Run, seconds: float) -> list[float]:
    """Times of single calls. The first call after the idling is not counted: it finds caches and clocks cold."""
    clock = time.perf_counter
    gc.disable()
    try:
        run()
        samples: list[float] = []
        end = clock() + seconds
        while True:
            began = clock()
            run()
            now = clock()
            samples.append(now - began)
            if now >= end and (len(samples) >= LEAST_CALLS or now >= end + 10 * seconds):
                return samples
    finally:
        gc.enable()


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


def difference(ours: list[Array], theirs: list[Array], tolerance: float) -> str | None:
    """How two lists of arrays differ; relative to the largest element, so that what cancels does not count."""
    if len(ours) != len(theirs):
        return f"{len(ours)} results, not {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape:
            return f"shape {a.shape}, not {b.shape}"
        if a.dtype.kind != b.dtype.kind:
            return f"dtype {a.dtype}, not {b.dtype}"
        exact = b.dtype.kind != "f"
        scale = 0.0 if exact or b.size == 0 else float(np.max(np.abs(b)))
        close = a == b if exact else np.isclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        if not close.all():
            where = np.unravel_index(np.argmin(close), close.shape)
            return f"{a[where]}, not {b[where]}, and {np.count_nonzero(~close) - 1} more"
    return None


def first_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip().splitlines()[0]
