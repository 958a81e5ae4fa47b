//! Losses between tensors of one shape.

use super::activation::log_sigmoid_of;
use super::axes::Axes;
use super::layout::finish;
use super::operands::{Operands, keep, keep_both, not_implemented};
use super::reduce::mean_of;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Operand, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;
use smallvec::SmallVec;

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

impl Reduction {
    fn of(self, loss: &Recorded) -> Result<Recorded> {
        let axes: Axes = (0..loss.rank()).collect();
        match self {
            Reduction::None => Ok(loss.clone()),
            Reduction::Sum => loss.sum(&axes),
            Reduction::Mean => mean_of(loss, &axes, false),
        }
    }

    /// What [`Reduction::of`] gave as torch returns it: losses of the elements in the memory order of these operands.
    fn tensor(self, loss: Recorded, operands: &[&Tensor]) -> Result<Tensor> {
        if self == Reduction::None { finish(loss, operands) } else { Tensor::from_value(loss) }
    }
}

/// Losses of the elements, reduced, as torch returns them.
pub(crate) fn reduced(loss: Recorded, reduction: Reduction, operands: &[&Tensor]) -> Result<Tensor> {
    reduction.tensor(reduction.of(&loss)?, operands)
}

/// A loss of the difference of arguments 0 and 1, in f32 for halves. `bend`, if there is
/// one, is the number after the difference that `f` depends on.
fn of_difference(
    a: &Args<'_>,
    kernel: &str,
    composition: Composition<'_>,
    reduction: Reduction,
    bend: Option<f64>,
    f: impl FnOnce(&Recorded, &[Recorded]) -> Result<Recorded>,
) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| {
        if dtype.is_float() { Ok(dtype) } else { not_implemented(kernel, dtype) }
    })?;
    let dtype = operands.dtype;
    let wide = dtype.accumulator();
    let bend = bend.map(|bend| Number::Float(bend).recorded(wide));
    let read: SmallVec<[&Recorded; 3]> = operands.values.iter().chain(&bend).collect();
    let loss = composition.record(&read, |x| {
        let difference = x[0].cast(wide)?.sub(&x[1].cast(wide)?)?;
        reduction.of(&f(&difference, &x[2..])?.cast(dtype)?)
    })?;
    // torch allocates the losses of `huber_loss` like the input.
    let both = [a.tensor(0), a.tensor(1)];
    let like = if kernel == "huber_cpu" { &both[..1] } else { &both[..] };
    let out = reduction.tensor(loss, like)?;
    keep_both(a)?;
    Ok(out)
}

fn mse_loss(a: &Args<'_>) -> Result<Tensor> {
    let reduction = Reduction::parse(a.string(2))?;
    let composition = Composition { name: "mse_loss", attributes: &[reduction as u64] };
    of_difference(a, "mse_cpu", composition, reduction, None, |d, _| d.mul(d))
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
    // Without a bend it is another composition: one operand less.
    let bend = (beta != 0.0).then_some(beta);
    let composition = Composition { name: "smooth_l1_loss", attributes: &[reduction as u64] };
    of_difference(a, "smooth_l1_cpu", composition, reduction, bend, |d, bend| {
        let size = d.map1(Scalar::Abs)?;
        let [beta] = bend else { return Ok(size) };
        let bent = size.mul_literal(0.5)?.mul(&size)?.div(beta)?;
        size.lt(beta)?.select(&bent, &size.sub(&beta.mul_literal(0.5)?)?)
    })
}

fn huber_loss(a: &Args<'_>) -> Result<Tensor> {
    let (reduction, delta) = (Reduction::parse(a.string(2))?, a.float(3));
    if delta.is_nan() || delta <= 0.0 {
        return runtime("huber_loss does not support non-positive values for delta.");
    }
    let composition = Composition { name: "huber_loss", attributes: &[reduction as u64] };
    of_difference(a, "huber_cpu", composition, reduction, Some(delta), |d, bend| {
        let (size, delta) = (d.map1(Scalar::Abs)?, &bend[0]);
        let bent = size.mul_literal(0.5)?.mul(&size)?;
        size.le(delta)?.select(&bent, &delta.mul(&size.sub(&delta.mul_literal(0.5)?)?)?)
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
    let dtype = operands.dtype;
    let wide = dtype.accumulator();
    let [positive, weight] = [positive, weight].map(|p| p.map(|p| p.read()?.cast(wide)).transpose());
    let (positive, weight) = (positive?, weight?);
    let read: SmallVec<[&Recorded; 4]> = operands.values.iter().chain(&positive).chain(&weight).collect();
    let given = [positive.is_some(), weight.is_some()];
    let attributes = [reduction as u64, u64::from(given[0]), u64::from(given[1])];
    let composition = Composition { name: "binary_cross_entropy_with_logits", attributes: &attributes };
    let loss = composition.record(&read, |x| {
        let [logits, target] = [x[0].cast(wide)?, x[1].cast(wide)?];
        let log = log_sigmoid_of(&logits)?;
        let certain = match x.get(2).filter(|_| given[0]) {
            Some(p) => log.mul(&p.add_literal(-1.0)?.mul(&target)?.add_literal(1.0)?)?,
            None => log,
        };
        let loss = target.literal(1.0).sub(&target)?.mul(&logits)?.sub(&certain)?;
        let loss = if given[1] { loss.mul(&x[x.len() - 1])? } else { loss };
        reduction.of(&loss.cast(dtype)?)
    })?;
    let out = reduction.tensor(loss, &[target])?;
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
