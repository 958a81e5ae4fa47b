//! Subscripts: reading and writing by integers, slices, new axes, masks and index tensors.

mod advanced;
pub(crate) mod known;
mod lookup;
mod masked;
mod overlay;
pub(crate) mod positions;
mod rows;
mod table;

pub use advanced::{index, index_put, index_put_times};
pub(crate) use known::{Count, out_of_bounds, out_of_bounds_runtime, prepared, real};
pub use known::{integer, integers};
pub use lookup::{embedding, one_hot};
pub use masked::{masked_scatter, masked_select};
pub use overlay::{as_strided_scatter, diagonal_scatter, select_scatter, slice_scatter};
pub use positions::{nonzero, nonzero_static, nonzero_tuple, unravel_index};
use rows::index_fill;
use rows::{index_add, index_copy, index_reduce, put};
pub use rows::{index_select, take, take_along_dim};
pub use table::ENTRIES;

use crate::error::{Error, Result, runtime};
use crate::gradient::Scope;
use crate::ops::view_ops::{self, Spans, check_step, slice_span, whole};
use crate::promote::checked_literal;
use crate::record::Recorded;
use crate::registry::{IndexItem, Scalar};
use crate::tensor::{Tensor, refuse_overlap, refuse_partial_overlap};
use crate::view::{ViewOp, Writes};
use rustorch_ir::op::Span;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// Index tensors for the leading axes; `None` leaves an axis as it is.
pub(crate) type Indices = SmallVec<[Option<Tensor>; 4]>;

const SELECT: &str = "SelectBackward0";
const SLICE: &str = "SliceBackward0";
const UNSQUEEZE: &str = "UnsqueezeBackward0";

/// `x[items]`: a view if all items are basic, else a new tensor.
pub fn get(x: &Tensor, items: &[IndexItem]) -> Result<Tensor> {
    let (view, indices) = basic(x, items)?;
    if indices.is_empty() {
        if view.is_same(x) {
            let _scope = Scope::enter("AliasBackward0");
            return x.view(ViewOp::Alias);
        }
        return Ok(view);
    }
    let scope = Scope::enter("IndexBackward0");
    let out = index(&view, &indices)?;
    save(&scope, &indices)?;
    Ok(out)
}

/// `x[items] = value`.
pub fn set(x: &Tensor, items: &[IndexItem], value: &Tensor) -> Result<()> {
    assign(x, items, value, copy_into)
}

fn assign(
    x: &Tensor,
    items: &[IndexItem],
    value: &Tensor,
    all: fn(&Tensor, &Tensor) -> Result<()>,
) -> Result<()> {
    if let [IndexItem::Bool(all_of_it)] = items {
        return if *all_of_it { all(x, value) } else { Ok(()) };
    }
    let (view, indices) = basic(x, items)?;
    if indices.is_empty() {
        return all(&view, value);
    }
    let scope = Scope::enter("IndexPutBackward0");
    view.check_fill(value.requires_grad())?;
    std::iter::once(value).chain(indices.iter().flatten()).try_for_each(|t| refuse_overlap(&view, t))?;
    let value = without_leading_ones(value)?;
    let new = index_put(&view, &indices, &value, false)?;
    save(&scope, &indices)?;
    if view.geometry().repeats() {
        return view.write_shared(new, &Writes::InOrder(index_put_times(&view, &indices)?));
    }
    view.write(new)
}

/// `x[items] = number`, converted as torch does: floats are cut to integers, what does not fit is refused.
pub fn set_number(x: &Tensor, items: &[IndexItem], number: Scalar) -> Result<()> {
    let literal = checked_literal(number, x.dtype())?;
    assign(x, items, &Tensor::from_value(Recorded::scalar(literal))?, fill)
}

fn save(scope: &Scope, indices: &[Option<Tensor>]) -> Result<()> {
    if scope.tracks() {
        indices.iter().flatten().try_for_each(|index| scope.save(index))?;
    }
    Ok(())
}

/// torch drops leading axes of extent 1 of values that are assigned.
fn without_leading_ones(value: &Tensor) -> Result<Tensor> {
    let sizes = value.sizes();
    let ones = sizes.iter().take_while(|d| d.is_one()).count();
    if ones == 0 {
        return Ok(value.clone());
    }
    value.view(ViewOp::Squeeze((0..ones).collect()))
}

/// Writes `value`, broadcast and converted, to all of `target`.
fn copy_into(target: &Tensor, value: &Tensor) -> Result<()> {
    let _scope = Scope::enter("CopyBackwards");
    let tracks = value.requires_grad();
    if target.is_same(value) {
        return target.rewrite();
    }
    target.check_write(tracks)?;
    refuse_partial_overlap(target, value)?;
    let value = view_ops::expand_to(&without_leading_ones(value)?, &target.sizes())?;
    let same = !tracks && value.shares_storage(target) && !target.requires_grad();
    if same && value.dtype() == target.dtype() && value.geometry() == target.geometry() {
        // What `x[key] += y` assigns in the end is what is there already.
        target.bump_version();
        return Ok(());
    }
    let new = value.read()?.cast(target.dtype())?;
    target.overwrite(new)
}

/// Writes a number, as a 0-d tensor, to all of `target`.
fn fill(target: &Tensor, number: &Tensor) -> Result<()> {
    let _scope = Scope::enter("FillBackward0");
    target.fill(&number.read()?)
}

/// How many axes of the tensor an item stands for.
fn consumed(item: &IndexItem) -> usize {
    match item {
        IndexItem::Int(_) | IndexItem::Slice { .. } => 1,
        IndexItem::NewAxis | IndexItem::Ellipsis | IndexItem::Bool(_) => 0,
        IndexItem::Tensor(t) if is_mask(t) => t.dim(),
        IndexItem::Tensor(_) => 1,
    }
}

pub(crate) fn is_mask(t: &Tensor) -> bool {
    matches!(t.dtype(), DType::Bool | DType::U8)
}

/// Whether the item changes the number of axes other than by dropping them: such subscripts go item by item.
fn is_irregular(item: &IndexItem) -> bool {
    match item {
        IndexItem::NewAxis | IndexItem::Bool(_) => true,
        IndexItem::Tensor(t) => t.dim() == 0,
        _ => false,
    }
}

fn too_many<T>(rank: usize) -> Result<T> {
    Err(Error::Index(format!("too many indices for tensor of dimension {rank}")))
}

/// The view that the basic items make, and the index tensors for its axes.
fn basic(x: &Tensor, items: &[IndexItem]) -> Result<(Tensor, Indices)> {
    let rank = x.dim();
    match items {
        [IndexItem::Int(_)] if rank == 0 => {
            return Err(Error::Index(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to \
                 convert a 0-dim tensor to a number"
                    .into(),
            ));
        }
        [IndexItem::Slice { .. }] if rank == 0 => {
            return Err(Error::Index("slice() cannot be applied to a 0-dim tensor.".into()));
        }
        [IndexItem::Int(i)] => return Ok((at(x, 0, 0, *i)?, Indices::new())),
        _ => {}
    }
    let used: usize = items.iter().map(consumed).sum();
    let Some(rest) = rank.checked_sub(used) else { return too_many(rank) };
    if items.iter().any(is_irregular) { one_by_one(x, items, rest) } else { together(x, items, rest) }
}

/// One slice of the tensor for all integers and slices.
fn together(x: &Tensor, items: &[IndexItem], rest: usize) -> Result<(Tensor, Indices)> {
    let sizes = x.sizes();
    let mut spans: Spans = whole(&sizes);
    let mut dropped: SmallVec<[usize; 4]> = SmallVec::new();
    let mut indices = Indices::new();
    let (mut axis, mut name) = (0, None);
    let place = |indices: &mut Indices, axis: usize, dropped: usize, index: &Tensor| {
        indices.resize(axis - dropped, None);
        indices.push(Some(index.clone()));
    };
    for item in items {
        match item {
            IndexItem::Ellipsis => axis += rest,
            IndexItem::Int(i) => {
                axis_in(axis, &sizes)?;
                spans[axis] = Span { start: bounded(*i, axis, sizes[axis].get())?, step: 1, size: 1 };
                dropped.push(axis);
                name = Some(SELECT);
                axis += 1;
            }
            IndexItem::Slice { start, stop, step } => {
                let step = check_step(*step)?;
                axis_in(axis, &sizes)?;
                spans[axis] = slice_span(sizes[axis].get(), *start, *stop, step);
                name = Some(SLICE);
                axis += 1;
            }
            IndexItem::Tensor(t) => {
                axis_in(axis, &sizes)?;
                place(&mut indices, axis, dropped.len(), t);
                // The other axes of a mask have no index of their own.
                axis += consumed(item);
            }
            IndexItem::NewAxis | IndexItem::Bool(_) => return runtime("internal error: an irregular item"),
        }
    }
    let Some(name) = name else { return Ok((x.clone(), indices)) };
    let _scope = Scope::enter(name);
    let view = match dropped.as_slice() {
        [] => x.view(ViewOp::Slice(spans))?,
        [axis] if is_select(&sizes, &spans, *axis) => {
            x.view(ViewOp::Select { axis: *axis, index: spans[*axis].start as usize })?
        }
        _ => x.view(ViewOp::Slice(spans))?.view(ViewOp::Squeeze(dropped))?,
    };
    Ok((view, indices))
}

fn is_select(sizes: &Shape, spans: &[Span], axis: usize) -> bool {
    let whole = |(i, (d, s)): (usize, (&rustorch_ir::Dim, &Span))| i == axis || *s == Span::all(d.get());
    sizes.iter().zip(spans).enumerate().all(whole)
}

/// Whether there is such an axis: a second ellipsis moves behind the last one.
fn axis_in(axis: usize, sizes: &Shape) -> Result<()> {
    if axis < sizes.rank() {
        return Ok(());
    }
    Err(Error::Index(format!("index 0 is out of bounds for dimension {axis} with size 0")))
}

/// An index counted from the front, or torch's error.
fn bounded(index: i64, axis: usize, extent: usize) -> Result<i64> {
    let n = extent as i64;
    if index < -n || index >= n {
        return Err(out_of_bounds(index, axis, extent));
    }
    Ok(if index < 0 { index + n } else { index })
}

/// The element of an axis of `x`, which is `original` in messages.
fn at(x: &Tensor, axis: usize, original: usize, index: i64) -> Result<Tensor> {
    let sizes = x.sizes();
    axis_in(axis, &sizes)?;
    let index = bounded(index, original, sizes[axis].get())? as usize;
    let _scope = Scope::enter(SELECT);
    x.view(ViewOp::Select { axis, index })
}

/// A view for each item, in torch's order: new axes get the strides that torch gives them.
fn one_by_one(x: &Tensor, items: &[IndexItem], rest: usize) -> Result<(Tensor, Indices)> {
    let mut view = x.clone();
    let mut indices = Indices::new();
    let (mut axis, mut original) = (0, 0);
    let new_axis = |view: &Tensor, axis: usize| {
        let _scope = Scope::enter(UNSQUEEZE);
        view.view(ViewOp::Unsqueeze(axis))
    };
    let place = |indices: &mut Indices, axis: usize, index: Tensor| {
        indices.resize(axis, None);
        indices.push(Some(index));
    };
    for item in items {
        match item {
            IndexItem::Ellipsis => {
                axis += rest;
                original += rest;
            }
            IndexItem::Int(i) => {
                view = at(&view, axis, original, *i)?;
                original += 1;
            }
            IndexItem::Slice { start, stop, step } => {
                let step = check_step(*step)?;
                let sizes = view.sizes();
                let mut spans = whole(&sizes);
                axis_in(axis, &sizes)?;
                spans[axis] = slice_span(sizes[axis].get(), *start, *stop, step);
                let _scope = Scope::enter(SLICE);
                view = view.view(ViewOp::Slice(spans))?;
                axis += 1;
                original += 1;
            }
            IndexItem::NewAxis => {
                view = new_axis(&view, axis)?;
                axis += 1;
            }
            IndexItem::Bool(there) => {
                view = new_axis(&view, axis)?;
                place(&mut indices, axis, positions::of_bool(*there)?);
                axis += 1;
            }
            IndexItem::Tensor(t) if t.dim() == 0 && is_mask(t) => {
                view = new_axis(&view, axis)?;
                place(&mut indices, axis, positions::of_bool(integer(t)? != 0)?);
                axis += 1;
            }
            IndexItem::Tensor(t) if t.dim() == 0 && t.dtype().is_integer() => {
                view = at(&view, axis, original, integer(t)?)?;
                original += 1;
            }
            IndexItem::Tensor(t) => {
                place(&mut indices, axis, t.clone());
                let axes = consumed(item);
                axis += axes;
                original += axes;
            }
        }
    }
    Ok((view, indices))
}
