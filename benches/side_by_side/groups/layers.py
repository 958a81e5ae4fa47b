"""Layers over images and sequences: normalisation of channels and attention, forward and backward."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..case import Case, normal, plain, positive, together
from .normalise import gradient

CHANNELS = 64


def batch_norm(lib: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any) -> Any:
    return lib.nn.functional.batch_norm(x, mean, var, weight, bias)


def batch_norm_training(lib: Any, x: Any, weight: Any, bias: Any) -> Any:
    return lib.nn.functional.batch_norm(x, None, None, weight, bias, True)


def group_norm(lib: Any, x: Any, weight: Any, bias: Any) -> Any:
    return lib.nn.functional.group_norm(x, 8, weight, bias)


def instance_norm(lib: Any, x: Any, weight: Any, bias: Any) -> Any:
    return lib.nn.functional.instance_norm(x, weight=weight, bias=bias)


def norm_cases(sizes: Sequence[int]) -> Iterator[Case]:
    for size in sizes:
        side = max(int((size / (4 * CHANNELS)) ** 0.5), 2)
        x, parameters = normal(4, CHANNELS, side, side), [normal(CHANNELS), normal(CHANNELS)]
        evaluated = together(x, normal(CHANNELS), positive(CHANNELS), *parameters)
        yield Case("norm", "batch_norm evaluated", evaluated, plain(batch_norm), size=size)
        for name, call in [
            ("batch_norm", batch_norm_training),
            ("group_norm", group_norm),
            ("instance_norm", instance_norm),
        ]:
            yield Case("norm", name, together(x, *parameters), plain(call), size=size)
            backward = together(x, *parameters, x)
            yield Case("norm", f"{name} backward", backward, gradient(call, 3), size=size, tolerance=1e-3)


def attention(lib: Any, q: Any, k: Any, v: Any) -> Any:
    return lib.nn.functional.scaled_dot_product_attention(q, k, v)


def causal(lib: Any, q: Any, k: Any, v: Any) -> Any:
    return lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def attention_cases(sizes: Sequence[int]) -> Iterator[Case]:
    """Four sequences, eight heads of 64 features; the size is that of the queries."""
    for size in sizes:
        length = max(size // (4 * 8 * 64), 1)
        x = normal(4, 8, length, 64)
        for name, call in [("attention", attention), ("causal attention", causal)]:
            yield Case("attention", name, together(x, x, x), plain(call), size=size, bound=1.0)
            backward = gradient(call, 3)
            yield Case("attention", f"{name} backward", together(x, x, x, x), backward, size=size, tolerance=1e-3)
