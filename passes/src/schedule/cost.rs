//! What it costs to run a loop in lanes.

use super::{Varying, inner_loops, reads_in_passing, stride, trip_count};
use rustc_hash::FxHashMap;
use rustorch_ir::loops::expand::expansion;
use rustorch_ir::loops::{Addr, Block, CastOp, Elem, For, Inst, Kernel, Role, Stmt, Val};
use std::cell::RefCell;

/// What it costs to take a lane's index out of its register and to put what lies there into another, where a loop one
/// by one has a plain access.
const GATHERED: f64 = 6.0;
/// What an instruction of a function's expansion costs, which mostly runs in registers wider than the lanes' own.
const IN_ROUTINE: f64 = 0.5;
/// Iterations assumed of a loop whose bounds are known only at run time: of a chunk of a long reduction in its lanes.
const UNKNOWN: f64 = 512.0;
/// Iterations assumed of a loop that runs once if some lane wants it: see `LoopBuilder::if_ever`.
const RARE: f64 = 1.0 / 64.0;

/// Whether the iterations of `l` can run side by side in lanes.
pub fn can_vectorize(kernel: &Kernel, l: &For) -> bool {
    if l.step != 1 || l.carried.iter().any(|c| c.combine.is_none()) || reads_in_passing(kernel, l) {
        return false;
    }
    let varying = Varying::of(kernel, l);
    block_allows(kernel, l, &varying, &l.body, false)
}

/// `in_order`: within a loop that carries values.
fn block_allows(kernel: &Kernel, l: &For, varying: &Varying, block: &Block, in_order: bool) -> bool {
    block.iter().all(|stmt| match stmt {
        Stmt::Let(v) => match kernel.inst(*v) {
            // A read of a buffer that is written here: only in step with the lanes.
            Inst::Load { buf, addr, .. } if kernel.params[buf.0 as usize].role != Role::In => {
                stride(kernel, varying, l, addr.index()).is_some_and(|s| s != 0)
            }
            _ => true,
        },
        Stmt::Store { addr, .. } => match addr {
            // Lanes must not write over each other. A store for each step of a loop in order would write as many
            // rows at once as there are lanes, a cache line of each: one row after the other is faster.
            Addr::Unit(index) => {
                stride(kernel, varying, l, *index).is_some_and(|s| if in_order { s == 1 } else { s != 0 })
            }
            _ => false,
        },
        Stmt::Check { .. } => true,
        Stmt::Strip { .. } | Stmt::FoldRows { .. } => false,
        Stmt::For(f) => {
            let in_order = in_order || !f.carried.is_empty();
            !varying.get(f.begin)
                && !varying.get(f.end)
                && block_allows(kernel, l, varying, &f.body, in_order)
        }
    })
}

/// Where a loop stands: what its bounds are known from when they are not constants.
#[derive(Clone, Copy)]
struct Around<'a> {
    outer: &'a For,
    up: Option<&'a Around<'a>>,
}

/// The iterations of a loop, exactly or as it seems: a loop from the variable of one around it walks a step of
/// that, and one that begins where its neighbour ends walks what is left of a step.
fn trips(kernel: &Kernel, l: &For, before: Option<&For>, around: Option<&Around<'_>>) -> f64 {
    if let Some(n) = trip_count(kernel, l) {
        return n as f64;
    }
    if matches!(kernel.inst(l.end), Inst::Cast(CastOp::MaskToInt, _)) {
        return RARE;
    }
    let mut scope = around;
    while let Some(a) = scope {
        if a.outer.var == l.begin {
            return a.outer.step as f64 / l.step as f64;
        }
        scope = a.up;
    }
    match before {
        Some(b) if b.end == l.begin && b.step > l.step => b.step as f64 / l.step as f64 / 2.0,
        _ => UNKNOWN,
    }
}

/// The loop that some loop runs in lanes of, and what varies with it.
type Lanes<'a> = Option<&'a (&'a For, Varying)>;

/// An estimate of the time of a loop nest if `l` runs in lanes (`Some`) or nothing in it does (`None`).
pub fn nest_cost(kernel: &Kernel, l: &For, lanes_of: Option<&For>) -> f64 {
    let varying = lanes_of.map(|v| (v, Varying::of(kernel, v)));
    loop_cost(kernel, l, varying.as_ref(), None, None)
}

fn loop_cost(
    kernel: &Kernel,
    l: &For,
    lanes: Lanes<'_>,
    before: Option<&For>,
    around: Option<&Around<'_>>,
) -> f64 {
    let inside = Around { outer: l, up: around };
    trips(kernel, l, before, around) * block_cost(kernel, &l.body, lanes, Some(&inside))
}

fn block_cost(kernel: &Kernel, block: &Block, lanes: Lanes<'_>, around: Option<&Around<'_>>) -> f64 {
    let mut before = None;
    let mut cost = 0.0;
    for stmt in block {
        match stmt {
            Stmt::For(f) => {
                cost += loop_cost(kernel, f, lanes, before, around);
                before = Some(&**f);
            }
            other => cost += stmt_cost(kernel, other, lanes),
        }
    }
    cost
}

/// Per iteration; an instruction that runs in lanes costs a quarter, one that gathers lanes more than one.
fn stmt_cost(kernel: &Kernel, stmt: &Stmt, lanes: Lanes<'_>) -> f64 {
    let access = |index: Val| match lanes {
        None => 1.0,
        Some((l, varying)) => match stride(kernel, varying, l, index) {
            Some(0 | 1) => 0.25,
            Some(_) => 1.5,
            None => GATHERED,
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
            Inst::Math(name, _) => math_cost(name, kernel.ty(*v).elem) * compute(*v),
            _ => compute(*v),
        },
        Stmt::Store { addr, .. } => access(addr.index()),
        Stmt::Check { .. } => 1.0,
        Stmt::Strip { .. } => 1.0,
        // Of a block of rows, in the widest registers; a tile is no wider than the kernel.
        Stmt::FoldRows { acc, .. } => match kernel.params[acc.0 as usize].role {
            Role::Scratch(n) => n.min(kernel.parallel) as f64,
            _ => 1.0,
        },
        Stmt::For(f) => loop_cost(kernel, f, lanes, None, None),
    }
}

thread_local! {
    static MATH: RefCell<FxHashMap<(&'static str, Elem), f64>> = RefCell::default();
}

/// What a function of the table costs in its expansion, for results of this type.
fn math_cost(name: &'static str, elem: Elem) -> f64 {
    let known = MATH.with_borrow(|known| known.get(&(name, elem)).copied());
    known.unwrap_or_else(|| {
        let alone = expansion(name, elem);
        let cost = IN_ROUTINE * block_cost(&alone, &alone.body, None, None);
        MATH.with_borrow_mut(|known| known.insert((name, elem), cost));
        cost
    })
}

/// The cost of a loop whose inner loops each take their own best choice.
pub fn inner_cost(kernel: &Kernel, l: &For, best: &mut dyn FnMut(&For) -> f64) -> f64 {
    let own: f64 =
        l.body.iter().filter(|s| !matches!(s, Stmt::For(_))).map(|s| stmt_cost(kernel, s, None)).sum();
    trips(kernel, l, None, None) * (own + inner_loops(&l.body).map(best).sum::<f64>())
}

/// An estimate of the work of a whole kernel in lanes, in instructions of a whole width.
pub fn work(kernel: &Kernel) -> f64 {
    let parallel = kernel.parallel as f64;
    let mut before = None;
    let mut work = 0.0;
    for stmt in &kernel.body {
        match stmt {
            // The main loop of a parallel loop, to which its tails are what is left of a step.
            Stmt::For(f)
                if f.begin == kernel.begin
                    || f.end == kernel.end && before.is_none_or(|b: &For| b.end != f.begin) =>
            {
                let inside = Around { outer: f, up: None };
                work += parallel / f.step as f64 * block_cost(kernel, &f.body, None, Some(&inside));
            }
            Stmt::For(f) => work += loop_cost(kernel, f, None, before, None),
            other => work += stmt_cost(kernel, other, None),
        }
        before = if let Stmt::For(f) = stmt { Some(&**f) } else { before };
    }
    work
}
