//! Ops that pass their operand on and mean something to a pass.

use super::*;

/// The operand, with no gradient.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Detach;

/// The operand, materialised.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fence;

impl Primitive for Detach {
    const KIND: Kind = Kind::View;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        let _ = c;
        Ok((name == "detach").then_some(Detach))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("detach", x, 1)?;
        single(x[0].clone())
    }

    fn vjp(&self, _: &mut dyn Build, _: &[Value], _: &[Value], _: &[Option<Value>]) -> Grads {
        Grads::from_slice(&[None])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        p.pull(node.inputs[0], index)
    }

    fn restride(&self, _: &Shape, strides: &Strides, _: &Shape) -> Option<(Strides, i64)> {
        Some((strides.clone(), 0))
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        let _ = g;
        Some(("detach, with gradients taken", x[0]))
    }
}

impl Primitive for Fence {
    const KIND: Kind = Kind::Push;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        let _ = c;
        Ok((name == "fence").then_some(Fence))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("fence", x, 1)?;
        single(x[0].clone())
    }

    fn vjp(&self, _: &mut dyn Build, _: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        Grads::from_slice(dy)
    }

    fn nests(&self, node: &Node, _: &dyn Fn(Value) -> Type) -> Vec<Nest> {
        vec![Nest::free(0, &node.types[0].shape)]
    }

    fn write(&self, p: &mut dyn Pull, node: &Node, _: usize, index: &[Val], _: &[Val]) -> Write {
        let value = p.pull(node.inputs[0], index);
        Write::put(index.into(), value, None)
    }
}

impl fmt::Display for Detach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("detach")
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fence")
    }
}
