"""Runs one function with torch and with the module under test, and compares all that it returns, raises and warns."""

import re
import warnings

import numpy as np
import torch
from parity import libs

RT = libs.under_test().module


def _text(value):
    # Paths of modules and ids of objects are the only differences that texts may have.
    return re.sub(r"0x[0-9a-f]+", "0x", str(value).replace("rustorch", "torch"))


def plain(lib, value):
    """A value in terms of NumPy and built-in types."""
    if isinstance(value, lib.Tensor):
        array = value.detach()
        array = array.float() if str(array.dtype).endswith("bfloat16") else array
        return ("tensor", str(value.dtype).rsplit(".", 1)[-1], value.requires_grad, np.array(array.tolist()))
    if isinstance(value, dict):
        return {str(key): plain(lib, entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(lib, entry) for entry in value]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _text(repr(value))


def outcome(lib, function, *args):
    lib.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(lib, function(lib, *args))
        except Exception as error:
            # A library may raise a subclass; what matters is that an `except` for torch's class catches it.
            result = ("raised", error, _text(error))
    return result, [(w.category, _text(w.message)) for w in caught if w.category is not DeprecationWarning]


def same(actual, expected, rtol, atol, where="result"):
    if isinstance(expected, tuple) and expected[:1] == ("tensor",):
        assert actual[:3] == expected[:3], where
        assert actual[3].shape == expected[3].shape, where
        np.testing.assert_allclose(actual[3], expected[3], rtol=rtol, atol=atol, err_msg=where)
    elif isinstance(expected, tuple):
        assert isinstance(actual, tuple), f"{where}: expected {expected[1]!r}, got {actual!r}"
        if actual[0] == "raised" and expected[0] == "raised":
            assert isinstance(actual[1], type(expected[1])), f"{where}: {actual[1]!r} is no {type(expected[1])}"
            assert actual[2] == expected[2], where
        else:
            assert actual == expected, where
    elif isinstance(expected, dict):
        assert list(actual) == list(expected), where
        for key in expected:
            same(actual[key], expected[key], rtol, atol, f"{where}[{key!r}]")
    elif isinstance(expected, list):
        assert isinstance(actual, list) and len(actual) == len(expected), f"{where}: {actual!r} != {expected!r}"
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            same(one, other, rtol, atol, f"{where}[{i}]")
    elif isinstance(expected, float):
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=where)
    else:
        assert actual == expected, where


def check(function, *args, rtol=1e-5, atol=1e-7, raises=None):
    """Asserts that `function(lib, *args)` does the same with both libraries, and raises only where `raises` says so."""
    expected, expected_warnings = outcome(torch, function, *args)
    raised = isinstance(expected, tuple) and expected[0] == "raised"
    if raised and raises is None:
        raise expected[1]
    if raises is not None:
        assert raised and isinstance(expected[1], raises), f"torch does not raise {raises}: {expected!r}"
    actual, actual_warnings = outcome(RT, function, *args)
    if isinstance(actual, tuple) and actual[0] == "raised" and not raised:
        raise actual[1]
    same(actual, expected, rtol, atol)
    assert actual_warnings == expected_warnings
