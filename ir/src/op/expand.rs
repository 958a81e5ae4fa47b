//! Axes of extent 1 repeated.

use super::simplify::made_by;
use super::*;

/// Each axis of the operand has the extent of `shape` or 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Expand {
    pub shape: Shape,
}

impl Primitive for Expand {
    const KIND: Kind = Kind::View;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "expand" {
            return Ok(None);
        }
        c.symbol("<")?;
        let shape = c.shape()?;
        c.symbol(">")?;
        Ok(Some(Expand { shape }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("expand", x, 1)?;
        let fits = x[0].shape.rank() == self.shape.rank()
            && x[0].shape.iter().zip(self.shape.iter()).all(|(a, b)| a == b || a.is_one());
        if !fits {
            return Err(OpError::Shapes {
                op: "expand".into(),
                a: x[0].shape.clone(),
                b: self.shape.clone(),
            });
        }
        single(Type::new(x[0].dtype, self.shape.clone()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let from = b.shape(x[0]);
        let axes: SmallVec<[usize; 4]> =
            (0..from.rank()).filter(|&i| from[i].is_one() && !self.shape[i].is_one()).collect();
        Grads::from_slice(&[dy[0].map(|g| {
            let g = b.sum(g, &axes);
            b.reshape(g, &from)
        })])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let from = p.type_of(node.inputs[0]).shape.clone();
        let zero = p.loops().index(0);
        let at: Index = from.iter().zip(index).map(|(d, &i)| if d.is_one() { zero } else { i }).collect();
        p.pull(node.inputs[0], &at)
    }

    fn restride(&self, x: &Shape, strides: &Strides, y: &Shape) -> Option<(Strides, i64)> {
        let strides = (0..y.rank()).map(|i| if x[i] == y[i] { strides[i] } else { 0 }).collect();
        Some((strides, 0))
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        if g.ty(x[0]).shape == self.shape {
            return Some(("expansion to the same shape", x[0]));
        }
        let (Op::Expand(_), inner) = made_by(g, x[0]) else { return None };
        let inner = inner[0];
        let b: &mut dyn Build = g;
        Some(("expansion of an expansion", b.expand(inner, &self.shape)))
    }
}

impl fmt::Display for Expand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expand<{}>", self.shape)
    }
}
