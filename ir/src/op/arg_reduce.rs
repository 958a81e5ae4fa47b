//! Where along an axis the extremum is.

use super::reduce::{combine_name, depth_of, neutral, on_masks};
use super::*;
use crate::dtype::DType;
use crate::loops::{BinOp, CmpOp, Elem, UnOp};

/// The first index along `axis` of the maximum or minimum, i64; a NaN counts as the extremum. The axis
/// disappears and is not empty.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ArgReduce {
    pub largest: bool,
    pub axis: u8,
}

/// Fewer rows than this do not occupy the threads, if there are this many elements in all.
const FEW_ROWS: usize = 16;
const LONG: usize = 1 << 15;

impl ArgReduce {
    fn combine(&self) -> Combine {
        if self.largest { Combine::Max } else { Combine::Min }
    }
}

impl Primitive for ArgReduce {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "arg_reduce" {
            return Ok(None);
        }
        c.symbol("<")?;
        let largest = c.one_of(&["max", "min"], "`max` or `min`")? == "max";
        c.symbol(",")?;
        let axis = c.integer("an axis")?;
        c.symbol(">")?;
        Ok(Some(ArgReduce { largest, axis }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("arg_reduce", x, 1)?;
        let axis = self.axis as usize;
        if axis >= x[0].shape.rank() || x[0].shape[axis].get() == 0 {
            return Err(OpError::attribute("arg_reduce", "axis is out of range or empty", &x[0].shape));
        }
        let mut shape = x[0].shape.clone();
        shape.remove(axis);
        single(Type::new(DType::I64, shape))
    }

    fn vjp(&self, _: &mut dyn Build, _: &[Value], _: &[Value], _: &[Option<Value>]) -> Grads {
        Grads::from_slice(&[None])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let x = node.inputs[0];
        let ty = p.type_of(x).clone();
        let extents = [ty.shape[self.axis as usize].get()];
        let depth = depth_of(p.loops(), index);
        let at = |reduced: Val| {
            let mut at = Index::from_slice(index);
            at.insert(self.axis as usize, reduced);
            at
        };
        let combine = if ty.dtype == DType::Bool { on_masks(self.combine()) } else { self.combine() };
        let init = neutral(p.loops(), combine, ty.dtype);
        let best = p.reduce(combine, &extents, init, depth, &mut |p, r| p.pull(x, &at(r[0])));
        // The least index whose element is the extremum, or is NaN when that is.
        let last = p.loops().index(extents[0] as i64 - 1);
        p.reduce(Combine::Min, &extents, last, depth, &mut |p, r| {
            let v = p.pull(x, &at(r[0]));
            let b = p.loops();
            let hit = if b.ty(v).elem == Elem::Mask {
                let differ = b.bin(BinOp::Xor, v, best);
                b.un(UnOp::Not, differ)
            } else {
                let equal = b.cmp(CmpOp::Eq, v, best);
                if b.ty(v).elem.is_float() {
                    let nan = b.cmp(CmpOp::Ne, v, v);
                    b.bin(BinOp::Or, equal, nan)
                } else {
                    equal
                }
            };
            b.select(hit, r[0], last)
        })
    }

    fn cost(&self) -> Cost {
        Cost::Loop
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        let ty = g.ty(x[0]).clone();
        let extent = ty.shape[self.axis as usize].get();
        if ty.shape.numel() / extent >= FEW_ROWS || ty.shape.numel() < LONG {
            return None;
        }
        // As two reductions, which can be spread over threads by their chunks.
        let axes = [self.axis];
        let b: &mut dyn Build = g;
        let reduce = |b: &mut dyn Build, combine, v| {
            b.one(Op::Reduce(Reduce { combine, axes: Axes::from_slice(&axes) }), &[v])
        };
        let best = reduce(b, self.combine(), x[0]);
        let best = b.expand_axes(best, &axes, &ty.shape);
        let mut hit = b.map(Scalar::Eq, &[x[0], best]);
        if ty.dtype.is_float() {
            let nan = b.map(Scalar::Ne, &[x[0], x[0]]);
            hit = b.map(Scalar::Or, &[hit, nan]);
        }
        let iota = b.one(Op::Iota(Iota { extent: extent.into() }), &[]);
        let line: Shape =
            (0..ty.shape.rank()).map(|a| if a == self.axis as usize { extent } else { 1 }).collect();
        let place = b.reshape(iota, &line);
        let place = b.expand(place, &ty.shape);
        let last = b.fill_like(place, extent as f64 - 1.0);
        let place = b.select(hit, place, last);
        Some(("search of few long rows", reduce(b, Combine::Min, place)))
    }
}

impl fmt::Display for ArgReduce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arg_reduce<{}, {}>", combine_name(self.combine()), self.axis)
    }
}
