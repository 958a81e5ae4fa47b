//! `rt.float32` and its siblings: one object for each dtype.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyType};
use rustorch_ir::DType;

/// The type of a tensor's elements.
#[pyclass(frozen, name = "dtype", module = "rustorch")]
pub struct PyDType(pub DType);

const ALIASES: [(&str, DType); 7] = [
    ("half", DType::F16),
    ("float", DType::F32),
    ("double", DType::F64),
    ("short", DType::I16),
    ("int", DType::I32),
    ("long", DType::I64),
    ("bool", DType::Bool),
];

static OBJECTS: PyOnceLock<[Py<PyDType>; DType::ALL.len()]> = PyOnceLock::new();

/// The one object for a dtype.
pub fn object<'py>(py: Python<'py>, dtype: DType) -> PyResult<&'py Bound<'py, PyDType>> {
    let objects = OBJECTS.get_or_try_init(py, || {
        let made: Vec<Py<PyDType>> =
            DType::ALL.iter().map(|&dtype| Py::new(py, PyDType(dtype))).collect::<PyResult<_>>()?;
        made.try_into().map_err(|_| pyo3::exceptions::PySystemError::new_err("a dtype without object"))
    })?;
    Ok(objects[dtype as usize].bind(py))
}

/// A dtype as users give it: one of ours, or Python's `float`, `int`, `bool`.
pub fn from_object(object: &Bound<'_, PyAny>) -> Option<DType> {
    if let Ok(dtype) = object.cast_exact::<PyDType>() {
        return Some(dtype.get().0);
    }
    let class = object.cast::<PyType>().ok()?;
    let py = object.py();
    if class.is(py.get_type::<PyFloat>()) {
        Some(DType::F64)
    } else if class.is(py.get_type::<PyInt>()) {
        Some(DType::I64)
    } else if class.is(py.get_type::<PyBool>()) {
        Some(DType::Bool)
    } else {
        None
    }
}

#[pymethods]
impl PyDType {
    #[getter]
    fn is_floating_point(&self) -> bool {
        self.0.is_float()
    }

    #[getter]
    fn is_complex(&self) -> bool {
        false
    }

    #[getter]
    fn is_signed(&self) -> bool {
        !matches!(self.0, DType::Bool | DType::U8)
    }

    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }

    fn to_real<'py>(&self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyDType>> {
        object(py, self.0)
    }

    fn __repr__(&self) -> String {
        format!("rustorch.{}", self.0.torch_name())
    }

    /// Pickled by name, so that one object stands for the dtype in every process.
    fn __reduce__(&self) -> &'static str {
        self.0.torch_name()
    }
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<PyDType>()?;
    for dtype in DType::ALL {
        module.add(dtype.torch_name(), object(py, dtype)?)?;
    }
    for (name, dtype) in ALIASES {
        module.add(name, object(py, dtype)?)?;
    }
    Ok(())
}
