"""Each error is also what torch raises in the same place, says why it is raised, and survives pickling."""

import inspect
import pickle

import pytest
import torch
from pure import submodule

errors = submodule("errors")
CLASSES = [getattr(errors, name) for name in errors.__all__]


def raised(call):
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011
        call()
    return type(caught.value)


def saved_then_modified():
    y = torch.ones(2, requires_grad=True).exp()
    y.add_(1).sum().backward()


def twice_backward():
    y = torch.ones(2, requires_grad=True).exp().sum()
    y.backward()
    y.backward()


IN_TORCH = [
    ("ShapeError", lambda: torch.ones(6).view(4)),
    ("ShapeError", lambda: torch.ones(-1)),
    ("ShapeMismatchError", lambda: torch.ones(3) + torch.ones(4)),
    ("ShapeMismatchError", lambda: torch.ones(2, 3) @ torch.ones(2, 3)),
    ("ShapeMismatchError", lambda: torch.stack([torch.ones(2), torch.ones(3)])),
    ("DTypeError", lambda: torch.ones(2, dtype=torch.int64).add_(1.5)),
    ("DTypeError", lambda: torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.float64)),
    ("UnsupportedDTypeError", lambda: torch.ones(2) & torch.ones(2)),
    ("UnsupportedDTypeError", lambda: -torch.tensor(True)),
    ("ArgumentTypeError", lambda: torch.add(torch.ones(2), "x")),
    ("ArgumentTypeError", lambda: torch.finfo(torch.int32)),
    ("ArgumentValueError", lambda: torch.tensor([[1, 2], [3]])),
    ("ArgumentValueError", lambda: torch.nn.functional.dropout(torch.ones(2), 1.5)),
    ("InvalidArgumentError", lambda: torch.arange(0, 1, 0)),
    ("InvalidArgumentError", lambda: torch.ones(2).normal_(0, -1)),
    ("IndexOutOfRangeError", lambda: torch.ones(2)[5]),
    ("IndexOutOfRangeError", lambda: torch.nn.functional.embedding(torch.tensor([9]), torch.ones(2, 3))),
    ("DimensionOutOfRangeError", lambda: torch.ones(2).sum(3)),
    ("DimensionOutOfRangeError", lambda: torch.amax(torch.ones(0), 0)),
    ("ScalarConversionError", lambda: torch.ones(2).item()),
    ("ScalarConversionError", lambda: bool(torch.ones(2))),
    ("DivisionByZeroError", lambda: torch.tensor(1) // torch.tensor(0)),
    ("DeviceError", lambda: torch.device("nowhere")),
    ("MemoryLimitError", lambda: torch.ones(10**15)),
    ("AutogradError", lambda: torch.ones(2).backward()),
    ("AutogradError", lambda: torch.ones(2, requires_grad=True).add_(1)),
    ("SavedTensorModifiedError", saved_then_modified),
    ("GraphFreedError", twice_backward),
]


@pytest.mark.parametrize(("name", "call"), IN_TORCH)
def test_is_what_torch_raises(name, call):
    assert issubclass(getattr(errors, name), raised(call))


def test_lin_alg_error_is_a_runtime_error_as_in_torch():
    assert issubclass(torch.linalg.LinAlgError, RuntimeError)
    assert issubclass(errors.LinAlgError, RuntimeError)


@pytest.mark.parametrize("cls", CLASSES)
def test_each_says_cause_and_cure(cls):
    assert issubclass(cls, errors.RustorchError)
    assert "Cause:" in cls.__doc__ and "Cure:" in cls.__doc__


def test_all_are_exported():
    defined = [name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, Exception)]
    assert sorted(defined) == sorted(errors.__all__)


@pytest.mark.parametrize("cls", CLASSES)
def test_message_and_pickle(cls):
    error = cls("what happened")
    assert str(error) == "what happened"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls and copy.args == error.args and vars(copy) == vars(error)


def test_details():
    error = errors.ShapeMismatchError("no", torch.Size([2, 3]), [4])
    assert (error.shape1, error.shape2, str(error)) == ((2, 3), (4,), "no")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.shape1, copy.shape2) == ((2, 3), (4,))
    assert vars(errors.MemoryLimitError("no", 8, 4)) == {"requested": 8, "available": 4}
    assert issubclass(errors.MemoryLimitError, MemoryError)


@pytest.mark.parametrize(
    "call",
    [
        lambda rt: rt.ones(2).cuda(),
        lambda rt: rt.ones(2).to("cuda:0"),
        lambda rt: rt.ones(2, device="cuda"),
        lambda rt: rt.ones(2).to("meta"),
        lambda rt: rt.device("meta"),
    ],
)
def test_other_devices_are_refused_as_by_a_torch_for_the_cpu_alone(rt, call):
    with pytest.raises(rt.errors.DeviceError, match="CPU") as caught:
        call(rt)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, AssertionError)
