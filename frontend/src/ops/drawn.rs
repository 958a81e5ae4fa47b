//! Masks that kernels draw: where an element is kept by dropout inside another operation.

use crate::error::Result;
use crate::record::Recorded;
use crate::registry::Scalar as Number;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal, Shape};

/// Where an element is kept: a draw of 32 bits for each, from a counter, so that the backward pass draws the same.
/// Key, first counter and limit are operands; see [`drawing`].
pub(super) fn kept(shape: &Shape, [key, offset, limit]: [&Recorded; 3]) -> Result<Recorded> {
    let counter = Recorded::iota(shape.numel())?.add(offset)?.reshape(shape)?;
    Recorded::map(Scalar::RandomBits, &[&counter, key])?.lt(limit)
}

/// What [`kept`] takes, drawn now as run-time values: each element is dropped with probability `p`.
pub(super) fn drawing(p: f64) -> [Recorded; 3] {
    let (key, offset) = crate::capture::philox();
    let limit = ((1.0 - p) * 4_294_967_296.0).round();
    [key, offset, Recorded::scalar(Literal::from_i64(DType::I64, limit as i64))]
}

/// `x` with elements dropped with probability `p`, the others divided by `1 - p`.
pub(super) fn dropped(x: &Recorded, p: f64) -> Result<Recorded> {
    if p == 0.0 || x.numel() == 0 {
        return Ok(x.clone());
    }
    if p == 1.0 {
        return x.mul(&x.literal(0.0));
    }
    let drawing = drawing(p);
    let mask = kept(x.shape(), drawing.each_ref())?;
    let scale = Number::Float(1.0 / (1.0 - p)).recorded(x.dtype());
    x.mul(&mask.select(&scale, &x.literal(0.0))?)
}
