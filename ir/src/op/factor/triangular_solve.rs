//! Systems with triangular matrices.

use super::terms::{Part, part, product_of_right, solve};
use super::*;

/// Of operands `A` and `B` the solution of `op(A) X = B`, matrix by matrix; the other triangle of `A` is not read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TriangularSolve {
    pub triangle: Triangle,
}

const NAME: &str = "triangular_solve";

impl Primitive for TriangularSolve {
    const KIND: Kind = Kind::Routine;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != NAME {
            return Ok(None);
        }
        c.symbol("<")?;
        let triangle = Triangle::parse(c)?;
        c.symbol(">")?;
        Ok(Some(TriangularSolve { triangle }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity(NAME, x, 2)?;
        let ((batch, m, n), (others, rows, _)) = (matrices(NAME, x[0])?, matrices(NAME, x[1])?);
        if x[0].dtype != x[1].dtype {
            return Err(OpError::DTypes { op: NAME.into(), a: x[0].dtype, b: x[1].dtype });
        }
        if m != n || batch != others || rows != n {
            let (a, b) = (x[0].shape.clone(), x[1].shape.clone());
            return Err(OpError::Shapes { op: NAME.into(), a, b });
        }
        single(x[1].clone())
    }

    /// From `dA X + A dX = dB` (Giles 2008, "Collected matrix derivative results", 2.2.3), in the triangle that is read.
    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0] else { return Grads::from_slice(&[None, None]) };
        let Triangle { upper, transposed, unit } = self.triangle;
        let of_b = solve(b, x[0], g, Triangle { upper, transposed: !transposed, unit });
        let outer =
            if transposed { product_of_right(b, y[0], of_b) } else { product_of_right(b, of_b, y[0]) };
        let read = match (upper, unit) {
            (true, false) => Part::Upper,
            (true, true) => Part::Above,
            (false, false) => Part::Lower,
            (false, true) => Part::Below,
        };
        let outer = b.neg(outer);
        let of_a = part(b, outer, read);
        Grads::from_slice(&[Some(of_a), Some(of_b)])
    }

    fn routine(&self, x: &[&Type]) -> Option<Routine> {
        let (batch, extent, columns) = matrices(NAME, x[1]).ok()?;
        let (shape, dtype) = (self.triangle, x[0].dtype);
        Some(Routine::Triangular(routine::Triangular { shape, dtype, batch: count(batch), extent, columns }))
    }
}

impl fmt::Display for TriangularSolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}<{}>", self.triangle)
    }
}
