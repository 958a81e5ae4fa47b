"""Wrong calls: each raises the class torch raises, in torch's first words, and leaves every tensor usable."""

import pytest
import torch
from parity import wrong_arguments
from parity.compare import builtin_class
from parity.libs import MODULE
from parity.wrong_calls import CALLS, HUGE, operands

# Argument parsing is worded by each binding generator; what the operation itself says is compared.
PARSER_WORDS = ("received an invalid combination", "argument", "takes", "missing", "unexpected keyword", "must be")


def outcome(module, expression, operands=operands):
    """The error of an expression, or None, together with the operands it could have touched."""
    names = operands(module)
    try:
        result = eval(expression, {"rt": module, **names})
        # A result that is never looked at may hide an error that only running finds.
        for item in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(item, module.Tensor) and item.numel() < HUGE:
                item.tolist()
    except Exception as error:
        return error, names
    return None, names


def words(error):
    return str(error).replace("rustorch", "torch").split()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("expression", CALLS)
def test_wrong_call(rt, expression):
    want, after = outcome(torch, expression)
    got, names = outcome(rt, expression)
    assert want is not None, "torch accepts this call, so it does not belong in the table"
    assert got is not None, f"accepted; torch raises {type(want).__name__}: {want}"
    cls = builtin_class(want)
    assert isinstance(got, cls), f"{type(got).__name__}: {got}\ntorch raises {type(want).__name__}: {want}"
    assert bool(str(got).strip()) >= bool(str(want).strip()), "an error without a message"
    if cls is not TypeError and not any(text in str(want) for text in PARSER_WORDS):
        assert words(got)[:2] == words(want)[:2], f"{got}\ntorch says {want}"
    before = operands(torch)
    for name, tensor in names.items():
        if isinstance(tensor, rt.Tensor):
            # torch itself may have written a part before it noticed; to have written nothing is as good.
            allowed = (before[name].tolist(), after[name].tolist())
            assert tensor.detach().tolist() in allowed, f"{name} changed"
            assert (tensor.detach() + 0).tolist() in allowed, f"{name} is not usable"


OPERATIONS = wrong_arguments.schemas()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("space", "name"), OPERATIONS)
def test_one_wrong_argument(rt, space, name):
    """Wherever torch raises, so does the module under test, and as the same class."""

    def error(module, call):
        return outcome(module, call, wrong_arguments.operands)[0]

    found = []
    for call in wrong_arguments.calls(space, name, OPERATIONS[space, name], lambda call: error(torch, call) is None):
        want = error(torch, call)
        if want is None or isinstance(want, AttributeError):
            continue
        got = error(rt, call)
        if not isinstance(got, builtin_class(want)):
            found.append(f"{call}: {got!r}, torch raises {want!r}")
    assert not found, "\n".join(found)


@pytest.mark.filterwarnings("ignore")
def test_process_stays_usable_after_all(rt):
    for expression in CALLS:
        outcome(rt, expression)
    x = rt.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


own_classes = pytest.mark.skipif(MODULE != "rustorch", reason="the classes are rustorch's own")


@own_classes
def test_shape_mismatch_error(rt):
    with pytest.raises(rt.errors.ShapeMismatchError) as caught:
        rt.ones(2, 3) + rt.ones(4)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, rt.errors.RustorchError)
    assert tuple(caught.value.shape1) == (2, 3)
    assert tuple(caught.value.shape2) == (4,)
    with pytest.raises(rt.errors.ShapeMismatchError) as caught:
        rt.ones(2, 3) @ rt.ones(4, 5)
    assert (tuple(caught.value.shape1), tuple(caught.value.shape2)) == ((2, 3), (4, 5))


@own_classes
def test_dtype_error(rt):
    with pytest.raises(rt.errors.DTypeError) as caught:
        rt.ones(2) & rt.ones(2)
    assert isinstance(caught.value, rt.errors.RustorchError)
    assert isinstance(caught.value, NotImplementedError)


@own_classes
@pytest.mark.parametrize(
    ("expression", "cls"),
    [
        ("rt.ones(3)[5]", IndexError),
        ("rt.ones(3).sum(4)", IndexError),
        ("rt.ones(3).view(2, 2)", RuntimeError),
        ("rt.ones(3).expand(-2)", RuntimeError),
        ("rt.ones(2, 3).item()", RuntimeError),
        ("rt.empty(2**60)", RuntimeError),
        ("rt.arange(3, 1)", RuntimeError),
    ],
)
def test_every_error_is_a_rustorch_error(rt, expression, cls):
    with pytest.raises(rt.errors.RustorchError) as caught:
        eval(expression, {"rt": rt})
    assert isinstance(caught.value, cls)
