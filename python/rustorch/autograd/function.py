"""`Function`: an operation whose gradient the user writes."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.autograd.grad_mode import no_grad

_Tensor = _core.Tensor


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors, flags, and any attributes the user sets."""

    def __init__(self, name: str, needs_input_grad: tuple[bool, ...]) -> None:
        self._name = name
        self._saved: tuple[Any, ...] = ()
        self._unpack: Callable[[], tuple[Any, ...]] | None = None
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self.materialize_grads = True
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *tensors: Any) -> None:
        """Keeps inputs and outputs of `forward` for `saved_tensors`; anything else may be a plain attribute."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, _Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {tensors.index(tensor)} is of type "
                    f"{type(tensor).__name__}"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        raise RuntimeError("save_for_forward: forward-mode differentiation is not supported; use save_for_backward")

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return self._saved if self._unpack is None else self._unpack()

    def mark_dirty(self, *args: Any) -> None:
        """Says which inputs `forward` changed in place; they must be returned."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Says which outputs have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros, or None, for an output without gradient."""
        self.materialize_grads = value

    def name(self) -> str:
        return self._name


class Function:
    """Base of operations with their own gradient: define static `forward` and `backward`, call `apply`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any) -> Any:
        name = cls.__name__ + "Backward"
        needs = tuple(isinstance(arg, _Tensor) and arg.requires_grad for arg in args)
        ctx = FunctionCtx(name, needs)
        recorded = _core.is_grad_enabled() and any(needs)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        results = result if isinstance(result, tuple) else (result,)
        results = _Call(cls, ctx, args, results).connect() if recorded else _aliases_of_inputs(ctx, args, results)
        return results if isinstance(result, tuple) else results[0]


def _is_any(value: Any, candidates: Sequence[Any]) -> bool:
    return any(value is candidate for candidate in candidates)


def _aliases_of_inputs(ctx: FunctionCtx, args: tuple[Any, ...], results: tuple[Any, ...]) -> tuple[Any, ...]:
    """An input that is returned unchanged becomes an alias: the result is never the argument itself."""
    return tuple(
        value.view_as(value)
        if isinstance(value, _Tensor) and _is_any(value, args) and not _is_any(value, ctx._dirty)
        else value
        for value in results
    )


class _Call:
    """One recorded call of a `Function`: connects its results to its inputs."""

    def __init__(self, cls: Any, ctx: FunctionCtx, args: tuple[Any, ...], results: tuple[Any, ...]) -> None:
        self.cls = cls
        self.ctx = ctx
        self.tensor_args = [isinstance(arg, _Tensor) for arg in args]
        self.where = [i for i, needed in enumerate(ctx.needs_input_grad) if needed]
        self.inputs = [args[i] for i in self.where]
        self.input_types = [(tuple(value.shape), value.dtype) for value in self.inputs]
        self.args = args
        self.results = results
        self.n_results = len(results)
        self.attached = [
            i
            for i, value in enumerate(results)
            if isinstance(value, _Tensor)
            and not _is_any(value, ctx._non_differentiable)
            and (value.is_floating_point() or value.is_complex())
        ]
        self.output_types = [
            (tuple(value.shape), value.dtype) if isinstance(value, _Tensor) else None for value in results
        ]

    def connect(self) -> tuple[Any, ...]:
        ctx = self.ctx
        for value in ctx._dirty:
            if not _is_any(value, self.results):
                raise RuntimeError(
                    "Some elements marked as dirty during the forward method were not returned as output. "
                    "The inputs that are modified inplace must all be outputs of the Function."
                )
            if value.requires_grad and value.is_leaf:
                raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        # Without history of their own: what a result has of an input's is replaced by this call's.
        raw = [self.results[i].detach() for i in self.attached]
        # What `_save` connects again later: changed inputs by copies that still have their old history.
        sources = [value.clone() if _is_any(value, ctx._dirty) else value for value in self.inputs]
        connected = list(self.results)
        for i, alias in zip(self.attached, self._attach(raw), strict=True):
            value = self.results[i]
            if _is_any(value, ctx._dirty):
                # The argument keeps its identity and its aliases, and from here on has the history of the result.
                value.copy_(alias)
            else:
                connected[i] = alias
        for i, value in enumerate(connected):
            if i not in self.attached and isinstance(value, _Tensor):
                connected[i] = value.detach()
        self._save(raw, sources)
        # Everything that only the forward needed is released: the callback lives as long as the graph.
        del self.args, self.results, self.inputs
        return tuple(connected)

    def _attach(self, raw: list[Any]) -> list[Any]:
        return _core._attach_backward(raw, self.inputs, self.backward, self.ctx._name) if raw else []

    def _save(self, raw: list[Any], sources: list[Any]) -> None:
        """Turns `ctx._saved` into a function that checks versions and gives the tensors back, with their history.

        A saved result is kept without history, for with it the graph would hold itself alive; it is connected again
        when it is asked for while gradients are recorded.
        """
        ctx = self.ctx
        outputs = {
            id(self.results[i]): k
            for k, i in enumerate(self.attached)
            # An input that is returned unchanged is saved as the input it is.
            if not _is_any(self.results[i], self.args) or _is_any(self.results[i], ctx._dirty)
        }
        kept = [
            (raw[outputs[id(t)]], outputs[id(t)]) if t is not None and id(t) in outputs else (t, None)
            for t in ctx._saved
        ]
        versions = [None if tensor is None else tensor._version for tensor, _ in kept]
        ctx._saved = ()
        inputs = sources if any(k is not None for _, k in kept) else []
        # Weak, so that call and context are freed with the graph and not by the cycle collector.
        name, callback = ctx._name, weakref.WeakMethod(self.backward)

        def unpack() -> tuple[Any, ...]:
            aliases: list[Any] = []
            tensors = []
            for (tensor, k), version in zip(kept, versions, strict=True):
                if tensor is not None and version is not None and tensor._version != version:
                    _raise_overwritten(tensor, version)
                if k is not None and _core.is_grad_enabled():
                    aliases = aliases or _core._attach_backward(raw, inputs, callback(), name)
                    tensor = aliases[k]
                tensors.append(tensor)
            return tuple(tensors)

        ctx._unpack = unpack

    def backward(self, *grads: Any) -> list[Any]:
        ctx = self.ctx
        spread: list[Any] = [None] * self.n_results
        for i, grad in zip(self.attached, grads, strict=True):
            spread[i] = grad
        if ctx.materialize_grads:
            for i, described in enumerate(self.output_types):
                if spread[i] is None and described is not None:
                    spread[i] = rt.zeros(described[0], dtype=described[1])
        user = self.cls.backward if self.cls.backward is not Function.backward else self.cls.vjp
        answer = user(ctx, *spread)
        answer = answer if isinstance(answer, tuple) else (answer,)
        expected = len(self.tensor_args)
        if len(answer) < expected or any(grad is not None for grad in answer[expected:]):
            raise RuntimeError(
                f"function {ctx._name} returned an incorrect number of gradients "
                f"(expected {expected}, got {len(answer)})"
            )
        for i, (grad, is_tensor) in enumerate(zip(answer, self.tensor_args, strict=False)):
            if grad is not None and not is_tensor:
                raise RuntimeError(
                    f"function {ctx._name} returned a gradient different than None at position {i + 1}, "
                    "but the corresponding forward input was not a Variable"
                )
        return [
            self._checked(i, answer[i], described) for i, described in zip(self.where, self.input_types, strict=True)
        ]

    def _checked(self, i: int, grad: Any, described: tuple[tuple[int, ...], Any]) -> Any:
        """A gradient in its input's shape and dtype."""
        if grad is None:
            return None
        shape, dtype = described
        if not isinstance(grad, _Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(grad).__name__})")
        if tuple(grad.shape) != shape:
            if not _expands(shape, tuple(grad.shape)):
                raise RuntimeError(
                    f"Function {self.ctx._name} returned an invalid gradient at index {i} - got {list(grad.shape)} but "
                    f"expected shape compatible with {list(shape)}"
                )
            grad = _sum_to(grad, shape)
        return grad if grad.dtype == dtype else grad.to(dtype)


def _expands(shape: tuple[int, ...], larger: tuple[int, ...]) -> bool:
    if len(shape) > len(larger):
        return False
    tail = larger[len(larger) - len(shape) :]
    return all(extent in (1, other) for extent, other in zip(shape, tail, strict=True))


def _sum_to(tensor: Any, shape: tuple[int, ...]) -> Any:
    lead = tensor.dim() - len(shape)
    if lead:
        tensor = tensor.sum(list(range(lead)))
    dims = [d for d, extent in enumerate(shape) if extent == 1 and tensor.shape[d] != 1]
    return tensor.sum(dims, keepdim=True) if dims else tensor


def _raise_overwritten(tensor: Any, version: int) -> None:
    from rustorch.utils._names import typename

    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{typename(tensor)} {list(tensor.shape)}] is at version {tensor._version}; expected version {version} "
        "instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True)."
    )


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """For a `backward` that has no gradient of its own: differentiating through its results is an error."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = fn(ctx, *args)
        sources = [arg for arg in args if isinstance(arg, _Tensor) and arg.requires_grad]
        if not _core.is_grad_enabled() or not sources:
            return outputs

        def refuse(*grads: Any) -> Any:
            raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

        listed = outputs if isinstance(outputs, tuple) else (outputs,)
        where = [i for i, value in enumerate(listed) if isinstance(value, _Tensor)]
        guarded = list(listed)
        raw = [listed[i].detach() for i in where]
        for i, alias in zip(where, _core._attach_backward(raw, sources, refuse, "DelayedError"), strict=True):
            guarded[i] = alias
        return tuple(guarded) if isinstance(outputs, tuple) else guarded[0]

    return wrapper


__all__ = ["Function", "FunctionCtx", "once_differentiable"]
