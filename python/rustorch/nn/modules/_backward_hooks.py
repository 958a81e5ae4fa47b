"""Backward hooks of a module: gradient taps on the inputs and outputs of one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from rustorch import _core


def _tap(values: tuple[Any, ...], on_grads: Callable[[list[Any]], Sequence[Any] | None]) -> tuple[Any, bool]:
    """Replaces the tensors among `values` that require grad by aliases whose gradients pass through `on_grads`.

    `on_grads` sees one entry for each value, None where there is no gradient, and may return others in their place.
    """
    where = [i for i, value in enumerate(values) if isinstance(value, _core.Tensor) and value.requires_grad]
    if not where or not _core.is_grad_enabled():
        return values, False
    size = len(values)

    def callback(*grads: Any) -> Sequence[Any]:
        spread = [None] * size
        for i, grad in zip(where, grads, strict=True):
            spread[i] = grad
        replaced = on_grads(spread)
        return grads if replaced is None else [replaced[i] for i in where]

    tapped = [values[i] for i in where]
    result = list(values)
    for i, alias in zip(where, _core._attach_backward(tapped, tapped, callback, "BackwardHookFunction"), strict=True):
        result[i] = alias
    if type(values) is tuple:
        return tuple(result), True
    return type(values)(*result), True


class BackwardHooks:
    """Connects the gradients of a call's outputs with those of its inputs, and shows both to the hooks."""

    def __init__(self, module: Any, hooks: list[Callable[..., Any]], pre_hooks: list[Callable[..., Any]]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.n_inputs = 0
        self.inputs_tapped = False

    def tap_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        args, self.inputs_tapped = _tap(args, self._on_grad_inputs)
        return args

    def tap_outputs(self, result: Any) -> Any:
        if isinstance(result, tuple):
            return _tap(result, self._on_grad_outputs)[0]
        return _tap((result,), self._on_grad_outputs)[0][0]

    def _on_grad_inputs(self, grads: list[Any]) -> Sequence[Any] | None:
        if self.grad_outputs is None:
            # The gradient came round the module's outputs, as it does in double backward.
            return None
        grad_inputs: Sequence[Any] = tuple(grads)
        for hook in self.hooks:
            replaced = hook(self.module, grad_inputs, self.grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != len(grad_inputs):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(replaced)}, but expected {len(grad_inputs)}"
                )
            grad_inputs = replaced
        self.grad_outputs = None
        return grad_inputs

    def _on_grad_outputs(self, grads: list[Any]) -> Sequence[Any]:
        grad_outputs: Any = tuple(grads)
        for hook in self.pre_hooks:
            replaced = hook(self.module, grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != len(grad_outputs):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(replaced)}, but expected {len(grad_outputs)}"
                )
            grad_outputs = replaced
        if self.inputs_tapped:
            self.grad_outputs = grad_outputs
        elif self.hooks:
            self._call_without_inputs(grad_outputs)
        return grad_outputs

    def _call_without_inputs(self, grad_outputs: Any) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
            "require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=5,
        )
        for hook in self.hooks:
            result = hook(self.module, (None,) * self.n_inputs, grad_outputs)
            if result is not None and not (isinstance(result, tuple) and all(item is None for item in result)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None "
                    "or None for all gradients."
                )
