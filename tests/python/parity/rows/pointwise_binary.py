"""Element-wise functions of two and three tensors, with promotion, Python scalars and operators."""

from ..cases import op
from ..libs import ALL, BOOL, FLOATS, INTS
from ..spec import S, idx, lit, t
from .samples import SPECIAL_BINARY, binary

NONZERO = {"second": (1.0, 4.0)}
# Signed minimum divided by -1 traps in torch itself, so integer extremes stay out of divisions.
NO_INTEGER_EXTREMES = {"special_dtypes": (*BOOL, *FLOATS)}


def row(name, samples=None, more=(), **options):
    """A binary row with everything that arithmetic operations share."""
    options.setdefault("special", SPECIAL_BINARY)
    options.setdefault("grad", True)
    options.setdefault("gradgrad", True)
    options.setdefault("promote", True)
    options.setdefault("scalars", True)
    return op(name, (*(samples or binary()), *more), pointwise=True, **options)


def exact(name, **options):
    options.setdefault("gradgrad", False)
    return row(name, exact=True, **options)


def compare(name, operator):
    return exact(name, operator=operator, grad=False)


ALPHA = [S(t(3, 4), t(4), alpha=2), S(t(3, 4), t(3, 1), alpha=-0.5), S(t(3, 4), 2, alpha=3), S(t(3), t(3), alpha=True)]
ROUNDING = [S(t(3, 4), t(4, low=1, high=4), rounding_mode=mode) for mode in (None, "floor", "trunc")]

ARITHMETIC = (
    row("add", more=ALPHA, operator="__add__"),
    row("sub", more=ALPHA, operator="__sub__"),
    row("rsub", more=ALPHA, forms=("function",)),
    row("mul", operator="__mul__"),
    row("div", binary(**NONZERO), more=ROUNDING, operator="__truediv__", **NO_INTEGER_EXTREMES),
    row("true_divide", binary(**NONZERO)),
    row("floor_divide", binary(**NONZERO), operator="__floordiv__", grad=False, gradgrad=False, **NO_INTEGER_EXTREMES),
    row("fmod", binary(**NONZERO), gradgrad=False, **NO_INTEGER_EXTREMES),
    row("remainder", binary(**NONZERO), operator="__mod__", gradgrad=False, **NO_INTEGER_EXTREMES),
    row(
        "pow",
        binary(0.3, 3, second=(0, 3)),
        more=[
            *(S(t(3, 4), e) for e in (0, 1, 2, 3, 0.0, 2.0)),
            *(S(t(3, 4, low=0.3), e) for e in (-1, -2, 0.5, -0.5, 2.5)),
            S(2, t(3, 4, low=0, high=3)),
            S(0.5, t(3, 4, low=0, high=3)),
        ],
        operator="__pow__",
        forms=("function", "inplace", "operator", "ioperator"),
        tol=4,
    ),
    row("float_power", binary(0.3, 3), tol=4, forms=("function",)),
    row("atan2", binary(0.3, 3), scalars=False),
    row("hypot", binary(0.3, 3), scalars=False, tol=2),
    row("copysign", gradgrad=False, nan_signs=False),
    row(
        "ldexp",
        [S(t(3, 4), idx(4, below=5)), S(t(), idx(below=3)), S(t(0), idx(1, below=3))],
        promote=False,
        scalars=False,
        extremes=False,
        flushes=True,
    ),
    row("logaddexp", scalars=False, tol=4),
    row("logaddexp2", scalars=False, tol=4, terms=1, slopes=1),
    row("xlogy", binary(0.3, 3)),
    row("igamma", binary(0.5, 4), grad=False, gradgrad=False, scalars=False, special=[], tol=40),
    row("igammac", binary(0.5, 4), grad=False, gradgrad=False, scalars=False, special=[], tol=40),
)

EXTREMES = (
    exact("maximum", scalars=False),
    exact("minimum", scalars=False),
    exact("fmax", scalars=False),
    exact("fmin", scalars=False),
    exact("clamp_min", promote=True),
    exact("clamp_max", promote=True),
    exact("heaviside", grad=False, scalars=False),
    exact("nextafter", grad=False, scalars=False),
)

COMPARISONS = (
    compare("eq", "__eq__"),
    compare("ne", "__ne__"),
    compare("lt", "__lt__"),
    compare("le", "__le__"),
    compare("gt", "__gt__"),
    compare("ge", "__ge__"),
    op(
        "isclose",
        [*binary(), S(t(3, 4), t(3, 4), rtol=0.5), S(t(3, 4), t(4), atol=1.0), S(t(3, 4), t(4), equal_nan=True)],
        exact=True,
        special=[S(t(22, 1), t(1, 22)), S(t(22, 1), t(1, 22), equal_nan=True)],
        special_dtypes=(*BOOL, *FLOATS),
    ),
    op("allclose", [*binary(), S(t(3, 4), t(4), rtol=9.0), S(t(3, 4), t(3, 4), atol=9.0), S(t(0), t(0))]),
    op("equal", [*binary(), S(t(3, ties=True), t(3, ties=True)), S(t(0), t(0)), S(t(0), t(0, 3)), S(t(2), 1)]),
)

LOGIC = (
    *(exact(f"logical_{name}", grad=False, scalars=False) for name in ("and", "or", "xor")),
    *(
        exact(f"bitwise_{name}", grad=False, operator=f"__{name}__", special_dtypes=(*BOOL, *INTS))
        for name in ("and", "or", "xor")
    ),
    *(
        exact(
            f"bitwise_{name}_shift",
            samples=binary(-3, 3, second=(0, 3)),
            grad=False,
            operator=f"__{symbol}__",
            special=[],
        )
        for name, symbol in (("left", "lshift"), ("right", "rshift"))
    ),
    exact("gcd", grad=False, scalars=False, special=[]),
    exact("lcm", grad=False, scalars=False, special=[]),
)

TERNARY = (
    op(
        "where",
        [
            S(lit([[True, False, True, False]] * 3, "bool"), t(3, 4), t(3, 4)),
            S(lit([True, False, True, True], "bool"), t(3, 1), t(4)),
            S(lit(True, "bool"), t(3), t(1)),
            S(lit([[True], [False], [True]], "bool"), t(4), 2),
            S(lit([True, False], "bool"), 1.5, t(2)),
            S(lit([True, False], "bool"), 1.5, 2),
            S(lit([], "bool"), t(0), t(1)),
            *(S(lit([True, False], "bool"), t(2), t(2, dtype=name)) for name in ALL),
            *(S(lit([True, False], "bool"), t(2), t(dtype=name)) for name in ALL),
            *(S(lit([True, False], "bool"), t(2), number) for number in (True, 2, 1.5)),
        ],
        exact=True,
        grad=True,
        gradgrad=True,
        forms=("function",),
        special=[S(lit([True, False], "bool"), t(40, 1), t(40, 2))],
    ),
    op(
        "lerp",
        [
            S(t(3, 4), t(4), 0.25),
            S(t(3, 4), t(3, 4), 0.75),
            S(t(3, 4), t(3, 1), t(4)),
            S(t(), t(), 0.5),
            S(t(0), t(1), 0.5),
        ],
        pointwise=True,
        grad=True,
        gradgrad=True,
        tol=8,
        special=[S(t(22, 1), t(1, 22), 0.25)],
    ),
    *(
        op(
            name,
            [
                S(t(3, 4), t(3, 4, low=1), t(3, 4, low=1)),
                S(t(3, 4), t(4, low=1), t(3, 1, low=1), value=2),
                S(t(3, 4), t(4, low=1), t(low=1), value=-0.5),
                S(t(), t(low=1), t(low=1)),
                S(t(0), t(1, low=1), t(1, low=1)),
            ],
            grad=True,
            gradgrad=True,
            special=[S(t(64), t(64), t(64))],
            special_dtypes=FLOATS if name == "addcdiv" else ALL,
        )
        for name in ("addcmul", "addcdiv")
    ),
    op(
        "masked_fill",
        [
            S(t(3, 4), lit([[True, False, True, False]] * 3, "bool"), 2),
            S(t(3, 4), lit([True, False, True, True], "bool"), -1.5),
            S(t(3, 4), lit([[True], [False], [True]], "bool"), t(low=1)),
            S(t(), lit(True, "bool"), 1),
            S(t(4), lit([[True], [False]], "bool"), 0),
            S(t(0), lit([], "bool"), 1),
            S(t(3), lit([1, 0, 1], "int64"), 1),
        ],
        exact=True,
        grad=True,
        gradgrad=True,
        special=[S(t(40, 2), lit([True, False], "bool"), 3)],
    ),
)

ALIASES = tuple(
    op(alias, [S(t(3, 4, low=1), t(4, low=1))], dtypes=("float32", "int64"))
    for alias in (
        "subtract",
        "multiply",
        "divide",
        "arctan2",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "not_equal",
    )
)

REFLECTED = tuple(
    op(f"__r{name}__", [S(t(3, 4, low=1), 2), S(t(), 3), S(t(0), 1.5)], method=f"__r{name}__", forms=("method",))
    for name in ("add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
)

ROWS = (*ARITHMETIC, *EXTREMES, *COMPARISONS, *LOGIC, *TERNARY, *ALIASES, *REFLECTED)
