"""Dropout of whole channels, and of what keeps mean and variance; the draws are those of `dropout`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rustorch as rt
from rustorch import _core

_nn = _core._nn

# What the scaled exponential linear unit tends to far below 0, negated: Klambauer and others, "Self-normalizing neural
# networks".
_SATURATION = 1.7580993408473766


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _written(input: Any, out: Any, inplace: bool) -> Any:
    return input.copy_(out) if inplace else out


def _ones(input: Any, by_channel: bool) -> Any:
    if not by_channel:
        return rt.ones_like(input)
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return rt.ones([*input.shape[:2], *[1] * (input.dim() - 2)], dtype=input.dtype)


def _dropped_channels(input: Any, p: float, training: bool, inplace: bool) -> Any:
    if p == 0.0 or not training or input.numel() == 0:
        return input
    return _written(input, input * _nn.dropout(_ones(input, True), p, True), inplace)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """While training each channel of (N, C, L) or (C, L) is 0 with probability `p`, else divided by `1 - p`."""
    _check(p)
    rank = input.dim()
    if rank not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {rank}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    if rank == 3:
        return _dropped_channels(input, p, training, inplace)
    out = _dropped_channels(input.unsqueeze(0), p, training, False).squeeze(0)
    return _written(input, out, inplace)


def _warn_of_rank(name: str, rank: int, space: int) -> None:
    warnings.warn(
        f"{name}: Received a {rank}-D input to {name}, which is deprecated and will result in an error in a future "
        "release. To retain the behavior and silence this warning, please use dropout instead. Note that "
        f"{name} exists to provide channel-wise dropout on inputs with {space} spatial dimensions, a channel "
        "dimension, "
        f"and an optional batch dimension (i.e. {space + 1}D or {space + 2}D inputs).",
        stacklevel=3,
    )


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """While training each channel of (N, C, H, W) is 0 with probability `p`, else divided by `1 - p`."""
    _check(p)
    rank = input.dim()
    if rank not in (3, 4):
        _warn_of_rank("dropout2d", rank, 2)
    if rank == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _dropped_channels(input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Training, each channel of (N, C, D, H, W) or (C, D, H, W) is 0 with probability `p`, or divided by `1 - p`."""
    _check(p)
    rank = input.dim()
    if rank not in (4, 5):
        _warn_of_rank("dropout3d", rank, 3)
    if rank == 5:
        return _dropped_channels(input, p, training, inplace)
    out = _dropped_channels(input.unsqueeze(0), p, training, False).squeeze(0)
    return _written(input, out, inplace)


def _saturated(input: Any, p: float, training: bool, inplace: bool, by_channel: bool) -> Any:
    _check(p)
    if p == 0.0 or not training or input.numel() == 0:
        return input
    if p == 1.0:
        return _written(input, input * rt.zeros_like(input), inplace)
    kept = (_nn.dropout(_ones(input, by_channel), p, True) != 0).to(input.dtype)
    scale = 1.0 / math.sqrt((_SATURATION**2 * p + 1) * (1 - p))
    shift = (kept - 1) * (_SATURATION * scale) + _SATURATION * scale * p
    return _written(input, input * (kept * scale) + shift, inplace)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """While training each element takes the value that SELU tends to below, with probability `p`; then all are scaled
    and moved so that mean 0 and variance 1 stay."""
    return _saturated(input, p, training, inplace, False)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """As `alpha_dropout`, of whole channels."""
    return _saturated(input, p, training, inplace, True)


__all__ = ["alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]
