//! The vocabulary of matrices in which gradients of factorisations are written: the last two axes are rows and columns.

use super::super::*;

/// Extents of the last two axes.
pub(super) fn sizes(b: &dyn Build, x: Value) -> (usize, usize) {
    let shape = &b.type_of(x).shape;
    let rank = shape.rank();
    (shape[rank - 2].get(), shape[rank - 1].get())
}

pub(super) fn transpose(b: &mut dyn Build, x: Value) -> Value {
    let rank = b.type_of(x).shape.rank();
    let mut axes: SmallVec<[usize; 8]> = (0..rank).collect();
    axes.swap(rank - 1, rank - 2);
    b.permute(x, &axes)
}

/// Sums of products of axis `i` of `x` from the end and axis `j` of `y`, matrix by matrix.
fn contract(b: &mut dyn Build, x: Value, y: Value, i: usize, j: usize) -> Value {
    let rank = b.type_of(x).shape.rank();
    let batch: Axes = (0..rank as u8 - 2).collect();
    let op = Contract {
        lhs_batch: batch.clone(),
        rhs_batch: batch,
        lhs_contract: Axes::from_slice(&[(rank - i) as u8]),
        rhs_contract: Axes::from_slice(&[(rank - j) as u8]),
    };
    b.one(Op::Contract(op), &[x, y])
}

/// `x y`
pub(super) fn product(b: &mut dyn Build, x: Value, y: Value) -> Value {
    contract(b, x, y, 1, 2)
}

/// `x' y`
pub(super) fn product_of_left(b: &mut dyn Build, x: Value, y: Value) -> Value {
    contract(b, x, y, 2, 2)
}

/// `x y'`
pub(super) fn product_of_right(b: &mut dyn Build, x: Value, y: Value) -> Value {
    contract(b, x, y, 1, 1)
}

/// Elements of a matrix, by their place beside the diagonal.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// Below the diagonal, and with it.
    Below,
    Lower,
    /// Above the diagonal, and with it.
    Above,
    Upper,
    /// On the diagonal, and beside it.
    On,
    Off,
}

/// A part of each matrix, 0 elsewhere.
pub(super) fn part(b: &mut dyn Build, x: Value, part: Part) -> Value {
    let mask = places(b, x, part);
    b.mask(mask, x)
}

/// Where in `x` this part is.
pub(super) fn places(b: &mut dyn Build, x: Value, part: Part) -> Value {
    let (m, n) = sizes(b, x);
    let rows = b.one(Op::Iota(Iota { extent: m.into() }), &[]);
    let columns = b.one(Op::Iota(Iota { extent: n.into() }), &[]);
    let shape = Shape::from_sizes(&[m, n]);
    let rows = b.reshape(rows, &Shape::from_sizes(&[m, 1]));
    let (rows, columns) = (b.expand(rows, &shape), b.broadcast_to(columns, &shape));
    let (comparison, rows_first) = match part {
        Part::Below => (Scalar::Lt, false),
        Part::Lower => (Scalar::Le, false),
        Part::Above => (Scalar::Lt, true),
        Part::Upper => (Scalar::Le, true),
        Part::On => (Scalar::Eq, true),
        Part::Off => (Scalar::Ne, true),
    };
    let mask = b.map(comparison, &if rows_first { [rows, columns] } else { [columns, rows] });
    let whole = b.shape(x);
    b.broadcast_to(mask, &whole)
}

/// Vectors as columns of `count` equal columns.
pub(super) fn columns(b: &mut dyn Build, x: Value, count: usize) -> Value {
    let mut shape = b.shape(x);
    shape.push(1.into());
    let x = b.reshape(x, &shape);
    let last = shape.rank() - 1;
    shape[last] = count.into();
    b.expand(x, &shape)
}

/// Vectors as rows of `count` equal rows.
pub(super) fn rows(b: &mut dyn Build, x: Value, count: usize) -> Value {
    let mut shape = b.shape(x);
    let at = shape.rank() - 1;
    shape.insert(at, 1.into());
    let x = b.reshape(x, &shape);
    shape[at] = count.into();
    b.expand(x, &shape)
}

/// Diagonal matrices of these vectors.
pub(super) fn diagonal(b: &mut dyn Build, x: Value) -> Value {
    let shape = b.shape(x);
    let x = columns(b, x, shape[shape.rank() - 1].get());
    part(b, x, Part::On)
}

/// `count` elements from `start` on of an axis counted from the end.
pub(super) fn narrow(b: &mut dyn Build, x: Value, from_end: usize, start: usize, count: usize) -> Value {
    let shape = b.shape(x);
    let mut spans: SmallVec<[Span; 4]> = shape.iter().map(|d| Span::all(d.get())).collect();
    let at = shape.rank() - from_end;
    if start == 0 && shape[at].get() == count {
        return x;
    }
    spans[at] = Span { start: start as i64, step: 1, size: count as u64 };
    b.one(Op::Slice(Slice { spans }), &[x])
}

/// The one behind the other along an axis counted from the end.
pub(super) fn join(b: &mut dyn Build, x: Value, y: Value, from_end: usize) -> Value {
    let axis = (b.type_of(x).shape.rank() - from_end) as u8;
    b.one(Op::Concat(Concat { axis }), &[x, y])
}

/// `a^-1 x` for a triangular matrix.
pub(super) fn solve(b: &mut dyn Build, a: Value, x: Value, triangle: Triangle) -> Value {
    b.one(Op::TriangularSolve(TriangularSolve { triangle }), &[a, x])
}

/// `x a^-1` for a triangular matrix.
pub(super) fn solve_right(b: &mut dyn Build, a: Value, x: Value, triangle: Triangle) -> Value {
    let x = transpose(b, x);
    let turned = Triangle { transposed: !triangle.transposed, ..triangle };
    let y = solve(b, a, x, turned);
    transpose(b, y)
}

/// The sum of what is there.
pub(super) fn sum(b: &mut dyn Build, terms: &[Option<Value>]) -> Option<Value> {
    terms.iter().flatten().copied().reduce(|x, y| b.add_(x, y))
}
