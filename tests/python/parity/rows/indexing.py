"""Reading and writing through indices: subscripts, gathers and scatters."""

import operator

from ..cases import op
from ..spec import S, idx, lit, t

A, B = t(3, 4), t(2, 3, 4)
SCALAR, EMPTY, ROW = t(), t(0), t(6)
MASK = lit([[True, False, True, False], [False] * 4, [True] * 4], "bool")
ROW_MASK = lit([True, False, True], "bool")
I3, I23 = idx(3, below=3), idx(2, 3, below=3)


def key(*parts):
    return parts


BASIC = (
    (ROW, 2),
    (ROW, -1),
    (ROW, slice(1, 5, 2)),
    (ROW, slice(-3, None)),
    (ROW, slice(4, 2)),
    (ROW, slice(None, 100)),
    (ROW, ...),
    (ROW, None),
    (A, key(1, 2)),
    (A, key(slice(None), 2)),
    (A, key(slice(1, None), slice(None, None, 3))),
    (A, key(..., 0)),
    (A, key(None, ..., None)),
    (B, key(0, ..., slice(1, 3))),
    (B, key(slice(None), 1)),
    (B, ()),
    (SCALAR, ...),
    (SCALAR, ()),
    (SCALAR, None),
    (EMPTY, slice(0, 3)),
    (ROW, 6),
    (ROW, -7),
    (ROW, slice(None, None, -1)),
    (ROW, slice(None, None, 0)),
    (A, key(0, 0, 0)),
    (SCALAR, 0),
    (A, key(..., ...)),
    (ROW, 1.5),
    (ROW, "a"),
)

ADVANCED = (
    (ROW, [0, 2, 5]),
    (ROW, [-1, 0]),
    (ROW, lit([0, 3, 3], "int64")),
    (ROW, lit([[0, 1], [2, -1]], "int32")),
    (ROW, lit(2, "int64")),
    (A, lit([2, 0], "uint8")),
    (A, key(I3, I3)),
    (A, key(slice(None), I3)),
    (A, key(I3, slice(1, 3))),
    (A, key(I23, 1)),
    (A, key(idx(3, 1, below=3), idx(1, 2, below=4))),
    (B, key(idx(2, below=2), slice(None), idx(2, below=4))),
    (B, key(slice(None), I23, slice(None))),
    (B, key(0, I23)),
    (B, key(..., I23)),
    (B, key(None, idx(2, below=2), None)),
    (A, MASK),
    (A, ROW_MASK),
    (A, key(ROW_MASK, slice(1, 3))),
    (A, key(slice(None), lit([True, False, False, True], "bool"))),
    (A, [True, False, True]),
    (A, True),
    (A, False),
    (SCALAR, lit(True, "bool")),
    (ROW, []),
    (EMPTY, lit([], "int64")),
    (A, key(ROW_MASK, lit([0, 1], "int64"))),
    (ROW, lit([6], "int64")),
    (ROW, lit([-7], "int64")),
    (A, lit([True, False], "bool")),
    (A, key(lit([0, 1], "int64"), lit([0, 1, 2], "int64"))),
    (ROW, lit([0.0, 1.0], "float32")),
)


def write(module, x, where, value):
    x[where] = value
    return x


WRITES = [S(x, where, 7) for x, where in (*BASIC, *ADVANCED)]
WRITES += [S(x, where, t()) for x, where in (*BASIC[:19:3], *ADVANCED[:24:3])]
WRITES += [
    S(ROW, slice(0, 3), t(3)),
    S(ROW, slice(0, 3), t(1)),
    S(A, 1, t(4)),
    S(A, key(slice(None), 1), t(3)),
    S(A, key(slice(None), slice(0, 2)), t(3, 1)),
    S(A, MASK, t(6)),
    S(A, MASK, t(5)),
    S(A, ROW_MASK, t(2, 4)),
    S(A, key(lit([0, 2], "int64"), lit([1, 3], "int64")), t(2)),
    S(A, lit([0, 2], "int64"), t(4)),
    S(A, 1, t(3)),
    S(A, 0, t(4, dtype="float64")),
    S(A, 0, t(4, dtype="int32")),
    S(A, 0, [1, 2, 3, 4]),
    S(A, 0, 1.5),
    S(A, 0, True),
    S(EMPTY, slice(None), 1),
    S(B, key(..., lit([0, 2], "int64")), t(2, 3, 2)),
]

SUBSCRIPTS = (
    op(
        "getitem",
        [S(x, where) for x, where in BASIC],
        call=lambda m, x, where: operator.getitem(x, where),
        exact=True,
        grad=True,
        gradgrad=True,
        views=True,
    ),
    op(
        "getitem_advanced",
        [S(x, where) for x, where in ADVANCED],
        call=lambda m, x, where: operator.getitem(x, where),
        exact=True,
        grad=True,
        gradgrad=True,
    ),
    op("setitem", WRITES, call=lambda m, x, where, value: write(m, x.clone(), where, value), exact=True, grad=True),
    op("setitem_view", WRITES, call=write, exact=True),
)

ADVANCED_PUT = [
    S(A, (idx(3, below=3),), t(4)),
    S(A, (I3, I3), t(3)),
    S(A, (I3, I3), t(3), True),
    S(A, (idx(2, 3, below=3),), t(4), accumulate=True),
    S(A, (MASK,), t()),
    S(ROW, [lit([1, 1, 2], "int64")], t(3), True),
    S(EMPTY, (lit([], "int64"),), t(0)),
    S(A, (lit([9], "int64"),), t(4)),
    S(A, (I3, I3), t(3, dtype="int16")),
]
DISTINCT = idx(3, below=3, distinct=True)

GATHERS = (
    op(
        "gather",
        [
            S(A, 0, idx(2, 4, below=3)),
            S(A, 1, idx(3, 2, below=4)),
            S(A, -1, idx(2, 5, below=4)),
            S(B, 1, idx(2, 2, 4, below=3)),
            S(ROW, 0, idx(0, below=1)),
            S(SCALAR, 0, lit(0, "int64")),
            S(A, 0, lit([[3]], "int64")),
            S(A, 0, idx(4, 5, below=3)),
            S(A, 0, idx(2, below=2)),
            S(A, 2, idx(2, 2, below=2)),
            S(A, 0, idx(2, 4, below=3, dtype="int32")),
        ],
        exact=True,
        grad=True,
        gradgrad=True,
    ),
    op(
        "index_select",
        [
            S(A, 0, idx(5, below=3)),
            S(A, 1, idx(2, below=4)),
            S(B, -1, idx(2, below=4, dtype="int32")),
            S(ROW, 0, idx(0, below=1)),
            S(SCALAR, 0, lit([0], "int64")),
            S(A, 0, lit([3], "int64")),
            S(A, 0, lit([-1], "int64")),
            S(A, 0, idx(2, 2, below=2)),
            S(A, 2, idx(1, below=1)),
        ],
        exact=True,
        grad=True,
        gradgrad=True,
    ),
    op(
        "take_along_dim",
        [S(A, idx(3, 2, below=4), 1), S(A, idx(1, 4, below=3), 0), S(A, idx(5, below=12)), S(A, idx(3, below=3), 0)],
        exact=True,
        grad=True,
    ),
    op(
        "masked_select",
        [
            S(A, MASK),
            S(A, ROW_MASK),
            S(A, lit([True, False, True, True], "bool")),
            S(EMPTY, lit([], "bool")),
            S(SCALAR, lit(True, "bool")),
            S(A, lit([1, 0, 1, 1], "int64")),
        ],
        exact=True,
        grad=True,
    ),
    op(
        "nonzero",
        [S(t(3, 4, ties=True)), S(t(5, ties=True)), S(SCALAR), S(EMPTY), S(t(3, 4, ties=True), as_tuple=True)],
        exact=True,
    ),
)

SCATTERS = (
    op(
        "scatter",
        [
            S(A, 0, idx(1, 4, below=3), t(1, 4)),
            S(A, 1, lit([[0, 1], [2, 3], [3, 0]], "int64"), t(3, 2)),
            S(A, 1, lit([[0, 1], [2, 3]], "int64"), 2.0),
            S(A, 0, idx(1, 4, below=3), 1),
            S(ROW, 0, idx(0, below=1), t(0)),
            S(A, 0, lit([[3]], "int64"), t(1, 1)),
            S(A, 0, idx(1, 4, below=3), t(1, 2)),
            S(A, 0, idx(1, 4, below=3), t(1, 4, dtype="float64")),
        ],
        exact=True,
        grad=True,
    ),
    op(
        "scatter",
        [S(A, 1, idx(3, 2, below=4), t(3, 2), reduce="add"), S(A, 0, idx(2, 4, below=3), 2, reduce="multiply")],
        tol=2,
    ),
    op(
        "scatter_add",
        [
            S(A, 0, idx(5, 4, below=3), t(5, 4)),
            S(A, 1, idx(3, 2, below=4), t(3, 2)),
            S(B, 1, idx(2, 5, 4, below=3), t(2, 5, 4)),
            S(ROW, 0, idx(20, below=6), t(20)),
            S(ROW, 0, idx(0, below=1), t(0)),
            S(A, 0, lit([[3]], "int64"), t(1, 1)),
            S(A, 0, idx(2, 4, below=3), t(2, 4, dtype="float64")),
        ],
        grad=True,
        gradgrad=True,
        tol=2,
    ),
    op(
        "index_add",
        [
            S(A, 0, I3, t(3, 4)),
            S(A, 1, idx(6, below=4), t(3, 6)),
            S(A, 0, I3, t(3, 4), alpha=2),
            S(ROW, 0, idx(0, below=1), t(0)),
            S(A, 0, lit([3], "int64"), t(1, 4)),
            S(A, 0, I3, t(2, 4)),
            S(A, 0, I3, t(3, 4, dtype="int16")),
            S(SCALAR, 0, lit([0], "int64"), t(1)),
        ],
        grad=True,
        gradgrad=True,
        tol=2,
    ),
    op(
        "index_copy",
        [S(A, 0, DISTINCT, t(3, 4)), S(A, 1, lit([3, 0], "int64"), t(3, 2)), S(A, 0, lit([3], "int64"), t(1, 4))],
        exact=True,
        grad=True,
    ),
    op(
        "index_fill",
        [
            S(A, 0, DISTINCT, 2),
            S(A, 1, lit([3, 0], "int64"), -1.5),
            S(A, 0, lit([0], "int64"), t()),
            S(A, 0, lit([3], "int64"), 1),
        ],
        exact=True,
        grad=True,
    ),
    op("index_put", ADVANCED_PUT, grad=True, gradgrad=True, tol=2),
)

ROWS = (*SUBSCRIPTS, *GATHERS, *SCATTERS)
