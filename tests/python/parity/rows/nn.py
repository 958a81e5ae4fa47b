"""Functions of neural networks."""

from dataclasses import replace

from ..cases import op
from ..libs import FLOATS
from ..spec import D, S, idx, lit, t
from .samples import SPECIAL_UNARY, unary

A, B = t(3, 4), t(2, 3, 4)
F = "nn.functional."
INF = float("inf")


def activation(name, *more, path=None, **options):
    return op(
        path or F + name,
        [*unary(), *more],
        pointwise=True,
        grad=True,
        gradgrad=True,
        special=options.pop("special", SPECIAL_UNARY),
        **options,
    )


ACTIVATIONS = (
    activation("relu", S(A, inplace=True), exact=True),
    activation("relu", path="relu", exact=True),
    activation("gelu", S(A, approximate="tanh"), S(A, approximate="none"), S(A, approximate="no"), tol=8, terms=0.5),
    activation("sigmoid", flushes=True),
    activation("tanh"),
    activation("silu", S(A, inplace=True), tol=2, slopes=1, flushes=True),
    activation("leaky_relu", S(A, 0.2), S(A, negative_slope=0.5, inplace=True), S(A, -0.5)),
    activation("softplus", S(A, beta=2), S(A, beta=2, threshold=1), S(A, 0.5, 3), tol=4),
    activation("elu", S(A, 0.5), tol=2),
    activation("relu6", exact=True),
    activation("hardtanh", S(A, -0.5, 0.5), exact=True),
    activation("hardsigmoid", tol=2, without=("gradgrad",), slope_dtype="float32"),
    activation("hardswish", tol=2),
    activation("mish", tol=4, flushes=True),
    activation("logsigmoid", tol=4),
    activation("softsign"),
    activation("tanhshrink", terms=1, slopes=1, special=[]),
    activation("hardshrink", S(A, 0.2), S(A, lambd=0), S(A, -1), exact=True),
    activation("hardshrink", S(A, 2), path="hardshrink", exact=True),
    # torch's vector and scalar loops give zeros of either sign.
    op(F + "softshrink", [*unary(), S(A, 0.2), S(A, lambd=1.5)], grad=True, gradgrad=True, special=SPECIAL_UNARY),
    *(
        op(path, samples, exact=True, grad=True, gradgrad=True, special=[S(t(37), 0.5, -2)])
        for path, samples in (
            (
                F + "threshold",
                [S(A, 0.1, 20), S(B, threshold=0, value=-1), S(t(0), 0.0, 0.0), S(t(), -1, 2)],
            ),
            ("threshold", [S(A, 0.1, 20), S(B, threshold=0, value=-1)]),
        )
    ),
    op(
        F + "glu",
        [S(A), S(A, 1), S(B, 0), S(t(2, 37, 8), -1), S(t(0, 4)), S(t()), S(t(3)), S(A, 5)],
        grad=True,
        gradgrad=True,
        tol=4,
    ),
    op(
        "prelu",
        [
            *(S(A, t(1)), S(A, t(4)), S(t(5), t(1)), S(B, t(3)), S(A, t()), S(t(), t(1)), S(t(0, 3), t(3))),
            *(S(A, t(3)), S(t(5), t(5)), S(A, t(4, 1)), S(t(), t(2)), S(A, t(1, dtype="float64"))),
        ],
        grad=True,
        gradgrad=True,
        tol=4,
    ),
)

SOFTMAX = [
    S(A, 0),
    S(A, 1),
    S(A, -1),
    S(B, 1),
    S(t(), 0),
    S(t(0), 0),
    S(t(2, 0), 1),
    S(t(5, 37), -1),
    S(A, 2),
    S(A, -1, dtype=D("float64")),
    S(A, -1, D("float32")),
]
SOFTMAX_F = [
    S(*call.args[:2], dtype=dict(call.kwargs).get("dtype") or (call.args[2] if len(call.args) > 2 else None))
    for call in SOFTMAX
]
EXTREME_ROWS = (S(t(9, 45), 1), S(lit([[-INF, -INF], [-INF, 0.0], [INF, 1.0], [1e4, -1e4]]), 1))

NORMALISED = (
    *(
        op(name, samples, grad=True, gradgrad=True, tol=4, slopes=1, special=EXTREME_ROWS)
        for name in ("softmax", "log_softmax")
        for samples in (SOFTMAX,)
    ),
    *(op(F + name, SOFTMAX_F, grad=True, tol=4, slopes=1) for name in ("softmax", "log_softmax", "softmin")),
    op(
        F + "layer_norm",
        [
            S(A, (4,)),
            S(A, (4,), t(4), t(4)),
            S(B, (3, 4), t(3, 4), t(3, 4), 0.1),
            S(B, (4,), weight=t(4)),
            S(t(0, 4), (4,), t(4), t(4)),
            S(t(5, 37), [37]),
            S(A, (3,)),
            S(A, (4,), t(3)),
            S(A, ()),
            S(A, (4,), t(4), t(4), 0.0),
        ],
        grad=True,
        gradgrad=True,
        tol=16,
    ),
    # torch's second derivative fails without a weight.
    op(F + "layer_norm", [S(B, (4,), bias=t(4), eps=1e-3)], grad=True, tol=16),
    op(
        F + "rms_norm",
        [
            *(S(A, (4,)), S(A, (4,), t(4)), S(B, (3, 4), t(3, 4), 0.1), S(B, (4,), weight=t(4)), S(B, (4,), eps=1e-3)),
            *(S(t(0, 4), (4,), t(4)), S(t(5, 37), [37]), S(A, (3,)), S(A, (4,), t(3)), S(A, ())),
        ],
        grad=True,
        gradgrad=True,
        tol=16,
    ),
    op("rms_norm", [S(A, (4,), t(4), 1e-2)], grad=True, tol=16),
    op(
        F + "cosine_similarity",
        [
            *(S(A, A), S(A, A, 0), S(B, B, dim=-1, eps=1.0), S(A, t(4)), S(B, t(3, 4), -1), S(t(5), t(5), 0)),
            *(S(t(0, 3), t(0, 3)), S(A, A, 2), S(A, t(5)), S(lit([[0.0, 0.0]]), lit([[1.0, 2.0]]))),
        ],
        grad=True,
        tol=16,
        slopes=1,
    ),
    op(
        F + "pairwise_distance",
        [
            *(S(A, A), S(A, A, 1), S(B, B, p=3.0, keepdim=True), S(A, t(4)), S(t(5), t(5)), S(A, A, float("inf"))),
            *(S(t(0, 3), t(0, 3)), S(A, t(5)), S(A, A, eps=0.5)),
        ],
        grad=True,
        tol=16,
    ),
    op(F + "normalize", [S(A), S(A, 1, 0), S(B, dim=-1, eps=1.0)], grad=True, tol=8),
)

REDUCTIONS = ("none", "mean", "sum")
SIGNS = replace(lit([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, -1.0, 1.0]]), grad=False)
CLASSES = idx(5, below=3)
WEIGHT = t(3, low=0.5, grad=False)
LOSSES = (
    op(
        F + "cross_entropy",
        [
            *(S(t(5, 3), CLASSES, reduction=mode) for mode in REDUCTIONS),
            *(S(t(5, 3), t(5, 3, low=0, high=1), reduction=mode) for mode in REDUCTIONS),
            S(t(5, 3), CLASSES, weight=WEIGHT),
            S(t(5, 3), CLASSES, WEIGHT, reduction="none"),
            S(t(5, 3), lit([0, 1, 2, -100, 1], "int64")),
            S(t(5, 3), lit([0, 1, 2, 1, 1], "int64"), ignore_index=1),
            S(t(5, 3), lit([0, 1, 2, 1, 1], "int64"), ignore_index=1, reduction="none", label_smoothing=0.2),
            S(t(5, 3), CLASSES, label_smoothing=0.1),
            S(t(5, 3), CLASSES, weight=WEIGHT, label_smoothing=0.1),
            S(t(5, 3), t(5, 3, low=0, high=1), label_smoothing=0.1),
            S(t(3), lit(1, "int64")),
            S(t(2, 3, 4), idx(2, 4, below=3)),
            S(t(2, 3, 4, 5), idx(2, 4, 5, below=3), reduction="none"),
            S(t(2, 3), lit([-100, -100], "int64")),
            S(t(0, 3), lit([], "int64")),
            S(t(5, 3), lit([0, 1, 2, 3, 0], "int64")),
            S(t(5, 3), idx(4, below=3)),
            S(t(5, 3), CLASSES, reduction="avg"),
            S(t(5, 3), idx(5, below=3, dtype="int32")),
            S(t(5, 3), CLASSES, label_smoothing=1.5),
        ],
        grad=True,
        gradgrad=True,
        tol=8,
        slopes=1,
    ),
    op(
        F + "nll_loss",
        [
            *(S(t(5, 3), CLASSES, reduction=mode) for mode in REDUCTIONS),
            S(t(5, 3), CLASSES, weight=WEIGHT),
            S(t(5, 3), lit([0, 1, 2, -100, 1], "int64")),
            S(t(5, 3), lit([0, 1, 2, 1, 1], "int64"), ignore_index=1, reduction="sum"),
            S(t(3), lit(1, "int64")),
            S(t(2, 3, 4), idx(2, 4, below=3)),
            S(t(5, 3), lit([0, 1, 2, 3, 0], "int64")),
            S(t(5, 3), idx(4, below=3)),
        ],
        grad=True,
        gradgrad=True,
        tol=4,
    ),
    op(
        F + "mse_loss",
        [
            *(S(A, A, reduction=mode) for mode in REDUCTIONS),
            S(A, t(4)),
            S(A, A),
            S(t(), t()),
            S(t(0), t(0)),
            S(A, t(5)),
            S(A, A, reduction="avg"),
            S(A, A, weight=t(3, 4, low=0.5)),
        ],
        grad=True,
        gradgrad=True,
        tol=4,
    ),
    op(
        F + "binary_cross_entropy_with_logits",
        [
            *(S(A, t(3, 4, low=0, high=1), reduction=mode) for mode in REDUCTIONS),
            S(A, t(3, 4, low=0, high=1), weight=t(4, low=0.5, grad=False)),
            S(A, t(3, 4, low=0, high=1), pos_weight=t(4, low=0.5, grad=False)),
            S(
                A,
                t(3, 4, low=0, high=1),
                t(4, low=0.5, grad=False),
                pos_weight=t(3, 4, low=0.5, grad=False),
                reduction="none",
            ),
            S(t(), t(low=0, high=1)),
            S(t(0), t(0)),
            S(A, t(4)),
        ],
        grad=True,
        gradgrad=True,
        tol=8,
    ),
    op(
        F + "hinge_embedding_loss",
        [*(S(A, SIGNS, reduction=mode) for mode in REDUCTIONS), S(A, SIGNS, 0.3), S(A, SIGNS, reduction="avg")],
        dtypes=FLOATS,
        grad=True,
        tol=4,
    ),
    op(
        F + "soft_margin_loss",
        [*(S(A, SIGNS, reduction=mode) for mode in REDUCTIONS), S(t(), replace(lit(1.0), grad=False))],
        dtypes=FLOATS,
        grad=True,
        tol=8,
    ),
    op(
        F + "margin_ranking_loss",
        [*(S(A, A, SIGNS, reduction=mode) for mode in REDUCTIONS), S(A, A, SIGNS, 0.5), S(A, A, t(4))],
        dtypes=FLOATS,
        grad=True,
        tol=4,
    ),
    op(
        F + "cosine_embedding_loss",
        [
            *(S(A, A, lit([1, -1, 1], "int64"), reduction=mode) for mode in REDUCTIONS),
            *(S(t(4), t(4), lit(-1, "int64"), 0.1), S(A, A, SIGNS), S(t(4), t(4), lit([1], "int64")), S(A, A, lit(1))),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=16,
        slopes=1,
    ),
    op(
        F + "triplet_margin_loss",
        [
            *(S(A, A, A, reduction=mode) for mode in REDUCTIONS),
            *(S(A, A, A, 0.5, 1), S(A, A, A, swap=True), S(A, A, t(4)), S(A, A, A, 0), S(A, A, A, 2.0, eps=0.1)),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=16,
    ),
    op(
        F + "poisson_nll_loss",
        [
            *(S(A, t(3, 4, low=0, high=3), reduction=mode) for mode in REDUCTIONS),
            *(
                S(t(3, 4, low=0.5), t(3, 4, low=0.5), False),
                S(A, t(3, 4, low=0.5), full=True),
                S(A, A, reduction="avg"),
            ),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=8,
    ),
    op(
        F + "gaussian_nll_loss",
        [
            *(S(A, A, t(3, 4, low=0.5), reduction=mode) for mode in REDUCTIONS),
            *(S(A, A, 2.0), S(A, A, t(3, low=0.5)), S(A, A, t(3, 1, low=0.5), True), S(A, A, t(2)), S(A, A, -1.0)),
            *(S(A, A, lit(-1.0)), S(A, A, t(3, 4, low=0.5), reduction="avg"), S(A, A, t(3, 4, low=0.5), eps=2.0)),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=8,
    ),
    op(F + "l1_loss", [*(S(A, A, reduction=mode) for mode in REDUCTIONS), S(A, A)], grad=True, tol=4),
    op(F + "smooth_l1_loss", [*(S(A, A, reduction=mode) for mode in REDUCTIONS), S(A, A, beta=2.0)], grad=True, tol=4),
    op(F + "huber_loss", [*(S(A, A, reduction=mode) for mode in REDUCTIONS), S(A, A, delta=2.0)], grad=True, tol=4),
)

LOOKUPS = (
    op(
        F + "embedding",
        [
            S(idx(5, below=6), t(6, 3)),
            S(idx(2, 3, below=6), t(6, 3)),
            S(lit(2, "int64"), t(6, 3)),
            S(idx(4, below=6, dtype="int32"), t(6, 3)),
            S(lit([0, 2, 2, 5], "int64"), t(6, 3), padding_idx=2),
            S(lit([0, 2, 2, 5], "int64"), t(6, 3), padding_idx=-1),
            S(lit([6], "int64"), t(6, 3)),
            S(lit([-1], "int64"), t(6, 3)),
            S(idx(2, below=2), t(6)),
            S(t(2), t(6, 3)),
        ],
        exact=True,
        grad=True,
        gradgrad=True,
        tol=2,
    ),
    # torch's second derivatives fail for no index, and forget the frequencies.
    op(
        F + "embedding",
        [S(idx(0, below=1), t(6, 3)), S(lit([0, 2, 2, 5], "int64"), t(6, 3), scale_grad_by_freq=True)],
        exact=True,
        grad=True,
        tol=2,
    ),
    op(
        F + "one_hot",
        [
            S(idx(5, below=3)),
            S(idx(2, 3, below=4), 6),
            S(lit(1, "int64"), num_classes=3),
            S(lit([], "int64"), 3),
            S(lit([], "int64")),
            S(lit([3], "int64"), 3),
            S(lit([-1], "int64")),
            S(lit([1], "int32")),
        ],
        exact=True,
        dtypes=("float32",),
    ),
    op(
        F + "dropout",
        [
            S(A, 0.5, False),
            S(A, 0.0),
            S(A, 1.0),
            S(A, training=False),
            S(A, 0.0, True, True),
            S(A, 1.5),
            S(A, -0.1),
            S(t(0), 0.5),
        ],
        exact=True,
        grad=True,
    ),
)

ROWS = (*ACTIVATIONS, *NORMALISED, *LOSSES, *LOOKUPS)
