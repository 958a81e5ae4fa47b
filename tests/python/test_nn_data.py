"""`utils.data`: batches and shuffles equal torch's."""

import importlib
from collections import namedtuple

import numpy as np
import pytest
from side_by_side import RT, check

Pair = namedtuple("Pair", ["left", "right"])


def data(n):
    return importlib.import_module(n.__name__ + ".utils.data")


def rows(n, size=10):
    return data(n).TensorDataset(n.arange(size * 3.0).reshape(size, 3), n.arange(size))


class Squares:
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return {"i": i, "x": np.float32([i, i * i]), "name": f"n{i}", "pair": Pair(float(i), (i, [np.int64(i)]))}


LOADERS = {
    "plain": lambda n, d: d.DataLoader(rows(n), batch_size=4),
    "single": lambda n, d: d.DataLoader(rows(n, 3)),
    "drop_last": lambda n, d: d.DataLoader(rows(n), batch_size=4, drop_last=True),
    "shuffle": lambda n, d: d.DataLoader(rows(n), batch_size=4, shuffle=True),
    "shuffle_large": lambda n, d: d.DataLoader(rows(n, 500), batch_size=100, shuffle=True),
    "generator": lambda n, d: d.DataLoader(rows(n), 3, shuffle=True, generator=n.Generator().manual_seed(5)),
    "no_batch": lambda n, d: d.DataLoader(rows(n, 3), batch_size=None),
    "replacement": lambda n, d: d.DataLoader(
        rows(n), 7, sampler=d.RandomSampler(range(10), replacement=True, num_samples=40)
    ),
    "more_than_all": lambda n, d: d.DataLoader(rows(n), 7, sampler=d.RandomSampler(range(10), num_samples=25)),
    "subset_sampler": lambda n, d: d.DataLoader(rows(n), 2, sampler=d.SubsetRandomSampler([7, 8, 9, 1])),
    "batch_sampler": lambda n, d: d.DataLoader(rows(n), batch_sampler=[[1, 2], [5], [9, 0, 3]]),
    "nested": lambda n, d: d.DataLoader(Squares(5), batch_size=2),
    "nested_no_batch": lambda n, d: d.DataLoader(Squares(2), batch_size=None),
    "collate": lambda n, d: d.DataLoader(rows(n), 3, collate_fn=lambda batch: [len(batch), batch[0]]),
    "numbers": lambda n, d: d.DataLoader([1.5, 2.5, 3.5], 2),
    "subset": lambda n, d: d.DataLoader(d.Subset(d.Subset(rows(n), [9, 3, 4, 5]), [0, 2, 3]), 2),
    "concat": lambda n, d: d.DataLoader(d.ConcatDataset([rows(n, 3), rows(n, 4)]), 3),
}


@pytest.mark.parametrize("name", LOADERS)
def test_loader(name):
    def run(n):
        loader = LOADERS[name](n, data(n))
        # Two passes, and then what is left of the generator's numbers.
        return [len(loader), list(loader), list(loader), n.rand(2)]

    check(run)


@pytest.mark.parametrize("lengths", [[3, 7], [0.25, 0.75], [0.3, 0.3, 0.4], [10, 0]], ids=str)
def test_random_split(lengths):
    def run(n):
        parts = data(n).random_split(rows(n), lengths)
        seeded = data(n).random_split(range(10), lengths, generator=n.Generator().manual_seed(3))
        return [[list(p.indices) for p in parts], [list(p) for p in seeded], parts[0][0], parts[0][[0, 1]]]

    check(run)


def test_concat():
    def run(n):
        both = rows(n, 2) + rows(n, 3)
        return [len(both), both[1], both[2], both[-1], both.cumulative_sizes]

    check(run)


WRONG = {
    "shuffle_and_sampler": (ValueError, lambda n, d: d.DataLoader([1], shuffle=True, sampler=[0])),
    "batch_sampler": (ValueError, lambda n, d: d.DataLoader([1], batch_size=2, batch_sampler=[[0]])),
    "drop_last": (ValueError, lambda n, d: d.DataLoader([1], batch_size=None, drop_last=True)),
    "batch_size": (ValueError, lambda n, d: d.DataLoader([1], batch_size=0)),
    "workers": (ValueError, lambda n, d: d.DataLoader([1], num_workers=-1)),
    "timeout": (ValueError, lambda n, d: d.DataLoader([1], timeout=-1)),
    "prefetch": (ValueError, lambda n, d: d.DataLoader([1], prefetch_factor=2)),
    "persistent": (ValueError, lambda n, d: d.DataLoader([1], persistent_workers=True)),
    "empty_shuffle": (ValueError, lambda n, d: d.DataLoader([], shuffle=True)),
    "replacement": (TypeError, lambda n, d: d.RandomSampler([1], replacement=1)),
    "batch_drop": (ValueError, lambda n, d: d.BatchSampler([1], 2, 1)),
    "tensors": (AssertionError, lambda n, d: d.TensorDataset(n.ones(2), n.ones(3))),
    "split": (ValueError, lambda n, d: d.random_split([1, 2], [1, 2])),
    "split_fraction": (ValueError, lambda n, d: d.random_split([1, 2], [-0.5, 1.5])),
    "concat": (AssertionError, lambda n, d: d.ConcatDataset([])),
    "concat_index": (ValueError, lambda n, d: d.ConcatDataset([[1]])[-2]),
    "collate": (TypeError, lambda n, d: d.default_collate([None])),
    "collate_sizes": (RuntimeError, lambda n, d: d.default_collate([[1, 2], [1]])),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(lambda n: call(n, data(n)), raises=raises)


def test_workers_are_refused_with_a_cure():
    with pytest.raises(ValueError, match="num_workers=0"):
        data(RT).DataLoader([1], num_workers=2)
