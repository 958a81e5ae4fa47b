//! A tensor with a slice of it replaced.

use super::*;

/// The first operand, but the second where [`Slice`] with these spans would read it. No element is
/// named twice.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Update {
    pub spans: SmallVec<[Span; 4]>,
}

impl Primitive for Update {
    const KIND: Kind = Kind::Push;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "update" {
            return Ok(None);
        }
        c.symbol("<")?;
        let spans = Span::parse_list(c)?;
        c.symbol(">")?;
        Ok(Some(Update { spans }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("update", x, 2)?;
        let fits = self.spans.len() == x[0].shape.rank()
            && self.spans.iter().zip(x[0].shape.iter()).all(|(s, d)| s.fits(d.get()))
            && self.spans.iter().map(|s| s.size as usize).eq(x[1].shape.iter().map(|d| d.get()));
        if !fits {
            return Err(OpError::Shapes {
                op: self.to_string(),
                a: x[0].shape.clone(),
                b: x[1].shape.clone(),
            });
        }
        if x[0].dtype != x[1].dtype {
            return Err(OpError::DTypes { op: "update".into(), a: x[0].dtype, b: x[1].dtype });
        }
        single(x[0].clone())
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0] else { return Grads::from_slice(&[None, None]) };
        let zeros = b.fill_like(x[1], 0.0);
        let base = b.one(Op::Update(self.clone()), &[g, zeros]);
        let value = b.one(Op::Slice(Slice { spans: self.spans.clone() }), &[g]);
        Grads::from_slice(&[Some(base), Some(value)])
    }

    fn takes_over(&self) -> Option<usize> {
        Some(0)
    }

    fn nests(&self, node: &Node, types: &dyn Fn(Value) -> Type) -> Vec<Nest> {
        vec![Nest::free(0, &node.types[0].shape), Nest::free(1, &types(node.inputs[1]).shape)]
    }

    fn write(&self, p: &mut dyn Pull, node: &Node, nest: usize, index: &[Val], _: &[Val]) -> Write {
        let value = p.pull(node.inputs[nest], index);
        let index = if nest == 0 {
            Index::from_slice(index)
        } else {
            let b = p.loops();
            self.spans.iter().zip(index).map(|(s, &i)| s.at(b, i)).collect()
        };
        Write::put(index, value, None)
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        if g.ty(x[1]).shape.numel() == 0 {
            return Some(("update of nothing", x[0]));
        }
        let whole = self.spans.iter().zip(g.ty(x[0]).shape.iter()).all(|(s, d)| *s == Span::all(d.get()));
        whole.then_some(("update of everything", x[1]))
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("update<")?;
        write_list(f, &self.spans)?;
        f.write_str(">")
    }
}
