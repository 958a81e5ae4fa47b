"""Functions of neural networks, with torch's signatures; the work is done by the native module."""

from __future__ import annotations

import warnings
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.autograd.grad_mode import no_grad
from rustorch.nn._reduction import resolve

_nn = _core._nn

linear = _nn.linear
one_hot = _nn.one_hot
gelu = _nn.gelu
softplus = _nn.softplus
sigmoid = _nn.sigmoid
tanh = _nn.tanh
layer_norm = _nn.layer_norm


def _in_place(input: Any, function: Any, *args: Any) -> Any:
    # The function reads a copy, so what it keeps for its gradient is not what is overwritten.
    return input.copy_(function(input.clone(), *args))


def relu(input: Any, inplace: bool = False) -> Any:
    return _in_place(input, _nn.relu) if inplace else _nn.relu(input)


def silu(input: Any, inplace: bool = False) -> Any:
    return _in_place(input, _nn.silu) if inplace else _nn.silu(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    if inplace:
        return _in_place(input, _nn.leaky_relu, negative_slope)
    return _nn.leaky_relu(input, negative_slope)


def relu_(input: Any) -> Any:
    return relu(input, inplace=True)


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
    return leaky_relu(input, negative_slope, inplace=True)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return _in_place(input, _nn.dropout, p, training) if inplace else _nn.dropout(input, p, training)


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


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    reduction = resolve(size_average, reduce, reduction)
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=2,
        )
    if weight is None:
        return _nn.mse_loss(input, target, reduction=reduction)
    return _weighted_mse(input, target, weight, reduction)


def _weighted_mse(input: Any, target: Any, weight: Any, reduction: str) -> Any:
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    weighted = weight * _nn.mse_loss(input, target, reduction="none")
    if reduction == "none":
        return weighted
    if reduction == "sum":
        return weighted.sum()
    if reduction == "mean":
        return weighted.sum() / weight.sum()
    raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")


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
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "relu_",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
