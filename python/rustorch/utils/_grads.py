"""Clearing gradients, as modules and optimisers both do."""

from __future__ import annotations

from typing import Any


def clear_grad(param: Any, set_to_none: bool) -> None:
    """Drops a parameter's gradient, or sets it to zeros that have no history."""
    grad = param.grad
    if grad is None:
        return
    if set_to_none:
        param.grad = None
    else:
        if grad.grad_fn is not None:
            grad.detach_()
        else:
            grad.requires_grad_(False)
        grad.zero_()
