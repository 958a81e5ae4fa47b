//! Where a program's inputs come from at each call.

use rustorch_backend::buffer::Buffer;
use rustorch_ir::{DType, Literal};

/// A Python number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// The number, or its negative, as an element of `dtype`.
    pub(super) fn literal(self, dtype: DType, negated: bool) -> Literal {
        match self {
            Number::Int(value) => {
                let value = if negated { value.wrapping_neg() } else { value };
                if dtype.is_float() {
                    Literal::from_f64(dtype, value as f64)
                } else {
                    Literal::from_i64(dtype, value)
                }
            }
            Number::Float(value) => Literal::from_f64(dtype, if negated { -value } else { value }),
        }
    }
}

/// A run-time scalar.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Fixed(u64),
    Number {
        id: u32,
        dtype: DType,
        negated: bool,
    },
    /// The key of the nth draw, and its first counter.
    Key(usize),
    Offset(usize),
}

/// Bytes that a program reads.
#[derive(Clone)]
pub(super) enum Bytes {
    /// Of the nth storage that is read, this many bytes behind its first one, or behind an argument's first element.
    Storage {
        read: usize,
        shift: i64,
    },
    Kept {
        buffer: Buffer,
        start: usize,
    },
    /// Of the nth draw.
    Drawn {
        draw: usize,
        start: usize,
    },
}
