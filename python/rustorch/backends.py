"""The other devices that programs ask for: none is available."""

from __future__ import annotations

__all__ = ["cuda", "mps"]


class _Absent:
    """A backend that this machine does not have."""

    def is_built(self) -> bool:
        return False

    def is_available(self) -> bool:
        return False


cuda = _Absent()
mps = _Absent()
