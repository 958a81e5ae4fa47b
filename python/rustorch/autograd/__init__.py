"""Gradients: `backward` and `grad`, grad modes, functions with their own gradient, and checks of gradients."""

from typing import Any

from rustorch.autograd import function as function
from rustorch.autograd.engine import backward, grad
from rustorch.autograd.function import Function
from rustorch.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from rustorch.autograd.gradcheck import gradcheck, gradgradcheck

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    # Training does not need it, so importing rustorch does not load it.
    if name == "functional":
        import importlib

        return importlib.import_module("rustorch.autograd.functional")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
