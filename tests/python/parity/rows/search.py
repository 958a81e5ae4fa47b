"""Places in sorted sequences, and counts of numbers."""

from ..cases import op
from ..libs import INTS
from ..spec import S, idx, lit, t

LINE = lit([0, 1, 1, 2, 3, 3, 3, 5])
ROWS_OF_TWO = lit([[0, 1, 2], [1, 1, 3]])
NAN = lit([[0.0, -0.0, float("nan"), float("inf")], [-float("inf"), 1.5, 3.0, float("nan")]], "float32")
TURNED = lit([5, 3, 3, 3, 2, 1, 1, 0])
SIDES = ({}, {"right": True}, {"side": "left"}, {"side": "right"}, {"side": "right", "right": True})

SEARCHES = (
    op(
        "searchsorted",
        [
            *(S(LINE, t(3, 4), **side) for side in SIDES),
            *(S(lit(list(range(n))), t(9, low=-2, high=n + 1)) for n in (0, 1, 2, 3, 16, 17, 64)),
            S(LINE, t()),
            S(LINE, t(0)),
            S(LINE, t(2, 0)),
            S(LINE, 2),
            S(LINE, 2.5, right=True),
            S(LINE, True),
            S(LINE, t(3), out_int32=True),
            S(LINE, t(3, dtype="float64"), right=True),
            S(LINE, t(3, dtype="int32")),
            S(lit([0, 1, 2], "int64"), t(3)),
            S(lit([0, 1, 2], "float32"), NAN),
            S(lit([0.0, 1.0, float("nan")], "float32"), NAN, right=True),
            S(ROWS_OF_TWO, t(2, 5)),
            S(ROWS_OF_TWO, t(2, 5), right=True),
            S(ROWS_OF_TWO, t(2, 0)),
            S(TURNED, t(4), sorter=lit([7, 6, 5, 4, 3, 2, 1, 0], "int64")),
            S(ROWS_OF_TWO, t(3, 5)),
            S(ROWS_OF_TWO, t(5)),
            S(ROWS_OF_TWO, 1),
            S(ROWS_OF_TWO, t()),
            S(t(), t(3)),
        ],
        exact=True,
        forms=("function",),
    ),
    op(
        "bucketize",
        [
            S(t(3, 4), LINE),
            S(t(3, 4), LINE, right=True),
            S(t(3, 4), LINE, out_int32=True),
            S(t(), LINE),
            S(t(0), LINE),
            S(2, LINE),
            S(1.5, LINE, right=True),
            S(t(4, dtype="float64"), LINE),
            S(t(4), lit([], "float32")),
            S(t(4), ROWS_OF_TWO),
            S(t(4), t()),
        ],
        exact=True,
        forms=("function",),
    ),
)

COUNTS = (
    op(
        "bincount",
        [
            S(idx(20, below=7, dtype=None)),
            S(idx(20, below=7, dtype=None), minlength=9),
            S(idx(20, below=7, dtype=None), minlength=3),
            S(idx(1, below=3, dtype=None)),
            S(t(0, plain=True)),
            S(t(0, plain=True), minlength=4),
            *(
                S(idx(20, below=5, dtype=None), t(20, dtype=name, grad=False))
                for name in ("float32", "float64", "float16")
            ),
            *(S(idx(20, below=5, dtype=None), t(20, dtype=name)) for name in ("int64", "bool")),
            S(idx(20, below=5, dtype=None), t(20, dtype="float32"), 11),
            S(idx(20, below=5, dtype=None), t(19, dtype="float32")),
            S(idx(4, 5, below=5, dtype=None)),
        ],
        dtypes=(*INTS, "bool", "float32"),
    ),
)

ROWS = (*SEARCHES, *COUNTS)
