//! One index for a whole axis, and for all elements in row-major order.

use super::advanced::flat;
use super::known::{Count, out_of_bounds, out_of_bounds_runtime, prepared};
use super::masked::fill_value;
use super::real;
use crate::error::{Error, Result, runtime};
use crate::ops::layout::finish;
use crate::ops::scatter::{self, Reduction};
use crate::ops::view_ops::{expand_to, view};
use crate::promote::checked_literal;
use crate::record::{Recorded, broadcast_shapes};
use crate::registry::Args;
use crate::tensor::Tensor;
use crate::view::{Writes, wrap_axis};
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks};
use rustorch_ir::{DType, Literal, Shape};

const INDEX: &[DType] = &[DType::I64, DType::I32];

fn in_self(_: i64) -> Error {
    Error::Index("index out of range in self".into())
}

fn one(sizes: &Shape) -> Shape {
    if sizes.rank() == 0 { Shape::from_sizes(&[1]) } else { sizes.clone() }
}

/// An index of one axis of a tensor of this rank; the other axes stay where they are.
fn along(axis: usize, rank: usize) -> Picks {
    Picks {
        axis: axis as u8,
        data: (0..rank as u8).filter(|&a| a as usize != axis).collect(),
        index: Axes::from_slice(&[axis as u8]),
    }
}

/// The elements of an axis that a 1-D index names.
pub fn index_select(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let axis = wrap_axis(dim, x.dim())?;
    if index.dim() > 1 {
        return Err(Error::Index("index_select(): Index is supposed to be a vector".into()));
    }
    real(index, INDEX, |_| Error::DType("index_select(): Expected dtype int32 or int64 for index".into()))?;
    if x.dim() == 0 && index.numel() != 1 {
        return runtime(format!(
            "index_select(): Index to scalar can have only 1 value, got {} value(s)",
            index.numel()
        ));
    }
    let shape = one(&x.sizes());
    let extent = shape[axis].get();
    // torch has a loop of its own for the second axis.
    let outside = |i| match axis {
        1 => Error::Runtime(format!("INDICES element is out of DATA bounds, id={i} axis_dim={extent}")),
        _ => in_self(i),
    };
    let picked = prepared(&flat(index)?, extent, Count::FromFront, outside)?.value;
    let value = x.read()?.reshape(&shape)?.gather(&picked, along(axis, shape.rank()))?;
    Tensor::from_value(if x.dim() == 0 { value.reshape(&Shape::scalar())? } else { value })
}

/// The error for an index beyond the axis, which in torch depends on the number of axes.
fn beyond(axis: usize, shape: &Shape) -> impl Fn(i64) -> Error + use<> {
    let (flat, extent) = (shape.rank() <= 1, shape[axis].get());
    move |i| if flat { in_self(i) } else { out_of_bounds_runtime(i, axis, extent) }
}

fn source_error(name: &str, index: &Tensor, source: usize, dim: i64) -> Error {
    Error::Runtime(format!(
        "{name}: Number of indices ({}) should be equal to source.size(dim): ({source}), for dim: {dim}",
        index.numel()
    ))
}

/// torch's checks of `index_add` and `index_reduce`; gives the axis.
fn check_source(name: &str, x: &Tensor, dim: i64, index: &Tensor, source: &Tensor) -> Result<usize> {
    let axis = wrap_axis(dim, x.dim())?;
    let label = |t: &Tensor| t.dtype().scalar_type_name();
    if index.dim() > 1 {
        return Err(Error::Index(format!(
            "{name}: Index is supposed to be a vector, but got dim: {} with type: {} and size: {}",
            index.dim(),
            label(index),
            index.sizes()
        )));
    }
    real(index, INDEX, |dtype| {
        Error::DType(format!(
            "{name}: Expected dtype int32/int64 for index but got: {}",
            dtype.scalar_type_name()
        ))
    })?;
    if x.dtype() != source.dtype() {
        return Err(Error::DType(format!(
            "{name}: self ({}) and source ({}) must have the same scalar type",
            label(x),
            label(source)
        )));
    }
    let (own, from) = (x.sizes(), source.sizes());
    let along = from.get(axis).map_or(1, |d| d.get());
    if index.numel() != along {
        return Err(source_error(name, index, along, dim));
    }
    let rest =
        |s: &Shape| s.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, d)| *d).collect::<Shape>();
    if own.rank() != from.rank() || rest(&own) != rest(&from) {
        let message = format!(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = \
             {own} source.shape = {from}"
        );
        return Err(Error::shapes(message, &own, &from));
    }
    Ok(axis)
}

/// The first argument with the elements of the source, times `alpha`, added along an axis where the index says.
pub(super) fn index_add(a: &Args<'_>) -> Result<Tensor> {
    let (x, index, source, alpha) = (a.tensor(0), a.tensor(2), a.tensor(3), a.scalar(4));
    let axis = check_source("index_add_()", x, a.int(1), index, source)?;
    a.require_all_apart()?;
    let shape = one(&x.sizes());
    let picked = prepared(&flat(index)?, shape[axis].get(), Count::FromFront, beyond(axis, &shape))?.value;
    let mut updates = source.read()?;
    if alpha.as_f64() != 1.0 {
        updates = updates.mul(&Recorded::scalar(checked_literal(alpha, x.dtype())?))?;
    }
    let updates = updates.reshape(&one(&source.sizes()))?;
    let data = x.read()?.reshape(&shape)?;
    let new = data.scatter(&picked, &updates, along(axis, shape.rank()), Some(Combine::Add))?;
    Tensor::from_value(new.reshape(&x.sizes())?)
}

/// As [`index_add`], with another reduction.
pub(super) fn index_reduce(a: &Args<'_>) -> Result<Tensor> {
    let (x, index, source, reduce, include_self) =
        (a.tensor(0), a.tensor(2), a.tensor(3), a.string(4), a.bool(5));
    let reduction = match Reduction::named(reduce) {
        Some(r) if r != Reduction::Sum => r,
        _ => {
            return runtime(format!(
                "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
            ));
        }
    };
    let axis = check_source("index_reduce_()", x, a.int(1), index, source)?;
    a.require_all_apart()?;
    let shape = one(&x.sizes());
    let picked = prepared(&flat(index)?, shape[axis].get(), Count::FromFront, in_self)?.value;
    let updates = source.read()?.reshape(&one(&source.sizes()))?;
    let data = x.read()?.reshape(&shape)?;
    let picks = along(axis, shape.rank());
    let new = scatter::reduced(&data, &picked, &updates, &picks, reduction, include_self)?;
    Tensor::from_value(new.reshape(&x.sizes())?)
}

/// The first argument with the elements of the source put along an axis where the index says.
pub(super) fn index_copy(a: &Args<'_>) -> Result<Tensor> {
    let (x, index, source) = (a.tensor(0), a.tensor(2), a.tensor(3));
    let axis = wrap_axis(a.int(1), x.dim())?;
    a.require_all_apart()?;
    if index.dim() > 1 {
        return Err(Error::Index(format!(
            "index_copy_(): Index should have dimension 1 or 0 (got {})",
            index.dim()
        )));
    }
    let (own, from) = (x.sizes(), source.sizes());
    if from.rank() == 0 && index.numel() != 1 {
        return Err(Error::Index(format!(
            "index_copy_(): When source is scalar, index should have one element (got {})",
            index.numel()
        )));
    }
    if own.rank() != from.rank() && own.rank() != 0 && from.rank() != 0 {
        return Err(Error::Index(format!(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source \
             dimensionality ({}), destination dimensionality ({})",
            from.rank(),
            own.rank()
        )));
    }
    real(index, &[DType::I64], |dtype| {
        Error::DType(format!(
            "index_copy_(): Expected a long tensor for index, but got {}",
            dtype.scalar_type_name()
        ))
    })?;
    if x.dtype() != source.dtype() {
        return Err(Error::DType(format!(
            "index_copy_(): self and source expected to have the same dtype, but got (self) {} and (source) {}",
            x.dtype().scalar_type_name(),
            source.dtype().scalar_type_name()
        )));
    }
    let slice =
        |s: &Shape| s.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, d)| *d).collect::<Shape>();
    let (to_slice, from_slice) = (slice(&own), slice(&from));
    if to_slice != from_slice {
        let at = to_slice.iter().zip(from_slice.iter()).position(|(a, b)| a != b).unwrap_or(0);
        let size = |s: &Shape| s.get(at).map_or(1, |d| d.get());
        let message = format!(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: {} at \
             dimension {axis} and source slice shape: {} at dimension 0.",
            size(&to_slice),
            size(&from_slice)
        );
        return Err(Error::shapes(message, &own, &from));
    }
    let along_source = from.get(axis).map_or(1, |d| d.get());
    if index.numel() != along_source {
        return Err(Error::Index(format!(
            "index_copy_(): Number of indices ({}) should be equal to source.size(dim) ({along_source})",
            index.numel()
        )));
    }
    let shape = one(&own);
    let extent = shape[axis].get();
    let error = |i| Error::Index(format!("index_copy_(): {}", out_of_bounds(i, axis, extent)));
    let picked = prepared(&flat(index)?, extent, Count::FromFront, error)?.value;
    let mut moved = shape.clone();
    moved[axis] = along_source.into();
    let data = x.read()?.reshape(&shape)?;
    let new = data.scatter(&picked, &source.read()?.reshape(&moved)?, along(axis, shape.rank()), None)?;
    Tensor::from_value(new.reshape(&own)?)
}

/// The first argument with a value put along an axis where the index says.
pub(super) fn index_fill(a: &Args<'_>) -> Result<Tensor> {
    let (x, index) = (a.tensor(0), a.tensor(2));
    let axis = wrap_axis(a.int(1), x.dim())?;
    let value = fill_value("index_fill_", a.operand(3), x.dtype())?;
    real(index, &[DType::I64], |_| Error::Index("index_fill_(): Expected dtype int64 for index.".into()))?;
    if index.dim() > 1 {
        return runtime("Index has to be a vector/scalar");
    }
    let shape = one(&x.sizes());
    let extent = shape[axis].get();
    let picked = prepared(&flat(index)?, extent, Count::FromBoth, |i| out_of_bounds(i, axis, extent))?.value;
    let mut filled = shape.clone();
    filled[axis] = index.numel().into();
    let fill = |data: &Recorded, value: &Recorded| {
        let updates = value.broadcast_to(&filled)?;
        data.reshape(&shape)?.scatter(&picked, &updates, along(axis, shape.rank()), None)?.reshape(&x.sizes())
    };
    let number = |n: i64| Recorded::constant(Literal::from_i64(DType::I64, n));
    a.writes(|| fill(&number(0).broadcast_to(&x.sizes())?, &number(1)).map(Writes::InOrder))?;
    finish(fill(&x.read()?, &value)?, &[x])
}

fn beyond_all(numel: usize) -> impl Fn(i64) -> Error {
    move |i| Error::Index(format!("out of range: tried to access index {i} on a tensor of {numel} elements."))
}

/// How a flat tensor is looked up by an index of this rank.
fn flat_picks(rank: usize) -> Picks {
    Picks { axis: 0, data: Axes::new(), index: (0..rank as u8).collect() }
}

/// The elements at row-major places, in the index's shape.
pub fn take(x: &Tensor, index: &Tensor) -> Result<Tensor> {
    real(index, &[DType::I64], |dtype| {
        Error::DType(format!(
            "take(): Expected a long tensor for index, but got {}",
            dtype.scalar_type_name()
        ))
    })?;
    if x.numel() == 0 && index.numel() > 0 {
        return Err(Error::Index("take(): tried to take from an empty tensor".into()));
    }
    let places = prepared(index, x.numel(), Count::FromBoth, beyond_all(x.numel()))?.value;
    Tensor::from_value(x.read()?.flatten()?.gather(&places, flat_picks(index.dim()))?)
}

/// The first argument with the elements of the source put, or added, at row-major places.
pub(super) fn put(a: &Args<'_>) -> Result<Tensor> {
    let (x, index, source, accumulate) = (a.tensor(0), a.tensor(1), a.tensor(2), a.bool(3));
    real(index, &[DType::I64], |dtype| {
        Error::DType(format!(
            "put_(): Expected a long tensor for index, but got {}",
            dtype.scalar_type_name()
        ))
    })?;
    if x.dtype() != source.dtype() {
        return Err(Error::DType(format!(
            "put_(): self and source expected to have the same dtype, but got self.dtype = {} and source.dtype = {}",
            x.dtype().scalar_type_name(),
            source.dtype().scalar_type_name()
        )));
    }
    if source.numel() != index.numel() {
        return Err(Error::Index(format!(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = {}, \
             index.numel() = {}",
            source.numel(),
            index.numel()
        )));
    }
    a.require_all_apart()?;
    let index = flat(index)?;
    let places = prepared(&index, x.numel(), Count::FromBoth, beyond_all(x.numel()))?.value;
    let combine = accumulate.then_some(Combine::Add);
    let data = x.read()?.flatten()?;
    let new = data.scatter(&places, &source.read()?.flatten()?, flat_picks(1), combine)?;
    finish(new.reshape(&x.sizes())?, &[x])
}

/// torch's `take_along_dim`: a gather whose other axes broadcast; without an axis, by row-major places.
pub fn take_along_dim(x: &Tensor, index: &Tensor, dim: Option<i64>) -> Result<Tensor> {
    real(index, INDEX, |dtype| {
        let name = dtype.scalar_type_name();
        Error::DType(format!("torch.take_along_dim(): dtype of indices should be Long but got {name}"))
    })?;
    let Some(dim) = dim else {
        // torch asks for views here.
        let (data, places) = (view(x, &[-1])?, view(index, &[-1])?);
        let extent = x.numel();
        let index = prepared(&places, extent, Count::FromFront, |i| out_of_bounds_runtime(i, 0, extent))?;
        return Tensor::from_value(data.read()?.gather(&index.value, flat_picks(1))?);
    };
    if x.dim() != index.dim() {
        return runtime(format!(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got {} \
             dimensions for input, and {} dimensions for indices",
            x.dim(),
            index.dim()
        ));
    }
    let axis = wrap_axis(dim, x.dim())?;
    let (mut own, mut places) = (x.sizes(), index.sizes());
    if own.rank() > 0 {
        let (data, picked) = (own[axis], places[axis]);
        places[axis] = data;
        let mut common = broadcast_shapes(&own, &places)?;
        common[axis] = data;
        own = common.clone();
        common[axis] = picked;
        places = common;
    }
    scatter::gather(&expand_to(x, &own)?, axis as i64, &expand_to(index, &places)?)
}
