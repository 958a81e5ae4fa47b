//! `rt.Generator` and the functions on the default one.

use crate::device;
use crate::error::{invalid, random, type_error, value_error};
use crate::number;
use crate::tensor::{PyTensor, construct};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use rustorch_frontend::Tensor;
use rustorch_frontend::random::{Generator, STATE_BYTES, default_generator};
use rustorch_ir::DType;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A stream of random numbers, equal to torch's on the CPU.
#[pyclass(frozen, name = "Generator", module = "rustorch")]
pub struct PyGenerator {
    /// `None` is the default generator.
    own: Option<Mutex<Generator>>,
}

impl PyGenerator {
    /// The stream, if it is not the default one.
    pub fn own(&self) -> Option<&Mutex<Generator>> {
        self.own.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, Generator> {
        match &self.own {
            Some(own) => own.lock().unwrap_or_else(PoisonError::into_inner),
            None => default_generator(),
        }
    }
}

pub fn default_object<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyGenerator>> {
    static DEFAULT: PyOnceLock<Py<PyGenerator>> = PyOnceLock::new();
    DEFAULT.get_or_try_init(py, || Py::new(py, PyGenerator { own: None })).map(|found| found.bind(py))
}

/// A seed as torch takes it: 64 bits, negative ones as their two's complement.
fn seed_of(seed: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(seed) = seed.extract::<u64>() {
        return Ok(seed);
    }
    match seed.extract::<i64>() {
        Ok(seed) => Ok(seed as u64),
        Err(_) => Err(value_error(seed.py(), "Overflow when unpacking long long")),
    }
}

fn state_tensor<'py>(py: Python<'py>, generator: &Generator) -> PyResult<Bound<'py, PyTensor>> {
    PyTensor::wrap(py, construct::from_bytes(py, &generator.state(), DType::U8, &[STATE_BYTES])?)
}

fn state_bytes(state: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = state.py();
    let Some(tensor) = number::tensor(state).filter(|tensor| tensor.dtype() == DType::U8) else {
        return Err(type_error(py, "RNG state must be a torch.ByteTensor"));
    };
    let tensor: Tensor = tensor.clone();
    let buffer = crate::boundary::blocking(py, move || tensor.contiguous_buffer())?;
    // SAFETY: the buffer's bytes are initialised, and nothing writes them while the interpreter is attached.
    Ok(unsafe { buffer.as_slice::<u8>() }.to_vec())
}

#[pymethods]
impl PyGenerator {
    #[new]
    #[pyo3(signature = (device=None))]
    fn new(py: Python<'_>, device: Option<&Bound<'_, PyAny>>) -> PyResult<PyGenerator> {
        if let Some(device) = device
            && !device::check(device)?
        {
            let got = device.get_type().name()?;
            return Err(type_error(
                py,
                format!("Generator(): argument 'device' (position 1) must be torch.device, not {got}"),
            ));
        }
        Ok(PyGenerator { own: Some(Mutex::new(Generator::new())) })
    }

    fn manual_seed<'py>(slf: Bound<'py, Self>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        if !number::is_index(seed) {
            let got = seed.get_type().name()?;
            return Err(invalid(seed.py(), format!("manual_seed expected a long, but got {got}")));
        }
        let seed = seed_of(seed)?;
        crate::capture::breaks(slf.py(), "it seeds a generator or takes its state")?;
        slf.get().lock().manual_seed(seed);
        Ok(slf)
    }

    fn seed(&self, py: Python<'_>) -> PyResult<u64> {
        crate::capture::breaks(py, "it seeds a generator or takes its state")?;
        Ok(self.lock().seed())
    }

    fn initial_seed(&self) -> u64 {
        self.lock().initial_seed()
    }

    fn get_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTensor>> {
        crate::capture::breaks(py, "it seeds a generator or takes its state")?;
        let copy = self.lock().clone();
        state_tensor(py, &copy)
    }

    fn set_state<'py>(slf: Bound<'py, Self>, state: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        let bytes = state_bytes(state)?;
        crate::capture::breaks(py, "it seeds a generator or takes its state")?;
        slf.get().lock().set_state(&bytes).map_err(|error| random(py, error))?;
        Ok(slf)
    }

    fn clone_state(&self, py: Python<'_>) -> PyResult<PyGenerator> {
        crate::capture::breaks(py, "it seeds a generator or takes its state")?;
        Ok(PyGenerator { own: Some(Mutex::new(self.lock().clone())) })
    }

    #[getter]
    fn device<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, device::Device>> {
        device::cpu(py).cloned()
    }
}

/// Seeds the default generator and gives it.
#[pyfunction]
fn manual_seed<'py>(py: Python<'py>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyGenerator>> {
    let seed = py.get_type::<pyo3::types::PyInt>().call1((seed,))?;
    crate::capture::breaks(py, "it seeds a generator or takes its state")?;
    default_generator().manual_seed(seed_of(&seed)?);
    default_object(py).cloned()
}

/// Seeds the default generator from the operating system.
#[pyfunction]
fn seed(py: Python<'_>) -> PyResult<u64> {
    crate::capture::breaks(py, "it seeds a generator or takes its state")?;
    Ok(default_generator().seed())
}

#[pyfunction]
fn initial_seed() -> u64 {
    default_generator().initial_seed()
}

#[pyfunction]
fn get_rng_state<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyTensor>> {
    crate::capture::breaks(py, "it seeds a generator or takes its state")?;
    let copy = default_generator().clone();
    state_tensor(py, &copy)
}

#[pyfunction]
fn set_rng_state(py: Python<'_>, new_state: &Bound<'_, PyAny>) -> PyResult<()> {
    let bytes = state_bytes(new_state)?;
    crate::capture::breaks(py, "it seeds a generator or takes its state")?;
    default_generator().set_state(&bytes).map_err(|error| random(py, error))
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyGenerator>()?;
    module.add("default_generator", default_object(module.py())?)?;
    module.add_function(wrap_pyfunction!(manual_seed, module)?)?;
    module.add_function(wrap_pyfunction!(seed, module)?)?;
    module.add_function(wrap_pyfunction!(initial_seed, module)?)?;
    module.add_function(wrap_pyfunction!(get_rng_state, module)?)?;
    module.add_function(wrap_pyfunction!(set_rng_state, module)?)
}
