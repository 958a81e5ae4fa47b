//! The bytes of elements, seen as another dtype.

use super::*;
use crate::dtype::DType;
use crate::loops::{BinOp, CastOp, CmpOp, Elem};

/// The bits of the operand as elements of `dtype`. Where those are smaller, the last axis is longer, and shorter where
/// they are larger; the first bytes are the low ones. A bool is the byte 0 or 1. There is no gradient.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bitcast {
    pub dtype: DType,
}

impl Primitive for Bitcast {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "bitcast" {
            return Ok(None);
        }
        c.symbol("<")?;
        let dtype = c.dtype()?;
        c.symbol(">")?;
        Ok(Some(Bitcast { dtype }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("bitcast", x, 1)?;
        let (from, to) = (x[0].dtype.size(), self.dtype.size());
        let mut shape = x[0].shape.clone();
        if from != to {
            let refused = |why: &str| Err(OpError::attribute("bitcast", why, &x[0].shape));
            let Some(last) = shape.last_mut() else { return refused("a 0-d value has no axis to split") };
            let Some(bytes) = last.get().checked_mul(from) else {
                return refused("its last axis is too long");
            };
            if bytes % to != 0 {
                return refused("its last axis is no whole number of larger elements");
            }
            *last = (bytes / to).into();
        }
        single(Type::new(self.dtype, shape))
    }

    fn vjp(&self, _: &mut dyn Build, _: &[Value], _: &[Value], _: &[Option<Value>]) -> Grads {
        Grads::from_slice(&[None])
    }

    fn pull(&self, p: &mut dyn Pull, node: &Node, _: u8, index: &[Val]) -> Val {
        let from = p.type_of(node.inputs[0]).dtype;
        let (wide, narrow) = (from.size(), self.dtype.size());
        let mut at = Index::from_slice(index);
        let bits = if wide == narrow {
            let x = p.pull(node.inputs[0], &at);
            bits_of(p.loops(), x, from)
        } else if wide > narrow {
            let last = at.len() - 1;
            let (whole, part) = p.loops().div_rem(index[last], (wide / narrow) as i64);
            at[last] = whole;
            let x = p.pull(node.inputs[0], &at);
            let b = p.loops();
            let bits = bits_of(b, x, from);
            let elem = b.ty(bits).elem;
            let width = b.int(Elem::I64, 8 * narrow as i64);
            let by = b.bin(BinOp::Mul, part, width);
            let by = if elem == Elem::I32 { b.cast(CastOp::Wrap, by, Elem::I32) } else { by };
            b.bin(BinOp::ShrU, bits, by)
        } else {
            let last = at.len() - 1;
            let ratio = narrow / wide;
            let elem = if narrow == 8 { Elem::I64 } else { Elem::I32 };
            let mut all = None;
            for part in 0..ratio {
                at[last] = p.loops().affine(&[(index[last], ratio as i64)], part as i64);
                let x = p.pull(node.inputs[0], &at);
                let b = p.loops();
                let bits = bits_of(b, x, from);
                let bits = widened(b, bits, wide, elem);
                let by = b.int(elem, (8 * wide * part) as i64);
                let bits = b.bin(BinOp::Shl, bits, by);
                all = Some(all.map_or(bits, |all| b.bin(BinOp::Or, all, bits)));
            }
            all.expect("a larger element has parts")
        };
        element(p.loops(), bits, self.dtype)
    }

    fn simplify(&self, g: &mut Graph, x: &[Value]) -> Simplified {
        (g.ty(x[0]).dtype == self.dtype).then_some(("bitcast to the same dtype", x[0]))
    }
}

/// The bits of a computed value: 64 or the low ones of 32, above which anything may stand.
fn bits_of(b: &mut LoopBuilder, x: Val, dtype: DType) -> Val {
    match dtype {
        DType::Bool => b.cast(CastOp::MaskToInt, x, Elem::I32),
        DType::F32 => b.cast(CastOp::Bits, x, Elem::I32),
        DType::F64 => b.cast(CastOp::Bits, x, Elem::I64),
        DType::F16 | DType::BF16 => to_half_bits(b, x, dtype),
        _ => x,
    }
}

/// The low `bytes` of some bits, with zeros above them.
fn widened(b: &mut LoopBuilder, bits: Val, bytes: usize, elem: Elem) -> Val {
    let bits = if b.ty(bits).elem == elem { bits } else { b.cast(CastOp::SignExtend, bits, elem) };
    let mask = b.int(elem, (1 << (8 * bytes)) - 1);
    b.bin(BinOp::And, bits, mask)
}

/// The computed value of an element with these low bits.
fn element(b: &mut LoopBuilder, bits: Val, dtype: DType) -> Val {
    let low = dtype.size() < 8 && b.ty(bits).elem == Elem::I64;
    let bits = if low { b.cast(CastOp::Wrap, bits, Elem::I32) } else { bits };
    match dtype {
        DType::Bool => {
            let bits = widened(b, bits, 1, Elem::I32);
            let zero = b.int(Elem::I32, 0);
            b.cmp(CmpOp::Ne, bits, zero)
        }
        DType::F32 => b.cast(CastOp::Bits, bits, Elem::F32),
        DType::F64 => b.cast(CastOp::Bits, bits, Elem::F64),
        DType::F16 | DType::BF16 => {
            let bits = widened(b, bits, 2, Elem::I32);
            from_half_bits(b, bits, dtype)
        }
        _ => settle(b, bits, dtype),
    }
}

impl fmt::Display for Bitcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bitcast<{}>", self.dtype)
    }
}
