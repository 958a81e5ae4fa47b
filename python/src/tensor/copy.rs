//! Copies by `copy` and `pickle`.

use super::PyTensor;
use super::buffer::Foreign;
use crate::boundary::call;
use crate::error::{named, value_error};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustorch_frontend::{Geometry, Tensor, ViewOp};
use rustorch_ir::{DType, Shape};

/// An object of the same class with the attributes of this one.
fn like<'py>(slf: &Bound<'py, PyTensor>, tensor: Tensor) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let class = slf.get_type();
    if class.is(py.get_type::<PyTensor>()) {
        return Ok(PyTensor::wrap(py, tensor)?.into_any());
    }
    PyTensor::wrap_as(class.as_any(), tensor)
}

/// Another object on the same elements.
pub fn shallow<'py>(slf: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    let tensor = &slf.get().tensor;
    let alias = if call(slf.py(), || tensor.is_leaf())? {
        let alias = tensor.detach();
        if tensor.requires_grad() {
            call(slf.py(), || alias.set_requires_grad(true))?;
        }
        alias
    } else {
        call(slf.py(), || tensor.view(ViewOp::Alias))?
    };
    let made = like(slf, alias)?;
    copy_attributes(slf, &made, None)?;
    Ok(made)
}

/// A tensor on a copy of the storage; tensors that share a storage share its copy.
pub fn deep<'py>(slf: &Bound<'py, PyTensor>, memo: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let id = slf.as_ptr() as usize;
    if let Some(known) = memo.get_item(id)? {
        return Ok(known);
    }
    let tensor = &slf.get().tensor;
    if !call(py, || tensor.is_leaf())? {
        return Err(named(
            py,
            "AutogradError",
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  \
             If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, \
             see https://github.com/pytorch/pytorch/pull/103001",
        ));
    }
    let key = ("rustorch storage", std::sync::Arc::as_ptr(&tensor.storage()) as usize);
    let whole = match memo.get_item(key)? {
        Some(known) => known.cast_into::<PyTensor>()?,
        None => {
            let storage = PyTensor::wrap(py, copied_storage(py, tensor)?)?;
            memo.set_item(key, &storage)?;
            storage
        }
    };
    let at = tensor.geometry();
    let copy = call(py, || whole.get().tensor.bits_at(tensor.dtype(), &at))?;
    let made = like(slf, copy.clone())?;
    memo.set_item(id, &made)?;
    if tensor.requires_grad() {
        call(py, || copy.set_requires_grad(true))?;
    }
    let grad = slf.getattr("grad")?;
    if !grad.is_none() {
        let grad = py.import("copy")?.call_method1("deepcopy", (grad, memo))?;
        made.setattr("grad", grad)?;
    }
    copy_attributes(slf, &made, Some(memo))?;
    Ok(made)
}

/// The whole storage of a tensor, copied, as a tensor of one axis.
fn copied_storage(py: Python<'_>, tensor: &Tensor) -> PyResult<Tensor> {
    call(py, || Tensor::from_value(tensor.whole_storage().read()?.fence()?))
}

/// What a subclass keeps in its dictionary.
fn copy_attributes(
    from: &Bound<'_, PyTensor>,
    to: &Bound<'_, PyAny>,
    memo: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let Ok(attributes) = from.getattr("__dict__") else { return Ok(()) };
    let attributes = match memo {
        Some(memo) => from.py().import("copy")?.call_method1("deepcopy", (attributes, memo))?,
        None => attributes,
    };
    to.getattr("__dict__")?.call_method1("update", (attributes,))?;
    Ok(())
}

/// The bytes of the whole storage of a tensor as one axis, the dtype of its elements, and a number that only tensors on the
/// same storage have.
#[pyfunction]
pub fn _storage_of<'py>(
    tensor: &Bound<'py, PyTensor>,
) -> PyResult<(usize, &'static str, Bound<'py, PyTensor>)> {
    let py = tensor.py();
    let tensor = &tensor.get().tensor;
    let whole = tensor.whole_storage();
    let name = whole.dtype().torch_name();
    let bytes = if whole.dtype() == DType::U8 { whole } else { call(py, || whole.view_bits(DType::U8))? };
    let number = std::sync::Arc::as_ptr(&tensor.storage()) as usize;
    Ok((number, name, PyTensor::wrap(py, bytes)?))
}

/// A storage on the memory of an object with the buffer protocol, or on a copy where it lies crooked, as one axis.
#[pyfunction]
pub fn _storage_on<'py>(bytes: &Bound<'py, PyAny>, dtype: &str) -> PyResult<Bound<'py, PyTensor>> {
    let py = bytes.py();
    let dtype = named_dtype(py, dtype)?;
    let mut memory = Foreign::of(bytes)?;
    let len = memory.shape.numel() * memory.dtype.size();
    if memory.shape.rank() != 1 || memory.dtype.size() != 1 || len % dtype.size() != 0 {
        return Err(value_error(
            py,
            format!("{len} bytes in a row are no elements of {}", dtype.torch_name()),
        ));
    }
    memory.shape = Shape::from_sizes(&[len / dtype.size()]);
    memory.strides = memory.shape.contiguous_strides();
    memory.dtype = dtype;
    let tensor = if memory.is_aligned() { memory.shared(py)? } else { memory.copied(py)? };
    PyTensor::wrap(py, tensor)
}

/// A tensor of class `class` at this place of a storage.
#[pyfunction]
pub fn _at_storage<'py>(
    class: &Bound<'py, PyAny>,
    storage: &Bound<'py, PyTensor>,
    dtype: &str,
    sizes: Vec<usize>,
    strides: Vec<i64>,
    offset: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let dtype = named_dtype(py, dtype)?;
    let whole = &storage.get().tensor;
    let elements = whole.numel() * whole.dtype().size() / dtype.size();
    let empty = sizes.contains(&0);
    let reach =
        sizes.iter().zip(&strides).map(|(&d, &s)| (d as i128 - 1).max(0) * i128::from(s)).sum::<i128>();
    let fits = sizes.len() == strides.len()
        && strides.iter().all(|&s| s >= 0)
        && offset >= 0
        && (empty || i128::from(offset) + reach < elements as i128);
    if !fits {
        return Err(value_error(
            py,
            format!(
                "sizes {sizes:?} and strides {strides:?} from {offset} on do not lie in {elements} elements"
            ),
        ));
    }
    let at = Geometry { sizes: Shape::from_sizes(&sizes), strides: strides.into_iter().collect(), offset };
    let tensor = call(py, || whole.bits_at(dtype, &at))?;
    if class.is(py.get_type::<PyTensor>()) {
        return Ok(PyTensor::wrap(py, tensor)?.into_any());
    }
    PyTensor::wrap_as(class, tensor)
}

fn named_dtype(py: Python<'_>, name: &str) -> PyResult<DType> {
    let found = DType::ALL.into_iter().find(|d| d.torch_name() == name);
    found.ok_or_else(|| value_error(py, format!("unknown dtype {name}")))
}
