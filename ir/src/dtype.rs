//! Element types, their promotion and their storage.

use std::fmt;
use std::str::FromStr;

/// The type of a tensor's elements, named as torch names them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum DType {
    Bool,
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

/// torch's categories: a type of a higher category wins a promotion, whatever the widths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Category {
    Bool,
    Integer,
    Float,
}

impl DType {
    pub const ALL: [DType; 10] = [
        DType::Bool,
        DType::U8,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
    ];

    /// Bytes of one stored element.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::I16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    pub const fn category(self) -> Category {
        match self {
            DType::Bool => Category::Bool,
            DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::I64 => Category::Integer,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => Category::Float,
        }
    }

    pub const fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// Integers without bool.
    pub const fn is_integer(self) -> bool {
        matches!(self, DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }

    /// f16 and bf16: computed in f32 and rounded after every operation.
    pub const fn is_reduced_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16)
    }

    /// The type in which sums and products of this type are accumulated before they are rounded back.
    pub const fn accumulator(self) -> DType {
        match self {
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        }
    }

    /// torch's name (`float32`).
    pub const fn torch_name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// The name in torch's C++ error messages (`Float`, `Long`).
    pub const fn scalar_type_name(self) -> &'static str {
        match self {
            DType::Bool => "Bool",
            DType::U8 => "Byte",
            DType::I8 => "Char",
            DType::I16 => "Short",
            DType::I32 => "Int",
            DType::I64 => "Long",
            DType::F16 => "Half",
            DType::BF16 => "BFloat16",
            DType::F32 => "Float",
            DType::F64 => "Double",
        }
    }

    /// The least type that both convert to, by torch's lattice for tensors of equal standing.
    pub fn promote(self, other: DType) -> DType {
        use DType::*;
        if self == other {
            return self;
        }
        let (low, high) = if self < other { (self, other) } else { (other, self) };
        match (low.category(), high.category()) {
            (Category::Bool, _) => high,
            (Category::Integer, Category::Float) => high,
            (Category::Integer, _) => match (low, high) {
                (U8, I8) => I16,
                _ => high,
            },
            (Category::Float, _) => match (low, high) {
                (F16, BF16) => F32,
                _ => high,
            },
        }
    }

    /// Smallest and largest value of an integer type (bool counts as 0..=1).
    pub const fn integer_range(self) -> Option<(i64, i64)> {
        match self {
            DType::Bool => Some((0, 1)),
            DType::U8 => Some((0, u8::MAX as i64)),
            DType::I8 => Some((i8::MIN as i64, i8::MAX as i64)),
            DType::I16 => Some((i16::MIN as i64, i16::MAX as i64)),
            DType::I32 => Some((i32::MIN as i64, i32::MAX as i64)),
            DType::I64 => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "u8",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for DType {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        DType::ALL.into_iter().find(|d| d.text() == s).ok_or_else(|| format!("unknown dtype `{s}`"))
    }
}

/// One value of a dtype, as a literal of the IR: the bits of its stored form, zero-extended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Literal {
    pub dtype: DType,
    pub bits: u64,
}

impl Literal {
    /// `value` converted to `dtype` (rounded to nearest even; truncated and wrapped for integers).
    pub fn from_f64(dtype: DType, value: f64) -> Literal {
        let bits = match dtype {
            DType::F64 => value.to_bits(),
            DType::F32 => (value as f32).to_bits() as u64,
            DType::F16 => half::f16::from_f32(value as f32).to_bits() as u64,
            DType::BF16 => half::bf16::from_f32(value as f32).to_bits() as u64,
            DType::Bool => (value != 0.0) as u64,
            _ => return Literal::from_i64(dtype, value as i64),
        };
        Literal { dtype, bits }
    }

    /// `value` converted to `dtype`; integers wrap.
    pub fn from_i64(dtype: DType, value: i64) -> Literal {
        let bits = match dtype {
            DType::Bool => (value != 0) as u64,
            DType::U8 => value as u8 as u64,
            DType::I8 => value as i8 as u8 as u64,
            DType::I16 => value as i16 as u16 as u64,
            DType::I32 => value as i32 as u32 as u64,
            DType::I64 => value as u64,
            _ => return Literal::from_f64(dtype, value as f64),
        };
        Literal { dtype, bits }
    }

    pub fn as_f64(self) -> f64 {
        match self.dtype {
            DType::F64 => f64::from_bits(self.bits),
            DType::F32 => f32::from_bits(self.bits as u32) as f64,
            DType::F16 => half::f16::from_bits(self.bits as u16).to_f64(),
            DType::BF16 => half::bf16::from_bits(self.bits as u16).to_f64(),
            _ => self.as_i64() as f64,
        }
    }

    pub fn as_i64(self) -> i64 {
        match self.dtype {
            DType::Bool | DType::U8 => self.bits as i64,
            DType::I8 => self.bits as i8 as i64,
            DType::I16 => self.bits as i16 as i64,
            DType::I32 => self.bits as i32 as i64,
            DType::I64 => self.bits as i64,
            _ => self.as_f64() as i64,
        }
    }

    pub fn is_zero(self) -> bool {
        if self.dtype.is_float() { self.as_f64() == 0.0 } else { self.bits == 0 }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dtype.is_float() {
            let v = self.as_f64();
            if v.is_nan() {
                write!(f, "{}:{:#x}", self.dtype, self.bits)
            } else {
                write!(f, "{}:{:?}", self.dtype, v)
            }
        } else {
            write!(f, "{}:{}", self.dtype, self.as_i64())
        }
    }
}

impl FromStr for Literal {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let (dtype, value) = s.split_once(':').ok_or_else(|| format!("literal `{s}` lacks its dtype"))?;
        let dtype: DType = dtype.parse()?;
        let bad = |_| format!("bad literal `{s}`");
        if let Some(hex) = value.strip_prefix("0x") {
            let bits = u64::from_str_radix(hex, 16).map_err(|_| format!("bad literal `{s}`"))?;
            return Ok(Literal { dtype, bits });
        }
        if dtype.is_float() {
            let v: f64 = value.parse().map_err(|_| format!("bad literal `{s}`"))?;
            return Ok(Literal::from_f64(dtype, v));
        }
        Ok(Literal::from_i64(dtype, value.parse().map_err(bad)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_torchs_lattice() {
        use DType::*;
        for (a, b, want) in [
            (U8, I8, I16),
            (U8, I64, I64),
            (Bool, U8, U8),
            (I64, F16, F16),
            (F16, BF16, F32),
            (BF16, F32, F32),
            (F32, F64, F64),
            (I16, U8, I16),
        ] {
            assert_eq!(a.promote(b), want);
            assert_eq!(b.promote(a), want);
        }
    }

    #[test]
    fn literals_read_back() {
        for l in [
            Literal::from_f64(DType::F32, 0.1),
            Literal::from_f64(DType::F64, f64::NEG_INFINITY),
            Literal::from_f64(DType::F16, f64::NAN),
            Literal::from_f64(DType::BF16, -0.0),
            Literal::from_i64(DType::I8, -1),
            Literal::from_i64(DType::Bool, 1),
        ] {
            assert_eq!(l.to_string().parse::<Literal>().unwrap(), l, "{l}");
        }
    }
}
