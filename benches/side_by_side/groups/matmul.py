"""Matrix products: square, skinny, batched, with a vector, and with what a network puts behind them."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from ..case import PRODUCT, Case, jitted, normal, plain, together


def matmul(lib: Any, a: Any, b: Any) -> Any:
    return a @ b


def linear_relu(lib: Any, x: Any, weight: Any, bias: Any) -> Any:
    return lib.nn.functional.linear(x, weight, bias).relu()


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    """The shapes are fixed; of them those whose operands have at most the largest size asked for."""
    for case in all_cases():
        if case.size <= max(sizes):
            yield case


def all_cases() -> Iterator[Case]:
    def case(name: str, shapes: Sequence[tuple[int, ...]], torch: Any, jax: Any) -> Case:
        arrays = together(*(normal(*shape) for shape in shapes))
        size = max(map(prod, shapes))
        return Case("matmul", name, arrays, plain(torch), jitted(jax), size, bound=PRODUCT, tolerance=1e-3)

    for m, k, n in [
        *((n, n, n) for n in (16, 64, 128, 256, 512, 1024, 2048)),
        (16, 1024, 1024),
        (1024, 1024, 16),
        (1024, 16, 1024),
        (1, 1024, 1024),
        (32, 64, 128),
        (128, 768, 3072),
        (128, 3072, 768),
    ]:
        yield case(f"{m}x{k} @ {k}x{n}", [(m, k), (k, n)], matmul, matmul)
    for batch, m, k, n in [(32, 64, 64, 64), (8, 128, 128, 128), (96, 128, 64, 128)]:
        yield case(f"{batch} of {m}x{k} @ {k}x{n}", [(batch, m, k), (batch, k, n)], matmul, matmul)
    for n in (256, 1024, 2048):
        yield case(f"matvec {n}", [(n, n), (n,)], matmul, matmul)
        yield case(f"dot {n * n}", [(n * n,), (n * n,)], matmul, matmul)
    yield case("512: a @ b.T", [(512, 512), (512, 512)], lambda lib, a, b: a @ b.t(), lambda jax, a, b: a @ b.T)
    yield case("512: a.T @ b", [(512, 512), (512, 512)], lambda lib, a, b: a.t() @ b, lambda jax, a, b: a.T @ b)
    for m, k, n in [(1, 64, 128), (32, 64, 128), (128, 768, 3072), (512, 512, 512)]:
        yield case(
            f"relu(linear) {m}x{k} to {n}",
            [(m, k), (n, k), (n,)],
            linear_relu,
            lambda jax, x, weight, bias: jax.nn.relu(x @ weight.T + bias),
        )
