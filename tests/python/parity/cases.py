"""Expands a row into cases. A full cross of samples, dtypes and layouts is too large; every pair of choices is kept."""

import itertools
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from .libs import ALL, FLOATS, INTS, dtype_name
from .spec import EDGES, LAYOUTS, Call, D, S, T, draw, place, t


@dataclass(frozen=True)
class Op:
    """A row of the table. Forms (function, method, in-place) exist where torch has them, unless `forms` says which.

    exact: bit for bit, signed zeros included. pointwise: each value has its own tolerance (else the largest of the
    result sets it). tol: a factor on the tolerance. special: samples to fill with NaN, infinities and extremes.
    promote, scalars: cross of dtypes, Python numbers as operands. views: writes must reach the operands that torch's
    reach. without: aspects that torch itself does not offer.

    Where torch cannot be the measure (docs/semantics.md has the reasons):
    terms, slopes: the size of terms that cancel within torch's formula for the result, and for its derivatives: a few
    units in their last place are no error. slope_dtype: derivatives are no more precise than this dtype. flushes:
    torch's float32 routine gives 0 for results near the denormals, where the denormal is as good. extremes: special
    values hold the largest finite numbers, whose sums overflow in one order and not in another. nan_signs: they hold
    NaN in bfloat16 too, whose sign bit torch's vector conversion sets and its scalar one clears. overlapping: the
    in-place form may write to elements that share memory, as torch's does.
    """

    name: str
    samples: tuple[Call, ...]
    path: str = ""
    method: str = ""
    call: Callable | None = None
    forms: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ALL
    operator: str = ""
    grad: bool = False
    gradgrad: bool = False
    exact: bool = False
    pointwise: bool = False
    tol: float = 1.0
    special: tuple[Call, ...] = ()
    special_dtypes: tuple[str, ...] = ALL
    promote: bool = False
    scalars: bool = False
    views: bool = False
    strides: bool = True
    terms: float = 0.0
    slopes: float = 0.0
    flushes: bool = False
    nan_signs: bool = True
    extremes: bool = True
    overlapping: bool = True
    slope_dtype: str = ""
    without: tuple[str, ...] = ()


def op(name, samples, **options):
    """Builds a row: fills the forms that torch has, and the method name."""
    path = options.pop("path", name)
    custom = "call" in options
    method = options.pop("method", "" if custom or "." in name else name)
    forms = options.pop("forms", None)
    if forms is None:
        forms = ["function"] if custom or _has(torch, path) else []
        forms += ["method"] if method and hasattr(torch.Tensor, method) else []
        forms += ["inplace"] if method and hasattr(torch.Tensor, method + "_") else []
        if options.get("operator"):
            forms += ["operator"]
            forms += ["ioperator"] if hasattr(torch.Tensor, f"__i{options['operator'].strip('_')}__") else []
    for key in ("special", "dtypes", "special_dtypes"):
        if key in options:
            options[key] = tuple(options[key])
    return Op(name, tuple(samples), path=path, method=method, forms=tuple(forms), **options)


def _has(module, path):
    for part in path.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True


@dataclass(frozen=True)
class Case:
    """One call, ready to run in either library."""

    op: Op
    form: str
    call: Call
    dtypes: tuple[str, ...] = ("float32",)
    layout: str = "contiguous"
    fill: str = "plain"
    seed: int = 0
    order: int = 0
    alias: bool = False
    uniform: bool = False

    def arguments(self, position, spec):
        """dtype, owning array and view suffix of the tensor at a position of the call."""
        dtype = spec.dtype or self.dtypes[position % len(self.dtypes)]
        rng = np.random.default_rng([self.seed, position])
        values = draw(spec, dtype, rng, self.fill if not spec.plain else "plain")
        if not self.op.extremes and dtype in FLOATS:
            values = np.where(np.abs(values) == EDGES[dtype][0], values.dtype.type(3.5), values)
        if dtype == "bfloat16" and not self.op.nan_signs:
            values = np.nan_to_num(values, nan=1.0, posinf=np.inf, neginf=-np.inf)
        if spec.plain:
            return dtype, values, ""
        # Later operands get another layout than the first, so that mixed layouts occur.
        chosen = LAYOUTS[(LAYOUTS.index(self.layout) + 2 * position) % len(LAYOUTS)] if position else self.layout
        if self.layout == "contiguous" or self.uniform:
            chosen = self.layout
        return (dtype, *place(values, chosen))

    def expression(self):
        """Python text that reproduces the call in either library (`from math import nan, inf`)."""
        counter = itertools.count()
        args = [self._text(value, counter) for value in self.call.args]
        kwargs = [f"{key}={self._text(value, counter)}" for key, value in self.call.kwargs]
        return self._form_text(args, kwargs) + self._note()

    def _form_text(self, args, kwargs):
        if self.form == "function":
            head = f"rt.{self.op.path}" if self.op.call is None else f"<{self.op.name}>"
        elif self.form in ("operator", "ioperator"):
            name = self.op.operator if self.form == "operator" else "i" + self.op.operator.rstrip("_")
            head = f"operator.{name}"
        else:
            head = f"({args[0]}).{self.op.method}{'_' if self.form == 'inplace' else ''}"
            args = args[1:]
        return f"{head}({', '.join(args + kwargs)})"

    def _note(self):
        notes = []
        if self.order:
            notes.append(f"derivative {self.order}")
        if self.alias:
            notes.append("then out.fill_(1)")
        return f"   # {', '.join(notes)}" if notes else ""

    def _text(self, value, counter):
        if isinstance(value, T):
            dtype, base, suffix = self.arguments(next(counter), value)
            numbers = base.tolist() if base.size <= 64 else f"draw({base.shape}, seed={self.seed})"
            return f"rt.tensor({numbers}, dtype=rt.{dtype}){suffix}"
        if isinstance(value, D):
            return f"rt.{value.name}"
        if isinstance(value, (list, tuple)):
            inner = ", ".join(self._text(item, counter) for item in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
        return repr(value)


def pairwise(axes, seed):
    """Rows of choices, one an axis, such that any two choices of different axes stand together in some row."""
    rng = random.Random(seed)
    axes = [list(axis) for axis in axes]
    if len(axes) == 1:
        return [(value,) for value in axes[0]]
    uncovered = {
        (i, a, j, b)
        for i, j in itertools.combinations(range(len(axes)), 2)
        for a in range(len(axes[i]))
        for b in range(len(axes[j]))
    }
    order = sorted(uncovered)
    rng.shuffle(order)
    rows = []
    for pair in order:
        if pair not in uncovered:
            continue
        row = {pair[0]: pair[1], pair[2]: pair[3]}
        for axis in range(len(axes)):
            if axis not in row:
                options = list(range(len(axes[axis])))
                rng.shuffle(options)
                row[axis] = max(
                    options,
                    key=lambda v, axis=axis, row=row: sum(_pair(axis, v, k, w) in uncovered for k, w in row.items()),
                )
        uncovered -= {_pair(i, row[i], j, row[j]) for i, j in itertools.combinations(range(len(axes)), 2)}
        rows.append(tuple(axes[axis][row[axis]] for axis in range(len(axes))))
    return rows


def _pair(i, a, j, b):
    return (i, a, j, b) if i < j else (j, b, i, a)


def seed_of(*words):
    return zlib.crc32(" ".join(map(str, words)).encode())


def aspects(row):
    """The aspects under which a row is tested."""
    found = [form for form in row.forms if form != "ioperator"]
    found += ["special"] if row.special else []
    found += ["grad"] if row.grad else []
    found += ["inplace_grad"] if row.grad and "inplace" in row.forms else []
    found += ["special_grad"] if row.grad and row.special else []
    found += ["gradgrad"] if row.gradgrad else []
    found += ["promotion"] if row.promote else []
    found += ["scalars"] if row.scalars else []
    found += ["alias"] if row.views else []
    return [aspect for aspect in found if aspect not in row.without]


def cases(row, aspect):
    """All cases of a row under an aspect, in a fixed order."""
    seed = seed_of(row.name, aspect)
    build = {
        "special": _special,
        "special_grad": _special_grad,
        "promotion": _promotion,
        "scalars": _scalars,
    }.get(aspect, _sampled)
    found = build(row, aspect, seed)
    return [replace(case, seed=case.seed or seed + number) for number, case in enumerate(found)]


def _sampled(row, aspect, seed):
    forms = {"grad": row.forms[:1], "gradgrad": row.forms[:1], "alias": row.forms[:1], "inplace_grad": ("inplace",)}
    forms = forms.get(aspect, (aspect,))
    if aspect == "operator":
        forms = tuple(form for form in ("operator", "ioperator") if form in row.forms)
    dtypes = {
        "method": ("float32", "int64", "bool", "bfloat16"),
        "grad": ("float64", "float32"),
        "inplace_grad": ("float64", "float32"),
        "gradgrad": ("float64",),
        "alias": ("float32", "int64"),
    }.get(aspect, row.dtypes)
    dtypes = tuple(dtype for dtype in dtypes if dtype in row.dtypes)
    samples = row.samples
    if aspect in ("operator", "ioperator"):
        samples = [call for call in samples if not call.kwargs and len(call.args) <= 2]
    if forms[0] in ("method", "inplace"):
        samples = [call for call in samples if isinstance(call.args[0], T)]
    order = {"grad": 1, "inplace_grad": 1, "gradgrad": 2}.get(aspect, 0)
    for call, dtype, layout, form in pairwise([samples, dtypes, LAYOUTS, forms], seed):
        if form == "inplace" and layout == "expanded" and not row.overlapping:
            continue
        yield Case(row, form, call, (dtype,), layout, order=order, alias=aspect == "alias")


def _special(row, aspect, seed):
    dtypes = [dtype for dtype in row.dtypes if dtype in row.special_dtypes]
    for call, dtype, repeat in itertools.product(row.special, dtypes, range(2)):
        if repeat == 0 or dtype in FLOATS:
            yield Case(row, row.forms[0], call, (dtype,), fill="special")


def _special_grad(row, aspect, seed):
    """Gradients at special values one by one (where a value has a gradient of its own), and at kinks and ties."""
    for call, dtype in itertools.product(row.special, ("float32", "float64")):
        same_shape = len({spec.shape for spec in call.tensors()}) == 1
        if row.pointwise and same_shape:
            yield Case(row, row.forms[0], call, (dtype,), fill="special", order=1)
        yield Case(row, row.forms[0], call, (dtype,), fill="kinks", order=1)


def _promotion(row, aspect, seed):
    ranks = [(t(3), t(3)), (t(3), t()), (t(), t(3)), (t(), t())]
    for number, (left, right) in enumerate(itertools.product(row.dtypes, row.dtypes)):
        for pair in (ranks[0], ranks[1 + number % 3]):
            yield Case(row, row.forms[0], S(*map(_positive, pair)), (left, right))
        if "inplace" in row.forms:
            yield Case(row, "inplace", S(*map(_positive, ranks[0])), (left, right))


def _scalars(row, aspect, seed):
    for dtype, scalar in itertools.product(row.dtypes, (True, 2, 1.5)):
        tensor = _positive(t(3))
        yield Case(row, row.forms[0], S(tensor, scalar), (dtype,))
        yield Case(row, row.forms[0], S(_positive(t()), scalar), (dtype,))
        if "operator" in row.forms:
            yield Case(row, "operator", S(tensor, scalar), (dtype,))
            yield Case(row, "operator", S(scalar, tensor), (dtype,))
        if "ioperator" in row.forms:
            yield Case(row, "ioperator", S(tensor, scalar), (dtype,))
        if "inplace" in row.forms:
            yield Case(row, "inplace", S(tensor, scalar), (dtype,))


def _positive(spec):
    """Promotion is about dtypes; operands from 1 on keep zero divisors, which some dtypes refuse, out of it."""
    return replace(spec, low=1.0, high=3.0)


__all__ = ["ALL", "FLOATS", "INTS", "Case", "Op", "aspects", "cases", "dtype_name", "op", "pairwise"]
