//! Memory exchanged by DLPack: `__dlpack__` gives a capsule, `from_dlpack` takes one; versions 0 and 1.

use super::PyTensor;
use super::buffer::Outside;
use crate::boundary::{blocking, call};
use crate::device;
use crate::error::{invalid, type_error, value_error};
use pyo3::exceptions::{PyAssertionError, PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use rustorch_backend::buffer::Buffer;
use rustorch_frontend::Tensor;
use rustorch_frontend::storage::Lease;
use rustorch_ir::{DType, Shape, Strides};
use std::ffi::{CStr, c_void};
use std::ptr;

/// `kDLCPU`.
const CPU: i32 = 1;
/// What `__dlpack_device__` gives.
pub const DEVICE: (i32, i32) = (CPU, 0);
const READ_ONLY: u64 = 1;
const IS_COPIED: u64 = 1 << 1;
/// The newest version of the structures below.
const VERSION: Version = Version { major: 1, minor: 0 };

#[repr(C)]
#[derive(Clone, Copy)]
struct Version {
    major: u32,
    minor: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

/// `DLTensor`.
#[repr(C)]
struct Described {
    data: *mut c_void,
    device: (i32, i32),
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`.
#[repr(C)]
struct Plain {
    tensor: Described,
    context: *mut c_void,
    deleter: Option<Deleter<Plain>>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
struct Versioned {
    version: Version,
    context: *mut c_void,
    deleter: Option<Deleter<Versioned>>,
    flags: u64,
    tensor: Described,
}

/// Who is told that a tensor in this form is no longer needed.
type Deleter<F> = unsafe extern "C" fn(*mut F);

/// What both forms say.
struct Parts<'a, F> {
    tensor: &'a Described,
    context: *mut c_void,
    deleter: Option<Deleter<F>>,
    flags: u64,
}

/// One of the two forms in which a tensor travels.
trait Form: Sized + 'static {
    const NAME: &'static CStr;
    /// The name of a capsule whose tensor was taken.
    const USED: &'static CStr;

    fn new(tensor: Described, context: *mut c_void, flags: u64) -> Self;
    fn parts(&self) -> Parts<'_, Self>;
}

impl Form for Plain {
    const NAME: &'static CStr = c"dltensor";
    const USED: &'static CStr = c"used_dltensor";

    fn new(tensor: Described, context: *mut c_void, _flags: u64) -> Self {
        Plain { tensor, context, deleter: Some(delete::<Plain>) }
    }

    fn parts(&self) -> Parts<'_, Self> {
        Parts { tensor: &self.tensor, context: self.context, deleter: self.deleter, flags: 0 }
    }
}

impl Form for Versioned {
    const NAME: &'static CStr = c"dltensor_versioned";
    const USED: &'static CStr = c"used_dltensor_versioned";

    fn new(tensor: Described, context: *mut c_void, flags: u64) -> Self {
        Versioned { version: VERSION, context, deleter: Some(delete::<Versioned>), flags, tensor }
    }

    fn parts(&self) -> Parts<'_, Self> {
        Parts { tensor: &self.tensor, context: self.context, deleter: self.deleter, flags: self.flags }
    }
}

fn data_type(dtype: DType) -> DataType {
    let code = match dtype {
        DType::Bool => 6,
        DType::BF16 => 4,
        dtype if dtype.is_float() => 2,
        DType::U8 => 1,
        _ => 0,
    };
    DataType { code, bits: 8 * dtype.size() as u8, lanes: 1 }
}

fn dtype_of(found: DataType) -> Option<DType> {
    let same = |dtype: &DType| {
        let own = data_type(*dtype);
        (own.code, own.bits, own.lanes) == (found.code, found.bits, found.lanes)
    };
    DType::ALL.into_iter().find(same)
}

/// What a tensor that travels points to, alive until its taker is done with it.
struct Export<F> {
    managed: Option<F>,
    shape: Vec<i64>,
    strides: Vec<i64>,
    _bytes: Buffer,
    _lease: Option<Lease>,
}

/// # Safety
/// The tensor was made by [`export`], and its taker is done with it.
unsafe extern "C" fn delete<F: Form>(managed: *mut F) {
    // SAFETY: by the caller's promise the context is the box that holds the tensor, which nobody else frees.
    drop(unsafe { Box::from_raw((*managed).parts().context.cast::<Export<F>>()) });
}

/// Tells the giver that the tensor is no longer needed.
///
/// # Safety
/// The tensor is the caller's, who does nothing with it afterwards.
unsafe fn give_back<F: Form>(managed: *mut F) {
    // SAFETY: by the caller's promise.
    unsafe {
        if let Some(deleter) = (*managed).parts().deleter {
            deleter(managed);
        }
    }
}

/// # Safety
/// The capsule holds a pointer under the form's name as long as nobody has taken it.
unsafe extern "C" fn forgotten<F: Form>(capsule: *mut ffi::PyObject) {
    // SAFETY: CPython calls with the capsule that dies. One that was taken has another name.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, F::NAME.as_ptr()) != 0 {
            give_back(ffi::PyCapsule_GetPointer(capsule, F::NAME.as_ptr()).cast::<F>());
        }
    }
}

/// How `__dlpack__` was called.
pub struct Asked<'a, 'py> {
    pub stream: Option<&'a Bound<'py, PyAny>>,
    pub max_version: Option<(u32, u32)>,
    pub device: Option<(i32, i32)>,
    pub copy: Option<bool>,
}

/// `__dlpack__`.
pub fn give<'py>(slf: &Bound<'py, PyTensor>, asked: &Asked<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let tensor = &slf.get().tensor;
    if tensor.requires_grad() {
        return Err(PyBufferError::new_err(
            "Can't export tensors that require gradient, use tensor.detach()",
        ));
    }
    if asked.stream.is_some_and(|stream| !stream.is_none() && !stream.eq(-1).unwrap_or(false)) {
        return Err(PyAssertionError::new_err("stream should be None on cpu."));
    }
    if asked.device.is_some_and(|device| device != DEVICE) {
        return Err(PyBufferError::new_err(
            "the tensor is in the CPU's memory and cannot be exported to another device",
        ));
    }
    let copy = asked.copy == Some(true);
    match asked.max_version {
        Some((1.., _)) => export::<Versioned>(slf.py(), tensor, copy),
        _ => export::<Plain>(slf.py(), tensor, copy),
    }
}

fn export<'py, F: Form>(py: Python<'py>, tensor: &Tensor, copy: bool) -> PyResult<Bound<'py, PyAny>> {
    let (dtype, sizes) = (tensor.dtype(), tensor.sizes());
    let tensor = tensor.clone();
    let (stored, lease) = blocking(py, move || {
        if !copy {
            return tensor.lend().map(|(stored, lease)| (stored, Some(lease)));
        }
        Ok((Tensor::from_value(tensor.read()?.detach().fence()?)?.buffer()?, None))
    })?;
    let mut flags = if copy { IS_COPIED } else { 0 };
    if !stored.buffer.is_writable() {
        if F::NAME == Plain::NAME {
            return Err(PyBufferError::new_err(
                "the tensor's memory is read-only, which only DLPack 1 can say",
            ));
        }
        flags |= READ_ONLY;
    }
    let mut export = Box::new(Export::<F> {
        managed: None,
        shape: sizes.iter().map(|d| d.get() as i64).collect(),
        strides: stored.strides.to_vec(),
        _bytes: stored.buffer.clone(),
        _lease: lease,
    });
    let described = Described {
        data: stored.buffer.ptr().wrapping_add(stored.offset * dtype.size()).cast(),
        device: DEVICE,
        ndim: sizes.rank() as i32,
        dtype: data_type(dtype),
        shape: export.shape.as_mut_ptr(),
        strides: export.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let export = Box::into_raw(export);
    // SAFETY: the box was just made and is freed by `delete` alone, which whoever holds the tensor calls once: the
    // capsule when it dies, or who took the tensor out of it.
    unsafe {
        let managed = (*export).managed.insert(F::new(described, export.cast(), flags));
        let raw = ffi::PyCapsule_New(ptr::from_mut(managed).cast(), F::NAME.as_ptr(), Some(forgotten::<F>));
        Bound::from_owned_ptr_or_err(py, raw).inspect_err(|_| delete(ptr::from_mut(managed)))
    }
}

/// A tensor that was taken out of a capsule; its giver is told when it is no longer needed.
struct Taken<F: Form>(*mut F);

// SAFETY: DLPack's deleters may be called on any thread, and nothing else is done with the pointer.
unsafe impl<F: Form> Send for Taken<F> {}
// SAFETY: a shared one does nothing.
unsafe impl<F: Form> Sync for Taken<F> {}

impl<F: Form> Drop for Taken<F> {
    fn drop(&mut self) {
        // SAFETY: the tensor was taken, so its deleter is to be called, once.
        unsafe { give_back(self.0) }
    }
}

/// `rt.from_dlpack`: a tensor on the memory of any object that exchanges it by DLPack.
#[pyfunction]
#[pyo3(signature = (ext_tensor, *, device=None, copy=None))]
pub fn from_dlpack<'py>(
    ext_tensor: &Bound<'py, PyAny>,
    device: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyTensor>> {
    let py = ext_tensor.py();
    if let Some(device) = device
        && !device::check(device)?
    {
        let got = device.get_type().name()?;
        return Err(type_error(
            py,
            format!("from_dlpack(): argument 'device' must be torch.device, not {got}"),
        ));
    }
    let capsule = match ext_tensor.cast::<PyCapsule>() {
        Ok(capsule) => capsule.clone(),
        Err(_) => asked(ext_tensor, copy)?,
    };
    // SAFETY: the capsule is alive, and only its name is looked at.
    let versioned = unsafe { ffi::PyCapsule_IsValid(capsule.as_ptr(), Versioned::NAME.as_ptr()) != 0 };
    let tensor = if versioned { take::<Versioned>(&capsule)? } else { take::<Plain>(&capsule)? };
    PyTensor::wrap(py, tensor)
}

/// The capsule of an object.
fn asked<'py>(object: &Bound<'py, PyAny>, copy: Option<bool>) -> PyResult<Bound<'py, PyCapsule>> {
    let py = object.py();
    let Ok(give) = object.getattr("__dlpack__") else {
        let got = object.get_type().name()?;
        return Err(type_error(py, format!("from_dlpack(): {got} has no __dlpack__ method")));
    };
    let (kind, _): (i32, i64) = object.call_method0("__dlpack_device__")?.extract()?;
    if kind != CPU {
        return Err(PyBufferError::new_err(format!("the memory of device type {kind} is not the CPU's")));
    }
    let named = PyDict::new(py);
    named.set_item("max_version", (VERSION.major, VERSION.minor))?;
    if let Some(copy) = copy {
        named.set_item("copy", copy)?;
    }
    let given = match give.call((), Some(&named)) {
        // Objects from before DLPack 1 know neither.
        Err(error) if error.is_instance_of::<PyTypeError>(py) && copy.is_none() => give.call0()?,
        given => given?,
    };
    Ok(given.cast_into::<PyCapsule>()?)
}

fn take<F: Form>(capsule: &Bound<'_, PyCapsule>) -> PyResult<Tensor> {
    let py = capsule.py();
    // SAFETY: the capsule is alive; a pointer under the form's name is a tensor of that form.
    let (managed, flags) = unsafe {
        if ffi::PyCapsule_IsValid(capsule.as_ptr(), F::NAME.as_ptr()) == 0 {
            return Err(invalid(
                py,
                "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so \
                 you might have already constructed a tensor from it once.",
            ));
        }
        let managed = ffi::PyCapsule_GetPointer(capsule.as_ptr(), F::NAME.as_ptr()).cast::<F>();
        (managed, (*managed).parts().flags)
    };
    // SAFETY: as above; the tensor and its arrays live as long as it is not given back.
    let (start, dtype, shape, strides) = unsafe { described(py, (*managed).parts().tensor)? };
    // SAFETY: as above. From here on the tensor is ours to give back.
    let taken = unsafe {
        if ffi::PyCapsule_SetName(capsule.as_ptr(), F::USED.as_ptr()) != 0 {
            return Err(PyErr::fetch(py));
        }
        Taken(managed)
    };
    let memory = Outside { start, dtype, shape, strides, writable: flags & READ_ONLY == 0 };
    let given_away = flags & IS_COPIED != 0;
    // SAFETY: the giver keeps the memory until it is told that it is no longer needed.
    unsafe { memory.shared(py, Box::new(taken), (!given_away).then(|| Box::new(|| true) as _)) }
}

/// Where the elements lie, their dtype, sizes and strides.
///
/// # Safety
/// The arrays have as many entries as there are axes.
unsafe fn described(py: Python<'_>, tensor: &Described) -> PyResult<(*mut u8, DType, Shape, Strides)> {
    if tensor.device.0 != CPU {
        return Err(PyBufferError::new_err("the memory of another device is not the CPU's"));
    }
    let Some(dtype) = dtype_of(tensor.dtype) else {
        let DataType { code, bits, lanes } = tensor.dtype;
        return Err(PyBufferError::new_err(format!(
            "unsupported DLPack type: code {code}, {bits} bits, {lanes} lanes"
        )));
    };
    let rank = tensor.ndim.max(0) as usize;
    // Without axes the pointers may be null.
    let list = |from: *mut i64| {
        let given = rank > 0 && !from.is_null();
        // SAFETY: by the caller's promise.
        given.then(|| unsafe { std::slice::from_raw_parts(from, rank) })
    };
    let sizes = list(tensor.shape).unwrap_or_default();
    if sizes.len() != rank || sizes.iter().any(|&n| n < 0) {
        return Err(value_error(py, format!("invalid sizes in a DLPack tensor: {sizes:?}")));
    }
    let shape: Shape = sizes.iter().map(|&n| n as usize).collect();
    call(py, || rustorch_frontend::record::check_extent(&shape, dtype))?;
    let strides = list(tensor.strides).map_or_else(|| shape.contiguous_strides(), Strides::from_slice);
    if strides.iter().zip(sizes).any(|(&s, &n)| s < 0 && n > 1) {
        return Err(value_error(py, "tensors with negative strides are not supported; copy the array first"));
    }
    let start = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize);
    Ok((start, dtype, shape, strides))
}
