"""Factorisations and systems: one matrix, and many small ones."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from ..case import Array, Case, jitted, plain

# name, for torch, for JAX; of matrices that are symmetric and far from singular
OPERATIONS: list[tuple[str, Any, Any]] = [
    ("cholesky", lambda lib, a: lib.linalg.cholesky(a), lambda jax, a: jax.numpy.linalg.cholesky(a)),
    ("solve", lambda lib, a: lib.linalg.solve(a, a[..., :8]), lambda jax, a: jax.numpy.linalg.solve(a, a[..., :8])),
    ("inv", lambda lib, a: lib.linalg.inv(a), lambda jax, a: jax.numpy.linalg.inv(a)),
    ("det", lambda lib, a: lib.linalg.slogdet(a)[1], lambda jax, a: jax.numpy.linalg.slogdet(a)[1]),
    ("qr", lambda lib, a: lib.linalg.qr(a)[1], lambda jax, a: jax.numpy.linalg.qr(a)[1]),
    ("eigvalsh", lambda lib, a: lib.linalg.eigvalsh(a), lambda jax, a: jax.numpy.linalg.eigvalsh(a)),
    ("eigh", lambda lib, a: lib.linalg.eigh(a)[0], lambda jax, a: jax.numpy.linalg.eigh(a)[0]),
    ("svdvals", lambda lib, a: lib.linalg.svdvals(a), None),
    ("svd", lambda lib, a: lib.linalg.svd(a)[1], lambda jax, a: jax.numpy.linalg.svd(a)[1]),
]
SHAPES = ((1024, 4, 4), (256, 16, 16), (16, 64, 64), (256, 256), (1024, 1024))


def matrices(*shape: int) -> Any:
    def make(rng: Any) -> list[Array]:
        x = rng.standard_normal(shape, dtype="float32")
        n = shape[-1]
        symmetric = (x + x.swapaxes(-1, -2)) / (8 * n**0.5)
        return [symmetric + (1 + rng.random(n, dtype="float32")) * np.eye(n, dtype="float32")]

    return make


def transform(lib: Any, x: Any) -> Any:
    if hasattr(lib, "kernels"):
        return lib.kernels.fft(x)
    return lib.view_as_real(lib.fft.fft(lib.view_as_complex(x)))


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    """The shapes are fixed; of them those that have at most the largest size asked for."""
    for shape in SHAPES:
        size = prod(shape)
        if size > max(sizes):
            continue
        for name, torch, jax in OPERATIONS:
            label = f"{name} {'x'.join(map(str, shape))}"
            yield Case(
                "linalg",
                label,
                matrices(*shape),
                plain(torch),
                jitted(jax),
                size,
                tolerance=2e-3,
            )
    for rows, length in ((1, 1024), (64, 1000), (16, 65536)):
        if rows * length <= max(sizes):
            yield Case(
                "linalg",
                f"fft {rows}x{length}",
                lambda rng, shape=(rows, length, 2): [rng.standard_normal(shape, dtype="float32")],
                plain(transform),
                None,
                rows * length,
                tolerance=1e-3,
            )
