"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.utils._names import typename


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All parameters, flattened, one after another."""
    return rt.cat([param.view(-1) for param in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Sets the parameters to consecutive slices of `vec`, with which they then share their data."""
    if not isinstance(vec, _core.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    start = 0
    for param in parameters:
        stop = start + param.numel()
        param.data = vec[start:stop].view_as(param).data
        start = stop


__all__ = ["parameters_to_vector", "vector_to_parameters"]
