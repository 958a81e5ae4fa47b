//! The one walk from a LoopIR kernel to any [`Target`].
//!
//! Straight-line code over wide values is emitted *depth first*: all of it for the first part of the lanes, then
//! all for the second, so that the temporaries of one part only are alive at a time. A run of such statements (a
//! *bundle*) ends where the order of memory accesses could be felt.
//!
//! Two parameters may share memory only as a donation does: every element is read before the same position is
//! written, by the same iteration.

mod address;
mod compute;
mod lanes;
mod memory;
mod part;

use crate::BackendError;
use crate::target::{Opened, Reg, Target};
use part::{Form, Part, part_count};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::{
    Addr, BinOp, Block, Buf, Combine, Elem, For, Inst, Kernel, Stmt, Stretch, Val, register_of,
};
use smallvec::SmallVec;

/// Emits a verified kernel.
pub fn emit<T: Target>(kernel: &Kernel, target: &mut T) -> Result<(), BackendError> {
    let mut walk = Walk::new(kernel, target);
    let (begin, end) = walk.target.bounds();
    walk.define(kernel.begin, 0, Part::One(begin));
    walk.define(kernel.end, 0, Part::One(end));
    walk.everywhere();
    walk.block(&kernel.body)?;
    walk.target.finish();
    Ok(())
}

struct Walk<'k, T: Target> {
    kernel: &'k Kernel,
    target: &'k mut T,
    /// Where the parts of each value start in `parts`.
    first: Vec<u32>,
    parts: Vec<Option<Part<T::Value>>>,
    /// How many loops are around the definition of each value.
    depth: Vec<u16>,
    level: u16,
    /// Nothing is written in the innermost open loop.
    quiet: bool,
    /// Affine values that something other than an address reads.
    computed: Vec<bool>,
    /// Addresses found for the current bundle.
    addresses: Vec<(Buf, Val, address::Base<T::Value>)>,
}

/// A load or store of a bundle.
struct Access {
    buf: Buf,
    mem: DType,
    addr: Addr,
    writes: bool,
}

impl Access {
    fn of(kernel: &Kernel, stmt: &Stmt) -> Option<Access> {
        match *stmt {
            Stmt::Let(v) => match *kernel.inst(v) {
                Inst::Load { buf, mem, addr } => Some(Access { buf, mem, addr, writes: false }),
                _ => None,
            },
            Stmt::Store { buf, mem, addr, .. } => Some(Access { buf, mem, addr, writes: true }),
            _ => None,
        }
    }

    /// Whether doing both part by part could differ from doing one after the other.
    fn conflicts(&self, other: &Access) -> bool {
        let same_place =
            self.addr == other.addr && self.mem == other.mem && !matches!(self.addr, Addr::Lanes(_));
        self.buf == other.buf && (self.writes || other.writes) && !same_place
    }
}

/// The wide statements that wait to be emitted part by part.
#[derive(Default)]
struct Bundle<'k> {
    stmts: Vec<&'k Stmt>,
    accesses: Vec<Access>,
    parts: usize,
}

impl<'k, T: Target> Walk<'k, T> {
    fn new(kernel: &'k Kernel, target: &'k mut T) -> Self {
        let mut count = 0;
        let first = kernel
            .insts
            .iter()
            .map(|(_, ty)| {
                let at = count;
                count += part_count(ty.lanes) as u32;
                at
            })
            .collect();
        Walk {
            kernel,
            target,
            first,
            parts: vec![None; count as usize],
            depth: vec![0; kernel.insts.len()],
            level: 0,
            quiet: false,
            computed: address::computed_affines(kernel),
            addresses: Vec::new(),
        }
    }

    /// Constants and run-time scalars, which hold in every block.
    fn everywhere(&mut self) {
        let kernel = self.kernel;
        for (k, (inst, ty)) in kernel.insts.iter().enumerate() {
            let reg = Reg::scalar(ty.elem);
            let value = match inst {
                Inst::Const(bits) => self.target.constant(reg, &[*bits]),
                Inst::Scalar(slot) => self.target.scalar(*slot, reg),
                _ => continue,
            };
            self.define(Val(k as u32), 0, Part::One(value));
        }
    }

    fn define(&mut self, v: Val, part: usize, value: Part<T::Value>) {
        self.parts[self.first[v.0 as usize] as usize + part] = Some(value);
        self.depth[v.0 as usize] = self.level;
    }

    fn part(&self, v: Val, part: usize) -> Part<T::Value> {
        self.parts[self.first[v.0 as usize] as usize + part].expect("a value is defined before it is used")
    }

    /// The register of a value with one lane.
    fn one(&self, v: Val) -> T::Value {
        self.part(v, 0).registers()[0]
    }

    fn elem(&self, v: Val) -> Elem {
        self.kernel.ty(v).elem
    }

    fn parts_of(&self, v: Val) -> usize {
        part_count(self.kernel.ty(v).lanes)
    }

    fn constant_of(&self, v: Val) -> Option<u64> {
        match *self.kernel.inst(v) {
            Inst::Const(bits) => Some(bits),
            _ => None,
        }
    }

    fn block(&mut self, block: &'k Block) -> Result<(), BackendError> {
        let mut bundle = Bundle::default();
        for stmt in block {
            match stmt {
                Stmt::Let(v) => {
                    if let Inst::ReduceLanes(combine, a) = *self.kernel.inst(*v) {
                        self.flush(&mut bundle)?;
                        let value = self.reduce_lanes(combine, a);
                        self.define(*v, 0, Part::One(value));
                    } else if let Inst::Fold { combine, lanes, src, count } = *self.kernel.inst(*v) {
                        self.flush(&mut bundle)?;
                        let mem = self.kernel.params[src.buf.0 as usize].mem;
                        let (src, count) = (self.stretch(src), self.one(count));
                        let value = self.target.fold(combine, mem, lanes, src, count)?;
                        self.define(*v, 0, Part::One(value));
                    } else {
                        self.enqueue(&mut bundle, stmt, self.kernel.ty(*v).lanes)?;
                    }
                }
                Stmt::Store { value, .. } => {
                    self.enqueue(&mut bundle, stmt, self.kernel.ty(*value).lanes)?;
                }
                Stmt::For(f) => {
                    self.flush(&mut bundle)?;
                    self.for_loop(f)?;
                }
                Stmt::Check { ok, code, detail } => {
                    self.flush(&mut bundle)?;
                    let holds = self.reduce_lanes(Combine::And, *ok);
                    self.target.unless(holds);
                    let detail = self.failed(*ok, *detail);
                    self.target.fail(*code, detail);
                }
                Stmt::Strip { routine, src, dst, count } => {
                    self.flush(&mut bundle)?;
                    let elem = register_of(self.kernel.params[dst.buf.0 as usize].mem);
                    let src: SmallVec<[_; 2]> = src.iter().map(|&s| self.stretch(s)).collect();
                    let (dst, count) = (self.stretch(*dst), self.one(*count));
                    self.target.strip(routine, elem, &src, dst, count)?;
                }
                Stmt::FoldRows { combine, src, stride, rows, acc, count } => {
                    self.flush(&mut bundle)?;
                    let mem = self.kernel.params[src.buf.0 as usize].mem;
                    let (src, acc) = (self.stretch(*src), self.buffer(*acc));
                    let (rows, count) = (self.one(*rows), self.one(*count));
                    let stride = self.int(*stride);
                    self.target.fold_rows(*combine, mem, [acc, src, rows, stride, count])?;
                }
            }
        }
        self.flush(&mut bundle)
    }

    /// Emits a scalar statement at once and lets a wide one wait for the others of its bundle. A scalar `Let`
    /// reads nothing of a bundle but memory, since [`Inst::ReduceLanes`] and [`Inst::Fold`] end it.
    fn enqueue(&mut self, bundle: &mut Bundle<'k>, stmt: &'k Stmt, lanes: u16) -> Result<(), BackendError> {
        let access = Access::of(self.kernel, stmt);
        let parts = part_count(lanes);
        let scalar = lanes == 1;
        if (!scalar && bundle.parts != parts)
            || access.as_ref().is_some_and(|a| bundle.accesses.iter().any(|b| a.conflicts(b)))
            || (scalar && matches!(stmt, Stmt::Store { .. }))
        {
            self.flush(bundle)?;
        }
        if scalar {
            return self.statement(stmt, 0);
        }
        bundle.parts = parts;
        bundle.stmts.push(stmt);
        bundle.accesses.extend(access);
        Ok(())
    }

    fn flush(&mut self, bundle: &mut Bundle<'k>) -> Result<(), BackendError> {
        for part in 0..bundle.parts {
            for stmt in &bundle.stmts {
                self.statement(stmt, part)?;
            }
        }
        self.addresses.clear();
        *bundle = Bundle::default();
        Ok(())
    }

    /// One part of a `Let` or `Store`.
    fn statement(&mut self, stmt: &Stmt, part: usize) -> Result<(), BackendError> {
        match *stmt {
            Stmt::Let(v) => {
                if let Some(value) = self.compute(v, part)? {
                    self.define(v, part, value);
                }
            }
            Stmt::Store { buf, mem, addr, value } => self.store(buf, mem, addr, value, part),
            Stmt::For(_) | Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => {
                unreachable!("not straight-line")
            }
        }
        Ok(())
    }

    fn for_loop(&mut self, f: &'k For) -> Result<(), BackendError> {
        let range = [self.one(f.begin), self.one(f.end)];
        let nonempty = match (self.constant_of(f.begin), self.constant_of(f.end)) {
            (Some(begin), Some(end)) => (begin as i64) < end as i64,
            _ => false,
        };
        let mut inits = Vec::new();
        for c in &f.carried {
            let (elem, form) = (self.elem(c.phi), self.carried_form(c.phi));
            for part in 0..self.parts_of(c.phi) {
                let value = self.part_as(c.init, part, form);
                inits.extend(value.registers().iter().map(|&v| (form.reg(elem), v)));
            }
        }
        let Opened { handle, var, phis } = self.target.open_loop(range, f.step, &inits, nonempty);
        self.level += 1;
        let around = std::mem::replace(&mut self.quiet, !writes(&f.body));
        self.define(f.var, 0, Part::One(var));
        self.define_carried(f.carried.iter().map(|c| c.phi), &phis);
        self.block(&f.body)?;
        let mut nexts = Vec::with_capacity(phis.len());
        for c in &f.carried {
            let form = self.carried_form(c.phi);
            for part in 0..self.parts_of(c.phi) {
                nexts.extend_from_slice(self.part_as(c.next, part, form).registers());
            }
        }
        self.level -= 1;
        self.quiet = around;
        let results = self.target.close_loop(handle, &nexts);
        self.define_carried(f.carried.iter().map(|c| c.result), &results);
        Ok(())
    }

    /// The form in which a loop carries a value; masks have only one.
    fn carried_form(&self, v: Val) -> Form {
        let ty = self.kernel.ty(v);
        Form::of(ty.elem, ty.lanes)
    }

    fn define_carried(&mut self, values: impl Iterator<Item = Val>, mut registers: &[T::Value]) {
        for v in values {
            let form = self.carried_form(v);
            for part in 0..self.parts_of(v) {
                let (own, rest) = registers.split_at(form.registers());
                self.define(v, part, form.part(own));
                registers = rest;
            }
        }
    }

    /// A part in a wanted form, which differs from its own only for masks.
    fn part_as(&mut self, v: Val, part: usize, form: Form) -> Part<T::Value> {
        let value = self.part(v, part);
        self.mask_as(value, form)
    }

    /// The pointer to the first element.
    fn stretch(&mut self, s: Stretch) -> T::Value {
        let Some(at) = s.at else { return self.buffer(s.buf) };
        let size = self.kernel.params[s.buf.0 as usize].mem.size();
        let place = self.place(s.buf, at, size, 0);
        self.addresses.clear();
        let offset = self.int(i64::from(place.offset));
        self.target.bin(BinOp::Add, Reg::I64, place.base, offset)
    }

    fn buffer(&mut self, buf: Buf) -> T::Value {
        self.target.buffer(buf.0)
    }

    fn int(&mut self, value: i64) -> T::Value {
        self.target.constant(Reg::I64, &[value as u64])
    }
}

/// Whether a block writes memory.
fn writes(block: &Block) -> bool {
    block.iter().any(|stmt| match stmt {
        Stmt::Store { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => true,
        Stmt::For(f) => writes(&f.body),
        Stmt::Let(_) | Stmt::Check { .. } => false,
    })
}
