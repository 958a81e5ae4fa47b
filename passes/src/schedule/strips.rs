//! Strips: expensive functions of whole stretches of a row by the host's vector routines.
//!
//! A loop in lanes that applies functions of the table is cut in stages. The first stage writes the
//! arguments of the innermost functions to scratch memory in the first-level cache, the routine turns
//! them into results there, the next stage reads these, and so on; the last stage does what the loop was
//! for. A row short enough is one strip, and its results serve the other loops over the same row that
//! want the same function of the same argument: the exponentials of a softmax are computed once.
//!
//! A routine reads arguments where they lie, and leaves results where they belong, if nothing else is done to
//! them.
//!
//! Divisions and roots also go to a routine where a loop does nothing else: its registers are wider than those of
//! the code that would stand here, and there is no other work that the wait could hide behind.
//!
//! The routines compute the very expansions that would stand here otherwise, so the bits are the same.

use super::edit::{index_at, map_operands, rename, walks};
use super::folds::fold;
use crate::compile::Target;
use rustc_hash::FxHashMap;
use rustorch_ir::DType;
use rustorch_ir::loops::build::operands;
use rustorch_ir::loops::{
    Addr, BinOp, Block, Buf, Carried, CmpOp, Elem, For, Inst, Kernel, Param, Role, Stmt, Stretch, Ty, UnOp,
    Val,
};
use rustorch_ir::op::scalar_math::conversion;
use smallvec::SmallVec;

/// Elements of a strip of a long loop.
const STRIP: usize = 512;
/// A whole row of up to this many elements is one strip.
const ROW: usize = 8192;
/// Shorter loops compute in place.
const SHORT: usize = 16;

/// Rewrites the loops that apply functions for which the host has a routine.
pub fn strip_mine(kernel: Kernel, target: &Target) -> Kernel {
    let mut s = Strips { k: kernel, target };
    let body = std::mem::take(&mut s.k.body);
    s.k.body = s.block(body);
    s.k
}

struct Strips<'a> {
    k: Kernel,
    target: &'a Target,
}

/// Results of a function for a whole row, which later loops of the block may read.
struct Kept {
    value: Val,
    var: Val,
    bounds: (Val, Val, i64),
    scratch: Buf,
}

/// A function applied in a loop, and where its results go.
#[derive(Clone)]
struct Applied {
    value: Val,
    name: &'static str,
    args: SmallVec<[Val; 2]>,
    depth: usize,
    scratch: Buf,
    /// Already there, from an earlier loop.
    ready: bool,
    /// The memory, and index, that the results go to when the loop does nothing else with them.
    result: Option<(Buf, Val)>,
}

impl Strips<'_> {
    fn add(&mut self, inst: Inst, ty: Ty) -> Val {
        self.k.insts.push((inst, ty));
        Val(self.k.insts.len() as u32 - 1)
    }

    fn index(&mut self, value: i64) -> Val {
        self.add(Inst::Const(value as u64), Ty::I64)
    }

    fn constant(&self, v: Val) -> Option<i64> {
        match self.k.inst(v) {
            Inst::Const(c) => Some(*c as i64),
            _ => None,
        }
    }

    fn block(&mut self, block: Block) -> Block {
        let mut out = Vec::with_capacity(block.len());
        let mut kept: Vec<Kept> = Vec::new();
        for stmt in block {
            match stmt {
                Stmt::For(f) => self.loop_(*f, &mut kept, &mut out),
                other => out.push(other),
            }
        }
        out
    }

    fn loop_(&mut self, mut f: For, kept: &mut Vec<Kept>, out: &mut Block) {
        if fold(&mut self.k, &f, &self.target.has_fold, out) {
            return;
        }
        let nested = f.body.iter().any(|s| matches!(s, Stmt::For(_)));
        let trips = match (self.constant(f.begin), self.constant(f.end)) {
            (Some(b), Some(e)) => Some(((e - b) / f.step).max(0) as usize),
            _ => None,
        };
        match self.applied(&f) {
            Some((mut applied, lanes)) if !nested => {
                let total = trips.map(|t| t * lanes as usize);
                if total.is_some_and(|t| t < SHORT) {
                    out.push(Stmt::For(Box::new(f)));
                } else if let Some(total) = total.filter(|&t| t <= ROW) {
                    self.whole_row(&f, lanes, total, &mut applied, kept, out);
                } else {
                    self.in_strips(f, lanes, &mut applied, out);
                }
            }
            _ => {
                f.body = self.block(std::mem::take(&mut f.body));
                out.push(Stmt::For(Box::new(f)));
            }
        }
    }

    /// The functions that a loop's own statements apply in lanes, if all can be taken out of it.
    fn applied(&self, f: &For) -> Option<(Vec<Applied>, u16)> {
        let mut depth: FxHashMap<Val, usize> = FxHashMap::default();
        let carried: Vec<Val> = f.carried.iter().map(|c| c.phi).collect();
        let mut found: Vec<Applied> = Vec::new();
        let mut lanes = 0;
        // What depends on an accumulator cannot be computed for the whole strip beforehand.
        let mut bound: rustc_hash::FxHashSet<Val> = carried.iter().copied().collect();
        for stmt in &f.body {
            let Stmt::Let(v) = stmt else { continue };
            let (inst, ty) = &self.k.insts[v.0 as usize];
            let (mut d, mut tied) = (0, false);
            operands(inst, |o| {
                d = d.max(depth.get(&o).copied().unwrap_or(0));
                tied |= bound.contains(&o);
            });
            // Memory that the loop itself may change is read where it was.
            if let Inst::Load { buf, .. } = inst
                && self.k.params[buf.0 as usize].role != Role::In
            {
                tied = true;
            }
            if tied {
                bound.insert(*v);
            }
            if let Inst::Math(name, args) = inst
                && ty.lanes > 1
                && (self.target.has_routine)(name, ty.elem)
                // A conversion is cheap enough to stand where it cannot be taken out.
                && !(tied && conversion(name).is_some())
            {
                if tied || (lanes != 0 && lanes != ty.lanes) {
                    return None;
                }
                lanes = ty.lanes;
                found.push(Applied {
                    value: *v,
                    name,
                    args: args.clone(),
                    depth: d,
                    scratch: Buf(0),
                    ready: false,
                    result: None,
                });
                d += 1;
            }
            depth.insert(*v, d);
        }
        if found.is_empty() {
            found.extend(self.quotient(f));
            lanes = found.first().map_or(0, |a| self.k.ty(a.value).lanes);
        }
        for a in &mut found {
            a.result = self.direct_result(f, lanes, a);
        }
        let whole_steps = f.step == 1 || f.step == lanes as i64;
        (!found.is_empty() && whole_steps).then_some((found, lanes))
    }

    /// The stored types of a function's arguments and of its result.
    fn stored(&self, a: &Applied) -> (DType, DType) {
        let float = if self.k.ty(a.value).elem == Elem::F64 { DType::F64 } else { DType::F32 };
        conversion(a.name).unwrap_or((float, float))
    }

    fn scratch(&mut self, mem: DType, len: usize) -> Buf {
        self.k.params.push(Param { mem, role: Role::Scratch(len) });
        Buf(self.k.params.len() as u32 - 1)
    }

    fn whole_row(
        &mut self,
        f: &For,
        lanes: u16,
        total: usize,
        applied: &mut [Applied],
        kept: &mut Vec<Kept>,
        out: &mut Block,
    ) {
        for a in applied.iter_mut() {
            let value = a.value;
            let known = kept
                .iter()
                .find(|k| k.bounds == (f.begin, f.end, f.step) && self.same(k.value, k.var, value, f.var));
            if let Some(k) = known {
                (a.scratch, a.ready, a.result) = (k.scratch, true, None);
                continue;
            }
            // Two equal functions in one loop are one already.
            a.scratch = self.scratch(self.stored(a).1, total);
            if a.result.is_some() {
                continue;
            }
            kept.push(Kept { value, var: f.var, bounds: (f.begin, f.end, f.step), scratch: a.scratch });
        }
        let count = self.index(total as i64);
        self.stages(f, lanes, applied, (f.begin, f.end, f.begin), count, out);
        if applied.iter().all(|a| a.result.is_none()) {
            let last = self.stage(f, lanes, applied, (f.begin, f.end, f.begin), None, &[]);
            if let Stmt::For(last) = &last
                && fold(&mut self.k, last, &self.target.has_fold, out)
            {
                return;
            }
            out.push(last);
        }
    }

    /// The loop as a loop over strips.
    fn in_strips(&mut self, f: For, lanes: u16, applied: &mut [Applied], out: &mut Block) {
        for a in applied.iter_mut() {
            a.scratch = self.scratch(self.stored(a).1, STRIP);
        }
        let per_iteration = lanes as i64 / f.step;
        let step = STRIP as i64 / per_iteration;
        let strip = self.add(Inst::Defined, Ty::I64);
        let mut body = Vec::new();
        let past =
            self.add(Inst::Affine { terms: SmallVec::from_slice(&[(strip, 1)]), offset: step }, Ty::I64);
        body.push(Stmt::Let(past));
        let beyond = self.add(Inst::Cmp(CmpOp::Lt, f.end, past), Ty::MASK);
        body.push(Stmt::Let(beyond));
        let end = self.add(Inst::Select(beyond, f.end, past), Ty::I64);
        body.push(Stmt::Let(end));
        let size = self.add(Inst::Bin(BinOp::Sub, end, strip), Ty::I64);
        body.push(Stmt::Let(size));
        let scale = self.index(per_iteration);
        let count = self.add(Inst::Bin(BinOp::Mul, size, scale), Ty::I64);
        body.push(Stmt::Let(count));
        self.stages(&f, lanes, applied, (strip, end, strip), count, &mut body);

        if applied.iter().any(|a| a.result.is_some()) {
            let carried = Vec::new();
            out.push(Stmt::For(Box::new(For {
                var: strip,
                begin: f.begin,
                end: f.end,
                step,
                carried,
                body,
            })));
            return;
        }
        let phis: Vec<Val> = f.carried.iter().map(|c| self.add(Inst::Defined, self.k.ty(c.phi))).collect();
        let last = self.stage(&f, lanes, applied, (strip, end, strip), None, &phis);
        let Stmt::For(inner) = &last else { unreachable!("a stage is a loop") };
        // The inner loop's results are fresh names: the strips' loop takes over the old ones.
        let carried = f
            .carried
            .iter()
            .zip(&inner.carried)
            .zip(&phis)
            .map(|((c, inner), &phi)| Carried {
                phi,
                init: c.init,
                next: inner.result,
                result: c.result,
                combine: c.combine,
            })
            .collect();
        body.push(last);
        out.push(Stmt::For(Box::new(For { var: strip, begin: f.begin, end: f.end, step, carried, body })));
    }

    /// The stages before the last: arguments into scratch, then the routines.
    fn stages(
        &mut self,
        f: &For,
        lanes: u16,
        applied: &[Applied],
        bounds: (Val, Val, Val),
        count: Val,
        out: &mut Block,
    ) {
        let deepest = applied.iter().map(|a| a.depth).max().unwrap_or(0);
        for depth in 0..=deepest {
            let here: Vec<&Applied> = applied.iter().filter(|a| a.depth == depth && !a.ready).collect();
            if here.is_empty() {
                continue;
            }
            // A second argument needs memory of its own, and so does one of another type; the first uses the
            // result's.
            let mut stores: Vec<(Val, Buf)> = Vec::new();
            let mut calls: Vec<Stmt> = Vec::new();
            for a in here {
                let mut src: SmallVec<[Stretch; 2]> = SmallVec::new();
                let (from, result) = self.stored(a);
                for (i, &arg) in a.args.iter().enumerate() {
                    if let Some(read) = self.direct_source(f, lanes, arg, from, bounds.2, &mut calls) {
                        src.push(read);
                        continue;
                    }
                    let Role::Scratch(len) = self.k.params[a.scratch.0 as usize].role else {
                        unreachable!("made by this pass")
                    };
                    let to = if i == 0 && from == result { a.scratch } else { self.scratch(from, len) };
                    stores.push((arg, to));
                    src.push(to.into());
                }
                let dst = match a.result {
                    Some((buf, index)) => {
                        Stretch { buf, at: Some(index_at(&mut self.k, f, index, bounds.2, &mut calls)) }
                    }
                    None => a.scratch.into(),
                };
                calls.push(Stmt::Strip { routine: a.name, src, dst, count });
            }
            if !stores.is_empty() {
                let stage = self.stage(f, lanes, applied, bounds, Some((depth, &stores)), &[]);
                out.push(stage);
            }
            out.extend(calls);
        }
    }

    /// The division or root that is all that a loop does between loads and a store.
    fn quotient(&self, f: &For) -> Option<Applied> {
        let value = f.body.iter().find_map(|s| match s {
            Stmt::Store { value, .. } => Some(*value),
            _ => None,
        })?;
        let ty = self.k.ty(value);
        if ty.lanes == 1 || !ty.elem.is_float() {
            return None;
        }
        let one = if ty.elem == Elem::F64 { 1f64.to_bits() } else { u64::from(1f32.to_bits()) };
        let is_one = |v: Val| match *self.k.inst(v) {
            Inst::Splat(scalar) => *self.k.inst(scalar) == Inst::Const(one),
            _ => false,
        };
        let (name, args): (_, SmallVec<[Val; 2]>) = match *self.k.inst(value) {
            Inst::Bin(BinOp::Div, a, b) if is_one(a) => match *self.k.inst(b) {
                Inst::Un(UnOp::Sqrt, x) => ("rsqrt", SmallVec::from_elem(x, 1)),
                _ => ("reciprocal", SmallVec::from_elem(b, 1)),
            },
            Inst::Bin(BinOp::Div, a, b) => ("div", SmallVec::from_slice(&[a, b])),
            Inst::Un(UnOp::Sqrt, x) => ("sqrt", SmallVec::from_elem(x, 1)),
            _ => return None,
        };
        let applied = Applied { value, name, args, depth: 0, scratch: Buf(0), ready: false, result: None };
        let from = self.stored(&applied).0;
        let direct = applied.args.iter().all(|&arg| self.direct(f, ty.lanes, arg, from).is_some())
            && self.direct_result(f, ty.lanes, &applied).is_some();
        (direct && (self.target.has_routine)(name, ty.elem)).then_some(applied)
    }

    /// Where the routine can read an argument itself: one that is loaded element by element, unguarded, from
    /// memory that the kernel does not write.
    fn direct(&self, f: &For, lanes: u16, arg: Val, from: DType) -> Option<(Buf, Val)> {
        let &Inst::Load { buf, mem, addr: Addr::Unit(index) } = self.k.inst(arg) else { return None };
        let inside = f.body.iter().any(|s| matches!(s, Stmt::Let(v) if *v == arg));
        let checked = f.body.iter().any(|s| matches!(s, Stmt::Check { .. }));
        let stable = self.k.params[buf.0 as usize].role == Role::In;
        (inside && !checked && mem == from && stable && walks(&self.k, f, lanes, index))
            .then_some((buf, index))
    }

    /// [`Self::direct`] from the iteration `origin` on.
    fn direct_source(
        &mut self,
        f: &For,
        lanes: u16,
        arg: Val,
        from: DType,
        origin: Val,
        out: &mut Block,
    ) -> Option<Stretch> {
        let (buf, index) = self.direct(f, lanes, arg, from)?;
        Some(Stretch { buf, at: Some(index_at(&mut self.k, f, index, origin, out)) })
    }

    /// Where the routine can leave its results at once: the loop does nothing but store them.
    fn direct_result(&self, f: &For, lanes: u16, a: &Applied) -> Option<(Buf, Val)> {
        let mut effects = f.body.iter().filter(|s| !matches!(s, Stmt::Let(_)));
        let (Some(&Stmt::Store { buf, mem, addr: Addr::Unit(index), value: stored }), None) =
            (effects.next(), effects.next())
        else {
            return None;
        };
        let only = stored == a.value && f.carried.is_empty() && mem == self.stored(a).1;
        (only && walks(&self.k, f, lanes, index)).then_some((buf, index))
    }

    /// A copy of the loop over `begin..end` (scratch counted from `origin`), functions read from scratch. With
    /// `stores` it only writes these values to scratch, for functions of that depth; without, it does all that the
    /// loop did, its carried values starting from `inits` if given.
    fn stage(
        &mut self,
        f: &For,
        lanes: u16,
        applied: &[Applied],
        (begin, end, origin): (Val, Val, Val),
        stores: Option<(usize, &[(Val, Buf)])>,
        inits: &[Val],
    ) -> Stmt {
        let mut names: FxHashMap<Val, Val> = FxHashMap::default();
        let var = self.add(Inst::Defined, Ty::I64);
        names.insert(f.var, var);
        let last = stores.is_none();
        let mut carried: Vec<Carried> = Vec::new();
        if last {
            for (i, c) in f.carried.iter().enumerate() {
                let phi = self.add(Inst::Defined, self.k.ty(c.phi));
                names.insert(c.phi, phi);
                let init = inits.get(i).copied().unwrap_or(c.init);
                carried.push(Carried { phi, init, next: phi, result: c.result, combine: c.combine });
            }
        }
        let mut body = Vec::new();
        let coefficient = lanes as i64 / f.step;
        let mut terms: SmallVec<[(Val, i64); 4]> =
            SmallVec::from_slice(&[(origin, -coefficient), (var, coefficient)]);
        terms.sort_unstable_by_key(|t| t.0);
        let place = self.add(Inst::Affine { terms, offset: 0 }, Ty::I64);
        body.push(Stmt::Let(place));
        for stmt in &f.body {
            match stmt {
                Stmt::Let(v) => {
                    let (inst, ty) = self.k.insts[v.0 as usize].clone();
                    let inst = match applied.iter().find(|a| a.value == *v) {
                        // Its routine runs behind this stage.
                        Some(a) if !a.ready && stores.is_some_and(|(depth, _)| a.depth >= depth) => continue,
                        Some(a) => {
                            let mem = self.k.params[a.scratch.0 as usize].mem;
                            Inst::Load { buf: a.scratch, mem, addr: Addr::Unit(place) }
                        }
                        None => {
                            let tied = {
                                let mut tied = false;
                                operands(&inst, |o| tied |= !last && f.carried.iter().any(|c| c.phi == o));
                                tied
                            };
                            if tied {
                                continue;
                            }
                            rename(&inst, &names)
                        }
                    };
                    // What an earlier stage cannot have is not part of it: it depends on an accumulator or a later
                    // function.
                    let mut missing = false;
                    operands(&inst, |o| missing |= !last && self.is_dropped(f, o, &names));
                    if missing {
                        continue;
                    }
                    let new = self.add(inst, ty);
                    names.insert(*v, new);
                    body.push(Stmt::Let(new));
                }
                Stmt::Store { buf, mem, addr, value } if last => {
                    let to = |v: Val| names.get(&v).copied().unwrap_or(v);
                    let addr = match *addr {
                        Addr::Unit(v) => Addr::Unit(to(v)),
                        Addr::Strided(v, s) => Addr::Strided(to(v), s),
                        Addr::Lanes(v) => Addr::Lanes(to(v)),
                    };
                    body.push(Stmt::Store { buf: *buf, mem: *mem, addr, value: to(*value) });
                }
                // A check holds before what it guards is read, in each stage.
                Stmt::Check { ok, code, detail } => {
                    let to = |v: Val| names.get(&v).copied().unwrap_or(v);
                    if last || !self.is_dropped(f, *ok, &names) {
                        body.push(Stmt::Check { ok: to(*ok), code: *code, detail: to(*detail) });
                    }
                }
                Stmt::Store { .. } => {}
                Stmt::For(_) | Stmt::Strip { .. } | Stmt::FoldRows { .. } => {
                    unreachable!("not in a loop that is cut")
                }
            }
        }
        for &(value, buf) in stores.map_or(&[][..], |s| s.1) {
            let mem = self.k.params[buf.0 as usize].mem;
            let mut value = names.get(&value).copied().unwrap_or(value);
            let ty = self.k.ty(value);
            if ty.lanes == 1 {
                value = self.add(Inst::Splat(value), ty.with_lanes(lanes));
                body.push(Stmt::Let(value));
            }
            body.push(Stmt::Store { buf, mem, addr: Addr::Unit(place), value });
        }
        for (c, new) in f.carried.iter().zip(&mut carried) {
            new.next = names.get(&c.next).copied().unwrap_or(c.next);
            if !inits.is_empty() {
                new.result = self.add(Inst::Defined, self.k.ty(c.phi));
            }
        }
        Stmt::For(Box::new(For { var, begin, end, step: f.step, carried, body }))
    }

    /// Whether a value of the loop's body has no copy in this stage.
    fn is_dropped(&self, f: &For, v: Val, names: &FxHashMap<Val, Val>) -> bool {
        f.carried.iter().any(|c| c.phi == v)
            || (!names.contains_key(&v) && f.body.iter().any(|s| matches!(s, Stmt::Let(x) if *x == v)))
    }

    /// Whether `a` in the loop over `var_a` is `b` in the loop over `var_b`.
    fn same(&self, a: Val, var_a: Val, b: Val, var_b: Val) -> bool {
        if a == b || (a == var_a && b == var_b) {
            return true;
        }
        let (x, y) = (&self.k.insts[a.0 as usize], &self.k.insts[b.0 as usize]);
        if x.1 != y.1 {
            return false;
        }
        let (mut left, mut right): (SmallVec<[Val; 4]>, SmallVec<[Val; 4]>) = Default::default();
        operands(&x.0, |o| left.push(o));
        operands(&y.0, |o| right.push(o));
        let leaf = |i: &Inst| matches!(i, Inst::Defined);
        let stable = |i: &Inst| match i {
            Inst::Load { buf, .. } => self.k.params[buf.0 as usize].role == Role::In,
            _ => true,
        };
        if leaf(&x.0) || left.len() != right.len() || !stable(&x.0) {
            return false;
        }
        let blank = |inst: &Inst| map_operands(inst, &mut |_| Val(u32::MAX));
        let order = |inst: &Inst| match inst {
            Inst::Affine { terms, offset } => {
                let mut c: Vec<i64> = terms.iter().map(|t| t.1).collect();
                c.sort_unstable();
                Some((c, *offset))
            }
            _ => None,
        };
        if let (Some(p), Some(q)) = (order(&x.0), order(&y.0)) {
            // Terms are sorted by name, which differs between loops: match them as sets.
            let (Inst::Affine { terms: s, .. }, Inst::Affine { terms: t, .. }) = (&x.0, &y.0) else {
                return false;
            };
            return p == q
                && s.iter().all(|&(v, c)| t.iter().any(|&(w, d)| c == d && self.same(v, var_a, w, var_b)));
        }
        blank(&x.0) == blank(&y.0) && left.iter().zip(&right).all(|(&l, &r)| self.same(l, var_a, r, var_b))
    }
}
