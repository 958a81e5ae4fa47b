"""The layers."""

from rustorch.nn.modules.activation import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from rustorch.nn.modules.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from rustorch.nn.modules.dropout import Dropout
from rustorch.nn.modules.flatten import Flatten, Unflatten
from rustorch.nn.modules.linear import Identity, Linear
from rustorch.nn.modules.loss import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss, NLLLoss
from rustorch.nn.modules.module import Module
from rustorch.nn.modules.normalization import LayerNorm
from rustorch.nn.modules.sparse import Embedding

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "GELU",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unflatten",
]
