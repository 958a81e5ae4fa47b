//! The operand at some places of a larger tensor, a fill value at the others.

use super::*;
use crate::loops::{BinOp, CmpOp};

/// `shape` holds the first operand where [`Slice`] with these spans would read it, and the second
/// operand (0-d) elsewhere.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pad {
    pub spans: SmallVec<[Span; 4]>,
    pub shape: Shape,
}

impl Primitive for Pad {
    const KIND: Kind = Kind::View;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "pad" {
            return Ok(None);
        }
        c.symbol("<")?;
        let spans = Span::parse_list(c)?;
        c.symbol(",")?;
        let shape = c.shape()?;
        c.symbol(">")?;
        Ok(Some(Pad { spans, shape }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("pad", x, 2)?;
        let fits = self.spans.len() == self.shape.rank()
            && self.spans.iter().zip(self.shape.iter()).all(|(s, d)| s.fits(d.get()))
            && self.spans.iter().map(|s| s.size as usize).eq(x[0].shape.iter().map(|d| d.get()));
        if !fits {
            return Err(OpError::attribute("pad", format!("{self} does not place the operand"), &x[0].shape));
        }
        if x[1].shape.rank() != 0 || x[1].dtype != x[0].dtype {
            return Err(OpError::DTypes { op: "pad".into(), a: x[0].dtype, b: x[1].dtype });
        }
        single(Type::new(x[0].dtype, self.shape.clone()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0] else { return Grads::from_slice(&[None, None]) };
        let inner = b.one(Op::Slice(Slice { spans: self.spans.clone() }), &[g]);
        // The fill's gradient: what is not the operand's. By subtraction it would lose accuracy.
        let zero = b.fill_like(x[0], 0.0);
        let fill = b.dtype(x[1]).is_float().then(|| {
            let outside = b.one(Op::Update(Update { spans: self.spans.clone() }), &[g, zero]);
            let axes: SmallVec<[usize; 4]> = (0..self.shape.rank()).collect();
            b.sum(outside, &axes)
        });
        Grads::from_slice(&[Some(inner), fill])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let b = p.loops();
        let zero = b.index(0);
        let mut inside = b.mask(true);
        let mut at: Index = SmallVec::new();
        for ((span, &i), dim) in self.spans.iter().zip(index).zip(self.shape.iter()) {
            if *span == Span::all(dim.get()) {
                at.push(i);
                continue;
            }
            let (from, ok) = locate(b, span, i);
            inside = b.bin(BinOp::And, inside, ok);
            at.push(b.select(ok, from, zero));
        }
        if self.spans.iter().any(|s| s.size == 0) {
            return p.pull(node.inputs[1], &[]);
        }
        let value = p.pull(node.inputs[0], &at);
        let fill = p.pull(node.inputs[1], &[]);
        p.loops().select(inside, value, fill)
    }

    /// Asking whether an index lies inside costs more than reading what was copied.
    fn cost(&self) -> Cost {
        Cost::Dear
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        let whole = self.spans.iter().zip(self.shape.iter()).all(|(s, d)| *s == Span::all(d.get()));
        (whole && g.ty(x[0]).shape == self.shape).then_some(("padding with nothing", x[0]))
    }
}

/// The index within the span of position `i` of the axis, and whether the span reads that position.
pub(super) fn locate(b: &mut LoopBuilder, span: &Span, i: Val) -> (Val, Val) {
    // With a negative step the span is counted from its other end.
    let (low, step) = if span.step > 0 {
        (span.start, span.step)
    } else {
        (span.start + span.step * (span.size as i64 - 1), -span.step)
    };
    let distance = b.affine(&[(i, 1)], -low);
    let (zero, size) = (b.index(0), b.index(span.size as i64 * step));
    let above = b.cmp(CmpOp::Le, zero, distance);
    let below = b.cmp(CmpOp::Lt, distance, size);
    let mut ok = b.bin(BinOp::And, above, below);
    let mut at = distance;
    if step > 1 {
        let safe = b.select(ok, distance, zero);
        b.assume_range(safe, 0, span.size as i64 * step - 1);
        let (q, r) = b.div_rem(safe, step);
        let aligned = b.cmp(CmpOp::Eq, r, zero);
        ok = b.bin(BinOp::And, ok, aligned);
        at = q;
    }
    if span.step < 0 {
        at = b.affine(&[(at, -1)], span.size as i64 - 1);
    }
    (at, ok)
}

impl fmt::Display for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pad<")?;
        write_list(f, &self.spans)?;
        write!(f, ", {}>", self.shape)
    }
}
