//! Errors become exceptions of `rustorch.errors`, which are also those that torch raises.

use pyo3::exceptions::{PyImportError, PyKeyboardInterrupt};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use rustorch_frontend::Error;
use rustorch_frontend::random::RandomError;
use std::cell::RefCell;

thread_local! {
    /// The exception of Python code that was called back, while the error it causes is on its way to the caller.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Keeps a callback's exception for [`raise`], and gives the error that ends the work in between.
pub fn park(error: PyErr) -> Error {
    RAISED.set(Some(error));
    Error::Interrupted
}

/// The exception for an error: that of a callback, if one caused it.
pub fn raise(py: Python<'_>, error: Error) -> PyErr {
    if let Some(raised) = RAISED.take() {
        return raised;
    }
    let message = error.to_string();
    match error {
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
        Error::ShapeMismatch { shape1, shape2, .. } => {
            let sizes = |shape: &rustorch_ir::Shape| shape.sizes().to_vec();
            with_fields(
                py,
                "ShapeMismatchError",
                message,
                [("shape1", sizes(&shape1)), ("shape2", sizes(&shape2))],
            )
        }
        Error::Memory { requested, available } => {
            with_fields(py, "MemoryLimitError", message, [("requested", requested), ("available", available)])
        }
        other => named(py, class(&other), message),
    }
}

/// The class of `rustorch.errors` for an error that carries its message alone.
fn class(error: &Error) -> &'static str {
    match error {
        Error::ShapeMismatch { .. } => "ShapeMismatchError",
        Error::Memory { .. } => "MemoryLimitError",
        Error::Shape(_) => "ShapeError",
        Error::DType(_) => "DTypeError",
        Error::Argument(_) => "ArgumentTypeError",
        Error::Value(_) => "ArgumentValueError",
        Error::Index(_) => "IndexOutOfRangeError",
        Error::Axis(_) => "DimensionOutOfRangeError",
        Error::Runtime(_) => "InvalidArgumentError",
        Error::NotScalar(_) => "ScalarConversionError",
        Error::DivisionByZero(_) => "DivisionByZeroError",
        Error::LinearAlgebra(_) => "LinAlgError",
        Error::Autograd(_) => "AutogradError",
        Error::SavedModified(_) => "SavedTensorModifiedError",
        Error::GraphFreed(_) => "GraphFreedError",
        Error::Compile(_) => "CompileError",
        Error::NotImplemented(_) => "UnsupportedDTypeError",
        Error::Interrupted => "RustorchError",
    }
}

fn with_fields<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    class: &str,
    message: String,
    fields: [(&str, T); 2],
) -> PyErr {
    let made = || -> PyResult<Bound<'py, PyAny>> {
        let named = PyDict::new(py);
        for (name, value) in fields {
            named.set_item(name, value)?;
        }
        errors(py)?.getattr(class)?.call((message,), Some(&named))
    };
    made().map_or_else(|error| error, PyErr::from_value)
}

/// An exception of `rustorch.errors`.
pub fn named(py: Python<'_>, class: &str, message: impl Into<String>) -> PyErr {
    let made = || errors(py)?.getattr(class)?.call1((message.into(),));
    made().map_or_else(|error| error, PyErr::from_value)
}

fn errors<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MODULE
        .get_or_try_init(py, || {
            let module = py.import("rustorch.errors").map_err(|error| {
                PyImportError::new_err(format!(
                    "rustorch.errors is missing: the package is not whole ({error})"
                ))
            })?;
            PyResult::Ok(module.into_any().unbind())
        })
        .map(|module| module.bind(py))
}

pub fn type_error(py: Python<'_>, message: impl Into<String>) -> PyErr {
    named(py, "ArgumentTypeError", message)
}

pub fn value_error(py: Python<'_>, message: impl Into<String>) -> PyErr {
    named(py, "ArgumentValueError", message)
}

pub fn invalid(py: Python<'_>, message: impl Into<String>) -> PyErr {
    named(py, "InvalidArgumentError", message)
}

pub fn random(py: Python<'_>, error: RandomError) -> PyErr {
    invalid(py, error.to_string())
}
