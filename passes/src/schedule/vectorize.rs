//! Loops in lanes.
//!
//! Of each nest the loop is chosen whose iterations lie best side by side in memory: the innermost
//! one for rows, an outer one where a reduction runs down columns. It is cut into a main loop over
//! lanes and a scalar tail; accumulators become one per lane, combined behind the main loop. What does
//! not vary stays scalar; indices that grow by a constant become unit or strided accesses, others are
//! gathered lane by lane.

use super::cost::{can_vectorize, inner_cost, nest_cost};
use super::extremes::extreme;
use super::{Varying, inner_loops, trip_count};
use rustc_hash::{FxHashMap, FxHashSet};
use rustorch_ir::loops::expand::expansion_size;
use rustorch_ir::loops::{
    Addr, BinOp, Block, Carried, CmpOp, Combine, Elem, For, Inst, Kernel, Stmt, Ty, Val,
};
use rustorch_ir::op::scalar_math::conversion;
use smallvec::SmallVec;

/// Logical lanes: four machine vectors of 32-bit elements.
const LANES: u16 = 16;
/// Lanes of a loop with accumulators of 32 bits, its own or an inner loop's, each of which waits for its last
/// addition; and of one with functions, so that what a row's sum has computed in strips serves its other loops.
const MANY_LANES: u16 = 32;
/// Lanes of a loop whose functions expand to more instructions than this: each four lanes are code of their own.
const FEW_LANES: u16 = 4;
const HUGE: usize = 500;

/// Rewrites the kernel with lanes where they pay.
pub fn vectorize(kernel: &Kernel) -> Kernel {
    let mut chosen = FxHashSet::default();
    for l in inner_loops(&kernel.body) {
        choose(kernel, l, &mut chosen);
    }
    if chosen.is_empty() {
        return kernel.clone();
    }
    let mut w = Widen {
        old: kernel,
        insts: Vec::new(),
        state: vec![None; kernel.insts.len()],
        chosen,
        shared: FxHashMap::default(),
    };
    let (begin, end) = (w.define(Ty::I64), w.define(Ty::I64));
    w.state[kernel.begin.0 as usize] = Some(State::Uniform(begin));
    w.state[kernel.end.0 as usize] = Some(State::Uniform(end));
    let mut body = Vec::new();
    w.block(&kernel.body, &mut body);
    Kernel { insts: w.insts, begin, end, body, ..kernel.clone() }
}

/// Marks (by their variables) the loops of the nest to run in lanes; gives the nest's cost then.
fn choose(kernel: &Kernel, l: &For, chosen: &mut FxHashSet<Val>) -> f64 {
    let mut inside = FxHashSet::default();
    let within = inner_cost(kernel, l, &mut |f| choose(kernel, f, &mut inside));
    let enough = trip_count(kernel, l).is_none_or(|n| n >= 4);
    if enough && can_vectorize(kernel, l) {
        let here = nest_cost(kernel, l, Some(l));
        if here < within || inside.is_empty() && is_regrouped(kernel, l) {
            chosen.insert(l.var);
            return here;
        }
    }
    chosen.extend(inside);
    within
}

/// Whether the bits of what a loop carries tell in how many lanes it ran: then it runs in lanes whatever it reads,
/// unless loops within it do.
fn is_regrouped(kernel: &Kernel, l: &For) -> bool {
    l.carried
        .iter()
        .any(|c| matches!(c.combine, Some(Combine::Add | Combine::Mul)) && kernel.ty(c.phi).elem.is_float())
}

/// How many lanes a loop is to run in. With accumulators they are part of the order of summation, so they depend
/// on nothing but the accumulators' width.
fn lanes_of(kernel: &Kernel, f: &For) -> u16 {
    let (mut bits, mut functions, mut expanded) = (0, false, 0);
    let mut loops = vec![f];
    while let Some(l) = loops.pop() {
        for c in &l.carried {
            // An extreme has a second accumulator.
            let own = kernel.ty(c.phi).elem.bits() * if extreme(kernel, c).is_some() { 2 } else { 1 };
            bits = bits.max(own);
        }
        for stmt in &l.body {
            match stmt {
                Stmt::Let(v) => {
                    let (inst, ty) = &kernel.insts[v.0 as usize];
                    // Conversions are as short as other instructions.
                    if let Inst::Math(name, _) = inst
                        && conversion(name).is_none()
                    {
                        functions |= ty.elem == Elem::F32;
                        expanded += expansion_size(name, ty.elem);
                    }
                }
                Stmt::For(inner) => loops.push(inner),
                _ => {}
            }
        }
    }
    match bits {
        0 if expanded > HUGE => FEW_LANES,
        0 if functions => MANY_LANES,
        1..=32 => MANY_LANES,
        _ => LANES,
    }
}

/// What a value of the old kernel is in the new one, while a loop runs in lanes.
#[derive(Clone, Copy)]
enum State {
    /// The same for all lanes.
    Uniform(Val),
    /// I64: lane `k` is the scalar plus `k` times a constant.
    Linear(Val, i64),
    Wide(Val),
}

pub(super) struct Widen<'a> {
    old: &'a Kernel,
    pub(super) insts: Vec<(Inst, Ty)>,
    state: Vec<Option<State>>,
    chosen: FxHashSet<Val>,
    /// Splats and ramps of the innermost block, by what they repeat.
    shared: FxHashMap<(Inst, Ty), Val>,
}

impl Widen<'_> {
    pub(super) fn define(&mut self, ty: Ty) -> Val {
        self.insts.push((Inst::Defined, ty));
        Val(self.insts.len() as u32 - 1)
    }

    pub(super) fn emit(&mut self, inst: Inst, ty: Ty, out: &mut Block) -> Val {
        let fresh = !matches!(inst, Inst::Const(_) | Inst::Scalar(_));
        self.insts.push((inst, ty));
        let v = Val(self.insts.len() as u32 - 1);
        if fresh {
            out.push(Stmt::Let(v));
        }
        v
    }

    pub(super) fn constant(&mut self, elem: Elem, bits: u64) -> Val {
        let key = (Inst::Const(bits), Ty::scalar(elem));
        if let Some(&v) = self.shared.get(&key) {
            return v;
        }
        self.insts.push(key.clone());
        let v = Val(self.insts.len() as u32 - 1);
        self.shared.insert(key, v);
        v
    }

    fn state(&mut self, v: Val) -> State {
        if let Some(s) = self.state[v.0 as usize] {
            return s;
        }
        // Constants and run-time scalars are available everywhere and stand in no block.
        let (inst, ty) = self.old.insts[v.0 as usize].clone();
        debug_assert!(
            matches!(inst, Inst::Const(_) | Inst::Scalar(_)),
            "{inst:?} is used before it is defined"
        );
        self.insts.push((inst, ty));
        let s = State::Uniform(Val(self.insts.len() as u32 - 1));
        self.state[v.0 as usize] = Some(s);
        s
    }

    /// The scalar that stands for a value outside lanes, or for lane 0 of an index.
    fn scalar(&mut self, v: Val) -> Val {
        match self.state(v) {
            State::Uniform(v) | State::Linear(v, _) => v,
            State::Wide(_) => unreachable!("a value in lanes is used as a scalar"),
        }
    }

    pub(super) fn wide(&mut self, v: Val, lanes: u16, out: &mut Block) -> Val {
        let ty = self.old.ty(v).with_lanes(lanes);
        match self.state(v) {
            State::Wide(v) => v,
            State::Uniform(v) => self.emit(Inst::Splat(v), ty, out),
            State::Linear(v, step) => self.emit(Inst::Ramp(v, step), ty, out),
        }
    }

    fn block(&mut self, old: &Block, out: &mut Block) {
        for stmt in old {
            match stmt {
                Stmt::Let(v) => {
                    let inst = self.renamed(*v);
                    let new = self.emit(inst, self.old.ty(*v), out);
                    self.state[v.0 as usize] = Some(State::Uniform(new));
                }
                Stmt::For(f) if self.chosen.contains(&f.var) => self.in_lanes(f, out),
                Stmt::For(f) => self.copy_loop(f, None, out),
                Stmt::Store { buf, mem, addr, value } => {
                    let addr = Addr::Unit(self.scalar(addr.index()));
                    let value = self.scalar(*value);
                    out.push(Stmt::Store { buf: *buf, mem: *mem, addr, value });
                }
                Stmt::Check { ok, code, detail } => {
                    let (ok, detail) = (self.scalar(*ok), self.scalar(*detail));
                    out.push(Stmt::Check { ok, code: *code, detail });
                }
                Stmt::FoldRows { combine, src, stride, rows, acc, count } => {
                    let (rows, count) = (self.scalar(*rows), self.scalar(*count));
                    let src = src.map(|v| self.scalar(v));
                    let (combine, stride, acc) = (*combine, *stride, *acc);
                    out.push(Stmt::FoldRows { combine, src, stride, rows, acc, count });
                }
                Stmt::Strip { .. } => unreachable!("strips are made after lanes"),
            }
        }
    }

    /// The instruction over the new names of its (scalar) operands.
    fn renamed(&mut self, v: Val) -> Inst {
        let inst = self.old.inst(v).clone();
        match inst {
            Inst::Affine { terms, offset } => {
                let mut terms: SmallVec<[(Val, i64); 4]> =
                    terms.iter().map(|&(t, c)| (self.scalar(t), c)).collect();
                terms.sort_unstable_by_key(|t| t.0);
                Inst::Affine { terms, offset }
            }
            Inst::Bin(op, a, b) => Inst::Bin(op, self.scalar(a), self.scalar(b)),
            Inst::Cmp(op, a, b) => Inst::Cmp(op, self.scalar(a), self.scalar(b)),
            Inst::Un(op, a) => Inst::Un(op, self.scalar(a)),
            Inst::Cast(op, a) => Inst::Cast(op, self.scalar(a)),
            Inst::Select(a, b, c) => Inst::Select(self.scalar(a), self.scalar(b), self.scalar(c)),
            Inst::Fma(a, b, c) => Inst::Fma(self.scalar(a), self.scalar(b), self.scalar(c)),
            Inst::Load { buf, mem, addr } => {
                Inst::Load { buf, mem, addr: Addr::Unit(self.scalar(addr.index())) }
            }
            Inst::Math(name, args) => Inst::Math(name, args.iter().map(|&a| self.scalar(a)).collect()),
            Inst::Table(name, a) => Inst::Table(name, self.scalar(a)),
            Inst::Const(_) | Inst::Scalar(_) | Inst::Defined => inst,
            Inst::Splat(_) | Inst::Ramp(..) | Inst::ReduceLanes(..) | Inst::Fold { .. } => {
                unreachable!("lanes before vectorisation")
            }
        }
    }

    /// The loop as it is, from `begin` on if given, its carried values starting from what they have there.
    fn copy_loop(&mut self, f: &For, from: Option<(Val, &[Val])>, out: &mut Block) {
        let begin = from.map_or_else(|| self.scalar(f.begin), |b| b.0);
        let end = self.scalar(f.end);
        let inits: Vec<Val> = match from {
            Some((_, inits)) => inits.to_vec(),
            None => f.carried.iter().map(|c| self.scalar(c.init)).collect(),
        };
        let var = self.define(Ty::I64);
        self.state[f.var.0 as usize] = Some(State::Uniform(var));
        let phis: Vec<Val> = f.carried.iter().map(|c| self.define(self.old.ty(c.phi))).collect();
        for (c, &phi) in f.carried.iter().zip(&phis) {
            self.state[c.phi.0 as usize] = Some(State::Uniform(phi));
        }
        let mut body = Vec::new();
        self.block(&f.body, &mut body);
        let mut carried = Vec::new();
        for (i, c) in f.carried.iter().enumerate() {
            let next = self.scalar(c.next);
            let result = self.define(self.old.ty(c.phi));
            self.state[c.result.0 as usize] = Some(State::Uniform(result));
            carried.push(Carried { phi: phis[i], init: inits[i], next, result, combine: c.combine });
        }
        out.push(Stmt::For(Box::new(For { var, begin, end, step: f.step, carried, body })));
    }

    /// The loop as a main loop over lanes and a scalar tail.
    fn in_lanes(&mut self, f: &For, out: &mut Block) {
        let trips = trip_count(self.old, f);
        let wanted = lanes_of(self.old, f);
        let mut begin = self.scalar(f.begin);
        let end = self.scalar(f.end);
        let mut inits: Vec<Val> = f.carried.iter().map(|c| self.scalar(c.init)).collect();
        let mut left = trips;
        // What a full width leaves over goes by four lanes, and the last few one by one.
        for lanes in [wanted, 4].into_iter().take(if wanted == 4 { 1 } else { 2 }) {
            if left.is_none_or(|n| n >= lanes as u64) {
                (begin, inits) = self.main_loop(f, lanes, begin, end, inits, left, out);
                left = left.map(|n| n % lanes as u64);
            }
        }
        if left == Some(0) {
            for (c, &v) in f.carried.iter().zip(&inits) {
                self.state[c.result.0 as usize] = Some(State::Uniform(v));
            }
            return;
        }
        self.copy_loop(f, Some((begin, &inits)), out);
    }

    /// Full steps of `lanes` iterations from `begin` on; gives where they end and the carried values there.
    #[allow(clippy::too_many_arguments)] // the state of one loop
    fn main_loop(
        &mut self,
        f: &For,
        lanes: u16,
        begin: Val,
        end: Val,
        inits: Vec<Val>,
        left: Option<u64>,
        out: &mut Block,
    ) -> (Val, Vec<Val>) {
        let stop = match (left, self.insts[begin.0 as usize].0.clone()) {
            (Some(n), Inst::Const(b)) => self.constant(Elem::I64, b + (n - n % lanes as u64)),
            _ => {
                let distance = self.affine(&[(end, 1), (begin, -1)], 0, out);
                let whole = self.constant(Elem::I64, !(lanes as u64 - 1));
                let full = self.emit(Inst::Bin(BinOp::And, distance, whole), Ty::I64, out);
                let zero = self.constant(Elem::I64, 0);
                let full = self.emit(Inst::Bin(BinOp::Max, full, zero), Ty::I64, out);
                self.affine(&[(begin, 1), (full, 1)], 0, out)
            }
        };
        let varying = Varying::of(self.old, f);
        let var = self.define(Ty::I64);
        self.state[f.var.0 as usize] = Some(State::Linear(var, 1));
        let mut carried = Vec::new();
        for c in &f.carried {
            let ty = self.old.ty(c.phi);
            let neutral = c.combine.expect("regrouped").neutral(ty.elem);
            let neutral = self.constant(ty.elem, neutral);
            let wide = ty.with_lanes(lanes);
            let init = self.emit(Inst::Splat(neutral), wide, out);
            let phi = self.define(wide);
            self.state[c.phi.0 as usize] = Some(State::Wide(phi));
            carried.push(Carried { phi, init, next: phi, result: phi, combine: c.combine });
        }
        let mut body = Vec::new();
        self.lane_block(&f.body, &varying, lanes, &mut body);
        let mut nans = Vec::new();
        for (c, new) in f.carried.iter().zip(&mut carried) {
            new.result = self.define(self.old.ty(c.phi).with_lanes(lanes));
            match extreme(self.old, c) {
                Some(x) => nans.push((new.result, self.extreme(new, x, lanes, &mut body, out))),
                None => new.next = self.wide(c.next, lanes, &mut body),
            }
        }
        let mut results: Vec<Val> = carried.iter().map(|c| c.result).collect();
        carried.extend(nans.iter().map(|n| n.1));
        out.push(Stmt::For(Box::new(For { var, begin, end: stop, step: lanes as i64, carried, body })));
        for (result, seen) in nans {
            let kept = self.unless_nan(result, seen.result, out);
            results.iter_mut().filter(|r| **r == result).for_each(|r| *r = kept);
        }
        let totals = f.carried.iter().zip(results).zip(inits).map(|((c, lanes_of), init)| {
            let (ty, combine) = (self.old.ty(c.phi), c.combine.expect("regrouped"));
            let one = self.emit(Inst::ReduceLanes(combine, lanes_of), ty, out);
            self.combine(combine, ty, init, one, out)
        });
        let totals = totals.collect();
        (stop, totals)
    }

    /// `combine(acc, x)` of scalars, as [`rustorch_ir::loops::build::LoopBuilder::combine`] writes it.
    fn combine(&mut self, op: Combine, ty: Ty, acc: Val, x: Val, out: &mut Block) -> Val {
        let bin = |op| Inst::Bin(op, acc, x);
        let inst = match op {
            Combine::Add => bin(BinOp::Add),
            Combine::Mul => bin(BinOp::Mul),
            Combine::And => bin(BinOp::And),
            Combine::Or => bin(BinOp::Or),
            Combine::Min if ty.elem.is_int() => bin(BinOp::Min),
            Combine::Max if ty.elem.is_int() => bin(BinOp::Max),
            Combine::Min | Combine::Max => {
                let mask = Ty { elem: Elem::Mask, lanes: ty.lanes };
                let (a, b) = if op == Combine::Min { (x, acc) } else { (acc, x) };
                let better = self.emit(Inst::Cmp(CmpOp::Lt, a, b), mask, out);
                let nan = self.emit(Inst::Cmp(CmpOp::Ne, x, x), mask, out);
                let take = self.emit(Inst::Bin(BinOp::Or, better, nan), mask, out);
                Inst::Select(take, x, acc)
            }
        };
        self.emit(inst, ty, out)
    }

    fn affine(&mut self, terms: &[(Val, i64)], offset: i64, out: &mut Block) -> Val {
        let mut terms: SmallVec<[(Val, i64); 4]> = terms.into();
        terms.sort_unstable_by_key(|t| t.0);
        self.emit(Inst::Affine { terms, offset }, Ty::I64, out)
    }

    /// A block inside the loop that runs in lanes.
    fn lane_block(&mut self, old: &Block, varying: &Varying, lanes: u16, out: &mut Block) {
        for stmt in old {
            match stmt {
                Stmt::Let(v) => {
                    let state = if varying.get(*v) {
                        self.lane_inst(*v, lanes, out)
                    } else {
                        let inst = self.renamed(*v);
                        State::Uniform(self.emit(inst, self.old.ty(*v), out))
                    };
                    self.state[v.0 as usize] = Some(state);
                }
                Stmt::For(f) => self.lane_loop(f, varying, lanes, out),
                Stmt::Store { buf, mem, addr, value } => {
                    let addr = self.lane_addr(addr.index(), lanes, out);
                    let value = self.wide(*value, lanes, out);
                    out.push(Stmt::Store { buf: *buf, mem: *mem, addr, value });
                }
                Stmt::Check { ok, code, detail } if varying.get(*ok) => {
                    let all = self.wide(*ok, lanes, out);
                    let detail = match self.state(*detail) {
                        State::Uniform(v) => v,
                        _ => self.wide(*detail, lanes, out),
                    };
                    out.push(Stmt::Check { ok: all, code: *code, detail });
                }
                Stmt::Check { ok, code, detail } => {
                    let (ok, detail) = (self.scalar(*ok), self.scalar(*detail));
                    out.push(Stmt::Check { ok, code: *code, detail });
                }
                Stmt::Strip { .. } | Stmt::FoldRows { .. } => {
                    unreachable!("no loop around one runs in lanes")
                }
            }
        }
    }

    /// An inner loop, run once for all lanes.
    fn lane_loop(&mut self, f: &For, varying: &Varying, lanes: u16, out: &mut Block) {
        let begin = self.scalar(f.begin);
        let end = self.scalar(f.end);
        let var = self.define(Ty::I64);
        self.state[f.var.0 as usize] = Some(State::Uniform(var));
        let mut carried = Vec::new();
        for c in &f.carried {
            let ty = self.old.ty(c.phi);
            let (ty, init) = if varying.get(c.phi) {
                (ty.with_lanes(lanes), self.wide(c.init, lanes, out))
            } else {
                (ty, self.scalar(c.init))
            };
            let phi = self.define(ty);
            let state = if ty.lanes > 1 { State::Wide(phi) } else { State::Uniform(phi) };
            self.state[c.phi.0 as usize] = Some(state);
            carried.push(Carried { phi, init, next: phi, result: phi, combine: c.combine });
        }
        let mut body = Vec::new();
        self.lane_block(&f.body, varying, lanes, &mut body);
        let mut nans = Vec::new();
        for (c, new) in f.carried.iter().zip(&mut carried) {
            let wide = varying.get(c.phi);
            let ty = self.old.ty(c.phi);
            new.result = self.define(if wide { ty.with_lanes(lanes) } else { ty });
            let state = if wide { State::Wide(new.result) } else { State::Uniform(new.result) };
            self.state[c.result.0 as usize] = Some(state);
            match extreme(self.old, c).filter(|_| wide) {
                Some(x) => nans.push((c.result, self.extreme(new, x, lanes, &mut body, out))),
                None if wide => new.next = self.wide(c.next, lanes, &mut body),
                None => new.next = self.scalar(c.next),
            }
        }
        carried.extend(nans.iter().map(|n| n.1));
        out.push(Stmt::For(Box::new(For { var, begin, end, step: f.step, carried, body })));
        for (result, seen) in nans {
            let State::Wide(most) = self.state(result) else { unreachable!("defined wide") };
            let kept = self.unless_nan(most, seen.result, out);
            self.state[result.0 as usize] = Some(State::Wide(kept));
        }
    }

    fn lane_addr(&mut self, index: Val, lanes: u16, out: &mut Block) -> Addr {
        match self.state(index) {
            State::Linear(base, 1) => Addr::Unit(base),
            State::Linear(base, step) => Addr::Strided(base, step),
            State::Wide(v) => Addr::Lanes(v),
            State::Uniform(_) => Addr::Lanes(self.wide(index, lanes, out)),
        }
    }

    /// A varying instruction.
    fn lane_inst(&mut self, v: Val, lanes: u16, out: &mut Block) -> State {
        let ty = self.old.ty(v).with_lanes(lanes);
        let inst = match self.old.inst(v).clone() {
            Inst::Affine { terms, offset } => return self.lane_affine(&terms, offset, lanes, out),
            Inst::Load { buf, mem, addr } => {
                Inst::Load { buf, mem, addr: self.lane_addr(addr.index(), lanes, out) }
            }
            Inst::Bin(op, a, b) => Inst::Bin(op, self.wide(a, lanes, out), self.wide(b, lanes, out)),
            Inst::Cmp(op, a, b) => Inst::Cmp(op, self.wide(a, lanes, out), self.wide(b, lanes, out)),
            Inst::Un(op, a) => Inst::Un(op, self.wide(a, lanes, out)),
            Inst::Cast(op, a) => Inst::Cast(op, self.wide(a, lanes, out)),
            Inst::Select(m, a, b) => {
                Inst::Select(self.wide(m, lanes, out), self.wide(a, lanes, out), self.wide(b, lanes, out))
            }
            Inst::Fma(a, b, c) => {
                Inst::Fma(self.wide(a, lanes, out), self.wide(b, lanes, out), self.wide(c, lanes, out))
            }
            Inst::Math(name, args) => {
                Inst::Math(name, args.iter().map(|&a| self.wide(a, lanes, out)).collect())
            }
            Inst::Table(name, a) => Inst::Table(name, self.wide(a, lanes, out)),
            other => unreachable!("{other:?} does not vary"),
        };
        State::Wide(self.emit(inst, ty, out))
    }

    /// A sum of indices: linear as long as its terms are, else computed in lanes.
    fn lane_affine(&mut self, terms: &[(Val, i64)], offset: i64, lanes: u16, out: &mut Block) -> State {
        let mut base: SmallVec<[(Val, i64); 4]> = SmallVec::new();
        let mut step = 0;
        let mut wide = Vec::new();
        for &(t, c) in terms {
            match self.state(t) {
                State::Uniform(v) => base.push((v, c)),
                State::Linear(v, s) => {
                    base.push((v, c));
                    step += s * c;
                }
                State::Wide(v) => wide.push((v, c)),
            }
        }
        base.sort_unstable_by_key(|t| t.0);
        let base = if base.is_empty() {
            self.constant(Elem::I64, offset as u64)
        } else {
            self.emit(Inst::Affine { terms: base, offset }, Ty::I64, out)
        };
        if wide.is_empty() {
            return if step == 0 { State::Uniform(base) } else { State::Linear(base, step) };
        }
        let ty = Ty::I64.with_lanes(lanes);
        let start = if step == 0 { Inst::Splat(base) } else { Inst::Ramp(base, step) };
        let mut sum = self.emit(start, ty, out);
        for (v, c) in wide {
            let mut term = v;
            if c != 1 {
                let c = self.constant(Elem::I64, c as u64);
                let c = self.emit(Inst::Splat(c), ty, out);
                term = self.emit(Inst::Bin(BinOp::Mul, v, c), ty, out);
            }
            sum = self.emit(Inst::Bin(BinOp::Add, sum, term), ty, out);
        }
        State::Wide(sum)
    }
}
