//! Systems with matrices whose factors are known.

use super::terms::product_of_right;
use super::*;

/// Of operands `A`, its factors and places as [`Form::Lu`] gives them, and `B`: the solution of `op(A) X = B`, matrix by
/// matrix. It depends on the factors alone, but the gradient is the matrix's, which those were computed from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Solve {
    pub transposed: bool,
}

const NAME: &str = "solve";

impl Primitive for Solve {
    const KIND: Kind = Kind::Routine;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != NAME {
            return Ok(None);
        }
        let transposed = c.take("<");
        if transposed {
            c.symbol("transposed")?;
            c.symbol(">")?;
        }
        Ok(Some(Solve { transposed }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity(NAME, x, 4)?;
        let ((batch, m, n), (others, rows, _)) = (matrices(NAME, x[0])?, matrices(NAME, x[3])?);
        if x[0].dtype != x[3].dtype || x[2].dtype != DType::I64 {
            let op = NAME.into();
            return Err(OpError::DTypes { op, a: x[0].dtype, b: x[3].dtype });
        }
        let places: Shape = x[0].shape[..x[0].shape.rank() - 1].iter().copied().collect();
        if m != n || batch != others || rows != n || x[1] != x[0] || x[2].shape != places {
            let (a, b) = (x[0].shape.clone(), x[3].shape.clone());
            return Err(OpError::Shapes { op: NAME.into(), a, b });
        }
        single(x[3].clone())
    }

    /// From `dA X + A dX = dB` (Giles 2008, "Collected matrix derivative results", 2.2.3).
    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0] else { return Grads::from_slice(&[None; 4]) };
        let turned = Op::Solve(Solve { transposed: !self.transposed });
        let of_b = b.one(turned, &[x[0], x[1], x[2], g]);
        let (left, right) = if self.transposed { (y[0], of_b) } else { (of_b, y[0]) };
        let outer = product_of_right(b, left, right);
        Grads::from_slice(&[Some(b.neg(outer)), None, None, Some(of_b)])
    }

    fn routine(&self, x: &[&Type]) -> Option<Routine> {
        let (batch, extent, columns) = matrices(NAME, x[3]).ok()?;
        let (transposed, dtype) = (self.transposed, x[0].dtype);
        Some(Routine::Solve(routine::Solve { transposed, dtype, batch: count(batch), extent, columns }))
    }
}

impl fmt::Display for Solve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.transposed { "solve<transposed>" } else { NAME })
    }
}
