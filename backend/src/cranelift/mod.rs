//! The Cranelift JIT: from a LoopIR kernel to code that runs on this machine.

mod convert;
mod features;
mod jit;
mod soft;
mod symbols;
mod target;

pub use jit::{CompiledKernel, Entry, Jit, Listing, compile, compile_with_listing};
pub use symbols::{HostSymbols, Symbols};
