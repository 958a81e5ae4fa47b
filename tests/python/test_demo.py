"""The demo's script on torch and on the module under test: the same start, the same shuffles, the same curve."""

import importlib.util
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

STEPS = 50


@pytest.fixture(scope="module")
def demo():
    path = Path(__file__).parents[2] / "examples" / "digits.py"
    spec = importlib.util.spec_from_file_location("digits", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained(demo, module, epochs):
    """The initial weights, the losses, and the share of test images that the trained network gets right."""
    module.manual_seed(0)
    train_images, test_images, train_classes, test_classes = demo.digits(module)
    model = demo.build(module.nn)
    start = [parameter.detach().numpy().copy() for parameter in model.parameters()]
    options = Namespace(epochs=epochs, batch_size=64, lr=3e-3)
    losses, _, _ = demo.train(module, model, train_images, train_classes, options, lambda: 0)
    right = demo.predict(module, model, test_images).numpy() == test_classes.numpy()
    return start, np.array(losses), right.mean()


def test_training_follows_torch(demo, rt):
    start, losses, accuracy = trained(demo, rt, epochs=30)
    expected_start, expected, _ = trained(demo, torch, epochs=3)
    for own, theirs in zip(start, expected_start, strict=True):
        assert np.array_equal(own, theirs)
    assert len(expected) >= STEPS
    np.testing.assert_allclose(losses[:STEPS], expected[:STEPS], rtol=1e-3)
    assert accuracy >= 0.97


def test_shuffles_are_torchs(rt):
    rt.manual_seed(3)
    torch.manual_seed(3)
    for n in (1, 10, 1347, 100_000):
        assert np.array_equal(rt.randperm(n).numpy(), torch.randperm(n).numpy())
