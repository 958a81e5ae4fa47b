//! Which loops of a group are walked as one, and which make up its parallel space.

use crate::lower::{Group, Lowered, Stored, lower};
use rustc_hash::FxHashMap;
use rustorch_ir::loops::{Addr, Block, Inst, Kernel, Stmt, Val};
use rustorch_ir::{Graph, Value};

/// Rows that are enough for the threads, so that the last row axis can stay a loop of its own.
const ENOUGH: usize = 4;

/// Lowers a group in the loop structure that suits it. With `row_axes` its parallel space is the first so
/// many axes, in order.
pub fn lower_group(
    graph: &Graph,
    stored: &FxHashMap<Value, Stored>,
    group: &Group,
    row_axes: Option<usize>,
    name: String,
) -> Lowered {
    let mut group = group.clone();
    if let Some(rows) = row_axes {
        let rank = group.order.len();
        let merged: Vec<u8> =
            if rows < rank { vec![rows as u8, (rank - rows) as u8] } else { vec![rows as u8] };
        group.order.sort_unstable();
        return lower(graph, stored, &group, &merged, 1, name);
    }
    // Axes of extent 1 need no loop; they go outermost, where they are part of any run.
    let hoisted: Vec<u8> = group.order[..group.rows.unwrap_or(group.order.len())].to_vec();
    let is_one = |a: u8| group.space[a as usize].is_one();
    group.order.sort_by_key(|&a| !is_one(a));
    let ones = group.order.iter().filter(|&&a| is_one(a)).count();
    let axes = &group.order[ones..];
    let rows = match group.rows {
        Some(_) => axes.iter().filter(|a| hoisted.contains(a)).count(),
        None => axes.len(),
    };
    // Ordered axes stay out of the parallel space.
    let free = axes.iter().take_while(|&&a| !group.ordered[a as usize]).count();
    let rows = rows.min(free);

    if axes.len() <= 1 {
        let merged: Vec<u8> = if group.order.is_empty() { vec![] } else { vec![group.order.len() as u8] };
        let parallel = if rows == axes.len() { merged.len() } else { 0 };
        return lower(graph, stored, &group, &merged, parallel, name);
    }
    let plain: Vec<u8> = std::iter::once(1 + ones as u8).chain(axes.iter().skip(1).map(|_| 1)).collect();
    let draft = lower(graph, stored, &group, &plain, 1, name.clone());
    let extents: Vec<usize> = axes.iter().map(|&a| group.space[a as usize].get()).collect();
    // Runs of axes within the rows and within what is inside them.
    let mut merged: Vec<u8> = vec![1 + ones as u8];
    let mut row_runs = 1;
    for (i, &extent) in extents.iter().enumerate().skip(1) {
        let within =
            (i != rows || group.rows.is_none() && free == axes.len()) && group.carries != Some(axes[i]);
        if within && mergeable(&draft.kernel, draft.vars[i - 1], draft.vars[i], extent) {
            *merged.last_mut().expect("a run") += 1;
        } else {
            merged.push(1);
            row_runs += (i < rows) as usize;
        }
    }
    let first_extent = |n: usize| {
        let count: usize = merged[..n].iter().map(|&m| m as usize).sum();
        group.order[..count].iter().map(|&a| group.space[a as usize].get()).product::<usize>()
    };
    if group.carries.is_some() && row_runs > 1 && first_extent(row_runs - 1) < ENOUGH {
        // Neither few rows of threads nor a loop over all rows, in which columns could not be told: the last of them
        // make up the parallel space, the others are walked inside.
        let before: usize = merged[..row_runs - 1].iter().map(|&m| m as usize).sum();
        let last = merged[row_runs - 1] as usize;
        group.order[..before + last].rotate_left(before);
        merged[..row_runs].rotate_right(1);
        return lower(graph, stored, &group, &merged, 1, name);
    }
    let parallel = if rows == 0 {
        0
    } else if row_runs > 1 && first_extent(row_runs - 1) >= ENOUGH {
        row_runs - 1
    } else {
        row_runs
    };
    if parallel == 1 && merged == plain {
        return draft;
    }
    lower(graph, stored, &group, &merged, parallel, name)
}

/// Whether everything that depends on two neighbouring loops depends on `outer * extent + inner`.
fn mergeable(kernel: &Kernel, outer: Val, inner: Val, extent: usize) -> bool {
    let pair_fits = |terms: &[(Val, i64)]| {
        let of = |v: Val| terms.iter().find(|t| t.0 == v).map_or(0, |t| t.1);
        of(outer) == of(inner) * extent as i64
    };
    let is_var = |v: Val| v == outer || v == inner;
    let index_fits = |addr: Addr| !is_var(addr.index());
    let inst_fits = |inst: &Inst| match inst {
        Inst::Affine { terms, .. } => pair_fits(terms),
        Inst::Load { addr, .. } => index_fits(*addr),
        other => {
            let mut plain = true;
            rustorch_ir::loops::build::operands(other, |v| plain &= !is_var(v));
            plain
        }
    };
    fn all(
        kernel: &Kernel,
        block: &Block,
        inst: &dyn Fn(&Inst) -> bool,
        addr: &dyn Fn(Addr) -> bool,
    ) -> bool {
        block.iter().all(|s| match s {
            Stmt::Let(v) => inst(kernel.inst(*v)),
            Stmt::Store { addr: a, .. } => addr(*a),
            Stmt::For(f) => all(kernel, &f.body, inst, addr),
            Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => true,
        })
    }
    all(kernel, &kernel.body, &inst_fits, &index_fits)
}
