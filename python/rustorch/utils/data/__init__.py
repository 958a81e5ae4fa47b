"""Datasets and the batches made of them."""

from rustorch.utils.data.collate import default_collate, default_convert
from rustorch.utils.data.dataloader import DataLoader
from rustorch.utils.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from rustorch.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "random_split",
]
