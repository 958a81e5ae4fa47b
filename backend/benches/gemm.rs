//! Matrix products of the shapes that models have, on one thread and on all, and what sharing a loop costs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rustorch_backend::host::gemm::{Operand, Product, gemm};
use rustorch_backend::threads::{num_threads, parallel_for, set_num_threads};
use std::hint::black_box;

/// m, n, k: layers of small networks, squares, transformer blocks, vectors.
const SHAPES: [(usize, usize, usize); 14] = [
    (1, 128, 64),
    (32, 128, 64),
    (64, 64, 128),
    (128, 256, 784),
    (256, 10, 256),
    (64, 64, 64),
    (256, 256, 256),
    (1024, 1024, 1024),
    (128, 768, 3072),
    (128, 3072, 768),
    (8, 512, 512),
    (1, 1024, 1024),
    (1024, 1, 1024),
    (2, 2048, 2048),
];

fn products(criterion: &mut Criterion) {
    let all = num_threads();
    for (name, transposed) in [("A·B", false), ("A·Bᵀ", true)] {
        for threads in [1, all] {
            let mut group = criterion.benchmark_group(format!("gemm {name}, {threads} threads"));
            set_num_threads(threads);
            for (m, n, k) in SHAPES {
                let a: Vec<f32> = (0..m * k).map(|i| (i % 17) as f32 - 8.0).collect();
                let b: Vec<f32> = (0..k * n).map(|i| (i % 13) as f32 - 6.0).collect();
                let mut c = vec![0f32; m * n];
                let (row, col) = if transposed { (1, k as isize) } else { (n as isize, 1) };
                let product = Product {
                    batch: 1,
                    m,
                    n,
                    k,
                    a: Operand { ptr: a.as_ptr(), row: k as isize, col: 1, batch: 0 },
                    b: Operand { ptr: b.as_ptr(), row, col, batch: 0 },
                    c: c.as_mut_ptr(),
                    c_row: n,
                    c_batch: 0,
                };
                group.throughput(Throughput::Elements(2 * (m * n * k) as u64));
                group.bench_function(BenchmarkId::from_parameter(format!("{m}x{n}x{k}")), |bencher| {
                    // SAFETY: the three vectors have the sizes that the product says.
                    bencher.iter(|| unsafe { gemm(black_box(&product), None).unwrap() });
                });
            }
        }
    }
    set_num_threads(all);
}

fn fork_join(criterion: &mut Criterion) {
    criterion.bench_function("share an empty loop", |bencher| {
        bencher.iter(|| {
            parallel_for(black_box(64), 1, |begin, end| {
                black_box(begin + end);
            })
            .unwrap()
        });
    });
}

criterion_group!(benches, products, fork_join);
criterion_main!(benches);
