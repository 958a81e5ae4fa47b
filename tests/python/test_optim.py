"""Optimisers: the same parameters, states, texts and errors as torch, step by step."""

import copy
import importlib
import pickle

import pytest
from side_by_side import RT, check

SETTINGS = {
    "SGD": ("SGD", {}),
    "SGD_momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "SGD_dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    "SGD_nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "SGD_maximize": ("SGD", {"lr": 0.1, "maximize": True, "weight_decay": 0.1}),
    "SGD_fused": ("SGD", {"lr": 0.1, "momentum": 0.5, "fused": True}),
    "Adam": ("Adam", {"lr": 0.01}),
    "Adam_decay": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9), "eps": 1e-5}),
    "Adam_amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True}),
    "Adam_maximize": ("Adam", {"lr": 0.01, "maximize": True}),
    "Adam_decoupled": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "Adam_foreach": ("Adam", {"lr": 0.01, "foreach": True}),
    "RMSprop": ("RMSprop", {"lr": 0.01}),
    "RMSprop_centered": ("RMSprop", {"lr": 0.01, "centered": True, "alpha": 0.9, "eps": 1e-5, "weight_decay": 0.1}),
    "RMSprop_momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9, "maximize": True}),
    "Adagrad": ("Adagrad", {"lr": 0.1}),
    "Adagrad_decay": ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    "Adagrad_maximize": ("Adagrad", {"lr": 0.01, "maximize": True, "eps": 1e-3}),
    "Adamax": ("Adamax", {"lr": 0.01}),
    "Adamax_decay": ("Adamax", {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.1, "eps": 1e-4, "maximize": True}),
    "NAdam": ("NAdam", {"lr": 0.01}),
    "NAdam_decay": ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    "NAdam_decoupled": ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "RAdam": ("RAdam", {"lr": 0.01}),
    "RAdam_decay": ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9), "maximize": True}),
    "RAdam_decoupled": ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "Adadelta": ("Adadelta", {}),
    "Adadelta_decay": ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1, "eps": 1e-4, "maximize": True}),
    "ASGD": ("ASGD", {}),
    "ASGD_averaged": ("ASGD", {"lr": 0.05, "t0": 4, "lambd": 0.1, "alpha": 0.5, "weight_decay": 0.1, "maximize": True}),
    "Rprop": ("Rprop", {}),
    "Rprop_steps": ("Rprop", {"lr": 0.05, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.1), "maximize": True}),
    "AdamW": ("AdamW", {"lr": 0.01}),
    "AdamW_amsgrad": ("AdamW", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.2}),
}


def model_of(n, dtype=None):
    return n.nn.Sequential(n.nn.Linear(5, 4), n.nn.Tanh(), n.nn.Linear(4, 2)).to(dtype or n.float32)


def loss_of(n, model, i):
    x = ((n.arange(15.0).reshape(3, 5) * (i + 1)) * 0.21).sin()
    return (model(x.to(model[0].weight.dtype)) ** 2).mean()


def train(n, model, optimizer, steps, start=0):
    losses = []
    for i in range(start, start + steps):
        optimizer.zero_grad()
        loss = loss_of(n, model, i)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SETTINGS)
def test_training(name, dtype):
    kind, options = SETTINGS[name]

    def run(n):
        model = model_of(n, getattr(n, dtype))
        optimizer = getattr(n.optim, kind)(model.parameters(), **options)
        losses = train(n, model, optimizer, 12)
        return [losses, model.state_dict(), optimizer.state_dict(), repr(optimizer)]

    check(run, rtol=2e-5, atol=2e-6)


MOVED = ["SGD_momentum", "Adam", "Adam_amsgrad", "AdamW", "RMSprop_centered", "Adagrad"]
MOVED += ["Adamax", "NAdam", "RAdam", "Adadelta", "ASGD", "Rprop"]


@pytest.mark.parametrize("name", MOVED)
def test_state_moves_to_another_optimizer(name):
    kind, options = SETTINGS[name]

    def run(n):
        model = model_of(n)
        make = getattr(n.optim, kind)
        first = make(model.parameters(), **options)
        train(n, model, first, 3)
        second = make(model.parameters(), lr=0.5)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        losses = train(n, model, second, 3, 3)
        revived = pickle.loads(pickle.dumps(second.state_dict()))
        return [losses, second.state_dict(), revived, second.param_groups[0]["lr"]]

    check(run, rtol=2e-5, atol=2e-6)


def test_step_count_written_from_outside():
    def run(n):
        model = model_of(n)
        optimizer = n.optim.Adam(model.parameters(), lr=0.01)
        train(n, model, optimizer, 2)
        optimizer.state[model[0].weight]["step"].fill_(10.0)
        optimizer.state[model[0].bias]["step"] = n.tensor(5.0)
        train(n, model, optimizer, 2)
        counts = [state["step"] for state in optimizer.state.values()]
        saved = optimizer.state_dict()
        saved["state"][0]["step"] = 7
        optimizer.load_state_dict(saved)
        train(n, model, optimizer, 1)
        return [counts, [state["step"] for state in optimizer.state.values()], model.state_dict()]

    check(run, rtol=2e-5, atol=2e-6)


def test_groups():
    def run(n):
        model = model_of(n)
        optimizer = n.optim.SGD(
            [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[2].weight}], lr=0.1, momentum=0.9
        )
        optimizer.add_param_group({"params": [model[2].bias], "weight_decay": 0.1, "note": "mine"})
        train(n, model, optimizer, 3)
        named = n.optim.Adam(model.named_parameters(), lr=0.1)
        return [model.state_dict(), optimizer.state_dict(), repr(optimizer), named.state_dict()]

    check(run, rtol=2e-5, atol=2e-6)


def test_parameters_without_gradient_are_left_alone():
    def run(n):
        used, unused = n.nn.Parameter(n.ones(2)), n.nn.Parameter(n.ones(3))
        optimizer = n.optim.Adam([unused, used], lr=0.1)
        used.sum().backward()
        optimizer.step()
        return [used, unused, optimizer.state_dict()]

    check(run)


def test_closure_and_hooks():
    def run(n):
        log = []
        model = model_of(n)
        optimizer = n.optim.SGD(model.parameters(), lr=0.1)
        optimizer.register_step_pre_hook(lambda opt, args, kwargs: log.append(["pre", len(args), list(kwargs)]))
        optimizer.register_step_post_hook(lambda opt, args, kwargs: log.append("post"))
        optimizer.register_state_dict_pre_hook(lambda opt: log.append("state"))
        optimizer.register_state_dict_post_hook(lambda opt, sd: {**sd, "extra": 1})
        optimizer.register_load_state_dict_pre_hook(lambda opt, sd: log.append(sorted(sd)))
        optimizer.register_load_state_dict_post_hook(lambda opt: log.append("loaded"))
        module = importlib.import_module(n.optim.__name__ + ".optimizer")
        glob = module.register_optimizer_step_post_hook(lambda opt, *rest: log.append("everywhere"))

        def closure():
            optimizer.zero_grad()
            loss = loss_of(n, model, 0)
            loss.backward()
            return loss

        with n.no_grad():
            loss = optimizer.step(closure)
        glob.remove()
        second = optimizer.step(closure=closure)
        optimizer.load_state_dict(optimizer.state_dict())
        return [loss, second, log]

    check(run, rtol=2e-5)


def test_zero_grad():
    def run(n):
        model = model_of(n)
        optimizer = n.optim.SGD(model.parameters())
        loss_of(n, model, 0).backward()
        optimizer.zero_grad(set_to_none=False)
        zeros = [p.grad for p in model.parameters()]
        optimizer.zero_grad()
        return [zeros, [p.grad for p in model.parameters()]]

    check(run)


def test_learning_rate_as_a_tensor():
    def run(n):
        results = []
        for make in (n.optim.SGD, n.optim.Adam, n.optim.AdamW):
            model = model_of(n)
            lr = n.tensor(0.05)
            optimizer = make(model.parameters(), lr=lr)
            train(n, model, optimizer, 2)
            lr.mul_(2)
            train(n, model, optimizer, 2)
            results.append(model.state_dict())
        return results

    check(run, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_differentiable_step(kind):
    def run(n):
        weight = n.tensor([1.0, -2.0], requires_grad=True)
        scale = n.tensor(3.0, requires_grad=True)
        moved = weight.clone()
        options = {"momentum": 0.9} if kind == "SGD" else {}
        optimizer = getattr(n.optim, kind)([moved], lr=0.1, differentiable=True, **options)
        (moved.grad,) = n.autograd.grad((weight**2 * scale).sum(), weight, create_graph=True)
        optimizer.step()
        (moved**2).sum().backward()
        return [moved, weight.grad, scale.grad]

    check(run, rtol=1e-4, atol=1e-5)


def test_own_optimizer():
    def run(n):
        class Signs(n.optim.Optimizer):
            def __init__(self, params, lr):
                super().__init__(params, {"lr": lr})

            def step(self, closure=None):
                with n.no_grad():
                    for group in self.param_groups:
                        for p in group["params"]:
                            self.state[p]["n"] = self.state[p].get("n", 0) + 1
                            p.add_(p.grad.sign(), alpha=-group["lr"])

        log = []
        model = model_of(n)
        optimizer = Signs(model.parameters(), 0.01)
        optimizer.register_step_pre_hook(lambda *args: log.append("hook"))
        losses = train(n, model, optimizer, 3)
        return [losses, optimizer.state_dict(), repr(optimizer), log]

    check(run, rtol=2e-5)


def p_of(n):
    return [n.nn.Parameter(n.ones(2))]


WRONG = {
    "lr": (ValueError, lambda n: n.optim.SGD(p_of(n), lr=-1)),
    "momentum": (ValueError, lambda n: n.optim.SGD(p_of(n), momentum=-1)),
    "decay": (ValueError, lambda n: n.optim.SGD(p_of(n), weight_decay=-1)),
    "nesterov": (ValueError, lambda n: n.optim.SGD(p_of(n), nesterov=True)),
    "lr_tensor": (ValueError, lambda n: n.optim.SGD(p_of(n), lr=n.ones(2))),
    "adam_lr": (ValueError, lambda n: n.optim.Adam(p_of(n), lr=-1.0)),
    "adam_eps": (ValueError, lambda n: n.optim.Adam(p_of(n), eps=-1.0)),
    "adam_beta1": (ValueError, lambda n: n.optim.Adam(p_of(n), betas=(1.0, 0.9))),
    "adam_beta2": (ValueError, lambda n: n.optim.AdamW(p_of(n), betas=(0.9, -1.0))),
    "adam_betas": (ValueError, lambda n: n.optim.Adam(p_of(n), betas=(0.9, n.tensor(0.9)))),
    "adam_decay": (ValueError, lambda n: n.optim.AdamW(p_of(n), weight_decay=-1)),
    "adam_lr_tensor": (ValueError, lambda n: n.optim.Adam(p_of(n), lr=n.tensor(0.1), foreach=True)),
    "fused_foreach": (RuntimeError, lambda n: n.optim.Adam(p_of(n), fused=True, foreach=True)),
    "fused_differentiable": (RuntimeError, lambda n: n.optim.SGD(p_of(n), fused=True, differentiable=True)),
    "tensor": (TypeError, lambda n: n.optim.SGD(n.ones(2))),
    "empty": (ValueError, lambda n: n.optim.SGD([])),
    "kind": (TypeError, lambda n: n.optim.SGD([3])),
    "non_leaf": (ValueError, lambda n: n.optim.SGD([n.ones(2, requires_grad=True) * 2])),
    "twice": (ValueError, lambda n: _twice(n)),
    "group": (TypeError, lambda n: n.optim.SGD(p_of(n)).add_param_group([1])),
    "group_set": (TypeError, lambda n: n.optim.SGD(p_of(n)).add_param_group({"params": set(p_of(n))})),
    "names": (ValueError, lambda n: n.optim.SGD([("a", p_of(n)[0]), p_of(n)[0]])),
    "mixed_names": (ValueError, lambda n: n.optim.SGD(p_of(n)).add_param_group({"params": [("a", p_of(n)[0])]})),
    "load_groups": (ValueError, lambda n: n.optim.SGD(p_of(n)).load_state_dict({"state": {}, "param_groups": []})),
    "load_size": (
        ValueError,
        lambda n: n.optim.SGD(p_of(n)).load_state_dict({"state": {}, "param_groups": [{"params": []}]}),
    ),
    "abstract": (NotImplementedError, lambda n: n.optim.Optimizer(p_of(n), {}).step()),
}


def _twice(n):
    (p,) = p_of(n)
    optimizer = n.optim.SGD([p])
    optimizer.add_param_group({"params": [p]})


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(call, raises=raises)


def test_duplicate_parameters_warn():
    def run(n):
        (p,) = p_of(n)
        return repr(n.optim.SGD([p, p]))

    check(run)


def test_capturable_is_refused_at_the_step():
    p = p_of(RT)
    optimizer = RT.optim.Adam(p, capturable=True)
    optimizer.step()
    p[0].sum().backward()
    with pytest.raises(AssertionError, match="If capturable=True"):
        optimizer.step()


def test_learned_adam_options_are_refused():
    with pytest.raises(ValueError, match="lr"):
        RT.optim.Adam(p_of(RT), lr=RT.tensor(0.1, requires_grad=True), differentiable=True)


def test_a_step_is_one_realisation(monkeypatch):
    """Parameters and moments are handed over together, and no step waits for a value."""
    flushed = []
    monkeypatch.setattr(RT._core, "_flush", flushed.append)
    model = model_of(RT)
    optimizer = RT.optim.Adam(model.parameters(), lr=0.01)
    loss_of(RT, model, 0).backward()
    optimizer.step()
    optimizer.step()
    expected = {
        id(t) for p in model.parameters() for t in (p, *(optimizer.state[p][k] for k in ("exp_avg", "exp_avg_sq")))
    }
    assert [{id(t) for t in tensors} for tensors in flushed] == [expected, expected]
