//! Loops that rarely change what they carry: stretches that leave it as it is run in lanes.
//!
//! A running extremum keeps its value and place until an element takes over, and each iteration waits for the last one's
//! comparison. Where all that a loop carries is replaced under one condition, a stretch of iterations is first
//! looked at side by side, with what was carried before it: if the condition holds nowhere, then nor does it one
//! by one, and the stores that this look has made are right. Otherwise the stretch runs again as it was.

use super::edit::{add, put, rename, replace_loops};
use super::{Varying, stride, trip_count};
use rustc_hash::FxHashMap;
use rustorch_ir::loops::{
    Addr, BinOp, Block, Carried, CastOp, Combine, For, Inst, Kernel, Role, Stmt, Ty, Val,
};
use smallvec::SmallVec;

/// Iterations that are looked at side by side.
const STRETCH: i64 = 32;

/// Rewrites the innermost loops that rarely change what they carry.
pub fn look_ahead(kernel: Kernel) -> Kernel {
    let mut k = kernel;
    let body = std::mem::take(&mut k.body);
    k.body = replace_loops(&mut k, body, &mut |k, f, out| match condition(k, &f) {
        Some(found) => {
            stretches(k, *f, found, out);
            None
        }
        None => Some(f),
    });
    k
}

/// The condition under which a loop changes what it carries, if there is one for all of it, and the rest can be done
/// in any order.
fn condition(k: &Kernel, f: &For) -> Option<Val> {
    let first = f.carried.first()?;
    let &Inst::Select(takes, ..) = k.inst(first.next) else { return None };
    // What may be regrouped runs in lanes by itself.
    let kept = |c: &Carried| {
        let same = matches!(*k.inst(c.next), Inst::Select(m, _, old) if m == takes && old == c.phi);
        same && c.combine.is_none()
    };
    let long = f.step == 1 && trip_count(k, f).is_some_and(|n| n >= 2 * STRETCH as u64);
    let varying = Varying::of(k, f);
    let step = |addr: &Addr| stride(k, &varying, f, addr.index());
    let plain = |s: &Stmt| match s {
        Stmt::Let(v) => match k.inst(*v) {
            Inst::Load { buf, addr, .. } => {
                k.params[buf.0 as usize].role == Role::In && matches!(step(addr), Some(0 | 1))
            }
            Inst::Math(..) => false,
            _ => true,
        },
        Stmt::Store { addr, .. } => step(addr) == Some(1),
        _ => false,
    };
    (long && f.carried.iter().all(kept) && f.body.iter().all(plain)).then_some(takes)
}

/// The loop over stretches, and the loop as it was over what these leave.
fn stretches(k: &mut Kernel, f: For, takes: Val, out: &mut Block) {
    let trips = trip_count(k, &f).expect("constant bounds") as i64;
    let Inst::Const(begin) = *k.inst(f.begin) else { unreachable!("constant bounds") };
    let rest = trips % STRETCH;
    let (zero, side) = (add(k, Inst::Const(0), Ty::I64), add(k, Inst::Const(STRETCH as u64), Ty::I64));
    let stop = add(k, Inst::Const(begin.wrapping_add((trips - rest) as u64)), Ty::I64);
    let first = add(k, Inst::Defined, Ty::I64);
    let defined = |k: &mut Kernel| -> Vec<Val> {
        f.carried.iter().map(|c| add(k, Inst::Defined, k.ty(c.phi))).collect()
    };
    let found = defined(k);
    let mut body = Vec::new();

    // The look: what is carried stays as it was found.
    let mut look = Vec::new();
    let (var, mut names) = iteration(k, &f, first, &mut look);
    for (c, &v) in f.carried.iter().zip(&found) {
        names.extend([(c.phi, v), (c.next, v)]);
    }
    copied(k, &f, &mut names, true, &mut look);
    let (phi, result) = (add(k, Inst::Defined, Ty::MASK), add(k, Inst::Defined, Ty::MASK));
    let next = put(k, Inst::Bin(BinOp::Or, phi, names[&takes]), Ty::MASK, &mut look);
    let init = add(k, Inst::Const(0), Ty::MASK);
    let any = Carried { phi, init, next, result, combine: Some(Combine::Or) };
    let carried = vec![any];
    body.push(Stmt::For(Box::new(For { var, begin: zero, end: side, step: 1, carried, body: look })));

    // The stretch again, if the look has found anything.
    let (outer, inner) = (defined(k), defined(k));
    let (left, again_left) = (defined(k), defined(k));
    let mut again = Vec::new();
    let (var, mut names) = iteration(k, &f, first, &mut again);
    names.extend(f.carried.iter().map(|c| c.phi).zip(inner.iter().copied()));
    copied(k, &f, &mut names, false, &mut again);
    let carry = |phis: &[Val], inits: &[Val], nexts: &[Val], results: &[Val]| -> Vec<Carried> {
        (0..phis.len())
            .map(|i| Carried {
                phi: phis[i],
                init: inits[i],
                next: nexts[i],
                result: results[i],
                combine: None,
            })
            .collect()
    };
    let nexts: Vec<Val> = f.carried.iter().map(|c| names[&c.next]).collect();
    let carried = carry(&inner, &outer, &nexts, &left);
    let once = For { var, begin: zero, end: side, step: 1, carried, body: again };
    let wanted = put(k, Inst::Cast(CastOp::MaskToInt, result), Ty::I64, &mut body);
    let var = add(k, Inst::Defined, Ty::I64);
    let carried = carry(&outer, &found, &left, &again_left);
    let once = vec![Stmt::For(Box::new(once))];
    body.push(Stmt::For(Box::new(For { var, begin: zero, end: wanted, step: 1, carried, body: once })));

    let results = if rest == 0 { f.carried.iter().map(|c| c.result).collect() } else { defined(k) };
    let inits: Vec<Val> = f.carried.iter().map(|c| c.init).collect();
    let carried = carry(&found, &inits, &again_left, &results);
    let (begin, step) = (f.begin, STRETCH);
    out.push(Stmt::For(Box::new(For { var: first, begin, end: stop, step, carried, body })));
    if rest > 0 {
        let carried = f.carried.iter().zip(results).map(|(c, init)| Carried { init, ..*c }).collect();
        out.push(Stmt::For(Box::new(For { begin: stop, carried, ..f })));
    }
}

/// The variable of a loop within the stretch from `first` on, and the names under which it goes on as `f` would.
fn iteration(k: &mut Kernel, f: &For, first: Val, out: &mut Block) -> (Val, FxHashMap<Val, Val>) {
    let var = add(k, Inst::Defined, Ty::I64);
    let mut terms: SmallVec<[(Val, i64); 4]> = SmallVec::from_slice(&[(first, 1), (var, 1)]);
    terms.sort_unstable_by_key(|t| t.0);
    let at = put(k, Inst::Affine { terms, offset: 0 }, Ty::I64, out);
    (var, FxHashMap::from_iter([(f.var, at)]))
}

/// A copy of the loop's body under other names; with `kept` what is carried has no next value.
fn copied(k: &mut Kernel, f: &For, names: &mut FxHashMap<Val, Val>, kept: bool, out: &mut Block) {
    for stmt in &f.body {
        let to = |names: &FxHashMap<Val, Val>, v: Val| names.get(&v).copied().unwrap_or(v);
        match stmt {
            Stmt::Let(v) if kept && f.carried.iter().any(|c| c.next == *v) => {}
            Stmt::Let(v) => {
                let (inst, ty) = k.insts[v.0 as usize].clone();
                let new = put(k, rename(&inst, names), ty, out);
                names.insert(*v, new);
            }
            Stmt::Store { buf, mem, addr, value } => {
                let addr = Addr::Unit(to(names, addr.index()));
                out.push(Stmt::Store { buf: *buf, mem: *mem, addr, value: to(names, *value) });
            }
            Stmt::For(_) | Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => {
                unreachable!("the loop is plain")
            }
        }
    }
}
