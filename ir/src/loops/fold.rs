//! What combinations begin with, and what folds make of memory.

use super::{Combine, Elem};
use crate::dtype::DType;

impl Combine {
    /// The element that changes nothing, as the bits of a register: of lanes that have seen nothing yet.
    pub fn neutral(self, elem: Elem) -> u64 {
        match (self, elem) {
            (Combine::Add | Combine::Or, _) => 0,
            (Combine::And, Elem::Mask) => 1,
            (Combine::And, _) => u64::MAX >> (64 - elem.bits()),
            (Combine::Mul, Elem::F32) => u64::from(1f32.to_bits()),
            (Combine::Mul, Elem::F64) => 1f64.to_bits(),
            (Combine::Mul, _) => 1,
            (Combine::Min, Elem::F32) => u64::from(f32::INFINITY.to_bits()),
            (Combine::Max, Elem::F32) => u64::from(f32::NEG_INFINITY.to_bits()),
            (Combine::Min, Elem::F64) => f64::INFINITY.to_bits(),
            (Combine::Max, Elem::F64) => f64::NEG_INFINITY.to_bits(),
            (Combine::Min, Elem::I32) => i32::MAX as u64,
            (Combine::Max, Elem::I32) => u64::from(i32::MIN as u32),
            (Combine::Min, Elem::I64) => i64::MAX as u64,
            (Combine::Max, Elem::I64) => i64::MIN as u64,
            (Combine::Min | Combine::Max, Elem::Mask) => unreachable!("masks combine by and, or"),
        }
    }
}

/// The register in which a fold of memory of this type is, if there is one.
pub const fn register_of(mem: DType) -> Option<Elem> {
    match mem {
        DType::F16 | DType::BF16 | DType::F32 => Some(Elem::F32),
        DType::F64 => Some(Elem::F64),
        _ => None,
    }
}

/// What a load gives of an element, widened as a fold does.
pub(super) fn widened(mem: DType, bits: u64) -> u64 {
    match mem {
        DType::F16 => u64::from(half::f16::from_bits(bits as u16).to_f32().to_bits()),
        DType::BF16 => u64::from((bits as u32) << 16),
        _ => bits,
    }
}
