"""Checks of gradients against finite differences."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import rustorch as rt
from rustorch import _core
from rustorch.autograd.engine import grad
from rustorch.autograd.grad_mode import enable_grad, no_grad

_Tensor = _core.Tensor


class GradcheckError(RuntimeError):
    """A gradient does not agree with finite differences, or not with itself."""


def _tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, (list, tuple)) else (values,)


def _outputs(func: Callable[..., Any], inputs: tuple[Any, ...]) -> list[Any]:
    """The outputs that may have a gradient."""
    values = _tuple(func(*inputs))
    return [value for value in values if isinstance(value, _Tensor) and value.is_floating_point()]


def _values(tensors: Sequence[Any]) -> list[list[float]]:
    return [tensor.detach().to(rt.float64).reshape(-1).tolist() for tensor in tensors]


def _differences(
    func: Callable[..., Any], inputs: tuple[Any, ...], at: int, eps: float, directions: Any
) -> list[list[list[float]]]:
    """For each direction, and each output, the slope of its elements along that direction of input `at`.

    The input is changed in place and set back, so that a function that holds on to it sees the change too.
    """
    data = inputs[at].detach()
    original = data.clone()
    slopes = []
    for direction in directions:
        ends = []
        for step in (eps, -eps):
            with no_grad():
                data.copy_(original)
                direction(data, step)
            with enable_grad():
                # A copy, since a function may return the input that is about to change again.
                ends.append(_values(_outputs(func, inputs)))
        pairs = zip(*ends, strict=True)
        slopes.append([[(u - d) / (2 * eps) for u, d in zip(up, down, strict=True)] for up, down in pairs])
    with no_grad():
        data.copy_(original)
    return slopes


def _axis(index: tuple[int, ...]) -> Callable[[Any, float], None]:
    def move(data: Any, step: float) -> None:
        data[index] = data[index] + step

    return move


def _along(direction: Any) -> Callable[[Any, float], None]:
    def move(data: Any, step: float) -> None:
        data.add_(direction.to(data.dtype), alpha=step)

    return move


def _pull(output: Any, source: Any, start: Any) -> tuple[Any, Any]:
    """The gradient of one output for one start, as float64 values, and as it came."""
    (result,) = grad(output, source, start, retain_graph=True, allow_unused=True)
    dense = rt.zeros_like(source) if result is None else result
    return dense.detach().to(rt.float64).reshape(-1).tolist(), result


def _unit_starts(output: Any) -> list[Any]:
    starts = []
    for i in range(output.numel()):
        start = rt.zeros(output.numel(), dtype=output.dtype)
        start[i] = 1.0
        starts.append(start.reshape(output.shape))
    return starts


def _close(one: list[float], other: list[float], rtol: float, atol: float) -> bool:
    return all(abs(a - b) <= atol + rtol * abs(b) for a, b in zip(one, other, strict=True))


def _matrix(rows: list[list[float]]) -> Any:
    return rt.tensor(rows, dtype=rt.float64)


def _compare(func: Callable[..., Any], inputs: tuple[Any, ...], at: int, settings: dict[str, Any]) -> None:
    """All entries of the Jacobians with respect to input `at`."""
    source = inputs[at]
    axes = [_axis(index) for index in itertools.product(*map(range, source.shape))]
    numerical = _differences(func, inputs, at, settings["eps"], axes)
    # Called after the differences, which write to the inputs that this call saves.
    for k, output in enumerate(_outputs(func, inputs)):
        columns = [slopes[k] for slopes in numerical]
        if not output.requires_grad:
            if any(abs(value) > settings["atol"] for column in columns for value in column):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            continue
        pulled = [_gradient(output, source, start, settings) for start in _unit_starts(output)]
        rows = [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in pulled]
        if not all(_close(a, b, settings["rtol"], settings["atol"]) for a, b in zip(pulled, rows, strict=True)):
            raise GradcheckError(
                f"Jacobian mismatch for output {k} with respect to input {at},\n"
                f"numerical:{_matrix(rows).t()}\nanalytical:{_matrix(pulled).t()}\n"
            )


def _compare_fast(func: Callable[..., Any], inputs: tuple[Any, ...], at: int, settings: dict[str, Any]) -> None:
    """The Jacobians multiplied from both sides with random unit vectors: one number for each output."""
    source = inputs[at]
    u = rt.randn(source.shape, dtype=rt.float64)
    u = u / u.norm().clamp(min=1e-12)
    (slopes,) = _differences(func, inputs, at, settings["eps"], [_along(u)])
    for k, output in enumerate(_outputs(func, inputs)):
        v = rt.rand(output.shape, dtype=rt.float64)
        v = v / v.norm().clamp(min=1e-12)
        numerical = sum(a * b for a, b in zip(v.reshape(-1).tolist(), slopes[k], strict=True))
        if not output.requires_grad:
            analytical = 0.0
        else:
            pulled = _gradient(output, source, v.to(output.dtype), settings)
            analytical = sum(a * b for a, b in zip(u.reshape(-1).tolist(), pulled, strict=True))
        if not _close([analytical], [numerical], settings["rtol"], settings["atol"]):
            raise GradcheckError(
                f"Jacobian mismatch for output {k} with respect to input {at},\n"
                f"numerical:{numerical}\nanalytical:{analytical}\n\n"
                "The above quantities relating the numerical and analytical jacobians are computed in fast mode; "
                "use fast_mode=False to see all entries."
            )


def _gradient(output: Any, source: Any, start: Any, settings: dict[str, Any]) -> list[float]:
    values, result = _pull(output, source, start)
    if result is not None:
        if tuple(result.shape) != tuple(source.shape):
            raise GradcheckError("Analytical gradient has incorrect size")
        if settings["check_grad_dtypes"] and result.dtype != source.dtype:
            raise GradcheckError("Analytical gradient has dtype mismatch")
    again, _ = _pull(output, source, start)
    if not _close(values, again, 0.0, settings["nondet_tol"]):
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
            "different values, although analytical gradient matches numerical gradient. "
            f"The tolerance for nondeterminism was {settings['nondet_tol']}."
        )
    return values


def _check_undefined(outputs: list[Any], sources: list[Any]) -> None:
    """A backward that is given no gradient for some of its outputs must treat it as zeros."""
    live = [output for output in outputs if output.requires_grad]
    if not live:
        return
    every = tuple(range(len(live)))
    for undefined in {every, *((k,) for k in every)}:
        ends, starts = [], []
        for k, output in enumerate(live):
            if k in undefined:
                (output,) = _core._attach_backward([output.detach()], [output], lambda *_: [None], "UndefinedGrad")
            ends.append(output)
            starts.append(rt.zeros_like(output))
        results = grad(ends, sources, starts, retain_graph=True, allow_unused=True)
        if any(result is not None and bool((result != 0).any()) for result in results):
            raise GradcheckError(
                "Expected backward function to handle undefined output grads: what is undefined must count as zero"
            )


def _refuse(**options: bool) -> None:
    for name, wanted in options.items():
        if wanted:
            raise ValueError(f"{name}=True is not supported: there is no forward mode and no vmap; use {name}=False")


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of `func` with central differences of step `eps`, for every input that requires grad.

    `masked` concerns sparse tensors and makes no difference here.
    """
    _refuse(
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad,
    )
    if not check_backward_ad:
        raise ValueError("check_backward_ad=False leaves nothing to check: there is no forward mode")
    settings = {
        "eps": eps,
        "atol": atol,
        "rtol": rtol,
        "nondet_tol": nondet_tol,
        "check_grad_dtypes": check_grad_dtypes,
    }
    try:
        _gradcheck(func, _tuple(inputs), settings, check_undefined_grad, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _gradcheck(
    func: Callable[..., Any], inputs: tuple[Any, ...], settings: dict[str, Any], undefined: bool, fast: bool
) -> None:
    checked = [i for i, value in enumerate(inputs) if isinstance(value, _Tensor) and value.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i in checked:
        if inputs[i].dtype != rt.float64:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
        if any(step == 0 and extent > 1 for step, extent in zip(inputs[i].stride(), inputs[i].shape, strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only "
                "supports inputs that are non-overlapping to be able to "
                "compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
        inputs[i].retain_grad()
    with enable_grad():
        compare = _compare_fast if fast else _compare
        for i in checked:
            compare(func, inputs, i, settings)
        if undefined:
            _check_undefined(_outputs(func, inputs), [inputs[i] for i in checked])


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compares the gradients of the gradients of `func` with finite differences."""
    _refuse(check_fwd_over_rev=check_fwd_over_rev)
    if not check_rev_over_rev:
        raise ValueError("check_rev_over_rev=False leaves nothing to check: there is no forward mode")
    inputs = _tuple(inputs)
    if grad_outputs is None:
        grad_outputs = tuple(_random_start(value, gen_non_contig_grad_outputs) for value in _outputs(func, inputs))
    else:
        grad_outputs = _tuple(grad_outputs)
    count = len(inputs)
    sources = [i for i, value in enumerate(inputs) if isinstance(value, _Tensor) and value.requires_grad]

    def gradients(*args: Any) -> tuple[Any, ...]:
        outputs = _outputs(func, args[:count])
        pairs = [pair for pair in zip(outputs, args[count:], strict=True) if pair[0].requires_grad]
        wanted = [args[i] for i in sources]
        results = grad([o for o, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
        return tuple(result for result in results if result is not None)

    return gradcheck(
        gradients,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        masked=masked,
    )


def _random_start(output: Any, non_contiguous: bool) -> Any:
    shape = tuple(output.shape)
    if non_contiguous:
        return rt.randn((*shape, 2), dtype=output.dtype).select(-1, 0).detach().requires_grad_()
    return rt.randn(shape, dtype=output.dtype, requires_grad=True)


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
