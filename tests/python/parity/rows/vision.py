"""Images resized, read elsewhere, and made of channels."""

from ..cases import op
from ..spec import S, t

F = "nn.functional."
LINE, IMAGE, VOLUME = t(2, 3, 5), t(2, 3, 4, 5), t(1, 2, 3, 4, 2)
# Positions in float32 may fall on the other side of a whole number; sizes here are such that none does.
BOTH = ("float32", "float64")

RESIZED = (
    op(
        F + "interpolate",
        [
            *(S(LINE, 7), S(IMAGE, (7, 3)), S(VOLUME, scale_factor=2), S(IMAGE, scale_factor=(1.5, 0.5))),
            *(
                S(IMAGE, (8, 3), mode="nearest-exact"),
                S(LINE, 3, mode="nearest-exact"),
                S(VOLUME, 5, mode="nearest-exact"),
            ),
            *(S(LINE, 8, mode="linear"), S(LINE, 3, mode="linear", align_corners=True)),
            *(S(IMAGE, (7, 3), mode="bilinear"), S(IMAGE, (7, 9), mode="bilinear", align_corners=True)),
            *(S(IMAGE, scale_factor=1.7, mode="bilinear"), S(IMAGE, (1, 1), mode="bilinear", align_corners=True)),
            S(IMAGE, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
            *(S(VOLUME, (4, 3, 5), mode="trilinear"), S(VOLUME, 4, mode="trilinear", align_corners=True)),
            *(S(IMAGE, (7, 3), mode="bicubic"), S(IMAGE, (7, 9), mode="bicubic", align_corners=True)),
            *(S(IMAGE, (3, 2), mode="area"), S(LINE, 7, mode="area"), S(VOLUME, 2, mode="area")),
            *(S(IMAGE, (4, 5)), S(IMAGE, (4, 5), mode="bilinear"), S(IMAGE), S(IMAGE, 3, 2.0), S(IMAGE, (3,))),
            *(S(IMAGE, 3, mode="linear"), S(t(3, 4), 3), S(IMAGE, 0), S(IMAGE, 3, align_corners=True)),
            *(S(IMAGE, 3, mode="x"), S(IMAGE, 3, recompute_scale_factor=True), S(t(2, 0, 4, 5), 3)),
        ],
        dtypes=BOTH,
        grad=True,
        strides=False,
        tol=16,
    ),
    op(F + "interpolate", [S(IMAGE, (7, 3)), S(IMAGE, (8, 3), mode="nearest-exact")], dtypes=("uint8",), strides=False),
)

GRID, SPACE = t(2, 6, 7, 2, low=-1.3, high=1.3), t(1, 3, 2, 4, 3, low=-1.3, high=1.3)
PADDINGS = ("zeros", "border", "reflection")
SAMPLED = (
    op(
        F + "grid_sample",
        [
            *(
                S(IMAGE, GRID, mode, padding, False)
                for mode in ("bilinear", "bicubic", "nearest")
                for padding in PADDINGS
            ),
            *(S(IMAGE, GRID, mode, padding, True) for mode in ("bilinear", "bicubic") for padding in PADDINGS),
            *(S(VOLUME, SPACE, "bilinear", padding, False) for padding in PADDINGS),
            *(S(VOLUME, SPACE, "nearest", "border", True), S(IMAGE, GRID)),
            *(S(IMAGE, t(1, 6, 7, 2)), S(IMAGE, t(2, 6, 7, 3)), S(IMAGE, GRID, "x"), S(IMAGE, GRID, padding_mode="x")),
            *(S(VOLUME, SPACE, "bicubic"), S(t(2, 3, 0, 5), GRID), S(t(3, 4, 5), GRID)),
        ],
        dtypes=BOTH,
        grad=True,
        strides=False,
        tol=64,
    ),
    op(
        F + "affine_grid",
        [
            *(S(t(2, 2, 3), (2, 3, 4, 5), align) for align in (True, False)),
            *(S(t(1, 3, 4), (1, 2, 3, 4, 2), align) for align in (True, False)),
            *(S(t(2, 2, 3), (2, 3, 4, 5)), S(t(2, 2, 3), (2, 3, 1, 5), True), S(t(2, 3), (2, 3, 4, 5), True)),
            *(S(t(2, 2, 3), (2, 3, 4), True), S(t(2, 2, 3), (2, 3, 0, 5), False)),
        ],
        dtypes=BOTH,
        grad=True,
        strides=False,
        tol=8,
    ),
)

SHUFFLED = (
    *(
        op(
            path,
            [
                S(t(2, 8, 3, 2), 2),
                S(t(9, 2, 3), 3),
                S(t(2, 2, 4, 1, 2), 2),
                S(t(2, 8, 3, 2), 3),
                S(t(2, 8), 2),
                S(t(4, 2, 3), 0),
            ],
            exact=True,
            grad=True,
            gradgrad=True,
            strides=False,
        )
        for path in (F + "pixel_shuffle", "pixel_shuffle")
    ),
    op(
        F + "pixel_unshuffle",
        [
            S(t(2, 2, 6, 4), 2),
            S(t(1, 6, 9), 3),
            S(t(2, 2, 6, 4), 3),
            S(t(2, 8), 2),
            S(t(2, 2, 4, 4), -1),
            S(t(3, 2, 2), 1),
        ],
        exact=True,
        grad=True,
        strides=False,
    ),
    op(
        F + "channel_shuffle",
        [S(t(2, 6, 3, 2), 2), S(t(2, 6, 5), 3), S(t(2, 6, 5), 4), S(t(2, 6), 2), S(t(2, 6, 5), 0), S(t(2, 6, 5), 1)],
        exact=True,
        grad=True,
        strides=False,
    ),
)

ROWS = (*RESIZED, *SAMPLED, *SHUFFLED)
