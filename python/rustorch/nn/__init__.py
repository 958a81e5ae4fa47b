"""Neural networks: modules, their functions, and what prepares and trims their parameters."""

from rustorch.nn import functional as functional
from rustorch.nn import init as init
from rustorch.nn import modules as modules
from rustorch.nn import parameter as parameter
from rustorch.nn import utils as utils
from rustorch.nn.modules import *  # noqa: F403
from rustorch.nn.modules import __all__ as _modules
from rustorch.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "functional", "init", "modules", "parameter", "utils", *_modules]
