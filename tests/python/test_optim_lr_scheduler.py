"""Learning-rate schedules: the same rates, states and errors as torch, epoch by epoch."""

import math

import pytest
from side_by_side import check


def optimizer_of(n, kind="SGD", **options):
    p, q = n.nn.Parameter(n.ones(2)), n.nn.Parameter(n.ones(3))
    options = {"momentum": 0.9, **options} if kind == "SGD" else options
    return getattr(n.optim, kind)([{"params": [p], "lr": 0.5}, {"params": [q]}], lr=0.1, **options)


def sequence(s, o):
    return s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=3), s.ExponentialLR(o, 0.5), s.StepLR(o, 2)], [3, 6])


SCHEDULES = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda e: 0.9**e),
    "LambdaLR_list": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.95),
    "MultiplicativeLR_list": lambda s, o: s.MultiplicativeLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, total_iters=7, power=2.0),
    "PolynomialLR_line": lambda s, o: s.PolynomialLR(o),
    "StepLR": lambda s, o: s.StepLR(o, 3, gamma=0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], gamma=0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=4),
    "LinearLR": lambda s, o: s.LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=6),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.8),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 5, eta_min=0.01),
    "WarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
    "WarmRestarts_1": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=16),
    "OneCycleLR_phases": lambda s, o: s.OneCycleLR(
        o, max_lr=[1.0, 2.0], epochs=4, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "OneCycleLR_no_momentum": lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=20, cycle_momentum=False),
    "SequentialLR": sequence,
}


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name, kind):
    def run(n):
        optimizer = optimizer_of(n, kind)
        scheduler = SCHEDULES[name](n.optim.lr_scheduler, optimizer)
        trace = [scheduler.get_last_lr()]
        for _ in range(15):
            optimizer.step()
            scheduler.step()
            group = optimizer.param_groups[0]
            trace.append([*scheduler.get_last_lr(), group.get("momentum"), group.get("betas")])
        return [trace, scheduler.last_epoch]

    check(run, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_resumed_from_state(name):
    def run(n):
        def fresh():
            optimizer = optimizer_of(n)
            return optimizer, SCHEDULES[name](n.optim.lr_scheduler, optimizer)

        optimizer, scheduler = fresh()
        for _ in range(4):
            optimizer.step()
            scheduler.step()
        again, resumed = fresh()
        again.load_state_dict(optimizer.state_dict())
        resumed.load_state_dict(scheduler.state_dict())
        trace = []
        for _ in range(5):
            again.step()
            resumed.step()
            trace.append(resumed.get_last_lr())
        return trace

    check(run, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [k for k in SCHEDULES if k not in ("SequentialLR",) and "OneCycle" not in k])
def test_epoch_given(name):
    def run(n):
        optimizer = optimizer_of(n)
        scheduler = SCHEDULES[name](n.optim.lr_scheduler, optimizer)
        optimizer.step()
        trace = []
        for epoch in (3, 7, 2):
            scheduler.step(epoch)
            trace.append(scheduler.get_last_lr())
        return trace

    check(run, rtol=1e-12, atol=1e-15)


def test_two_schedules_on_one_optimizer():
    def run(n):
        optimizer = optimizer_of(n)
        s = n.optim.lr_scheduler
        both = [s.ExponentialLR(optimizer, 0.9), s.MultiStepLR(optimizer, [2])]
        for _ in range(4):
            optimizer.step()
            for scheduler in both:
                scheduler.step()
        return [scheduler.get_last_lr() for scheduler in both]

    check(run, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"mode": "max"}, {"threshold_mode": "abs"}, {"cooldown": 2}], ids=str)
def test_plateau(options):
    def run(n):
        optimizer = optimizer_of(n)
        s = n.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, min_lr=[0.01, 0.02], **options)
        trace = []
        for i in range(12):
            s.step(n.tensor(math.sin(i / 2)) if i % 2 else math.sin(i / 2))
            trace.append([*s.get_last_lr(), s.num_bad_epochs, s.best])
        state = {k: v for k, v in s.state_dict().items()}
        s.load_state_dict(state)
        return [trace, s.in_cooldown]

    check(run, rtol=1e-6)


def test_rate_as_a_tensor():
    def run(n):
        lr = n.tensor(0.5)
        optimizer = n.optim.SGD([n.nn.Parameter(n.ones(2))], lr=lr)
        scheduler = n.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        first = scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
        return [first, lr, optimizer.param_groups[0]["lr"] is lr]

    check(run)


def test_order_of_calls_warns():
    def run(n):
        optimizer = optimizer_of(n)
        scheduler = n.optim.lr_scheduler.StepLR(optimizer, 3)
        scheduler.step()
        return scheduler.get_lr()

    check(run)


WRONG = {
    "optimizer": (TypeError, lambda n, s: s.StepLR(3, 1)),
    "resume": (KeyError, lambda n, s: s.StepLR(optimizer_of(n), 1, last_epoch=3)),
    "lambdas": (ValueError, lambda n, s: s.LambdaLR(optimizer_of(n), [abs])),
    "constant": (ValueError, lambda n, s: s.ConstantLR(optimizer_of(n), factor=2.0)),
    "linear_start": (ValueError, lambda n, s: s.LinearLR(optimizer_of(n), start_factor=0.0)),
    "linear_end": (ValueError, lambda n, s: s.LinearLR(optimizer_of(n), end_factor=2.0)),
    "restarts": (ValueError, lambda n, s: s.CosineAnnealingWarmRestarts(optimizer_of(n), 0)),
    "restarts_mult": (ValueError, lambda n, s: s.CosineAnnealingWarmRestarts(optimizer_of(n), 1, T_mult=0)),
    "restarts_eta": (ValueError, lambda n, s: s.CosineAnnealingWarmRestarts(optimizer_of(n), 1, eta_min="a")),
    "restarts_epoch": (ValueError, lambda n, s: s.CosineAnnealingWarmRestarts(optimizer_of(n), 1).step(-1)),
    "cycle_steps": (ValueError, lambda n, s: s.OneCycleLR(optimizer_of(n), 1.0, total_steps=0)),
    "cycle_none": (ValueError, lambda n, s: s.OneCycleLR(optimizer_of(n), 1.0)),
    "cycle_pct": (ValueError, lambda n, s: s.OneCycleLR(optimizer_of(n), 1.0, 5, pct_start=2.0)),
    "cycle_anneal": (ValueError, lambda n, s: s.OneCycleLR(optimizer_of(n), 1.0, 5, anneal_strategy="no")),
    "cycle_max": (ValueError, lambda n, s: s.OneCycleLR(optimizer_of(n), [1.0], 5)),
    "plateau_factor": (ValueError, lambda n, s: s.ReduceLROnPlateau(optimizer_of(n), factor=1.0)),
    "plateau_mode": (ValueError, lambda n, s: s.ReduceLROnPlateau(optimizer_of(n), mode="up")),
    "plateau_threshold": (ValueError, lambda n, s: s.ReduceLROnPlateau(optimizer_of(n), threshold_mode="up")),
    "plateau_min": (ValueError, lambda n, s: s.ReduceLROnPlateau(optimizer_of(n), min_lr=[0.1])),
    "sequence_empty": (ValueError, lambda n, s: s.SequentialLR(optimizer_of(n), [], [])),
    "sequence_milestones": (ValueError, lambda n, s: _sequence(n, s, [1, 2])),
    "sequence_plateau": (ValueError, lambda n, s: _sequence(n, s, [], s.ReduceLROnPlateau)),
}


def _sequence(n, s, milestones, make=None):
    optimizer = optimizer_of(n)
    return s.SequentialLR(optimizer, [(make or (lambda o: s.StepLR(o, 1)))(optimizer)], milestones)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    raises, call = WRONG[name]
    check(lambda n: call(n, n.optim.lr_scheduler), raises=raises)


def test_too_many_steps_of_one_cycle():
    def run(n):
        optimizer = optimizer_of(n)
        scheduler = n.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=3)
        for _ in range(5):
            optimizer.step()
            scheduler.step()

    check(run, raises=ValueError)
