//! `rt.Tensor`: the class, its operators and its attributes. Operations come from the registry.

pub mod array;
mod attributes;
pub mod autograd;
pub mod buffer;
pub mod construct;
pub mod convert;
pub mod copy;
pub mod dlpack;
pub mod index;
mod operators;
mod owner;
pub mod values;

pub use values::item;

use crate::boundary::{blocking, call, force};
use crate::device;
use crate::dtype::{self, PyDType};
use crate::error::{invalid, raise, type_error};
use crate::glue;
use crate::number;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefReference};
use rustorch_frontend::view::wrap_axis;
use rustorch_frontend::{Tensor, ViewOp};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::os::raw::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[pyclass(frozen, subclass, weakref, dict, name = "Tensor", module = "rustorch")]
pub struct PyTensor {
    pub tensor: Tensor,
    /// The object that `.grad` gave last, so that it gives the same one again.
    pub(crate) grad: Mutex<Option<Py<PyTensor>>>,
    /// The object that `._base` is.
    base: Mutex<Option<Py<PyWeakrefReference>>>,
}

thread_local! {
    /// The tensor for which `__new__` is to make an object of a subclass.
    static PLANNED: RefCell<Option<Tensor>> = const { RefCell::new(None) };
}

impl PyTensor {
    fn new(tensor: Tensor) -> PyTensor {
        PyTensor { tensor, grad: Mutex::new(None), base: Mutex::new(None) }
    }

    #[inline]
    pub fn wrap(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyTensor>> {
        Bound::new(py, PyTensor::new(tensor))
    }

    /// An object for the result of a function of these objects, which may be a view of one of them.
    pub fn wrap_result<'a, 'py: 'a>(
        py: Python<'py>,
        tensor: Tensor,
        operands: impl IntoIterator<Item = &'a Bound<'py, PyTensor>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let Some(base) = tensor.held_base() else { return PyTensor::wrap(py, tensor) };
        let mut found = None;
        for operand in operands {
            let own = &operand.get().tensor;
            if own.is_same(&base) {
                found = Some(PyWeakrefReference::new(operand)?.unbind());
            } else if own.held_base().is_some_and(|other| other.is_same(&base)) {
                found = operand.get().base().as_ref().map(|known| known.clone_ref(py));
            }
            if found.is_some() {
                break;
            }
        }
        Bound::new(py, PyTensor { tensor, grad: Mutex::new(None), base: Mutex::new(found) })
    }

    fn base(&self) -> MutexGuard<'_, Option<Py<PyWeakrefReference>>> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object of a subclass of `Tensor`, past the subclass's own `__new__`.
    pub fn wrap_as<'py>(class: &Bound<'py, PyAny>, tensor: Tensor) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        PLANNED.set(Some(tensor));
        let made = py.get_type::<PyTensor>().getattr("__new__").and_then(|new| new.call1((class,)));
        PLANNED.set(None);
        made
    }
}

/// Sizes as `rt.Size`.
fn shape<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    glue::size(py, tensor.sizes().iter().map(|d| d.get()))
}

fn viewed<'py>(
    slf: &Bound<'py, PyTensor>,
    view: impl FnOnce(&Tensor) -> ViewOp,
) -> PyResult<Bound<'py, PyTensor>> {
    let py = slf.py();
    let tensor = &slf.get().tensor;
    PyTensor::wrap_result(py, call(py, || tensor.view(view(tensor)))?, [slf])
}

/// The view with the last two axes exchanged, or with all axes reversed.
fn transposed<'py>(slf: &Bound<'py, PyTensor>, name: &str) -> PyResult<Bound<'py, PyTensor>> {
    let rank = slf.get().tensor.dim();
    let deprecated = name == "T" && rank != 2 && rank != 0;
    if deprecated {
        glue::user_warning(
            slf.py(),
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will \
             throw an error in a future release. Consider `x.mT` to transpose batches of matrices or \
             `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
        )?;
    }
    if name == "H" && rank != 2 && rank != 0 {
        let message = format!("tensor.H is only supported on matrices (2-D tensors). Got {rank}-D tensor.");
        return Err(invalid(slf.py(), message));
    }
    if matches!(name, "mT" | "mH") && rank == 1 {
        let message =
            format!("tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor.");
        return Err(invalid(slf.py(), message));
    }
    viewed(slf, |_| {
        let mut axes: SmallVec<[usize; 4]> = (0..rank).collect();
        if matches!(name, "mT" | "mH") && rank > 1 {
            axes.swap(rank - 2, rank - 1)
        } else {
            axes.reverse()
        }
        ViewOp::Permute(axes)
    })
}

#[pymethods]
impl PyTensor {
    #[new]
    #[pyo3(signature = (*args, **kwargs))]
    fn __new__(
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyTensor> {
        if let Some(planned) = PLANNED.take() {
            return Ok(PyTensor::new(planned));
        }
        construct::legacy(py, args, kwargs).map(PyTensor::new)
    }

    /// Another handle on the elements of `data`, as an object of `cls` that is a leaf.
    #[staticmethod]
    #[pyo3(signature = (cls, data, requires_grad=false))]
    fn _make_subclass<'py>(
        cls: &Bound<'py, PyAny>,
        data: &Bound<'py, PyTensor>,
        requires_grad: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let tensor = data.get().tensor.detach();
        if requires_grad {
            construct::require_grad(py, &tensor)?;
        }
        PyTensor::wrap_as(cls, tensor)
    }

    fn __bool__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        values::truth(slf.py(), &slf.get().tensor)
    }

    fn __float__(slf: &Bound<'_, Self>) -> PyResult<f64> {
        values::only(slf.py(), &slf.get().tensor).map(|number| number.as_f64())
    }

    fn __int__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let number = values::object(py, values::only(py, &slf.get().tensor)?)?;
        py.get_type::<pyo3::types::PyInt>().call1((number,))
    }

    fn __index__(slf: &Bound<'_, Self>) -> PyResult<i64> {
        values::index(slf.py(), &slf.get().tensor)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        match self.tensor.sizes().first() {
            Some(size) => Ok(size.get()),
            None => Err(type_error(py, "len() of a 0-d tensor")),
        }
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        index::iterate(slf)
    }

    fn __contains__(slf: &Bound<'_, Self>, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        index::contains(slf, element)
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        index::get(slf, index)
    }

    fn __setitem__(
        slf: &Bound<'_, Self>,
        index: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        index::set(slf, index, value)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        glue::tensor_str(slf.py())?.call1((slf,))
    }

    fn __format__<'py>(slf: &Bound<'py, Self>, spec: &str) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().tensor.dim() == 0 && slf.get_type().is(slf.py().get_type::<PyTensor>()) {
            return item(slf.py(), &slf.get().tensor)?.call_method1("__format__", (spec,));
        }
        slf.py().get_type::<PyAny>().call_method1("__format__", (slf, spec))
    }

    fn item<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        item(slf.py(), &slf.get().tensor)
    }

    fn tolist<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        values::tolist(slf.py(), &slf.get().tensor)
    }

    #[pyo3(signature = (*, force=false))]
    fn numpy<'py>(slf: &Bound<'py, Self>, force: bool) -> PyResult<Bound<'py, PyAny>> {
        array::numpy(slf, force)
    }

    #[pyo3(signature = (dtype=None, *, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        array::array_protocol(slf, dtype, copy)
    }

    #[pyo3(signature = (array, context=None, return_scalar=false))]
    fn __array_wrap__<'py>(
        slf: &Bound<'py, Self>,
        array: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
        return_scalar: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        array::wrap_result(slf.py(), array, context, return_scalar)
    }

    #[classattr]
    fn __array_priority__() -> i32 {
        1000
    }

    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        dlpack::give(slf, &dlpack::Asked { stream, max_version, device: dl_device, copy })
    }

    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::DEVICE
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: CPython passes a view to fill.
        unsafe { buffer::fill(&slf, view, flags) }
    }

    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: the view was filled by `__getbuffer__` and is released once.
        unsafe { buffer::release(view) }
    }

    fn realize<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        force(slf.py(), &slf.get().tensor)?;
        Ok(slf.clone())
    }

    /// The graph that would compute this tensor now.
    fn ir(slf: &Bound<'_, Self>) -> PyResult<String> {
        call(slf.py(), || slf.get().tensor.ir())
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        shape(py, &self.tensor)
    }

    #[pyo3(signature = (dim=None))]
    fn size<'py>(&self, py: Python<'py>, dim: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let Some(dim) = dim else { return shape(py, &self.tensor) };
        let axis = self.axis(py, dim)?;
        Ok(self.tensor.sizes()[axis].get().into_pyobject(py)?.into_any())
    }

    #[pyo3(signature = (dim=None))]
    fn stride<'py>(&self, py: Python<'py>, dim: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let strides = self.tensor.strides();
        let Some(dim) = dim else { return Ok(PyTuple::new(py, strides.as_slice())?.into_any()) };
        let axis = self.axis(py, dim)?;
        Ok(strides[axis].into_pyobject(py)?.into_any())
    }

    fn storage_offset(&self) -> i64 {
        self.tensor.storage_offset()
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.tensor.dim()
    }

    fn dim(&self) -> usize {
        self.tensor.dim()
    }

    fn ndimension(&self) -> usize {
        self.tensor.dim()
    }

    fn numel(&self) -> usize {
        self.tensor.numel()
    }

    fn nelement(&self) -> usize {
        self.tensor.numel()
    }

    fn element_size(&self) -> usize {
        self.tensor.dtype().size()
    }

    #[getter]
    fn itemsize(&self) -> usize {
        self.tensor.dtype().size()
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.tensor.numel() * self.tensor.dtype().size()
    }

    #[pyo3(signature = (*, memory_format=None))]
    fn is_contiguous(&self, memory_format: Option<&Bound<'_, device::MemoryFormat>>) -> bool {
        // Both formats that there are ask for rows in order.
        let _checked = memory_format;
        self.tensor.is_contiguous()
    }

    fn data_ptr(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let tensor = slf.get().tensor.clone();
        blocking(slf.py(), move || tensor.data_ptr())
    }

    fn is_set_to(&self, tensor: &Bound<'_, PyTensor>) -> bool {
        let other = &tensor.get().tensor;
        self.tensor.shares_storage(other) && self.tensor.geometry() == other.geometry()
    }

    #[getter(T)]
    fn reversed_axes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        transposed(slf, "T")
    }

    #[getter(mT)]
    fn matrix_transpose<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        transposed(slf, "mT")
    }

    #[getter(H)]
    fn adjoint<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        transposed(slf, "H")
    }

    #[getter(mH)]
    fn matrix_adjoint<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        transposed(slf, "mH")
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDType>> {
        dtype::object(py, self.tensor.dtype()).cloned()
    }

    #[getter]
    fn device<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, device::Device>> {
        device::cpu(py).cloned()
    }

    #[getter]
    fn layout<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, device::Layout>> {
        device::layout(py).cloned()
    }

    fn is_floating_point(&self) -> bool {
        self.tensor.dtype().is_float()
    }

    fn is_signed(&self) -> bool {
        !matches!(self.tensor.dtype(), rustorch_ir::DType::Bool | rustorch_ir::DType::U8)
    }

    fn _is_view(&self) -> bool {
        self.tensor.is_view()
    }

    #[getter]
    fn _base<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, this) = (slf.py(), slf.get());
        let Some(base) = this.tensor.base() else { return Ok(None) };
        let mut known = this.base();
        if let Some(object) = known.as_ref().and_then(|known| known.bind(py).upgrade())
            && number::tensor(&object).is_some_and(|tensor| tensor.is_same(&base))
        {
            return Ok(Some(object));
        }
        let object = PyTensor::wrap(py, base)?;
        *known = Some(PyWeakrefReference::new(&object)?.unbind());
        Ok(Some(object.into_any()))
    }

    fn is_inference(&self) -> bool {
        self.tensor.is_inference()
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn to<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        convert::to(slf, args, kwargs)
    }

    #[pyo3(signature = (*, memory_format=None))]
    fn cpu<'py>(
        slf: &Bound<'py, Self>,
        memory_format: Option<&Bound<'py, device::MemoryFormat>>,
    ) -> Bound<'py, Self> {
        // As in torch the tensor itself where it is on the CPU already, whatever the format.
        let _checked = memory_format;
        slf.clone()
    }

    #[pyo3(name = "type", signature = (dtype=None, non_blocking=false))]
    fn type_<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        non_blocking: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Every copy is finished before it is read.
        let _checked = non_blocking;
        convert::tensor_type(slf, dtype)
    }

    #[pyo3(signature = (data, *, dtype=None, device=None, requires_grad=false))]
    fn new_tensor<'py>(
        slf: &Bound<'py, Self>,
        data: &Bound<'py, PyAny>,
        dtype: Option<&Bound<'py, PyAny>>,
        device: Option<&Bound<'py, PyAny>>,
        requires_grad: bool,
    ) -> PyResult<Bound<'py, PyTensor>> {
        construct::new_tensor(&slf.get().tensor, data, dtype, device, requires_grad)
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        copy::shallow(slf)
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, memo: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        copy::deep(slf, memo)
    }

    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, protocol: i32) -> PyResult<Bound<'py, PyAny>> {
        glue::reduced(slf.py())?.call1((slf, protocol))
    }
}

impl PyTensor {
    fn axis(&self, py: Python<'_>, dim: i64) -> PyResult<usize> {
        let rank = self.tensor.dim();
        if rank == 0 {
            let message = format!("Dimension specified as {dim} but tensor has no dimensions");
            return Err(crate::error::named(py, "DimensionOutOfRangeError", message));
        }
        wrap_axis(dim, rank).map_err(|error| raise(py, error))
    }
}
