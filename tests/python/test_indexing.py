"""Random subscripts: reading, writing, gradients and shared memory, against torch."""

import random

import pytest
from parity.cases import Case, op
from parity.compare import check, verify
from parity.run import run
from parity.spec import LAYOUTS, S, lit, t

SHAPES = ((6,), (3, 4), (2, 3, 4), (4, 1, 3), (0, 3), ())
GROUPS, GROUP = 24, 12


def write(module, x, where, value):
    x[where] = value
    return x


def accumulate(module, x, where, value):
    x[where] += value
    return x


READ = op("x[key]", [S(t(3), 0)], call=lambda m, x, where: x[where], exact=True)
WRITE = op("x[key] = value", [S(t(3), 0, 1)], call=write, exact=True)
WRITE_COMPUTED = op(
    "(x * 1)[key] = value", [S(t(3), 0, 1)], call=lambda m, x, *rest: write(m, x * 1, *rest), exact=True
)
ADD = op("x[key] += value", [S(t(3), 0, 1)], call=accumulate)


def subscript(rng, shape, unique):
    """A random key for a shape. `unique` keys name no element twice, so that the order of writes cannot matter."""
    parts, axes = [], list(shape)
    advanced = rng.random() < 0.5
    lead = rng.choice([(), (1,), (2,), (2, 2)]) if not unique else rng.choice([(), (2,), (1,)])
    used = False
    while axes and rng.random() < 0.85:
        size = axes.pop(0)
        kind = rng.random()
        if advanced and kind < 0.45:
            if rng.random() < 0.3:
                parts.append(lit([rng.random() < 0.5 for _ in range(size)], "bool") if not used else slice(None))
                used = True
            elif unique:
                count = min(size, lead[0] if lead else 1)
                picks = rng.sample(range(size), count)
                parts.append(lit(picks if lead else (picks or [0])[0], "int64") if not used else slice(None))
                used = True
            else:
                parts.append(_indices(rng, lead, size))
        elif kind < 0.6:
            low, high = -size - (rng.random() < 0.05), size - (rng.random() > 0.05)
            parts.append(rng.randint(low, max(low, high)))
        else:
            parts.append(_slice(rng, size))
        if rng.random() < 0.1:
            parts.append(None)
    if rng.random() < 0.3:
        parts.insert(rng.randint(0, len(parts)) if not axes else len(parts), ...)
    return tuple(parts) if len(parts) != 1 or rng.random() < 0.5 else parts[0]


def _indices(rng, shape, size):
    def fill(rest):
        if not rest:
            return rng.randint(-size, max(size - 1, -size)) if size else 0
        return [fill(rest[1:]) for _ in range(rest[0])]

    return lit(fill(shape), rng.choice(["int64", "int64", "int32"]))


def _slice(rng, size):
    def bound():
        return rng.choice([None, rng.randint(-size - 1, size + 1)])

    return slice(bound(), bound(), rng.choice([None, None, 1, 2, 3]))


def sampled(group, unique):
    rng = random.Random(f"{group} {unique}")
    for number in range(GROUP):
        shape = rng.choice(SHAPES)
        yield shape, subscript(rng, shape, unique), rng.choice(LAYOUTS), 1000 * group + number


@pytest.mark.parametrize("group", range(GROUPS))
def test_reading(group, lib, oracle):
    found = []
    for shape, where, layout, seed in sampled(group, unique=False):
        for order, dtype in ((0, "int32"), (0, "bfloat16"), (1, "float32"), (2, "float64")):
            case = Case(READ, "function", S(t(*shape), where), (dtype,), layout, seed=seed, order=order)
            found += check(case, lib, oracle)
    verify(found)


@pytest.mark.parametrize("group", range(GROUPS))
def test_views_alias_and_copies_do_not(group, lib, oracle):
    found = []
    for shape, where, layout, seed in sampled(group, unique=False):
        case = Case(READ, "function", S(t(*shape), where), layout=layout, seed=seed, alias=True)
        found += check(case, lib, oracle)
    verify(found)


@pytest.mark.parametrize("group", range(GROUPS))
def test_writing(group, lib, oracle):
    found = []
    for shape, where, layout, seed in sampled(group, unique=True):
        for value in (7, 1.5, t(), t(1, dtype="float64"), t(2), t(4)):
            for row, order, dtype in ((WRITE, 0, "float32"), (WRITE, 0, "int64"), (WRITE_COMPUTED, 1, "float64")):
                case = Case(row, "function", S(t(*shape), where, value), (dtype,), layout, seed=seed, order=order)
                found += check(case, lib, oracle)
        case = Case(ADD, "function", S(t(*shape), where, 2), ("float32",), layout, seed=seed)
        found += check(case, lib, oracle)
    verify(found)


@pytest.mark.parametrize("group", range(4))
def test_keys_are_mostly_right(group, oracle):
    """The generator would test little if torch refused most of its keys."""
    outcomes = [
        run(Case(READ, "function", S(t(*shape), where), seed=seed), oracle)
        for shape, where, _, seed in sampled(group, False)
    ]
    assert sum(outcome.error is None for outcome in outcomes) > 0.6 * len(outcomes)


def test_planted_fault_is_found(oracle):
    """A write that also touches a neighbour must show."""
    spoiled = op("spoiled", [S(t(3), 0, 1)], call=lambda m, x, where, value: write(m, x, (..., slice(-1, None)), value))
    wrong = [check(Case(WRITE, "function", S(t(5), 1, 9)), _Replaced(oracle, spoiled), oracle)]
    assert any(wrong)


class _Replaced:
    """A library that performs another operation than it is asked for."""

    def __init__(self, lib, row):
        self.lib, self.row = lib, row

    def __getattr__(self, name):
        return getattr(self.lib, name)

    def call(self, form, _, args, kwargs):
        return self.lib.call(form, self.row, args, kwargs)


@pytest.mark.parametrize("step", [-1, -2, 0])
def test_steps_that_are_not_positive(step, rt):
    x = rt.zeros(5)
    with pytest.raises(ValueError, match="step"):
        x[::step]
    with pytest.raises(ValueError, match="step"):
        x[::step] = 1


def test_iteration_and_unpacking(rt):
    first, second = rt.tensor([[1, 2], [3, 4]])
    assert (first.tolist(), second.tolist()) == ([1, 2], [3, 4])
    assert [row.tolist() for row in rt.zeros(0, 2)] == []
    with pytest.raises(TypeError):
        iter(rt.tensor(1.0))


def test_index_by_zero_dim_tensor_is_a_view(rt):
    x = rt.zeros(3)
    x[rt.tensor(1)].fill_(5)
    assert x.tolist() == [0, 5, 0]


def test_boolean_mask_has_the_shape_of_its_values(rt):
    x = rt.arange(6.0)
    assert x[x > 2].shape == (3,)
    assert x[x > 9].shape == (0,)
    assert x[rt.zeros(6, dtype=rt.bool)].tolist() == []
