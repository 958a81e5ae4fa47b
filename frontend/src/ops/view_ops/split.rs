//! Views that together are a tensor.

use super::{narrow_op, reshape, slice};
use crate::error::{Error, Result, runtime};
use crate::ops::indexing::integers;
use crate::tensor::Tensor;
use crate::view::{ViewOp, wrap_axis};
use rustorch_ir::{DType, Shape};

/// Pieces of these lengths, one behind the other.
fn pieces(x: &Tensor, axis: usize, lengths: impl IntoIterator<Item = usize>) -> Result<Vec<Tensor>> {
    let shape = x.sizes();
    let mut start = 0;
    x.views(lengths.into_iter().map(|length| {
        let op = narrow_op(&shape, axis, start, length);
        start += length;
        op
    }))
}

/// The axis that a tensor is split along, and its extent.
fn split_axis(x: &Tensor, dim: i64, name: &str) -> Result<(usize, usize)> {
    if x.dim() == 0 {
        return runtime(format!("{name} expects at least a 1-dimensional tensor"));
    }
    let axis = wrap_axis(dim, x.dim())?;
    Ok((axis, x.sizes()[axis].get()))
}

pub fn split(x: &Tensor, size: i64, dim: i64) -> Result<Vec<Tensor>> {
    let (axis, extent) = split_axis(x, dim, "split")?;
    if size < 0 {
        return runtime(format!("split expects split_size be non-negative, but got split_size={size}"));
    }
    if size == 0 && extent > 0 {
        return runtime(format!(
            "split_size can only be 0 if dimension size is 0, but got dimension size of {extent}"
        ));
    }
    pieces_of(x, axis, extent, size as usize)
}

/// Pieces of `size`, the last one smaller if need be; at least one piece.
fn pieces_of(x: &Tensor, axis: usize, extent: usize, size: usize) -> Result<Vec<Tensor>> {
    let count = extent.div_ceil(size.max(1)).max(1);
    pieces(x, axis, (0..count).map(|i| size.min(extent - (i * size).min(extent))))
}

pub fn split_with_sizes(x: &Tensor, sizes: &[i64], dim: i64) -> Result<Vec<Tensor>> {
    let (axis, extent) = split_axis(x, dim, "split")?;
    let text = || super::listed(sizes);
    if sizes.iter().any(|&s| s < 0) {
        return runtime(format!(
            "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={}",
            text()
        ));
    }
    let total = sizes.iter().try_fold(0i64, |sum, &s| sum.checked_add(s));
    if total != Some(extent as i64) {
        return runtime(format!(
            "split_with_sizes expects split_sizes to sum exactly to {extent} (input tensor's size at dimension \
             {axis}), but got split_sizes={}",
            text()
        ));
    }
    pieces(x, axis, sizes.iter().map(|&s| s as usize))
}

pub fn chunk(x: &Tensor, chunks: i64, dim: i64) -> Result<Vec<Tensor>> {
    let (axis, extent) = split_axis(x, dim, "chunk")?;
    if chunks <= 0 {
        return runtime(format!("chunk expects `chunks` to be greater than 0, got: {chunks}"));
    }
    let size = extent.div_ceil(chunks as usize);
    if size == 0 {
        return pieces(x, axis, (0..chunks).map(|_| 0));
    }
    pieces_of(x, axis, extent, size)
}

pub fn unbind(x: &Tensor, dim: i64) -> Result<Vec<Tensor>> {
    if x.dim() == 0 {
        wrap_axis(dim, 0)?;
        return Err(Error::Axis(format!("Dimension specified as {dim} but tensor has no dimensions")));
    }
    let axis = wrap_axis(dim, x.dim())?;
    let extent = x.sizes()[axis].get();
    x.views((0..extent).map(|index| ViewOp::Select { axis, index }))
}

fn split_rank(x: &Tensor) -> Result<()> {
    if x.dim() > 0 {
        return Ok(());
    }
    runtime("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
}

/// Nearly equal sections, the first ones longer.
pub fn tensor_split(x: &Tensor, sections: i64, dim: i64) -> Result<Vec<Tensor>> {
    split_rank(x)?;
    let axis = wrap_axis(dim, x.dim())?;
    if sections <= 0 {
        return runtime(format!("number of sections must be larger than 0, got {sections}"));
    }
    let extent = x.sizes()[axis].get() as i64;
    let (size, longer) = (extent / sections, extent % sections);
    let start = |i: i64| i * size + i.min(longer);
    (0..sections).map(|i| slice(x, axis as i64, Some(start(i)), Some(start(i + 1)), 1)).collect()
}

/// The sections between these places.
pub fn tensor_split_at(x: &Tensor, places: &[i64], dim: i64) -> Result<Vec<Tensor>> {
    split_rank(x)?;
    let axis = wrap_axis(dim, x.dim())? as i64;
    let mut start = 0;
    let mut out = Vec::with_capacity(places.len() + 1);
    for &stop in places {
        out.push(slice(x, axis, Some(start), Some(stop), 1)?);
        start = stop;
    }
    out.push(slice(x, axis, Some(start), None, 1)?);
    Ok(out)
}

/// As [`tensor_split`] or [`tensor_split_at`], by a tensor with no axis or one.
pub fn tensor_split_tensor(x: &Tensor, by: &Tensor, dim: i64) -> Result<Vec<Tensor>> {
    split_rank(x)?;
    if by.dtype() != DType::I64 {
        return runtime(format!(
            "tensor_split expected tensor_indices_or_sections to have dtype of long, but got {}",
            by.dtype().scalar_type_name()
        ));
    }
    match by.dim() {
        0 => tensor_split(x, integers(by)?[0], dim),
        1 => tensor_split_at(x, &integers(by)?, dim),
        rank => runtime(format!(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but \
             got a tensor with {rank} dims"
        )),
    }
}

/// One of torch's splits along a fixed axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Along {
    Columns,
    Rows,
    Depth,
}

impl Along {
    fn axis(self, x: &Tensor) -> Result<i64> {
        let (name, least) = match self {
            Along::Columns => ("hsplit", 1),
            Along::Rows => ("vsplit", 2),
            Along::Depth => ("dsplit", 3),
        };
        let rank = x.dim();
        if rank < least {
            return runtime(format!(
                "torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {rank} \
                 dimensions!"
            ));
        }
        Ok(match self {
            Along::Columns => i64::from(rank > 1),
            Along::Rows => 0,
            Along::Depth => 2,
        })
    }

    pub fn split(self, x: &Tensor, sections: i64) -> Result<Vec<Tensor>> {
        let axis = self.axis(x)?;
        let extent = x.sizes()[axis as usize].get() as i64;
        if sections == 0 || extent % sections != 0 {
            let name = ["hsplit", "vsplit", "dsplit"][self as usize];
            return runtime(format!(
                "torch.{name} attempted to split along dimension {axis}, but the size of the dimension {extent} is \
                 not divisible by the split_size {sections}!"
            ));
        }
        tensor_split(x, sections, axis)
    }

    pub fn split_at(self, x: &Tensor, places: &[i64]) -> Result<Vec<Tensor>> {
        tensor_split_at(x, places, self.axis(x)?)
    }
}

/// 1-D tensors as the axes of a grid.
pub fn meshgrid(axes: &[Tensor], indexing: &str) -> Result<Vec<Tensor>> {
    let Some(first) = axes.first() else { return runtime("meshgrid expects a non-empty TensorList") };
    for axis in axes {
        if axis.dim() > 1 {
            return runtime(format!(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: a tensor of shape {}",
                axis.sizes()
            ));
        }
        if axis.dtype() != first.dtype() {
            return runtime("meshgrid expects all tensors to have the same dtype");
        }
    }
    let swap = match indexing {
        "ij" => false,
        "xy" => axes.len() >= 2,
        other => {
            return runtime(format!(
                "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: {other}"
            ));
        }
    };
    let mut order: Vec<usize> = (0..axes.len()).collect();
    if swap {
        order.swap(0, 1);
    }
    let shape: Shape = order.iter().map(|&i| axes[i].numel()).collect();
    let place = |i: usize| order.iter().position(|&j| j == i).unwrap_or(i);
    axes.iter()
        .enumerate()
        .map(|(i, axis)| {
            let mut sizes = vec![1i64; axes.len()];
            sizes[place(i)] = -1;
            if axis.numel() == 0 {
                sizes[place(i)] = 0;
            }
            super::expand_to(&reshape(axis, &sizes)?, &shape)
        })
        .collect()
}

/// Views of all tensors in the shape that they broadcast to.
pub fn broadcast_tensors(list: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut shape = Shape::scalar();
    for x in list {
        shape = crate::record::broadcast_shapes(&shape, &x.sizes())?;
    }
    list.iter().map(|x| super::expand_to(x, &shape)).collect()
}

/// torch's `broadcast_shapes`, of sizes alone.
pub fn broadcast_shapes(shapes: &[impl AsRef<[i64]>]) -> Result<Vec<i64>> {
    let shapes: Vec<&[i64]> = shapes.iter().map(AsRef::as_ref).collect();
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1i64; rank];
    for (k, shape) in shapes.iter().enumerate() {
        let lead = rank - shape.len();
        for (i, &size) in shape.iter().enumerate().rev() {
            let known = &mut out[lead + i];
            if size == 1 || size == *known {
                continue;
            }
            if *known != 1 {
                let words: Vec<String> = shape.iter().map(i64::to_string).collect();
                let comma = if words.len() == 1 { "," } else { "" };
                return runtime(format!(
                    "Attempting to broadcast a dimension of length {size} at {}! Mismatching argument at index {k} had \
                     ({}{comma}); but expected shape should be broadcastable to {}",
                    i as i64 - shape.len() as i64,
                    words.join(", "),
                    super::listed(&out)
                ));
            }
            if size < 0 {
                return Err(Error::Value("Attempting to broadcast a dimension with negative length!".into()));
            }
            *known = size;
        }
    }
    Ok(out)
}
