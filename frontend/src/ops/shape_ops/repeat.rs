//! Repeated tensors and elements.

use crate::error::{Error, Result, runtime};
use crate::ops::creation::check_memory;
use crate::ops::indexing::{self, integers};
use crate::ops::operands::not_implemented;
use crate::ops::view_ops::{self, listed};
use crate::record::Recorded;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::graph::Type;
use rustorch_ir::{DType, Shape};

/// The whole tensor, so many times along each axis; leading axes are added.
pub fn repeat(x: &Tensor, times: &[i64]) -> Result<Tensor> {
    let own = x.sizes();
    let Some(lead) = times.len().checked_sub(own.rank()) else {
        return runtime(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
        );
    };
    let size = |i: usize| i.checked_sub(lead).map_or(1, |axis| own[axis].get());
    let total: Vec<i64> = times.iter().enumerate().map(|(i, &t)| t.saturating_mul(size(i) as i64)).collect();
    if let Some(i) = times.iter().position(|&t| t < 0) {
        return runtime(format!(
            "Trying to create tensor with negative dimension {}: {}",
            total[i],
            listed(&total)
        ));
    }
    check_memory(&total.iter().map(|&s| s as usize).collect(), x.dtype())?;
    let (mut split, mut wide, mut whole) = (Shape::scalar(), Shape::scalar(), Shape::scalar());
    for (i, &t) in times.iter().enumerate() {
        split.push(1.into());
        split.push(size(i).into());
        wide.push((t as usize).into());
        wide.push(size(i).into());
        whole.push((t as usize * size(i)).into());
    }
    let value = x.read()?;
    let out = value.reshape(&split)?.expand(&wide)?.reshape(&whole)?;
    // Of nothing the gradient is 0, and has no gradient itself.
    Tensor::from_value(if times.contains(&0) { out.flat_in(&[&value]) } else { out })
}

/// As [`repeat`], with 1 for the leading axes that are not named.
pub fn tile(x: &Tensor, times: &[i64]) -> Result<Tensor> {
    let missing = x.dim().saturating_sub(times.len());
    let all: Vec<i64> = std::iter::repeat_n(1, missing).chain(times.iter().copied()).collect();
    repeat(x, &all)
}

/// The axis to go along: of the tensor, or the one of the flat tensor.
fn along_or_flat(x: &Tensor, dim: Option<i64>) -> Result<(Tensor, i64)> {
    match dim {
        Some(dim) => Ok((x.clone(), dim)),
        None => Ok((view_ops::reshape(x, &[-1])?, 0)),
    }
}

/// Each element of an axis so many times; without an axis, each element of the flat tensor.
pub fn repeat_interleave(x: &Tensor, times: i64, dim: Option<i64>, size: Option<i64>) -> Result<Tensor> {
    let (x, dim) = &along_or_flat(x, dim)?;
    let dim = *dim;
    if times < 0 {
        return runtime("Repeats must be non-negative");
    }
    let axis = wrap_axis(dim, x.dim())?;
    if x.dim() == 0 {
        return wrap_axis(1, 0)
            .and_then(|_| runtime("repeat_interleave: a 0-d tensor has no axis to repeat"));
    }
    let own = x.sizes();
    let extent = own[axis].get();
    check_output_size(size, (extent as i64).saturating_mul(times))?;
    let (mut split, mut wide, mut whole) = (own.clone(), own.clone(), own);
    split.insert(axis + 1, 1.into());
    wide.insert(axis + 1, (times as usize).into());
    whole[axis] = extent.saturating_mul(times as usize).into();
    check_memory(&whole, x.dtype())?;
    Tensor::from_value(x.read()?.reshape(&split)?.expand(&wide)?.reshape(&whole)?)
}

fn check_output_size(given: Option<i64>, actual: i64) -> Result<()> {
    if given.is_some_and(|size| size != actual) {
        return runtime("allocated size does not match required size");
    }
    Ok(())
}

/// The places `0, 1, ..`, each as often as `times` says.
pub fn repeat_places(times: &Tensor, size: Option<i64>) -> Result<Tensor> {
    if !matches!(times.dtype(), DType::I64 | DType::I32) {
        return not_implemented("repeat_interleave_cpu", times.dtype());
    }
    if times.dim() != 1 {
        return runtime("repeat_interleave only accept 1D vector as repeat");
    }
    let counts = integers(times)?;
    if counts.iter().any(|&n| n < 0) {
        return runtime("repeats can not be negative");
    }
    let total = counts.iter().fold(0, |sum: i64, &n| sum.saturating_add(n));
    check_output_size(size, total)?;
    check_memory(&Shape::from_sizes(&[total as usize]), DType::I64)?;
    let mut places: Vec<i64> = Vec::with_capacity(total as usize);
    for (place, &n) in counts.iter().enumerate() {
        places.extend(std::iter::repeat_n(place as i64, n as usize));
    }
    let ty = Type::new(DType::I64, Shape::from_sizes(&[places.len()]));
    let places = Recorded::from_buffer(Buffer::from_slice(&places)?, ty)?;
    Tensor::from_value(places.cast(times.dtype())?)
}

/// Each element of an axis as often as `times` says for it.
pub fn repeat_interleave_by(
    x: &Tensor,
    times: &Tensor,
    dim: Option<i64>,
    size: Option<i64>,
) -> Result<Tensor> {
    let (x, dim) = &along_or_flat(x, dim)?;
    let dim = *dim;
    if times.dim() > 1 {
        return runtime("repeats must be 0-dim or 1-dim tensor");
    }
    let axis = wrap_axis(dim, x.dim())?;
    let extent = x.sizes().get(axis).map_or(1, |d| d.get());
    let times = if times.dim() == 0 || times.numel() == 1 {
        view_ops::expand(&view_ops::reshape(times, &[1])?, &[extent as i64])?
    } else {
        times.clone()
    };
    if times.numel() != extent {
        return Err(Error::Runtime(format!(
            "repeats must have the same size as input along dim, but got repeats.size(0) = {} and input.size({axis}) = \
             {extent}",
            times.numel()
        )));
    }
    indexing::index_select(x, axis as i64, &repeat_places(&times, size)?)
}
