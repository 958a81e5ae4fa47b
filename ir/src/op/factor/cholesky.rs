//! The gradient of Cholesky's factor (Murray 2016, "Differentiation of the Cholesky decomposition", 3.3).

use super::terms::{Part, part, product_of_left, solve, solve_right, transpose};
use super::*;

/// `L'^-1 P L^-1 / 2`, where `P` is `L' g` with its lower triangle mirrored: symmetric, as the operand is.
pub(super) fn gradient(b: &mut dyn Build, l: Value, g: Value) -> Value {
    let p = product_of_left(b, l, g);
    let (below, lower) = (part(b, p, Part::Below), part(b, p, Part::Lower));
    let mirrored = transpose(b, below);
    let p = b.add_(lower, mirrored);
    let lower = Triangle::default();
    let left = solve(b, l, p, Triangle { transposed: true, ..lower });
    let both = solve_right(b, l, left, lower);
    b.scale(both, 0.5)
}
