"""PyTorch's Python API on a lazy tensor compiler for CPUs."""

from __future__ import annotations

import importlib
import math
from typing import Any

from rustorch import _core
from rustorch._containers import Size
from rustorch._core import *  # noqa: F403
from rustorch._core import Tensor, __version__
from rustorch.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from rustorch.functional import einsum  # type: ignore[assignment]  # takes subscripts as lists too

inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
newaxis = None

# What most programs never touch is loaded when it is first used.
_MODULES = frozenset(
    {"autograd", "backends", "cuda", "errors", "kernels", "linalg", "nn", "optim", "random", "serialization", "utils"}
)
_ATTRIBUTES = {
    "compile": "_compile",
    "explain": "_explain",
    "finfo": "_typeinfo",
    "iinfo": "_typeinfo",
    "get_printoptions": "_tensor_str",
    "printoptions": "_tensor_str",
    "load": "serialization",
    "save": "serialization",
    "set_printoptions": "_tensor_str",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"rustorch.{name}")
    if name in _ATTRIBUTES:
        value = getattr(importlib.import_module(f"rustorch.{_ATTRIBUTES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_ATTRIBUTES})


__all__ = [
    *(name for name in dir(_core) if not name.startswith("_")),
    *sorted(_ATTRIBUTES),
    "Size",
    "Tensor",
    "__version__",
    "e",
    "einsum",
    "enable_grad",
    "inf",
    "inference_mode",
    "nan",
    "newaxis",
    "no_grad",
    "pi",
    "set_grad_enabled",
]
