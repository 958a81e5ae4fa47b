//! Tensors and NumPy's arrays: `numpy()`, `__array__`, `from_numpy`.

use super::PyTensor;
use super::buffer::{Foreign, Lent};
use crate::error::{named, type_error};
use crate::glue;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMemoryView};
use rustorch_ir::DType;

/// An array that shares the tensor's memory: refused where that would lose a gradient, unless `force` says so.
pub fn numpy<'py>(slf: &Bound<'py, PyTensor>, force: bool) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let tensor = &slf.get().tensor;
    if tensor.requires_grad() && !force {
        return Err(named(
            py,
            "AutogradError",
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
        ));
    }
    if tensor.dtype() == DType::BF16 {
        return Err(type_error(py, "Got unsupported ScalarType BFloat16"));
    }
    // NumPy would take an object whose memory cannot be had for an element.
    let memory = PyMemoryView::from(Bound::new(py, Lent(tensor.clone()))?.as_any())?;
    glue::as_array(py)?.call1((memory,))
}

/// The conversion that NumPy's functions make by themselves: refused where it would lose a gradient.
pub fn array_protocol<'py>(
    slf: &Bound<'py, PyTensor>,
    dtype: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let array = numpy(slf, false)?;
    let named = PyDict::new(py);
    if let Some(dtype) = dtype {
        named.set_item("dtype", dtype)?;
    }
    if let Some(copy) = copy {
        named.set_item("copy", copy)?;
    }
    if named.is_empty() {
        return Ok(array);
    }
    py.import("numpy")?.getattr("array")?.call((array,), Some(&copying(named, copy)?))
}

/// NumPy before 2 knows `copy=False` as "only if needed".
fn copying<'py>(named: Bound<'py, PyDict>, copy: Option<bool>) -> PyResult<Bound<'py, PyDict>> {
    if copy.is_none() {
        let version: String = named.py().import("numpy")?.getattr("__version__")?.extract()?;
        if version.starts_with("1.") {
            named.set_item("copy", false)?;
        } else {
            named.set_item("copy", named.py().None())?;
        }
    }
    Ok(named)
}

/// The result of one of NumPy's functions on a tensor, as a tensor.
pub fn wrap_result<'py>(
    py: Python<'py>,
    array: &Bound<'py, PyAny>,
    context: Option<&Bound<'py, PyAny>>,
    return_scalar: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = context;
    let array = if return_scalar { glue::as_array(py)?.call1((array,))? } else { array.clone() };
    let tensor = Foreign::of(&array)?.shared(py)?;
    Ok(PyTensor::wrap(py, tensor)?.into_any())
}

/// A tensor that shares the array's memory.
#[pyfunction]
pub fn from_numpy<'py>(array: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
    let py = array.py();
    if !glue::is_numpy_array(array) {
        let got = array.get_type().name()?;
        return Err(type_error(py, format!("expected np.ndarray (got {got})")));
    }
    PyTensor::wrap(py, shared(array)?)
}

/// Shares an array's memory, with torch's warning where it may not be written.
pub fn shared(array: &Bound<'_, PyAny>) -> PyResult<rustorch_frontend::Tensor> {
    let py = array.py();
    let foreign = Foreign::of(array)?;
    if !foreign.is_writable() {
        glue::user_warning(
            py,
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means \
             writing to this tensor will result in undefined behavior. You may want to copy the array to protect its \
             data or make it writable before converting it to a tensor. This type of warning will be suppressed for \
             the rest of this program.",
        )?;
    }
    foreign.shared(py)
}
