"""Functions that torch does not have, on ordinary tensors."""

from __future__ import annotations

from rustorch import _core
from rustorch._core import Tensor

__all__ = ["fft"]


def fft(input: Tensor, dim: int = -1, inverse: bool = False) -> Tensor:
    """The discrete Fourier transform of complex numbers that are pairs of floats.

    ``input`` has the shape ``(*, 2)`` of float32 or float64: the last axis holds real and imaginary parts, as
    ``torch.view_as_real`` lays complex tensors out. The transform runs along ``dim``, which counts the axes before the
    last one, so that -1 is the one next to it::

        y[k] = sum(x[j] * exp(-2j * pi * j * k / n) for j in range(n))

    The inverse has the other sign and is divided by ``n``, as in ``torch.fft.ifft``. Any length is fast, powers of two
    most. The result has the shape of the input, and gradients of any order.

    Raises a ``RuntimeError`` if the last axis is not of two, ``IndexError`` if there is no axis ``dim``, and
    ``NotImplementedError`` for other dtypes. Example::

        signal = rt.randn(1024)
        spectrum = rt.kernels.fft(rt.stack((signal, rt.zeros_like(signal)), -1))
        power = spectrum.square().sum(-1)
    """
    return _core._nn._fft(input, dim, inverse)
