//! Views of a part of a tensor.

use crate::error::{Error, Result, fail, runtime};
use crate::ops::indexing::integer;
use crate::ops::view_ops::listed;
use crate::tensor::Tensor;
use crate::view::{ViewOp, wrap_axis};
use rustorch_ir::op::Span;
use rustorch_ir::{Shape, Strides};
use smallvec::SmallVec;

pub(crate) type Spans = SmallVec<[Span; 4]>;

/// All of every axis.
pub(crate) fn whole(shape: &Shape) -> Spans {
    shape.iter().map(|d| Span::all(d.get())).collect()
}

/// The span that `start:stop:step` names of an axis: ends count from the back if negative and are moved into it.
pub(crate) fn slice_span(extent: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> Span {
    let n = extent as i64;
    let place = |end: i64| if end < 0 { end.saturating_add(n) } else { end }.clamp(0, n);
    let start = start.map_or(0, place);
    let stop = stop.map_or(n, place).max(start);
    let size = (stop - start) as u64;
    Span { start, step, size: size.div_ceil(step as u64) }
}

/// Positive steps alone, as torch has them.
pub(crate) fn check_step(step: Option<i64>) -> Result<i64> {
    match step.unwrap_or(1) {
        0 => Err(Error::Value("slice step cannot be zero".into())),
        step if step < 0 => Err(Error::Value("step must be greater than zero".into())),
        step => Ok(step),
    }
}

fn span_of(x: &Tensor, axis: usize, span: Span) -> Result<Tensor> {
    let mut spans = whole(&x.sizes());
    spans[axis] = span;
    x.view(ViewOp::Slice(spans))
}

/// The view operation of `narrow`.
pub(crate) fn narrow_op(shape: &Shape, axis: usize, start: usize, length: usize) -> ViewOp {
    let mut spans = whole(shape);
    spans[axis] = Span { start: start as i64, step: 1, size: length as u64 };
    ViewOp::Slice(spans)
}

pub fn narrow(x: &Tensor, dim: i64, start: i64, length: i64) -> Result<Tensor> {
    if x.dim() == 0 {
        return runtime("narrow() cannot be applied to a 0-dim tensor.");
    }
    if length < 0 {
        return runtime("narrow(): length must be non-negative.");
    }
    let axis = wrap_axis(dim, x.dim())?;
    let sizes = x.sizes();
    let extent = sizes[axis].get() as i64;
    if start < -extent || start > extent {
        return Err(Error::Index(format!(
            "start out of range (expected to be in range of [-{extent}, {extent}], but got {start})"
        )));
    }
    let start = if start < 0 { start + extent } else { start };
    if length > extent - start {
        return runtime(format!("start ({start}) + length ({length}) exceeds dimension size ({extent})."));
    }
    x.view(narrow_op(&sizes, axis, start as usize, length as usize))
}

/// As [`narrow`], from a place that a tensor gives.
pub fn narrow_tensor(x: &Tensor, dim: i64, start: &Tensor, length: i64) -> Result<Tensor> {
    if start.dim() != 0 || !start.dtype().is_integer() {
        return runtime("start must be an 0-dim integral Tensor.");
    }
    narrow(x, dim, integer(start)?, length)
}

pub fn select(x: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
    if x.dim() == 0 {
        return Err(Error::Index("select() cannot be applied to a 0-dim tensor.".into()));
    }
    let axis = wrap_axis(dim, x.dim())?;
    let sizes = x.sizes();
    let extent = sizes[axis].get() as i64;
    if index < -extent || index >= extent {
        return Err(Error::Index(format!(
            "select(): index {index} out of range for tensor of size {sizes} at dimension {axis}"
        )));
    }
    let index = if index < 0 { index + extent } else { index };
    x.view(ViewOp::Select { axis, index: index as usize })
}

pub fn slice(x: &Tensor, dim: i64, start: Option<i64>, stop: Option<i64>, step: i64) -> Result<Tensor> {
    if x.dim() == 0 {
        return fail(Error::Index, "slice() cannot be applied to a 0-dim tensor.");
    }
    let axis = wrap_axis(dim, x.dim())?;
    if step <= 0 {
        return runtime("slice step must be positive");
    }
    let extent = x.sizes()[axis].get();
    span_of(x, axis, slice_span(extent, start, stop, step))
}

pub fn diagonal(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    let rank = x.dim();
    let (axis1, axis2) = (wrap_axis(dim1, rank)?, wrap_axis(dim2, rank)?);
    if axis1 == axis2 {
        return runtime(format!("diagonal dimensions cannot be identical {dim1}, {dim2}"));
    }
    x.view(ViewOp::Diagonal { offset, axis1, axis2 })
}

pub fn unfold(x: &Tensor, dim: i64, size: i64, step: i64) -> Result<Tensor> {
    let axis = wrap_axis(dim, x.dim())?;
    if size < 0 {
        return runtime(format!("size is {size} but must be >= 0"));
    }
    if step < 0 {
        return runtime(format!("step is {step} but must be > 0"));
    }
    x.view(ViewOp::Unfold { axis, size: size as usize, step: step as usize })
}

pub fn as_strided(x: &Tensor, sizes: &[i64], strides: &[i64], offset: Option<i64>) -> Result<Tensor> {
    x.view(as_strided_op(x, sizes, strides, offset)?)
}

pub(crate) fn as_strided_op(
    x: &Tensor,
    sizes: &[i64],
    strides: &[i64],
    offset: Option<i64>,
) -> Result<ViewOp> {
    if sizes.len() == strides.len() && sizes.iter().any(|&s| s < 0) {
        return fail(
            Error::Shape,
            format!(
                "Storage size calculation overflowed with sizes={} and strides={}",
                listed(sizes),
                listed(strides)
            ),
        );
    }
    let sizes: Shape = sizes.iter().map(|&s| s.max(0) as usize).collect();
    let offset = offset.unwrap_or_else(|| x.storage_offset());
    Ok(ViewOp::AsStrided { sizes, strides: Strides::from_slice(strides), offset })
}
