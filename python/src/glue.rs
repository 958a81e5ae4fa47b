//! Classes and functions of the Python side of the package, each looked up once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use smallvec::SmallVec;

macro_rules! looked_up {
    ($($(#[$doc:meta])* $name:ident = $module:literal, $attribute:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyAny>> {
            static FOUND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            FOUND
                .get_or_try_init(py, || PyResult::Ok(py.import($module)?.getattr($attribute)?.unbind()))
                .map(|found| found.bind(py))
        }
    )*};
}

looked_up! {
    size_class = "rustorch._containers", "Size";
    /// `return_type(name, fields)`: the class of a named result.
    return_type = "rustorch._containers", "return_type";
    tensor_str = "rustorch._tensor_str", "tensor_str";
    run_backward = "rustorch.autograd.engine", "backward";
    /// `reduced(tensor, protocol)`: what `pickle` makes a tensor of.
    reduced = "rustorch._storage", "reduced";
    warn = "warnings", "warn";
    as_array = "numpy", "asarray";
    array_class = "numpy", "ndarray";
    weak_references = "weakref", "getweakrefcount";
    shallow_copy = "copy", "copy";
    /// `Tracing(compiled, numbers, why)`: one call under capture.
    tracing = "rustorch._compile", "Tracing";
    user_line = "rustorch._compile", "user_line";
    scalar_class = "numpy", "generic";
}

/// `rt.Size`.
pub fn size<'py>(py: Python<'py>, extents: impl IntoIterator<Item = usize>) -> PyResult<Bound<'py, PyAny>> {
    let extents: SmallVec<[usize; 6]> = extents.into_iter().collect();
    size_class(py)?.call1((PyTuple::new(py, &extents)?,))
}

/// Whether NumPy is loaded: if not, nothing can be one of its objects.
pub fn numpy_loaded(py: Python<'_>) -> bool {
    static LOADED: PyOnceLock<()> = PyOnceLock::new();
    if LOADED.get(py).is_some() {
        return true;
    }
    let modules = py.import("sys").and_then(|sys| sys.getattr("modules"));
    let found = modules.and_then(|modules| modules.contains("numpy")).unwrap_or(false);
    if found {
        let _ = LOADED.set(py, ());
    }
    found
}

pub fn is_numpy_scalar(object: &Bound<'_, PyAny>) -> bool {
    let py = object.py();
    numpy_loaded(py) && scalar_class(py).and_then(|class| object.is_instance(class)).unwrap_or(false)
}

pub fn is_numpy_array(object: &Bound<'_, PyAny>) -> bool {
    let py = object.py();
    numpy_loaded(py) && array_class(py).and_then(|class| object.is_instance(class)).unwrap_or(false)
}

/// A `UserWarning` at the caller's line.
pub fn user_warning(py: Python<'_>, message: &str) -> PyResult<()> {
    warn(py)?.call1((message, py.get_type::<pyo3::exceptions::PyUserWarning>(), 2))?;
    Ok(())
}
