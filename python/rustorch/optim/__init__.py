"""Optimisers, and the schedules of their learning rates."""

from rustorch.optim import lr_scheduler as lr_scheduler
from rustorch.optim.adadelta import Adadelta
from rustorch.optim.adagrad import Adagrad
from rustorch.optim.adam import Adam, AdamW
from rustorch.optim.adamax import Adamax
from rustorch.optim.asgd import ASGD
from rustorch.optim.nadam import NAdam
from rustorch.optim.optimizer import Optimizer
from rustorch.optim.radam import RAdam
from rustorch.optim.rmsprop import RMSprop
from rustorch.optim.rprop import Rprop
from rustorch.optim.sgd import SGD

__all__ = [
    "ASGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "lr_scheduler",
]
