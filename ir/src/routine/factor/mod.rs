//! Factorisations of matrices, and systems with triangular ones, computed plainly in f64 and rounded once.
//!
//! Routines that round elsewhere agree up to that, and up to what a factorisation leaves open: the signs of singular
//! vectors and eigenvectors, and any basis of those that belong to equal values.

mod cholesky;
mod lu;
mod qr;
mod spectral;
mod triangular;

use crate::dtype::{DType, Literal};
use crate::parse::{Cursor, Parse};
use matrix::Matrix;
use std::fmt;

/// What is computed of each matrix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// Of a symmetric matrix, of which the lower triangle is read: the lower triangular `L` with `A = L L'`, and 0 or,
    /// as I32, the order of the first leading minor that is not positive; then `L` is NaN.
    Cholesky,
    /// With rows exchanged so that pivots are largest: unit lower `L` and upper `U` in one matrix; the exchanges, as I32
    /// counted from 1; which row of the operand came to each place, as I64; and 0 or, as I32, the first pivot that is 0.
    Lu,
    /// Orthonormal columns `Q` and upper triangular `R`, by reflections with LAPACK's choice of signs: as many columns as
    /// the shorter side has, or (complete) as there are rows.
    Qr { complete: bool },
    /// Singular values, largest first, perhaps between left vectors (columns) and right ones (rows); and 0, or 1 if an
    /// element is not finite or nothing converged, as I32: then the rest is NaN.
    Svd(Vectors),
    /// Eigenvalues of a symmetric matrix, of which the lower triangle is read, smallest first; perhaps eigenvectors, as
    /// columns; and 0 or 1 as for singular values.
    Eigh { vectors: bool },
}

/// Which singular vectors are computed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Vectors {
    None,
    /// Those that belong to a singular value.
    Reduced,
    /// Those and others that make the bases whole.
    Complete,
}

impl Form {
    /// What [`fmt::Display`] prints, for each form.
    const WORDS: [(&'static str, Form); 9] = [
        ("cholesky", Form::Cholesky),
        ("lu", Form::Lu),
        ("qr_complete", Form::Qr { complete: true }),
        ("qr", Form::Qr { complete: false }),
        ("svd_values", Form::Svd(Vectors::None)),
        ("svd_complete", Form::Svd(Vectors::Complete)),
        ("svd", Form::Svd(Vectors::Reduced)),
        ("eigh_values", Form::Eigh { vectors: false }),
        ("eigh", Form::Eigh { vectors: true }),
    ];

    pub const ALL: [Form; 9] = {
        let mut all = [Form::Lu; 9];
        let mut i = 0;
        while i < all.len() {
            all[i] = Form::WORDS[i].1;
            i += 1;
        }
        all
    };

    /// The form whose word this is.
    pub fn named(word: &str) -> Option<Form> {
        Form::WORDS.iter().find(|(name, _)| *name == word).map(|(_, form)| *form)
    }

    pub fn word(self) -> &'static str {
        Form::WORDS.iter().find(|(_, form)| *form == self).expect("every form has a word").0
    }

    /// Whether it is one of square matrices alone.
    pub fn is_of_squares(self) -> bool {
        matches!(self, Form::Cholesky | Form::Eigh { .. })
    }

    /// The dtypes and shapes of the results for a matrix of `m` rows and `n` columns.
    pub fn results(self, dtype: DType, m: usize, n: usize) -> Vec<(DType, Vec<usize>)> {
        let k = m.min(n);
        let info = (DType::I32, vec![]);
        match self {
            Form::Cholesky => vec![(dtype, vec![n, n]), info],
            Form::Lu => vec![(dtype, vec![m, n]), (DType::I32, vec![k]), (DType::I64, vec![m]), info],
            Form::Qr { complete } => {
                let columns = if complete { m } else { k };
                vec![(dtype, vec![m, columns]), (dtype, vec![columns, n])]
            }
            Form::Svd(Vectors::None) => vec![(dtype, vec![k]), info],
            Form::Svd(vectors) => {
                let (left, right) = if vectors == Vectors::Complete { (m, n) } else { (k, k) };
                vec![(dtype, vec![m, left]), (dtype, vec![k]), (dtype, vec![right, n]), info]
            }
            Form::Eigh { vectors: false } => vec![(dtype, vec![n]), info],
            Form::Eigh { vectors: true } => vec![(dtype, vec![n]), (dtype, vec![n, n]), info],
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A factorisation of `batch` matrices in rows, one behind the other, of `rows x columns` F32 or F64.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Factor {
    pub form: Form,
    pub dtype: DType,
    pub batch: usize,
    pub rows: usize,
    pub columns: usize,
}

/// `op(A) X = B` for `batch` triangular matrices `A` of `extent x extent`, of which the other triangle is not read, and
/// right sides of `columns` columns.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Triangular {
    pub shape: Triangle,
    pub dtype: DType,
    pub batch: usize,
    pub extent: usize,
    pub columns: usize,
}

/// `op(A) X = B` for `batch` matrices of `extent x extent`, of which [`Form::Lu`] gave the factors and the rows' places, and
/// right sides of `columns` columns.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Solve {
    pub transposed: bool,
    pub dtype: DType,
    pub batch: usize,
    pub extent: usize,
    pub columns: usize,
}

/// How a triangular matrix is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Triangle {
    pub upper: bool,
    /// The system is that of the transposed matrix.
    pub transposed: bool,
    /// The diagonal counts as ones.
    pub unit: bool,
}

impl Triangle {
    pub fn parse(c: &mut Cursor<'_>) -> Parse<Triangle> {
        let upper = c.one_of(&["upper", "lower"], "`upper` or `lower`")? == "upper";
        let transposed = c.take(", transposed");
        Ok(Triangle { upper, transposed, unit: c.take(", unit") })
    }
}

impl fmt::Display for Triangle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.upper { "upper" } else { "lower" })?;
        f.write_str(if self.transposed { ", transposed" } else { "" })?;
        f.write_str(if self.unit { ", unit" } else { "" })
    }
}

impl Factor {
    /// Multiplications, roughly.
    pub(super) fn work(&self) -> usize {
        self.batch * self.rows.max(1) * self.columns.max(1) * self.rows.min(self.columns).max(1)
    }

    pub(super) fn run(&self, input: &[u8], outputs: &mut [Vec<u8>]) {
        let (m, n) = (self.rows, self.columns);
        for number in 0..self.batch {
            let a = Matrix::read(self.dtype, input, number, m, n);
            let results = match self.form {
                Form::Cholesky => cholesky::factor(a),
                Form::Lu => lu::factor(a),
                Form::Qr { complete } => qr::factor(a, complete),
                Form::Svd(vectors) => spectral::svd(&a, vectors),
                Form::Eigh { vectors } => spectral::eigh(&a, vectors),
            };
            let types = self.form.results(self.dtype, m, n);
            for ((dtype, _), (result, out)) in types.into_iter().zip(results.iter().zip(outputs.iter_mut())) {
                matrix::write(dtype, out, number, result);
            }
        }
    }

    pub(super) fn parse(c: &mut Cursor<'_>) -> Parse<Option<Factor>> {
        let Some((word, form)) = Form::WORDS.iter().find(|(word, _)| c.next_is(word)).copied() else {
            return Ok(None);
        };
        c.symbol(word)?;
        c.symbol("<")?;
        let dtype = c.dtype()?;
        c.symbol(",")?;
        let batch = c.integer("a number of matrices")?;
        c.symbol("x")?;
        let rows = c.integer("a number of rows")?;
        c.symbol("x")?;
        let columns = c.integer("a number of columns")?;
        c.symbol(">")?;
        Ok(Some(Factor { form, dtype, batch, rows, columns }))
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Factor { form, dtype, batch, rows, columns } = self;
        write!(f, "{form}<{dtype}, {batch} x {rows} x {columns}>")
    }
}

impl Triangular {
    /// Multiplications, roughly.
    pub(super) fn work(&self) -> usize {
        self.batch * self.extent * self.extent * self.columns
    }

    pub(super) fn run(&self, a: &[u8], b: &[u8], out: &mut [u8]) {
        let (n, k) = (self.extent, self.columns);
        for number in 0..self.batch {
            let a = Matrix::read(self.dtype, a, number, n, n);
            let b = Matrix::read(self.dtype, b, number, n, k);
            matrix::write(self.dtype, out, number, &triangular::solve(&a, b, self.shape));
        }
    }

    pub(super) fn parse(c: &mut Cursor<'_>) -> Parse<Triangular> {
        c.symbol("<")?;
        let shape = Triangle::parse(c)?;
        c.symbol(",")?;
        let dtype = c.dtype()?;
        c.symbol(",")?;
        let batch = c.integer("a number of matrices")?;
        c.symbol("x")?;
        let extent = c.integer("an extent")?;
        c.symbol("x")?;
        let columns = c.integer("a number of columns")?;
        c.symbol(">")?;
        Ok(Triangular { shape, dtype, batch, extent, columns })
    }
}

impl fmt::Display for Triangular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Triangular { shape, dtype, batch, extent, columns } = self;
        write!(f, "triangular_solve<{shape}, {dtype}, {batch} x {extent} x {columns}>")
    }
}

impl Solve {
    /// The triangular systems, in order: of the lower factor and then of the upper one, or transposed the other way.
    pub fn steps(&self) -> [Triangle; 2] {
        let transposed = self.transposed;
        let lower = Triangle { upper: false, transposed, unit: true };
        let upper = Triangle { upper: true, transposed, unit: false };
        if transposed { [upper, lower] } else { [lower, upper] }
    }

    /// Multiplications, roughly.
    pub(super) fn work(&self) -> usize {
        2 * self.batch * self.extent * self.extent * self.columns
    }

    pub(super) fn run(&self, lu: &[u8], places: &[u8], b: &[u8], out: &mut [u8]) {
        let (n, k) = (self.extent, self.columns);
        for number in 0..self.batch {
            let lu = Matrix::read(self.dtype, lu, number, n, n);
            let b = Matrix::read(self.dtype, b, number, n, k);
            let place = Matrix::read(DType::I64, places, number, n, 1);
            let place = |i: usize| place[(i, 0)] as usize;
            let mut x = b.clone();
            if !self.transposed {
                x = Matrix::new(n, k, |i, j| b[(place(i), j)]);
            }
            for step in self.steps() {
                x.elements = triangular::solve(&lu, x.clone(), step);
            }
            if self.transposed {
                let y = x.clone();
                (0..n).for_each(|i| (0..k).for_each(|j| x[(place(i), j)] = y[(i, j)]));
            }
            matrix::write(self.dtype, out, number, &x.elements);
        }
    }

    pub(super) fn parse(c: &mut Cursor<'_>) -> Parse<Solve> {
        c.symbol("<")?;
        let transposed = c.take("transposed,");
        let dtype = c.dtype()?;
        c.symbol(",")?;
        let batch = c.integer("a number of matrices")?;
        c.symbol("x")?;
        let extent = c.integer("an extent")?;
        c.symbol("x")?;
        let columns = c.integer("a number of columns")?;
        c.symbol(">")?;
        Ok(Solve { transposed, dtype, batch, extent, columns })
    }
}

impl fmt::Display for Solve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Solve { transposed, dtype, batch, extent, columns } = self;
        let way = if *transposed { "transposed, " } else { "" };
        write!(f, "solve<{way}{dtype}, {batch} x {extent} x {columns}>")
    }
}

mod matrix {
    use super::*;

    /// A matrix in rows, in f64.
    #[derive(Clone)]
    pub(super) struct Matrix {
        pub m: usize,
        pub n: usize,
        pub elements: Vec<f64>,
    }

    impl Matrix {
        pub fn new(m: usize, n: usize, element: impl Fn(usize, usize) -> f64) -> Matrix {
            let at = |place: usize| element(place / n, place % n);
            Matrix { m, n, elements: (0..m * n).map(at).collect() }
        }

        pub fn identity(n: usize) -> Matrix {
            Matrix::new(n, n, |i, j| f64::from(u8::from(i == j)))
        }

        pub fn transposed(&self) -> Matrix {
            Matrix::new(self.n, self.m, |i, j| self[(j, i)])
        }

        /// Matrix `number` of those that lie in these bytes.
        pub fn read(dtype: DType, bytes: &[u8], number: usize, m: usize, n: usize) -> Matrix {
            let size = dtype.size();
            let element = |i: usize, j: usize| {
                let at = ((number * m + i) * n + j) * size;
                let mut bits = [0; 8];
                bits[..size].copy_from_slice(&bytes[at..at + size]);
                Literal { dtype, bits: u64::from_le_bytes(bits) }.as_f64()
            };
            Matrix::new(m, n, element)
        }

        /// The sum over rows of the products of two columns.
        pub fn dot(&self, i: usize, j: usize) -> f64 {
            (0..self.m).map(|row| self[(row, i)] * self[(row, j)]).sum()
        }
    }

    impl std::ops::Index<(usize, usize)> for Matrix {
        type Output = f64;

        fn index(&self, (i, j): (usize, usize)) -> &f64 {
            &self.elements[i * self.n + j]
        }
    }

    impl std::ops::IndexMut<(usize, usize)> for Matrix {
        fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 {
            &mut self.elements[i * self.n + j]
        }
    }

    /// Writes result `number` of those that lie in these bytes.
    pub(super) fn write(dtype: DType, bytes: &mut [u8], number: usize, elements: &[f64]) {
        let size = dtype.size();
        let to = &mut bytes[number * elements.len() * size..][..elements.len() * size];
        for (place, &x) in to.chunks_exact_mut(size).zip(elements) {
            place.copy_from_slice(&Literal::from_f64(dtype, x).bits.to_le_bytes()[..size]);
        }
    }
}

#[cfg(test)]
mod tests;
