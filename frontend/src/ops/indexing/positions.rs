//! Where a tensor is not 0. How many places there are decides the shape, so they are computed at the call.

use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::tensor::Tensor;
use crate::view::ViewOp;
use rustorch_backend::buffer::Buffer;
use rustorch_backend::host::indices;
use rustorch_ir::graph::Type;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};

/// The row-major positions of the elements that are not 0, as i64 in a buffer.
fn places(value: &Recorded) -> Result<Buffer> {
    let mask = Tensor::from_value(value.detach().cast(DType::Bool)?)?;
    Ok(indices::nonzero(&mask.contiguous_buffer()?)?)
}

fn column(places: Buffer) -> Result<Tensor> {
    let count = places.len() / size_of::<i64>();
    Tensor::from_buffer(places, Type::new(DType::I64, Shape::from_sizes(&[count])))
}

/// The positions of the true elements of a mask, over all of its axes.
pub(crate) fn of_mask(mask: &Tensor) -> Result<Tensor> {
    of_value(&mask.read()?)
}

pub(crate) fn of_value(mask: &Recorded) -> Result<Tensor> {
    column(places(mask)?)
}

/// The index that a bool is for an axis of extent 1: its only element, or none.
pub(crate) fn of_bool(there: bool) -> Result<Tensor> {
    let zeros: &[i64] = if there { &[0] } else { &[] };
    column(Buffer::from_slice(zeros)?)
}

/// One row of indices for each element that is not 0.
pub fn nonzero(x: &Tensor) -> Result<Tensor> {
    let sizes = x.sizes().sizes();
    let places = places(&x.read()?)?;
    let count = places.len() / size_of::<i64>();
    let columns = if sizes.len() == 1 { places } else { indices::coordinates(&places, &sizes)? };
    let ty = Type::new(DType::I64, Shape::from_sizes(&[sizes.len(), count]));
    Tensor::from_buffer_permuted(columns, ty, &[1, 0])
}

/// One tensor of indices for each axis.
pub fn nonzero_tuple(x: &Tensor) -> Result<Vec<Tensor>> {
    let x = if x.dim() == 0 { x.view(ViewOp::Unsqueeze(0))? } else { x.clone() };
    let rows = nonzero(&x)?;
    (0..x.dim()).map(|index| rows.view(ViewOp::Select { axis: 1, index })).collect()
}

/// The first `size` rows of [`nonzero`]; what is missing is filled.
pub fn nonzero_static(x: &Tensor, size: i64, fill: i64) -> Result<Tensor> {
    if size < 0 {
        return runtime("nonzero_static: 'size' must be an non-negative integer");
    }
    let rows = nonzero(x)?;
    let (count, rank, size) = (rows.sizes()[0].get(), x.dim(), size as usize);
    let value = rows.read()?.narrow(0, 0, count.min(size))?;
    if count >= size {
        return Tensor::from_value(value);
    }
    let rest = value.literal_int(fill).broadcast_to(&Shape::from_sizes(&[size - count, rank]))?;
    Tensor::from_value(Recorded::concat(&[&value, &rest], 0)?)
}

/// The indices along each axis of a tensor of this shape that row-major places stand for.
pub fn unravel_index(places: &Tensor, shape: &[i64]) -> Result<Vec<Tensor>> {
    if !places.dtype().is_integer() {
        let name = places.dtype().torch_name();
        return Err(Error::Argument(format!("expected 'indices' to be integer dtype, but got torch.{name}")));
    }
    if shape.iter().any(|&s| s < 0) {
        let words: Vec<String> = shape.iter().map(i64::to_string).collect();
        let list = words.join(", ");
        return Err(Error::Value(format!("'shape' cannot have negative values, but got ({list})")));
    }
    if places.numel() > 0 && shape.contains(&0) {
        let list: Vec<String> = shape.iter().map(i64::to_string).collect();
        return Err(Error::Value(format!(
            "'shape' cannot have zero dimensions when 'indices' is non-empty, but got ({})",
            list.join(", ")
        )));
    }
    let mut rest = places.read()?;
    let mut out = Vec::with_capacity(shape.len());
    for &size in shape.iter().rev() {
        let size = rest.literal_int(size);
        out.push(Tensor::from_value(rest.map2(Scalar::Remainder, &size)?)?);
        rest = rest.map2(Scalar::FloorDiv, &size)?;
    }
    out.reverse();
    Ok(out)
}
