"""Grad mode as context managers and decorators; the mode itself is per thread and lives in the native module."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from rustorch import _core


def _run_generator(enter: Callable[[], Any], func: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a generator function so that its body, and only its body, runs inside the context."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = func(*args, **kwargs)
        try:
            with enter():
                item = next(generator)
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    with enter():
                        generator.close()
                    raise
                except BaseException as error:
                    with enter():
                        item = generator.throw(error)
                else:
                    with enter():
                        item = generator.send(sent)
        except StopIteration as stop:
            return stop.value

    return wrapper


def _decorate(enter: Callable[[], Any], func: Any) -> Any:
    if inspect.isclass(func):
        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. "
            "You should only decorate functions or methods. "
            "To preserve the current behavior of class decoration, you can directly decorate the `__init__` method "
            "and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
        construct = func

        @functools.wraps(construct, updated=())
        def func(*args: Any, **kwargs: Any) -> Any:
            return construct(*args, **kwargs)

    if inspect.isgeneratorfunction(func):
        return _run_generator(enter, func)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with enter():
            return func(*args, **kwargs)

    return wrapper


class _GradMode:
    """Base of the modes without an argument; `@mode` works like `@mode()`."""

    _value: bool

    def __new__(cls, orig_func: Any = None) -> Any:
        mode = super().__new__(cls)
        return mode if orig_func is None else mode(orig_func)

    def __init__(self, orig_func: Any = None) -> None:
        self.prev = False

    def __call__(self, orig_func: Any) -> Any:
        return _decorate(self.clone, orig_func)

    def __enter__(self) -> None:
        self.prev = _core.is_grad_enabled()
        _core._set_grad_enabled(self._value)

    def __exit__(self, *exc: Any) -> None:
        _core._set_grad_enabled(self.prev)

    def clone(self) -> Any:
        return type(self)()


class no_grad(_GradMode):
    """Operations inside are not recorded for gradients."""

    _value = False


class enable_grad(_GradMode):
    """Operations inside are recorded for gradients, also within `no_grad`."""

    _value = True


class set_grad_enabled:
    """Sets grad mode at once; as a context manager or decorator it also restores it."""

    def __init__(self, mode: bool) -> None:
        self.prev = _core.is_grad_enabled()
        self.mode = mode
        _core._set_grad_enabled(mode)

    def __call__(self, orig_func: Any) -> Any:
        _core._set_grad_enabled(self.prev)
        return _decorate(self.clone, orig_func)

    def __enter__(self) -> None:
        _core._set_grad_enabled(self.mode)

    def __exit__(self, *exc: Any) -> None:
        _core._set_grad_enabled(self.prev)

    def __str__(self) -> str:
        return f"{type(self).__module__}.{type(self).__name__}(mode={self.mode})"

    __repr__ = __str__

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)


class inference_mode:
    """No gradients, and results that may never take part in any; `inference_mode(False)` leaves the mode again."""

    def __new__(cls, mode: Any = True) -> Any:
        instance = super().__new__(cls)
        if isinstance(mode, bool):
            return instance
        instance.mode = True
        return instance(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode
        self.prev = (False, False)

    def __call__(self, orig_func: Any) -> Any:
        return _decorate(self.clone, orig_func)

    def __enter__(self) -> None:
        self.prev = (_core.is_inference_mode_enabled(), _core.is_grad_enabled())
        _core._set_inference_mode(self.mode)
        _core._set_grad_enabled(not self.mode)

    def __exit__(self, *exc: Any) -> None:
        inference, grad = self.prev
        _core._set_inference_mode(inference)
        _core._set_grad_enabled(grad)

    def clone(self) -> inference_mode:
        return type(self)(self.mode)


__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]
