//! Helpers for tests that cross the crates: building graphs, running them, comparing.

pub mod fuzz;

use rustorch_backend::buffer::Buffer;
use rustorch_backend::run::{Bound, Executable};
use rustorch_ir::build::Build;
use rustorch_ir::loops::{Combine, Elem};
use rustorch_ir::op::{Input, Op, Reduce, Scalar, Source};
use rustorch_ir::{DType, Graph, Shape, Value};
use rustorch_passes::{Compiled, Request, Target, compile};

/// The machine that tests run on.
pub const HOST: Target = Target {
    has_routine: |name, elem| {
        rustorch_backend::host::vector::strip_routine(name, elem == Elem::F64).is_some()
    },
    has_fold: |combine, mem, lanes| {
        rustorch_backend::host::vector::fold_routine(combine, mem, lanes).is_some()
    },
    has_row_fold: |combine, mem| rustorch_backend::host::vector::row_fold_routine(combine, mem).is_some(),
    threads: 4,
};

/// A contiguous input.
pub fn input(g: &mut Graph, slot: u32, dtype: DType, sizes: &[usize]) -> Value {
    let shape = Shape::from_sizes(sizes);
    let strides = shape.contiguous_strides();
    strided(g, slot, dtype, sizes, &strides)
}

/// An input read with these strides.
pub fn strided(g: &mut Graph, slot: u32, dtype: DType, sizes: &[usize], strides: &[i64]) -> Value {
    let input = Input {
        slot,
        dtype,
        shape: Shape::from_sizes(sizes),
        source: Source::Buffer(strides.iter().copied().collect()),
    };
    let node = g.add(Op::Input(input), &[]).expect("an input");
    Value { node, port: 0 }
}

/// The graph as what builds nodes.
pub fn b(g: &mut Graph) -> &mut dyn Build {
    g
}

pub fn reduce(g: &mut Graph, combine: Combine, x: Value, axes: &[u8]) -> Value {
    b(g).one(Op::Reduce(Reduce { combine, axes: axes.into() }), &[x])
}

/// Softmax along an axis of a matrix, from primitives.
pub fn softmax(g: &mut Graph, x: Value, axis: u8) -> Value {
    let shape = b(g).shape(x);
    let m = reduce(g, Combine::Max, x, &[axis]);
    let m = b(g).expand_axes(m, &[axis], &shape);
    let d = b(g).sub(x, m);
    let e = b(g).map(Scalar::Exp, &[d]);
    let s = reduce(g, Combine::Add, e, &[axis]);
    let s = b(g).expand_axes(s, &[axis], &shape);
    b(g).div(e, s)
}

pub fn compiled(g: &Graph) -> Compiled {
    compile(&Request { graph: g.clone(), keep: vec![] }, &HOST).expect("compiles")
}

/// Copies of these numbers as inputs.
pub fn bound<T: Copy>(inputs: &[&[T]]) -> Vec<Bound> {
    let buffer = |x: &&[T]| Buffer::from_slice(x).expect("memory");
    inputs.iter().map(|x| Bound { buffer: buffer(x), offset: 0 }).collect()
}

/// The outputs of a graph on f32 inputs.
pub fn run_f32(g: &Graph, inputs: &[&[f32]]) -> Vec<Vec<f32>> {
    run_plan(compiled(g), inputs)
}

/// The outputs of a plan of f32 alone.
pub fn run_plan(compiled: Compiled, inputs: &[&[f32]]) -> Vec<Vec<f32>> {
    let exe = Executable::new(compiled.plan).expect("emits");
    let outputs: Vec<Buffer> = exe.run(&bound(inputs), &[]).expect("runs");
    let sizes = exe.plan().outputs.iter().map(|o| o.ty.shape.numel());
    outputs
        .iter()
        .zip(sizes)
        .map(|(b, n)| {
            // SAFETY: outputs are f32.
            let all: &[f32] = unsafe { b.as_slice() };
            all[..n].to_vec()
        })
        .collect()
}

/// Numbers in [-1, 1), always the same.
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}
