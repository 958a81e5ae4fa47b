"""One element-wise operation at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..case import Case, jitted, normal, plain, positive, together

# name, inputs, for torch, for JAX (its 64-bit types are off, so it has no cast to float64)
OPERATIONS: list[tuple[str, int, Any, Any]] = [
    ("add", 2, lambda lib, a, b: a + b, lambda jax, a, b: a + b),
    ("mul scalar", 1, lambda lib, a: a * 1.5, lambda jax, a: a * 1.5),
    ("mul", 2, lambda lib, a, b: a * b, lambda jax, a, b: a * b),
    ("div", 2, lambda lib, a, b: a / b, lambda jax, a, b: a / b),
    ("exp", 1, lambda lib, a: a.exp(), lambda jax, a: jax.numpy.exp(a)),
    ("log", 1, lambda lib, a: a.log(), lambda jax, a: jax.numpy.log(a)),
    ("sin", 1, lambda lib, a: a.sin(), lambda jax, a: jax.numpy.sin(a)),
    ("sqrt", 1, lambda lib, a: a.sqrt(), lambda jax, a: jax.numpy.sqrt(a)),
    ("tanh", 1, lambda lib, a: a.tanh(), lambda jax, a: jax.numpy.tanh(a)),
    ("sigmoid", 1, lambda lib, a: a.sigmoid(), lambda jax, a: jax.nn.sigmoid(a)),
    ("relu", 1, lambda lib, a: a.relu(), lambda jax, a: jax.nn.relu(a)),
    ("silu", 1, lambda lib, a: lib.nn.functional.silu(a), lambda jax, a: jax.nn.silu(a)),
    ("gelu", 1, lambda lib, a: lib.nn.functional.gelu(a), lambda jax, a: jax.nn.gelu(a, approximate=False)),
    ("gelu tanh", 1, lambda lib, a: lib.nn.functional.gelu(a, approximate="tanh"), lambda jax, a: jax.nn.gelu(a)),
    ("erf", 1, lambda lib, a: a.erf(), lambda jax, a: jax.scipy.special.erf(a)),
    ("where", 2, lambda lib, a, b: lib.where(a > 0, a, b), lambda jax, a, b: jax.numpy.where(a > 0, a, b)),
    ("compare", 2, lambda lib, a, b: a < b, lambda jax, a, b: a < b),
    ("clamp", 1, lambda lib, a: a.clamp(-0.5, 0.5), lambda jax, a: jax.numpy.clip(a, -0.5, 0.5)),
    ("pow scalar", 1, lambda lib, a: a**3, lambda jax, a: a**3),
    ("cast f64", 1, lambda lib, a: a.to(lib.float64), None),
    ("cast i32", 1, lambda lib, a: a.to(lib.int32), lambda jax, a: a.astype(jax.numpy.int32)),
    ("cast bf16", 1, lambda lib, a: a.to(lib.bfloat16), lambda jax, a: a.astype(jax.numpy.bfloat16)),
    ("cast f16", 1, lambda lib, a: a.to(lib.float16), lambda jax, a: a.astype(jax.numpy.float16)),
]


def cases(sizes: Sequence[int]) -> Iterator[Case]:
    for size in sizes:
        for name, inputs, torch, jax in OPERATIONS:
            arrays = together(*[(positive if name in ("log", "sqrt") else normal)(size)] * inputs)
            yield Case("pointwise", name, arrays, plain(torch), jitted(jax), size)
