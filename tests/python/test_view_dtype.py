"""`view(dtype)`: the same bytes as elements of another dtype."""

import copy
import itertools

import numpy as np
import pytest
import torch

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


def pair(rt, values, dtype):
    """The same tensor here and in torch."""
    return rt.tensor(values, dtype=getattr(rt, dtype)), torch.tensor(values, dtype=getattr(torch, dtype))


def raw(tensor):
    """Dtype and place, and then the elements."""
    place = (str(tensor.dtype).split(".")[1], tuple(tensor.shape), tuple(tensor.stride()), tensor.storage_offset())
    return (*place, tensor.requires_grad), np.array(tensor.tolist())


def same(ours, theirs):
    (place, elements), (wanted_place, wanted) = raw(ours), raw(theirs)
    assert place == wanted_place
    np.testing.assert_array_equal(elements, wanted)


@pytest.mark.parametrize(("start", "end"), list(itertools.product(DTYPES, DTYPES)))
def test_every_pair_of_dtypes(rt, start, end):
    values = [[0, 1, 1, 0, 1, 1, 0, 0], [1, 1, 0, 1, 0, 1, 1, 1]]
    if start != "bool":
        values = [[0, 1, 2, 3, 100, 50, 7, 8], [9, 10, 11, 12, 13, 14, 127, 16]]
    x, y = pair(rt, values, start)
    if end == "bool":
        # A stored bool is any byte to torch.
        x, y = x.clamp(0, 1) if start != "bool" else x, y.clamp(0, 1) if start != "bool" else y
        if start not in ("uint8", "int8", "bool", "int16", "int32", "int64"):
            return
    same(x.view(getattr(rt, end)), y.view(getattr(torch, end)))
    # Of what is not computed yet.
    if start != "bool":
        same((x + 1).view(getattr(rt, end)), (y + 1).view(getattr(torch, end)))


CASES = {
    "transposed": lambda m, t: t.t().view(m.int32),
    "narrow end": lambda m, t: t[:, :4].view(m.float64),
    "odd start": lambda m, t: t[:, 1:5].view(m.float64),
    "odd size": lambda m, t: t[:, :5].view(m.float64),
    "steps": lambda m, t: t[:, ::2].view(m.int16),
    "transposed to smaller": lambda m, t: t.t().view(m.uint8),
    "transposed to larger": lambda m, t: t.t().view(m.float64),
    "0-d": lambda m, t: t[0, 0].view(m.int32),
    "0-d to smaller": lambda m, t: t[0, 0].view(m.uint8),
    "0-d to larger": lambda m, t: t[0, 0].view(m.float64),
    "odd rows": lambda m, t: m.zeros(3, 5)[:, :4].view(m.float64),
    "no rows": lambda m, t: t[:0].view(m.int16),
    "no columns": lambda m, t: m.zeros(3, 0).view(m.int16),
    "no columns, larger": lambda m, t: m.zeros(3, 0).view(m.float64),
    "repeated": lambda m, t: t.expand(2, 4, 6).view(m.int16),
    "repeated elements": lambda m, t: t[:, :1].expand(4, 4).view(m.float64),
    "keyword": lambda m, t: t.view(dtype=m.uint8),
    "twice": lambda m, t: t.view(m.uint8)[:, 4:12].view(m.int32),
    "sliced and strided": lambda m, t: t.view(m.int16)[1:3, 2:7:2],
    "as_strided": lambda m, t: t.view(m.int16).as_strided((3, 2), (4, 1), 5),
    "as_strided beyond a part": lambda m, t: t.reshape(-1)[:3].view(m.int16).as_strided((4,), (2,), 9),
    "from a part": lambda m, t: t.reshape(-1)[2:9].view(m.int32) * 2,
}


@pytest.mark.parametrize("name", CASES)
def test_places_and_refusals(rt, name):
    ours, theirs = rt.arange(24.0).reshape(4, 6), torch.arange(24.0).reshape(4, 6)
    try:
        want = CASES[name](torch, theirs)
    except RuntimeError as error:
        with pytest.raises(RuntimeError) as got:
            CASES[name](rt, ours)
        assert str(got.value).split("\n")[0] == str(error).split("\n")[0]
        return
    same(CASES[name](rt, ours), want)


def test_writes_are_seen_through_both(rt):
    def play(m):
        x = m.arange(6.0)
        bits = x.view(m.int32)
        bytes_ = x.view(m.uint8)
        bits[1] = 1 << 30
        bytes_[8:12] = m.tensor([0, 0, 64, 64], dtype=m.uint8)
        x[3] = -1.5
        bits.add_(0)
        seen = (x.tolist(), bits.tolist(), bytes_.tolist())
        return seen, x._version, bits._version

    assert play(rt) == play(torch)


def test_gradients_do_not_pass(rt):
    for m in (rt, torch):
        x = m.ones(4, requires_grad=True)
        assert not (x * 2).view(m.float64).requires_grad
        x.view(m.int32).fill_(3)
        assert x.view(m.int32).tolist() == [3, 3, 3, 3]


def test_arrays_share_the_memory(rt):
    x = rt.arange(4.0)
    array = x.view(rt.int32).numpy()
    array[0] = np.float32(7.5).view(np.int32)
    assert x.tolist() == [7.5, 1.0, 2.0, 3.0]
    x[1] = -2.0
    assert array.view(np.float32).tolist() == [7.5, -2.0, 2.0, 3.0]
    assert x.view(rt.uint8)[4:].data_ptr() == x.data_ptr() + 4


def test_overlapping_operands_are_refused_by_their_bytes(rt):
    for m in (rt, torch):
        x = m.zeros(4)
        with pytest.raises(RuntimeError, match="single memory location"):
            x.view(m.int32)[1:].add_(x.view(m.int32)[:-1])
        a = m.arange(8, dtype=m.int32)
        a[4:].add_(a.view(m.int16)[:4])
        assert a.tolist() == [0, 1, 2, 3, 4, 5, 7, 7]


def test_copies_keep_what_is_shared(rt):
    x = rt.arange(3.0)
    wide, narrow = x[:2].view(rt.float64), x.view(rt.int16)
    x2, wide2, narrow2 = copy.deepcopy((x, wide, narrow))
    narrow2[0] = 7
    assert narrow.tolist()[0] == 0 and x2.view(rt.int16).tolist()[0] == 7
    assert wide2.view(rt.int16).tolist() == narrow2.tolist()[:4]
    np.testing.assert_array_equal(copy.copy(wide).numpy(), wide.numpy())


def test_it_is_computed_with_what_is_around_it(rt):
    x = rt.randn(64, 64).realize()
    (kernel,) = rt.explain(lambda: (x * 2).view(rt.int32) & 0x7FFFFFFF)().kernels
    assert kernel.kind == "fused"
