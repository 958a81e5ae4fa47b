//! Minima and maxima of floats in lanes.
//!
//! A NaN wins over all numbers, but to choose it each time would lengthen the chain from one iteration to the next.
//! So lanes take in what compares as better, and note beside that whether they have seen a NaN.

use super::vectorize::Widen;
use rustorch_ir::loops::{BinOp, Block, Carried, CastOp, CmpOp, Combine, Elem, Inst, Kernel, Ty, Val};

/// What a carried value takes in, if that is a minimum or maximum of floats as [`Combine`] says it.
pub fn extreme(kernel: &Kernel, c: &Carried) -> Option<Val> {
    let max = match c.combine? {
        Combine::Min => false,
        Combine::Max => true,
        _ => return None,
    };
    let &Inst::Select(take, x, acc) = kernel.inst(c.next) else { return None };
    let &Inst::Bin(BinOp::Or, better, nan) = kernel.inst(take) else { return None };
    let order = if max { Inst::Cmp(CmpOp::Lt, acc, x) } else { Inst::Cmp(CmpOp::Lt, x, acc) };
    let known = *kernel.inst(better) == order && *kernel.inst(nan) == Inst::Cmp(CmpOp::Ne, x, x);
    (acc == c.phi && known && kernel.ty(x).elem.is_float()).then_some(x)
}

impl Widen<'_> {
    /// Makes an accumulator of a minimum or maximum take in `x` by comparison alone; gives another one, in which
    /// lanes note that they have seen a NaN. It takes the place of choosing the NaN each time.
    pub(super) fn extreme(
        &mut self,
        new: &mut Carried,
        x: Val,
        lanes: u16,
        body: &mut Block,
        out: &mut Block,
    ) -> Carried {
        let (wide, mask) = (self.insts[new.phi.0 as usize].1, Ty::MASK.with_lanes(lanes));
        let x = self.wide(x, lanes, body);
        let (a, b) = if new.combine == Some(Combine::Min) { (x, new.phi) } else { (new.phi, x) };
        let better = self.emit(Inst::Cmp(CmpOp::Lt, a, b), mask, body);
        new.next = self.emit(Inst::Select(better, x, new.phi), wide, body);
        new.combine = None;
        if wide.elem == Elem::F32 {
            // By integers, which run beside the comparison: the largest magnitude seen.
            let bits = Ty { elem: Elem::I32, lanes };
            let zero = self.constant(Elem::I32, 0);
            let init = self.emit(Inst::Splat(zero), bits, out);
            let magnitude = self.constant(Elem::I32, i32::MAX as u64);
            let magnitude = self.emit(Inst::Splat(magnitude), bits, out);
            let (phi, result) = (self.define(bits), self.define(bits));
            let own = self.emit(Inst::Cast(CastOp::Bits, x), bits, body);
            let own = self.emit(Inst::Bin(BinOp::And, own, magnitude), bits, body);
            let next = self.emit(Inst::Bin(BinOp::Max, phi, own), bits, body);
            return Carried { phi, init, next, result, combine: Some(Combine::Max) };
        }
        let none = self.constant(Elem::Mask, 0);
        let init = self.emit(Inst::Splat(none), mask, out);
        let (phi, result) = (self.define(mask), self.define(mask));
        let nan = self.emit(Inst::Cmp(CmpOp::Ne, x, x), mask, body);
        let next = self.emit(Inst::Bin(BinOp::Or, phi, nan), mask, body);
        Carried { phi, init, next, result, combine: Some(Combine::Or) }
    }

    /// The accumulator's lanes, NaN where one was seen.
    pub(super) fn unless_nan(&mut self, most: Val, seen: Val, out: &mut Block) -> Val {
        let ty = self.insts[most.0 as usize].1;
        let nan = if ty.elem == Elem::F64 { f64::NAN.to_bits() } else { f32::NAN.to_bits() as u64 };
        let nan = self.constant(ty.elem, nan);
        let nan = self.emit(Inst::Splat(nan), ty, out);
        let seen_ty = self.insts[seen.0 as usize].1;
        let mut seen = seen;
        if seen_ty.elem == Elem::I32 {
            let infinity = self.constant(Elem::I32, f32::INFINITY.to_bits() as u64);
            let infinity = self.emit(Inst::Splat(infinity), seen_ty, out);
            let mask = Ty::MASK.with_lanes(seen_ty.lanes);
            seen = self.emit(Inst::Cmp(CmpOp::Lt, infinity, seen), mask, out);
        }
        self.emit(Inst::Select(seen, nan, most), ty, out)
    }
}
