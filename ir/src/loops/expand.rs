//! Functions by name become the instructions that every machine has.

use super::build::LoopBuilder;
use super::*;
use crate::op::scalar_math;

/// The kernel with every [`Inst::Math`] replaced by its expansion, rebuilt so that what the expansions
/// share, and what does not vary in a loop, is computed once.
pub fn expand(kernel: &Kernel) -> Kernel {
    let mut e = Expand { old: kernel, b: LoopBuilder::new(), names: vec![None; kernel.insts.len()] };
    let (begin, end) = e.b.bounds();
    e.names[kernel.begin.0 as usize] = Some(begin);
    e.names[kernel.end.0 as usize] = Some(end);
    for p in &kernel.params {
        e.b.param(p.mem, p.role);
    }
    for (slot, &elem) in kernel.scalars.iter().enumerate() {
        let v = e.b.scalar(elem);
        let old = Inst::Scalar(slot as u16);
        for (i, (inst, _)) in kernel.insts.iter().enumerate() {
            if *inst == old {
                e.names[i] = Some(v);
            }
        }
    }
    e.block(&kernel.body);
    e.b.finish(kernel.name.clone(), kernel.parallel)
}

/// The number of instructions that a function with results of this type expands to.
pub fn expansion_size(name: &str, elem: Elem) -> usize {
    let mut b = LoopBuilder::new();
    expand_alone(&mut b, name, elem)
}

/// The instructions that a function with results of this type expands to, with arguments from nowhere.
pub fn expansion(name: &str, elem: Elem) -> Kernel {
    let mut b = LoopBuilder::new();
    expand_alone(&mut b, name, elem);
    b.finish(name.into(), 1)
}

/// Gives how many instructions it were.
fn expand_alone(b: &mut LoopBuilder, name: &str, elem: Elem) -> usize {
    let arity = scalar_math::math_arity(name).unwrap_or(0);
    let elem = scalar_math::conversion(name).map_or(elem, |(from, _)| register_of(from));
    let args: SmallVec<[Val; 2]> = (0..arity).map(|_| b.opaque(Ty::scalar(elem))).collect();
    let before = b.len();
    scalar_math::expand(b, name, &args);
    b.len() - before
}

struct Expand<'a> {
    old: &'a Kernel,
    b: LoopBuilder,
    names: Vec<Option<Val>>,
}

impl Expand<'_> {
    fn name(&mut self, v: Val) -> Val {
        if let Some(n) = self.names[v.0 as usize] {
            return n;
        }
        let (inst, ty) = &self.old.insts[v.0 as usize];
        let Inst::Const(bits) = inst else { unreachable!("{inst:?} is used before it is defined") };
        let n = self.b.constant(ty.elem, *bits);
        self.names[v.0 as usize] = Some(n);
        n
    }

    fn block(&mut self, block: &Block) {
        for stmt in block {
            match stmt {
                Stmt::Let(v) => {
                    let n = self.inst(*v);
                    self.names[v.0 as usize] = Some(n);
                }
                Stmt::For(f) => {
                    let (begin, end) = (self.name(f.begin), self.name(f.end));
                    let inits: SmallVec<[Val; 4]> = f.carried.iter().map(|c| self.name(c.init)).collect();
                    let open = self.b.open_loop(begin, end, f.step, &inits);
                    self.names[f.var.0 as usize] = Some(open.var);
                    for (c, &phi) in f.carried.iter().zip(&open.phis) {
                        self.names[c.phi.0 as usize] = Some(phi);
                    }
                    self.block(&f.body);
                    let nexts: SmallVec<[Val; 4]> = f.carried.iter().map(|c| self.name(c.next)).collect();
                    let combine: SmallVec<[Option<Combine>; 4]> =
                        f.carried.iter().map(|c| c.combine).collect();
                    let results = self.b.close_loop(open, &nexts, &combine);
                    for (c, &r) in f.carried.iter().zip(&results) {
                        self.names[c.result.0 as usize] = Some(r);
                    }
                }
                Stmt::Store { buf, mem, addr, value } => {
                    let (addr, value) = (self.addr(*addr), self.name(*value));
                    self.b.push(Stmt::Store { buf: *buf, mem: *mem, addr, value });
                }
                Stmt::Check { ok, code, detail } => {
                    let (ok, detail) = (self.name(*ok), self.name(*detail));
                    self.b.push(Stmt::Check { ok, code: *code, detail });
                }
                Stmt::Strip { routine, src, dst, count } => {
                    let count = self.name(*count);
                    let src = src.iter().map(|s| s.map(|v| self.name(v))).collect();
                    let dst = dst.map(|v| self.name(v));
                    self.b.push(Stmt::Strip { routine, src, dst, count });
                }
                Stmt::FoldRows { combine, src, stride, rows, acc, count } => {
                    let (rows, count) = (self.name(*rows), self.name(*count));
                    let src = src.map(|v| self.name(v));
                    let (combine, stride, acc) = (*combine, *stride, *acc);
                    self.b.push(Stmt::FoldRows { combine, src, stride, rows, acc, count });
                }
            }
        }
    }

    fn addr(&mut self, addr: Addr) -> Addr {
        match addr {
            Addr::Unit(v) => Addr::Unit(self.name(v)),
            Addr::Strided(v, s) => Addr::Strided(self.name(v), s),
            Addr::Lanes(v) => Addr::Lanes(self.name(v)),
        }
    }

    fn inst(&mut self, v: Val) -> Val {
        let (inst, ty) = self.old.insts[v.0 as usize].clone();
        let new = match inst {
            Inst::Math(name, args) => {
                let args: SmallVec<[Val; 2]> = args.iter().map(|&a| self.name(a)).collect();
                return scalar_math::expand(&mut self.b, name, &args).expect("a function of the table");
            }
            Inst::Affine { terms, offset } => {
                let terms: SmallVec<[(Val, i64); 4]> =
                    terms.iter().map(|&(t, c)| (self.name(t), c)).collect();
                return self.b.affine(&terms, offset);
            }
            Inst::Load { buf, mem, addr } => {
                let inst = Inst::Load { buf, mem, addr: self.addr(addr) };
                let stable = self.old.params[buf.0 as usize].role == Role::In;
                return if stable { self.b.emit(inst, ty) } else { self.b.emit_pinned(inst, ty) };
            }
            Inst::Bin(op, a, b) => Inst::Bin(op, self.name(a), self.name(b)),
            Inst::Cmp(op, a, b) => Inst::Cmp(op, self.name(a), self.name(b)),
            Inst::Un(op, a) => Inst::Un(op, self.name(a)),
            Inst::Cast(op, a) => Inst::Cast(op, self.name(a)),
            Inst::Select(m, a, b) => Inst::Select(self.name(m), self.name(a), self.name(b)),
            Inst::Fma(a, b, c) => Inst::Fma(self.name(a), self.name(b), self.name(c)),
            Inst::Splat(a) => Inst::Splat(self.name(a)),
            Inst::Ramp(a, step) => Inst::Ramp(self.name(a), step),
            Inst::ReduceLanes(op, a) => Inst::ReduceLanes(op, self.name(a)),
            Inst::Fold { combine, lanes, src, count } => {
                let inst =
                    Inst::Fold { combine, lanes, src: src.map(|v| self.name(v)), count: self.name(count) };
                return self.b.emit_pinned(inst, ty);
            }
            Inst::Table(name, a) => Inst::Table(name, self.name(a)),
            Inst::Const(_) | Inst::Scalar(_) | Inst::Defined => unreachable!("stands in no block"),
        };
        self.b.emit(new, ty)
    }
}
