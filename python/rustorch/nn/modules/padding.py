"""Padding at the ends of the last axes; amounts are pairs, the last axis's first."""

from __future__ import annotations

from typing import Any

from rustorch.nn import functional as F
from rustorch.nn._tuples import tuple_of
from rustorch.nn.modules.module import Module


class _PadNd(Module):
    _rank: int
    _mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = tuple_of(padding, 2 * self._rank)

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Any) -> Any:
        rank = self._rank
        if input.dim() not in (rank + 1, rank + 2):
            raise ValueError(f"expected {rank + 1}D or {rank + 2}D input (got {input.dim()}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Repeats the last axis beyond its ends."""

    _rank = 1


class CircularPad2d(_CircularPadNd):
    """Repeats the last two axes beyond their ends."""

    _rank = 2


class CircularPad3d(_CircularPadNd):
    """Repeats the last three axes beyond their ends."""

    _rank = 3


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Puts `value` at the ends of the last axis."""

    _rank = 1


class ConstantPad2d(_ConstantPadNd):
    """Puts `value` around the last two axes."""

    _rank = 2


class ConstantPad3d(_ConstantPadNd):
    """Puts `value` around the last three axes."""

    _rank = 3


class ReflectionPad1d(_PadNd):
    """Mirrors the last axis at its first and last element."""

    _rank = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """Mirrors the last two axes at their first and last elements."""

    _rank = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """Mirrors the last three axes at their first and last elements."""

    _rank = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Repeats the first and the last element of the last axis."""

    _rank = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Repeats the first and the last elements of the last two axes."""

    _rank = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Repeats the first and the last elements of the last three axes."""

    _rank = 3
    _mode = "replicate"


class ZeroPad1d(ConstantPad1d):
    """Puts zeros at the ends of the last axis."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Puts zeros around the last two axes."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Puts zeros around the last three axes."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]
