"""Fixtures: `rt` is the module under test (RUSTORCH_UNDER_TEST, else rustorch), `lib` and `oracle` drive parity."""

from pathlib import Path

import numpy as np
import pytest
import torch
from parity import libs

# Workers of pytest-xdist share the cores, so the oracle must not start a pool in each of them.
torch.set_num_threads(1)

GAPS = Path(__file__).with_name("known_gaps.txt")


def pytest_collection_modifyitems(items):
    """Tests listed in known_gaps.txt are expected to fail; the list only ever shrinks."""
    if libs.under_test().label == "torch":
        return
    gaps = {line for line in GAPS.read_text().splitlines() if line and not line.startswith("#")}
    for item in items:
        if item.nodeid.removeprefix("tests/python/") in gaps:
            item.add_marker(pytest.mark.xfail(reason="listed in known_gaps.txt", strict=False))


@pytest.fixture(scope="session")
def rt():
    return libs.under_test().module


@pytest.fixture(scope="session")
def lib():
    return libs.under_test()


@pytest.fixture(scope="session")
def oracle():
    return libs.oracle()


@pytest.fixture(autouse=True)
def seeds(rt):
    """Every test starts from the same random state, alone or among others."""
    np.random.seed(0)
    torch.manual_seed(0)
    rt.manual_seed(0)
