//! The entries of the rearrangements that copy.

use super::*;
use crate::entries;

entries! {
    "contiguous(Tensor(a) self, *, MemoryFormat? memory_format=None) -> Tensor(a)" [METHOD] grad "CloneBackward0"
        "The tensor itself if its elements lie in row-major order, else a copy where they do."
        => |a| contiguous(a.tensor(0), a.opt_string(1));
    "clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor" [FUNCTION | METHOD]
        "A copy, which gradients pass through." => |a| copy(a.tensor(0), a.opt_string(1));
    "flip(Tensor self, int[] dims) -> Tensor" [FUNCTION | METHOD]
        "The elements of some axes in the opposite order." => |a| flip(a.tensor(0), a.ints(1));
    "fliplr(Tensor self) -> Tensor" [FUNCTION | METHOD] grad "FlipBackward0"
        "The columns (axis 1) in the opposite order." => |a| flip_axis(a.tensor(0), 1);
    "flipud(Tensor self) -> Tensor" [FUNCTION | METHOD] grad "FlipBackward0"
        "The rows (axis 0) in the opposite order." => |a| flip_axis(a.tensor(0), 0);
    "roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor" [FUNCTION | METHOD]
        "The elements moved along axes; those that leave come in again at the other end. Without `dims` along the \
         flat tensor." => |a| roll(a.tensor(0), a.ints(1), a.ints(2));
    "rot90(Tensor self, int k=1, int[] dims=[0,1]) -> Tensor" [FUNCTION | METHOD]
        "The plane of two axes turned by `k` quarters, from the first axis towards the second."
        => |a| rot90(a.tensor(0), a.int(1), a.ints(2));
    "repeat(Tensor self, SymInt[] repeats) -> Tensor" [METHOD]
        "The whole tensor, so many times along each axis." => |a| repeat(a.tensor(0), a.ints(1));
    "tile(Tensor self, SymInt[] dims) -> Tensor" [FUNCTION | METHOD] grad "RepeatBackward0"
        "As `repeat`; axes in front that are not named stay as they are." => |a| tile(a.tensor(0), a.ints(1));
    "repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor"
        [FUNCTION | METHOD] grad "ViewBackward0"
        "Each element of an axis (without `dim`, of the flat tensor) so many times."
        => |a| repeat_interleave(a.tensor(0), a.int(1), a.opt_int(2), a.opt_int(3));
    "repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor"
        [FUNCTION | METHOD] grad "IndexSelectBackward0"
        "Each element of an axis (without `dim`, of the flat tensor) as often as `repeats` says for it."
        => |a| repeat_interleave_by(a.tensor(0), a.tensor(1), a.opt_int(2), a.opt_int(3));
    "repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor" [FUNCTION]
        "The places 0, 1, .., each as often as `repeats` says." => |a| repeat_places(a.tensor(0), a.opt_int(1));
    "diag(Tensor self, int diagonal=0) -> Tensor" [FUNCTION | METHOD | OUT | EXACT] grad "DiagonalCopyBackward0"
        "A diagonal of a matrix, or the matrix that has a vector as its diagonal."
        => |a| diag(a.tensor(0), a.int(1));
    "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor" [FUNCTION | METHOD]
        "The last axis as a diagonal of two new axes, 0 elsewhere."
        => |a| diag_embed(a.tensor(0), a.int(1), a.int(2), a.int(3));
    "diagflat(Tensor self, int offset=0) -> Tensor" [FUNCTION | METHOD] grad "DiagEmbedBackward0"
        "The matrix that has the elements, in row-major order, as its diagonal."
        => |a| diagflat(a.tensor(0), a.int(1));
    "sum_to_size(Tensor self, SymInt[] size) -> Tensor" [METHOD] grad "SumBackward1"
        "The sum over all that a broadcast from `size` would repeat." => |a| sum_to_size(a.tensor(0), a.ints(1));
    "narrow_copy(Tensor self, int dim, SymInt start, SymInt length) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "A copy of `length` elements of an axis from `start` on."
        => |a| copy(&view_ops::narrow(a.tensor(0), a.int(1), a.int(2), a.int(3))?, Some("contiguous"));
    "constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor" [FUNCTION]
        "`value` around the tensor: pairs of amounts, the last axis's first. Negative amounts cut."
        => |a| constant_pad_nd(a.tensor(0), a.ints(1), a.scalar(2));
    "pad(Tensor input, SymInt[] pad, str mode=\"constant\", float? value=None) -> Tensor" [NN]
        grad "ConstantPadNdBackward0"
        "Padding at the ends of the last axes: pairs of amounts, the last axis's first. `mode` is `constant`, \
         `reflect`, `replicate` or `circular`." => |a| pad(a.tensor(0), a.ints(1), a.string(2), a.opt_float(3));
}
