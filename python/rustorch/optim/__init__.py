"""Optimisers, and the schedules of their learning rates."""

from rustorch.optim import lr_scheduler as lr_scheduler
from rustorch.optim.adam import Adam, AdamW
from rustorch.optim.optimizer import Optimizer
from rustorch.optim.sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "SGD", "lr_scheduler"]
