"""Submodules of the package that need no native module, loaded without it: torch's objects stand in for ours."""

import importlib
import sys
import types
from pathlib import Path

import torch

PACKAGE = "rustorch_pure"


def submodule(name):
    """`python/rustorch/<name>.py`, in a package whose default dtype is torch's."""
    if PACKAGE not in sys.modules:
        package = sys.modules[PACKAGE] = types.ModuleType(PACKAGE)
        package.__path__ = [str(Path(__file__).parents[2] / "python" / "rustorch")]
        package.get_default_dtype = torch.get_default_dtype
    return importlib.import_module(f"{PACKAGE}.{name}")
