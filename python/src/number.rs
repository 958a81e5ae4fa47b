//! Python's and NumPy's numbers.

use crate::glue::is_numpy_scalar;
use crate::tensor::PyTensor;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};
use rustorch_frontend::registry::Scalar;
use rustorch_frontend::{Tensor, capture};

/// The tensor in an object.
#[inline]
pub fn tensor<'a>(object: &'a Bound<'_, PyAny>) -> Option<&'a Tensor> {
    object.cast::<PyTensor>().ok().map(|tensor| &tensor.get().tensor)
}

pub fn is_int(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>()
}

/// Whether torch takes the object as an integer: an `int` that is no `bool`, or NumPy's.
pub fn is_index(object: &Bound<'_, PyAny>) -> bool {
    is_int(object) || (tensor(object).is_none() && is_numpy_scalar(object) && has_index(object))
}

fn has_index(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive and the interpreter attached.
    unsafe { ffi::PyIndex_Check(object.as_ptr()) != 0 }
}

/// torch's words for an `int` of more than 64 bits where an index, a size or an axis is expected.
pub const TOO_LONG: &str = "Overflow when unpacking long long";

/// The value of an `int` or of something with `__index__`; `None` if 64 bits do not hold it.
pub fn fitting(object: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    let py = object.py();
    // SAFETY: the object is alive and the interpreter attached.
    let value = unsafe { ffi::PyLong_AsLongLong(object.as_ptr()) };
    if value == -1 && PyErr::occurred(py) {
        let error = PyErr::fetch(py);
        return if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(py) {
            Ok(None)
        } else {
            Err(error)
        };
    }
    Ok(Some(value))
}

/// As [`fitting`], with torch's refusal of what does not fit.
pub fn to_i64(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    fitting(object)?.ok_or_else(|| crate::error::value_error(object.py(), TOO_LONG))
}

/// As [`fitting`], with the nearest number that fits: what an end of a slice means.
pub fn clipped(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    // SAFETY: the object is alive and the interpreter attached; without an exception the value is clipped.
    let value = unsafe { ffi::PyNumber_AsSsize_t(object.as_ptr(), std::ptr::null_mut()) };
    match PyErr::take(object.py()) {
        Some(error) if value == -1 => Err(error),
        _ => Ok(value as i64),
    }
}

/// An integer argument; `None` if the object is none.
#[inline]
pub fn int(object: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if is_int(object) {
        return to_i64(object).map(Some);
    }
    if let Some(tensor) = tensor(object) {
        let integral = !tensor.dtype().is_float() && tensor.dim() == 0 && !tensor.requires_grad();
        return if integral {
            to_i64(&crate::tensor::item(object.py(), tensor)?).map(Some)
        } else {
            Ok(None)
        };
    }
    if is_index(object) { to_i64(object).map(Some) } else { Ok(None) }
}

/// A float argument; integers and NumPy's numbers are taken too, bools are not.
pub fn float(object: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(float) = object.cast::<PyFloat>() {
        capture::literal(capture::Number::Float(float.value()));
        return Ok(Some(float.value()));
    }
    if is_int(object) {
        return object.extract().map(Some);
    }
    match scalar(object)? {
        None | Some(Scalar::Bool(_)) => Ok(None),
        Some(number) => Ok(Some(number.as_f64())),
    }
}

/// A number argument; a tensor counts if it has no axis and needs no gradient.
pub fn scalar(object: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    match plain(object)? {
        None => match tensor(object) {
            Some(tensor) if tensor.dim() == 0 && !tensor.requires_grad() => {
                plain(&crate::tensor::item(object.py(), tensor)?)
            }
            _ => Ok(None),
        },
        found => Ok(found),
    }
}

/// A number that is no tensor.
#[inline]
pub fn plain(object: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if let Ok(float) = object.cast::<PyFloat>() {
        capture::literal(capture::Number::Float(float.value()));
        return Ok(Some(Scalar::Float(float.value())));
    }
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Some(Scalar::Bool(truth.is_true())));
    }
    if object.is_instance_of::<PyInt>() {
        let value = fitting(object)?.ok_or_else(|| {
            crate::error::named(object.py(), "NumberOverflowError", "int too big to convert")
        })?;
        capture::literal(capture::Number::Int(value));
        return Ok(Some(Scalar::Int(value)));
    }
    if let Some(number) = crate::capture::number_given(object) {
        return Ok(Some(number));
    }
    if is_numpy_scalar(object) {
        let item = object.call_method0("item")?;
        // A scalar that holds no number gives itself.
        return if is_numpy_scalar(&item) { Ok(None) } else { plain(&item) };
    }
    Ok(None)
}

/// A truth argument: a `bool` or NumPy's.
pub fn truth(object: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Some(truth.is_true()));
    }
    if is_numpy_scalar(object)
        && let Some(Scalar::Bool(truth)) = plain(object)?
    {
        return Ok(Some(truth));
    }
    Ok(None)
}
