//! Singular values and eigenvalues by Jacobi's rotations: of columns until they are orthogonal, of rows and columns
//! until the matrix is diagonal (Golub and Van Loan, "Matrix Computations", 8.5 and 8.6.3).

use super::Vectors;
use super::matrix::Matrix;

/// Sweeps over all pairs; each squares what is left.
const SWEEPS: usize = 60;

/// The rotation that makes the symmetric 2 x 2 matrix `[[p, x], [x, q]]` diagonal: cosine and sine.
fn rotation(p: f64, x: f64, q: f64) -> (f64, f64) {
    let slope = (q - p) / (2.0 * x);
    let t = slope.signum() / (slope.abs() + (1.0 + slope * slope).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    (c, t * c)
}

/// Turns columns `i` and `j` by a rotation.
fn turn(a: &mut Matrix, (i, j): (usize, usize), (c, s): (f64, f64)) {
    for row in 0..a.m {
        let (x, y) = (a[(row, i)], a[(row, j)]);
        a[(row, i)] = c * x - s * y;
        a[(row, j)] = s * x + c * y;
    }
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)))
}

pub(super) fn svd(a: &Matrix, vectors: Vectors) -> Vec<Vec<f64>> {
    let (m, n) = (a.m, a.n);
    let k = m.min(n);
    if !a.elements.iter().all(|x| x.is_finite()) {
        let (left, right) = match vectors {
            Vectors::None => return vec![vec![f64::NAN; k], vec![1.0]],
            Vectors::Reduced => (k, k),
            Vectors::Complete => (m, n),
        };
        return vec![vec![f64::NAN; m * left], vec![f64::NAN; k], vec![f64::NAN; right * n], vec![1.0]];
    }
    // Columns are turned, so that there are to be few.
    let wide = m < n;
    let mut u = if wide { a.transposed() } else { a.clone() };
    let mut v = Matrix::identity(k);
    // Elements of any size may be squared.
    let size = u.elements.iter().fold(0.0f64, |s, x| s.max(x.abs()));
    let size = if size > 0.0 { size } else { 1.0 };
    u.elements.iter_mut().for_each(|x| *x /= size);
    for _ in 0..SWEEPS {
        let mut turned = false;
        for (i, j) in pairs(k) {
            let (p, x, q) = (u.dot(i, i), u.dot(i, j), u.dot(j, j));
            if x.abs() > 1e-17 * (p * q).sqrt() && x.abs() > 1e-300 {
                let by = rotation(p, x, q);
                turn(&mut u, (i, j), by);
                turn(&mut v, (i, j), by);
                turned |= x.abs() > 1e-15 * (p * q).sqrt();
            }
        }
        if !turned {
            break;
        }
    }
    let norms: Vec<f64> = (0..k).map(|j| u.dot(j, j).sqrt()).collect();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| norms[j].total_cmp(&norms[i]));
    let values: Vec<f64> = order.iter().map(|&j| norms[j] * size).collect();
    if vectors == Vectors::None {
        return vec![values, vec![0.0]];
    }
    let zero = 1e-15 * norms.iter().fold(0.0f64, |s, x| s.max(*x));
    let long = u.m;
    let own = order.iter().filter(|&&j| norms[j] > zero);
    let own = own.map(|&j| (0..long).map(|i| u[(i, j)] / norms[j]).collect()).collect();
    let columns = if vectors == Vectors::Complete { long } else { k };
    let u = basis(own, long, columns);
    let v = Matrix::new(k, k, |i, j| v[(i, order[j])]);
    let (left, right) = if wide { (v, u.transposed()) } else { (u, v.transposed()) };
    vec![left.elements, values, right.elements, vec![0.0]]
}

/// `columns` orthonormal columns, the first of which are given.
fn basis(mut columns: Vec<Vec<f64>>, length: usize, count: usize) -> Matrix {
    let mut unit = 0;
    while columns.len() < count {
        let mut next: Vec<f64> = (0..length).map(|i| f64::from(u8::from(i == unit))).collect();
        unit += 1;
        // Twice, since one pass leaves rounding errors.
        for _ in 0..2 {
            for c in &columns {
                let along: f64 = c.iter().zip(&next).map(|(x, y)| x * y).sum();
                next.iter_mut().zip(c).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        // What is left of the longest unit vector cannot be shorter.
        if norm > 0.5 / (length as f64).sqrt() {
            columns.push(next.iter().map(|x| x / norm).collect());
        }
    }
    Matrix::new(length, count, |i, j| columns[j][i])
}

pub(super) fn eigh(a: &Matrix, vectors: bool) -> Vec<Vec<f64>> {
    let n = a.n;
    let mut d = Matrix::new(n, n, |i, j| a[(i.max(j), i.min(j))]);
    if !d.elements.iter().all(|x| x.is_finite()) {
        let values = vec![f64::NAN; n];
        return if vectors {
            vec![values, vec![f64::NAN; n * n], vec![1.0]]
        } else {
            vec![values, vec![1.0]]
        };
    }
    let mut v = Matrix::identity(n);
    let size = d.elements.iter().fold(0.0f64, |s, x| s.max(x.abs()));
    for _ in 0..SWEEPS {
        let mut turned = false;
        for (i, j) in pairs(n) {
            if d[(i, j)].abs() > 1e-17 * size {
                let by = rotation(d[(i, i)], d[(i, j)], d[(j, j)]);
                turn(&mut d, (i, j), by);
                d = d.transposed();
                turn(&mut d, (i, j), by);
                turn(&mut v, (i, j), by);
                turned = true;
            }
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| d[(i, i)].total_cmp(&d[(j, j)]));
    let values = order.iter().map(|&i| d[(i, i)]).collect();
    if !vectors {
        return vec![values, vec![0.0]];
    }
    vec![values, Matrix::new(n, n, |i, j| v[(i, order[j])]).elements, vec![0.0]]
}
