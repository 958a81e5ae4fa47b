"""Lines as users write them (`snippets/`) print the same in both libraries, warnings and errors included."""

import contextlib
import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

FILES = sorted(Path(__file__).with_name("snippets").glob("*.txt"))
SNIPPETS = [
    pytest.param(code, id=f"{file.stem}-{number}")
    for file in FILES
    for number, code in enumerate(file.read_text().strip().split("\n---\n"))
]
# Where messages go on about what only torch has, or are worded by its argument parser.
WORDS = 60
ADDRESS = re.compile(r"0x[0-9a-f]+")


def printed(module, code):
    out = io.StringIO()
    names = {"m": module, "nn": module.nn, "F": module.nn.functional, "np": np, "inf": np.inf, "nan": np.nan}
    module.manual_seed(0)
    with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(code, names)
        except Exception as error:
            cls = next(cls for cls in type(error).__mro__ if cls.__module__ == "builtins")
            message = str(error).replace("rustorch", "torch")
            out.write(f"{cls.__name__}: {message[:WORDS] if cls is not TypeError else ''}\n")
    lines = [f"{w.category.__name__}: {str(w.message).replace('rustorch', 'torch')[:WORDS]}" for w in caught]
    return ADDRESS.sub("0x", out.getvalue().replace("rustorch", "torch") + "\n".join(lines))


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippet(code, rt):
    assert printed(rt, code) == printed(torch, code)
