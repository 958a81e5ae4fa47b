//! Subscripts: from Python's index expressions to those of the front end.

use super::{PyTensor, construct};
use crate::boundary::call;
use crate::error::{named, type_error};
use crate::number;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyEllipsis, PyList, PySequence, PySlice, PyString, PyTuple};
use rustorch_frontend::ViewOp;
use rustorch_frontend::ops::indexing;
use rustorch_frontend::registry::{IndexItem, Scalar};
use smallvec::SmallVec;

type Items = SmallVec<[IndexItem; 4]>;

fn items(index: &Bound<'_, PyAny>) -> PyResult<Items> {
    if let Ok(tuple) = index.cast::<PyTuple>() {
        return tuple.iter().map(|part| item(&part)).collect();
    }
    if let Some(parts) = stands_for_tuple(index)? {
        crate::glue::user_warning(
            index.py(),
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch \
             2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, \
             x[torch.tensor(seq)], which will result either in an error or a different result",
        )?;
        return parts.iter().map(item).collect();
    }
    Ok(SmallVec::from_iter([item(index)?]))
}

/// The parts of a sequence that torch still takes for a tuple: a short one that holds more than numbers.
fn stands_for_tuple<'py>(index: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    const LONG: usize = 32;
    let Ok(sequence) = index.cast::<PySequence>() else { return Ok(None) };
    if index.is_instance_of::<PyString>() || index.is_instance_of::<PyBytes>() || sequence.len()? >= LONG {
        return Ok(None);
    }
    let parts: Vec<Bound<'py, PyAny>> = sequence.try_iter()?.collect::<PyResult<_>>()?;
    let more = |part: &Bound<'py, PyAny>| {
        part.is_none()
            || part.is_instance_of::<PyEllipsis>()
            || part.is_instance_of::<PySlice>()
            || part.is_instance_of::<PySequence>()
            || crate::glue::is_numpy_array(part)
            || number::tensor(part).is_some()
    };
    Ok(parts.iter().any(more).then_some(parts))
}

fn item(part: &Bound<'_, PyAny>) -> PyResult<IndexItem> {
    let py = part.py();
    if let Ok(slice) = part.cast::<PySlice>() {
        let end = |name: &str| -> PyResult<Option<i64>> {
            let value = slice.getattr(name)?;
            if value.is_none() {
                return Ok(None);
            }
            let whole = value.call_method0("__index__").map_err(|_| {
                type_error(py, "slice indices must be integers or None or have an __index__ method")
            })?;
            number::clipped(&whole).map(Some)
        };
        return Ok(IndexItem::Slice { start: end("start")?, stop: end("stop")?, step: end("step")? });
    }
    if let Ok(truth) = part.cast::<PyBool>() {
        return Ok(IndexItem::Bool(truth.is_true()));
    }
    if number::is_index(part) {
        return number::to_i64(part).map(IndexItem::Int);
    }
    if part.is_none() {
        return Ok(IndexItem::NewAxis);
    }
    if part.is_instance_of::<PyEllipsis>() {
        return Ok(IndexItem::Ellipsis);
    }
    if let Some(tensor) = number::tensor(part) {
        return Ok(IndexItem::Tensor(tensor.clone()));
    }
    // To torch these are sequences of indices, of a type that no index has.
    if part.is_instance_of::<PyString>() || part.is_instance_of::<PyBytes>() {
        return Err(construct::no_data(part));
    }
    if part.is_instance_of::<PySequence>() || crate::glue::is_numpy_array(part) {
        return construct::index_tensor(part).map(IndexItem::Tensor);
    }
    let class = part.get_type();
    let got =
        if crate::glue::is_numpy_scalar(part) { class.fully_qualified_name()? } else { class.name()? };
    let message = format!(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {got})"
    );
    Err(named(py, "IndexOutOfRangeError", message))
}

pub fn get<'py>(slf: &Bound<'py, PyTensor>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let items = items(index)?;
    let found = call(py, || indexing::get(&slf.get().tensor, &items))?;
    Ok(PyTensor::wrap_result(py, found, [slf])?.into_any())
}

pub fn set(slf: &Bound<'_, PyTensor>, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = slf.py();
    let tensor = &slf.get().tensor;
    let items = items(index)?;
    if let Some(value) = number::tensor(value) {
        return call(py, || indexing::set(tensor, &items, value));
    }
    let number =
        if number::is_int(value) { Some(Scalar::Int(number::to_i64(value)?)) } else { number::plain(value)? };
    if let Some(number) = number {
        return call(py, || indexing::set_number(tensor, &items, number));
    }
    let got = value.get_type().fully_qualified_name()?;
    Err(type_error(py, format!("can't assign a {got} to a {}", super::convert::type_name(tensor.dtype()))))
}

/// The parts along the first axis.
pub fn iterate<'py>(slf: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let tensor = &slf.get().tensor;
    let sizes = tensor.sizes();
    let Some(first) = sizes.first() else {
        return Err(type_error(py, "iteration over a 0-d tensor"));
    };
    let parts = (0..first.get()).map(|index| ViewOp::Select { axis: 0, index });
    let _scope = rustorch_frontend::gradient::Scope::enter("UnbindBackward0");
    let views = call(py, || tensor.views(parts))?;
    let objects: Vec<Bound<'py, PyTensor>> =
        views.into_iter().map(|view| PyTensor::wrap_result(py, view, [slf])).collect::<PyResult<_>>()?;
    Ok(PyList::new(py, objects)?.try_iter()?.into_any())
}

/// Whether any element equals the given one.
pub fn contains(slf: &Bound<'_, PyTensor>, element: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = slf.py();
    if number::tensor(element).is_none() && number::plain(element)?.is_none() {
        let got = element.get_type();
        let message =
            format!("Tensor.__contains__ only supports Tensor or scalar, but you passed in a {got}.");
        return Err(crate::error::invalid(py, message));
    }
    slf.rich_compare(element, pyo3::pyclass::CompareOp::Eq)?.call_method0("any")?.is_truthy()
}
