//! Padding at the ends of axes.

use crate::error::{Error, Result, runtime};
use crate::ops::layout::finish;
use crate::ops::view_ops::{listed, narrow};
use crate::promote::checked_literal;
use crate::record::Recorded;
use crate::registry::Scalar;
use crate::tensor::Tensor;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Axes, Picks, Span};
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// `value` around the tensor; negative amounts cut. The amounts are pairs, the last axis's first.
pub fn constant_pad_nd(x: &Tensor, amounts: &[i64], value: Scalar) -> Result<Tensor> {
    if !amounts.len().is_multiple_of(2) {
        return runtime(format!("Length of pad must be even but instead it equals {}", amounts.len()));
    }
    let (rank, padded) = (x.dim(), amounts.len() / 2);
    if padded > rank {
        return runtime(format!(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is {}while \
             the input has {rank}dimensions.",
            amounts.len()
        ));
    }
    let mut cut = x.clone();
    let sizes = x.sizes();
    let (mut spans, mut shape): (SmallVec<[Span; 4]>, Shape) = (SmallVec::new(), Shape::scalar());
    let mut grows = false;
    for axis in 0..rank {
        let pair = rank - 1 - axis;
        let (before, after) = if pair < padded { (amounts[2 * pair], amounts[2 * pair + 1]) } else { (0, 0) };
        if before < 0 {
            let extent = cut.sizes()[axis].get() as i64;
            cut = narrow(&cut, axis as i64, -before, extent + before)?;
        }
        if after < 0 {
            let extent = cut.sizes()[axis].get() as i64;
            cut = narrow(&cut, axis as i64, 0, extent + after)?;
        }
        grows |= before > 0 || after > 0;
        let extent = cut.sizes()[axis].get();
        let total = sizes[axis].get() as i64 + before + after;
        if total < 0 {
            return runtime(format!(
                "The input size {}, plus negative padding {before} and {after} resulted in a negative output size, \
                 which is invalid. Check dimension {axis} of your input.",
                sizes[axis]
            ));
        }
        spans.push(Span { start: if extent == 0 { 0 } else { before.max(0) }, step: 1, size: extent as u64 });
        shape.push((total as usize).into());
    }
    let value = checked_literal(value, x.dtype())?;
    if !grows {
        return finish(cut.read()?, &[&cut]);
    }
    Tensor::from_value(cut.read()?.pad(&spans, &shape, &Recorded::scalar(value))?)
}

/// torch's `nn.functional.pad`.
pub fn pad(x: &Tensor, amounts: &[i64], mode: &str, value: Option<f64>) -> Result<Tensor> {
    if !amounts.len().is_multiple_of(2) {
        return runtime("Padding length must be divisible by 2");
    }
    if amounts.len() / 2 > x.dim() {
        return runtime(format!(
            "Padding length should be less than or equal to two times the input dimension but got padding length {} \
             and input of dimension {}",
            amounts.len(),
            x.dim()
        ));
    }
    let place: fn(i64, i64) -> i64 = match mode {
        "constant" => return constant_pad_nd(x, amounts, Scalar::Float(value.unwrap_or(0.0))),
        "reflect" => |i, n| {
            if i < 0 {
                -i
            } else if i >= n {
                2 * (n - 1) - i
            } else {
                i
            }
        },
        "replicate" => |i, n| i.clamp(0, n - 1),
        "circular" => |i, n| i.rem_euclid(n),
        other => return Err(Error::NotImplemented(format!("Unrecognised padding mode {other}"))),
    };
    if value.is_some_and(|v| v != 0.0) {
        return runtime(format!("Padding mode \"{mode}\" doesn't take in value argument"));
    }
    let (rank, padded) = (x.dim(), amounts.len() / 2);
    if !(padded + 1..=padded + 2).contains(&rank) || padded > 3 {
        return Err(Error::NotImplemented(format!(
            "Padding size {} is not supported for {rank}D input tensor.",
            amounts.len()
        )));
    }
    let mut out = x.read()?;
    for (pair, amount) in amounts.chunks(2).enumerate() {
        let axis = rank - 1 - pair;
        out = picked(&out, axis, (amount[0], amount[1]), mode, place)?;
    }
    Tensor::from_value(out)
}

/// The axis with elements before and behind it, which stand at `place` of theirs.
fn picked(
    x: &Recorded,
    axis: usize,
    (before, after): (i64, i64),
    mode: &str,
    place: fn(i64, i64) -> i64,
) -> Result<Recorded> {
    let extent = x.shape()[axis].get() as i64;
    let most = match mode {
        "reflect" => extent - 1,
        "circular" => extent,
        _ => i64::MAX,
    };
    if before > most || after > most {
        return match mode {
            "reflect" => runtime(format!(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding \
                 ({before}, {after}) at dimension {axis} of input {}",
                x.shape()
            )),
            _ => runtime("Padding value causes wrapping around more than once."),
        };
    }
    let total = extent + before + after;
    if total < 0 || (extent == 0 && total > 0) {
        let sizes: Vec<i64> = x.shape().iter().map(|d| d.get() as i64).collect();
        return runtime(format!(
            "Expected a non-empty result and input, but padding ({before}, {after}) of dimension {axis} of input {} \
             leaves none",
            listed(&sizes)
        ));
    }
    let places: Vec<i64> = (-before..extent + after).map(|i| place(i, extent)).collect();
    let ty = Type::new(DType::I64, Shape::from_sizes(&[places.len()]));
    let index = Recorded::from_buffer(Buffer::from_slice(&places)?, ty)?;
    let others: Axes = (0..x.rank() as u8).filter(|&a| a as usize != axis).collect();
    x.gather(&index, Picks { axis: axis as u8, data: others, index: Axes::from_slice(&[axis as u8]) })
}
