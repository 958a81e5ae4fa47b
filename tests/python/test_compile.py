"""`rt.compile`: captured programs give what the uncompiled call gives, bit by bit."""

import copy
import dataclasses
import gc
import pickle
import threading
import typing
import warnings
import weakref

import numpy as np
import pytest

STEPS = 40


def same(rt, a, b):
    assert a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()
    assert a.requires_grad == b.requires_grad
    assert rt.equal(a, b)


def trained(rt, model, optimiser, batches, *, compiled, between=lambda i, m, o: None, step_of=None):
    """Losses, parameters and state after a training run from the same seed."""
    rt.manual_seed(3)
    m = model()
    o = optimiser(m.parameters())
    loss_of = rt.nn.functional.cross_entropy

    def step(x, y):
        o.zero_grad()
        loss = loss_of(m(x), y)
        loss.backward()
        o.step()
        return loss

    step = step if step_of is None else step_of(m, o)
    run = rt.compile(step, fullgraph=True) if compiled else step
    losses = []
    for i, (x, y) in enumerate(batches):
        between(i, m, o)
        losses.append(run(x, y).item())
    state = [value for entry in o.state.values() for value in entry.values() if isinstance(value, rt.Tensor)]
    return losses, [p.detach() for p in m.parameters()] + list(m.buffers()) + state, run


def compare(rt, model, optimiser, batches, **options):
    plain = trained(rt, model, optimiser, batches, compiled=False, **options)
    fast = trained(rt, model, optimiser, batches, compiled=True, **options)
    assert plain[0] == fast[0]
    for a, b in zip(plain[1], fast[1], strict=True):
        same(rt, a, b)
    return fast[2]


def batches(rt, n=STEPS, size=16, features=8, classes=4):
    generator = rt.Generator().manual_seed(5)
    return [
        (
            rt.randn(size if isinstance(size, int) else size[i % len(size)], features, generator=generator),
            rt.randint(0, classes, (size if isinstance(size, int) else size[i % len(size)],), generator=generator),
        )
        for i in range(n)
    ]


def mlp(rt, dropout=0.0):
    nn = rt.nn
    return lambda: nn.Sequential(
        nn.Linear(8, 32),
        nn.LayerNorm(32),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(32, 16),
        nn.ReLU(),
        nn.Linear(16, 4),
    )


OPTIMISERS = {
    "sgd": lambda rt: lambda p: rt.optim.SGD(p, lr=0.1),
    "momentum": lambda rt: lambda p: rt.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda rt: lambda p: rt.optim.Adam(p, lr=1e-2),
    "amsgrad": lambda rt: lambda p: rt.optim.Adam(p, lr=1e-2, amsgrad=True, weight_decay=1e-2),
    "adamw": lambda rt: lambda p: rt.optim.AdamW(p, lr=1e-2),
    "rmsprop": lambda rt: lambda p: rt.optim.RMSprop(p, lr=1e-3, momentum=0.5, centered=True),
    "adagrad": lambda rt: lambda p: rt.optim.Adagrad(p, lr=1e-2, lr_decay=1e-3),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_steps_are_one_program_with_equal_bits(rt, name):
    step = compare(rt, mlp(rt), OPTIMISERS[name](rt), batches(rt))
    assert step._programs == 1, step.captures


OTHERS = {
    "nadam": lambda rt: lambda p: rt.optim.NAdam(p, lr=1e-2),
    "radam": lambda rt: lambda p: rt.optim.RAdam(p, lr=1e-2),
    "adamax": lambda rt: lambda p: rt.optim.Adamax(p, lr=1e-2),
    "adadelta": lambda rt: lambda p: rt.optim.Adadelta(p, lr=0.5),
    "asgd": lambda rt: lambda p: rt.optim.ASGD(p, lr=0.05, t0=10),
    "rprop": lambda rt: lambda p: rt.optim.Rprop(p, lr=1e-2),
}


@pytest.mark.parametrize("name", OTHERS)
def test_optimisers_whose_steps_decide_by_numbers(rt, name):
    def between(i, m, o):
        if i == 9:
            o.param_groups[0]["lr"] *= 0.5

    compare(rt, mlp(rt), OTHERS[name](rt), batches(rt, 16), between=between)


def test_a_training_step_is_one_plan_that_compiles_nothing_later(rt):
    data = batches(rt, 12)
    _, _, step = trained(rt, mlp(rt), OPTIMISERS["adam"](rt), data, compiled=True)
    before = rt.stats()
    for x, y in data:
        step(x, y)
    after = rt.stats()
    assert after["compiles"] == before["compiles"]
    assert after["cache_hits"] - before["cache_hits"] == len(data)
    assert after["interpreted"] == before["interpreted"]


def test_dropout_draws_as_without_compile(rt):
    compare(rt, mlp(rt, 0.3), OPTIMISERS["adam"](rt), batches(rt))


def test_learning_rate_schedules_capture_nothing_anew(rt):
    schedulers = {}

    def between(i, m, o):
        if i == 0:
            schedulers[id(o)] = rt.optim.lr_scheduler.CosineAnnealingLR(o, T_max=15)
        else:
            schedulers[id(o)].step()

    step = compare(rt, mlp(rt), OPTIMISERS["adamw"](rt), batches(rt), between=between)
    assert step._programs == 1, step.captures


def test_another_weight_decay_is_heeded(rt):
    def between(i, m, o):
        if i == 20:
            o.param_groups[0]["weight_decay"] = 0.1
        if i == 30:
            o.param_groups[0]["weight_decay"] = 0.2

    step = compare(rt, mlp(rt), OPTIMISERS["adam"](rt), batches(rt), between=between)
    # Whether there is decay decides what is computed, not how much.
    assert step._programs == 2, step.captures


def test_changing_batch_sizes(rt):
    step = compare(rt, mlp(rt), OPTIMISERS["adam"](rt), batches(rt, size=[16, 7, 16, 1]))
    assert step._programs == 3, step.captures


def test_train_and_eval_switches(rt):
    def between(i, m, o):
        m.train(i % 3 != 0)

    compare(rt, mlp(rt, 0.5), OPTIMISERS["sgd"](rt), batches(rt), between=between)


def test_frozen_and_unfrozen_parameters(rt):
    def between(i, m, o):
        m[0].weight.requires_grad_(i % 10 < 5)

    compare(rt, mlp(rt), OPTIMISERS["sgd"](rt), batches(rt), between=between)


def test_gradient_clipping(rt):
    def step_of(m, o):
        def step(x, y):
            o.zero_grad()
            loss = rt.nn.functional.cross_entropy(m(x), y)
            loss.backward()
            rt.nn.utils.clip_grad_norm_(m.parameters(), 0.1)
            o.step()
            return loss

        return step

    compare(rt, mlp(rt), OPTIMISERS["adam"](rt), batches(rt), step_of=step_of)


def test_accumulated_gradients(rt):
    def step_of(m, o):
        def step(x, y):
            half = x.shape[0] // 2
            for part in (slice(0, half), slice(half, None)):
                (rt.nn.functional.cross_entropy(m(x[part]), y[part]) / 2).backward()
            o.step()
            o.zero_grad(set_to_none=False)
            return m[0].weight.grad.sum()

        return step

    compare(rt, mlp(rt), OPTIMISERS["momentum"](rt), batches(rt), step_of=step_of)


def test_recurrent_cells(rt):
    nn = rt.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTMCell(2, 8)
            self.head = nn.Linear(8, 4)

        def forward(self, x):
            h = c = rt.zeros(x.shape[0], 8)
            for t in range(4):
                h, c = self.cell(x[:, 2 * t : 2 * t + 2], (h, c))
            return self.head(h)

    step = compare(rt, Net, OPTIMISERS["adam"](rt), batches(rt))
    assert step._programs == 1, step.captures


def test_convolutions_and_batch_norm(rt):
    nn = rt.nn

    def model():
        return nn.Sequential(
            nn.Unflatten(1, (1, 8)),
            nn.Conv1d(1, 4, 3, padding=1),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32, 4),
        )

    step = compare(rt, model, OPTIMISERS["sgd"](rt), batches(rt))
    assert step._programs == 1, step.captures


def test_transformer_block_with_dropout(rt):
    nn = rt.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
            self.head = nn.Linear(8, 4)

        def forward(self, x):
            return self.head(self.block(x.view(-1, 4, 8)).mean(1).repeat_interleave(4, 0))

    # What is forced at once makes one plan, as a captured call does; in several plans sums may combine otherwise.
    def step_of(m):
        def step(x, y):
            m.zero_grad()
            loss = rt.nn.functional.cross_entropy(m(x), y)
            loss.backward()
            return loss

        return step

    grads = []
    for compiled in (False, True):
        rt.manual_seed(3)
        net = Net()
        step = step_of(net)
        step = rt.compile(step, fullgraph=True) if compiled else step
        own = []
        for x, y in batches(rt, 10):
            loss = step(x, y)
            rt.synchronize()
            own += [loss.detach(), *(p.grad.clone() for p in net.parameters())]
        grads.append(own)
    for a, b in zip(*grads, strict=True):
        same(rt, a, b)
    assert step._programs == 1, step.captures


def test_the_gradient_of_a_compiled_forward(rt):
    rt.manual_seed(0)
    model = mlp(rt, 0.2)()
    compiled = rt.compile(model)
    results = []
    for forward in (model, compiled):
        rt.manual_seed(7)
        grads = []
        for i in range(5):
            x = (rt.arange(24.0).view(3, 8) / (i + 3)).requires_grad_()
            model.zero_grad()
            out = forward(x)
            (out.sin() * (i + 1)).sum().backward()
            assert out.requires_grad
            grads += [x.grad, *(p.grad.clone() for p in model.parameters())]
        results.append(grads)
    # The uncompiled pass is one plan with its backward pass, so sums may combine otherwise.
    for a, b in zip(*results, strict=True):
        assert a.shape == b.shape and rt.allclose(a, b, rtol=1e-5, atol=1e-6)
    assert compiled._compiled._programs == 1
    out = compiled(x)
    assert out.grad_fn.name() == "CompiledFunctionBackward"
    out.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.sum().backward()
    with pytest.raises(RuntimeError, match="double backward"):
        rt.autograd.grad(compiled(x).sum(), x, create_graph=True)


def test_the_gradient_sees_the_arguments_of_its_own_call(rt):
    f = rt.compile(lambda x, w: (x * w).exp())
    w = rt.tensor([1.0, 2.0], requires_grad=True)
    array = np.array([0.5, 1.0], dtype=np.float32)
    for _ in range(3):
        out = f(rt.from_numpy(array), w)
        array += 1
        (grad,) = rt.autograd.grad(out.sum(), w)
        x = rt.from_numpy(array - 1)
        (wanted,) = rt.autograd.grad((x * w).exp().sum(), w)
        same(rt, grad, wanted)


def test_numbers_are_inputs(rt):
    f = rt.compile(lambda x, a, b: (x * a + b / a).clamp(-b, b * 2))
    for a, b in [(2.0, 3), (0.5, 1), (7.25, 9)]:
        x = rt.randn(6)
        same(rt, f(x, a, b), (x * a + b / a).clamp(-b, b * 2))
    assert f._programs == 1, f.captures


def test_numbers_that_decide_are_guarded(rt):
    def f(x, n, a):
        return x[:n] * a if a > 1 else x[n:].sum(0, keepdim=True) + a

    g = rt.compile(f)
    x = rt.randn(6)
    for n, a in [(2, 3.0), (2, 4.0), (3, 3.0), (3, 0.5), (2, 5.0), (3, 0.25)]:
        same(rt, g(x, n, a), f(x, n, a))
    assert g._programs == 3, g.captures


def test_a_number_that_equals_a_literal_is_not_taken_for_it(rt):
    f = rt.compile(lambda x, a: x.clamp(a, 1.0))
    for a in (1.0, 0.5, -1.0):
        x = rt.randn(50)
        same(rt, f(x, a), x.clamp(a, 1.0))


class Pair(typing.NamedTuple):
    first: typing.Any
    second: typing.Any


@dataclasses.dataclass
class Record:
    a: typing.Any
    b: typing.Any


def test_nested_arguments_and_results(rt):
    def f(tree, *, scale):
        x, (y, z) = tree["x"], tree["rest"]
        return {
            "sum": x + y.first * scale,
            "list": [z.a, (y.second, None)],
            "record": Record(z.b * 2, "text"),
            3: Pair(x, 4.0),
        }

    g = rt.compile(f)
    for _ in range(3):
        tree = {"x": rt.randn(3), "rest": [Pair(rt.randn(3), rt.ones(1)), Record(rt.randn(2), np.random.rand(2))]}
        out, want = (
            g(tree, scale=0.5),
            f(
                {**tree, "rest": [tree["rest"][0], Record(tree["rest"][1].a, rt.from_numpy(tree["rest"][1].b))]},
                scale=0.5,
            ),
        )
        assert list(out) == list(want) and type(out[3]) is Pair and out["record"].b == "text"
        same(rt, out["sum"], want["sum"])
        same(rt, out["record"].a, want["record"].a)
        assert out["list"][0] is tree["rest"][1].a and out["list"][1][1] is None and out[3].second == 4.0
    assert g._programs == 1


def test_arguments_of_other_kinds_get_programs_of_their_own(rt):
    f = rt.compile(lambda x: x + x.t() if x.dim() == 2 else x * 2)
    for x in (
        rt.randn(3, 3),
        rt.randn(3, 3).t(),
        rt.randn(4),
        rt.arange(4),
        rt.randn(4, dtype=rt.float64),
        rt.randn(8)[::2],
    ):
        for _ in range(2):
            same(rt, f(x), x + x.t() if x.dim() == 2 else x * 2)
    assert f._programs == 6


def test_slices_of_one_tensor_share_a_program(rt):
    data = rt.randn(100, 4)
    f = rt.compile(lambda x: (x * 2).sum(1))
    for i in range(0, 96, 8):
        same(rt, f(data[i : i + 8]), (data[i : i + 8] * 2).sum(1))
    assert f._programs == 1


def test_in_place_writes_reach_arguments_and_their_views(rt):
    def f(x, y):
        x.add_(1)
        y[1:].mul_(x[0])
        return x.sum()

    g = rt.compile(f)
    for _ in range(4):
        a, b = rt.randn(3), rt.randn(5)
        c, d = a.clone(), b.clone()
        view, version = b[2:], b._version
        same(rt, g(a, b), f(c, d))
        same(rt, a, c)
        same(rt, b, d)
        same(rt, view, d[2:])
        assert b._version == version + 1
    assert g._programs == 1


def test_arguments_that_share_memory(rt):
    def f(x, y):
        x.mul_(2)
        return y + 1

    g = rt.compile(f)
    for shared in (False, True, False, True):
        a, c = rt.ones(4), rt.ones(4)
        y, z = (a[1:], c[1:]) if shared else (rt.ones(3), rt.ones(3))
        same(rt, g(a, y), f(c, z))


def test_state_that_is_referred_to_is_read_at_each_call(rt):
    weight = rt.ones(3)
    count = rt.zeros(())

    def f(x):
        count.add_(1)
        return x * weight + count

    g = rt.compile(f)
    x = rt.ones(3)
    for i in range(3):
        same(rt, g(x), x * weight + (i + 1))
        weight.mul_(3)
    assert g._programs == 1


def test_closures_and_globals_are_guarded(rt):
    factor, other = 2.0, rt.ones(2)

    def f(x):
        return x * factor + other + GLOBAL

    g = rt.compile(f)
    global GLOBAL  # noqa: PLW0603
    x = rt.ones(2)
    for value in (1, 5):
        GLOBAL = value
        for factor in (2.0, 3.0):  # noqa: B007
            for other in (rt.ones(2), rt.zeros(2)):  # noqa: B007
                same(rt, g(x), f(x))


GLOBAL = 0


def test_modules_that_change(rt):
    nn = rt.nn
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    compiled = rt.compile(model)
    x = rt.randn(2, 3)
    with rt.no_grad():
        same(rt, compiled(x), model(x))
        model[0].weight.fill_(2)
        same(rt, compiled(x), model(x))
        model[0].weight = nn.Parameter(rt.zeros(3, 3))
        same(rt, compiled(x), model(x))
        model[1] = nn.Sigmoid()
        same(rt, compiled(x), model(x))
        model[0].weight.data = rt.ones(3, 3)
        same(rt, compiled(x), model(x))
        handle = model.register_forward_hook(lambda m, a, out: out + 1)
        same(rt, compiled(x), model(x))
        handle.remove()
        same(rt, compiled(x), model(x))
        model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
        same(rt, compiled(x), model(x))
        model.double()
        same(rt, compiled(x.double()), model(x.double()))


def test_an_optimiser_that_is_restored(rt):
    model = rt.nn.Linear(3, 1)
    optimiser = rt.optim.Adam(model.parameters(), lr=0.1)
    twin = copy.deepcopy(model)
    other = rt.optim.Adam(twin.parameters(), lr=0.1)

    def step_of(m, o):
        def step(x):
            o.zero_grad()
            m(x).pow(2).sum().backward()
            o.step()

        return step

    fast, slow = rt.compile(step_of(model, optimiser)), step_of(twin, other)
    for i in range(12):
        if i in (4, 8):
            saved = copy.deepcopy(optimiser.state_dict())
            optimiser.load_state_dict(saved)
            other.load_state_dict(copy.deepcopy(other.state_dict()))
        x = rt.randn(4, 3)
        fast(x)
        slow(x)
        same(rt, model.weight, twin.weight)
        assert optimiser.state[model.weight]["step"].item() == i + 1


def test_a_value_that_is_needed_falls_back_with_one_warning(rt):
    def f(x):
        if x.sum().item() > 0:
            return x * 2
        return x * 3

    g = rt.compile(f)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(6):
            x = rt.randn(3)
            same(rt, g(x), f(x))
    assert len(caught) == 1
    assert "test_compile.py:" in str(caught[0].message) and "value of a tensor is needed" in str(caught[0].message)
    with pytest.raises(RuntimeError, match="fullgraph=True.*test_compile.py"):
        rt.compile(f, fullgraph=True)(rt.ones(3))


@pytest.mark.parametrize(
    "needs",
    [
        lambda x: float(x.sum()),
        lambda x: bool(x[0] > 0),
        lambda x: x.tolist(),
        lambda x: x.numpy().sum(),
        lambda x: repr(x),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: int(x.argmax()),
    ],
)
def test_what_needs_a_value(rt, needs):
    def f(x):
        needs(x * 1)
        return x + 1

    g = rt.compile(f, fullgraph=True)
    with pytest.raises(RuntimeError, match="cannot capture"):
        g(rt.ones(3))
    # The thread is as before.
    assert (rt.ones(2) + 1).tolist() == [2.0, 2.0]


def test_attributes_that_are_set_are_not_lost(rt):
    class Counter(rt.nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x + self.calls

    m = rt.compile(Counter())
    with pytest.warns(UserWarning, match="sets the attribute 'calls'"):
        assert [m(rt.zeros(1)).item() for _ in range(3)] == [1, 2, 3]
    assert m.calls == 3


def test_writes_to_shared_arrays(rt):
    array = np.zeros(3, dtype=np.float32)

    def f(x):
        x.add_(1)
        return x * 2

    g = rt.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(3):
            assert g(rt.from_numpy(array)).tolist() == [2.0 * (i + 1)] * 3
            assert array.tolist() == [float(i + 1)] * 3


def test_arrays_are_read_in_place(rt):
    array = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    f = rt.compile(lambda x: x.t() @ x)
    for _ in range(3):
        same(rt, f(array), rt.tensor(array).t() @ rt.tensor(array))
        array += 1
    assert f._programs == 1


def test_indices_are_checked_in_the_program(rt):
    f = rt.compile(lambda x, i: x.index_select(0, i))
    x = rt.randn(4)
    f(x, rt.tensor([0, 3]))
    same(rt, f(x, rt.tensor([2, 1])), x[[2, 1]])
    with pytest.raises(IndexError):
        f(x, rt.tensor([4, 0])).tolist()
    same(rt, f(x, rt.tensor([2, 1])), x[[2, 1]])


def test_errors_of_the_function_come_through(rt):
    def f(x, y):
        return x @ y

    g = rt.compile(f)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            g(rt.ones(2, 3), rt.ones(2, 3))
        same(rt, g(rt.ones(2, 3), rt.ones(3, 2)), f(rt.ones(2, 3), rt.ones(3, 2)))


def test_threads_share_a_compiled_model(rt):
    model = rt.compile(mlp(rt)().eval())
    inputs = [rt.randn(2, 8) for _ in range(10)]
    with rt.no_grad():
        want = [model._orig_mod(x) for x in inputs]
        rt.synchronize()
    failures = []

    def work(k):
        try:
            with rt.no_grad():
                for _ in range(50):
                    same(rt, model(inputs[k]), want[k])
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_compiled_things_are_pickled_by_structure(rt):
    model = rt.compile(rt.nn.Sequential(rt.nn.Linear(3, 2)))
    x = rt.randn(4, 3)
    same(rt, pickle.loads(pickle.dumps(model))(x), model(x))
    assert list(model.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
    f = pickle.loads(pickle.dumps(rt.compile(module_level)))
    same(rt, f(x), module_level(x))


def module_level(x):
    return x * 2


def test_wrapping(rt):
    @rt.compile
    def f(x):
        """Doubles."""
        return x * 2

    assert f.__name__ == "f" and f.__doc__ == "Doubles."
    assert rt.compile(fullgraph=True)(module_level)(rt.ones(1)).item() == 2
    assert rt.compile(module_level, disable=True) is module_level

    class Holder:
        @rt.compile
        def method(self, x):
            return x + 1

    assert Holder().method(rt.ones(1)).item() == 2
    with pytest.raises(TypeError, match="callable"):
        rt.compile(3)
    with pytest.raises(NotImplementedError, match="dynamic"):
        rt.compile(module_level, dynamic=True)
    with pytest.raises(ValueError, match="backend"):
        rt.compile(module_level, backend="eager")


def test_calls_within_calls_are_one_program(rt):
    inner = rt.compile(lambda x: x * 2)
    outer = rt.compile(lambda x: inner(x) + inner(x + 1))
    x = rt.randn(3)
    for _ in range(2):
        same(rt, outer(x), x * 2 + (x + 1) * 2)
    assert outer._programs == 1 and inner._programs == 0


def test_captures_say_why(rt):
    f = rt.compile(lambda x: x + 1)
    f(rt.ones(2))
    f(rt.ones(3))
    assert f.captures[0] == "captured: it was called for the first time"
    assert "tensor 0 among the arguments was float32 [2], now it is float32 [3]" in f.captures[1]


def test_programs_hold_no_arguments(rt):
    f = rt.compile(lambda x: x * 2)
    x = rt.ones(1000)
    f(x)
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_threads_ask_guards_that_run_python(rt):
    """Guards on variables run at each call and may let other threads in."""
    factor = 3.0
    f = rt.compile(lambda x: x * factor)
    x = rt.ones(4)
    f(x)
    wrong = []

    def work():
        for _ in range(2000):
            if f(x).tolist() != [3.0] * 4:
                wrong.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)
