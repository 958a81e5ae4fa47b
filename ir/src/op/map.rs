//! A scalar function applied element by element.

use super::cast::settle;
use super::*;
use crate::dtype::DType;
use crate::op::scalar::{Scalar, Signature};

impl Primitive for Scalar {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        let _ = c;
        Ok(Scalar::ALL.iter().copied().find(|s| s.name() == name))
    }

    /// All operands have one shape; dtypes as the row's [`Signature`] says.
    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity(self.name(), x, self.arity())?;
        if let Some(other) = x.iter().find(|t| t.shape != x[0].shape) {
            return Err(OpError::Shapes {
                op: self.name().into(),
                a: x[0].shape.clone(),
                b: other.shape.clone(),
            });
        }
        let refuse = |dtype| Err(OpError::DType { op: self.name().into(), dtype });
        let signature = self.signature();
        let numbers = if signature == Signature::Select {
            if x[0].dtype != DType::Bool {
                return refuse(x[0].dtype);
            }
            &x[1..]
        } else {
            x
        };
        let dtype = numbers[0].dtype;
        if let Some(other) = numbers.iter().find(|t| t.dtype != dtype) {
            return Err(OpError::DTypes { op: self.name().into(), a: dtype, b: other.dtype });
        }
        let result = match signature {
            Signature::Number | Signature::Select => dtype,
            Signature::NotBool if dtype != DType::Bool => dtype,
            Signature::Long if dtype == DType::I64 => dtype,
            Signature::Float if dtype.is_float() => dtype,
            Signature::Integer if dtype.is_integer() => dtype,
            Signature::Bits if !dtype.is_float() => dtype,
            Signature::Compare => DType::Bool,
            _ => return refuse(dtype),
        };
        single(Type::new(result, x[0].shape.clone()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let float = b.dtype(y[0]).is_float();
        match dy[0] {
            Some(g) if float => self.gradient(b, x, y[0], g),
            _ => x.iter().map(|_| None).collect(),
        }
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let operands: SmallVec<[Val; 3]> = node.inputs.iter().map(|&v| p.pull(v, index)).collect();
        let dtype = p.type_of(*node.inputs.last().expect("a map has operands")).dtype;
        let value = self.emit(p.loops(), dtype, &operands);
        if self.signature() == Signature::Compare { value } else { settle(p.loops(), value, dtype) }
    }

    fn cost(&self) -> Cost {
        Scalar::cost(*self)
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        scalar_rules::simplify(*self, g, x)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
