//! Numbers from outside while a call is captured.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyTuple};
use rustorch_frontend::capture::{self, Number};
use rustorch_frontend::registry::Scalar;

/// A number that is another one in each call: what operations record of it becomes an input of the program. Its
/// arithmetic is `rustorch._compile`'s.
#[pyclass(frozen, subclass, module = "rustorch")]
pub struct TracedNumber {
    pub id: u32,
    pub number: Number,
}

#[pymethods]
impl TracedNumber {
    #[new]
    fn new(id: u32, value: &Bound<'_, PyAny>) -> PyResult<TracedNumber> {
        Ok(TracedNumber { id, number: of(value)? })
    }

    #[getter]
    fn id(&self) -> u32 {
        self.id
    }
}

/// A Python number, which fits 64 bits.
pub fn of(value: &Bound<'_, PyAny>) -> PyResult<Number> {
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Number::Float(float.value()));
    }
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return value.extract().map(Number::Int);
    }
    Err(PyTypeError::new_err("expected an int or a float"))
}

pub fn text(number: Number) -> String {
    match number {
        Number::Int(value) => value.to_string(),
        Number::Float(value) => format!("{value:?}"),
    }
}

/// All numbers of a program.
pub fn all(values: &Bound<'_, PyAny>) -> PyResult<Vec<Number>> {
    values.cast::<PyTuple>()?.iter().map(|value| of(&value)).collect()
}

/// The value of a number from outside that an operation is given; `None` if the object is none.
pub fn given(object: &Bound<'_, PyAny>) -> Option<Scalar> {
    let traced = object.cast::<TracedNumber>().ok()?.get();
    capture::number(traced.id, traced.number);
    Some(match traced.number {
        Number::Int(value) => Scalar::Int(value),
        Number::Float(value) => Scalar::Float(value),
    })
}
