//! Elements in order, the first few of them, and those in the middle.

use super::axes::{require_elements, single};
use super::extrema::pick_along;
use super::operands::not_implemented;
use super::pointwise::is_nan;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal};

/// The elements along the axis that `dim` names in order, and their places.
fn in_order(a: &Args<'_>, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let (values, places) = match single(x.rank(), dim)? {
        Some(axis) => x.sort(axis, descending, 0..x.shape()[axis].get())?,
        None => alone(&x)?,
    };
    let laid = |v: Recorded| super::layout::finish(v, &[a.tensor(0)]);
    let out = (laid(values)?, laid(places)?);
    a.save_result(&out.1)?;
    Ok(out)
}

/// A number by itself, and its place.
fn alone(x: &Recorded) -> Result<(Recorded, Recorded)> {
    Ok((x.clone(), Recorded::constant(Literal::from_i64(DType::I64, 0))))
}

fn finish(a: &Args<'_>, values: Recorded, places: Recorded) -> Result<(Tensor, Tensor)> {
    let out = (Tensor::from_value(values)?, Tensor::from_value(places)?);
    a.save_result(&out.1)?;
    Ok(out)
}

fn top(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let (k, axis) = (a.int(1), single(x.rank(), a.int(2))?);
    let extent = axis.map_or(1, |axis| x.shape()[axis].get());
    let Ok(k) = usize::try_from(k).map_err(drop).and_then(|k| if k <= extent { Ok(k) } else { Err(()) })
    else {
        return runtime("selected index k out of range");
    };
    if x.dtype() == DType::Bool {
        return Err(Error::NotImplemented("topk does not support bool dtypes on CPU".into()));
    }
    let (values, places) = match axis {
        Some(axis) => x.sort(axis, a.bool(3), 0..k)?,
        None => alone(&x)?,
    };
    finish(a, values, places)
}

/// The elements of `x` that `place`, of extent 1 along the axis, says, and `place`; without the axis, if asked for.
fn picked(
    a: &Args<'_>,
    x: &Recorded,
    place: &Recorded,
    axis: usize,
    keepdim: bool,
) -> Result<(Tensor, Tensor)> {
    let (values, place) = (pick_along(x, place, axis)?, place.clone());
    if keepdim { finish(a, values, place) } else { finish(a, values.squeeze(axis)?, place.squeeze(axis)?) }
}

fn kth(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let (k, dim) = (a.int(1), a.int(2));
    let axis = single(x.rank(), dim)?;
    require_elements("kthvalue", &x, Some(&[dim]), axis.as_slice())?;
    let extent = axis.map_or(1, |axis| x.shape()[axis].get());
    let Some(k) = usize::try_from(k).ok().filter(|k| (1..=extent).contains(k)) else {
        let at = axis.unwrap_or(0);
        return runtime(format!("kthvalue(): selected number k out of range for dimension {at}"));
    };
    let Some(axis) = axis else {
        let (values, places) = alone(&x)?;
        return finish(a, values, places);
    };
    if x.dtype() == DType::Bool {
        return not_implemented("kthvalue_cpu", x.dtype());
    }
    let (_, place) = x.detach().sort(axis, false, k - 1..k)?;
    picked(a, &x, &place, axis, a.bool(3))
}

/// Where along the axis the median is, with extent 1: the lower one of an even number. The first NaN is the median if
/// there is one, or, where NaNs are left out, if there is nothing else.
fn place_of_median(x: &Recorded, axis: usize, ignore_nan: bool) -> Result<Recorded> {
    let x = x.detach();
    let extent = x.shape()[axis].get();
    let number = |n: i64| Recorded::constant(Literal::from_i64(DType::I64, n));
    let numbers = || x.eq(&x)?.cast(DType::I64)?.reduce_keep(Combine::Add, &[axis]);
    if x.dtype().is_float() && ignore_nan {
        let (_, places) = x.sort(axis, false, 0..extent)?;
        let last = numbers()?.sub(&number(1))?.map2(Scalar::Max, &number(0))?;
        return pick_along(&places, &last.map2(Scalar::FloorDiv, &number(2))?, axis);
    }
    let middle = (extent - 1) / 2;
    let (_, place) = x.sort(axis, false, middle..middle + 1)?;
    if !x.dtype().is_float() {
        return Ok(place);
    }
    let nan = x.arg_reduce(true, axis)?.reshape(place.shape())?;
    numbers()?.lt(&number(extent as i64))?.select(&nan, &place)
}

fn median_along(a: &Args<'_>, name: &str, ignore_nan: bool) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    let dim = a.int(1);
    let axis = single(x.rank(), dim)?;
    require_elements(name, &x, Some(&[dim]), axis.as_slice())?;
    supported(&x)?;
    match axis {
        Some(axis) => picked(a, &x, &place_of_median(&x, axis, ignore_nan)?, axis, a.bool(2)),
        None => alone(&x).and_then(|(values, places)| finish(a, values, places)),
    }
}

fn supported(x: &Recorded) -> Result<()> {
    if x.dtype() == DType::Bool { not_implemented("median_cpu", x.dtype()) } else { Ok(()) }
}

/// The median of all elements; those that are equal to it share the gradient.
fn median_of_all(a: &Args<'_>, ignore_nan: bool) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    if x.numel() == 0 {
        // Of integers what processors make of NaN.
        let nothing = Recorded::constant(match x.dtype() {
            DType::I32 => Literal::from_i64(DType::I32, i32::MIN.into()),
            DType::I64 => Literal::from_i64(DType::I64, i64::MIN),
            DType::Bool => Literal::from_i64(DType::Bool, 1),
            dtype => Literal::from_f64(dtype, f64::NAN),
        });
        let all: Vec<usize> = (0..x.rank()).collect();
        let value = if x.tracks() { x.reduce(Combine::Add, &all)?.add(&nothing)? } else { nothing };
        return Tensor::from_value(value);
    }
    supported(&x)?;
    let attributes = [u64::from(ignore_nan)];
    let composition = Composition { name: "median", attributes: &attributes };
    let value = |x: &[Recorded]| {
        let line = x[0].flatten()?;
        pick_along(&line, &place_of_median(&line, 0, ignore_nan)?, 0)?.squeeze(0)
    };
    let out = if x.dtype().is_float() {
        composition.record_with_gradient(&[&x], value, |x, y, g| {
            let nan = is_nan(&x[0])?.map2(Scalar::And, &is_nan(y)?)?;
            let chosen = x[0].eq(y)?.map2(Scalar::Or, &nan)?;
            let all: Vec<usize> = (0..x[0].rank()).collect();
            let share = g.div(&chosen.cast(g.dtype())?.reduce(Combine::Add, &all)?)?;
            Ok(vec![chosen.select(&share, &g.literal(0.0))?])
        })?
    } else {
        composition.record(&[&x], value)?
    };
    let out = Tensor::from_value(out)?;
    super::operands::keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

const SORT: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | OUT | EXACT
};
const PLACES: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD
};

crate::entries! {
    "sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)" [SORT]
        "The elements along an axis in order, and where they were. Equal elements stay in order; NaN counts as the \
         largest number." => |a| in_order(a, a.int(1), a.bool(2));
    "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)" [SORT]
        "The same: sorting is always stable." => |a| in_order(a, a.int(2), a.bool(3));
    "argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor" [PLACES]
        "The places of the elements along an axis in their order." => |a| Ok(in_order(a, a.int(1), a.bool(2))?.1);
    "argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor" [PLACES]
        "The same: sorting is always stable." => |a| Ok(in_order(a, a.int(2), a.bool(3))?.1);
    "msort(Tensor self) -> Tensor" [SORT] grad "SortBackward0"
        "The elements along the first axis in order." => |a| Ok(in_order(a, 0, false)?.0);
    "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)" [SORT]
        "The `k` largest (or smallest) elements along an axis in order, and where they were; NaN counts as the largest \
         number. They are in order even if `sorted` is false." => |a| top(a);
    "kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)" [SORT]
        "The `k`-th smallest element along an axis, counted from 1, and where it was." => |a| kth(a);
    "median(Tensor self) -> Tensor" [FUNCTION | METHOD]
        "The median of all elements, the lower one of an even number; NaN if there is one. Equal elements share the \
         gradient." => |a| median_of_all(a, false);
    "median.dim(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)" [SORT] grad "MedianBackward1"
        "The median along an axis, the lower one of an even number, and where it was; NaN if there is one."
        => |a| median_along(a, "median", false);
    "nanmedian(Tensor self) -> Tensor" [FUNCTION | METHOD]
        "As `median`, without the NaNs." => |a| median_of_all(a, true);
    "nanmedian.dim(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)" [SORT] grad "NanmedianBackward1"
        "As `median`, without the NaNs." => |a| median_along(a, "nanmedian", true);
}
