"""Fixtures: `rt` is the module under test (RUSTORCH_UNDER_TEST, else rustorch), `lib` and `oracle` drive parity."""

import numpy as np
import pytest
import torch
from parity import libs

# Workers of pytest-xdist share the cores, so the oracle must not start a pool in each of them.
torch.set_num_threads(1)


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
