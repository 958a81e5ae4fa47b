"""Memory shared with NumPy and with whoever speaks DLPack: both see writes, and nobody keeps it longer than needed."""

import gc
import weakref

import numpy as np
import pytest
import torch

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()


def launches(rt, work):
    before = rt.stats()["launches"]
    work()
    return rt.stats()["launches"] - before


def live(rt):
    gc.collect()
    return rt.stats()["bytes_live"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack_round_trip(dtype, rt):
    source = torch.tensor([[0, 1, 1], [1, 0, 1]], dtype=getattr(torch, dtype))
    taken = rt.from_dlpack(source)
    assert (taken.dtype, taken.stride()) == (getattr(rt, dtype), (3, 1))
    assert taken.tolist() == source.tolist()
    given = torch.from_dlpack(taken.t())
    assert (given.dtype, given.shape, given.stride()) == (source.dtype, (3, 2), (1, 3))
    assert given.tolist() == source.t().tolist()


def test_both_sides_of_dlpack_see_writes(rt):
    array = np.zeros(4, np.float32)
    x = rt.from_dlpack(array)
    array[1] = 5
    assert x.tolist() == [0, 5, 0, 0]
    x[2:] = 7
    assert array.tolist() == [0, 5, 7, 7]
    shown = np.from_dlpack(x)
    x.add_(1)
    assert shown.tolist() == array.tolist() == [1, 6, 8, 8]


@pytest.mark.parametrize("max_version", [None, (0, 8), (1, 0), (1, 7)])
def test_a_capsule_is_taken_once(max_version, rt):
    capsule = rt.arange(3).__dlpack__(max_version=max_version)
    assert ("versioned" in repr(capsule)) == (max_version is not None and max_version >= (1, 0))
    assert rt.from_dlpack(capsule).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="consumed only once"):
        rt.from_dlpack(capsule)


def test_dlpack_keeps_memory_as_long_as_needed(rt):
    before = live(rt)
    x = rt.ones(1 << 16).contiguous().realize()
    size = 1 << 18
    assert live(rt) - before >= size
    capsule = x.__dlpack__()
    shown = np.from_dlpack(x)
    del x
    assert live(rt) - before >= size
    del capsule
    assert live(rt) - before >= size
    assert shown.sum() == 1 << 16
    del shown
    # Threads may have taken scratch memory meanwhile.
    assert live(rt) - before < size // 4


def test_dlpack_copies_on_request(rt):
    x = rt.zeros(3)
    copy = rt.from_dlpack(x.__dlpack__(max_version=(1, 0), copy=True))
    copy.add_(1)
    assert (x.tolist(), copy.tolist()) == ([0, 0, 0], [1, 1, 1])
    # Nobody else has the copy, so reading it copies nothing.
    assert launches(rt, lambda: (copy * 2, copy + 1)) == 0


def test_read_only_memory_is_not_written(rt):
    array = np.arange(3.0)
    array.flags.writeable = False
    x = rt.from_dlpack(array)
    x.add_(1)
    assert (x.tolist(), array.tolist()) == ([1, 2, 3], [0, 1, 2])
    with pytest.raises(BufferError):
        rt.from_dlpack(array).__dlpack__()
    assert not np.from_dlpack(rt.from_dlpack(array)).flags.writeable


def test_dlpack_refusals(rt):
    with pytest.raises(BufferError, match="require gradient"):
        rt.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError):
        rt.ones(2).__dlpack__(dl_device=(2, 0))
    with pytest.raises(AssertionError, match="stream"):
        rt.ones(2).__dlpack__(stream=3)
    with pytest.raises(BufferError):
        rt.from_dlpack(np.zeros(2, np.complex64))
    with pytest.raises(TypeError):
        rt.from_dlpack([1, 2])
    with pytest.raises(ValueError, match="negative"):
        rt.from_dlpack(np.arange(3)[::-1])
    assert rt.ones(2).__dlpack_device__() == (1, 0)
    assert rt.from_dlpack(np.zeros((0, 3))).shape == (0, 3)


def test_numpy_refuses_where_a_gradient_would_be_lost(rt):
    leaf = rt.ones(2, requires_grad=True)
    for make in (lambda x: x.numpy(), np.asarray, np.array):
        with pytest.raises(RuntimeError, match="Can't call numpy"):
            make(leaf * 2)
    shown = leaf.numpy(force=True)
    with rt.no_grad():
        leaf.add_(1)
    assert shown.tolist() == [2, 2]
    assert rt.ones(2).numpy(force=True).tolist() == [1, 1]


def test_numpy_says_when_memory_cannot_be_had(rt):
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        (rt.ones(4).expand(2**45, 4) + 1).numpy()


def test_reads_copy_only_while_the_array_lives(rt):
    array = np.ones(100)
    x = rt.from_numpy(array)
    y = []
    assert launches(rt, lambda: y.append(x * 2)) == 1
    array[0] = 5
    assert (y[0][0].item(), x[0].item()) == (2, 5)
    part = array[1:]
    del array
    assert launches(rt, lambda: x + 1) == 1
    part[0] = 6
    assert x[1].item() == 6
    del part
    assert launches(rt, lambda: (x + 1, x[1:] * 2)) == 0
    assert x[:3].tolist() == [5, 6, 1]
    x.add_(1)
    assert x[:3].tolist() == [6, 7, 2]


def test_a_weak_reference_keeps_an_array_reachable(rt):
    array = np.ones(4)
    x, again = rt.from_numpy(array), weakref.ref(array)
    del array
    assert launches(rt, lambda: x + 1) == 1
    again()[0] = 3
    assert x.tolist() == [3, 1, 1, 1]


def test_an_array_that_lent_its_memory_elsewhere_is_reachable(rt):
    array = np.ones(4)
    other = memoryview(array)
    x = rt.from_numpy(array)
    del array
    assert launches(rt, lambda: x + 1) == 1
    other[0] = 3.0
    assert x.tolist() == [3, 1, 1, 1]
    # What lies behind another buffer is nobody's to count.
    y = rt.from_numpy(np.frombuffer(bytearray(8), np.uint8))
    assert launches(rt, lambda: y + 1) == 1


def test_gradients_flow_from_shared_memory(rt):
    array = np.array([1.0, 2.0, 3.0])
    x = rt.from_numpy(array).requires_grad_()
    y = (x[1:] * x[:-1]).sum()
    array[:] = 9
    y.backward()
    assert x.grad.tolist() == [2, 4, 2]
