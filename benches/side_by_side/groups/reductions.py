"""Reductions over everything, over the last axis and over the first."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..case import Case, jitted, normal, plain, rows, together

# name, for torch, for JAX
OPERATIONS: list[tuple[str, Any, Any]] = [
    ("sum all", lambda lib, x: x.sum(), lambda jax, x: jax.numpy.sum(x)),
    ("sum last", lambda lib, x: x.sum(-1), lambda jax, x: x.sum(-1)),
    ("sum first", lambda lib, x: x.sum(0), lambda jax, x: x.sum(0)),
    ("mean all", lambda lib, x: x.mean(), lambda jax, x: jax.numpy.mean(x)),
    ("mean last", lambda lib, x: x.mean(-1), lambda jax, x: x.mean(-1)),
    ("max all", lambda lib, x: x.max(), lambda jax, x: jax.numpy.max(x)),
    ("amax last", lambda lib, x: x.amax(-1), lambda jax, x: x.max(-1)),
    ("amax first", lambda lib, x: x.amax(0), lambda jax, x: x.max(0)),
    ("max last", lambda lib, x: x.max(-1), lambda jax, x: (x.max(-1), x.argmax(-1))),
    ("argmax all", lambda lib, x: x.argmax(), lambda jax, x: jax.numpy.argmax(x)),
    ("argmax last", lambda lib, x: x.argmax(-1), lambda jax, x: x.argmax(-1)),
    ("argmax first", lambda lib, x: x.argmax(0), lambda jax, x: x.argmax(0)),
    ("var all", lambda lib, x: x.var(), lambda jax, x: x.var(ddof=1)),
    ("var last", lambda lib, x: x.var(-1), lambda jax, x: x.var(-1, ddof=1)),
    ("var first", lambda lib, x: x.var(0), lambda jax, x: x.var(0, ddof=1)),
    ("norm all", lambda lib, x: x.norm(), lambda jax, x: jax.numpy.sqrt((x * x).sum())),
    ("norm last", lambda lib, x: x.norm(dim=-1), lambda jax, x: jax.numpy.sqrt((x * x).sum(-1))),
    ("logsumexp last", lambda lib, x: x.logsumexp(-1), lambda jax, x: jax.scipy.special.logsumexp(x, axis=-1)),
    ("any all", lambda lib, x: (x > 9).any(), lambda jax, x: (x > 9).any()),
]


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    for size in sizes:
        for name, torch, jax in OPERATIONS:
            # Sums of all elements differ in the order of summation, relative to what cancels.
            yield Case(
                "reductions", name, together(normal(*rows(size))), plain(torch), jitted(jax), size, tolerance=1e-3
            )
