"""`gradcheck`, `gradgradcheck`, and the Jacobians and Hessians of `autograd.functional`."""

import importlib

import pytest
from side_by_side import RT, check


def wrong_function(n):
    class Wrong(n.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2.01 * ctx.saved_tensors[0]

    return Wrong.apply


def x_of(n, *shape):
    n.manual_seed(3)
    return n.randn(shape, dtype=n.float64, requires_grad=True)


GOOD = {
    "polynomial": lambda n: (lambda x: x**3 + 2 * x, (x_of(n, 2, 3),)),
    "matmul": lambda n: (lambda x, y: x @ y, (x_of(n, 2, 3), x_of(n, 3, 2))),
    "several": lambda n: (lambda x, y: (x * y, x.sum(), y.exp()), (x_of(n, 3), x_of(n, 3))),
    "softmax": lambda n: (lambda x: x.softmax(-1), (x_of(n, 2, 4),)),
    "partly": lambda n: (lambda x, c: (x * c).tanh(), (x_of(n, 3), n.ones(3, dtype=n.float64))),
    "scalar": lambda n: (lambda x: x.sin(), (x_of(n),)),
    "strided": lambda n: (lambda x: x.cos(), (x_of(n, 3, 2).detach().t().requires_grad_(),)),
    "view": lambda n: (lambda x: x.t(), (x_of(n, 3, 2),)),
    "empty": lambda n: (lambda x: x * 2, (x_of(n, 0, 2),)),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", GOOD)
def test_right_gradients_pass(name, fast):
    def run(n):
        func, inputs = GOOD[name](n)
        before = [i.detach().clone() for i in inputs]
        first = n.autograd.gradcheck(func, inputs, fast_mode=fast)
        second = n.autograd.gradgradcheck(func, inputs, fast_mode=fast) if name not in ("view", "empty") else True
        return [first, second, all(bool((a == b).all()) for a, b in zip(before, inputs, strict=True))]

    check(run)


@pytest.mark.parametrize("fast", [False, True])
def test_wrong_gradients_are_found(fast):
    error = importlib.import_module(RT.__name__ + ".autograd.gradcheck").GradcheckError
    x = x_of(RT, 4)
    with pytest.raises(error, match="Jacobian mismatch for output 0 with respect to input 0"):
        RT.autograd.gradcheck(wrong_function(RT), (x,), fast_mode=fast)
    assert RT.autograd.gradcheck(wrong_function(RT), (x,), fast_mode=fast, raise_exception=False) is False
    assert RT.autograd.gradcheck(wrong_function(RT), (x,), fast_mode=fast, rtol=0.1) is True
    # The derivative of the wrong gradient is right.
    assert RT.autograd.gradgradcheck(wrong_function(RT), (x,), fast_mode=fast)


def test_hidden_dependence_is_found():
    x = x_of(RT, 3)
    with pytest.raises(RuntimeError, match="expected to be zero"):
        RT.autograd.gradcheck(lambda x: (x * 1, x.detach() * 2), (x,))


def test_random_backward_is_found():
    class Noisy(RT.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2 + RT.rand(grad.shape, dtype=grad.dtype) * 1e-9

    x = x_of(RT, 3)
    with pytest.raises(RuntimeError, match="not reentrant"):
        RT.autograd.gradcheck(Noisy.apply, (x,))
    assert RT.autograd.gradcheck(Noisy.apply, (x,), nondet_tol=1e-8, check_undefined_grad=False)


def test_undefined_gradients_are_tried():
    class Careless(RT.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            total = RT.ones(3, dtype=RT.float64) if a is None else a * 2
            return total if b is None else total + b * 3

    x = x_of(RT, 3)
    with pytest.raises(RuntimeError):
        RT.autograd.gradcheck(Careless.apply, (x,))


def test_misuse():
    check(lambda n: n.autograd.gradcheck(lambda x: x, (n.ones(2),)), raises=ValueError)
    check(
        lambda n: n.autograd.gradcheck(
            lambda x: x * 2, (n.ones(1, dtype=n.float64).expand(3).detach().requires_grad_(),)
        ),
        raises=RuntimeError,
    )
    check(lambda n: n.autograd.gradcheck(lambda x: x * 2, (x_of(n, 2).detach().float().requires_grad_(),), eps=1e-2))
    for option in ("check_forward_ad", "check_batched_grad"):
        with pytest.raises(ValueError, match=option):
            RT.autograd.gradcheck(lambda x: x, (x_of(RT, 2),), **{option: True})


def functional(n):
    return importlib.import_module(n.__name__ + ".autograd.functional")


def cube(x):
    return (x**3).sum()


FUNCTIONAL = {
    "jacobian": lambda n, f: f.jacobian(lambda x: x.exp() * 2, x_of(n, 3)),
    "jacobian_inputs": lambda n, f: f.jacobian(lambda x, y: x @ y, (x_of(n, 2, 3), x_of(n, 3))),
    "jacobian_outputs": lambda n, f: f.jacobian(lambda x: (x.sin(), x.sum()), x_of(n, 2)),
    "jacobian_both": lambda n, f: f.jacobian(lambda x, y: (x * y, y), (x_of(n, 2), x_of(n, 2))),
    "jacobian_graph": lambda n, f: f.jacobian(lambda x: x**2, x_of(n, 2), create_graph=True),
    "jacobian_vectorize": lambda n, f: f.jacobian(lambda x: x**2, x_of(n, 2), vectorize=True),
    "hessian": lambda n, f: f.hessian(cube, x_of(n, 3)),
    "hessian_inputs": lambda n, f: f.hessian(lambda x, y: (x * y**2).sum(), (x_of(n, 2), x_of(n, 2))),
    "vjp": lambda n, f: f.vjp(lambda x: x.exp(), x_of(n, 3), n.ones(3, dtype=n.float64)),
    "vjp_scalar": lambda n, f: f.vjp(cube, x_of(n, 3)),
    "vjp_tuple": lambda n, f: f.vjp(lambda x, y: x * y, (x_of(n, 2), x_of(n, 2)), x_of(n, 2).detach()),
    "jvp": lambda n, f: f.jvp(lambda x: x.exp(), x_of(n, 3), n.ones(3, dtype=n.float64)),
    "jvp_linear": lambda n, f: f.jvp(lambda x: x * 2, x_of(n, 3), x_of(n, 3).detach()),
    "jvp_tuple": lambda n, f: f.jvp(
        lambda x, y: (x * y, x.sum()), (x_of(n, 2), x_of(n, 2)), (x_of(n, 2).detach(), x_of(n, 2).detach())
    ),
    "vhp": lambda n, f: f.vhp(cube, x_of(n, 3), x_of(n, 3).detach()),
    "hvp": lambda n, f: f.hvp(cube, x_of(n, 3), x_of(n, 3).detach()),
    "hvp_linear": lambda n, f: f.hvp(lambda x: x.sum(), x_of(n, 3), x_of(n, 3).detach()),
    "vhp_tuple": lambda n, f: f.vhp(
        lambda x, y: (x * y**2).sum(), (x_of(n, 2), x_of(n, 2)), (x_of(n, 2).detach(), x_of(n, 2).detach())
    ),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional(name):
    check(lambda n: FUNCTIONAL[name](n, functional(n)), rtol=1e-10)


def test_jacobian_is_differentiable():
    def run(n):
        x = x_of(n, 3)
        (functional(n).jacobian(lambda x: x**3, x, create_graph=True).sum()).backward()
        return x.grad

    check(run, rtol=1e-10)


WRONG = {
    "inputs": (TypeError, lambda n, f: f.jacobian(cube, 3)),
    "inputs_item": (TypeError, lambda n, f: f.jacobian(cube, (x_of(n, 2), 3))),
    "outputs": (TypeError, lambda n, f: f.jacobian(lambda x: 3, x_of(n, 2))),
    "strategy": (AssertionError, lambda n, f: f.jacobian(cube, x_of(n, 2), strategy="sideways")),
    "strict": (RuntimeError, lambda n, f: f.jacobian(lambda x: x.detach(), x_of(n, 2), strict=True)),
    "hessian_shape": (RuntimeError, lambda n, f: f.hessian(lambda x: x * 2, x_of(n, 2))),
    "hessian_tuple": (RuntimeError, lambda n, f: f.hessian(lambda x: (cube(x), cube(x)), x_of(n, 2))),
    "vjp_none": (RuntimeError, lambda n, f: f.vjp(lambda x: x * 2, x_of(n, 2))),
    "vjp_shape": (RuntimeError, lambda n, f: f.vjp(lambda x: x * 2, x_of(n, 2), n.ones(3))),
    "jvp_length": (RuntimeError, lambda n, f: f.jvp(lambda x: x * 2, x_of(n, 2), (n.ones(2), n.ones(2)))),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_functional(name):
    raises, call = WRONG[name]
    # The class is torch's; the wording varies between torch's own functions.
    with pytest.raises(raises):
        call(RT, functional(RT))
    import torch

    with pytest.raises(raises):
        call(torch, functional(torch))
