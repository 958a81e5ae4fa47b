//! Matrices made of their diagonals.

use crate::error::{Result, runtime};
use crate::ops::view_ops;
use crate::record::Recorded;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::op::Span;
use rustorch_ir::{Literal, Shape};
use smallvec::SmallVec;

/// A diagonal of a matrix, or the matrix that has a vector as its diagonal.
pub fn diag(x: &Tensor, offset: i64) -> Result<Tensor> {
    match x.dim() {
        1 => diag_embed(x, offset, 0, 1),
        2 => Tensor::from_value(view_ops::diagonal(x, offset, 0, 1)?.read()?),
        rank => runtime(format!("diag(): Supports 1D or 2D tensors. Got {rank}D")),
    }
}

pub fn diagflat(x: &Tensor, offset: i64) -> Result<Tensor> {
    embedded(&x.read()?.flatten()?, offset, 0, 1)
}

/// The last axis as a diagonal of two new axes, 0 elsewhere.
pub fn diag_embed(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    let rank = x.dim() + 1;
    let (axis1, axis2) = (wrap_axis(dim1, rank)?, wrap_axis(dim2, rank)?);
    if axis1 == axis2 {
        return runtime(format!("diagonal dimensions cannot be identical {dim1}, {dim2}"));
    }
    embedded(&x.read()?, offset, axis1, axis2)
}

fn embedded(x: &Recorded, offset: i64, axis1: usize, axis2: usize) -> Result<Tensor> {
    let (before, n) = {
        let sizes = x.shape().sizes();
        let Some((&n, before)) = sizes.split_last() else {
            return runtime("diag_embed: a tensor of at least one axis is needed");
        };
        (before.to_vec(), n)
    };
    let side = n + offset.unsigned_abs() as usize;
    // In row-major order the elements of a diagonal stand `side + 1` apart.
    let first = if offset >= 0 { offset } else { -offset * side as i64 };
    let mut spans: SmallVec<[Span; 4]> = before.iter().map(|&d| Span::all(d)).collect();
    spans.push(Span { start: if n == 0 { 0 } else { first }, step: side as i64 + 1, size: n as u64 });
    let flat: Shape = before.iter().copied().chain([side * side]).collect();
    let square: Shape = before.iter().copied().chain([side, side]).collect();
    let zero = Recorded::constant(Literal::from_f64(x.dtype(), 0.0));
    let value = x.pad(&spans, &flat, &zero)?.reshape(&square)?;
    let mut own = 0..before.len();
    let order: SmallVec<[usize; 8]> = (0..before.len() + 2)
        .filter_map(|axis| match axis {
            a if a == axis1 => Some(before.len()),
            a if a == axis2 => Some(before.len() + 1),
            _ => own.next(),
        })
        .collect();
    Tensor::from_value(value.permute(&order)?)
}
