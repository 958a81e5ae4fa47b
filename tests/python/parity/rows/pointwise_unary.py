"""Element-wise functions of one tensor."""

from ..cases import op
from ..libs import ALL, BOOL, INTS
from ..spec import S, t
from .samples import SPECIAL_UNARY, one, unary


def row(name, low=-3.0, high=3.0, more=(), smooth=True, **options):
    """A unary row on a domain. `smooth` rows have second derivatives worth comparing."""
    options.setdefault("special", SPECIAL_UNARY)
    return op(name, (*unary(low, high), *more), pointwise=True, grad=True, gradgrad=smooth, **options)


def exact(name, grad=True, **options):
    """A unary row whose results are exact, such as rounding and tests."""
    return op(name, unary(), exact=True, pointwise=True, grad=grad, special=SPECIAL_UNARY, **options)


# torch has no derivative for these in-place forms.
NO_INPLACE_GRAD = ("inplace_grad",)

TRANSCENDENTAL = (
    row("sin"),
    row("cos"),
    row("tan", -1.4, 1.4, special=[]),
    row("asin", -0.95, 0.95),
    row("acos", -0.95, 0.95),
    row("atan"),
    row("sinh"),
    row("cosh"),
    row("tanh"),
    row("asinh", without=NO_INPLACE_GRAD),
    row("acosh", 1.1, 5, without=NO_INPLACE_GRAD),
    row("atanh", -0.9, 0.9, without=NO_INPLACE_GRAD),
    row("exp"),
    row("exp2"),
    row("expm1", slopes=1),
    row("log", 0.1, 8),
    row("log2", 0.1, 8),
    row("log10", 0.1, 8),
    row("log1p", -0.9, 8),
    row("sqrt", 0.1, 8),
    row("rsqrt", 0.1, 8),
    row("sigmoid", flushes=True),
    row("erf", flushes=True),
    row("erfc"),
    row("erfinv", -0.9, 0.9, tol=4),
    row("lgamma", 0.3, 8, tol=8),
    row("digamma", 0.3, 8, tol=8, terms=4),
    row("i0", tol=4),
    row("sinc", tol=2),
    row("logit", 0.1, 0.9, more=[one(), S(t(3, 4, low=-0.5, high=1.5), eps=0.25)], special=[S(t(45)), S(t(45), 1e-3)]),
    op(
        "polygamma",
        [S(n, t(*shape, low=0.5, high=6)) for n in (0, 1, 2, 3) for shape in ((3, 4), (), (0,))],
        pointwise=True,
        forms=("function",),
        grad=True,
        gradgrad=True,
        tol=40,
    ),
    op(
        "mvlgamma",
        [S(t(*shape, low=2, high=6), p) for p in (1, 2, 3) for shape in ((3, 4), (), (0,))],
        grad=True,
        tol=8,
    ),
)

ARITHMETIC = (
    row("abs", smooth=False, exact=True),
    row("neg", exact=True),
    row("positive", exact=True),
    row("square"),
    row("reciprocal", 0.3, 5),
    row("deg2rad"),
    row("rad2deg"),
    exact("sign"),
    exact("sgn"),
    exact("ceil"),
    exact("floor"),
    exact("trunc"),
    exact("frac"),
    exact("round"),
    op(
        "round",
        [one(decimals=d) for d in (-1, 0, 1, 2, 3)],
        dtypes=("float32", "float64", "int32", "int64", "bool"),
        pointwise=True,
        grad=True,
    ),
    op(
        "nan_to_num",
        [*unary(), one(nan=1.0), one(posinf=2.0, neginf=-2.0), one(0.5, 1.0, -1.0)],
        exact=True,
        grad=True,
        special=[S(t(45)), S(t(45), nan=1.0, posinf=2.0, neginf=-2.0)],
    ),
)

CLAMP = op(
    "clamp",
    [
        *(S(t(*shape), -1.0, 1.5) for shape in ((), (5,), (3, 4), (0,))),
        one(min=0.5),
        one(max=1),
        one(min=2, max=-1),
        one(),
        S(t(3, 4), t(4), t(3, 1)),
        S(t(3, 4), min=t(3, 4)),
        S(t(3, 4), max=t()),
        S(t(3, 4), 0, None),
    ],
    exact=True,
    grad=True,
    special=[S(t(45), -1.0, 2.0), S(t(45), t(45), t(45)), S(t(45), min=float("nan"))],
)

PREDICATES = tuple(
    exact(name, grad=False, nan_signs=name != "signbit")
    for name in ("signbit", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "logical_not")
)

ROWS = (
    *TRANSCENDENTAL,
    *ARITHMETIC,
    CLAMP,
    *PREDICATES,
    op("bitwise_not", unary(), exact=True, special=SPECIAL_UNARY, special_dtypes=(*BOOL, *INTS)),
    op("frexp", unary(), exact=True, grad=True, special=SPECIAL_UNARY, dtypes=ALL),
    op("__neg__", unary(), path="neg", method="__neg__", forms=("method",), exact=True, grad=True),
    op("__abs__", unary(), path="abs", method="__abs__", forms=("method",), exact=True),
    op("__invert__", unary(), path="bitwise_not", method="__invert__", forms=("method",), exact=True),
)
# Aliases are the same function under another name, so one sample set on two dtypes is enough.
ALIASES = {
    "absolute": "abs",
    "negative": "neg",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctanh": "atanh",
    "fix": "trunc",
    "clip": "clamp",
}
ROWS += tuple(
    op(alias, [S(t(3, 4, low=1.1, high=2), *((-1, 1) if of == "clamp" else ()))], dtypes=("float32", "int64"))
    for alias, of in ALIASES.items()
)
