//! Losses between probabilities: the binary cross entropy and the Kullback-Leibler divergence.

use super::loss::{Reduction, reduced, total};
use super::operands::{Operands, keep, keep_both, not_implemented};
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Operand};
use crate::tensor::Tensor;
use rustorch_ir::Literal;
use rustorch_ir::op::Scalar;

/// Below this product of a probability and its complement torch's gradient stops growing.
const STEEPEST: f64 = 1e-12;

fn clamped_log(x: &Recorded) -> Result<Recorded> {
    x.map1(Scalar::Log)?.map2(Scalar::Max, &x.literal(-100.0))
}

/// `-(y * log(x) + (1 - y) * log(1 - x))`, with logarithms of at least -100.
fn cross_entropy(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    let rest = y.literal(1.0).sub(y)?;
    let of = |log: Recorded, other: Recorded| log.mul(y)?.add(&other.mul(&rest)?)?.neg();
    let fixed = x.detach();
    let other = fixed.neg()?.map1(Scalar::Log1p)?.map2(Scalar::Max, &x.literal(-100.0))?;
    let value = of(clamped_log(&fixed)?, other)?;
    if !x.tracks() {
        return Ok(value);
    }
    let smooth = x.literal(STEEPEST).le(&fixed.mul(&fixed.literal(1.0).sub(&fixed)?)?)?;
    let inner = smooth.select(x, &x.literal(0.5))?;
    let curve = of(inner.map1(Scalar::Log)?, inner.neg()?.map1(Scalar::Log1p)?)?;
    // At the ends the value is constant, plus a line through 0 that has torch's slope.
    let slope = fixed.sub(&y.detach())?.div(&x.literal(STEEPEST))?;
    let line = smooth.select(&x.literal(0.0), &x.sub(&fixed)?.mul(&slope)?)?;
    smooth.select(&curve, &value.add(&line)?)
}

/// torch's error for what is no probability, where the values are at hand; else NaN comes out.
fn check_probabilities(x: &Recorded) -> Result<()> {
    if x.numel() == 0 || !x.is_at_hand() {
        return Ok(());
    }
    let x = x.detach();
    let inside = x.literal(0.0).le(&x)?.map2(Scalar::And, &x.le(&x.literal(1.0))?)?;
    let axes: Vec<usize> = (0..x.rank()).collect();
    let all =
        if axes.is_empty() { inside } else { inside.reduce(rustorch_ir::loops::Combine::And, &axes)? };
    match super::indexing::integer(&Tensor::from_value(all)?)? {
        0 => runtime("all elements of input should be between 0 and 1"),
        _ => Ok(()),
    }
}

fn binary_cross_entropy(a: &Args<'_>) -> Result<Tensor> {
    let (input, target, weight) = (a.tensor(0), a.tensor(1), a.opt_tensor(2));
    let reduction = Reduction::parse(a.string(3))?;
    let (x, y) = (input.read()?, target.read()?);
    if x.shape() != y.shape() {
        let message = format!(
            "Using a target size (torch.Size({})) that is different to the input size (torch.Size({})) is deprecated. \
             Please ensure they have the same size.",
            y.shape(),
            x.shape()
        );
        return Err(Error::Value(message));
    }
    if !x.dtype().is_float() {
        return not_implemented("binary_cross_entropy", x.dtype());
    }
    if x.dtype() != y.dtype() {
        let (a, b) = (x.dtype().scalar_type_name(), y.dtype().scalar_type_name());
        return Err(Error::DType(format!("Found dtype {b} but expected {a}")));
    }
    check_probabilities(&x)?;
    let wide = x.dtype().accumulator();
    let loss = cross_entropy(&x.cast(wide)?, &y.cast(wide)?)?;
    let loss = match weight {
        Some(w) => loss.mul(&w.read()?.cast(wide)?)?,
        None => loss,
    };
    let out = reduced(loss.cast(x.dtype())?, reduction, &[input, target])?;
    keep(a, &[0, 1, 2])?;
    Ok(out)
}

fn kl_div(a: &Args<'_>) -> Result<Tensor> {
    let (text, log_target) = (a.string(2), a.bool(3));
    let operands = Operands::read(&[Operand::Tensor(a.tensor(0)), Operand::Tensor(a.tensor(1))], Ok)?;
    let wide = operands.dtype.accumulator();
    let [x, y] = [operands.values[0].cast(wide)?, operands.values[1].cast(wide)?];
    if !wide.is_float() {
        return not_implemented("xlogy_cpu", operands.dtype);
    }
    let loss = if log_target {
        y.map1(Scalar::Exp)?.mul(&y.sub(&x)?)?
    } else {
        let zero = y.literal(0.0);
        let none = y.eq(&zero)?;
        let log = none.select(&y.literal(1.0), &y)?.map1(Scalar::Log)?;
        none.select(&zero, &y.mul(&log)?)?.sub(&y.mul(&x)?)?
    };
    let loss = loss.cast(operands.dtype)?;
    let out = if text == "batchmean" {
        let rows = operands.values[0].shape().first().map_or(1, |d| d.get());
        let rows = Recorded::constant(Literal::from_f64(operands.dtype, rows as f64));
        Tensor::from_value(total(&loss)?.div(&rows)?)?
    } else {
        reduced(loss, Reduction::parse(text)?, &[a.tensor(1), a.tensor(0)])?
    };
    keep_both(a)?;
    Ok(out)
}

crate::entries! {
    "binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, str reduction='mean') -> Tensor" [NN]
        "The cross entropy between the probabilities `target` and `self`, whose logarithms count no less than -100. \
         `weight` scales the losses. Floats of one dtype." => |a| binary_cross_entropy(a);
    "kl_div(Tensor self, Tensor target, str reduction='mean', bool log_target=False) -> Tensor" [NN] grad "MulBackward0"
        "`target * (log(target) - self)`, where `self` is a logarithm, and with `log_target` the target too. \
         `'batchmean'` divides the sum by the number of rows." => |a| kl_div(a);
}
