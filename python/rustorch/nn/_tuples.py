"""Numbers given for all spatial axes at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def tuple_of(value: Any, n: int) -> tuple[Any, ...]:
    """`value` as often as there are axes; what is a sequence already stays what it is."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n


__all__ = ["tuple_of"]
