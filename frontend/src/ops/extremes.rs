//! The larger and the smaller of two, and bounds.

use super::operands::{Operands, keep, keep_both, not_implemented};
use super::pointwise::is_nan;
use crate::compose::Composition;
use crate::error::{Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Operand, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::op::Scalar;
use smallvec::SmallVec;

fn extremum(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
    let out = operands.finish(operands.map(op)?)?;
    keep_both(a)?;
    Ok(out)
}

/// As [`extremum`], but a number beats NaN.
fn extremum_of_numbers(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
    let (x, y) = (&operands.values[0], &operands.values[1]);
    // Of zeros of either sign the first is taken, and the second by torch's kernel for bf16.
    let mut value = if operands.dtype == DType::BF16 { y.map2(op, x)? } else { operands.map(op)? };
    if operands.dtype.is_float() {
        value = is_nan(x)?.select(y, &value)?;
        value = is_nan(y)?.select(x, &value)?;
    }
    let out = operands.finish(value)?;
    keep_both(a)?;
    Ok(out)
}

/// `x` where it lies strictly between the bounds, else the bound (or NaN), which passes no gradient. The bounds are
/// numbers.
pub(crate) fn bounded(x: &Recorded, low: Option<&Recorded>, high: Option<&Recorded>) -> Result<Recorded> {
    let operands: SmallVec<[&Recorded; 3]> = std::iter::once(x).chain(low).chain(high).collect();
    let (first, last) = (low.map(|_| 1), high.map(|_| 1 + usize::from(low.is_some())));
    let clamped = |x: &[Recorded]| {
        let above = first.map_or_else(|| Ok(x[0].clone()), |low| x[0].map2(Scalar::Max, &x[low]))?;
        last.map_or_else(|| Ok(above.clone()), |high| above.map2(Scalar::Min, &x[high]))
    };
    let attributes = [u64::from(low.is_some()), u64::from(high.is_some())];
    let composition = Composition { name: "clamp", attributes: &attributes };
    if !x.dtype().is_float() {
        return composition.record(&operands, clamped);
    }
    composition.record_with_gradient(&operands, clamped, |x, _, g| {
        let zero = g.literal(0.0);
        let above = first.map(|low| x[low].lt(&x[0])).transpose()?;
        let below = last.map(|high| x[0].lt(&x[high])).transpose()?;
        let mut slope = g.clone();
        for inside in above.iter().chain(&below) {
            slope = inside.select(&slope, &zero)?;
        }
        Ok(std::iter::once(slope).chain(x[1..].iter().map(|bound| bound.literal(0.0))).collect())
    })
}

/// Between tensors: ties share the gradient, and where a bound or the operand is NaN, the operand has all of it.
fn bounded_by_tensors(x: &Recorded, low: Option<&Recorded>, high: Option<&Recorded>) -> Result<Recorded> {
    let (Some(low), Some(high)) = (low, high) else {
        return match (low, high) {
            (Some(low), None) => x.map2(Scalar::Max, low),
            (None, Some(high)) => x.map2(Scalar::Min, high),
            _ => Ok(x.clone()),
        };
    };
    let value = x.map2(Scalar::Max, low)?.map2(Scalar::Min, high)?;
    if !value.tracks() {
        return Ok(value);
    }
    let pinned = x.eq(low)?.map2(Scalar::And, &x.eq(high)?)?;
    let odd = is_nan(&value)?.map2(Scalar::Or, &pinned)?;
    let in_full = |r: &Recorded| r.add(&value.detach().sub(&r.detach())?);
    let value = odd.select(&in_full(x)?, &value)?;
    // Where the bounds meet above the operand, the lower one has all of the gradient.
    let closed = low.eq(high)?.map2(Scalar::And, &x.lt(low)?)?;
    closed.select(low, &value)
}

/// torch's error for a bound of whole numbers that no element can keep.
fn check_bound(bound: Operand<'_>, name: &str, dtype: DType) -> Result<()> {
    let (Operand::Number(n), Some((low, high))) = (bound, dtype.integer_range()) else { return Ok(()) };
    let beyond = if name == "min" { n.as_i64() > high } else { n.as_i64() < low };
    if !beyond {
        return Ok(());
    }
    runtime(format!(
        "Clamp {name} value {} is outside the representable range of {}",
        n.as_i64(),
        dtype.scalar_type_name()
    ))
}

/// A bound of whole numbers, which wraps nowhere.
pub(crate) fn bound(n: Number, dtype: DType) -> Recorded {
    match dtype.integer_range() {
        Some((low, high)) => Number::Int(n.as_i64().clamp(low, high)).recorded(dtype),
        None => n.recorded(dtype),
    }
}

fn clamp(a: &Args<'_>, low: Option<usize>, high: Option<usize>, kernel: &str) -> Result<Tensor> {
    let given = |i: Option<usize>| i.filter(|&i| !a.is_none(i));
    let (low, high) = (given(low), given(high));
    if low.is_none() && high.is_none() {
        return runtime("torch.clamp: At least one of 'min' or 'max' must not be None");
    }
    let all: SmallVec<[Operand<'_>; 3]> =
        std::iter::once(0).chain(low).chain(high).map(|i| a.operand(i)).collect();
    let by_tensors = all[1..].iter().any(|o| !o.is_number());
    let operands = Operands::read(&all, |dtype| match dtype {
        DType::Bool if by_tensors && (low.is_none() || high.is_none()) => Ok(dtype),
        DType::Bool if by_tensors => not_implemented("clamp_cpu", dtype),
        DType::Bool => not_implemented(kernel, dtype),
        _ => {
            low.map_or(Ok(()), |i| check_bound(a.operand(i), "min", dtype))?;
            high.map_or(Ok(()), |i| check_bound(a.operand(i), "max", dtype))?;
            Ok(dtype)
        }
    })?;
    let x = &operands.values[0];
    let value_of = |i: usize, at: usize| match a.operand(i) {
        Operand::Number(n) => bound(n, operands.dtype),
        Operand::Tensor(_) => operands.values[at].clone(),
    };
    let low_value = low.map(|i| value_of(i, 1));
    let high_value = high.map(|i| value_of(i, 1 + usize::from(low.is_some())));
    let (low_value, high_value) = (low_value.as_ref(), high_value.as_ref());
    let value = if by_tensors {
        bounded_by_tensors(x, low_value, high_value)?
    } else {
        bounded(x, low_value, high_value)?
    };
    let out = operands.finish(value)?;
    keep(a, &[0])?;
    if by_tensors {
        low.into_iter().chain(high).try_for_each(|i| keep(a, &[i]))?;
    }
    Ok(out)
}

const EXTREMUM: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | OUT
};
const CLAMP: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | INPLACE | OUT
};

crate::entries! {
    "maximum(Tensor self, Tensor other) -> Tensor" [EXTREMUM]
        "The larger of two elements; NaN if either is." => |a| extremum(a, Scalar::Max);
    "minimum(Tensor self, Tensor other) -> Tensor" [EXTREMUM]
        "The smaller of two elements; NaN if either is." => |a| extremum(a, Scalar::Min);
    "max.other(Tensor self, Tensor other) -> Tensor" [EXTREMUM] grad "MaximumBackward0"
        "As `maximum`." => |a| extremum(a, Scalar::Max);
    "min.other(Tensor self, Tensor other) -> Tensor" [EXTREMUM] grad "MinimumBackward0"
        "As `minimum`." => |a| extremum(a, Scalar::Min);
    "fmax(Tensor self, Tensor other) -> Tensor" [EXTREMUM]
        "The larger of two elements; NaN only if both are." => |a| extremum_of_numbers(a, Scalar::Max);
    "fmin(Tensor self, Tensor other) -> Tensor" [EXTREMUM]
        "The smaller of two elements; NaN only if both are." => |a| extremum_of_numbers(a, Scalar::Min);
    "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor" [CLAMP] alias ["clip"]
        "Each element between the elements of `min` and `max`, which are broadcast."
        => |a| clamp(a, Some(1), Some(2), "clamp_cpu");
    "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor" [CLAMP | EXACT] alias ["clip"] grad "ClampBackward1"
        "Each element, but at least `min` and at most `max`; `max` if the bounds cross. NaN stays NaN. At least one \
         bound is given." => |a| clamp(a, Some(1), Some(2), "clamp_scalar_cpu");
    "clamp_min.Tensor(Tensor self, Tensor min) -> Tensor" [CLAMP] grad "ClampMinBackward1"
        "Each element, but at least the element of `min`." => |a| clamp(a, Some(1), None, "clamp_min_scalar_cpu");
    "clamp_min(Tensor self, Scalar min) -> Tensor" [CLAMP | EXACT]
        "Each element, but at least `min`." => |a| clamp(a, Some(1), None, "clamp_min_scalar_cpu");
    "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor" [CLAMP] grad "ClampMaxBackward1"
        "Each element, but at most the element of `max`." => |a| clamp(a, None, Some(1), "clamp_max_scalar_cpu");
    "clamp_max(Tensor self, Scalar max) -> Tensor" [CLAMP | EXACT]
        "Each element, but at most `max`." => |a| clamp(a, None, Some(1), "clamp_max_scalar_cpu");
}
