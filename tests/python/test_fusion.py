"""Fusion, asserted: how many kernels an expression runs as. At least 4 rows a thread, and rows that fit L2."""

import numpy as np
import pytest
import torch

ROWS, COLUMNS = 64, 512


@pytest.fixture
def explain(rt):
    """Runs a function under `rt.explain`; the inputs it reads must stand before."""

    def run(function, *args):
        rt.synchronize()
        interpreted = rt.stats()["interpreted"]
        seen = rt.explain(function)(*args)
        assert rt.stats()["interpreted"] == interpreted
        return seen

    return run


def pair(rt, *shape, grad=False, seed=0):
    """The same numbers in both libraries."""
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    mine, theirs = rt.tensor(array).realize(), torch.tensor(array)
    return (mine.requires_grad_(), theirs.requires_grad_()) if grad else (mine, theirs)


def close(got, want):
    assert np.allclose(got.detach().numpy(), want.detach().numpy(), rtol=2e-5, atol=2e-5)


def log_softmax_by_hand(m, x):
    shifted = x - x.amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def softmax_by_hand(m, x):
    e = (x - x.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def layer_norm_by_hand(m, x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def layer_norm_with_var(m, x):
    return (x - x.mean(-1, keepdim=True)) * (x.var(-1, keepdim=True, correction=0) + 1e-5).rsqrt()


ROW_FUNCTIONS = {
    "softmax": lambda m, x: m.softmax(x, -1),
    "log_softmax": lambda m, x: m.log_softmax(x, -1),
    "layer_norm": lambda m, x: m.nn.functional.layer_norm(x, (x.shape[-1],)),
    "softmax by hand": softmax_by_hand,
    "log_softmax by hand": log_softmax_by_hand,
    "layer_norm by hand": layer_norm_by_hand,
    "layer_norm with var": layer_norm_with_var,
}
SHAPES = [(ROWS, COLUMNS), (8, 4096), (256, 37), (4, 16, 128)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_row_function_forward_is_one_kernel(name, shape, rt, explain):
    x, reference = pair(rt, *shape)
    seen = explain(lambda x: ROW_FUNCTIONS[name](rt, x), x)
    assert len(seen.kernels) == 1
    close(seen.result, ROW_FUNCTIONS[name](torch, reference))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_row_function_backward_is_at_most_two(name, shape, rt, explain):
    """To the input, from a given gradient, with the forward's result standing."""
    x, reference = pair(rt, *shape, grad=True)
    g, reference_g = pair(rt, *shape, seed=1)
    y = ROW_FUNCTIONS[name](rt, x)
    y.realize()

    def backward():
        y.backward(g)
        return x.grad

    seen = explain(backward)
    assert len(seen.kernels) <= 2
    precise = reference.detach().double().requires_grad_()
    ROW_FUNCTIONS[name](torch, precise).backward(reference_g)
    close(seen.result, precise.grad)


def test_layer_norm_with_weights_forward_is_one_kernel(rt, explain):
    (x, a), (w, b), (c, d) = pair(rt, ROWS, COLUMNS), pair(rt, COLUMNS, seed=1), pair(rt, COLUMNS, seed=2)
    seen = explain(lambda: rt.nn.functional.layer_norm(x, (COLUMNS,), w, c))
    assert len(seen.kernels) == 1
    close(seen.result, torch.nn.functional.layer_norm(a, (COLUMNS,), b, d))


def test_gradient_of_relu_sum_is_one_kernel(rt, explain):
    x, reference = pair(rt, ROWS, COLUMNS, grad=True)

    def backward():
        (x * 2).relu().sum().backward()
        return x.grad

    seen = explain(backward)
    assert len(seen.kernels) == 1
    (reference * 2).relu().sum().backward()
    close(seen.result, reference.grad)


def chain(m, x, row, column, other):
    """20 operations with broadcasts, a cast and a transpose."""
    y = x * 2 + row
    y = (y - column).relu() * 0.5
    y = y.to(m.float64).abs() + 1
    y = y.sqrt().to(m.float32)
    y = y.t() + other
    y = (y / 3).tanh() * other - 0.25
    y = y.sigmoid().clamp(0.1, 0.9) + row[:, None]
    return (-y).exp() * y.square()


def test_chain_of_20_is_one_kernel(rt, explain):
    x, row, column = pair(rt, ROWS, COLUMNS), pair(rt, COLUMNS, seed=1), pair(rt, ROWS, 1, seed=2)
    other = pair(rt, COLUMNS, ROWS, seed=3)
    seen = explain(lambda *args: chain(rt, *args), x[0], row[0], column[0], other[0])
    assert len(seen.kernels) == 1
    close(seen.result, chain(torch, x[1], row[1], column[1], other[1]))


def cross_entropy_by_hand(m, x, y):
    return -log_softmax_by_hand(m, x).gather(1, y[:, None]).mean()


CROSS_ENTROPY = {
    "cross_entropy": lambda m, x, y: m.nn.functional.cross_entropy(x, y),
    "log_softmax and nll_loss": lambda m, x, y: m.nn.functional.nll_loss(m.log_softmax(x, 1), y),
    "by hand": cross_entropy_by_hand,
}


@pytest.mark.parametrize("classes", [10, COLUMNS])
@pytest.mark.parametrize("name", CROSS_ENTROPY)
def test_cross_entropy_forward_is_one_launch(name, classes, rt, explain):
    x, reference = pair(rt, ROWS, classes)
    labels = np.arange(ROWS) % classes
    y = rt.tensor(labels).realize()
    seen = explain(lambda: CROSS_ENTROPY[name](rt, x, y))
    assert len(seen.kernels) == 1
    close(seen.result, CROSS_ENTROPY[name](torch, reference, torch.tensor(labels)))


def mlp(m):
    m.manual_seed(0)
    return m.nn.Sequential(m.nn.Linear(64, 128), m.nn.ReLU(), m.nn.Linear(128, 64), m.nn.ReLU(), m.nn.Linear(64, 10))


def gradients(m, model, optimiser, x, y):
    optimiser.zero_grad()
    m.nn.functional.cross_entropy(model(x), y).backward()


@pytest.mark.parametrize("optimiser", ["Adam", "AdamW", "SGD"])
def test_optimiser_step_is_at_most_two_launches(optimiser, rt, explain):
    (x, a), labels = pair(rt, ROWS, 64), np.arange(ROWS) % 10
    mine, theirs = mlp(rt), mlp(torch)
    options = {"lr": 0.01, **({"momentum": 0.9} if optimiser == "SGD" else {})}
    steps = getattr(rt.optim, optimiser)(mine.parameters(), **options)
    reference = getattr(torch.optim, optimiser)(theirs.parameters(), **options)
    y = rt.tensor(labels).realize()

    def step():
        steps.step()
        rt.synchronize()

    for number in range(5):
        gradients(rt, mine, steps, x, y)
        gradients(torch, theirs, reference, a, torch.tensor(labels))
        reference.step()
        seen = explain(step)
        if number >= 2:
            assert len(seen.kernels) <= 2
            assert seen.allocations == 0
            assert seen.compiles == 0
    for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert np.allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_explain_reports_what_ran(rt, explain, capsys):
    x = rt.ones(ROWS, COLUMNS).contiguous().realize()
    before = rt.stats()
    seen = explain(lambda x: ((x * 2).exp() + 1).sum(1), x)
    after = rt.stats()
    assert len(seen.kernels) == after["launches"] - before["launches"] == 1
    assert seen.compiles == after["compiles"] - before["compiles"] == 1
    assert seen.allocations == after["allocations"] - before["allocations"]
    assert seen.result.shape == (ROWS,)
    assert capsys.readouterr().out.strip()
    again = explain(lambda x: ((x * 2).exp() + 1).sum(1), x)
    assert again.compiles == 0


def test_nothing_to_do_is_no_kernel(rt, explain):
    x = rt.ones(4, 4).contiguous().realize()
    assert len(explain(lambda: x).kernels) == 0
    assert len(explain(lambda: x.t()[1:].reshape(-1, 2)[:, 0].unsqueeze(0)).kernels) <= 1


def test_views_cost_no_kernel_of_their_own(rt, explain):
    x, reference = pair(rt, ROWS, COLUMNS)

    def compute(x):
        y = (x[1:] + x[:-1]).t()[::2].reshape(COLUMNS // 4, -1)
        return y.flip(0).unsqueeze(1) * 2

    seen = explain(compute, x)
    assert len(seen.kernels) == 1
    close(seen.result, compute(reference))


def test_several_outputs_share_one_kernel(rt, explain):
    x, reference = pair(rt, ROWS, COLUMNS)

    def compute(x):
        y = (x * 2).tanh()
        return y + 1, y * 3, y.sum(1)

    seen = explain(compute, x)
    assert len(seen.kernels) == 1
    for got, want in zip(seen.result, compute(reference), strict=True):
        close(got, want)


def test_product_takes_its_epilogue(rt, explain):
    x, w, b = (pair(rt, *shape, seed=n) for n, shape in enumerate([(64, 128), (96, 128), (96,)]))
    seen = explain(lambda: rt.nn.functional.linear(x[0], w[0], b[0]).relu())
    assert len(seen.kernels) == 1
    close(seen.result, torch.nn.functional.linear(x[1], w[1], b[1]).relu())


@pytest.mark.parametrize(("padding", "steps"), [(0, 1), (1, 2)])
def test_convolution_is_a_product_with_its_epilogue(padding, steps, rt, explain):
    """Windows are packed as they are read; padding is a copy."""
    x, w, b = (pair(rt, *shape, seed=n) for n, shape in enumerate([(4, 8, 12, 14), (16, 8, 3, 3), (16,)]))
    seen = explain(lambda: rt.nn.functional.conv2d(x[0], w[0], b[0], padding=padding).relu())
    assert len(seen.kernels) == steps
    close(seen.result, torch.nn.functional.conv2d(x[1], w[1], b[1], padding=padding).relu())


def test_gradients_of_a_convolution_are_products(rt, explain):
    """Two copies with padding, two products, and the bias's sum."""
    x, w, b = (pair(rt, *shape, seed=n, grad=True) for n, shape in enumerate([(4, 8, 12, 14), (16, 8, 3, 3), (16,)]))
    g = pair(rt, 4, 16, 12, 14, seed=3)

    def compute(m, x, w, b, g):
        return m.autograd.grad(m.nn.functional.conv2d(x, w, b, padding=1), [x, w, b], g)

    seen = explain(lambda: compute(rt, x[0], w[0], b[0], g[0]))
    assert len(seen.kernels) <= 5
    for got, want in zip(seen.result, compute(torch, x[1], w[1], b[1], g[1]), strict=True):
        assert np.allclose(got.numpy(), want.numpy(), rtol=2e-4, atol=2e-4)


def test_a_pool_computes_what_it_reads_once_for_each_element(rt, explain):
    x, reference = pair(rt, 4, 8, 12, 14)
    seen = explain(lambda x: rt.nn.functional.max_pool2d(x.exp(), 3, 1), x)
    assert len(seen.kernels) == 2
    close(seen.result, torch.nn.functional.max_pool2d(reference.exp(), 3, 1))
    seen = explain(lambda x: rt.nn.functional.max_pool2d((x * 2).relu(), 2), x)
    assert len(seen.kernels) == 1
    close(seen.result, torch.nn.functional.max_pool2d((reference * 2).relu(), 2))


def test_repeated_overlap_does_not_explode(rt, explain):
    """Each value is read twice by the next, so pulling without a memo would double the work at each step."""
    x, reference = pair(rt, 4096)

    def compute(x):
        for _ in range(30):
            x = (x[1:] + x[:-1]) * 0.5
        return x

    seen = explain(compute, x)
    assert len(seen.kernels) <= 30
    close(seen.result, compute(reference))


@pytest.mark.parametrize(("name", "launches"), [("sum", 1), ("mean", 1), ("amax", 1), ("std", 2)])
def test_full_reduction_is_one_launch(name, launches, rt, explain):
    """Combining the partial results of the threads belongs to the launch. Deviations wait for the mean: they are
    another pass over the data."""
    x, reference = pair(rt, 1 << 20)
    seen = explain(lambda x: getattr(x * 2, name)(), x)
    assert len(seen.kernels) == launches
    assert float(seen.result) == pytest.approx(float(getattr(reference * 2, name)()), rel=1e-4, abs=1e-2)


def test_kernels_do_not_depend_on_unrelated_work(rt, explain):
    x, _ = pair(rt, ROWS, COLUMNS)
    kept = [(x + number) for number in range(5)]
    seen = explain(lambda: x.softmax(-1))
    assert len(seen.kernels) == 1
    assert kept[2].shape == (ROWS, COLUMNS)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_what_is_scanned_is_computed_where_it_is_read(name, axis, rt, explain):
    x, reference = pair(rt, 64, 48)
    seen = explain(lambda x: getattr(x * 0.5 + 1, name)(axis), x)
    assert len(seen.kernels) == 1
    close(seen.result, getattr(reference * 0.5 + 1, name)(axis))


def test_a_row_is_reduced_before_it_is_scanned(rt, explain):
    x, reference = pair(rt, 64, 48)
    seen = explain(lambda x: x.softmax(1).cumsum(1), x)
    assert len(seen.kernels) == 1
    close(seen.result, reference.softmax(1).cumsum(1))


@pytest.mark.parametrize("right", [False, True])
def test_a_search_is_one_kernel(right, rt, explain):
    boundaries, reference = rt.arange(0, 7000, 7).realize(), torch.arange(0, 7000, 7)
    x = np.random.default_rng(0).integers(-10, 7010, (64, 48))
    values = rt.tensor(x).realize()
    seen = explain(lambda: rt.searchsorted(boundaries, values + 1, right=right))
    assert len(seen.kernels) == 1
    assert seen.result.tolist() == torch.searchsorted(reference, torch.tensor(x) + 1, right=right).tolist()


OPERANDS = {
    "plain": lambda rt, x, row, column, index: x,
    "scaled": lambda rt, x, row, column, index: x * 2 + 1,
    "function": lambda rt, x, row, column, index: x.exp(),
    "rows": lambda rt, x, row, column, index: x * row,
    "columns": lambda rt, x, row, column, index: x * column,
    "slice": lambda rt, x, row, column, index: x[1:, 3:],
    "steps": lambda rt, x, row, column, index: x[:, 1::2],
    "turned": lambda rt, x, row, column, index: x.flip(1),
    "picked": lambda rt, x, row, column, index: x.gather(1, index),
    "joined": lambda rt, x, row, column, index: rt.cat([x[:, 5:], x[:, :5]], 1),
    "softmax": lambda rt, x, row, column, index: x.softmax(1),
}


@pytest.mark.parametrize("shape", [(5, 7), (64, 64), (33, 65), (17, 1000), (256, 256), (70, 3000)], ids=str)
@pytest.mark.parametrize("name", OPERANDS)
def test_a_sum_has_the_same_bits_whether_its_operand_is_stored(name, shape, rt):
    """How a sum combines depends on its extents and on how its operand lies, not on what is computed with it."""
    rng = np.random.default_rng(0)
    made = [rng.normal(size=size).astype(np.float32) for size in (shape, shape[1:], (shape[0], 1))]
    parts = [rt.tensor(array).realize() for array in made]
    index = rt.tensor(rng.integers(0, shape[1], shape)).realize()
    stored = OPERANDS[name](rt, *parts, index).contiguous().clone().realize()
    for axis in (0, 1, (0, 1)):
        fused = OPERANDS[name](rt, *parts, index).sum(axis).numpy()
        assert np.array_equal(fused.view(np.int32), stored.sum(axis).numpy().view(np.int32)), axis
