"""Functions of neural networks, with torch's signatures; the work is done by the native module."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import rustorch as rt
from rustorch import _core
from rustorch.autograd.grad_mode import no_grad
from rustorch.nn import _pooling
from rustorch.nn._attention import multi_head_attention_forward
from rustorch.nn._dropouts import alpha_dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from rustorch.nn._normalise import batch_norm, group_norm, instance_norm
from rustorch.nn._pair_losses import (
    cosine_embedding_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
)
from rustorch.nn._reduction import resolve
from rustorch.nn._vision import affine_grid, grid_sample, interpolate, upsample

_nn = _core._nn

# Functions without a definition below are the native module's own.
globals().update({name: value for name, value in vars(_nn).items() if not name.startswith("_")})
globals().update({name: getattr(_pooling, name) for name in _pooling.__all__})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not inplace or not training or p == 0.0 or input.numel() == 0:
        return _nn.dropout(input, p, training)
    return input.copy_(_nn.dropout(input, p, training))


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """`input1 @ weight[k] @ input2` for each `k`, plus `bias`: (..., I), (..., J), (K, I, J) and (K) give (..., K)."""
    if input1.dim() != input2.dim():
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}")
    for axis, (one, other) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if one != other:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {axis}: got {one} and {other}")
    for name, x, axis in (("input1", input1, 1), ("input2", input2, 2)):
        if x.size(-1) != weight.size(axis):
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {x.size(-1)} but expected {weight.size(axis)}"
            )
    if bias is not None and bias.size(0) != weight.size(0):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.size(0)} but expected {weight.size(0)}"
        )
    first = rt.tensordot(input1, weight, dims=([-1], [1]))
    out = (first * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias


def _chosen_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    if dim is None:
        dim = _chosen_dim("softmax", input.dim(), _stacklevel)
    return _nn.softmax(input, dim, dtype=dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    if dim is None:
        dim = _chosen_dim("log_softmax", input.dim(), _stacklevel)
    return _nn.log_softmax(input, dim, dtype=dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    if dim is None:
        dim = _chosen_dim("softmin", input.dim(), _stacklevel)
    return _nn.softmin(input, dim, dtype=dtype)


def _limit_rows(weight: Any, rows: Any, max_norm: float, norm_type: float) -> None:
    """Scales the rows of `weight` that are about to be looked up down to `max_norm`, in place."""
    with no_grad():
        values = weight[rows]
        norms = values.norm(norm_type, 1, keepdim=True)
        scaled = values * (max_norm / (norms + 1e-7))
        # A row that is looked up twice is written twice with the same values.
        weight[rows] = rt.where(norms > max_norm, scaled, values)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    if sparse:
        raise ValueError("embedding: sparse gradients are not supported; use sparse=False")
    if padding_idx is not None:
        rows = weight.size(0)
        if padding_idx >= rows or padding_idx < -rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        _limit_rows(weight, input.reshape(-1), max_norm, norm_type)
    return _nn.embedding(input, weight, padding_idx=padding_idx, scale_grad_by_freq=scale_grad_by_freq)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    return _nn.cross_entropy(
        input,
        target,
        weight=weight,
        ignore_index=ignore_index,
        reduction=resolve(size_average, reduce, reduction),
        label_smoothing=label_smoothing,
    )


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    reduction = resolve(size_average, reduce, reduction)
    return _nn.nll_loss(input, target, weight=weight, ignore_index=ignore_index, reduction=reduction)


def _elementwise(loss: Any, input: Any, target: Any, weight: Any, reduction: str, *options: float) -> Any:
    """A loss of pairs of elements, with torch's warning of a broadcast; with weights the mean is by their sum."""
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
    if weight is None:
        return loss(input, target, reduction, *options)
    losses = loss(input, target, "none", *options)
    if weight.size() != losses.size():
        raise ValueError("Weights and input must have the same size.")
    weighted = weight * losses
    if reduction == "none":
        return weighted
    if reduction == "sum":
        return weighted.sum()
    if reduction == "mean":
        return weighted.sum() / weight.sum()
    raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    # With weights torch takes whole numbers too.
    loss = _nn.mse_loss if weight is None else lambda input, target, _: (input - target) ** 2
    return _elementwise(loss, input, target, weight, resolve(size_average, reduce, reduction))


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    return _elementwise(_nn.l1_loss, input, target, weight, resolve(size_average, reduce, reduction))


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    return _elementwise(_nn.smooth_l1_loss, input, target, None, resolve(size_average, reduce, reduction), beta)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    return _elementwise(_nn.huber_loss, input, target, weight, reduction, delta)


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    return _nn.binary_cross_entropy(input, target, weight, resolve(size_average, reduce, reduction))


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    return _nn.kl_div(input, target, resolve(size_average, reduce, reduction), log_target)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    return _nn.binary_cross_entropy_with_logits(
        input,
        target,
        weight=weight,
        reduction=resolve(size_average, reduce, reduction),
        pos_weight=pos_weight,
    )


__all__ = [
    *(name for name in vars(_nn) if not name.startswith("_") and name not in _pooling.__all__),
    *_pooling.__all__,
    "affine_grid",
    "alpha_dropout",
    "batch_norm",
    "bilinear",
    "cosine_embedding_loss",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "gaussian_nll_loss",
    "grid_sample",
    "group_norm",
    "hinge_embedding_loss",
    "instance_norm",
    "interpolate",
    "margin_ranking_loss",
    "multi_head_attention_forward",
    "poisson_nll_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "upsample",
]
