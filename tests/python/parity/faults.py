"""Libraries spoiled on purpose, one way each. The harness must report every one of them."""

from collections.abc import Callable
from dataclasses import dataclass

from .libs import FLOATS, INTS, Lib, dtype_name


@dataclass(frozen=True)
class Fault:
    """`after` turns a right result into a wrong one; `raised` does the same to an error."""

    name: str
    after: Callable
    raised: Callable = lambda error: error


class Faulty(Lib):
    """A library that has a fault in whatever it computes."""

    def __init__(self, lib, fault):
        super().__init__(lib.module, lib.label)
        self.fault = fault

    def call(self, form, op, args, kwargs):
        try:
            right = super().call(form, op, args, kwargs)
        except Exception as error:
            raise self.fault.raised(error) from error
        return self._spoil(right, form, args)

    def _spoil(self, right, form, args):
        if self.is_tensor(right):
            return self.fault.after(self.module, right, form, args)
        if type(right) in (list, tuple):
            return type(right)(self._spoil(item, form, args) for item in right)
        return right


def _floating(tensor):
    return dtype_name(tensor.dtype) in FLOATS


def value(rt, out, form, args):
    return out * 1.01 if _floating(out) else out


def one_value(rt, out, form, args):
    """Only the last element is wrong, as when a tail loop is forgotten."""
    if not _floating(out) or 0 in out.shape or out.dim() == 0:
        return out
    wrong = out.clone()
    wrong[(-1,) * out.dim()] = 42.0
    return wrong


def dtype(rt, out, form, args):
    return out.to(rt.float64) if dtype_name(out.dtype) != "float64" else out.to(rt.float32)


def shape(rt, out, form, args):
    return out.unsqueeze(0)


def zero_dim(rt, out, form, args):
    return out.reshape(1) if out.dim() == 0 else out


def strides(rt, out, form, args):
    return out.transpose(0, -1).clone().contiguous().transpose(0, -1) if out.dim() >= 2 else out


def gradient(rt, out, form, args):
    return out + (out - out.detach()) if out.requires_grad else out


def second_gradient(rt, out, form, args):
    return out + (out - out.detach()) ** 2 if out.requires_grad else out


def detached(rt, out, form, args):
    return out.detach() if out.requires_grad else out


def nan(rt, out, form, args):
    return rt.where(out.isnan(), rt.zeros_like(out), out) if _floating(out) else out


def negative_zero(rt, out, form, args):
    return out + 0.0 if _floating(out) else out


def not_in_place(rt, out, form, args):
    return out.clone() if form == "inplace" else out


def copied_view(rt, out, form, args):
    return out.clone() if form == "function" else out


def written_input(rt, out, form, args):
    """Spoils an operand beside the result, as a wrong donation of its buffer would."""
    if form == "inplace" and len(args) > 1 and hasattr(args[1], "fill_") and not args[1].requires_grad:
        args[1].fill_(1)
    return out


def promotion(rt, out, form, args):
    """The result takes the first operand's dtype."""
    return out.to(args[0].dtype) if hasattr(args[0], "dtype") else out


def scalar_promotion(rt, out, form, args):
    """A Python float does not promote an integer tensor."""
    operands = [arg for arg in args if hasattr(arg, "dtype")]
    if len(operands) == 1 and dtype_name(operands[0].dtype) in INTS:
        return out.to(operands[0].dtype)
    return out


def same(rt, out, form, args):
    return out


FAULTS = tuple(
    Fault(function.__name__, function)
    for function in (
        value,
        one_value,
        dtype,
        shape,
        zero_dim,
        strides,
        gradient,
        second_gradient,
        detached,
        nan,
        negative_zero,
        not_in_place,
        copied_view,
        written_input,
        promotion,
        scalar_promotion,
    )
) + (
    Fault("error_class", same, lambda error: ValueError(str(error))),
    Fault("error_missing_name", same, lambda error: AttributeError(str(error))),
)
