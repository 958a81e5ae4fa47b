//! What old processors lack, as functions that compiled code calls; each rounds as the instruction would.

use rustorch_ir::loops::UnOp;

macro_rules! functions {
    ($($name:ident($($arg:ident),+; $ty:ty) = $body:expr;)+) => {
        $(extern "C" fn $name($($arg: $ty),+) -> $ty { $body })+
    };
}

functions! {
    fma_f32(a, b, c; f32) = a.mul_add(b, c);
    fma_f64(a, b, c; f64) = a.mul_add(b, c);
    floor_f32(a; f32) = a.floor();
    floor_f64(a; f64) = a.floor();
    ceil_f32(a; f32) = a.ceil();
    ceil_f64(a; f64) = a.ceil();
    trunc_f32(a; f32) = a.trunc();
    trunc_f64(a; f64) = a.trunc();
    nearest_f32(a; f32) = a.round_ties_even();
    nearest_f64(a; f64) = a.round_ties_even();
}

pub(super) fn fma(double: bool) -> *const u8 {
    if double { fma_f64 as *const u8 } else { fma_f32 as *const u8 }
}

/// The function for an operation that rounds to an integer.
pub(super) fn round(op: UnOp, double: bool) -> *const u8 {
    match (op, double) {
        (UnOp::Floor, false) => floor_f32 as *const u8,
        (UnOp::Floor, true) => floor_f64 as *const u8,
        (UnOp::Ceil, false) => ceil_f32 as *const u8,
        (UnOp::Ceil, true) => ceil_f64 as *const u8,
        (UnOp::Trunc, false) => trunc_f32 as *const u8,
        (UnOp::Trunc, true) => trunc_f64 as *const u8,
        (UnOp::Nearest, false) => nearest_f32 as *const u8,
        (UnOp::Nearest, true) => nearest_f64 as *const u8,
        (UnOp::Neg | UnOp::Abs | UnOp::Sqrt | UnOp::Not, _) => unreachable!("every processor has it"),
    }
}
