"""Normalisation of channels in each member of a batch."""

from __future__ import annotations

import warnings
from typing import Any

from rustorch.nn import functional as F
from rustorch.nn.modules._running import _NormBase


class _InstanceNorm(_NormBase):
    _unbatched: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input: Any) -> None:
        low = self._unbatched
        if input.dim() not in (low, low + 1):
            raise ValueError(f"expected {low}D or {low + 1}D input (got {input.dim()}D input)")

    def _normal(self, input: Any) -> Any:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        axis = input.dim() - self._unbatched
        if input.size(axis) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={axis} to match num_features ({self.num_features}), "
                    f"but got: {input.size(axis)}."
                )
            warnings.warn(
                f"input's size at dim={axis} does not match num_features. You can silence this warning by not "
                "passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        if input.dim() == self._unbatched:
            return self._normal(input.unsqueeze(0)).squeeze(0)
        return self._normal(input)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing: Any,
        unexpected: Any,
        errors: Any,
    ) -> None:
        # States without a version have running statistics whether they were kept or not.
        if local_metadata.get("version") is None and not self.track_running_stats:
            keys = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if keys:
                names, layer = " and ".join(f'"{key}"' for key in keys), type(self).__name__
                errors.append(
                    f"Unexpected running stats buffer(s) {names} for {layer} with track_running_stats=False. If "
                    "state_dict is a checkpoint saved before 0.4.0, this may be expected because "
                    f"{layer} does not track running stats by default since 0.4.0. Please remove these keys from "
                    "state_dict. If the running stats are actually needed, instead set track_running_stats=True in "
                    f"{layer} to enable them. See the documentation of {layer} for details."
                )
                for key in keys:
                    state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each member of (N, C, L), or of (C, L)."""

    _unbatched = 2


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each member of (N, C, H, W), or of (C, H, W)."""

    _unbatched = 3


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each member of (N, C, D, H, W), or of (C, D, H, W)."""

    _unbatched = 4


__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]
