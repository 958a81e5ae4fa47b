//! From graphs to results: what is computed, and in how many kernels.

use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Op, Scalar};
use rustorch_ir::plan::Step;
use rustorch_ir::{DType, Graph, Shape};
use rustorch_tests::{b, compiled, input, noise, reduce, run_f32, softmax};

fn launches(g: &Graph) -> usize {
    compiled(g).plan.steps.len()
}

fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "element {i}: {g} instead of {w}");
    }
}

#[test]
fn a_chain_is_one_kernel() {
    for n in [1, 3, 16, 17, 1000, 70_000] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[n]);
        let y = b(&mut g).scale(x, 2.0);
        let y = b(&mut g).offset(y, 0.5);
        let y = b(&mut g).map(Scalar::Abs, &[y]);
        g.outputs = vec![y];
        assert_eq!(launches(&g), 1);
        let data = noise(n, 1);
        let want: Vec<f32> = data.iter().map(|x| (x * 2.0 + 0.5).abs()).collect();
        assert_eq!(run_f32(&g, &[&data])[0], want);
    }
}

#[test]
fn sums_of_all_lengths() {
    for n in [1, 5, 16, 63, 64, 1000, 16384, 40_000, 1_000_003] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[n]);
        let y = reduce(&mut g, Combine::Add, x, &[0]);
        g.outputs = vec![y];
        assert_eq!(launches(&g), 1, "{n}");
        let data = noise(n, 2);
        let want = data.iter().map(|&x| x as f64).sum::<f64>() as f32;
        close(&run_f32(&g, &[&data])[0], &[want], 1e-5);
    }
}

#[test]
fn sums_along_each_axis() {
    for sizes in [[7, 33], [64, 10], [100, 100], [3, 5000], [5000, 3], [300, 700]] {
        let data = noise(sizes[0] * sizes[1], 3);
        for axis in [0usize, 1] {
            let mut g = Graph::new();
            let x = input(&mut g, 0, DType::F32, &sizes);
            let y = reduce(&mut g, Combine::Add, x, &[axis as u8]);
            g.outputs = vec![y];
            let mut want = vec![0f64; sizes[1 - axis]];
            for i in 0..sizes[0] {
                for j in 0..sizes[1] {
                    want[if axis == 0 { j } else { i }] += data[i * sizes[1] + j] as f64;
                }
            }
            let want: Vec<f32> = want.iter().map(|&x| x as f32).collect();
            close(&run_f32(&g, &[&data])[0], &want, 1e-5);
        }
    }
}

#[test]
fn softmax_is_one_kernel() {
    for sizes in [[64, 100], [33, 7], [100, 1000]] {
        for axis in [0u8, 1] {
            let mut g = Graph::new();
            let x = input(&mut g, 0, DType::F32, &sizes);
            let y = softmax(&mut g, x, axis);
            g.outputs = vec![y];
            let data = noise(sizes[0] * sizes[1], 4);
            let (rows, cols) = (sizes[0], sizes[1]);
            let at = |i: usize, j: usize| if axis == 1 { data[i * cols + j] } else { data[j * cols + i] };
            let mut want = vec![0f32; data.len()];
            let (outer, inner) = if axis == 1 { (rows, cols) } else { (cols, rows) };
            for i in 0..outer {
                let total: f64 = (0..inner).map(|j| (at(i, j) as f64).exp()).sum();
                for j in 0..inner {
                    let place = if axis == 1 { i * cols + j } else { j * cols + i };
                    want[place] = ((at(i, j) as f64).exp() / total) as f32;
                }
            }
            close(&run_f32(&g, &[&data])[0], &want, 1e-5);
            assert_eq!(launches(&g), 1, "{sizes:?} along {axis}");
        }
    }
}

#[test]
fn products_with_epilogue() {
    use rustorch_ir::op::Contract;
    for (m, k, n) in [(4, 5, 6), (32, 64, 128), (100, 300, 50), (1, 64, 128)] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[m, k]);
        let w = input(&mut g, 1, DType::F32, &[n, k]);
        let bias = input(&mut g, 2, DType::F32, &[n]);
        let contract = Contract {
            lhs_batch: [].into_iter().collect(),
            rhs_batch: [].into_iter().collect(),
            lhs_contract: [1].into_iter().collect(),
            rhs_contract: [1].into_iter().collect(),
        };
        let y = b(&mut g).one(Op::Contract(contract), &[x, w]);
        let shape = Shape::from_sizes(&[m, n]);
        let bias = b(&mut g).reshape(bias, &Shape::from_sizes(&[1, n]));
        let bias = b(&mut g).expand(bias, &shape);
        let y = b(&mut g).add_(y, bias);
        let zero = b(&mut g).fill_like(y, 0.0);
        let low = b(&mut g).map(Scalar::Le, &[y, zero]);
        let y = b(&mut g).select(low, zero, y);
        g.outputs = vec![y];
        let (xs, ws, bs) = (noise(m * k, 5), noise(n * k, 6), noise(n, 7));
        let mut want = vec![0f32; m * n];
        for i in 0..m {
            for j in 0..n {
                let dot: f64 = (0..k).map(|p| xs[i * k + p] as f64 * ws[j * k + p] as f64).sum();
                want[i * n + j] = (dot as f32 + bs[j]).max(0.0);
            }
        }
        close(&run_f32(&g, &[&xs, &ws, &bs])[0], &want, 1e-4);
        let plan = compiled(&g).plan;
        assert_eq!(plan.steps.len(), 1);
        if let Step::Product(p) = &plan.steps[0] {
            assert!(p.epilogue.is_some());
        }
    }
}
