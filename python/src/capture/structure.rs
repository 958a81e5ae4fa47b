//! Nested values taken apart into tensors and numbers, and put together again.

use super::numbers;
use crate::glue;
use crate::tensor::{PyTensor, array};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};
use rustorch_frontend::capture::{Number, Output};
use rustorch_frontend::registry::default_dtype;
use rustorch_frontend::{Tensor, grad_mode};
use smallvec::SmallVec;

const TENSOR: u64 = 1;
const ARRAY: u64 = 2;
const FLOAT: u64 = 3;
const INT: u64 = 4;
const OBJECT: u64 = 5;
const TUPLE: u64 = 6;
const LIST: u64 = 7;
const DICT: u64 = 8;
const RECORD: u64 = 9;

/// Arguments taken apart: what a program is found by, and what it is given.
pub struct Flat {
    /// The structure, with types, sizes and strides.
    words: SmallVec<[u64; 48]>,
    /// What else must be the same: keys, strings, classes, objects.
    objects: Vec<Py<PyAny>>,
    pub tensors: SmallVec<[Tensor; 4]>,
    pub tensor_objects: SmallVec<[Option<Py<PyAny>>; 4]>,
    pub numbers: Vec<Number>,
    pub number_objects: Vec<Py<PyAny>>,
}

/// What arguments must be like for a program that was captured for others.
pub struct Known {
    words: SmallVec<[u64; 48]>,
    objects: Vec<Py<PyAny>>,
    /// The tensors, in words.
    tensors: Vec<String>,
}

fn shown(tensor: &Tensor) -> String {
    let grad = if tensor.requires_grad() { " requires_grad" } else { "" };
    format!("{} {}{grad}", tensor.dtype().torch_name(), tensor.sizes())
}

impl Known {
    /// Whether the arguments are as here.
    pub fn fits(&self, py: Python<'_>, flat: &Flat) -> PyResult<bool> {
        Ok(self.words == flat.words && self.other(py, flat)?.is_none())
    }

    /// What in the arguments is not as here.
    pub fn differs(&self, py: Python<'_>, flat: &Flat) -> PyResult<Option<String>> {
        if self.words != flat.words {
            return Ok(Some(self.difference(flat)));
        }
        match self.other(py, flat)? {
            Some(own) => Ok(Some(format!("an argument was {}", own.bind(py).repr()?))),
            None => Ok(None),
        }
    }

    /// The first object that is another one there.
    fn other(&self, py: Python<'_>, flat: &Flat) -> PyResult<Option<&Py<PyAny>>> {
        for (known, theirs) in self.objects.iter().zip(&flat.objects) {
            let (own, theirs) = (known.bind(py), theirs.bind(py));
            let equal = || PyResult::Ok(own.get_type().is(theirs.get_type()) && own.eq(theirs)?);
            let same = own.is(theirs) || (is_plain(own) && equal()?);
            if !same {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    fn difference(&self, flat: &Flat) -> String {
        if self.words[0] != flat.words[0] {
            return "the mode of gradients was another one".into();
        }
        for (place, (own, theirs)) in self.tensors.iter().zip(&flat.tensors).enumerate() {
            let theirs = shown(theirs);
            if *own != theirs {
                return format!("tensor {place} among the arguments was {own}, now it is {theirs}");
            }
        }
        "the arguments were of another structure".into()
    }
}

impl Flat {
    pub fn known(&self, py: Python<'_>) -> Known {
        Known {
            words: self.words.clone(),
            objects: self.objects.iter().map(|object| object.clone_ref(py)).collect(),
            tensors: self.tensors.iter().map(shown).collect(),
        }
    }

    pub fn of(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Flat> {
        let mut flat = Flat {
            words: SmallVec::new(),
            objects: Vec::new(),
            tensors: SmallVec::new(),
            tensor_objects: SmallVec::new(),
            numbers: Vec::new(),
            number_objects: Vec::new(),
        };
        let modes = u64::from(grad_mode::is_grad_enabled()) | u64::from(grad_mode::is_inference_mode()) << 1;
        flat.words.extend([modes, default_dtype() as u64, args.len() as u64]);
        for arg in args.iter_borrowed() {
            flat.add(&arg)?;
        }
        for (key, value) in kwargs.into_iter().flatten() {
            flat.object(&key);
            flat.add(&value)?;
        }
        Ok(flat)
    }

    fn object(&mut self, object: &Bound<'_, PyAny>) {
        self.words.push(OBJECT);
        self.objects.push(object.clone().unbind());
    }

    fn tensor(&mut self, kind: u64, tensor: Tensor, object: Option<Py<PyAny>>) {
        let at = tensor.geometry();
        let flags = u64::from(tensor.requires_grad()) | u64::from(tensor.is_inference()) << 1;
        self.words.extend([kind, tensor.dtype() as u64 | flags << 8, at.sizes.rank() as u64]);
        self.words.extend(at.sizes.iter().map(|d| d.get() as u64));
        self.words.extend(at.strides.iter().map(|&s| s as u64));
        self.tensors.push(tensor);
        self.tensor_objects.push(object);
    }

    fn add(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(tensor) = value.cast::<PyTensor>() {
            self.words.push(value.get_type_ptr() as u64);
            self.tensor(TENSOR, tensor.get().tensor.clone(), Some(value.clone().unbind()));
        } else if let Ok(float) = value.cast_exact::<PyFloat>() {
            self.words.push(FLOAT);
            self.numbers.push(Number::Float(float.value()));
            self.number_objects.push(value.clone().unbind());
        } else if value.cast_exact::<PyInt>().is_ok()
            && let Ok(int) = value.extract::<i64>()
        {
            self.words.push(INT);
            self.numbers.push(Number::Int(int));
            self.number_objects.push(value.clone().unbind());
        } else if value.is_none() || value.is_instance_of::<PyBool>() || value.is_instance_of::<PyString>() {
            self.object(value);
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.words.extend([TUPLE, tuple.len() as u64]);
            tuple.iter_borrowed().try_for_each(|item| self.add(&item))?;
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            self.words.extend([LIST, list.len() as u64]);
            list.iter().try_for_each(|item| self.add(&item))?;
        } else if let Ok(dict) = value.cast::<PyDict>() {
            self.words.extend([DICT, dict.len() as u64]);
            self.object(value.get_type().as_any());
            for (key, item) in dict {
                self.object(&key);
                self.add(&item)?;
            }
        } else if glue::is_numpy_array(value) {
            self.tensor(ARRAY, array::shared(value)?, None);
        } else if let Some(fields) = fields(value)? {
            self.words.extend([RECORD, fields.len() as u64]);
            self.object(value.get_type().as_any());
            for (_, item) in fields {
                self.add(&item)?;
            }
        } else {
            self.object(value);
        }
        Ok(())
    }

    /// The arguments for the function: arrays as tensors, numbers as `traced`.
    pub fn arguments<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        traced: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>)> {
        let mut rebuilt = Rebuilt { flat: self, tensor: 0, number: 0, traced };
        let args: Vec<Bound<'py, PyAny>> =
            args.iter().map(|arg| rebuilt.value(&arg)).collect::<PyResult<_>>()?;
        let kwargs = match kwargs {
            None => None,
            Some(kwargs) => {
                let own = PyDict::new(py);
                for (key, value) in kwargs {
                    own.set_item(key, rebuilt.value(&value)?)?;
                }
                Some(own)
            }
        };
        Ok((PyTuple::new(py, args)?, kwargs))
    }
}

/// Walks values in the order in which [`Flat`] took them apart.
struct Rebuilt<'a, 'py> {
    flat: &'a Flat,
    tensor: usize,
    number: usize,
    traced: &'a Bound<'py, PyAny>,
}

impl<'py> Rebuilt<'_, 'py> {
    fn value(&mut self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        if value.cast::<PyTensor>().is_ok() {
            self.tensor += 1;
            return Ok(value.clone());
        }
        if value.cast_exact::<PyFloat>().is_ok()
            || (value.cast_exact::<PyInt>().is_ok() && value.extract::<i64>().is_ok())
        {
            self.number += 1;
            return self.traced.get_item(self.number - 1);
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            let items: Vec<_> = tuple.iter().map(|item| self.value(&item)).collect::<PyResult<_>>()?;
            return Ok(PyTuple::new(py, items)?.into_any());
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            let items: Vec<_> = list.iter().map(|item| self.value(&item)).collect::<PyResult<_>>()?;
            return Ok(PyList::new(py, items)?.into_any());
        }
        if let Ok(dict) = value.cast::<PyDict>() {
            let own = dict.copy()?;
            for (key, item) in dict {
                own.set_item(key, self.value(&item)?)?;
            }
            let class = value.get_type();
            return if class.is(py.get_type::<PyDict>()) {
                Ok(own.into_any())
            } else {
                let same = glue::shallow_copy(py)?.call1((value,))?;
                same.call_method1("update", (own,))?;
                Ok(same)
            };
        }
        if glue::is_numpy_array(value) {
            self.tensor += 1;
            return Ok(PyTensor::wrap(py, self.flat.tensors[self.tensor - 1].clone())?.into_any());
        }
        if let Some(fields) = fields(value)? {
            let items: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> = fields
                .into_iter()
                .map(|(name, item)| Ok((name, self.value(&item)?)))
                .collect::<PyResult<_>>()?;
            return record(&value.get_type(), &items);
        }
        Ok(value.clone())
    }
}

/// What is compared by value: the rest is compared by identity.
fn is_plain(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyInt>()
        || object.is_instance_of::<PyFloat>()
        || object.is_instance_of::<PyTuple>()
        || glue::is_numpy_scalar(object)
}

type Fields<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

/// Names and values of a named tuple or a dataclass.
fn fields<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Fields<'py>>> {
    let class = value.get_type();
    let names: Vec<Bound<'py, PyAny>> = if value.is_instance_of::<PyTuple>() {
        let Ok(names) = class.getattr("_fields") else { return Ok(None) };
        names.try_iter()?.collect::<PyResult<_>>()?
    } else if let Ok(fields) = class.getattr("__dataclass_fields__") {
        fields.cast::<PyDict>()?.keys().iter().collect()
    } else {
        return Ok(None);
    };
    let pairs = names.into_iter().map(|name| {
        let item = value.getattr(name.cast::<PyString>()?)?;
        Ok((name, item))
    });
    pairs.collect::<PyResult<_>>().map(Some)
}

/// A named tuple or dataclass with these fields.
fn record<'py>(class: &Bound<'py, PyType>, items: &Fields<'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    if class.is_subclass_of::<PyTuple>()? {
        let values = PyTuple::new(py, items.iter().map(|(_, item)| item))?;
        return class.call1(values);
    }
    let object = class.call_method1("__new__", (class,))?;
    let set = py.get_type::<PyAny>().getattr("__setattr__")?;
    for (name, item) in items {
        set.call1((&object, name, item))?;
    }
    Ok(object)
}

/// The result of a call, apart from its tensors.
pub enum Shape {
    /// The next of the tensors.
    Tensor,
    Same(Py<PyAny>),
    Tuple(Vec<Shape>),
    List(Vec<Shape>),
    Dict(Py<PyAny>, Vec<(Py<PyAny>, Shape)>),
    Record(Py<PyType>, Vec<(Py<PyAny>, Shape)>),
}

impl Shape {
    /// Takes a result apart.
    pub fn of_result<'py>(
        value: &Bound<'py, PyAny>,
        tensors: &mut Vec<Bound<'py, PyTensor>>,
    ) -> PyResult<Shape> {
        if let Ok(tensor) = value.cast::<PyTensor>() {
            tensors.push(tensor.clone());
            return Ok(Shape::Tensor);
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            let items = tuple.iter().map(|item| Shape::of_result(&item, tensors));
            return items.collect::<PyResult<_>>().map(Shape::Tuple);
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            let items = list.iter().map(|item| Shape::of_result(&item, tensors));
            return items.collect::<PyResult<_>>().map(Shape::List);
        }
        let pairs = |items: Fields<'py>, tensors: &mut Vec<Bound<'py, PyTensor>>| {
            items
                .into_iter()
                .map(|(key, item)| Ok((key.unbind(), Shape::of_result(&item, tensors)?)))
                .collect::<PyResult<Vec<_>>>()
        };
        if let Ok(dict) = value.cast::<PyDict>() {
            return Ok(Shape::Dict(value.clone().unbind(), pairs(dict.iter().collect(), tensors)?));
        }
        if let Some(fields) = fields(value)? {
            return Ok(Shape::Record(value.get_type().unbind(), pairs(fields, tensors)?));
        }
        // A number that is another one in each call is what it is now: reading it says so.
        if let Ok(traced) = value.cast::<numbers::TracedNumber>() {
            return Ok(Shape::Same(traced.call_method0("now")?.unbind()));
        }
        Ok(Shape::Same(value.clone().unbind()))
    }

    /// The result of a call whose tensors are these.
    pub fn rebuild<'py>(
        &self,
        py: Python<'py>,
        flat: &Flat,
        outputs: Vec<Output>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.build(py, flat, &mut outputs.into_iter())
    }

    fn build<'py>(
        &self,
        py: Python<'py>,
        flat: &Flat,
        outputs: &mut std::vec::IntoIter<Output>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Shape::Tensor => match outputs.next() {
                Some(Output::Argument(place)) => match &flat.tensor_objects[place] {
                    Some(object) => object.bind(py).clone(),
                    None => PyTensor::wrap(py, flat.tensors[place].clone())?.into_any(),
                },
                Some(Output::Tensor(tensor)) => PyTensor::wrap(py, tensor)?.into_any(),
                None => py.None().into_bound(py),
            },
            Shape::Same(object) => object.bind(py).clone(),
            Shape::Tuple(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| item.build(py, flat, outputs)).collect::<PyResult<_>>()?;
                PyTuple::new(py, items)?.into_any()
            }
            Shape::List(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| item.build(py, flat, outputs)).collect::<PyResult<_>>()?;
                PyList::new(py, items)?.into_any()
            }
            Shape::Dict(first, items) => {
                let same = glue::shallow_copy(py)?.call1((first,))?;
                for (key, item) in items {
                    same.set_item(key, item.build(py, flat, outputs)?)?;
                }
                same
            }
            Shape::Record(class, items) => {
                let items: Fields<'py> = items
                    .iter()
                    .map(|(key, item)| Ok((key.bind(py).clone(), item.build(py, flat, outputs)?)))
                    .collect::<PyResult<_>>()?;
                record(class.bind(py), &items)?
            }
        })
    }
}
