//! Distances and angles between vectors.

use super::arithmetic::check_difference;
use super::axes::{Axes, reduce};
use super::extremes::bounded;
use super::norm::norm_of;
use super::operands::{Operands, float, keep_both};
use super::reduce::dropped;
use crate::error::{Result, runtime};
use crate::record::{Recorded, broadcast_shapes};
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::loops::Combine;

/// The product of the vectors brought to length 1; a length below `eps` counts as that.
fn cosine_similarity(a: &Args<'_>) -> Result<Tensor> {
    if a.float(3).is_nan() || a.float(3) < 0.0 {
        return runtime(format!("eps must be non-negative, got: {}", a.float(3)));
    }
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| {
        if dtype.is_float() {
            return Ok(dtype);
        }
        let name = dtype.scalar_type_name();
        runtime(format!("expected common dtype to be floating point, yet common dtype is {name}"))
    })?;
    let shape = broadcast_shapes(operands.values[0].shape(), operands.values[1].shape())?;
    let axis = wrap_axis(a.int(2), shape.rank())?;
    let eps = Number::Float(a.float(3)).recorded(operands.dtype);
    let unit = |x: &Recorded| -> Result<Recorded> {
        let x = x.broadcast_to(&shape)?;
        x.div(&bounded(&norm_of(&x, 2.0, &[axis])?, Some(&eps), None)?)
    };
    let product = unit(&operands.values[0])?.mul(&unit(&operands.values[1])?)?;
    let out = Tensor::from_value(reduce(&product, Combine::Add, &[axis], false)?)?;
    keep_both(a)?;
    Ok(out)
}

/// The norm of the difference along the last axis; `eps` is added to each component.
fn pairwise_distance(a: &Args<'_>) -> Result<Tensor> {
    check_difference(a.operand(0), a.operand(1))?;
    let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
    let apart = float(&operands.values[0].sub(&operands.values[1])?)?;
    let eps = Number::Float(a.float(3)).recorded(apart.dtype());
    let apart = apart.add(&eps)?;
    let axes: Axes = (apart.rank().saturating_sub(1)..apart.rank()).collect();
    let norm = norm_of(&apart, a.float(2), &axes)?;
    let out = Tensor::from_value(if a.bool(4) { norm } else { dropped(&norm, &axes)? })?;
    keep_both(a)?;
    Ok(out)
}

crate::entries! {
    "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor" [FUNCTION | NN]
        grad "SumBackward1"
        "The cosine of the angle between vectors along an axis; lengths below `eps` count as that. Floats only."
        => |a| cosine_similarity(a);
    "pairwise_distance(Tensor x1, Tensor x2, float p=2.0, float eps=1e-06, bool keepdim=False) -> Tensor"
        [FUNCTION | NN] grad "NormBackward1"
        "The `p`-norm of the difference along the last axis, with `eps` added to each component. Floats only."
        => |a| pairwise_distance(a);
}
