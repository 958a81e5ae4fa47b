"""Linear algebra, with torch's signatures; the work is done by the native module."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rustorch import _core
from rustorch.errors import LinAlgError as LinAlgError

_linalg = _core._linalg

# Functions without a definition below are the native module's own.
globals().update({name: value for name, value in vars(_linalg).items() if not name.startswith("_")})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """The tensor whose product with ``A`` over its last axes is ``B``: ``A`` is read as a matrix whose rows are the
    elements of ``B``, after the axes ``dims`` were moved to the end."""
    if dims is not None:
        kept = [axis for axis in range(A.dim()) if axis not in {dim % A.dim() for dim in dims}]
        A = A.permute(*kept, *(dim % A.dim() for dim in dims))
    shape = tuple(A.shape[B.dim() :])
    rows, columns = math.prod(A.shape[: B.dim()]), math.prod(shape)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {columns} != {rows}"
        )
    return _linalg.solve(A.reshape(rows, columns), B.reshape(rows)).reshape(shape)


def vander(x: Any, N: int | None = None) -> Any:
    """The matrices whose rows are the powers 0 to ``N - 1`` (or as many as ``x`` has elements) of each element."""
    if x.dtype == _core.bool:
        raise NotImplementedError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    if x.dim() == 0:
        raise RuntimeError("Expected dim > 0, but got 0")
    N = x.shape[-1] if N is None else N
    if N <= 1:
        raise RuntimeError(f"N must be greater than 1, but got {N}")
    x = x.unsqueeze(-1)
    powers = x.expand(*x.shape[:-1], N - 1).cumprod(-1)
    return _core.cat([_core.ones_like(powers[..., :1]), powers], -1)


__all__ = sorted(
    {*(name for name in vars(_linalg) if not name.startswith("_")), "LinAlgError", "tensorsolve", "vander"}
)
