"""How samples become a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rustorch as rt
from rustorch import _core


def _transpose(batch: Sequence[Any]) -> list[tuple[Any, ...]]:
    size = len(batch[0])
    if any(len(sample) != size for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    return list(zip(*batch, strict=True))


def default_collate(batch: Sequence[Any]) -> Any:
    """Stacks tensors, arrays and numbers; keeps strings; goes into mappings and sequences."""
    first = batch[0]
    kind = type(first)
    if isinstance(first, _core.Tensor):
        return rt.stack(list(batch))
    if kind.__module__ == "numpy":
        if kind.__name__ == "ndarray":
            if first.dtype.kind in "SaUO":
                raise TypeError(_unknown(first.dtype))
            return rt.stack([rt.as_tensor(array) for array in batch])
        if first.shape == ():
            return rt.as_tensor([scalar.item() for scalar in batch], dtype=rt.as_tensor(first.reshape(1)).dtype)
    if isinstance(first, float):
        return rt.tensor(batch, dtype=rt.float64)
    if isinstance(first, int):
        return rt.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        entries = {key: default_collate([sample[key] for sample in batch]) for key in first}
        try:
            return kind(entries)  # type: ignore[call-arg]
        except TypeError:
            return entries
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*map(default_collate, _transpose(batch)))
    if isinstance(first, tuple):
        return [default_collate(column) for column in _transpose(batch)]
    if isinstance(first, Sequence):
        columns = [default_collate(column) for column in _transpose(batch)]
        try:
            return kind(columns)  # type: ignore[call-arg]
        except TypeError:
            return columns
    raise TypeError(_unknown(kind))


def _unknown(kind: Any) -> str:
    return f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}"


def default_convert(data: Any) -> Any:
    """What a loader without batches does to a sample: arrays become tensors, the rest stays."""
    kind = type(data)
    if isinstance(data, _core.Tensor):
        return data
    if kind.__module__ == "numpy":
        if kind.__name__ == "ndarray" and data.dtype.kind in "SaUO":
            return data
        return rt.as_tensor(data)
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return kind(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return kind(map(default_convert, data))  # type: ignore[call-arg]
    return data


__all__ = ["default_collate", "default_convert"]
