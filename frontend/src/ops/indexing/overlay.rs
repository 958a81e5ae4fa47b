//! Copies of a tensor with one of its views replaced.

use crate::error::{Error, Result};
use crate::ops::layout::finish;
use crate::ops::view_ops;
use crate::tensor::Tensor;

fn with(x: &Tensor, source: &Tensor, view: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let copy = finish(x.read()?, &[x])?;
    let part = view(&copy)?;
    let (from, to) = (source.sizes(), part.sizes());
    if from != to {
        let message = format!(
            "expected src to have a size equal to the slice of self. src size = {from}, slice size = {to}"
        );
        return Err(Error::shapes(message, &from, &to));
    }
    part.write(source.read()?.cast(x.dtype())?)?;
    Ok(copy)
}

pub fn select_scatter(x: &Tensor, source: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
    with(x, source, |copy| view_ops::select(copy, dim, index))
}

pub fn slice_scatter(
    x: &Tensor,
    source: &Tensor,
    dim: i64,
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
) -> Result<Tensor> {
    with(x, source, |copy| view_ops::slice(copy, dim, start, stop, step))
}

pub fn diagonal_scatter(x: &Tensor, source: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    with(x, source, |copy| view_ops::diagonal(copy, offset, dim1, dim2))
}

pub fn as_strided_scatter(
    x: &Tensor,
    source: &Tensor,
    sizes: &[i64],
    strides: &[i64],
    offset: Option<i64>,
) -> Result<Tensor> {
    with(x, source, |copy| view_ops::as_strided(copy, sizes, strides, offset))
}
