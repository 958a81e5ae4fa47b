//! `rustorch._core`: the front end as a Python extension module.
//!
//! - [`tensor`]: the class `Tensor` with its attributes; [`operators`]: its operators.
//! - [`methods`], [`call`], [`parse`], [`usage`]: operations of the registry as functions and methods.
//! - [`boundary`], [`error`]: what crosses between Python and Rust, and what does not.
//! - [`capture`]: functions that run as captured programs.
//! - [`dtype`], [`device`], [`generator`], [`modes`], [`engine`]: the rest of the module; [`explain`]: what ran.

mod boundary;
mod call;
mod capture;
mod device;
mod dtype;
mod engine;
mod error;
mod explain;
mod generator;
mod glue;
mod methods;
mod modes;
mod number;
mod operators;
mod parse;
mod tensor;
mod usage;

use pyo3::prelude::*;
use rustorch_frontend::registry::kinds;

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<tensor::PyTensor>()?;
    // CPython takes the module for a part of the name, which error messages show; torch's is `Tensor` alone.
    py.get_type::<tensor::PyTensor>().setattr("__name__", "Tensor")?;
    dtype::add_to(module)?;
    device::add_to(module)?;
    generator::add_to(module)?;
    modes::add_to(module)?;
    engine::add_to(module)?;
    explain::add_to(module)?;
    capture::add_to(module)?;
    module.add_class::<tensor::autograd::GradFn>()?;
    module.add_function(wrap_pyfunction!(tensor::autograd::_run_backward, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::autograd::_attach_backward, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::construct::tensor, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::construct::as_tensor, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::array::from_numpy, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::dlpack::from_dlpack, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::copy::_storage_of, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::copy::_storage_on, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::copy::_at_storage, module)?)?;
    module.add_function(wrap_pyfunction!(methods::_operations, module)?)?;
    module.add_function(wrap_pyfunction!(boundary::_panic, module)?)?;
    methods::add_methods(py)?;
    methods::add_functions(module, kinds::FUNCTION)?;
    for (name, kind) in [("_nn", kinds::NN), ("_linalg", kinds::LINALG)] {
        let sub = PyModule::new(py, name)?;
        methods::add_functions(&sub, kind)?;
        module.add_submodule(&sub)?;
    }
    Ok(())
}
