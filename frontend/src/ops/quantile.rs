//! Elements in the middle of an order by fractions of it, and the most frequent ones.

use super::axes::{require_elements, single};
use super::extrema::pick_along;
use super::operands::keep;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Running, Scalar};
use rustorch_ir::{DType, Literal, Shape};

/// How a quantile between two elements is found.
fn check_interpolation(name: &str, given: &str) -> Result<()> {
    if ["linear", "lower", "higher", "midpoint", "nearest"].contains(&given) {
        return Ok(());
    }
    runtime(format!(
        "{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {given}"
    ))
}

/// Quantiles of rows (R, n) in order at `q` (Q): (Q, R). A row with NaN is NaN, or they are left out.
fn of_rows(sorted: &Recorded, q: &Recorded, interpolation: &str, ignore_nan: bool) -> Result<Recorded> {
    let (rows, extent, wanted) = (sorted.shape()[0].get(), sorted.shape()[1].get(), q.shape()[0].get());
    let shape = Shape::from_sizes(&[rows, wanted]);
    let plain = sorted.stop_gradient()?;
    let numbers = plain.eq(&plain)?.cast(DType::I64)?.reduce_keep(Combine::Add, &[1])?;
    let last = |n: &Recorded| n.sub(&n.literal_int(1))?.map2(Scalar::Max, &n.literal_int(0))?.cast(q.dtype());
    let end = q.literal(extent as f64 - 1.0);
    let rank = if ignore_nan {
        q.mul(&last(&numbers)?)?
    } else {
        let whole = numbers.lt(&numbers.literal_int(extent as i64))?;
        whole.select(&end, &q.mul(&end)?)?
    };
    let rank = rank.expand(&shape)?;
    let rank = match interpolation {
        "lower" => rank.map1(Scalar::Floor)?,
        "higher" => rank.map1(Scalar::Ceil)?,
        "nearest" => rank.map1(Scalar::Round)?,
        _ => rank,
    };
    // A quantile that is no number is caught before it is an index.
    let rank = rank.map2(Scalar::Max, &rank.literal(0.0))?.map2(Scalar::Min, &end)?;
    let below = rank.map1(Scalar::Floor)?;
    let first = pick_along(sorted, &below.cast(DType::I64)?, 1)?;
    if !matches!(interpolation, "linear" | "midpoint") {
        return first.transpose(0, 1);
    }
    let above = rank.map1(Scalar::Ceil)?;
    let second = pick_along(sorted, &above.cast(DType::I64)?, 1)?;
    let share = if interpolation == "midpoint" { rank.literal(0.5) } else { rank.sub(&below)? };
    let apart = second.sub(&first)?;
    let near = share.lt(&share.literal(0.5))?;
    let from_first = first.add(&share.mul(&apart)?)?;
    let from_second = second.sub(&apart.mul(&share.literal(1.0).sub(&share)?)?)?;
    near.select(&from_first, &from_second)?.transpose(0, 1)
}

fn quantile(a: &Args<'_>, name: &str, q: &Recorded, ignore_nan: bool) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    if x.numel() == 0 {
        return runtime(format!("{name}() input tensor must be non-empty"));
    }
    if q.rank() > 1 {
        return runtime(format!("{name}() q must be a scalar or 1D tensor"));
    }
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        return Err(Error::DType(format!("{name}() input tensor must be either float or double dtype")));
    }
    if x.dtype() != q.dtype() {
        return Err(Error::DType(format!("{name}() q tensor must be same dtype as the input tensor")));
    }
    let interpolation = a.string(4);
    check_interpolation(name, interpolation)?;
    let (dim, keepdim) = (a.opt_int(2), a.bool(3));
    let axis = dim.map(|dim| wrap_axis(dim, x.rank())).transpose()?;
    let rank = x.rank();
    let (seen, kept, dropped): (Recorded, Shape, Shape) = match axis.filter(|_| rank > 0) {
        None => {
            let ones: Shape = (0..rank).map(|_| 1usize).collect();
            (x.reshape(&Shape::from_sizes(&[1, x.numel()]))?, ones, Shape::scalar())
        }
        Some(axis) => {
            let mut order: Vec<usize> = (0..rank).filter(|&a| a != axis).collect();
            order.push(axis);
            let extent = x.shape()[axis].get();
            let rest: Shape = order[..rank - 1].iter().map(|&a| x.shape()[a].get()).collect();
            let kept = (0..rank).map(|a| if a == axis { 1 } else { x.shape()[a].get() }).collect();
            let rows = Shape::from_sizes(&[x.numel() / extent, extent]);
            (x.permute(&order)?.reshape(&rows)?, kept, rest)
        }
    };
    let extent = seen.shape()[1].get();
    let attributes = [u64::from(ignore_nan), interpolation.len() as u64, interpolation.as_bytes()[0].into()];
    let points = q.reshape(&Shape::from_sizes(&[q.numel()]))?;
    // Elsewhere the quantile does not move with its fraction, and torch gives that no gradient.
    let points = if interpolation == "linear" { points } else { points.detach() };
    let (sorted, _) = seen.sort(1, false, 0..extent)?;
    let value = Composition { name: "quantile", attributes: &attributes }
        .record(&[&sorted, &points], |x| of_rows(&x[0], &x[1], interpolation, ignore_nan))?;
    let lead = if q.rank() == 1 { Some(q.numel()) } else { None };
    let rest = if keepdim { &kept } else { &dropped };
    let shape: Shape = lead.into_iter().chain(rest.iter().map(|d| d.get())).collect();
    let out = Tensor::from_value(value.reshape(&shape)?)?;
    keep(a, &[0])?;
    Ok(out)
}

fn quantile_of_number(a: &Args<'_>, name: &str, ignore_nan: bool) -> Result<Tensor> {
    let q = a.float(1);
    if !(0.0..=1.0).contains(&q) {
        return runtime(format!("{name}() q must be in the range [0, 1] but got {q}"));
    }
    quantile(a, name, &Number::Float(q).recorded(a.tensor(0).dtype()), ignore_nan)
}

fn quantile_of_tensor(a: &Args<'_>, name: &str, ignore_nan: bool) -> Result<Tensor> {
    let q = a.tensor(1).read()?;
    if q.dtype() == a.tensor(0).dtype() && q.rank() <= 1 && q.numel() > 0 {
        let plain = q.detach();
        let inside = plain.literal(0.0).le(&plain)?.map2(Scalar::And, &plain.le(&plain.literal(1.0))?)?;
        let all = if q.rank() == 0 { inside } else { inside.reduce(Combine::Min, &[0])? };
        if super::indexing::known::integer(&Tensor::from_value(all)?)? == 0 {
            return runtime(format!("{name}() q values must be in the range [0, 1]"));
        }
    }
    quantile(a, name, &q, ignore_nan)
}

/// The element that occurs most often along an axis, the smallest of several, and the last place where it does.
fn mode(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let (dim, keepdim) = (a.int(1), a.bool(2));
    let axis = single(x.rank(), dim)?;
    require_elements("mode", &x, Some(&[dim]), axis.as_slice())?;
    let Some(axis) = axis else {
        let zero = Recorded::constant(Literal::from_i64(DType::I64, 0));
        return Ok((Tensor::from_value(x)?, Tensor::from_value(zero)?));
    };
    let extent = x.shape()[axis].get();
    let (sorted, places) = x.detach().sort(axis, false, 0..extent)?;
    let place =
        Composition { name: "mode", attributes: &[axis as u64] }.record(&[&sorted, &places], |x| {
            let (sorted, places) = (&x[0], &x[1]);
            let rank = sorted.rank();
            let line: Shape = (0..rank).map(|a| if a == axis { extent } else { 1 }).collect();
            let number = Recorded::iota(extent)?.reshape(&line)?;
            let before = number.sub(&number.literal_int(1))?.map2(Scalar::Max, &number.literal_int(0))?;
            let before = before.expand(sorted.shape())?;
            let same = pick_along(sorted, &before, axis)?.eq(sorted)?;
            let first = number.eq(&number.literal_int(0))?;
            let begins = first.map2(Scalar::Or, &same.map1(Scalar::Not)?)?;
            // Where the run of equal elements began: the latest beginning so far.
            let mark = begins.select(&number, &number.literal_int(0))?;
            let start = pick_along(&mark, &mark.scan(Running::ArgMax, axis)?, axis)?;
            let best = number.sub(&start)?.arg_reduce(true, axis)?;
            pick_along(places, &best.unsqueeze(axis)?, axis)
        })?;
    let value = pick_along(&x, &place, axis)?;
    let (value, place) = if keepdim { (value, place) } else { (value.squeeze(axis)?, place.squeeze(axis)?) };
    let out = (Tensor::from_value(value)?, Tensor::from_value(place)?);
    a.save_result(&out.1)?;
    Ok(out)
}

crate::entries! {
    "quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor"
        [FUNCTION | METHOD | OUT | EXACT] grad "SqueezeBackward4"
        "The elements at the fractions `q`, in 0 .. 1, of the order along `dim`, or of all elements; between two of them by \
         `interpolation`: linear, lower, higher, midpoint, nearest. With a 1-D `q` its axis is the first. Rows with NaN \
         give NaN. float32 and float64 only." => |a| quantile_of_tensor(a, "quantile", false);
    "quantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor"
        [FUNCTION | METHOD | OUT | EXACT] grad "SqueezeBackward4"
        "The element at the fraction `q` of the order." => |a| quantile_of_number(a, "quantile", false);
    "nanquantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor"
        [FUNCTION | METHOD | OUT | EXACT] grad "SqueezeBackward4"
        "As `quantile`, of the elements that are not NaN." => |a| quantile_of_tensor(a, "quantile", true);
    "nanquantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor"
        [FUNCTION | METHOD | OUT | EXACT] grad "SqueezeBackward4"
        "As `quantile`, of the elements that are not NaN." => |a| quantile_of_number(a, "quantile", true);
    "mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD | OUT | EXACT]
        grad "ModeBackward0"
        "The most frequent element along `dim`, the smallest of several, and the last place where it stands." => |a| mode(a);
}
