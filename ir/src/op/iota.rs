//! The coordinates of an axis.

use super::*;
use crate::dtype::DType;
use crate::shape::Dim;

/// `[0, 1, .., extent - 1]`, i64.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Iota {
    pub extent: Dim,
}

impl Primitive for Iota {
    const KIND: Kind = Kind::Leaf;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "iota" {
            return Ok(None);
        }
        c.symbol("<")?;
        let extent: usize = c.integer("an extent")?;
        c.symbol(">")?;
        Ok(Some(Iota { extent: extent.into() }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("iota", x, 0)?;
        single(Type::new(DType::I64, [self.extent].into_iter().collect()))
    }

    fn vjp(&self, _: &mut dyn Build, _: &[Value], _: &[Value], _: &[Option<Value>]) -> Grads {
        Grads::new()
    }

    fn pull(&self, _: &mut dyn Pull, _: &Node, _: u8, index: &[Val]) -> Val {
        index[0]
    }
}

impl fmt::Display for Iota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "iota<{}>", self.extent)
    }
}
