"""Which modules are called while a function is captured: the program holds as long as they are what they are."""

from __future__ import annotations

import threading
from typing import Any

from rustorch import _core

# Captures under way, of all threads. Only then calls are noted.
active = 0
_lock = threading.Lock()
_lists = threading.local()


def begin(modules: list[Any]) -> Any:
    """Notes the modules that this thread calls, until `end` with what this gives."""
    global active
    before = getattr(_lists, "modules", None)
    _lists.modules = modules
    with _lock:
        active += 1
    return before


def end(before: Any) -> None:
    global active
    _lists.modules = before
    with _lock:
        active -= 1


def called(module: Any) -> None:
    modules = getattr(_lists, "modules", None)
    if modules is not None:
        modules.append(module)


def assigned(module: Any, name: str, value: Any) -> None:
    """An attribute of a module is about to be set: programs that read it are asked again."""
    _core._bump_epoch()
    if active and getattr(_lists, "modules", None) is not None and module.__dict__.get(name, _lists) is not value:
        _core._capture_break(f"it sets the attribute {name!r} of a module")
