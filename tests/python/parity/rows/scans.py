"""Running combinations, differences and areas along an axis."""

from ..cases import op
from ..libs import FLOATS
from ..spec import D, S, lit, t


def runs(low=-3.0, high=3.0, empty=True, **kwargs):
    """The shapes and axes of a running combination."""

    def x(*shape):
        return t(*shape, low=low, high=high)

    calls = [
        S(x(3, 4), 0),
        S(x(3, 4), -1),
        S(x(2, 3, 4), 1),
        S(x(5, 2, 3, 4), 2),
        S(x(), 0),
        S(x(), -1),
        S(x(1), 0),
        S(x(4, 37), 1),
        S(x(37, 20), 0),
        S(x(3, 20, 37), 1),
        S(x(70), 0),
        S(x(3, 4), 2),
        S(x(3, 4), -3),
        S(x(), 1),
    ]
    calls += [S(x(0, 3), 0), S(x(0, 3), 1), S(x(0), 0)] if empty else []
    return [S(*call.args, **dict(call.kwargs), **kwargs) for call in calls]


SPECIAL = (S(t(45), 0), S(t(45, 7), 0), S(t(7, 45), 1))
TIES = (S(t(3, 7, ties=True), 1), S(t(7, 5, ties=True), 0), S(t(40, ties=True), 0))
# A sum that asks for integers has no gradient, which torch reports as an unsupported dtype.
DTYPE = [
    S(t(3, 4, low=0, grad=name in FLOATS), axis, dtype=D(name))
    for name in ("float64", "float32", "int32", "int64", "bool", "uint8", "bfloat16", "float16")
    for axis in (0, 1)
]
ZEROS = [
    S(lit([[1.5, 0.0, 2.0, -1.0], [0.0, 0.0, 3.0, 1.0], [2.0, 1.0, 0.5, 0.0]]), 1),
    S(t(4, 5, ties=True), 0),
    S(t(9, ties=True), 0),
]

RUNNING = (
    op("cumsum", [*runs(), *DTYPE], grad=True, gradgrad=True, special=SPECIAL, terms=1),
    op("cumprod", [*runs(low=-2.0, high=2.0), *DTYPE, *ZEROS], grad=True, gradgrad=True, special=SPECIAL, tol=4),
    op("logcumsumexp", runs(), grad=True, gradgrad=True, special=SPECIAL, tol=4, slopes=4),
    *(
        op(name, [*runs(empty=False), *TIES], exact=True, grad=True, gradgrad=True, special=SPECIAL)
        for name in ("cummax", "cummin")
    ),
    # torch takes the empty operand itself for its gradient, and so has a second one by it.
    *(op(name, [S(t(0, 3), 0), S(t(0, 3), 1), S(t(0), 0)], grad=True) for name in ("cummax", "cummin")),
)

DIFFERENCES = (
    op(
        "diff",
        [
            S(t(5)),
            S(t(3, 4)),
            S(t(3, 4), 1, 0),
            S(t(3, 4), 2),
            S(t(3, 4), n=3, dim=0),
            S(t(3, 4), 7),
            S(t(3, 4), 0),
            S(t(0)),
            S(t(1)),
            S(t(2, 0, 3), dim=0),
            S(t(2, 3), prepend=t(2, 2)),
            S(t(2, 3), append=t(2, 1)),
            S(t(2, 3), 2, 0, t(1, 3), t(2, 3)),
            S(t(2, 3), 0, -1, t(2, 1)),
            S(t(2, 3), append=t(2, 1, dtype="float64")),
            S(t(2, 3), prepend=t(3, 1)),
            S(t(2, 3), prepend=t(2)),
            S(t(2, 3), append=t(2, 3, 1)),
            S(t()),
            S(t(3), -1),
            S(t(3), dim=1),
        ],
        grad=True,
        gradgrad=True,
        slopes=1,
    ),
)

AREAS = [
    S(t(5)),
    S(t(3, 4)),
    S(t(3, 4), dim=0),
    S(t(3, 4), dx=2),
    S(t(2, 3, 4), dx=0.5, dim=1),
    S(t(3, 4), t(4)),
    S(t(3, 4), t(3), dim=0),
    S(t(3, 4), t(3, 4)),
    S(t(2, 3, 4), t(3, 4)),
    S(t(3, 4), t(1, 4), dim=1),
    S(t(3, 4), t(4, dtype="int64")),
    S(t(3, 4), t(4, dtype="float64")),
    S(t(1)),
    S(t(3, 1), dim=1),
    S(t(2, 0)),
    S(t(0, 3), dim=0),
    S(t()),
    S(t(3, 4), t(3)),
    S(t(3, 4), t(1)),
    S(t(3, 4), dim=2),
]
TRAPEZOIDS = tuple(
    op(name, AREAS, grad=True, gradgrad=True, terms=4, slopes=4)
    for name in ("trapezoid", "trapz", "cumulative_trapezoid")
)

ROWS = (*RUNNING, *DIFFERENCES, *TRAPEZOIDS)
