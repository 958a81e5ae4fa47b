//! Gradients of singular values and eigenvalues and their vectors (Giles 2008, "Collected matrix derivative results", 3.1
//! and 3.2; Townsend 2016, "Differentiating the singular value decomposition"). Vectors of equal values have none: there
//! something is divided by 0.

use super::terms::*;
use super::*;

/// `U diag(g) V'`
pub(super) fn of_singular_values(b: &mut dyn Build, u: Value, vh: Value, g: Value) -> Value {
    let m = sizes(b, u).0;
    let g = rows(b, g, m);
    let scaled = b.mul(u, g);
    product(b, scaled, vh)
}

/// `V diag(g) V'`
pub(super) fn of_eigenvalues(b: &mut dyn Build, v: Value, g: Value) -> Value {
    let n = sizes(b, v).0;
    let g = rows(b, g, n);
    let scaled = b.mul(v, g);
    product_of_right(b, scaled, v)
}

/// Differences of the numbers of columns and of rows, and 1 on the diagonal.
fn differences(b: &mut dyn Build, x: Value) -> Value {
    let n = *b.shape(x).sizes().last().expect("vectors");
    let (across, down) = (rows(b, x, n), columns(b, x, n));
    let gaps = b.sub(across, down);
    let on = places(b, gaps, Part::On);
    let ones = b.fill_like(gaps, 1.0);
    b.select(on, ones, gaps)
}

/// `V (diag(gL) + V' gV / E) V'` with the differences `E` of eigenvalues. Lengths of vectors do not change.
pub(super) fn of_eigh(b: &mut dyn Build, y: &[Value], dy: &[Option<Value>]) -> Option<Value> {
    let (l, v) = (y[0], y[1]);
    let Some(gv) = dy[1] else { return dy[0].map(|g| of_eigenvalues(b, v, g)) };
    let turns = product_of_left(b, v, gv);
    let gaps = differences(b, l);
    let turns = b.div(turns, gaps);
    let turns = part(b, turns, Part::Off);
    let stretches = dy[0].map(|g| diagonal(b, g));
    let inner = sum(b, &[Some(turns), stretches])?;
    let left = product(b, v, inner);
    Some(product_of_right(b, left, v))
}

/// `U (skew(U' gU) / E S + S skew(V' gV) / E + diag(gS)) V'`, with the differences `E` of squared singular values, and what
/// leaves the spaces that the reduced vectors span. Vectors beyond those count as constant.
pub(super) fn of_svd(b: &mut dyn Build, y: &[Value], dy: &[Option<Value>]) -> Option<Value> {
    let s = y[1];
    let k = *b.shape(s).sizes().last()?;
    let (u, vh) = (narrow(b, y[0], 1, 0, k), narrow(b, y[2], 2, 0, k));
    let gu = dy[0].map(|g| narrow(b, g, 1, 0, k));
    let gvh = dy[2].map(|g| narrow(b, g, 2, 0, k));
    if gu.is_none() && gvh.is_none() {
        return dy[1].map(|g| of_singular_values(b, u, vh, g));
    }
    let ((m, _), (_, n)) = (sizes(b, u), sizes(b, vh));
    let squares = b.mul(s, s);
    let gaps = differences(b, squares);
    let skew = |b: &mut dyn Build, x: Value| {
        let mirrored = transpose(b, x);
        let x = b.sub(x, mirrored);
        b.div(x, gaps)
    };
    let left = gu.map(|g| {
        let turns = product_of_left(b, u, g);
        let (turns, s) = (skew(b, turns), rows(b, s, k));
        b.mul(turns, s)
    });
    let right = gvh.map(|g| {
        let turns = product_of_right(b, vh, g);
        let (turns, s) = (skew(b, turns), columns(b, s, k));
        b.mul(turns, s)
    });
    let stretches = dy[1].map(|g| diagonal(b, g));
    let inner = sum(b, &[left, right, stretches])?;
    let inside = product(b, u, inner);
    let mut whole = product(b, inside, vh);
    if let Some(g) = gu.filter(|_| m > k) {
        // (1 - U U') gU S^-1 V'
        let s = rows(b, s, m);
        let g = b.div(g, s);
        let along = product_of_left(b, u, g);
        let along = product(b, u, along);
        let out = b.sub(g, along);
        let out = product(b, out, vh);
        whole = b.add_(whole, out);
    }
    if let Some(g) = gvh.filter(|_| n > k) {
        // U S^-1 gV' (1 - V V')
        let s = columns(b, s, n);
        let g = b.div(g, s);
        let along = product_of_right(b, g, vh);
        let along = product(b, along, vh);
        let out = b.sub(g, along);
        let out = product(b, u, out);
        whole = b.add_(whole, out);
    }
    Some(whole)
}
