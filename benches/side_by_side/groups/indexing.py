"""Gathers, scatters, masks, joins and copies across an axis."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..case import Array, Case, jitted, normal, plain, rows, together

ROW = 64


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    def case(name: str, makers: Sequence[Any], torch: Any, jax: Any) -> Case:
        return Case("indexing", name, together(*makers), plain(torch), jitted(jax), size, tolerance=1e-3)

    for size in sizes:
        count = size // ROW
        table, picks = normal(count, ROW), integers(count, (count,))
        matrix = normal(*rows(size))
        yield case("rows by index", [table, picks], lambda lib, t, i: t[i], lambda jax, t, i: t[i])
        yield case(
            "embedding",
            [table, picks],
            lambda lib, t, i: lib.nn.functional.embedding(i, t),
            lambda jax, t, i: t[i],
        )
        yield case(
            "index_select last",
            [table, integers(ROW, (ROW,))],
            lambda lib, t, i: t.index_select(1, i),
            lambda jax, t, i: t[:, i],
        )
        yield case(
            "gather last",
            [table, integers(ROW, (count, ROW))],
            lambda lib, t, i: t.gather(1, i),
            lambda jax, t, i: jax.numpy.take_along_axis(t, i, 1),
        )
        yield case(
            "searchsorted",
            [ascending(1000), normal(size)],
            lambda lib, s, x: lib.searchsorted(s, x),
            lambda jax, s, x: jax.numpy.searchsorted(s, x),
        )
        yield case("bincount", [integers(1000, (size,))], lambda lib, i: lib.bincount(i), None)
        yield case("mask", [normal(size)], lambda lib, x: x[x > 0], None)
        yield case("masked_fill", [normal(size)], lambda lib, x: x.masked_fill(x > 0, 1.5), fill_jax)
        yield case(
            "index_add rows",
            [table, picks, table],
            lambda lib, t, i, x: t.index_add(0, i, x),
            lambda jax, t, i, x: t.at[i].add(x),
        )
        yield case(
            "scatter_add first",
            [table, integers(count, (count, ROW)), table],
            lambda lib, t, i, x: t.scatter_add(0, i, x),
            lambda jax, t, i, x: t.at[i, jax.numpy.arange(ROW)].add(x),
        )
        yield case(
            "cat first",
            [matrix] * 2,
            lambda lib, a, b: lib.cat([a, b]),
            lambda jax, a, b: jax.numpy.concatenate([a, b]),
        )
        yield case(
            "cat last",
            [matrix] * 2,
            lambda lib, a, b: lib.cat([a, b], 1),
            lambda jax, a, b: jax.numpy.concatenate([a, b], 1),
        )
        yield case("stack last", [normal(size)] * 2, lambda lib, a, b: lib.stack([a, b], -1), stack_jax)
        # A copy of a view is another view until somebody wants the bytes.
        yield case("transpose copy", [matrix], lambda lib, x: x.t().contiguous().numpy(), lambda jax, x: x.T)
        yield case("add to transpose", [square(size)] * 2, lambda lib, a, b: a + b.t(), lambda jax, a, b: a + b.T)
        yield case("slice copy", [matrix], lambda lib, x: x[:, 1::2].contiguous().numpy(), lambda jax, x: x[:, 1::2])


def fill_jax(jax: Any, x: Any) -> Any:
    return jax.numpy.where(x > 0, 1.5, x)


def stack_jax(jax: Any, a: Any, b: Any) -> Any:
    return jax.numpy.stack([a, b], -1)


def square(size: int) -> Callable[[np.random.Generator], Array]:
    side = int(size**0.5)
    return normal(side, side)


def integers(below: int, shape: tuple[int, ...]) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.integers(0, below, shape)


def ascending(count: int) -> Callable[[np.random.Generator], Array]:
    return lambda rng: np.sort(rng.standard_normal(count).astype(np.float32))
