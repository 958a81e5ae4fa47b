"""The table: one row an operation."""

from . import (
    casts,
    indexing,
    joining,
    layers,
    linalg,
    matmul,
    nn,
    orders,
    pointwise_binary,
    pointwise_unary,
    reductions,
    scans,
    search,
    shapes,
    sorting,
    vision,
)

TABLE = (
    *pointwise_unary.ROWS,
    *pointwise_binary.ROWS,
    *casts.ROWS,
    *reductions.ROWS,
    *scans.ROWS,
    *search.ROWS,
    *sorting.ROWS,
    *linalg.ROWS,
    *shapes.ROWS,
    *joining.ROWS,
    *indexing.ROWS,
    *matmul.ROWS,
    *nn.ROWS,
    *layers.ROWS,
    *vision.ROWS,
    *orders.ROWS,
)
