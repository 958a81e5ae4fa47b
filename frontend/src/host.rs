//! The compiler and this machine, as the front end's engine.

use crate::dump::Dump;
use crate::engine::{Engine, Program};
use crate::error::{Error, Result};
use rustorch_backend::BackendError;
use rustorch_backend::buffer::Buffer;
use rustorch_backend::host::vector::{fold_routine, row_fold_routine, strip_routine};
use rustorch_backend::run::{Bound, Executable, RunError};
use rustorch_backend::threads::num_threads;
use rustorch_ir::loops::Elem;
use rustorch_ir::op::{DIVISION_BY_ZERO, INDEX_OUT_OF_RANGE};
use rustorch_passes::{CompileError, Request, Target, compile_observed};
use std::sync::Arc;

pub(crate) struct Host;

/// What this machine has beyond LoopIR.
fn target() -> Target {
    Target {
        has_routine: |name, elem| strip_routine(name, elem == Elem::F64).is_some(),
        has_fold: |combine, mem, lanes| fold_routine(combine, mem, lanes).is_some(),
        has_row_fold: |combine, mem| row_fold_routine(combine, mem).is_some(),
        threads: num_threads(),
    }
}

struct Compiled {
    executable: Executable,
    kept: Vec<usize>,
}

impl Engine for Host {
    fn compile(&self, request: &Request) -> Result<Arc<dyn Program>> {
        let mut dump = Dump::begin(&request.graph);
        let compiled = compile_observed(request, &target(), &mut |stage| {
            if let Some(dump) = &mut dump {
                dump.stage(stage);
            }
        })?;
        if let Some(dump) = &mut dump {
            dump.plan(&compiled.plan);
        }
        let executable = Executable::new(compiled.plan)?;
        Ok(Arc::new(Compiled { executable, kept: compiled.kept }))
    }

    fn overwrite(&self, to: &Buffer, from: &Buffer) -> Result<()> {
        if to.overwrite(from) {
            return Ok(());
        }
        Err(Error::Runtime("the shared memory cannot be written".into()))
    }
}

impl Program for Compiled {
    fn run(&self, inputs: &[Bound], scalars: &[u64], progress: &mut dyn FnMut(usize)) -> Result<Vec<Buffer>> {
        Ok(self.executable.run_watched(inputs, scalars, progress)?)
    }

    fn kept(&self) -> &[usize] {
        &self.kept
    }

    fn executable(&self) -> Option<&Executable> {
        Some(&self.executable)
    }
}

impl From<CompileError> for Error {
    fn from(e: CompileError) -> Error {
        Error::Compile(e.to_string())
    }
}

impl From<BackendError> for Error {
    fn from(e: BackendError) -> Error {
        Error::Compile(e.to_string())
    }
}

impl From<RunError> for Error {
    fn from(e: RunError) -> Error {
        match e {
            RunError::Check { code: DIVISION_BY_ZERO, .. } => {
                Error::DivisionByZero("ZeroDivisionError".into())
            }
            RunError::Check { code: INDEX_OUT_OF_RANGE, detail } => {
                Error::Index(format!("index {detail} is out of bounds"))
            }
            RunError::Alloc(e) => e.into(),
            RunError::Interrupted => Error::Interrupted,
            other => Error::Runtime(other.to_string()),
        }
    }
}
