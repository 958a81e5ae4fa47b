//! The reference interpreter of LoopIR: the meaning of a kernel, statement by statement.
//!
//! What would be undefined in compiled code is a [`Fault`] here: an access out of bounds, scratch memory
//! that is read before it is written, a division that traps, a shift by the width or more, a float that
//! does not fit the integer. Compiled code that agrees with an interpretation without faults is correct.

pub mod lanes;

use super::text::StmtText;
use super::verify::{VerifyError, verify};
use super::*;
use crate::op::scalar_math::table;
use thiserror::Error;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Done,
    /// A [`Stmt::Check`] did not hold.
    Failed {
        code: i32,
        detail: i64,
    },
}

#[derive(Clone, PartialEq, Debug, Error)]
pub enum InterpError {
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    #[error("kernel `{kernel}` cannot be called like this: {problem}")]
    Call { kernel: String, problem: CallProblem },
    #[error("kernel `{kernel}`, at `{place}`: {fault}")]
    Fault {
        kernel: String,
        /// The text of the statement.
        place: String,
        fault: Fault,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CallProblem {
    #[error("{given} buffers for {wanted} parameters")]
    Buffers { given: usize, wanted: usize },
    #[error("{given} scalars for {wanted}")]
    Scalars { given: usize, wanted: usize },
    #[error("the {bytes} bytes of {buf} are too few, or not a whole number of elements")]
    BufferSize { buf: Buf, bytes: usize },
    #[error("{begin}..{end} is no part of the parallel space 0..{parallel}")]
    Range { begin: i64, end: i64, parallel: usize },
}

#[derive(Clone, PartialEq, Debug, Error)]
pub enum Fault {
    #[error("element {index} of {buf}, which has {len}")]
    OutOfBounds { buf: Buf, index: i64, len: usize },
    #[error("element {index} of the scratch {buf} has not been written")]
    Unwritten { buf: Buf, index: i64 },
    #[error("integer division by zero")]
    DivisionByZero,
    #[error("the integer quotient does not fit")]
    DivisionOverflow,
    #[error("a shift by {0}")]
    Shift(i64),
    #[error("{0} does not fit the integer")]
    FloatToInt(f64),
    #[error("entry {index} of the table `{name}`, which has {len}")]
    TableIndex { name: &'static str, index: i64, len: usize },
    #[error("nothing is known of the routine `{0}` with {1} arguments of type {2}")]
    Routine(&'static str, usize, Elem),
}

/// A strip's scalar function: name, one lane of each argument, the type of the result. `None` if there is no such
/// one.
pub type StripFn<'a> = dyn Fn(&str, &[u64], Elem) -> Option<u64> + 'a;

/// Runs the iterations `begin..end` of a kernel. There is one slice in `bufs` per parameter; scratch
/// parameters may be empty and are then allocated, with undefined contents. `scalars` are the 8-byte slots.
pub fn run(
    kernel: &Kernel,
    bufs: &mut [&mut [u8]],
    scalars: &[u64],
    begin: i64,
    end: i64,
    strip: &StripFn<'_>,
) -> Result<Outcome, InterpError> {
    Interpreter::new(kernel)?.run(bufs, scalars, begin, end, strip)
}

/// A kernel made ready to be interpreted any number of times.
#[derive(Debug)]
pub struct Interpreter<'k> {
    kernel: &'k Kernel,
    /// Where each value's lanes start in the register file.
    at: Vec<u32>,
    /// The register file with the constants filled in.
    image: Vec<u64>,
}

impl<'k> Interpreter<'k> {
    pub fn new(kernel: &'k Kernel) -> Result<Self, InterpError> {
        verify(kernel)?;
        let mut at = Vec::with_capacity(kernel.insts.len());
        let mut image = Vec::new();
        for (inst, ty) in &kernel.insts {
            at.push(image.len() as u32);
            let value = if let Inst::Const(bits) = inst { *bits } else { 0 };
            image.resize(image.len() + ty.lanes as usize, value);
        }
        Ok(Interpreter { kernel, at, image })
    }

    pub fn run(
        &self,
        bufs: &mut [&mut [u8]],
        scalars: &[u64],
        begin: i64,
        end: i64,
        strip: &StripFn<'_>,
    ) -> Result<Outcome, InterpError> {
        let kernel = self.kernel;
        let mut own = Vec::new();
        let memory = self
            .check_call(bufs, scalars, begin, end)
            .and_then(|()| map_memory(kernel, bufs, &mut own))
            .map_err(|problem| InterpError::Call { kernel: kernel.name.clone(), problem })?;
        let mut machine =
            Machine { kernel, at: &self.at, regs: self.image.clone(), memory, carried: Vec::new(), strip };
        for (i, (inst, ty)) in kernel.insts.iter().enumerate() {
            if let Inst::Scalar(s) = inst {
                let slot = scalars[*s as usize];
                let bits = ty.elem.bits();
                machine.regs[self.at[i] as usize] = if bits == 64 { slot } else { slot & ((1 << bits) - 1) };
            }
        }
        machine.set(kernel.begin, begin as u64);
        machine.set(kernel.end, end as u64);
        match machine.block(&kernel.body) {
            Ok(()) => Ok(Outcome::Done),
            Err(Exit::Check(code, detail)) => Ok(Outcome::Failed { code, detail }),
            Err(Exit::Fault(stmt, fault)) => Err(InterpError::Fault {
                kernel: kernel.name.clone(),
                place: StmtText { kernel, stmt }.to_string(),
                fault,
            }),
        }
    }

    fn check_call(
        &self,
        bufs: &[&mut [u8]],
        scalars: &[u64],
        begin: i64,
        end: i64,
    ) -> Result<(), CallProblem> {
        let Kernel { params, scalars: slots, parallel, .. } = self.kernel;
        if bufs.len() != params.len() {
            return Err(CallProblem::Buffers { given: bufs.len(), wanted: params.len() });
        }
        if scalars.len() != slots.len() {
            return Err(CallProblem::Scalars { given: scalars.len(), wanted: slots.len() });
        }
        if begin < 0 || begin > end || end as usize > *parallel {
            return Err(CallProblem::Range { begin, end, parallel: *parallel });
        }
        Ok(())
    }
}

/// The elements of a parameter.
struct Memory<'a> {
    bytes: &'a mut [u8],
    mem: DType,
    len: usize,
    /// Of scratch memory that was allocated here: which elements have been written.
    written: Option<Vec<bool>>,
}

fn map_memory<'a>(
    kernel: &Kernel,
    bufs: &'a mut [&mut [u8]],
    own: &'a mut Vec<Vec<u8>>,
) -> Result<Vec<Memory<'a>>, CallProblem> {
    own.extend(kernel.params.iter().zip(&*bufs).map(|(p, given)| match p.role {
        Role::Scratch(n) if given.is_empty() => vec![0; n * p.mem.size()],
        _ => Vec::new(),
    }));
    let mut memory = Vec::with_capacity(bufs.len());
    for (i, ((p, given), own)) in kernel.params.iter().zip(bufs).zip(own).enumerate() {
        let (bytes, size) = (given.len(), p.mem.size());
        let fits = match p.role {
            Role::Scratch(n) => bytes == 0 || bytes >= n * size,
            _ => bytes.is_multiple_of(size),
        };
        if !fits {
            return Err(CallProblem::BufferSize { buf: Buf(i as u32), bytes });
        }
        memory.push(match p.role {
            Role::Scratch(n) => Memory {
                mem: p.mem,
                len: n,
                written: given.is_empty().then(|| vec![false; n]),
                bytes: if given.is_empty() { own } else { given },
            },
            _ => Memory { mem: p.mem, len: bytes / size, written: None, bytes: given },
        });
    }
    Ok(memory)
}

impl Memory<'_> {
    /// The place of an element's bytes.
    #[inline]
    fn place(&self, buf: Buf, index: i64) -> Result<std::ops::Range<usize>, Fault> {
        if index < 0 || index as usize >= self.len {
            return Err(Fault::OutOfBounds { buf, index, len: self.len });
        }
        let size = self.mem.size();
        let start = index as usize * size;
        Ok(start..start + size)
    }

    #[inline]
    fn load(&self, buf: Buf, index: i64) -> Result<u64, Fault> {
        let place = self.place(buf, index)?;
        if self.written.as_ref().is_some_and(|w| !w[index as usize]) {
            return Err(Fault::Unwritten { buf, index });
        }
        Ok(lanes::load(self.mem, &self.bytes[place]))
    }

    #[inline]
    fn store(&mut self, buf: Buf, index: i64, lane: u64) -> Result<(), Fault> {
        let place = self.place(buf, index)?;
        lanes::store(&mut self.bytes[place], lane);
        if let Some(written) = &mut self.written {
            written[index as usize] = true;
        }
        Ok(())
    }
}

/// Why a block was left before its end.
enum Exit<'k> {
    Check(i32, i64),
    Fault(&'k Stmt, Fault),
}

struct Machine<'k, 'a> {
    kernel: &'k Kernel,
    at: &'a [u32],
    regs: Vec<u64>,
    memory: Vec<Memory<'a>>,
    /// The `next` values of a loop on their way to its carried values, which they may mention.
    carried: Vec<u64>,
    strip: &'a StripFn<'a>,
}

impl<'k> Machine<'k, '_> {
    #[inline]
    fn at(&self, v: Val) -> usize {
        self.at[v.0 as usize] as usize
    }

    #[inline]
    fn get(&self, v: Val) -> u64 {
        self.regs[self.at(v)]
    }

    #[inline]
    fn set(&mut self, v: Val, lane: u64) {
        let at = self.at(v);
        self.regs[at] = lane;
    }

    fn copy(&mut self, from: Val, to: Val) {
        let (start, n) = (self.at(from), self.kernel.ty(from).lanes as usize);
        let to = self.at(to);
        self.regs.copy_within(start..start + n, to);
    }

    fn block(&mut self, block: &'k Block) -> Result<(), Exit<'k>> {
        for stmt in block {
            let done = match stmt {
                Stmt::Let(v) => self.inst(*v),
                Stmt::For(l) => {
                    self.run_loop(l)?;
                    Ok(())
                }
                Stmt::Store { buf, addr, value, .. } => self.store(*buf, *addr, *value),
                Stmt::Check { ok, code, detail } => match self.failed(*ok, *detail) {
                    Some(detail) => return Err(Exit::Check(*code, detail)),
                    None => Ok(()),
                },
                Stmt::Strip { routine, src, dst, count } => self.run_strip(routine, src, *dst, *count),
                Stmt::FoldRows { combine, src, stride, rows, acc, count } => {
                    self.fold_rows(*combine, *src, (*stride, *rows), *acc, *count)
                }
            };
            done.map_err(|fault| Exit::Fault(stmt, fault))?;
        }
        Ok(())
    }

    /// The largest detail of the lanes that do not hold, if there are any.
    fn failed(&self, ok: Val, detail: Val) -> Option<i64> {
        let (mask, details) = (self.at(ok), self.at(detail));
        let wide = self.kernel.ty(detail).lanes > 1;
        (0..self.kernel.ty(ok).lanes as usize)
            .filter(|&lane| self.regs[mask + lane] == 0)
            .map(|lane| self.regs[details + if wide { lane } else { 0 }] as i64)
            .max()
    }

    fn run_loop(&mut self, l: &'k For) -> Result<(), Exit<'k>> {
        let end = self.get(l.end) as i64;
        let mut var = Some(self.get(l.begin) as i64);
        for c in &l.carried {
            self.copy(c.init, c.phi);
        }
        while let Some(i) = var.filter(|&i| i < end) {
            self.set(l.var, i as u64);
            self.block(&l.body)?;
            self.carried.clear();
            for c in &l.carried {
                let (at, n) = (self.at(c.next), self.kernel.ty(c.next).lanes as usize);
                self.carried.extend_from_slice(&self.regs[at..at + n]);
            }
            let mut taken = 0;
            for c in &l.carried {
                let (at, n) = (self.at(c.phi), self.kernel.ty(c.phi).lanes as usize);
                self.regs[at..at + n].copy_from_slice(&self.carried[taken..taken + n]);
                taken += n;
            }
            var = i.checked_add(l.step);
        }
        for c in &l.carried {
            self.copy(c.phi, c.result);
        }
        Ok(())
    }

    /// The element that lane `k` of an access means. Saturated sums lie outside any buffer.
    #[inline]
    fn index(&self, addr: Addr, k: usize) -> i64 {
        let at = self.at(addr.index());
        match addr {
            Addr::Unit(_) => (self.regs[at] as i64).saturating_add(k as i64),
            Addr::Strided(_, stride) => {
                (self.regs[at] as i64).saturating_add(stride.saturating_mul(k as i64))
            }
            Addr::Lanes(_) => self.regs[at + k] as i64,
        }
    }

    fn store(&mut self, buf: Buf, addr: Addr, value: Val) -> Result<(), Fault> {
        let (at, n) = (self.at(value), self.kernel.ty(value).lanes as usize);
        for k in 0..n {
            let index = self.index(addr, k);
            self.memory[buf.0 as usize].store(buf, index, self.regs[at + k])?;
        }
        Ok(())
    }

    fn run_strip(
        &mut self,
        name: &'static str,
        src: &[Stretch],
        dst: Stretch,
        count: Val,
    ) -> Result<(), Fault> {
        let elem = register_of(self.memory[dst.buf.0 as usize].mem);
        let first = |s: Stretch| s.at.map_or(0, |v| self.get(v) as i64);
        let (from, to): (SmallVec<[i64; 2]>, i64) = (src.iter().map(|&s| first(s)).collect(), first(dst));
        let mut args: SmallVec<[u64; 2]> = SmallVec::new();
        for i in 0..self.get(count) as i64 {
            args.clear();
            for (s, from) in src.iter().zip(&from) {
                args.push(self.memory[s.buf.0 as usize].load(s.buf, from + i)?);
            }
            let value = (self.strip)(name, &args, elem).ok_or(Fault::Routine(name, src.len(), elem))?;
            self.memory[dst.buf.0 as usize].store(dst.buf, to + i, value)?;
        }
        Ok(())
    }

    fn fold_rows(
        &mut self,
        combine: Combine,
        src: Stretch,
        (stride, rows): (i64, Val),
        acc: Buf,
        count: Val,
    ) -> Result<(), Fault> {
        let at = src.at.map_or(0, |v| self.get(v) as i64);
        let mem = self.memory[src.buf.0 as usize].mem;
        let elem = register_of(self.memory[acc.0 as usize].mem);
        for row in 0..self.get(rows) as i64 {
            for k in 0..self.get(count) as i64 {
                let element = self.memory[src.buf.0 as usize].load(src.buf, at + row * stride + k)?;
                let own = self.memory[acc.0 as usize].load(acc, k)?;
                let next = lanes::combine(combine, elem, own, fold::widened(mem, element));
                self.memory[acc.0 as usize].store(acc, k, next)?;
            }
        }
        Ok(())
    }

    fn inst(&mut self, v: Val) -> Result<(), Fault> {
        let (inst, ty) = &self.kernel.insts[v.0 as usize];
        let (d, n) = (self.at(v), ty.lanes as usize);
        match inst {
            Inst::Const(_) | Inst::Scalar(_) | Inst::Defined => {}
            Inst::Affine { terms, offset } => {
                self.regs[d] = terms.iter().fold(*offset as u64, |sum, &(t, c)| {
                    sum.wrapping_add(self.get(t).wrapping_mul(c as u64))
                });
            }
            Inst::Bin(op, a, b) => {
                let (a, b) = (self.at(*a), self.at(*b));
                for k in 0..n {
                    self.regs[d + k] = lanes::bin(*op, ty.elem, self.regs[a + k], self.regs[b + k])?;
                }
            }
            Inst::Un(op, a) => {
                let a = self.at(*a);
                for k in 0..n {
                    self.regs[d + k] = lanes::un(*op, ty.elem, self.regs[a + k]);
                }
            }
            Inst::Cmp(op, a, b) => {
                let elem = self.kernel.ty(*a).elem;
                let (a, b) = (self.at(*a), self.at(*b));
                for k in 0..n {
                    self.regs[d + k] = lanes::cmp(*op, elem, self.regs[a + k], self.regs[b + k]);
                }
            }
            Inst::Select(m, a, b) => {
                let (m, a, b) = (self.at(*m), self.at(*a), self.at(*b));
                for k in 0..n {
                    let from = if self.regs[m + k] != 0 { a } else { b };
                    self.regs[d + k] = self.regs[from + k];
                }
            }
            Inst::Fma(a, b, c) => {
                let (a, b, c) = (self.at(*a), self.at(*b), self.at(*c));
                for k in 0..n {
                    self.regs[d + k] =
                        lanes::fma(ty.elem, self.regs[a + k], self.regs[b + k], self.regs[c + k]);
                }
            }
            Inst::Cast(op, a) => {
                let from = self.kernel.ty(*a).elem;
                let a = self.at(*a);
                for k in 0..n {
                    self.regs[d + k] = lanes::cast(*op, from, ty.elem, self.regs[a + k])?;
                }
            }
            Inst::Load { buf, addr, .. } => {
                for k in 0..n {
                    self.regs[d + k] = self.memory[buf.0 as usize].load(*buf, self.index(*addr, k))?;
                }
            }
            Inst::Splat(a) => {
                let lane = self.get(*a);
                self.regs[d..d + n].fill(lane);
            }
            Inst::Ramp(base, step) => {
                let base = self.get(*base);
                for k in 0..n {
                    self.regs[d + k] = base.wrapping_add((*step as u64).wrapping_mul(k as u64));
                }
            }
            Inst::ReduceLanes(combine, a) => {
                let (a, lanes) = (self.at(*a), self.kernel.ty(*a).lanes as usize);
                let mut copy: SmallVec<[u64; 32]> = SmallVec::from_slice(&self.regs[a..a + lanes]);
                self.regs[d] = lanes::reduce(*combine, ty.elem, &mut copy);
            }
            Inst::Fold { combine, lanes, src, count } => {
                let (at, count) = (src.at.map_or(0, |v| self.get(v) as i64), self.get(*count) as i64);
                let memory = &self.memory[src.buf.0 as usize];
                let mut all: SmallVec<[u64; 32]> =
                    SmallVec::from_elem(combine.neutral(ty.elem), *lanes as usize);
                for k in 0..count {
                    let lane = &mut all[k as usize % *lanes as usize];
                    let element = fold::widened(memory.mem, memory.load(src.buf, at + k)?);
                    *lane = lanes::combine(*combine, ty.elem, *lane, element);
                }
                self.regs[d] = lanes::reduce(*combine, ty.elem, &mut all);
            }
            Inst::Math(name, args) => {
                for k in 0..n {
                    let lane: SmallVec<[u64; 2]> = args.iter().map(|&a| self.regs[self.at(a) + k]).collect();
                    let result = (self.strip)(name, &lane, ty.elem).ok_or(Fault::Routine(
                        name,
                        args.len(),
                        ty.elem,
                    ))?;
                    self.regs[d + k] = result;
                }
            }
            Inst::Table(name, index) => {
                let entries = table(name).unwrap_or_default();
                let (at, narrow) = (self.at(*index), self.kernel.ty(*index).elem == Elem::I32);
                for k in 0..n {
                    let bits = self.regs[at + k];
                    let index = if narrow { bits as i32 as i64 } else { bits as i64 };
                    let entry = usize::try_from(index).ok().and_then(|i| entries.get(i));
                    let &entry = entry.ok_or(Fault::TableIndex { name, index, len: entries.len() })?;
                    self.regs[d + k] = if ty.elem.bits() == 32 { entry as u32 as u64 } else { entry };
                }
            }
        }
        Ok(())
    }
}
