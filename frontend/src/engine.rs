//! What the front end asks of the compiler and the machine.

use crate::error::Result;
use crate::host::Host;
use rustorch_backend::buffer::Buffer;
pub use rustorch_backend::run::Bound;
use rustorch_ir::plan::Plan;
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
    /// Contiguous buffers for the requested outputs and then for the kept ones.
    fn run(&self, inputs: &[Bound], scalars: &[u64]) -> Result<Vec<Buffer>>;

    /// For each output beyond the requested ones, its place in [`Request::keep`].
    fn kept(&self) -> &[usize];

    /// The plan, if the program is one.
    fn plan(&self) -> Option<&Plan> {
        None
    }

    /// Whether a run takes microseconds, so that it need not be prepared for.
    fn is_brief(&self) -> bool {
        false
    }

    /// Pool launches and host routines of one run.
    fn launches(&self) -> u64 {
        self.plan().map_or(0, |plan| plan.steps.len() as u64)
    }

    /// Pieces of work of one run that have no compiled code.
    fn interpreted(&self) -> u64 {
        0
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
