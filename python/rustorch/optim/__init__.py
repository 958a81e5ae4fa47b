"""Optimisers, and the schedules of their learning rates."""

from rustorch.optim import lr_scheduler as lr_scheduler
from rustorch.optim.adagrad import Adagrad
from rustorch.optim.adam import Adam, AdamW
from rustorch.optim.optimizer import Optimizer
from rustorch.optim.rmsprop import RMSprop
from rustorch.optim.sgd import SGD

__all__ = ["Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "SGD", "lr_scheduler"]
