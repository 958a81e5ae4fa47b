//! Folds: loops in lanes that do nothing but combine what they read go to the host's vector routines.
//!
//! Their registers are wider than those of the code that would stand here, and widen 16 bits as they load. They
//! combine the same lanes in the same order, so the bits are the same.

use super::edit::{distance, index_at, walks};
use super::trip_count;
use rustorch_ir::DType;
use rustorch_ir::loops::build::operands;
use rustorch_ir::loops::{
    Addr, BinOp, Block, Buf, CastOp, CmpOp, Combine, For, Inst, Kernel, Stmt, Stretch, Ty, Val,
};

/// Shorter loops, in elements, are over before a call would be.
const FEW: u64 = 128;

/// What a loop folds.
struct Folded {
    combine: Combine,
    lanes: u16,
    buf: Buf,
    index: Val,
    /// The reduction over the lanes behind the loop.
    total: Val,
}

/// Puts a routine in the place of the loop, if it is one that a routine can do: what stands before its result goes to
/// `out`. Whether it was.
pub fn fold(
    k: &mut Kernel,
    f: &For,
    has_fold: &dyn Fn(Combine, DType, u16) -> bool,
    out: &mut Block,
) -> bool {
    let Some(folded) = recognise(k, f) else { return false };
    let Folded { combine, lanes, buf, index, total } = folded;
    if !has_fold(combine, k.params[buf.0 as usize].mem, lanes) {
        return false;
    }
    let at = index_at(k, f, index, f.begin, out);
    let count = distance(k, f.begin, f.end, out);
    k.insts[total.0 as usize].0 = Inst::Fold { combine, lanes, src: Stretch { buf, at: Some(at) }, count };
    true
}

fn recognise(k: &Kernel, f: &For) -> Option<Folded> {
    let acc = f.carried.first()?;
    let Ty { elem, lanes } = k.ty(acc.phi);
    let whole = elem.is_float() && lanes > 1 && f.step == i64::from(lanes);
    let long = trip_count(k, f).is_none_or(|n| n * u64::from(lanes) >= FEW);
    if !whole || !long || !f.body.iter().all(|s| matches!(s, Stmt::Let(_))) {
        return None;
    }
    let (combine, x, result) = match *k.inst(acc.next) {
        Inst::Bin(BinOp::Add, a, x) if a == acc.phi => (Combine::Add, x, acc.result),
        Inst::Bin(BinOp::Mul, a, x) if a == acc.phi => (Combine::Mul, x, acc.result),
        // An extreme, which notes beside it that it has seen a NaN.
        Inst::Select(better, x, a) if a == acc.phi => {
            let combine = match *k.inst(better) {
                Inst::Cmp(CmpOp::Lt, p, q) if p == a && q == x => Combine::Max,
                Inst::Cmp(CmpOp::Lt, p, q) if p == x && q == a => Combine::Min,
                _ => return None,
            };
            (combine, x, only_user(k, acc.result)?)
        }
        _ => return None,
    };
    let alone = f.carried.len() == if matches!(combine, Combine::Add | Combine::Mul) { 1 } else { 2 };
    let (buf, index) = source(k, x)?;
    let total = only_user(k, result)?;
    let reduced = *k.inst(total) == Inst::ReduceLanes(combine, result);
    let neutral = match *k.inst(acc.init) {
        Inst::Splat(scalar) => *k.inst(scalar) == Inst::Const(combine.neutral(elem)),
        _ => false,
    };
    (alone && reduced && neutral && walks(k, f, lanes, index)).then_some(Folded {
        combine,
        lanes,
        buf,
        index,
        total,
    })
}

/// Where a value that is loaded, at most widened, comes from.
pub fn source(k: &Kernel, x: Val) -> Option<(Buf, Val)> {
    let loaded = |v: Val, wanted: &[DType]| match *k.inst(v) {
        Inst::Load { buf, mem, addr: Addr::Unit(index) } if wanted.contains(&mem) => Some((buf, index)),
        _ => None,
    };
    match k.inst(x) {
        Inst::Load { .. } => loaded(x, &[DType::F32, DType::F64]),
        Inst::Math("f16_to_f32", args) => loaded(args[0], &[DType::F16]),
        Inst::Cast(CastOp::Bits, bits) => match *k.inst(*bits) {
            Inst::Bin(BinOp::Shl, half, by) => {
                let by = if let Inst::Splat(scalar) = *k.inst(by) { scalar } else { by };
                loaded(half, &[DType::BF16]).filter(|_| *k.inst(by) == Inst::Const(16))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The one instruction that reads a value.
fn only_user(k: &Kernel, v: Val) -> Option<Val> {
    let mut found = None;
    for (at, (inst, _)) in k.insts.iter().enumerate() {
        let mut reads = false;
        operands(inst, |o| reads |= o == v);
        if reads && found.replace(Val(at as u32)).is_some() {
            return None;
        }
    }
    found
}
