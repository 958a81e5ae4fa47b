"""Linear algebra, with torch's signatures; the work is done by the native module."""

from __future__ import annotations

from rustorch import _core

globals().update({name: value for name, value in vars(_core._linalg).items() if not name.startswith("_")})

__all__ = [name for name in vars(_core._linalg) if not name.startswith("_")]
