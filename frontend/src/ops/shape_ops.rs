//! Rearrangements that make new tensors.

mod diagonals;
mod pad;
mod repeat;
mod table;

pub use diagonals::{diag, diag_embed, diagflat};
pub use pad::{constant_pad_nd, pad};
pub use repeat::{repeat, repeat_interleave, repeat_interleave_by, repeat_places, tile};
pub use table::ENTRIES;

use crate::error::{Error, Result, runtime};
use crate::ops::creation::check_memory;
use crate::ops::layout::finish;
use crate::ops::view_ops::{self, AxisList, distinct_axes, listed, wrap_axes};
use crate::promote::to_sum;
use crate::record::{Recorded, sum_to_shape};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::Shape;

/// A tensor of its own, in row-major order; the tensor itself if it is contiguous.
pub fn contiguous(x: &Tensor, format: Option<&str>) -> Result<Tensor> {
    if x.is_contiguous() {
        return Ok(x.clone());
    }
    if format == Some("preserve") {
        return runtime("preserve memory format is unsupported by the contiguous operator");
    }
    copy(x, Some("contiguous"))
}

/// A copy; with `contiguous` in row-major order, else as the tensor lies in memory.
pub fn copy(x: &Tensor, format: Option<&str>) -> Result<Tensor> {
    check_memory(&x.sizes(), x.dtype())?;
    if format == Some("contiguous") { Tensor::from_value(x.read()?) } else { finish(x.read()?, &[x]) }
}

/// The elements of some axes in the opposite order.
pub fn flip(x: &Tensor, axes: &[i64]) -> Result<Tensor> {
    let axes = distinct_axes(axes, x.dim())?;
    finish(x.read()?.flip(&axes)?, &[x])
}

fn flip_axis(x: &Tensor, axis: i64) -> Result<Tensor> {
    if x.dim() as i64 <= axis {
        return runtime(format!("Input must be >= {}-d.", axis + 1));
    }
    flip(x, &[axis])
}

/// `value` with the elements of an axis moved by `shift` places; those that leave come in again.
fn rolled(value: &Recorded, shift: i64, axis: usize) -> Result<Recorded> {
    let extent = value.shape()[axis].get();
    let split = (-shift).rem_euclid(extent.max(1) as i64) as usize;
    if split == 0 {
        return Ok(value.clone());
    }
    let (front, back) = (value.narrow(axis, 0, split)?, value.narrow(axis, split, extent - split)?);
    Recorded::concat(&[&back, &front], axis)
}

pub fn roll(x: &Tensor, shifts: &[i64], axes: &[i64]) -> Result<Tensor> {
    if shifts.is_empty() {
        return runtime("`shifts` required");
    }
    if axes.is_empty() && shifts.len() == 1 {
        let value = x.read()?;
        if x.numel() == 0 {
            return finish(value, &[x]);
        }
        return Tensor::from_value(rolled(&value.flatten()?, shifts[0], 0)?.reshape(value.shape())?);
    }
    if shifts.len() != axes.len() {
        let (a, b) = (shifts.len(), axes.len());
        return runtime(format!("shifts and dimensions must align. shifts: {a}, dims:{b}"));
    }
    if x.dim() == 0 {
        wrap_axes(axes, 0)?;
        return Err(Error::Axis(format!("Dimension specified as {} but tensor has no dimensions", axes[0])));
    }
    let mut value = x.read()?;
    for (&shift, &axis) in shifts.iter().zip(axes) {
        value = rolled(&value, shift, wrap_axis(axis, x.dim())?)?;
    }
    Tensor::from_value(value)
}

pub fn rot90(x: &Tensor, k: i64, axes: &[i64]) -> Result<Tensor> {
    let rank = x.dim();
    if axes.len() != 2 {
        return runtime(format!("expected total rotation dims == 2, but got dims = {}", axes.len()));
    }
    if rank < 2 {
        return runtime(format!("expected total dims >= 2, but got total dims = {rank}"));
    }
    if axes[0] == axes[1] || (axes[0] - axes[1]).unsigned_abs() as usize == rank {
        return runtime(format!(
            "expected rotation dims to be different, but got dim0 = {} and dim1 = {}",
            axes[0], axes[1]
        ));
    }
    let axes: AxisList = wrap_axes(axes, rank)?;
    let (a, b) = (axes[0] as i64, axes[1] as i64);
    match k.rem_euclid(4) {
        1 => view_ops::transpose(&flip(x, &[b])?, a, b),
        2 => flip(x, &[a, b]),
        3 => view_ops::transpose(&flip(x, &[a])?, a, b),
        _ => copy(x, Some("contiguous")),
    }
}

/// The inverse of a broadcast from `sizes`: sums what it repeats.
pub fn sum_to_size(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    let own = x.sizes();
    let target: Shape = sizes.iter().map(|&s| s.max(0) as usize).collect();
    let fits = sizes.iter().all(|&s| s >= 0) && matches!(target.broadcast(&own), Ok(shape) if shape == own);
    if !fits {
        let message = format!("size {{{}}} is not expandable to size {{{own}}}.", listed(sizes));
        return Err(Error::shapes(message, &target, &own));
    }
    if target == own {
        return view_ops::alias(x);
    }
    Tensor::from_value(sum_to_shape(&x.read()?.cast(to_sum(x.dtype()))?, &target)?)
}
