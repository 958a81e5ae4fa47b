"""Gradient clipping. `foreach=` is accepted as in torch: it chooses between equal computations there."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.autograd.grad_mode import no_grad


def _listed(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, _core.Tensor) else list(tensors)


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """The norm of all tensors taken together as one vector."""
    tensors = _listed(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return rt.tensor(0.0)
    with no_grad():
        total = rt.stack([tensor.norm(norm_type) for tensor in tensors]).norm(norm_type)
        if error_if_nonfinite and not total.isfinite():
            raise RuntimeError(
                f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
                "clipped. To disable this error and scale the gradients by the non-finite norm anyway, "
                "set `error_if_nonfinite=False`"
            )
    return total


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scales the gradients by `max_norm / total_norm` where that is below 1."""
    grads = [param.grad for param in _listed(parameters) if param.grad is not None]
    with no_grad():
        # Clamped and not tested: the scale is then no value that Python has to wait for.
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(scale)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scales all gradients together so that their total norm is at most `max_norm`; returns the norm before."""
    from_generator = isinstance(parameters, types.GeneratorType)
    parameters = _listed(parameters)
    if from_generator and not parameters:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.",
            stacklevel=2,
        )
    grads = [param.grad for param in parameters if param.grad is not None]
    total_norm = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total_norm)
    return total_norm


def clip_grad_value_(parameters: Iterable[Any] | Any, clip_value: float, foreach: bool | None = None) -> None:
    """Clamps every element of every gradient to [-clip_value, clip_value]."""
    clip_value = float(clip_value)
    with no_grad():
        for param in _listed(parameters):
            if param.grad is not None:
                param.grad.clamp_(min=-clip_value, max=clip_value)


__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]
