"""What is measured: a computation, written once for torch's API and once for JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Run = Callable[[], Any]
Compile = Callable[[Callable[..., Any]], Callable[..., Any]]

EAGER = 1.05
PRODUCT = 1.1


@dataclass(frozen=True)
class Case:
    group: str
    name: str
    arrays: Callable[[np.random.Generator], Sequence[Array]]
    """The inputs, the same for every peer."""
    prepare: Callable[..., Run]
    """`prepare(lib, compile, *tensors)` gives what is timed; each call of it computes a new result. `lib` has
    torch's API, and `compile` is to be wrapped around what torch.compile should see."""
    jax: Callable[..., Run] | None = None
    """`jax(module, *arrays)` gives the same for JAX, jitted; None where jit cannot say it."""
    size: int = 0
    """Elements of the largest tensor."""
    bound: float = EAGER
    """How long it may take, torch eager being 1."""
    steps: int = 1
    """The call whose results are compared: more than the first where each call changes the state."""
    tolerance: float = 2e-4

    @property
    def label(self) -> str:
        return f"{self.name} {human(self.size)}"


def plain(call: Callable[..., Any]) -> Callable[..., Run]:
    """Prepares a pure function of the library and the tensors."""

    def prepare(lib: Any, compile: Compile, *tensors: Any) -> Run:
        compiled = compile(lambda *tensors: call(lib, *tensors))
        return lambda: compiled(*tensors)

    return prepare


def jitted(call: Callable[..., Any] | None) -> Callable[..., Run] | None:
    """Prepares a pure function of the module `jax` and the arrays."""
    if call is None:
        return None

    def prepare(jax: Any, *arrays: Any) -> Run:
        compiled = jax.jit(lambda *arrays: call(jax, *arrays))
        return lambda: compiled(*arrays)

    return prepare


def normal(*shape: int) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.standard_normal(shape, dtype=np.float32)


def positive(*shape: int) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.random(shape, dtype=np.float32) + np.float32(0.01)


def together(*makers: Callable[[np.random.Generator], Array]) -> Callable[[np.random.Generator], list[Array]]:
    return lambda rng: [make(rng) for make in makers]


def rows(size: int) -> tuple[int, int]:
    """A matrix of about `size` elements whose rows have at most 1024."""
    columns = min(1024, 1 << (size.bit_length() - 1) // 2)
    return max(size // columns, 1), columns


def human(count: int) -> str:
    for scale, unit in ((1 << 20, "M"), (1 << 10, "k")):
        if count >= scale:
            return f"{count / scale:.3g}{unit}"
    return str(count)
