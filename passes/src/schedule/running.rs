//! Running combinations: a few elements are combined among themselves before they meet the accumulator.
//!
//! A loop that stores what it has combined so far cannot run in lanes, and each of its iterations waits for the last
//! one's addition. Where the combination may be regrouped, four iterations become one: their elements are
//! combined from the first on, which waits for nobody, and each of these is combined with the accumulator of the
//! four before. So the chain from one accumulator to the next is a quarter as long.

use super::edit::{put, rename, replace_loops};
use super::{edit, reads_in_passing};
use rustc_hash::FxHashMap;
use rustorch_ir::loops::build::operands;
use rustorch_ir::loops::{Addr, BinOp, Block, Carried, Combine, For, Inst, Kernel, Stmt, Ty, Val};
use smallvec::SmallVec;

/// Iterations that become one.
const BLOCK: i64 = 4;

/// Rewrites the loops that store running combinations, one by one.
pub fn block_running(kernel: Kernel) -> Kernel {
    let mut k = kernel;
    let body = std::mem::take(&mut k.body);
    k.body = replace_loops(&mut k, body, &mut |k, f, out| match running(k, &f) {
        Some(found) => {
            blocks(k, *f, found, out);
            None
        }
        None => Some(f),
    });
    k
}

/// How a loop combines, and what with, if it is one to rewrite.
fn running(k: &Kernel, f: &For) -> Option<(BinOp, Val)> {
    let [c] = f.carried.as_slice() else { return None };
    let op = match c.combine? {
        Combine::Add => BinOp::Add,
        Combine::Mul => BinOp::Mul,
        _ => return None,
    };
    let &Inst::Bin(found, acc, x) = k.inst(c.next) else { return None };
    let plain = f.body.iter().all(|s| matches!(s, Stmt::Let(_) | Stmt::Store { .. } | Stmt::Check { .. }));
    let fits = found == op && acc == c.phi && x != c.phi && k.ty(c.phi).lanes == 1;
    (fits && plain && f.step == 1 && reads_in_passing(k, f)).then_some((op, x))
}

/// An index that is a sum, with `by` iterations more of the loop over `var` and `new` in its place.
fn advanced(inst: &Inst, var: Val, new: Val, by: i64) -> Inst {
    let Inst::Affine { terms, offset } = inst else { return inst.clone() };
    let steps = terms.iter().find(|t| t.0 == var).map_or(0, |t| t.1);
    let mut terms: SmallVec<[(Val, i64); 4]> =
        terms.iter().map(|&(v, c)| (if v == var { new } else { v }, c)).collect();
    terms.sort_unstable_by_key(|t| t.0);
    Inst::Affine { terms, offset: offset + steps * by }
}

/// Whether a loop reads its variable otherwise than in sums.
fn reads_by_itself(k: &Kernel, f: &For) -> bool {
    f.body.iter().any(|s| match s {
        Stmt::Let(v) => {
            let mut any = false;
            operands(k.inst(*v), |o| any |= o == f.var);
            any && !matches!(k.inst(*v), Inst::Affine { .. })
        }
        Stmt::Store { addr, value, .. } => addr.index() == f.var || *value == f.var,
        Stmt::Check { ok, detail, .. } => *ok == f.var || *detail == f.var,
        Stmt::For(_) | Stmt::Strip { .. } | Stmt::FoldRows { .. } => true,
    })
}

/// The loop over blocks, and the loop as it was over what these leave.
fn blocks(k: &mut Kernel, f: For, (op, x): (BinOp, Val), out: &mut Block) {
    let c = f.carried[0];
    let ty = k.ty(c.phi);
    let affine = |k: &mut Kernel, mut terms: SmallVec<[(Val, i64); 4]>, offset, out: &mut Block| {
        terms.sort_unstable_by_key(|t| t.0);
        put(k, Inst::Affine { terms, offset }, Ty::I64, out)
    };
    let distance = affine(k, SmallVec::from_slice(&[(f.end, 1), (f.begin, -1)]), 0, out);
    let whole = edit::add(k, Inst::Const(!(BLOCK as u64 - 1)), Ty::I64);
    let full = put(k, Inst::Bin(BinOp::And, distance, whole), Ty::I64, out);
    let stop = affine(k, SmallVec::from_slice(&[(f.begin, 1), (full, 1)]), 0, out);
    let var = edit::add(k, Inst::Defined, Ty::I64);
    let (phi, result) = (edit::add(k, Inst::Defined, ty), edit::add(k, Inst::Defined, ty));
    let by_itself = reads_by_itself(k, &f);
    let mut body = Vec::new();
    let mut among: Option<Val> = None;
    let mut next = phi;
    for turn in 0..BLOCK {
        let own = match turn {
            0 => var,
            _ if !by_itself => f.var,
            _ => affine(k, SmallVec::from_slice(&[(var, 1)]), turn, &mut body),
        };
        let mut names = FxHashMap::from_iter([(f.var, own), (c.phi, phi)]);
        for stmt in &f.body {
            let to = |names: &FxHashMap<Val, Val>, v: Val| names.get(&v).copied().unwrap_or(v);
            match stmt {
                Stmt::Let(v) if *v == c.next => {
                    let x = to(&names, x);
                    let combined = match among {
                        Some(before) => put(k, Inst::Bin(op, before, x), ty, &mut body),
                        None => x,
                    };
                    among = Some(combined);
                    next = put(k, Inst::Bin(op, phi, combined), ty, &mut body);
                    names.insert(*v, next);
                }
                Stmt::Let(v) => {
                    let (inst, ty) = k.insts[v.0 as usize].clone();
                    let inst = rename(&advanced(&inst, f.var, var, turn), &names);
                    let new = put(k, inst, ty, &mut body);
                    names.insert(*v, new);
                }
                Stmt::Store { buf, mem, addr, value } => {
                    let addr = Addr::Unit(to(&names, addr.index()));
                    body.push(Stmt::Store { buf: *buf, mem: *mem, addr, value: to(&names, *value) });
                }
                Stmt::Check { ok, code, detail } => {
                    let (ok, detail) = (to(&names, *ok), to(&names, *detail));
                    body.push(Stmt::Check { ok, code: *code, detail });
                }
                Stmt::For(_) | Stmt::Strip { .. } | Stmt::FoldRows { .. } => {
                    unreachable!("the loop is plain")
                }
            }
        }
    }
    let carried = vec![Carried { phi, init: c.init, next, result, combine: None }];
    out.push(Stmt::For(Box::new(For { var, begin: f.begin, end: stop, step: BLOCK, carried, body })));
    out.push(Stmt::For(Box::new(For {
        begin: stop,
        carried: vec![Carried { init: result, combine: None, ..c }],
        ..f
    })));
}
