//! Signatures in ATen's syntax.

use super::args::{Arg, Scalar};
use smallvec::SmallVec;

/// The type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ty {
    Tensor,
    Tensors,
    OptTensors,
    Bool,
    Int,
    /// With a length, a single integer stands for that many equal ones.
    Ints(Option<u8>),
    /// Each item is a list of integers or one integer.
    IntLists,
    Float,
    Floats,
    Scalar,
    DType,
    Str,
    Generator,
    /// Checked by the front end; operations see `None`.
    Device,
    Layout,
    /// `"contiguous"` or `"preserve"`, as a string.
    MemoryFormat,
}

impl Ty {
    /// What torch's messages call it.
    pub fn python_name(self) -> &'static str {
        match self {
            Ty::Tensor => "Tensor",
            Ty::Tensors | Ty::OptTensors => "tuple of Tensors",
            Ty::Bool => "bool",
            Ty::Int => "int",
            Ty::Ints(_) => "tuple of ints",
            Ty::IntLists => "tuple of tuples of ints",
            Ty::Float => "float",
            Ty::Floats => "tuple of floats",
            Ty::Scalar => "Number",
            Ty::DType => "torch.dtype",
            Ty::Str => "str",
            Ty::Generator => "torch.Generator",
            Ty::Device => "torch.device",
            Ty::Layout => "torch.layout",
            Ty::MemoryFormat => "torch.memory_format",
        }
    }
}

/// The value of an argument that is not given.
#[derive(Clone, PartialEq, Debug)]
pub enum Default {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Ints(SmallVec<[i64; 4]>),
    Str(&'static str),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Param {
    pub name: &'static str,
    pub ty: Ty,
    /// `None` is a value of its own.
    pub optional: bool,
    pub keyword_only: bool,
    /// Written `*name`: takes all positional arguments that are left; of tensors also a single list.
    pub rest: bool,
    pub default: Option<Default>,
}

impl Param {
    /// The argument that stands for one not given; `None` where it must be given.
    pub fn default_arg(&self) -> Option<Arg<'static>> {
        Some(match (self.default.as_ref()?, self.ty) {
            (Default::None, _) => Arg::None,
            (Default::Bool(b), Ty::Scalar) => Arg::Scalar(Scalar::Bool(*b)),
            (Default::Bool(b), _) => Arg::Bool(*b),
            (Default::Int(i), Ty::Scalar) => Arg::Scalar(Scalar::Int(*i)),
            (Default::Int(i), Ty::Float) => Arg::Float(*i as f64),
            (Default::Int(i), Ty::Ints(n)) => Arg::Ints(SmallVec::from_elem(*i, n.unwrap_or(1) as usize)),
            (Default::Int(i), _) => Arg::Int(*i),
            (Default::Float(f), Ty::Scalar) => Arg::Scalar(Scalar::Float(*f)),
            (Default::Float(f), _) => Arg::Float(*f),
            (Default::Ints(list), _) => Arg::Ints(list.clone()),
            (Default::Str(s), _) => Arg::Str(s),
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Returns {
    One,
    Tuple,
    /// A tuple with these field names.
    Named(Vec<&'static str>),
    List,
    Nothing,
}

/// A parsed schema.
#[derive(Clone, PartialEq, Debug)]
pub struct Signature {
    pub name: &'static str,
    pub overload: &'static str,
    pub params: Vec<Param>,
    /// How many parameters, of the first ones, may be given by position.
    pub positional: usize,
    /// The place of the parameter called `self`.
    pub receiver: Option<usize>,
    /// The place of the parameter called `inplace`, by which a call chooses the in-place form.
    pub in_place: Option<usize>,
    pub returns: Returns,
}

impl Signature {
    /// `Err` says what is wrong with the schema: a defect of the entry, which a test finds.
    pub fn parse(schema: &'static str) -> Result<Signature, String> {
        let error = |what: &str| format!("{what} in the schema `{schema}`");
        let open = schema.find('(').ok_or_else(|| error("no `(`"))?;
        let (call, returns) = schema.split_once("->").ok_or_else(|| error("no `->`"))?;
        let (name, overload) = schema[..open].split_once('.').unwrap_or((&schema[..open], ""));
        let list = call.trim_end().strip_suffix(')').ok_or_else(|| error("no `)`"))?;
        let mut params = Vec::new();
        let mut keyword_only = false;
        for text in split(&list[open + 1..]) {
            if text == "*" {
                keyword_only = true;
                continue;
            }
            params.push(
                param(text, keyword_only).ok_or_else(|| error(&format!("unknown parameter `{text}`")))?,
            );
        }
        let positional = params.iter().filter(|p| !p.keyword_only).count();
        let receiver = params.iter().position(|p| p.name == "self");
        let in_place = params.iter().position(|p| p.name == "inplace");
        Ok(Signature {
            name,
            overload,
            params,
            positional,
            receiver,
            in_place,
            returns: returned(returns.trim()),
        })
    }

    /// As torch's messages print it; without the receiver for a method.
    pub fn python_text(&self, method: bool) -> String {
        let mut parts = Vec::new();
        let mut starred = false;
        for (i, param) in self.params.iter().enumerate() {
            if method && Some(i) == self.receiver {
                continue;
            }
            if param.keyword_only && !std::mem::replace(&mut starred, true) {
                parts.push("*".to_string());
            }
            let name = if param.name == "self" { "input" } else { param.name };
            let default = match &param.default {
                None => String::new(),
                Some(Default::None) => " = None".into(),
                Some(Default::Bool(b)) => if *b { " = True" } else { " = False" }.into(),
                Some(Default::Int(i)) => format!(" = {i}"),
                Some(Default::Float(f)) => format!(" = {f:?}"),
                Some(Default::Ints(list)) => format!(" = {:?}", list.as_slice()),
                Some(Default::Str(s)) => format!(" = '{s}'"),
            };
            let star = if param.rest { "*" } else { "" };
            parts.push(format!("{} {star}{name}{default}", param.ty.python_name()));
        }
        format!("({})", parts.join(", "))
    }
}

/// The parts between commas outside of brackets.
fn split(list: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0;
    list.split(move |c: char| {
        depth += match c {
            '(' | '[' => 1,
            ')' | ']' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

/// `int[1]? dim=None`
fn param(text: &'static str, keyword_only: bool) -> Option<Param> {
    let (ty, rest) = text.rsplit_once(' ')?;
    let (name, default) = match rest.split_once('=') {
        Some((name, default)) => (name, Some(default)),
        None => (rest, None),
    };
    let (name, rest) = match name.strip_prefix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (ty, optional) = kind(ty)?;
    let default = match default {
        None => None,
        Some(text) => Some(value(text, ty)?),
    };
    Some(Param { name, ty, optional, keyword_only, rest, default })
}

fn kind(text: &str) -> Option<(Ty, bool)> {
    if let "Tensor?[]" = text {
        return Some((Ty::OptTensors, false));
    }
    if let "int[][]" = text {
        return Some((Ty::IntLists, false));
    }
    let (text, optional) = match text.strip_suffix('?') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (base, list) = match text.split_once('[') {
        // `Tensor(a!)[]` has its annotation before the brackets.
        Some((base, length)) => (base, Some(length.strip_suffix(']')?)),
        None => (text, None),
    };
    let base = base.split('(').next()?;
    let ty = match (base, list) {
        ("Tensor", None) => Ty::Tensor,
        ("Tensor", Some(_)) => Ty::Tensors,
        ("bool", None) => Ty::Bool,
        ("int" | "SymInt", None) => Ty::Int,
        ("int" | "SymInt", Some("")) => Ty::Ints(None),
        ("int" | "SymInt", Some(length)) => Ty::Ints(Some(length.parse().ok()?)),
        ("float", None) => Ty::Float,
        ("float", Some(_)) => Ty::Floats,
        ("Scalar", None) => Ty::Scalar,
        ("ScalarType", None) => Ty::DType,
        ("str", None) => Ty::Str,
        ("Generator", None) => Ty::Generator,
        ("Device", None) => Ty::Device,
        ("Layout", None) => Ty::Layout,
        ("MemoryFormat", None) => Ty::MemoryFormat,
        _ => return None,
    };
    Some((ty, optional))
}

fn value(text: &'static str, ty: Ty) -> Option<Default> {
    Some(match text {
        "None" => Default::None,
        "True" => Default::Bool(true),
        "False" => Default::Bool(false),
        _ if ty == Ty::Str => Default::Str(text.trim_matches(['"', '\''])),
        _ if text.starts_with('[') => {
            let list = text.strip_prefix('[')?.strip_suffix(']')?;
            let parsed: Result<_, _> =
                list.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::parse).collect();
            Default::Ints(parsed.ok()?)
        }
        _ => match text.parse() {
            Ok(int) => Default::Int(int),
            Err(_) => Default::Float(text.parse().ok()?),
        },
    })
}

fn returned(text: &'static str) -> Returns {
    if text == "()" {
        return Returns::Nothing;
    }
    if text.ends_with("[]") {
        return Returns::List;
    }
    let Some(list) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) else { return Returns::One };
    let names: Option<Vec<_>> = split(list).map(|part| part.rsplit_once(' ').map(|(_, name)| name)).collect();
    names.map_or(Returns::Tuple, Returns::Named)
}
