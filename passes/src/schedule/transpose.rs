//! Blocks of a transposition: both sides of a copy across are in cache while they are worked on.
//!
//! Where a nest of two loops reads (or writes) along the inner loop with large steps and along the outer one
//! neighbour by neighbour, each step of the inner loop takes one element of a cache line, and the line is gone
//! before the outer loop comes for the next. The nest is cut into square blocks, which are walked one by one.
//!
//! Where everything lies along the outer loop, the loops change places instead, a tile of the outer one at a time.
//! Only the parallel loop's iterations may always be taken in another order; what the inner loop does in order
//! (rows added to where an index says) it still does for each of them.

use super::cost::can_vectorize;
use super::{Varying, edit, inner_loops, stride, trip_count};
use rustorch_ir::loops::{Addr, Block, For, Inst, Kernel, Role, Stmt, Ty, Val};
use smallvec::SmallVec;

/// Rows and columns of a block: an element of a byte fills a quarter of a cache line, others whole lines.
const SIDE: i64 = 16;
/// Shorter loops stay as they are.
const SHORT: u64 = 64;
/// Iterations of the parallel loop that go inside at once.
const TILE: i64 = 1024;
/// Elements between neighbours that are as good as nothing in common.
const APART: u64 = 64;

/// Rewrites the nests that read or write across.
pub fn block_transpositions(kernel: Kernel) -> Kernel {
    let mut k = kernel;
    let body = std::mem::take(&mut k.body);
    k.body = body
        .into_iter()
        .map(|s| match s {
            Stmt::For(f) if f.begin == k.begin && f.end == k.end && lies_along(&k, &f) => turned(&mut k, *f),
            other => other,
        })
        .collect();
    let body = std::mem::take(&mut k.body);
    k.body = block(&mut k, body);
    k
}

/// Whether the parallel loop walks neighbours through a loop that walks rows.
fn lies_along(k: &Kernel, outer: &For) -> bool {
    let mut inside = inner_loops(&outer.body);
    let (Some(inner), None) = (inside.next(), inside.next()) else { return false };
    let free = outer.step == 1 && outer.carried.is_empty() && inner.carried.is_empty();
    let simple = outer.body.iter().all(|s| matches!(s, Stmt::Let(_) | Stmt::For(_)))
        && inner_loops(&inner.body).next().is_none();
    if !free || !simple || (k.parallel as u64) < SHORT || trip_count(k, inner).is_none_or(|n| n < 4) {
        return false;
    }
    let (by_outer, by_inner) = (Varying::of(k, outer), Varying::of(k, inner));
    if by_outer.get(inner.begin) || by_outer.get(inner.end) {
        return false;
    }
    let steps = |addr: Addr| {
        let of = |v: &Varying, l| stride(k, v, l, addr.index());
        (of(&by_outer, outer), of(&by_inner, inner))
    };
    let places: Vec<_> = inner
        .body
        .iter()
        .filter_map(|s| match s {
            Stmt::Let(v) => match k.inst(*v) {
                Inst::Load { addr, .. } => Some(steps(*addr)),
                _ => None,
            },
            Stmt::Store { addr, .. } => Some(steps(*addr)),
            _ => None,
        })
        .collect();
    let rows =
        |p: &(Option<i64>, Option<i64>)| p.0 == Some(1) && p.1.is_some_and(|s| s.unsigned_abs() >= APART);
    let along_inner = |p: &(Option<i64>, Option<i64>)| {
        p.0.is_none_or(|s| s != 0 && s != 1) && p.1.is_some_and(|s| s.unsigned_abs() == 1)
    };
    places.iter().any(rows) && !places.iter().any(along_inner)
}

/// The parallel loop inside the other one: tile by tile, and before its loop what does not depend on it.
fn turned(k: &mut Kernel, outer: For) -> Stmt {
    let by_outer = Varying::of(k, &outer);
    let tile = edit::add(k, Inst::Defined, Ty::I64);
    let mut tiles = Vec::new();
    let end = edit::capped(k, tile, TILE, outer.end, &mut tiles);
    let mut along = Vec::new();
    for stmt in outer.body {
        let Stmt::For(mut inner) = stmt else {
            along.push(stmt);
            continue;
        };
        let mut rows = Vec::new();
        for s in std::mem::take(&mut inner.body) {
            let same = match &s {
                Stmt::Let(v) => {
                    let reads_what_changes = matches!(
                        k.inst(*v),
                        Inst::Load { buf, .. } if k.params[buf.0 as usize].role != Role::In
                    );
                    !by_outer.get(*v) && !reads_what_changes
                }
                Stmt::Check { ok, detail, .. } => !by_outer.get(*ok) && !by_outer.get(*detail),
                _ => false,
            };
            if same { rows.push(s) } else { along.push(s) }
        }
        let body = std::mem::take(&mut along);
        let columns = For { var: outer.var, begin: tile, end, step: 1, carried: vec![], body };
        rows.push(Stmt::For(Box::new(columns)));
        inner.body = rows;
        tiles.push(Stmt::For(inner));
    }
    let (begin, end) = (outer.begin, outer.end);
    Stmt::For(Box::new(For { var: tile, begin, end, step: TILE, carried: vec![], body: tiles }))
}

fn block(k: &mut Kernel, body: Block) -> Block {
    let mut out = Vec::with_capacity(body.len());
    for stmt in body {
        out.push(match stmt {
            Stmt::For(f) if is_across(k, &f) => blocks(k, *f),
            Stmt::For(mut f) => {
                f.body = block(k, std::mem::take(&mut f.body));
                Stmt::For(f)
            }
            other => other,
        });
    }
    out
}

/// Whether a loop and the one loop in it walk across each other in memory.
fn is_across(k: &Kernel, outer: &For) -> bool {
    let mut inside = inner_loops(&outer.body);
    let (Some(inner), None) = (inside.next(), inside.next()) else { return false };
    let long = trip_count(k, outer).unwrap_or(k.parallel as u64) >= SHORT
        && trip_count(k, inner).is_some_and(|n| n >= SHORT);
    let free = outer.step == 1 && outer.carried.is_empty() && inner.carried.is_empty();
    let simple = outer.body.iter().all(|s| matches!(s, Stmt::Let(_) | Stmt::For(_)))
        && inner.body.iter().all(|s| matches!(s, Stmt::Let(_) | Stmt::Store { .. }));
    if !long || !free || !simple || !can_vectorize(k, inner) {
        return false;
    }
    let only_reads = |s: &Stmt| match s {
        Stmt::Let(v) => match k.inst(*v) {
            Inst::Load { buf, .. } => k.params[buf.0 as usize].role == Role::In,
            _ => true,
        },
        _ => true,
    };
    let (by_outer, by_inner) = (Varying::of(k, outer), Varying::of(k, inner));
    let across = |addr: Addr| {
        stride(k, &by_inner, inner, addr.index()).is_some_and(|s| s.unsigned_abs() >= APART)
            && stride(k, &by_outer, outer, addr.index()).is_some_and(|s| s.unsigned_abs() == 1)
    };
    outer.body.iter().chain(&inner.body).all(only_reads)
        && inner.body.iter().any(|s| match s {
            Stmt::Let(v) => matches!(k.inst(*v), Inst::Load { addr, .. } if across(*addr)),
            Stmt::Store { addr, .. } => across(*addr),
            _ => false,
        })
}

/// The nest, block by block.
fn blocks(k: &mut Kernel, mut outer: For) -> Stmt {
    let Some(at) = outer.body.iter().position(|s| matches!(s, Stmt::For(_))) else {
        unreachable!("there is an inner loop")
    };
    let Stmt::For(mut inner) = outer.body.remove(at) else { unreachable!("a loop") };
    let (first_row, first_column) =
        (edit::add(k, Inst::Defined, Ty::I64), edit::add(k, Inst::Defined, Ty::I64));
    let (begin, end) = (inner.begin, inner.end);
    let (mut rows, mut columns) = (Vec::new(), Vec::new());
    if trip_count(k, &inner).is_some_and(|n| n.is_multiple_of(SIDE as u64)) {
        // Whole blocks: the number of lanes needs no thought.
        let var = edit::add(k, Inst::Defined, Ty::I64);
        let mut terms: SmallVec<[(Val, i64); 4]> = SmallVec::from_slice(&[(first_column, 1), (var, 1)]);
        terms.sort_unstable_by_key(|t| t.0);
        k.insts[inner.var.0 as usize].0 = Inst::Affine { terms, offset: 0 };
        inner.body.insert(0, Stmt::Let(inner.var));
        inner.var = var;
        inner.begin = edit::add(k, Inst::Const(0), Ty::I64);
        inner.end = edit::add(k, Inst::Const(SIDE as u64), Ty::I64);
    } else {
        inner.end = edit::capped(k, first_column, SIDE, end, &mut columns);
        inner.begin = first_column;
    }
    let last_row = edit::capped(k, first_row, SIDE, outer.end, &mut rows);
    outer.body.push(Stmt::For(inner));
    let (outer_begin, outer_end) = (outer.begin, outer.end);
    (outer.begin, outer.end) = (first_row, last_row);
    columns.push(Stmt::For(Box::new(outer)));
    let over = |var, begin, end, body| {
        Stmt::For(Box::new(For { var, begin, end, step: SIDE, carried: vec![], body }))
    };
    rows.push(over(first_column, begin, end, columns));
    over(first_row, outer_begin, outer_end, rows)
}
