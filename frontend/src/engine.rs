//! What the front end asks of the compiler and the machine.

use crate::error::Result;
use crate::host::Host;
use rustorch_backend::buffer::Buffer;
pub use rustorch_backend::run::Bound;
use rustorch_backend::run::Executable;
use rustorch_passes::Request;
use std::sync::{Arc, OnceLock};

/// Makes programs of graphs.
pub trait Engine: Send + Sync {
    fn compile(&self, request: &Request) -> Result<Arc<dyn Program>>;

    /// Copies all bytes of `from` over those of `to`, which is writable and as long.
    fn overwrite(&self, to: &Buffer, from: &Buffer) -> Result<()>;
}

/// A compiled graph.
pub trait Program: Send + Sync {
    /// Contiguous buffers for the requested outputs and then for the kept ones. `progress` is told how many pool
    /// launches and host routines have run: none when memory is there, then after each.
    fn run(&self, inputs: &[Bound], scalars: &[u64], progress: &mut dyn FnMut(usize)) -> Result<Vec<Buffer>>;

    /// For each output beyond the requested ones, its place in [`Request::keep`].
    fn kept(&self) -> &[usize];

    /// The plan with its code, if the program has one. What has none is interpreted.
    fn executable(&self) -> Option<&Executable> {
        None
    }
}

static ENGINE: OnceLock<Box<dyn Engine>> = OnceLock::new();

/// Sets the engine of the process in place of the compiler; `false` if it has been used.
pub fn install(engine: Box<dyn Engine>) -> bool {
    ENGINE.set(engine).is_ok()
}

pub(crate) fn engine() -> &'static dyn Engine {
    ENGINE.get_or_init(|| Box::new(Host)).as_ref()
}
