"""What tensors on one memory share when they are pickled or saved: each memory travels once."""

from __future__ import annotations

import pickle
import weakref
from typing import Any

from rustorch import _core
from rustorch.errors import AutogradError


class Storage:
    """A memory under way. Tensors that share it lead to the same object, which `pickle` knows again."""

    __slots__ = ("__weakref__", "bytes", "dtype")

    def __init__(self, bytes: Any, dtype: str) -> None:
        self.bytes, self.dtype = bytes, dtype

    def __reduce_ex__(self, protocol: Any) -> Any:
        # From protocol 5 on whoever pickles may take the memory itself instead of a copy.
        whole = pickle.PickleBuffer(self.bytes) if protocol >= 5 else memoryview(self.bytes).tobytes()
        return _core._storage_on, (whole, self.dtype)


_under_way: weakref.WeakValueDictionary[int, Storage] = weakref.WeakValueDictionary()


def storage(tensor: Any) -> Storage:
    """The memory of a tensor: the same object for all tensors on it, as long as somebody has it."""
    number, dtype, whole = _core._storage_of(tensor)
    known = _under_way.get(number)
    if known is None:
        known = _under_way[number] = Storage(whole, dtype)
    return known


def reduced(tensor: Any, protocol: Any) -> Any:
    """A tensor for `pickle`: its place in its memory, and what a subclass keeps in its dictionary."""
    if not tensor.is_leaf:
        message = "cannot pickle a tensor that is the result of an operation with gradient; detach() it first"
        raise AutogradError(message)
    name = str(tensor.dtype).rsplit(".", 1)[-1]
    place = (name, tuple(tensor.shape), tuple(tensor.stride()), tensor.storage_offset())
    state = vars(tensor) if type(tensor) is not _core.Tensor or vars(tensor) else None
    return rebuilt, (type(tensor), storage(tensor), *place, tensor.requires_grad, state)


def rebuilt(
    cls: Any, memory: Any, dtype: str, sizes: Any, strides: Any, offset: int, requires_grad: bool, state: Any
) -> Any:
    """The other side of `reduced`."""
    tensor = _core._at_storage(cls, memory, dtype, sizes, strides, offset)
    if requires_grad:
        tensor.requires_grad_()
    if state:
        vars(tensor).update(state)
    return tensor
