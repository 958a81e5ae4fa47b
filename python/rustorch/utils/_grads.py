"""Clearing gradients, as modules and optimisers both do."""

from __future__ import annotations

from typing import Any


def clear_grad(param: Any, set_to_none: bool) -> None:
    """Drops a parameter's gradient, or sets it to zeros that have no history."""
    if set_to_none:
        # Without a look at what there was: a captured program does not depend on it.
        param.grad = None
        return
    grad = param.grad
    if grad is None:
        return
    if grad.grad_fn is not None:
        grad.detach_()
    elif grad.requires_grad:
        grad.requires_grad_(False)
    grad.zero_()
