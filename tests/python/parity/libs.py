"""The two libraries of a comparison: the module under test and torch, the oracle."""

import importlib
import operator
import os
from functools import cache

import numpy as np
import torch

MODULE = os.environ.get("RUSTORCH_UNDER_TEST", "rustorch")

BOOL = ("bool",)
INTS = ("uint8", "int8", "int16", "int32", "int64")
HALVES = ("float16", "bfloat16")
FLOATS = (*HALVES, "float32", "float64")
ALL = (*BOOL, *INTS, *FLOATS)

# NumPy has no bfloat16, so its values travel as float32, which holds all of them.
NUMPY = {name: np.dtype("float32" if name == "bfloat16" else name) for name in ALL}


def dtype_name(dtype):
    """`float32` for `torch.float32` and for the equal of another library."""
    return str(dtype).rsplit(".", 1)[-1]


class Missing(Exception):
    """The library does not offer the name at all."""


class Lib:
    """One library, reached only through the public names that torch has too."""

    def __init__(self, module, label):
        self.module = module
        self.label = label

    def resolve(self, path):
        found = self.module
        for part in path.split("."):
            if not hasattr(found, part):
                raise Missing(f"{self.label}.{path} does not exist")
            found = getattr(found, part)
        return found

    def dtype(self, name):
        return self.resolve(name)

    def tensor(self, array, dtype):
        """An ordinary tensor with its own memory, equal to a NumPy array."""
        return self.module.tensor(array, dtype=self.dtype(dtype))

    def is_tensor(self, value):
        return isinstance(value, self.module.Tensor)

    def read(self, tensor):
        """The values as a NumPy array that shares nothing with the tensor."""
        tensor = tensor.detach()
        if self.module is torch and tensor._is_zerotensor():  # torch's symbolic zero gradients refuse `numpy`
            tensor = tensor.clone()
        if dtype_name(tensor.dtype) == "bfloat16":
            tensor = tensor.to(self.module.float32)
        return np.array(tensor.numpy())

    def call(self, form, op, args, kwargs):
        """Performs a row's operation in one of its forms."""
        if form == "function":
            if op.call is not None:
                return op.call(self.module, *args, **kwargs)
            return self.resolve(op.path)(*args, **kwargs)
        if form in ("operator", "ioperator"):
            name = op.operator if form == "operator" else "i" + op.operator.rstrip("_")
            return getattr(operator, name)(*args, **kwargs)
        name = op.method if form == "method" else op.method + "_"
        if not hasattr(args[0], name):
            raise Missing(f"{self.label}.Tensor.{name} does not exist")
        return getattr(args[0], name)(*args[1:], **kwargs)


@cache
def under_test():
    return Lib(importlib.import_module(MODULE), "rt")


@cache
def oracle():
    return Lib(torch, "torch")
