//! LoopIR to LoopIR: which loops become lanes, and what is dead.

mod columns;
mod cost;
mod dce;
mod edit;
mod extremes;
mod folds;
mod rare;
mod running;
mod strips;
mod transpose;
mod vectorize;

pub use columns::tile_columns;
pub use cost::work;
pub use dce::remove_dead;
pub use rare::look_ahead;
pub use running::block_running;
pub use strips::strip_mine;
pub use transpose::block_transpositions;
pub use vectorize::vectorize;

use rustorch_ir::loops::build::operands;
use rustorch_ir::loops::{Block, For, Kernel, Stmt, Val};

/// Which values vary with a loop's variable inside that loop.
pub(crate) struct Varying {
    set: Vec<bool>,
}

impl Varying {
    pub fn of(kernel: &Kernel, l: &For) -> Varying {
        let mut v = Varying { set: vec![false; kernel.insts.len()] };
        v.set[l.var.0 as usize] = true;
        for c in l.carried.iter().filter(|c| c.combine.is_some()) {
            v.set[c.phi.0 as usize] = true;
        }
        // Carried values of inner loops may turn out to vary only at the end of their body.
        while v.block(kernel, &l.body) {}
        v
    }

    pub fn get(&self, v: Val) -> bool {
        self.set[v.0 as usize]
    }

    fn mark(&mut self, v: Val) -> bool {
        !std::mem::replace(&mut self.set[v.0 as usize], true)
    }

    fn block(&mut self, kernel: &Kernel, block: &Block) -> bool {
        let mut changed = false;
        for stmt in block {
            match stmt {
                Stmt::Let(v) => {
                    let mut any = false;
                    operands(kernel.inst(*v), |o| any |= self.get(o));
                    changed |= any && self.mark(*v);
                }
                Stmt::For(f) => {
                    for c in &f.carried {
                        if self.get(c.init) || self.get(c.next) {
                            changed |= self.mark(c.phi) | self.mark(c.result);
                        }
                    }
                    changed |= self.block(kernel, &f.body);
                }
                Stmt::Store { .. } | Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => {}
            }
        }
        changed
    }
}

/// By how much an index changes from one iteration of a loop to the next; `None` when not by a constant.
pub(crate) fn stride(kernel: &Kernel, varying: &Varying, l: &For, index: Val) -> Option<i64> {
    if !varying.get(index) {
        return Some(0);
    }
    if index == l.var {
        return Some(l.step);
    }
    match kernel.inst(index) {
        rustorch_ir::loops::Inst::Affine { terms, .. } => {
            terms.iter().try_fold(0, |sum, &(v, c)| Some(sum + c * stride(kernel, varying, l, v)?))
        }
        _ => None,
    }
}

/// Whether what a loop has combined so far is read in the loop itself, and not only behind it.
pub(crate) fn reads_in_passing(kernel: &Kernel, l: &For) -> bool {
    fn reads(kernel: &Kernel, block: &Block, v: Val) -> bool {
        block.iter().any(|s| match s {
            Stmt::Let(x) => {
                let mut any = false;
                operands(kernel.inst(*x), |o| any |= o == v);
                any
            }
            Stmt::For(f) => {
                f.begin == v
                    || f.end == v
                    || f.carried.iter().any(|c| c.init == v)
                    || reads(kernel, &f.body, v)
            }
            Stmt::Store { addr, value, .. } => addr.index() == v || *value == v,
            Stmt::Check { ok, detail, .. } => *ok == v || *detail == v,
            Stmt::Strip { src, dst, count, .. } => {
                *count == v || dst.at == Some(v) || src.iter().any(|s| s.at == Some(v))
            }
            Stmt::FoldRows { src, rows, count, .. } => src.at == Some(v) || *rows == v || *count == v,
        })
    }
    l.carried.iter().any(|c| reads(kernel, &l.body, c.next))
}

/// The loops directly inside a block.
pub(crate) fn inner_loops(block: &Block) -> impl Iterator<Item = &For> {
    block.iter().filter_map(|s| match s {
        Stmt::For(f) => Some(&**f),
        _ => None,
    })
}

/// The number of iterations of a loop with constant bounds.
pub(crate) fn trip_count(kernel: &Kernel, l: &For) -> Option<u64> {
    let constant = |v: Val| match kernel.inst(v) {
        rustorch_ir::loops::Inst::Const(c) => Some(*c as i64),
        _ => None,
    };
    let (begin, end) = (constant(l.begin)?, constant(l.end)?);
    Some((end - begin).max(0) as u64 / l.step as u64)
}
