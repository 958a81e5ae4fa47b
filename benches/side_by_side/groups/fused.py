"""Chains that should become one loop."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..case import Case, jitted, normal, plain, rows, together

# Eager torch runs them one by one.
FUSED = 0.5


def gelu_by_hand(lib: Any, x: Any) -> Any:
    return 0.5 * x * (1 + lib.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def twenty(lib: Any, x: Any, row: Any, column: Any) -> Any:
    """Twenty operations, with broadcasts along both axes."""
    a = x * row + column
    b = lib.maximum(a, -a) + 0.5
    c = (b * 0.25 - row) * (x - column)
    d = c * c + b
    e = lib.sqrt(d) + lib.tanh(a)
    f = lib.where(e > 1, e - row, e * 2)
    return f / (b + 1) + x


def normalise_rows(x: Any) -> Any:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred * centred).mean(-1, keepdim=True).sqrt()


def normalise_rows_jax(jax: Any, x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / jax.numpy.sqrt((centred * centred).mean(-1, keepdims=True))


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    def case(name: str, makers: Sequence[Any], torch: Any, jax: Any) -> Case:
        return Case("fused", name, together(*makers), plain(torch), jitted(jax), size, bound=FUSED)

    for size in sizes:
        yield case(
            "relu(a*b+c)",
            [normal(size)] * 3,
            lambda lib, a, b, c: (a * b + c).relu(),
            lambda jax, a, b, c: jax.numpy.maximum(a * b + c, 0),
        )
        yield case("gelu by hand", [normal(size)], gelu_by_hand, lambda jax, x: gelu_by_hand(jax.numpy, x))
        high, wide = rows(size)
        yield case(
            "20 operations",
            [normal(high, wide), normal(wide), normal(high, 1)],
            twenty,
            lambda jax, x, row, column: twenty(jax.numpy, x, row, column),
        )
        yield case("normalise rows", [normal(high, wide)], lambda lib, x: normalise_rows(x), normalise_rows_jax)
        yield case(
            "squared error",
            [normal(size)] * 2,
            lambda lib, a, b: ((a - b) ** 2).mean(),
            lambda jax, a, b: ((a - b) ** 2).mean(),
        )
