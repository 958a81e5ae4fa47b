//! Singular values and eigenvalues, with their vectors.

use super::{Memory, Real, Rows, by_columns, in_rows};
use crate::host::HostError;
use faer::diag::DiagMut;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::traits::math_utils::{nan, one, zero};
use faer::{MatRef, Par};

/// The values, and perhaps the left vectors (columns) and the right ones (rows): as many as there is room for.
pub(super) fn svd<T: Real>(
    a: Rows<T>,
    values: &mut [T],
    vectors: Option<(&mut [T], &mut [T])>,
    info: &mut [i32],
    par: Par,
    memory: &mut Memory,
) -> Result<(), HostError> {
    let (m, n) = (a.m, a.n);
    let k = m.min(n);
    if k == 0 {
        info[0] = 0;
        if let Some((left, right)) = vectors {
            identity(left, m);
            identity(right, n);
        }
        return Ok(());
    }
    let (left, right) = vectors.as_ref().map_or((0, 0), |(u, v)| (u.len() / m, v.len() / n));
    let wanted = |count: usize| match count {
        0 => ComputeSvdVectors::No,
        count if count == k => ComputeSvdVectors::Thin,
        _ => ComputeSvdVectors::Full,
    };
    let room = svd::svd_scratch::<T>(m, n, wanted(left), wanted(right), par, Default::default());
    let (own, stack) = memory.split::<T>(m * n + m * left + n * right, room)?;
    let (own, rest) = own.split_at_mut(m * n);
    // Of vectors beyond the values only what is not 0 is written.
    rest.fill(zero());
    let (u, v) = rest.split_at_mut(m * left);
    a.columns(own);
    let both = vectors.is_some();
    let done = a.is_finite()
        && svd::svd(
            MatRef::from_column_major_slice(&*own, m, n),
            DiagMut::from_slice_mut(values),
            both.then(|| by_columns(u, m, left)),
            both.then(|| by_columns(v, n, right)),
            par,
            stack,
            Default::default(),
        )
        .is_ok();
    info[0] = i32::from(!done);
    if !done {
        values.fill(nan());
    }
    let Some((to_left, to_right)) = vectors else { return Ok(()) };
    if !done {
        to_left.fill(nan());
        to_right.fill(nan());
        return Ok(());
    }
    in_rows(u, to_left, m, left);
    // Columns of `V`, one behind the other, are the rows of its transposed matrix.
    to_right.copy_from_slice(v);
    Ok(())
}

fn identity<T: Real>(to: &mut [T], n: usize) {
    to.fill(zero());
    (0..n.min(to.len())).for_each(|i| to[i * n + i] = one());
}

/// The values, and perhaps the vectors as columns, of a matrix of which the lower triangle counts.
pub(super) fn eigh<T: Real>(
    a: Rows<T>,
    values: &mut [T],
    vectors: Option<&mut [T]>,
    info: &mut [i32],
    par: Par,
    memory: &mut Memory,
) -> Result<(), HostError> {
    let n = a.n;
    if n == 0 {
        info[0] = 0;
        return Ok(());
    }
    let both = vectors.is_some();
    let wanted = if both { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let room = evd::self_adjoint_evd_scratch::<T>(n, wanted, par, Default::default());
    let (own, stack) = memory.split::<T>(n * n * if both { 2 } else { 1 }, room)?;
    let (own, v) = own.split_at_mut(n * n);
    a.columns(own);
    let finite = (0..n).all(|j| own[j * n + j..(j + 1) * n].iter().all(|x| x.finite()));
    let done = finite
        && evd::self_adjoint_evd(
            MatRef::from_column_major_slice(&*own, n, n),
            DiagMut::from_slice_mut(values),
            both.then(|| by_columns(v, n, n)),
            par,
            stack,
            Default::default(),
        )
        .is_ok();
    info[0] = i32::from(!done);
    if !done {
        values.fill(nan());
    }
    match vectors {
        Some(to) if done => in_rows(v, to, n, n),
        Some(to) => to.fill(nan()),
        None => {}
    }
    Ok(())
}
