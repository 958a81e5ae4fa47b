"""Who computes: rustorch, torch eager, torch.compile, JAX."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from .case import Array, Case, Run


class Peer(Protocol):
    name: str
    version: str

    def prepare(self, case: Case, arrays: Sequence[Array]) -> Run | None:
        """What is timed: each call computes a new result and waits for it. None if the peer cannot say the case."""

    def array(self, result: Any) -> Array:
        """One result as an array, half precision widened."""


class Rustorch:
    name = "rustorch"

    def __init__(self, threads: int) -> None:
        self.lib = importlib.import_module("rustorch")
        self.lib.set_num_threads(threads)
        self.version = self.lib.__version__

    def prepare(self, case: Case, arrays: Sequence[Array]) -> Run:
        run = case.prepare(self.lib, uncompiled, *(self.lib.tensor(array) for array in arrays))
        synchronize = self.lib.synchronize

        def forced() -> Any:
            result = run()
            if isinstance(result, tuple | list):
                synchronize()
            elif not isinstance(result, float | np.ndarray):
                result.realize()
            return result

        return forced

    def array(self, result: Any) -> Array:
        return of_tensor(self.lib, result)


class Eager:
    name = "torch"

    def __init__(self, threads: int) -> None:
        self.lib = importlib.import_module("torch")
        self.lib.set_num_threads(threads)
        self.version = self.lib.__version__

    def prepare(self, case: Case, arrays: Sequence[Array]) -> Run:
        return case.prepare(self.lib, uncompiled, *map(self.lib.tensor, arrays))

    def array(self, result: Any) -> Array:
        return of_tensor(self.lib, result)


class Compiled(Eager):
    """torch.compile with its defaults, told that shapes are static. The first call compiles, for seconds."""

    name = "compile"

    def prepare(self, case: Case, arrays: Sequence[Array]) -> Run:
        self.lib.compiler.reset()

        def compile(call: Callable[..., Any]) -> Any:
            return self.lib.compile(call, dynamic=False)

        return case.prepare(self.lib, compile, *map(self.lib.tensor, arrays))


class Jax:
    """jax.jit. How many threads it uses is decided when the process starts: see `environment`."""

    name = "jax"

    def __init__(self, threads: int) -> None:
        self.jax = importlib.import_module("jax")
        importlib.import_module("jax.scipy.special")
        self.version = self.jax.__version__

    def prepare(self, case: Case, arrays: Sequence[Array]) -> Run | None:
        if case.jax is None:
            return None
        run = case.jax(self.jax, *(self.jax.numpy.asarray(narrow(array)) for array in arrays))
        wait = self.jax.block_until_ready
        return lambda: wait(run())

    def array(self, result: Any) -> Array:
        return widened(np.asarray(result))


PEERS: dict[str, Callable[[int], Peer]] = {peer.name: peer for peer in (Rustorch, Eager, Compiled, Jax)}


def environment(threads: int) -> dict[str, str]:
    """What a process must find when it starts for its peers to use so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RUSTORCH_NUM_THREADS", "NPROC")
    return {**dict.fromkeys(names, str(threads)), "JAX_PLATFORMS": "cpu"}


def uncompiled(call: Callable[..., Any]) -> Callable[..., Any]:
    return call


def of_tensor(lib: Any, result: Any) -> Array:
    if isinstance(result, float | np.ndarray):
        return np.asarray(result)
    result = result.detach()
    if result.dtype in (lib.bfloat16, lib.float16):
        result = result.to(lib.float32)
    return result.numpy()


def narrow(array: Array) -> Array:
    """JAX has no 64-bit types unless told to, and says so each time."""
    return array.astype(np.int32) if array.dtype == np.int64 else array


def widened(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype.itemsize == 2 else array
