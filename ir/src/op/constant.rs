//! A 0-d literal that is part of the program.

use super::*;
use crate::dtype::Literal;
use crate::loops::register_of;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Constant {
    pub literal: Literal,
}

impl Primitive for Constant {
    const KIND: Kind = Kind::Leaf;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "const" {
            return Ok(None);
        }
        c.symbol("<")?;
        let literal = c.plain("a literal")?;
        c.symbol(">")?;
        Ok(Some(Constant { literal }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("const", x, 0)?;
        single(Type::new(self.literal.dtype, Shape::scalar()))
    }

    fn vjp(&self, _: &mut dyn Build, _: &[Value], _: &[Value], _: &[Option<Value>]) -> Grads {
        Grads::new()
    }

    fn pull(&self, p: &mut dyn Pull, _: &Node, _: u8, _: &[Val]) -> Val {
        let literal = self.literal;
        if literal.dtype.is_reduced_float() {
            return p.loops().float(crate::loops::Elem::F32, literal.as_f64());
        }
        let elem = register_of(literal.dtype);
        if elem.is_int() {
            p.loops().int(elem, literal.as_i64())
        } else {
            p.loops().constant(elem, literal.bits)
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "const<{}>", self.literal)
    }
}
