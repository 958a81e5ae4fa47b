"""A tensor's text equals torch's, character by character. torch's tensors stand in for the module's input: what the
formatter reads of a tensor is common to both."""

import itertools
import math
import time

import pytest
import torch
from pure import submodule

ours = submodule("_tensor_str")
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
SHAPES = [(), (1,), (7,), (30,), (0,), (2, 0), (0, 3, 1), (1, 1), (3, 4), (2, 3, 4), (1, 2, 1, 3), (25, 3), (3, 40)]
SUMMARIZED = [
    (1001,),
    (1000,),
    (40, 40),
    (3, 400),
    (400, 3),
    (6, 6, 30),
    (7, 7, 30),
    (2, 600, 2),
    (5, 6, 7, 8),
    (1, 1, 2000),
]
OPTIONS = [
    {},
    {"precision": 2},
    {"precision": 8, "linewidth": 50},
    {"precision": 0},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"edgeitems": 5, "threshold": 10},
    {"linewidth": 20},
    {"linewidth": 200, "profile": "short"},
    {"profile": "full"},
    {"sci_mode": True},
    {"sci_mode": False},
    {"sci_mode": True, "precision": 1},
]
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0]
NOTABLE = [
    [0.0],
    [-0.0],
    SPECIAL,
    [*SPECIAL, 1.0],
    [*SPECIAL, 1.5],
    [*SPECIAL, -12345.0],
    [*SPECIAL, 1e-5],
    [*SPECIAL, 1e9],
    [1.0, 2.0, 3.0],
    [1.0, -1.0],
    [1e8],
    [1e8, 1.0],
    [99999999.0, 100000.0],
    [1.00001e8, 1e8],
    [1000.0, 1.0],
    [1001.0, 1.0],
    [1000.5, 1.0],
    [0.0001],
    [0.00009],
    [0.0001, 0.1],
    [0.00011, 0.12],
    [1e-45],
    [3.4e38, 1e-38],
    [0.99999],
    [9.99999],
    [-9.99995, 0.5],
    [123456.789],
    [1 / 3, 2 / 3, 100.25],
    [1e30, 2e30],
    [-1e-10, 5.0],
    [65504.0, 1.0],
]


@pytest.fixture(autouse=True)
def restored():
    yield
    torch.set_printoptions(profile="default")
    ours.set_printoptions(profile="default")
    torch.set_default_dtype(torch.float32)


def same(t):
    assert ours.tensor_str(t) == repr(t)


def values(shape, dtype, scale=1.0):
    t = torch.randn(shape, dtype=torch.float64) * scale
    return t.to(dtype) if dtype.is_floating_point else (t * 50).abs().to(dtype)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS + [torch.bool], ids=str)
def test_dtypes_and_shapes(dtype):
    torch.manual_seed(0)
    for shape in SHAPES + SUMMARIZED:
        same(values(shape, dtype))
        same(torch.zeros(shape, dtype=dtype))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_notable_floats(dtype):
    for row in NOTABLE:
        t = torch.tensor(row, dtype=torch.float64).to(dtype)
        same(t)
        same(t[0])
        same(-t)
        same(t.repeat(3, 1))
        same(t.repeat(400))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_scales(dtype):
    torch.manual_seed(1)
    for power in range(-12, 13):
        same(values((4, 5), dtype, 10.0**power))
        same(values((4, 5), dtype, 10.0**power).round())
        same(values((40, 50), dtype, 10.0**power))


def test_integers():
    same(torch.tensor([-(2**63), 2**63 - 1, 0]))
    same(torch.tensor([-128, 127], dtype=torch.int8))
    same(torch.tensor(-5))
    same(torch.arange(2000).reshape(40, 50) * -37)
    same(torch.tensor([True, False]))
    same(torch.tensor(True))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options(options):
    torch.manual_seed(2)
    torch.set_printoptions(**options)
    ours.set_printoptions(**options)
    assert ours.get_printoptions() == torch._tensor_str.get_printoptions()
    for dtype, shape in itertools.product(FLOATS + [torch.int64, torch.bool], [*SHAPES, (11,), (4, 4, 4), (1200,)]):
        same(values(shape, dtype))
        same(values(shape, dtype, 1e4))
    for row in NOTABLE:
        same(torch.tensor(row))


def test_options_of_a_block():
    before = ours.get_printoptions()
    with ours.printoptions(precision=1, edgeitems=1):
        assert ours.tensor_str(torch.tensor([0.25])) == "tensor([0.2])"
    assert ours.get_printoptions() == before


def test_gradients():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2

    for shape in [(), (3,), (3, 4), (2, 3, 4), (40, 40), (0,), (2, 0)]:
        leaf = torch.ones(shape, requires_grad=True)
        for t in [leaf, leaf + 1, leaf.sum(), leaf.exp(), Double.apply(leaf), leaf.half() * 3, leaf.detach()]:
            same(t)
    same(torch.ones(20, requires_grad=True).double())
    same(torch.full((9,), 1234.5678, requires_grad=True) + 1)
    same(torch.nn.Parameter(torch.ones(2)).data)


def test_a_subclass_gives_its_own_name():
    class Named(torch.Tensor):
        pass

    same(torch.arange(30).as_subclass(Named))
    same(torch.ones(3, 4).as_subclass(Named))


def test_views():
    base = torch.arange(4000.0).reshape(40, 100)
    for t in [base.t(), base[::3, ::7], base[:, 0], base[0].expand(30, 100), base.flip(0), base[3:4, 5:6], base[5]]:
        same(t)


def test_default_dtype_goes_unsaid():
    torch.set_default_dtype(torch.float64)
    for dtype in FLOATS:
        same(torch.ones(2, dtype=dtype))
        same(torch.ones(0, dtype=dtype))


def test_capture_shows_no_values():
    text = ours.tensor_str(torch.ones(2, 3, requires_grad=True) * 2, is_lazy_capture=True)
    assert text == "tensor(..., size=(2, 3), grad_fn=<MulBackward0>)"
    assert ours.tensor_str(torch.ones(2, dtype=torch.int64), is_lazy_capture=True) == (
        "tensor(..., size=(2,), dtype=torch.int64)"
    )


def test_a_summary_reads_only_the_corners():
    class Watched:
        """Counts the elements read of a tensor that would be slow to read in full."""

        read = 0

        def __init__(self, tensor):
            self.tensor = tensor
            self.shape, self.dtype, self.grad_fn = tensor.shape, tensor.dtype, None
            self.requires_grad = False

        def detach(self):
            return self

        def __getitem__(self, index):
            return Watched(self.tensor[index])

        def tolist(self):
            Watched.read += self.tensor.numel()
            return self.tensor.tolist()

    for shape in [(16_000_000,), (4000, 4000), (16, 100, 100, 100)]:
        t = torch.zeros(()).expand(shape)
        Watched.read = 0
        start = time.perf_counter()
        text = ours.tensor_str(Watched(t))
        assert time.perf_counter() - start < 0.5
        assert Watched.read == 6 ** len(shape)
        assert text.removeprefix("Watched") == repr(t).removeprefix("tensor").replace("\n ", "\n  ")
