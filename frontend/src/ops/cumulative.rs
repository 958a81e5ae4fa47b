//! Running sums, products and extremes along an axis.

use super::axes::single;
use super::extrema::pick_along;
use super::operands::{keep, not_implemented};
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::promote::{largest, to_sum, type_name};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::op::{Running, Scalar, Span};
use smallvec::SmallVec;

/// `running` of `x` along an axis; a 0-d value is all that it has.
fn along(x: &Recorded, running: Running, axis: Option<usize>) -> Result<Recorded> {
    match axis {
        _ if x.dtype() == DType::Bool
            && x.numel() <= 1
            && running != Running::ArgMax
            && running != Running::ArgMin =>
        {
            Ok(x.clone())
        }
        Some(axis) => x.scan(running, axis),
        None => x.unsqueeze(0)?.scan(running, 0)?.squeeze(0),
    }
}

/// The dtype in which sums and products run: the one asked for, that of what is overwritten, or int64 for whole
/// numbers.
fn chosen(a: &Args<'_>, name: &str) -> Result<DType> {
    let own = a.tensor(0).dtype();
    let dtype = match a.opt_dtype(2) {
        Some(dtype) if a.in_place() && dtype != own => {
            return runtime(format!(
                "Bad in-place call: input tensor dtype {} and output tensor dtype {} should match",
                type_name(own),
                type_name(dtype)
            ));
        }
        Some(dtype) => dtype,
        None if a.in_place() => own,
        None => to_sum(own),
    };
    // Where there is nothing to add, torch runs no kernel.
    let runs = a.tensor(0).dim() > 0 && a.tensor(0).numel() > 0;
    if dtype == DType::Bool && runs { not_implemented(&format!("{name}_out_cpu"), dtype) } else { Ok(dtype) }
}

pub(crate) fn cumsum_of(x: &Recorded, axis: usize) -> Result<Recorded> {
    x.scan(Running::Sum, axis)
}

fn cumsum(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let axis = single(x.rank(), a.int(1))?;
    Tensor::from_value(along(&x.cast(chosen(a, "cumsum")?)?, Running::Sum, axis)?)
}

fn cumprod(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let axis = single(x.rank(), a.int(1))?;
    let factors = x.cast(chosen(a, "cumprod")?)?;
    // The derivative of a single element is constant, as torch has it.
    let single = factors.numel() <= 1 && factors.dtype().is_float();
    let value = if single { factors.mul_literal(1.0)? } else { along(&factors, Running::Prod, axis)? };
    let out = Tensor::from_value(value)?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

/// The running extremum's index, and the elements there: the gradient goes to them.
fn extremum(a: &Args<'_>, name: &str, running: Running) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let dim = a.int(1);
    if x.rank() == 0 && !(-1..=0).contains(&dim) {
        let message = format!("{name}(): Expected reduction dim -1 or 0 for scalar but got {dim}");
        return Err(Error::Index(message));
    }
    let axis = single(x.rank(), dim)?;
    let index = along(&x.detach(), running, axis)?;
    let values = match axis {
        Some(axis) => pick_along(&x, &index, axis)?,
        None => x,
    };
    Ok((Tensor::from_value(values)?, Tensor::from_value(index)?))
}

/// What stands before each place along an axis, and `fill` before the first.
fn before(x: &Recorded, axis: usize, fill: f64) -> Result<Recorded> {
    let extent = x.shape()[axis].get();
    let mut spans: SmallVec<[Span; 4]> = x.shape().iter().map(|d| Span::all(d.get())).collect();
    spans[axis] = Span { start: 1, step: 1, size: extent as u64 - 1 };
    x.narrow(axis, 0, extent - 1)?.pad(&spans, x.shape(), &x.literal(fill))
}

/// `log(cumsum(exp(x)))`. Each exponential is taken from the maximum so far; when that grows, the sum shrinks.
fn log_of_sums(x: &Recorded, axis: usize) -> Result<Recorded> {
    let dtype = x.dtype();
    let wide = if dtype == DType::F32 { DType::F64 } else { dtype.accumulator() };
    let most = pick_along(x, &x.scan(Running::ArgMax, axis)?, axis)?.stop_gradient()?.cast(wide)?;
    // From infinities no difference can be taken; the last finite numbers do as well.
    let bound = largest(wide);
    let most = most.map2(Scalar::Max, &most.literal(-bound))?.map2(Scalar::Min, &most.literal(bound))?;
    let shrinks = before(&most, axis, -bound)?.sub(&most)?.map1(Scalar::Exp)?;
    let terms = x.cast(wide)?.sub(&most)?.map1(Scalar::Exp)?;
    shrinks.scan_linear(&terms, axis)?.map1(Scalar::Log)?.add(&most)?.cast(dtype)
}

fn logcumsumexp(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let axis = single(x.rank(), a.int(1))?;
    if !x.dtype().is_float() {
        return not_implemented("logcumsumexp_out_cpu", x.dtype());
    }
    let value = match axis {
        Some(axis) if x.numel() > 0 => {
            let attributes = [axis as u64];
            let composition = Composition { name: "logcumsumexp", attributes: &attributes };
            composition.record(&[&x], |x| log_of_sums(&x[0], axis))?
        }
        _ => x.add(&x.literal(0.0))?,
    };
    let out = Tensor::from_value(value)?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

crate::entries! {
    "cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT]
        "The sum along an axis up to each element. Whole numbers and bools add up in int64 unless `dtype` says \
         otherwise; the elements are converted first." => |a| cumsum(a);
    "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT]
        "The product along an axis up to each element; whole numbers multiply in int64." => |a| cumprod(a);
    "cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD | OUT | EXACT]
        "The maximum along an axis up to each element, and the index of the last of equal ones; NaN counts as the \
         maximum. The gradient goes to that element." => |a| extremum(a, "cummax", Running::ArgMax);
    "cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD | OUT | EXACT]
        "The minimum along an axis up to each element, and the index of the last of equal ones; NaN counts as the \
         minimum. The gradient goes to that element." => |a| extremum(a, "cummin", Running::ArgMin);
    "logcumsumexp(Tensor self, int dim) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "`log(cumsum(exp(x)))` along an axis, without overflow." => |a| logcumsumexp(a);
}
