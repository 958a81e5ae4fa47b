//! Every `step`-th element of a stretch of each axis.

use super::simplify::made_by;
use super::*;

/// Along one axis: `size` elements from `start` on, `step` apart; `step` is not 0 and may be negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    pub start: i64,
    pub step: i64,
    pub size: u64,
}

impl Span {
    /// All of an axis.
    pub fn all(extent: usize) -> Span {
        Span { start: 0, step: 1, size: extent as u64 }
    }

    /// This span of what `outer` reads.
    fn within(&self, outer: &Span) -> Span {
        let start = if self.size == 0 { 0 } else { outer.start + outer.step * self.start };
        Span { start, step: outer.step * self.step, size: self.size }
    }

    /// Whether the elements lie within an axis of `extent`.
    pub fn fits(&self, extent: usize) -> bool {
        let last = self.start as i128 + self.step as i128 * (self.size as i128 - 1);
        let inside = |i: i128| (0..extent as i128).contains(&i);
        self.step != 0 && (self.size == 0 || inside(self.start as i128) && inside(last))
    }

    pub(super) fn parse_list(c: &mut Cursor<'_>) -> Parse<SmallVec<[Span; 4]>> {
        let spans = c.list(|c| {
            let start = c.integer("where a span starts")?;
            c.symbol(":")?;
            let size = c.integer("the size of a span")?;
            c.symbol(":")?;
            Ok(Span { start, size, step: c.integer("the step of a span")? })
        })?;
        Ok(spans.into_iter().collect())
    }

    /// Position in the axis of the element at `index`.
    pub fn at(&self, b: &mut LoopBuilder, index: Val) -> Val {
        b.affine(&[(index, self.step)], self.start)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.start, self.size, self.step)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slice {
    pub spans: SmallVec<[Span; 4]>,
}

impl Primitive for Slice {
    const KIND: Kind = Kind::View;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "slice" {
            return Ok(None);
        }
        c.symbol("<")?;
        let spans = Span::parse_list(c)?;
        c.symbol(">")?;
        Ok(Some(Slice { spans }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("slice", x, 1)?;
        let shape = &x[0].shape;
        if self.spans.len() != shape.rank()
            || !self.spans.iter().zip(shape.iter()).all(|(s, d)| s.fits(d.get()))
        {
            return Err(OpError::attribute("slice", format!("{self} is out of range"), shape));
        }
        single(Type::new(x[0].dtype, self.spans.iter().map(|s| s.size as usize).collect()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let shape = b.shape(x[0]);
        Grads::from_slice(&[dy[0].map(|g| {
            let zero = b.literal(crate::dtype::Literal::from_f64(b.dtype(g), 0.0));
            b.one(Op::Pad(Pad { spans: self.spans.clone(), shape }), &[g, zero])
        })])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let b = p.loops();
        let at: Index = self.spans.iter().zip(index).map(|(s, &i)| s.at(b, i)).collect();
        p.pull(node.inputs[0], &at)
    }

    fn restride(&self, _: &Shape, strides: &Strides, y: &Shape) -> Option<(Strides, i64)> {
        // An empty view may start behind the end of its buffer; it reads nothing, so it starts at 0.
        let empty = y.numel() == 0;
        let offset = if empty { 0 } else { self.spans.iter().zip(strides).map(|(s, k)| s.start * k).sum() };
        Some((self.spans.iter().zip(strides).map(|(s, k)| s.step * k).collect(), offset))
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        if self.spans.iter().zip(g.ty(x[0]).shape.iter()).all(|(s, d)| *s == Span::all(d.get())) {
            return Some(("slice of everything", x[0]));
        }
        match made_by(g, x[0]) {
            (Op::Slice(inner), from) => {
                let spans = inner.spans.iter().zip(&self.spans).map(|(a, b)| b.within(a)).collect();
                let from = from[0];
                let b: &mut dyn Build = g;
                Some(("slice of a slice", b.one(Op::Slice(Slice { spans }), &[from])))
            }
            (Op::Pad(pad), from) if pad.spans == self.spans => Some(("slice of what was padded", from[0])),
            (Op::Update(update), from) if update.spans == self.spans => {
                Some(("slice of what was replaced", from[1]))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slice<")?;
        write_list(f, &self.spans)?;
        f.write_str(">")
    }
}
