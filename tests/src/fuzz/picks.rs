//! Random gathers and scatters.

use super::choose::{self, Content, LARGEST};
use super::generate::Generator;
use rustorch_ir::build::Build;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::*;
use rustorch_ir::{DType, Shape, Type, Value};

impl Generator {
    /// How data of this shape may be picked from, and the index's shape.
    fn picks(&mut self, data: &Shape) -> Option<(Picks, Shape)> {
        let rank = data.rank();
        if rank == 0 {
            return None;
        }
        let axis = self.rng.below(rank as u64) as usize;
        let mut picked: Vec<usize> = (0..rank).filter(|&a| a != axis).map(|a| data[a].get()).collect();
        let shared = picked.len();
        let (mut index, mut sizes) = (Vec::new(), Vec::new());
        for place in self.permutation(shared) {
            if self.rng.chance(30) {
                index.push(place);
                sizes.push(picked[place as usize]);
            }
        }
        for _ in 0..self.rng.below(3) {
            let extent = choose::extent(&mut self.rng);
            index.push(picked.len() as u8);
            sizes.push(extent);
            picked.push(extent);
        }
        let order = self.permutation(picked.len());
        let picks = Picks {
            axis: axis as u8,
            data: order[..shared].into(),
            index: index.iter().map(|&a| order[a as usize]).collect(),
        };
        Some((picks, Shape::from_sizes(&sizes)))
    }

    /// An index tensor for an axis of this extent, nearly always within it.
    fn index(&mut self, shape: &Shape, extent: usize) -> Value {
        let dtype = *self.rng.pick(&[DType::I64, DType::I64, DType::I32]);
        let ty = Type::new(dtype, shape.clone());
        if extent > 0 && self.rng.chance(30) {
            // Computed: anything, brought into range.
            let any = self.like(&ty);
            let b: &mut dyn Build = &mut self.graph;
            let n = b.fill_like(any, extent as f64);
            return b.map(Scalar::Remainder, &[any, n]);
        }
        let below = if self.rng.chance(1) { extent + 1 } else { extent };
        self.leaf(&ty, Content::Below(below))
    }

    pub(super) fn gather(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let is_index = matches!(ty.dtype, DType::I64 | DType::I32);
        if is_index && (ty.shape.rank() == 0 || self.rng.chance(30)) {
            return self.gather_by(x, ty);
        }
        let (picks, sizes) = self.picks(&ty.shape)?;
        let extent = ty.shape[picks.axis as usize].get();
        let index = self.index(&sizes, extent);
        if extent == 0 && sizes.numel() > 0 {
            return None;
        }
        self.add(Op::Gather(Gather { picks }), &[x, index])
    }

    /// With `x` as the index, into an axis that is long enough for it, if small non-negative numbers are.
    fn gather_by(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let b: &mut dyn Build = &mut self.graph;
        let n = b.fill_like(x, 5.0);
        let index = if self.rng.chance(50) {
            let b: &mut dyn Build = &mut self.graph;
            b.map(Scalar::Remainder, &[x, n])
        } else {
            x
        };
        let rank = ty.shape.rank() as u8;
        let dtype = self.dtype();
        let data = self.like(&Type::new(dtype, Shape::from_sizes(&[70])));
        let picks = Picks { axis: 0, data: Axes::new(), index: (0..rank).collect() };
        self.add(Op::Gather(Gather { picks }), &[data, index])
    }

    pub(super) fn scatter(&mut self, x: Value, ty: &Type) -> Option<Value> {
        // Where several updates meet, replacing has no gradient for those that lose.
        let combine = (self.options.smooth || self.rng.chance(50)).then_some(Combine::Add);
        if self.rng.chance(50) || ty.shape.rank() == 0 {
            // As updates: each of their axes is the data's, the index's, or both's.
            let extent = 1 + self.rng.below(6) as usize;
            let (mut data, mut index, mut sizes, mut places) = (Axes::new(), Axes::new(), vec![], vec![]);
            for axis in self.permutation(ty.shape.rank()) {
                let owner = self.rng.below(3);
                if owner != 0 {
                    data.push(axis);
                    sizes.push(ty.shape[axis as usize].get());
                }
                if owner != 1 {
                    index.push(axis);
                    places.push(ty.shape[axis as usize].get());
                }
            }
            let axis = self.rng.below(sizes.len() as u64 + 1) as usize;
            sizes.insert(axis, extent);
            if sizes.iter().product::<usize>() > LARGEST {
                return None;
            }
            let base = self.like(&Type::new(ty.dtype, Shape::from_sizes(&sizes)));
            let at = self.index(&Shape::from_sizes(&places), extent);
            let picks = Picks { axis: axis as u8, data, index };
            return self.add(Op::Scatter(Scatter { picks, combine }), &[base, at, x]);
        }
        let (picks, sizes) = self.picks(&ty.shape)?;
        let extent = ty.shape[picks.axis as usize].get();
        if extent == 0 && sizes.numel() > 0 {
            return None;
        }
        let index = self.index(&sizes, extent);
        let gather = Op::Gather(Gather { picks: picks.clone() });
        let picked = gather.infer(&[ty, &self.ty(index)]).expect("picks that fit");
        if picked[0].shape.checked_numel().is_none_or(|n| n > LARGEST) {
            return None;
        }
        let updates = self.like(&picked[0]);
        self.add(Op::Scatter(Scatter { picks, combine }), &[x, index, updates])
    }
}
