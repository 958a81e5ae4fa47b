//! The IR of rustorch: what its programs are made of and what they mean.
//!
//! - [`dtype`], [`shape`]: element types and extents.
//! - [`graph`]: the graph of one compile unit, grown through [`build::Build`].
//! - [`text`], [`parse`], [`verify`]: graphs as text, both ways, and what holds of every graph.
//! - [`eval`]: the interpreter of graphs, which says what they mean.
//! - [`grad`]: gradients as nodes of the same graph.
//! - [`op`]: the primitives. Each says everything about itself in its one file: types, gradient, loops.
//! - [`loops`]: LoopIR, the small typed loop language that kernels are written in, with its text form,
//!   verifier and interpreter.
//! - [`plan`]: what a compiled graph is: kernels, steps, buffers and a signature, as data; and
//!   [`plan_interp`], which runs one by the interpreter of LoopIR.
//!
//! There is no I/O here, no thread and no unsafe code.

#![forbid(unsafe_code)]

pub mod build;
pub mod dtype;
pub mod error;
pub mod eval;
pub mod grad;
pub mod graph;
pub mod loops;
pub mod op;
pub mod parse;
pub mod plan;
pub mod plan_interp;
pub mod routine;
pub mod shape;
pub mod text;
pub mod verify;

pub use dtype::{Category, DType, Literal};
pub use error::OpError;
pub use graph::{Graph, Node, NodeId, Type, Value};
pub use shape::{Dim, Shape, Strides};
