//! Operations of the registry as methods of `Tensor` and as functions of the module.
//!
//! CPython's method definitions carry no data, so each method needs a C function of its own: a number, known at
//! compile time, by which it finds its operation. Functions find theirs in the object they are bound to.

use crate::call;
use crate::parse::Call;
use crate::tensor::PyTensor;
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyModule, PyTuple};
use rustorch_frontend::registry::{Kinds, Operation, kinds, operations};
use std::ffi::CString;
use std::ffi::c_int;
use std::ptr::{self, NonNull};

const FLAGS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;

/// The method with number `N`.
unsafe extern "C" fn method<const N: usize>(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargs: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls with the interpreter attached, a receiver that the descriptor has checked, and
    // arguments as the fast calling convention says.
    unsafe {
        let py = Python::assume_attached();
        let receiver = ptr::from_ref(&slf).cast::<Bound<'_, PyTensor>>();
        called(py, Some(&*receiver), &operations(kinds::METHOD)[N], args, nargs, names)
    }
}

/// The function whose operation is in the capsule that it is bound to.
unsafe extern "C" fn function(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargs: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above; the capsule was made by `add_functions` and holds an operation that lives for ever.
    unsafe {
        let py = Python::assume_attached();
        let operation = ffi::PyCapsule_GetPointer(slf, c"".as_ptr()).cast::<Operation>();
        if operation.is_null() {
            return ptr::null_mut();
        }
        called(py, None, &*operation, args, nargs, names)
    }
}

/// # Safety
/// The arguments are as the fast calling convention says.
#[inline(always)]
unsafe fn called<'py>(
    py: Python<'py>,
    receiver: Option<&Bound<'py, PyTensor>>,
    operation: &'static Operation,
    args: *const *mut ffi::PyObject,
    nargs: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the names are null or a tuple, which the caller keeps.
    let names =
        unsafe { Bound::from_borrowed_ptr_or_opt(py, names).map(|n| n.cast_into_unchecked::<PyTuple>()) };
    // SAFETY: by the caller's promise.
    let call = unsafe { Call::from_raw(py, receiver, args, nargs, &names) };
    match call::operation(&call, operation) {
        Ok(result) => result.into_ptr(),
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

macro_rules! sixteen {
    ($($row:literal)*) => {
        [$([
            method::<{ $row * 16 }>, method::<{ $row * 16 + 1 }>, method::<{ $row * 16 + 2 }>,
            method::<{ $row * 16 + 3 }>, method::<{ $row * 16 + 4 }>, method::<{ $row * 16 + 5 }>,
            method::<{ $row * 16 + 6 }>, method::<{ $row * 16 + 7 }>, method::<{ $row * 16 + 8 }>,
            method::<{ $row * 16 + 9 }>, method::<{ $row * 16 + 10 }>, method::<{ $row * 16 + 11 }>,
            method::<{ $row * 16 + 12 }>, method::<{ $row * 16 + 13 }>, method::<{ $row * 16 + 14 }>,
            method::<{ $row * 16 + 15 }>,
        ]),*]
    };
}

static METHODS: [[ffi::PyCFunctionFastWithKeywords; 16]; 64] = sixteen! {
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
};

/// A definition that lives as long as the program, as its method does.
fn definition(
    operation: &Operation,
    function: ffi::PyCFunctionFastWithKeywords,
) -> PyResult<&'static mut ffi::PyMethodDef> {
    let text =
        |text: String| CString::new(text).map_err(|_| PySystemError::new_err("a name with a zero byte"));
    let mut doc = String::new();
    for entry in operation.entries() {
        doc.push_str(&format!("{}\n\n{}\n\n", entry.schema, entry.doc));
    }
    Ok(Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: text(operation.name.to_string())?.into_raw(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: FLAGS,
        ml_doc: text(doc)?.into_raw(),
    })))
}

/// Attaches the registry's methods to `Tensor`.
pub fn add_methods(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<PyTensor>();
    for (n, operation) in operations(kinds::METHOD).iter().enumerate() {
        let Some(&function) = METHODS.get(n / 16).map(|row| &row[n % 16]) else {
            return Err(PySystemError::new_err("more methods than method numbers"));
        };
        let definition = definition(operation, function)?;
        // SAFETY: the class and the definition are alive, and the definition stays so.
        let descriptor = unsafe {
            let raw = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
            Bound::from_owned_ptr_or_err(py, raw)?
        };
        class.setattr(operation.name, descriptor)?;
    }
    Ok(())
}

/// The registry as data, for stubs and tables: name space, name, schema, flags, documentation.
#[pyfunction]
pub fn _operations() -> Vec<(&'static str, &'static str, bool, &'static str, Kinds, &'static str)> {
    let spaces = [
        (kinds::FUNCTION, "function"),
        (kinds::METHOD, "method"),
        (kinds::NN, "nn"),
        (kinds::LINALG, "linalg"),
    ];
    let mut rows = Vec::new();
    for (kind, space) in spaces {
        for operation in operations(kind) {
            for overload in operation.overloads() {
                let entry = overload.entry;
                rows.push((space, operation.name, overload.in_place, entry.schema, entry.kind, entry.doc));
            }
        }
    }
    rows
}

/// Adds the functions of one name space of the registry to a module.
pub fn add_functions(module: &Bound<'_, PyModule>, kind: Kinds) -> PyResult<()> {
    let py = module.py();
    let name = module.name()?;
    for operation in operations(kind) {
        let definition = definition(operation, function)?;
        let pointer = NonNull::from(operation).cast();
        // SAFETY: the operation lives for ever, and nobody writes through the pointer.
        let bound = unsafe { PyCapsule::new_with_pointer(py, pointer, c"")? };
        // SAFETY: all objects are alive, and the definition stays so.
        let made = unsafe {
            let raw = ffi::PyCFunction_NewEx(definition, bound.as_ptr(), name.as_ptr());
            Bound::from_owned_ptr_or_err(py, raw)?
        };
        module.add(operation.name, made)?;
    }
    Ok(())
}
