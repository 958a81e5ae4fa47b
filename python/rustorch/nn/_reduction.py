"""The old spelling of `reduction=`: `size_average=` and `reduce=`."""

from __future__ import annotations

import warnings


def resolve(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """`reduction`, unless one of the old arguments is given: then what they mean together, with a warning."""
    if size_average is None and reduce is None:
        return reduction
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    meant = "none" if not reduce else "mean" if size_average else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.", stacklevel=3
    )
    return meant
