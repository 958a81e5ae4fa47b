"""Images resized and read elsewhere, with torch's checks of what they are given."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rustorch as rt
from rustorch import _core

_nn = _core._nn

_RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}
_PICKING = ("nearest", "area", "nearest-exact")


def _each(value: Any, space: int) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value] * space


def _target(input: Any, size: Any, scale: Any, recompute: bool) -> tuple[list[int], list[float]]:
    """The extents of the result, and the factor of each axis, or 0 where the extents say it."""
    space, given = input.dim() - 2, list(input.shape[2:])
    if size is not None and scale is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        sizes = _each(size, space)
        if len(sizes) != space:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {given} and output size of {size}. Please provide input tensor in (N, C, d1, d2, "
                "...,dK) format and output size in (o1, o2, ...,oK) format."
            )
        if isinstance(size, (list, tuple)) and not all(isinstance(extent, int) for extent in sizes):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got "
                f"size with types {[type(extent) for extent in sizes]}"
            )
        return sizes, [0.0] * space
    if scale is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = _each(scale, space)
    if len(factors) != space:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {given} and scale_factor of shape {scale}. Please provide input tensor in (N, C, d1, d2, "
            "...,dK) format and scale_factor in (s1, s2, ...,sK) format."
        )
    sizes = [math.floor(extent * factor) for extent, factor in zip(given, factors, strict=True)]
    return sizes, [0.0] * space if recompute else [float(factor) for factor in factors]


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Resizes the axes behind the second to `size`, or by `scale_factor`.

    `mode`: nearest, nearest-exact, linear (3-D), bilinear, bicubic (4-D), trilinear (5-D), area. With `align_corners`
    the centres of the corner elements stay where they are, else their outer edges. With `recompute_scale_factor` places
    follow from the sizes, else from the factor given.
    """
    if mode in _PICKING and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    rank = input.dim()
    sizes, factors = _target(input, size, scale_factor, bool(recompute_scale_factor) or mode == "area")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if antialias:
        if mode not in ("bilinear", "bicubic", "lanczos") or rank != 4:
            raise ValueError(
                "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as "
                "input"
            )
        raise NotImplementedError("interpolate: antialias=True is not supported; use antialias=False")
    if mode == "lanczos" and rank == 4:
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        raise ValueError("Lanczos mode requires antialias=True")
    if rank not in (3, 4, 5) or (mode not in _PICKING and mode not in _RANKS) or (mode == "bicubic" and rank != 4):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank}D) for the modes: nearest | linear | "
            f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
        )
    if _RANKS.get(mode, rank) != rank:
        raise NotImplementedError(f"Got {rank}D input, but {mode} mode needs {_RANKS[mode]}D input")
    return _nn._resize(input, sizes, factors, mode, bool(align_corners))


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """The old name of `interpolate`."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")
_CHANGED = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
    "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
)


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """(N, C, H, W) or (N, C, D, H, W) read at the places `grid` (N, ..., 2 or 3) of x, y (and z) in -1 .. 1.

    `mode`: bilinear, nearest, bicubic; `padding_mode`: zeros, border, reflection.
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=2)
    return rt.grid_sampler(input, grid, _MODES.index(mode), _PADDINGS.index(padding_mode), bool(align_corners))


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The places (N, H, W, 2) or (N, D, H, W, 3) that `theta` (N, 2, 3) or (N, 3, 4) maps those of `size` to."""
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=2)
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    space = len(size) - 2
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (space, space + 1):
        raise ValueError(
            f"Expected a batch of {space}D affine matrices of shape Nx{space}x{space + 1} for size {size}. "
            f"Got {theta.shape}."
        )
    if align_corners and min(size[-space:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. "
            "This is not an intended use case of affine_grid. See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    places: list[Any] = []
    for axis, extent in enumerate(size[2:]):
        if extent == 1:
            line = rt.zeros(1, dtype=theta.dtype)
        else:
            line = rt.linspace(-1, 1, extent, dtype=theta.dtype)
            line = line if align_corners else line * ((extent - 1) / extent)
        places.insert(0, line.reshape([extent if other == axis else 1 for other in range(space)]).expand(*size[2:]))
    base = rt.stack([*places, rt.ones_like(places[0])], dim=-1).reshape(1, -1, space + 1)
    mapped = base.expand(theta.shape[0], -1, -1) @ theta.transpose(1, 2)
    return mapped.reshape(theta.shape[0], *size[2:], space)


__all__ = ["affine_grid", "grid_sample", "interpolate", "upsample"]
