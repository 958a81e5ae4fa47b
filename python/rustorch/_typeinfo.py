"""``finfo`` and ``iinfo``: what the numeric dtypes can represent."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

from .errors import ArgumentTypeError

__all__ = ["finfo", "iinfo"]


class Floating(NamedTuple):
    bits: int
    mantissa: int
    exponent: int
    resolution: float


FLOATING = {
    "float16": Floating(16, 10, 15, 1e-3),
    "bfloat16": Floating(16, 7, 127, 1e-2),
    "float32": Floating(32, 23, 127, 1e-6),
    "float64": Floating(64, 52, 1023, 1e-15),
}

# Width and whether there is a sign.
INTEGERS = {"uint8": (8, False), "int8": (8, True), "int16": (16, True), "int32": (32, True), "int64": (64, True)}


def dtype_name(function: str, dtype: Any) -> str:
    if type(dtype).__name__ != "dtype":
        raise ArgumentTypeError(
            f"{function}(): argument 'type' (position 1) must be rustorch.dtype, not {type(dtype).__name__}"
        )
    return str(dtype).rpartition(".")[2]


class TypeInfo:
    """A value: equal and equally hashed for equal dtypes, and not to be changed."""

    __slots__ = ("dtype",)

    dtype: str

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"attribute '{name}' of '{type(self).__name__}' objects is not writable")

    def __eq__(self, other: object) -> bool:
        return self.dtype == other.dtype if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self.dtype))


class finfo(TypeInfo):
    """Limits of a floating-point dtype, by default of the default dtype.

    ``bits``; ``eps``: distance from 1 to the next number; ``max``, ``min``; ``tiny``, also called ``smallest_normal``:
    the least positive number of full precision; ``resolution``: 10 to the power of minus the decimal digits; ``dtype``:
    the name.
    """

    __slots__ = ()

    def __init__(self, type: Any = None) -> None:
        if type is None:
            type = importlib.import_module(str(__package__)).get_default_dtype()
        name = dtype_name("finfo", type)
        if name not in FLOATING:
            raise ArgumentTypeError(
                f"rustorch.finfo() requires a floating point input type. Use rustorch.iinfo to handle '{type}'"
            )
        object.__setattr__(self, "dtype", name)

    @property
    def bits(self) -> int:
        return FLOATING[self.dtype].bits

    @property
    def eps(self) -> float:
        return 2.0 ** -FLOATING[self.dtype].mantissa

    @property
    def max(self) -> float:
        return (2.0 - self.eps) * 2.0 ** FLOATING[self.dtype].exponent

    @property
    def min(self) -> float:
        return -self.max

    @property
    def tiny(self) -> float:
        return 2.0 ** (1 - FLOATING[self.dtype].exponent)

    @property
    def smallest_normal(self) -> float:
        return self.tiny

    @property
    def resolution(self) -> float:
        return FLOATING[self.dtype].resolution

    def __repr__(self) -> str:
        names = ["resolution", "min", "max", "eps", "smallest_normal", "tiny"]
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class iinfo(TypeInfo):
    """Limits of an integer dtype: ``bits``, ``min``, ``max`` and ``dtype``, the name."""

    __slots__ = ()

    def __init__(self, type: Any) -> None:
        name = dtype_name("iinfo", type)
        if name == "bool":
            raise ArgumentTypeError(f"{type} is not supported by rustorch.iinfo")
        if name not in INTEGERS:
            raise ArgumentTypeError(
                f"rustorch.iinfo() requires an integer input type. Use rustorch.finfo to handle '{type}'"
            )
        object.__setattr__(self, "dtype", name)

    @property
    def bits(self) -> int:
        return INTEGERS[self.dtype][0]

    @property
    def min(self) -> int:
        bits, signed = INTEGERS[self.dtype]
        return -(1 << (bits - 1)) if signed else 0

    @property
    def max(self) -> int:
        bits, signed = INTEGERS[self.dtype]
        return (1 << (bits - signed)) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
