"""What is not one tensor operation: recording, compiling, importing, the size of the wheel."""

from __future__ import annotations

import contextlib
import gc
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case
from .groups import GROUPS
from .measure import parts
from .peers import Peer, Rustorch

RECORDED = 1000
ROWS = 1 << 16
PROCESSES = 7
IMPORTS = {
    "numpy": "import numpy",
    "rustorch": "import rustorch as rt; (rt.ones(3) + 1).sum().item()",
    "torch": "import torch; (torch.ones(3) + 1).sum().item()",
    "jax": "import jax; (jax.numpy.ones(3) + 1).sum().item()",
}


@dataclass(frozen=True)
class Overhead:
    """One figure, in seconds or bytes."""

    kind: str
    name: str
    value: float
    note: str = ""


def recording(lib: Any) -> list[Overhead]:
    """Seconds to record one operation of a chain, without computing it; the loop is measured and taken off."""
    x, y = lib.ones(4, 4), lib.ones(4, 4)
    other = lib.ones(4)
    operations: dict[str, Callable[[Any], Any]] = {
        "x + y": lambda t: t + y,
        "x * 1.5": lambda t: t * 1.5,
        "x + row": lambda t: t + other,
        "relu": lambda t: t.relu(),
        "reshape": lambda t: t.reshape(16),
        "t": lambda t: t.t(),
        "x[1:]": lambda t: t[1:],
        "sum": lambda t: t.sum(-1),
        "x @ y": lambda t: t @ y,
    }
    chained = {"x + y", "x * 1.5", "x + row", "relu", "t", "x @ y"}
    empty = per_call(lambda t: t, x, chain=True)
    return [
        Overhead("record", name, per_call(call, x, chain=name in chained) - empty) for name, call in operations.items()
    ]


def per_call(call: Callable[[Any], Any], x: Any, chain: bool) -> float:
    """The median over some runs. Values are kept until the clock has stopped: dropping them is another cost."""
    taken = []
    for _ in range(30):
        gc.collect()
        gc.disable()
        kept, value = [x], x
        began = time.perf_counter()
        for _ in range(RECORDED):
            result = call(value)
            kept.append(result)
            if chain:
                value = result
        taken.append((time.perf_counter() - began) / RECORDED)
        gc.enable()
        del kept, value, result
    return statistics.median(taken)


def compiling(threads: int) -> list[Overhead]:
    """Compile time of each kernel of the quick cases, and of training steps: what the first calls take beyond the
    later ones. For a process that has compiled nothing yet."""
    peer = Rustorch(threads)
    found = []
    for group in ("pointwise", "fused", "reductions", "normalise", "backward", "matmul", "indexing", "inference"):
        for case in GROUPS[group]([ROWS]):
            with contextlib.suppress(Exception):
                found += kernels(peer, case)
    for case in GROUPS["training"]([ROWS]):
        with contextlib.suppress(Exception):
            found.append(step(peer, case))
    return found


def kernels(peer: Rustorch, case: Case) -> list[Overhead]:
    run = peer.prepare(case, case.arrays(np.random.default_rng(0)))
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        explained = peer.lib.explain(run)()
        first = time.perf_counter() - began
    [peer.array(part) for part in parts(explained.result)]
    again = min(timed(run) for _ in range(5))
    launches = max(len(explained.kernels), 1)
    note = f"{launches} kernels, {explained.compile_seconds / launches * 1e3:.2f} ms each by explain"
    return [Overhead("compile kernel", f"{case.group}: {case.name}", (first - again) / launches, note)]


def step(peer: Rustorch, case: Case) -> Overhead:
    before = peer.lib.stats()
    run = peer.prepare(case, case.arrays(np.random.default_rng(0)))
    peer.lib.synchronize()
    first = [timed(run) for _ in range(5)]
    later = statistics.median(timed(run) for _ in range(50))
    compiles = counter(peer.lib.stats(), "compiles") - counter(before, "compiles")
    spent = sum(taken - later for taken in first)
    return Overhead("compile step", case.name, spent, f"{compiles} programs with the initialisation")


def counter(stats: Any, name: str) -> int:
    return stats[name] if isinstance(stats, dict) else getattr(stats, name)


def timed(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def importing(names: list[str]) -> list[Overhead]:
    """Seconds from a fresh interpreter to a first result; NumPy's import alone. The processes take turns."""
    taken: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(PROCESSES):
        for name in names:
            code = f"import time; began = time.perf_counter(); {IMPORTS[name]}; print(time.perf_counter() - began)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            taken[name].append(float(done.stdout))
    return [Overhead("import", name, statistics.median(times)) for name, times in taken.items()]


def wheel(project: Path) -> list[Overhead]:
    """The newest wheel that was built here, if one was."""
    wheels = [path for folder in ("target/wheels", "dist") for path in (project / folder).glob("rustorch-*.whl")]
    newest = sorted(wheels, key=lambda path: path.stat().st_mtime)[-1:]
    return [Overhead("wheel", path.name, path.stat().st_size) for path in newest]


def overheads(peers: list[Peer]) -> list[Overhead]:
    """All but compiling, which wants a process of its own."""
    found = []
    for peer in peers:
        if peer.name in ("rustorch", "torch"):
            found += [
                Overhead(o.kind, o.name, o.value, peer.name)
                for o in recording(peer.lib)  # type: ignore[attr-defined]
            ]
    return found
