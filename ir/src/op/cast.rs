//! Conversion between dtypes.

use super::simplify::{contains, fold, made_by};
use super::*;
use crate::dtype::{Category, DType};
use crate::loops::{BinOp, CastOp, CmpOp, Elem, register_of};
use crate::op::scalar_math::half::bf16_to_f32;

/// The operand in another dtype: floats to integers truncate, integers wrap, anything not zero is true.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cast {
    pub dtype: DType,
}

impl Primitive for Cast {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "cast" {
            return Ok(None);
        }
        c.symbol("<")?;
        let dtype = c.dtype()?;
        c.symbol(">")?;
        Ok(Some(Cast { dtype }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("cast", x, 1)?;
        single(Type::new(self.dtype, x[0].shape.clone()))
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], _: &[Value], dy: &[Option<Value>]) -> Grads {
        let from = b.dtype(x[0]);
        Grads::from_slice(&[dy[0].filter(|_| from.is_float()).map(|g| b.cast(g, from))])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let from = p.type_of(node.inputs[0]).dtype;
        let x = p.pull(node.inputs[0], index);
        convert(p.loops(), x, from, self.dtype)
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        if g.ty(x[0]).dtype == self.dtype {
            return Some(("cast to the same dtype", x[0]));
        }
        if let (Op::Cast(middle), from) = made_by(g, x[0])
            && contains(middle.dtype, g.ty(from[0]).dtype)
        {
            let from = from[0];
            let b: &mut dyn Build = g;
            return Some(("cast of an exact cast", b.cast(from, self.dtype)));
        }
        Some(("cast of a constant", fold(g, &Op::Cast(self.clone()), x)?))
    }
}

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cast<{}>", self.dtype)
    }
}

/// The register in which an element of `dtype` is computed with: f16 and bf16 are held as f32 values.
pub const fn computed_in(dtype: DType) -> Elem {
    if dtype.is_reduced_float() { Elem::F32 } else { register_of(dtype) }
}

/// Brings the result of an operation back into the values of `dtype`: small integers wrap, f16 and
/// bf16 round.
pub fn settle(b: &mut LoopBuilder, x: Val, dtype: DType) -> Val {
    let shift = |b: &mut LoopBuilder, by: i64| {
        let by = b.int(Elem::I32, by);
        let up = b.bin(BinOp::Shl, x, by);
        b.bin(BinOp::ShrS, up, by)
    };
    match dtype {
        DType::U8 => {
            let low = b.int(Elem::I32, 0xff);
            b.bin(BinOp::And, x, low)
        }
        DType::I8 => shift(b, 24),
        DType::I16 => shift(b, 16),
        DType::F16 | DType::BF16 => {
            let bits = to_half_bits(b, x, dtype);
            from_half_bits(b, bits, dtype)
        }
        _ => x,
    }
}

/// The stored bits (in an I32) of an f32 value as f16 or bf16. What was rounded to it is not rounded again.
pub fn to_half_bits(b: &mut LoopBuilder, x: Val, dtype: DType) -> Val {
    if let Some(bits) = b.half_bits(x, dtype) {
        return bits;
    }
    b.math(if dtype == DType::F16 { "f32_to_f16" } else { "f32_to_bf16" }, &[x])
}

/// The f32 value of stored f16 or bf16 bits.
pub fn from_half_bits(b: &mut LoopBuilder, bits: Val, dtype: DType) -> Val {
    let value = if dtype == DType::F16 { b.math("f16_to_f32", &[bits]) } else { bf16_to_f32(b, bits) };
    b.set_half_bits(value, dtype, bits);
    value
}

/// `x`, a computed value of dtype `from`, as a computed value of dtype `to`.
pub fn convert(b: &mut LoopBuilder, x: Val, from: DType, to: DType) -> Val {
    if from == to {
        return x;
    }
    let (source, target) = (computed_in(from), computed_in(to));
    let value = match (from.category(), to.category()) {
        (Category::Bool, Category::Bool) => return x,
        (Category::Bool, Category::Integer) => return b.cast(CastOp::MaskToInt, x, target),
        (Category::Bool, Category::Float) => {
            let (one, zero) = (b.float(target, 1.0), b.float(target, 0.0));
            return b.select(x, one, zero);
        }
        (Category::Integer, Category::Bool) => {
            let zero = b.int(source, 0);
            return b.cmp(CmpOp::Ne, x, zero);
        }
        (Category::Float, Category::Bool) => {
            let zero = b.float(source, 0.0);
            return b.cmp(CmpOp::Ne, x, zero);
        }
        (Category::Integer, Category::Integer) => match (source, target) {
            (Elem::I32, Elem::I64) => return b.cast(CastOp::SignExtend, x, target),
            (Elem::I64, Elem::I32) => b.cast(CastOp::Wrap, x, target),
            _ => x,
        },
        (Category::Integer, Category::Float) => b.cast(CastOp::IntToFloat, x, target),
        (Category::Float, Category::Integer) => float_to_int(b, x, source, target),
        (Category::Float, Category::Float) => match (source, target) {
            (Elem::F32, Elem::F64) => return b.cast(CastOp::Widen, x, target),
            (Elem::F64, Elem::F32) => b.cast(CastOp::Narrow, x, target),
            _ => x,
        },
    };
    settle(b, value, to)
}

/// Truncation, with the smallest integer for NaN and what does not fit, as x86 and torch have it.
fn float_to_int(b: &mut LoopBuilder, x: Val, source: Elem, target: Elem) -> Val {
    let limit = if target == Elem::I32 { 2f64.powi(31) } else { 2f64.powi(63) };
    let (low, high) = match (source, target) {
        // Truncation brings what lies between the limits and the next integers into range.
        (Elem::F64, Elem::I32) => (b.float(source, -limit - 1.0), b.float(source, limit)),
        _ => (b.float(source, -limit), b.float(source, limit)),
    };
    let above = if source == Elem::F64 && target == Elem::I32 {
        b.cmp(CmpOp::Lt, low, x)
    } else {
        b.cmp(CmpOp::Le, low, x)
    };
    let below = b.cmp(CmpOp::Lt, x, high);
    let fits = b.bin(BinOp::And, above, below);
    let zero = b.float(source, 0.0);
    let safe = b.select(fits, x, zero);
    let value = b.cast(CastOp::FloatToInt, safe, target);
    let least = b.int(target, if target == Elem::I32 { i32::MIN as i64 } else { i64::MIN });
    b.select(fits, value, least)
}
