"""Tensors that a module registers by itself when they are assigned to it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import rustorch as rt
from rustorch import _core

Tensor = _core.Tensor


def _is_plain(data: Any) -> bool:
    return type(data) is Tensor or type(data) is Parameter


class _ParameterMeta(type(Tensor)):  # type: ignore[misc]  # the class of an extension's class is known only when running
    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that is to be learned: assigned to a `Module`, it appears in `Module.parameters()`.

    `requires_grad` holds whatever the grad mode in force. A tensor of another subclass keeps its class and is marked.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = rt.empty(0)
        if _is_plain(data):
            return Tensor._make_subclass(cls, data, requires_grad)
        alias = data.detach().requires_grad_(requires_grad)
        if type(alias) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns "
                f"an instance of the same type, but return type {type(alias).__name__} was found instead."
            )
        alias._is_param = True
        return alias

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict(), dict(self.__dict__))


def _rebuild_parameter(data: Any, requires_grad: bool, hooks: Any, state: dict[str, Any]) -> Any:
    param = Parameter(data, requires_grad)
    param.__dict__.update(state)
    return param


class _BufferMeta(type(Tensor)):  # type: ignore[misc]  # as above
    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that is state of a module but is not learned; `persistent` says whether `state_dict()` holds it."""

    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = rt.empty(0)
        base = data if type(data) is Tensor else data.detach()
        alias = Tensor._make_subclass(cls, base, data.requires_grad)
        alias.persistent = persistent
        alias._is_buffer = True
        return alias

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        pass


__all__ = ["Buffer", "Parameter"]
