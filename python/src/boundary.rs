//! Where Python calls Rust: no panic crosses, Ctrl-C is seen, and the interpreter is free while work is done.

use crate::error::{named, park, raise};
use crate::glue;
use pyo3::prelude::*;
use rustorch_backend::threads::{self, Interrupt};
use rustorch_frontend::{Result, Tensor, warning};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`, which may compute.
#[inline]
pub fn call<T>(py: Python<'_>, f: impl FnOnce() -> Result<T>) -> PyResult<T> {
    // The interrupt lives for one call: a Ctrl-C that was handled once is over.
    let interrupt = Interrupt::polling(signalled);
    match catch_unwind(AssertUnwindSafe(|| threads::run(&interrupt, f))) {
        Ok(Ok(value)) => warned(py).map(|()| value),
        Ok(Err(error)) => Err(raise(py, error)),
        Err(panic) => Err(defect(py, panic)),
    }
}

/// Shows the warnings that the call has left.
#[inline]
fn warned(py: Python<'_>) -> PyResult<()> {
    warning::take().into_iter().try_for_each(|message| glue::user_warning(py, &message))
}

/// As [`call`], for work that may take long: other Python threads run meanwhile. `f` must hold no lock that
/// recording takes when it calls back into Python.
pub fn blocking<T: Send>(py: Python<'_>, f: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let done = py.detach(|| {
        let interrupt = Interrupt::polling(signalled);
        catch_unwind(AssertUnwindSafe(|| threads::run(&interrupt, f))).map_err(Panic)
    });
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(raise(py, error)),
        Err(Panic(panic)) => Err(defect(py, panic)),
    }
}

/// Panics, so that tests can see what becomes of a defect.
#[pyfunction]
pub fn _panic(py: Python<'_>, message: &str) -> PyResult<()> {
    call(py, || panic!("{message}"))
}

/// Computes the tensor's value: with the interpreter free, unless it takes less than letting others run.
pub fn force(py: Python<'_>, tensor: &Tensor) -> PyResult<()> {
    if call(py, || tensor.realize_brief())? {
        return Ok(());
    }
    let tensor = tensor.clone();
    blocking(py, move || tensor.realize())
}

struct Panic(Box<dyn Any + Send>);

/// Whether a signal's handler raised: its exception is what the caller will see.
fn signalled() -> bool {
    Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(error) => {
            park(error);
            true
        }
    })
}

#[cold]
fn defect(py: Python<'_>, panic: Box<dyn Any + Send>) -> PyErr {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".into());
    named(
        py,
        "RustorchError",
        format!("internal error: {text}. This is a fault of rustorch; please report it"),
    )
}
