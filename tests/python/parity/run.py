"""Performs a case in one library and records everything that torch promises about the outcome."""

import itertools
import warnings
from dataclasses import dataclass, field

import numpy as np

from .cases import seed_of
from .libs import FLOATS, NUMPY, Missing, dtype_name
from .spec import D, T, view


@dataclass
class Snapshot:
    """A tensor, as far as it can be observed."""

    dtype: str
    shape: tuple
    stride: tuple
    requires_grad: bool
    values: np.ndarray


@dataclass
class Outcome:
    """Named results in order, or the error."""

    values: dict = field(default_factory=dict)
    error: BaseException | None = None


def snapshot(lib, tensor):
    return Snapshot(
        dtype_name(tensor.dtype), tuple(tensor.shape), tuple(tensor.stride()), tensor.requires_grad, lib.read(tensor)
    )


class Arguments:
    """The arguments of a case in one library: the call's values, and the tensors that own the memory."""

    def __init__(self, case, lib):
        self.case, self.lib = case, lib
        self.owners, self.tensors, self.suffixes = [], [], []
        self.args = [self._make(value) for value in case.call.args]
        self.kwargs = {key: self._make(value) for key, value in case.call.kwargs}

    def _make(self, value):
        if isinstance(value, T):
            dtype, base, suffix = self.case.arguments(len(self.owners), value)
            owner = self.lib.tensor(base, dtype)
            if self.case.order and value.grad and dtype in FLOATS:
                owner.requires_grad_()
            # An in-place operation may not write to a leaf, so it gets a tensor computed from one.
            source = owner * 1 if self.case.form == "inplace" and owner.requires_grad and not self.tensors else owner
            tensor = view(source, suffix)
            self.owners.append(owner)
            self.suffixes.append(suffix)
            self.tensors.append(tensor)
            return tensor
        if isinstance(value, D):
            return self.lib.dtype(value.name)
        if isinstance(value, (list, tuple)):
            made = [self._make(item) for item in value]
            return made if isinstance(value, list) else tuple(made)
        return value


def flatten(lib, value, name="out"):
    """Named leaves of a result: tensors stay tensors, named tuples are read by field."""
    fields = getattr(value, "__match_args__", ())
    if lib.is_tensor(value) or not isinstance(value, (list, tuple)):
        yield name, value
    elif fields:
        for key in fields:
            yield from flatten(lib, getattr(value, key), f"{name}.{key}")
    else:
        if dtype_name(type(value)).rstrip("'>") not in ("Size",):
            yield f"len({name})", len(value)
        for number, item in enumerate(value):
            yield from flatten(lib, item, f"{name}[{number}]")


def run(case, lib):
    """The outcome of a case. Errors are data, whenever they surface; a missing name is one of them."""
    outcome = Outcome()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _perform(case, lib, outcome.values)
    except Missing as error:
        outcome.error = error
    except Exception as error:
        outcome.error = error
    return outcome


def _perform(case, lib, values):
    arguments = Arguments(case, lib)
    result = lib.call(case.form, case.op, arguments.args, arguments.kwargs)
    leaves = dict(flatten(lib, result))
    tensors = {name: leaf for name, leaf in leaves.items() if lib.is_tensor(leaf)}
    for name, leaf in leaves.items():
        values[name] = snapshot(lib, leaf) if name in tensors else _plain(leaf)
    if case.form in ("inplace", "ioperator"):
        values["out is self"] = result is arguments.args[0]
        values["self after"] = snapshot(lib, arguments.args[0])
        if not case.order:
            for number, owner in enumerate(arguments.owners):
                values[f"memory of operand {number} after"] = snapshot(lib, owner)
    if case.alias:
        for name, tensor in tensors.items():
            tensor.fill_(1)
            for number, owner in enumerate(arguments.owners):
                values[f"memory of operand {number} after {name}.fill_(1)"] = snapshot(lib, owner)
    if case.order:
        _differentiate(case, lib, arguments, tensors, values)


def _plain(value):
    """Results that are no tensors, in a form that is equal across libraries."""
    if type(value).__name__ == "dtype":
        return dtype_name(value)
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    return str(value)


def _weights(case, lib, tensors, salt):
    """Fixed cotangents for the outputs."""
    for number, tensor in enumerate(tensors):
        dtype = dtype_name(tensor.dtype)
        rng = np.random.default_rng([seed_of(case.op.name, salt), number])
        yield lib.tensor(rng.uniform(0.5, 1.5, tuple(tensor.shape)).astype(NUMPY[dtype]), dtype)


def _differentiate(case, lib, arguments, tensors, values):
    outputs = {name: tensor for name, tensor in tensors.items() if tensor.requires_grad}
    leaves = [owner for owner in arguments.owners if owner.requires_grad]
    suffixes = [
        suffix for owner, suffix in zip(arguments.owners, arguments.suffixes, strict=True) if owner.requires_grad
    ]
    if not outputs or not leaves:
        return
    weights = list(_weights(case, lib, outputs.values(), "first"))
    if case.order == 1:
        if len(outputs) == 1:
            next(iter(outputs.values())).backward(weights[0])
        else:
            lib.resolve("autograd.backward")(list(outputs.values()), weights)
        for number, (leaf, suffix) in enumerate(zip(leaves, suffixes, strict=True)):
            # An alternative has the gradient of another layout's elements.
            grad = view(leaf.grad, suffix) if case.uniform and leaf.grad is not None else leaf.grad
            values[f"grad {number}"] = None if grad is None else snapshot(lib, grad)
        return
    grad = lib.resolve("autograd.grad")
    for weight in weights:
        weight.requires_grad_()
    first = grad(list(outputs.values()), leaves, weights, create_graph=True, allow_unused=True)
    for number, value in enumerate(first):
        values[f"grad {number}"] = None if value is None else snapshot(lib, value)
    again = [value for value in first if value is not None and value.requires_grad]
    if not again:
        return
    targets = list(itertools.chain(leaves, weights))
    second = grad(again, targets, list(_weights(case, lib, again, "second")), allow_unused=True)
    for number, value in enumerate(second):
        values[f"gradgrad {number}"] = None if value is None else snapshot(lib, value)
