//! The same elements, in row-major order, under another shape.

use super::simplify::made_by;
use super::*;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reshape {
    pub shape: Shape,
}

impl Primitive for Reshape {
    const KIND: Kind = Kind::View;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "reshape" {
            return Ok(None);
        }
        c.symbol("<")?;
        let shape = c.shape()?;
        c.symbol(">")?;
        Ok(Some(Reshape { shape }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("reshape", x, 1)?;
        if x[0].shape.numel() != self.shape.numel() {
            return Err(OpError::Shapes {
                op: "reshape".into(),
                a: x[0].shape.clone(),
                b: self.shape.clone(),
            });
        }
        single(Type::new(x[0].dtype, self.shape.clone()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let from = b.shape(x[0]);
        Grads::from_slice(&[dy[0].map(|g| b.reshape(g, &from))])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let from = p.type_of(node.inputs[0]).shape.clone();
        let mut at: Index = SmallVec::new();
        for (to, from_axes) in groups(&from, &self.shape) {
            split(p.loops(), index, &self.shape, to, &from, from_axes, &mut at);
        }
        p.pull(node.inputs[0], &at)
    }

    fn restride(&self, x: &Shape, strides: &Strides, y: &Shape) -> Option<(Strides, i64)> {
        let mut out: Strides = SmallVec::new();
        for (to, from) in groups(x, y) {
            // The source axes of a group must be mergeable into one run, which the result then splits.
            let mut run = None;
            let mut expected = None;
            for axis in from.rev() {
                if x[axis].is_one() {
                    continue;
                }
                if expected.is_some_and(|e| e != strides[axis]) {
                    return None;
                }
                run = run.or(Some(strides[axis]));
                expected = Some(strides[axis] * x[axis].get() as i64);
            }
            let start = out.len();
            let mut next = run.unwrap_or(1);
            for axis in to.rev() {
                out.insert(start, next);
                next *= y[axis].get() as i64;
            }
        }
        Some((out, 0))
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        if g.ty(x[0]).shape == self.shape {
            return Some(("reshape to the same shape", x[0]));
        }
        match made_by(g, x[0]) {
            (Op::Reshape(_), inner) => {
                let inner = inner[0];
                let b: &mut dyn Build = g;
                Some(("reshape of a reshape", b.reshape(inner, &self.shape)))
            }
            _ => None,
        }
    }
}

type AxisRange = std::ops::Range<usize>;

/// The finest pairs of axis runs (of `to`, of `from`) with equal products: between them no index has
/// to be divided. Together they cover all axes of both.
fn groups(from: &Shape, to: &Shape) -> Vec<(AxisRange, AxisRange)> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < to.rank() || j < from.rank() {
        let (i0, j0) = (i, j);
        let (mut a, mut b) = (1usize, 1usize);
        if i < to.rank() {
            a = to[i].get();
            i += 1;
        }
        if j < from.rank() {
            b = from[j].get();
            j += 1;
        }
        while a != b {
            // Empty shapes: the products meet at 0, whatever the axes between.
            if (a < b || j == from.rank()) && i < to.rank() {
                a *= to[i].get();
                i += 1;
            } else if j < from.rank() {
                b *= from[j].get();
                j += 1;
            } else {
                break;
            }
        }
        out.push((i0..i, j0..j));
    }
    out
}

/// Appends the index of the `from` axes that corresponds to `index` on the `to` axes.
fn split(
    b: &mut LoopBuilder,
    index: &[Val],
    to_shape: &Shape,
    to: AxisRange,
    from_shape: &Shape,
    from: AxisRange,
    out: &mut Index,
) {
    let mut terms: SmallVec<[(Val, i64); 4]> = SmallVec::new();
    let mut stride = 1i64;
    for axis in to.rev() {
        terms.push((index[axis], stride));
        stride *= to_shape[axis].get() as i64;
    }
    let mut flat = b.affine(&terms, 0);
    let start = out.len();
    let outermost = from.clone().find(|&a| !from_shape[a].is_one());
    for axis in from.rev() {
        let extent = from_shape[axis].get() as i64;
        if extent <= 1 {
            let zero = b.index(0);
            out.insert(start, zero);
        } else if Some(axis) == outermost {
            out.insert(start, flat);
        } else {
            let (q, r) = b.div_rem(flat, extent);
            out.insert(start, r);
            flat = q;
        }
    }
}

impl fmt::Display for Reshape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reshape<{}>", self.shape)
    }
}
