"""finfo and iinfo: torch's attributes, text, equality and refusals."""

import pytest
import torch
from pure import submodule

ours = submodule("_typeinfo")
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


def public(info):
    return {name: getattr(info, name) for name in dir(info) if not name.startswith("_")}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_finfo(dtype):
    mine, theirs = ours.finfo(dtype), torch.finfo(dtype)
    assert public(mine) == public(theirs)
    assert (repr(mine), str(mine)) == (repr(theirs), str(theirs))
    assert all(type(value) is type(getattr(theirs, name)) for name, value in public(mine).items())


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_iinfo(dtype):
    mine, theirs = ours.iinfo(dtype), torch.iinfo(dtype)
    assert public(mine) == public(theirs)
    assert (repr(mine), str(mine)) == (repr(theirs), str(theirs))


def test_default_dtype():
    assert ours.finfo() == ours.finfo(torch.float32)
    torch.set_default_dtype(torch.float64)
    try:
        assert ours.finfo() == ours.finfo(type=torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)


def test_equality():
    assert ours.finfo(torch.float32) != ours.finfo(torch.float64)
    assert ours.finfo(torch.float32) != "float32"
    assert len({ours.iinfo(torch.int8), ours.iinfo(torch.int8), ours.iinfo(torch.int16)}) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda module: module.finfo(torch.int32),
        lambda module: module.finfo("float32"),
        lambda module: module.iinfo(torch.float32),
        lambda module: module.iinfo(torch.bool),
        lambda module: module.iinfo(),
    ],
)
def test_refusals(call):
    for module in (ours, torch):
        with pytest.raises(TypeError):
            call(module)


def test_is_read_only():
    for module in (ours, torch):
        with pytest.raises(AttributeError, match="attribute 'eps' of .* objects is not writable"):
            module.finfo(torch.float32).eps = 1.0


@pytest.mark.parametrize(
    "text", ["", "x", "CPU", "cpux", "meta2", "cpu:", "cpu:x", "cpu:0:1", "cpu:01", "cpu:-1", ":0", "cpu 0"]
)
def test_refused_device_strings(text, rt):
    with pytest.raises(RuntimeError) as expected:
        torch.device(text)
    with pytest.raises(RuntimeError) as own:
        rt.device(text)
    assert str(own.value) == str(expected.value)
