"""Factorisations, systems, determinants and what follows from them.

Signs and bases that a factorisation leaves open are not compared: squares of vectors and products of factors are.
"""

from ..cases import op
from ..spec import S, t

# Others are refused, which the table of wrong calls knows.
DTYPES = ("float32", "float64")
SQUARES = [S(t(3, 3)), S(t(2, 3, 3)), S(t(1, 1)), S(t(7, 7)), S(t(2, 0, 0)), S(t(0, 3, 3)), S(t(2, 2, 4, 4))]
REFUSED = [S(t(3)), S(t()), S(t(2, 3)), S(t(3, 0))]
TALL, WIDE = [S(t(5, 3)), S(t(2, 4, 2)), S(t(3, 0)), S(t(4, 1))], [S(t(3, 5)), S(t(2, 2, 4)), S(t(0, 3)), S(t(1, 4))]
VECTORS = [S(t(3)), S(t())]


def firm(m, x):
    """Far from singular, with values far apart: what is repeated (`expand`) is so too."""
    if x.dim() < 2:
        return x
    rows, columns = x.shape[-2:]
    return x + (m.eye(rows, columns) * (m.arange(columns) * 4 + 10)).to(x.dtype)


def triangle(m, x, upper):
    """A triangle: the gradient of what is not read is torch's secret."""
    if x.dim() < 2:
        return x
    return firm(m, x).triu() if upper else firm(m, x).tril()


def positive(m, x):
    """Symmetric and positive, of any square matrix."""
    if x.dim() < 2 or x.shape[-1] != x.shape[-2]:
        return x
    x = firm(m, x)
    return x @ x.mT


def of(name, make, result=None, **fixed):
    """A function of `linalg` of what `make` makes of the first argument, and what `result` makes of its result."""

    def call(m, x, *args, **kwargs):
        found = getattr(m.linalg, name)(make(m, x), *args, **fixed, **kwargs)
        return result(m, found) if result else found

    return call


def row(name, samples, call, **options):
    options = {"dtypes": DTYPES, "tol": 40, "grad": True, "gradgrad": True, "slopes": 1.0} | options
    return op(name, samples, call=call, **options)


def squared(index):
    """The values, and squares of the vectors with these numbers."""

    def result(m, found):
        return tuple(part.square() if i in index else part for i, part in enumerate(found))

    return result


FACTORS = (
    row("linalg.cholesky", [*SQUARES, *REFUSED], of("cholesky", positive)),
    row("linalg.cholesky.upper", SQUARES, of("cholesky", positive, upper=True), gradgrad=False),
    row("linalg.cholesky_ex", [*SQUARES, *REFUSED], of("cholesky_ex", positive), gradgrad=False),
    row("linalg.qr", [*SQUARES, *TALL, *WIDE, *VECTORS], of("qr", firm)),
    row("linalg.qr.complete", [*SQUARES, *TALL, *WIDE], of("qr", firm, mode="complete"), gradgrad=False),
    row("linalg.qr.r", [*SQUARES, *TALL, *WIDE], of("qr", firm, mode="r"), grad=False, gradgrad=False),
    row("linalg.lu", [*SQUARES, *TALL, *WIDE, *VECTORS], of("lu", firm)),
    row("linalg.lu_factor", [*SQUARES, *TALL, *WIDE, *VECTORS], of("lu_factor", firm)),
    row(
        "linalg.lu_factor_ex", [*SQUARES, *TALL, *WIDE], of("lu_factor_ex", lambda m, x: x), grad=False, gradgrad=False
    ),
    row("lu", [*SQUARES, *TALL, *WIDE], lambda m, x: m.lu(firm(m, x))),
    row("lu.method", [*SQUARES, *TALL, *WIDE], lambda m, x: firm(m, x).lu(), gradgrad=False),
    row("lu.infos", [*SQUARES, *TALL, *WIDE], lambda m, x: tuple(firm(m, x).lu(get_infos=True)), gradgrad=False),
    row(
        "lu_unpack",
        [*SQUARES, *TALL, *WIDE],
        lambda m, x, **kwargs: m.lu_unpack(*m.linalg.lu_factor(firm(m, x)), **kwargs),
    ),
    row(
        "lu_unpack.parts",
        [S(t(3, 3), unpack_data=False), S(t(3, 3), unpack_pivots=False)],
        lambda m, x, **kwargs: m.lu_unpack(*m.linalg.lu_factor(firm(m, x)), **kwargs),
        grad=False,
        gradgrad=False,
    ),
    row(
        "linalg.householder_product",
        [S(t(4, 3), t(3)), S(t(2, 4, 3), t(2, 2)), S(t(2, 3), t(2)), S(t(3, 3), t(4))],
        lambda m, x, tau: m.linalg.householder_product(x, tau),
        gradgrad=False,
    ),
    row(
        "linalg.householder_product.none",
        [S(t(3, 3), t(0))],
        lambda m, x, tau: m.linalg.householder_product(x, tau),
        grad=False,
        gradgrad=False,
    ),
)

SPECTRA = (
    row("linalg.svd", [*SQUARES, *TALL, *WIDE, *VECTORS], of("svd", firm, squared((0, 2)), full_matrices=False)),
    row(
        "linalg.svd.whole",
        [*SQUARES, *TALL, *WIDE],
        # Vectors beyond the values are any.
        of("svd", firm, lambda m, r: (r.S, r.U[..., : r.S.shape[-1]].square(), r.U @ r.U.mT, r.Vh @ r.Vh.mT)),
        grad=False,
        gradgrad=False,
        strides=False,
    ),
    row("svd", [*SQUARES, *TALL, *WIDE], lambda m, x: squared((0, 2))(m, m.svd(firm(m, x))), gradgrad=False),
    row(
        "svd.values",
        [*SQUARES, *TALL, *WIDE],
        lambda m, x: m.svd(firm(m, x), compute_uv=False),
        grad=False,
        gradgrad=False,
    ),
    row("linalg.svdvals", [*SQUARES, *TALL, *WIDE, *VECTORS], of("svdvals", firm)),
    row("linalg.eigh", [*SQUARES, *REFUSED], of("eigh", positive, squared((1,)))),
    row("linalg.eigh.upper", SQUARES, of("eigh", positive, squared((1,)), UPLO="U"), gradgrad=False),
    # Which triangle is read.
    row("linalg.eigh.triangle", [S(t(3, 3), side) for side in "LU"], of("eigvalsh", firm), grad=False, gradgrad=False),
    row("linalg.eigvalsh", [*SQUARES, *REFUSED], of("eigvalsh", positive)),
)

SYSTEMS = [
    S(t(3, 3), t(3)),
    S(t(3, 3), t(3, 2)),
    S(t(2, 3, 3), t(2, 3)),
    S(t(2, 3, 3), t(2, 3, 4)),
    S(t(2, 3, 3), t(3, 4)),
    S(t(3, 3), t(4, 3, 2)),
    S(t(2, 1, 3, 3), t(4, 3, 1)),
    S(t(0, 0), t(0, 2)),
    S(t(3, 3), t(3, 0)),
    S(t(0, 3, 3), t(0, 3, 2)),
    S(t(3, 3), t(2, 3), left=False),
    S(t(2, 3, 3), t(2, 4, 3), left=False),
    *(S(t(3, 3), t(2, 3)), S(t(2, 3), t(3)), S(t(3, 3), t(3), left=False), S(t(3), t(3)), S(t(2, 3, 3), t(4, 3, 2))),
]
MATRICES = [call for call in SYSTEMS if len(call.args[1].shape) > 1]


def system(name, *, first=True):
    def call(m, x, b, **kwargs):
        x = firm(m, x)
        return getattr(m.linalg, name)(x, b, **kwargs) if first else getattr(m, name)(b, x, **kwargs)

    return call


def by_lu(m, x, b, **kwargs):
    return m.linalg.lu_solve(*m.linalg.lu_factor(firm(m, x)), b, **kwargs)


SOLUTIONS = (
    # The strides of a right side that several matrices share are torch's secret.
    row("linalg.solve", SYSTEMS, system("solve"), strides=False),
    row("linalg.solve_ex", SYSTEMS, system("solve_ex"), strides=False, gradgrad=False),
    row(
        "linalg.solve_triangular",
        [
            S(*c.args, **dict(c.kwargs), upper=up, unitriangular=unit)
            for c in MATRICES
            for up, unit in ((0, 0), (1, 0), (1, 1))
        ],
        lambda m, x, b, upper, unitriangular, **kwargs: m.linalg.solve_triangular(
            firm(m, x), b, upper=bool(upper), unitriangular=bool(unitriangular), **kwargs
        ),
        strides=False,
    ),
    row(
        "triangular_solve",
        [
            S(t(3, 3), t(3, 2)),
            S(t(2, 3, 3), t(2, 3, 1), upper=False),
            S(t(3, 3), t(3, 2), transpose=True),
            S(t(3, 3), t(3)),
        ],
        system("triangular_solve", first=False),
        gradgrad=False,
    ),
    row("linalg.inv", [*SQUARES, *REFUSED], of("inv", firm)),
    row("linalg.inv_ex", [*SQUARES, *REFUSED], of("inv_ex", firm), gradgrad=False),
    row("inverse", SQUARES, lambda m, x: firm(m, x).inverse(), gradgrad=False),
    row(
        "linalg.lu_solve",
        [
            *(c for c in MATRICES if len(c.args[0].shape) == len(c.args[1].shape)),
            S(t(3, 3), t(3, 2), adjoint=True),
            S(t(3, 3), t(2, 3), left=False, adjoint=True),
        ],
        by_lu,
        strides=False,
    ),
    row(
        "lu_solve",
        [S(t(3, 3), t(3, 2))],
        lambda m, x, b: b.lu_solve(*m.linalg.lu_factor(firm(m, x))),
    ),
    row(
        "cholesky_solve",
        [
            S(t(3, 3), t(3, 2)),
            S(t(2, 3, 3), t(2, 3, 1), upper=True),
            S(t(2, 3, 3), t(3, 2)),
            S(t(3, 3), t(2, 3)),
            S(t(3, 3), t(3)),
        ],
        lambda m, x, b, upper=False: m.cholesky_solve(b, triangle(m, x, upper), upper=upper),
    ),
    row(
        "cholesky_inverse",
        [S(t(3, 3)), S(t(2, 3, 3), upper=True), S(t(0, 0)), S(t(3)), S(t(2, 3))],
        lambda m, x, upper=False: m.cholesky_inverse(triangle(m, x, upper), upper=upper),
    ),
    row(
        "linalg.tensorinv",
        [S(t(2, 3, 6), ind=2), S(t(4, 2, 2), ind=1), S(t(3, 3)), S(t(3, 3), ind=0)],
        lambda m, x, **k: m.linalg.tensorinv(x, **k),
        dtypes=("float64",),
        tol=4000,
        gradgrad=False,
        grad=False,
        strides=False,
    ),
    row(
        "linalg.tensorsolve",
        [S(t(6, 2, 3), t(6)), S(t(2, 3, 6), t(2, 3)), S(t(2, 6, 3), t(2, 3), dims=(1,)), S(t(2, 3, 5), t(2, 3))],
        lambda m, x, b, **k: m.linalg.tensorsolve(x, b, **k),
        dtypes=("float64",),
        tol=4000,
        gradgrad=False,
        grad=False,
        strides=False,
    ),
)

DETERMINANTS = (
    # Second derivatives are those of another formula in torch, which is not exact.
    row("linalg.det", [*SQUARES, *REFUSED], of("det", firm), gradgrad=False),
    row("det", [S(t(3, 3)), S(t(2, 3, 3))], lambda m, x: x.det(), gradgrad=False),
    # Of matrices with equal rows, as `expand` makes them.
    row("linalg.det.plain", [S(t(3, 3)), S(t(2, 5, 5))], of("det", lambda m, x: x), gradgrad=False),
    row("linalg.slogdet", [*SQUARES, *REFUSED], of("slogdet", firm)),
    row("slogdet", SQUARES, lambda m, x: (-firm(m, x)).slogdet()),
    row("logdet", [*SQUARES, *REFUSED], lambda m, x: m.logdet(positive(m, x))),
    row("logdet.negative", [S(t(1, 1)), S(t(2, 3, 3))], lambda m, x: m.logdet(-positive(m, x)), gradgrad=False),
)

GENERALISED = (
    row("linalg.pinv", [*SQUARES, *TALL, *WIDE, *VECTORS], of("pinv", firm)),
    row("linalg.pinv.hermitian", SQUARES, of("pinv", positive, hermitian=True), gradgrad=False),
    row(
        "linalg.pinv.cut",
        [S(t(5, 3), rcond=0.6), S(t(3, 5), atol=12.0), S(t(4, 4), rtol=0.5), S(t(3, 3), atol=0.0)],
        of("pinv", firm),
        grad=False,
        gradgrad=False,
    ),
    row("pinverse", [S(t(5, 3)), S(t(3, 3), 0.6)], lambda m, x, *a: firm(m, x).pinverse(*a), gradgrad=False),
    row(
        "linalg.matrix_rank",
        [
            *SQUARES,
            *TALL,
            *WIDE,
            *VECTORS,
            S(t(4, 4), 12.0),
            S(t(4, 4), tol=15.0),
            S(t(4, 4), atol=12.0),
            S(t(4, 4), rtol=0.6),
        ],
        of("matrix_rank", firm),
        grad=False,
        gradgrad=False,
    ),
    row(
        "linalg.matrix_rank.plain",
        [S(t(4, 4)), S(t(2, 5, 3))],
        of("matrix_rank", lambda m, x: x),
        grad=False,
        gradgrad=False,
    ),
    row(
        "linalg.matrix_rank.hermitian",
        SQUARES,
        of("matrix_rank", positive, hermitian=True),
        grad=False,
        gradgrad=False,
    ),
    row("linalg.cond", [*SQUARES, *TALL, *VECTORS], of("cond", firm), gradgrad=False),
    row(
        # torch forgets that it has changed the inverse which its gradient needs.
        "linalg.cond.norms",
        [S(t(3, 3), p) for p in (1, -1, 2, -2, float("inf"), -float("inf"), "fro", "nuc", 3, "x")]
        + [S(t(2, 3, 3), 1), S(t(2, 3), 1), S(t(2, 3), 2)],
        of("cond", firm),
        grad=False,
        gradgrad=False,
    ),
    row(
        "linalg.cond.singular",
        [S(t(3, 3), 1), S(t(3, 3), "fro")],
        of("cond", lambda m, x: x * 0),
        dtypes=("float32",),
        grad=False,
        gradgrad=False,
    ),
    row(
        "linalg.lstsq",
        [
            S(t(5, 3), t(5, 2)),
            S(t(3, 5), t(3, 2)),
            S(t(3, 3), t(3)),
            S(t(2, 5, 3), t(2, 5)),
            S(t(2, 5, 3), t(2, 5, 1)),
            S(t(3, 3), t(2, 3)),
            S(t(3), t(3)),
        ],
        of("lstsq", firm),
        strides=False,
        tol=200,
        gradgrad=False,
    ),
    row(
        "linalg.lstsq.drivers",
        [S(t(5, 3), t(5, 2), driver=d) for d in ("gels", "gelsy", "gelsd", "gelss", "x")]
        + [S(t(3, 3), t(3, 2), driver="gelsd", rcond=0.6)],
        of("lstsq", firm),
        strides=False,
        tol=200,
        grad=False,
        gradgrad=False,
    ),
)

POWERS = (
    row(
        "linalg.matrix_power",
        [S(t(3, 3), n) for n in (0, 1, 2, 3, 7)] + [S(t(2, 3, 3), 2), S(t(2, 3), 2), S(t(3), 2), S(t(0, 0), 3)],
        lambda m, x, n: m.linalg.matrix_power(x, n),
    ),
    row(
        "matrix_power.negative",
        [S(t(3, 3), -1), S(t(2, 3, 3), -3)],
        lambda m, x, n: firm(m, x).matrix_power(n),
        strides=False,
    ),
)

NORMS = (
    row(
        "linalg.matrix_norm.values",
        [S(t(3, 4), 2), S(t(3, 4), -2), S(t(2, 4, 3), 2, keepdim=True), S(t(2, 4, 3), 2, dim=(0, 1)), S(t(0, 3), 2)],
        of("matrix_norm", firm),
        gradgrad=False,
    ),
    row(
        "linalg.matrix_norm.nuc",
        [S(t(3, 4), "nuc"), S(t(2, 4, 3), "nuc", dim=(2, 0)), S(t(3, 0), "nuc")],
        of("matrix_norm", firm),
        gradgrad=False,
    ),
    row("linalg.norm.values", [S(t(3, 4), 2), S(t(3, 4), -2), S(t(3, 4), "nuc")], of("norm", firm), gradgrad=False),
    row(
        "norm.nuc",
        [S(t(3, 4), "nuc")],
        lambda m, x, p: m.norm(firm(m, x), p),
        gradgrad=False,
    ),
    row(
        "linalg.vander",
        [S(t(3)), S(t(2, 3), N=4), S(t(3), N=1), S(t())],
        lambda m, x, **k: m.linalg.vander(x, **k),
        dtypes=("float32", "float64", "int64", "bool"),
        gradgrad=False,
    ),
)

ROWS = (*FACTORS, *SPECTRA, *SOLUTIONS, *DETERMINANTS, *GENERALISED, *POWERS, *NORMS)
