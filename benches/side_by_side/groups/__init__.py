"""The groups of cases, by name."""

from collections.abc import Callable, Iterator, Sequence

from ..case import Case
from . import (
    functions,
    fused,
    indexing,
    layers,
    linalg,
    matmul,
    mlp,
    normalise,
    pointwise,
    reductions,
    scans,
    sorting,
    windows,
)

GROUPS: dict[str, Callable[[Sequence[int]], Iterator[Case]]] = {
    "pointwise": pointwise.cases,
    "functions": functions.cases,
    "fused": fused.cases,
    "reductions": reductions.cases,
    "scans": scans.cases,
    "sorting": sorting.cases,
    "normalise": normalise.cases,
    "backward": normalise.backward_cases,
    "norm": layers.norm_cases,
    "attention": layers.attention_cases,
    "matmul": matmul.cases,
    "linalg": linalg.cases,
    "conv": windows.conv_cases,
    "pool": windows.pool_cases,
    "indexing": indexing.cases,
    "inference": mlp.inference_cases,
    "training": mlp.training_cases,
}
