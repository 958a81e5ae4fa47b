//! Comparisons, logic and bits.

use super::axes::{Axes, reduce};
use super::indexing::integer;
use super::operands::{Operands, not_implemented};
use crate::error::Result;
use crate::record::Recorded;
use crate::registry::{Args, Operand};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;

/// `op` of the operands in their common dtype, or of the operands exchanged.
fn compare(a: &Args<'_>, op: Scalar, exchanged: bool) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
    let (x, y) = (&operands.values[0], &operands.values[1]);
    let value = if exchanged { y.map2(op, x)? } else { x.map2(op, y)? };
    operands.finish(value)
}

fn logical(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    let (x, y) = (a.tensor(0), a.tensor(1));
    let value = x.read()?.cast(DType::Bool)?.map2(op, &y.read()?.cast(DType::Bool)?)?;
    super::layout::finish(value, &[x, y])
}

fn bitwise(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    if let (Operand::Tensor(x), Operand::Tensor(y)) = (a.operand(0), a.operand(1)) {
        crate::record::broadcast_shapes(&x.sizes(), &y.sizes())?;
    }
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| {
        if dtype.is_float() {
            not_implemented(&format!("bitwise_{}_cpu", op.name()), dtype)
        } else {
            Ok(dtype)
        }
    })?;
    operands.finish(operands.map(op)?)
}

fn shift(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    let kernel = if op == Scalar::Shl { "lshift_cpu" } else { "rshift_cpu" };
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| {
        if dtype.is_integer() { Ok(dtype) } else { not_implemented(kernel, dtype) }
    })?;
    operands.finish(operands.map(op)?)
}

/// Whether all elements of a mask are true, computed now.
pub(crate) fn all_of(mask: &Recorded) -> Result<bool> {
    let axes: Axes = (0..mask.rank()).collect();
    Ok(integer(&Tensor::from_value(reduce(mask, Combine::And, &axes, false)?)?)? != 0)
}

fn equal(a: &Args<'_>) -> Result<bool> {
    let (x, y) = (a.tensor(0), a.tensor(1));
    if x.sizes() != y.sizes() {
        return Ok(false);
    }
    let operands = Operands::read(&[Operand::Tensor(x), Operand::Tensor(y)], Ok)?;
    all_of(&operands.map(Scalar::Eq)?)
}

/// The result dtype of operands, of which at least one is a tensor.
fn result_type(a: &Args<'_>) -> Result<crate::registry::Ret> {
    let operands: [Operand<'_>; 2] = [a.operand(0), a.operand(1)];
    Ok(crate::registry::Ret::DType(crate::promote::result_type(&operands)))
}

const COMPARE: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | INPLACE | OUT | NUMBERS
};
const LOGICAL: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | INPLACE | OUT
};
const BITS: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST
};

crate::entries! {
    "eq.Tensor(Tensor self, Tensor other) -> Tensor" [COMPARE]
        "Where the elements are equal, as a bool tensor; broadcast, in the promoted dtype. NaN equals nothing."
        => |a| compare(a, Scalar::Eq, false);
    "ne.Tensor(Tensor self, Tensor other) -> Tensor" [COMPARE] alias ["not_equal"]
        "Where the elements differ, as a bool tensor." => |a| compare(a, Scalar::Ne, false);
    "lt.Tensor(Tensor self, Tensor other) -> Tensor" [COMPARE] alias ["less"]
        "Where `self` is less, as a bool tensor." => |a| compare(a, Scalar::Lt, false);
    "le.Tensor(Tensor self, Tensor other) -> Tensor" [COMPARE] alias ["less_equal"]
        "Where `self` is less or equal, as a bool tensor." => |a| compare(a, Scalar::Le, false);
    "gt.Tensor(Tensor self, Tensor other) -> Tensor" [COMPARE] alias ["greater"]
        "Where `self` is greater, as a bool tensor." => |a| compare(a, Scalar::Lt, true);
    "ge.Tensor(Tensor self, Tensor other) -> Tensor" [COMPARE] alias ["greater_equal"]
        "Where `self` is greater or equal, as a bool tensor." => |a| compare(a, Scalar::Le, true);
    "logical_and(Tensor self, Tensor other) -> Tensor" [LOGICAL]
        "Where both are not zero, as a bool tensor." => |a| logical(a, Scalar::And);
    "logical_or(Tensor self, Tensor other) -> Tensor" [LOGICAL]
        "Where at least one is not zero, as a bool tensor." => |a| logical(a, Scalar::Or);
    "logical_xor(Tensor self, Tensor other) -> Tensor" [LOGICAL]
        "Where exactly one is not zero, as a bool tensor." => |a| logical(a, Scalar::Xor);
    "bitwise_and.Tensor(Tensor self, Tensor other) -> Tensor" [BITS]
        "The bits that are set in both. Integers and bools." => |a| bitwise(a, Scalar::And);
    "bitwise_or.Tensor(Tensor self, Tensor other) -> Tensor" [BITS]
        "The bits that are set in either. Integers and bools." => |a| bitwise(a, Scalar::Or);
    "bitwise_xor.Tensor(Tensor self, Tensor other) -> Tensor" [BITS]
        "The bits that are set in one alone. Integers and bools." => |a| bitwise(a, Scalar::Xor);
    "bitwise_left_shift.Tensor(Tensor self, Tensor other) -> Tensor" [BITS]
        "`self * 2**other` on integers; 0 for shifts that are negative or beyond the width."
        => |a| shift(a, Scalar::Shl);
    "bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor" [BITS]
        "`self / 2**other` on integers, rounded down." => |a| shift(a, Scalar::Shr);
    "result_type.Tensor(Tensor tensor, Tensor other) -> ScalarType" [FUNCTION | NUMBERS | NUMBERS_FIRST]
        "The dtype in which an operation on both operands computes." => |a| result_type(a);
    "equal(Tensor self, Tensor other) -> bool" [FUNCTION | METHOD]
        "Whether both have one shape and the same elements, as a `bool`; NaN differs from NaN." => |a| equal(a);
}
