"""Small networks: inference, and training steps written as one writes them for eager torch."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..case import Array, Case, Compile, Run, jitted

LEARNING_RATE = 1e-3
MOMENTUM = 0.9
BETAS = (0.9, 0.999)
EPSILON = 1e-8
# The tiny one of a controller, that of examples/digits.py, and one for MNIST.
INFERENCE = [((6, 64, 8, 4), 1), *(((64, 128, 64, 10), batch) for batch in (1, 32, 512)), ((784, 512, 256, 10), 128)]
TRAINING = [((64, 128, 64, 10), 64), ((784, 512, 256, 10), 128)]


def weights(widths: Sequence[int]) -> Callable[[np.random.Generator], list[Array]]:
    def make(rng: np.random.Generator) -> list[Array]:
        arrays = []
        for fan_in, fan_out in pairwise(widths):
            arrays.append(rng.standard_normal((fan_out, fan_in), dtype=np.float32) / np.float32(fan_in**0.5))
            arrays.append(rng.standard_normal(fan_out, dtype=np.float32) * np.float32(0.1))
        return arrays

    return make


def network(lib: Any, widths: Sequence[int], parameters: Sequence[Any]) -> Any:
    layers: list[Any] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [lib.nn.Linear(fan_in, fan_out), lib.nn.ReLU()]
    model = lib.nn.Sequential(*layers[:-1])
    with lib.no_grad():
        for own, given in zip(model.parameters(), parameters, strict=True):
            own.copy_(given)
    return model


def forward_jax(jax: Any, parameters: Sequence[Any], x: Any) -> Any:
    *hidden, last = zip(parameters[::2], parameters[1::2], strict=True)
    for weight, bias in hidden:
        x = jax.nn.relu(x @ weight.T + bias)
    return x @ last[0].T + last[1]


def loss_jax(jax: Any, parameters: Sequence[Any], x: Any, classes: Any) -> Any:
    return -jax.numpy.take_along_axis(jax.nn.log_softmax(forward_jax(jax, parameters, x)), classes[:, None], 1).mean()


def inference(widths: Sequence[int]) -> Callable[..., Run]:
    def prepare(lib: Any, compile: Compile, x: Any, *parameters: Any) -> Run:
        model = compile(network(lib, widths, parameters))

        def run() -> Any:
            with lib.no_grad():
                return model(x)

        return run

    return prepare


def training(widths: Sequence[int], optimizer: Callable[[Any, Any], Any]) -> Callable[..., Run]:
    """One step; the loss is looked at in each, so that nothing may stay pending."""

    def prepare(lib: Any, compile: Compile, x: Any, classes: Any, *parameters: Any) -> Run:
        plain = network(lib, widths, parameters)
        model, loss_of = compile(plain), lib.nn.CrossEntropyLoss()
        optimiser = optimizer(lib, plain.parameters())

        def step() -> float:
            optimiser.zero_grad()
            loss = loss_of(model(x), classes)
            loss.backward()
            optimiser.step()
            return loss.item()

        return step

    return prepare


def sgd_jax(jax: Any, parameters: Any, grads: Any, state: Any) -> tuple[Any, Any]:
    velocity = [MOMENTUM * v + g for v, g in zip(state, grads, strict=True)]
    return [p - LEARNING_RATE * v for p, v in zip(parameters, velocity, strict=True)], velocity


def adam_jax(jax: Any, parameters: Any, grads: Any, state: Any) -> tuple[Any, Any]:
    count, first, second = state
    count = count + 1
    first = [BETAS[0] * m + (1 - BETAS[0]) * g for m, g in zip(first, grads, strict=True)]
    second = [BETAS[1] * v + (1 - BETAS[1]) * g * g for v, g in zip(second, grads, strict=True)]
    rate, scale = LEARNING_RATE / (1 - BETAS[0] ** count), 1 - BETAS[1] ** count
    updated = [
        p - rate * m / (jax.numpy.sqrt(v / scale) + EPSILON) for p, m, v in zip(parameters, first, second, strict=True)
    ]
    return updated, (count, first, second)


def training_jax(update: Callable[..., Any], initial: Callable[..., Any]) -> Callable[..., Run]:
    def prepare(jax: Any, x: Any, classes: Any, *parameters: Any) -> Run:
        @jax.jit
        def step(parameters: Any, state: Any) -> Any:
            loss, grads = jax.value_and_grad(partial(loss_jax, jax))(parameters, x, classes)
            return loss, *update(jax, parameters, grads, state)

        held = [list(parameters), initial(jax, parameters)]

        def run() -> float:
            loss, held[0], held[1] = step(held[0], held[1])
            return loss.item()

        return run

    return prepare


def zeros(jax: Any, parameters: Any) -> list[Any]:
    return [jax.numpy.zeros_like(p) for p in parameters]


# name, for torch, for JAX
OPTIMIZERS: list[tuple[str, Any, Any]] = [
    (
        "SGD",
        lambda lib, parameters: lib.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM),
        training_jax(sgd_jax, zeros),
    ),
    (
        "Adam",
        lambda lib, parameters: lib.optim.Adam(parameters, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON),
        training_jax(adam_jax, lambda jax, p: (jax.numpy.float32(0), zeros(jax, p), zeros(jax, p))),
    ),
]


def named(widths: Sequence[int], batch: int) -> str:
    return f"{'-'.join(map(str, widths))} batch {batch}"


def largest(widths: Sequence[int], batch: int) -> int:
    return max(batch * max(widths), *(a * b for a, b in pairwise(widths)))


def inference_cases(sizes: Sequence[int]) -> Iterator[Case]:
    for widths, batch in INFERENCE:
        parameters = weights(widths)

        def arrays(rng: np.random.Generator, shape=(batch, widths[0]), parameters=parameters) -> list[Array]:
            return [rng.standard_normal(shape, dtype=np.float32), *parameters(rng)]

        jax = jitted(lambda jax, x, *parameters: forward_jax(jax, parameters, x))
        yield Case("inference", named(widths, batch), arrays, inference(widths), jax, largest(widths, batch))


def training_cases(sizes: Sequence[int]) -> Iterator[Case]:
    for widths, batch in TRAINING:
        for name, optimizer, prepare_jax in OPTIMIZERS:

            def arrays(rng: np.random.Generator, widths=widths, batch=batch) -> list[Array]:
                x = rng.standard_normal((batch, widths[0]), dtype=np.float32)
                return [x, rng.integers(0, widths[-1], batch), *weights(widths)(rng)]

            yield Case(
                "training",
                f"{name} {named(widths, batch)}",
                arrays,
                training(widths, optimizer),
                prepare_jax,
                largest(widths, batch),
                steps=5,
                tolerance=1e-3,
            )
