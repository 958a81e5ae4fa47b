"""Sample calls that many rows share. Each set has a 0-d, an empty and a broadcast or higher-dimensional member."""

from ..spec import S, t


def unary(low=-3.0, high=3.0, **kwargs):
    shapes = ((), (5,), (3, 4), (2, 3, 4), (0,), (2, 0, 3), (37,))
    return tuple(S(t(*shape, low=low, high=high), **kwargs) for shape in shapes)


def binary(low=-3.0, high=3.0, second=None, **kwargs):
    low2, high2 = second or (low, high)
    shapes = (
        ((), ()),
        ((5,), ()),
        ((), (3, 4)),
        ((3, 4), (3, 4)),
        ((3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((2, 3, 4), (3, 1)),
        ((0,), (1,)),
        ((2, 0, 3), (3,)),
        ((37,), (37,)),
    )
    return tuple(S(t(*a, low=low, high=high), t(*b, low=low2, high=high2), **kwargs) for a, b in shapes)


def one(*args, **kwargs):
    """A single sample on a matrix, for keyword variants of a unary operation."""
    return S(t(3, 4), *args, **kwargs)


SPECIAL_UNARY = (S(t(45)),)
SPECIAL_BINARY = (S(t(22, 1), t(1, 22)), S(t(64), t(64)))
