//! Cholesky's factor, elimination, reflections.

use super::{Memory, Real, Rows, by_columns, by_rows, in_rows};
use crate::host::HostError;
use faer::dyn_stack::StackReq;
use faer::linalg::cholesky::llt::factor as llt;
use faer::linalg::householder as reflections;
use faer::linalg::matmul::matmul;
use faer::linalg::qr::no_pivoting::factor as orthogonal;
use faer::linalg::triangular_solve;
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::traits::math_utils::{abs, nan, one, zero};
use faer::{Accum, Conj, MatMut, Par};

pub(super) fn cholesky<T: Real>(
    a: Rows<T>,
    l: &mut [T],
    info: &mut [i32],
    par: Par,
    memory: &mut Memory,
) -> Result<(), HostError> {
    let n = a.n;
    if n == 0 {
        info[0] = 0;
        return Ok(());
    }
    let room = llt::cholesky_in_place_scratch::<T>(n, par, Default::default());
    let (own, stack) = memory.split::<T>(n * n, room)?;
    a.columns(own);
    let done =
        llt::cholesky_in_place(by_columns(own, n, n), Default::default(), par, stack, Default::default());
    match done {
        Ok(_) => {
            in_rows(own, l, n, n);
            (0..n).for_each(|i| l[i * n + i + 1..(i + 1) * n].fill(zero()));
            info[0] = 0;
        }
        Err(llt::LltError::NonPositivePivot { index }) => {
            l.fill(nan());
            info[0] = index as i32 + 1;
        }
    }
    Ok(())
}

pub(super) fn lu<T: Real>(
    a: Rows<T>,
    (lu, pivots, places, info): (&mut [T], &mut [i32], &mut [i64], &mut [i32]),
    par: Par,
    memory: &mut Memory,
) -> Result<(), HostError> {
    let (m, n) = (a.m, a.n);
    let k = m.min(n);
    let (own, _) = memory.split::<T>(m * n, StackReq::EMPTY)?;
    a.columns(own);
    if k > 0 {
        let (mut left, mut right) = by_columns(own, m, n).split_at_col_mut(k);
        eliminate(left.rb_mut(), pivots, par);
        exchange(right.rb_mut(), pivots);
        let square = left.rb().get(..k, ..);
        triangular_solve::solve_unit_lower_triangular_in_place(square, right.rb_mut().get_mut(..k, ..), par);
    }
    let zero = (0..k).find(|&i| own[i * m + i] == zero());
    info[0] = zero.map_or(0, |i| i as i32 + 1);
    in_rows(own, lu, m, n);
    (0..m).for_each(|i| places[i] = i as i64);
    for (i, pivot) in pivots.iter_mut().enumerate() {
        places.swap(i, *pivot as usize);
        *pivot += 1;
    }
    Ok(())
}

/// Columns that are eliminated one by one.
const PANEL: usize = 16;

/// Eliminates the columns of a matrix that has at least as many rows: first the left half, with that the right one, and
/// then what is left of this (Toledo 1997, "Locality of reference in LU decomposition with partial pivoting"). `pivots`
/// are the rows that each was exchanged with. What is 0 below the diagonal too is passed over, and not divided by.
fn eliminate<T: Real>(mut a: MatMut<'_, T>, pivots: &mut [i32], par: Par) {
    let n = a.ncols();
    if n <= PANEL {
        return eliminate_columns(a, pivots);
    }
    let half = (n / 2).next_multiple_of(PANEL.min(n / 2));
    let (first, second) = pivots.split_at_mut(half);
    let (mut left, mut right) = a.rb_mut().split_at_col_mut(half);
    eliminate(left.rb_mut(), first, par);
    exchange(right.rb_mut(), first);
    let (square, below) = left.rb().split_at_row(half);
    let (mut above, mut rest) = right.split_at_row_mut(half);
    triangular_solve::solve_unit_lower_triangular_in_place(square, above.rb_mut(), par);
    matmul(rest.rb_mut(), Accum::Add, below, above.rb(), -one::<T>(), par);
    eliminate(rest, second, par);
    exchange(left.get_mut(half.., ..), second);
    second.iter_mut().for_each(|pivot| *pivot += half as i32);
}

/// Exchanges rows one after the other.
fn exchange<T: Real>(mut a: MatMut<'_, T>, pivots: &[i32]) {
    for j in 0..a.ncols() {
        let Some(column) = a.rb_mut().col_mut(j).try_as_col_major_mut() else { return };
        let column = column.as_slice_mut();
        for (i, &pivot) in pivots.iter().enumerate() {
            column.swap(i, pivot as usize);
        }
    }
}

fn eliminate_columns<T: Real>(mut a: MatMut<'_, T>, pivots: &mut [i32]) {
    let (m, n) = a.shape();
    for j in 0..n {
        let mut largest = j;
        for i in j + 1..m {
            if abs(&a[(i, j)]) > abs(&a[(largest, j)]) {
                largest = i;
            }
        }
        pivots[j] = largest as i32;
        if largest != j {
            (0..n).for_each(|c| {
                let (x, y) = (a[(j, c)], a[(largest, c)]);
                (a[(j, c)], a[(largest, c)]) = (y, x);
            });
        }
        let pivot = a[(j, j)];
        if pivot == zero() {
            continue;
        }
        let (left, right) = a.rb_mut().split_at_col_mut(j + 1);
        let Some(column) = left.col_mut(j).try_as_col_major_mut() else { return };
        let below = &mut column.as_slice_mut()[j + 1..];
        below.iter_mut().for_each(|x| *x /= pivot);
        for column in right.col_iter_mut() {
            let Some(column) = column.try_as_col_major_mut() else { return };
            let (above, rest) = column.as_slice_mut().split_at_mut(j + 1);
            rest.iter_mut().zip(below.iter()).for_each(|(x, &y)| *x -= y * above[j]);
        }
    }
}

pub(super) fn qr<T: Real>(
    a: Rows<T>,
    q: &mut [T],
    r: &mut [T],
    par: Par,
    memory: &mut Memory,
) -> Result<(), HostError> {
    let (m, n) = (a.m, a.n);
    let k = m.min(n);
    let columns = q.len().checked_div(m).unwrap_or(0);
    r.fill(zero());
    if k == 0 {
        q.fill(zero());
        (0..columns).for_each(|i| q[i * columns + i] = one());
        return Ok(());
    }
    if !a.is_finite() {
        q.fill(nan());
        r.fill(nan());
        return Ok(());
    }
    let block = orthogonal::recommended_block_size::<T>(m, n);
    let room = orthogonal::qr_in_place_scratch::<T>(m, n, block, par, Default::default()).or(
        reflections::apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(m, block, columns),
    );
    let (own, stack) = memory.split::<T>(m * n + block * k + m * columns, room)?;
    let (own, rest) = own.split_at_mut(m * n);
    let (heights, vectors) = rest.split_at_mut(block * k);
    a.columns(own);
    let factors = by_columns(heights, block, k);
    orthogonal::qr_in_place(by_columns(own, m, n), factors, par, stack, Default::default());
    vectors.fill(zero());
    (0..columns).for_each(|i| vectors[i * m + i] = one());
    reflections::apply_block_householder_sequence_on_the_left_in_place_with_conj(
        by_columns(own, m, n).rb().get(.., ..k),
        by_columns(heights, block, k).rb(),
        Conj::No,
        by_columns(vectors, m, columns),
        par,
        stack,
    );
    in_rows(vectors, q, m, columns);
    let mut r = by_rows(r, r.len() / n, n);
    for j in 0..n {
        for i in 0..(j + 1).min(k) {
            r[(i, j)] = own[j * m + i];
        }
    }
    Ok(())
}
