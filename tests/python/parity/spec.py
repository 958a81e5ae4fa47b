"""What a row writes down: tensors, dtypes, calls. And how a tensor of the description comes to life in a library."""

from dataclasses import dataclass

import numpy as np

from .libs import FLOATS, HALVES, NUMPY

LAYOUTS = ("contiguous", "transposed", "strided", "offset", "expanded")

SPECIAL = {
    "bool": (True, False),
    "uint8": (0, 1, 2, 3, 127, 128, 254, 255),
    **{
        name: (0, 1, -1, 2, -3, 7, int(np.iinfo(name).max), int(np.iinfo(name).min), int(np.iinfo(name).max) - 1)
        for name in ("int8", "int16", "int32", "int64")
    },
}
COMMON = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 1.5, 2.5, -2.5, 17.0, -100.25)
EDGES = {  # largest finite, smallest normal, smallest denormal
    "float16": (65504.0, 6.104e-05, 5.96e-08),
    "bfloat16": (3.3895314e38, 1.1754944e-38, 9.1835e-41),
    "float32": (3.4028234663852886e38, 1.1754943508222875e-38, 1.401298464324817e-45),
    "float64": (1.7976931348623157e308, 2.2250738585072014e-308, 5e-324),
}
for _name, _edges in EDGES.items():
    SPECIAL[_name] = COMMON + _edges + tuple(-edge for edge in _edges)


# Points where derivatives jump and where comparisons tie.
KINKS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 1.5, -1.5, 2.5, 6.0)


@dataclass(frozen=True)
class T:
    """A tensor argument. `dtype` None means the dtype of the case; `below` makes integers of [0, below)."""

    shape: tuple
    dtype: str | None = None
    low: float = -3.0
    high: float = 3.0
    below: int | None = None
    values: tuple | None = None
    ties: bool = False
    distinct: bool = False
    grad: bool = True
    plain: bool = False


@dataclass(frozen=True)
class D:
    """A dtype argument, by name."""

    name: str


@dataclass(frozen=True)
class Call:
    args: tuple
    kwargs: tuple

    def tensors(self):
        return list(_tensors((self.args, tuple(v for _, v in self.kwargs))))


def t(*shape, **options):
    return T(tuple(shape), **options)


def idx(*shape, below, dtype="int64", **options):
    return T(tuple(shape), dtype=dtype, below=below, plain=True, **options)


def lit(values, dtype=None):
    """A tensor with exactly these values."""
    return T(np.shape(values), dtype=dtype, values=_frozen(values), plain=True)


def S(*args, **kwargs):
    """One sample call of a row."""
    return Call(args, tuple(kwargs.items()))


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def _tensors(value):
    if isinstance(value, T):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def draw(spec, dtype, rng, fill):
    """The logical values of a tensor."""
    kind = NUMPY[dtype]
    if spec.values is not None:
        return np.array(spec.values, dtype=kind).reshape(spec.shape)
    size = int(np.prod(spec.shape))
    if spec.below is not None:
        flat = rng.permutation(spec.below)[:size] if spec.distinct else rng.integers(0, spec.below, size)
    elif fill in ("special", "kinks"):
        pool = np.array(SPECIAL[dtype] if fill == "special" else KINKS, dtype=kind)
        flat = np.resize(rng.permutation(np.resize(pool, max(size, len(pool)))), size)
    elif dtype == "bool":
        flat = rng.integers(0, 2, size)
    elif spec.ties:
        flat = rng.integers(0, 3, size)
    elif dtype in FLOATS:
        flat = rng.uniform(spec.low, spec.high, size)
        if dtype in HALVES:  # few digits, so that sums and products of halves stay near representable values
            flat = np.round(flat * 8) / 8
            flat = np.clip(flat, spec.low, spec.high) if spec.low > 0 else flat
    else:
        low = int(np.ceil(spec.low)) if dtype != "uint8" else max(0, int(np.ceil(spec.low)))
        flat = rng.integers(low, max(low, int(np.floor(spec.high))) + 1, size)
    with np.errstate(all="ignore"):
        return np.asarray(flat).astype(kind).reshape(spec.shape)


def place(values, layout):
    """An array to own the memory, and the view of it that has the values: a Python suffix.

    Memory outside the view holds other numbers, so that a read beside the view shows.
    """
    if values.ndim == 0:
        if layout == "contiguous":
            return values, ""
        base = np.resize(np.array([1, 0, 1], dtype=values.dtype), 3)
        base[1] = values
        return base, "[1]"
    if layout == "transposed" and values.ndim >= 2:
        return np.ascontiguousarray(np.swapaxes(values, 0, -1)), ".transpose(0, -1)"
    if layout == "offset":
        base = np.ones((values.shape[0] + 2, *values.shape[1:]), dtype=values.dtype)
        base[1:-1] = values
        return base, f".narrow(0, 1, {values.shape[0]})"
    if layout == "expanded" and values.shape[0] > 1:
        return values[:1].copy(), f".expand{tuple(values.shape)}".replace(",)", ")")
    if layout in ("strided", "transposed"):
        base = np.ones((*values.shape[:-1], 2 * values.shape[-1] + 1), dtype=values.dtype)
        base[..., 1::2] = values
        return base, "[..., 1::2]"
    return values, ""


def view(base, suffix):
    """Applies what `place` wrote."""
    if not suffix:
        return base
    if suffix == "[1]":
        return base[1]
    if suffix == "[..., 1::2]":
        return base[..., 1::2]
    name, _, arguments = suffix[1:].rstrip(")").partition("(")
    return getattr(base, name)(*(int(word) for word in arguments.split(",")))
