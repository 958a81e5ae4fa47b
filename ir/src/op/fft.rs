//! Fourier's transform of complex numbers.

use super::*;
use crate::dtype::DType;
use crate::routine::{self, Routine};

/// The discrete Fourier transform along the last axis but one of F32 or F64, where the last one holds real and imaginary
/// parts: `y[k] = sum over j of x[j] exp(-2 pi i j k / n)`, or with the other sign for the inverse, which is not scaled.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fft {
    pub inverse: bool,
}

impl Primitive for Fft {
    const KIND: Kind = Kind::Routine;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "fft" {
            return Ok(None);
        }
        c.symbol("<")?;
        let inverse = c.one_of(&["forward", "inverse"], "`forward` or `inverse`")? == "inverse";
        c.symbol(">")?;
        Ok(Some(Fft { inverse }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("fft", x, 1)?;
        if !matches!(x[0].dtype, DType::F32 | DType::F64) {
            return Err(OpError::DType { op: "fft".into(), dtype: x[0].dtype });
        }
        match &x[0].shape[..] {
            [.., _, parts] if parts.get() == 2 => single(x[0].clone()),
            _ => Err(OpError::attribute("fft", "the last axis holds real and imaginary parts", &x[0].shape)),
        }
    }

    /// Of real and imaginary parts the matrix of the transform is transposed by conjugation.
    fn vjp(&self, b: &mut dyn Build, _: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        Grads::from_slice(&[dy[0].map(|g| b.one(Op::Fft(Fft { inverse: !self.inverse }), &[g]))])
    }

    fn routine(&self, x: &[&Type]) -> Option<Routine> {
        let shape = &x[0].shape;
        let at = shape.rank().checked_sub(2)?;
        let rows = shape[..at].iter().map(|d| d.get()).product();
        let extent = shape[at].get();
        Some(Routine::Fft(routine::Fft { inverse: self.inverse, dtype: x[0].dtype, rows, extent }))
    }
}

impl fmt::Display for Fft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fft<{}>", if self.inverse { "inverse" } else { "forward" })
    }
}
