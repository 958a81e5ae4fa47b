//! The vocabulary of matrices: the last two axes are rows and columns, the others number the matrices.

use crate::error::Result;
use crate::record::Recorded;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Picks, Scalar, Span};
use rustorch_ir::{DType, Literal, Shape};
use smallvec::SmallVec;

pub(super) fn sizes(x: &Recorded) -> (usize, usize) {
    let rank = x.rank();
    (x.shape()[rank - 2].get(), x.shape()[rank - 1].get())
}

pub(super) fn transpose(x: &Recorded) -> Result<Recorded> {
    x.transpose(x.rank() - 2, x.rank() - 1)
}

/// Matrix by matrix; the batch axes agree.
pub(super) fn product(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    let batch: SmallVec<[usize; 8]> = (0..x.rank() - 2).collect();
    x.contract(y, (&batch, &batch), (&[x.rank() - 1], &[y.rank() - 2]))
}

/// Rows and columns up to these numbers.
pub(super) fn corner(x: &Recorded, rows: usize, columns: usize) -> Result<Recorded> {
    let rank = x.rank();
    x.narrow(rank - 2, 0, rows)?.narrow(rank - 1, 0, columns)
}

/// Where the row number of a matrix of this shape is at most the column number, or the other way round.
fn order(m: usize, n: usize, comparison: Scalar, rows_first: bool) -> Result<Recorded> {
    let (rows, columns) = (Recorded::iota(m)?.unsqueeze(1)?, Recorded::iota(n)?);
    if rows_first { rows.map2(comparison, &columns) } else { columns.map2(comparison, &rows) }
}

/// The upper triangle with the diagonal, 0 elsewhere.
pub(super) fn upper(x: &Recorded) -> Result<Recorded> {
    let (m, n) = sizes(x);
    order(m, n, Scalar::Le, true)?.select(x, &x.literal(0.0))
}

/// The lower triangle with ones on the diagonal.
pub(super) fn unit_lower(x: &Recorded) -> Result<Recorded> {
    let (m, n) = sizes(x);
    let below = order(m, n, Scalar::Lt, false)?.select(x, &x.literal(0.0))?;
    order(m, n, Scalar::Eq, true)?.select(&x.literal(1.0), &below)
}

/// Identities in the shape of these square matrices.
pub(super) fn identity(like: &Recorded) -> Result<Recorded> {
    let (m, n) = sizes(like);
    let (one, zero) = (like.literal(1.0), like.literal(0.0));
    order(m, n, Scalar::Eq, true)?.select(&one, &zero)?.broadcast_to(like.shape())
}

/// `one` on the diagonal, `x` elsewhere.
pub(super) fn with_diagonal(x: &Recorded, one: &Recorded) -> Result<Recorded> {
    let (m, n) = sizes(x);
    order(m, n, Scalar::Eq, true)?.select(one, x)
}

/// The elements with equal row and column numbers.
pub(super) fn diagonal(x: &Recorded) -> Result<Recorded> {
    let (m, n) = sizes(x);
    let batch = &x.shape()[..x.rank() - 2];
    let flat: Shape = batch.iter().copied().chain([(m * n).into()]).collect();
    let mut spans: SmallVec<[Span; 4]> = batch.iter().map(|d| Span::all(d.get())).collect();
    spans.push(Span { start: 0, step: n as i64 + 1, size: m.min(n) as u64 });
    x.reshape(&flat)?.slice(&spans)
}

/// Rows taken from these places of each matrix, or put there.
pub(super) fn exchange(x: &Recorded, places: &Recorded, put: bool) -> Result<Recorded> {
    let rank = x.rank();
    let axis = rank as u8 - 2;
    let index = places.unsqueeze(rank - 1)?.expand(x.shape())?;
    let picks = Picks {
        axis,
        data: (0..rank as u8).filter(|&a| a != axis).collect(),
        index: (0..rank as u8).collect(),
    };
    if !put {
        return x.gather(&index, picks);
    }
    let nothing = Recorded::full(Literal::from_f64(x.dtype(), 0.0), x.shape())?;
    nothing.scatter(&index, x, picks, None)
}

/// The matrices that put row `i` where `places` says.
pub(super) fn permutation(places: &Recorded, dtype: DType) -> Result<Recorded> {
    let rank = places.rank();
    let m = places.shape()[rank - 1].get();
    let rows = Recorded::iota(m)?.unsqueeze(1)?;
    let from = places.unsqueeze(rank - 1)?;
    rows.eq(&from)?.cast(dtype)
}

/// The largest of each row of these, without the axis; 0 if there is nothing.
pub(super) fn largest(x: &Recorded) -> Result<Recorded> {
    let axis = x.rank() - 1;
    if x.shape()[axis].get() == 0 {
        let shape: Shape = x.shape()[..axis].iter().copied().collect();
        return Recorded::full(Literal::from_f64(x.dtype(), 0.0), &shape);
    }
    x.reduce(Combine::Max, &[axis])
}
