//! PyTorch's semantics over the compiler, without Python.
//!
//! - [`tensor`], [`storage`], [`view`]: handles on shared, versioned values; functionalised mutation.
//! - [`record`], [`gradient`]: what an operation leaves behind: data nodes and gradient nodes.
//! - [`autograd`]: one backward sweep over the gradient nodes.
//! - [`realize`], [`extract`], [`engine`]: from recorded nodes to a graph, a cached plan, bytes.
//! - [`capture`]: one call of a function as a program that later calls run without Python.
//! - [`stats`], [`trace`], [`explain`], [`dump`]: what was done, seen from outside.
//! - [`random`]: torch's random numbers; [`warning`]: what callers are to be told besides.

#![forbid(unsafe_code)]

pub mod autograd;
mod cache;
pub mod capture;
mod compose;
pub mod dump;
pub mod engine;
pub mod error;
pub mod explain;
mod extract;
pub mod grad_mode;
pub mod gradient;
mod host;
pub mod ops;
mod places;
pub mod promote;
pub mod random;
pub mod realize;
pub mod record;
mod region;
pub mod registry;
pub mod stats;
pub mod storage;
mod tape;
pub mod tensor;
pub mod trace;
pub mod view;
pub mod warning;

pub use error::{Error, Result};
pub use record::Recorded;
pub use tensor::Tensor;
pub use view::{Geometry, ViewOp};
