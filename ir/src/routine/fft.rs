//! Fourier's transform.

use crate::dtype::{DType, Literal};
use crate::parse::{Cursor, Parse};
use std::fmt;

/// The discrete Fourier transform of `rows` rows of `extent` complex numbers, each a real part and an imaginary one, F32
/// or F64: `y[k] = sum over j of x[j] exp(-2 pi i j k / extent)`, or with the other sign for the inverse, unscaled.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fft {
    pub inverse: bool,
    pub dtype: DType,
    pub rows: usize,
    pub extent: usize,
}

impl Fft {
    pub(super) fn run(&self, input: &[u8], output: &mut [u8]) {
        let (size, n) = (self.dtype.size(), self.extent);
        let number = |at: usize| {
            let mut bits = [0; 8];
            bits[..size].copy_from_slice(&input[at * size..(at + 1) * size]);
            Literal { dtype: self.dtype, bits: u64::from_le_bytes(bits) }.as_f64()
        };
        let sign = if self.inverse { 1.0 } else { -1.0 };
        let step = sign * std::f64::consts::TAU / n as f64;
        let waves: Vec<(f64, f64)> = (0..n).map(|j| (step * j as f64).sin_cos()).collect();
        for (row, k) in (0..self.rows).flat_map(|row| (0..n).map(move |k| (row, k))) {
            let (mut re, mut im) = (0.0, 0.0);
            for j in 0..n {
                let at = 2 * (row * n + j);
                let ((s, c), (x, y)) = (waves[j * k % n], (number(at), number(at + 1)));
                re += c * x - s * y;
                im += c * y + s * x;
            }
            for (part, value) in [re, im].into_iter().enumerate() {
                let at = (2 * (row * n + k) + part) * size;
                let bits = Literal::from_f64(self.dtype, value).bits.to_le_bytes();
                output[at..at + size].copy_from_slice(&bits[..size]);
            }
        }
    }

    pub(super) fn parse(c: &mut Cursor<'_>) -> Parse<Fft> {
        c.symbol("<")?;
        let inverse = c.one_of(&["forward", "inverse"], "`forward` or `inverse`")? == "inverse";
        c.symbol(",")?;
        let dtype = c.dtype()?;
        c.symbol(",")?;
        let rows = c.integer("a number of rows")?;
        c.symbol("x")?;
        let extent = c.integer("an extent")?;
        c.symbol(">")?;
        Ok(Fft { inverse, dtype, rows, extent })
    }
}

impl fmt::Display for Fft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fft { inverse, dtype, rows, extent } = self;
        let way = if *inverse { "inverse" } else { "forward" };
        write!(f, "fft<{way}, {dtype}, {rows} x {extent}>")
    }
}
