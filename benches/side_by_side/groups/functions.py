"""Every function of floats by itself, in f32 and f64, at one size: enough to tell one's loop from another's."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..case import Array, Case, normal, plain, positive, together

SIZE = 1 << 16

Maker = Callable[[np.random.Generator], Array]


def unit(size: int) -> Maker:
    return lambda rng: rng.random(size, dtype=np.float32) * np.float32(1.98) - np.float32(0.99)


def above_one(size: int) -> Maker:
    return lambda rng: rng.random(size, dtype=np.float32) * np.float32(9) + np.float32(1)


# By the numbers that they take; normal numbers reach all of what is computed in several ways.
UNARY: list[tuple[Callable[[int], Maker], str]] = [
    (normal, "exp exp2 expm1 sin cos tan atan sinh cosh tanh asinh erf erfc i0 sigmoid sinc"),
    (normal, "floor round abs sign reciprocal square frac isnan signbit"),
    (positive, "log log2 log10 log1p lgamma digamma sqrt rsqrt"),
    (unit, "asin acos atanh erfinv"),
    (above_one, "acosh"),
]
BINARY = "pow atan2 hypot fmod remainder maximum copysign floor_divide logaddexp xlogy nextafter"
ACTIVATIONS = "softplus leaky_relu silu"


def method(name: str) -> Callable[..., Any]:
    return lambda lib, *tensors: getattr(lib, name)(*tensors)


def activation(name: str) -> Callable[..., Any]:
    return lambda lib, a: getattr(lib.nn.functional, name)(a)


def doubled(make: Maker) -> Maker:
    return lambda rng: make(rng).astype(np.float64)


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    if SIZE not in sizes:
        return
    named = [(name, method(name), [maker(SIZE)]) for maker, names in UNARY for name in names.split()]
    named += [(name, method(name), [positive(SIZE)] * 2) for name in BINARY.split()]
    named += [(name, activation(name), [normal(SIZE)]) for name in ACTIVATIONS.split()]
    for name, call, makers in named:
        yield Case("functions", name, together(*makers), plain(call), size=SIZE)
        double = together(*[doubled(make) for make in makers])
        yield Case("functions", f"{name} f64", double, plain(call), size=SIZE)
