//! How long the JIT takes for a kernel, small to large, and how fast its code is beside a loop written by hand.

#[path = "../../backend/tests/jit_support/mod.rs"]
mod jit_support;

use criterion::{Criterion, criterion_group, criterion_main};
use jit_support::widen::{element_wise, widen};
use rustorch_backend::cranelift::{CompiledKernel, compile};
use rustorch_ir::dtype::DType::F32;
use rustorch_ir::loops::build::LoopBuilder;
use rustorch_ir::loops::{BinOp, Combine, Elem, Kernel, UnOp, Val};
use rustorch_ir::op::scalar_math::{erf, exp, tanh};
use std::hint::black_box;

const N: usize = 1 << 14;

/// `max(a * b + c, 0)`
fn relu_fma(lanes: u16) -> Kernel {
    let kernel = element_wise("relu_fma", N, &[F32; 3], &[F32], |b, x| {
        let product = b.bin(BinOp::Mul, x[0], x[1]);
        let sum = b.bin(BinOp::Add, product, x[2]);
        let zero = b.float(Elem::F32, 0.0);
        vec![b.combine(Combine::Max, zero, sum)]
    });
    if lanes == 1 { kernel } else { widen(&kernel, lanes) }
}

fn unary(name: &str, lanes: u16, f: fn(&mut LoopBuilder, Val) -> Val) -> Kernel {
    widen(&element_wise(name, N, &[F32], &[F32], |b, x| vec![f(b, x[0])]), lanes)
}

/// One step of Adam for four parameters: twelve outputs.
fn adam(lanes: u16) -> Kernel {
    let kernel = element_wise("adam", N, &[F32; 16], &[F32; 12], |b, x| {
        let mut outs = vec![];
        for of in x.chunks(4) {
            let &[p, g, m, v] = of else { unreachable!("four each") };
            let mut scaled = |value: Val, by: f64| {
                let by = b.float(Elem::F32, by);
                b.bin(BinOp::Mul, value, by)
            };
            let (m1, g1) = (scaled(m, 0.9), scaled(g, 0.1));
            let (v1, g2) = (scaled(v, 0.999), scaled(g, 0.001));
            let m = b.bin(BinOp::Add, m1, g1);
            let g2 = b.bin(BinOp::Mul, g2, g);
            let v = b.bin(BinOp::Add, v1, g2);
            let root = b.un(UnOp::Sqrt, v);
            let epsilon = b.float(Elem::F32, 1e-8);
            let root = b.bin(BinOp::Add, root, epsilon);
            let step = b.bin(BinOp::Div, m, root);
            let rate = b.float(Elem::F32, 1e-3);
            let step = b.bin(BinOp::Mul, step, rate);
            outs.extend([b.bin(BinOp::Sub, p, step), m, v]);
        }
        outs
    });
    widen(&kernel, lanes)
}

fn latency(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    for (name, kernel) in [
        ("relu_fma x1", relu_fma(1)),
        ("relu_fma x16", relu_fma(16)),
        ("exp x16", unary("exp", 16, exp)),
        ("tanh x16", unary("tanh", 16, tanh)),
        ("erf x16", unary("erf", 16, erf)),
        ("adam of four x4", adam(4)),
        ("adam of four x16", adam(16)),
    ] {
        let bytes = compile(&kernel).unwrap().code_bytes();
        group.bench_function(format!("{name}, {bytes} bytes"), |b| {
            b.iter(|| compile(black_box(&kernel)).unwrap());
        });
    }
    group.finish();
}

fn call(compiled: &CompiledKernel, buffers: &[*mut u8], n: usize) {
    let mut scratch = [0u64; 16];
    // SAFETY: every buffer has at least `n` elements, and the kernels here need no scratch but the failure record.
    let status = unsafe {
        compiled.entry()(buffers.as_ptr(), std::ptr::null(), 0, n as i64, scratch.as_mut_ptr().cast())
    };
    assert_eq!(status, 0);
}

#[inline(never)]
fn relu_by_hand(a: &[f32], b: &[f32], c: &[f32], out: &mut [f32]) {
    for (((a, b), c), out) in a.iter().zip(b).zip(c).zip(out) {
        let x = a * b + c;
        *out = if x < 0.0 { 0.0 } else { x };
    }
}

fn speed(c: &mut Criterion) {
    let mut group = c.benchmark_group("run");
    for n in [1 << 10, N] {
        let mut buffers: Vec<Vec<f32>> = (0..4).map(|k| vec![k as f32 - 1.5; n]).collect();
        group.bench_function(format!("relu_fma of {n} by hand"), |bench| {
            let [a, b, c, out] = &mut buffers[..] else { unreachable!("four buffers") };
            bench.iter(|| relu_by_hand(black_box(a), black_box(b), black_box(c), black_box(out)));
        });
        let pointers: Vec<*mut u8> = buffers.iter_mut().map(|b| b.as_mut_ptr().cast()).collect();
        for lanes in [1, 4, 8, 16, 32] {
            let compiled = compile(&relu_fma(lanes)).unwrap();
            group.bench_function(format!("relu_fma of {n} x{lanes}"), |b| {
                b.iter(|| call(&compiled, black_box(&pointers), n));
            });
        }
        for (name, f) in [("exp", exp as fn(&mut LoopBuilder, Val) -> Val), ("tanh", tanh), ("erf", erf)] {
            for lanes in [4, 8, 16] {
                let compiled = compile(&unary(name, lanes, f)).unwrap();
                group.bench_function(format!("{name} of {n} x{lanes}"), |b| {
                    b.iter(|| call(&compiled, black_box(&[pointers[0], pointers[3]]), n));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, latency, speed);
criterion_main!(benches);
