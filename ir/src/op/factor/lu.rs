//! The gradient of elimination, from `P' dA = dL U + L dU`: of what is left when `L^-1` and `U^-1` are multiplied from
//! the sides, the part below the diagonal is `L^-1 dL`, the rest `dU U^-1`. What a matrix has beyond a square depends on
//! the square by one system more (as in Walter and Lehmann 2010, "Algorithmic differentiation of linear algebra
//! functions with application in optimum experimental design").

use super::terms::*;
use super::*;

const LOWER: Triangle = Triangle { upper: false, transposed: false, unit: true };
const UPPER: Triangle = Triangle { upper: true, transposed: false, unit: false };

pub(super) fn gradient(b: &mut dyn Build, y: &[Value], g: Value) -> Value {
    let (lu, places) = (y[0], y[2]);
    let (m, n) = sizes(b, lu);
    let k = m.min(n);
    // The square above and to the left: there the factors are `l` and `u`, and `gl` and `gu` their gradients.
    let corner = |b: &mut dyn Build, x: Value| {
        let x = narrow(b, x, 2, 0, k);
        narrow(b, x, 1, 0, k)
    };
    let (square, own) = (corner(b, lu), corner(b, g));
    let l = part(b, square, Part::Below);
    let on = places_of_ones(b, l);
    let l = b.add_(l, on);
    let u = part(b, square, Part::Upper);
    let (gl, gu) = (part(b, own, Part::Below), part(b, own, Part::Upper));
    let mut inner_l = product_of_left(b, l, gl);
    let mut inner_u = product_of_right(b, gu, u);
    let mut beyond = None;
    if n > k {
        // Columns to the right are `L U2`.
        let (u2, g2) = (narrow(b, lu, 1, k, n - k), narrow(b, g, 1, k, n - k));
        let through = product_of_right(b, g2, u2);
        inner_l = b.sub(inner_l, through);
        beyond = Some(solve(b, square, g2, Triangle { transposed: true, ..LOWER }));
    }
    if m > k {
        // Rows below are `L2 U`.
        let (l2, g2) = (narrow(b, lu, 2, k, m - k), narrow(b, g, 2, k, m - k));
        let through = product_of_left(b, l2, g2);
        inner_u = b.sub(inner_u, through);
        beyond = Some(solve_right(b, square, g2, Triangle { transposed: true, ..UPPER }));
    }
    let (below, above) = (part(b, inner_l, Part::Below), part(b, inner_u, Part::Upper));
    let inner = b.add_(below, above);
    let left = solve(b, square, inner, Triangle { transposed: true, ..LOWER });
    let mut whole = solve_right(b, square, left, Triangle { transposed: true, ..UPPER });
    if let Some(more) = beyond {
        whole = join(b, whole, more, if n > k { 1 } else { 2 });
    }
    // Row `i` came from row `places[i]`.
    let rank = b.shape(whole).rank() as u8;
    let index = columns(b, places, n);
    let picks = Picks {
        axis: rank - 2,
        data: (0..rank).filter(|&a| a != rank - 2).collect(),
        index: (0..rank).collect(),
    };
    let nothing = b.fill_like(whole, 0.0);
    b.one(Op::Scatter(Scatter { picks, combine: None }), &[nothing, index, whole])
}

fn places_of_ones(b: &mut dyn Build, like: Value) -> Value {
    let ones = b.fill_like(like, 1.0);
    part(b, ones, Part::On)
}
