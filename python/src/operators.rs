//! Python's operators in terms of operations.

use crate::call;
use crate::parse::{Call, Fail};
use crate::tensor::PyTensor;
use pyo3::prelude::*;
use rustorch_frontend::registry::{Operation, kinds, operation};
use std::sync::OnceLock;

/// An operation found by name when it is first used.
pub struct Named {
    kind: u16,
    name: &'static str,
    found: OnceLock<Option<&'static Operation>>,
}

impl Named {
    const fn new(kind: u16, name: &'static str) -> Named {
        Named { kind, name, found: OnceLock::new() }
    }

    fn get(&self) -> Option<&'static Operation> {
        *self.found.get_or_init(|| operation(self.kind, self.name))
    }
}

macro_rules! operators {
    ($($kind:ident $constant:ident = $name:literal;)*) => {
        $(pub static $constant: Named = Named::new(kinds::$kind, $name);)*
    };
}

operators! {
    METHOD ADD = "add"; METHOD IADD = "add_";
    METHOD SUB = "sub"; METHOD ISUB = "sub_"; FUNCTION RSUB = "rsub";
    METHOD MUL = "mul"; METHOD IMUL = "mul_";
    METHOD DIV = "div"; METHOD IDIV = "div_"; METHOD RECIPROCAL = "reciprocal";
    METHOD FLOOR_DIV = "floor_divide"; METHOD IFLOOR_DIV = "floor_divide_"; FUNCTION RFLOOR_DIV = "floor_divide";
    METHOD MOD = "remainder"; METHOD IMOD = "remainder_"; FUNCTION RMOD = "remainder";
    METHOD POW = "pow"; METHOD IPOW = "pow_"; FUNCTION RPOW = "pow";
    METHOD MATMUL = "matmul"; FUNCTION RMATMUL = "matmul";
    METHOD AND = "bitwise_and"; METHOD IAND = "bitwise_and_";
    METHOD OR = "bitwise_or"; METHOD IOR = "bitwise_or_";
    METHOD XOR = "bitwise_xor"; METHOD IXOR = "bitwise_xor_";
    METHOD SHL = "bitwise_left_shift"; METHOD ISHL = "bitwise_left_shift_"; FUNCTION RSHL = "bitwise_left_shift";
    METHOD SHR = "bitwise_right_shift"; METHOD ISHR = "bitwise_right_shift_"; FUNCTION RSHR = "bitwise_right_shift";
    METHOD EQ = "eq"; METHOD NE = "ne"; METHOD LT = "lt"; METHOD LE = "le"; METHOD GT = "gt"; METHOD GE = "ge";
    METHOD NEG = "neg"; METHOD POSITIVE = "positive"; METHOD ABS = "abs"; METHOD NOT = "bitwise_not";
}

/// The operation on these operands; `NotImplemented` if it does not take them.
#[inline]
fn attempt<'py>(
    slf: &Bound<'py, PyTensor>,
    operation: &Named,
    call: impl FnOnce(&'static Operation) -> Result<Bound<'py, PyAny>, Fail>,
) -> PyResult<Bound<'py, PyAny>> {
    match operation.get().map_or(Err(Fail::Mismatch), call) {
        Ok(result) => Ok(result),
        Err(Fail::Error(error)) => Err(error),
        Err(Fail::Mismatch) => Ok(slf.py().NotImplemented().into_bound(slf.py())),
    }
}

/// `slf.name(other)`.
#[inline]
pub fn binary<'py>(
    slf: &Bound<'py, PyTensor>,
    operation: &Named,
    other: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let call = Call::new(slf.py(), Some(slf), std::slice::from_ref(other));
    attempt(slf, operation, |operation| call::attempt(&call, operation))
}

/// `name(other, slf)`, where `other` may be a number.
pub fn reflected<'py>(
    slf: &Bound<'py, PyTensor>,
    operation: &Named,
    other: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let operands = [other.clone(), slf.clone().into_any()];
    let mut call = Call::new(slf.py(), None, &operands);
    call.reflected = true;
    attempt(slf, operation, |operation| call::attempt(&call, operation))
}

/// `rsub(slf, other)`.
pub fn reversed<'py>(
    slf: &Bound<'py, PyTensor>,
    operation: &Named,
    other: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let operands = [slf.clone().into_any(), other.clone()];
    let call = Call::new(slf.py(), None, &operands);
    attempt(slf, operation, |operation| call::attempt(&call, operation))
}

/// torch divides a number by a tensor as the number times the reciprocal.
pub fn divided<'py>(slf: &Bound<'py, PyTensor>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let reciprocal = unary(slf, &RECIPROCAL)?;
    match reciprocal.cast::<PyTensor>() {
        Ok(reciprocal) => binary(reciprocal, &MUL, other),
        Err(_) => Ok(reciprocal),
    }
}

pub fn unary<'py>(slf: &Bound<'py, PyTensor>, operation: &Named) -> PyResult<Bound<'py, PyAny>> {
    let call = Call::new(slf.py(), Some(slf), &[]);
    attempt(slf, operation, |operation| call::operation(&call, operation).map_err(Fail::Error))
}

/// The in-place form, whose result is `slf` itself.
pub fn in_place<'py>(
    slf: &Bound<'py, PyTensor>,
    operation: &Named,
    other: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let py = slf.py();
    if let Some(operation) = operation.get() {
        call::operation(&Call::new(py, Some(slf), std::slice::from_ref(other)), operation)?;
        return Ok(());
    }
    Err(crate::error::type_error(py, "the operation has no in-place form"))
}
