"""Layers of images and channels: resizing, shuffling, dropout of channels; and the bilinear layer."""

import math
import warnings

import pytest
from side_by_side import RT, check
from test_nn_layers import signal

LAYERS = {
    "Upsample": (lambda n: n.nn.Upsample(scale_factor=2), (1, 2, 3, 4)),
    "Upsample_size": (lambda n: n.nn.Upsample((5, 3), mode="bilinear", align_corners=True), (1, 2, 3, 4)),
    "Upsample_bicubic": (lambda n: n.nn.Upsample(scale_factor=(1.5, 2.0), mode="bicubic"), (1, 2, 4, 3)),
    "Upsample_line": (lambda n: n.nn.Upsample(7, mode="linear"), (1, 2, 5)),
    "UpsamplingNearest2d": (lambda n: n.nn.UpsamplingNearest2d(scale_factor=3), (1, 2, 3, 4)),
    "UpsamplingBilinear2d": (lambda n: n.nn.UpsamplingBilinear2d((6, 5)), (1, 2, 3, 4)),
    "PixelShuffle": (lambda n: n.nn.PixelShuffle(2), (2, 8, 3, 2)),
    "PixelUnshuffle": (lambda n: n.nn.PixelUnshuffle(2), (2, 2, 6, 4)),
    "ChannelShuffle": (lambda n: n.nn.ChannelShuffle(2), (2, 4, 3)),
    "Dropout1d": (lambda n: n.nn.Dropout1d(0.3).eval(), (2, 3, 4)),
    "Dropout2d": (lambda n: n.nn.Dropout2d(1.0), (2, 3, 4, 5)),
    "Dropout3d": (lambda n: n.nn.Dropout3d(0.0), (2, 3, 4, 5, 2)),
    "AlphaDropout": (lambda n: n.nn.AlphaDropout(0.3).eval(), (2, 3)),
    "FeatureAlphaDropout": (lambda n: n.nn.FeatureAlphaDropout(0.3).eval(), (2, 3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    make, shape = LAYERS[name]

    def run(n):
        layer = make(n)
        x = signal(n, *shape).requires_grad_()
        y = layer(x)
        (y * signal(n, *y.shape).cos()).sum().backward()
        return [repr(layer), list(layer.state_dict()), y, x.grad]

    check(run, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_layer(bias):
    def run(n):
        layer = n.nn.Bilinear(3, 4, 2, bias=bias)
        seen = [repr(layer), {name: value.clone() for name, value in layer.state_dict().items()}]
        optimizer = n.optim.SGD(layer.parameters(), lr=0.1)
        for _ in range(3):
            y = layer(signal(n, 5, 3), signal(n, 5, 4))
            optimizer.zero_grad()
            (y * y).sum().backward()
            optimizer.step()
            seen.append(y)
        return [*seen, layer.state_dict()]

    check(run, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "rank"), [("dropout1d", 3), ("dropout2d", 4), ("dropout3d", 5)])
def test_dropout_of_channels(name, rank):
    x = RT.ones(60, 40, *[3] * (rank - 2), requires_grad=True)
    y = getattr(RT.nn.functional, name)(x, 0.25)
    flat = y.detach().reshape(60, 40, -1)
    assert bool((flat == flat[:, :, :1]).all())
    kept = flat[:, :, 0] != 0
    assert abs(kept.float().mean().item() - 0.75) < 0.04
    assert (flat[:, :, 0][kept] - 1 / 0.75).abs().max().item() < 1e-6
    y.sum().backward()
    assert bool((x.grad == y.detach()).all())


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_spread(name):
    RT.manual_seed(1)
    x = RT.randn(300, 200)
    y = getattr(RT.nn.functional, name)(x, 0.2, True)
    assert abs(y.mean().item()) < 0.03
    assert abs(y.std().item() - 1) < 0.03
    low = y == y.flatten().mode().values
    assert abs(low.float().mean().item() - 0.2) < 0.02


def test_dropout_in_place():
    x = RT.ones(4, 3, 5)
    same = RT.nn.functional.dropout1d(x, 1.0, True, True)
    assert same is x
    assert bool((x == 0).all())


WRONG = {
    "dropout_p": (ValueError, lambda n: n.nn.Dropout2d(1.5)),
    "dropout1d": (RuntimeError, lambda n: n.nn.Dropout1d()(n.ones(2))),
    "bilinear": (ValueError, lambda n: n.nn.Bilinear(0, 2, 3)),
    "bilinear_size": (RuntimeError, lambda n: n.nn.Bilinear(2, 2, 3)(n.ones(4, 2), n.ones(4, 3))),
    "shuffle": (RuntimeError, lambda n: n.nn.PixelShuffle(2)(n.ones(1, 3, 2, 2))),
    "size": (ValueError, lambda n: n.nn.Upsample()(n.ones(1, 1, 2, 2))),
    "both": (ValueError, lambda n: n.nn.functional.interpolate(n.ones(1, 1, 2, 2), 3, 2.0)),
    "types": (TypeError, lambda n: n.nn.functional.interpolate(n.ones(1, 1, 2, 2), (3.5, 2))),
    "mode": (NotImplementedError, lambda n: n.nn.functional.interpolate(n.ones(1, 1, 2, 2), 3, mode="linear")),
    "antialias": (ValueError, lambda n: n.nn.functional.interpolate(n.ones(1, 1, 2), 3, antialias=True)),
    "grid_mode": (ValueError, lambda n: n.nn.functional.grid_sample(n.ones(1, 1, 2, 2), n.ones(1, 2, 2, 2), "x")),
    "theta": (ValueError, lambda n: n.nn.functional.affine_grid(n.ones(1, 2, 2), (1, 1, 2, 2), False)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(call, raises=raises)


def test_antialiasing_is_refused():
    with pytest.raises(NotImplementedError, match="antialias=False"):
        RT.nn.functional.interpolate(RT.ones(1, 1, 4, 4), 2, mode="bilinear", antialias=True)


def test_ranks_warn():
    def run(n):
        F = n.nn.functional
        return [F.dropout2d(signal(n, 2, 3, 4), 0.5, False), F.dropout3d(signal(n, 2, 3, 4), 0.5, False)]

    check(run)


def test_places_that_are_no_numbers():
    """Outside every image there are zeros, or the border."""
    grid = RT.tensor([[[[math.nan, 0.0], [math.inf, 0.0], [1e30, -1e30], [0.0, 0.0]]]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = RT.nn.functional.grid_sample(RT.ones(1, 1, 3, 3), grid)
    assert out[0, 0, 0, 3].item() == 1.0
    assert out[0, 0, 0, 2].item() == 0.0
