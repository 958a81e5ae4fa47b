"""Recurrent networks: states, texts, initial weights, and steps of training."""

import warnings

import pytest
from side_by_side import RT, check
from test_nn_layers import signal

CELLS = {
    "RNNCell": lambda n: n.nn.RNNCell(5, 4),
    "RNNCell_relu": lambda n: n.nn.RNNCell(5, 4, nonlinearity="relu"),
    "GRUCell": lambda n: n.nn.GRUCell(5, 4),
    "GRUCell_no_bias": lambda n: n.nn.GRUCell(5, 4, bias=False),
    "LSTMCell": lambda n: n.nn.LSTMCell(5, 4),
}


@pytest.mark.parametrize("batch", [(3,), ()], ids=["batched", "single"])
@pytest.mark.parametrize("name", CELLS)
def test_cell(name, batch):
    def run(n):
        layer = CELLS[name](n)
        pair = name.startswith("LSTM")
        x = signal(n, *batch, 5).requires_grad_()
        state = layer(x)
        for _ in range(2):
            state = layer(x, state)
        out = state[0] + state[1] if pair else state
        (out * signal(n, *out.shape).cos()).sum().backward()
        return [repr(layer), layer.state_dict(), state, x.grad, [p.grad for p in layer.parameters()]]

    check(run, rtol=1e-4, atol=1e-5)


NETWORKS = {
    "RNN": lambda n: n.nn.RNN(5, 4),
    "RNN_relu": lambda n: n.nn.RNN(5, 4, 2, "relu", True, True),
    "GRU": lambda n: n.nn.GRU(5, 4, num_layers=2, bidirectional=True),
    "GRU_no_bias": lambda n: n.nn.GRU(5, 4, bias=False, batch_first=True),
    "LSTM": lambda n: n.nn.LSTM(5, 4),
    "LSTM_deep": lambda n: n.nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True),
    "LSTM_projected": lambda n: n.nn.LSTM(5, 4, 2, proj_size=3, bidirectional=True),
    "LSTM_dropout": lambda n: n.nn.LSTM(5, 4, 2, dropout=0.5).eval(),
}


def quiet(call):
    """torch says that its CPU library has no projections."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


@pytest.mark.parametrize("shape", [(6, 3, 5), (6, 5)], ids=["batched", "single"])
@pytest.mark.parametrize("name", NETWORKS)
def test_network(name, shape):
    def run(n):
        layer = NETWORKS[name](n)
        optimizer = n.optim.SGD(layer.parameters(), lr=0.1)
        seen = [repr(layer), layer.state_dict(), [len(part) for part in layer.all_weights]]
        state = None
        for _ in range(3):
            x = signal(n, *shape).requires_grad_()
            y, state = quiet(lambda: layer(x, state))  # noqa: B023
            optimizer.zero_grad()
            (y * signal(n, *y.shape).cos()).sum().backward()
            optimizer.step()
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            seen += [y, state, x.grad]
        return [*seen, layer.state_dict()]

    check(run, rtol=1e-3, atol=1e-4)


def test_long_sequences():
    """More steps than one gradient function takes apart."""

    def run(n):
        layer = n.nn.GRU(2, 3)
        x = signal(n, 300, 1, 2).requires_grad_()
        y, _ = layer(x)
        (y * signal(n, *y.shape).cos()).sum().backward()
        return [y, x.grad, [p.grad for p in layer.parameters()]]

    check(run, rtol=1e-3, atol=1e-4)


def test_dropout_between_layers():
    layer = RT.nn.LSTM(5, 4, 2, dropout=0.5)
    x = RT.ones(6, 3, 5)
    assert bool((layer(x)[0] != layer(x)[0]).any())
    layer.eval()
    assert bool((layer(x)[0] == layer(x)[0]).all())


def test_double_backward_through_steps():
    def run(n):
        layer = n.nn.RNN(3, 2).double()
        x = signal(n, 4, 2, 3).double().requires_grad_()
        (g,) = n.autograd.grad((layer(x)[0] ** 2).sum(), x, create_graph=True)
        (g**2).sum().backward()
        return [g, x.grad, [p.grad for p in layer.parameters()]]

    check(run)


WRONG = {
    "cell_input": (ValueError, lambda n: n.nn.GRUCell(5, 4)(n.ones(2, 3, 5))),
    "cell_hidden": (ValueError, lambda n: n.nn.RNNCell(5, 4)(n.ones(3, 5), n.ones(1, 3, 4))),
    "cell_state": (ValueError, lambda n: n.nn.LSTMCell(5, 4)(n.ones(3, 5), (n.ones(3, 4), n.ones(1, 3, 4)))),
    "cell_size": (RuntimeError, lambda n: n.nn.GRUCell(5, 4)(n.ones(3, 6))),
    "cell_kind": (RuntimeError, lambda n: n.nn.RNNCell(5, 4, nonlinearity="x")(n.ones(3, 5))),
    "kind": (ValueError, lambda n: n.nn.RNN(5, 4, nonlinearity="x")),
    "dropout": (ValueError, lambda n: n.nn.LSTM(5, 4, dropout=1.5)),
    "bias": (TypeError, lambda n: n.nn.LSTM(5, 4, bias=1)),
    "size": (ValueError, lambda n: n.nn.LSTM(0, 4)),
    "layers": (ValueError, lambda n: n.nn.LSTM(5, 4, 0)),
    "projection": (ValueError, lambda n: n.nn.LSTM(5, 4, proj_size=4)),
    "projected_gru": (ValueError, lambda n: n.nn.GRU(5, 4, proj_size=2)),
    "rank": (ValueError, lambda n: n.nn.LSTM(5, 4)(n.ones(5))),
    "rank_rnn": (ValueError, lambda n: n.nn.RNN(5, 4)(n.ones(5))),
    "input": (RuntimeError, lambda n: n.nn.LSTM(5, 4)(n.ones(6, 3, 4))),
    "dtype": (ValueError, lambda n: n.nn.LSTM(5, 4)(n.ones(6, 3, 5).double())),
    "hidden": (RuntimeError, lambda n: n.nn.GRU(5, 4)(n.ones(6, 3, 5), n.ones(1, 2, 4))),
    "hidden_rank": (RuntimeError, lambda n: n.nn.GRU(5, 4)(n.ones(6, 3, 5), n.ones(3, 4))),
    "states": (RuntimeError, lambda n: n.nn.LSTM(5, 4)(n.ones(6, 3, 5), (n.ones(1, 2, 4), n.ones(1, 3, 4)))),
    "states_rank": (RuntimeError, lambda n: n.nn.LSTM(5, 4)(n.ones(6, 3, 5), (n.ones(3, 4), n.ones(3, 4)))),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(call, raises=raises)


def test_dropout_of_one_layer_warns():
    check(lambda n: repr(n.nn.GRU(5, 4, dropout=0.5)))


def test_packed_sequences_are_refused():
    with pytest.raises(TypeError, match="packed sequences are not supported"):
        RT.nn.LSTM(5, 4)((RT.ones(6, 5), RT.tensor([3, 3])))
