//! When recorded work is done, and what it took.

use crate::boundary::blocking;
use crate::tensor::PyTensor;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustorch_frontend::{Tensor, realize, stats as counters};

/// Computes these tensors with every live one of this thread that waits for the same operations; without argument,
/// everything that this thread's wait for.
#[pyfunction]
#[pyo3(signature = (tensors=None))]
fn _flush(py: Python<'_>, tensors: Option<Vec<Bound<'_, PyTensor>>>) -> PyResult<()> {
    let Some(tensors) = tensors else { return blocking(py, realize::flush_thread) };
    let tensors: Vec<Tensor> = tensors.iter().map(|object| object.get().tensor.clone()).collect();
    blocking(py, move || realize::flush(&tensors))
}

/// Computes everything that live tensors of all threads wait for.
#[pyfunction]
fn synchronize(py: Python<'_>) -> PyResult<()> {
    blocking(py, realize::synchronize)
}

/// Counters of what was compiled, run and allocated so far.
#[pyfunction]
fn stats<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    let now = counters::stats();
    let named = PyDict::new(py);
    named.set_item("compiles", now.compiles)?;
    named.set_item("launches", now.launches)?;
    named.set_item("interpreted", now.interpreted)?;
    named.set_item("cache_hits", now.cache_hits)?;
    named.set_item("allocations", now.allocations)?;
    named.set_item("bytes_live", now.bytes_live)?;
    named.set_item("bytes_peak", now.bytes_peak)?;
    named.set_item("nodes_pending", now.nodes_pending)?;
    Ok(named)
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_flush, module)?)?;
    module.add_function(wrap_pyfunction!(synchronize, module)?)?;
    module.add_function(wrap_pyfunction!(stats, module)?)
}
