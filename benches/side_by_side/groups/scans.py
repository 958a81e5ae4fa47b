"""Running combinations of everything, along the last axis and along the first."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..case import Case, jitted, normal, plain, rows, together

# name, for torch, for JAX
OPERATIONS: list[tuple[str, Any, Any]] = [
    ("cumsum", lambda lib, x, dim: x.cumsum(dim), lambda jax, x, dim: x.cumsum(dim)),
    ("cumprod", lambda lib, x, dim: x.cumprod(dim), lambda jax, x, dim: x.cumprod(dim)),
    ("cummax", lambda lib, x, dim: x.cummax(dim), None),
    ("logcumsumexp", lambda lib, x, dim: x.logcumsumexp(dim), lambda jax, x, dim: jax.lax.cumlogsumexp(x, dim % 2)),
]


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    for size in sizes:
        for name, torch, jax in OPERATIONS:
            for place, shape, dim in (("all", (1, size), 1), ("last", rows(size), -1), ("first", rows(size), 0)):
                yield Case(
                    "scans",
                    f"{name} {place}",
                    together(normal(*shape)),
                    plain(lambda lib, x, torch=torch, dim=dim: torch(lib, x, dim)),
                    jitted(jax and (lambda lib, x, jax=jax, dim=dim: jax(lib, x, dim))),
                    size,
                    # Sums differ in the order of summation, relative to what cancels.
                    tolerance=1e-3,
                )
