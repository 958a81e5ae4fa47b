//! What each instruction does to one lane. A lane is its bits, zero-extended to 64; a mask is 0 or 1.
//!
//! Floats follow IEEE 754, every operation rounding once to nearest, ties to even. A NaN that arithmetic
//! produces has no defined sign or payload; operations that only move bits (negation, absolute value,
//! selection, casts of bits, loads and stores, and so `Min` and `Max` of [`Combine`]) keep those of a NaN.

use super::Fault;
use crate::dtype::DType;
use crate::loops::{BinOp, CastOp, CmpOp, Combine, Elem, UnOp};

const NOT_VERIFIED: &str = "the verifier admits no such type here";

macro_rules! int_bin {
    ($op:expr, $a:expr, $b:expr, $int:ty, $uint:ty) => {{
        let (a, b) = ($a as $int, $b as $int);
        let amount =
            || if (b as $uint) < <$int>::BITS as $uint { Ok(b as u32) } else { Err(Fault::Shift(b as i64)) };
        let result = match $op {
            BinOp::Add => a.wrapping_add(b),
            BinOp::Sub => a.wrapping_sub(b),
            BinOp::Mul => a.wrapping_mul(b),
            BinOp::Div | BinOp::Rem if b == 0 => return Err(Fault::DivisionByZero),
            BinOp::Div => a.checked_div(b).ok_or(Fault::DivisionOverflow)?,
            BinOp::Rem => a.checked_rem(b).ok_or(Fault::DivisionOverflow)?,
            BinOp::Min => a.min(b),
            BinOp::Max => a.max(b),
            BinOp::And => a & b,
            BinOp::Or => a | b,
            BinOp::Xor => a ^ b,
            BinOp::Shl => a << amount()?,
            BinOp::ShrU => (a as $uint >> amount()?) as $int,
            BinOp::ShrS => a >> amount()?,
        };
        result as $uint as u64
    }};
}

macro_rules! float_bin {
    ($op:expr, $a:expr, $b:expr) => {
        match $op {
            BinOp::Add => $a + $b,
            BinOp::Sub => $a - $b,
            BinOp::Mul => $a * $b,
            BinOp::Div => $a / $b,
            _ => unreachable!("{NOT_VERIFIED}"),
        }
    };
}

#[inline]
pub fn bin(op: BinOp, elem: Elem, a: u64, b: u64) -> Result<u64, Fault> {
    Ok(match elem {
        Elem::Mask => match op {
            BinOp::And => a & b,
            BinOp::Or => a | b,
            BinOp::Xor => a ^ b,
            _ => unreachable!("{NOT_VERIFIED}"),
        },
        Elem::I32 => int_bin!(op, a, b, i32, u32),
        Elem::I64 => int_bin!(op, a, b, i64, u64),
        Elem::F32 => float_bin!(op, single(a), single(b)).to_bits() as u64,
        Elem::F64 => float_bin!(op, double(a), double(b)).to_bits(),
    })
}

#[inline]
fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

#[inline]
fn double(bits: u64) -> f64 {
    f64::from_bits(bits)
}

macro_rules! float_un {
    ($op:expr, $x:expr) => {
        match $op {
            UnOp::Sqrt => $x.sqrt(),
            UnOp::Floor => $x.floor(),
            UnOp::Ceil => $x.ceil(),
            UnOp::Trunc => $x.trunc(),
            UnOp::Nearest => $x.round_ties_even(),
            UnOp::Neg | UnOp::Abs | UnOp::Not => unreachable!("{NOT_VERIFIED}"),
        }
    };
}

#[inline]
pub fn un(op: UnOp, elem: Elem, a: u64) -> u64 {
    const SIGN_32: u64 = 1 << 31;
    const SIGN_64: u64 = 1 << 63;
    match (elem, op) {
        (Elem::Mask, _) => a ^ 1,
        (Elem::I32, UnOp::Neg) => (a as i32).wrapping_neg() as u32 as u64,
        (Elem::I32, UnOp::Abs) => (a as i32).wrapping_abs() as u32 as u64,
        (Elem::I32, _) => !(a as u32) as u64,
        (Elem::I64, UnOp::Neg) => (a as i64).wrapping_neg() as u64,
        (Elem::I64, UnOp::Abs) => (a as i64).wrapping_abs() as u64,
        (Elem::I64, _) => !a,
        (Elem::F32, UnOp::Neg) => a ^ SIGN_32,
        (Elem::F32, UnOp::Abs) => a & !SIGN_32,
        (Elem::F32, _) => float_un!(op, single(a)).to_bits() as u64,
        (Elem::F64, UnOp::Neg) => a ^ SIGN_64,
        (Elem::F64, UnOp::Abs) => a & !SIGN_64,
        (Elem::F64, _) => float_un!(op, double(a)).to_bits(),
    }
}

#[inline]
pub fn cmp(op: CmpOp, elem: Elem, a: u64, b: u64) -> u64 {
    fn test<T: PartialOrd>(op: CmpOp, a: T, b: T) -> bool {
        match op {
            CmpOp::Lt => a < b,
            CmpOp::Le => a <= b,
            CmpOp::Eq => a == b,
            CmpOp::Ne => a != b,
        }
    }
    let holds = match elem {
        Elem::I32 => test(op, a as i32, b as i32),
        Elem::I64 => test(op, a as i64, b as i64),
        Elem::F32 => test(op, single(a), single(b)),
        Elem::F64 => test(op, double(a), double(b)),
        Elem::Mask => unreachable!("{NOT_VERIFIED}"),
    };
    holds as u64
}

#[inline]
pub fn fma(elem: Elem, a: u64, b: u64, c: u64) -> u64 {
    match elem {
        Elem::F32 => single(a).mul_add(single(b), single(c)).to_bits() as u64,
        Elem::F64 => double(a).mul_add(double(b), double(c)).to_bits(),
        _ => unreachable!("{NOT_VERIFIED}"),
    }
}

#[inline]
pub fn cast(op: CastOp, from: Elem, to: Elem, a: u64) -> Result<u64, Fault> {
    Ok(match op {
        CastOp::SignExtend => a as i32 as i64 as u64,
        CastOp::ZeroExtend | CastOp::Bits | CastOp::MaskToInt => a,
        CastOp::Wrap => a as u32 as u64,
        CastOp::IntToFloat => match (from, to) {
            (Elem::I32, Elem::F32) => (a as i32 as f32).to_bits() as u64,
            (Elem::I32, _) => (a as i32 as f64).to_bits(),
            (_, Elem::F32) => (a as i64 as f32).to_bits() as u64,
            _ => (a as i64 as f64).to_bits(),
        },
        CastOp::FloatToInt => {
            let x = if from == Elem::F32 { single(a) as f64 } else { double(a) };
            let limit = if to == Elem::I32 { -(i32::MIN as f64) } else { -(i64::MIN as f64) };
            let whole = x.trunc();
            if !(-limit <= whole && whole < limit) {
                return Err(Fault::FloatToInt(x));
            }
            if to == Elem::I32 { whole as i32 as u32 as u64 } else { whole as i64 as u64 }
        }
        CastOp::Widen => (single(a) as f64).to_bits(),
        CastOp::Narrow => (double(a) as f32).to_bits() as u64,
    })
}

/// The accumulator `a` with the new value `b`. Of floats, `Min` is `select(or(lt(b, a), ne(b, b)), b, a)`
/// and `Max` is `select(or(lt(a, b), ne(b, b)), b, a)`: a NaN stays, and of equal zeros the accumulator's.
#[inline]
pub fn combine(combine: Combine, elem: Elem, a: u64, b: u64) -> u64 {
    let op = match combine {
        Combine::Min | Combine::Max if elem.is_float() => {
            let less =
                if combine == Combine::Min { cmp(CmpOp::Lt, elem, b, a) } else { cmp(CmpOp::Lt, elem, a, b) };
            return if less | cmp(CmpOp::Ne, elem, b, b) == 1 { b } else { a };
        }
        Combine::Add => BinOp::Add,
        Combine::Mul => BinOp::Mul,
        Combine::Min => BinOp::Min,
        Combine::Max => BinOp::Max,
        Combine::And => BinOp::And,
        Combine::Or => BinOp::Or,
    };
    bin(op, elem, a, b).expect("no combining operation traps")
}

/// All lanes combined by halves: lane `k` takes in lane `k + n/2`, until one is left.
pub fn reduce(by: Combine, elem: Elem, lanes: &mut [u64]) -> u64 {
    let mut n = lanes.len();
    while n > 1 {
        n /= 2;
        for k in 0..n {
            lanes[k] = combine(by, elem, lanes[k], lanes[k + n]);
        }
    }
    lanes[0]
}

/// The register lane for the stored bytes of one element.
#[inline]
pub fn load(mem: DType, bytes: &[u8]) -> u64 {
    match mem {
        DType::Bool => (bytes[0] != 0) as u64,
        DType::U8 => bytes[0] as u64,
        DType::I8 => bytes[0] as i8 as i32 as u32 as u64,
        DType::I16 => i16::from_le_bytes([bytes[0], bytes[1]]) as i32 as u32 as u64,
        DType::F16 | DType::BF16 => u16::from_le_bytes([bytes[0], bytes[1]]) as u64,
        DType::I32 | DType::F32 => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as u64,
        DType::I64 | DType::F64 => u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
    }
}

/// Stores the low bits of a register lane.
#[inline]
pub fn store(bytes: &mut [u8], lane: u64) {
    let n = bytes.len();
    bytes.copy_from_slice(&lane.to_le_bytes()[..n]);
}
