//! Factorisations of the matrices along the last two axes.

mod cholesky;
mod lu;
mod qr;
mod solve;
mod spectral;
mod terms;
mod triangular_solve;

pub use solve::Solve;
pub use triangular_solve::TriangularSolve;

use super::*;
use crate::dtype::DType;
use crate::routine::{self, Routine};
pub use crate::routine::{Form, Triangle, Vectors};

/// What [`Form`] says, of each matrix of F32 or F64.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Factor {
    pub form: Form,
}

/// Batch axes, rows and columns of a tensor of matrices that linear algebra takes.
fn matrices<'a>(op: &str, x: &'a Type) -> Result<(&'a [crate::shape::Dim], usize, usize), OpError> {
    if !matches!(x.dtype, DType::F32 | DType::F64) {
        return Err(OpError::DType { op: op.into(), dtype: x.dtype });
    }
    match &x.shape[..] {
        [batch @ .., m, n] => Ok((batch, m.get(), n.get())),
        _ => Err(OpError::attribute(op, "takes matrices", &x.shape)),
    }
}

fn count(batch: &[crate::shape::Dim]) -> usize {
    batch.iter().map(|d| d.get()).product()
}

impl Primitive for Factor {
    const KIND: Kind = Kind::Routine;

    fn parse(name: &str, _: &mut Cursor<'_>) -> Parse<Option<Self>> {
        Ok(Form::named(name).map(|form| Factor { form }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        let name = self.form.word();
        arity(name, x, 1)?;
        let (batch, m, n) = matrices(name, x[0])?;
        if self.form.is_of_squares() && m != n {
            return Err(OpError::attribute(name, "takes square matrices", &x[0].shape));
        }
        let results = self.form.results(x[0].dtype, m, n).into_iter();
        Ok(results
            .map(|(dtype, own)| {
                let shape = batch.iter().copied().chain(own.into_iter().map(Into::into));
                Type::new(dtype, shape.collect())
            })
            .collect())
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let gradient = match self.form {
            Form::Cholesky => dy[0].map(|g| cholesky::gradient(b, y[0], g)),
            Form::Lu => dy[0].map(|g| lu::gradient(b, y, g)),
            Form::Qr { .. } => qr::gradient(b, x[0], y, dy),
            Form::Svd(Vectors::None) => dy[0].map(|g| {
                let whole = Op::Factor(Factor { form: Form::Svd(Vectors::Reduced) });
                let u = b.one(whole, &[x[0]]);
                let port = |port| Value { node: u.node, port };
                spectral::of_singular_values(b, u, port(2), g)
            }),
            Form::Svd(_) => spectral::of_svd(b, y, dy),
            Form::Eigh { vectors: true } => spectral::of_eigh(b, y, dy),
            Form::Eigh { vectors: false } => dy[0].map(|g| {
                let whole = Op::Factor(Factor { form: Form::Eigh { vectors: true } });
                let l = b.one(whole, &[x[0]]);
                spectral::of_eigenvalues(b, Value { node: l.node, port: 1 }, g)
            }),
        };
        Grads::from_slice(&[gradient])
    }

    fn routine(&self, x: &[&Type]) -> Option<Routine> {
        let (batch, rows, columns) = matrices(self.form.word(), x[0]).ok()?;
        let dtype = x[0].dtype;
        Some(Routine::Factor(routine::Factor { form: self.form, dtype, batch: count(batch), rows, columns }))
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.form.fmt(f)
    }
}
