//! Axes in another order.

use super::simplify::made_by;
use super::*;

/// Axis `i` of the result is axis `axes[i]` of the operand.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Permute {
    pub axes: Axes,
}

impl Primitive for Permute {
    const KIND: Kind = Kind::View;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "permute" {
            return Ok(None);
        }
        c.symbol("<")?;
        let axes = c.numbers()?;
        c.symbol(">")?;
        Ok(Some(Permute { axes }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("permute", x, 1)?;
        let mut seen = self.axes.clone();
        seen.sort_unstable();
        if !seen.iter().copied().eq(0..x[0].shape.rank() as u8) {
            return Err(OpError::attribute("permute", "axes are not a permutation", &x[0].shape));
        }
        single(Type::new(x[0].dtype, self.axes.iter().map(|&a| x[0].shape[a as usize]).collect()))
    }

    fn vjp(&self, b: &mut dyn Build, _: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let mut inverse: SmallVec<[usize; 4]> = SmallVec::from_elem(0, self.axes.len());
        for (to, &from) in self.axes.iter().enumerate() {
            inverse[from as usize] = to;
        }
        Grads::from_slice(&[dy[0].map(|g| b.permute(g, &inverse))])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let mut at = Index::from_slice(index);
        for (to, &from) in self.axes.iter().enumerate() {
            at[from as usize] = index[to];
        }
        p.pull(node.inputs[0], &at)
    }

    fn restride(&self, _: &Shape, strides: &Strides, _: &Shape) -> Option<(Strides, i64)> {
        Some((self.axes.iter().map(|&a| strides[a as usize]).collect(), 0))
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        if self.axes.is_sorted() {
            return Some(("permutation that moves nothing", x[0]));
        }
        let (Op::Permute(inner), from) = made_by(g, x[0]) else { return None };
        let axes: SmallVec<[usize; 4]> = self.axes.iter().map(|&a| inner.axes[a as usize] as usize).collect();
        let from = from[0];
        let b: &mut dyn Build = g;
        Some(("permutation of a permutation", b.permute(from, &axes)))
    }
}

impl fmt::Display for Permute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permute<")?;
        write_list(f, &self.axes)?;
        f.write_str(">")
    }
}
