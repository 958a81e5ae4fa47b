//! What the front end asks of the compiler and the machine.

use crate::error::{Error, Result, runtime};
use rustorch_backend::buffer::Buffer;
use rustorch_backend::host::vector::strip_routine;
use rustorch_backend::run::{Executable, RunError};
use rustorch_ir::loops::Elem;
use rustorch_ir::op::{DIVISION_BY_ZERO, INDEX_OUT_OF_RANGE};
use rustorch_ir::plan::Plan;
use rustorch_passes::{Compiled, Request, Target};
use std::sync::{Arc, OnceLock};

pub use rustorch_backend::run::Bound;

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

/// Sets another engine than the compiler of this process; `false` if an engine is already in use.
pub fn install(engine: Box<dyn Engine>) -> bool {
    ENGINE.set(engine).is_ok()
}

pub(crate) fn engine() -> &'static dyn Engine {
    ENGINE.get_or_init(|| Box::new(Native)).as_ref()
}

/// Compiles for the machine it runs on.
struct Native;

struct NativeProgram {
    code: Executable,
    kept: Vec<usize>,
}

const HOST: Target = Target { has_routine: |name, elem| strip_routine(name, elem == Elem::F64).is_some() };

impl Engine for Native {
    fn compile(&self, request: &Request) -> Result<Arc<dyn Program>> {
        let Compiled { plan, kept } =
            rustorch_passes::compile(request, &HOST).map_err(|e| Error::Runtime(e.to_string()))?;
        let code = Executable::new(plan).map_err(|e| Error::Runtime(e.to_string()))?;
        Ok(Arc::new(NativeProgram { code, kept }))
    }

    fn overwrite(&self, to: &Buffer, from: &Buffer) -> Result<()> {
        if to.overwrite(from) { Ok(()) } else { runtime("a buffer cannot be overwritten by one of another length") }
    }
}

impl Program for NativeProgram {
    fn run(&self, inputs: &[Bound], scalars: &[u64]) -> Result<Vec<Buffer>> {
        self.code.run(inputs, scalars).map_err(failed)
    }

    fn kept(&self) -> &[usize] {
        &self.kept
    }

    fn plan(&self) -> Option<&Plan> {
        Some(self.code.plan())
    }
}

fn failed(e: RunError) -> Error {
    match e {
        RunError::Check { code: DIVISION_BY_ZERO, .. } => Error::Runtime("ZeroDivisionError".into()),
        RunError::Check { code: INDEX_OUT_OF_RANGE, detail } => {
            Error::Index(format!("index {detail} is out of range"))
        }
        RunError::Alloc(e) => e.into(),
        RunError::Interrupted => Error::Interrupted,
        other => Error::Runtime(other.to_string()),
    }
}
