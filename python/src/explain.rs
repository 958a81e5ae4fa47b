//! What ran while `rt.explain` watched, as Python objects.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rustorch_frontend::explain::{Row, rows};
use rustorch_frontend::trace;
use std::time::Duration;

/// Begins to watch this thread.
#[pyfunction]
fn _trace_begin() {
    trace::start();
}

/// What this thread ran since `_trace_begin`.
#[pyfunction]
fn _trace_end<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    let seen = trace::finish();
    let kernels = PyList::empty(py);
    for row in seen.runs.iter().flat_map(rows) {
        kernels.append(named(py, &row)?)?;
    }
    let compile_times = || seen.runs.iter().filter_map(|run| run.compile);
    let compiles = compile_times().count();
    let all = PyDict::new(py);
    all.set_item("kernels", kernels)?;
    all.set_item("compiles", compiles)?;
    all.set_item("cache_hits", seen.runs.len() - compiles)?;
    all.set_item("allocations", seen.allocations)?;
    all.set_item("compile_seconds", compile_times().sum::<Duration>().as_secs_f64())?;
    all.set_item("run_seconds", seen.runs.iter().map(|run| run.run).sum::<Duration>().as_secs_f64())?;
    Ok(all)
}

fn named<'py>(py: Python<'py>, row: &Row) -> PyResult<Bound<'py, PyDict>> {
    let named = PyDict::new(py);
    named.set_item("name", &row.name)?;
    named.set_item("kind", row.kind)?;
    named.set_item("reason", &row.reason)?;
    named.set_item("bytes_read", row.bytes_read)?;
    named.set_item("bytes_written", row.bytes_written)?;
    named.set_item("flops", row.flops)?;
    named.set_item("seconds", row.run.as_secs_f64())?;
    named.set_item("compile_seconds", row.compile.unwrap_or_default().as_secs_f64())?;
    named.set_item("cached", row.compile.is_none())?;
    Ok(named)
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_trace_begin, module)?)?;
    module.add_function(wrap_pyfunction!(_trace_end, module)?)
}
