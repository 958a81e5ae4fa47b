//! Whether an array that gave its memory to a tensor can still be reached, and so write it.

use crate::glue;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// Whether anybody but `view` refers to the object whose memory it shows, or to what keeps that object's memory.
/// What cannot be told is reachable.
pub fn is_reachable(view: &Bound<'_, PyMemoryView>) -> bool {
    !is_last(view).unwrap_or(false)
}

/// Whether the view holds the last reference to an array of NumPy, which holds the last one to its base, and so on
/// to the array that owns the memory.
fn is_last(view: &Bound<'_, PyMemoryView>) -> PyResult<bool> {
    let py = view.py();
    let mut array = view.getattr("obj")?;
    loop {
        // One reference is the one here, the other that of the view or of the array before.
        // SAFETY: the object is alive and the interpreter attached.
        let alone = unsafe { ffi::Py_REFCNT(array.as_ptr()) } == 2;
        let plain = array.get_type().is(glue::array_class(py)?);
        if !alone || !plain || glue::weak_references(py)?.call1((&array,))?.is_truthy()? {
            return Ok(false);
        }
        let base = array.getattr("base")?;
        if base.is_none() {
            return array.getattr("flags")?.getattr("owndata")?.is_truthy();
        }
        array = base;
    }
}
