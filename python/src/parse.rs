//! Arguments of a call, taken by a signature of the registry as torch's parser takes them.
//!
//! Overloads are tried in order. One that does not take the arguments is a [`Fail::Mismatch`]; only when all are,
//! [`crate::usage`] says what was wrong.

use crate::device;
use crate::dtype;
use crate::generator::PyGenerator;
use crate::number;
use crate::tensor::PyTensor;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use rustorch_frontend::Tensor;
use rustorch_frontend::registry::{Arg, Overload, Param, Returns, Ty, kinds};
use smallvec::SmallVec;
use std::cell::OnceCell;

/// A call as Python makes it: keyword arguments follow the positional ones.
#[derive(Clone, Copy)]
pub struct Call<'a, 'py> {
    pub py: Python<'py>,
    /// The tensor whose method is called.
    pub receiver: Option<&'a Bound<'py, PyTensor>>,
    objects: &'a [Bound<'py, PyAny>],
    positional: usize,
    names: Option<&'a Bound<'py, PyTuple>>,
    /// Numbers may stand for the first tensor, as in a reflected operator.
    pub reflected: bool,
}

pub enum Fail {
    /// The overload does not take these arguments.
    Mismatch,
    Error(PyErr),
}

impl From<PyErr> for Fail {
    fn from(error: PyErr) -> Fail {
        Fail::Error(error)
    }
}

/// What a factory is told beside the operation's own arguments.
#[derive(Default)]
pub struct Extras {
    pub requires_grad: bool,
    /// One tensor for each result.
    pub out: SmallVec<[Tensor; 2]>,
}

pub type Values<'a> = SmallVec<[Arg<'a>; 6]>;

impl<'a, 'py> Call<'a, 'py> {
    pub fn new(
        py: Python<'py>,
        receiver: Option<&'a Bound<'py, PyTensor>>,
        positional: &'a [Bound<'py, PyAny>],
    ) -> Call<'a, 'py> {
        Call {
            py,
            receiver,
            objects: positional,
            positional: positional.len(),
            names: None,
            reflected: false,
        }
    }

    /// From the arguments of CPython's fast calling convention.
    ///
    /// # Safety
    /// `args` points to `nargs` objects and, if `names` is not null, one more for each of them, alive for `'a`.
    pub unsafe fn from_raw(
        py: Python<'py>,
        receiver: Option<&'a Bound<'py, PyTensor>>,
        args: *const *mut ffi::PyObject,
        nargs: ffi::Py_ssize_t,
        names: &'a Option<Bound<'py, PyTuple>>,
    ) -> Call<'a, 'py> {
        let positional = nargs as usize;
        let total = positional + names.as_ref().map_or(0, |names| names.len());
        let objects = if total == 0 {
            // An empty list may come as a null pointer.
            &[]
        } else {
            // SAFETY: by the caller's promise there are as many objects; a `Bound` is a pointer to an object that is
            // not null, and borrowing it counts no reference.
            unsafe { std::slice::from_raw_parts(args.cast::<Bound<'py, PyAny>>(), total) }
        };
        Call { py, receiver, objects, positional, names: names.as_ref(), reflected: false }
    }

    pub fn positional(&self) -> &'a [Bound<'py, PyAny>] {
        &self.objects[..self.positional]
    }

    pub fn keywords(&self) -> impl Iterator<Item = (&'a str, &'a Bound<'py, PyAny>)> + use<'a, 'py> {
        let (names, values) = (self.names, &self.objects[self.positional..]);
        values.iter().enumerate().filter_map(move |(i, value)| Some((keyword(names?, i)?, value)))
    }

    fn has_keywords(&self) -> bool {
        self.positional < self.objects.len()
    }

    /// All objects that may be the result of the call.
    pub fn objects(&self) -> impl Iterator<Item = &'a Bound<'py, PyAny>> + use<'a, 'py> {
        self.receiver.map(|receiver| receiver.as_any()).into_iter().chain(self.objects)
    }

    /// Puts the arguments for this overload into `values`.
    pub fn bind(&self, overload: &'static Overload, values: &mut Values<'a>) -> Result<Extras, Fail> {
        let signature = &overload.signature;
        let receiver = self.receiver.map(|object| &object.get().tensor);
        let mut given = self.positional().iter().enumerate();
        values.clear();
        let mut used = 0;
        let splits = self.splits(overload);
        for (i, param) in signature.params.iter().enumerate() {
            if let Some(tensor) = receiver
                && Some(i) == signature.receiver
            {
                if param.ty != Ty::Tensor {
                    return Err(Fail::Mismatch);
                }
                values.push(Arg::Tensor(tensor));
                continue;
            }
            if splits && !param.keyword_only {
                values.push(Arg::Ints(int_list(signature.name, param, self.positional())?));
                given = [].iter().enumerate();
                continue;
            }
            if param.rest {
                let left = &self.positional()[self.positional - given.len()..];
                values.push(rest(signature.name, param, left)?);
                given = [].iter().enumerate();
                continue;
            }
            let next = if param.keyword_only { None } else { given.next() };
            let object = match next {
                Some((_, object)) => Some(object),
                None if self.has_keywords() => {
                    let found = self.keywords().find(|(name, _)| is_called(param, name));
                    used += usize::from(found.is_some());
                    found.map(|(_, object)| object)
                }
                None => None,
            };
            let value = match object {
                Some(object) => convert(signature.name, param, object, self.takes_numbers(overload, i))?,
                None => param.default_arg().ok_or(Fail::Mismatch)?,
            };
            values.push(value);
        }
        let mut extras = Extras::default();
        if given.next().is_some() {
            return Err(Fail::Mismatch);
        }
        if used < self.objects.len() - self.positional {
            self.extras(overload, &mut extras)?;
        }
        Ok(extras)
    }

    fn takes_numbers(&self, overload: &Overload, i: usize) -> bool {
        let flag = if i == 0 { kinds::NUMBERS_FIRST } else { kinds::NUMBERS };
        overload.entry.kind & flag != 0 || (i == 0 && self.reflected)
    }

    /// Whether the positional arguments are together one list of integers: `view(2, 3)`.
    fn splits(&self, overload: &Overload) -> bool {
        let signature = &overload.signature;
        let skip = usize::from(self.receiver.is_some() && signature.receiver.is_some());
        let mut own =
            signature.params.iter().enumerate().filter(|(i, _)| skip == 0 || Some(*i) != signature.receiver);
        let lone = signature.positional == skip + 1
            && matches!(own.next(), Some((_, Param { ty: Ty::Ints(None), .. })));
        lone && self.positional().first().is_some_and(|first| {
            number::is_index(first) || (self.positional > 1 && number::tensor(first).is_some())
        })
    }

    /// The keyword arguments beside those of the schema.
    fn extras(&self, overload: &'static Overload, extras: &mut Extras) -> Result<(), Fail> {
        let kind = overload.entry.kind;
        let params = &overload.signature.params;
        let own = |name: &str| {
            params.iter().enumerate().any(|(i, param)| {
                let taken = self.receiver.is_some() && Some(i) == overload.signature.receiver;
                is_called(param, name) && !taken
            })
        };
        for (name, object) in self.keywords() {
            match name {
                _ if own(name) => {
                    // Given by position too: the keyword was not taken.
                    let at = params.iter().position(|param| is_called(param, name)).unwrap_or(0);
                    let before = params[..at].iter().filter(|param| !param.keyword_only).count();
                    let skip = usize::from(self.receiver.is_some());
                    if !params[at].keyword_only && before < self.positional + skip {
                        return Err(Fail::Mismatch);
                    }
                }
                "out" if kind & kinds::OUT != 0 && self.receiver.is_none() => {
                    extras.out = outputs(object, &overload.signature.returns)?;
                }
                "device" if kind & kinds::FACTORY != 0 => {
                    if !device::check(object)? {
                        return Err(Fail::Mismatch);
                    }
                }
                "layout" if kind & kinds::FACTORY != 0 && (object.is_none() || device::is_layout(object)) => {
                }
                "pin_memory" if kind & kinds::FACTORY != 0 => {
                    let pin = number::truth(object)?.or(object.is_none().then_some(false));
                    device::check_pin_memory(self.py, pin.ok_or(Fail::Mismatch)?)?;
                }
                "requires_grad" if kind & kinds::FACTORY != 0 => {
                    extras.requires_grad = number::truth(object)?.ok_or(Fail::Mismatch)?;
                }
                _ => return Err(Fail::Mismatch),
            }
        }
        Ok(())
    }
}

/// The tensors of `out=`: one, or a list of them for an operation with several results.
fn outputs(object: &Bound<'_, PyAny>, returns: &Returns) -> Result<SmallVec<[Tensor; 2]>, Fail> {
    match (returns, number::tensor(object)) {
        _ if object.is_none() => Ok(SmallVec::new()),
        (Returns::One, Some(tensor)) => Ok(SmallVec::from_iter([tensor.clone()])),
        (Returns::Tuple | Returns::Named(_), None) => {
            let items = sequence(object).ok_or(Fail::Mismatch)?;
            items.iter().map(|item| number::tensor(item).cloned().ok_or(Fail::Mismatch)).collect()
        }
        _ => Err(Fail::Mismatch),
    }
}

fn keyword<'a>(names: &'a Bound<'_, PyTuple>, i: usize) -> Option<&'a str> {
    // SAFETY: the tuple holds at least `i + 1` strings: as many as there are keyword arguments. Their UTF-8 form is
    // kept by the string, which the tuple keeps.
    unsafe {
        let name = ffi::PyTuple_GetItem(names.as_ptr(), i as ffi::Py_ssize_t);
        let mut length = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize(name, &mut length);
        if text.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        std::str::from_utf8(std::slice::from_raw_parts(text.cast(), length as usize)).ok()
    }
}

/// The names by which a parameter may be given: its own, and NumPy's where torch takes them.
pub fn is_called(param: &Param, name: &str) -> bool {
    let own = if param.name == "self" { "input" } else { param.name };
    name == own
        || match own {
            "dim" => name == "axis",
            "keepdim" => name == "keepdims",
            "input" => matches!(name, "x" | "a" | "x1"),
            "other" => name == "x2",
            _ => false,
        }
}

fn convert<'a>(
    function: &str,
    param: &Param,
    object: &'a Bound<'_, PyAny>,
    numbers: bool,
) -> Result<Arg<'a>, Fail> {
    if param.optional && object.is_none() {
        return Ok(Arg::None);
    }
    let found = match param.ty {
        Ty::Tensor => match number::tensor(object) {
            Some(tensor) => Some(Arg::Tensor(tensor)),
            None if numbers => number::plain(object)?.map(|number| Arg::Number(number, OnceCell::new())),
            None => None,
        },
        Ty::Tensors => match sequence(object) {
            Some(items) => Some(Arg::Tensors(tensors(&items)?)),
            None => None,
        },
        Ty::OptTensors => opt_tensors(object)?.map(Arg::OptTensors),
        Ty::Bool => number::truth(object)?.map(Arg::Bool),
        Ty::Int => number::int(object)?.map(Arg::Int),
        Ty::Ints(length) => match sequence(object) {
            Some(items) => Some(Arg::Ints(int_list(function, param, &items)?)),
            None => match length {
                Some(n) => number::int(object)?.map(|i| Arg::Ints(SmallVec::from_elem(i, n as usize))),
                None => None,
            },
        },
        Ty::IntLists => match sequence(object) {
            Some(items) => Some(Arg::IntLists(int_lists(&items)?)),
            None => None,
        },
        Ty::Float => number::float(object)?.map(Arg::Float),
        Ty::Floats => match sequence(object) {
            Some(items) => {
                let floats: Option<Vec<f64>> =
                    items.iter().map(number::float).collect::<PyResult<Vec<_>>>()?.into_iter().collect();
                floats.map(Arg::Floats)
            }
            None => None,
        },
        Ty::Scalar => number::scalar(object)?.map(Arg::Scalar),
        Ty::DType => dtype::from_object(object).map(Arg::DType),
        Ty::Str => match object.cast::<PyString>() {
            Ok(text) => Some(Arg::Str(text.to_str()?)),
            Err(_) => None,
        },
        Ty::Generator => object.cast::<PyGenerator>().ok().map(|generator| match generator.get().own() {
            Some(own) => Arg::Generator(own),
            None => Arg::None,
        }),
        Ty::Device => device::check(object)?.then_some(Arg::None),
        Ty::Layout => device::is_layout(object).then_some(Arg::None),
        Ty::MemoryFormat => device::memory_format(object).map(Arg::Str),
    };
    found.ok_or(Fail::Mismatch)
}

pub type Items<'py> = SmallVec<[Bound<'py, PyAny>; 4]>;

/// The items of a list or tuple.
pub fn sequence<'py>(object: &Bound<'py, PyAny>) -> Option<Items<'py>> {
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return Some(tuple.iter().collect());
    }
    object.cast::<PyList>().ok().map(|list| list.iter().collect())
}

pub fn ints(items: &[Bound<'_, PyAny>]) -> Result<SmallVec<[i64; 4]>, Fail> {
    items.iter().map(|item| number::int(item)?.ok_or(Fail::Mismatch)).collect()
}

/// As [`ints`], with torch's refusal of a number that 64 bits do not hold.
fn int_list(function: &str, param: &Param, items: &[Bound<'_, PyAny>]) -> Result<SmallVec<[i64; 4]>, Fail> {
    ints(items).map_err(|fail| {
        let too_long = |item| number::is_int(item) && matches!(number::fitting(item), Ok(None));
        match (fail, items.iter().position(too_long)) {
            (Fail::Error(_), Some(at)) => {
                let (py, words) = (items[at].py(), number::TOO_LONG);
                let (name, pos) = (param.name, at + 1);
                let message = format!(
                    "{function}(): argument '{name}' failed to unpack the object at pos {pos} with error \"{words}\""
                );
                Fail::Error(crate::error::type_error(py, message))
            }
            (fail, _) => fail,
        }
    })
}

fn int_lists(items: &[Bound<'_, PyAny>]) -> Result<Vec<SmallVec<[i64; 4]>>, Fail> {
    items
        .iter()
        .map(|item| match sequence(item) {
            Some(list) => ints(&list),
            None => ints(std::slice::from_ref(item)),
        })
        .collect()
}

/// The value of a parameter that takes all positional arguments that are left.
fn rest<'a>(function: &str, param: &Param, left: &'a [Bound<'_, PyAny>]) -> Result<Arg<'a>, Fail> {
    match (param.ty, left) {
        (Ty::Tensors, [only]) if sequence(only).is_some() => convert(function, param, only, false),
        (Ty::Tensors, _) => tensors(left).map(Arg::Tensors),
        (Ty::IntLists, _) => int_lists(left).map(Arg::IntLists),
        _ => Err(Fail::Mismatch),
    }
}

fn tensors(items: &[Bound<'_, PyAny>]) -> Result<Vec<Tensor>, Fail> {
    let mut out = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let Some(tensor) = number::tensor(item) else {
            let py = item.py();
            let got = item.get_type().name()?;
            let message = format!("expected Tensor as element {i} in argument 0, but got {got}");
            return Err(Fail::Error(crate::error::type_error(py, message)));
        };
        out.push(tensor.clone());
    }
    Ok(out)
}

fn opt_tensors(object: &Bound<'_, PyAny>) -> Result<Option<Vec<Option<Tensor>>>, Fail> {
    let Some(items) = sequence(object) else { return Ok(None) };
    let list = items.iter().map(|item| match number::tensor(item) {
        Some(tensor) => Ok(Some(tensor.clone())),
        None if item.is_none() => Ok(None),
        None => Err(Fail::Mismatch),
    });
    list.collect::<Result<_, _>>().map(Some)
}
