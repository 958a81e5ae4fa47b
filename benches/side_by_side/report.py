"""Tables of ratios, worst first, and whether the bars are met."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .case import EAGER
from .measure import Timing
from .overheads import Overhead

LEVEL = EAGER
RECORD_SECONDS = 0.5e-6
KERNEL_SECONDS = 2e-3
STEP_SECONDS = 100e-3
IMPORT_SECONDS = 150e-3
WHEEL_BYTES = 15 * 1000 * 1000


@dataclass
class Row:
    """One case at one number of threads."""

    group: str
    label: str
    threads: int
    bound: float
    timings: dict[str, Timing]

    def ratio(self, ours: str, theirs: str, best: bool = False) -> float:
        """How long ours took, theirs being 1; NaN if one of them did not compute it."""
        if ours not in self.timings or theirs not in self.timings:
            return float("nan")
        a, b = self.timings[ours], self.timings[theirs]
        if a.error or b.error:
            return float("nan")
        return a.best / b.best if best else a.median / b.median


@dataclass(frozen=True)
class Bar:
    name: str
    met: bool
    figure: str

    def __str__(self) -> str:
        return f"{'met    ' if self.met else 'NOT MET'}  {self.name}: {self.figure}"


def tables(rows: Sequence[Row], ours: str, peers: Sequence[str]) -> str:
    groups = dict.fromkeys((row.group, row.threads) for row in rows)
    return "\n\n".join(table([row for row in rows if (row.group, row.threads) == key], ours, peers) for key in groups)


def table(rows: Sequence[Row], ours: str, peers: Sequence[str]) -> str:
    """One group; the ratio to the first peer decides the order. A ratio's bracket is that of the best times."""
    others = [peer for peer in peers if peer != ours]
    first = others[0] if others else ours
    ordered = sorted(rows, key=lambda row: -sortable(row.ratio(ours, first)))
    count = f"{rows[0].threads} thread{'s' if rows[0].threads > 1 else ''}"
    heading = [f"{rows[0].group}, {count}", ours, first, *(f"/ {peer} (best)" for peer in others), ""]
    lines = [heading]
    for row in ordered:
        ratios = [f"{number(row.ratio(ours, p))} ({number(row.ratio(ours, p, best=True))})" for p in others]
        slow = row.ratio(ours, "torch") > row.bound
        mark = "slow" if slow else ""
        errors = [f"{name}: {timing.error}" for name, timing in row.timings.items() if timing.error]
        times = [seconds(row.timings[p].median) if p in row.timings else "-" for p in (ours, first)]
        lines.append([row.label, *times, *ratios, "; ".join([mark, *errors] if mark else errors)])
    return aligned(lines)


def summary(rows: Sequence[Row], found: Sequence[Overhead], ours: str) -> list[Bar]:
    """One bar for each figure that was measured."""
    bars = [
        *against(rows, ours, "every case against torch eager", ("torch",), lambda row: row.group != "fused"),
        *against(rows, ours, "fused chains against torch eager", ("torch",), lambda row: row.group == "fused"),
        *against(rows, ours, "fused chains against torch.compile", ("compile",), lambda r: r.group == "fused", LEVEL),
        *against(rows, ours, "training step against torch eager", ("torch",), lambda r: r.group == "training", LEVEL),
        *limit(found, "record", "recording an operation", RECORD_SECONDS, ours),
        *limit(found, "compile kernel", "compiling a kernel", KERNEL_SECONDS),
        *limit(found, "compile step", "compiling a training step", STEP_SECONDS),
        *imports(found, ours),
    ]
    for o in found:
        if o.kind == "wheel":
            bars.append(Bar("wheel of at most 15 MB", o.value <= WHEEL_BYTES, f"{o.value / 1e6:.2f} MB ({o.name})"))
    wrong = [row for row in rows if ours in row.timings and row.timings[ours].error]
    if rows:
        labels = ", ".join(dict.fromkeys(f"{row.group} {row.label}" for row in wrong[:5]))
        bars.append(
            Bar("every case computed and right", not wrong, f"{len(wrong)} of {len(rows)} not {labels}".strip())
        )
    return bars


def against(rows: Sequence[Row], ours: str, name: str, peers: Sequence[str], which, bound=None) -> Iterable[Bar]:
    for peer in peers:
        ratios = [(row.ratio(ours, peer), row) for row in rows if which(row)]
        ratios = [(ratio, row) for ratio, row in ratios if ratio == ratio]
        if not ratios or peer == ours:
            continue
        beyond = [row for ratio, row in ratios if ratio > (bound or row.bound)]
        ratio, worst = max(ratios, key=lambda pair: pair[0])
        middle = statistics.geometric_mean([ratio for ratio, _ in ratios])
        figure = (
            f"{len(ratios) - len(beyond)} of {len(ratios)} within, geometric mean {middle:.2f}, "
            f"worst {ratio:.2f} ({worst.group} {worst.label}, {worst.threads} threads)"
        )
        yield Bar(name, not beyond, figure)


def limit(found: Sequence[Overhead], kind: str, name: str, most: float, note: str | None = None) -> Iterable[Bar]:
    those = [o for o in found if o.kind == kind and (note is None or o.note == note)]
    if those:
        worst = max(those, key=lambda o: o.value)
        middle = statistics.median(o.value for o in those)
        figure = f"median {seconds(middle)}, worst {seconds(worst.value)} ({worst.name})"
        yield Bar(f"{name} in at most {seconds(most)}", worst.value <= most, figure)


def imports(found: Sequence[Overhead], ours: str) -> Iterable[Bar]:
    taken = {o.name: o.value for o in found if o.kind == "import"}
    if ours in taken and "numpy" in taken:
        beyond = taken[ours] - taken["numpy"]
        rest = ", ".join(f"{name} {seconds(value)}" for name, value in taken.items())
        yield Bar(
            "import and a first result beyond NumPy's import", beyond <= IMPORT_SECONDS, f"{seconds(beyond)} ({rest})"
        )


def listing(found: Sequence[Overhead]) -> str:
    ordered = sorted(found, key=lambda o: (o.kind, -o.value))
    lines = [["overhead", "", "", ""]]
    for o in ordered:
        value = f"{o.value / 1e6:.2f} MB" if o.kind == "wheel" else seconds(o.value)
        lines.append([f"{o.kind}: {o.name}", value, o.note, ""])
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """The first and the last column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = []
    for line in lines:
        first, *middle, last = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line[:-1], widths, strict=False))
        ] + [line[-1]]
        shown.append("  ".join([first, *middle, last]).rstrip())
    return "\n".join(shown)


def sortable(ratio: float) -> float:
    """What failed comes first."""
    return ratio if ratio == ratio else float("inf")


def number(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio == ratio else "-"


def seconds(value: float) -> str:
    if value != value:
        return "-"
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"
