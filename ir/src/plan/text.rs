//! The text form of plans; [`parse_plan`](super::parse::parse_plan) reads it back exactly.
//!
//! ```text
//! plan 2 inputs, 1 scalars, arena 256
//! %0 = input 0, bytes 0..2048 : f32[64, 8] "input"
//! %1 = input 1, bytes 0..256 : f32[8, 8] "input"
//! %2 = arena 0 : f32[64, 8] "product by a host routine"
//! %3 = output 0 : f32[64, 8] "output"
//! %4 = output 1 : f32[] "output"
//! product f32 [] 64 x 8 x 8
//!   lhs %0 + 0, rows 8, cols 1, batches []
//!   rhs %1 + 0, rows 8, cols 1, batches []
//!   out %2
//!   epilogue @0(%2, %3) scalars [0] grain 16
//! launch
//!   task @1(%3, %4) scalars [] grain 64
//!   finish @2(%4) scalars [] grain 1
//! routine sort<f32, 64 x 8 x 1, keep 0 + 8>(%3) -> (%5, %6)
//! return %3 : f32[64, 8], %4 : f32[]
//! kernel k0(...) ...
//! ```
//!
//! Buffers in order, each with its place, its type and why there is one; steps in order; the outputs; the
//! kernels in the text form of LoopIR, where `@0` is the first. A product is `m x n x k`; rows or columns that one
//! stride does not walk go through axes `[extent:stride,..]`. A line that begins
//! with `#` is a comment.

use super::{Call, Matrix, Place, Plan, Product, Step, Task};
use crate::loops::text::Quoted;
use std::fmt::{self, Display, Formatter};

impl Display for super::BufId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Place::Input { slot, begin, end } => write!(f, "input {slot}, bytes {begin}..{end}"),
            Place::Output(slot) => write!(f, "output {slot}"),
            Place::Arena(offset) => write!(f, "arena {offset}"),
        }
    }
}

impl Display for Task {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "@{}({}) scalars {:?} grain {}", self.kernel, Listed(&self.bufs), self.scalars, self.grain)
    }
}

impl Display for Matrix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Matrix { buf, offset, rows, cols, batch_strides } = self;
        write!(f, "{buf} + {offset}, rows {rows}, cols {cols}, batches {batch_strides:?}")
    }
}

impl Display for Product {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Product { dtype, batch, m, n, k, lhs, rhs, out, epilogue } = self;
        writeln!(f, "product {dtype} {batch:?} {m} x {n} x {k}")?;
        write!(f, "  lhs {lhs}\n  rhs {rhs}\n  out {out}\n")?;
        epilogue.iter().try_for_each(|task| writeln!(f, "  epilogue {task}"))
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Call { routine, inputs, outputs } = self;
        writeln!(f, "routine {routine}({}) -> ({})", Listed(inputs), Listed(outputs))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Launch { tasks, finish } => {
                f.write_str("launch\n")?;
                tasks.iter().try_for_each(|task| writeln!(f, "  task {task}"))?;
                finish.iter().try_for_each(|task| writeln!(f, "  finish {task}"))
            }
            Step::Product(product) => product.fmt(f),
            Step::Routine(call) => call.fmt(f),
        }
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Plan { kernels, steps, buffers, arena, input_slots, scalar_slots, outputs } = self;
        writeln!(f, "plan {input_slots} inputs, {scalar_slots} scalars, arena {arena}")?;
        for (i, b) in buffers.iter().enumerate() {
            writeln!(f, "%{i} = {} : {} {}", b.place, b.ty, Quoted(b.reason))?;
        }
        steps.iter().try_for_each(|step| step.fmt(f))?;
        f.write_str("return")?;
        for (i, o) in outputs.iter().enumerate() {
            write!(f, "{} {} : {}", if i == 0 { "" } else { "," }, o.buf, o.ty)?;
        }
        f.write_str("\n")?;
        kernels.iter().try_for_each(|kernel| kernel.fmt(f))
    }
}

/// With commas between.
struct Listed<'a, T>(&'a [T]);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, x)| write!(f, "{}{x}", if i == 0 { "" } else { ", " }))
    }
}
