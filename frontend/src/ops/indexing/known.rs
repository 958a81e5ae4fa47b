//! Indices as values: checked at the call where they are at hand, by the kernel where they are not.

use crate::error::{Error, Result, fail, runtime};
use crate::record::{Recorded, Stored};
use crate::tensor::Tensor;
use rustorch_backend::host::indices::{Strided, extremes, values};
use rustorch_ir::DType;
use rustorch_ir::op::Scalar;

/// Calls `f` with the elements of `t`, which are stored there.
fn on_elements<T>(t: &Tensor, stored: &Stored, f: impl FnOnce(&Strided<'_>) -> T) -> T {
    let sizes = t.sizes().sizes();
    f(&Strided {
        buffer: &stored.buffer,
        dtype: t.dtype(),
        offset: stored.offset,
        sizes: &sizes,
        strides: &stored.strides,
    })
}

/// The elements of an integer or bool tensor in row-major order, computed now.
pub fn integers(t: &Tensor) -> Result<Vec<i64>> {
    let stored = t.buffer()?;
    match on_elements(t, &stored, values) {
        Some(list) => Ok(list),
        None => runtime(format!("expected integers, got a tensor of {}", t.dtype().torch_name())),
    }
}

/// The only element of an integer or bool tensor, computed now.
pub fn integer(t: &Tensor) -> Result<i64> {
    match integers(t)?.as_slice() {
        [value] => Ok(*value),
        list => fail(
            Error::NotScalar,
            format!("a Tensor with {} elements cannot be converted to Scalar", list.len()),
        ),
    }
}

/// The least and greatest element, if the tensor has elements and they are at hand: nothing has to be computed.
pub(crate) fn known_range(t: &Tensor) -> Result<Option<(i64, i64)>> {
    if t.numel() == 0 || !t.is_at_hand()? {
        return Ok(None);
    }
    let stored = t.buffer()?;
    Ok(on_elements(t, &stored, extremes))
}

/// torch's error for an index that no element of the axis has.
pub(crate) fn out_of_bounds(index: i64, axis: usize, extent: usize) -> Error {
    Error::Index(format!("index {index} is out of bounds for dimension {axis} with size {extent}"))
}

/// As [`out_of_bounds`], for the operations where torch raises the other class.
pub(crate) fn out_of_bounds_runtime(index: i64, axis: usize, extent: usize) -> Error {
    Error::Runtime(out_of_bounds(index, axis, extent).to_string())
}

/// Which indices of an axis are allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    FromFront,
    /// Negative ones count from the end.
    FromBoth,
}

/// An index that a gather can use on an axis.
pub(crate) struct Prepared {
    pub value: Recorded,
    /// All elements are within the axis. Otherwise the kernel that uses them has to check.
    pub checked: bool,
}

/// The elements of `t` as indices of an axis of `extent`; `error` says what torch raises for one that is outside.
pub(crate) fn prepared(
    t: &Tensor,
    extent: usize,
    count: Count,
    error: impl FnOnce(i64) -> Error,
) -> Result<Prepared> {
    let value = t.read()?;
    let value = if value.dtype() == DType::I32 { value } else { value.cast(DType::I64)? };
    let n = extent as i64;
    let least = if count == Count::FromBoth { -n } else { 0 };
    match known_range(t)? {
        Some((low, high)) if low < least || high >= n => {
            let outside = integers(t)?.into_iter().find(|i| !(least..n).contains(i));
            Err(error(outside.unwrap_or(low)))
        }
        Some((0.., _)) => Ok(Prepared { value, checked: true }),
        None if count == Count::FromFront || t.numel() == 0 => {
            Ok(Prepared { checked: t.numel() == 0, value })
        }
        range => Ok(Prepared { value: from_front(&value, n)?, checked: range.is_some() }),
    }
}

/// Negative elements counted from the end of an axis of extent `n`.
fn from_front(index: &Recorded, n: i64) -> Result<Recorded> {
    let index = index.cast(DType::I64)?;
    let moved = index.add(&index.literal_int(n))?;
    Recorded::map(Scalar::Select, &[&index.lt(&index.literal_int(0))?, &moved, &index])
}

/// The index of an axis under the name that torch's messages give to its dtype, or the error.
pub(crate) fn real(t: &Tensor, allowed: &[DType], error: impl FnOnce(DType) -> Error) -> Result<()> {
    if allowed.contains(&t.dtype()) { Ok(()) } else { Err(error(t.dtype())) }
}
