"""Convolutions, pools, blocks as columns."""

from ..cases import op
from ..spec import S, idx, t

F = "nn.functional."
SMALL = {"low": -1.0, "high": 1.0}


def x(*shape):
    return t(*shape, **SMALL)


X1, X2, X3 = x(2, 4, 9), x(2, 4, 7, 6), x(1, 2, 5, 4, 6)
FLOATS = ("float32", "float64")
INEXACT = ("float16", "bfloat16", "float32", "float64")

CONVOLUTIONS = (
    op(
        F + "conv1d",
        [
            S(X1, x(3, 4, 3)),
            S(X1, x(3, 4, 3), x(3)),
            S(x(4, 9), x(3, 4, 3), x(3), stride=2, padding=1),
            S(X1, x(6, 2, 2), x(6), 2, 1, 2, 2),
            S(X1, x(3, 4, 4), padding="same"),
            S(X1, x(3, 4, 2), padding="valid", stride=3),
            S(X1, x(3, 4, 1), stride=2),
            *(S(X1, x(3, 3, 3)), S(X1, x(3, 4, 3), x(4)), S(X1, x(3, 4, 10)), S(x(4), x(3, 4, 3))),
            *(S(X1, x(3, 4, 3), stride=0), S(X1, x(3, 4, 3), padding="same", stride=2)),
        ],
        grad=True,
        gradgrad=True,
        tol=8,
    ),
    op(
        F + "conv2d",
        [
            S(X2, x(3, 4, 3, 3), x(3)),
            S(x(4, 7, 6), x(3, 4, 3, 2), x(3), (1, 2), (0, 1)),
            S(X2, x(3, 4, 3, 3), stride=2, padding=1, dilation=2),
            S(X2, x(8, 1, 3, 3), x(8), padding=1, groups=4),
            S(X2, x(4, 2, 2, 3), padding=(2, 1), groups=2),
            S(X2, x(5, 4, 1, 1), x(5)),
            S(X2, x(5, 4, 1, 1), stride=2),
            S(X2, x(3, 4, 2, 3), x(3), padding="same", dilation=(2, 1)),
            S(x(2, 1, 12, 20), x(3, 1, 3, 3), padding=4),
            S(x(1, 16, 9, 9), x(20, 16, 3, 3), x(20), padding=1),
            S(x(3, 8, 6, 6), x(12, 8, 2, 2), stride=2),
            *(S(X2, x(3, 4, 3, 3), groups=3), S(X2, x(3, 4, 8, 3)), S(X2, x(3, 4, 3, 3), padding=-1)),
            *(S(X2, x(3, 4, 3)), S(X2, x(3, 4, 3, 3), dilation=0), S(X2, x(3, 4, 3, 3), t(3, dtype="int64"))),
        ],
        grad=True,
        gradgrad=True,
        tol=12,
    ),
    op(
        F + "conv3d",
        [
            S(X3, x(3, 2, 2, 3, 2), x(3)),
            S(x(2, 5, 4, 6), x(4, 1, 2, 2, 2), x(4), (1, 2, 1), 1, (2, 1, 1), 2),
            S(X3, x(3, 2, 3, 3, 3), padding="same"),
            S(X3, x(4, 1, 2, 2, 2), x(4), 2, groups=2),
            S(X3, x(3, 2, 6, 1, 1)),
        ],
        grad=True,
        gradgrad=True,
        tol=12,
    ),
    op(
        F + "conv_transpose1d",
        [
            S(X1, x(4, 3, 3)),
            S(x(4, 9), x(4, 3, 3), x(3), 2, 1, 1),
            S(X1, x(4, 2, 3), x(4), 3, 0, 2, 2, 2),
            S(X1, x(4, 3, 2), padding=1, dilation=3),
            *(S(X1, x(3, 3, 3)), S(X1, x(4, 3, 3), output_padding=1), S(X1, x(4, 3, 3), x(4))),
        ],
        grad=True,
        gradgrad=True,
        tol=12,
    ),
    op(
        F + "conv_transpose2d",
        [
            S(X2, x(4, 3, 3, 3), x(3)),
            S(x(4, 7, 6), x(4, 3, 2, 2), x(3), stride=2),
            S(X2, x(4, 3, 3, 2), x(3), (2, 1), (1, 0), (1, 0)),
            S(X2, x(4, 2, 3, 3), x(4), stride=2, padding=1, output_padding=1, groups=2),
            S(X2, x(4, 1, 3, 3), padding=1, groups=4),
            S(X2, x(4, 3, 1, 1), stride=2),
            S(X2, x(4, 3, 2, 2), padding=1, dilation=2),
            *(S(X2, x(4, 3, 3, 3), padding=6), S(X2, x(4, 3, 3, 3), groups=3)),
        ],
        grad=True,
        gradgrad=True,
        tol=12,
    ),
    op(
        F + "conv_transpose3d",
        [S(X3, x(2, 3, 2, 2, 2), x(3)), S(X3, x(2, 2, 2, 3, 2), x(4), 2, 1, 1, 2), S(X3, x(3, 3, 2, 2, 2))],
        grad=True,
        gradgrad=True,
        tol=12,
    ),
)

MAXIMA = (
    op(
        F + "max_pool1d",
        [
            S(X1, 2),
            S(X1, 3, 2, 1),
            S(x(4, 9), 2, 3, dilation=2),
            S(X1, 3, ceil_mode=True, stride=2),
            S(X1, 4, 3, 2, return_indices=True),
            *(S(X1, 10), S(X1, 2, padding=2), S(x(9), 2), S(X1, 0)),
        ],
        dtypes=INEXACT,
        grad=True,
        gradgrad=True,
        special=[S(t(1, 45), 3), S(t(1, 45), 3, 2, 1, return_indices=False)],
    ),
    op(
        F + "max_pool2d",
        [
            S(X2, 2),
            S(X2, 3, 2, 1),
            S(x(4, 7, 6), (2, 3), (1, 2)),
            S(X2, 3, 1, dilation=2),
            S(X2, 3, 2, 1, ceil_mode=True),
            S(X2, (3, 2), 2, (1, 0), return_indices=True),
            S(X2, 2, 2, 1, 2, True, True),
            S(x(0, 4, 7, 6), 2),
            *(S(X2, 8), S(X2, 3, padding=2), S(x(7, 6), 2), S(X2, (2, 2, 2)), S(X2, 2, 0), S(X2, -1)),
        ],
        grad=True,
        gradgrad=True,
        special=[S(t(1, 5, 9), 2), S(t(1, 5, 9), 3, 2, 1)],
    ),
    op(
        F + "max_pool3d",
        [S(X3, 2), S(X3, 3, 2, 1), S(X3, (2, 1, 3), return_indices=True, stride=1), S(X3, 7), S(x(5, 4, 6), 2)],
        grad=True,
        gradgrad=True,
    ),
    op(
        F + "adaptive_max_pool1d",
        [S(X1, 3), S(X1, 4), S(x(4, 9), 9, return_indices=True), S(X1, 5, return_indices=True), S(x(9), 3)],
        dtypes=INEXACT,
        grad=True,
    ),
    op(
        F + "adaptive_max_pool2d",
        [
            S(X2, 3),
            S(X2, (7, 2)),
            S(x(4, 7, 6), (2, None), return_indices=True),
            S(X2, (3, 4), return_indices=True),
            S(x(2, 4, 8, 8), (4, 2)),
            *(S(X2, -1), S(x(7, 6), 2)),
        ],
        grad=True,
        gradgrad=True,
    ),
    op(F + "adaptive_max_pool3d", [S(X3, 2), S(X3, (5, 2, 3)), S(x(2, 5, 4, 6), 2), S(x(4, 6), 2)], grad=True),
    op(
        F + "max_unpool2d",
        [
            S(x(2, 3, 3, 2), idx(2, 3, 3, 2, below=24, distinct=False, grad=False), 2),
            S(x(3, 3, 2), idx(3, 3, 2, below=24), 2, 2, 0, (6, 5)),
            S(x(2, 3, 3, 2), idx(2, 3, 3, 2, below=24), 2, output_size=(20, 4)),
            S(x(2, 3, 3, 2), idx(3, 3, 2, below=24), 2),
        ],
        call=lambda m, x, places, *args, **kwargs: m.nn.functional.max_unpool2d(
            # Which of several elements stays where places repeat is nobody's promise.
            x,
            _spread(m, x, places),
            *args,
            **kwargs,
        ),
        dtypes=FLOATS,
        grad=True,
    ),
)


def _spread(m, x, places):
    """Places of which none repeats within a plane."""
    if places.dim() != x.dim():
        return places
    plane = m.arange(x.shape[-1] * x.shape[-2]).reshape(x.shape[-2:]) * 3 % 20
    return plane.expand(x.shape).contiguous()


MEANS = (
    op(
        F + "avg_pool1d",
        [
            S(X1, 2),
            S(X1, 3, 2, 1),
            S(x(4, 9), 3, 2, 1, True),
            S(X1, 3, 2, 1, True, False),
            S(X1, 10),
            S(X1, 2, padding=2),
        ],
        grad=True,
        gradgrad=True,
        tol=4,
    ),
    op(
        F + "avg_pool2d",
        [
            S(X2, 2),
            S(X2, 3, 2, 1),
            S(x(4, 7, 6), (2, 3), (1, 2), (1, 0)),
            S(X2, 3, 2, 1, True),
            S(X2, 3, 2, 1, True, False),
            S(X2, 3, 2, 1, False, True, 5),
            S(X2, 2, divisor_override=-3),
            S(X2, 2, 3, ceil_mode=True),
            S(x(0, 4, 7, 6), 2),
            *(S(X2, 8), S(X2, 2, divisor_override=0), S(X2, (2, 2, 2)), S(x(2, 0, 7, 6), 2)),
        ],
        grad=True,
        gradgrad=True,
        tol=4,
    ),
    op(
        F + "avg_pool3d",
        [S(X3, 2), S(X3, 3, 2, 1, True, False), S(X3, (2, 1, 3), divisor_override=2), S(x(5, 4, 6), 2)],
        grad=True,
        gradgrad=True,
        tol=4,
    ),
    op(F + "adaptive_avg_pool1d", [S(X1, 3), S(X1, 4), S(x(4, 9), 1), S(x(9), 3)], grad=True, tol=4),
    op(
        F + "adaptive_avg_pool2d",
        [
            S(X2, 1),
            S(X2, (3, 4)),
            S(x(4, 7, 6), (None, 2)),
            S(X2, (9, 8)),
            *(S(X2, -1), S(x(7, 6), 2), S(X2, (1, 2, 3))),
        ],
        grad=True,
        tol=4,
    ),
    op(
        F + "adaptive_avg_pool3d",
        [S(X3, 1), S(X3, (2, 4, 3)), S(x(2, 5, 4, 6), (None, 2, None)), S(x(4, 6), 2)],
        grad=True,
        tol=4,
    ),
    op(F + "lp_pool1d", [S(X1, 2, 3), S(X1, 3.0, 2, 1, True), S(X1, 0, 2)], dtypes=FLOATS, grad=True, tol=16),
    op(
        F + "lp_pool2d",
        [S(X2, 2, 3), S(X2, 1.5, (2, 3), 2), S(X2, float("inf"), 2), S(X2, -float("inf"), 2)],
        dtypes=FLOATS,
        tol=16,
    ),
    op(F + "lp_pool3d", [S(X3, 2, 3), S(X3, 4, 2, 1)], dtypes=FLOATS, grad=True, tol=16),
)

COLUMNS = (
    op(
        F + "unfold",
        [
            S(X2, 2),
            S(X2, (3, 2), (1, 2), 1, 2),
            S(x(4, 7, 6), 3, padding=(0, 2)),
            S(x(0, 4, 7, 6), 2),
            *(S(X2, 8), S(X2, 0), S(X2, (2, 2, 2)), S(x(2, 2, 4, 7, 6), 2)),
        ],
        exact=True,
        grad=True,
    ),
    op(
        F + "fold",
        [
            S(x(2, 12, 30), (7, 6), 2),
            S(x(12, 24), (7, 6), (3, 2), (1, 2), 1, (2, 1)),
            S(x(2, 8, 9), (6, 6), 2, stride=2),
            S(x(2, 8, 4), (12, 12), 2, stride=5, dilation=2),
            *(S(x(2, 11, 30), (7, 6), 2), S(x(2, 12, 31), (7, 6), 2), S(x(2, 12, 30), (7,), 2)),
        ],
        tol=4,
        grad=True,
    ),
)

# Nothing to slide over, or no window: torch has no second derivative, or none at all.
EMPTY = (
    op(F + "conv1d.empty", [S(x(0, 4, 9), x(3, 4, 3))], path=F + "conv1d", dtypes=FLOATS, grad=True),
    op(F + "conv2d.empty", [S(x(0, 4, 7, 6), x(3, 4, 3, 3), x(3))], path=F + "conv2d", dtypes=FLOATS, grad=True),
    op(F + "adaptive_avg_pool2d.none", [S(X2, 0)], path=F + "adaptive_avg_pool2d", dtypes=INEXACT),
    op(F + "adaptive_max_pool2d.none", [S(X2, 0)], path=F + "adaptive_max_pool2d", dtypes=INEXACT),
)

ROWS = (*CONVOLUTIONS, *MAXIMA, *MEANS, *COLUMNS, *EMPTY)
