"""Everything rustorch raises on purpose.

Each class is a :class:`RustorchError` and also the class that torch raises in the same place, so ``except`` clauses
written for torch keep working. A message begins with torch's words and goes on with shapes, values and a cure. The
docstrings say what brings an error about (cause) and what to do (cure).
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ArgumentTypeError",
    "ArgumentValueError",
    "AutogradError",
    "CompileError",
    "DTypeError",
    "DeviceError",
    "DimensionOutOfRangeError",
    "DivisionByZeroError",
    "GraphFreedError",
    "IndexOutOfRangeError",
    "InvalidArgumentError",
    "LinAlgError",
    "MemoryLimitError",
    "NumberOverflowError",
    "RustorchError",
    "SavedTensorModifiedError",
    "ScalarConversionError",
    "ShapeError",
    "ShapeMismatchError",
    "UnsupportedDTypeError",
]


class RustorchError(Exception):
    """The root of the hierarchy.

    Cause: any misuse that rustorch detects. Cure: the subclass and its message say what was wrong.
    """


class ShapeError(RustorchError, RuntimeError):
    """A shape that cannot be.

    Cause: a ``view`` or ``reshape`` to another number of elements, a negative size, a size that overflows, a ``view``
    across axes whose strides do not allow it. Cure: make the sizes multiply to the number of elements, or use
    ``reshape`` or ``contiguous()`` where ``view`` refuses.
    """


class ShapeMismatchError(ShapeError):
    """Two shapes that do not go together; they are ``shape1`` and ``shape2``.

    Cause: operands that do not broadcast, matrices whose inner sizes differ, pieces of a ``cat`` or ``stack`` of
    different sizes. Cure: compare the two shapes from the right; insert axes with ``unsqueeze``, turn them with
    ``transpose``, or repeat with ``expand``.
    """

    def __init__(
        self,
        message: str = "",
        shape1: Sequence[int] | None = None,
        shape2: Sequence[int] | None = None,
    ) -> None:
        super().__init__(message)
        self.shape1 = None if shape1 is None else tuple(shape1)
        self.shape2 = None if shape2 is None else tuple(shape2)


class DTypeError(RustorchError, RuntimeError):
    """Dtypes that the operation does not combine.

    Cause: a matrix product of two dtypes, an in-place result that does not fit the dtype of its tensor, a value that
    overflows the dtype asked for. Cure: convert with ``.to(dtype)``, or write ``x = x + y`` instead of ``x += y``.
    """


class UnsupportedDTypeError(DTypeError, NotImplementedError):
    """An operation that does not exist for this dtype.

    Cause: the mean of integers, bitwise operations on floats, negation of bools. Cure: convert with ``.to(dtype)``
    first, or use the operation the message names (``~`` for bools).
    """


class ArgumentTypeError(RustorchError, TypeError):
    """An argument of the wrong type, or a call with missing, surplus or unknown arguments.

    Cause: a string or None where a tensor, number or sequence of integers belongs. Cure: see the signature in the
    message.
    """


class ArgumentValueError(RustorchError, ValueError):
    """An argument of the right type with a value outside its domain, where torch raises ``ValueError``.

    Cause: a probability outside [0, 1], a negative learning rate, nested lists of unequal length. Cure: pass a value
    from the range in the message.
    """


class NumberOverflowError(RustorchError, OverflowError):
    """A whole number of more than 64 bits in the place of an element.

    Cause: ``t + 2**70`` and the like. Cure: pass a float, or a number from -2**63 to 2**63 - 1.
    """


class InvalidArgumentError(RustorchError, RuntimeError):
    """An argument with a value outside its domain, where torch raises ``RuntimeError``.

    Cause: a step of zero for ``arange``, a negative number of ``linspace`` steps, a negative standard deviation, a
    random state that is none. Cure: pass a value from the range in the message.
    """


class IndexOutOfRangeError(RustorchError, IndexError):
    """An index beyond the end of its axis.

    Cause: ``t[i]``, ``index_select`` or ``embedding`` with ``i >= size`` or ``i < -size``, more indices than axes, a
    class beyond the number of classes. Cure: compare the index with the size in the message.
    """


class DimensionOutOfRangeError(IndexOutOfRangeError):
    """An axis that the tensor does not have.

    Cause: ``dim`` outside ``[-t.ndim, t.ndim - 1]``, or a reduction without identity over an axis of size zero. Cure:
    count the axes of ``t.shape``; negative numbers count from the right.
    """


class ScalarConversionError(RustorchError, RuntimeError):
    """A tensor of several elements, or none, where one number is needed.

    Cause: ``item()``, ``float(t)``, ``bool(t)`` or ``if t:`` on more than one element. Cure: reduce first, with
    ``sum()``, ``mean()``, ``any()`` or ``all()``, or pick an element.
    """


class DivisionByZeroError(RustorchError, RuntimeError):
    """An integer divided by zero.

    Cause: ``//`` or ``%`` of integers with a zero among the divisors; floats give infinities instead. Cure: mask the
    zeros, or divide floats.
    """


class DeviceError(RustorchError, RuntimeError, AssertionError):
    """A device other than the CPU, which torch refuses by an assertion where it was built without CUDA.

    Cause: ``.to("cuda")`` or ``device="mps"``. Cure: leave the device out, or choose it with
    ``"cuda" if rustorch.cuda.is_available() else "cpu"``.
    """


class MemoryLimitError(RustorchError, MemoryError, RuntimeError):
    """More memory than the machine or its container grants. ``requested`` and ``available`` are in bytes.

    Cause: a tensor larger than what is left, often from broadcasting two long axes against each other. Raised before
    allocating, so that all tensors stay usable. Cure: drop handles that are no longer needed, work in smaller pieces,
    or use a smaller dtype.
    """

    def __init__(self, message: str = "", requested: int | None = None, available: int | None = None) -> None:
        super().__init__(message)
        self.requested = requested
        self.available = available


class LinAlgError(RustorchError, RuntimeError):
    """A factorisation or solution that does not exist.

    Cause: a singular matrix, or one that is not positive definite where that is needed. Cure: check the input, or add
    a small multiple of the identity.
    """


class AutogradError(RustorchError, RuntimeError):
    """A gradient that cannot be had.

    Cause: ``backward()`` from a tensor that does not require grad, or from several elements without ``gradient=``; a
    leaf that requires grad changed in place; ``numpy()`` where grad is required and the result is implicit. Cure: set
    ``requires_grad``, reduce to a scalar, wrap the change in ``no_grad()``, or ``detach()`` first.
    """


class SavedTensorModifiedError(AutogradError):
    """A value that the gradient needs was overwritten.

    Cause: an in-place operation between forward and backward, on a tensor whose values the backward reads. Cure:
    replace ``x.op_()`` by ``x = x.op()``, or ``clone()`` before changing.
    """


class GraphFreedError(AutogradError):
    """A second backward through a graph that the first has freed.

    Cause: ``backward()`` twice over shared operations. Cure: ``retain_graph=True`` in all but the last, or one
    ``backward()`` of the sum.
    """


class CompileError(RustorchError, RuntimeError):
    """A graph that could not be compiled.

    Cause: a fault of rustorch, not of the program. Cure: report it with the files that ``RUSTORCH_DUMP=dir`` writes;
    ``rustorch.set_eager(True)`` compiles each operation by itself, which may avoid it.
    """
