//! A compiled graph as data: kernels, the steps that run them, and the buffers between.
//!
//! Passes make plans, backends run them. A plan does not know pointers: a [`BufId`] names an input,
//! an output or a stretch of the arena for temporaries.

pub mod parse;
pub mod text;
mod walk;

pub use walk::Walk;

use crate::dtype::DType;
use crate::graph::Type;
use crate::loops::Kernel;
use crate::routine::Routine;

/// A buffer of the plan: an index into [`Plan::buffers`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct BufId(pub u32);

/// Where a buffer lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Buffer slot of the signature, read with the strides its input was declared with: within the bytes
    /// `begin..end` from its element 0.
    Input { slot: u32, begin: i64, end: i64 },
    /// A fresh contiguous buffer that is given to the caller.
    Output(u32),
    /// At this byte offset of the arena; contiguous.
    Arena(usize),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BufferDecl {
    pub ty: Type,
    pub place: Place,
    /// Why the value is materialised, for people.
    pub reason: &'static str,
}

/// One kernel with its arguments.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Task {
    pub kernel: usize,
    /// One for each parameter of the kernel that is not scratch, in order.
    pub bufs: Vec<BufId>,
    /// Scalar slots of the signature, one for each scalar of the kernel.
    pub scalars: Vec<u32>,
    /// Iterations of the parallel space that are worth a thread's while.
    pub grain: usize,
}

/// A matrix (or batch of them) in a buffer, in elements.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Matrix {
    pub buf: BufId,
    pub offset: i64,
    pub rows: Walk,
    pub cols: Walk,
    /// One for each batch axis.
    pub batch_strides: Vec<i64>,
}

/// `out[b, m, n] = sum over k of lhs[b, m, k] * rhs[b, k, n]`; `out` is contiguous.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Product {
    pub dtype: DType,
    pub batch: Vec<usize>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub lhs: Matrix,
    pub rhs: Matrix,
    pub out: BufId,
    /// Run on each block of rows (of all batches together) as soon as it is finished.
    pub epilogue: Option<Task>,
}

/// A host routine, from contiguous buffers to contiguous buffers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Call {
    pub routine: Routine,
    pub inputs: Vec<BufId>,
    pub outputs: Vec<BufId>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// Independent tasks that run together on the pool; then, when all are done, `finish` in order on
    /// one thread.
    Launch {
        tasks: Vec<Task>,
        finish: Vec<Task>,
    },
    /// A product by a host routine.
    Product(Product),
    Routine(Call),
}

/// The value behind an output of the graph.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Output {
    pub buf: BufId,
    pub ty: Type,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Plan {
    pub kernels: Vec<Kernel>,
    pub steps: Vec<Step>,
    pub buffers: Vec<BufferDecl>,
    /// Bytes of the arena.
    pub arena: usize,
    /// Number of buffer slots and of scalar slots of the signature.
    pub input_slots: u32,
    pub scalar_slots: u32,
    /// The buffers of the graph's outputs, in order. One buffer may stand for several.
    pub outputs: Vec<Output>,
}
