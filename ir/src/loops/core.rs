//! The expansions of scalar functions, emitted as LoopIR.

use super::build::LoopBuilder;
use super::*;
use crate::op::scalar_math::Core;

impl LoopBuilder {
    fn same_width(&self, like: Val, float: bool) -> Elem {
        match (self.ty(like).elem.bits(), float) {
            (64, true) => Elem::F64,
            (64, false) => Elem::I64,
            (_, true) => Elem::F32,
            (_, false) => Elem::I32,
        }
    }

    fn shift(&mut self, op: BinOp, a: Val, by: u32) -> Val {
        let by = self.int(self.ty(a).elem, by as i64);
        let by = self.spread_like(by, a);
        self.bin(op, a, by)
    }
}

impl Core for LoopBuilder {
    type V = Val;
    type M = Val;

    fn is_double(&self, x: Val) -> bool {
        self.ty(x).elem.bits() == 64
    }
    fn float(&mut self, like: Val, c: f64) -> Val {
        let elem = self.same_width(like, true);
        let c = LoopBuilder::float(self, elem, c);
        self.spread_like(c, like)
    }
    fn int(&mut self, like: Val, c: i64) -> Val {
        let elem = self.same_width(like, false);
        let c = LoopBuilder::int(self, elem, c);
        self.spread_like(c, like)
    }
    fn fadd(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Add, a, b)
    }
    fn fsub(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Sub, a, b)
    }
    fn fmul(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Mul, a, b)
    }
    fn fdiv(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Div, a, b)
    }
    fn fma(&mut self, a: Val, b: Val, c: Val) -> Val {
        self.fused_multiply_add(a, b, c)
    }
    fn fneg(&mut self, a: Val) -> Val {
        self.un(UnOp::Neg, a)
    }
    fn fabs(&mut self, a: Val) -> Val {
        self.un(UnOp::Abs, a)
    }
    fn fsqrt(&mut self, a: Val) -> Val {
        self.un(UnOp::Sqrt, a)
    }
    fn ffloor(&mut self, a: Val) -> Val {
        self.un(UnOp::Floor, a)
    }
    fn fceil(&mut self, a: Val) -> Val {
        self.un(UnOp::Ceil, a)
    }
    fn ftrunc(&mut self, a: Val) -> Val {
        self.un(UnOp::Trunc, a)
    }
    fn fround(&mut self, a: Val) -> Val {
        self.un(UnOp::Nearest, a)
    }
    fn iadd(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Add, a, b)
    }
    fn isub(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Sub, a, b)
    }
    fn imul(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Mul, a, b)
    }
    fn iand(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::And, a, b)
    }
    fn ior(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Or, a, b)
    }
    fn ixor(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Xor, a, b)
    }
    fn ishl(&mut self, a: Val, by: u32) -> Val {
        self.shift(BinOp::Shl, a, by)
    }
    fn ushr(&mut self, a: Val, by: u32) -> Val {
        self.shift(BinOp::ShrU, a, by)
    }
    fn sshr(&mut self, a: Val, by: u32) -> Val {
        self.shift(BinOp::ShrS, a, by)
    }
    fn to_bits(&mut self, a: Val) -> Val {
        let elem = self.same_width(a, false);
        self.cast(CastOp::Bits, a, elem)
    }
    fn from_bits(&mut self, a: Val) -> Val {
        let elem = self.same_width(a, true);
        self.cast(CastOp::Bits, a, elem)
    }
    fn int_to_float(&mut self, a: Val) -> Val {
        let elem = self.same_width(a, true);
        self.cast(CastOp::IntToFloat, a, elem)
    }
    fn float_to_int(&mut self, a: Val) -> Val {
        let elem = self.same_width(a, false);
        self.cast(CastOp::FloatToInt, a, elem)
    }
    fn widen(&mut self, a: Val) -> Val {
        self.cast(CastOp::Widen, a, Elem::F64)
    }
    fn narrow(&mut self, a: Val) -> Val {
        self.cast(CastOp::Narrow, a, Elem::F32)
    }
    fn flt(&mut self, a: Val, b: Val) -> Val {
        self.cmp(CmpOp::Lt, a, b)
    }
    fn fle(&mut self, a: Val, b: Val) -> Val {
        self.cmp(CmpOp::Le, a, b)
    }
    fn feq(&mut self, a: Val, b: Val) -> Val {
        self.cmp(CmpOp::Eq, a, b)
    }
    fn fne(&mut self, a: Val, b: Val) -> Val {
        self.cmp(CmpOp::Ne, a, b)
    }
    fn ilt(&mut self, a: Val, b: Val) -> Val {
        self.cmp(CmpOp::Lt, a, b)
    }
    fn ieq(&mut self, a: Val, b: Val) -> Val {
        self.cmp(CmpOp::Eq, a, b)
    }
    fn mand(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::And, a, b)
    }
    fn mor(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Or, a, b)
    }
    fn mnot(&mut self, a: Val) -> Val {
        self.un(UnOp::Not, a)
    }
    fn select(&mut self, m: Val, a: Val, b: Val) -> Val {
        LoopBuilder::select(self, m, a, b)
    }
    fn table(&mut self, table: &'static [u64], index: Val) -> Val {
        let name = crate::op::scalar_math::table_name(table);
        let ty = self.ty(index);
        self.emit(Inst::Table(name, index), ty)
    }
    fn rarely(&mut self, m: Val, fast: Val, slow: impl FnOnce(&mut Self) -> Val) -> Val {
        self.if_ever(m, fast, slow)
    }
    fn repeat<const N: usize>(
        &mut self,
        times: u32,
        state: [Val; N],
        step: impl FnOnce(&mut Self, [Val; N]) -> [Val; N] + Clone,
    ) -> [Val; N] {
        let open = self.open_count(times as usize, &state);
        let phis: [Val; N] = std::array::from_fn(|i| open.phis[i]);
        let next = step(self, phis);
        let results = self.close_loop(open, &next, &[None; N]);
        std::array::from_fn(|i| results[i])
    }
}
