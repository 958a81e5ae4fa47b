//! A scalar function applied element by element.

use super::cast::settle;
use super::*;
use crate::dtype::DType;
use crate::op::scalar::{Scalar, Signature};

impl Scalar {
    /// The dtype that operands of these dtypes give.
    pub fn result(self, x: &[DType]) -> Result<DType, OpError> {
        if x.len() != self.arity() {
            return Err(OpError::Arity { op: self.name().into(), expected: self.arity(), got: x.len() });
        }
        let refuse = |dtype| Err(OpError::DType { op: self.name().into(), dtype });
        let signature = self.signature();
        let numbers = if signature == Signature::Select {
            if x[0] != DType::Bool {
                return refuse(x[0]);
            }
            &x[1..]
        } else {
            x
        };
        let dtype = numbers[0];
        if let Some(&other) = numbers.iter().find(|&&other| other != dtype) {
            return Err(OpError::DTypes { op: self.name().into(), a: dtype, b: other });
        }
        match signature {
            Signature::Number | Signature::Select => Ok(dtype),
            Signature::NotBool if dtype != DType::Bool => Ok(dtype),
            Signature::Long if dtype == DType::I64 => Ok(dtype),
            Signature::Float if dtype.is_float() => Ok(dtype),
            Signature::Integer if dtype.is_integer() => Ok(dtype),
            Signature::Bits if !dtype.is_float() => Ok(dtype),
            Signature::Compare => Ok(DType::Bool),
            _ => refuse(dtype),
        }
    }
}

impl Primitive for Scalar {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        let _ = c;
        Ok(Scalar::ALL.iter().copied().find(|s| s.name() == name))
    }

    /// All operands have one shape; dtypes as the row's [`Signature`] says.
    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        let dtypes: SmallVec<[DType; 3]> = x.iter().map(|t| t.dtype).collect();
        let dtype = self.result(&dtypes)?;
        if let Some(other) = x.iter().find(|t| t.shape != x[0].shape) {
            return Err(OpError::Shapes {
                op: self.name().into(),
                a: x[0].shape.clone(),
                b: other.shape.clone(),
            });
        }
        single(Type::new(dtype, x[0].shape.clone()))
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
