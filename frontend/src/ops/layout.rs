//! In which order of axes a result lies in memory: torch's rules for results of element-wise operations.

use crate::error::Result;
use crate::record::Recorded;
use crate::tensor::Tensor;
use crate::view::Geometry;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// The axes of a result, outermost first.
pub(crate) type Order = SmallVec<[usize; 8]>;

/// A tensor of `value`, the result of an element-wise operation on `operands`, which broadcast to its shape.
pub(crate) fn finish(value: Recorded, operands: &[&Tensor]) -> Result<Tensor> {
    if operands.iter().all(|t| t.is_contiguous()) {
        return Tensor::from_value(value);
    }
    let order = order(value.shape(), operands);
    Tensor::from_value_in_order(value, &order)
}

/// As [`finish`], where operands of other dtypes than `common` were first converted to it: the copy of a tensor with
/// gaps or repeats is dense, in the order of its axes.
pub(crate) fn finish_converted(value: Recorded, operands: &[&Tensor], common: DType) -> Result<Tensor> {
    if operands.iter().all(|t| t.is_contiguous()) {
        return Tensor::from_value(value);
    }
    let places: SmallVec<[Geometry; 3]> = operands
        .iter()
        .map(|t| {
            let at = t.geometry();
            if t.dtype() == common || at.rank() == 0 || at.is_dense() { at } else { packed(&at) }
        })
        .collect();
    let order = order_of(value.shape(), &places);
    Tensor::from_value_in_order(value, &order)
}

/// A dense copy of `at`, in the order that its strides ask for.
fn packed(at: &Geometry) -> Geometry {
    let mut copy = at.clone();
    let mut stride = 1;
    for &axis in order_of(&at.sizes, std::slice::from_ref(at)).iter().rev() {
        copy.strides[axis] = stride;
        stride *= at.sizes[axis].get().max(1) as i64;
    }
    copy
}

/// The order that the operands' strides ask for: the first operand that tells two axes apart decides on them.
pub(crate) fn order(shape: &Shape, operands: &[&Tensor]) -> Order {
    let places: SmallVec<[Geometry; 3]> = operands.iter().map(|t| t.geometry()).collect();
    order_of(shape, &places)
}

fn order_of(shape: &Shape, operands: &[Geometry]) -> Order {
    let strides: SmallVec<[SmallVec<[i64; 4]>; 3]> =
        operands.iter().map(|at| broadcast_strides(shape, at)).collect();
    let wins = |a: usize, b: usize| {
        for strides in &strides {
            let (s, t) = (strides[a], strides[b]);
            if s == 0 || t == 0 {
                continue;
            }
            if s != t {
                return if s < t { -1 } else { 1 };
            }
            if shape[a] > shape[b] {
                return 1;
            }
        }
        0
    };
    // Innermost first; an insertion sort, since ties are not transitive.
    let mut axes: Order = (0..shape.rank()).rev().collect();
    for i in 1..axes.len() {
        let mut at = i;
        for before in (0..i).rev() {
            match wins(axes[before], axes[at]) {
                1 => {
                    axes.swap(before, at);
                    at = before;
                }
                -1 => break,
                _ => {}
            }
        }
    }
    axes.reverse();
    axes
}

/// The strides of an operand along the axes of the result; 0 where it is repeated.
fn broadcast_strides(shape: &Shape, at: &Geometry) -> SmallVec<[i64; 4]> {
    let lead = shape.rank().saturating_sub(at.rank());
    (0..shape.rank())
        .map(|i| match i.checked_sub(lead) {
            Some(axis) if at.sizes[axis] == shape[i] => at.strides[axis],
            _ => 0,
        })
        .collect()
}
