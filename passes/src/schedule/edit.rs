//! Adding to a kernel.

use rustorch_ir::loops::{Block, CmpOp, Inst, Kernel, Stmt, Ty, Val};
use smallvec::SmallVec;

/// A new value, which stands in no block yet.
pub fn add(k: &mut Kernel, inst: Inst, ty: Ty) -> Val {
    k.insts.push((inst, ty));
    Val(k.insts.len() as u32 - 1)
}

/// A new value at the end of a block.
pub fn put(k: &mut Kernel, inst: Inst, ty: Ty, out: &mut Block) -> Val {
    let v = add(k, inst, ty);
    out.push(Stmt::Let(v));
    v
}

/// The smaller of `from + by` and `end`.
pub fn capped(k: &mut Kernel, from: Val, by: i64, end: Val, out: &mut Block) -> Val {
    let past = put(k, Inst::Affine { terms: SmallVec::from_slice(&[(from, 1)]), offset: by }, Ty::I64, out);
    let beyond = put(k, Inst::Cmp(CmpOp::Lt, end, past), Ty::MASK, out);
    put(k, Inst::Select(beyond, end, past), Ty::I64, out)
}
