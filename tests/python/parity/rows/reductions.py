"""Reductions and norms."""

from ..cases import op
from ..libs import FLOATS
from ..spec import D, S, t

INF = float("inf")


def dims(multiple=True, keep=True, low=-3.0, high=3.0, every=True, **kwargs):
    """The shapes and axes of a reduction. `every`: it also reduces to one value when no axis is named."""

    def x(*shape):
        return t(*shape, low=low, high=high)

    samples = [
        S(x(3, 4), 0),
        S(x(3, 4), -1),
        S(x(2, 3, 4), 1),
        S(x(), 0),
        S(x(4, 37), 1),
        S(x(37, 4), 0),
        S(x(0, 3), 0),
    ]
    samples += [S(x(3, 4), 2), S(x(3, 4), -3)]
    if every:
        samples += [S(x()), S(x(5)), S(x(3, 4)), S(x(2, 3, 4)), S(x(0)), S(x(2, 0, 3)), S(x(300)), S(x(0, 3), 1)]
    if multiple:
        samples += [S(x(2, 3, 4), (0, 2)), S(x(2, 3, 4), (-1, 0)), S(x(2, 3, 4), ()), S(x(3, 4), (0, 0))]
    if keep:
        samples += [S(x(3, 4), 0, keepdim=True), S(x(2, 3, 4), -1, True)]
        samples += [S(x(2, 3, 4), (0, 1), keepdim=True)] if multiple else []
    return tuple(S(*call.args, **dict(call.kwargs), **kwargs) for call in samples)


SPECIAL = (S(t(45)), S(t(45, 7), 0), S(t(7, 45), 1))
# A sum that asks for integers has no gradient, which torch reports as an unsupported dtype.
DTYPE = [
    S(t(3, 4, low=0, grad=name in FLOATS), *axis, dtype=D(name))
    for name in ("float64", "float32", "int32", "int64", "bool", "bfloat16", "float16")
    for axis in ((), (1,))
]
TIES = (S(t(3, 7, ties=True), 1), S(t(7, ties=True)), S(t(4, 5, ties=True), 0))

SUMS = (
    op("sum", [*dims(), *DTYPE], grad=True, gradgrad=True, special=SPECIAL, terms=1),
    op("mean", [*dims(), *DTYPE], grad=True, gradgrad=True, special=SPECIAL),
    op("prod", [*dims(multiple=False), *DTYPE], grad=True, gradgrad=True, special=SPECIAL, tol=4),
    op("nansum", [*dims(), *DTYPE], grad=True, special=SPECIAL, extremes=False),
    op("nanmean", [*dims(), *DTYPE], grad=True, special=SPECIAL, extremes=False, tol=4),
    op("logsumexp", dims(every=False), grad=True, gradgrad=True, tol=4, slopes=1, special=SPECIAL[1:]),
)

EXTREMES = (
    *(
        op(name, [*dims(), *TIES], exact=True, grad=True, special=SPECIAL, gradgrad=name == "amax")
        for name in ("amax", "amin")
    ),
    *(
        op(
            name,
            [*dims(multiple=False), *TIES, S(t(3, 4), t(3, 4)), S(t(3, 4), t(4))],
            exact=True,
            grad=True,
            gradgrad=True,
            special=[*SPECIAL, S(t(22, 1), t(1, 22))],
        )
        for name in ("max", "min")
    ),
    *(op(name, [*dims(multiple=False), *TIES], exact=True, special=SPECIAL) for name in ("argmax", "argmin")),
    op("aminmax", [S(t(3, 4)), S(t(3, 4), dim=1), S(t(3, 4), dim=0, keepdim=True), S(t())], exact=True, grad=True),
)

LOGIC = (
    op("any", [*dims(), S(t(0, 3), 0), S(t(3, 4, low=0, high=0))], exact=True, special=SPECIAL),
    op("all", [*dims(), S(t(0, 3), 0), S(t(3, 4, low=0, high=0))], exact=True, special=SPECIAL),
    op(
        "count_nonzero",
        [S(t(3, 4, ties=True)), S(t(3, 4, ties=True), 0), S(t(2, 3, 4), (0, 2)), S(t()), S(t(0))],
        exact=True,
    ),
)

SPREAD_OPTIONS = [
    *(S(t(3, 4), 1, unbiased=flag) for flag in (True, False)),
    S(t(3, 4), unbiased=False),
    S(t(3, 4), dim=0, correction=0),
    S(t(3, 4), dim=1, correction=2, keepdim=True),
    S(t(3, 4), dim=None, correction=1),
    S(t(2, 3, 4), (0, 1), False, True),
    S(t(3, 1), 1),
    S(t(1, 5)),
    S(t(1, 300)),
    # torch divides this gradient by the extent of no axes.
    S(t(2, 3, 4, grad=False), ()),
]
# Of at most one number torch's gradient is a constant, without a second one.
FEW = [S(t()), S(t(), 0), S(t(0)), S(t(2, 0, 3))]
# What is one value when expanded: torch's sum over everything finds rounding errors in it, and divides them.
NOISE = [S(t(5)), S(t(300)), S(t(2, 3, 4), ())]
SPREAD_SAMPLES = [*(call for call in dims(keep=False) if call not in (*FEW, *NOISE)), *SPREAD_OPTIONS]
SPREAD = tuple(
    op(
        name,
        SPREAD_SAMPLES,
        grad=True,
        gradgrad=name in ("var", "std"),
        # A running mean, as torch's, is NaN from the element after an infinity on.
        special=() if "mean" in name else SPECIAL,
        tol=4,
        terms=1,
        slopes=1,
        extremes=False,
    )
    for name in ("var", "std", "var_mean", "std_mean")
)
SPREAD_OF_FEW = tuple(op(name, FEW, grad=True) for name in ("var", "std", "var_mean", "std_mean"))

NORM_SAMPLES = [
    S(t(3, 4)),
    S(t(3, 4), 2, 1),
    *(S(t(3, 4), p, 0) for p in (0, 1, 2, 3, 1.5, -1, INF, -INF)),
    S(t(2, 3, 4), 2, (0, 2)),
    S(t(2, 3, 4), 1, (0, 2), True),
    S(t(3, 4), "fro"),
    S(t(3, 4), p=2, dim=1, dtype=D("float64")),
    S(t(), 2),
    S(t(0), 2),
    S(t(3, 0), 1, 1),
]
NORMS = (
    op("norm", NORM_SAMPLES, grad=True, tol=4, special=[S(t(45)), S(t(7, 45), 1, 1), S(t(7, 45), INF, 1)]),
    op(
        "linalg.vector_norm",
        [call for call in NORM_SAMPLES if "fro" not in call.args and "p" not in dict(call.kwargs)],
        grad=True,
        dtypes=FLOATS,
        tol=4,
    ),
    op(
        "linalg.norm",
        [S(t(3, 4)), S(t(5)), S(t(5), 1), S(t(5), INF), S(t(3, 4), 2, 1), S(t(3, 4), "fro")],
        grad=True,
        tol=4,
    ),
)

ROWS = (*SUMS, *EXTREMES, *LOGIC, *SPREAD, *SPREAD_OF_FEW, *NORMS)
