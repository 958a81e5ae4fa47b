//! A tensor's memory through Python's buffer protocol, and other objects' memory as tensors.

use super::{PyTensor, owner};
use crate::boundary::blocking;
use crate::error::{named, type_error, value_error};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use rustorch_backend::buffer::Buffer;
use rustorch_frontend::Tensor;
use rustorch_frontend::storage::{Lease, Reachable};
use rustorch_ir::graph::Type;
use rustorch_ir::{DType, Shape, Strides};
use std::ffi::{CStr, c_char, c_int, c_long};
use std::ptr::{self, NonNull};

/// What a view of a tensor's memory points to, alive until it is released.
struct Export {
    shape: Vec<ffi::Py_ssize_t>,
    strides: Vec<ffi::Py_ssize_t>,
    /// The bytes; the tensor itself may get others meanwhile.
    _bytes: Buffer,
    _lease: Lease,
}

/// The element type in the notation of the `struct` module.
fn format(dtype: DType) -> Option<&'static CStr> {
    Some(match dtype {
        DType::Bool => c"?",
        DType::U8 => c"B",
        DType::I8 => c"b",
        DType::I16 => c"h",
        DType::I32 => c"i",
        DType::I64 if size_of::<c_long>() == 8 => c"l",
        DType::I64 => c"q",
        DType::F16 => c"e",
        DType::F32 => c"f",
        DType::F64 => c"d",
        DType::BF16 => return None,
    })
}

/// Gives a tensor's memory also where gradients flow: `numpy()` asks for it by name.
#[pyclass(frozen, module = "rustorch._core")]
pub struct Lent(pub Tensor);

#[pymethods]
impl Lent {
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: CPython passes a view to fill.
        unsafe { lend(slf.as_any(), &slf.get().0, view, flags) }
    }

    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: the view was filled by `__getbuffer__` and is released once.
        unsafe { release(view) }
    }
}

/// # Safety
/// `view` points to a view that may be overwritten.
pub unsafe fn fill(slf: &Bound<'_, PyTensor>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
    let tensor = &slf.get().tensor;
    if tensor.requires_grad() {
        // SAFETY: by the caller's promise; a view without object says that there is none.
        unsafe { (*view).obj = ptr::null_mut() };
        return Err(PyBufferError::new_err(
            "a Tensor that requires grad has no buffer. Use tensor.detach() first.",
        ));
    }
    // SAFETY: by the caller's promise.
    unsafe { lend(slf.as_any(), tensor, view, flags) }
}

/// # Safety
/// `view` points to a view that may be overwritten.
unsafe fn lend(
    owner: &Bound<'_, PyAny>,
    tensor: &Tensor,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    let py = owner.py();
    // SAFETY: by the caller's promise.
    unsafe { (*view).obj = ptr::null_mut() };
    let dtype = tensor.dtype();
    let Some(format) = format(dtype) else {
        return Err(type_error(py, format!("Got unsupported ScalarType {}", dtype.scalar_type_name())));
    };
    let (stored, lease) = {
        let tensor = tensor.clone();
        blocking(py, move || tensor.lend())?
    };
    let asked = |flag: c_int| flags & flag == flag;
    let writable = stored.buffer.is_writable();
    if asked(ffi::PyBUF_WRITABLE) && !writable {
        return Err(PyBufferError::new_err("the tensor's memory is read-only"));
    }
    if !asked(ffi::PyBUF_STRIDES) && !tensor.is_contiguous() {
        return Err(PyBufferError::new_err("the tensor is not contiguous; use contiguous() first"));
    }
    let size = dtype.size() as ffi::Py_ssize_t;
    let export = Box::new(Export {
        shape: tensor.sizes().iter().map(|d| d.get() as ffi::Py_ssize_t).collect(),
        strides: stored.strides.iter().map(|&s| s as ffi::Py_ssize_t * size).collect(),
        _bytes: stored.buffer.clone(),
        _lease: lease,
    });
    let rank = export.shape.len() as c_int;
    let export = Box::into_raw(export);
    // SAFETY: the view may be overwritten, and the export was just made and is freed by `release` alone. The first
    // element lies within the buffer.
    unsafe {
        *view = ffi::Py_buffer {
            buf: stored.buffer.ptr().add(stored.offset * dtype.size()).cast(),
            obj: owner.clone().into_ptr(),
            len: tensor.numel() as ffi::Py_ssize_t * size,
            itemsize: size,
            readonly: c_int::from(!writable),
            ndim: rank,
            format: if asked(ffi::PyBUF_FORMAT) { format.as_ptr().cast_mut() } else { ptr::null_mut() },
            shape: if asked(ffi::PyBUF_ND) { (*export).shape.as_mut_ptr() } else { ptr::null_mut() },
            strides: if asked(ffi::PyBUF_STRIDES) { (*export).strides.as_mut_ptr() } else { ptr::null_mut() },
            suboffsets: ptr::null_mut(),
            internal: export.cast(),
        };
    }
    Ok(())
}

/// # Safety
/// `view` was filled by [`lend`] and is released for the first time.
pub unsafe fn release(view: *mut ffi::Py_buffer) {
    // SAFETY: by the caller's promise the pointer came from a box and nobody else frees it.
    unsafe {
        let export = ptr::replace(&mut (*view).internal, ptr::null_mut());
        if !export.is_null() {
            drop(Box::from_raw(export.cast::<Export>()));
        }
    }
}

/// Memory of an object with the buffer protocol, described as a tensor's.
pub struct Foreign {
    view: Py<PyMemoryView>,
    start: *mut u8,
    pub dtype: DType,
    pub shape: Shape,
    pub strides: Strides,
    writable: bool,
}

impl Foreign {
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Foreign> {
        let py = object.py();
        let view = PyMemoryView::from(object).map_err(|_| unsupported(object))?;
        let mut raw = std::mem::MaybeUninit::<ffi::Py_buffer>::zeroed();
        // SAFETY: the object is alive and the buffer may be overwritten; on success it is released below.
        let raw = unsafe {
            if ffi::PyObject_GetBuffer(view.as_ptr(), raw.as_mut_ptr(), ffi::PyBUF_FULL_RO) != 0 {
                return Err(PyErr::fetch(py));
            }
            raw.assume_init_mut()
        };
        // SAFETY: the view is filled: its arrays have `ndim` entries, its format is a string.
        let described = unsafe { describe(object, raw) };
        let (start, writable) = (raw.buf.cast(), raw.readonly == 0);
        // SAFETY: the view was filled and is released once. The memory view keeps the memory.
        unsafe { ffi::PyBuffer_Release(raw) };
        let (dtype, shape, mut strides) = described?;
        // Of arrays without elements the protocol makes strides up; torch takes those that the array itself tells.
        if shape.numel() == 0
            && let Ok(own) = object.getattr("strides").and_then(|own| own.extract::<Vec<i64>>())
            && own.len() == shape.rank()
        {
            strides = own.iter().map(|stride| stride / dtype.size() as i64).collect();
        }
        Ok(Foreign { view: view.unbind(), start, dtype, shape, strides, writable })
    }

    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether elements lie where processors expect them.
    pub fn is_aligned(&self) -> bool {
        self.start.align_offset(self.dtype.size()) == 0
    }

    /// A tensor that shares the memory.
    pub fn shared(self, py: Python<'_>) -> PyResult<Tensor> {
        if self.shape.numel() == 0 || self.start.is_null() {
            return self.copied(py);
        }
        let keeper = self.view.clone_ref(py);
        let Foreign { view, start, dtype, shape, strides, writable } = self;
        let memory = Outside { start, dtype, shape, strides, writable };
        let reachable = Box::new(move || Python::attach(|py| owner::is_reachable(keeper.bind(py))));
        // SAFETY: the memory view keeps the memory alive, and says whether it may be written.
        unsafe { memory.shared(py, Box::new(view), Some(reachable)) }
    }

    /// A tensor with memory of its own.
    pub fn copied(&self, py: Python<'_>) -> PyResult<Tensor> {
        let ty = Type::new(self.dtype, self.shape.clone());
        let bytes = ty.bytes();
        if ty.shape.numel() == 0 {
            // The strides are the array's, as in torch.
            let none = crate::boundary::call(py, || Ok(Buffer::uninit(bytes)?))?;
            return crate::boundary::call(py, || Tensor::from_strided(none, ty, self.strides.clone(), 0));
        }
        let buffer = crate::boundary::call(py, || Ok(Buffer::uninit(bytes)?))?;
        let mut raw = std::mem::MaybeUninit::<ffi::Py_buffer>::zeroed();
        // SAFETY: the view is alive, the new buffer has as many bytes as the array, and nobody else has it.
        let failed = unsafe {
            if ffi::PyObject_GetBuffer(self.view.as_ptr(), raw.as_mut_ptr(), ffi::PyBUF_FULL_RO) != 0 {
                return Err(PyErr::fetch(py));
            }
            let raw = raw.assume_init_mut();
            let failed = ffi::PyBuffer_ToContiguous(buffer.ptr().cast(), raw, raw.len, b'C' as c_char) != 0;
            ffi::PyBuffer_Release(raw);
            failed
        };
        if failed {
            return Err(PyErr::fetch(py));
        }
        crate::boundary::call(py, || Tensor::from_buffer(buffer, ty))
    }
}

/// Memory of somebody else, described as a tensor's.
pub struct Outside {
    pub start: *mut u8,
    pub dtype: DType,
    pub shape: Shape,
    pub strides: Strides,
    pub writable: bool,
}

impl Outside {
    /// A tensor on the memory. `reachable` says whether anybody else can still write it; without it nobody can.
    ///
    /// # Safety
    /// The elements must stay readable, and writable if so declared, until `owner` is dropped. Strides are not
    /// negative.
    pub unsafe fn shared(
        self,
        py: Python<'_>,
        owner: Box<dyn Send + Sync>,
        reachable: Option<Reachable>,
    ) -> PyResult<Tensor> {
        if self.start.align_offset(self.dtype.size()) != 0 {
            return Err(value_error(
                py,
                "the array's memory is not aligned for its dtype; copy the array first",
            ));
        }
        let ty = Type::new(self.dtype, self.shape);
        let axes = || ty.shape.iter().zip(&self.strides);
        let Some(start) = NonNull::new(self.start).filter(|_| ty.shape.numel() > 0) else {
            return crate::boundary::call(py, || Tensor::from_buffer(Buffer::zeroed(0)?, ty));
        };
        let reach: i64 = axes().map(|(d, s)| (d.get() as i64 - 1).max(0) * s).sum();
        let bytes = (reach as usize + 1) * self.dtype.size();
        // SAFETY: by the caller's promise.
        let buffer = unsafe { Buffer::external(start, bytes, owner, self.writable) };
        let reachable = reachable.filter(|_| self.writable);
        crate::boundary::call(py, || {
            Tensor::from_external(buffer, ty.clone(), self.strides.clone(), reachable)
        })
    }
}

/// # Safety
/// The view was filled by an object.
unsafe fn describe(object: &Bound<'_, PyAny>, raw: &ffi::Py_buffer) -> PyResult<(DType, Shape, Strides)> {
    let py = object.py();
    // SAFETY: by the caller's promise.
    let (format, shape, strides) = unsafe {
        let format = if raw.format.is_null() { c"B" } else { CStr::from_ptr(raw.format) };
        let list = |p: *mut ffi::Py_ssize_t| match raw.ndim {
            0 => &[][..],
            n => std::slice::from_raw_parts(p, n as usize),
        };
        (format.to_bytes(), list(raw.shape), list(raw.strides))
    };
    let (code, foreign_order) = match format {
        [b'@' | b'=', code] => (*code, false),
        [b'<', code] => (*code, cfg!(target_endian = "big")),
        [b'>' | b'!', code] => (*code, cfg!(target_endian = "little")),
        [code] => (*code, false),
        _ => return Err(unsupported(object)),
    };
    let dtype = match (code, raw.itemsize) {
        (b'?', 1) => DType::Bool,
        (b'B' | b'c', 1) => DType::U8,
        (b'b', 1) => DType::I8,
        (b'h', 2) => DType::I16,
        (b'i' | b'l' | b'q' | b'n', 4) => DType::I32,
        (b'i' | b'l' | b'q' | b'n', 8) => DType::I64,
        (b'e', 2) => DType::F16,
        (b'f', 4) => DType::F32,
        (b'd', 8) => DType::F64,
        _ => return Err(unsupported(object)),
    };
    if foreign_order && dtype.size() > 1 {
        return Err(value_error(
            py,
            "given numpy array has byte order different from the native byte order. Conversion between byte orders \
             is currently not supported.",
        ));
    }
    let size = raw.itemsize;
    if strides.iter().zip(shape).any(|(s, &n)| *s < 0 && n > 1) {
        return Err(value_error(
            py,
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not \
             currently supported. (You can probably work around this by making a copy of your array  with \
             array.copy().) ",
        ));
    }
    if strides.iter().any(|s| s % size != 0) {
        return Err(value_error(
            py,
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate \
             the memory.",
        ));
    }
    let strides = strides.iter().map(|s| (s / size) as i64).collect();
    Ok((dtype, shape.iter().map(|&n| n as usize).collect(), strides))
}

fn unsupported(object: &Bound<'_, PyAny>) -> PyErr {
    let py = object.py();
    let class =
        object.getattr("dtype").and_then(|dtype| dtype.getattr("type")?.getattr("__name__")?.extract());
    let name: String = class.map_or_else(|_| "object".into(), |name: String| format!("numpy.{name}"));
    named(
        py,
        "ArgumentTypeError",
        format!(
            "can't convert np.ndarray of type {name}. The only supported types are: float64, float32, float16, \
             int64, int32, int16, int8, uint8, and bool."
        ),
    )
}
