//! The entries of the views.

use super::*;
use crate::entries;
use crate::registry::Ret;

entries! {
    "alias(Tensor(a) self) -> Tensor(a)" [FUNCTION]
        "Another tensor on the same elements." => |a| alias(a.tensor(0));
    "detach(Tensor(a) self) -> Tensor(a)" [FUNCTION | METHOD]
        "The same elements, shared, without a path for gradients." => |a| Ok(a.tensor(0).detach());
    "view(Tensor(a) self, SymInt[] size) -> Tensor(a)" [METHOD]
        "The same elements under another shape. One size may be -1: it follows from the others. Fails where the \
         strides would need a copy: see `reshape`." => |a| view(a.tensor(0), a.ints(1));
    "view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)" [METHOD] grad "ViewBackward1"
        "The same bytes seen as another dtype." => |a| view_dtype(a.tensor(0), a.dtype(1));
    "view_as(Tensor(a) self, Tensor other) -> Tensor(a)" [METHOD] grad "ViewBackward0"
        "`self.view(other.size())`." => |a| view(a.tensor(0), &signed(&a.tensor(1).sizes()));
    "reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)" [FUNCTION | METHOD] grad "ViewBackward0"
        "The elements in row-major order under another shape: a view where the strides allow one, else a copy. One \
         size may be -1." => |a| reshape(a.tensor(0), a.ints(1));
    "reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)" [METHOD] grad "ViewBackward0"
        "`self.reshape(other.size())`." => |a| reshape(a.tensor(0), &signed(&a.tensor(1).sizes()));
    "flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)" [FUNCTION | METHOD]
        grad "ViewBackward0"
        "Merges the axes from `start_dim` to `end_dim` into one."
        => |a| flatten(a.tensor(0), a.int(1), a.int(2));
    "unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)" [FUNCTION | METHOD] grad "ViewBackward0"
        "Splits an axis into several. One size may be -1." => |a| unflatten(a.tensor(0), a.int(1), a.ints(2));
    "ravel(Tensor(a) self) -> Tensor(a)" [FUNCTION | METHOD] grad "ViewBackward0"
        "All elements along one axis; a copy only where a view cannot do it." => |a| ravel(a.tensor(0));
    "permute(Tensor(a) self, int[] dims) -> Tensor(a)" [FUNCTION | METHOD]
        "The axes in another order: axis `i` of the result is axis `dims[i]`."
        => |a| permute(a.tensor(0), a.ints(1));
    "transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)" [FUNCTION | METHOD]
        "Two axes swapped." => |a| transpose(a.tensor(0), a.int(1), a.int(2));
    "swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)" [FUNCTION | METHOD] grad "TransposeBackward0"
        "`transpose` under NumPy's name." => |a| transpose(a.tensor(0), a.int(1), a.int(2));
    "swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)" [FUNCTION | METHOD] grad "TransposeBackward0"
        "The same as `transpose`." => |a| transpose(a.tensor(0), a.int(1), a.int(2));
    "t(Tensor(a) self) -> Tensor(a)" [FUNCTION | METHOD] grad "TBackward0"
        "The transpose of a matrix; tensors of fewer axes stay as they are." => |a| t(a.tensor(0));
    "adjoint(Tensor(a) self) -> Tensor(a)" [FUNCTION | METHOD] grad "TransposeBackward0"
        "The last two axes swapped." => |a| matrix_transpose(a.tensor(0), "adjoint");
    "movedim.intlist(Tensor(a) self, int[1] source, int[1] destination) -> Tensor(a)" [FUNCTION | METHOD]
        alias ["moveaxis"] grad "PermuteBackward0"
        "Moves axes to other places; the others keep their order."
        => |a| movedim(a.tensor(0), a.ints(1), a.ints(2));
    "squeeze(Tensor(a) self) -> Tensor(a)" [FUNCTION | METHOD]
        "Without the axes of extent 1." => |a| squeeze(a.tensor(0));
    "squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)" [FUNCTION | METHOD] grad "SqueezeBackward1"
        "Without this axis, if its extent is 1." => |a| squeeze_dims(a.tensor(0), &[a.int(1)]);
    "squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)" [FUNCTION | METHOD] grad "SqueezeBackward2"
        "Without those of these axes that have extent 1." => |a| squeeze_dims(a.tensor(0), a.ints(1));
    "unsqueeze(Tensor(a) self, int dim) -> Tensor(a)" [FUNCTION | METHOD]
        "With a new axis of extent 1 before `dim`." => |a| unsqueeze(a.tensor(0), a.int(1));
    "expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)" [METHOD]
        "Repeats axes of extent 1, and adds axes in front, without copying. -1 keeps a size."
        => |a| expand(a.tensor(0), a.ints(1));
    "expand_as(Tensor(a) self, Tensor other) -> Tensor(a)" [METHOD] grad "ExpandBackward0"
        "`self.expand(other.size())`." => |a| expand_to(a.tensor(0), &a.tensor(1).sizes());
    "broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)" [FUNCTION | METHOD] grad "ExpandBackward0"
        "The same as `expand`." => |a| expand(a.tensor(0), a.ints(1));
    "broadcast_tensors(Tensor[] *tensors) -> Tensor[]" [FUNCTION] grad "ExpandBackward0"
        "Views of all tensors in the shape that they broadcast to." => |a| broadcast_tensors(a.tensors(0));
    "narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)" [FUNCTION | METHOD]
        grad "SliceBackward0"
        "`length` elements of an axis from `start` on."
        => |a| narrow(a.tensor(0), a.int(1), a.int(2), a.int(3));
    "narrow.Tensor(Tensor(a) self, int dim, Tensor start, SymInt length) -> Tensor(a)" [FUNCTION | METHOD]
        grad "SliceBackward0"
        "`length` elements of an axis from the place that a 0-d tensor gives."
        => |a| narrow_tensor(a.tensor(0), a.int(1), a.tensor(2), a.int(3));
    "select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)" [FUNCTION | METHOD]
        "One element of an axis, which disappears." => |a| select(a.tensor(0), a.int(1), a.int(2));
    "diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)" [FUNCTION | METHOD]
        "A diagonal of two axes, as the last axis."
        => |a| diagonal(a.tensor(0), a.int(1), a.int(2), a.int(3));
    "diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)" [LINALG]
        "A diagonal of the last two axes, as the last axis."
        => |a| diagonal(a.tensor(0), a.int(1), a.int(2), a.int(3));
    "unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)" [METHOD]
        "Windows of `size` elements, `step` apart, of an axis; the elements of a window are the last axis."
        => |a| unfold(a.tensor(0), a.int(1), a.int(2), a.int(3));
    "as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a)"
        [FUNCTION | METHOD]
        "Any view of the tensor's storage."
        => |a| as_strided(a.tensor(0), a.ints(1), a.ints(2), a.opt_int(3));
    "transpose_(Tensor(a!) self, int dim0, int dim1) -> Tensor(a!)" [METHOD] grad "TransposeBackward0"
        "Swaps two axes of the tensor itself."
        => |a| become_view(a.tensor(0), transpose_op(a.tensor(0), a.int(1), a.int(2))?);
    "swapaxes_(Tensor(a!) self, int axis0, int axis1) -> Tensor(a!)" [METHOD] grad "TransposeBackward0"
        "Swaps two axes of the tensor itself."
        => |a| become_view(a.tensor(0), transpose_op(a.tensor(0), a.int(1), a.int(2))?);
    "swapdims_(Tensor(a!) self, int dim0, int dim1) -> Tensor(a!)" [METHOD] grad "TransposeBackward0"
        "Swaps two axes of the tensor itself."
        => |a| become_view(a.tensor(0), transpose_op(a.tensor(0), a.int(1), a.int(2))?);
    "t_(Tensor(a!) self) -> Tensor(a!)" [METHOD] grad "TBackward0"
        "Transposes the matrix itself." => |a| become_view(a.tensor(0), t_op(a.tensor(0))?);
    "squeeze_(Tensor(a!) self) -> Tensor(a!)" [METHOD] grad "SqueezeBackward0"
        "Drops the axes of extent 1 of the tensor itself."
        => |a| become_view(a.tensor(0), squeeze_op(a.tensor(0)));
    "squeeze_.dim(Tensor(a!) self, int dim) -> Tensor(a!)" [METHOD] grad "SqueezeBackward1"
        "Drops this axis of the tensor itself, if its extent is 1."
        => |a| become_view(a.tensor(0), squeeze_dims_op(a.tensor(0), &[a.int(1)])?);
    "squeeze_.dims(Tensor(a!) self, int[] dim) -> Tensor(a!)" [METHOD] grad "SqueezeBackward2"
        "Drops those of these axes of the tensor itself that have extent 1."
        => |a| become_view(a.tensor(0), squeeze_dims_op(a.tensor(0), a.ints(1))?);
    "unsqueeze_(Tensor(a!) self, int dim) -> Tensor(a!)" [METHOD] grad "UnsqueezeBackward0"
        "Gives the tensor itself a new axis of extent 1 before `dim`."
        => |a| become_view(a.tensor(0), unsqueeze_op(a.tensor(0), a.int(1))?);
    "as_strided_(Tensor(a!) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a!)"
        [METHOD] grad "AsStridedBackward0"
        "Makes the tensor another view of its storage."
        => |a| become_view(a.tensor(0), as_strided_op(a.tensor(0), a.ints(1), a.ints(2), a.opt_int(3))?);
    "resize_(Tensor(a!) self, SymInt[] size, *, MemoryFormat? memory_format=None) -> Tensor(a!)" [METHOD]
        "Gives the tensor these sizes, in row-major order: what its storage holds from its first element on, then zeros."
        => |a| resize(a.tensor(0), a.ints(1));
    "resize_as_(Tensor(a!) self, Tensor the_template, *, MemoryFormat? memory_format=None) -> Tensor(a!)"
        [FUNCTION | METHOD]
        "The same with the sizes of another tensor."
        => |a| resize(a.tensor(0), &signed(&a.tensor(1).sizes()));
    "split.Tensor(Tensor(a) self, SymInt split_size, int dim=0) -> Tensor(a)[]" [FUNCTION | METHOD]
        "Pieces of `split_size` elements of an axis; the last one may be smaller."
        => |a| split(a.tensor(0), a.int(1), a.int(2));
    "split.sizes(Tensor(a) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]" [FUNCTION | METHOD]
        grad "SplitWithSizesBackward0"
        "Pieces of these sizes of an axis." => |a| split_with_sizes(a.tensor(0), a.ints(1), a.int(2));
    "split_with_sizes(Tensor(a) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]" [FUNCTION | METHOD]
        "Pieces of these sizes of an axis." => |a| split_with_sizes(a.tensor(0), a.ints(1), a.int(2));
    "chunk(Tensor(a) self, int chunks, int dim=0) -> Tensor(a)[]" [FUNCTION | METHOD] grad "SplitBackward0"
        "At most `chunks` pieces of equal size of an axis; the last one may be smaller."
        => |a| chunk(a.tensor(0), a.int(1), a.int(2));
    "unbind.int(Tensor(a) self, int dim=0) -> Tensor(a)[]" [FUNCTION | METHOD]
        "All elements of an axis, each as a view without it." => |a| unbind(a.tensor(0), a.int(1));
    "tensor_split.sections(Tensor(a) self, SymInt sections, int dim=0) -> Tensor(a)[]" [FUNCTION | METHOD]
        grad "SliceBackward0"
        "Pieces of nearly equal size of an axis, the first ones larger."
        => |a| tensor_split(a.tensor(0), a.int(1), a.int(2));
    "tensor_split.indices(Tensor(a) self, SymInt[] indices, int dim=0) -> Tensor(a)[]" [FUNCTION | METHOD]
        grad "SliceBackward0"
        "The pieces of an axis between these places." => |a| tensor_split_at(a.tensor(0), a.ints(1), a.int(2));
    "tensor_split.tensor_indices_or_sections(Tensor(a) self, Tensor tensor_indices_or_sections, int dim=0) \
     -> Tensor(a)[]" [FUNCTION | METHOD] grad "SliceBackward0"
        "As with numbers, by a tensor: without axes their count, with one the places."
        => |a| tensor_split_tensor(a.tensor(0), a.tensor(1), a.int(2));
    "hsplit.int(Tensor(a) self, int sections) -> Tensor(a)[]" [FUNCTION | METHOD] grad "SliceBackward0"
        "Equal pieces by columns (axis 1, or the only axis)." => |a| Along::Columns.split(a.tensor(0), a.int(1));
    "hsplit.array(Tensor(a) self, int[] indices) -> Tensor(a)[]" [FUNCTION | METHOD] grad "SliceBackward0"
        "The pieces by columns between these places." => |a| Along::Columns.split_at(a.tensor(0), a.ints(1));
    "vsplit.int(Tensor(a) self, int sections) -> Tensor(a)[]" [FUNCTION | METHOD] grad "SliceBackward0"
        "Equal pieces by rows (axis 0)." => |a| Along::Rows.split(a.tensor(0), a.int(1));
    "vsplit.array(Tensor(a) self, int[] indices) -> Tensor(a)[]" [FUNCTION | METHOD] grad "SliceBackward0"
        "The pieces by rows between these places." => |a| Along::Rows.split_at(a.tensor(0), a.ints(1));
    "dsplit.int(Tensor(a) self, int sections) -> Tensor(a)[]" [FUNCTION | METHOD] grad "SliceBackward0"
        "Equal pieces along axis 2." => |a| Along::Depth.split(a.tensor(0), a.int(1));
    "dsplit.array(Tensor(a) self, int[] indices) -> Tensor(a)[]" [FUNCTION | METHOD] grad "SliceBackward0"
        "The pieces along axis 2 between these places." => |a| Along::Depth.split_at(a.tensor(0), a.ints(1));
    "meshgrid(Tensor[] *tensors, *, str? indexing=None) -> Tensor[]" [FUNCTION] grad "ExpandBackward0"
        "The grid of 1-D tensors: each expanded along the others' axes, which come in the order of the tensors (`ij`, \
         if nothing is said) or with the first two swapped (`xy`)."
        => |a| meshgrid(a.tensors(0), a.opt_string(1).unwrap_or("ij"));
    "broadcast_shapes(int[][] *shapes) -> Size" [FUNCTION]
        "The size that tensors of these sizes broadcast to." => |a| broadcast_shapes(a.int_lists(0)).map(Ret::Size);
    "atleast_1d(Tensor self) -> Tensor" [FUNCTION] grad "ViewBackward0"
        "With at least one axis." => |a| atleast(a.tensor(0), 1);
    "atleast_1d.Sequence(Tensor[] *tensors) -> Tensor[]" [FUNCTION] grad "ViewBackward0"
        "Each with at least one axis." => |a| each(a.tensors(0), |x| atleast(x, 1));
    "atleast_2d(Tensor self) -> Tensor" [FUNCTION] grad "ViewBackward0"
        "With at least two axes: new ones come first." => |a| atleast(a.tensor(0), 2);
    "atleast_2d.Sequence(Tensor[] *tensors) -> Tensor[]" [FUNCTION] grad "ViewBackward0"
        "Each with at least two axes." => |a| each(a.tensors(0), |x| atleast(x, 2));
    "atleast_3d(Tensor self) -> Tensor" [FUNCTION] grad "ViewBackward0"
        "With at least three axes." => |a| atleast(a.tensor(0), 3);
    "atleast_3d.Sequence(Tensor[] *tensors) -> Tensor[]" [FUNCTION] grad "ViewBackward0"
        "Each with at least three axes." => |a| each(a.tensors(0), |x| atleast(x, 3));
}
