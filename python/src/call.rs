//! Calls of registry operations: arguments in, results out.

use crate::boundary;
use crate::dtype;
use crate::error::{invalid, raise};
use crate::glue;
use crate::number;
use crate::parse::{Call, Extras, Fail, Values};
use crate::tensor::PyTensor;
use crate::usage;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use rustorch_frontend::registry::{Args, Operation, Overload, Ret, Returns, write_result};
use rustorch_frontend::{Error, Tensor};

/// Calls the overload that takes the arguments.
#[inline]
pub fn operation<'py>(call: &Call<'_, 'py>, operation: &'static Operation) -> PyResult<Bound<'py, PyAny>> {
    match attempt(call, operation) {
        Ok(result) => Ok(result),
        Err(Fail::Error(error)) => Err(error),
        Err(Fail::Mismatch) => Err(usage::refused(call, operation)),
    }
}

/// As [`operation`], but arguments that no overload takes are [`Fail::Mismatch`]: an operator tries the other side.
pub fn attempt<'py>(call: &Call<'_, 'py>, operation: &'static Operation) -> Result<Bound<'py, PyAny>, Fail> {
    let mut values = Values::new();
    for overload in operation.overloads() {
        match call.bind(overload, &mut values) {
            Ok(extras) => return run(call, overload, &values, &extras).map_err(Fail::Error),
            Err(Fail::Mismatch) => {}
            Err(Fail::Error(error)) => return Err(Fail::Error(error)),
        }
    }
    Err(Fail::Mismatch)
}

fn run<'py>(
    call: &Call<'_, 'py>,
    overload: &'static Overload,
    values: &Values<'_>,
    extras: &Extras<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = call.py;
    let mut ret = boundary::call(py, || overload.call(&Args::new(values)))?;
    if let Some(out) = extras.out {
        ret = boundary::call(py, || written(out, ret))?;
    }
    if extras.requires_grad {
        require_grad(py, &ret)?;
    }
    match ret {
        Ret::Tensor(tensor) => match same_object(call, &tensor) {
            Some(object) => Ok(object.clone()),
            None => PyTensor::wrap(py, tensor).map(Bound::into_any),
        },
        other => object(py, other, &overload.signature.returns, overload.signature.name),
    }
}

/// The argument that is this very tensor: an in-place result, or an operation that had nothing to do.
fn same_object<'a, 'py>(call: &Call<'a, 'py>, tensor: &Tensor) -> Option<&'a Bound<'py, PyAny>> {
    call.objects().find(|object| number::tensor(object).is_some_and(|other| other.is_same(tensor)))
}

/// `out=`: takes the result's shape, and the result.
fn written(out: &Tensor, ret: Ret) -> Result<Ret, Error> {
    let Ret::Tensor(result) = ret else {
        return Err(Error::Argument("out= takes the single result of an operation".into()));
    };
    if out.requires_grad() || result.requires_grad() {
        return Err(Error::Runtime(
            "functions with out=... arguments don't support automatic differentiation, but one of the arguments \
             requires grad."
                .into(),
        ));
    }
    if out.sizes() != result.sizes() {
        if out.numel() != 0 {
            let message = format!(
                "output with shape {} doesn't match the broadcast shape {}",
                out.sizes(),
                result.sizes()
            );
            return Err(Error::shapes(message, &out.sizes(), &result.sizes()));
        }
        let empty = Tensor::from_value(result.read()?.detach().cast(out.dtype())?)?;
        out.set_data(&empty)?;
    }
    write_result(out, &result)?;
    Ok(Ret::Tensor(out.clone()))
}

fn require_grad(py: Python<'_>, ret: &Ret) -> PyResult<()> {
    let Ret::Tensor(tensor) = ret else {
        return Err(invalid(py, "requires_grad=True is for operations that make one tensor"));
    };
    if !tensor.dtype().is_float() {
        return Err(invalid(py, "Only Tensors of floating point and complex dtype can require gradients"));
    }
    tensor.set_requires_grad(true).map_err(|error| raise(py, error))
}

fn object<'py>(py: Python<'py>, ret: Ret, returns: &Returns, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let wrapped = |tensors: Vec<Tensor>| -> PyResult<Vec<Bound<'py, PyTensor>>> {
        tensors.into_iter().map(|tensor| PyTensor::wrap(py, tensor)).collect()
    };
    Ok(match ret {
        Ret::None => py.None().into_bound(py),
        Ret::Tensor(tensor) => PyTensor::wrap(py, tensor)?.into_any(),
        Ret::List(tensors) => list_like(py, wrapped(tensors)?)?,
        Ret::Tuple(tensors) => {
            let tuple = PyTuple::new(py, wrapped(tensors)?)?;
            match returns {
                Returns::Named(fields) => {
                    let fields = PyTuple::new(py, fields)?;
                    glue::return_type(py)?.call1((name, fields))?.call1((tuple,))?
                }
                _ => tuple.into_any(),
            }
        }
        Ret::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Ret::Int(value) => value.into_pyobject(py)?.into_any(),
        Ret::Float(value) => value.into_pyobject(py)?.into_any(),
        Ret::Ints(values) => PyList::new(py, values)?.into_any(),
        Ret::Size(values) => glue::size(py, values.into_iter().map(|v| v.max(0) as usize))?,
        Ret::DType(dtype) => dtype::object(py, dtype)?.clone().into_any(),
    })
}

/// torch gives its lists of tensors as tuples.
fn list_like<'py>(py: Python<'py>, tensors: Vec<Bound<'py, PyTensor>>) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyTuple::new(py, tensors)?.into_any())
}
