//! Views: where a tensor's elements lie in its storage, and how its value follows from the storage's.
//!
//! A [`Geometry`] has torch's sizes, strides and offset, exactly as torch computes them: they decide what `view`
//! refuses and whether `reshape` aliases. A [`Chain`] is the same view as operations on values: forward it reads
//! the view, backward ([`Chain::put`]) it makes the base in which the view has been replaced.

mod chain;
mod geometry;
mod places;

pub use chain::{Chain, Step, Writes};
pub(crate) use chain::{apply, strided};
pub use geometry::{Geometry, infer_sizes, wrap_axis};
pub(crate) use places::covered;

use crate::error::{Error, Result, runtime};
use rustorch_ir::op::Span;
use rustorch_ir::{DType, Shape, Strides};
use smallvec::SmallVec;

/// A view operation with checked, non-negative axes where it has axes; the rest is checked here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ViewOp {
    /// Another handle on the same elements.
    Alias,
    /// torch's `view`: refuses what would need a copy.
    Reshape(Shape),
    /// Axis `i` of the result is axis `axes[i]`.
    Permute(SmallVec<[usize; 4]>),
    /// NumPy's broadcast to this shape.
    Expand(Shape),
    /// One span per axis; steps are positive.
    Slice(SmallVec<[Span; 4]>),
    /// The element `index` of an axis, which disappears.
    Select {
        axis: usize,
        index: usize,
    },
    Unsqueeze(usize),
    /// Removes these axes, which have extent 1.
    Squeeze(SmallVec<[usize; 4]>),
    /// A diagonal of two axes, as the last axis.
    Diagonal {
        offset: i64,
        axis1: usize,
        axis2: usize,
    },
    /// Windows of an axis, as the last axis.
    Unfold {
        axis: usize,
        size: usize,
        step: usize,
    },
    /// The same bytes as another dtype, at the same place.
    Bits {
        from: DType,
        to: DType,
    },
    /// Any view of the whole storage.
    AsStrided {
        sizes: Shape,
        strides: Strides,
        offset: i64,
    },
}

/// What a view operation makes of a geometry.
pub(crate) struct Viewed {
    pub geometry: Geometry,
    /// Applied to the value that is viewed; `None` if the geometry is one of the whole storage.
    pub steps: Option<SmallVec<[Step; 2]>>,
}

impl ViewOp {
    pub(crate) fn on(&self, from: &Geometry) -> Result<Viewed> {
        let rank = from.sizes.rank();
        let axis_error = |axis: usize| {
            let (low, high) = (-(rank.max(1) as i64), rank.max(1) as i64 - 1);
            Err(Error::Axis(format!(
                "Dimension out of range (expected to be in range of [{low}, {high}], but got {axis})"
            )))
        };
        let after =
            |geometry: Geometry, steps: &[Step]| Ok(Viewed { geometry, steps: Some(SmallVec::from(steps)) });
        match self {
            ViewOp::Alias => after(from.clone(), &[]),
            ViewOp::Reshape(shape) => {
                let geometry = from.reshape(shape)?;
                after(geometry, &[Step::Reshape { from: from.sizes.clone(), to: shape.clone() }])
            }
            ViewOp::Permute(axes) => {
                let mut seen: SmallVec<[usize; 4]> = axes.clone();
                seen.sort_unstable();
                if !seen.iter().copied().eq(0..rank) {
                    return if axes.len() == rank && axes.iter().all(|&a| a < rank) {
                        runtime("permute(): duplicate dims are not allowed.")
                    } else {
                        runtime(format!(
                            "permute(sparse_coo): number of dimensions in the tensor input does not match the \
                             length of the desired ordering of dimensions i.e. input.dim() = {rank} is not equal \
                             to len(dims) = {}",
                            axes.len()
                        ))
                    };
                }
                after(from.permute(axes), &[Step::Permute(axes.iter().map(|&a| a as u8).collect())])
            }
            ViewOp::Expand(shape) => {
                let geometry = from.expand(shape)?;
                let lead = shape.rank() - rank;
                let same: Shape = (0..lead).map(|_| 1.into()).chain(from.sizes.iter().copied()).collect();
                let widen = Step::Reshape { from: from.sizes.clone(), to: same.clone() };
                after(geometry, &[widen, Step::Expand { from: same, to: shape.clone() }])
            }
            ViewOp::Slice(spans) => {
                let fits = spans.len() == rank
                    && spans.iter().zip(from.sizes.iter()).all(|(s, d)| s.step > 0 && s.fits(d.get()));
                if !fits {
                    return Err(Error::Index(format!(
                        "slice out of range of a tensor of shape {}",
                        from.sizes
                    )));
                }
                after(from.slice(spans), &[Step::Slice(spans.clone())])
            }
            ViewOp::Select { axis, index } => {
                let Some(extent) = from.sizes.get(*axis) else { return axis_error(*axis) };
                if *index >= extent.get() {
                    return Err(Error::Index(format!(
                        "select(): index {index} out of range for tensor of size {} at dimension {axis}",
                        from.sizes
                    )));
                }
                let mut spans: SmallVec<[Span; 4]> = from.sizes.iter().map(|d| Span::all(d.get())).collect();
                spans[*axis] = Span { start: *index as i64, step: 1, size: 1 };
                let sliced = from.slice(&spans);
                let geometry = sliced.without(&[*axis]);
                let drop = Step::Reshape { from: sliced.sizes, to: geometry.sizes.clone() };
                after(geometry, &[Step::Slice(spans), drop])
            }
            ViewOp::Unsqueeze(axis) => {
                if *axis > rank {
                    return axis_error(*axis);
                }
                let geometry = from.unsqueeze(*axis);
                let step = Step::Reshape { from: from.sizes.clone(), to: geometry.sizes.clone() };
                after(geometry, &[step])
            }
            ViewOp::Squeeze(axes) => {
                if let Some(&axis) = axes.iter().find(|&&a| a >= rank || !from.sizes[a].is_one()) {
                    return axis_error(axis);
                }
                let geometry = from.without(axes);
                let step = Step::Reshape { from: from.sizes.clone(), to: geometry.sizes.clone() };
                after(geometry, &[step])
            }
            ViewOp::Diagonal { offset, axis1, axis2 } => {
                if let Some(&axis) = [axis1, axis2].into_iter().find(|&&a| a >= rank) {
                    return axis_error(axis);
                }
                if axis1 == axis2 {
                    return runtime(format!("diagonal dimensions cannot be identical {axis1}, {axis2}"));
                }
                let of = |g: &Geometry| g.diagonal(*offset, *axis1, *axis2);
                after(of(from), &chain::strided(&from.sizes, &of(&Geometry::contiguous(&from.sizes))))
            }
            ViewOp::Unfold { axis, size, step } => {
                if *axis >= rank.max(1) {
                    return axis_error(*axis);
                }
                let geometry = from.unfold(*axis, *size, *step)?;
                let value = Geometry::contiguous(&from.sizes).unfold(*axis, *size, *step)?;
                after(geometry, &chain::strided(&from.sizes, &value))
            }
            ViewOp::Bits { from: own, to } => {
                after(from.bits(*own, *to)?, &[Step::Bits { from: *own, to: *to }])
            }
            ViewOp::AsStrided { sizes, strides, offset } => {
                if sizes.rank() != strides.len() {
                    return runtime("mismatch in length of strides and shape");
                }
                if strides.iter().any(|&s| s < 0) {
                    return runtime(format!(
                        "as_strided: Negative strides are not supported at the moment, got strides: {:?}",
                        strides.as_slice()
                    ));
                }
                if *offset < 0 {
                    return runtime(format!("Tensor: invalid storage offset {offset}"));
                }
                let geometry = Geometry { sizes: sizes.clone(), strides: strides.clone(), offset: *offset };
                Ok(Viewed { geometry, steps: None })
            }
        }
    }
}
