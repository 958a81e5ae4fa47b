//! Losses between tensors of one shape.

use super::activation::log_sigmoid_of;
use super::axes::Axes;
use super::layout::finish;
use super::operands::{Operands, keep, keep_both, not_implemented};
use super::reduce::mean_of;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Operand, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;

/// What becomes of the losses of the elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    None,
    Mean,
    Sum,
}

impl Reduction {
    pub(crate) fn parse(text: &str) -> Result<Reduction> {
        match text {
            "none" => Ok(Reduction::None),
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            other => Err(Error::Value(format!("{other} is not a valid value for reduction"))),
        }
    }
}

/// Losses of the elements as torch returns them: in the memory order of these operands, or as one number.
pub(crate) fn reduced(loss: Recorded, reduction: Reduction, operands: &[&Tensor]) -> Result<Tensor> {
    let axes: Axes = (0..loss.rank()).collect();
    match reduction {
        Reduction::None => finish(loss, operands),
        Reduction::Sum => Tensor::from_value(loss.sum(&axes)?),
        Reduction::Mean => Tensor::from_value(mean_of(&loss, &axes, false)?),
    }
}

/// A loss of the difference of arguments 0 and 1, in f32 for halves.
fn of_difference(
    a: &Args<'_>,
    kernel: &str,
    reduction: Reduction,
    f: impl FnOnce(&Recorded) -> Result<Recorded>,
) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| {
        if dtype.is_float() { Ok(dtype) } else { not_implemented(kernel, dtype) }
    })?;
    let wide = operands.dtype.accumulator();
    let [x, y] = [operands.values[0].cast(wide)?, operands.values[1].cast(wide)?];
    let loss = f(&x.sub(&y)?)?.cast(operands.dtype)?;
    // torch allocates the losses of `huber_loss` like the input.
    let both = [a.tensor(0), a.tensor(1)];
    let like = if kernel == "huber_cpu" { &both[..1] } else { &both[..] };
    let out = reduced(loss, reduction, like)?;
    keep_both(a)?;
    Ok(out)
}

fn mse_loss(a: &Args<'_>) -> Result<Tensor> {
    of_difference(a, "mse_cpu", Reduction::parse(a.string(2))?, |d| d.mul(d))
}

fn l1_loss(a: &Args<'_>) -> Result<Tensor> {
    let reduction = Reduction::parse(a.string(2))?;
    super::arithmetic::check_difference(a.operand(0), a.operand(1))?;
    let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
    if reduction == Reduction::Mean && !operands.dtype.is_float() {
        return Err(Error::NotImplemented(format!(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: \
             {}",
            operands.dtype.scalar_type_name()
        )));
    }
    let loss = operands.values[0].sub(&operands.values[1])?.map1(Scalar::Abs)?;
    let loss =
        if reduction == Reduction::Sum { loss.cast(crate::promote::to_sum(loss.dtype()))? } else { loss };
    reduced(loss, reduction, &[a.tensor(0), a.tensor(1)])
}

fn smooth_l1_loss(a: &Args<'_>) -> Result<Tensor> {
    let (reduction, beta) = (Reduction::parse(a.string(2))?, a.float(3));
    if beta < 0.0 {
        return runtime("smooth_l1_loss does not support negative values for beta.");
    }
    of_difference(a, "smooth_l1_cpu", reduction, |d| {
        let size = d.map1(Scalar::Abs)?;
        if beta == 0.0 {
            return Ok(size);
        }
        let beta = Number::Float(beta).recorded(d.dtype());
        let bent = size.mul_literal(0.5)?.mul(&size)?.div(&beta)?;
        size.lt(&beta)?.select(&bent, &size.sub(&beta.mul_literal(0.5)?)?)
    })
}

fn huber_loss(a: &Args<'_>) -> Result<Tensor> {
    let (reduction, delta) = (Reduction::parse(a.string(2))?, a.float(3));
    if delta.is_nan() || delta <= 0.0 {
        return runtime("huber_loss does not support non-positive values for delta.");
    }
    of_difference(a, "huber_cpu", reduction, |d| {
        let size = d.map1(Scalar::Abs)?;
        let delta = Number::Float(delta).recorded(d.dtype());
        let bent = size.mul_literal(0.5)?.mul(&size)?;
        size.le(&delta)?.select(&bent, &delta.mul(&size.sub(&delta.mul_literal(0.5)?)?)?)
    })
}

fn binary_cross_entropy_with_logits(a: &Args<'_>) -> Result<Tensor> {
    let (input, target) = (a.tensor(0), a.tensor(1));
    let (weight, positive) = (a.opt_tensor(2), a.opt_tensor(3));
    let reduction = Reduction::parse(a.string(4))?;
    if input.sizes() != target.sizes() {
        let message =
            format!("Target size ({}) must be the same as input size ({})", target.sizes(), input.sizes());
        return Err(Error::Value(message));
    }
    if !input.dtype().is_float() {
        return not_implemented("log_sigmoid_cpu", input.dtype());
    }
    if !target.dtype().is_float() {
        return Err(Error::DType(format!(
            "result type Float can't be cast to the desired output type {}",
            target.dtype().scalar_type_name()
        )));
    }
    let operands = Operands::read(&[Operand::Tensor(input), Operand::Tensor(target)], Ok)?;
    let wide = operands.dtype.accumulator();
    let [x, y] = [operands.values[0].cast(wide)?, operands.values[1].cast(wide)?];
    let log = log_sigmoid_of(&x)?;
    let certain = match positive {
        Some(p) => {
            let p = p.read()?.cast(wide)?;
            log.mul(&p.add_literal(-1.0)?.mul(&y)?.add_literal(1.0)?)?
        }
        None => log,
    };
    let loss = y.literal(1.0).sub(&y)?.mul(&x)?.sub(&certain)?;
    let loss = match weight {
        Some(w) => loss.mul(&w.read()?.cast(wide)?)?,
        None => loss,
    };
    let loss = loss.cast(operands.dtype)?;
    let out = reduced(loss, reduction, &[target])?;
    keep(a, &[0, 1, 2, 3])?;
    Ok(out)
}

/// The sum of all elements.
pub(crate) fn total(x: &Recorded) -> Result<Recorded> {
    let axes: Axes = (0..x.rank()).collect();
    if axes.is_empty() { Ok(x.clone()) } else { x.reduce(Combine::Add, &axes) }
}

crate::entries! {
    "mse_loss(Tensor self, Tensor target, str reduction='mean') -> Tensor" [NN]
        "The squared differences, broadcast; their mean or sum by `reduction`. Floats only." => |a| mse_loss(a);
    "l1_loss(Tensor self, Tensor target, str reduction='mean') -> Tensor" [NN] grad "MeanBackward0"
        "The sizes of the differences, broadcast; their mean or sum by `reduction`." => |a| l1_loss(a);
    "smooth_l1_loss(Tensor self, Tensor target, str reduction='mean', float beta=1.0) -> Tensor" [NN]
        grad "SmoothL1LossBackward0"
        "Below `beta` half the square of the difference by `beta`, above its size less half of `beta`."
        => |a| smooth_l1_loss(a);
    "huber_loss(Tensor self, Tensor target, str reduction='mean', float delta=1.0) -> Tensor" [NN]
        "Up to `delta` half the square of the difference, above a line that continues it." => |a| huber_loss(a);
    "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, str reduction='mean') -> Tensor"
        [FUNCTION | NN]
        "The cross entropy between the probabilities `target` and `sigmoid(self)`, from logits and without overflow. \
         `weight` scales the losses, `pos_weight` the part of the positive class." => |a| binary_cross_entropy_with_logits(a);
}
