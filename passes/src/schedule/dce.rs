//! Instructions whose results nobody uses go.

use rustorch_ir::loops::build::operands;
use rustorch_ir::loops::{Block, Kernel, Stmt, Val};

/// Removes unused instructions, unused carried values and loops that do nothing.
pub fn remove_dead(kernel: &mut Kernel) {
    let mut body = std::mem::take(&mut kernel.body);
    loop {
        let mut used = vec![false; kernel.insts.len()];
        mark_block(kernel, &body, &mut used);
        if !sweep(&mut body, &used) {
            break;
        }
    }
    kernel.body = body;
}

/// Marks what the statements need, whether or not those statements themselves are needed: a pass over
/// shrinking code reaches the fixed point.
fn mark_block(kernel: &Kernel, block: &Block, used: &mut [bool]) {
    let mut mark = |v: Val| used[v.0 as usize] = true;
    for stmt in block {
        match stmt {
            Stmt::Let(v) => operands(kernel.inst(*v), &mut mark),
            Stmt::Store { addr, value, .. } => {
                mark(addr.index());
                mark(*value);
            }
            Stmt::Check { ok, detail, .. } => {
                mark(*ok);
                mark(*detail);
            }
            Stmt::Strip { src, dst, count, .. } => {
                mark(*count);
                src.iter().chain([dst]).filter_map(|s| s.at).for_each(&mut mark);
            }
            Stmt::FoldRows { src, rows, count, .. } => {
                [*rows, *count].into_iter().chain(src.at).for_each(&mut mark);
            }
            Stmt::For(f) => {
                mark(f.begin);
                mark(f.end);
                for c in &f.carried {
                    mark(c.init);
                    mark(c.next);
                }
            }
        }
    }
    for stmt in block {
        if let Stmt::For(f) = stmt {
            mark_block(kernel, &f.body, used);
        }
    }
}

fn sweep(block: &mut Block, used: &[bool]) -> bool {
    let mut changed = false;
    block.retain_mut(|stmt| {
        let keep = match stmt {
            Stmt::Let(v) => used[v.0 as usize],
            Stmt::For(f) => {
                changed |= sweep(&mut f.body, used);
                let before = f.carried.len();
                f.carried.retain(|c| used[c.result.0 as usize] || used[c.phi.0 as usize]);
                changed |= before != f.carried.len();
                let results = f.carried.iter().any(|c| used[c.result.0 as usize]);
                results || has_effect(&f.body)
            }
            _ => true,
        };
        changed |= !keep;
        keep
    });
    changed
}

fn has_effect(block: &[Stmt]) -> bool {
    block.iter().any(|s| match s {
        Stmt::Let(_) => false,
        Stmt::For(f) => has_effect(&f.body),
        Stmt::Store { .. } | Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => true,
    })
}
