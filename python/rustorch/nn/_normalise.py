"""Functions that normalise, with torch's checks of what they are given."""

from __future__ import annotations

import math
from typing import Any

from rustorch import _core


def _more_than_one_value(size: Any) -> None:
    if math.prod(size) // max(size[1], 1) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of (N, C, ...) brought to mean 0 and variance 1; see `rustorch.batch_norm`."""
    if training:
        _more_than_one_value(input.size())
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return _core.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, False)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of each member of (N, C, ...) brought to mean 0 and variance 1."""
    if use_input_stats and math.prod(input.size()[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.size()}")
    return _core.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, False)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """`num_groups` groups of channels of (N, C, ...), each brought to mean 0 and variance 1."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    _more_than_one_value([input.size(0) * input.size(1) // num_groups, num_groups, *input.size()[2:]])
    return _core.group_norm(input, num_groups, weight, bias, eps, False)


__all__ = ["batch_norm", "group_norm", "instance_norm"]
