"""`Module`: registration, attributes, traversal, state, hooks, conversion, text."""

import copy
import pickle
from collections import OrderedDict

import pytest
from side_by_side import RT, check


def small(n):
    class Small(n.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = n.nn.Linear(3, 4)
            self.body = n.nn.Sequential(n.nn.ReLU(), n.nn.Linear(4, 2, bias=False))
            self.scale = n.nn.Parameter(n.ones(2))
            self.register_buffer("seen", n.zeros(1))
            self.register_buffer("cache", n.ones(2), persistent=False)
            self.tied = self.body

        def forward(self, x, gain=1.0):
            return self.body(self.first(x)) * self.scale * gain

    return Small()


def x_of(n):
    return n.arange(6.0).reshape(2, 3) / 5 - 0.4


TRAVERSALS = {
    "named_parameters": lambda m: [k for k, _ in m.named_parameters()],
    "named_parameters_prefix": lambda m: [k for k, _ in m.named_parameters("p", recurse=False)],
    "named_parameters_duplicates": lambda m: [k for k, _ in m.named_parameters(remove_duplicate=False)],
    "parameters": lambda m: list(m.parameters()),
    "named_buffers": lambda m: list(m.named_buffers()),
    "named_modules": lambda m: [k for k, _ in m.named_modules()],
    "named_modules_duplicates": lambda m: [k for k, _ in m.named_modules(prefix="q", remove_duplicate=False)],
    "named_children": lambda m: [k for k, _ in m.named_children()],
    "modules": lambda m: [type(c).__name__ for c in m.modules()],
    "repr": repr,
    "state_dict": lambda m: m.state_dict(),
    "state_dict_prefix": lambda m: list(m.state_dict(prefix="a.", keep_vars=True).values()),
    "metadata": lambda m: m.state_dict()._metadata,
    "get_submodule": lambda m: [repr(m.get_submodule("body.1")), m.get_submodule("") is m],
    "get_parameter": lambda m: m.get_parameter("body.1.weight"),
    "get_buffer": lambda m: m.get_buffer("seen"),
    "dir": lambda m: [k for k in ("first", "scale", "seen", "0") if k in dir(m)],
    "dir_sequential": lambda m: "0" in dir(m.body),
    "eval": lambda m: [c.training for c in m.eval().modules()],
    "requires_grad_": lambda m: [p.requires_grad for p in m.requires_grad_(False).parameters()],
    "double": lambda m: m.double().state_dict(),
    "half_buffers": lambda m: list(m.half().buffers()),
    "hasattr": lambda m: [hasattr(m, k) for k in ("first", "nothing", "seen")],
}


@pytest.mark.parametrize("name", TRAVERSALS)
def test_reading(name):
    check(lambda n: TRAVERSALS[name](small(n)))


WRONG = {
    "no_attribute": (AttributeError, lambda n, m: m.nothing),
    "submodule": (AttributeError, lambda n, m: m.get_submodule("body.7")),
    "submodule_kind": (AttributeError, lambda n, m: m.get_submodule("scale")),
    "parameter_kind": (AttributeError, lambda n, m: m.get_parameter("seen")),
    "parameter_missing": (AttributeError, lambda n, m: m.get_parameter("first.no")),
    "buffer_kind": (AttributeError, lambda n, m: m.get_buffer("scale")),
    "assign_parameter": (TypeError, lambda n, m: setattr(m, "scale", 3)),
    "assign_parameter_tensor": (TypeError, lambda n, m: setattr(m, "scale", n.ones(2))),
    "assign_module": (TypeError, lambda n, m: setattr(m, "body", "text")),
    "assign_buffer": (TypeError, lambda n, m: setattr(m, "seen", 1)),
    "register_buffer_name": (KeyError, lambda n, m: m.register_buffer("a.b", None)),
    "register_buffer_empty": (KeyError, lambda n, m: m.register_buffer("", None)),
    "register_buffer_exists": (KeyError, lambda n, m: m.register_buffer("first", None)),
    "register_buffer_type": (TypeError, lambda n, m: m.register_buffer("b", 1)),
    "register_buffer_name_type": (TypeError, lambda n, m: m.register_buffer(1, None)),
    "register_parameter_type": (TypeError, lambda n, m: m.register_parameter("w", n.ones(1))),
    "register_parameter_leaf": (ValueError, lambda n, m: m.register_parameter("w", _non_leaf(n))),
    "add_module_type": (TypeError, lambda n, m: m.add_module("w", 1)),
    "add_module_name": (KeyError, lambda n, m: m.add_module("a.b", None)),
    "add_module_exists": (KeyError, lambda n, m: m.add_module("scale", None)),
    "train_mode": (ValueError, lambda n, m: m.train(1)),
    "to_int": (TypeError, lambda n, m: m.to(n.int64)),
    "load_type": (TypeError, lambda n, m: m.load_state_dict([1])),
    "load_missing": (RuntimeError, lambda n, m: m.load_state_dict({"scale": n.ones(2)})),
    "load_unexpected": (RuntimeError, lambda n, m: m.load_state_dict({**m.state_dict(), "x": n.ones(1), "y.z": 0})),
    "load_shape": (RuntimeError, lambda n, m: m.load_state_dict({**m.state_dict(), "scale": n.ones(3)})),
    "load_shape_lenient": (RuntimeError, lambda n, m: m.load_state_dict({"scale": n.ones(3)}, strict=False)),
    "load_kind": (RuntimeError, lambda n, m: m.load_state_dict({**m.state_dict(), "scale": "text"})),
    "forward": (NotImplementedError, lambda n, m: n.nn.Module()(1)),
    "init_args": (TypeError, lambda n, m: n.nn.Module(1)),
    "init_kwargs": (TypeError, lambda n, m: n.nn.Module(a=1)),
    "set_submodule": (ValueError, lambda n, m: m.set_submodule("", n.nn.ReLU())),
    "set_submodule_strict": (AttributeError, lambda n, m: m.set_submodule("body.9", n.nn.ReLU(), strict=True)),
}


def _non_leaf(n):
    param = n.nn.Parameter(n.ones(1), requires_grad=False)
    return param.mul_(n.ones(1, requires_grad=True))


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(lambda n: call(n, small(n)), raises=raises)


def test_assignment_before_init():
    def run(n, value):
        class Late(n.nn.Module):
            def __init__(self):
                self.thing = value(n)

        return Late()

    check(run, lambda n: n.nn.Parameter(n.ones(1)), raises=AttributeError)
    check(run, lambda n: n.nn.ReLU(), raises=AttributeError)


def test_attributes_move_between_tables():
    def run(n):
        m = small(n)
        m.cache = n.zeros(3)
        m.scale = None
        m.seen = n.nn.Parameter(n.ones(1))
        m.body = None
        m.extra = 5
        m.extra = n.nn.Linear(1, 1)
        m.note = n.nn.Buffer(n.ones(2), persistent=False)
        del m.first
        m.plain = n.ones(1)
        return [list(m._parameters), list(m._buffers), list(m._modules), list(m.state_dict()), "plain" in m.__dict__]

    check(run)


def test_load_state_dict():
    def run(n):
        m, other = small(n), small(n)
        answer = repr(m.load_state_dict(other.state_dict()))
        lenient = repr(m.load_state_dict({"scale": n.zeros(2), "x": 1}, strict=False))
        before = m.scale
        kept = [m.scale is before, m.scale]
        m.load_state_dict({**m.state_dict(), "scale": n.full((2,), 7.0)}, assign=True)
        zero_dim = n.nn.Module()
        zero_dim.p = n.nn.Parameter(n.tensor(0.0))
        zero_dim.load_state_dict({"p": n.tensor([3.0])})
        return [answer, lenient, kept, m.scale, m.scale is before, zero_dim.p]

    check(run)


def test_state_dict_hooks_and_extra_state():
    def run(n):
        log = []

        class Extra(n.nn.Linear):
            def get_extra_state(self):
                return {"epoch": 3}

            def set_extra_state(self, state):
                log.append(state)

        m = n.nn.Sequential(Extra(1, 1))
        m.register_state_dict_pre_hook(lambda mod, prefix, keep: log.append(["pre", prefix, keep]))
        m.register_state_dict_post_hook(lambda mod, sd, prefix, meta: log.append(["post", sorted(sd), meta]))
        m.register_load_state_dict_pre_hook(lambda mod, sd, *rest: sd.pop("junk"))
        m.register_load_state_dict_post_hook(lambda mod, keys: log.append([keys.missing_keys, keys.unexpected_keys]))
        saved = m.state_dict()
        result = m.load_state_dict({**saved, "junk": 1})
        missing = m.load_state_dict({"0.weight": saved["0.weight"], "junk": 0}, strict=False)
        return [log, list(saved), repr(result), repr(missing)]

    check(run)


def test_state_dict_post_hook_must_return_nothing():
    def run(n):
        m = small(n)
        m.register_state_dict_post_hook(lambda *args: {})
        return m.state_dict()

    check(run, raises=RuntimeError)


def test_forward_hooks():
    def run(n):
        log = []
        m = small(n)
        m.register_forward_pre_hook(lambda mod, args: log.append("b"))
        m.register_forward_pre_hook(lambda mod, args: log.append("a") or (args[0] * 2,), prepend=True)
        m.register_forward_pre_hook(lambda mod, args, kwargs: (args, {"gain": 3.0}), with_kwargs=True)
        m.register_forward_hook(lambda mod, args, kwargs, out: log.append(kwargs), with_kwargs=True)
        m.register_forward_hook(lambda mod, args, out: out + 1)
        handle = m.register_forward_hook(lambda mod, args, out: out * 100)
        handle.remove()
        with m.register_forward_hook(lambda mod, args, out: log.append("c"), prepend=True):
            first = m(x_of(n))
        return [first, m(x_of(n)), log]

    check(run)


def test_forward_pre_hook_result():
    def run(n):
        m = small(n)
        m.register_forward_pre_hook(lambda mod, args, kwargs: 3, with_kwargs=True)
        return m(x_of(n))

    check(run, raises=RuntimeError)


def test_always_called_hook():
    def run(n):
        log = []
        m = n.nn.Linear(3, 2)
        m.register_forward_hook(lambda mod, args, out: log.append(out is None), always_call=True)
        m.register_forward_hook(lambda mod, args, out: log.append("never"))
        m.register_forward_hook(lambda mod, args, out: 1 / 0, always_call=True)
        try:
            m("text")
        except TypeError:
            log.append("raised")
        return log

    check(run)


def test_global_hooks():
    def run(n):
        log = []
        hooks = n.nn.modules.module
        handles = [
            hooks.register_module_forward_pre_hook(lambda mod, args: log.append("pre " + type(mod).__name__)),
            hooks.register_module_forward_hook(lambda mod, args, out: log.append("post " + type(mod).__name__)),
            hooks.register_module_full_backward_hook(lambda mod, gi, go: log.append("back " + type(mod).__name__)),
            hooks.register_module_parameter_registration_hook(lambda mod, name, p: log.append(name)),
            hooks.register_module_buffer_registration_hook(lambda mod, name, b: log.append(name)),
            hooks.register_module_module_registration_hook(lambda mod, name, m: log.append(name)),
        ]
        try:
            m = small(n)
            m(x_of(n).requires_grad_()).sum().backward()
        finally:
            for handle in handles:
                handle.remove()
        m(x_of(n))
        return log

    check(run)


@pytest.mark.parametrize("inputs_need_grad", [True, False])
def test_full_backward_hooks(inputs_need_grad):
    def run(n):
        log = []
        m = small(n)
        m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
        m.register_full_backward_hook(lambda mod, gi, go: log.append([*gi, *go]))
        m.body.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 3,))
        x = x_of(n).requires_grad_(inputs_need_grad)
        m(x).sum().backward()
        return [log, x.grad, m.first.weight.grad, m.scale.grad]

    check(run)


@pytest.mark.parametrize("kind", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_backward_hook_with_wrong_count(kind):
    def run(n):
        m = small(n)
        getattr(m, kind)(lambda mod, *grads: (None, None, None))
        m(x_of(n).requires_grad_()).sum().backward()

    check(run, raises=RuntimeError)


def test_modes():
    def run(n):
        m = small(n)
        order = []
        m.apply(lambda mod: order.append(type(mod).__name__))
        m(x_of(n)).sum().backward()
        m.zero_grad(set_to_none=False)
        zeros = [p.grad for p in m.parameters()]
        m.zero_grad()
        return [order, zeros, [p.grad for p in m.parameters()]]

    check(run)


def test_conversion_keeps_parameters_and_gradients():
    def run(n):
        m = small(n)
        m(x_of(n)).sum().backward()
        before = list(m.parameters())
        m.register_buffer("count", n.tensor(3))
        m.to(n.float64)
        moved = [a is b for a, b in zip(before, m.parameters(), strict=True)]
        grads = [p.grad for p in m.parameters()]
        m.to("cpu", n.float32).to(n.zeros(1, dtype=n.float64)).to(dtype=n.bfloat16)
        return [moved, grads, m.count, m.scale]

    check(run)


def test_copies():
    def run(n):
        m = n.nn.Sequential(n.nn.Linear(2, 2), n.nn.Dropout(0.3))
        m.eval()
        twin = copy.deepcopy(m)
        twin[0].weight.data.zero_()
        again = pickle.loads(pickle.dumps(m))
        return [m.state_dict(), twin.state_dict(), again.state_dict(), again[1].training, again[0].weight]

    check(run)


def test_parameter():
    def run(n):
        p = n.nn.Parameter(n.ones(2))
        frozen = n.nn.Parameter(n.ones(2), requires_grad=False)
        shared = n.zeros(2)
        q = n.nn.Parameter(shared)
        with n.no_grad():
            q.add_(1)
        return [p, frozen, repr(p), repr(frozen), n.nn.Parameter(), shared, p.is_leaf, isinstance(p, n.Tensor)]

    check(run)


def test_results_of_parameters_are_tensors():
    p = RT.nn.Parameter(RT.ones(2))
    for result in (p + 1, p.detach(), p[0], p.data, -p):
        assert type(result) is RT.Tensor


CONTAINERS = {
    "sequential": lambda n: n.nn.Sequential(n.nn.ReLU(), n.nn.Tanh(), n.nn.Linear(1, 2)),
    "sequential_named": lambda n: n.nn.Sequential(OrderedDict(a=n.nn.ReLU(), b=n.nn.Tanh())),
    "slice": lambda n: CONTAINERS["sequential_named"](n)[1:],
    "negative": lambda n: CONTAINERS["sequential"](n)[-1],
    "add": lambda n: CONTAINERS["sequential"](n) + CONTAINERS["sequential"](n),
    "times": lambda n: CONTAINERS["sequential"](n) * 2,
    "empty": lambda n: n.nn.Sequential(),
    "list": lambda n: n.nn.ModuleList([n.nn.Linear(1, 2), n.nn.Linear(1, 2), n.nn.Sequential(n.nn.ReLU())]),
    "list_slice": lambda n: CONTAINERS["list"](n)[:2],
    "list_add": lambda n: CONTAINERS["list"](n) + [n.nn.ReLU()],
    "list_empty": lambda n: n.nn.ModuleList(),
    "dict": lambda n: n.nn.ModuleDict({"b": n.nn.ReLU(), "a": n.nn.Linear(1, 1)}),
    "dict_pairs": lambda n: n.nn.ModuleDict([["b", n.nn.ReLU()], ["a", n.nn.Tanh()]]),
    "parameters": lambda n: n.nn.ParameterList([n.ones(2, 3), n.nn.Parameter(n.zeros(())), "text"]),
    "parameters_slice": lambda n: CONTAINERS["parameters"](n)[:2],
    "parameter_dict": lambda n: n.nn.ParameterDict({"b": n.ones(2), "a": 3, "c": n.nn.Parameter(n.zeros(1))}),
    "parameter_dict_or": lambda n: CONTAINERS["parameter_dict"](n) | n.nn.ParameterDict({"z": n.ones(1)}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_container_text_and_parameters(name):
    check(lambda n: [repr(CONTAINERS[name](n)), list(CONTAINERS[name](n).named_parameters())])


def _edit_sequential(n):
    m = CONTAINERS["sequential"](n)
    m[0] = n.nn.Sigmoid()
    m.insert(1, n.nn.GELU())
    m.insert(-1, n.nn.SiLU())
    m.append(n.nn.Flatten()).extend([n.nn.Identity()])
    popped = m.pop(2)
    del m[0:2]
    m += n.nn.Sequential(n.nn.ReLU())
    m *= 2
    return [repr(m), repr(popped), len(m), list(m._modules)]


def _edit_list(n):
    m = CONTAINERS["list"](n)
    m[0] = n.nn.Sigmoid()
    m.insert(1, n.nn.GELU())
    m.append(n.nn.Flatten()).extend([n.nn.Identity()])
    popped = m.pop(2)
    del m[0:2]
    m += [n.nn.ReLU()]
    return [repr(m), repr(popped), len(m), list(m._modules)]


def _edit_dict(n):
    m = CONTAINERS["dict"](n)
    m["c"] = n.nn.ReLU()
    m.update({"d": n.nn.Tanh()})
    popped = m.pop("b")
    del m["a"]
    return [repr(m), repr(popped), list(m), "c" in m, list(m.keys()), repr(list(m.values()))]


def _edit_parameters(n):
    m = CONTAINERS["parameters"](n)
    m[0] = n.zeros(1)
    m.append(n.ones(1)).extend([1, n.ones(2)])
    m += [n.zeros(2)]
    return [repr(m), len(m), list(m.state_dict()), m[-1]]


def _edit_parameter_dict(n):
    m = CONTAINERS["parameter_dict"](n)
    last = m.popitem()
    m["q"] = n.ones(1)
    m.setdefault("r", n.zeros(1))
    popped = m.pop("a")
    return [repr(m), last, popped, list(m), list(reversed(m)), m.get("none", 4), list(m.items()), repr(m.copy())]


@pytest.mark.parametrize(
    "edit", [_edit_sequential, _edit_list, _edit_dict, _edit_parameters, _edit_parameter_dict], ids=lambda f: f.__name__
)
def test_container_edits(edit):
    check(edit)


WRONG_CONTAINER = {
    "sequential_index": (IndexError, lambda n: CONTAINERS["sequential"](n)[9]),
    "sequential_add": (ValueError, lambda n: CONTAINERS["sequential"](n) + [1]),
    "sequential_times": (ValueError, lambda n: CONTAINERS["sequential"](n) * 0),
    "sequential_times_type": (TypeError, lambda n: CONTAINERS["sequential"](n) * 1.5),
    "sequential_insert": (IndexError, lambda n: CONTAINERS["sequential"](n).insert(9, n.nn.ReLU())),
    "sequential_member": (TypeError, lambda n: n.nn.Sequential(3)),
    "list_index": (IndexError, lambda n: CONTAINERS["list"](n)[-9]),
    "list_extend": (TypeError, lambda n: CONTAINERS["list"](n).extend(3)),
    "dict_key": (KeyError, lambda n: CONTAINERS["dict"](n)["z"]),
    "dict_update": (TypeError, lambda n: CONTAINERS["dict"](n).update(3)),
    "dict_update_pair": (ValueError, lambda n: CONTAINERS["dict"](n).update([(1, 2, 3)])),
    "dict_update_item": (TypeError, lambda n: CONTAINERS["dict"](n).update([1])),
    "parameters_call": (RuntimeError, lambda n: CONTAINERS["parameters"](n)(1)),
    "parameters_extend": (TypeError, lambda n: CONTAINERS["parameters"](n).extend(n.ones(2))),
    "parameter_dict_key": (TypeError, lambda n: CONTAINERS["parameter_dict"](n)[3]),
    "parameter_dict_call": (RuntimeError, lambda n: CONTAINERS["parameter_dict"](n)(1)),
}


@pytest.mark.parametrize("name", WRONG_CONTAINER)
def test_wrong_container_calls(name):
    raises, call = WRONG_CONTAINER[name]
    check(call, raises=raises)
