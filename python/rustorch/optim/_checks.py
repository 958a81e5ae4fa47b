"""What optimisers ask of their options, in torch's words."""

from __future__ import annotations

from typing import Any

from rustorch import _core


def one_element(lr: Any) -> None:
    if isinstance(lr, _core.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def check_options(lr: Any, **options: Any) -> None:
    """That the learning rate is one number, and that it and the options are none below 0."""
    one_element(lr)
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")
    for name, value in options.items():
        if not 0.0 <= value:
            raise ValueError(f"Invalid {name} value: {value}")


def check_betas(betas: Any) -> None:
    for index, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta}")


__all__ = ["check_betas", "check_options", "one_element"]
