"""Lists what differs between two outcomes. An empty list is parity."""

from dataclasses import replace

import numpy as np
import pytest

from .libs import FLOATS, Missing
from .run import Snapshot, run

# A few units in the last place; rows scale it where torch itself is coarser.
RELATIVE = {"float64": 1e-14, "float32": 1.2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
# Gradients and sums are compared relative to the largest value, since cancellation is no error.
ACCUMULATED = 4.0
# Twice the smallest normal float32.
FLUSHED = 2.4e-38


def builtin_class(error):
    """The class users can catch without naming the library."""
    return next(cls for cls in type(error).__mro__ if cls.__module__ == "builtins")


def compare(case, want, got, alternatives=()):
    """Mismatches between the oracle's outcome and another. `alternatives` are further outcomes of the oracle, for
    special values on which its vector and scalar loops disagree: an element may equal any of them."""
    if isinstance(want.error, Missing):
        return [f"the row is wrong: {want.error}"]
    if want.error is not None:
        cls = builtin_class(want.error)
        if got.error is None:
            return [f"no error, torch raises {cls.__name__}: {_first_line(want.error)}"]
        if not isinstance(got.error, cls):
            return [f"raises {_error(got.error)}; torch raises {_error(want.error)}"]
        return []
    if got.error is not None:
        return [f"raises {_error(got.error)}; torch does not"]
    if list(want.values) != list(got.values):
        return [f"results {list(got.values)}, torch gives {list(want.values)}"]
    found = []
    results = [value for name, value in want.values.items() if name.startswith("out")]
    for name, expected in want.values.items():
        others = [other.values.get(name) for other in alternatives]
        # Derivatives pass through the results, which may be asked for in a narrower dtype than the operands.
        through = _coarsest([expected, *results]) if "grad" in name else _coarsest([expected])
        if "grad" in name and through:
            through = max(through, case.op.slope_dtype or through, key=RELATIVE.get)
        found += [f"{name}: {text}" for text in _compare(case, name, expected, got.values[name], others, through)]
    return found


def _error(error):
    return f"{type(error).__name__}({_first_line(error)!r})"


def _first_line(error):
    return (str(error).splitlines() or [""])[0][:160]


def _coarsest(snapshots):
    """The float dtype with the fewest digits: what depends on a value is no more precise than it."""
    dtypes = [value.dtype for value in snapshots if isinstance(value, Snapshot) and value.dtype in FLOATS]
    return max(dtypes, key=RELATIVE.get, default=None)


def _compare(case, name, want, got, others, precision):
    if isinstance(got, str):
        got = got.replace("rustorch", "torch")
    if not isinstance(want, Snapshot) or not isinstance(got, Snapshot):
        same = type(want) is type(got) and (want == got or want != want and got != got)
        if isinstance(want, float) and isinstance(got, float) and np.isfinite(want):
            same = abs(want - got) <= 1e-6 * abs(want)
        return [] if same else [f"{_show(got)}, torch gives {_show(want)}"]
    found = []
    for what in ("dtype", "shape", "requires_grad"):
        if getattr(want, what) != getattr(got, what):
            found.append(f"{what} {getattr(got, what)}, torch gives {getattr(want, what)}")
    if want.shape != got.shape:
        return found
    if case.op.strides and not name.startswith(("grad", "gradgrad")) and not _same_strides(want, got):
        found.append(f"stride {got.stride}, torch gives {want.stride} (shape {want.shape})")
    wrong = _wrong(case, name, want, got, precision)
    for other in others:
        if isinstance(other, Snapshot) and other.shape == got.shape and wrong.any():
            wrong &= _wrong(case, name, other, got, precision)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        a, b = got.values[where], want.values[where]
        found.append(f"{int(wrong.sum())} of {wrong.size} values differ, at {list(where)}: {a!r}, torch gives {b!r}")
    return found


def _show(value):
    return f"tensor{value.shape}" if isinstance(value, Snapshot) else repr(value)


def _same_strides(want, got):
    """The stride of a dimension with at most one element addresses nothing, so it is not compared."""
    if 0 in want.shape:
        return True
    return all(a == b for a, b, size in zip(want.stride, got.stride, want.shape, strict=True) if size > 1)


def _wrong(case, name, want, got, precision):
    """A mask of the values that are not acceptable, computed in the dtype `precision`."""
    a, b = np.asarray(got.values), np.asarray(want.values)
    if want.dtype not in FLOATS:
        return np.asarray(a != b)
    derived = "grad" in name
    with np.errstate(all="ignore"):
        if case.op.exact and not derived:
            return ~((a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b))
        a, b = a.astype(np.float64), b.astype(np.float64)
        relative = RELATIVE[precision] * case.op.tol
        finite = np.abs(b[np.isfinite(b)])
        if case.op.pointwise and derived and case.fill == "special":
            allowed = ACCUMULATED * relative * np.abs(b) + _denormal(want.dtype)
        elif case.op.pointwise and not derived:
            allowed = relative * np.abs(b) + _denormal(want.dtype)
        else:
            allowed = ACCUMULATED * relative * (finite.max() if finite.size else 0.0)
        allowed = allowed + ACCUMULATED * relative * (case.op.slopes if derived else case.op.terms)
        if case.op.flushes and want.dtype in ("float32", "bfloat16"):
            allowed = np.where(np.maximum(np.abs(a), np.abs(b)) < FLUSHED, FLUSHED, allowed)
        close = (np.abs(a - b) <= allowed) | (a == b) | np.isnan(a) & np.isnan(b)
        if case.op.pointwise and not derived:
            close &= (a != 0) | (b != 0) | (np.signbit(a) == np.signbit(b))
        return ~np.asarray(close)


def _denormal(dtype):
    """Twice the smallest positive value: rounding to zero is no error."""
    return {"float64": 1e-323, "float32": 3e-45, "float16": 1.2e-7, "bfloat16": 2e-40}[dtype]


def check(case, lib, oracle):
    """Runs a case in both libraries. The list of mismatches, each one with the expression that shows it."""
    want, got = run(case, oracle), run(case, lib)
    found = compare(case, want, got)
    if found and case.fill in ("special", "kinks") and want.error is None:
        # With gaps between the elements of every operand torch takes its scalar loops.
        found = compare(case, want, got, [run(replace(case, layout="strided", uniform=True), oracle)])
    return [f"{text}\n    {case.expression()}" for text in found]


def verify(found):
    """Fails the running test with all mismatches in one message."""
    __tracebackhide__ = True
    if found:
        pytest.fail(report(found), pytrace=False)


def report(found, shown=6):
    """One readable message for all mismatches of a test."""
    more = [f"... and {len(found) - shown} more"] if len(found) > shown else []
    return "\n".join([f"{len(found)} mismatches (rt: under test)", *(f"- {text}" for text in found[:shown]), *more])
