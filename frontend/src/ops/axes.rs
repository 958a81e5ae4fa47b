//! Axes as users name them.

use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::view::wrap_axis;
use rustorch_ir::Shape;
use rustorch_ir::loops::Combine;
use smallvec::SmallVec;

pub(crate) type Axes = SmallVec<[usize; 8]>;

/// The axes that `dims` names, ascending; all of them if it names none. A 0-d tensor has none, though 0 and -1 name
/// something.
pub(crate) fn reduced(rank: usize, dims: Option<&[i64]>) -> Result<Axes> {
    match dims {
        Some(dims) if !dims.is_empty() => named(rank, dims),
        _ => Ok((0..rank).collect()),
    }
}

/// Exactly the axes that `dims` names, ascending.
pub(crate) fn named(rank: usize, dims: &[i64]) -> Result<Axes> {
    let mut axes = Axes::new();
    for &dim in dims {
        let axis = wrap_axis(dim, rank)?;
        if axes.contains(&axis) {
            return runtime(format!("dim {axis} appears multiple times in the list of dims"));
        }
        axes.push(axis);
    }
    axes.retain(|axis| *axis < rank);
    axes.sort_unstable();
    Ok(axes)
}

/// The axis that `dim` names; `None` for a 0-d tensor.
pub(crate) fn single(rank: usize, dim: i64) -> Result<Option<usize>> {
    Ok(Some(wrap_axis(dim, rank)?).filter(|axis| *axis < rank))
}

/// Combined along `axes`, which disappear, or stay with extent 1.
pub(crate) fn reduce(x: &Recorded, combine: Combine, axes: &[usize], keep: bool) -> Result<Recorded> {
    if axes.is_empty() {
        return Ok(x.clone());
    }
    if keep { x.reduce_keep(combine, axes) } else { x.reduce(combine, axes) }
}

/// The shape with the axes of extent 1.
pub(crate) fn kept(shape: &Shape, axes: &[usize]) -> Shape {
    shape.iter().enumerate().map(|(i, &d)| if axes.contains(&i) { 1.into() } else { d }).collect()
}

/// How many elements are combined into one.
pub(crate) fn extent(shape: &Shape, axes: &[usize]) -> usize {
    axes.iter().map(|&a| shape[a].get()).product()
}

/// torch's errors for a reduction without neutral element over nothing.
pub(crate) fn require_elements(name: &str, x: &Recorded, dims: Option<&[i64]>, axes: &[usize]) -> Result<()> {
    if x.numel() > 0 {
        return Ok(());
    }
    if dims.is_none_or(<[i64]>::is_empty) {
        return runtime(format!(
            "{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with \
             the 'dim' argument."
        ));
    }
    match axes.iter().find(|&&a| x.shape()[a].get() == 0) {
        Some(axis) => {
            Err(Error::Index(format!("{name}(): Expected reduction dim {axis} to have non-zero size.")))
        }
        None => Ok(()),
    }
}
