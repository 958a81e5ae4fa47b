//! That factors multiply to what was factored.

use super::*;

/// The numbers of -1 to 1 that a seed leads to.
fn random(seed: u64, m: usize, n: usize) -> Matrix {
    let number = |i: usize, j: usize| {
        let z = (seed * 7919 + (i * n + j) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    Matrix::new(m, n, number)
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    assert_eq!(a.n, b.m);
    Matrix::new(a.m, b.n, |i, j| (0..a.n).map(|k| a[(i, k)] * b[(k, j)]).sum())
}

fn close(a: &Matrix, b: &Matrix) {
    assert_eq!((a.m, a.n), (b.m, b.n));
    for (x, y) in a.elements.iter().zip(&b.elements) {
        assert!((x - y).abs() < 1e-12, "{:?}\n{:?}", a.elements, b.elements);
    }
}

fn of(results: &[Vec<f64>], number: usize, m: usize, n: usize) -> Matrix {
    assert_eq!(results[number].len(), m * n);
    Matrix { m, n, elements: results[number].clone() }
}

const SHAPES: [(usize, usize); 8] = [(1, 1), (2, 2), (5, 5), (7, 3), (3, 7), (4, 1), (1, 4), (0, 3)];

#[test]
fn a_positive_matrix_is_the_square_of_its_root() {
    for n in [0, 1, 2, 6] {
        let x = random(n as u64, n, n + 2);
        let a = product(&x, &x.transposed());
        let results = cholesky::factor(a.clone());
        let l = of(&results, 0, n, n);
        close(&product(&l, &l.transposed()), &a);
        assert_eq!(results[1], [0.0]);
    }
    let indefinite = Matrix { m: 2, n: 2, elements: vec![1.0, 9.0, 2.0, 3.0] };
    assert_eq!(cholesky::factor(indefinite)[1], [2.0]);
}

#[test]
fn exchanged_rows_are_a_product_of_triangles() {
    for (m, n) in SHAPES {
        let k = m.min(n);
        let a = random(3, m, n);
        let results = lu::factor(a.clone());
        let lu = of(&results, 0, m, n);
        let l = Matrix::new(m, k, |i, j| if i > j { lu[(i, j)] } else { f64::from(u8::from(i == j)) });
        let u = Matrix::new(k, n, |i, j| if i <= j { lu[(i, j)] } else { 0.0 });
        close(&product(&l, &u), &Matrix::new(m, n, |i, j| a[(results[2][i] as usize, j)]));
        assert!(l.elements.iter().all(|x| x.abs() <= 1.0));
        assert_eq!(results[3], [0.0]);
    }
    let singular = Matrix { m: 2, n: 2, elements: vec![1.0, 2.0, 2.0, 4.0] };
    assert_eq!(lu::factor(singular)[3], [2.0]);
}

#[test]
fn reflections_give_orthonormal_columns_and_a_triangle() {
    for (m, n) in SHAPES {
        for complete in [false, true] {
            let k = if complete { m } else { m.min(n) };
            let a = random(5, m, n);
            let results = qr::factor(a.clone(), complete);
            let (q, r) = (of(&results, 0, m, k), of(&results, 1, k, n));
            close(&product(&q, &r), &a);
            close(&product(&q.transposed(), &q), &Matrix::identity(k));
        }
    }
}

#[test]
fn singular_vectors_are_orthonormal_and_give_the_matrix_back() {
    for (m, n) in SHAPES {
        let low = product(&random(7, m, 1), &random(8, 1, n));
        for a in [random(6, m, n), low, Matrix::new(m, n, |_, _| 0.0)] {
            for vectors in [Vectors::Reduced, Vectors::Complete] {
                let k = m.min(n);
                let (left, right) = if vectors == Vectors::Complete { (m, n) } else { (k, k) };
                let results = svd(&a, vectors);
                let (u, vh) = (of(&results, 0, m, left), of(&results, 2, right, n));
                let s = Matrix::new(left, right, |i, j| if i == j && i < k { results[1][i] } else { 0.0 });
                close(&product(&product(&u, &s), &vh), &a);
                close(&product(&u.transposed(), &u), &Matrix::identity(left));
                close(&product(&vh, &vh.transposed()), &Matrix::identity(right));
                assert!(results[1].windows(2).all(|pair| pair[0] >= pair[1]));
                assert_eq!(svd(&a, Vectors::None)[0], results[1]);
            }
        }
    }
}

use spectral::{eigh, svd};

#[test]
fn eigenvectors_make_a_symmetric_matrix_diagonal() {
    for n in [0, 1, 2, 6] {
        let x = random(9, n, n);
        let a = Matrix::new(n, n, |i, j| x[(i, j)] + x[(j, i)]);
        let results = eigh(&a, true);
        let v = of(&results, 1, n, n);
        let d = Matrix::new(n, n, |i, j| if i == j { results[0][i] } else { 0.0 });
        close(&product(&product(&v, &d), &v.transposed()), &a);
        close(&product(&v.transposed(), &v), &Matrix::identity(n));
        assert!(results[0].windows(2).all(|pair| pair[0] <= pair[1]));
    }
}

#[test]
fn substitution_solves() {
    for word in 0..8 {
        let shape = Triangle { upper: word & 1 > 0, transposed: word & 2 > 0, unit: word & 4 > 0 };
        let full = Matrix::new(4, 4, |i, j| f64::from(u8::from(i == j)) * 2.0 + 0.3 * (i as f64 - j as f64));
        let x = random(11, 4, 3);
        let read = |i: usize, j: usize| match i.cmp(&j) {
            std::cmp::Ordering::Equal if shape.unit => 1.0,
            std::cmp::Ordering::Less if !shape.upper => 0.0,
            std::cmp::Ordering::Greater if shape.upper => 0.0,
            _ => full[(i, j)],
        };
        let a = Matrix::new(4, 4, |i, j| if shape.transposed { read(j, i) } else { read(i, j) });
        let got = triangular::solve(&full, product(&a, &x), shape);
        close(&of(&[got], 0, 4, 3), &x);
    }
}
