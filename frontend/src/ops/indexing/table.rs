//! The entries of reading and writing through indices.

use super::*;
use crate::entries;
use crate::registry::{Args, Ret};

/// Says that the gradient reads the index at position `i`, and gives the result.
fn keeping(a: &Args<'_>, i: usize, result: Tensor) -> Result<Tensor> {
    a.save_argument(i)?;
    Ok(result)
}

fn put_entry(a: &Args<'_>) -> Result<Tensor> {
    let (x, indices) = (a.tensor(0), a.opt_tensors(1));
    a.require_apart()?;
    let new = index_put(x, indices, a.tensor(2), a.bool(3))?;
    let out = crate::ops::layout::finish(new, &[x])?;
    a.writes(|| {
        if !a.bool(3) {
            return index_put_times(x, indices).map(Writes::InOrder);
        }
        let none = Tensor::from_value(x.read()?.literal(0.0).broadcast_to(&x.sizes())?)?;
        index_put(&none, indices, a.tensor(2), true).map(Writes::Added)
    })?;
    indices.iter().flatten().try_for_each(|index| a.save(index))?;
    Ok(out)
}

entries! {
    "index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor"
        [FUNCTION | METHOD | INPLACE | MEETS]
        "With `values` put where index tensors for the leading axes choose; added there if `accumulate`."
        => |a| put_entry(a);
    "index_select(Tensor self, int dim, Tensor index) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The elements of an axis that a 1-D index names."
        => |a| keeping(a, 2, index_select(a.tensor(0), a.int(1), a.tensor(2))?);
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With the elements of `source`, times `alpha`, added along an axis where the index says."
        => |a| keeping(a, 2, index_add(a)?);
    "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With the elements of `source` put along an axis where the index says."
        => |a| keeping(a, 2, index_copy(a)?);
    "index_fill(Tensor self, int dim, Tensor index, Tensor value) -> Tensor"
        [FUNCTION | METHOD | INPLACE | NUMBERS | MEETS]
        "With a value put along an axis where the index says."
        => |a| keeping(a, 2, index_fill(a)?);
    "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With the elements of `source` combined along an axis where the index says: `prod`, `mean`, `amax` or `amin`."
        => |a| keeping(a, 2, index_reduce(a)?);
    "take(Tensor self, Tensor index) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The elements at these places in row-major order, in the shape of the index."
        => |a| keeping(a, 1, take(a.tensor(0), a.tensor(1))?);
    "put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor" [FUNCTION | METHOD | INPLACE | MEETS]
        "With the elements of `source` put, or added, at these places in row-major order."
        => |a| keeping(a, 1, put(a)?);
    "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        grad "GatherBackward0"
        "The elements of an axis that the indices name; the other axes broadcast. Without `dim`, of the flat tensor."
        => |a| keeping(a, 1, take_along_dim(a.tensor(0), a.tensor(1), a.opt_int(2))?);
    "masked_select(Tensor self, Tensor mask) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The elements where the mask is true, along one axis."
        => |a| keeping(a, 1, masked_select(a.tensor(0), a.tensor(1))?);
    "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor" [FUNCTION | METHOD | INPLACE | MEETS]
        "With the elements of `source`, one after the other, where the mask is true."
        => |a| keeping(a, 1, masked_scatter(a.tensor(0), a.tensor(1), a.tensor(2))?);
    "nonzero(Tensor self, *, bool as_tuple=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The indices of the elements that are not 0: a row for each, or with `as_tuple` a tensor for each axis."
        => |a| if a.bool(1) {
            nonzero_tuple(a.tensor(0)).map(Ret::from)
        } else {
            nonzero(a.tensor(0)).map(Ret::from)
        };
    "nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor" [FUNCTION | METHOD]
        "The first `size` rows of `nonzero`; what is missing is filled."
        => |a| nonzero_static(a.tensor(0), a.int(1), a.int(2));
    "argwhere(Tensor self) -> Tensor" [FUNCTION | METHOD]
        "A row of indices for each element that is not 0." => |a| nonzero(a.tensor(0));
    "where(Tensor condition) -> Tensor[]" [FUNCTION | EXACT]
        "The indices of the elements that are not 0, a tensor for each axis." => |a| nonzero_tuple(a.tensor(0));
    "select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor" [FUNCTION | METHOD]
        "A copy with one element of an axis replaced."
        => |a| select_scatter(a.tensor(0), a.tensor(1), a.int(2), a.int(3));
    "slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor"
        [FUNCTION | METHOD]
        "A copy with a slice of an axis replaced." => |a| slice_scatter(
            a.tensor(0), a.tensor(1), a.int(2), a.opt_int(3), a.opt_int(4), a.int(5)
        );
    "diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor" [FUNCTION | METHOD]
        "A copy with a diagonal replaced."
        => |a| diagonal_scatter(a.tensor(0), a.tensor(1), a.int(2), a.int(3), a.int(4));
    "as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) \
     -> Tensor" [FUNCTION | METHOD]
        "A copy with any view of it replaced."
        => |a| as_strided_scatter(a.tensor(0), a.tensor(1), a.ints(2), a.ints(3), a.opt_int(4));
    "unravel_index(Tensor indices, int[1] shape) -> Tensor[]" [FUNCTION]
        "The indices along each axis of a tensor of this shape that row-major places stand for."
        => |a| unravel_index(a.tensor(0), a.ints(1));
    "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, \
     bool sparse=False) -> Tensor" [FUNCTION]
        "The rows of `weight` that the indices name." => |a| keeping(
            a, 1, embedding(a.tensor(0), a.tensor(1), Some(a.int(2)).filter(|&row| row >= 0), a.bool(3))?
        );
    "embedding(Tensor input, Tensor weight, int? padding_idx=None, bool scale_grad_by_freq=False) -> Tensor" [NN]
        "The rows of `weight` that `input` names; the row `padding_idx` gets no gradient." => |a| keeping(
            a, 0, embedding(a.tensor(1), a.tensor(0), a.opt_int(2), a.bool(3))?
        );
    "one_hot(Tensor self, int num_classes=-1) -> Tensor" [NN]
        "For each class its unit vector, along a new last axis. -1: as many classes as the values ask for."
        => |a| one_hot(a.tensor(0), a.int(1));
}
