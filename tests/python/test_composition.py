"""Operations that are compositions of several primitives are recorded as one node, and computed as their parts."""

import threading

import numpy as np
import pytest
import torch


def parts(rt):
    f = rt.nn.functional
    x = rt.randn(4, 6).realize()
    row = rt.randn(6).realize()
    target = rt.tensor([0, 5, 2, 2]).realize()
    return {
        "softmax": lambda x: rt.softmax(x, -1),
        "log_softmax": lambda x: rt.log_softmax(x, 0),
        "relu": rt.relu,
        "gelu": f.gelu,
        "tanh gelu": lambda x: f.gelu(x, approximate="tanh"),
        "layer_norm": lambda x: f.layer_norm(x, (6,), row, row),
        "cross_entropy": lambda x: f.cross_entropy(x, target),
    }, x


NAMES = ["softmax", "log_softmax", "relu", "gelu", "tanh gelu", "layer_norm", "cross_entropy"]


def pending(rt, work):
    before = rt.stats()["nodes_pending"]
    kept = work()
    return rt.stats()["nodes_pending"] - before, kept


@pytest.mark.parametrize("name", NAMES)
def test_a_composition_is_one_node(rt, name):
    functions, x = parts(rt)
    rt.synchronize()
    count, _ = pending(rt, lambda: functions[name](x))
    # A run-time number beside it is a leaf.
    assert count == 1


@pytest.mark.parametrize("name", ["softmax", "relu", "layer_norm"])
def test_its_gradient_is_one_node(rt, name):
    functions, x = parts(rt)
    leaf = x.clone().realize().requires_grad_()
    y = functions[name](leaf)
    slope = rt.ones_like(y).realize()
    rt.synchronize()
    count, _ = pending(rt, lambda: rt.autograd.grad(y, leaf, slope))
    assert count <= 2


def test_the_compiler_sees_the_parts(rt):
    text = rt.softmax(rt.randn(3, 5), -1).ir()
    assert "call" not in text
    assert "exp" in text and "reduce<max" in text and "reduce<sum" in text


def test_another_number_compiles_nothing(rt):
    f = rt.nn.functional
    x = rt.randn(4, 6).realize()
    f.leaky_relu(x, 0.1).realize()
    before = rt.stats()["compiles"]
    f.leaky_relu(x, 0.2).realize()
    assert rt.stats()["compiles"] == before


def test_threads_share_compositions(rt):
    x = rt.randn(7, 9).realize()
    rt.softmax(x, -1).realize()
    before = rt.stats()["compiles"]
    results = []
    threads = [threading.Thread(target=lambda: results.append(rt.softmax(x, -1).numpy())) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert rt.stats()["compiles"] == before
    assert len(results) == 4 and all((r == results[0]).all() for r in results)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "layer_norm", "gelu"])
def test_gradients_of_any_order(rt, name, order):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 5))
    functions = {
        "softmax": lambda m, x: m.softmax(x, -1),
        "log_softmax": lambda m, x: m.log_softmax(x, -1),
        # torch's own third derivative of it is not that of its second.
        "layer_norm": lambda m, x: m.nn.functional.layer_norm(x, (5,)) if m is rt else by_hand(x),
        "gelu": lambda m, x: m.nn.functional.gelu(x),
    }

    def by_hand(x):
        centred = x - x.mean(-1, True)
        return centred / ((centred * centred).mean(-1, True) + 1e-5).sqrt()

    def slopes(m):
        x = m.tensor(values, requires_grad=True)
        value = functions[name](m, x)
        for i in range(order):
            (value,) = m.autograd.grad((value * (i + 1.5 + x)).sin().sum(), x, create_graph=True)
        return value.detach().numpy()

    np.testing.assert_allclose(slopes(rt), slopes(torch), rtol=1e-7, atol=1e-9)
