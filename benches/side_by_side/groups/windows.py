"""Convolutions and pools, forward and backward."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..case import Case, normal, plain, together
from .normalise import gradient

# A direct convolution of a library made for it is the measure.
CONVOLUTION = 1.5

Forward = Callable[..., Any]


def conv(**options: Any) -> Forward:
    return lambda lib, x, weight, *bias: lib.nn.functional.conv2d(x, weight, *bias, **options)


def conv_relu(lib: Any, x: Any, weight: Any, bias: Any) -> Any:
    return lib.nn.functional.conv2d(x, weight, bias, padding=1).relu()


# Name, input, weight, bias, call: layers of common networks, and of a small one.
LAYERS: list[tuple[str, tuple[int, ...], tuple[int, ...], bool, Forward]] = [
    ("3x3 64 to 64, 56", (8, 64, 56, 56), (64, 64, 3, 3), True, conv(padding=1)),
    ("3x3 64 to 64, 56, relu", (8, 64, 56, 56), (64, 64, 3, 3), True, conv_relu),
    ("3x3 512 to 512, 7", (8, 512, 7, 7), (512, 512, 3, 3), False, conv(padding=1)),
    ("3x3 64 to 128, 56 by 2", (8, 64, 56, 56), (128, 64, 3, 3), False, conv(padding=1, stride=2)),
    ("1x1 64 to 256, 56", (8, 64, 56, 56), (256, 64, 1, 1), False, conv()),
    ("7x7 3 to 64, 224 by 2", (4, 3, 224, 224), (64, 3, 7, 7), False, conv(padding=3, stride=2)),
    ("3x3 of each of 144, 28", (8, 144, 28, 28), (144, 1, 3, 3), False, conv(padding=1, groups=144)),
    ("3x3 1 to 16, 8", (64, 1, 8, 8), (16, 1, 3, 3), True, conv(padding=1)),
]

POOLS: list[tuple[str, tuple[int, ...], Forward]] = [
    ("max 2x2", (8, 64, 56, 56), lambda lib, x: lib.nn.functional.max_pool2d(x, 2)),
    ("max 3x3 by 2", (8, 64, 112, 112), lambda lib, x: lib.nn.functional.max_pool2d(x, 3, 2, 1)),
    ("mean 2x2", (8, 64, 56, 56), lambda lib, x: lib.nn.functional.avg_pool2d(x, 2)),
    ("mean 3x3", (8, 64, 56, 56), lambda lib, x: lib.nn.functional.avg_pool2d(x, 3, 1, 1)),
    ("mean of all", (8, 512, 7, 7), lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 1)),
]


def numel(shape: Sequence[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


def _result(forward: Forward, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a call gives, by a library that is there in any case."""
    import torch

    return tuple(forward(torch, *(torch.empty(shape, device="meta") for shape in shapes)).shape)


def conv_cases(sizes: Sequence[int]) -> Iterator[Case]:
    for name, x, weight, biased, forward in LAYERS:
        shapes = [x, weight, *([weight[:1]] if biased else [])]
        makers = [normal(*shape) for shape in shapes]
        size = numel(x)
        if size > max(sizes):
            continue
        yield Case("conv", name, together(*makers), plain(forward), None, size, CONVOLUTION, tolerance=1e-3)
        seed = normal(*_result(forward, *shapes))
        for which, leaves in (("to the input", 1), ("to all", len(shapes))):
            prepare = gradient(forward, leaves)
            makers_and_seed = together(*makers, seed)
            label = f"{name}, {which}"
            yield Case("conv", label, makers_and_seed, prepare, None, size, CONVOLUTION, tolerance=1e-2)


def pool_cases(sizes: Sequence[int]) -> Iterator[Case]:
    for name, x, forward in POOLS:
        size = numel(x)
        if size > max(sizes):
            continue
        yield Case("pool", name, together(normal(*x)), plain(forward), None, size)
        seed = normal(*_result(forward, x))
        yield Case("pool", f"{name}, gradient", together(normal(*x), seed), gradient(forward, 1), None, size)
