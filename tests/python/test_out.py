"""`out=`: results go to given tensors, which take their shapes, as in torch."""

import itertools
import warnings

import pytest
import torch
from parity.cases import Case
from parity.libs import dtype_name
from parity.rows import TABLE
from parity.run import Arguments

CALLS = [
    ("add(a, 1.0, out={})", ["float32"]),
    ("add(a, 1.0, out={})", ["float64"]),
    ("eq(a, a, out={})", ["int64"]),
    ("sum(a, 0, out={})", ["float64"]),
    ("sum(a, 0, out={})", ["int64"]),
    ("zeros(3, out={})", ["int64"]),
    ("full((2, 2), 1.5, out={})", ["int32"]),
    ("arange(4, out={})", ["float64"]),
    ("eye(2, out={})", ["bool"]),
    ("max(a, 0, out=({}, {}))", ["float32", "int64"]),
    ("min(a, 1, True, out=[{}, {}])", ["float32", "int64"]),
    ("max(a, out={})", ["float32"]),
    ("aminmax(a, dim=0, out=({}, {}))", ["float32", "float32"]),
    ("frexp(a, out=({}, {}))", ["float32", "int32"]),
    ("narrow_copy(a, 1, 0, 2, out={})", ["float32"]),
]


def performed(module, call, dtypes, size):
    outs = [module.zeros(size, dtype=getattr(module, dtype)) for dtype in dtypes]
    names = {"a": module.tensor([[1.0, 5.0, 0.0], [4.0, 2.0, 6.0]]), "module": module}
    names |= {f"out{number}": out for number, out in enumerate(outs)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = eval("module." + call.format(*(f"out{number}" for number in range(len(outs)))), names)
    results = [result] if isinstance(result, module.Tensor) else list(result)
    assert all(got is out for got, out in zip(results, outs, strict=True))
    words = [str(w.message).split(" (Triggered")[0] for w in caught if "resized" in str(w.message)]
    # For results that it converts torch says it twice.
    words = list(dict.fromkeys(words))
    return [(out.tolist(), out.shape, str(out.dtype).split(".")[1], out.stride()) for out in outs], words


@pytest.mark.parametrize("size", [0, 1, (2, 3), (7, 2)])
@pytest.mark.parametrize(("call", "dtypes"), CALLS)
def test_out(call, dtypes, size, rt):
    if call.startswith(("zeros", "full", "arange", "eye", "narrow_copy")) and size != 0:
        pytest.skip("torch warns here or not, as its function is written")
    want, got = performed(torch, call, dtypes, size), performed(rt, call, dtypes, size)
    assert got == want


def test_nonzero_takes_an_output(rt):
    out = rt.zeros(0, dtype=rt.int64)
    assert rt.nonzero(rt.tensor([0.0, 3.0, 0.0, 5.0]), out=out) is out
    assert out.tolist() == [[1], [3]]


def test_a_resized_output_shares_its_storage_while_there_is_room(rt):
    for module in (rt, torch):
        base = module.zeros(10)
        with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
            module.add(module.ones(3), 1, out=base[4:])
        assert base.tolist() == [0] * 4 + [2] * 3 + [0] * 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("m.add(x, x, out=m.zeros(2, dtype=m.int64))", "result type Float can't be cast"),
        ("m.add(x, x, out=m.zeros(2, requires_grad=True))", "add(): functions with out=... arguments don't support"),
        ("m.max(x, 0, out=m.zeros(2))", ""),
        ("m.max(x, 0, out=(m.zeros(2),))", ""),
        ("m.add(x, x, out=(m.zeros(2), m.zeros(2)))", ""),
        ("m.zeros(2, dtype=m.float64, out=m.zeros(2))", "dtype"),
    ],
)
def test_refusals(call, words, rt):
    errors = []
    for module in (torch, rt):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is torch's
            eval(call, {"m": module, "x": module.ones(2)})
        errors.append(caught.value)
    want, got = errors
    assert isinstance(got, type(want))
    assert str(got).startswith(words) and str(want).startswith(words)


WIDER = {"float32": "float64", "int64": "int32", "bool": "float32", "int32": "float64"}


def out_of_another_dtype(library, case, shape, dtype):
    """Whether the library converts what a call of one result gives, or the error."""
    arguments = Arguments(case, library)
    out = library.module.zeros(shape, dtype=library.dtype(dtype))
    try:
        library.call("function", case.op, arguments.args, {**arguments.kwargs, "out": out})
    except Exception as error:
        return error
    return None


def first_result(oracle, row):
    """The row's first sample of tensors that is no error, with what it gives."""
    errors = []
    calls = [call for call in row.samples if call.tensors()]
    for dtype, call in itertools.product(("float32", "int64"), calls):
        case = Case(row, "function", call, dtypes=(dtype,))
        arguments = Arguments(case, oracle)
        try:
            return case, oracle.call("function", row, arguments.args, arguments.kwargs)
        except Exception as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"no sample of {row.name} works", errors)
    return None, None


def calls_with_one_result(oracle):
    for row in {row.name: row for row in TABLE if "function" in row.forms and row.call is None}.values():
        case, result = first_result(oracle, row)
        if isinstance(result, torch.Tensor):
            yield case, tuple(result.shape), WIDER.get(dtype_name(result.dtype), "float32")


@pytest.mark.filterwarnings("ignore")
def test_out_of_another_dtype(lib, oracle):
    """Operations convert, or refuse to, as torch's do. `any` and `all` convert to anything."""
    found, compared = [], 0
    for case, shape, dtype in calls_with_one_result(oracle):
        want = out_of_another_dtype(oracle, case, shape, dtype)
        if isinstance(want, TypeError) or case.op.name in ("any", "all"):
            continue
        got = out_of_another_dtype(lib, case, shape, dtype)
        if isinstance(got, TypeError):
            continue
        compared += 1
        if (want is None) != (got is None) or (want is not None and not isinstance(got, RuntimeError)):
            found.append(f"{case.expression()} out={dtype}: {got!r}, torch: {want!r}")
    assert compared > 100
    assert not found, "\n".join(found)
