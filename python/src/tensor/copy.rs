//! Copies by `copy` and `pickle`.

use super::{PyTensor, construct};
use crate::boundary::call;
use crate::error::named;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use rustorch_frontend::{Tensor, ViewOp};
use rustorch_ir::DType;
use smallvec::SmallVec;

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

/// Bytes, dtype and sizes, for `pickle`.
pub fn reduced<'py>(slf: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let tensor = &slf.get().tensor;
    if !call(py, || tensor.is_leaf())? {
        let message =
            "cannot pickle a tensor that is the result of an operation with gradient; detach() it first";
        return Err(named(py, "AutogradError", message));
    }
    let bytes = {
        let tensor = tensor.clone();
        crate::boundary::blocking(py, move || tensor.contiguous_buffer())?
    };
    // SAFETY: the buffer's bytes are initialised, and nothing writes them while the interpreter is attached.
    let bytes = PyBytes::new(py, unsafe { bytes.as_slice::<u8>() });
    let sizes: SmallVec<[usize; 4]> = tensor.sizes().sizes();
    let state = match slf.getattr("__dict__") {
        Ok(attributes) => attributes,
        Err(_) => py.None().into_bound(py),
    };
    let rebuild = py.import("rustorch._core")?.getattr("_rebuild_tensor")?;
    let name = tensor.dtype().torch_name();
    let args = (slf.get_type(), name, PyTuple::new(py, &sizes)?, bytes, tensor.requires_grad(), state);
    Ok((rebuild, args).into_pyobject(py)?.into_any())
}

/// The other side of [`reduced`].
#[pyfunction]
pub fn _rebuild_tensor<'py>(
    class: &Bound<'py, PyAny>,
    dtype: &str,
    sizes: Vec<usize>,
    bytes: &Bound<'py, PyBytes>,
    requires_grad: bool,
    state: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let Some(dtype) = DType::ALL.into_iter().find(|d| d.torch_name() == dtype) else {
        return Err(crate::error::value_error(py, format!("unknown dtype {dtype}")));
    };
    let tensor = construct::from_bytes(py, bytes.as_bytes(), dtype, &sizes)?;
    if requires_grad {
        call(py, || tensor.set_requires_grad(true))?;
    }
    let made = PyTensor::wrap_as(class, tensor)?;
    if !state.is_none() {
        made.getattr("__dict__")?.call_method1("update", (state,))?;
    }
    Ok(made)
}
