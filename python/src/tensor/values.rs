//! Elements as Python's numbers.

use super::PyTensor;
use crate::boundary::{call, force};
use crate::error::{named, type_error, value_error};
use pyo3::prelude::*;
use pyo3::types::PyList;
use rustorch_frontend::Tensor;
use rustorch_frontend::record::Stored;
use rustorch_frontend::registry::Scalar;
use rustorch_ir::{DType, Literal};

/// The bytes of a tensor, computed if need be.
pub fn stored(py: Python<'_>, tensor: &Tensor) -> PyResult<Stored> {
    force(py, tensor)?;
    call(py, || tensor.buffer())
}

/// One element.
///
/// # Safety
/// `at` is the number of an element of `dtype` within the buffer, which nothing writes meanwhile.
unsafe fn element(stored: &Stored, dtype: DType, at: i64) -> Scalar {
    let mut bits = [0u8; 8];
    // SAFETY: the element lies within the buffer; the bytes are copied one by one, so they need no alignment.
    unsafe {
        let from = stored.buffer.ptr().offset(at as isize * dtype.size() as isize);
        std::ptr::copy_nonoverlapping(from, bits.as_mut_ptr(), dtype.size());
    }
    let literal = Literal { dtype, bits: u64::from_le_bytes(bits) };
    match dtype {
        DType::Bool => Scalar::Bool(literal.bits != 0),
        _ if dtype.is_float() => Scalar::Float(literal.as_f64()),
        _ => Scalar::Int(literal.as_i64()),
    }
}

pub fn object(py: Python<'_>, scalar: Scalar) -> PyResult<Bound<'_, PyAny>> {
    Ok(match scalar {
        Scalar::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Scalar::Int(value) => value.into_pyobject(py)?.into_any(),
        Scalar::Float(value) => value.into_pyobject(py)?.into_any(),
    })
}

/// The only element.
pub fn number(py: Python<'_>, tensor: &Tensor) -> PyResult<Scalar> {
    let count = tensor.numel();
    if count != 1 {
        let message = format!("a Tensor with {count} elements cannot be converted to Scalar");
        return Err(named(py, "ScalarConversionError", message));
    }
    let stored = stored(py, tensor)?;
    // SAFETY: the tensor has one element, where its value begins; the interpreter is attached, and what shares the
    // memory with it writes under the same lock.
    Ok(unsafe { element(&stored, tensor.dtype(), stored.offset as i64) })
}

/// The only element, for `float(t)` and `int(t)`.
pub fn only(py: Python<'_>, tensor: &Tensor) -> PyResult<Scalar> {
    if tensor.numel() != 1 {
        return Err(value_error(py, "only one element tensors can be converted to Python scalars"));
    }
    number(py, tensor)
}

/// `item()`.
pub fn item<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    object(py, number(py, tensor)?)
}

pub fn truth(py: Python<'_>, tensor: &Tensor) -> PyResult<bool> {
    match tensor.numel() {
        1 => Ok(match number(py, tensor)? {
            Scalar::Bool(value) => value,
            Scalar::Int(value) => value != 0,
            Scalar::Float(value) => value != 0.0,
        }),
        0 => Err(named(py, "ScalarConversionError", "Boolean value of Tensor with no values is ambiguous")),
        _ => Err(named(
            py,
            "ScalarConversionError",
            "Boolean value of Tensor with more than one value is ambiguous",
        )),
    }
}

pub fn index(py: Python<'_>, tensor: &Tensor) -> PyResult<i64> {
    if tensor.dtype().is_float() || tensor.numel() != 1 {
        return Err(type_error(py, "only integer tensors of a single element can be converted to an index"));
    }
    Ok(number(py, tensor)?.as_i64())
}

/// The elements as nested lists, or one number.
pub fn tolist<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    if tensor.dim() == 0 {
        return item(py, tensor);
    }
    let (sizes, dtype) = (tensor.sizes().sizes(), tensor.dtype());
    let stored = stored(py, tensor)?;
    nested(py, &stored, dtype, &sizes, 0, stored.offset as i64)
}

fn nested<'py>(
    py: Python<'py>,
    stored: &Stored,
    dtype: DType,
    sizes: &[usize],
    axis: usize,
    at: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let list = PyList::empty(py);
    let stride = stored.strides.get(axis).copied().unwrap_or(0);
    for i in 0..sizes[axis] as i64 {
        let at = at + i * stride;
        let value = if axis + 1 == sizes.len() {
            // SAFETY: the place is that of an element of the value, which lies within the buffer; the interpreter is
            // attached, and what shares the memory with it writes under the same lock.
            object(py, unsafe { element(stored, dtype, at) })?
        } else {
            nested(py, stored, dtype, sizes, axis + 1, at)?
        };
        list.append(value)?;
    }
    Ok(list.into_any())
}

/// The number in an object that is a tensor of one element or a plain number.
pub fn of_object(object: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    match object.cast::<PyTensor>() {
        Ok(tensor) => number(object.py(), &tensor.get().tensor).map(Some),
        Err(_) => crate::number::plain(object),
    }
}
