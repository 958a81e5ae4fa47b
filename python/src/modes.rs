//! Modes of the process and of the thread, and questions about types.

use crate::dtype::{self, PyDType};
use crate::error::{invalid, raise, type_error};
use crate::number;
use crate::tensor::PyTensor;
use pyo3::prelude::*;
use rustorch_backend::threads;
use rustorch_frontend::promote;
use rustorch_frontend::registry::{self, Operand};
use rustorch_frontend::{grad_mode, realize};
use rustorch_ir::DType;

#[pyfunction]
fn is_grad_enabled() -> bool {
    grad_mode::is_grad_enabled()
}

#[pyfunction]
fn _set_grad_enabled(enabled: bool) {
    grad_mode::set_grad_enabled(enabled);
}

#[pyfunction]
fn is_inference_mode_enabled() -> bool {
    grad_mode::is_inference_mode()
}

#[pyfunction]
fn _set_inference_mode(enabled: bool) {
    grad_mode::set_inference_mode(enabled);
}

/// Runs every operation at once (or, with `False`, when its value is needed).
#[pyfunction]
fn set_eager(mode: bool) {
    realize::set_eager(mode);
}

#[pyfunction]
fn is_eager() -> bool {
    realize::is_eager()
}

#[pyfunction]
fn get_num_threads() -> usize {
    threads::num_threads()
}

#[pyfunction]
fn set_num_threads(py: Python<'_>, threads: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(count) = number::int(threads)? else {
        let got = threads.get_type().name()?;
        return Err(invalid(py, format!("set_num_threads expects an int, but got {got}")));
    };
    let count = usize::try_from(count).ok().filter(|&count| count > 0);
    let count = count.ok_or_else(|| invalid(py, "set_num_threads expects a positive integer"))?;
    threads::set_num_threads(count);
    Ok(())
}

#[pyfunction]
fn get_default_dtype<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyDType>> {
    dtype::object(py, registry::default_dtype()).cloned()
}

#[pyfunction]
fn set_default_dtype(d: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = d.py();
    let Some(dtype) = dtype::from_object(d) else {
        return Err(type_error(
            py,
            "invalid dtype object: only floating-point types are supported as the default type",
        ));
    };
    registry::set_default_dtype(dtype).map_err(|error| raise(py, error))
}

fn dtype_argument(function: &str, place: usize, name: &str, object: &Bound<'_, PyAny>) -> PyResult<DType> {
    dtype::from_object(object).ok_or_else(|| {
        let got = object.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
        let message =
            format!("{function}(): argument '{name}' (position {place}) must be torch.dtype, not {got}");
        type_error(object.py(), message)
    })
}

#[pyfunction]
fn promote_types<'py>(type1: &Bound<'py, PyAny>, type2: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDType>> {
    let first = dtype_argument("promote_types", 1, "type1", type1)?;
    let second = dtype_argument("promote_types", 2, "type2", type2)?;
    dtype::object(type1.py(), first.promote(second)).cloned()
}

#[pyfunction]
fn can_cast(from_: &Bound<'_, PyAny>, to: &Bound<'_, PyAny>) -> PyResult<bool> {
    let from = dtype_argument("can_cast", 1, "from_", from_)?;
    Ok(registry::can_cast(from, dtype_argument("can_cast", 2, "to", to)?))
}

#[pyfunction]
fn result_type<'py>(
    tensor1: &Bound<'py, PyAny>,
    tensor2: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDType>> {
    let py = tensor1.py();
    let first = operand(tensor1)?;
    let second = operand(tensor2)?;
    dtype::object(py, promote::result_type(&[first, second])).cloned()
}

fn operand<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<Operand<'a>> {
    if let Some(tensor) = number::tensor(object) {
        return Ok(Operand::Tensor(tensor));
    }
    match number::plain(object)? {
        Some(number) => Ok(Operand::Number(number)),
        None => {
            let got = object.get_type().name()?;
            Err(type_error(
                object.py(),
                format!("result_type(): arguments must be Tensor or Number, not {got}"),
            ))
        }
    }
}

#[pyfunction]
fn is_tensor(obj: &Bound<'_, PyAny>) -> bool {
    number::tensor(obj).is_some()
}

fn tensor_argument<'a>(
    function: &str,
    object: &'a Bound<'_, PyAny>,
) -> PyResult<&'a rustorch_frontend::Tensor> {
    number::tensor(object).ok_or_else(|| {
        let got = object.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
        type_error(
            object.py(),
            format!("{function}(): argument 'input' (position 1) must be Tensor, not {got}"),
        )
    })
}

/// Functions that give what the method of the same name gives.
macro_rules! asked {
    ($($name:ident)*) => {
        $(
            #[pyfunction]
            fn $name<'py>(input: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                tensor_argument(stringify!($name), input)?;
                input.call_method0(stringify!($name))
            }
        )*
    };
}

asked! { is_floating_point is_complex is_signed is_inference is_conj is_neg is_nonzero is_distributed numel
resolve_conj resolve_neg }

#[pyfunction]
fn is_same_size(input: &Bound<'_, PyTensor>, other: &Bound<'_, PyTensor>) -> bool {
    input.get().tensor.sizes() == other.get().tensor.sizes()
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    realize::set_eager_by_environment();
    macro_rules! functions {
        ($($name:ident)*) => {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
        };
    }
    functions! {
        is_grad_enabled _set_grad_enabled is_inference_mode_enabled _set_inference_mode
        set_eager is_eager get_num_threads set_num_threads get_default_dtype set_default_dtype
        promote_types can_cast result_type is_tensor is_same_size
        is_floating_point is_complex is_signed is_inference is_conj is_neg is_nonzero is_distributed numel
        resolve_conj resolve_neg
    }
    Ok(())
}
