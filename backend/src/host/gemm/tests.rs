use super::kernel::Kernels;
use super::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Each instruction set of this machine, not only the best.
pub(super) trait AllKernels: Scalar {
    fn all() -> Vec<&'static Kernels<Self>>;
}

trait Real: AllKernels {
    const EPSILON: f64;
    fn from(value: f64) -> Self;
    fn wide(self) -> f64;
}

impl Real for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    fn from(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        self.into()
    }
}

impl Real for f64 {
    const EPSILON: f64 = f64::EPSILON;
    fn from(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }
    fn value(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Matrices with the strides (row, col, batch) asked for, and the offset of their first element.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Rows,
    Columns,
    Spread,
    Reversed,
    Repeated,
}

const LAYOUTS: [Layout; 5] =
    [Layout::Rows, Layout::Columns, Layout::Spread, Layout::Reversed, Layout::Repeated];

impl Layout {
    fn strides(self, rows: usize, cols: usize) -> (isize, isize, isize, usize) {
        let (r, c) = (rows as isize, cols as isize);
        match self {
            Layout::Rows => (c, 1, r * c, 0),
            Layout::Columns => (1, r, r * c, 0),
            Layout::Spread => (2 * c + 3, 2, r * (2 * c + 3), 0),
            Layout::Reversed => (-c, 1, r * c, (rows.max(1) - 1) * cols),
            Layout::Repeated => (0, 1, 0, 0),
        }
    }
}

struct Case<T> {
    product: Product<T>,
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
}

const GUARD: f64 = 77.0;

fn case<T: Real>(
    random: &mut Random,
    batch: usize,
    (m, n, k): (usize, usize, usize),
    (a, b): (Layout, Layout),
    gap: usize,
) -> Case<T> {
    let mut fill = |count: usize| -> Vec<T> { (0..count).map(|_| T::from(random.value())).collect() };
    let (a_row, a_col, a_batch, a_at) = a.strides(m, k);
    let (b_row, b_col, b_batch, b_at) = b.strides(k, n);
    let (a, b) = (fill(batch * m * (2 * k + 3) + 8), fill(batch * k * (2 * n + 3) + 8));
    let (c_row, c_batch) = (n + gap, m * (n + gap));
    let mut c = vec![T::from(GUARD); batch * c_batch + 1];
    let product = Product {
        batch,
        m,
        n,
        k,
        a: Operand { ptr: a[a_at..].as_ptr(), row: a_row, col: a_col, batch: a_batch },
        b: Operand { ptr: b[b_at..].as_ptr(), row: b_row, col: b_col, batch: b_batch },
        c: c.as_mut_ptr(),
        c_row,
        c_batch,
    };
    Case { product, a, b, c }
}

impl<T: Real> Case<T> {
    /// Runs the product and compares each element with its sum in f64, and what lies between rows with the guard.
    fn check(&mut self, kernels: &'static Kernels<T>, label: &str) {
        let Product { batch, m, n, k, a, b, c_row, c_batch, .. } = self.product;
        let seen: Vec<AtomicU32> = (0..batch * m).map(|_| AtomicU32::new(0)).collect();
        let epilogue = |begin: usize, end: usize| {
            seen[begin..end].iter().for_each(|count| {
                count.fetch_add(1, Relaxed);
            });
        };
        self.c.fill(T::from(GUARD));
        self.product.c = self.c.as_mut_ptr();
        // SAFETY: the vectors hold all elements that the strides reach.
        unsafe { multiply(kernels, &self.product, Some(&epilogue)).unwrap() };
        assert!(seen.iter().all(|count| count.load(Relaxed) == 1), "{label}: each row once");
        let at = |operand: Operand<T>, l: usize, i: usize, j: usize| {
            let offset = l as isize * operand.batch + i as isize * operand.row + j as isize * operand.col;
            // SAFETY: as above.
            unsafe { (*operand.ptr.offset(offset)).wide() }
        };
        for l in 0..batch {
            for i in 0..m {
                for j in 0..c_row {
                    let got = self.c[l * c_batch + i * c_row + j].wide();
                    if j >= n {
                        assert_eq!(got, GUARD, "{label}: written beyond a row");
                        continue;
                    }
                    let terms = || (0..k).map(|p| at(a, l, i, p) * at(b, l, p, j));
                    let (want, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                    let bound = T::EPSILON * size * (4.0 + (k as f64).sqrt());
                    assert!((got - want).abs() <= bound, "{label} [{l},{i},{j}]: {got} for {want}");
                }
            }
        }
        assert_eq!(self.c.last().unwrap().wide(), GUARD);
        assert!(self.a.len() + self.b.len() > 0);
    }
}

fn sweep<T: Real>() {
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let edges = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16, 17, 31, 32, 33, 48, 65, 100];
    for round in 0..600 {
        let mut size = || edges[random.below(edges.len())];
        let shape = (size(), size(), size());
        let layouts = (LAYOUTS[random.below(5)], LAYOUTS[random.below(5)]);
        let (batch, gap) = (1 + random.below(3), random.below(2) * 3);
        let mut case = case::<T>(&mut random, batch, shape, layouts, gap);
        for kernels in T::all() {
            let label = format!("round {round}: {batch} × {shape:?} {layouts:?}, nr {}", kernels.nr);
            case.check(kernels, &label);
        }
    }
}

#[test]
fn f32_products_of_all_sizes_and_strides() {
    sweep::<f32>();
}

#[test]
fn f64_products_of_all_sizes_and_strides() {
    sweep::<f64>();
}

#[test]
fn several_blocks_of_every_dimension() {
    let mut random = Random(99);
    for shape in [
        (500, 70, 600),
        (3, 9000, 300),
        (1, 9000, 40),
        (260, 8300, 3),
        (2, 5, 3000),
        (700, 1, 900),
        (3, 1100, 301),
        (2, 2050, 203),
        (4, 1030, 260),
        (7, 90, 500),
    ] {
        for layouts in [(Layout::Rows, Layout::Rows), (Layout::Columns, Layout::Columns)] {
            let mut case = case::<f32>(&mut random, 1, shape, layouts, 0);
            for kernels in f32::all() {
                case.check(kernels, &format!("{shape:?} {layouts:?}, nr {}", kernels.nr));
            }
        }
    }
}

#[test]
fn empty_dimensions() {
    let mut random = Random(5);
    for shape in [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 1, 0)] {
        for batch in [0, 1, 3] {
            let mut case = case::<f64>(&mut random, batch, shape, (Layout::Rows, Layout::Rows), 1);
            case.check(f64::kernels(), &format!("{batch} × {shape:?}"));
        }
    }
}

#[test]
fn shared_weights_over_a_batch() {
    let mut random = Random(6);
    let mut case = case::<f32>(&mut random, 5, (20, 30, 40), (Layout::Rows, Layout::Repeated), 0);
    case.product.b.row = 30;
    case.check(f32::kernels(), "one B for all");
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let _turn = crate::threads::tests::with_threads(1);
    let mut random = Random(7);
    for shape in
        [(300, 300, 700), (7, 4000, 300), (1, 5000, 500), (3, 3000, 700), (2000, 2, 300), (64, 64, 64)]
    {
        for layouts in [(Layout::Rows, Layout::Rows), (Layout::Rows, Layout::Columns)] {
            let mut case = case::<f32>(&mut random, 1, shape, layouts, 0);
            let results = [1, 2, 3, 5].map(|threads| {
                crate::threads::set_num_threads(threads);
                case.c.fill(0.0);
                case.product.c = case.c.as_mut_ptr();
                // SAFETY: the vectors hold all elements that the strides reach.
                unsafe { gemm(&case.product, None).unwrap() };
                case.c.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
            });
            assert!(results.iter().all(|bits| *bits == results[0]), "{shape:?} {layouts:?}");
        }
    }
}

#[test]
fn infinities_and_nan_stay_in_their_rows() {
    let (m, n, k) = (20, 40, 30);
    let mut random = Random(8);
    let mut case = case::<f32>(&mut random, 1, (m, n, k), (Layout::Rows, Layout::Rows), 0);
    case.a[2 * k] = f32::NAN;
    case.a[5 * k] = f32::INFINITY;
    case.product.a.ptr = case.a.as_ptr();
    // SAFETY: the vectors hold all elements that the strides reach.
    unsafe { gemm(&case.product, None).unwrap() };
    for (i, row) in case.c[..m * n].chunks(n).enumerate() {
        match i {
            2 => assert!(row.iter().all(|value| value.is_nan())),
            5 => assert!(row.iter().all(|value| value.is_infinite())),
            _ => assert!(row.iter().all(|value| value.is_finite())),
        }
    }
}
