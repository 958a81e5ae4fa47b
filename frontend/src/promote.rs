//! Which dtype an operation computes in: torch's promotion of tensors, 0-d tensors and Python numbers.

use crate::error::{Result, runtime};
use crate::registry::{Operand, Scalar as Number, default_dtype};
use rustorch_ir::dtype::Category;
use rustorch_ir::{DType, Literal};

/// The dtypes seen so far, by their standing: tensors with axes before 0-d tensors before numbers. A lower standing
/// counts only if its category is higher.
#[derive(Clone, Copy, Default, Debug)]
pub struct Promotion {
    tensors: Option<DType>,
    scalars: Option<DType>,
    numbers: Option<DType>,
}

impl Promotion {
    pub fn value(mut self, dtype: DType, rank: usize) -> Promotion {
        let standing = if rank > 0 { &mut self.tensors } else { &mut self.scalars };
        *standing = join(*standing, Some(dtype));
        self
    }

    pub fn number(mut self, number: Number) -> Promotion {
        self.numbers = join(self.numbers, Some(number.dtype()));
        self
    }

    pub fn operand(self, operand: Operand<'_>) -> Promotion {
        match operand {
            Operand::Tensor(t) => self.value(t.dtype(), t.dim()),
            Operand::Number(n) => self.number(n),
        }
    }

    pub fn dtype(self) -> DType {
        prevail(self.tensors, prevail(self.scalars, self.numbers)).unwrap_or_else(default_dtype)
    }
}

fn join(a: Option<DType>, b: Option<DType>) -> Option<DType> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.promote(b)),
        (a, b) => a.or(b),
    }
}

fn prevail(higher: Option<DType>, lower: Option<DType>) -> Option<DType> {
    match (higher, lower) {
        (Some(h), Some(l)) if l.category() > h.category() => Some(h.promote(l)),
        (h, l) => h.or(l),
    }
}

/// torch's `result_type`.
pub fn result_type(operands: &[Operand<'_>]) -> DType {
    operands.iter().fold(Promotion::default(), |p, &o| p.operand(o)).dtype()
}

/// The dtype in which a function of real numbers computes operands of this dtype.
pub fn to_float(dtype: DType) -> DType {
    if dtype.is_float() { dtype } else { default_dtype() }
}

/// The dtype of sums: integers and bools add up in int64.
pub fn to_sum(dtype: DType) -> DType {
    if dtype.is_float() { dtype } else { DType::I64 }
}

pub fn category_of(number: Number) -> Category {
    number.dtype().category()
}

/// `number` as an element of `dtype`, or torch's error where it does not fit. Unsigned types take whole numbers that wrap to them.
pub fn checked_literal(number: Number, dtype: DType) -> Result<Literal> {
    let fits = match (number, dtype.integer_range()) {
        (Number::Bool(_), _) => true,
        _ if dtype == DType::Bool => true,
        (Number::Int(v), Some((low, high))) => {
            (if dtype == DType::U8 { -high } else { low }..=high).contains(&v)
        }
        (Number::Float(v), Some((low, high))) => v >= low as f64 && v < high as f64 + 1.0,
        (number, None) => {
            let v = number.as_f64();
            !v.is_finite() || v.abs() <= largest(dtype)
        }
    };
    if fits {
        return Ok(number.literal(dtype));
    }
    runtime(format!("value cannot be converted to type {} without overflow", c_name(dtype)))
}

/// The largest finite number of a float type.
pub fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => half::f16::MAX.to_f64(),
        DType::BF16 => half::bf16::MAX.to_f64(),
        DType::F32 => f32::MAX as f64,
        _ => f64::MAX,
    }
}

/// The element type as C++ names it in torch's messages.
pub fn c_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 => "uint8_t",
        DType::I8 => "int8_t",
        DType::I16 => "int16_t",
        DType::I32 => "int",
        DType::I64 => "int64_t",
        DType::F16 => "c10::Half",
        DType::BF16 => "c10::BFloat16",
        DType::F32 => "float",
        DType::F64 => "double",
    }
}

/// The element type as other messages of torch name it.
pub fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::U8 => "unsigned char",
        DType::I8 => "signed char",
        DType::I16 => "short int",
        DType::I64 => "long int",
        other => c_name(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_standing_counts_by_category_alone() {
        let p = Promotion::default;
        for (promotion, want) in [
            (p().value(DType::F32, 1).value(DType::F64, 0), DType::F32),
            (p().value(DType::I32, 1).value(DType::F64, 0), DType::F64),
            (p().value(DType::I32, 1).value(DType::I64, 0), DType::I32),
            (p().value(DType::I32, 0).number(Number::Float(1.0)), DType::F32),
            (p().value(DType::F16, 0).number(Number::Float(1.0)), DType::F16),
            (p().value(DType::Bool, 1).number(Number::Int(1)), DType::I64),
            (p().value(DType::U8, 1).number(Number::Int(300)), DType::U8),
            (p().number(Number::Int(1)).number(Number::Float(1.0)), DType::F32),
            (p().value(DType::I64, 1).value(DType::F16, 0).number(Number::Float(1.0)), DType::F16),
        ] {
            assert_eq!(promotion.dtype(), want, "{promotion:?}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert!(checked_literal(Number::Int(300), DType::I8).is_err());
        assert!(checked_literal(Number::Int(-3), DType::U8).is_ok());
        assert!(checked_literal(Number::Float(f64::NAN), DType::I8).is_err());
        assert!(checked_literal(Number::Float(f64::INFINITY), DType::F16).is_ok());
        assert!(checked_literal(Number::Float(1e10), DType::F16).is_err());
    }
}
