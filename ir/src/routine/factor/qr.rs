//! Householder's reflections.

use super::matrix::Matrix;

pub(super) fn factor(mut a: Matrix, complete: bool) -> Vec<Vec<f64>> {
    let (m, n) = (a.m, a.n);
    let columns = if complete { m } else { m.min(n) };
    if !a.elements.iter().all(|x| x.is_finite()) {
        return vec![vec![f64::NAN; m * columns], vec![f64::NAN; columns * n]];
    }
    let mut q = Matrix::identity(m);
    for j in 0..m.min(n) {
        let tail: f64 = (j + 1..m).map(|i| a[(i, j)] * a[(i, j)]).sum();
        if tail == 0.0 {
            // Nothing to reflect: the diagonal keeps its sign.
            continue;
        }
        let head = a[(j, j)];
        let beta = -(head * head + tail).sqrt().copysign(head);
        let tau = (beta - head) / beta;
        let v = |a: &Matrix, i: usize| if i == j { 1.0 } else { a[(i, j)] / (head - beta) };
        let v: Vec<f64> = (j..m).map(|i| v(&a, i)).collect();
        for c in j..n {
            let along: f64 = (j..m).map(|i| v[i - j] * a[(i, c)]).sum();
            (j..m).for_each(|i| a[(i, c)] -= tau * along * v[i - j]);
        }
        for r in 0..m {
            let along: f64 = (j..m).map(|i| v[i - j] * q[(r, i)]).sum();
            (j..m).for_each(|i| q[(r, i)] -= tau * along * v[i - j]);
        }
        (j + 1..m).for_each(|i| a[(i, j)] = 0.0);
    }
    let q = Matrix::new(m, columns, |i, j| q[(i, j)]);
    let r = Matrix::new(columns, n, |i, j| if i <= j { a[(i, j)] } else { 0.0 });
    vec![q.elements, r.elements]
}
