//! Maxima and minima along axes, and where they are.

use super::axes::{kept, reduce, reduced, require_elements, single};
use super::operands::keep;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Picks;
use rustorch_ir::{DType, Literal, Shape};

fn combine_of(largest: bool) -> Combine {
    if largest { Combine::Max } else { Combine::Min }
}

/// amax and amin: ties share the gradient.
fn along(a: &Args<'_>, largest: bool) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let dims = a.ints(1);
    let axes = reduced(x.rank(), Some(dims))?;
    require_elements(if largest { "amax" } else { "amin" }, &x, Some(dims), &axes)?;
    extremum(a, &x, largest, &axes, a.bool(2))
}

fn extremum(a: &Args<'_>, x: &Recorded, largest: bool, axes: &[usize], keepdim: bool) -> Result<Tensor> {
    let out = Tensor::from_value(reduce(x, combine_of(largest), axes, keepdim)?)?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

/// The extremum of all elements.
fn of_all(a: &Args<'_>, largest: bool) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let axes = reduced(x.rank(), None)?;
    require_elements(if largest { "max" } else { "min" }, &x, None, &axes)?;
    extremum(a, &x, largest, &axes, false)
}

/// The index of the first extremum along `axis`, which stays with extent 1.
fn position(x: &Recorded, largest: bool, axis: Option<usize>) -> Result<Recorded> {
    match axis {
        Some(axis) => x.detach().arg_reduce(largest, axis)?.reshape(&kept(x.shape(), &[axis])),
        None => Ok(Recorded::constant(Literal::from_i64(DType::I64, 0))),
    }
}

/// The elements of `x` at `index`, which has extent 1 along `axis`.
pub(crate) fn pick_along(x: &Recorded, index: &Recorded, axis: usize) -> Result<Recorded> {
    let rank = x.rank() as u8;
    let picks = Picks {
        axis: axis as u8,
        data: (0..rank).filter(|&i| i != axis as u8).collect(),
        index: (0..rank).collect(),
    };
    x.gather(index, picks)
}

/// max.dim and min.dim: the gradient goes to the element that was chosen.
fn with_position(a: &Args<'_>, largest: bool) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let (dim, keepdim) = (a.int(1), a.bool(2));
    let axis = single(x.rank(), dim)?;
    require_elements(if largest { "max" } else { "min" }, &x, Some(&[dim]), axis.as_slice())?;
    let index = position(&x, largest, axis)?;
    let values = match axis {
        Some(axis) => pick_along(&x, &index, axis)?,
        None => x.clone(),
    };
    let finish = |v: Recorded| match axis {
        Some(axis) if !keepdim => v.squeeze(axis),
        _ => Ok(v),
    };
    Ok((Tensor::from_value(finish(values)?)?, Tensor::from_value(finish(index)?)?))
}

fn argument(a: &Args<'_>, largest: bool) -> Result<Tensor> {
    let name = if largest { "argmax" } else { "argmin" };
    let x = a.tensor(0).read()?.detach();
    let keepdim = a.bool(2);
    if x.dtype() == DType::Bool {
        return Err(Error::NotImplemented(format!("{name}(): does not support bool input")));
    }
    let Some(dim) = a.opt_int(1) else {
        if x.numel() == 0 {
            let message = format!("{name}(): Expected reduction dim to be specified for input.numel() == 0.");
            return Err(Error::Index(message));
        }
        let index = x.flatten()?.arg_reduce(largest, 0)?;
        let ones: Shape = x.shape().iter().map(|_| 1usize).collect();
        return Tensor::from_value(if keepdim { index.reshape(&ones)? } else { index });
    };
    let axis = single(x.rank(), dim)?;
    require_elements(name, &x, Some(&[dim]), axis.as_slice())?;
    let index = position(&x, largest, axis)?;
    Tensor::from_value(match axis {
        Some(axis) if !keepdim => index.squeeze(axis)?,
        _ => index,
    })
}

fn aminmax(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let (dim, keepdim) = (a.opt_int(1), a.bool(2));
    let axes = reduced(x.rank(), dim.as_ref().map(std::slice::from_ref))?;
    if x.numel() == 0 {
        match (dim, axes.iter().find(|&&axis| x.shape()[axis].get() == 0)) {
            (None, _) => {
                return runtime(
                    "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.",
                );
            }
            (Some(_), Some(axis)) => {
                let message = format!("aminmax: Expected reduction dim {axis} to have non-zero size.");
                return Err(Error::Index(message));
            }
            _ => {}
        }
    }
    let of = |largest: bool| {
        let value = reduce(&x, combine_of(largest), &axes, keepdim)?;
        let ones: Shape = x.shape().iter().map(|_| 1usize).collect();
        Tensor::from_value(if dim.is_none() && keepdim { value.reshape(&ones)? } else { value })
    };
    let out = (of(false)?, of(true)?);
    keep(a, &[0])?;
    Ok(out)
}

crate::entries! {
    "amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The maximum along the axes `dim` (all, if empty); NaN if there is one. Equal maxima share the gradient."
        => |a| along(a, true);
    "amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The minimum along the axes `dim` (all, if empty); NaN if there is one. Equal minima share the gradient."
        => |a| along(a, false);
    "max(Tensor self) -> Tensor" [FUNCTION | METHOD | OUT] grad "MaxBackward1"
        "The maximum of all elements; NaN if there is one. An empty tensor has none." => |a| of_all(a, true);
    "min(Tensor self) -> Tensor" [FUNCTION | METHOD | OUT] grad "MinBackward1"
        "The minimum of all elements; NaN if there is one. An empty tensor has none." => |a| of_all(a, false);
    "max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD | OUT | EXACT]
        "The maxima along an axis, and the index of the first of each. The gradient goes to that element."
        => |a| with_position(a, true);
    "min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD | OUT | EXACT]
        "The minima along an axis, and the index of the first of each. The gradient goes to that element."
        => |a| with_position(a, false);
    "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The index of the first maximum along an axis, or among all elements in order; NaN counts as the maximum."
        => |a| argument(a, true);
    "argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The index of the first minimum along an axis, or among all elements in order; NaN counts as the minimum."
        => |a| argument(a, false);
    "aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)" [FUNCTION | METHOD | OUT | EXACT]
        "The minimum and the maximum, along an axis or of all elements." => |a| aminmax(a);
}
