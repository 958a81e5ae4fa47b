"""Contractions."""

from ..cases import op
from ..libs import ALL
from ..spec import S, t

A, B, V = t(3, 4), t(2, 3, 4), t(4)


def row(name, samples, **options):
    # Half precision accumulates in float32 in some of torch's kernels and in blocks in others.
    options.setdefault("tol", 4)
    return op(name, samples, grad=True, gradgrad=True, **options)


MATMUL = (
    S(A, t(4, 5)),
    S(A, V),
    S(t(3), A),
    S(V, V),
    S(B, t(4, 5)),
    S(B, V),
    S(t(3), t(2, 3, 5)),
    S(B, t(2, 4, 5)),
    S(B, t(1, 4, 5)),
    S(t(5, 1, 3, 4), t(2, 4, 2)),
    S(t(37, 19), t(19, 41)),
    S(t(0, 4), t(4, 5)),
    S(t(3, 0), t(0, 5)),
    S(t(0), t(0)),
    S(A, A),
    S(V, t(3)),
    S(t(), V),
    S(B, t(3, 4, 5)),
)

EINSUM = tuple(
    S(text, *operands)
    for text, *operands in (
        ("ij,jk->ik", A, t(4, 5)),
        ("ij,jk", A, t(4, 5)),
        ("i,j->ij", V, t(3)),
        ("bij,bjk->bik", B, t(2, 4, 5)),
        ("ij->ji", A),
        ("ij->", A),
        ("ii->i", t(3, 3)),
        ("ii", t(3, 3)),
        ("...ij,jk->...ik", B, t(4, 5)),
        ("bij,bij->b", B, B),
        ("ij,j,i->", A, V, t(3)),
        ("ij,kj", A, t(2, 4)),
        ("i,i->i", V, V),
        (",i->i", t(), V),
        ("ij,jk->ik", A, A),
        ("ij->ik", A),
        ("ijk->ij", A),
        ("ij,jk->iik", A, t(4, 5)),
    )
)

ROWS = (
    row("matmul", MATMUL, operator="__matmul__"),
    row(
        "mm",
        [
            S(A, t(4, 5)),
            S(t(33, 17), t(17, 29)),
            S(t(0, 4), t(4, 2)),
            S(t(3, 0), t(0, 2)),
            S(A, A),
            S(A, V),
            S(A, t(4, 5, dtype="float64")),
        ],
    ),
    row(
        "bmm",
        [
            S(B, t(2, 4, 5)),
            S(t(0, 3, 4), t(0, 4, 5)),
            S(t(2, 3, 0), t(2, 0, 5)),
            S(B, t(1, 4, 5)),
            S(B, t(2, 3, 5)),
            S(A, A),
        ],
    ),
    row("mv", [S(A, V), S(t(0, 4), V), S(t(3, 0), t(0)), S(A, t(3)), S(A, A)]),
    row("dot", [S(V, V), S(t(0), t(0)), S(t(100), t(100)), S(V, t(3)), S(A, A), S(V, t(4, dtype="float64"))]),
    row(
        "inner",
        [S(V, V), S(A, V), S(A, t(2, 4)), S(t(), V), S(A, t(3))],
        dtypes=[dtype for dtype in ALL if dtype != "bool"],
    ),
    row("outer", [S(V, t(3)), S(t(0), V), S(A, V)]),
    row(
        "addmm",
        [
            S(t(3, 5), A, t(4, 5)),
            S(t(5), A, t(4, 5)),
            S(t(), A, t(4, 5)),
            S(t(3, 5), A, t(4, 5), beta=0.5, alpha=2),
            S(t(3, 5), A, t(4, 5), beta=0),
            S(t(2), A, t(4, 5)),
        ],
    ),
    row("addmv", [S(t(3), A, V), S(t(), A, V, beta=2, alpha=3), S(t(2), A, V)], overlapping=False),
    row("addr", [S(A, t(3), V), S(A, t(3), V, beta=2, alpha=3), S(t(4), t(3), V)]),
    row("baddbmm", [S(t(2, 3, 5), B, t(2, 4, 5)), S(t(5), B, t(2, 4, 5), beta=2, alpha=0.5)], overlapping=False),
    row(
        "tensordot",
        [S(A, t(4, 5), 1), S(B, t(3, 4, 2), ([1, 2], [0, 1])), S(A, V, dims=1), S(A, A, 1), S(A, t(3), ([0], [0]))],
        forms=("function",),
    ),
    *(
        op(path, samples, method=path if method else "", grad=True, tol=4)
        for path, method, samples in (
            (
                "cross",
                True,
                [S(t(2, 3), t(2, 3), 1), S(t(3, 4), t(3, 4), dim=0), S(t(3), t(3), 0), S(A, A, 1), S(A, A, 5)],
            ),
            (
                "cross",
                False,
                [S(t(1, 3), t(5, 3), 1), S(t(2, 3), t(4, 3), 1), S(t(3), t(2, 3), 0), S(t(0, 3), t(0, 3), 1)],
            ),
            ("linalg.cross", False, [S(t(2, 3), t(2, 3)), S(t(3, 2), t(3, 2), dim=0), S(A, A), S(t(3), t(2, 3))]),
        )
    ),
    row("einsum", EINSUM, forms=("function",), strides=False),
    row(
        "nn.functional.linear",
        [
            S(B, t(5, 4), t(5)),
            S(A, t(5, 4)),
            S(V, t(5, 4), t(5)),
            S(V, V),
            S(t(0, 4), t(5, 4), t(5)),
            S(A, t(5, 3)),
            S(A, t(5, 4), t(4)),
            S(A, t(4), t()),
        ],
    ),
)
