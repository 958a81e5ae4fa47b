"""`autograd.Function`, `autograd.grad` and `backward`, and the grad modes."""

import gc
import weakref

import pytest
from side_by_side import RT, check


def scaled(n):
    class Scaled(n.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor, unused=None):
            ctx.factor = factor
            ctx.save_for_backward(x)
            return x * x * factor

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False, False)
            return grad * 2 * x * ctx.factor, None, None

    return Scaled


def exponential(n):
    class Exponential(n.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            return grad * y

    return Exponential


def x_of(n, **kwargs):
    return n.tensor([0.5, -1.0, 2.0], requires_grad=True, **kwargs)


@pytest.mark.parametrize("make", [scaled, exponential])
def test_first_and_second_order(make):
    def run(n):
        x = x_of(n)
        args = (3.0, None) if make is scaled else ()
        y = make(n).apply(x, *args)
        (g,) = n.autograd.grad(y.sum(), x, create_graph=True)
        (h,) = n.autograd.grad((g * g).sum(), x, create_graph=True)
        (k,) = n.autograd.grad(h.sum(), x)
        return [y, g, h, k, y.requires_grad, y.is_leaf]

    check(run)


def test_setup_context():
    def run(n):
        class Product(n.autograd.Function):
            @staticmethod
            def forward(x, y, power):
                return x * y**power, power

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs[:2])
                ctx.power = inputs[2]
                ctx.kind = type(output).__name__

            @staticmethod
            def backward(ctx, grad, grad_power):
                assert grad_power is None and ctx.kind == "tuple"
                x, y = ctx.saved_tensors
                return grad * y**ctx.power, grad * x * ctx.power * y ** (ctx.power - 1), None

        x, y = x_of(n), x_of(n)
        z, power = Product.apply(x, y, 2)
        z.sum().backward()
        return [z, power, x.grad, y.grad]

    check(run)


@pytest.mark.parametrize("materialize", [True, False])
def test_several_outputs(materialize):
    def run(n):
        seen = []

        class Split(n.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.set_materialize_grads(materialize)
                index = x.argmax()
                positive = x > 0
                ctx.mark_non_differentiable(index, positive)
                return x * 2, x * 3, index, positive

            @staticmethod
            def backward(ctx, *grads):
                seen.extend(grads)
                return grads[0] * 2

        x = x_of(n)
        a, b, index, positive = Split.apply(x)
        a.sum().backward()
        return [a, b, index, positive, seen, x.grad]

    check(run)


def test_mark_dirty():
    def run(n):
        class Double(n.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                return x.mul_(2)

            @staticmethod
            def backward(ctx, grad):
                return grad * 20

        x = x_of(n)
        middle = x * 1
        view = middle[:2]
        y = Double.apply(middle)
        (y.sum() + middle.sum() + view.detach().sum()).backward()
        return [y is middle, y, middle, view.detach(), x.grad]

    check(run)


def test_mark_dirty_saved_output():
    def run(n):
        class Exp(n.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.exp_()
                ctx.mark_dirty(x)
                ctx.save_for_backward(x)
                return x

            @staticmethod
            def backward(ctx, grad):
                return grad * ctx.saved_tensors[0]

        x = x_of(n)
        (g,) = n.autograd.grad(Exp.apply(x * 2).sum(), x, create_graph=True)
        return [g, n.autograd.grad(g.sum(), x)]

    check(run)


def test_dirty_leaf_and_dirty_not_returned():
    def make(n, returned):
        class Dirty(n.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                return x if returned else x * 2

            @staticmethod
            def backward(ctx, grad):
                return grad

        return Dirty

    check(lambda n: make(n, True).apply(x_of(n)), raises=RuntimeError)
    check(lambda n: make(n, False).apply(x_of(n) * 1), raises=RuntimeError)


def test_input_returned_unchanged():
    def run(n):
        class Same(n.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x

            @staticmethod
            def backward(ctx, grad):
                return grad * 7 * ctx.saved_tensors[0]

        x = x_of(n)
        y = Same.apply(x)
        (g,) = n.autograd.grad(y.sum(), x, create_graph=True)
        plain = n.ones(2)
        return [y is x, y, g, n.autograd.grad(g.sum(), x), Same.apply(plain) is plain]

    check(run)


def test_gradient_is_reduced_and_cast():
    def run(n):
        class Wide(n.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                return x.expand(4, 3) + y

            @staticmethod
            def backward(ctx, grad):
                return grad.double(), grad

        x, y = x_of(n), n.ones(4, 1, requires_grad=True)
        Wide.apply(x, y).sum().backward()
        return [x.grad, y.grad]

    check(run)


def returning(n, answer):
    class Wrong(n.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            return x * factor

        @staticmethod
        def backward(ctx, grad):
            return answer(grad)

    return Wrong


WRONG = {
    "count": (RuntimeError, lambda g: g),
    "count_extra": (RuntimeError, lambda g: (g, None, g)),
    "for_number": (RuntimeError, lambda g: (g, g)),
    "shape": (RuntimeError, lambda g: (g[:2], None)),
    "kind": (RuntimeError, lambda g: (3, None)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_backward(name):
    raises, answer = WRONG[name]
    check(lambda n: returning(n, answer).apply(x_of(n), 2.0).sum().backward(), raises=raises)


def test_none_and_extra_none():
    def run(n):
        x = x_of(n)
        returning(n, lambda g: (g * 2, None, None)).apply(x, 2.0).sum().backward()
        return [x.grad, n.autograd.grad(returning(n, lambda g: (None, None)).apply(x, 2.0).sum(), x, allow_unused=True)]

    check(run)


def test_overwritten_saved_tensor():
    def run(n):
        x = x_of(n) * 1
        y = scaled(n).apply(x, 2.0, None)
        x.add_(1)
        y.sum().backward()

    with pytest.raises(RuntimeError, match="modified by an inplace operation.* is at version 1; expected version 0"):
        run(RT)


def test_backward_twice():
    def run(n):
        y = scaled(n).apply(x_of(n), 2.0, None).sum()
        y.backward()
        y.backward()

    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        run(RT)


def test_context_is_freed_with_the_graph():
    contexts = []

    class Kept(RT.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            contexts.append(weakref.ref(ctx))
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0]

    gc.disable()
    try:
        x = x_of(RT)
        y = Kept.apply(x)
        y.sum().backward()
        del y
        assert contexts[0]() is None
        Kept.apply(x)
        assert contexts[1]() is None
    finally:
        gc.enable()


def test_without_gradients():
    def run(n):
        with n.no_grad():
            inside = scaled(n).apply(x_of(n), 2.0)
        plain = scaled(n).apply(n.ones(2), 2.0)
        return [inside, plain]

    check(run)


def test_once_differentiable():
    def make(n):
        class Once(n.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            @n.autograd.function.once_differentiable
            def backward(ctx, grad):
                return grad * 2 * ctx.saved_tensors[0]

        return Once

    def run(n):
        x = x_of(n)
        return n.autograd.grad(make(n).apply(x).sum(), x)

    def twice(n):
        x = x_of(n)
        weight = n.ones(3, requires_grad=True)
        (g,) = n.autograd.grad((make(n).apply(x) * weight).sum(), x, create_graph=True)
        g.sum().backward()

    check(run)
    check(twice, raises=RuntimeError)


MISUSE = {
    "instance": (RuntimeError, lambda n: scaled(n)()(n.ones(2))),
    "no_forward": (NotImplementedError, lambda n: type("F", (n.autograd.Function,), {}).apply(1)),
    "save_number": (TypeError, lambda n: _saving(n, 3).apply(x_of(n))),
}


def _saving(n, value):
    class Saving(n.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(value)
            return x * 1

    return Saving


@pytest.mark.parametrize("name", MISUSE)
def test_misuse(name):
    raises, call = MISUSE[name]
    if name == "instance":
        with (
            pytest.warns(DeprecationWarning, match="should not be instantiated"),
            pytest.raises(raises, match="Legacy autograd function"),
        ):
            call(RT)
    else:
        check(call, raises=raises) if name != "save_number" else pytest.raises(raises, call, RT)


GRAD = {
    "grad": lambda n, x: n.autograd.grad((x * x).sum(), x),
    "grad_outputs": lambda n, x: n.autograd.grad(x * x, [x], n.tensor([1.0, 2.0, 3.0])),
    "several": lambda n, x: n.autograd.grad([x.sum(), (x * x).sum()], x),
    "unused": lambda n, x: n.autograd.grad(x.sum(), [x, x_of(n)], allow_unused=True),
    "materialized": lambda n, x: n.autograd.grad(x.sum(), [x, x_of(n)], materialize_grads=True),
    "dict": lambda n, x: n.autograd.grad((x * x).sum(), {"x": x}),
    "batched": lambda n, x: n.autograd.grad(x * x, x, n.eye(3), is_grads_batched=True),
    "third_order": lambda n, x: n.autograd.grad(
        n.autograd.grad((x**3).sum(), x, create_graph=True)[0].sum(), x, create_graph=True
    ),
    "backward": lambda n, x: n.autograd.backward([x.sum(), x * 2], [None, n.ones(3)]) or x.grad,
    "backward_inputs": lambda n, x: _backward_inputs(n, x),
    "backward_create_graph": lambda n, x: n.autograd.backward((x**3).sum(), retain_graph=True) or x.grad,
}


def _backward_inputs(n, x):
    y = x_of(n)
    n.autograd.backward((x * y).sum(), inputs=[y])
    return [x.grad, y.grad]


@pytest.mark.parametrize("name", GRAD)
def test_grad(name):
    check(lambda n: GRAD[name](n, x_of(n)))


WRONG_GRAD = {
    "not_scalar": (RuntimeError, lambda n, x: n.autograd.grad(x * 2, x)),
    "no_grad_fn": (RuntimeError, lambda n, x: n.autograd.grad(n.ones(1), x)),
    "input": (RuntimeError, lambda n, x: n.autograd.grad(x.sum(), n.ones(1))),
    "unused": (RuntimeError, lambda n, x: n.autograd.grad(x.sum(), x_of(n))),
    "shape": (RuntimeError, lambda n, x: n.autograd.grad(x * 2, x, n.ones(2))),
    "kind": (TypeError, lambda n, x: n.autograd.grad(x * 2, x, [3])),
    "no_inputs": (RuntimeError, lambda n, x: n.autograd.grad(x.sum(), [])),
    "backward_no_inputs": (RuntimeError, lambda n, x: n.autograd.backward(x.sum(), inputs=[])),
    "materialize": (ValueError, lambda n, x: n.autograd.grad(x, x, materialize_grads=True, allow_unused=False)),
    "backward_leaf": (RuntimeError, lambda n, x: n.autograd.backward(n.ones(()))),
}


@pytest.mark.parametrize("name", WRONG_GRAD)
def test_wrong_grad(name):
    raises, call = WRONG_GRAD[name]
    check(lambda n: call(n, x_of(n)), raises=raises)


def modes(n):
    return [n.is_grad_enabled(), n.is_inference_mode_enabled()]


def test_grad_modes():
    def run(n):
        log = [modes(n)]
        with n.no_grad():
            log.append(modes(n))
            with n.enable_grad():
                log.append(modes(n))
            with n.set_grad_enabled(True):
                log.append(modes(n))
            log.append(modes(n))
        with n.inference_mode():
            log.append(modes(n))
            with n.inference_mode(False):
                log.append(modes(n))
            log.append(modes(n))
        with n.inference_mode(False):
            log.append(modes(n))
        n.set_grad_enabled(False)
        log.append(modes(n))
        n.set_grad_enabled(True)
        try:
            with n.no_grad():
                raise KeyError
        except KeyError:
            log.append(modes(n))
        return log

    check(run)


DECORATORS = {
    "no_grad": lambda n: n.no_grad(),
    "no_grad_bare": lambda n: n.no_grad,
    "enable_grad": lambda n: n.enable_grad(),
    "set_grad_enabled": lambda n: n.set_grad_enabled(False),
    "inference_mode": lambda n: n.inference_mode(),
    "inference_mode_bare": lambda n: n.inference_mode,
}


@pytest.mark.parametrize("name", DECORATORS)
def test_decorators(name):
    def run(n):
        @DECORATORS[name](n)
        def function(x):
            """Doc."""
            return [modes(n), x, function.__doc__]

        @DECORATORS[name](n)
        def generator():
            got = yield modes(n)
            while got != "end":
                try:
                    got = yield [modes(n), got]
                except ValueError:
                    got = "after error"
            return modes(n)

        log = [function(3), function(4), modes(n)]
        steps = generator()
        log += [next(steps), modes(n), steps.send(5), modes(n), steps.throw(ValueError), modes(n)]
        try:
            steps.send("end")
        except StopIteration as stop:
            log.append(stop.value)
        return [*log, modes(n)]

    check(run)
