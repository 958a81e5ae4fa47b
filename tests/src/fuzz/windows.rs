//! Random windows, and what folds them.

use super::choose::LARGEST;
use super::generate::Generator;
use rustorch_ir::op::*;
use rustorch_ir::{Shape, Type, Value};

impl Generator {
    /// Windows over some axes of these extents.
    fn panes(&mut self, extents: &[usize]) -> Vec<Pane> {
        let mut panes = Vec::new();
        for (axis, &extent) in extents.iter().enumerate() {
            if self.rng.chance(50) || panes.len() == 3 {
                continue;
            }
            let (stride, dilation) = (*self.rng.pick(&[1, 1, 2, 3]), *self.rng.pick(&[1, 1, 1, 2, 3]));
            let size = self.rng.below(1 + (extent as u64).div_ceil(dilation).min(5));
            let reach = size.saturating_sub(1) * dilation;
            let most = if size == 0 { 3 } else { (extent as u64 - reach).div_ceil(stride) };
            let count = if self.rng.chance(60) { most } else { self.rng.below(most + 1) };
            panes.push(Pane { axis: axis as u8, count, stride, size, dilation });
        }
        panes
    }

    pub(super) fn window(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let panes = self.panes(&ty.shape.sizes());
        self.add(Op::Window(Window { panes: panes.into() }), &[x])
    }

    /// Of `x`, if some of its last axes may be the elements of windows; else of another value, into the shape of `x`.
    pub(super) fn fold(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let sizes = ty.shape.sizes();
        if self.rng.chance(60) {
            let inner = self.rng.below((sizes.len() as u64 / 2).min(3) + 1) as usize;
            let (counts, elements) = sizes.split_at(sizes.len() - inner);
            let mut axes = self.permutation(counts.len())[..inner].to_vec();
            axes.sort_unstable();
            let mut shape = counts.to_vec();
            let mut panes = Vec::new();
            for (&axis, &size) in axes.iter().zip(elements) {
                let (stride, dilation) = (*self.rng.pick(&[1, 1, 2, 3]), *self.rng.pick(&[1, 1, 1, 2, 3]));
                let count = counts[axis as usize];
                let reach = count.saturating_sub(1) * stride + size.saturating_sub(1) * dilation;
                shape[axis as usize] = reach + 1 + self.rng.below(3) as usize;
                let (count, stride) = (count as u64, stride as u64);
                panes.push(Pane { axis, count, stride, size: size as u64, dilation: dilation as u64 });
            }
            return self.add(Op::Fold(Fold { panes: panes.into(), shape: Shape::from_sizes(&shape) }), &[x]);
        }
        let panes = self.panes(&sizes);
        let window = Op::Window(Window { panes: panes.clone().into() });
        let windows = window.infer(&[ty]).expect("windows that fit")[0].clone();
        if windows.shape.numel() > LARGEST {
            return None;
        }
        let (shape, dtype) = (ty.shape.clone(), ty.dtype);
        let from = self.like(&Type::new(dtype, windows.shape));
        let folded = self.add(Op::Fold(Fold { panes: panes.into(), shape }), &[from])?;
        // Beside `x`, so that it is read all the same.
        let beside = if dtype.is_float() || dtype.is_integer() { Scalar::Add } else { Scalar::Or };
        self.add(Op::Map(beside), &[folded, x])
    }
}
