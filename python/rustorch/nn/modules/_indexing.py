"""What the list-like containers share: positions become names "0", "1", ..."""

from __future__ import annotations

import operator
from typing import Any


def position(index: Any, size: int) -> int:
    """A position counted from the start, for an index that may count from the end."""
    index = operator.index(index)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range")
    return index % size


def renumbered(modules: Any) -> dict[str, Any]:
    return {str(i): module for i, module in enumerate(modules)}


class NumberedDir:
    """Leaves the numbers out of `dir()`."""

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


def pairs_of(kind: str, values: Any) -> Any:
    """The (key, value) pairs of an iterable, checked as `dict.update` checks them."""
    for j, pair in enumerate(values):
        if not hasattr(pair, "__iter__"):
            raise TypeError(f"{kind} update sequence element #{j} should be Iterable; is{type(pair).__name__}")
        if len(pair) != 2:
            raise ValueError(f"{kind} update sequence element #{j} has length {len(pair)}; 2 is required")
        yield pair[0], pair[1]
