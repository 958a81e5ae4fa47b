//! Rules of scalar functions: what holds of every element, NaN and -0.0 included.

use super::scalar::Scalar;
use super::simplify::{Simplified, fold, is_splat, made_by, splat};
use super::*;
use crate::dtype::{DType, Literal};

pub(super) fn simplify(op: Scalar, g: &mut Graph, x: &[Value]) -> Simplified {
    let dtype = g.ty(x[x.len() - 1]).dtype;
    constants(op, g, x, dtype)
        .or_else(|| selections(op, g, x))
        .or_else(|| inverses(op, g, x))
        .or_else(|| equal_operands(op, g, x, dtype))
        .or_else(|| joined(op, g, x, dtype))
}

/// Operands that are known.
fn constants(op: Scalar, g: &mut Graph, x: &[Value], dtype: DType) -> Simplified {
    use Scalar::*;
    if let Some(v) = fold(g, &Op::Map(op), x) {
        return Some(("function of constants", v));
    }
    let integer = !dtype.is_float();
    let is = |i: usize, number: f64| is_splat(g, x[i], number);
    match op {
        Mul if is(1, 1.0) => Some(("times one", x[0])),
        Mul if is(0, 1.0) => Some(("times one", x[1])),
        // NaN and infinity times zero are not zero, nor is -1.0 times 0.0.
        Mul if integer && is(1, 0.0) => Some(("integer times zero", x[1])),
        Mul if integer && is(0, 0.0) => Some(("integer times zero", x[0])),
        Div | FloorDiv | TruncDiv if is(1, 1.0) && (op != FloorDiv || integer) => {
            Some(("divided by one", x[0]))
        }
        // Of floats -0.0 is the neutral element: -0.0 + 0.0 is 0.0.
        Add if is(1, if integer { 0.0 } else { -0.0 }) => Some(("plus zero", x[0])),
        Add if is(0, if integer { 0.0 } else { -0.0 }) => Some(("plus zero", x[1])),
        Sub if is(1, 0.0) => Some(("minus zero", x[0])),
        And if dtype == DType::Bool && is(1, 1.0) => Some(("and true", x[0])),
        And if dtype == DType::Bool && is(0, 1.0) => Some(("and true", x[1])),
        Or if integer && is(1, 0.0) => Some(("or nothing", x[0])),
        Or if integer && is(0, 0.0) => Some(("or nothing", x[1])),
        _ => None,
    }
}

fn selections(op: Scalar, g: &mut Graph, x: &[Value]) -> Simplified {
    if op != Scalar::Select {
        return None;
    }
    if let Some(mask) = splat(g, x[0]) {
        return Some(("selection by a constant", if mask.is_zero() { x[2] } else { x[1] }));
    }
    if x[1] == x[2] {
        return Some(("selection between equals", x[1]));
    }
    match made_by(g, x[0]) {
        (Op::Map(Scalar::Not), mask) => {
            let mask = mask[0];
            let b: &mut dyn Build = g;
            Some(("selection by a negation", b.select(mask, x[2], x[1])))
        }
        _ => None,
    }
}

/// Functions that undo themselves, or do nothing the second time.
fn inverses(op: Scalar, g: &mut Graph, x: &[Value]) -> Simplified {
    use Scalar::*;
    let (Op::Map(inner), from) = made_by(g, x[0]) else { return None };
    match (op, *inner) {
        (Neg, Neg) | (Not, Not) => Some(("done twice, undone", from[0])),
        (Abs, Abs) | (Floor | Ceil | Trunc | Round, Floor | Ceil | Trunc | Round) => {
            Some(("done twice, done once", x[0]))
        }
        // An unsigned number wraps, and is its own magnitude.
        (Abs, Neg) if g.ty(x[0]).dtype != DType::U8 => {
            let from = from[0];
            let b: &mut dyn Build = g;
            Some(("magnitude of a negation", b.map(Abs, &[from])))
        }
        _ => None,
    }
}

fn equal_operands(op: Scalar, g: &mut Graph, x: &[Value], dtype: DType) -> Simplified {
    use Scalar::*;
    if x.len() != 2 || x[0] != x[1] {
        return None;
    }
    match op {
        Max | Min | And | Or => Some(("the same twice", x[0])),
        // Infinity minus infinity is not zero.
        Sub | Xor if !dtype.is_float() => {
            let b: &mut dyn Build = g;
            Some(("integer minus itself", b.fill_like(x[0], 0.0)))
        }
        _ => None,
    }
}

/// `(x + a) + b` and `(x * a) * b` of integers, which wrap alike in any order.
fn joined(op: Scalar, g: &mut Graph, x: &[Value], dtype: DType) -> Simplified {
    if !matches!(op, Scalar::Add | Scalar::Mul) || !dtype.is_integer() {
        return None;
    }
    let (inner, outer) = (x[0], splat(g, x[1])?);
    let (Op::Map(before), operands) = made_by(g, inner) else { return None };
    if *before != op {
        return None;
    }
    let (from, first) = (operands[0], splat(g, operands[1])?);
    let (a, c) = (first.as_i64(), outer.as_i64());
    let joined = if op == Scalar::Add { a.wrapping_add(c) } else { a.wrapping_mul(c) };
    let shape = g.ty(from).shape.clone();
    let b: &mut dyn Build = g;
    let joined = b.literal(Literal::from_i64(dtype, joined));
    let joined = b.broadcast_to(joined, &shape);
    Some(("integer constants joined", b.map(op, &[from, joined])))
}
