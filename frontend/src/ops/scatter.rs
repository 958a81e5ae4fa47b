//! Gather and scatter along one axis, by an index for each element.

use crate::entries;
use crate::error::{Error, Result, runtime};
use crate::ops::indexing::{Count, out_of_bounds_runtime, prepared, real};
use crate::ops::operands::not_implemented;
use crate::promote::checked_literal;
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks, Scalar, Span};
use rustorch_ir::{DType, Literal, Shape};
use smallvec::SmallVec;

/// How updates of one place are combined with it and with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    Sum,
    Prod,
    Mean,
    Amax,
    Amin,
}

impl Reduction {
    pub fn named(name: &str) -> Option<Reduction> {
        Some(match name {
            "sum" => Reduction::Sum,
            "prod" => Reduction::Prod,
            "mean" => Reduction::Mean,
            "amax" => Reduction::Amax,
            "amin" => Reduction::Amin,
            _ => return None,
        })
    }

    fn combine(self) -> Combine {
        match self {
            Reduction::Sum | Reduction::Mean => Combine::Add,
            Reduction::Prod => Combine::Mul,
            Reduction::Amax => Combine::Max,
            Reduction::Amin => Combine::Min,
        }
    }

    /// What changes nothing.
    fn neutral(self, dtype: DType) -> Literal {
        let extreme = |float: f64, int: Option<i64>| match int {
            Some(v) if dtype != DType::Bool => Literal::from_i64(dtype, v),
            _ => Literal::from_f64(
                dtype,
                if dtype == DType::Bool { (float > 0.0) as u8 as f64 } else { float },
            ),
        };
        let range = dtype.integer_range();
        match self {
            Reduction::Sum | Reduction::Mean => Literal::from_f64(dtype, 0.0),
            Reduction::Prod => Literal::from_f64(dtype, 1.0),
            Reduction::Amax => extreme(f64::NEG_INFINITY, range.map(|r| r.0)),
            Reduction::Amin => extreme(f64::INFINITY, range.map(|r| r.1)),
        }
    }
}

/// `data` with updates combined where `index` says; without `include_self` the places that are named start anew.
pub(crate) fn reduced(
    data: &Recorded,
    index: &Recorded,
    updates: &Recorded,
    picks: &Picks,
    reduction: Reduction,
    include_self: bool,
) -> Result<Recorded> {
    let put = |base: &Recorded, value: &Recorded, combine| base.scatter(index, value, picks.clone(), combine);
    let fill = |literal: Literal, like: &Recorded| Recorded::constant(literal).broadcast_to(like.shape());
    let base = if include_self {
        data.clone()
    } else {
        put(data, &fill(reduction.neutral(data.dtype()), updates)?, None)?
    };
    let total = put(&base, updates, Some(reduction.combine()))?;
    if reduction != Reduction::Mean {
        return Ok(total);
    }
    if data.dtype() == DType::Bool {
        return not_implemented("scatter_gather_tensor_cpu_reduce_mean", DType::Bool);
    }
    let number = |v| Literal::from_f64(data.dtype(), v);
    let ones = fill(number(1.0), updates)?;
    let start = fill(number(if include_self { 1.0 } else { 0.0 }), data)?;
    let count = put(&start, &ones, Some(Combine::Add))?.detach();
    let one = count.literal(1.0);
    let count = Recorded::map(Scalar::Select, &[&count.eq(&count.literal(0.0))?, &one, &count])?;
    if data.dtype().is_float() { total.div(&count) } else { total.map2(Scalar::FloorDiv, &count) }
}

/// The operands of a gather or scatter, with an axis at least.
struct Along {
    axis: usize,
    data: Recorded,
    index: Recorded,
    picks: Picks,
}

fn with_axis(value: Recorded) -> Result<Recorded> {
    if value.rank() == 0 { value.unsqueeze(0) } else { Ok(value) }
}

fn check_index(index: &Tensor, name: &str) -> Result<()> {
    real(index, &[DType::I64, DType::I32], |_| {
        Error::DType(format!("{name}(): Expected dtype int32/int64 for index"))
    })
}

fn along(x: &Tensor, axis: usize, index: &Tensor) -> Result<Along> {
    let data = with_axis(x.read()?)?;
    let extent = data.shape()[axis].get();
    let error = |i| out_of_bounds_runtime(i, axis, extent);
    let index = with_axis(prepared(index, extent, Count::FromFront, error)?.value)?;
    let rank = data.rank() as u8;
    let others = (0..rank).filter(|&a| a as usize != axis).collect();
    let picks = Picks { axis: axis as u8, data: others, index: (0..rank).collect() };
    Ok(Along { axis, data, index, picks })
}

/// The corner of a value that an index of this shape reaches: all of `free`, the first elements of the other axes.
fn corner(shape: &Shape, index: &Shape, free: Option<usize>) -> SmallVec<[Span; 4]> {
    let size = |i: usize| if Some(i) == free { shape[i].get() } else { index[i].get() };
    (0..shape.rank()).map(|i| Span::all(size(i))).collect()
}

/// `y[i][j] = x[index[i][j]][j]` for axis 0, and likewise for others.
pub fn gather(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let axis = wrap_axis(dim, x.dim())?;
    check_index(index, "gather")?;
    if index.numel() == 0 {
        let places = index.read()?.cast(DType::I64)?;
        let picks = Picks { axis: 0, data: Axes::new(), index: (0..index.dim() as u8).collect() };
        return Tensor::from_value(x.read()?.flatten()?.gather(&places, picks)?);
    }
    if x.dim().max(1) != index.dim().max(1) {
        return runtime("Index tensor must have the same number of dimensions as input tensor");
    }
    let (own, picked) = (x.sizes(), index.sizes());
    let too_large = |&i: &usize| i != axis && picked[i] > own[i];
    if let Some(i) = (0..own.rank().min(picked.rank())).find(too_large) {
        let message = format!(
            "Size does not match at dimension {i} expected index {picked} to be no larger than self {own} apart from \
             dimension {axis}"
        );
        return Err(Error::shapes(message, &picked, &own));
    }
    let a = along(x, axis, index)?;
    let spans = corner(a.data.shape(), a.index.shape(), Some(a.axis));
    let found = a.data.slice(&spans)?.gather(&a.index, a.picks)?;
    Tensor::from_value(found.reshape(&picked)?)
}

/// What is put: a tensor or one number for all places.
pub enum Source<'a> {
    Tensor(&'a Tensor),
    Number(Number),
}

/// The first argument with `f` of its data, an index, updates of the index's shape, and how they meet.
fn scattered(
    a: &Args<'_>,
    source: &Source<'_>,
    f: impl FnOnce(&Recorded, &Recorded, &Recorded, &Picks) -> Result<Recorded>,
) -> Result<Tensor> {
    let (x, index) = (a.tensor(0), a.tensor(2));
    let axis = wrap_axis(a.int(1), x.dim())?;
    if let Source::Tensor(t) = source
        && t.dtype() != x.dtype()
    {
        return Err(Error::DType("scatter(): Expected self.dtype to be equal to src.dtype".into()));
    }
    check_index(index, "scatter")?;
    if index.numel() == 0 {
        a.require_all_apart()?;
        let value = x.read()?;
        return Tensor::from_value(match source {
            // It has a gradient, which can be differentiated again, though all of it is 0.
            Source::Tensor(t) if t.requires_grad() => {
                let none = t.read()?.flatten()?.narrow(0, 0, 0)?.sum(&[0])?;
                Recorded::constant(Literal::from_i64(DType::Bool, 1)).select(&value, &none)?
            }
            _ => value,
        });
    }
    let ranks = |t: &Tensor, name: &str| {
        if t.dim().max(1) == index.dim().max(1) {
            return Ok(());
        }
        runtime(format!("Index tensor must have the same number of dimensions as {name} tensor"))
    };
    ranks(x, "self")?;
    let (own, picked) = (x.sizes(), index.sizes());
    let larger = |other: &Shape, free: bool| {
        (0..picked.rank().min(other.rank())).any(|i| !(free && i == axis) && picked[i] > other[i])
    };
    let beyond =
        format!("Expected index {picked} to be no larger than self {own} apart from dimension {axis}");
    match source {
        Source::Tensor(t) => {
            ranks(t, "src")?;
            let from = t.sizes();
            if larger(&own, true) || larger(&from, false) {
                let message = format!("{beyond} and to be no larger size than src {from}");
                return Err(Error::shapes(message, &picked, &from));
            }
        }
        Source::Number(_) if larger(&own, true) => return Err(Error::shapes(beyond, &picked, &own)),
        Source::Number(_) => {}
    }
    a.require_all_apart()?;
    let a = along(x, axis, index)?;
    let updates = match source {
        Source::Tensor(t) => {
            let value = with_axis(t.read()?)?;
            value.slice(&corner(value.shape(), a.index.shape(), None))?
        }
        Source::Number(n) => {
            Recorded::scalar(checked_literal(*n, x.dtype())?).broadcast_to(a.index.shape())?
        }
    };
    let spans = corner(a.data.shape(), a.index.shape(), Some(a.axis));
    let new = f(&a.data.slice(&spans)?, &a.index, &updates, &a.picks)?;
    Tensor::from_value(a.data.update(&spans, &new)?.reshape(&own)?)
}

/// The first argument with the source put, or combined, at the places that the index names.
fn scatter(a: &Args<'_>, source: Source<'_>, combine: Option<Combine>) -> Result<Tensor> {
    scattered(a, &source, |data, index, updates, picks| data.scatter(index, updates, picks.clone(), combine))
}

fn scatter_reduce(a: &Args<'_>) -> Result<Tensor> {
    let (reduce, include_self) = (a.string(4), a.bool(5));
    let Some(reduction) = Reduction::named(reduce) else {
        return runtime(format!(
            "reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        ));
    };
    scattered(a, &Source::Tensor(a.tensor(3)), |data, index, updates, picks| {
        reduced(data, index, updates, picks, reduction, include_self)
    })
}

fn mode(name: &str) -> Result<Option<Combine>> {
    match name {
        "add" => Ok(Some(Combine::Add)),
        "multiply" => Ok(Some(Combine::Mul)),
        _ => runtime("reduce argument must be either add or multiply."),
    }
}

/// Says that the gradient reads the index.
fn keeping(a: &Args<'_>, result: Tensor) -> Result<Tensor> {
    a.save_argument(2)?;
    Ok(result)
}

entries! {
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The elements along `dim` that the index names, one for each place of the index."
        => |a| keeping(a, gather(a.tensor(0), a.int(1), a.tensor(2))?);
    "scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With the elements of `src` put along `dim` where the index says." => |a| keeping(
            a, scatter(a, Source::Tensor(a.tensor(3)), None)?
        );
    "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        grad "ScatterBackward1"
        "With `value` put along `dim` where the index says." => |a| keeping(
            a, scatter(a, Source::Number(a.scalar(3)), None)?
        );
    "scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With the elements of `src` added (`add`) or multiplied (`multiply`) along `dim` where the index says."
        => |a| keeping(a, scatter(a, Source::Tensor(a.tensor(3)), mode(a.string(4))?
        )?);
    "scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With `value` added (`add`) or multiplied (`multiply`) along `dim` where the index says."
        => |a| keeping(a, scatter(a, Source::Number(a.scalar(3)), mode(a.string(4))?
        )?);
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With the elements of `src` added along `dim` where the index says." => |a| keeping(
            a, scatter(a, Source::Tensor(a.tensor(3)), Some(Combine::Add))?
        );
    "scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) \
     -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | MEETS | EXACT]
        "With the elements of `src` combined along `dim` where the index says: `sum`, `prod`, `mean`, `amax`, `amin`."
        => |a| keeping(a, scatter_reduce(a)?);
}
