"""Elements once, by fractions of their order, by frequency; how rows vary together."""

from ..cases import op
from ..spec import S, lit, t

A, B = t(3, 4), t(2, 3, 5)
BOTH = ("float32", "float64")
F = "nn.functional."
TIES = t(3, 7, ties=True)
QS = lit([0.0, 0.25, 0.6, 1.0])
MODES = ("linear", "lower", "higher", "midpoint", "nearest")

UNIQUE = (
    op(
        "unique",
        [
            *(S(TIES), S(TIES, True, True), S(TIES, return_counts=True), S(TIES, True, True, True), S(t(0)), S(t())),
            *(S(TIES, dim=0), S(t(40, 2, ties=True), True, True, True, 0), S(t(2, 40, ties=True), True, True, True, 1)),
            *(S(t(3, 2, 4, ties=True), True, False, True, 1), S(t(3, 0), dim=1), S(t(3, 0), dim=0), S(A, dim=2)),
        ],
        exact=True,
        strides=False,
    ),
    op(
        "unique_consecutive",
        [
            *(
                S(TIES),
                S(TIES, return_inverse=True),
                S(TIES, return_inverse=True, return_counts=True),
                S(t(0)),
                S(t()),
                S(t(40, 2, ties=True), True, True, 0),
            ),
            *(S(TIES, dim=1), S(A, dim=5)),
        ],
        exact=True,
        strides=False,
    ),
    op(
        "isin",
        [
            *(S(TIES, t(2)), S(TIES, t(40)), S(TIES, t(3, 9), invert=True), S(TIES, t(0)), S(t(), t(3)), S(TIES, 1)),
            *(S(1, TIES), S(TIES, t(3), assume_unique=False)),
        ],
        exact=True,
    ),
    op(
        "mode",
        [S(TIES), S(TIES, 0), S(TIES, -1, True), S(t(2, 3, 9, ties=True), 1), S(t()), S(A, 2), S(t(0, 3), 0)],
        exact=True,
        grad=True,
        strides=False,
    ),
)

QUANTILES = tuple(
    op(
        name,
        [
            *(S(A, q, 1, interpolation=mode) for mode in MODES for q in (QS, 0.3)),
            *(S(A, 0.5), S(A, QS), S(B, 0.2, 1, True), S(B, QS, 0, keepdim=True), S(t(), 0.5), S(t(1, 9), 0.7, 1)),
            *(S(A, lit(0.4)), S(A, 1.5), S(A, lit([2.0])), S(t(0), 0.5), S(A, 0.5, 2), S(A, 0.5, interpolation="x")),
            *(S(A, lit([[0.5]])), S(lit([[1.0, float("nan"), 3.0], [4.0, 2.0, 0.0]]), QS, 1)),
        ],
        dtypes=BOTH,
        grad=True,
        strides=False,
        tol=4,
    )
    for name in ("quantile", "nanquantile")
)

TOGETHER = (
    op(
        "cov",
        [
            *(S(A), S(t(4)), S(A, correction=0), S(A, correction=9), S(A, fweights=lit([1, 2, 3, 4], "int64")), S(B)),
            *(S(A, aweights=t(4, low=0.5, grad=False)), S(A, correction=2, aweights=t(4, low=0.5, grad=False))),
            S(A, fweights=lit([1, 2, 3, 4], "int64"), aweights=t(4, low=0.5, grad=False)),
            *(S(A, fweights=lit([1, 2], "int64")), S(A, fweights=lit([1, -2, 3, 4], "int64")), S(A, aweights=t(3))),
        ],
        dtypes=(*BOTH, "int64"),
        grad=True,
        strides=False,
        tol=16,
    ),
    op(
        "corrcoef",
        [S(A), S(t(5, 9)), S(t(4)), S(B)],
        dtypes=(*BOTH, "int64"),
        grad=True,
        strides=False,
        tol=64,
        slopes=4,
    ),
    op(
        "renorm",
        [
            S(A, 2, 0, 1.0),
            S(A, 1, 1, 5),
            S(B, 3.0, -2, 2.5),
            S(A, 2, 0, 100.0),
            S(A, 0, 0, 1.0),
            S(t(3), 2, 0, 1.0),
            S(A, 2, 0, -1.0),
        ],
        dtypes=BOTH,
        grad=True,
        tol=16,
        overlapping=False,
    ),
    op(
        "cdist",
        [
            *(S(A, t(5, 4)), S(A, t(5, 4), 1.0), S(B, t(2, 4, 5), 3.0), S(B, t(4, 5)), S(A, t(5, 4), float("inf"))),
            *(
                S(t(0, 4), A),
                S(A, t(5, 3)),
                S(t(4), A),
                S(A, A, -1.0),
                S(A, t(5, 4), 2.0, "donot_use_mm_for_euclid_dist"),
            ),
            *(S(A, t(5, 4), 2.0, "x"), S(t(30, 4), t(40, 4), compute_mode="donot_use_mm_for_euclid_dist")),
        ],
        dtypes=BOTH,
        grad=True,
        strides=False,
        tol=16,
    ),
    op(
        F + "bilinear",
        [
            *(
                S(A, t(3, 5), t(2, 4, 5)),
                S(A, t(3, 5), t(2, 4, 5), t(2)),
                S(t(4), t(5), t(2, 4, 5)),
                S(B, t(2, 3, 4), t(6, 5, 4), t(6)),
            ),
            *(
                S(A, t(2, 5), t(2, 4, 5)),
                S(A, t(3, 5), t(2, 3, 5)),
                S(A, t(3, 5), t(2, 4, 5), t(3)),
                S(A, t(5), t(2, 4, 5)),
            ),
        ],
        dtypes=BOTH,
        grad=True,
        gradgrad=True,
        strides=False,
        tol=16,
    ),
    *(
        op(
            F + name,
            [S(x, 0.5, False), S(x, 0.0, True), S(x, 1.0, True), S(x, 1.5)],
            dtypes=BOTH,
            grad=True,
            strides=False,
        )
        for name, x in (
            ("dropout1d", t(2, 3, 4)),
            ("dropout2d", t(2, 3, 4, 2)),
            ("dropout3d", t(2, 3, 4, 2, 2)),
            ("alpha_dropout", A),
            ("feature_alpha_dropout", t(2, 3, 4)),
        )
    ),
)

ROWS = (*UNIQUE, *QUANTILES, *TOGETHER)
