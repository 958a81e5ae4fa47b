"""`DataLoader`: batches of a dataset, in the calling process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import rustorch as rt
from rustorch.utils.data.collate import default_collate, default_convert
from rustorch.utils.data.dataset import Subset, TensorDataset
from rustorch.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed


def _rows(dataset: Any) -> tuple[tuple[Any, ...], Callable[[list[int]], list[int]]] | None:
    """The tensors behind a dataset whose samples are their rows, and which row an index means."""
    if type(dataset) is TensorDataset:
        return dataset.tensors, lambda indices: indices
    if type(dataset) is Subset:
        inner = _rows(dataset.dataset)
        if inner is not None:
            tensors, outer = inner
            chosen = dataset.indices
            return tensors, lambda indices: outer([int(chosen[i]) for i in indices])
    return None


class DataLoader:
    """Iterates over batches. Only `num_workers=0`: work that a batch needs is part of the plan that uses it."""

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        if pin_memory or pin_memory_device:
            raise ValueError("pin_memory speeds up copies to a GPU; there is none here: use pin_memory=False")
        if not hasattr(dataset, "__getitem__"):
            raise TypeError(
                f"DataLoader needs a dataset with __getitem__ and __len__, but got {type(dataset).__name__}; "
                "iterate over the other kind directly"
            )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.drop_last = drop_last
        self.generator = generator
        self.num_workers = 0
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn

    def __iter__(self) -> Iterator[Any]:
        # torch draws a seed for its workers here, also when there are none; the samplers' draws come after it.
        draw_seed(self.generator)
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        return map(self._fetcher(), indices)

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def _fetcher(self) -> Callable[[Any], Any]:
        dataset, collate = self.dataset, self.collate_fn
        if self.batch_sampler is None:
            return lambda index: collate(dataset[index])
        rows = _rows(dataset) if collate is default_collate else None
        if rows is not None:
            # What collating the samples would give, as one gather instead of a slice for each sample.
            tensors, row_of = rows

            def gather(indices: list[int]) -> list[Any]:
                chosen = rt.tensor(row_of(indices), dtype=rt.int64)
                return [tensor[chosen] for tensor in tensors]

            return gather
        fetch = getattr(dataset, "__getitems__", None)
        if callable(fetch):
            return lambda indices: collate(fetch(indices))
        return lambda indices: collate([dataset[i] for i in indices])


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if num_workers > 0:
        raise ValueError(
            f"num_workers={num_workers}: worker processes are not supported; use num_workers=0, where the work of "
            "preparing a batch is compiled together with what uses it and runs on all cores"
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if persistent_workers:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if context is not None:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
            f"num_workers={num_workers}"
        )


__all__ = ["DataLoader"]
