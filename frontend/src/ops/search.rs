//! Places in sorted sequences, and counts of numbers.

use super::indexing::known::integer;
use super::operands::{not_implemented, without_derivative};
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::promote::Promotion;
use crate::record::Recorded;
use crate::registry::{Args, Operand};
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Picks;
use rustorch_ir::{DType, Literal, Shape};

/// The elements of `sorted` at `index`, which has its axes but for the last, or any if that is the only one.
fn at(sorted: &Recorded, index: &Recorded) -> Result<Recorded> {
    let last = sorted.rank() as u8 - 1;
    sorted.gather(
        index,
        Picks { axis: last, data: (0..last).collect(), index: (0..index.rank() as u8).collect() },
    )
}

/// How many elements of `sorted` stand before each of `values`: those that are less, or if `right` not greater. The
/// steps of the search are powers of two, each of which is taken or not.
pub(super) fn places(sorted: &Recorded, values: &Recorded, right: bool) -> Result<Recorded> {
    let extent = sorted.shape()[sorted.rank() - 1].get();
    let dtype = if extent < 1 << 30 { DType::I32 } else { DType::I64 };
    let mut place = Recorded::full(Literal::from_i64(dtype, 0), values.shape())?;
    if extent == 0 {
        return Ok(place);
    }
    let end = place.literal_int(extent as i64);
    for step in (0..=extent.ilog2()).rev() {
        let next = place.add(&place.literal_int(1 << step))?;
        let last = next.map2(rustorch_ir::op::Scalar::Min, &end)?.sub(&place.literal_int(1))?;
        let element = at(sorted, &last)?;
        let stops = if right { values.lt(&element)? } else { values.le(&element)? };
        let taken = stops.select(&place, &next)?;
        place = next.le(&end)?.select(&taken, &place)?;
    }
    Ok(place)
}

/// Where `values` belong in `sorted`, whose last axis ascends.
fn search(sorted: &Tensor, values: Operand<'_>, right: bool, narrow: bool) -> Result<Tensor> {
    let dtype = Promotion::default().operand(Operand::Tensor(sorted)).operand(values).dtype();
    let sorted = sorted.read()?.detach().cast(dtype)?;
    let values = match values {
        Operand::Tensor(t) => t.read()?.detach().cast(dtype)?,
        Operand::Number(n) => n.recorded(dtype),
    };
    if dtype == DType::Bool && values.numel() > 0 {
        return not_implemented("searchsorted_out_cpu", dtype);
    }
    let attributes = [u64::from(right)];
    let composition = Composition { name: "searchsorted", attributes: &attributes };
    let place = composition.record(&[&sorted, &values], |x| places(&x[0], &x[1], right))?;
    Tensor::from_value(place.cast(if narrow { DType::I32 } else { DType::I64 })?)
}

/// `right`, or what `side` says.
fn side(right: bool, side: Option<&str>) -> Result<bool> {
    match side {
        None => Ok(right),
        Some("right") => Ok(true),
        Some("left") if right => runtime(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True",
        ),
        Some("left") => Ok(false),
        Some(other) => {
            runtime(format!("torch.searchsorted(): side can only be 'left' or 'right' but got {other}"))
        }
    }
}

/// The sequence in the order of `sorter`.
fn in_order(sequence: &Tensor, sorter: &Tensor) -> Result<Tensor> {
    let (own, given) = (sequence.sizes(), sorter.sizes());
    if own != given {
        let message = format!(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor {own}and got \
             sorter tensor {given}"
        );
        return Err(Error::shapes(message, &own, &given));
    }
    if sorter.dtype() != DType::I64 {
        return runtime(format!(
            "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {}",
            sorter.dtype().scalar_type_name()
        ));
    }
    let order = sorter.read()?;
    if order.numel() > 0 {
        let axes: Vec<usize> = (0..order.rank()).collect();
        let extreme = |combine| integer(&Tensor::from_value(order.reduce(combine, &axes)?)?);
        let extent = own[own.rank() - 1].get() as i64;
        if extreme(Combine::Min)? < 0 || extreme(Combine::Max)? >= extent {
            return runtime("torch.searchsorted(): sorter index out of range");
        }
    }
    Tensor::from_value(super::extrema::pick_along(&sequence.read()?, &order, own.rank() - 1)?)
}

fn searchsorted(a: &Args<'_>) -> Result<Tensor> {
    let (sequence, values) = (a.tensor(0), a.operand(1));
    let right = side(a.bool(3), a.opt_string(4))?;
    let own = sequence.sizes();
    if own.rank() == 0 {
        return runtime(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension",
        );
    }
    let given = match values {
        Operand::Tensor(t) => t.sizes(),
        Operand::Number(_) => Shape::scalar(),
    };
    if own.rank() > 1 && given.rank() == 0 {
        return runtime(format!(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got \
             boundaries tensor dim({}) and input value's dim(0) numel(1)",
            own.rank()
        ));
    }
    let last = own.rank() - 1;
    if last > 0 && (given.rank() != own.rank() || given[..last] != own[..last]) {
        let message = format!(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries \
             tensor and input value tensor must match, but we got boundaries tensor {own} and input value tensor \
             {given}"
        );
        return Err(Error::shapes(message, &own, &given));
    }
    let sorted = match a.opt_tensor(5) {
        Some(sorter) => in_order(sequence, sorter)?,
        None => sequence.clone(),
    };
    search(&sorted, values, right, a.bool(2))
}

fn bucketize(a: &Args<'_>) -> Result<Tensor> {
    let boundaries = a.tensor(1);
    if boundaries.dim() != 1 {
        return runtime(format!("boundaries tensor must be 1 dimension, but got dim({})", boundaries.dim()));
    }
    search(boundaries, a.operand(0), a.bool(3), a.bool(2))
}

fn bincount(a: &Args<'_>) -> Result<Tensor> {
    let (x, weights, least) = (a.tensor(0), a.opt_tensor(1), a.int(2));
    if !x.dtype().is_integer() {
        return not_implemented("bincount_cpu", x.dtype());
    }
    if least < 0 {
        return runtime("minlength should be >= 0");
    }
    let empty = |dtype: DType, size: i64| {
        Recorded::full(Literal::from_i64(dtype, 0), &Shape::from_sizes(&[size as usize]))
    };
    if x.dim() == 1 && x.numel() == 0 {
        return Tensor::from_value(empty(DType::I64, least)?.fence()?);
    }
    let value = x.read()?;
    let extreme = |combine| integer(&Tensor::from_value(value.reduce(combine, &[0])?)?);
    if x.dim() != 1 || extreme(Combine::Min)? < 0 {
        return runtime("bincount only supports 1-d non-negative integral inputs.");
    }
    if weights.is_some_and(|w| w.sizes() != x.sizes()) {
        return runtime("weights should be 1-d and have the same length as input");
    }
    let size = (extreme(Combine::Max)? + 1).max(least);
    let (updates, dtype) = match weights {
        None => (Recorded::full(Literal::from_i64(DType::I64, 1), value.shape())?, DType::I64),
        Some(w) => {
            let dtype = if w.dtype() == DType::F32 { DType::F32 } else { DType::F64 };
            (w.read()?.detach().cast(dtype)?, dtype)
        }
    };
    let picks = Picks { axis: 0, data: [].into_iter().collect(), index: [0].into_iter().collect() };
    let index = value.cast(DType::I64)?;
    let counts =
        Tensor::from_value(empty(dtype, size)?.scatter(&index, &updates, picks, Some(Combine::Add))?)?;
    match weights {
        Some(w) => without_derivative("bincount", counts, &[Operand::Tensor(w)]),
        None => Ok(counts),
    }
}

crate::entries! {
    "searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, \
     Tensor? sorter=None) -> Tensor" [FUNCTION | OUT | EXACT]
        "Where the numbers belong in a sequence that ascends along its last axis: before equal elements, or behind them \
         if `right` or `side='right'`." => |a| searchsorted(a);
    "searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? side=None, \
     Tensor? sorter=None) -> Tensor" [FUNCTION | OUT | EXACT]
        "The place of one number." => |a| searchsorted(a);
    "bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor"
        [FUNCTION | OUT | EXACT]
        "The number of the interval between ascending boundaries that each element lies in; with `right` an interval \
         begins at its lower boundary." => |a| bucketize(a);
    "bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor"
        [FUNCTION | OUT | EXACT]
        "The interval of one number." => |a| bucketize(a);
    "bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor" [FUNCTION | METHOD | OUT]
        "How often each whole number from 0 on occurs, at least `minlength` of them; with `weights` the sum of these."
        => |a| bincount(a);
}
