"""Order: everything of it, the first few, and the middle."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..case import Case, jitted, normal, plain, rows, together

# name, for torch, for JAX
OPERATIONS: list[tuple[str, Any, Any]] = [
    ("sort", lambda lib, x: x.sort(-1).values, lambda jax, x: x.sort(-1)),
    ("topk 10", lambda lib, x: x.topk(10, -1).values, lambda jax, x: jax.lax.top_k(x, 10)[0]),
    ("median", lambda lib, x: x.median(-1).values, None),
]


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    for size in sizes:
        for name, torch, jax in OPERATIONS:
            for place, shape in (("all", (1, size)), ("rows", rows(size))):
                yield Case(
                    "sorting",
                    f"{name} {place}",
                    together(normal(*shape)),
                    plain(lambda lib, x, torch=torch: torch(lib, x)),
                    jitted(jax and (lambda jax_, x, jax=jax: jax(jax_, x))),
                    size,
                )
