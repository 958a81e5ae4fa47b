"""Layers that normalise channels: their statistics, states, texts, and steps of training."""

import pytest
from side_by_side import RT, check
from test_nn_layers import signal

LAYERS = {
    "BatchNorm1d": (lambda n: n.nn.BatchNorm1d(4), (6, 4)),
    "BatchNorm1d_3d": (lambda n: n.nn.BatchNorm1d(4, eps=1e-3, momentum=0.3), (6, 4, 5)),
    "BatchNorm1d_cumulative": (lambda n: n.nn.BatchNorm1d(4, momentum=None), (6, 4)),
    "BatchNorm1d_untracked": (lambda n: n.nn.BatchNorm1d(4, track_running_stats=False), (6, 4)),
    "BatchNorm1d_no_bias": (lambda n: n.nn.BatchNorm1d(4, bias=False), (6, 4)),
    "BatchNorm2d": (lambda n: n.nn.BatchNorm2d(4), (3, 4, 5, 6)),
    "BatchNorm2d_plain": (lambda n: n.nn.BatchNorm2d(4, affine=False), (3, 4, 5, 6)),
    "BatchNorm2d_double": (lambda n: n.nn.BatchNorm2d(4, dtype=n.float64).float(), (3, 4, 5, 6)),
    "BatchNorm3d": (lambda n: n.nn.BatchNorm3d(4), (3, 4, 2, 3, 2)),
    "InstanceNorm1d": (lambda n: n.nn.InstanceNorm1d(4), (3, 4, 5)),
    "InstanceNorm1d_unbatched": (lambda n: n.nn.InstanceNorm1d(4, affine=True), (4, 5)),
    "InstanceNorm2d": (lambda n: n.nn.InstanceNorm2d(4, affine=True, track_running_stats=True), (3, 4, 5, 6)),
    "InstanceNorm2d_sizes": (lambda n: n.nn.InstanceNorm2d(7), (3, 4, 5, 6)),
    "InstanceNorm3d": (lambda n: n.nn.InstanceNorm3d(4, momentum=0.5), (2, 4, 2, 3, 2)),
    "GroupNorm": (lambda n: n.nn.GroupNorm(2, 4), (3, 4, 5)),
    "GroupNorm_plain": (lambda n: n.nn.GroupNorm(4, 4, eps=0.1, affine=False), (3, 4, 5, 2)),
    "GroupNorm_no_bias": (lambda n: n.nn.GroupNorm(1, 4, bias=False), (3, 4)),
    "LocalResponseNorm": (lambda n: n.nn.LocalResponseNorm(2, alpha=0.5), (3, 4, 5)),
    "LocalResponseNorm_4d": (lambda n: n.nn.LocalResponseNorm(3, 0.5, 0.5, 2.0), (3, 4, 5, 2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_training_and_evaluation(name):
    make, shape = LAYERS[name]

    def run(n):
        layer = make(n)
        seen = [repr(layer), list(layer.state_dict())]
        optimizer = n.optim.SGD([*layer.parameters(), n.nn.Parameter(n.zeros(1))], lr=0.1)
        for step in range(3):
            x = (signal(n, *shape) + step).requires_grad_()
            y = layer(x)
            optimizer.zero_grad()
            (y * signal(n, *y.shape).cos()).sum().backward()
            optimizer.step()
            seen += [y, x.grad]
        seen.append(layer.state_dict())
        layer.eval()
        x = signal(n, *shape).requires_grad_()
        y = layer(x)
        (y * signal(n, *y.shape).cos()).sum().backward()
        return [*seen, y, x.grad, layer.state_dict()]

    check(run, rtol=2e-4, atol=2e-5)


WRONG = {
    "batch_1d": (ValueError, lambda n: n.nn.BatchNorm1d(4)(n.ones(2, 4, 3, 3))),
    "batch_2d": (ValueError, lambda n: n.nn.BatchNorm2d(4)(n.ones(2, 4))),
    "batch_3d": (ValueError, lambda n: n.nn.BatchNorm3d(4)(n.ones(2, 4))),
    "one_value": (ValueError, lambda n: n.nn.BatchNorm1d(4)(n.ones(1, 4))),
    "channels": (RuntimeError, lambda n: n.nn.BatchNorm1d(3)(n.ones(2, 4))),
    "eps": (ValueError, lambda n: n.nn.functional.batch_norm(n.ones(2, 4), n.zeros(4), n.ones(4), eps=-1.0)),
    "instance_1d": (ValueError, lambda n: n.nn.InstanceNorm1d(4)(n.ones(2))),
    "instance_channels": (ValueError, lambda n: n.nn.InstanceNorm1d(3, affine=True)(n.ones(2, 4, 5))),
    "instance_one": (ValueError, lambda n: n.nn.InstanceNorm1d(4)(n.ones(2, 4, 1))),
    "groups": (ValueError, lambda n: n.nn.GroupNorm(3, 4)),
    "group_channels": (RuntimeError, lambda n: n.nn.GroupNorm(2, 4)(n.ones(2, 5, 3))),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(call, raises=raises)


def test_old_states_load():
    def run(n):
        layer, other = n.nn.BatchNorm1d(3), n.nn.BatchNorm1d(3)
        layer(signal(n, 4, 3))
        state = dict(layer.state_dict())
        del state["num_batches_tracked"]
        other.load_state_dict(state)
        kept = n.nn.InstanceNorm1d(3, track_running_stats=True).state_dict()
        layer.reset_running_stats()
        return [other.state_dict(), layer.state_dict(), list(kept)]

    def refused(n):
        state = dict(n.nn.InstanceNorm1d(3, track_running_stats=True).state_dict())
        n.nn.InstanceNorm1d(3).load_state_dict(state)

    check(run)
    check(refused, raises=RuntimeError)


def test_running_statistics_are_no_write_for_gradients():
    """As in torch they may be updated before the backward pass of what read them. There that pass reads the new ones,
    here those that were read."""

    def version(n):
        layer = n.nn.BatchNorm1d(3)
        before = layer.running_mean._version
        layer(signal(n, 4, 3))
        return layer.running_mean._version - before

    check(version)
    layer = RT.nn.BatchNorm1d(3).eval()
    x = signal(RT, 4, 3).requires_grad_()
    y = layer(x)
    layer.train()(signal(RT, 4, 3))
    y.sum().backward()
    assert (x.grad - (1 + layer.eps) ** -0.5).abs().max().item() < 1e-6


FUNCTIONS = {
    "batch_norm": lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
    "instance_norm": lambda F, x, w, b: F.instance_norm(x, None, None, w, b),
    "group_norm": lambda F, x, w, b: F.group_norm(x, 2, w, b),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives(name):
    """By differences: torch has none where a parameter is missing."""
    x = signal(RT, 3, 4, 5).double().requires_grad_()
    w, b = (signal(RT, 4).double() + shift for shift in (1, 2))
    w, b = w.requires_grad_(), b.requires_grad_()
    F = RT.nn.functional
    assert RT.autograd.gradgradcheck(lambda *inputs: FUNCTIONS[name](F, *inputs), (x, w, b))
