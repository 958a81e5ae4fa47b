"""Handles by which registered hooks are removed again."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from typing import Any

from rustorch import _core

_next_id = itertools.count()


class RemovableHandle:
    """Removes one hook from the table that holds it.

    The table is held weakly, so a handle never keeps a module alive. `extra_dict` is a table (or several) of flags
    that go by the same id and are removed with the hook.
    """

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = next(_next_id)
        # Captured programs ran without the hook.
        _core._bump_epoch()
        extras = () if extra_dict is None else extra_dict if isinstance(extra_dict, list) else (extra_dict,)
        self.extra_dict_ref = tuple(weakref.ref(table) for table in extras)

    def remove(self) -> None:
        _core._bump_epoch()
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            table = ref()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, int, tuple[Any, ...]]:
        return self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref)

    def __setstate__(self, state: tuple[Any, int, tuple[Any, ...]]) -> None:
        global _next_id
        hooks, self.id, extras = state
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple(weakref.ref(OrderedDict() if table is None else table) for table in extras)
        _next_id = itertools.count(max(next(_next_id), self.id + 1))

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


__all__ = ["RemovableHandle"]
