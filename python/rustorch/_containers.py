"""Tuples with names: the sizes of a tensor, and results of several tensors."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

__all__ = ["Size", "return_type"]


class Size(tuple[int, ...]):
    """The extents of a tensor."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"rustorch.Size({list(self)})"

    def __add__(self, other: Any) -> Any:
        return Size(super().__add__(tuple(other))) if isinstance(other, (tuple, list)) else NotImplemented

    def __mul__(self, count: Any) -> Any:
        return Size(super().__mul__(count))

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Size(found) if isinstance(index, slice) else found

    def __reduce__(self) -> tuple[Any, ...]:
        return Size, (tuple(self),)


class NamedResult(tuple[Any, ...]):
    """Several tensors that can be taken by position or by name."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"rustorch.return_types.{type(self).__name__}(\n{fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, (type(self).__name__, self._fields, tuple(self))


@functools.cache
def return_type(name: str, fields: tuple[str, ...]) -> type[NamedResult]:
    """The class of the results of the operation ``name``."""
    members: dict[str, Any] = {field: property(operator.itemgetter(i)) for i, field in enumerate(fields)}
    members |= {"__slots__": (), "_fields": fields, "__match_args__": fields, "__module__": "rustorch.return_types"}
    return type(name, (NamedResult,), members)


def rebuilt(name: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> NamedResult:
    return return_type(name, fields)(values)
