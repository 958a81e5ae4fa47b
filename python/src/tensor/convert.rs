//! `to` and `type`.

use super::{PyTensor, construct};
use crate::boundary::call;
use crate::device;
use crate::dtype;
use crate::error::{type_error, value_error};
use crate::number;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rustorch_frontend::Tensor;
use rustorch_frontend::gradient::Scope;
use rustorch_ir::DType;

#[derive(Default)]
struct Wanted {
    dtype: Option<DType>,
    copy: bool,
    contiguous: bool,
}

/// `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`: the tensor itself where nothing changes.
pub fn to<'py>(
    slf: &Bound<'py, PyTensor>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let wanted = wanted(py, args, kwargs)?;
    let tensor = &slf.get().tensor;
    let dtype = wanted.dtype.unwrap_or(tensor.dtype());
    let reorder = wanted.contiguous && !tensor.is_contiguous();
    if dtype == tensor.dtype() && !wanted.copy && !reorder {
        return Ok(slf.clone().into_any());
    }
    let converted = if wanted.contiguous {
        let _scope = Scope::enter("ToCopyBackward0");
        call(py, || Tensor::from_value(copied(tensor, dtype)?))?
    } else {
        let _scope = Scope::enter("ToCopyBackward0");
        call(py, || tensor.like(copied(tensor, dtype)?))?
    };
    Ok(PyTensor::wrap(py, converted)?.into_any())
}

/// The value in a dtype, as one of its own.
fn copied(tensor: &Tensor, dtype: DType) -> rustorch_frontend::Result<rustorch_frontend::Recorded> {
    let value = tensor.read()?;
    if dtype == value.dtype() { value.fence() } else { value.cast(dtype) }
}

fn wanted(py: Python<'_>, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Wanted> {
    let mut wanted = Wanted::default();
    let mut flags = ["non_blocking", "copy"].into_iter();
    let mut place = 0;
    for arg in args.iter() {
        if let Some(tensor) = number::tensor(&arg).filter(|_| place == 0) {
            wanted.dtype = Some(tensor.dtype());
            place = 2;
        } else if let Some(dtype) = dtype::from_object(&arg).filter(|_| place < 2) {
            wanted.dtype = Some(dtype);
            place = 2;
        } else if place == 0 && number::truth(&arg)?.is_none() && device::check(&arg)? {
            place = 1;
        } else if place == 1 && arg.is_none() {
            place = 2;
        } else {
            place = 2;
            match (number::truth(&arg)?, flags.next()) {
                (Some(value), Some("copy")) => wanted.copy = value,
                (Some(_), Some(_)) => {}
                _ => return Err(refused(py, &arg)),
            }
        }
    }
    for (name, value) in kwargs.into_iter().flatten() {
        let name: String = name.extract()?;
        match name.as_str() {
            "dtype" => {
                wanted.dtype = match dtype::from_object(&value) {
                    None if !value.is_none() => return Err(refused(py, &value)),
                    found => found.or(wanted.dtype),
                }
            }
            "device" if device::check(&value)? => {}
            "other" => {
                wanted.dtype = Some(number::tensor(&value).ok_or_else(|| refused(py, &value))?.dtype())
            }
            "copy" => wanted.copy = number::truth(&value)?.ok_or_else(|| refused(py, &value))?,
            "non_blocking" if number::truth(&value)?.is_some() => {}
            "memory_format" if value.is_none() => {}
            "memory_format" => match device::memory_format(&value) {
                Some(format) => wanted.contiguous = format == "contiguous",
                None => return Err(refused(py, &value)),
            },
            _ => return Err(type_error(py, format!("to() got an unexpected keyword argument '{name}'"))),
        }
    }
    Ok(wanted)
}

fn refused(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyErr {
    let got = value.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
    type_error(
        py,
        format!(
            "to() received an invalid combination of arguments - got ({got}), but expected one of:\n \
             * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, \
             torch.memory_format memory_format = None)\n \
             * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = \
             None)\n \
             * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = \
             None)\n"
        ),
    )
}

/// Names of tensor types, as in `torch.FloatTensor`.
const TYPE_NAMES: [(DType, &str); 10] = [
    (DType::Bool, "BoolTensor"),
    (DType::U8, "ByteTensor"),
    (DType::I8, "CharTensor"),
    (DType::I16, "ShortTensor"),
    (DType::I32, "IntTensor"),
    (DType::I64, "LongTensor"),
    (DType::F16, "HalfTensor"),
    (DType::BF16, "BFloat16Tensor"),
    (DType::F32, "FloatTensor"),
    (DType::F64, "DoubleTensor"),
];

/// `type()`: the name of the tensor's type, or the tensor as another one.
pub fn tensor_type<'py>(
    slf: &Bound<'py, PyTensor>,
    wanted: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let tensor = &slf.get().tensor;
    let Some(wanted) = wanted else {
        let name =
            TYPE_NAMES.iter().find(|(dtype, _)| *dtype == tensor.dtype()).map_or("Tensor", |(_, name)| name);
        return Ok(PyString::new(py, &format!("rustorch.{name}")).into_any());
    };
    let named = match wanted.cast::<PyString>() {
        Ok(text) => {
            let text = text.to_str()?;
            let short = text.strip_prefix("torch.").or(text.strip_prefix("rustorch.")).unwrap_or(text);
            let found = TYPE_NAMES.iter().find(|(_, name)| *name == short).map(|(dtype, _)| *dtype);
            Some(found.ok_or_else(|| value_error(py, format!("invalid type: '{text}'")))?)
        }
        Err(_) => dtype::from_object(wanted),
    };
    let Some(dtype) = named else { return Err(type_error(py, "dtype must be a type, str, or dtype object")) };
    if dtype == tensor.dtype() {
        return Ok(slf.clone().into_any());
    }
    Ok(PyTensor::wrap(py, construct::cast(py, tensor, dtype)?)?.into_any())
}
