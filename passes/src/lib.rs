//! The passes of rustorch: from the graph of a compile unit to a plan.
//!
//! [`compile::compile`] runs them in order: [`inline`] replaces calls by their graphs, [`rewrite`] applies named
//! rules, [`fuse`] decides which values get buffers and which kernels compute them, [`lower`] turns each kernel's
//! values into loops by pulling, [`schedule`] puts loops into lanes, [`memory`] places temporaries; [`observe`]
//! shows what each has made. No pass asks which op a node is; ops answer for themselves.

#![forbid(unsafe_code)]

pub mod compile;
pub mod fuse;
pub mod inline;
pub mod lower;
pub mod memory;
pub mod observe;
pub mod product;
pub mod rewrite;
pub mod schedule;
mod shape_loops;
mod trace;
pub mod tree;

pub use compile::{CompileError, Compiled, Request, Target, compile, compile_observed};
