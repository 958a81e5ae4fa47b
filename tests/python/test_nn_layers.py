"""Layers, functions and initial values: the same numbers as torch from the same seed."""

import math

import pytest
from side_by_side import RT, check


def signal(n, *shape):
    count = math.prod(shape)
    return (n.arange(count, dtype=n.float32).reshape(shape) * 0.37).sin() * 2


LAYERS = {
    "Linear": (lambda n: n.nn.Linear(6, 3), (4, 6)),
    "Linear_3d": (lambda n: n.nn.Linear(6, 3), (2, 4, 6)),
    "Linear_no_bias": (lambda n: n.nn.Linear(6, 3, bias=False), (6,)),
    "Linear_double": (lambda n: n.nn.Linear(6, 3, dtype=n.float64).float(), (4, 6)),
    "Linear_wide": (lambda n: n.nn.Linear(64, 128), (4, 64)),
    "Identity": (lambda n: n.nn.Identity(54, unused=1), (4, 6)),
    "LayerNorm": (lambda n: n.nn.LayerNorm(6), (4, 6)),
    "LayerNorm_2d": (lambda n: n.nn.LayerNorm((4, 6), eps=1e-3), (3, 4, 6)),
    "LayerNorm_no_bias": (lambda n: n.nn.LayerNorm([6], bias=False), (4, 6)),
    "LayerNorm_plain": (lambda n: n.nn.LayerNorm(6, elementwise_affine=False), (4, 6)),
    "Flatten": (lambda n: n.nn.Flatten(), (2, 3, 4)),
    "Flatten_range": (lambda n: n.nn.Flatten(0, 1), (2, 3, 4)),
    "Unflatten": (lambda n: n.nn.Unflatten(1, (2, 3)), (4, 6)),
    "ReLU": (lambda n: n.nn.ReLU(), (4, 6)),
    "GELU": (lambda n: n.nn.GELU(), (4, 6)),
    "GELU_tanh": (lambda n: n.nn.GELU(approximate="tanh"), (4, 6)),
    "SiLU": (lambda n: n.nn.SiLU(), (4, 6)),
    "Sigmoid": (lambda n: n.nn.Sigmoid(), (4, 6)),
    "Tanh": (lambda n: n.nn.Tanh(), (4, 6)),
    "LeakyReLU": (lambda n: n.nn.LeakyReLU(0.2), (4, 6)),
    "Softplus": (lambda n: n.nn.Softplus(beta=2.0, threshold=3.0), (4, 6)),
    "Softmax": (lambda n: n.nn.Softmax(dim=1), (4, 6)),
    "Softmax_implicit": (lambda n: n.nn.Softmax(), (4, 6)),
    "Softmax_implicit_3d": (lambda n: n.nn.Softmax(), (2, 3, 4)),
    "LogSoftmax": (lambda n: n.nn.LogSoftmax(dim=-1), (4, 6)),
    "LogSoftmax_implicit": (lambda n: n.nn.LogSoftmax(), (4,)),
    "Dropout_eval": (lambda n: n.nn.Dropout(0.5).eval(), (4, 6)),
    "Dropout_0": (lambda n: n.nn.Dropout(0.0), (4, 6)),
    "Dropout_1": (lambda n: n.nn.Dropout(1.0), (4, 6)),
    "Conv1d": (lambda n: n.nn.Conv1d(4, 6, 3, stride=2, padding=1), (2, 4, 9)),
    "Conv1d_circular": (lambda n: n.nn.Conv1d(4, 6, 3, padding=2, padding_mode="circular"), (4, 9)),
    "Conv2d": (lambda n: n.nn.Conv2d(3, 6, (3, 2), padding=(1, 0), groups=3, dilation=(1, 2)), (2, 3, 6, 5)),
    "Conv2d_same": (lambda n: n.nn.Conv2d(3, 6, 3, padding="same", bias=False), (2, 3, 6, 5)),
    "Conv2d_reflect": (lambda n: n.nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect"), (2, 3, 6, 5)),
    "Conv2d_replicate_same": (
        lambda n: n.nn.Conv2d(3, 6, (3, 5), padding="same", padding_mode="replicate"),
        (2, 3, 6, 5),
    ),
    "Conv3d": (lambda n: n.nn.Conv3d(2, 3, 2, stride=(1, 2, 1)), (1, 2, 4, 4, 3)),
    "ConvTranspose1d": (lambda n: n.nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1), (2, 4, 5)),
    "ConvTranspose2d": (lambda n: n.nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2, bias=False), (2, 4, 5, 3)),
    "ConvTranspose3d": (lambda n: n.nn.ConvTranspose3d(2, 3, 2, dilation=2), (1, 2, 3, 4, 3)),
    "MaxPool1d": (lambda n: n.nn.MaxPool1d(2), (2, 4, 9)),
    "MaxPool2d": (lambda n: n.nn.MaxPool2d(3, 2, padding=1, ceil_mode=True), (2, 4, 7, 6)),
    "MaxPool3d": (lambda n: n.nn.MaxPool3d((1, 2, 2)), (2, 3, 4, 4)),
    "AvgPool1d": (lambda n: n.nn.AvgPool1d(2, 1, 1, count_include_pad=False), (2, 4, 9)),
    "AvgPool2d": (lambda n: n.nn.AvgPool2d((2, 3), stride=2, divisor_override=5), (2, 4, 7, 6)),
    "AvgPool3d": (lambda n: n.nn.AvgPool3d(2), (2, 3, 4, 4)),
    "LPPool1d": (lambda n: n.nn.LPPool1d(2, 3), (2, 4, 9)),
    "LPPool2d": (lambda n: n.nn.LPPool2d(4, 2, ceil_mode=True), (2, 4, 7, 6)),
    "LPPool3d": (lambda n: n.nn.LPPool3d(2, 2), (2, 4, 4, 4)),
    "AdaptiveMaxPool1d": (lambda n: n.nn.AdaptiveMaxPool1d(4), (2, 4, 9)),
    "AdaptiveMaxPool2d": (lambda n: n.nn.AdaptiveMaxPool2d((3, None)), (2, 4, 7, 6)),
    "AdaptiveMaxPool3d": (lambda n: n.nn.AdaptiveMaxPool3d(2), (2, 4, 5, 4)),
    "AdaptiveAvgPool1d": (lambda n: n.nn.AdaptiveAvgPool1d(4), (2, 4, 9)),
    "AdaptiveAvgPool2d": (lambda n: n.nn.AdaptiveAvgPool2d(1), (2, 4, 7, 6)),
    "AdaptiveAvgPool3d": (lambda n: n.nn.AdaptiveAvgPool3d((1, 3, None)), (2, 4, 5, 4)),
    "Unfold": (lambda n: n.nn.Unfold((2, 3), dilation=2, padding=1, stride=2), (2, 4, 7, 6)),
    "Fold": (lambda n: n.nn.Fold((4, 5), kernel_size=(2, 2)), (2, 8, 12)),
    "ZeroPad1d": (lambda n: n.nn.ZeroPad1d(2), (2, 4)),
    "ZeroPad2d": (lambda n: n.nn.ZeroPad2d((1, -1, 2, 0)), (2, 4, 5)),
    "ZeroPad3d": (lambda n: n.nn.ZeroPad3d(1), (2, 3, 4, 3)),
    "ConstantPad1d": (lambda n: n.nn.ConstantPad1d((2, 1), 1.5), (2, 4)),
    "ConstantPad2d": (lambda n: n.nn.ConstantPad2d(1, -2.0), (2, 4, 5)),
    "ConstantPad3d": (lambda n: n.nn.ConstantPad3d(1, 3), (2, 3, 4, 3)),
    "ReflectionPad1d": (lambda n: n.nn.ReflectionPad1d(2), (2, 4)),
    "ReflectionPad2d": (lambda n: n.nn.ReflectionPad2d((1, 2, 0, 3)), (2, 4, 5)),
    "ReflectionPad3d": (lambda n: n.nn.ReflectionPad3d(1), (2, 3, 4, 3)),
    "ReplicationPad1d": (lambda n: n.nn.ReplicationPad1d((3, 0)), (2, 4)),
    "ReplicationPad2d": (lambda n: n.nn.ReplicationPad2d(2), (2, 4, 5)),
    "ReplicationPad3d": (lambda n: n.nn.ReplicationPad3d(1), (2, 3, 4, 3)),
    "CircularPad1d": (lambda n: n.nn.CircularPad1d((1, 2)), (2, 4)),
    "CircularPad2d": (lambda n: n.nn.CircularPad2d(1), (2, 4, 5)),
    "CircularPad3d": (lambda n: n.nn.CircularPad3d(1), (2, 3, 4, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    make, shape = LAYERS[name]

    def run(n):
        layer = make(n)
        x = signal(n, *shape).requires_grad_()
        y = layer(x)
        (y * signal(n, *y.shape).cos()).sum().backward()
        return [repr(layer), layer.state_dict(), y, x.grad, [p.grad for p in layer.parameters()]]

    check(run, rtol=2e-5, atol=2e-6)


INPLACE = {
    "ReLU": lambda n: n.nn.ReLU(inplace=True),
    "SiLU": lambda n: n.nn.SiLU(inplace=True),
    "LeakyReLU": lambda n: n.nn.LeakyReLU(0.3, inplace=True),
    "Dropout": lambda n: n.nn.Dropout(1.0, inplace=True),
}


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_layer(name):
    def run(n):
        layer = INPLACE[name](n)
        x = signal(n, 4, 6).requires_grad_()
        middle = x * 2
        y = layer(middle)
        y.sum().backward()
        return [repr(layer), middle, y, y is middle, x.grad]

    check(run, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_on_a_leaf(name):
    check(lambda n: INPLACE[name](n)(signal(n, 3).requires_grad_()), raises=RuntimeError)


def test_dropout_keeps_the_mean_and_scales():
    x = RT.ones(10000, requires_grad=True)
    y = RT.nn.Dropout(0.25)(x)
    kept = y.detach() != 0
    assert abs(kept.float().mean().item() - 0.75) < 0.03
    assert (y.detach()[kept] - 1 / 0.75).abs().max().item() < 1e-6
    y.sum().backward()
    assert bool((x.grad == y.detach()).all())


EMBEDDINGS = {
    "plain": {},
    "padding": {"padding_idx": 2},
    "padding_negative": {"padding_idx": -1},
    "max_norm": {"max_norm": 1.0},
    "max_norm_1": {"max_norm": 0.7, "norm_type": 1.0},
    "by_freq": {"scale_grad_by_freq": True},
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_embedding(name):
    def run(n):
        layer = n.nn.Embedding(7, 3, **EMBEDDINGS[name])
        index = n.tensor([[1, 2, 1], [6, 0, 2]])
        y = layer(index)
        (y * signal(n, 2, 3, 3)).sum().backward()
        return [repr(layer), y, layer.weight, layer.weight.grad]

    check(run)


def test_embedding_from_pretrained():
    def run(n):
        rows = signal(n, 3, 2)
        frozen = n.nn.Embedding.from_pretrained(rows, padding_idx=1)
        free = n.nn.Embedding.from_pretrained(rows, freeze=False)
        return [frozen(n.tensor([1, 2])), free.weight, frozen.weight, repr(frozen)]

    check(run)


LOSSES = {
    "CrossEntropyLoss": (lambda n, **k: n.nn.CrossEntropyLoss(**k), "classes"),
    "CrossEntropyLoss_ignore": (lambda n, **k: n.nn.CrossEntropyLoss(ignore_index=1, **k), "classes"),
    "CrossEntropyLoss_smooth": (lambda n, **k: n.nn.CrossEntropyLoss(label_smoothing=0.1, **k), "classes"),
    "CrossEntropyLoss_weight": (
        lambda n, **k: n.nn.CrossEntropyLoss(weight=n.tensor([0.5, 1.0, 2.0, 0.1, 3.0]), **k),
        "classes",
    ),
    "CrossEntropyLoss_probabilities": (lambda n, **k: n.nn.CrossEntropyLoss(**k), "probabilities"),
    "NLLLoss": (lambda n, **k: n.nn.NLLLoss(**k), "classes"),
    "MSELoss": (lambda n, **k: n.nn.MSELoss(**k), "values"),
    "BCEWithLogitsLoss": (lambda n, **k: n.nn.BCEWithLogitsLoss(**k), "probabilities"),
    "BCEWithLogitsLoss_weight": (
        lambda n, **k: n.nn.BCEWithLogitsLoss(weight=n.tensor(0.5), pos_weight=n.full((5,), 2.0), **k),
        "probabilities",
    ),
}


def targets(n, kind):
    if kind == "classes":
        return n.tensor([0, 4, 1, 2])
    return signal(n, 4, 5).softmax(1) if kind == "probabilities" else signal(n, 4, 5).cos()


OPTIONS = [{}, {"reduction": "sum"}, {"reduction": "none"}, {"size_average": False}, {"reduce": False}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name, options):
    make, kind = LOSSES[name]

    def run(n):
        loss = make(n, **options)
        x = signal(n, 4, 5).requires_grad_()
        value = loss(x, targets(n, kind))
        value.sum().backward()
        return [repr(loss), list(loss.state_dict()), value, x.grad]

    check(run, rtol=2e-5, atol=2e-6)


WRONG = {
    "dropout_p": (ValueError, lambda n: n.nn.Dropout(1.5)),
    "dropout_function": (ValueError, lambda n: n.nn.functional.dropout(n.ones(1), -0.1)),
    "softmax_dim": (TypeError, lambda n: n.nn.Softmax(dim=1.0)),
    "unflatten": (TypeError, lambda n: n.nn.Unflatten(1, 3)),
    "unflatten_item": (TypeError, lambda n: n.nn.Unflatten(1, (3, "a"))),
    "embedding_padding": (AssertionError, lambda n: n.nn.Embedding(3, 2, padding_idx=3)),
    "embedding_weight": (AssertionError, lambda n: n.nn.Embedding(3, 2, _weight=n.ones(2, 2))),
    "embedding_pretrained": (AssertionError, lambda n: n.nn.Embedding.from_pretrained(n.ones(2))),
    "bce_shape": (
        ValueError,
        lambda n: n.nn.functional.binary_cross_entropy_with_logits(n.ones(2, 3), n.ones(3)),
    ),
    "mse_weight": (
        ValueError,
        lambda n: n.nn.functional.mse_loss(n.ones(2), n.ones(2), weight=n.ones(3)),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(call, raises=raises)


def test_mse_loss_warns_about_sizes_and_takes_weights():
    def run(n):
        F = n.nn.functional
        weight = signal(n, 2, 3).abs()
        return [
            F.mse_loss(signal(n, 2, 3), signal(n, 1, 3)),
            [F.mse_loss(signal(n, 2, 3), n.ones(2, 3), reduction=r, weight=weight) for r in ("none", "sum", "mean")],
        ]

    check(run)


def test_sparse_gradients_are_refused():
    with pytest.raises(ValueError, match="sparse=False"):
        RT.nn.Embedding(3, 2, sparse=True)
    with pytest.raises(ValueError, match="sparse=False"):
        RT.nn.functional.embedding(RT.tensor([0]), RT.ones(3, 2), sparse=True)


INITS = {
    "uniform": lambda i, w: i.uniform_(w, -2, 3),
    "normal": lambda i, w: i.normal_(w, 1.0, 0.5),
    "trunc_normal": lambda i, w: i.trunc_normal_(w),
    "trunc_normal_narrow": lambda i, w: i.trunc_normal_(w, 0.0, 1.0, -0.5, 0.5),
    "trunc_normal_tail": lambda i, w: i.trunc_normal_(w, 0.0, 1.0, 1.5, 3.0),
    "trunc_normal_far": lambda i, w: i.trunc_normal_(w, 0.0, 1.0, 4.5, 5.0),
    "constant": lambda i, w: i.constant_(w, 0.3),
    "ones": lambda i, w: i.ones_(w),
    "zeros": lambda i, w: i.zeros_(w),
    "eye": lambda i, w: i.eye_(w),
    "xavier_uniform": lambda i, w: i.xavier_uniform_(w, gain=2.0),
    "xavier_normal": lambda i, w: i.xavier_normal_(w),
    "kaiming_uniform": lambda i, w: i.kaiming_uniform_(w, a=math.sqrt(5)),
    "kaiming_uniform_relu": lambda i, w: i.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
    "kaiming_normal": lambda i, w: i.kaiming_normal_(w),
    "sparse": lambda i, w: i.sparse_(w, 0.4),
}


@pytest.mark.parametrize("shape", [(3, 4), (20, 30)], ids=str)
@pytest.mark.parametrize("name", INITS)
def test_init(name, shape):
    def run(n):
        w = n.nn.Parameter(n.empty(shape))
        returned = INITS[name](n.nn.init, w)
        return [w, returned is w, w.grad_fn is None, n.rand(2)]

    check(run)


WRONG_INITS = {
    "fan": lambda i, n: i.xavier_uniform_(n.ones(3)),
    "mode": lambda i, n: i.kaiming_normal_(n.ones(3, 3), mode="fan"),
    "gain": lambda i, n: i.calculate_gain("none"),
    "slope": lambda i, n: i.calculate_gain("leaky_relu", True),
    "eye": lambda i, n: i.eye_(n.ones(3)),
    "sparse": lambda i, n: i.sparse_(n.ones(3), 0.1),
}


@pytest.mark.parametrize("name", WRONG_INITS)
def test_wrong_init(name):
    check(lambda n: WRONG_INITS[name](n.nn.init, n), raises=ValueError)


def test_init_of_nothing_and_gains():
    def run(n):
        names = ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
        i = n.nn.init
        return [
            i.kaiming_uniform_(n.empty(0, 3)),
            i.kaiming_normal_(n.empty(3, 0)),
            [float(i.calculate_gain(name)) for name in names],
            i.calculate_gain("leaky_relu", 0.3),
        ]

    check(run)


def with_grads(n):
    model = n.nn.Sequential(n.nn.Linear(4, 3), n.nn.Linear(3, 2))
    (model(signal(n, 5, 4)) ** 2).sum().backward()
    return model


@pytest.mark.parametrize("max_norm", [0.1, 1e6])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf])
def test_clip_grad_norm(max_norm, norm_type):
    def run(n):
        model = with_grads(n)
        total = n.nn.utils.clip_grad_norm_(model.parameters(), max_norm, norm_type)
        return [total, [p.grad for p in model.parameters()]]

    check(run)


def test_clip_grad_value_and_vectors():
    def run(n):
        model = with_grads(n)
        n.nn.utils.clip_grad_value_(model.parameters(), 0.2)
        vector = n.nn.utils.parameters_to_vector(model.parameters())
        n.nn.utils.vector_to_parameters(vector.detach() * 2, model.parameters())
        return [vector, model.state_dict(), [p.grad for p in model.parameters()]]

    check(run)


def test_clip_grad_norm_of_nothing_and_of_infinity():
    def run(n):
        utils = n.nn.utils
        p = n.nn.Parameter(n.ones(2))
        empty = [utils.clip_grad_norm_(iter(()), 1.0), utils.clip_grad_norm_(p, 1.0)]
        p.grad = n.tensor([math.inf, 1.0])
        return [empty, utils.clip_grad_norm_(p, 1.0)]

    def fail(n):
        p = n.nn.Parameter(n.ones(2))
        p.grad = n.tensor([math.inf, 1.0])
        n.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)

    check(run)
    check(fail, raises=RuntimeError)


def test_pools_with_indices_and_back():
    def run(n):
        x = signal(n, 2, 3, 6, 4)
        y, places = n.nn.MaxPool2d(2, return_indices=True)(x)
        back = n.nn.MaxUnpool2d(2)(y, places)
        row, at = n.nn.MaxPool1d(3, 2, return_indices=True)(x[0])
        cube, where = n.nn.MaxPool3d(2, return_indices=True)(x)
        return [
            *(y, places, back, row, at, n.nn.MaxUnpool1d(3, 2)(row, at, output_size=(4,)), cube, where),
            n.nn.MaxUnpool3d(2)(cube, where, output_size=(3, 6, 4)),
            *n.nn.AdaptiveMaxPool2d((4, 3), return_indices=True)(x),
        ]

    check(run)


def test_a_transposed_convolution_of_a_wanted_size():
    def run(n):
        down, up = n.nn.Conv2d(3, 4, 3, stride=2, padding=1), n.nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1)
        x = signal(n, 2, 3, 6, 5)
        return [up(down(x), output_size=x.size()), up(down(x), output_size=(5, 6)), up(down(x)[0])]

    check(run, rtol=2e-5, atol=2e-6)


def test_a_small_network_of_convolutions_learns():
    def run(n):
        model = n.nn.Sequential(
            n.nn.Conv2d(1, 4, 3, padding=1), n.nn.ReLU(), n.nn.MaxPool2d(2), n.nn.Flatten(), n.nn.Linear(64, 3)
        )
        optimizer = n.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        x, y = signal(n, 12, 1, 8, 8), n.arange(12) % 3
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = n.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0] * 0.8
        return [losses, model.state_dict()]

    check(run, rtol=2e-3, atol=2e-4)
