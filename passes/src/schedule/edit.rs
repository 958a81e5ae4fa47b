//! Adding to a kernel, and renaming in it.

use rustc_hash::FxHashMap;
use rustorch_ir::loops::{Addr, Block, CmpOp, For, Inst, Kernel, Stmt, Ty, Val};
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

/// `to - from`.
pub fn distance(k: &mut Kernel, from: Val, to: Val, out: &mut Block) -> Val {
    let mut terms: SmallVec<[(Val, i64); 4]> = SmallVec::from_slice(&[(from, -1), (to, 1)]);
    terms.sort_unstable_by_key(|t| t.0);
    put(k, Inst::Affine { terms, offset: 0 }, Ty::I64, out)
}

/// Gives a loop back, or puts something else into the block.
type Change<'a> = dyn FnMut(&mut Kernel, Box<For>, &mut Block) -> Option<Box<For>> + 'a;

/// The block with loops replaced, outer ones first.
pub fn replace_loops(k: &mut Kernel, body: Block, change: &mut Change<'_>) -> Block {
    let mut out = Vec::with_capacity(body.len());
    for stmt in body {
        let Stmt::For(f) = stmt else {
            out.push(stmt);
            continue;
        };
        if let Some(mut f) = change(k, f, &mut out) {
            f.body = replace_loops(k, std::mem::take(&mut f.body), change);
            out.push(Stmt::For(f));
        }
    }
    out
}

/// Whether an index runs over element after element as a loop in lanes does, from what stands before the loop.
pub fn walks(k: &Kernel, f: &For, lanes: u16, index: Val) -> bool {
    let per_iteration = i64::from(lanes);
    match k.inst(index) {
        _ if index == f.var => f.step == per_iteration,
        Inst::Affine { terms, .. } => {
            let inner = |v: Val| f.body.iter().any(|s| matches!(s, Stmt::Let(x) if *x == v));
            terms.iter().any(|&(v, c)| v == f.var && c * f.step == per_iteration)
                && !terms.iter().any(|&(v, _)| inner(v))
        }
        _ => false,
    }
}

/// An index that walks, at the iteration `origin`.
pub fn index_at(k: &mut Kernel, f: &For, index: Val, origin: Val, out: &mut Block) -> Val {
    let Inst::Affine { terms, offset } = k.inst(index).clone() else { return origin };
    let mut moved: SmallVec<[(Val, i64); 4]> = SmallVec::new();
    for (v, c) in terms {
        let v = if v == f.var { origin } else { v };
        // The origin may be a term already.
        match moved.iter_mut().find(|t| t.0 == v) {
            Some(term) => term.1 += c,
            None => moved.push((v, c)),
        }
    }
    moved.retain(|t| t.1 != 0);
    moved.sort_unstable_by_key(|t| t.0);
    put(k, Inst::Affine { terms: moved, offset }, Ty::I64, out)
}

/// The instruction over the new names of its operands, where they have any.
pub fn rename(inst: &Inst, names: &FxHashMap<Val, Val>) -> Inst {
    map_operands(inst, &mut |v| names.get(&v).copied().unwrap_or(v))
}

/// The instruction with each operand replaced.
pub fn map_operands(inst: &Inst, f: &mut dyn FnMut(Val) -> Val) -> Inst {
    match inst {
        Inst::Const(_) | Inst::Defined | Inst::Scalar(_) => inst.clone(),
        Inst::Affine { terms, offset } => {
            let mut terms: SmallVec<[(Val, i64); 4]> = terms.iter().map(|&(v, c)| (f(v), c)).collect();
            terms.sort_unstable_by_key(|t| t.0);
            Inst::Affine { terms, offset: *offset }
        }
        Inst::Bin(op, a, b) => Inst::Bin(*op, f(*a), f(*b)),
        Inst::Cmp(op, a, b) => Inst::Cmp(*op, f(*a), f(*b)),
        Inst::Un(op, a) => Inst::Un(*op, f(*a)),
        Inst::Cast(op, a) => Inst::Cast(*op, f(*a)),
        Inst::Splat(a) => Inst::Splat(f(*a)),
        Inst::Ramp(a, s) => Inst::Ramp(f(*a), *s),
        Inst::Fold { combine, lanes, src, count } => {
            Inst::Fold { combine: *combine, lanes: *lanes, src: src.map(&mut *f), count: f(*count) }
        }
        Inst::ReduceLanes(op, a) => Inst::ReduceLanes(*op, f(*a)),
        Inst::Table(name, a) => Inst::Table(name, f(*a)),
        Inst::Math(name, args) => Inst::Math(name, args.iter().map(|&a| f(a)).collect()),
        Inst::Select(a, b, c) => Inst::Select(f(*a), f(*b), f(*c)),
        Inst::Fma(a, b, c) => Inst::Fma(f(*a), f(*b), f(*c)),
        Inst::Load { buf, mem, addr } => {
            let addr = match *addr {
                Addr::Unit(v) => Addr::Unit(f(v)),
                Addr::Strided(v, s) => Addr::Strided(f(v), s),
                Addr::Lanes(v) => Addr::Lanes(f(v)),
            };
            Inst::Load { buf: *buf, mem: *mem, addr }
        }
    }
}
