"""Jacobians, Hessians and their products with vectors, for functions of tensors.

Products from the right come from two sweeps: the gradient of `v -> v J` with respect to `v` is `J u`. `vectorize=` and
the strategies choose between ways to the same numbers in torch; here there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.autograd.engine import grad
from rustorch.autograd.grad_mode import enable_grad

_Tensor = _core.Tensor


def _as_tuple(values: Any, argument: str, function: str) -> tuple[bool, tuple[Any, ...]]:
    """Whether `values` is a tuple, and the tuple."""
    is_tuple = isinstance(values, tuple)
    values = values if is_tuple else (values,)
    for i, value in enumerate(values):
        if not isinstance(value, _Tensor):
            if is_tuple:
                raise TypeError(
                    f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the value "
                    f"at index {i} has type {type(value)}."
                )
            raise TypeError(
                f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the given "
                f"{argument} has type {type(value)}."
            )
    return is_tuple, values


def _leaves(inputs: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    """Fresh starting points for differentiation, connected to the caller's graph where that is wanted."""
    if create_graph:
        return tuple(
            value.view_as(value) if value.requires_grad else value.detach().requires_grad_() for value in inputs
        )
    return tuple(value.detach().requires_grad_() for value in inputs)


def _unwrap(is_tuple: bool, values: Any) -> Any:
    return tuple(values) if is_tuple else values[0]


def _finish(values: Any, create_graph: bool) -> tuple[Any, ...]:
    return tuple(value if create_graph else value.detach() for value in values)


def _call(func: Callable[..., Any], inputs: tuple[Any, ...], function: str) -> tuple[bool, tuple[Any, ...]]:
    return _as_tuple(func(*inputs), "outputs of the user-provided function", function)


def _check_outputs(outputs: tuple[Any, ...], strict: bool) -> None:
    for i, output in enumerate(outputs):
        if strict and not output.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed "
                "in a differentiable manner from the input when running in strict mode."
            )


def _pull(outputs: tuple[Any, ...], inputs: tuple[Any, ...], starts: tuple[Any, ...], strict: bool) -> tuple[Any, ...]:
    """`starts` times the Jacobian, recorded; zeros where nothing depends on an input."""
    pairs = [(o, s) for o, s in zip(outputs, starts, strict=True) if o.requires_grad]
    results: tuple[Any, ...] = (None,) * len(inputs)
    if pairs:
        results = grad([o for o, _ in pairs], inputs, [s for _, s in pairs], create_graph=True, allow_unused=True)
    filled = []
    for i, (result, source) in enumerate(zip(results, inputs, strict=True)):
        if result is None:
            if strict:
                raise RuntimeError(
                    f"The output of the user-provided function is independent of input {i}. "
                    "This is not allowed in strict mode."
                )
            result = rt.zeros_like(source)
        filled.append(result)
    return tuple(filled)


def _check_vector(v: Any, like: tuple[Any, ...], like_is_tuple: bool, function: str, what: str) -> tuple[Any, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} "
                f"{'the user-provided function ' if what.startswith('output') else ''}is a single Tensor with a "
                "single element."
            )
        return (rt.ones_like(like[0]),)
    _, v = _as_tuple(v, "v", function)
    if len(v) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for i, (vector, value) in enumerate(zip(v, like, strict=True)):
        if vector.shape != value.shape:
            prefix = f"Entry {i} in " if like_is_tuple else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {value.size()} but got {vector.size()}.")
    return tuple(v)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and `v` times the Jacobian."""
    with enable_grad():
        in_tuple, given = _as_tuple(inputs, "inputs", "vjp")
        sources = _leaves(given, create_graph)
        out_tuple, outputs = _call(func, sources, "vjp")
        _check_outputs(outputs, strict)
        starts = _check_vector(v, outputs, out_tuple, "vjp", "output of")
        results = _pull(outputs, sources, starts, strict)
    return _unwrap(out_tuple, _finish(outputs, create_graph)), _unwrap(in_tuple, _finish(results, create_graph))


def _push(outputs: tuple[Any, ...], sources: tuple[Any, ...], v: tuple[Any, ...], strict: bool) -> tuple[Any, ...]:
    """The Jacobian times `v`: the pull-back is linear in its start, and this is its own pull-back."""
    starts = tuple(rt.zeros_like(output).requires_grad_() for output in outputs)
    pulled = _pull(outputs, sources, starts, strict)
    return _pull(pulled, starts, v, False)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the Jacobian times `v`."""
    with enable_grad():
        in_tuple, given = _as_tuple(inputs, "inputs", "jvp")
        vectors = _check_vector(v, given, in_tuple, "jvp", "input to")
        sources = _leaves(given, create_graph)
        out_tuple, outputs = _call(func, sources, "jvp")
        _check_outputs(outputs, strict)
        results = _push(outputs, sources, vectors, strict)
    return _unwrap(out_tuple, _finish(outputs, create_graph)), _unwrap(out_tuple, _finish(results, create_graph))


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of every output by every input, of the shape of the output followed by that of the input."""
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    with enable_grad():
        in_tuple, given = _as_tuple(inputs, "inputs", "jacobian")
        sources = _leaves(given, create_graph)
        out_tuple, outputs = _call(func, sources, "jacobian")
        _check_outputs(outputs, strict)
        table = []
        for output in outputs:
            rows = [_pull((output,), sources, (start,), strict) for start in _unit_starts(output)]
            columns = zip(*rows, strict=True) if rows else ((),) * len(sources)
            table.append(
                tuple(
                    (rt.stack(list(column)) if column else rt.zeros(0, dtype=output.dtype)).reshape(
                        tuple(output.shape) + tuple(source.shape)
                    )
                    for column, source in zip(columns, sources, strict=True)
                )
            )
    rows = [_unwrap(in_tuple, _finish(row, create_graph)) for row in table]
    return _unwrap(out_tuple, rows)


def _unit_starts(output: Any) -> list[Any]:
    flat = rt.eye(output.numel(), dtype=output.dtype)
    return [flat[i].reshape(output.shape) for i in range(output.numel())]


def _scalar(func: Callable[..., Any], function: str) -> Callable[..., Any]:
    """`func`, checked to give a single number."""

    def checked(*inputs: Any) -> Any:
        is_tuple, outputs = _call(func, inputs, function)
        if is_tuple:
            raise RuntimeError(f"The function given to {function} should return a single Tensor")
        output = outputs[0]
        if output.numel() != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {function} should contain a single element"
            )
        return output.reshape(())

    return checked


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function whose value is one number."""
    in_tuple, given = _as_tuple(inputs, "inputs", "hessian")
    scalar = _scalar(func, "hessian")

    def gradient(*values: Any) -> Any:
        output = scalar(*values)
        _check_outputs((output,), strict)
        return _pull((output,), values, (rt.ones_like(output),), strict)

    table = jacobian(gradient, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return table if in_tuple else table[0][0]


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function, and `v` times its Hessian."""
    return _hessian_product(func, inputs, v, create_graph, strict, "vhp")


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function, and its Hessian times `v`; as the Hessian is symmetric, the same as `vhp`."""
    return _hessian_product(func, inputs, v, create_graph, strict, "hvp")


def _hessian_product(
    func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool, name: str
) -> tuple[Any, Any]:
    with enable_grad():
        in_tuple, given = _as_tuple(inputs, "inputs", name)
        sources = _leaves(given, create_graph)
        vectors = _check_vector(v, given, in_tuple, name, "input to")
        output = _scalar(func, name)(*sources)
        _check_outputs((output,), strict)
        gradient = _pull((output,), sources, (rt.ones_like(output),), strict)
        product = _pull(gradient, sources, vectors, strict)
    return _finish((output,), create_graph)[0], _unwrap(in_tuple, _finish(product, create_graph))


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
