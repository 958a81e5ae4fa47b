//! Sums, products and tests along axes.

use super::axes::{extent, reduce, reduced};
use super::operands::{Keeps, keep, not_implemented};
use super::pointwise::is_nan;
use crate::error::{Error, Result, runtime};
use crate::promote::to_sum;
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Span;
use rustorch_ir::{DType, Shape};

/// The first argument in the dtype of its sum: the one asked for, or int64 for whole numbers.
fn summand(a: &Args<'_>, dtype: Option<DType>) -> Result<Recorded> {
    let x = a.tensor(0).read()?;
    x.cast(dtype.unwrap_or_else(|| to_sum(x.dtype())))
}

pub(crate) fn sum(a: &Args<'_>, dims: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let x = summand(a, dtype)?;
    let axes = reduced(x.rank(), dims)?;
    Tensor::from_value(reduce(&x, Combine::Add, &axes, keepdim)?)
}

fn nansum(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let (dims, dtype) = (a.opt_ints(1), a.opt_dtype(3).unwrap_or_else(|| to_sum(x.dtype())));
    let numbers = if x.dtype().is_float() { is_nan(&x)?.select(&x.literal(0.0), &x)? } else { x };
    let axes = reduced(numbers.rank(), dims)?;
    let out = Tensor::from_value(reduce(&numbers.cast(dtype)?, Combine::Add, &axes, a.bool(2))?)?;
    keep(a, &[0])?;
    Ok(out)
}

fn nanmean(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    if !x.dtype().is_float() {
        return Err(Error::NotImplemented(format!(
            "nanmean(): expected input to have floating point or complex dtype but got {}",
            x.dtype().scalar_type_name()
        )));
    }
    let axes = reduced(x.rank(), a.opt_ints(1))?;
    let dtype = a.opt_dtype(3).unwrap_or(x.dtype());
    let missing = is_nan(&x)?;
    let counted = missing.map1(rustorch_ir::op::Scalar::Not)?.cast(DType::I64)?;
    let sum = reduce(&missing.select(&x.literal(0.0), &x)?.cast(dtype)?, Combine::Add, &axes, a.bool(2))?;
    let count = reduce(&counted, Combine::Add, &axes, a.bool(2))?;
    let out = Tensor::from_value(sum.div(&count.cast(sum.dtype())?)?)?;
    keep(a, &[0])?;
    Ok(out)
}

/// The mean of floats: the sum, divided.
pub(crate) fn mean_of(x: &Recorded, axes: &[usize], keepdim: bool) -> Result<Recorded> {
    let sum = reduce(x, Combine::Add, axes, keepdim)?;
    let count = extent(x.shape(), axes);
    match count {
        0 => return sum.add_literal(f64::NAN),
        1 => return Ok(sum),
        _ => {}
    }
    let wide = sum.cast(x.dtype().accumulator())?;
    wide.div(&wide.literal(count as f64))?.cast(x.dtype())
}

fn mean(a: &Args<'_>, dims: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let (what, chosen) = match dtype {
        Some(dtype) => ("Optional dtype", dtype),
        None => ("Input dtype", x.dtype()),
    };
    if !chosen.is_float() {
        return Err(Error::NotImplemented(format!(
            "mean(): could not infer output dtype. {what} must be either a floating point or complex dtype. Got: {}",
            chosen.scalar_type_name()
        )));
    }
    let axes = reduced(x.rank(), dims)?;
    Tensor::from_value(mean_of(&x.cast(chosen)?, &axes, keepdim)?)
}

fn prod(a: &Args<'_>, dim: Option<i64>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let x = summand(a, dtype)?;
    let axes = reduced(x.rank(), dim.as_ref().map(std::slice::from_ref))?;
    let out = Tensor::from_value(reduce(&x, Combine::Mul, &axes, keepdim)?)?;
    keep(a, &[0])?;
    Keeps::Result.save(a, &out)?;
    Ok(out)
}

/// any and all: bools, but uint8 of uint8. No axis at all is none to combine along, unlike elsewhere.
fn test(a: &Args<'_>, combine: Combine) -> Result<Tensor> {
    let x = a.tensor(0).read()?.detach();
    let axes = match a.opt_ints(1) {
        Some(dims) => super::axes::named(x.rank(), dims)?,
        None => (0..x.rank()).collect(),
    };
    let result = if x.dtype() == DType::U8 { DType::U8 } else { DType::Bool };
    Tensor::from_value(reduce(&x.cast(DType::Bool)?, combine, &axes, a.bool(2))?.cast(result)?)
}

fn count_nonzero(a: &Args<'_>, dims: Option<&[i64]>) -> Result<Tensor> {
    let x = a.tensor(0).read()?.detach();
    let axes = reduced(x.rank(), dims)?;
    Tensor::from_value(reduce(&x.cast(DType::Bool)?.cast(DType::I64)?, Combine::Add, &axes, false)?)
}

/// The maximum along `axes` from which exponents are taken; infinities would give NaN and count as 0.
fn offset(x: &Recorded, axes: &[usize]) -> Result<Recorded> {
    let most = reduce(&x.detach(), Combine::Max, axes, true)?;
    let infinite = most.map1(rustorch_ir::op::Scalar::Abs)?.eq(&most.literal(f64::INFINITY))?;
    infinite.select(&most.literal(0.0), &most)
}

fn logsumexp(a: &Args<'_>) -> Result<Tensor> {
    use rustorch_ir::op::Scalar;
    let x = super::operands::float(&a.tensor(0).read()?)?;
    let (dims, keepdim) = (a.ints(1), a.bool(2));
    if dims.is_empty() && x.rank() > 0 {
        let ones: Shape = x.shape().iter().map(|_| 1usize).collect();
        return runtime(format!("output with shape [] doesn't match the broadcast shape {ones}"));
    }
    let axes = reduced(x.rank(), Some(dims))?;
    let value = if x.numel() == 0 {
        let nothing = reduce(&x, Combine::Add, &axes, true)?;
        nothing.and_flat_in(&[&x])?.add_literal(f64::NEG_INFINITY)?
    } else {
        let most = offset(&x, &axes)?;
        let sum = reduce(&x.sub(&most)?.map1(Scalar::Exp)?, Combine::Add, &axes, true)?;
        sum.map1(Scalar::Log)?.add(&most)?
    };
    let value = if keepdim { value } else { dropped(&value, &axes)? };
    let out = Tensor::from_value(value)?;
    keep(a, &[0])?;
    Keeps::Result.save(a, &out)?;
    Ok(out)
}

/// Without these axes, which have extent 1.
pub(crate) fn dropped(x: &Recorded, axes: &[usize]) -> Result<Recorded> {
    let shape: Shape =
        x.shape().iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect();
    x.reshape(&shape)
}

fn trace(a: &Args<'_>) -> Result<Tensor> {
    if a.tensor(0).dtype() == DType::Bool {
        return not_implemented("trace", DType::Bool);
    }
    let x = summand(a, None)?;
    if x.rank() != 2 {
        return runtime(format!("trace: expected a matrix, but got tensor with dim {}", x.rank()));
    }
    let (rows, columns) = (x.shape()[0].get(), x.shape()[1].get());
    let diagonal = Span { start: 0, step: columns as i64 + 1, size: rows.min(columns) as u64 };
    let flat = x.flatten()?;
    Tensor::from_value(flat.slice(&[diagonal])?.sum(&[0])?)
}

crate::entries! {
    "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD]
        "The sum of all elements, as a 0-d tensor. Whole numbers and bools add up in int64 unless `dtype` says \
         otherwise; the elements are converted first." => |a| sum(a, None, false, a.opt_dtype(1));
    "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | METHOD | OUT] grad "SumBackward1"
        "The sum along the axes `dim` (all, if empty or None), which disappear, or stay with extent 1."
        => |a| sum(a, a.opt_ints(1), a.bool(2), a.opt_dtype(3));
    "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | METHOD | OUT]
        "As `sum`, with NaN counted as 0." => |a| nansum(a);
    "nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | METHOD | OUT] grad "DivBackward0"
        "The mean of the elements that are numbers. Floats only." => |a| nanmean(a);
    "mean(Tensor self, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD]
        "The mean of all elements; NaN of none. Whole numbers need a float `dtype`."
        => |a| mean(a, None, false, a.opt_dtype(1));
    "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | METHOD | OUT] grad "MeanBackward1"
        "The mean along the axes `dim` (all, if empty or None), which disappear, or stay with extent 1."
        => |a| mean(a, a.opt_ints(1), a.bool(2), a.opt_dtype(3));
    "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD]
        "The product of all elements; whole numbers multiply in int64." => |a| prod(a, None, false, a.opt_dtype(1));
    "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | METHOD | OUT] grad "ProdBackward1"
        "The product along one axis." => |a| prod(a, Some(a.int(1)), a.bool(2), a.opt_dtype(3));
    "any.dims(Tensor self, int[1]? dim=None, bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT]
        "Whether any element (along the axes `dim`) is not zero: bool, or uint8 for uint8." => |a| test(a, Combine::Or);
    "all.dims(Tensor self, int[1]? dim=None, bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT]
        "Whether all elements (along the axes `dim`) are not zero: bool, or uint8 for uint8."
        => |a| test(a, Combine::And);
    "count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor" [FUNCTION | METHOD]
        "How many elements along the axes `dim` are not zero, in int64." => |a| count_nonzero(a, Some(a.ints(1)));
    "count_nonzero(Tensor self, int? dim=None) -> Tensor" [FUNCTION | METHOD]
        "How many elements (along the axis `dim`) are not zero, in int64."
        => |a| count_nonzero(a, a.opt_int(1).as_ref().map(std::slice::from_ref));
    "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT]
        "`log(sum(exp(x)))` along axes, without overflow; -inf of nothing." => |a| logsumexp(a);
    "trace(Tensor self) -> Tensor" [FUNCTION | METHOD]
        "The sum of a matrix's diagonal." => |a| trace(a);
}
