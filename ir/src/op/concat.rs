//! Tensors laid end to end.

use super::*;

/// The operands, one after the other along `axis`; their other extents agree.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Concat {
    pub axis: u8,
}

impl Primitive for Concat {
    const KIND: Kind = Kind::Push;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "concat" {
            return Ok(None);
        }
        c.symbol("<")?;
        let axis = c.integer("an axis")?;
        c.symbol(">")?;
        Ok(Some(Concat { axis }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        let Some(first) = x.first() else { return arity("concat", x, 1).map(|()| Outputs::new()) };
        let axis = self.axis as usize;
        if axis >= first.shape.rank() {
            return Err(OpError::attribute("concat", "axis is out of range", &first.shape));
        }
        let mut extent = 0;
        for t in x {
            let mut shape = t.shape.clone();
            let fits = t.shape.rank() == first.shape.rank() && {
                shape[axis] = first.shape[axis];
                shape == first.shape
            };
            if !fits {
                return Err(OpError::Shapes {
                    op: "concat".into(),
                    a: first.shape.clone(),
                    b: t.shape.clone(),
                });
            }
            if t.dtype != first.dtype {
                return Err(OpError::DTypes { op: "concat".into(), a: first.dtype, b: t.dtype });
            }
            extent += t.shape[axis].get();
        }
        let mut shape = first.shape.clone();
        shape[axis] = extent.into();
        single(Type::new(first.dtype, shape))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0] else { return x.iter().map(|_| None).collect() };
        let mut start = 0;
        let mut grads = Grads::new();
        for &x in x {
            let shape = b.shape(x);
            let mut spans: SmallVec<[Span; 4]> = shape.iter().map(|d| Span::all(d.get())).collect();
            spans[self.axis as usize].start = start;
            start += shape[self.axis as usize].get() as i64;
            grads.push(Some(b.one(Op::Slice(Slice { spans }), &[g])));
        }
        grads
    }

    fn nests(&self, node: &Node, types: &dyn Fn(Value) -> Type) -> Vec<Nest> {
        node.inputs.iter().map(|&v| Nest::free(0, &types(v).shape)).collect()
    }

    fn write(&self, p: &mut dyn Pull, node: &Node, nest: usize, index: &[Val], _: &[Val]) -> Write {
        let axis = self.axis as usize;
        let before: usize = node.inputs[..nest].iter().map(|&v| p.type_of(v).shape[axis].get()).sum();
        let value = p.pull(node.inputs[nest], index);
        let mut at = Index::from_slice(index);
        at[axis] = p.loops().affine(&[(index[axis], 1)], before as i64);
        Write::put(at, value, None)
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        let axis = self.axis as usize;
        let some: SmallVec<[Value; 3]> =
            x.iter().copied().filter(|&v| g.ty(v).shape[axis].get() > 0).collect();
        match some.as_slice() {
            _ if x.len() == 1 => Some(("concatenation of one", x[0])),
            [] => None,
            [one] => Some(("concatenation of one", *one)),
            _ if some.len() < x.len() => {
                let b: &mut dyn Build = g;
                Some(("concatenation with nothing", b.one(Op::Concat(self.clone()), &some)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Concat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "concat<{}>", self.axis)
    }
}
