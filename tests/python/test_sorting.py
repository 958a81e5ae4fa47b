"""Sorting as part of a program: what runs, what is kept, and what it reads."""

import numpy as np
import pytest
import rustorch as rt


@pytest.fixture
def values():
    return rt.tensor(np.random.default_rng(5).standard_normal((40, 50)).astype(np.float32)).realize()


def test_a_sort_is_one_routine_beside_the_kernels(values):
    explanation = rt.explain(lambda x: (x * 2).sort(-1).values + 1)(values)
    assert [kernel.kind for kernel in explanation.kernels] == ["fused", "routine", "fused"]
    routine = explanation.kernels[1]
    assert (routine.name, routine.bytes_read, routine.bytes_written) == ("sort", 8000, 8000 + 16000)
    assert np.array_equal(explanation.result.numpy(), np.sort(values.numpy() * 2, -1) + 1)


def test_both_results_come_from_one_run(values):
    found, places = values.sort(0)
    found.realize()
    before = rt.stats()["launches"]
    places.realize()
    assert rt.stats()["launches"] == before
    assert np.array_equal(places.numpy(), np.argsort(values.numpy(), 0, kind="stable"))


def test_operands_are_read_where_they_lie():
    array = np.random.default_rng(6).integers(-9, 9, (30, 20)).astype(np.int16)
    for view in (array, array.T, array[::2, 1:], array[::-1].copy()):
        assert np.array_equal(rt.from_numpy(view).sort(0).values.numpy(), np.sort(view, 0))


def test_threads_change_nothing():
    x = rt.tensor(np.random.default_rng(7).standard_normal((64, 3000))).realize()
    threads = rt.get_num_threads()
    results = []
    for count in (1, 2):
        rt.set_num_threads(count)
        results.append([part.numpy() for part in x.topk(2900, largest=False)])
    rt.set_num_threads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
