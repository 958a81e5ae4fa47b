//! Column tiles: reductions that run down columns read memory row by row.
//!
//! A loop over columns that holds an accumulator through an inner loop over rows touches a few neighbours of
//! every row, and begins anew for the next columns: each row is fetched in pieces, far apart in time. Here the
//! columns are cut into tiles and the rows into blocks of a few, and the block's loop goes outside that over
//! the columns of the tile: what is read is a handful of streams. The accumulators wait in scratch memory
//! between blocks. Each column takes in its rows in the same order as before, so no bit changes.
//!
//! Where a row is nothing but what is read, the host's vector routines take it into the accumulators.

use super::cost::can_vectorize;
use super::edit::rename;
use super::extremes::extreme;
use super::folds::source;
use super::{Varying, edit, inner_loops, stride, trip_count};
use crate::compile::Target;
use rustc_hash::FxHashMap;
use rustorch_ir::DType;
use rustorch_ir::loops::build::operands;
use rustorch_ir::loops::{
    Addr, BinOp, Block, Buf, Carried, Combine, Elem, For, Inst, Kernel, Param, Role, Stmt, Stretch, Ty, Val,
};
use smallvec::SmallVec;

/// Rows that are read side by side.
const ROWS: i64 = 8;
/// Accumulators of a tile, in bytes.
const TILE_BYTES: usize = 8192;
/// Columns of a tile at most.
const COLUMNS: usize = 1024;
/// Fewer columns or rows than this are left as they are.
const NARROW: u64 = 64;
const FEW: u64 = 32;

/// Rewrites the loops over columns that hold reductions over many rows.
pub fn tile_columns(kernel: Kernel, target: &Target) -> Kernel {
    let mut t = Tiles { k: kernel, target };
    let body = std::mem::take(&mut t.k.body);
    t.k.body = t.block(body);
    t.k
}

struct Tiles<'t> {
    k: Kernel,
    target: &'t Target,
}

/// A row that is only read, and how it is taken in.
struct PlainRow {
    combine: Combine,
    buf: Buf,
    index: Val,
    /// Elements from one row to the next.
    stride: i64,
}

/// What is renamed while a stage is made, and where earlier stages left their results.
struct Scope<'a> {
    columns: &'a For,
    tile: Val,
    /// Scratch memory of the results so far.
    kept: FxHashMap<Val, Buf>,
}

/// Fills the body of a loop over columns, under the new names of that loop.
type Make<'a> = dyn FnMut(&mut Tiles<'_>, &mut FxHashMap<Val, Val>, &Scope<'_>, &mut Block) + 'a;

impl Tiles<'_> {
    fn add(&mut self, inst: Inst, ty: Ty) -> Val {
        edit::add(&mut self.k, inst, ty)
    }

    fn put(&mut self, inst: Inst, ty: Ty, out: &mut Block) -> Val {
        edit::put(&mut self.k, inst, ty, out)
    }

    fn block(&mut self, block: Block) -> Block {
        let mut out = Vec::with_capacity(block.len());
        for stmt in block {
            match stmt {
                Stmt::For(f) if self.runs_down_columns(&f) => {
                    let tiles = self.tiles(&f);
                    out.push(tiles);
                }
                Stmt::For(mut f) => {
                    f.body = self.block(std::mem::take(&mut f.body));
                    out.push(Stmt::For(f));
                }
                other => out.push(other),
            }
        }
        out
    }

    /// Whether the iterations of a loop are columns, with loops over many rows directly inside.
    fn runs_down_columns(&self, f: &For) -> bool {
        let k = &self.k;
        let columns = trip_count(k, f).unwrap_or(k.parallel as u64);
        if columns < NARROW || !f.carried.is_empty() || !can_vectorize(k, f) {
            return false;
        }
        let varying = Varying::of(k, f);
        let rows = |r: &For| {
            r.step == 1 && trip_count(k, r).is_some_and(|n| n >= FEW) && inner_loops(&r.body).next().is_none()
        };
        inner_loops(&f.body).any(|r| !r.carried.is_empty())
            && inner_loops(&f.body).all(|r| rows(r) && self.streams(f, r, &varying))
            && self.is_plain(f, &varying, &f.body)
    }

    /// Whether a loop over rows reads neighbouring columns of rows that lie apart.
    fn streams(&self, f: &For, r: &For, varying: &Varying) -> bool {
        let down = Varying::of(&self.k, r);
        r.body.iter().any(|s| {
            let Stmt::Let(v) = s else { return false };
            let Inst::Load { addr, .. } = self.k.inst(*v) else { return false };
            let apart = stride(&self.k, &down, r, addr.index()).is_some_and(|s| s.unsigned_abs() >= NARROW);
            apart && stride(&self.k, varying, f, addr.index()) == Some(1)
        })
    }

    /// Nothing but what can be done in another order: reads of what nobody writes here, plain writes.
    fn is_plain(&self, f: &For, varying: &Varying, block: &Block) -> bool {
        block.iter().all(|s| match s {
            Stmt::Let(v) => match self.k.inst(*v) {
                Inst::Load { buf, addr, .. } => {
                    self.k.params[buf.0 as usize].role == Role::In
                        && matches!(stride(&self.k, varying, f, addr.index()), Some(0 | 1))
                }
                _ => true,
            },
            Stmt::For(r) => self.is_plain(f, varying, &r.body),
            Stmt::Store { .. } => true,
            Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => false,
        })
    }

    /// The loop over tiles.
    fn tiles(&mut self, f: &For) -> Stmt {
        let held: Vec<Val> = inner_loops(&f.body).flat_map(|r| r.carried.iter().map(|c| c.phi)).collect();
        let bytes: usize = held.iter().map(|&v| stored(self.k.ty(v).elem).size()).sum();
        let width = (TILE_BYTES / bytes.max(1) / 64 * 64).clamp(64, COLUMNS);
        let tile = self.add(Inst::Defined, Ty::I64);
        let mut body = Vec::new();
        let end = edit::capped(&mut self.k, tile, width as i64, f.end, &mut body);
        let mut scope = Scope { columns: f, tile, kept: FxHashMap::default() };
        for stmt in &f.body {
            if let Stmt::For(r) = stmt {
                self.rows(r, &mut scope, end, width, &mut body);
            }
        }
        if f.body.iter().any(|s| matches!(s, Stmt::Store { .. })) {
            self.columns(&scope, end, &mut body, &mut |t, names, scope, out| {
                for stmt in &scope.columns.body {
                    let Stmt::Store { buf, mem, addr, value } = stmt else { continue };
                    let index = t.copy(addr.index(), names, scope, out);
                    let value = t.copy(*value, names, scope, out);
                    out.push(Stmt::Store { buf: *buf, mem: *mem, addr: Addr::Unit(index), value });
                }
            });
        }
        Stmt::For(Box::new(For {
            var: tile,
            begin: f.begin,
            end: f.end,
            step: width as i64,
            carried: vec![],
            body,
        }))
    }

    /// A loop over the columns of a tile.
    fn columns(&mut self, scope: &Scope<'_>, end: Val, out: &mut Block, make: &mut Make<'_>) {
        let var = self.add(Inst::Defined, Ty::I64);
        let mut names = FxHashMap::default();
        names.insert(scope.columns.var, var);
        let mut body = Vec::new();
        make(self, &mut names, scope, &mut body);
        out.push(Stmt::For(Box::new(For { var, begin: scope.tile, end, step: 1, carried: vec![], body })));
    }

    /// Where in scratch memory the column of a loop over them is.
    fn place(&mut self, names: &FxHashMap<Val, Val>, scope: &Scope<'_>, out: &mut Block) -> Val {
        let mut terms: SmallVec<[(Val, i64); 4]> =
            SmallVec::from_slice(&[(names[&scope.columns.var], 1), (scope.tile, -1)]);
        terms.sort_unstable_by_key(|t| t.0);
        self.put(Inst::Affine { terms, offset: 0 }, Ty::I64, out)
    }

    /// One loop over rows: blocks of them, and in each the columns of the tile.
    fn rows(&mut self, r: &For, scope: &mut Scope<'_>, end: Val, width: usize, out: &mut Block) {
        let held: Vec<Buf> = r
            .carried
            .iter()
            .map(|c| {
                let mem = stored(self.k.ty(c.phi).elem);
                self.k.params.push(Param { mem, role: Role::Scratch(width) });
                Buf(self.k.params.len() as u32 - 1)
            })
            .collect();
        if !held.is_empty() {
            self.columns(scope, end, out, &mut |t, names, scope, out| {
                let place = t.place(names, scope, out);
                for (c, &buf) in r.carried.iter().zip(&held) {
                    let value = t.copy(c.init, names, scope, out);
                    let mem = t.k.params[buf.0 as usize].mem;
                    out.push(Stmt::Store { buf, mem, addr: Addr::Unit(place), value });
                }
            });
        }
        let first = self.add(Inst::Defined, Ty::I64);
        let mut body = Vec::new();
        let past = edit::capped(&mut self.k, first, ROWS, r.end, &mut body);
        match self.plain_row(r, scope) {
            Some(row) => self.by_routine(r, &row, scope, (first, past), end, held[0], &mut body),
            None => self.columns(scope, end, &mut body, &mut |t, names, scope, out| {
                t.stretch(r, &held, (first, past), names, scope, out);
            }),
        }
        out.push(Stmt::For(Box::new(For {
            var: first,
            begin: r.begin,
            end: r.end,
            step: ROWS,
            carried: vec![],
            body,
        })));
        scope.kept.extend(r.carried.iter().map(|c| c.result).zip(held));
    }

    /// The row of a loop over rows, if a routine can take in its neighbouring elements.
    fn plain_row(&self, r: &For, scope: &Scope<'_>) -> Option<PlainRow> {
        let [c] = r.carried.as_slice() else { return None };
        let combine = c.combine?;
        let x = match *self.k.inst(c.next) {
            Inst::Bin(BinOp::Add | BinOp::Mul, a, x) if a == c.phi => x,
            _ => extreme(&self.k, c)?,
        };
        let (buf, index) = source(&self.k, x)?;
        let (down, along) = (Varying::of(&self.k, r), Varying::of(&self.k, scope.columns));
        let whole = stride(&self.k, &along, scope.columns, index) == Some(1)
            && self.k.ty(c.phi).elem.is_float()
            && r.body.iter().all(|s| matches!(s, Stmt::Let(_)));
        let stride = stride(&self.k, &down, r, index)?;
        let mem = self.k.params[buf.0 as usize].mem;
        (whole && (self.target.has_row_fold)(combine, mem)).then_some(PlainRow {
            combine,
            buf,
            index,
            stride,
        })
    }

    /// A block of rows into the accumulators of the tile.
    #[allow(clippy::too_many_arguments)] // the state of one loop
    fn by_routine(
        &mut self,
        r: &For,
        row: &PlainRow,
        scope: &Scope<'_>,
        (begin, past): (Val, Val),
        end: Val,
        acc: Buf,
        out: &mut Block,
    ) {
        let count = edit::distance(&mut self.k, scope.tile, end, out);
        let rows = edit::distance(&mut self.k, begin, past, out);
        let mut names = FxHashMap::from_iter([(scope.columns.var, scope.tile), (r.var, begin)]);
        let at = self.index_of(row.index, r, &mut names, scope, out);
        let src = Stretch { buf: row.buf, at: Some(at) };
        out.push(Stmt::FoldRows { combine: row.combine, src, stride: row.stride, rows, acc, count });
    }

    /// An index of a row, computed again at the tile's first column.
    fn index_of(
        &mut self,
        v: Val,
        r: &For,
        names: &mut FxHashMap<Val, Val>,
        scope: &Scope<'_>,
        out: &mut Block,
    ) -> Val {
        if let Some(&known) = names.get(&v) {
            return known;
        }
        let inside = |block: &Block| block.iter().any(|s| matches!(s, Stmt::Let(x) if *x == v));
        if !inside(&r.body) && !inside(&scope.columns.body) {
            return v;
        }
        let (inst, ty) = self.k.insts[v.0 as usize].clone();
        let mut needs: SmallVec<[Val; 4]> = SmallVec::new();
        operands(&inst, |o| needs.push(o));
        for o in needs {
            let new = self.index_of(o, r, names, scope, out);
            names.insert(o, new);
        }
        let new = self.put(rename(&inst, names), ty, out);
        names.insert(v, new);
        new
    }

    /// The rows of one block for one column, its accumulators from scratch and back.
    fn stretch(
        &mut self,
        r: &For,
        held: &[Buf],
        (begin, end): (Val, Val),
        names: &mut FxHashMap<Val, Val>,
        scope: &Scope<'_>,
        out: &mut Block,
    ) {
        // What the rows need of the column's own values stands before their loop.
        let inside: rustc_hash::FxHashSet<Val> = r
            .body
            .iter()
            .filter_map(|s| if let Stmt::Let(v) = s { Some(*v) } else { None })
            .chain(r.carried.iter().map(|c| c.phi))
            .chain([r.var])
            .collect();
        let mut outside: Vec<Val> = r.carried.iter().map(|c| c.next).collect();
        for s in &r.body {
            match s {
                Stmt::Let(v) => operands(self.k.inst(*v), |o| outside.push(o)),
                Stmt::Store { addr, value, .. } => outside.extend([addr.index(), *value]),
                _ => {}
            }
        }
        for v in outside.into_iter().filter(|v| !inside.contains(v)) {
            self.copy(v, names, scope, out);
        }
        let place = self.place(names, scope, out);
        let var = self.add(Inst::Defined, Ty::I64);
        names.insert(r.var, var);
        let mut carried: Vec<Carried> = Vec::new();
        for (c, &buf) in r.carried.iter().zip(held) {
            let (ty, mem) = (self.k.ty(c.phi), self.k.params[buf.0 as usize].mem);
            let init = self.put(Inst::Load { buf, mem, addr: Addr::Unit(place) }, ty, out);
            let (phi, result) = (self.add(Inst::Defined, ty), self.add(Inst::Defined, ty));
            names.insert(c.phi, phi);
            carried.push(Carried { phi, init, next: phi, result, combine: c.combine });
        }
        let mut body = Vec::new();
        for s in &r.body {
            match s {
                Stmt::Let(v) => {
                    let (inst, ty) = self.k.insts[v.0 as usize].clone();
                    let new = self.put(rename(&inst, names), ty, &mut body);
                    names.insert(*v, new);
                }
                Stmt::Store { buf, mem, addr, value } => {
                    let to = |v: Val| names.get(&v).copied().unwrap_or(v);
                    let addr = Addr::Unit(to(addr.index()));
                    body.push(Stmt::Store { buf: *buf, mem: *mem, addr, value: to(*value) });
                }
                Stmt::For(_) | Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => {
                    unreachable!("rows are plain")
                }
            }
        }
        for (c, new) in r.carried.iter().zip(&mut carried) {
            new.next = names.get(&c.next).copied().unwrap_or(c.next);
        }
        let results: Vec<Val> = carried.iter().map(|c| c.result).collect();
        out.push(Stmt::For(Box::new(For { var, begin, end, step: 1, carried, body })));
        for (&buf, value) in held.iter().zip(results) {
            let mem = self.k.params[buf.0 as usize].mem;
            out.push(Stmt::Store { buf, mem, addr: Addr::Unit(place), value });
        }
    }

    /// A value of the column's own, computed again in a loop over columns; results of rows come from scratch.
    fn copy(&mut self, v: Val, names: &mut FxHashMap<Val, Val>, scope: &Scope<'_>, out: &mut Block) -> Val {
        if let Some(&known) = names.get(&v) {
            return known;
        }
        let new = if let Some(&buf) = scope.kept.get(&v) {
            let place = self.place(names, scope, out);
            let mem = self.k.params[buf.0 as usize].mem;
            self.put(Inst::Load { buf, mem, addr: Addr::Unit(place) }, self.k.ty(v), out)
        } else if scope.columns.body.iter().any(|s| matches!(s, Stmt::Let(x) if *x == v)) {
            let (inst, ty) = self.k.insts[v.0 as usize].clone();
            let mut needs: SmallVec<[Val; 4]> = SmallVec::new();
            operands(&inst, |o| needs.push(o));
            for o in needs {
                self.copy(o, names, scope, out);
            }
            self.put(rename(&inst, names), ty, out)
        } else {
            return v;
        };
        names.insert(v, new);
        new
    }
}

/// The type that holds a register's value in memory.
fn stored(elem: Elem) -> DType {
    match elem {
        Elem::Mask => DType::Bool,
        Elem::I32 => DType::I32,
        Elem::I64 => DType::I64,
        Elem::F32 => DType::F32,
        Elem::F64 => DType::F64,
    }
}
