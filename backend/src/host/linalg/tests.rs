//! The routines against their meaning, and against what defines a factorisation where that leaves something open.

use super::{factor, solve, triangular};
use crate::buffer::Buffer;
use rustorch_ir::routine::{Factor, Form, Routine, Solve, Triangle, Triangular, Vectors};
use rustorch_ir::{DType, Literal};

const SHAPES: [(usize, usize); 13] = [
    (1, 1),
    (2, 2),
    (3, 3),
    (17, 17),
    (40, 40),
    (70, 70),
    (9, 4),
    (4, 9),
    (90, 33),
    (33, 90),
    (5, 0),
    (0, 5),
    (0, 0),
];

/// Numbers of -1 to 1, the same for the same seed.
fn random(seed: u64, count: usize) -> Vec<f64> {
    let number = |i: usize| {
        let z = (seed * 7919 + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32
    };
    (0..count).map(|i| f64::from(number(i))).collect()
}

fn bytes(dtype: DType, numbers: &[f64]) -> Vec<u8> {
    let bits = numbers.iter().map(|&x| Literal::from_f64(dtype, x).bits.to_le_bytes());
    bits.flat_map(|b| b[..dtype.size()].to_vec()).collect()
}

fn numbers(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    let number = |part: &[u8]| {
        let mut bits = [0; 8];
        bits[..part.len()].copy_from_slice(part);
        Literal { dtype, bits: u64::from_le_bytes(bits) }.as_f64()
    };
    bytes.chunks(dtype.size()).map(number).collect()
}

/// `x y` of `m x k` and `k x n` elements.
fn product(x: &[f64], y: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let at = |i: usize, j: usize| (0..k).map(|l| x[i * k + l] * y[l * n + j]).sum();
    (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
}

fn transposed(x: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..n).flat_map(|j| (0..m).map(move |i| x[i * n + j])).collect()
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect()
}

fn close(what: &str, got: &[f64], want: &[f64], allowed: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let same = (g - w).abs() <= allowed || g.is_nan() && w.is_nan();
        assert!(same, "{what}: element {i} is {g}, not {w}");
    }
}

/// The results of a routine, by the backend and as they are meant.
fn both(f: &Factor, x: &[f64]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let types = f.form.results(f.dtype, f.rows, f.columns);
    let input = bytes(f.dtype, x);
    let size =
        |(dtype, shape): &(DType, Vec<usize>)| f.batch * shape.iter().product::<usize>() * dtype.size();
    let mut meant: Vec<Vec<u8>> = types.iter().map(|ty| vec![0xa7; size(ty)]).collect();
    Routine::Factor(f.clone()).run(&[&input], &mut meant);
    let buffers: Vec<Buffer> =
        types.iter().map(|ty| Buffer::from_slice(&vec![0xa7u8; size(ty)]).unwrap()).collect();
    let pointers: Vec<*mut u8> = buffers.iter().map(Buffer::ptr).collect();
    // SAFETY: the buffers hold what the routine reads and writes, and are this test's own.
    unsafe { factor(f, input.as_ptr(), &pointers).unwrap() };
    let read = |((dtype, shape), bytes): (&(DType, Vec<usize>), &[u8])| {
        let all = numbers(*dtype, &bytes[..size(&(*dtype, shape.clone()))]);
        assert_eq!(all.len(), f.batch * shape.iter().product::<usize>());
        all
    };
    // SAFETY: all of each buffer was written.
    let got = types.iter().zip(&buffers).map(|(ty, b)| read((ty, unsafe { b.as_slice::<u8>() }))).collect();
    (got, types.iter().zip(&meant).map(|(ty, bytes)| read((ty, bytes))).collect())
}

/// What may differ by rounding, in matrices of elements below 1.
fn allowed(dtype: DType, n: usize) -> f64 {
    let unit = if dtype == DType::F32 { 1e-6 } else { 1e-14 };
    unit * (n as f64 + 4.0)
}

/// Calls `check` for several matrices of each form and type, with the backend's results for each of them.
fn each(
    form: Form,
    make: impl Fn(u64, usize, usize) -> Vec<f64>,
    check: impl Fn(&Factor, &[f64], &[&[f64]], &[&[f64]]),
) {
    for dtype in [DType::F32, DType::F64] {
        for (rows, columns) in SHAPES.into_iter().filter(|(m, n)| m == n || !form.is_of_squares()) {
            for batch in [1, 3] {
                let f = Factor { form, dtype, batch, rows, columns };
                let one = rows * columns;
                let x: Vec<f64> = (0..batch).flat_map(|b| make(b as u64 + 1, rows, columns)).collect();
                let x = numbers(dtype, &bytes(dtype, &x));
                let (got, meant) = both(&f, &x);
                for number in 0..batch {
                    let of = |all: &Vec<f64>| {
                        let one = all.len() / batch;
                        number * one..(number + 1) * one
                    };
                    let got: Vec<&[f64]> = got.iter().map(|all| &all[of(all)]).collect();
                    let meant: Vec<&[f64]> = meant.iter().map(|all| &all[of(all)]).collect();
                    check(&f, &x[number * one..(number + 1) * one], &got, &meant);
                }
            }
        }
    }
}

fn any(seed: u64, m: usize, n: usize) -> Vec<f64> {
    random(seed, m * n)
}

/// Symmetric, and positive.
fn positive(seed: u64, n: usize, _: usize) -> Vec<f64> {
    let x = random(seed, n * n);
    let square = product(&x, &transposed(&x, n, n), n, n, n);
    let size = (n as f64).max(1.0);
    square.iter().zip(identity(n)).map(|(x, i)| x / size + i).collect()
}

#[test]
fn cholesky_means_what_it_says() {
    each(Form::Cholesky, positive, |f, _, got, meant| {
        close(&f.to_string(), got[0], meant[0], allowed(f.dtype, f.rows));
        assert_eq!(got[1], meant[1], "{f}");
    });
    // Not positive in the first, the second and the last place; and no number.
    for (place, value) in [(0, -1.0), (1, 0.0), (69, -3.0), (30, f64::NAN), (2, f64::INFINITY)] {
        for dtype in [DType::F32, DType::F64] {
            let mut x = positive(5, 70, 70);
            x[place * 71] = value;
            let f = Factor { form: Form::Cholesky, dtype, batch: 1, rows: 70, columns: 70 };
            let (got, meant) = both(&f, &x);
            assert_eq!(got[1], meant[1], "{f} with {value} at {place}");
            close(&f.to_string(), &got[0], &meant[0], 0.0);
        }
    }
}

#[test]
fn elimination_means_what_it_says() {
    each(Form::Lu, any, |f, _, got, meant| {
        assert_eq!(got[1..], meant[1..], "{f}");
        close(&f.to_string(), got[0], meant[0], 30.0 * allowed(f.dtype, f.rows));
    });
    // Columns of zeros, and equal rows: exact in small integers.
    for dtype in [DType::F32, DType::F64] {
        for n in [1, 2, 5, 40] {
            let column =
                |at: usize| if at % n == n / 2 { 0.0 } else { f64::from(u8::from(at % n <= at / n)) };
            for x in [vec![0.0; n * n], vec![1.0; n * n], (0..n * n).map(column).collect()] {
                let f = Factor { form: Form::Lu, dtype, batch: 1, rows: n, columns: n };
                let (got, meant) = both(&f, &x);
                assert_eq!(got[1..], meant[1..], "{f} of {x:?}");
                close(&f.to_string(), &got[0], &meant[0], allowed(dtype, n));
            }
        }
    }
}

#[test]
fn reflections_mean_what_they_say() {
    for complete in [false, true] {
        each(Form::Qr { complete }, any, |f, x, got, meant| {
            let (m, n) = (f.rows, f.columns);
            let k = if complete { m } else { m.min(n) };
            let unit = allowed(f.dtype, m.max(n));
            close(&f.to_string(), &product(got[0], got[1], m, k, n), x, unit);
            close(&f.to_string(), &product(&transposed(got[0], m, k), got[0], k, m, k), &identity(k), unit);
            // With LAPACK's signs. Small pivots turn rounding errors into others.
            if m.min(n) < 50 {
                close(&f.to_string(), got[1], meant[1], 50.0 * unit);
            }
        });
        // What depends on other columns is decomposed all the same.
        let low = |seed, m, n| product(&random(seed, m), &random(seed + 9, n), m, 1, n);
        each(Form::Qr { complete }, low, |f, x, got, _| {
            let (m, n) = (f.rows, f.columns);
            let k = if complete { m } else { m.min(n) };
            let unit = allowed(f.dtype, m.max(n));
            close(&f.to_string(), &product(got[0], got[1], m, k, n), x, unit);
            close(&f.to_string(), &product(&transposed(got[0], m, k), got[0], k, m, k), &identity(k), unit);
            for i in 0..k {
                assert!((0..i.min(n)).all(|j| got[1][i * n + j] == 0.0), "{f}");
            }
        });
    }
}

#[test]
fn singular_values_mean_what_they_say() {
    let low = |seed, m: usize, n: usize| product(&random(seed, m), &random(seed + 9, n), m, 1, n);
    let makers: [&dyn Fn(u64, usize, usize) -> Vec<f64>; 3] = [&any, &low, &|_, m, n| vec![0.0; m * n]];
    for make in makers {
        each(Form::Svd(Vectors::None), make, |f, _, got, meant| {
            close(&f.to_string(), got[0], meant[0], 4.0 * allowed(f.dtype, f.rows.max(f.columns)));
            assert_eq!(got[1], meant[1]);
        });
        for vectors in [Vectors::Reduced, Vectors::Complete] {
            each(Form::Svd(vectors), make, |f, x, got, meant| {
                let (m, n) = (f.rows, f.columns);
                let k = m.min(n);
                let (left, right) = if vectors == Vectors::Complete { (m, n) } else { (k, k) };
                let unit = 4.0 * allowed(f.dtype, m.max(n));
                close(&f.to_string(), got[1], meant[1], unit);
                let (u, vh) = (got[0], got[2]);
                let us: Vec<f64> = (0..m * k).map(|at| u[at / k * left + at % k] * got[1][at % k]).collect();
                close(&f.to_string(), &product(&us, &vh[..k * n], m, k, n), x, unit);
                let square = product(&transposed(u, m, left), u, left, m, left);
                close(&f.to_string(), &square, &identity(left), unit);
                let square = product(vh, &transposed(vh, right, n), right, n, right);
                close(&f.to_string(), &square, &identity(right), unit);
                assert_eq!(got[3], meant[3]);
            });
        }
    }
}

#[test]
fn eigenvalues_mean_what_they_say() {
    // Only the lower triangle counts.
    let symmetric = |x: &[f64], n: usize| -> Vec<f64> {
        (0..n * n).map(|at| (at / n, at % n)).map(|(i, j)| x[i.max(j) * n + i.min(j)]).collect()
    };
    for vectors in [false, true] {
        let makers: [&dyn Fn(u64, usize, usize) -> Vec<f64>; 2] = [&any, &|_, n, _| identity(n)];
        for make in makers {
            each(Form::Eigh { vectors }, make, |f, x, got, meant| {
                let n = f.rows;
                let unit = 8.0 * allowed(f.dtype, n);
                close(&f.to_string(), got[0], meant[0], unit);
                assert_eq!(got.last(), meant.last());
                if vectors {
                    let v = got[1];
                    let square = product(&transposed(v, n, n), v, n, n, n);
                    close(&f.to_string(), &square, &identity(n), unit);
                    let vl: Vec<f64> = (0..n * n).map(|at| v[at] * got[0][at % n]).collect();
                    let whole = product(&vl, &transposed(v, n, n), n, n, n);
                    close(&f.to_string(), &whole, &symmetric(x, n), unit);
                }
            });
        }
    }
}

#[test]
fn what_is_not_finite_is_said_and_no_number() {
    for form in
        Form::ALL.into_iter().filter(|f| matches!(f, Form::Svd(_) | Form::Eigh { .. } | Form::Qr { .. }))
    {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut x = random(3, 49);
            x[43] = bad;
            let f = Factor { form, dtype: DType::F64, batch: 1, rows: 7, columns: 7 };
            let (got, meant) = both(&f, &x);
            for (g, m) in got.iter().zip(&meant) {
                close(&f.to_string(), g, m, 0.0);
            }
        }
    }
}

#[test]
fn systems_mean_what_they_say() {
    for dtype in [DType::F32, DType::F64] {
        for (n, k) in [(1, 1), (2, 5), (7, 1), (40, 3), (90, 70), (0, 2), (3, 0)] {
            for batch in [1, 3] {
                let unit = allowed(dtype, n);
                let a: Vec<f64> = (0..batch)
                    .flat_map(|b| {
                        let x = random(b as u64, n * n);
                        let scaled = x.into_iter().zip(identity(n));
                        scaled.map(|(x, i)| x / (n as f64) + i).collect::<Vec<_>>()
                    })
                    .collect();
                let b = random(77, batch * n * k);
                let (a, b) = (bytes(dtype, &a), bytes(dtype, &b));
                let run = |routine: Routine, inputs: &[&[u8]], fast: &dyn Fn(*mut u8)| {
                    let mut meant = vec![vec![0u8; b.len()]];
                    routine.run(inputs, &mut meant);
                    let got = Buffer::zeroed(b.len()).unwrap();
                    fast(got.ptr());
                    // SAFETY: all of the buffer was written.
                    let got = numbers(dtype, &unsafe { got.as_slice::<u8>() }[..b.len()]);
                    close(&routine.to_string(), &got, &numbers(dtype, &meant[0]), 4.0 * unit);
                };
                for word in 0..8 {
                    let shape =
                        Triangle { upper: word & 1 > 0, transposed: word & 2 > 0, unit: word & 4 > 0 };
                    let t = Triangular { shape, dtype, batch, extent: n, columns: k };
                    run(Routine::Triangular(t.clone()), &[&a, &b], &|out| {
                        // SAFETY: the buffers hold what the routine reads and writes, and are this test's own.
                        unsafe { triangular(&t, a.as_ptr(), b.as_ptr(), out).unwrap() }
                    });
                }
                let places: Vec<f64> =
                    (0..batch * n).map(|at| ((at % n.max(1)) * 3 % n.max(1)) as f64).collect();
                let turns = n % 3 != 0 || n == 0;
                let places = bytes(
                    DType::I64,
                    &if turns { places } else { (0..batch * n).map(|at| (at % n) as f64).collect() },
                );
                for transposed in [false, true] {
                    let s = Solve { transposed, dtype, batch, extent: n, columns: k };
                    run(Routine::Solve(s.clone()), &[&[], &a, &places, &b], &|out| {
                        // SAFETY: as above.
                        unsafe { solve(&s, a.as_ptr(), places.as_ptr(), b.as_ptr(), out).unwrap() }
                    });
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let f = |form| Factor { form, dtype: DType::F32, batch: 1, rows: 300, columns: 300 };
    let x = positive(2, 300, 300);
    for form in Form::ALL {
        crate::threads::set_num_threads(1);
        let one = fast(&f(form), &x);
        crate::threads::set_num_threads(2);
        assert!(one == fast(&f(form), &x), "{form}");
    }
}

fn fast(f: &Factor, x: &[f64]) -> Vec<Vec<u8>> {
    let input = bytes(f.dtype, x);
    let types = f.form.results(f.dtype, f.rows, f.columns);
    let size = |(dtype, shape): &(DType, Vec<usize>)| shape.iter().product::<usize>() * dtype.size();
    let buffers: Vec<Buffer> = types.iter().map(|ty| Buffer::zeroed(size(ty)).unwrap()).collect();
    let pointers: Vec<*mut u8> = buffers.iter().map(Buffer::ptr).collect();
    // SAFETY: the buffers hold what the routine reads and writes, and are this test's own.
    unsafe { factor(f, input.as_ptr(), &pointers).unwrap() };
    // SAFETY: all of each buffer was written.
    types.iter().zip(&buffers).map(|(ty, b)| unsafe { b.as_slice::<u8>() }[..size(ty)].to_vec()).collect()
}
