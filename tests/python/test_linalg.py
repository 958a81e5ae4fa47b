"""Linear algebra as part of a program: what runs when, what is computed once, gradients at their limits, transforms."""

import numpy as np
import pytest
import rustorch as rt
import torch

RNG = np.random.default_rng(11)


def both(array, **options):
    return rt.tensor(array, **options), torch.tensor(array, **options)


def square(n, *batch):
    return RNG.standard_normal((*batch, n, n)) + 3 * np.eye(n)


def test_the_class_of_errors_has_the_name_that_torch_gives_it():
    assert rt.linalg.LinAlgError is rt.errors.LinAlgError
    with pytest.raises(rt.linalg.LinAlgError, match="leading minor of order 2 is not positive-definite"):
        rt.linalg.cholesky(rt.tensor([[1.0, 2.0], [2.0, 1.0]]))


def test_errors_come_at_the_call_and_not_where_none_is_asked_for():
    singular = rt.ones(2, 2)
    before = rt.stats()["launches"]
    inverse, info = rt.linalg.inv_ex(singular)
    factor, order = rt.linalg.cholesky_ex(-singular)
    assert rt.stats()["launches"] == before
    assert (info.item(), order.item()) == (2, 1)
    assert not inverse.isfinite().any() and factor.isnan().all()
    with pytest.raises(rt.linalg.LinAlgError, match="^linalg.inv: The diagonal element 2 is zero"):
        rt.linalg.inv(singular)


def test_a_factorisation_runs_once():
    x, _ = both(square(20), requires_grad=True)
    b = rt.ones(20, 2, dtype=rt.float64)
    explanation = rt.explain(lambda: rt.linalg.solve(x, b).sum().backward())()
    names = [kernel.name for kernel in explanation.kernels if kernel.kind == "routine"]
    # Forward and backward use the same factors.
    assert sorted(names) == ["lu", "solve", "solve"]


def test_another_matrix_compiles_nothing():
    def run(x):
        q, r = rt.linalg.qr(x)
        return (q @ r).sum() + rt.linalg.slogdet(x)[1]

    run(both(square(9))[0]).item()
    before = rt.stats()["compiles"]
    run(both(square(9))[0]).item()
    assert rt.stats()["compiles"] == before


@pytest.mark.parametrize("size", [200, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_matrices(size, dtype):
    array = (RNG.standard_normal((size, size)) / size**0.5 + 3 * np.eye(size)).astype(dtype)
    x, t = both(array)
    tolerance = {"float32": 2e-4, "float64": 1e-11}[dtype]
    symmetric, positive = x + x.T, x @ x.T
    checks = [
        (rt.linalg.inv(x), torch.linalg.inv(t)),
        (rt.linalg.cholesky(positive), torch.linalg.cholesky(t @ t.T)),
        (rt.linalg.svdvals(x), torch.linalg.svdvals(t)),
        (rt.linalg.eigvalsh(symmetric), torch.linalg.eigvalsh(t + t.T)),
        (rt.linalg.qr(x).R, torch.linalg.qr(t).R),
        (rt.linalg.lu_factor(x).LU, torch.linalg.lu_factor(t).LU),
        (rt.linalg.slogdet(x).logabsdet, torch.linalg.slogdet(t).logabsdet),
        (rt.linalg.pinv(x), torch.linalg.pinv(t)),
    ]
    for got, want in checks:
        assert np.allclose(got.numpy(), want.numpy(), rtol=0, atol=tolerance * max(1, want.abs().max().item()))
    u, s, vh = rt.linalg.svd(x)
    assert np.allclose(((u * s) @ vh).numpy(), array, atol=tolerance)
    values, vectors = rt.linalg.eigh(symmetric)
    assert np.allclose(((vectors * values) @ vectors.T).numpy(), symmetric.numpy(), atol=4 * tolerance)


def det(m, x):
    return m.linalg.det(x)


def vectors(m, x):
    return m.linalg.eigh(x)[1].sum()


def values(m, x):
    return m.linalg.svdvals(x).sum()


@pytest.mark.parametrize(
    ("make", "loss"),
    [
        *((make, det) for make in (lambda m: m.eye(3), lambda m: m.ones(3, 3), lambda m: m.zeros(3, 3))),
        # Vectors of equal values have no gradient, the values do.
        *((lambda m, n=n: m.eye(3) * n, vectors) for n in (0, 1, 2)),
        (lambda m: m.eye(3), values),
    ],
)
def test_gradients_at_their_limits_are_those_of_torch(make, loss):
    grads = []
    for m in (rt, torch):
        x = make(m).requires_grad_()
        loss(m, x).backward()
        grads.append(x.grad.numpy())
    assert np.allclose(*grads, equal_nan=True)


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 3, 3)])
def test_gradients_are_slopes(shape):
    x = rt.tensor(RNG.standard_normal(shape) + 4 * np.eye(*shape[-2:]), requires_grad=True)
    functions = [
        lambda x: rt.linalg.qr(x),
        lambda x: rt.linalg.svd(x, full_matrices=False)[1],
        lambda x: rt.linalg.pinv(x),
        lambda x: rt.linalg.lu(x)[1:],
    ]
    if shape[-1] == shape[-2]:
        functions += [rt.linalg.inv, rt.linalg.det, lambda x: rt.linalg.cholesky(x @ x.mT), rt.linalg.slogdet]
        functions += [lambda x, p=p: rt.linalg.cond(x, p) for p in (1, float("inf"), "fro", "nuc", 2, -2)]
    for function in functions:
        assert rt.autograd.gradcheck(function, (x,))
        assert rt.autograd.gradgradcheck(function, (x,))


def test_vectors_and_results_of_their_own_memory():
    x, t = both(square(3, 2))
    for got, want in zip(rt.linalg.svd(x), torch.linalg.svd(t), strict=True):
        assert got.stride() == want.stride()
    out = rt.empty(0, dtype=rt.float64)
    assert rt.linalg.inv(x, out=out) is out and np.allclose(out.numpy(), torch.linalg.inv(t).numpy())
    q, r = rt.empty(0, dtype=rt.float64), rt.empty(0, dtype=rt.float64)
    rt.linalg.qr(x, out=(q, r))
    assert np.allclose((q @ r).numpy(), t.numpy())


@pytest.mark.parametrize(("shape", "dim"), [((7,), -1), ((1,), 0), ((3, 8), 1), ((3, 8), 0), ((2, 5, 6), -2)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fft_is_that_of_torch(shape, dim, dtype):
    array = RNG.standard_normal((*shape, 2)).astype(dtype)
    x, t = both(array)
    numbers = torch.view_as_complex(t)
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    for inverse, transform in ((False, torch.fft.fft), (True, torch.fft.ifft)):
        got = rt.kernels.fft(x, dim, inverse)
        want = torch.view_as_real(transform(numbers, dim=dim))
        assert got.dtype == getattr(rt, dtype) and got.shape == tuple(want.shape)
        assert np.allclose(got.numpy(), want.numpy(), atol=tolerance)
    assert np.allclose(rt.kernels.fft(rt.kernels.fft(x, dim), dim, inverse=True).numpy(), array, atol=tolerance)


def test_fft_has_gradients_and_reads_views():
    x = rt.tensor(RNG.standard_normal((3, 4, 2)), requires_grad=True)
    for inverse in (False, True):
        assert rt.autograd.gradcheck(lambda x, inverse=inverse: rt.kernels.fft(x, 0, inverse).sin(), (x,))
        assert rt.autograd.gradgradcheck(lambda x, inverse=inverse: rt.kernels.fft(x, 1, inverse).sin(), (x,))
    view = x.detach().transpose(0, 1)[1:]
    want = np.fft.fft(view.numpy()[..., 0] + 1j * view.numpy()[..., 1])
    assert np.allclose(rt.kernels.fft(view).numpy(), np.stack([want.real, want.imag], -1))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: rt.kernels.fft(rt.ones(4)), RuntimeError),
        (lambda: rt.kernels.fft(rt.ones(4, 3)), RuntimeError),
        (lambda: rt.kernels.fft(rt.ones(0, 2)), RuntimeError),
        (lambda: rt.kernels.fft(rt.ones(4, 2), 1), IndexError),
        (lambda: rt.kernels.fft(rt.ones(4, 2).half()), NotImplementedError),
        (lambda: rt.kernels.fft(rt.ones(4, 2).int()), NotImplementedError),
        (lambda: rt.kernels.fft([1.0, 2.0]), TypeError),
    ],
)
def test_fft_refuses(make, error):
    with pytest.raises(error):
        make()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (6, 2, 2), (0, 3)])
def test_orthogonal_weights_are_those_of_torch(shape):
    weights = []
    for m in (rt, torch):
        m.manual_seed(4)
        w = m.empty(*shape)
        assert m.nn.init.orthogonal_(w, gain=1.5) is w
        weights.append(w.numpy())
    assert np.allclose(*weights, atol=2e-6)
    if 0 not in shape:
        flat = weights[0].reshape(shape[0], -1)
        small = flat @ flat.T if shape[0] <= flat.shape[1] else flat.T @ flat
        assert np.allclose(small, 2.25 * np.eye(len(small)), atol=1e-5)


def test_orthogonal_weights_need_two_axes():
    with pytest.raises(ValueError, match="Only tensors with 2 or more dimensions are supported"):
        rt.nn.init.orthogonal_(rt.ones(3))


def test_many_matrices_are_shared_out():
    array = square(6, 500)
    x, t = both(array)
    assert np.allclose(rt.linalg.inv(x).numpy(), torch.linalg.inv(t).numpy())
    threads = rt.get_num_threads()
    results = []
    for count in (1, 2):
        rt.set_num_threads(count)
        results.append(rt.linalg.qr(x).Q.numpy())
    rt.set_num_threads(threads)
    assert np.array_equal(*results)
