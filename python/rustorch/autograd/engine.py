"""`backward` and `grad`: arguments are checked here, the gradient graph is built by the native module."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import rustorch as rt
from rustorch import _core

_Tensor = _core.Tensor


def _tuple(tensors: Any) -> tuple[Any, ...]:
    return (tensors,) if isinstance(tensors, _Tensor) else tuple(tensors)


def _inputs_tuple(function: str, inputs: Any) -> tuple[Any, ...]:
    if type(inputs) is dict:
        inputs = inputs.values()
    elif isinstance(inputs, Mapping):
        raise TypeError(
            f"`inputs` argument to `{function}()` must be a dict, not {type(inputs).__name__}. "
            "Other Mapping types are not supported."
        )
    inputs = _tuple(inputs)
    if not inputs:
        raise RuntimeError(f"`inputs` argument to `{function}()` cannot be empty.")
    return inputs


def _start_gradient(i: int, output: Any, grad: Any) -> Any:
    """The gradient that the sweep begins with at one output: the given one, or 1 for a scalar."""
    if isinstance(grad, _Tensor):
        if grad.shape != output.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {grad.shape} and output[{i}] has a shape of "
                f"{output.shape}."
            )
        return grad
    if grad is not None:
        raise TypeError(f"gradients can be either Tensors or None, but got {type(grad).__name__}")
    if not output.requires_grad:
        raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    if output.numel() != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    return rt.ones_like(output)


def _start_gradients(outputs: tuple[Any, ...], grads: Any) -> list[Any]:
    grads = (None,) * len(outputs) if grads is None else _tuple(grads)
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    starts = [_start_gradient(i, *pair) for i, pair in enumerate(zip(outputs, grads, strict=True))]
    for i, output in enumerate(outputs):
        if not output.requires_grad:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    return starts


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Adds the gradients of `tensors` to `.grad` of the leaves they depend on, or of `inputs` alone."""
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) "
                "arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    wanted = None if inputs is None else list(_inputs_tuple("backward", inputs))
    tensors = _tuple(tensors)
    starts = _start_gradients(tensors, grad_tensors)
    retain_graph = create_graph if retain_graph is None else retain_graph
    _core._run_backward(list(tensors), starts, retain_graph, create_graph, wanted, True, True)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of `outputs` with respect to `inputs`, without touching `.grad`.

    With `is_grads_batched` the first dimension of every `grad_outputs` runs over several gradients to start from, and
    that of the results over the answers.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now "
            "(defaults to True). To accumulate gradient for other "
            "parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outputs = _tuple(outputs)
    wanted = _inputs_tuple("grad", inputs)
    retain_graph = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        results = _batched(outputs, wanted, grad_outputs, retain_graph, create_graph, allow_unused)
    else:
        starts = _start_gradients(outputs, grad_outputs)
        results = _sweep(outputs, starts, retain_graph, create_graph, wanted, allow_unused)
    if materialize_grads:
        results = [
            rt.zeros_like(source) if result is None else result for result, source in zip(results, wanted, strict=True)
        ]
    return dict(zip(inputs, results, strict=True)) if type(inputs) is dict else tuple(results)


def _sweep(
    outputs: tuple[Any, ...],
    starts: list[Any],
    retain_graph: bool,
    create_graph: bool,
    wanted: tuple[Any, ...],
    allow_unused: bool,
) -> list[Any]:
    if any(not source.requires_grad for source in wanted):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return _core._run_backward(list(outputs), starts, retain_graph, create_graph, list(wanted), False, allow_unused)


def _batched(
    outputs: tuple[Any, ...],
    wanted: tuple[Any, ...],
    grad_outputs: Any,
    retain_graph: bool,
    create_graph: bool,
    allow_unused: bool,
) -> list[Any]:
    grads = _tuple(grad_outputs)
    count = grads[0].shape[0]
    answers = []
    for i in range(count):
        starts = _start_gradients(outputs, [batch[i] for batch in grads])
        keep = retain_graph or i + 1 < count
        answers.append(_sweep(outputs, starts, keep, create_graph, wanted, allow_unused))
    return [None if column[0] is None else rt.stack(column) for column in map(list, zip(*answers, strict=True))]


__all__ = ["backward", "grad"]
