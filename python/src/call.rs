//! Calls of registry operations: arguments in, results out.

use crate::boundary;
use crate::dtype;
use crate::error::{invalid, type_error};
use crate::glue;
use crate::number;
use crate::parse::{Call, Extras, Fail, Values, sequence};
use crate::tensor::{PyTensor, construct};
use crate::usage;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use rustorch_frontend::promote::type_name;
use rustorch_frontend::registry::{
    Arg, Args, Operation, Overload, Ret, Returns, check_out, kinds, write_out,
};
use rustorch_frontend::{Tensor, capture};
use rustorch_ir::DType;

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
            Ok(extras) => return run(call, overload, &mut values, &extras).map_err(Fail::Error),
            Err(Fail::Mismatch) => {}
            Err(Fail::Error(error)) => return Err(Fail::Error(error)),
        }
    }
    Err(Fail::Mismatch)
}

fn run<'py>(
    call: &Call<'_, 'py>,
    overload: &'static Overload,
    values: &mut Values<'_>,
    extras: &Extras,
) -> PyResult<Bound<'py, PyAny>> {
    let py = call.py;
    if let [out] = extras.out.as_slice()
        && overload.entry.kind & kinds::EXACT == 0
    {
        take_dtype(py, overload, values, out.dtype())?;
    }
    let mut ret = boundary::call(py, || overload.call(&Args::new(values)))?;
    capture::operation_ended();
    if !extras.out.is_empty() {
        ret = written(py, overload, &extras.out, ret)?;
    }
    if extras.requires_grad {
        require_grad(py, &ret)?;
    }
    match ret {
        Ret::Tensor(tensor) => result(call, tensor),
        other => object(call, other, &overload.signature.returns, overload.signature.name),
    }
}

fn result<'py>(call: &Call<'_, 'py>, tensor: Tensor) -> PyResult<Bound<'py, PyAny>> {
    if let Some(object) = same_object(call, &tensor) {
        return Ok(object);
    }
    let operands = call.objects().filter_map(|object| object.cast::<PyTensor>().ok());
    PyTensor::wrap_result(call.py, tensor, operands).map(Bound::into_any)
}

/// The argument that is this very tensor: an in-place result, or an operation that had nothing to do.
fn same_object<'py>(call: &Call<'_, 'py>, tensor: &Tensor) -> Option<Bound<'py, PyAny>> {
    let is_same =
        |object: &Bound<'py, PyAny>| number::tensor(object).is_some_and(|other| other.is_same(tensor));
    if let Some(object) = call.objects().find(|object| is_same(object)) {
        return Some(object.clone());
    }
    let (_, several) = call.keywords().find(|(name, _)| *name == "out")?;
    sequence(several)?.into_iter().find(is_same)
}

/// An operation that can be told its dtype computes in that of `out=`.
fn take_dtype(py: Python<'_>, overload: &Overload, values: &mut Values<'_>, dtype: DType) -> PyResult<()> {
    let Some(at) = overload.signature.params.iter().position(|param| param.name == "dtype") else {
        return Ok(());
    };
    match &mut values[at] {
        value @ Arg::None => *value = Arg::DType(dtype),
        Arg::DType(given) if *given != dtype => {
            let message = if overload.entry.kind & kinds::FACTORY != 0 {
                let (given, own) = (given.scalar_type_name(), dtype.scalar_type_name());
                format!("dtype {given} does not match dtype of out parameter ({own})")
            } else {
                let (given, own) = (type_name(*given), type_name(dtype));
                format!("Expected out tensor to have dtype {given}, but got {own} instead")
            };
            return Err(invalid(py, message));
        }
        _ => {}
    }
    Ok(())
}

/// `out=`: writes the results there, and gives those tensors as the results.
fn written(py: Python<'_>, overload: &Overload, outs: &[Tensor], ret: Ret) -> PyResult<Ret> {
    let results: &[Tensor] = match &ret {
        Ret::Tensor(result) => std::slice::from_ref(result),
        Ret::Tuple(results) => results,
        _ => &[],
    };
    if results.len() != outs.len() {
        let message = format!("out= takes {} tensors here, but got {}", results.len(), outs.len());
        return Err(type_error(py, message));
    }
    for (out, result) in outs.iter().zip(results) {
        boundary::call(py, || check_out(overload, out, result))?;
        let (own, wanted) = (out.sizes(), result.sizes());
        if own != wanted && out.numel() != 0 {
            glue::user_warning(
                py,
                &format!(
                    "An output with one or more elements was resized since it had shape {own}, which does not match \
                     the required output shape {wanted}. This behavior is deprecated, and in a future PyTorch release \
                     outputs will not be resized unless they have zero elements. You can explicitly reuse an out \
                     tensor t by resizing it, inplace, to zero elements with t.resize_(0)."
                ),
            )?;
        }
    }
    boundary::call(py, || outs.iter().zip(results).try_for_each(|(out, result)| write_out(out, result)))?;
    Ok(match ret {
        Ret::Tuple(_) => Ret::Tuple(outs.to_vec()),
        _ => Ret::Tensor(outs[0].clone()),
    })
}

fn require_grad(py: Python<'_>, ret: &Ret) -> PyResult<()> {
    match ret {
        Ret::Tensor(tensor) => construct::require_grad(py, tensor),
        _ => Err(invalid(py, "requires_grad=True is for operations that make one tensor")),
    }
}

fn object<'py>(call: &Call<'_, 'py>, ret: Ret, returns: &Returns, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = call.py;
    let wrapped = |tensors: Vec<Tensor>| -> PyResult<Vec<Bound<'py, PyAny>>> {
        tensors.into_iter().map(|tensor| result(call, tensor)).collect()
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
fn list_like<'py>(py: Python<'py>, tensors: Vec<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyTuple::new(py, tensors)?.into_any())
}
