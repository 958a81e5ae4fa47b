use super::super::tests::AllKernels;
use super::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.below(1 << 20) as f32 / 524_288.0 - 1.0).collect()
    }

    /// Offsets below `reach`: in runs of some step, or anywhere.
    fn offsets(&mut self, count: usize, reach: usize) -> Vec<isize> {
        let (step, run) = ([1, 1, 2, -1, 0][self.below(5)], 1 + self.below(20));
        let mut all = Vec::new();
        while all.len() < count {
            let start = self.below(reach) as isize;
            all.extend(
                (0..run as isize).map(|i| start + i * step).filter(|at| (0..reach as isize).contains(at)),
            );
        }
        all.truncate(count);
        all
    }
}

struct Case {
    batch: Vec<(isize, isize)>,
    tables: [Vec<isize>; 4],
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

const GUARD: f32 = 77.0;

impl Case {
    fn new(random: &mut Random, batch: usize, (m, n, k): (usize, usize, usize)) -> Case {
        let shared = random.below(2) == 0;
        let mut start = |fixed: bool| if fixed { 3 } else { random.below(50) as isize };
        let batch = (0..batch).map(|_| (start(shared), start(false))).collect::<Vec<_>>();
        let reach = 400;
        let tables = [m, k, k, n].map(|count| random.offsets(count, reach));
        let c = vec![GUARD; batch.len() * m * n + 1];
        Case { batch, tables, a: random.numbers(1000), b: random.numbers(1000), c }
    }

    fn product(&mut self) -> Gathered<'_, f32> {
        let [a_rows, a_cols, b_rows, b_cols] = &self.tables;
        let (a, b, c) = (self.a.as_ptr(), self.b.as_ptr(), self.c.as_mut_ptr());
        Gathered { batch: &self.batch, a, a_rows, a_cols, b, b_rows, b_cols, c }
    }

    fn run(&mut self, kernels: &'static Kernels<f32>) -> Vec<u32> {
        let rows = self.batch.len() * self.tables[0].len();
        let seen: Vec<AtomicU32> = (0..rows).map(|_| AtomicU32::new(0)).collect();
        let epilogue = |begin: usize, end: usize| {
            seen[begin..end].iter().for_each(|count| {
                count.fetch_add(1, Relaxed);
            });
        };
        // SAFETY: offsets stay below 450, of 1000 elements.
        unsafe { multiply(kernels, &self.product(), Some(&epilogue)).unwrap() };
        assert!(seen.iter().all(|count| count.load(Relaxed) == 1), "each row once");
        self.c.iter().map(|value| value.to_bits()).collect()
    }

    fn check(&mut self, kernels: &'static Kernels<f32>, label: &str) {
        self.run(kernels);
        let [a_rows, a_cols, b_rows, b_cols] = &self.tables;
        let at = |memory: &[f32], offset: isize| f64::from(memory[offset as usize]);
        let mut results = self.c.iter();
        for &(a, b) in &self.batch {
            for &row in a_rows {
                for &column in b_cols {
                    let terms = || {
                        let pairs = a_cols.iter().zip(b_rows);
                        pairs.map(|(&p, &q)| at(&self.a, a + row + p) * at(&self.b, b + q + column))
                    };
                    let (want, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                    let bound = f64::from(f32::EPSILON) * size * (4.0 + (a_cols.len() as f64).sqrt());
                    let got = f64::from(*results.next().unwrap());
                    assert!((got - want).abs() <= bound, "{label}: {got} for {want}");
                }
            }
        }
        assert_eq!(results.as_slice(), [GUARD], "{label}: nothing behind the results");
    }
}

#[test]
fn products_of_all_sizes_and_tables() {
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let edges = [1, 2, 4, 5, 6, 7, 8, 11, 12, 16, 17, 31, 33, 50, 65, 100];
    for round in 0..300 {
        let mut size = || edges[random.below(edges.len())];
        let shape = (size(), size(), size());
        let batch = 1 + random.below(6);
        let mut case = Case::new(&mut random, batch, shape);
        for kernels in f32::all() {
            case.check(kernels, &format!("round {round}: {batch} × {shape:?}, nr {}", kernels.nr));
        }
    }
}

#[test]
fn several_blocks_of_every_dimension() {
    let mut random = Random(99);
    for (batch, shape) in [(1, (500, 70, 600)), (2, (6, 900, 300)), (40, (250, 9, 270)), (1, (700, 5, 20))] {
        let mut case = Case::new(&mut random, batch, shape);
        for kernels in f32::all() {
            case.check(kernels, &format!("{batch} × {shape:?}, nr {}", kernels.nr));
        }
    }
}

#[test]
fn empty_dimensions() {
    let mut random = Random(5);
    for shape in [(0, 3, 4), (3, 0, 4), (3, 4, 0)] {
        for batch in [0, 1, 3] {
            Case::new(&mut random, batch, shape).check(f32::kernels(), &format!("{batch} × {shape:?}"));
        }
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let _turn = crate::threads::tests::with_threads(1);
    let mut random = Random(7);
    for (batch, shape) in [(1, (64, 900, 300)), (9, (64, 100, 300)), (40, (70, 9, 300)), (1, (200, 20, 700))]
    {
        let mut case = Case::new(&mut random, batch, shape);
        let results = [1, 2, 3, 5].map(|threads| {
            crate::threads::set_num_threads(threads);
            case.run(f32::kernels())
        });
        assert!(results.iter().all(|bits| *bits == results[0]), "{batch} × {shape:?}");
    }
}
