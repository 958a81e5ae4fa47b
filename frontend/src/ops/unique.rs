//! Each element, or each part along an axis, once. How many there are decides the shape, so it is found out at the call.

use super::indexing::positions::of_value;
use super::operands::without_derivative;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Operand, Ret};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_backend::buffer::Buffer;
use rustorch_backend::host::rows;
use rustorch_ir::graph::Type;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Picks, Running, Scalar};
use rustorch_ir::{DType, Literal, Shape};

/// Elements in runs of equal ones.
struct Runs {
    /// Where the elements in this order were.
    places: Recorded,
    /// Which of them begin a run.
    new: Recorded,
}

impl Runs {
    /// Of the elements of a vector, in order or as they stand, with the elements so.
    fn of_elements(x: &Recorded, sorted: bool) -> Result<(Runs, Recorded)> {
        let n = x.numel();
        let (values, places) = if sorted { x.sort(0, false, 0..n)? } else { (x.clone(), Recorded::iota(n)?) };
        let number = Recorded::iota(n)?;
        let before = number.sub(&number.literal_int(1))?.map2(Scalar::Max, &number.literal_int(0))?;
        let first = number.eq(&number.literal_int(0))?;
        let new = first.map2(Scalar::Or, &take(&values, &before)?.ne(&values)?)?;
        Ok((Runs { places, new }, values))
    }

    /// Of the parts along `axis`, whose elements are compared one after the other.
    fn of_parts(x: &Recorded, axis: usize, sorted: bool) -> Result<Runs> {
        let mut order: Vec<usize> = (0..x.rank()).filter(|&a| a != axis).collect();
        order.insert(0, axis);
        let count = x.shape()[axis].get();
        let width = x.numel().checked_div(count).unwrap_or(0);
        let buffer = Tensor::from_value(x.permute(&order)?.fence()?)?.contiguous_buffer()?;
        let (places, new) = rows::in_order(&buffer, x.dtype(), count, width, sorted);
        let new: Vec<i64> = new.into_iter().map(i64::from).collect();
        let known = |list: &[i64]| {
            Recorded::from_buffer(
                Buffer::from_slice(list)?,
                Type::new(DType::I64, Shape::from_sizes(&[count])),
            )
        };
        Ok(Runs { places: known(&places)?, new: known(&new)?.cast(DType::Bool)? })
    }

    /// Where in the order the runs begin.
    fn starts(&self) -> Result<Recorded> {
        of_value(&self.new)?.read()
    }

    /// For each element the number of its run.
    fn inverse(&self) -> Result<Recorded> {
        let number = self.new.cast(DType::I64)?.scan(Running::Sum, 0)?;
        let number = number.sub(&number.literal_int(1))?;
        let zeros = Recorded::full(Literal::from_i64(DType::I64, 0), number.shape())?;
        zeros.scatter(&self.places, &number, line(), None)
    }

    fn counts(&self, starts: &Recorded) -> Result<Recorded> {
        let (runs, total) = (starts.numel(), self.new.numel());
        let end = Recorded::full(Literal::from_i64(DType::I64, total as i64), &Shape::from_sizes(&[1]))?;
        if runs == 0 {
            return Ok(starts.clone());
        }
        Recorded::concat(&[&starts.narrow(0, 1, runs - 1)?, &end], 0)?.sub(starts)
    }
}

fn line() -> Picks {
    Picks { axis: 0, data: [].into_iter().collect(), index: [0].into_iter().collect() }
}

fn take(x: &Recorded, index: &Recorded) -> Result<Recorded> {
    x.gather(index, line())
}

/// Parts along `axis` at `index`.
fn parts(x: &Recorded, index: &Recorded, axis: usize) -> Result<Recorded> {
    let axis = axis as u8;
    let data = (0..x.rank() as u8).filter(|&a| a != axis).collect();
    x.gather(index, Picks { axis, data, index: [axis].into_iter().collect() })
}

/// What is asked for: the elements, their numbers, how often each occurs.
struct Wanted {
    inverse: bool,
    counts: bool,
}

fn unique(a: &Args<'_>, dim: Option<i64>, sorted: bool, wanted: &Wanted) -> Result<Ret> {
    let tensor = a.tensor(0);
    let x = tensor.read()?.detach();
    let (values, starts, runs, whole) = match dim {
        None => {
            let flat = x.reshape(&Shape::from_sizes(&[x.numel()]))?;
            let (runs, values) = Runs::of_elements(&flat, sorted)?;
            let starts = runs.starts()?;
            (take(&values, &starts)?, starts, runs, x.shape().clone())
        }
        Some(dim) => {
            let axis = wrap_axis(dim, x.rank())?;
            if x.rank() == 0 {
                return Err(Error::Index("unique: a tensor without axes has no parts".into()));
            }
            let count = x.shape()[axis].get();
            let empty = x.shape().iter().filter(|d| d.get() == 0).count();
            if empty > 1 || (empty == 1 && count != 0) {
                return runtime(
                    "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied",
                );
            }
            let runs = Runs::of_parts(&x, axis, sorted)?;
            let starts = runs.starts()?;
            let values = parts(&x, &take(&runs.places, &starts)?, axis)?;
            (values, starts, runs, Shape::from_sizes(&[count]))
        }
    };
    let name = if sorted { "_unique2" } else { "unique_consecutive" };
    let values = without_derivative(name, Tensor::from_value(values)?, &[Operand::Tensor(tensor)])?;
    let mut out = vec![values];
    if wanted.inverse {
        out.push(Tensor::from_value(runs.inverse()?.reshape(&whole)?)?);
    }
    if wanted.counts {
        out.push(Tensor::from_value(runs.counts(&starts)?)?);
    }
    Ok(match out.len() {
        1 => Ret::Tensor(out.swap_remove(0)),
        _ => Ret::Tuple(out),
    })
}

/// Which elements are among those of the second.
fn isin(a: &Args<'_>) -> Result<Tensor> {
    let invert = a.bool(3);
    let operands = [a.operand(0), a.operand(1)];
    let dtype = operands.iter().fold(crate::promote::Promotion::default(), |p, &o| p.operand(o)).dtype();
    if operands.iter().any(|o| matches!(o, Operand::Tensor(t) if t.dtype() == DType::Bool))
        || dtype == DType::Bool
    {
        return Err(Error::NotImplemented("Unsupported input type encountered for isin(): Bool".into()));
    }
    let read = |operand: Operand<'_>| match operand {
        Operand::Tensor(t) => t.read()?.detach().cast(dtype),
        Operand::Number(n) => Ok(n.recorded(dtype)),
    };
    let (x, tests) = (read(operands[0])?, read(operands[1])?);
    let count = tests.numel();
    let flat = tests.reshape(&Shape::from_sizes(&[count]))?;
    let found = if count == 0 {
        Recorded::full(Literal::from_i64(DType::Bool, 0), x.shape())?
    } else if count <= 16 {
        let last = x.rank();
        x.unsqueeze(last)?.eq(&flat)?.reduce(Combine::Max, &[last])?
    } else {
        let (sorted, _) = flat.sort(0, false, 0..count)?;
        let place = super::search::places(&sorted, &x, false)?;
        let place = place.map2(Scalar::Min, &place.literal_int(count as i64 - 1))?;
        let index = (0..x.rank() as u8).collect();
        sorted.gather(&place, Picks { axis: 0, data: [].into_iter().collect(), index })?.eq(&x)?
    };
    Tensor::from_value(if invert { found.map1(Scalar::Not)? } else { found })
}

crate::entries! {
    "unique(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor"
        [FUNCTION | METHOD]
        "Each element once, in order, or each part along `dim`; with `return_inverse` also the number of each element among \
         them, with `return_counts` how often each occurs. Computed at the call. NaN is unlike itself."
        => |a| unique(a, a.opt_int(4), true, &Wanted { inverse: a.bool(2), counts: a.bool(3) });
    "unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor"
        [FUNCTION | METHOD]
        "The first of each run of equal elements, or of equal parts along `dim`; the rest is as for `unique`."
        => |a| unique(a, a.opt_int(3), false, &Wanted { inverse: a.bool(1), counts: a.bool(2) });
    "isin(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor"
        [FUNCTION | NUMBERS | NUMBERS_FIRST]
        "Which elements are among `test_elements`, or with `invert` are not." => |a| isin(a);
}
