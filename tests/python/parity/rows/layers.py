"""What layers are made of: normalisation of channels, recurrent steps, attention."""

from dataclasses import replace

from ..cases import op
from ..libs import FLOATS
from ..spec import S, lit, t

F = "nn.functional."
A, B, IMAGE = t(4, 3), t(4, 3, 5), t(2, 4, 3, 5)


def mean(channels):
    # torch writes to running statistics whose elements share memory; here that is refused as any such write.
    return t(channels, grad=False, plain=True)


def var(channels):
    return t(channels, low=0.5, grad=False, plain=True)


def par(channels):
    # torch's gradient reads a weight as if it lay in one piece.
    return t(channels, plain=True)


# Second derivatives are compared with differences elsewhere: torch's fail or are None where a parameter is missing.
NORMS = (
    op(
        F + "batch_norm",
        [
            *(S(x, mean(3), var(3), par(3), par(3)) for x in (A, B)),
            S(IMAGE, mean(4), var(4), par(4), par(4), False, 0.1, 1e-3),
            S(B, mean(3), var(3)),
            S(B, mean(3), var(3), weight=par(3)),
            S(B, mean(3), var(3), bias=par(3), training=True),
            *(S(x, mean(3), var(3), par(3), par(3), True) for x in (A, B)),
            S(IMAGE, None, None, par(4), par(4), True),
            S(IMAGE, None, None, training=True, eps=0.1),
            S(IMAGE, mean(4), var(4), par(4), par(4), True, 0.0),
            S(t(0, 3, 2), mean(3), var(3), par(3), par(3)),
            S(B, mean(4), var(3)),
            S(B, mean(3), None, training=True),
            S(B, None, None),
            S(B, mean(3), var(3), par(4)),
            S(t(1, 3), mean(3), var(3), training=True),
            S(B, mean(3), var(3), training=True, eps=0.0),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=32,
        slopes=8,
    ),
    op(
        F + "instance_norm",
        [
            *(S(B), S(IMAGE), S(B, weight=par(3), bias=par(3)), S(IMAGE, None, None, par(4), None, True, 0.1, 0.1)),
            *(S(B, mean(3), var(3)), S(B, mean(3), var(3), par(3), par(3), False), S(B, use_input_stats=False)),
            *(S(t(4, 3, 1)), S(B, mean(4), var(4)), S(B, weight=par(4)), S(B, mean(3))),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=32,
        slopes=8,
    ),
    op(
        F + "group_norm",
        [
            *(S(IMAGE, 2), S(IMAGE, 2, par(4), par(4)), S(IMAGE, 4, weight=par(4)), S(IMAGE, 1, bias=par(4), eps=0.1)),
            *(S(t(3, 6), 2), S(t(5, 6, 37), 3, par(6), par(6)), S(t(0, 4, 2), 2, par(4), par(4))),
            *(S(IMAGE, 3), S(IMAGE, 2, par(3)), S(IMAGE, 2, par(4), par(3)), S(t(4), 1), S(t(1, 4), 4)),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=32,
        slopes=32,
    ),
    op(
        F + "local_response_norm",
        [
            *(S(B, 1), S(B, 2), S(B, 3, 0.5), S(B, 9, 1.0), S(t(0, 3, 2), 2)),
            *(S(A, 2), S(B, 0), S(t(5), 2)),
        ],
        grad=True,
        gradgrad=True,
        tol=8,
    ),
    # torch takes more axes as they lie in one piece alone, and not in half precision.
    op(
        F + "local_response_norm",
        [
            S(t(2, 4, 3, 5, plain=True), 3, alpha=0.1, beta=0.5, k=2.0),
            S(t(2, 5, 2, 2, 2, plain=True), 2, 0.3),
            S(t(2, 4, 3, 5, plain=True), 0),
        ],
        dtypes=("float32", "float64", "int64", "int32"),
        grad=True,
        gradgrad=True,
        tol=8,
    ),
)

X, H = t(3, 5), t(3, 4)


def weights(gates, inputs=5, hidden=4, low=-1.0, high=1.0):
    rows = gates * hidden
    return [t(rows, inputs, low=low, high=high), t(rows, hidden, low=low, high=high), t(rows), t(rows)]


def cell(name, gates, state):
    full = weights(gates)
    return op(
        name,
        [
            *(S(X, state(H), *full), S(X, state(H), *full[:2]), S(X, state(H), *full[:3])),
            *(S(t(1, 5), state(t(1, 4)), *full), S(X, state(H), full[0], full[1], b_hh=full[3])),
            *(S(t(3, 4), state(H), *full), S(X, state(t(2, 4)), *full), S(X, state(t(3, 5)), *full)),
            S(X, state(H), t(gates * 4 - 1, 5), full[1]),
        ],
        dtypes=FLOATS,
        grad=True,
        gradgrad=True,
        tol=16,
    )


def network(name, gates, state):
    """Two layers of both directions, and simpler ones."""
    one = weights(gates)
    both = [*weights(gates), *weights(gates), *weights(gates, inputs=8), *weights(gates, inputs=8)]
    x = t(6, 3, 5)
    plain = (True, 1, 0.0, False, False, False)
    return op(
        name,
        [
            S(x, state(t(1, 3, 4)), one, *plain),
            S(x, state(t(1, 3, 4)), one[:2], False, 1, 0.0, False, False, False),
            S(x, state(t(4, 3, 4)), both, True, 2, 0.0, False, True, False),
            S(t(3, 6, 5), state(t(4, 3, 4)), both, True, 2, 0.0, True, True, True),
            S(t(1, 3, 5), state(t(1, 3, 4)), one, *plain),
            S(t(0, 3, 5), state(t(1, 3, 4)), one, *plain),
        ],
        dtypes=("float32", "float64"),
        grad=True,
        tol=64,
    )


def pair(state):
    return (state, state)


PROJECTED = [*weights(4, hidden=6)[:1], t(24, 4, low=-1.0, high=1.0), t(24), t(24), t(4, 6, low=-1.0, high=1.0)]
RECURRENT = (
    cell("rnn_tanh_cell", 1, lambda h: h),
    cell("rnn_relu_cell", 1, lambda h: h),
    cell("gru_cell", 3, lambda h: h),
    cell("lstm_cell", 4, pair),
    network("rnn_tanh", 1, lambda h: h),
    network("rnn_relu", 1, lambda h: h),
    network("gru", 3, lambda h: h),
    network("lstm", 4, pair),
    op(
        "lstm",
        [S(t(6, 3, 5), (t(1, 3, 4), t(1, 3, 6)), PROJECTED, True, 1, 0.0, False, False, False)],
        dtypes=("float32", "float64"),
        grad=True,
        tol=64,
    ),
)

Q, K, V = t(2, 3, 4, 8), t(2, 3, 5, 8), t(2, 3, 5, 6)
SEEN = replace(lit([[True, False, True, True, False], [False] * 5, [True] * 5, [False, False, False, False, True]]))
ATTENTION = (
    op(
        F + "scaled_dot_product_attention",
        [
            *(S(Q, K, V), S(t(3, 4, 8), t(3, 5, 8), t(3, 5, 8)), S(t(4, 8), t(5, 8), t(5, 6))),
            *(S(Q, K, V, SEEN), S(Q, K, V, t(4, 5)), S(Q, K, V, t(2, 3, 4, 5)), S(Q, K, V, t(1, 1, 1, 5))),
            *(S(Q, K, V, is_causal=True), S(Q, K, V, scale=0.5), S(Q, t(1, 3, 5, 8), t(1, 3, 5, 6))),
            *(S(t(2, 6, 4, 8), K, V, enable_gqa=True), S(Q, K, V, dropout_p=1.0)),
            *(S(t(2, 3, 70, 16), t(2, 3, 65, 16), t(2, 3, 65, 16), is_causal=True), S(t(2, 3, 0, 8), K, V)),
            *(S(Q, t(2, 3, 0, 8), t(2, 3, 0, 6)), S(Q, K, V, SEEN, is_causal=True), S(Q, K, V, t(4, 6))),
            *(S(Q, K, V, lit([1, 2, 3, 4, 5], "int64")), S(Q, K, t(2, 3, 4, 6)), S(Q, t(2, 3, 5, 7), V)),
            *(S(Q, K, V, dropout_p=1.5), S(t(8), K, V), S(t(2, 5, 4, 8), K, V, enable_gqa=True)),
        ],
        dtypes=FLOATS,
        grad=True,
        tol=16,
        slopes=1,
    ),
)

ROWS = (*NORMS, *RECURRENT, *ATTENTION)
