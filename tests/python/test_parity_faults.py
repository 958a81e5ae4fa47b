"""The harness is itself tested: a library with a planted fault must not pass."""

import pytest
from parity.cases import cases
from parity.compare import check
from parity.faults import FAULTS, Fault, Faulty, same
from parity.rows import TABLE

ROWS = {row.name: row for row in reversed(TABLE)}

# The aspect of a row under which each fault has to show.
SHOWS = {
    "value": [("exp", "function"), ("exp", "method"), ("sum", "function"), ("matmul", "function"), ("add", "inplace")],
    "one_value": [("exp", "function"), ("cat", "function"), ("softmax", "function"), ("gather", "function")],
    "dtype": [("add", "function"), ("eq", "function"), ("argmax", "function"), ("sum", "function")],
    "shape": [
        ("add", "function"),
        ("sum", "function"),
        ("reshape", "function"),
        ("nn.functional.mse_loss", "function"),
    ],
    "zero_dim": [("exp", "function"), ("add", "function"), ("sum", "function"), ("max", "function")],
    "strides": [("add", "function"), ("transpose", "function"), ("sum", "function"), ("expand", "method")],
    "gradient": [
        ("exp", "grad"),
        ("relu", "special_grad"),
        ("maximum", "special_grad"),
        ("matmul", "grad"),
        ("getitem", "grad"),
        ("max", "grad"),
        ("mul", "inplace_grad"),
    ],
    "second_gradient": [("exp", "gradgrad"), ("mul", "gradgrad"), ("softmax", "gradgrad")],
    "detached": [("exp", "grad"), ("reshape", "grad"), ("sum", "grad")],
    "nan": [("exp", "special"), ("maximum", "special"), ("amax", "special"), ("sum", "special")],
    "negative_zero": [("neg", "special"), ("sin", "special"), ("maximum", "special")],
    "not_in_place": [("add", "inplace"), ("exp", "inplace"), ("masked_fill", "inplace")],
    "copied_view": [("reshape", "alias"), ("flatten", "alias"), ("diagonal", "alias"), ("split", "alias")],
    "written_input": [("add", "inplace"), ("copy", "inplace")],
    "promotion": [("add", "promotion"), ("div", "promotion"), ("lt", "promotion")],
    "scalar_promotion": [("add", "scalars"), ("mul", "scalars"), ("div", "scalars")],
    "error_class": [("reshape", "function"), ("matmul", "function"), ("sum", "function"), ("bitwise_and", "function")],
    "error_missing_name": [("gather", "function"), ("cat", "function"), ("nn.functional.cross_entropy", "function")],
}


def mismatches(row, aspect, lib, oracle):
    return [text for case in cases(row, aspect) for text in check(case, lib, oracle)]


def test_every_fault_is_planted():
    assert set(SHOWS) == {fault.name for fault in FAULTS}


@pytest.mark.parametrize(
    ("fault", "name", "aspect"),
    [pytest.param(f, name, aspect, id=f"{f.name}-{name}-{aspect}") for f in FAULTS for name, aspect in SHOWS[f.name]],
)
def test_fault_is_reported(fault, name, aspect, lib, oracle):
    # A fault that is planted in torch shows what the harness sees, whatever the state of the module under test.
    sound = mismatches(ROWS[name], aspect, oracle, oracle)
    assert not sound, sound[:3]
    assert mismatches(ROWS[name], aspect, Faulty(oracle, fault), oracle)
    assert mismatches(ROWS[name], aspect, Faulty(lib, fault), oracle)


def test_wrapping_alone_changes_nothing(oracle):
    assert not mismatches(ROWS["add"], "function", Faulty(oracle, Fault("none", same)), oracle)
