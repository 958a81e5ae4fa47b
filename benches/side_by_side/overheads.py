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
from .measure import first_line
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
    later ones, in CPU time of the process. For a process that has compiled nothing yet."""
    peer = Rustorch(threads)
    found = []
    for group, cases in GROUPS.items():
        kind, what = ("compile step", step) if group == "training" else ("compile kernel", kernels)
        for case in cases([ROWS]):
            name = f"{case.group}: {case.name}"
            try:
                value, note = what(peer, case)
            except Exception as error:
                value, note = float("inf"), first_line(error)
            found.append(Overhead(kind, name, value, note))
    return found


def kernels(peer: Rustorch, case: Case) -> tuple[float, str]:
    run = peer.prepare(case, case.arrays(np.random.default_rng(0)))
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.process_time()
        explained = peer.lib.explain(run)()
        first = time.process_time() - began
    again = min(spent(run) for _ in range(5))
    launches = max(len(explained.kernels), 1)
    return (first - again) / launches, f"{launches} kernels, {explained.compiles} compiled"


def step(peer: Rustorch, case: Case) -> tuple[float, str]:
    run = peer.prepare(case, case.arrays(np.random.default_rng(0)))
    peer.lib.synchronize()
    before = peer.lib.stats()["compiles"]
    first = [spent(run) for _ in range(5)]
    compiles = peer.lib.stats()["compiles"] - before
    later = statistics.median(spent(run) for _ in range(50))
    return sum(first) - len(first) * later, f"{compiles} programs"


def spent(run: Callable[[], Any]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


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
