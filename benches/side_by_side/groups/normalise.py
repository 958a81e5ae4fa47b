"""Softmax, layer normalisation and cross entropy over rows, forward and backward."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..case import Array, Case, Compile, Run, jitted, normal, plain, rows, together


def layer_norm(lib: Any, x: Any, weight: Any, bias: Any) -> Any:
    return lib.nn.functional.layer_norm(x, (x.shape[-1],), weight, bias)


def layer_norm_jax(jax: Any, x: Any, weight: Any, bias: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / jax.numpy.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * weight + bias


def softmax(lib: Any, x: Any) -> Any:
    return x.softmax(-1)


def log_softmax(lib: Any, x: Any) -> Any:
    return x.log_softmax(-1)


def cross_entropy(lib: Any, x: Any, classes: Any) -> Any:
    return lib.nn.functional.cross_entropy(x, classes)


def cross_entropy_jax(jax: Any, x: Any, classes: Any) -> Any:
    return -jax.numpy.take_along_axis(jax.nn.log_softmax(x), classes[:, None], 1).mean()


def classes(high: int, wide: int) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.integers(0, wide, high)


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    for size in sizes:
        high, wide = rows(size)
        x = normal(high, wide)
        affine = together(x, normal(wide), normal(wide))
        for name, arrays, torch, jax in [
            ("softmax", together(x), softmax, lambda jax, x: jax.nn.softmax(x)),
            ("softmax first", together(x), lambda lib, x: x.softmax(0), lambda jax, x: jax.nn.softmax(x, axis=0)),
            ("log_softmax", together(x), log_softmax, lambda jax, x: jax.nn.log_softmax(x)),
            ("layer_norm", affine, layer_norm, layer_norm_jax),
            ("cross_entropy", together(x, classes(high, wide)), cross_entropy, cross_entropy_jax),
        ]:
            yield Case("normalise", name, arrays, plain(torch), jitted(jax), size)


def gradient(forward: Callable[..., Any], leaves: int) -> Callable[..., Run]:
    """Forward and backward: the gradients of the first `leaves` tensors; the last tensor is that of the result."""

    def prepare(lib: Any, compile: Compile, *tensors: Any) -> Run:
        *inputs, seed = tensors
        inputs[:leaves] = [x.detach().requires_grad_() for x in inputs[:leaves]]
        call = compile(lambda *inputs: forward(lib, *inputs))

        def run() -> Any:
            grads = lib.autograd.grad(call(*inputs), inputs[:leaves], seed)
            return grads if leaves > 1 else grads[0]

        return run

    return prepare


def gradient_jax(forward: Callable[..., Any], leaves: int) -> Callable[..., Run] | None:
    def call(jax: Any, *arrays: Any) -> Any:
        *inputs, seed = arrays
        _, pull = jax.vjp(lambda *leaf: forward(jax, *leaf, *inputs[leaves:]), *inputs[:leaves])
        grads = pull(seed)
        return grads if leaves > 1 else grads[0]

    return jitted(call)


def backward_cases(sizes: Sequence[int]) -> Iterator[Case]:
    for size in sizes:
        high, wide = rows(size)
        x, affine = normal(high, wide), [normal(wide), normal(wide)]
        one: Callable[[np.random.Generator], Array] = lambda rng: np.float32(rng.random()).reshape(())  # noqa: E731
        for name, makers, leaves, torch, jax in [
            ("softmax", [x, x], 1, softmax, lambda jax, x: jax.nn.softmax(x)),
            ("log_softmax", [x, x], 1, log_softmax, lambda jax, x: jax.nn.log_softmax(x)),
            ("layer_norm to x", [x, *affine, x], 1, layer_norm, layer_norm_jax),
            ("layer_norm to all", [x, *affine, x], 3, layer_norm, layer_norm_jax),
            ("cross_entropy", [x, classes(high, wide), one], 1, cross_entropy, cross_entropy_jax),
            (
                "gelu",
                [x, x],
                1,
                lambda lib, x: lib.nn.functional.gelu(x),
                lambda jax, x: jax.nn.gelu(x, approximate=False),
            ),
            ("relu sum", [x, one], 1, lambda lib, x: (x * 2).relu().sum(), lambda jax, x: jax.nn.relu(x * 2).sum()),
        ]:
            yield Case(
                "backward",
                name,
                together(*makers),
                gradient(torch, leaves),
                gradient_jax(jax, leaves),
                size,
                tolerance=1e-3,
            )
