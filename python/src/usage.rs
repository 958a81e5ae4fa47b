//! What was wrong with a call that no overload takes, in torch's words.

use crate::error::type_error;
use crate::number;
use crate::parse::{Call, is_called, sequence};
use pyo3::prelude::*;
use rustorch_frontend::registry::{Operation, Overload, Param, Ty, kinds};

fn type_name(object: &Bound<'_, PyAny>) -> String {
    if number::tensor(object).is_some() && object.get_type().name().is_ok_and(|name| name == "Parameter") {
        return "Parameter".into();
    }
    object.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string())
}

#[cold]
pub fn refused(call: &Call<'_, '_>, operation: &Operation) -> PyErr {
    // torch speaks of one signature where it is the only one that takes as many arguments.
    let mut likely: Vec<&Overload> = operation.overloads().iter().collect();
    if likely.len() > 1 {
        likely.retain(|overload| takes_as_many(call, overload));
    }
    let text = match likely.as_slice() {
        [only] => single(call, operation.name, only).unwrap_or_else(|| several(call, operation)),
        _ => several(call, operation),
    };
    type_error(call.py, text)
}

fn takes_as_many(call: &Call<'_, '_>, overload: &Overload) -> bool {
    let signature = &overload.signature;
    let taken = usize::from(call.receiver.is_some() && signature.receiver.is_some());
    let given = taken + call.positional().len() + call.keywords().count();
    let required = signature.params.iter().filter(|param| param.default.is_none() && !param.rest).count();
    let kind = overload.entry.kind;
    let more = usize::from(kind & kinds::OUT != 0) + 4 * usize::from(kind & kinds::FACTORY != 0);
    let rest = signature.params.iter().any(|param| param.rest);
    given >= required && (rest || given <= signature.params.len() + more)
}

/// For an operation with one signature: the first thing that is wrong.
fn single(call: &Call<'_, '_>, name: &str, overload: &Overload) -> Option<String> {
    let signature = &overload.signature;
    let method = call.receiver.is_some();
    let params: Vec<&Param> = signature
        .params
        .iter()
        .enumerate()
        .filter(|(i, _)| !(method && Some(*i) == signature.receiver))
        .map(|(_, param)| param)
        .collect();
    let by_position = params.iter().filter(|param| !param.keyword_only).count();
    let given = call.positional();
    let takes_all = params.iter().any(|param| param.rest);
    if given.len() > by_position && !takes_all {
        let plural = if by_position == 1 { "argument" } else { "arguments" };
        let verb = if given.len() == 1 { "was" } else { "were" };
        return Some(format!(
            "{name}() takes {by_position} positional {plural} but {} {verb} given",
            given.len()
        ));
    }
    for (i, param) in params.iter().enumerate() {
        let object = given.get(i).filter(|_| !param.keyword_only);
        let keyword = call.keywords().find(|(key, _)| is_called(param, key)).map(|(_, value)| value);
        let Some(object) = object.or(keyword).filter(|_| !param.rest) else { continue };
        let numbers = overload.entry.kind & kinds::NUMBERS != 0;
        if takes(param, object, numbers) {
            continue;
        }
        let place = match given.get(i) {
            Some(_) if !param.keyword_only => format!(" (position {})", i + 1),
            _ => String::new(),
        };
        let label = if param.name == "self" { "input" } else { param.name };
        let wanted = param.ty.python_name();
        if let (Ty::Ints(_) | Ty::Floats, Some(items)) = (param.ty, sequence(object)) {
            let element =
                Param { ty: if param.ty == Ty::Floats { Ty::Float } else { Ty::Int }, ..(*param).clone() };
            let (pos, bad) = items.iter().enumerate().find(|(_, item)| !takes(&element, item, false))?;
            return Some(format!(
                "{name}(): argument '{label}'{place} must be {wanted}, but found element of type {} at pos {pos}",
                type_name(bad)
            ));
        }
        return Some(format!(
            "{name}(): argument '{label}'{place} must be {wanted}, not {}",
            type_name(object)
        ));
    }
    let missing: Vec<String> = params
        .iter()
        .enumerate()
        .filter(|(i, param)| {
            let by_keyword = call.keywords().any(|(key, _)| is_called(param, key));
            param.default.is_none() && !param.rest && !by_keyword && (param.keyword_only || *i >= given.len())
        })
        .map(|(_, param)| format!("\"{}\"", if param.name == "self" { "input" } else { param.name }))
        .collect();
    if !missing.is_empty() {
        return Some(format!(
            "{name}() missing {} required positional arguments: {}",
            missing.len(),
            missing.join(", ")
        ));
    }
    for (key, _) in call.keywords() {
        let Some(at) = params.iter().position(|param| is_called(param, key)) else {
            return Some(format!("{name}() got an unexpected keyword argument '{key}'"));
        };
        if at < given.len() {
            return Some(format!("{name}() got multiple values for argument '{key}'"));
        }
    }
    None
}

/// Whether the parser would take the object, judged by its type.
fn takes(param: &Param, object: &Bound<'_, PyAny>, numbers: bool) -> bool {
    if param.optional && object.is_none() {
        return true;
    }
    let is_number = || matches!(number::plain(object), Ok(Some(_)));
    match param.ty {
        Ty::Tensor => number::tensor(object).is_some() || (numbers && is_number()),
        Ty::Tensors | Ty::OptTensors => sequence(object).is_some(),
        Ty::Bool => matches!(number::truth(object), Ok(Some(_))),
        Ty::Int => matches!(number::int(object), Ok(Some(_))),
        Ty::Ints(length) => match sequence(object) {
            Some(items) => items.iter().all(|item| matches!(number::int(item), Ok(Some(_)))),
            None => length.is_some() && matches!(number::int(object), Ok(Some(_))),
        },
        Ty::IntLists => sequence(object).is_some(),
        Ty::Float => matches!(number::float(object), Ok(Some(_))),
        Ty::Floats => sequence(object)
            .is_some_and(|items| items.iter().all(|item| matches!(number::float(item), Ok(Some(_))))),
        Ty::Scalar => matches!(number::scalar(object), Ok(Some(_))),
        Ty::DType => crate::dtype::from_object(object).is_some(),
        Ty::Str => object.is_instance_of::<pyo3::types::PyString>(),
        Ty::Generator => object.is_instance_of::<crate::generator::PyGenerator>(),
        Ty::Device => matches!(crate::device::check(object), Ok(true)),
        Ty::Layout => crate::device::is_layout(object),
        Ty::MemoryFormat => crate::device::memory_format(object).is_some(),
    }
}

fn several(call: &Call<'_, '_>, operation: &Operation) -> String {
    let mut got: Vec<String> = call.positional().iter().map(described).collect();
    got.extend(call.keywords().map(|(name, value)| format!("{name}={}", described(value))));
    let method = call.receiver.is_some();
    let expected: String =
        operation.overloads().iter().map(|o| format!(" * {}\n", o.signature.python_text(method))).collect();
    format!(
        "{}() received an invalid combination of arguments - got ({}), but expected one of:\n{expected}",
        operation.name,
        got.join(", ")
    )
}

pub fn described(object: &Bound<'_, PyAny>) -> String {
    match sequence(object) {
        Some(items) if !items.is_empty() => {
            let kinds: Vec<String> = items.iter().map(type_name).collect();
            format!("{} of ({})", type_name(object), kinds.join(", "))
        }
        _ => type_name(object),
    }
}
