//! The machines of rustorch: from LoopIR to running code.
//!
//! [`walk`] takes a kernel to any [`target::Target`]; [`cranelift`] is the target that runs here.

pub mod alloc;
pub mod buffer;
pub mod cache;
pub mod cranelift;
pub mod error;
pub mod host;
pub mod run;
pub mod target;
pub mod threads;
pub mod walk;

pub use error::BackendError;
