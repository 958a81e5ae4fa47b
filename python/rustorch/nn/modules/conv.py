"""Convolutions and their transposes."""

from __future__ import annotations

import math
from typing import Any

import rustorch as rt
from rustorch.nn import functional as F
from rustorch.nn import init
from rustorch.nn._tuples import tuple_of
from rustorch.nn.modules.module import Module
from rustorch.nn.parameter import Parameter

_PADDINGS = ("same", "valid")
_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    _rank: int
    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size, self.stride, self.dilation, self.output_padding = (
            tuple_of(value, self._rank) for value in (kernel_size, stride, dilation, output_padding)
        )
        if isinstance(padding, str):
            if padding not in _PADDINGS:
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {set(_PADDINGS)}")
            if padding == "same" and any(step != 1 for step in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
            self.padding: Any = padding
        else:
            self.padding = tuple_of(padding, self._rank)
        if padding_mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {set(_MODES)}, but got padding_mode='{padding_mode}'")
        self.transposed = self._transposed
        self.groups = groups
        self.padding_mode = padding_mode
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(rt.empty((*channels, *self.kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(rt.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    @property
    def _reversed_padding_repeated_twice(self) -> list[int]:
        """The padding as `F.pad` takes it."""
        if not isinstance(self.padding, str):
            return [amount for amount in reversed(self.padding) for _ in range(2)]
        amounts = []
        for size, dilation in zip(reversed(self.kernel_size), reversed(self.dilation), strict=True):
            total = dilation * (size - 1) if self.padding == "same" else 0
            amounts += [total // 2, total - total // 2]
        return amounts

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
            *(
                f"{name}={value}"
                for name, value, default in (
                    ("padding", self.padding, 0),
                    ("dilation", self.dilation, 1),
                    ("output_padding", self.output_padding, 0),
                )
                if value != (default,) * len(value)
            ),
        ]
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any) -> Any:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        conv = getattr(F, f"conv{self._rank}d")
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return conv(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """Slides `out_channels` filters along an input of shape ([N,] in_channels, L); `weight` has the shape
    (out_channels, in_channels / groups, kernel_size)."""

    _rank = 1


class Conv2d(_Conv):
    """Slides `out_channels` filters over an input of shape ([N,] in_channels, H, W); `weight` has the shape
    (out_channels, in_channels / groups, *kernel_size)."""

    _rank = 2


class Conv3d(_Conv):
    """Slides `out_channels` filters through an input of shape ([N,] in_channels, D, H, W); `weight` has the shape
    (out_channels, in_channels / groups, *kernel_size)."""

    _rank = 3


class _ConvTransposeNd(_ConvNd):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """What makes the result as large as `output_size`."""
        if output_size is None:
            return self.output_padding
        rank = self._rank
        lead = input.dim() - rank
        sizes = list(output_size)
        if len(sizes) == lead + rank:
            sizes = sizes[lead:]
        if len(sizes) != rank:
            raise ValueError(
                f"ConvTranspose{rank}D: for {input.dim()}D input, output_size must have {rank} or {lead + rank} "
                f"elements (got {len(sizes)})"
            )
        least = [
            (input.size(lead + d) - 1) * self.stride[d]
            - 2 * self.padding[d]
            + self.dilation[d] * (self.kernel_size[d] - 1)
            + 1
            for d in range(rank)
        ]
        most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
        if not all(low <= size <= high for low, size, high in zip(least, sizes, most, strict=True)):
            raise ValueError(
                f"requested an output size of {sizes}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.size()[2:]})"
            )
        return tuple(size - low for size, low in zip(sizes, least, strict=True))

    def forward(self, input: Any, output_size: Any = None) -> Any:
        conv = getattr(F, f"conv_transpose{self._rank}d")
        extra = self._output_padding(input, output_size)
        return conv(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose1d(_ConvTransposeNd):
    """The gradient of `Conv1d` as a layer; `weight` has the shape (in_channels, out_channels / groups, kernel_size)."""

    _rank = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of `Conv2d` as a layer; `weight` has the shape (in_channels, out_channels / groups,
    *kernel_size)."""

    _rank = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The gradient of `Conv3d` as a layer; `weight` has the shape (in_channels, out_channels / groups,
    *kernel_size)."""

    _rank = 3


__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]
