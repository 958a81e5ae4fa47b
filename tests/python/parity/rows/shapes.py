"""Operations that only rearrange. Those that torch implements as views are tested for sharing memory too."""

from ..cases import op
from ..spec import S, idx, t

A, B, C = t(3, 4), t(2, 3, 4), t(2, 1, 3, 1)
SCALAR, EMPTY, ROW = t(), t(0), t(6)


def view(name, samples, **options):
    return op(name, samples, exact=True, grad=True, gradgrad=True, views=True, **options)


def copy(name, samples, **options):
    options.setdefault("exact", True)
    return op(name, samples, grad=True, gradgrad=True, **options)


RESHAPES = (
    view(
        "reshape",
        [
            S(A, (4, 3)),
            S(A, (12,)),
            S(A, (-1,)),
            S(B, (6, -1)),
            S(B, (2, 12)),
            S(B, (2, 3, 2, 2)),
            S(SCALAR, (1, 1)),
            S(t(1), ()),
            S(EMPTY, (0, 3)),
            S(t(2, 0, 3), (0, 5)),
            S(A, (5, -1)),
            S(A, (-1, -1)),
            S(EMPTY, (-1, 0)),
            S(A, (3, 4, 1)),
            S(A, (-2, 6)),
        ],
    ),
    view("reshape_as", [S(A, t(4, 3)), S(B, t(24)), S(A, t(5)), S(SCALAR, t(1))]),
    view(
        "view",
        [
            S(A, 4, 3),
            S(A, (12,)),
            S(A, -1),
            S(B, 2, -1),
            S(B, 6, 4),
            S(B, 2, 3, 2, 2),
            S(SCALAR, 1, 1),
            S(EMPTY, 0, 3),
            S(A, 5, -1),
            S(t(4, 1, 2), 4, 2),
            S(t(4, 1, 2), 2, 2, 1, 2),
        ],
    ),
    view("view_as", [S(A, t(4, 3)), S(B, t(24)), S(A, t(5)), S(SCALAR, t(1))]),
    view("flatten", [S(B), S(B, 1), S(B, 0, 1), S(B, -2, -1), S(SCALAR), S(EMPTY), S(B, 2, 1), S(B, 0, 3)]),
    view("unflatten", [S(ROW, 0, (2, 3)), S(A, 1, (2, -1)), S(A, -2, (3, 1)), S(A, 1, (3, 2)), S(t(2, 0), 1, (0, 3))]),
    view("ravel", [S(B), S(A), S(SCALAR), S(EMPTY)]),
)

PERMUTATIONS = (
    view("permute", [S(A, (1, 0)), S(B, (2, 0, 1)), S(B, (-1, 0, 1)), S(SCALAR, ()), S(B, (0, 0, 1)), S(B, (0, 1))]),
    view("transpose", [S(A, 0, 1), S(B, 0, 2), S(B, -1, -2), S(SCALAR, 0, 0), S(EMPTY, 0, 0), S(B, 0, 3)]),
    view("swapaxes", [S(A, 0, 1), S(B, 0, -1)]),
    view("swapdims", [S(A, 0, 1), S(B, 0, -1)]),
    view("t", [S(A), S(ROW), S(SCALAR), S(B)]),
    view("adjoint", [S(A), S(B), S(ROW)]),
    *(
        view(
            f"Tensor.{name}", [S(A), S(t(3, 3)), S(ROW), S(SCALAR), S(B)], call=lambda m, x, name=name: getattr(x, name)
        )
        for name in ("T", "mT")
    ),
    view("movedim", [S(B, 0, 2), S(B, (0, 1), (2, 0)), S(B, -1, 0), S(SCALAR, 0, 0), S(B, (0, 1), (1,)), S(B, 0, 4)]),
    view("moveaxis", [S(B, 0, 2)]),
)

SIZES = (
    view("squeeze", [S(C), S(C, 1), S(C, 0), S(C, (1, 3)), S(C, -1), S(SCALAR), S(t(1)), S(SCALAR, 0), S(A, 2)]),
    view("unsqueeze", [S(A, 0), S(A, 1), S(A, -1), S(A, 2), S(SCALAR, 0), S(EMPTY, 1), S(A, 3), S(A, -4)]),
    view(
        "expand",
        [
            S(t(3, 1), 3, 4),
            S(t(3, 1), -1, 4),
            S(t(1), (2, 3)),
            S(SCALAR, 2, 3),
            S(t(3), 2, 3),
            S(A, 3, 5),
            S(t(1), 0),
            S(A, 4),
            S(t(1), -1, 2),
        ],
    ),
    view("expand_as", [S(t(3, 1), t(3, 4)), S(SCALAR, t(2)), S(t(3), t(2, 3)), S(A, t(3, 5))]),
    view("broadcast_to", [S(t(3, 1), (3, 4)), S(SCALAR, (2, 3)), S(t(3), (2, 3)), S(A, (3, 5)), S(t(1), (0,))]),
    view("broadcast_tensors", [S(t(3, 1), t(4)), S(SCALAR, t(2)), S(t(2, 1), t(1, 3), t(2, 3)), S(t(2), t(3))]),
    op(
        "broadcast_shapes",
        [S((3, 1), (4,)), S((), (2,)), S((2, 1), (1, 3), (2, 3)), S((2,), (3,)), S(2, (4, 1))],
        dtypes=("float32",),
    ),
    copy(
        "repeat",
        [
            S(A, 2, 1),
            S(A, 2, 1, 3),
            S(t(3), (2,)),
            S(SCALAR, 3),
            S(SCALAR),
            S(A, 0, 1),
            S(A, 2),
            S(EMPTY, 2),
            S(A, -1, 1),
        ],
    ),
    copy("tile", [S(A, (2,)), S(A, (2, 1, 3)), S(SCALAR, (3,)), S(A, ()), S(EMPTY, (2,)), S(A, (0, 1))]),
    copy(
        "repeat_interleave",
        [
            S(A, 2),
            S(A, 2, dim=1),
            S(A, 3, 0),
            S(ROW, idx(6, below=3)),
            S(A, idx(3, below=3), 0),
            S(SCALAR, 2),
            S(EMPTY, 2),
            S(A, -1),
        ],
    ),
    copy(
        "sum_to_size",
        [S(A, 1, 4), S(A, 4), S(A, 3, 1), S(B, 3, 1), S(A, 3, 4), S(A, 2, 4)],
        tol=2,
        exact=False,
        method="sum_to_size",
    ),
)

SPLITS = (
    view(
        "split",
        [
            S(ROW, 2),
            S(t(7), 3),
            S(A, 2, dim=1),
            S(A, [1, 3], 1),
            S(A, [1, 2], 0),
            S(A, [1, 1], 0),
            S(SCALAR, 1),
            S(EMPTY, 1),
            S(ROW, 0),
        ],
    ),
    view("split_with_sizes", [S(ROW, [1, 2, 3]), S(A, [3, 1], 1), S(A, [1, 1], 0), S(A, [-1, 4], 0)]),
    view(
        "tensor_split",
        [
            S(t(7), 3),
            S(t(7), (2, 5)),
            S(A, 2, dim=1),
            S(A, (1,), 1),
            S(ROW, 8),
            S(SCALAR, 1),
            S(ROW, 0),
            S(A, (5, 2), 0),
        ],
    ),
    view("hsplit", [S(ROW, 2), S(A, 2), S(A, (1, 3)), S(SCALAR, 1), S(A, 3)]),
    view("vsplit", [S(A, 3), S(A, (1,)), S(ROW, 2)]),
    view("dsplit", [S(B, 2), S(B, (1,)), S(A, 2)]),
    view("chunk", [S(ROW, 2), S(t(7), 3), S(A, 2, dim=1), S(A, 8), S(EMPTY, 2), S(SCALAR, 1), S(ROW, 0)]),
    view("unbind", [S(A), S(A, 1), S(B, -1), S(ROW), S(SCALAR), S(EMPTY), S(t(2, 0)), S(A, 2)]),
)

SELECTIONS = (
    view(
        "narrow",
        [
            S(A, 0, 1, 2),
            S(A, 1, 0, 4),
            S(A, -1, -2, 1),
            S(A, 0, 3, 0),
            S(A, 0, 2, 2),
            S(EMPTY, 0, 0, 0),
            S(SCALAR, 0, 0, 1),
            S(A, 0, 0, -1),
        ],
    ),
    copy("narrow_copy", [S(A, 0, 1, 2), S(A, 1, 0, 4), S(A, 0, 2, 2)]),
    view(
        "select",
        [S(A, 0, 1), S(A, 1, -1), S(B, -1, 2), S(ROW, 0, 0), S(A, 0, 3), S(A, 2, 0), S(SCALAR, 0, 0), S(EMPTY, 0, 0)],
    ),
    view(
        "unfold",
        [S(ROW, 0, 3, 1), S(ROW, 0, 2, 2), S(A, 1, 2, 1), S(SCALAR, 0, 1, 1), S(ROW, 0, 7, 1), S(ROW, 0, 2, 0)],
        method="unfold",
        path="Tensor.unfold",
    ),
    view(
        "as_strided",
        [
            S(A, (2, 2), (4, 1)),
            S(A, (3,), (1,)),
            S(A, (2, 3), (1, 1)),
            S(A, (), ()),
            S(ROW, (2,), (2,), 1),
            S(A, (2,), (1, 2)),
            S(A, (100,), (1,)),
            S(A, (2,), (-1,)),
        ],
    ),
    view(
        "diagonal",
        [
            S(A),
            S(A, 1),
            S(A, -2),
            S(B, 0, 1, 2),
            S(B, offset=1, dim1=-1, dim2=0),
            S(A, 9),
            S(ROW),
            S(A, 0, 0, 0),
            S(t(0, 3)),
        ],
    ),
)

FLIPS = (
    copy("flip", [S(A, (0,)), S(A, (0, 1)), S(B, (-1, 0)), S(SCALAR, ()), S(EMPTY, (0,)), S(A, (0, 0)), S(A, (2,))]),
    copy("fliplr", [S(A), S(B), S(ROW)]),
    copy("flipud", [S(A), S(ROW), S(SCALAR)]),
    copy(
        "roll", [S(A, 1), S(A, 1, 0), S(A, (1, -2), (0, 1)), S(A, -7, 1), S(SCALAR, 1), S(EMPTY, 2, 0), S(A, (1, 2), 0)]
    ),
    copy("rot90", [S(A), S(A, 2), S(A, -1), S(B, 1, (1, 2)), S(A, 4), S(ROW), S(A, 1, (0, 0))]),
)

DIAGONALS = (
    copy("tril", [S(A), S(A, 1), S(A, -1), S(B, -1), S(t(0, 3)), S(ROW), S(A, 10)]),
    copy("triu", [S(A), S(A, 1), S(A, -1), S(B, -1), S(t(0, 3)), S(ROW), S(A, 10)]),
    copy("diag", [S(A), S(A, 1), S(A, -2), S(ROW), S(ROW, -1), S(t(2), 2), S(SCALAR), S(B), S(EMPTY)]),
    copy("diag_embed", [S(ROW), S(A), S(A, 1), S(A, -1, 0, 2), S(A, 0, 0, 0), S(EMPTY), S(SCALAR)]),
    copy("diagflat", [S(ROW), S(t(2, 2)), S(t(2), 1), S(t(2), -1), S(SCALAR), S(EMPTY)]),
)

STACKED = (
    view("atleast_1d", [S(SCALAR), S(ROW), S(A), S((SCALAR, ROW))], method=""),
    view("atleast_2d", [S(SCALAR), S(ROW), S(A), S((SCALAR, ROW))], method=""),
    view("atleast_3d", [S(SCALAR), S(ROW), S(A), S(t(1, 2, 1, 2))], method=""),
    view(
        "meshgrid",
        [
            S(t(3), t(2), indexing="ij"),
            S(t(3), t(2), t(4), indexing="xy"),
            S(t(3), t(), indexing="ij"),
            S(t(2, 2), indexing="ij"),
        ],
    ),
    copy(
        "constant_pad_nd",
        [
            S(A, (1, 2)),
            S(A, (1, 0, 2, 1), 2),
            S(A, (-1, 1)),
            S(A, (0, -2, -1, 0), 1.0),
            S(SCALAR, ()),
            S(EMPTY, (1, 1), 3),
            S(A, (1,)),
            S(A, (-3, -3)),
        ],
    ),
    copy(
        "nn.functional.pad",
        [S(A, (1, 2)), S(A, (1, 0, 2, 1), value=2.0), S(A, (-1, 1), "constant", 0), S(A, (1,))],
    ),
)

ROWS = (*RESHAPES, *PERMUTATIONS, *SIZES, *SPLITS, *SELECTIONS, *FLIPS, *DIAGONALS, *STACKED)
