"""Operations on lists of tensors."""

from ..cases import op
from ..spec import S, t

A, B = t(3, 4), t(2, 3, 4)
SCALAR, EMPTY, ROW = t(), t(0), t(6)
PAIRS = (("int32", None), (None, "float64"), ("bool", None))
MIXED = [S([t(2, dtype=a), t(3, dtype=b)]) for a, b in PAIRS]


def row(name, samples, **options):
    return op(name, samples, exact=True, grad=True, gradgrad=True, forms=("function",), **options)


CAT = (
    S([A, A]),
    S([A, t(1, 4), t(2, 4)], 0),
    S([A, t(3, 1)], dim=1),
    S([B, B], -1),
    S((ROW, EMPTY)),
    S([EMPTY, A]),
    S([ROW]),
    S([]),
    S([SCALAR, SCALAR]),
    S([A, t(3, 3)]),
    S([A, ROW]),
    S([A, A], 2),
    S([t(0, 4), A]),
    *MIXED,
)

ROWS = (
    row("cat", CAT, special=[S([t(23), t(22)])]),
    row("concat", CAT[:3]),
    row("concatenate", CAT[:3]),
    row(
        "stack",
        [
            S([A, A]),
            S([A, A], 1),
            S([A, A, A], dim=-1),
            S([SCALAR, SCALAR]),
            S([EMPTY]),
            S([A, ROW]),
            S([]),
            S([A, A], 3),
            *(S([t(3, dtype=a), t(3, dtype=b)]) for a, b in PAIRS),
        ],
    ),
    row("hstack", [S([ROW, t(2)]), S([A, t(3, 1)]), S([SCALAR, SCALAR]), S([A, t(2, 4)]), S([ROW, EMPTY])]),
    row("vstack", [S([ROW, ROW]), S([A, t(1, 4)]), S([SCALAR, SCALAR]), S([A, t(3, 5)])]),
    row("row_stack", [S([ROW, ROW])]),
    row("dstack", [S([ROW, ROW]), S([A, A]), S([B, B]), S([SCALAR, SCALAR]), S([A, ROW])]),
    row("column_stack", [S([ROW, ROW]), S([A, t(3)]), S([SCALAR, SCALAR]), S([A, ROW])]),
)
