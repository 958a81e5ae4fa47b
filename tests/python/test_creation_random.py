"""Creation and random numbers against torch: values, dtypes, shapes, strides, and the state of the generator."""

import numpy as np
import pytest
import torch
from parity.cases import Case, op
from parity.compare import check, verify
from parity.libs import ALL, FLOATS, dtype_name
from parity.spec import D, S

ARANGES = [
    S(*bounds, **options)
    for bounds in (
        (5,),
        (0,),
        (5.5,),
        (1, 5),
        (0, 1, 0.1),
        (5, 0, -2),
        (5, 0, -0.5),
        (2, 2),
        (True,),
        (-3, 3),
        (1, 2.0),
    )
    for options in ({}, *({"dtype": D(name)} for name in ("float32", "float64", "int32", "uint8", "bfloat16")))
]
LISTS = (1, 1.5, True, [], [1, 2], [1.0, 2], [True, False], [True, 2], [[1, 2], [3, 4]], [[1.5], [2]], [[], []], (1, 2))
LISTS += ([(1, 2), (3, 4)], [[[1]]], float("nan"), [float("inf"), -0.0], 2**40, -(2**63), [1e300], [[0, 1, 2]])

CALLS = {
    "arange": ARANGES,
    "linspace": [
        S(a, b, n, **options)
        for a, b, n in ((0, 1, 5), (0, 1, 1), (0, 1, 0), (-2, 3, 7), (5, 1, 4), (0.1, 0.9, 37), (3, 3, 3))
        for options in ({}, *({"dtype": D(name)} for name in ("float64", "int64", "float16")))
    ],
    "eye": [S(3), S(2, 4), S(4, 2), S(0), S(0, 3), S(1), *(S(3, dtype=D(name)) for name in ALL)],
    "zeros": [S(3), S(2, 3), S((2, 3)), S([2, 0]), S(()), S(0), S(size=(2,)), *(S(2, dtype=D(name)) for name in ALL)],
    "ones": [
        S(3),
        S(2, 3),
        S((2, 3)),
        S([2, 0]),
        S(()),
        *(S(2, dtype=D(name)) for name in ALL),
        S(2, requires_grad=True),
    ],
    "full": [
        *(S((2, 3), value) for value in (1, 1.5, True, float("nan"))),
        *(S((2,), 3, dtype=D(name)) for name in ALL),
        S((), 2.0),
        S([0], 1),
        S((2,), 1.0, requires_grad=True),
    ],
    "tensor": [
        *(S(data) for data in LISTS),
        *(S([0, 1, 1], dtype=D(name)) for name in ALL),
        *(S([0.0, 1.5, 2.7], dtype=D(name)) for name in ALL),
        S([1.0], requires_grad=True),
        S([1.0], device="cpu"),
    ],
    "as_tensor": [S(data) for data in LISTS],
}
ROWS = {name: op(name, calls, exact=name != "linspace", forms=("function",), tol=2) for name, calls in CALLS.items()}


@pytest.mark.parametrize("name", CALLS)
def test_creation(name, lib, oracle):
    verify([text for call in CALLS[name] for text in check(Case(ROWS[name], "function", call), lib, oracle)])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_tensor_of_numpy_keeps_the_dtype(dtype, rt):
    array = np.array([[0, 1], [2, 3]]).astype(dtype)
    for made in (rt.tensor(array), rt.as_tensor(array), rt.from_numpy(array)):
        assert str(made.dtype).endswith(f".{dtype}")
        assert made.tolist() == array.tolist()
        assert np.asarray(made).dtype == array.dtype
    assert rt.tensor(array.dtype.type(1)).dtype == rt.tensor(array).dtype


def test_numpy_shares_memory_both_ways(rt):
    array = np.zeros(4, dtype=np.float32)
    x = rt.from_numpy(array)
    y = x * 2
    array[1] = 5
    assert x.tolist() == [0, 5, 0, 0]
    assert y.tolist() == [0, 0, 0, 0]
    x[2:].add_(1)
    assert array.tolist() == [0, 5, 1, 1]
    seen = x.numpy()
    x.mul_(3)
    assert seen.tolist() == [0, 15, 3, 3]
    copy = rt.tensor(array)
    array[0] = 9
    assert copy.tolist() == [0, 15, 3, 3]
    z = rt.ones(3)
    z.numpy()[0] = 7
    assert z.tolist() == [7, 1, 1]


def test_numpy_views_with_strides(rt):
    array = np.arange(12.0).reshape(3, 4)
    x = rt.from_numpy(array.T[1::2])
    assert x.shape == (2, 3)
    assert x.stride() == (2, 4)
    x[0] = -1
    assert array[:, 1].tolist() == [-1, -1, -1]
    with pytest.raises(ValueError, match="negative"):
        rt.from_numpy(array[::-1])


def test_empty_has_the_shape_and_is_writable(rt):
    for shape in ((3,), (2, 0), (), (2, 3, 4)):
        x = rt.empty(shape)
        assert x.shape == shape
        assert x.fill_(2).tolist() == torch.full(shape, 2.0).tolist()
    assert rt.empty(2, dtype=rt.int16).dtype == rt.int16


def test_default_dtype(rt):
    before = rt.get_default_dtype()
    try:
        rt.set_default_dtype(rt.float64)
        assert rt.tensor([1.5]).dtype == rt.float64
        assert rt.zeros(2).dtype == rt.float64
        assert (rt.tensor([1]) / 2).dtype == rt.float64
    finally:
        rt.set_default_dtype(before)


DRAWS = """
rand(5) | rand(2, 3) | rand(16) | rand(37) | rand(()) | rand(0) | rand(5, dtype=float64) | rand(40, dtype=float64)
randn(5) | randn(15) | randn(16) | randn(17) | randn(3, 11) | randn(100) | randn(()) | randn(7, dtype=float64)
randn(33, dtype=float64) | randn(20, dtype=float16) | rand(20, dtype=bfloat16) | randint(10, (7,))
randint(3, 9, (2, 5)) | randint(0, 2**40, (6,)) | randint(-5, 5, (9,), dtype=int32)
randint(0, 2, (9,), dtype=bool) | randint(0, 9, (5,), dtype=float32) | randperm(10) | randperm(0) | randperm(1)
randperm(37, dtype=int32) | rand_like(zeros(3, 4)) | randn_like(zeros(20)) | randint_like(zeros(5), 9)
empty(7).uniform_() | empty(20).uniform_(-2, 3) | empty(7).normal_() | empty(33).normal_(2, 0.5)
empty(9).exponential_() | empty(9).bernoulli_(0.3) | bernoulli(full((9,), 0.4)) | normal(0.0, 1.0, (20,))
empty(3, 4).t().uniform_() | empty(4, 5)[:, ::2].normal_() | empty(5, 8).t().normal_()
"""
DRAWS = [draw.strip() for line in DRAWS.strip().splitlines() for draw in line.split(" | ")]


def drawn(module, seed, expressions):
    """The dtype and values of each draw of a sequence. torch draws after the module under test has finished, since the
    two may be one module."""
    module.manual_seed(seed)
    space = vars(module).copy()
    tensors = [eval(expression, space) for expression in expressions]
    return [(dtype_name(x.dtype), tuple(x.shape), np.array(x.to(module.float64).tolist())) for x in tensors]


def verify_draws(rt, seed, expressions):
    got, want = drawn(rt, seed, expressions), drawn(torch, seed, expressions)
    wrong = []
    for expression, a, b in zip(expressions, got, want, strict=True):
        # Normal numbers pass through log and cos, whose last bit may differ.
        if a[:2] != b[:2] or not np.allclose(a[2], b[2], rtol=1e-6, atol=1e-6):
            wrong.append(f"{expression}: {a}, torch gives {b}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("seed", [0, 1, 42, 2**32 + 5, -1])
def test_same_numbers_after_the_same_seed(seed, rt):
    """One sequence of all draws: each also depends on how many numbers those before it consumed."""
    verify_draws(rt, seed, DRAWS)


@pytest.mark.parametrize("expression", DRAWS)
def test_each_draw_alone(expression, rt):
    verify_draws(rt, 7, [expression])


def test_uniform_numbers_are_equal_bit_by_bit(rt):
    exact = ["rand(1000)", "randperm(1000)", "randint(0, 1000, (50,))"]
    for a, b in zip(drawn(rt, 3, exact), drawn(torch, 3, exact), strict=True):
        assert np.array_equal(a[2], b[2])


def test_generator(rt):
    mine, theirs = rt.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    assert mine.initial_seed() == 5
    for _ in range(3):
        assert rt.rand(4, generator=mine).tolist() == torch.rand(4, generator=theirs).tolist()
    assert rt.randperm(9, generator=mine).tolist() == torch.randperm(9, generator=theirs).tolist()
    state = mine.get_state()
    first = rt.rand(4, generator=mine).tolist()
    mine.set_state(state)
    assert rt.rand(4, generator=mine).tolist() == first


def test_a_generator_of_ones_own_leaves_the_default_alone(rt):
    rt.manual_seed(1)
    want = rt.rand(3).tolist()
    rt.manual_seed(1)
    rt.rand(100, generator=rt.Generator().manual_seed(9))
    assert rt.rand(3).tolist() == want


def test_draws_that_are_never_used_still_count(rt):
    rt.manual_seed(1)
    rt.rand(10)
    rt.randn(3)
    after = rt.rand(3).tolist()
    assert after == drawn(torch, 1, ["rand(10)", "randn(3)", "rand(3)"])[2][2].tolist()


def test_state_of_the_default_generator(rt):
    state = rt.get_rng_state()
    first = rt.randn(20).tolist()
    rt.set_rng_state(state)
    assert rt.randn(20).tolist() == first


def test_a_draw_has_one_value(rt):
    """A lazy library must not draw again when the value is read again."""
    x = rt.rand(5)
    y = x + 0
    assert x.tolist() == x.tolist() == y.tolist()
    d = rt.nn.functional.dropout(rt.ones(100), 0.5)
    assert (d * 1).tolist() == d.tolist() == (d + 0).tolist()


@pytest.mark.parametrize("dtype", [name for name in FLOATS if name != "float64"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout(p, dtype, rt):
    x = rt.ones(20000, dtype=getattr(rt, dtype), requires_grad=True)
    y = rt.nn.functional.dropout(x, p)
    values = y.detach().to(rt.float32).numpy()
    kept = values != 0
    # Four standard deviations of a binomial.
    assert abs(kept.mean() - (1 - p)) < 4 * (p * (1 - p) / 20000) ** 0.5
    assert np.allclose(values[kept], 1 / (1 - p), rtol=1e-2)
    y.sum().backward()
    assert np.array_equal(x.grad.to(rt.float32).numpy() != 0, kept)
    # Neighbours are independent.
    assert abs(np.corrcoef(kept[1:], kept[:-1])[0, 1]) < 0.03


def test_dropout_masks_differ_and_repeat_with_the_seed(rt):
    def mask(seed=None):
        if seed is not None:
            rt.manual_seed(seed)
        return rt.nn.functional.dropout(rt.ones(64), 0.5).tolist()

    first, second = mask(1), mask()
    assert first != second
    assert mask(1) == first


def test_dropout_in_eval_is_the_input(rt):
    x = rt.ones(3)
    assert rt.nn.functional.dropout(x, 0.5, training=False).tolist() == [1, 1, 1]
    layer = rt.nn.Dropout(0.5).eval()
    assert layer(x).tolist() == [1, 1, 1]


def test_products_of_numbers_that_fill_a_matrix(rt):
    """A number given at run time lies in no buffer that a product could read."""
    x = rt.full((64, 64), 3.0, requires_grad=True)
    (x @ x.t() @ rt.full((64,), 0.5)).sum().backward()
    assert (x @ x)[1, 2].item() == 64 * 9
    assert x.grad[0, 0].item() == 64 * 3 * 0.5 * 2
