"""Order along an axis, and what is chosen by it."""

from ..cases import op
from ..spec import S, t

DISTINCT = ("float32", "float64")
RUNS = [S(t(45), dim=0), S(t(45, 7), dim=0, descending=True), S(t(7, 45), dim=1)]


def sorts(ties=True):
    """The shapes and axes of sorting, short and long."""
    shapes = [
        (t(3, 4), 0),
        (t(3, 4), -1),
        (t(2, 3, 4), 1),
        (t(), 0),
        (t(1), 0),
        (t(0, 3), 0),
        (t(0, 3), 1),
        (t(0), 0),
        (t(4, 37), 1),
        (t(300), 0),
        (t(3, 4), 2),
        (t(3, 4), -3),
    ]
    shapes += [(t(7, 9, ties=True), 1), (t(600, ties=True), 0), (t(2, 700, 3), 1)] if ties else []
    return [S(x, dim=axis, descending=down) for x, axis in shapes for down in (False, True)]


def stably(name):
    return lambda m, x, **kwargs: getattr(m, name)(x, stable=True, **kwargs)


def elements(name, default=-1):
    """The chosen elements, and those that the indices name: of equal elements any may be chosen."""

    def call(m, x, *args, dim=default, keepdim=True, **kwargs):
        options = {} if name == "topk" else {"keepdim": keepdim}
        # Of what is repeated along the axis torch's medians are not elements at all.
        x = x + 0 if "median" in name and 0 in x.stride() else x
        values, indices = getattr(m, name)(x, *args, dim=dim, **options, **kwargs)
        whole = indices if keepdim or x.dim() == 0 else indices.unsqueeze(dim)
        return values, x.gather(dim, whole)

    return call


# Of equal elements torch gives any order unless it is to be the stable one.
PLAIN = [S(t(3, 4)), S(t(5), 0, True), *sorts(ties=False)]
SORTS = (
    op("sort", PLAIN, dtypes=DISTINCT, exact=True, grad=True, gradgrad=True),
    op("argsort", PLAIN, dtypes=DISTINCT, exact=True),
    op("sort.stable", sorts(), call=stably("sort"), exact=True, grad=True, special=RUNS),
    op("argsort.stable", sorts(), call=stably("argsort"), exact=True, special=RUNS),
    op("msort", [S(t(4, 3)), S(t(5)), S(t()), S(t(0, 2)), S(t(2, 3, 2)), S(t(300))], dtypes=DISTINCT, grad=True),
)

TOP = [
    S(t(7), 3),
    S(t(7), 0),
    S(t(7), 7),
    S(t(3, 7), 2, dim=0),
    S(t(3, 7), 7, largest=False),
    S(t(2, 3, 4), 2, dim=1, largest=False),
    S(t(3, 70), 3, sorted=True),
    S(t(1000), 20),
    S(t(1000), 600, largest=False),
    S(t(), 1),
    S(t(0, 3), 2),
    *(S(t(3), 4), S(t(3), -1), S(t(3, 4), 2, dim=2), S(t(), 2), S(t(0), 1)),
]
KTH = [
    S(t(7), 3),
    S(t(3, 7), 2, dim=0),
    S(t(3, 7), 7, keepdim=False),
    S(t(2, 3, 4), k=2, dim=1),
    S(t(500), 77, keepdim=False),
    S(t(), 1),
    *(S(t(3), 4), S(t(3), 0), S(t(3, 4), 2, dim=2), S(t(0, 3), 1, dim=0), S(t(2, 0), 1), S(t(), 2)),
]
ALONG = [
    S(t(3, 4), dim=0),
    S(t(3, 5)),
    S(t(2, 3, 4), dim=1, keepdim=False),
    S(t(), dim=0),
    S(t(333), dim=0),
    S(t(4, 300), dim=1),
    *(S(t(3, 4), dim=2), S(t(0, 3), dim=0), S(t(0, 3), dim=1)),
]
MIDDLE = [S(t(5)), S(t(3, 4)), S(t()), S(t(0)), S(t(2, 3, 5)), S(t(300)), S(t(4, 5, ties=True))]

CHOICES = (
    op("topk", TOP, call=elements("topk"), grad=True, gradgrad=True),
    op("kthvalue", KTH, call=elements("kthvalue"), grad=True, gradgrad=True),
    *(op(f"{name}.dim", ALONG, call=elements(name), grad=True) for name in ("median", "nanmedian")),
    *(op(name, MIDDLE, grad=True, special=[S(t(45)), S(t(7, 45))]) for name in ("median", "nanmedian")),
)
# Which of equal elements has the gradient is torch's secret.
TIED = (
    op(
        "topk.ties",
        [S(t(40, ties=True), 9), S(t(3, 7, ties=True), 3, largest=False)],
        call=elements("topk"),
        special=[S(t(45), 5), S(t(45), 40), S(t(7, 45), 4, largest=False)],
    ),
    op(
        "kthvalue.ties",
        [S(t(40, ties=True), 9), S(t(3, 7, ties=True), 3)],
        call=elements("kthvalue"),
        special=[S(t(45), 20), S(t(7, 45), 44)],
    ),
    *(
        op(
            f"{name}.ties",
            [S(t(3, 7, ties=True), dim=1)],
            call=elements(name),
            special=[S(t(45), dim=0), S(t(7, 45), dim=1)],
        )
        for name in ("median", "nanmedian")
    ),
)

ROWS = (*SORTS, *CHOICES, *TIED)
