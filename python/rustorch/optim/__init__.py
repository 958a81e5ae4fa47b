"""Optimisers."""

from rustorch.optim.adam import Adam, AdamW
from rustorch.optim.optimizer import Optimizer
from rustorch.optim.sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "SGD"]
