"""Times rustorch beside torch eager, torch.compile and JAX, and says which bars are met.

python benches/side_by_side.py --quick                         rustorch and torch at three sizes, minutes
python benches/side_by_side.py                                 everything, hours: torch.compile takes most of it
python benches/side_by_side.py --groups fused --sizes 64k,1M   some of it
python benches/side_by_side.py --groups matmul --match 512     some cases of it

The first peer is compared with the others. Each number of threads runs in a process of its own, in which the peers
take turns, with a pause before each turn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from side_by_side.case import human
from side_by_side.groups import GROUPS
from side_by_side.measure import IDLE, Effort, Timing, measure
from side_by_side.overheads import IMPORTS, Overhead, compiling, importing, overheads, wheel
from side_by_side.peers import PEERS, environment
from side_by_side.report import Row, listing, summary, tables

SIZES = (1 << 10, 1 << 16, 1 << 20, 1 << 24)
QUICK = (1 << 10, 1 << 16, 1 << 20)
OVERHEADS = "overheads"
PROJECT = Path(__file__).resolve().parent.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*GROUPS, OVERHEADS]
    parser.add_argument("--groups", type=listed(names), default=names, help=f"of {','.join(names)}")
    parser.add_argument("--match", default="", help="only cases whose name contains this")
    parser.add_argument("--sizes", type=sizes, help="elements, such as 1k,64k,1M,16M")
    parser.add_argument("--threads", type=integers, help="such as 1,2")
    parser.add_argument("--peers", type=listed(list(PEERS)), help=f"of {','.join(PEERS)}; the first is compared")
    parser.add_argument("--rounds", type=int, help="turns of each peer")
    parser.add_argument("--turn", type=float, help="seconds that a turn lasts")
    parser.add_argument("--idle", type=float, default=IDLE, help="seconds of pause before a turn")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--quick", action="store_true", help="rustorch and torch, 1 thread, small effort")
    parser.add_argument("--worker", choices=["cases", "compiling"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    quick = options.quick
    options.sizes = options.sizes or (QUICK if quick else SIZES)
    options.threads = options.threads or ((1,) if quick else (1, 2))
    options.peers = options.peers or (["rustorch", "torch"] if quick else list(PEERS))
    options.rounds = options.rounds or (3 if quick else 7)
    options.turn = options.turn or (0.03 if quick else 0.06)
    return options


def listed(names: list[str]) -> Any:
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
        return chosen

    return parse


def sizes(text: str) -> tuple[int, ...]:
    units = {"k": 1 << 10, "m": 1 << 20}
    return tuple(int(part.rstrip("kKmM")) * units.get(part[-1].lower(), 1) for part in text.split(","))


def integers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def cases_worker(options: argparse.Namespace) -> dict[str, Any]:
    """Measures at one number of threads, in this process."""
    threads = options.threads[0]
    peers = [PEERS[name](threads) for name in options.peers]
    effort = Effort(options.rounds, options.turn, options.idle)
    rows = []
    for group in options.groups:
        for case in GROUPS.get(group, lambda sizes: [])(options.sizes):
            if options.match in case.label:
                progress(f"{group} {case.label}, {threads} threads")
                timings = measure(case, peers, effort)
                rows.append(Row(case.group, case.label, threads, case.bound, timings))
    progress("")
    found = overheads(peers) if OVERHEADS in options.groups and threads == 1 else []
    versions = {peer.name: peer.version for peer in peers}
    return {"rows": [asdict(row) for row in rows], "overheads": [asdict(o) for o in found], "versions": versions}


def spawn(options: argparse.Namespace, worker: str, threads: int) -> dict[str, Any]:
    """Runs a worker in a process that finds its number of threads in the environment."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [
            *(sys.executable, __file__, "--worker", worker, "--threads", str(threads), "--json", str(out)),
            *("--groups", ",".join(options.groups), "--peers", ",".join(options.peers), "--match", options.match),
            *("--sizes", ",".join(map(str, options.sizes)), "--rounds", str(options.rounds)),
            *("--turn", str(options.turn), "--idle", str(options.idle)),
        ]
        # A cache of its own: what a run that was stopped left behind would break this one.
        caches = {"TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "inductor")}
        subprocess.run(command, check=True, env={**os.environ, **environment(threads), **caches})
        return json.loads(out.read_text())


def main() -> int:
    options = arguments()
    if options.worker:
        if options.worker == "cases":
            result = cases_worker(options)
        else:
            result = {"overheads": [asdict(o) for o in compiling(options.threads[0])]}
        options.json.write_text(json.dumps(result))
        return 0
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: the machine is busy (load {load:.1f}); ratios will be noise", file=sys.stderr)
    ours = options.peers[0]
    results = [spawn(options, "cases", threads) for threads in options.threads]
    rows = [
        Row(**{**row, "timings": {name: Timing(**t) for name, t in row["timings"].items()}})
        for result in results
        for row in result["rows"]
    ]
    found = [Overhead(**o) for result in results for o in result["overheads"]]
    if OVERHEADS in options.groups:
        found += importing([name for name in IMPORTS if name == "numpy" or name in options.peers]) + wheel(PROJECT)
        if "rustorch" in options.peers:
            found += [Overhead(**o) for o in spawn(options, "compiling", 1)["overheads"]]
    versions = results[0]["versions"]
    print(", ".join(f"{name} {version}" for name, version in versions.items()), f"on {machine()}")
    print(f"sizes {', '.join(map(human, options.sizes))}; load before {load:.1f}, now {os.getloadavg()[0]:.1f}\n")
    if rows:
        print(tables(rows, ours, options.peers), end="\n\n")
    if found:
        print(listing(found), end="\n\n")
    bars = summary(rows, found, ours)
    print(*bars, sep="\n")
    if options.json:
        record = {"machine": machine(), "versions": versions, "load": load, "bars": [asdict(bar) for bar in bars]}
        record |= {"rows": [asdict(row) for row in rows], "overheads": [asdict(o) for o in found]}
        options.json.write_text(json.dumps(record, indent=1))
    broken = [row for row in rows if ours in row.timings and row.timings[ours].error]
    return 1 if broken else 0


def machine() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
        model = next(line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


if __name__ == "__main__":
    sys.exit(main())
