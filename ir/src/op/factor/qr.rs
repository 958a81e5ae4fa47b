//! The gradient of orthogonal and triangular factors (Walter and Lehmann 2010, "Algorithmic differentiation of linear
//! algebra functions with application in optimum experimental design", for at least as many rows as columns).

use super::terms::*;
use super::*;

/// Of complete factors it is that of the first columns and rows: where there are others they count as constant.
pub(super) fn gradient(b: &mut dyn Build, x: Value, y: &[Value], dy: &[Option<Value>]) -> Option<Value> {
    let (m, n) = sizes(b, x);
    let k = m.min(n);
    let (q, r) = (narrow(b, y[0], 1, 0, k), narrow(b, y[1], 2, 0, k));
    let gq = dy[0].map(|g| narrow(b, g, 1, 0, k));
    let gr = dy[1].map(|g| narrow(b, g, 2, 0, k));
    if n <= k {
        return of_tall(b, q, r, gq, gr);
    }
    // Columns beyond the square are `Q R2`, where `R2 = Q' A2`.
    let r1 = narrow(b, r, 1, 0, k);
    let a2 = narrow(b, x, 1, k, n - k);
    let (mut gr1, mut ga2) = (None, None);
    let mut gq = gq;
    if let Some(gr) = gr {
        let gr2 = narrow(b, gr, 1, k, n - k);
        let through = product_of_right(b, a2, gr2);
        gq = sum(b, &[gq, Some(through)]);
        gr1 = Some(narrow(b, gr, 1, 0, k));
        ga2 = Some(product(b, q, gr2));
    }
    let ga1 = of_tall(b, q, r1, gq, gr1)?;
    let ga2 = ga2.unwrap_or_else(|| b.fill_like(a2, 0.0));
    Some(join(b, ga1, ga2, 1))
}

/// `(gQ + Q sym(triu(gR R' - Q' gQ))) R'^-1`, where `sym` mirrors what is above the diagonal.
fn of_tall(b: &mut dyn Build, q: Value, r: Value, gq: Option<Value>, gr: Option<Value>) -> Option<Value> {
    let first = gr.map(|g| product_of_right(b, g, r));
    let second = gq.map(|g| {
        let p = product_of_left(b, q, g);
        b.neg(p)
    });
    let inner = sum(b, &[first, second])?;
    let (above, upper) = (part(b, inner, Part::Above), part(b, inner, Part::Upper));
    let mirrored = transpose(b, above);
    let symmetric = b.add_(upper, mirrored);
    let along = product(b, q, symmetric);
    let whole = sum(b, &[gq, Some(along)])?;
    Some(solve_right(b, r, whole, Triangle { upper: true, transposed: true, unit: false }))
}
