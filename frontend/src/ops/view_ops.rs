//! Views of a tensor under other sizes and orders of axes.

mod parts;
mod split;
mod table;

pub use parts::*;
pub use split::*;
pub use table::ENTRIES;

use crate::error::{Error, Result, runtime};
use crate::gradient::Scope;
use crate::ops::creation::check_memory;
use crate::tensor::Tensor;
use crate::view::{ViewOp, infer_sizes, wrap_axis};
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// Axis numbers, checked and counted from the front.
pub(crate) type AxisList = SmallVec<[usize; 4]>;

/// The axes that an argument names.
pub(crate) fn wrap_axes(axes: &[i64], rank: usize) -> Result<AxisList> {
    axes.iter().map(|&axis| wrap_axis(axis, rank)).collect()
}

/// As [`wrap_axes`], where none may be named twice.
pub(crate) fn distinct_axes(axes: &[i64], rank: usize) -> Result<AxisList> {
    let axes = wrap_axes(axes, rank)?;
    for (i, axis) in axes.iter().enumerate() {
        if axes[..i].contains(axis) {
            return runtime(format!("dim {axis} appears multiple times in the list of dims"));
        }
    }
    Ok(axes)
}

/// Sizes as torch's messages print them.
pub(crate) fn listed(sizes: &[i64]) -> String {
    let words: Vec<String> = sizes.iter().map(i64::to_string).collect();
    format!("[{}]", words.join(", "))
}

/// A shape as the signed numbers of arguments and messages.
pub(crate) fn signed(shape: &Shape) -> SmallVec<[i64; 4]> {
    shape.iter().map(|d| d.get() as i64).collect()
}

pub fn alias(x: &Tensor) -> Result<Tensor> {
    x.view(ViewOp::Alias)
}

pub fn view(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    x.view(ViewOp::Reshape(infer_sizes(sizes, x.numel())?))
}

/// A view as another dtype: bits have no gradient, so that none passes even to the same dtype.
pub fn view_dtype(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.detach());
    }
    x.view_bits(dtype)
}

/// A view where the strides allow one, else a copy.
pub fn reshape(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    reshape_to(x, infer_sizes(sizes, x.numel())?)
}

pub(crate) fn reshape_to(x: &Tensor, shape: Shape) -> Result<Tensor> {
    if x.can_view(&shape) {
        return x.view(ViewOp::Reshape(shape));
    }
    let _scope = Scope::replace(Some("UnsafeViewBackward0"));
    Tensor::from_value(x.read()?.reshape(&shape)?)
}

pub fn flatten(x: &Tensor, start: i64, end: i64) -> Result<Tensor> {
    let rank = x.dim();
    let (start, end) = (wrap_axis(start, rank)?, wrap_axis(end, rank)?);
    if start > end {
        return runtime("flatten() has invalid args: start_dim cannot come after end_dim");
    }
    if rank == 0 {
        return reshape(x, &[1]);
    }
    if start == end {
        return Ok(x.clone());
    }
    let sizes = x.sizes();
    let merged: usize = sizes[start..=end].iter().map(|d| d.get()).product();
    let mut shape: Shape = sizes[..start].iter().copied().collect();
    shape.push(merged.into());
    sizes[end + 1..].iter().for_each(|&d| shape.push(d));
    reshape_to(x, shape)
}

pub fn unflatten(x: &Tensor, dim: i64, sizes: &[i64]) -> Result<Tensor> {
    let axis = wrap_axis(dim, x.dim())?;
    if sizes.is_empty() {
        return runtime("unflatten: sizes must be non-empty");
    }
    if x.dim() == 0 {
        return Err(Error::Axis("Dimension specified as 0 but tensor has no dimensions".into()));
    }
    let shape = x.sizes();
    let extent = shape[axis].get();
    let inner = match infer_sizes(sizes, extent) {
        Ok(inner) => inner,
        Err(e) if e.to_string().starts_with("shape '") => {
            return runtime(format!(
                "unflatten: Provided sizes {} don't multiply up to the size of dim {axis} ({extent}) in the input \
                 tensor",
                listed(sizes)
            ));
        }
        Err(e) => return runtime(format!("unflatten got an unexpected error:\n{e}")),
    };
    let outer = shape[..axis].iter();
    view(x, &signed(&outer.chain(inner.iter()).chain(&shape[axis + 1..]).copied().collect()))
}

/// One axis: a view if the elements lie in row-major order, else a copy.
pub fn ravel(x: &Tensor) -> Result<Tensor> {
    if !x.is_contiguous() {
        return Tensor::from_value(x.read()?.flatten()?);
    }
    view(x, &[-1])
}

pub fn permute(x: &Tensor, axes: &[i64]) -> Result<Tensor> {
    let rank = x.dim();
    if axes.len() != rank {
        return runtime(format!(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired \
             ordering of dimensions i.e. input.dim() = {rank} is not equal to len(dims) = {}",
            axes.len()
        ));
    }
    let axes = wrap_axes(axes, rank)?;
    if (0..rank).any(|axis| !axes.contains(&axis)) {
        return runtime("permute(): duplicate dims are not allowed.");
    }
    x.view(ViewOp::Permute(axes))
}

pub(crate) fn transpose_op(x: &Tensor, a: i64, b: i64) -> Result<ViewOp> {
    let rank = x.dim();
    let (a, b) = (wrap_axis(a, rank)?, wrap_axis(b, rank)?);
    if a == b {
        return Ok(ViewOp::Alias);
    }
    let mut axes: AxisList = (0..rank).collect();
    axes.swap(a, b);
    Ok(ViewOp::Permute(axes))
}

pub fn transpose(x: &Tensor, a: i64, b: i64) -> Result<Tensor> {
    x.view(transpose_op(x, a, b)?)
}

pub(crate) fn t_op(x: &Tensor) -> Result<ViewOp> {
    if x.dim() > 2 {
        return runtime(format!("t() expects a tensor with <= 2 dimensions, but self is {}D", x.dim()));
    }
    transpose_op(x, 0, if x.dim() < 2 { 0 } else { 1 })
}

pub fn t(x: &Tensor) -> Result<Tensor> {
    x.view(t_op(x)?)
}

/// torch's attribute `T`: all axes in the opposite order.
pub fn reversed_axes(x: &Tensor) -> Result<Tensor> {
    let _scope = Scope::enter("PermuteBackward0");
    x.view(ViewOp::Permute((0..x.dim()).rev().collect()))
}

/// torch's attributes `mT` and `mH` and its `adjoint`, under their `name`.
pub fn matrix_transpose(x: &Tensor, name: &str) -> Result<Tensor> {
    let _scope = Scope::enter("TransposeBackward0");
    match x.dim() {
        1 => runtime(format!(
            "tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
        )),
        0 => alias(x),
        _ => transpose(x, -2, -1),
    }
}

/// torch's attribute `H`.
pub fn matrix_h(x: &Tensor) -> Result<Tensor> {
    let _scope = Scope::enter("TransposeBackward0");
    match x.dim() {
        0 => alias(x),
        2 => transpose(x, 0, 1),
        rank => {
            runtime(format!("tensor.H is only supported on matrices (2-D tensors). Got {rank}-D tensor."))
        }
    }
}

pub fn movedim(x: &Tensor, source: &[i64], destination: &[i64]) -> Result<Tensor> {
    if source.len() != destination.len() {
        return runtime(format!(
            "movedim: Invalid source or destination dims: source ({} dims) should contain the same number of dims as \
             destination ({} dims)",
            listed(source),
            listed(destination)
        ));
    }
    let rank = x.dim();
    let (from, to) = (wrap_axes(source, rank)?, wrap_axes(destination, rank)?);
    for (axes, name, given) in [(&from, "source", source), (&to, "destination", destination)] {
        if axes.iter().enumerate().any(|(i, axis)| axes[..i].contains(axis)) {
            return runtime(format!("movedim: repeated dim in `{name}` ({})", listed(given)));
        }
    }
    if rank == 0 {
        return alias(x);
    }
    let mut rest = (0..rank).filter(|axis| !from.contains(axis));
    let order = (0..rank)
        .filter_map(|place| match to.iter().position(|&t| t == place) {
            Some(i) => Some(from[i]),
            None => rest.next(),
        })
        .collect();
    x.view(ViewOp::Permute(order))
}

pub(crate) fn squeeze_op(x: &Tensor) -> ViewOp {
    let sizes = x.sizes();
    ViewOp::Squeeze((0..sizes.rank()).filter(|&i| sizes[i].is_one()).collect())
}

pub fn squeeze(x: &Tensor) -> Result<Tensor> {
    x.view(squeeze_op(x))
}

pub(crate) fn squeeze_dims_op(x: &Tensor, axes: &[i64]) -> Result<ViewOp> {
    let sizes = x.sizes();
    let mut axes = distinct_axes(axes, sizes.rank())?;
    axes.retain(|axis| sizes.get(*axis).is_some_and(|d| d.is_one()));
    Ok(ViewOp::Squeeze(axes))
}

/// Without those of the axes that have extent 1.
pub fn squeeze_dims(x: &Tensor, axes: &[i64]) -> Result<Tensor> {
    x.view(squeeze_dims_op(x, axes)?)
}

pub(crate) fn unsqueeze_op(x: &Tensor, axis: i64) -> Result<ViewOp> {
    Ok(ViewOp::Unsqueeze(wrap_axis(axis, x.dim() + 1)?))
}

pub fn unsqueeze(x: &Tensor, axis: i64) -> Result<Tensor> {
    x.view(unsqueeze_op(x, axis)?)
}

/// Makes the tensor itself the view, as torch's `t_` and its like do.
pub(crate) fn become_view(x: &Tensor, op: ViewOp) -> Result<Tensor> {
    x.become_view(op)?;
    Ok(x.clone())
}

/// The full sizes that `expand` is asked for, or torch's error.
fn expanded_sizes(x: &Tensor, sizes: &[i64]) -> Result<Shape> {
    let from = x.sizes();
    let Some(lead) = sizes.len().checked_sub(from.rank()) else {
        let message = format!(
            "expand(torch.{}Tensor{{{from}}}, size={}): the number of sizes provided ({}) must be greater or equal to \
             the number of dimensions in the tensor ({})",
            x.dtype().scalar_type_name(),
            listed(sizes),
            sizes.len(),
            from.rank()
        );
        return Err(Error::shapes(message, &from, &sizes.iter().map(|&s| s.max(0) as usize).collect()));
    };
    let mut shape = Shape::scalar();
    for (i, &size) in sizes.iter().enumerate() {
        let own = i.checked_sub(lead).map(|axis| from[axis]);
        match (size, own) {
            (-1, Some(own)) => shape.push(own),
            (0.., None) => shape.push((size as usize).into()),
            (0.., Some(own)) if own.is_one() || own.get() as i64 == size => {
                shape.push((size as usize).into())
            }
            (_, None) => {
                return runtime(format!(
                    "The expanded size of the tensor ({size}) isn't allowed in a leading, non-existing dimension {i}"
                ));
            }
            (_, Some(own)) => {
                let message = format!(
                    "The expanded size of the tensor ({size}) must match the existing size ({own}) at non-singleton \
                     dimension {i}.  Target sizes: {}.  Tensor sizes: {from}",
                    listed(sizes)
                );
                return Err(Error::shapes(
                    message,
                    &from,
                    &sizes.iter().map(|&s| s.max(0) as usize).collect(),
                ));
            }
        }
    }
    Ok(shape)
}

pub fn expand(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    x.view(ViewOp::Expand(expanded_sizes(x, sizes)?))
}

pub fn expand_to(x: &Tensor, shape: &Shape) -> Result<Tensor> {
    expand(x, &signed(shape))
}

/// At least `rank` axes, as NumPy's `atleast_*d` adds them.
pub fn atleast(x: &Tensor, rank: usize) -> Result<Tensor> {
    let sizes = signed(&x.sizes());
    match (rank, sizes.as_slice()) {
        (1, []) => reshape(x, &[1]),
        (2, []) => reshape(x, &[1, 1]),
        (2, [_]) => unsqueeze(x, 0),
        (3, []) => reshape(x, &[1, 1, 1]),
        (3, [_]) => unsqueeze(&unsqueeze(x, 0)?, -1),
        (3, [_, _]) => unsqueeze(x, -1),
        _ => Ok(x.clone()),
    }
}

pub(crate) fn each(list: &[Tensor], f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    list.iter().map(f).collect()
}

/// The tensor itself, with other sizes.
pub fn resize(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    if sizes.iter().any(|&size| size < 0) {
        return runtime("numel: integer multiplication overflow");
    }
    let sizes: Shape = sizes.iter().map(|&size| size as usize).collect();
    check_memory(&sizes, x.dtype())?;
    x.resize(sizes)?;
    Ok(x.clone())
}
