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
    let refused = || refused(py, args, kwargs);
    let truth = |value: &Bound<'_, PyAny>| number::truth(value)?.ok_or_else(refused);
    let mut wanted = Wanted::default();
    // Which device it is is asked when all arguments are of kinds that are taken.
    let mut device = None;
    let mut flags = ["non_blocking", "copy"].into_iter();
    let mut place = 0;
    for arg in args.iter() {
        if let Some(tensor) = number::tensor(&arg).filter(|_| place == 0) {
            wanted.dtype = Some(tensor.dtype());
            place = 2;
        } else if let Some(dtype) = dtype::from_object(&arg).filter(|_| place < 2) {
            wanted.dtype = Some(dtype);
            place = 2;
        } else if place == 0 && device::names_one(&arg) {
            device = Some(arg);
            place = 1;
        } else if place == 1 && arg.is_none() {
            place = 2;
        } else {
            place = 2;
            let value = truth(&arg)?;
            match flags.next() {
                Some("copy") => wanted.copy = value,
                // Every copy is finished before it is read.
                Some(_) => {}
                None => return Err(refused()),
            }
        }
    }
    for (name, value) in kwargs.into_iter().flatten() {
        let name: String = name.extract()?;
        match name.as_str() {
            "dtype" => {
                wanted.dtype = match dtype::from_object(&value) {
                    None if !value.is_none() => return Err(refused()),
                    found => found.or(wanted.dtype),
                }
            }
            "device" if device::names_one(&value) => device = Some(value),
            "other" => wanted.dtype = Some(number::tensor(&value).ok_or_else(refused)?.dtype()),
            "copy" => wanted.copy = truth(&value)?,
            "non_blocking" => drop(truth(&value)?),
            "memory_format" if value.is_none() => {}
            "memory_format" => match device::memory_format(&value) {
                Some(format) => wanted.contiguous = format == "contiguous",
                None => return Err(refused()),
            },
            _ => return Err(refused()),
        }
    }
    if let Some(device) = device {
        device::check(&device)?;
    }
    Ok(wanted)
}

fn refused(py: Python<'_>, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyErr {
    let mut got: Vec<String> = args.iter().map(|arg| crate::usage::described(&arg)).collect();
    got.extend(
        kwargs
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={}", crate::usage::described(&value))),
    );
    type_error(
        py,
        format!(
            "to() received an invalid combination of arguments - got ({}), but expected one of:\n \
             * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, \
             torch.memory_format memory_format = None)\n \
             * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = \
             None)\n \
             * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = \
             None)\n",
            got.join(", ")
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

/// The name of the type of tensors of a dtype: `rustorch.FloatTensor`.
pub fn type_name(dtype: DType) -> String {
    let name = TYPE_NAMES.iter().find(|(of, _)| *of == dtype).map_or("Tensor", |(_, name)| name);
    format!("rustorch.{name}")
}

/// `type()`: the name of the tensor's type, or the tensor as another one.
pub fn tensor_type<'py>(
    slf: &Bound<'py, PyTensor>,
    wanted: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let tensor = &slf.get().tensor;
    let Some(wanted) = wanted else {
        return Ok(PyString::new(py, &type_name(tensor.dtype())).into_any());
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
