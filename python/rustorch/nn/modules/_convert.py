"""The part of `Module` that converts parameters and buffers: `to`, `float`, `apply`-like sweeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import rustorch as rt
from rustorch import _core
from rustorch.autograd.grad_mode import no_grad


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
    """Reads `to(device, dtype, non_blocking)`, `to(dtype, non_blocking)`, `to(tensor, non_blocking)`."""
    known = {"device", "dtype", "non_blocking", "tensor", "memory_format"}
    for name in kwargs:
        if name not in known:
            raise TypeError(f"to() received an invalid combination of arguments: unexpected keyword '{name}'")
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    non_blocking = kwargs.get("non_blocking", False)
    rest = list(args)
    source = kwargs.get("tensor")
    if rest and isinstance(rest[0], _core.Tensor):
        source = rest.pop(0)
    if source is not None:
        device, dtype = source.device, source.dtype
    elif rest and isinstance(rest[0], rt.dtype):
        dtype = rest.pop(0)
    elif rest:
        device = rest.pop(0)
        if device is not None and not isinstance(device, (str, int, rt.device)):
            raise TypeError(
                "to() received an invalid combination of arguments - got "
                f"({type(device).__name__}), but expected a device, a dtype or a Tensor"
            )
        if rest and (rest[0] is None or isinstance(rest[0], rt.dtype)):
            dtype = rest.pop(0)
    if rest:
        non_blocking = rest.pop(0)
    if rest:
        raise TypeError(f"to() received an invalid combination of arguments - got {len(args)} positional arguments")
    return device, dtype, bool(non_blocking)


class Conversion:
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    children: Callable[[], Any]

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Replaces the data of every parameter, gradient and buffer by `fn` of it; parameters and gradients stay."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            grad = param.grad
            with no_grad():
                converted = fn(param)
                converted_grad = None if grad is None else fn(grad)
            if grad is not None:
                param.grad = None
            param.data = converted
            if grad is not None:
                grad.data = converted_grad
                param.grad = grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves or casts parameters and buffers in place; an integral tensor keeps its dtype."""
        device, dtype, non_blocking = parse_to(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(tensor: Any) -> Any:
            target = dtype if tensor.is_floating_point() else None
            if target is None and device is None:
                return tensor
            if target is None:
                return tensor.to(device, non_blocking=non_blocking)
            return tensor.to(tensor.device if device is None else device, target, non_blocking)

        return self._apply(convert)

    def cpu(self) -> Self:
        return self._apply(lambda tensor: tensor.cpu())

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        return self._apply(lambda tensor: rt.empty_like(tensor, device=device), recurse=recurse)

    def type(self, dst_type: Any) -> Self:
        return self._apply(lambda tensor: tensor.type(dst_type))

    def _cast(self, dtype: Any) -> Self:
        return self._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def float(self) -> Self:
        return self._cast(rt.float32)

    def double(self) -> Self:
        return self._cast(rt.float64)

    def half(self) -> Self:
        return self._cast(rt.float16)

    def bfloat16(self) -> Self:
        return self._cast(rt.bfloat16)
