"""Random programs of views and in-place writes on shared storages, as lines of Python that run in either library.

A line that raises is part of the program: it must raise in both, and the program goes on. So any subset of the lines
is a program again, which makes a failure easy to shrink.
"""

import random
import warnings

import numpy as np
import torch

from .compare import builtin_class
from .libs import dtype_name


class Generator:
    """Writes a program line by line and runs it in torch, to know shapes and what may be written to."""

    def __init__(self, seed, grad):
        self.rng = random.Random(seed)
        self.grad = grad
        self.lines = []
        self.space = {"rt": torch}
        self.count = 0

    def program(self, length):
        for _ in range(self.rng.randint(1, 3)):
            self._emit(self._root())
        for _ in range(length):
            kinds = [self._view, self._view, self._write, self._write, self._compute, self._check]
            self._emit(self.rng.choice(kinds)())
            if self.rng.random() < 0.03:
                self._emit(self._root())
        if self.grad:
            self._emit(self._backward())
        return self.lines

    def _emit(self, line):
        if line:
            self.lines.append(line)
            execute(line, self.space)

    def _new(self):
        self.count += 1
        return f"t{self.count}"

    def tensors(self, predicate=lambda tensor: True):
        return [n for n, v in self.space.items() if isinstance(v, torch.Tensor) and n[0] == "t" and predicate(v)]

    def _pick(self, predicate=lambda tensor: True):
        names = self.tensors(predicate) or self.tensors()
        # Later names are likelier, so that chains of views grow.
        return names[max(self.rng.randrange(len(names)), self.rng.randrange(len(names)))]

    def _root(self):
        shape = self.rng.choice([(24,), (4, 6), (2, 3, 4), (6, 4), (5,), (1, 4), (2, 2, 3, 2)])
        size = torch.Size(shape).numel()
        dtype = self.rng.choice(["float64"] if self.grad else ["float32", "float32", "float64", "int64"])
        line = f"{self._new()} = (rt.arange({size}, dtype=rt.{dtype}).reshape({shape}) + 1)"
        if self.grad and self.rng.random() < 0.7:
            return f"{line}.div(8).requires_grad_()"
        return line

    def _view(self):
        name, rng = self._pick(), self.rng
        x = self.space[name]
        new = self._new()
        if x.dim() == 0:
            return f"{new} = {name}." + rng.choice(
                ["unsqueeze(0)", "expand(3)", "view(1, 1)", "detach()", "reshape(1)"]
            )
        d, d2 = rng.randrange(x.dim()), rng.randrange(-x.dim(), x.dim())
        n = x.shape[d]
        a, b = sorted((rng.randint(0, n), rng.randint(0, n)))
        shapes = [(-1,), (2, -1), (-1, 3), (x.numel(),), (*x.shape, 1), (1, -1), (3, 2, -1)]
        full = ", ".join(":" for _ in range(d))
        where = f"{full}, " if full else ""
        options = [
            f"{new} = {name}[{where}{a}:{b}:{rng.choice([1, 1, 2, 3])}]",
            f"{new} = {name}[{where}{rng.randint(-n - 1, n)}]",
            f"{new} = {name}[..., {a}:]",
            f"{new} = {name}[None, ..., {rng.randint(0, 1)}]",
            f"{new} = {name}.select({d}, {rng.randrange(n) if n else 0})",
            f"{new} = {name}.transpose({d}, {d2})",
            f"{new} = {name}.narrow({d}, {a}, {b - a})",
            f"{new} = {name}.reshape({rng.choice(shapes)})",
            f"{new} = {name}.view({rng.choice(shapes)})",
            f"{new} = {name}.flatten()",
            f"{new} = {name}.squeeze()",
            f"{new} = {name}.unsqueeze({d2})",
            f"{new} = {name}.unsqueeze(0).expand({(2, *x.shape)})",
            f"{new} = {name}.permute({tuple(rng.sample(range(x.dim()), x.dim()))})",
            f"{new} = {name}.detach()",
            f"{new} = {name}.diagonal(0, {d}, {d2})",
            f"{new}, {self._new()} = {name}.chunk(2, {d})",
            f"{new}, *_ = {name}.unbind({d})",
            f"{new}, *_ = {name}.split(2, {d})",
            f"{new} = {name}.contiguous()",
            f"{new} = {name}.to(rt.float64)",
            f"{new} = {name}.T" if x.dim() == 2 else f"{new} = {name}.ravel()",
        ]
        size = x.untyped_storage().nbytes() // x.element_size()
        if size >= 6:
            step = rng.randint(2, 3)
            options.append(
                f"{new} = {name}.as_strided(({size // (2 * step)}, 2), ({2 * step}, {step - 1}), {rng.randint(0, 1)})"
            )
        return rng.choice(options)

    def _writable(self):
        """A tensor whose elements do not overlap, or one that is expanded, which torch refuses."""
        chance = self.rng.random()
        return self._pick(lambda x: not _overlaps(x) or (chance < 0.1 and 0 in x.stride()))

    def _write(self):
        name, rng = self._writable(), self.rng
        x = self.space[name]
        if _overlaps(x) and 0 not in x.stride():
            return None
        source = self._source(x, name)
        number = rng.choice(["2", "0.5", "-1", "3"])
        options = [
            f"{name}.add_({number})",
            f"{name}.add_({source})",
            f"{name}.add_({source}, alpha=2)",
            f"{name}.mul_({number})",
            f"{name}.mul_({source})",
            f"{name}.sub_({source})",
            f"{name}.copy_({source})",
            f"{name}.zero_()",
            f"{name}.fill_({number})",
            f"{name} += {number}",
            f"{name} *= {source}",
            f"{name}[...] = {source}",
            f"{name}.neg_()",
            f"{name}.clamp_(-50, 50)",
            f"{name}.masked_fill_({name} > 5, {number})",
            f"{name}[{name} > {rng.randint(1, 20)}] = {number}",
        ]
        if self.grad:
            options += [f"{name}.sigmoid_()", f"{name}.exp_()", f"{name}.tanh_()"]
        if x.dim():
            n = x.shape[0]
            a, b = sorted((rng.randint(0, n), rng.randint(0, n)))
            picks = rng.sample(range(n), min(n, 2))
            options += [
                f"{name}[{a}:{b}] = {number}",
                f"{name}[{a}:{b}] += {number}",
                f"{name}[{rng.randint(-n - 1, n)}] = {number}",
                f"{name}[..., ::2] = {number}",
                f"{name}[..., -1] *= 2",
                f"{name}[rt.tensor({picks}, dtype=rt.int64)] = {number}",
                f"{name}[rt.tensor({picks}, dtype=rt.int64)] += 1",
                f"{name}.index_add_(0, rt.tensor({picks}, dtype=rt.int64), {name}[:{len(picks)}].clone())",
                f"{name}.transpose(0, -1).add_(1)",
                f"{name}.t_()" if x.dim() == 2 and not self.grad else f"{name}.mul_(1)",
            ]
        line = rng.choice(options)
        if self.grad and rng.random() < 0.2 and "=" not in line:
            line = f"with rt.no_grad(): {line}"
        return line

    def _source(self, x, name):
        """An operand that broadcasts to `x`. Where it may overlap `x` in memory it is copied: torch leaves the order
        of such writes open."""
        if self.rng.random() < 0.2:
            return name
        other = self._pick(lambda y: _broadcasts(y, x))
        y = self.space[other]
        shared = y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        same = shared and y.shape == x.shape and y.stride() == x.stride() and y.storage_offset() == x.storage_offset()
        return f"{other}.clone()" if shared and not same else other

    def _compute(self):
        name, new, rng = self._pick(), self._new(), self.rng
        x = self.space[name]
        other = self._pick(lambda y: _broadcasts(y, x))
        options = [
            f"{new} = {name} * {other}",
            f"{new} = {name} + {other}",
            f"{new} = {name}.clone()",
            f"{new} = {name}.sum()",
        ]
        if self.grad:
            options += [f"{new} = {name}.sigmoid()", f"{new} = ({name} * 0.1).exp()", f"{new} = {name} * {name}"]
            options += [f"{new} = {name}.sin()", f"{new} = {name}.relu()"]
        if x.dim():
            options += [f"{new} = {name}.amax(0)", f"{new} = {name}.sum(0)"]
        return rng.choice(options)

    def _check(self):
        if self.rng.random() < 0.3:
            return "check"
        return f"del {self._pick()}" if self.rng.random() < 0.3 and len(self.tensors()) > 3 else None

    def _backward(self):
        names = self.tensors(lambda x: x.requires_grad)
        kept = self.rng.sample(names, min(len(names), 4))
        return f"sum(x.sum() for x in ({''.join(name + ', ' for name in kept)})).backward()" if kept else None


def _overlaps(x):
    if x.numel() == 0:
        return False
    size = x.storage_offset() + sum((n - 1) * s for n, s in zip(x.shape, x.stride(), strict=True)) + 1
    return torch.arange(size).as_strided(x.shape, x.stride(), x.storage_offset()).unique().numel() < x.numel()


def _broadcasts(y, x):
    try:
        return torch.broadcast_shapes(y.shape, x.shape) == x.shape
    except RuntimeError:
        return False


def execute(line, space):
    """Runs a line; the error is the result."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(line, space)
    except Exception as error:
        return error
    return None


OBSERVED = {
    "dtype": lambda lib, x: dtype_name(x.dtype),
    "shape": lambda lib, x: tuple(x.shape),
    "stride": lambda lib, x: tuple(s for s, n in zip(x.stride(), x.shape, strict=True) if n > 1 and x.numel()),
    "storage_offset": lambda lib, x: x.storage_offset() if x.numel() else 0,
    "requires_grad": lambda lib, x: x.requires_grad,
    "is_leaf": lambda lib, x: x.is_leaf,
    "values": lambda lib, x: lib.read(x),
    "grad": lambda lib, x: lib.read(x.grad) if x.is_leaf and x.grad is not None else None,
}


def state(space, lib):
    """Everything observable about the live tensors. What refuses to be read, as views of several outputs do after some
    writes, is recorded as the class of the error."""
    return {
        name: {what: _observe(read, lib, value) for what, read in OBSERVED.items()}
        for name, value in sorted(space.items())
        if name[0] == "t" and lib.is_tensor(value)
    }


def _observe(read, lib, tensor):
    try:
        return read(lib, tensor)
    except Exception as error:
        return builtin_class(error)


def difference(want, got):
    """The first difference of two states in words, or None."""
    if want.keys() != got.keys():
        return f"live tensors {sorted(got)}, torch has {sorted(want)}"
    for name, expected in want.items():
        for what, b in expected.items():
            a = got[name][what]
            if not _same(a, b):
                return f"{name}: {what} is\n{a}\ntorch has\n{b}"
    return None


def _same(a, b):
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and bool(_close(a, b).all())
    if isinstance(a, type) and isinstance(b, type):
        return issubclass(a, b)
    return type(a) is type(b) and a == b


def _close(a, b):
    if a.dtype.kind != "f":
        return a == b
    tolerance = 1e-5 if a.dtype.itemsize == 4 else 1e-10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (abs(a - b) <= tolerance * (1 + abs(b))) | (a == b) | ((a != a) & (b != b))


def mismatch(lines, lib, oracle):
    """Runs a program in both libraries. The first disagreement in words, or None."""
    want_space, got_space = {"rt": oracle.module}, {"rt": lib.module}
    for number, line in enumerate([*lines, "check"]):
        if line == "check":
            found = difference(state(want_space, oracle), state(got_space, lib))
            if found:
                return f"before line {number + 1}: {found}"
            continue
        want, got = execute(line, want_space), execute(line, got_space)
        if (want is None) != (got is None) or (want is not None and not isinstance(got, builtin_class(want))):
            return f"line {number + 1}: {line}\nraises {got!r}\ntorch raises {want!r}"
    return None


def shrink(lines, lib, oracle, budget=400):
    """Drops lines while the disagreement lasts."""
    size = max(1, len(lines) // 2)
    while size and budget > 0:
        at = 0
        while at < len(lines) and budget > 0:
            shorter = lines[:at] + lines[at + size :]
            budget -= 1
            if mismatch(shorter, lib, oracle):
                lines = shorter
            else:
                at += size
        size //= 2
    return lines
