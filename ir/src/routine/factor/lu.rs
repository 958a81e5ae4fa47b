//! Elimination with the largest pivots.

use super::matrix::Matrix;

pub(super) fn factor(mut a: Matrix) -> Vec<Vec<f64>> {
    let (m, n) = (a.m, a.n);
    let mut pivots = Vec::new();
    let mut places: Vec<f64> = (0..m).map(|i| i as f64).collect();
    let mut first_zero = 0;
    for j in 0..m.min(n) {
        let mut largest = j;
        for i in j + 1..m {
            if a[(i, j)].abs() > a[(largest, j)].abs() {
                largest = i;
            }
        }
        pivots.push((largest + 1) as f64);
        places.swap(j, largest);
        for c in 0..n {
            let kept = a[(j, c)];
            a[(j, c)] = a[(largest, c)];
            a[(largest, c)] = kept;
        }
        if a[(j, j)] == 0.0 {
            if first_zero == 0 {
                first_zero = j + 1;
            }
            continue;
        }
        for i in j + 1..m {
            a[(i, j)] /= a[(j, j)];
            for c in j + 1..n {
                a[(i, c)] -= a[(i, j)] * a[(j, c)];
            }
        }
    }
    vec![a.elements, pivots, places, vec![first_zero as f64]]
}
