"""Utilities: handles of hooks, and `rustorch.utils.data`."""

from rustorch.utils import hooks as hooks

__all__ = ["data", "hooks"]


def __getattr__(name: str) -> object:
    # Loaded when first used: training code that batches by slicing never needs it.
    if name == "data":
        import importlib

        return importlib.import_module("rustorch.utils.data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
