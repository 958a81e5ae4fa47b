//! Arguments of an operation, by their position in its schema, and what it returns.

use crate::error::Result;
use crate::gradient::Scope;
use crate::random::{Generator, default_generator};
use crate::record::{Recorded, lock};
use crate::registry::default_dtype;
use crate::tensor::{Tensor, refuse_overlap, refuse_partial_overlap};
use crate::view::Writes;
use rustorch_ir::{DType, Literal};
use smallvec::SmallVec;
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::{Mutex, MutexGuard};

/// A number of the caller's, with the category that decides promotions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl Scalar {
    /// The dtype of a tensor made from the number alone.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::I64,
            Scalar::Float(_) => default_dtype(),
        }
    }

    pub fn as_f64(self) -> f64 {
        match self {
            Scalar::Bool(b) => f64::from(u8::from(b)),
            Scalar::Int(i) => i as f64,
            Scalar::Float(f) => f,
        }
    }

    /// Truncated and saturated, if a float.
    pub fn as_i64(self) -> i64 {
        match self {
            Scalar::Bool(b) => i64::from(b),
            Scalar::Int(i) => i,
            Scalar::Float(f) => f as i64,
        }
    }

    pub fn is_zero(self) -> bool {
        self.as_f64() == 0.0
    }

    /// As a literal of `dtype`; integers wrap.
    pub fn literal(self, dtype: DType) -> Literal {
        match self {
            Scalar::Float(f) => Literal::from_f64(dtype, f),
            other => Literal::from_i64(dtype, other.as_i64()),
        }
    }

    /// As a run-time scalar of `dtype`: another value compiles nothing.
    pub fn recorded(self, dtype: DType) -> Recorded {
        Recorded::scalar(self.literal(dtype))
    }

    /// As a 0-d tensor of its own dtype.
    pub fn tensor(self) -> Result<Tensor> {
        Tensor::from_value(self.recorded(self.dtype()))
    }
}

/// A tensor or, weakly typed, a number in its place.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    Tensor(&'a Tensor),
    Number(Scalar),
}

impl Operand<'_> {
    pub fn dtype(&self) -> DType {
        match self {
            Operand::Tensor(tensor) => tensor.dtype(),
            Operand::Number(number) => number.dtype(),
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Operand::Number(_))
    }
}

/// A parsed argument.
pub enum Arg<'a> {
    None,
    Tensor(&'a Tensor),
    /// A number where the schema says `Tensor`, and the tensor it becomes if one is needed.
    Number(Scalar, OnceCell<Tensor>),
    Tensors(Vec<Tensor>),
    OptTensors(Vec<Option<Tensor>>),
    Bool(bool),
    Int(i64),
    Ints(SmallVec<[i64; 4]>),
    IntLists(Vec<SmallVec<[i64; 4]>>),
    Float(f64),
    Floats(Vec<f64>),
    Scalar(Scalar),
    DType(DType),
    Str(&'a str),
    Generator(&'a Mutex<Generator>),
}

impl Arg<'_> {
    pub fn is_none(&self) -> bool {
        matches!(self, Arg::None)
    }

    fn kind(&self) -> &'static str {
        match self {
            Arg::None => "None",
            Arg::Tensor(_) => "Tensor",
            Arg::Number(..) => "number",
            Arg::Tensors(_) => "Tensor[]",
            Arg::OptTensors(_) => "Tensor?[]",
            Arg::Bool(_) => "bool",
            Arg::Int(_) => "int",
            Arg::Ints(_) => "int[]",
            Arg::IntLists(_) => "int[][]",
            Arg::Float(_) => "float",
            Arg::Floats(_) => "float[]",
            Arg::Scalar(_) => "Scalar",
            Arg::DType(_) => "ScalarType",
            Arg::Str(_) => "str",
            Arg::Generator(_) => "Generator",
        }
    }
}

/// The arguments of one call, defaults filled in, in the order of the schema.
///
/// The accessors expect what the schema says at that position; anything else is a defect of the entry.
pub struct Args<'a> {
    values: &'a [Arg<'a>],
    scope: Option<&'a Scope>,
    /// The tensor that an in-place form will overwrite.
    target: Option<&'a Tensor>,
    /// Where the target is among the values.
    receiver: Option<usize>,
    saves_result: Cell<bool>,
    writes: RefCell<Option<Writes>>,
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident, $opt:ident: $out:ty = $pattern:pat => $value:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, i: usize) -> $out {
            match &self.values[i] {
                $pattern => $value,
                other => wrong(i, stringify!($name), other),
            }
        }

        /// `None` where the argument is optional and was not given.
        pub fn $opt(&self, i: usize) -> Option<$out> {
            if self.values[i].is_none() { None } else { Some(self.$name(i)) }
        }
    )*};
}

#[cold]
fn wrong(i: usize, wanted: &str, got: &Arg<'_>) -> ! {
    panic!("argument {i} is read as {wanted}, but its schema makes it {}", got.kind())
}

impl<'a> Args<'a> {
    pub fn new(values: &'a [Arg<'a>]) -> Args<'a> {
        Args {
            values,
            scope: None,
            target: None,
            receiver: None,
            saves_result: Cell::new(false),
            writes: RefCell::default(),
        }
    }

    pub(super) fn of_call(
        &'a self,
        scope: &'a Scope,
        target: Option<&'a Tensor>,
        receiver: Option<usize>,
    ) -> Args<'a> {
        Args {
            values: self.values,
            scope: Some(scope),
            target,
            receiver,
            saves_result: Cell::new(false),
            writes: RefCell::default(),
        }
    }

    pub(super) fn saves_result(&self) -> bool {
        self.saves_result.get()
    }

    /// Whether the result will overwrite the receiver.
    pub fn in_place(&self) -> bool {
        self.target.is_some()
    }

    /// Says that the gradient reads `operand` as it is now: writing it before the backward is torch's error. To be
    /// called after the operation was recorded.
    pub fn save(&self, operand: &Tensor) -> Result<()> {
        self.scope.map_or(Ok(()), |scope| scope.save(operand))
    }

    /// As [`Args::save`] for argument `i`. What an in-place form overwrites is kept by the graph, unless it is another
    /// argument too.
    pub fn save_argument(&self, i: usize) -> Result<()> {
        if self.target.is_some() && Some(i) == self.receiver {
            return Ok(());
        }
        self.save(self.tensor(i))
    }

    /// As [`Args::save`] for the result, which in an in-place form is the tensor that was written.
    pub fn save_result(&self, result: &Tensor) -> Result<()> {
        if self.target.is_some() {
            self.saves_result.set(true);
            return Ok(());
        }
        self.save(result)
    }

    /// Says what the in-place form writes. It is asked for only where elements share a place.
    pub fn writes(&self, writes: impl FnOnce() -> Result<Writes>) -> Result<()> {
        if self.target.is_some_and(|target| target.geometry().repeats()) {
            *self.writes.borrow_mut() = Some(crate::grad_mode::no_grad(writes)?);
        }
        Ok(())
    }

    /// torch's refusal of an in-place form whose operands meet what it writes in memory. Asked where torch asks: behind
    /// checks of shapes, before indices are read.
    pub fn require_apart(&self) -> Result<()> {
        let Some(target) = self.target else { return Ok(()) };
        self.operands().try_for_each(|operand| refuse_overlap(target, operand))
    }

    /// As [`Args::require_apart`], also of elements that share a place.
    pub fn require_all_apart(&self) -> Result<()> {
        self.target.map_or(Ok(()), Tensor::refuse_repeats)?;
        self.require_apart()
    }

    /// torch's refusal of operands that meet only a part of what an in-place form writes.
    pub(super) fn require_together(&self) -> Result<()> {
        let Some(target) = self.target else { return Ok(()) };
        self.operands().try_for_each(|operand| refuse_partial_overlap(target, operand))
    }

    /// The tensors among the arguments, but for the one that is written.
    fn operands(&self) -> impl Iterator<Item = &Tensor> {
        let others = self.values.iter().enumerate().filter(|(i, _)| Some(*i) != self.receiver);
        others.flat_map(|(_, arg)| {
            let (one, several): (Option<&Tensor>, &[Option<Tensor>]) = match arg {
                Arg::Tensor(operand) => (Some(*operand), &[]),
                Arg::OptTensors(list) => (None, list),
                _ => (None, &[]),
            };
            one.into_iter().chain(several.iter().flatten())
        })
    }

    pub(super) fn written(&self) -> Option<Writes> {
        self.writes.take()
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn get(&self, i: usize) -> &Arg<'a> {
        &self.values[i]
    }

    pub fn is_none(&self, i: usize) -> bool {
        self.values[i].is_none()
    }

    /// The tensor; a number becomes a 0-d tensor of its own dtype, and loses its weakness.
    pub fn tensor(&self, i: usize) -> &Tensor {
        match &self.values[i] {
            Arg::Tensor(tensor) => tensor,
            Arg::Number(number, tensor) => tensor.get_or_init(|| match number.tensor() {
                Ok(tensor) => tensor,
                Err(error) => panic!("a number became no tensor: {error}"),
            }),
            other => wrong(i, "tensor", other),
        }
    }

    pub fn opt_tensor(&self, i: usize) -> Option<&Tensor> {
        if self.is_none(i) { None } else { Some(self.tensor(i)) }
    }

    /// The tensor, or the number in its place.
    pub fn operand(&self, i: usize) -> Operand<'_> {
        match &self.values[i] {
            Arg::Number(number, _) | Arg::Scalar(number) => Operand::Number(*number),
            _ => Operand::Tensor(self.tensor(i)),
        }
    }

    pub fn opt_operand(&self, i: usize) -> Option<Operand<'_>> {
        if self.is_none(i) { None } else { Some(self.operand(i)) }
    }

    accessors! {
        tensors, opt_tensor_list: &[Tensor] = Arg::Tensors(list) => list;
        /// For `Tensor?[]`: the tensors of an index, where a place may be empty.
        opt_tensors, opt_opt_tensors: &[Option<Tensor>] = Arg::OptTensors(list) => list;
        bool, opt_bool: bool = Arg::Bool(value) => *value;
        int, opt_int: i64 = Arg::Int(value) => *value;
        ints, opt_ints: &[i64] = Arg::Ints(list) => list;
        int_lists, opt_int_lists: &[SmallVec<[i64; 4]>] = Arg::IntLists(list) => list;
        float, opt_float: f64 = Arg::Float(value) => *value;
        floats, opt_floats: &[f64] = Arg::Floats(list) => list;
        scalar, opt_scalar: Scalar = Arg::Scalar(value) => *value;
        dtype, opt_dtype: DType = Arg::DType(value) => *value;
        string, opt_string: &str = Arg::Str(value) => value;
    }

    /// Whether numbers are drawn from the default generator.
    pub fn draws_by_default(&self, i: usize) -> bool {
        matches!(&self.values[i], Arg::None)
    }

    /// The generator given, or the default one; locked.
    pub fn generator(&self, i: usize) -> MutexGuard<'_, Generator> {
        match &self.values[i] {
            Arg::Generator(generator) => lock(generator),
            Arg::None => default_generator(),
            other => wrong(i, "generator", other),
        }
    }
}

/// What an operation returns. Where the schema names several results, the tuple has those names.
pub enum Ret {
    None,
    Tensor(Tensor),
    Tuple(Vec<Tensor>),
    List(Vec<Tensor>),
    Bool(bool),
    Int(i64),
    Float(f64),
    Ints(Vec<i64>),
    /// Sizes, as the front end's own type for them.
    Size(Vec<i64>),
    /// A dtype, as of `result_type`.
    DType(DType),
}

impl From<Tensor> for Ret {
    fn from(tensor: Tensor) -> Ret {
        Ret::Tensor(tensor)
    }
}

impl From<Vec<Tensor>> for Ret {
    fn from(tensors: Vec<Tensor>) -> Ret {
        Ret::Tuple(tensors)
    }
}

impl From<(Tensor, Tensor)> for Ret {
    fn from((a, b): (Tensor, Tensor)) -> Ret {
        Ret::Tuple(vec![a, b])
    }
}

impl From<(Tensor, Tensor, Tensor)> for Ret {
    fn from((a, b, c): (Tensor, Tensor, Tensor)) -> Ret {
        Ret::Tuple(vec![a, b, c])
    }
}

impl From<()> for Ret {
    fn from((): ()) -> Ret {
        Ret::None
    }
}

impl From<bool> for Ret {
    fn from(value: bool) -> Ret {
        Ret::Bool(value)
    }
}

impl From<i64> for Ret {
    fn from(value: i64) -> Ret {
        Ret::Int(value)
    }
}

impl From<f64> for Ret {
    fn from(value: f64) -> Ret {
        Ret::Float(value)
    }
}

impl From<DType> for Ret {
    fn from(value: DType) -> Ret {
        Ret::DType(value)
    }
}
