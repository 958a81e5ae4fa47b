"""The part of `Module` that calls `forward`, and the hooks around it; also the hooks common to all modules."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rustorch import _core
from rustorch.nn.modules import _tracked
from rustorch.nn.modules._backward_hooks import BackwardHooks
from rustorch.utils.hooks import RemovableHandle

_global_forward_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Any] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Any] = OrderedDict()


def _add(table: OrderedDict[int, Any], hook: Any, prepend: bool = False, **flags: Any) -> RemovableHandle:
    """Adds `hook`; each flag is a pair (table of flags, whether to set it for this hook)."""
    handle = RemovableHandle(table, extra_dict=[flag_table for flag_table, _ in flags.values()])
    table[handle.id] = hook
    for flag_table, wanted in flags.values():
        if wanted:
            flag_table[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """`hook(module, args)` runs before the forward of every module."""
    return _add(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """`hook(module, args, output)` runs after the forward of every module."""
    return _add(
        _global_forward_hooks,
        hook,
        with_kwargs=(_global_forward_hooks_with_kwargs, with_kwargs),
        always_call=(_global_forward_hooks_always_called, always_call),
    )


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """`hook(module, grad_output)` runs when the gradients of any module's outputs are known."""
    return _add(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """`hook(module, grad_input, grad_output)` runs when the gradients of any module's inputs are known."""
    return _add(_global_backward_hooks, hook)


class Calling:
    forward: Callable[..., Any]
    _forward_hooks: OrderedDict[int, Any]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Any]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _backward_hooks: OrderedDict[int, Any]
    _backward_pre_hooks: OrderedDict[int, Any]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """`hook(module, args[, kwargs])` runs before `forward` and may return other arguments."""
        return _add(
            self._forward_pre_hooks, hook, prepend, with_kwargs=(self._forward_pre_hooks_with_kwargs, with_kwargs)
        )

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """`hook(module, args[, kwargs], output)` runs after `forward` and may return another output.

        With `always_call` it also runs when something in the call raises.
        """
        return _add(
            self._forward_hooks,
            hook,
            prepend,
            with_kwargs=(self._forward_hooks_with_kwargs, with_kwargs),
            always_call=(self._forward_hooks_always_called, always_call),
        )

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(module, grad_output)` runs when the gradients of the outputs are known, and may replace them."""
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(module, grad_input, grad_output)` runs when the gradients of the inputs are known; may replace them."""
        return _add(self._backward_hooks, hook, prepend)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        if _tracked.active:
            _tracked.called(self)
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _global_forward_hooks
            or _global_forward_pre_hooks
            or _global_backward_hooks
            or _global_backward_pre_hooks
        ):
            return _HookedCall(self, args, kwargs).run()
        return self.forward(*args, **kwargs)

    __call__: Callable[..., Any] = _call_impl


class _HookedCall:
    """One call of a module that has hooks."""

    def __init__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self) -> Any:
        module = self.module
        try:
            self._pre_hooks()
            hooks = [*_global_backward_hooks.values(), *module._backward_hooks.values()]
            pre_hooks = [*_global_backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
            backward = BackwardHooks(module, hooks, pre_hooks) if hooks or pre_hooks else None
            if backward is not None:
                self.args = backward.tap_inputs(self.args)
            self.result = module.forward(*self.args, **self.kwargs)
            self._post_hooks()
            if backward is not None:
                if not isinstance(self.result, (_core.Tensor, tuple)):
                    warnings.warn(
                        "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors"
                        f" but received {type(self.result)}",
                        stacklevel=4,
                    )
                self.result = backward.tap_outputs(self.result)
            return self.result
        except Exception:
            self._always_called_hooks()
            raise

    def _pre_hooks(self) -> None:
        module = self.module
        with_kwargs = module._forward_pre_hooks_with_kwargs
        for key, hook in (*_global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
            if key in with_kwargs:
                replaced = hook(module, self.args, self.kwargs)
                if replaced is None:
                    continue
                if not (isinstance(replaced, tuple) and len(replaced) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
                    )
                self.args, self.kwargs = replaced
            else:
                replaced = hook(module, self.args)
                if replaced is not None:
                    self.args = replaced if isinstance(replaced, tuple) else (replaced,)

    def _call(self, key: int, hook: Callable[..., Any]) -> None:
        module = self.module
        if key in module._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs:
            replaced = hook(module, self.args, self.kwargs, self.result)
        else:
            replaced = hook(module, self.args, self.result)
        if replaced is not None:
            self.result = replaced

    def _post_hooks(self) -> None:
        for key, hook in (*_global_forward_hooks.items(), *self.module._forward_hooks.items()):
            self.called.add(key)
            self._call(key, hook)

    def _always_called_hooks(self) -> None:
        """After an error: runs the `always_call` hooks that did not run; their own errors only warn."""
        module = self.module
        tables = (
            ("global module", _global_forward_hooks, _global_forward_hooks_always_called),
            ("module", module._forward_hooks, module._forward_hooks_always_called),
        )
        for kind, hooks, always in tables:
            for key, hook in hooks.items():
                if key not in always or key in self.called:
                    continue
                try:
                    self._call(key, hook)
                except Exception as error:
                    warnings.warn(
                        f"{kind} forward hook with ``always_call=True`` raised an exception "
                        f"that was silenced as another error was raised in forward: {error}",
                        stacklevel=5,
                    )
