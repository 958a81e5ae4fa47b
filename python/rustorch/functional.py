"""Functions whose arguments torch, too, brings into order in Python."""

from __future__ import annotations

from typing import Any

from rustorch import _core


def einsum(*args: Any) -> Any:
    """Sums of products by subscripts: an equation and operands, or operands each with a list of its subscripts."""
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, "
            "or at least one operand and its subscripts list"
        )
    if not isinstance(args[0], _core.Tensor):
        return _core.einsum(*args)
    equation = ",".join(_subscripts(part) for part in args[1::2])
    if len(args) % 2 == 0:
        return _core.einsum(equation, args[::2])
    return _core.einsum(f"{equation}->{_subscripts(args[-1])}", args[:-1:2])


def _subscripts(numbers: Any) -> str:
    return "".join(_subscript(number) for number in numbers)


def _subscript(number: Any) -> str:
    if number is Ellipsis:
        return "..."
    if 0 <= number < 26:
        return chr(ord("A") + number)
    if 26 <= number < 52:
        return chr(ord("a") + number - 26)
    raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")


__all__ = ["einsum"]
