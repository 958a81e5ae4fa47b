//! What it costs to run a loop in lanes.

use super::{Varying, inner_loops, stride, trip_count};
use rustorch_ir::loops::{Addr, Block, For, Inst, Kernel, Stmt, Val};

/// What a function of the table of expansions costs, in instructions.
const MATH: f64 = 20.0;
/// Iterations assumed of a loop whose bounds are known only at run time.
const UNKNOWN: f64 = 256.0;

/// Whether the iterations of `l` can run side by side in lanes.
pub fn can_vectorize(kernel: &Kernel, l: &For) -> bool {
    if l.step != 1 || l.carried.iter().any(|c| c.combine.is_none()) {
        return false;
    }
    let varying = Varying::of(kernel, l);
    block_allows(kernel, l, &varying, &l.body)
}

fn block_allows(kernel: &Kernel, l: &For, varying: &Varying, block: &Block) -> bool {
    block.iter().all(|stmt| match stmt {
        Stmt::Let(v) => match kernel.inst(*v) {
            // A read of a buffer that is written here: only in step with the lanes.
            Inst::Load { buf, addr, .. }
                if kernel.params[buf.0 as usize].role != rustorch_ir::loops::Role::In =>
            {
                stride(kernel, varying, l, addr.index()).is_some_and(|s| s != 0)
            }
            _ => true,
        },
        Stmt::Store { addr, .. } => match addr {
            // Lanes must not write over each other.
            Addr::Unit(index) => stride(kernel, varying, l, *index).is_some_and(|s| s != 0),
            _ => false,
        },
        Stmt::Check { .. } => true,
        Stmt::Strip { .. } => false,
        Stmt::For(f) => {
            !varying.get(f.begin) && !varying.get(f.end) && block_allows(kernel, l, varying, &f.body)
        }
    })
}

/// An estimate of the time of a loop nest if `l` runs in lanes (`Some`) or nothing in it does (`None`).
pub fn nest_cost(kernel: &Kernel, l: &For, lanes_of: Option<&For>) -> f64 {
    let varying = lanes_of.map(|v| (v, Varying::of(kernel, v)));
    let trips = trip_count(kernel, l).map_or(UNKNOWN, |n| n as f64);
    trips * block_cost(kernel, &l.body, varying.as_ref())
}

fn block_cost(kernel: &Kernel, block: &Block, lanes: Option<&(&For, Varying)>) -> f64 {
    block.iter().map(|s| stmt_cost(kernel, s, lanes)).sum()
}

/// Per iteration; an instruction that runs in lanes costs a quarter, one that gathers lanes more than one.
fn stmt_cost(kernel: &Kernel, stmt: &Stmt, lanes: Option<&(&For, Varying)>) -> f64 {
    let access = |index: Val| match lanes {
        None => 1.0,
        Some((l, varying)) => match stride(kernel, varying, l, index) {
            Some(1) => 0.25,
            Some(0) => 0.25,
            _ => 1.5,
        },
    };
    let compute = |v: Val| match lanes {
        Some((_, varying)) if varying.get(v) => 0.25,
        Some(_) => 0.1,
        None => 1.0,
    };
    match stmt {
        Stmt::Let(v) => match kernel.inst(*v) {
            Inst::Load { addr, .. } => access(addr.index()),
            Inst::Affine { .. } => 0.1,
            Inst::Math(..) => MATH * compute(*v),
            _ => compute(*v),
        },
        Stmt::Store { addr, .. } => access(addr.index()),
        Stmt::Check { .. } | Stmt::Strip { .. } => 1.0,
        Stmt::For(f) => {
            let trips = trip_count(kernel, f).map_or(UNKNOWN, |n| n as f64);
            trips * block_cost(kernel, &f.body, lanes)
        }
    }
}

/// The cost of a loop whose inner loops each take their own best choice.
pub fn inner_cost(kernel: &Kernel, l: &For, best: &mut dyn FnMut(&For) -> f64) -> f64 {
    let trips = trip_count(kernel, l).map_or(UNKNOWN, |n| n as f64);
    let own: f64 =
        l.body.iter().filter(|s| !matches!(s, Stmt::For(_))).map(|s| stmt_cost(kernel, s, None)).sum();
    trips * (own + inner_loops(&l.body).map(best).sum::<f64>())
}

/// An estimate of the work of a whole kernel, in scalar instructions.
pub fn work(kernel: &Kernel) -> f64 {
    let parallel = kernel.parallel as f64;
    kernel
        .body
        .iter()
        .map(|s| match s {
            Stmt::For(f) if f.end == kernel.end => {
                // Main loop and tail of a parallel loop share its iterations.
                parallel / f.step as f64 * block_cost(kernel, &f.body, None)
            }
            Stmt::For(f) if f.begin == kernel.begin => {
                parallel / f.step as f64 * block_cost(kernel, &f.body, None)
            }
            _ => stmt_cost(kernel, s, None),
        })
        .sum()
}
