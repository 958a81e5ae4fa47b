//! The square root of a positive matrix that is a triangle.

use super::matrix::Matrix;

pub(super) fn factor(a: Matrix) -> Vec<Vec<f64>> {
    let n = a.n;
    let mut l = Matrix::new(n, n, |_, _| 0.0);
    for j in 0..n {
        let pivot = a[(j, j)] - (0..j).map(|k| l[(j, k)] * l[(j, k)]).sum::<f64>();
        // Of a NaN neither holds.
        if !(pivot > 0.0 && pivot < f64::INFINITY) {
            return vec![vec![f64::NAN; n * n], vec![(j + 1) as f64]];
        }
        l[(j, j)] = pivot.sqrt();
        for i in j + 1..n {
            let rest = a[(i, j)] - (0..j).map(|k| l[(i, k)] * l[(j, k)]).sum::<f64>();
            l[(i, j)] = rest / l[(j, j)];
        }
    }
    vec![l.elements, vec![0.0]]
}
