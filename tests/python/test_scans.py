"""Running combinations: how they round, their range, and their gradients where these are delicate."""

import numpy as np
import pytest
import torch


@pytest.mark.parametrize("shape", [(100_003,), (7, 1001), (64, 64), (3, 50, 33), (2, 40, 300), (1001, 130)], ids=str)
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_f32_is_rounded_from_f64(name, shape, rt):
    """The order in which elements meet shows in no bit, unless f64 itself loses what decides on the rounding."""
    values = np.random.default_rng(0).uniform(0.9, 1.1, shape).astype(np.float32)
    for axis in range(len(shape)):
        ours = getattr(rt.tensor(values), name)(axis).numpy()
        wanted = getattr(np, name)(values.astype(np.float64), axis=axis).astype(np.float32)
        assert (ours != wanted).mean() < 1e-4
        assert np.allclose(ours, wanted, rtol=1.2e-7)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_where_the_accumulator_has_no_room_elements_meet_in_order(dtype, rt):
    """A product of four elements alone would be 0, or infinite."""
    small, large = [(1e-200, 1e200), (1e-30, 1e30)][dtype == "bfloat16"]
    values = [large, small, small, large, large, small, large, small, small, large]
    ours = rt.tensor(values, dtype=getattr(rt, dtype)).cumprod(0)
    wanted = torch.tensor(values, dtype=getattr(torch, dtype)).cumprod(0)
    assert ours.tolist() == wanted.tolist()


@pytest.mark.parametrize("zeros", [(), (0,), (3,), (2, 5), (0, 1, 2, 3, 4, 5, 6)], ids=str)
def test_gradients_of_cumprod_at_zeros(zeros, rt):
    """To the second order, where torch takes another road for zeros."""
    values = np.linspace(-2, 1.7, 7)
    values[list(zeros)] = 0
    found = []
    for lib in (rt, torch):
        x = lib.tensor(values, requires_grad=True)
        weights = lib.tensor(np.linspace(0.5, 1.5, 7))
        (first,) = lib.autograd.grad((x.cumprod(0) * weights).sum(), x, create_graph=True)
        (second,) = lib.autograd.grad((first * weights).sum(), x)
        found.append((first.detach().numpy(), second.numpy()))
    for ours, theirs in zip(*found, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_logcumsumexp_spans_the_range(rt):
    values = [-1e30, -5.0, 1e4, 1e4, -1e30, 3e38, 1.0, np.inf, 2.0, -np.inf]
    assert rt.tensor(values).logcumsumexp(0).tolist() == torch.tensor(values).logcumsumexp(0).tolist()
    steps = np.linspace(-50, 50, 4001).astype(np.float32)
    ours = rt.tensor(steps).logcumsumexp(0).numpy()
    assert np.allclose(ours, torch.tensor(steps, dtype=torch.float64).logcumsumexp(0).numpy(), rtol=2e-7, atol=2e-7)
