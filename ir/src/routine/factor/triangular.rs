//! Substitution.

use super::Triangle;
use super::matrix::Matrix;

pub(super) fn solve(a: &Matrix, mut x: Matrix, shape: Triangle) -> Vec<f64> {
    let n = a.n;
    let at = |i: usize, j: usize| if shape.transposed { a[(j, i)] } else { a[(i, j)] };
    let from_below = shape.upper != shape.transposed;
    for c in 0..x.n {
        for step in 0..n {
            let i = if from_below { n - 1 - step } else { step };
            let known = if from_below { i + 1..n } else { 0..i };
            let rest = x[(i, c)] - known.map(|j| at(i, j) * x[(j, c)]).sum::<f64>();
            x[(i, c)] = if shape.unit { rest } else { rest / at(i, i) };
        }
    }
    x.elements
}
