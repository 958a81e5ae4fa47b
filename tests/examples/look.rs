//! Prints the loops and the machine code of a few graphs, and how fast they run.

use rustorch_backend::cranelift::compile_with_listing;
use rustorch_backend::run::Executable;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Graph};
use rustorch_tests::{b, bound, compiled, input, noise, reduce, softmax};
use std::time::Instant;

fn main() {
    let show = std::env::args().nth(1);
    let mut cases: Vec<(&str, Graph, Vec<usize>)> = Vec::new();
    for n in [1usize << 10, 1 << 16, 1 << 20, 1 << 24] {
        let mut g = Graph::new();
        let (x, y, z) = (
            input(&mut g, 0, DType::F32, &[n]),
            input(&mut g, 1, DType::F32, &[n]),
            input(&mut g, 2, DType::F32, &[n]),
        );
        let t = b(&mut g).mul(x, y);
        let t = b(&mut g).add_(t, z);
        let zero = b(&mut g).fill_like(t, 0.0);
        let low = b(&mut g).map(Scalar::Le, &[t, zero]);
        let t = b(&mut g).select(low, zero, t);
        g.outputs = vec![t];
        cases.push(("relu(a*b+c)", g, vec![n; 3]));
    }
    for n in [1usize << 16, 1 << 20] {
        for (name, op) in
            [("exp", Scalar::Exp), ("tanh", Scalar::Tanh), ("erf", Scalar::Erf), ("sin", Scalar::Sin)]
        {
            let mut g = Graph::new();
            let x = input(&mut g, 0, DType::F32, &[n]);
            let y = b(&mut g).map(op, &[x]);
            g.outputs = vec![y];
            cases.push((name, g, vec![n]));
        }
    }
    for (r, c) in [(1024, 1024), (64, 64)] {
        for axis in [1u8, 0] {
            let mut g = Graph::new();
            let x = input(&mut g, 0, DType::F32, &[r, c]);
            let y = softmax(&mut g, x, axis);
            g.outputs = vec![y];
            cases.push((if axis == 1 { "softmax1" } else { "softmax0" }, g, vec![r * c]));
            let mut g = Graph::new();
            let x = input(&mut g, 0, DType::F32, &[r, c]);
            let y = reduce(&mut g, Combine::Add, x, &[axis]);
            g.outputs = vec![y];
            cases.push((if axis == 1 { "sum1" } else { "sum0" }, g, vec![r * c]));
        }
    }
    for n in [1usize << 16, 1 << 20, 1 << 24] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[n]);
        let y = reduce(&mut g, Combine::Add, x, &[0]);
        g.outputs = vec![y];
        cases.push(("sum", g, vec![n]));
    }
    for (name, g, sizes) in cases {
        let plan = compiled(&g).plan;
        if show.as_deref() == Some(name) {
            for k in &plan.kernels {
                println!("{k}");
                let (_, listing) = compile_with_listing(k).expect("compiles");
                println!("{}", listing.assembly);
            }
        }
        let t = Instant::now();
        let exe = Executable::new(plan).expect("emits");
        let compile = t.elapsed().as_secs_f64() * 1e3;
        let data: Vec<Vec<f32>> = sizes.iter().enumerate().map(|(i, &n)| noise(n, i as u64 + 1)).collect();
        let inputs: Vec<&[f32]> = data.iter().map(|d| d.as_slice()).collect();
        let inputs = bound(&inputs);
        let mut best = f64::MAX;
        for _ in 0..20.max((1 << 22) / sizes[0]).min(2000) {
            let t = Instant::now();
            exe.run(&inputs, &[]).expect("runs");
            best = best.min(t.elapsed().as_secs_f64());
        }
        println!(
            "{name:14} {:>9}: {:9.2} us  {:6.3} ns/element  {} steps, compiled in {compile:.2} ms",
            sizes[0],
            best * 1e6,
            best * 1e9 / sizes[0] as f64,
            exe.plan().steps.len()
        );
    }
}
