"""Which capture is under way: `rustorch.compile` puts it here, and optimisers ask."""

from __future__ import annotations

from threading import get_ident
from typing import Any

from rustorch import _core

_under_way: dict[int, Any] = {}


def current() -> Any:
    """The capture of this thread, if it still records."""
    return _under_way.get(get_ident()) if _under_way and _core._is_capturing() else None


def begin(tracing: Any) -> None:
    _under_way[get_ident()] = tracing


def end() -> None:
    _under_way.pop(get_ident(), None)
