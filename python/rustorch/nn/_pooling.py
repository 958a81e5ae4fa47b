"""The pools that choose between results with and without indices, or that are made of others."""

from __future__ import annotations

from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.nn._tuples import tuple_of

_nn = _core._nn


def _max_pool(rank: int) -> Any:
    plain = getattr(_nn, f"max_pool{rank}d")
    indexed = getattr(_nn, f"max_pool{rank}d_with_indices")

    def max_pool(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        pool = indexed if return_indices else plain
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode)

    max_pool.__name__ = max_pool.__qualname__ = f"max_pool{rank}d"
    max_pool.__doc__ = (
        plain.__doc__
        + "\n\nWith `return_indices` also the places of the elements in the last "
        + ("axis" if rank == 1 else f"{rank} axes")
        + " of the input, counted through, int64."
    )
    return max_pool


max_pool1d, max_pool2d, max_pool3d = (_max_pool(rank) for rank in (1, 2, 3))


def _sizes_like(output_size: Any, input: Any, rank: int) -> Any:
    """`output_size` where None stands for the extent that is there."""
    if not isinstance(output_size, (tuple, list)):
        return output_size
    if input.dim() <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    extents = input.size()[input.dim() - len(output_size) :]
    return [extent if size is None else size for size, extent in zip(output_size, extents, strict=True)]


def _adaptive_max_pool(rank: int) -> Any:
    native = getattr(_nn, f"adaptive_max_pool{rank}d")

    def adaptive_max_pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        both = native(input, output_size if rank == 1 else _sizes_like(output_size, input, rank))
        return both if return_indices else both[0]

    adaptive_max_pool.__name__ = adaptive_max_pool.__qualname__ = f"adaptive_max_pool{rank}d"
    adaptive_max_pool.__doc__ = native.__doc__ + "\n\nWithout `return_indices` the elements alone."
    return adaptive_max_pool


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (_adaptive_max_pool(rank) for rank in (1, 2, 3))


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    return _nn.adaptive_avg_pool2d(input, _sizes_like(output_size, input, 2))


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    return _nn.adaptive_avg_pool3d(input, _sizes_like(output_size, input, 3))


def _lp_pool(rank: int) -> Any:
    average = getattr(_nn, f"avg_pool{rank}d")
    largest = (max_pool1d, max_pool2d, max_pool3d)[rank - 1]

    def lp_pool(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        if norm_type == 0:
            raise ValueError(f"norm_type must be a non-zero value, but got {norm_type}")
        if norm_type == float("inf"):
            return largest(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        if norm_type == -float("inf"):
            return -largest(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        elements = 1
        for size in tuple_of(kernel_size, rank):
            elements *= size
        mean = average(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
        return (mean.sign() * mean.abs().relu()).mul(elements).pow(1.0 / norm_type)

    lp_pool.__name__ = lp_pool.__qualname__ = f"lp_pool{rank}d"
    lp_pool.__doc__ = "The norms of windows: the root of order `norm_type` of the sum of such powers of their elements."
    return lp_pool


lp_pool1d, lp_pool2d, lp_pool3d = (_lp_pool(rank) for rank in (1, 2, 3))


def _unpooled_size(input: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> list[int]:
    rank = len(kernel_size)
    extents = input.size()[-rank:]
    default = [(extents[d] - 1) * stride[d] + kernel_size[d] - 2 * padding[d] for d in range(rank)]
    if output_size is None:
        return default
    sizes = list(output_size)
    if len(sizes) == rank + 2:
        sizes = sizes[2:]
    if len(sizes) != rank:
        raise ValueError(
            f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it has a length of "
            f"'{len(sizes)}'"
        )
    for d in range(rank):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < sizes[d] < high:
            raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between {low} and {high})')
    return sizes


def _max_unpool(rank: int) -> Any:
    def max_unpool(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        kernel_size = tuple_of(kernel_size, rank)
        stride = kernel_size if stride is None else tuple_of(stride, rank)
        sizes = _unpooled_size(input, kernel_size, stride, tuple_of(padding, rank), output_size)
        if indices.dtype is not rt.int64:
            name = {"float32": "Float", "float64": "Double", "int32": "Int"}
            got = str(indices.dtype).rpartition(".")[2]
            raise RuntimeError(f"elements in indices should be type int64 but got: {name.get(got, got)}")
        if input.dim() not in (rank + 1, rank + 2):
            raise RuntimeError(
                f"Input to max_unpooling{rank}d should be a {rank + 1}d or {rank + 2}d Tensor, but got a tensor with "
                f"{input.dim()} dimensions"
            )
        if indices.size() != input.size():
            raise RuntimeError(
                f"Expected shape of indices to be same as that of the input tensor ({list(input.size())}) but got "
                f"indices tensor with shape: {list(indices.size())}"
            )
        lead = input.size()[: input.dim() - rank]
        volume = 1
        for size in sizes:
            volume *= size
        empty = input.new_zeros((*lead, volume))
        return empty.scatter(-1, indices.flatten(-rank), input.flatten(-rank)).unflatten(-1, sizes)

    max_unpool.__name__ = max_unpool.__qualname__ = f"max_unpool{rank}d"
    max_unpool.__doc__ = (
        f"The elements of `input` at the places `indices` that `max_pool{rank}d` has found, and 0 elsewhere. The "
        "extents are those that the pool's input may have had, or `output_size`."
    )
    return max_unpool


max_unpool1d, max_unpool2d, max_unpool3d = (_max_unpool(rank) for rank in (1, 2, 3))

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]
