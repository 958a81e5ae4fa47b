"""Casts, copies and the tensor constructors that take another tensor."""

from ..cases import op
from ..libs import ALL, FLOATS
from ..spec import D, S, t
from .samples import SPECIAL_UNARY, unary

SHORT = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "int": "int32",
    "long": "int64",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
}


def cast(name, target):
    """A cast is exact; NaN, infinities and out-of-range values to integers are undefined in torch."""
    options = {"special": SPECIAL_UNARY} if target in (*FLOATS, "bool") else {}
    return op(name, unary(0, 3), exact=True, forms=("method",), method=name, grad=target in FLOATS, **options)


SHAPES = (t(3, 4), t(), t(0), t(2, 0, 3), t(2, 3, 4))
LIKE = [S(shape) for shape in SHAPES] + [S(t(3, 4), dtype=D(name)) for name in ("bool", "int32", "float64", "bfloat16")]

ROWS = (
    *(cast(name, target) for name, target in SHORT.items()),
    op(
        "to",
        [
            *(S(t(3, 4, low=0), D(name)) for name in ALL),
            S(t(3, 4), "cpu"),
            S(t(3, 4), "cpu", D("float32")),
            S(t(), dtype=D("float64")),
            S(t(3), dtype=D("float32"), copy=True),
            S(t(3, 4, low=0), t(2, dtype="int32")),
            S(t(3, 4), D("float64"), non_blocking=True),
        ],
        exact=True,
        grad=True,
        gradgrad=True,
        forms=("method",),
        views=True,
    ),
    op(
        "to",
        [S(t(3, 4, low=0), D(name)) for name in FLOATS],
        exact=True,
        forms=("method",),
        special=[S(t(45), D("float32"))],
    ),
    op("type_as", [S(t(3, 4, low=0), t(1, dtype=name)) for name in ALL], exact=True, grad=True),
    op("clone", unary(), exact=True, grad=True, gradgrad=True, views=True, special=SPECIAL_UNARY),
    op("contiguous", unary(), exact=True, grad=True, forms=("method",), views=True),
    op("detach", unary(), exact=True, views=True),
    op("zeros_like", LIKE, exact=True),
    op("ones_like", LIKE, exact=True),
    op("full_like", [S(*call.args, 2, **dict(call.kwargs)) for call in LIKE], exact=True),
    op("new_zeros", [S(t(3), (2, 3)), S(t(3), 2, 3), S(t(), ()), S(t(2), (0, 3), dtype=D("int16"))], exact=True),
    op("new_ones", [S(t(3), (2, 3)), S(t(3), 2, 3), S(t(), ()), S(t(2), (0, 3), dtype=D("int16"))], exact=True),
    op("new_full", [S(t(3), (2, 3), 2), S(t(), (), 1.0), S(t(2), (0, 3), True, dtype=D("float16"))], exact=True),
    op(
        "new_tensor",
        [S(t(3), [1, 2]), S(t(3), [[1.5]]), S(t(3), True, dtype=D("float64"))],
        exact=True,
        forms=("method",),
    ),
    op("zero", unary(), method="zero", forms=("inplace",), exact=True, grad=True),
    op("fill", [S(t(3, 4), 2), S(t(), 1.5), S(t(0), 1), S(t(2, 3), t())], exact=True, forms=("inplace",), grad=True),
    op(
        "copy",
        [
            S(t(3, 4), t(3, 4)),
            S(t(3, 4), t(4)),
            S(t(3, 4, low=0), t(3, 1, dtype="float64", low=0)),
            S(t(), t()),
            S(t(0), t(1)),
        ],
        exact=True,
        forms=("inplace",),
        grad=True,
        special=[],
    ),
    op("item", [S(t()), S(t(1)), S(t(1, 1, 1)), S(t(2)), S(t(0))], exact=True, forms=("method",)),
    op("tolist", [S(t()), S(t(3)), S(t(2, 3)), S(t(0)), S(t(2, 0))], exact=True, forms=("method",)),
    op("numel", unary(), forms=("function", "method")),
    op("dim", unary(), forms=("method",)),
    op("size", [S(t(3, 4)), S(t(3, 4), 0), S(t(3, 4), -1), S(t(3, 4), 2), S(t())], forms=("method",)),
    op("stride", [S(t(3, 4)), S(t(3, 4), 0), S(t(3, 4), -1), S(t(3, 4), 2), S(t())], forms=("method",)),
    op("is_contiguous", unary(), forms=("method",)),
    op("storage_offset", unary(), forms=("method",)),
    op("element_size", unary(), forms=("method",)),
    op("is_floating_point", unary(), forms=("function", "method")),
    op("__len__", unary(), method="__len__", forms=("method",)),
    op("__bool__", [S(t()), S(t(1)), S(t(2)), S(t(0))], method="__bool__", forms=("method",)),
    op("__int__", [S(t()), S(t(1)), S(t(2))], method="__int__", forms=("method",)),
    op("__float__", [S(t()), S(t(1)), S(t(2))], method="__float__", forms=("method",)),
    op("__index__", [S(t()), S(t(1)), S(t(2))], method="__index__", forms=("method",)),
    op("__contains__", [S(t(3), 1), S(t(3, ties=True), 1), S(t(0), 1)], method="__contains__", forms=("method",)),
    op(
        "__repr__", [*unary(), S(t(2, 2, 2)), S(t(40, 40))], method="__repr__", forms=("method",), special=SPECIAL_UNARY
    ),
    op(
        "result_type",
        [S(t(2), t(2, dtype=n)) for n in ALL] + [S(t(2), 1), S(t(2), 1.5), S(1, 2.5)],
        forms=("function",),
    ),
    op("promote_types", [S(D(a), D(b)) for a in ALL for b in ALL], dtypes=("float32",)),
    op("can_cast", [S(D(a), D(b)) for a in ALL for b in ALL], dtypes=("float32",)),
)
