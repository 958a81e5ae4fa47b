//! The reference interpreter of plans: every kernel run by the interpreter of LoopIR.
//!
//! What a plan leaves open is used against it: temporaries and results start out as garbage, tasks of a
//! launch and pieces of a task run from the last to the first. A plan that depends on any of this, or
//! whose temporaries overlap while they are in use, gives another result here than elsewhere.

use crate::dtype::{DType, Literal};
use crate::eval::{Slot, Tensor};
use crate::loops::build::LoopBuilder;
use crate::loops::expand::expand;
use crate::loops::interp::{self, InterpError, Interpreter, Outcome};
use crate::loops::{Elem, Kernel, Role, register_of};
use crate::op::scalar_math;
use crate::plan::{BufId, Place, Plan, Product, Step, Task};
use crate::shape::Shape;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use thiserror::Error;

#[derive(Clone, PartialEq, Debug, Error)]
pub enum PlanError {
    #[error("a check failed with code {code} on {detail}")]
    Check { code: i32, detail: i64 },
    #[error(transparent)]
    Interp(#[from] InterpError),
    #[error("buffers {a} and {b} overlap in step {step}")]
    Overlap { step: usize, a: u32, b: u32 },
    #[error("slot {0} does not begin at its first element")]
    Origin(u32),
    #[error("there is no buffer slot {0}")]
    Slot(u32),
}

/// Runs a plan; gives its outputs. Products are summed in order, in the type they are of, and so are not
/// to be compared with a routine's by their bits.
pub fn run(plan: &Plan, slots: &[Slot<'_>], scalars: &[u64]) -> Result<Vec<Tensor>, PlanError> {
    check_overlap(plan)?;
    let mut memory = Vec::with_capacity(plan.buffers.len());
    for decl in &plan.buffers {
        memory.push(match decl.place {
            Place::Input { slot, .. } => match slots.get(slot as usize) {
                Some(s) if s.origin == 0 => s.bytes.to_vec(),
                Some(_) => return Err(PlanError::Origin(slot)),
                None => return Err(PlanError::Slot(slot)),
            },
            Place::Output(_) | Place::Arena(_) => vec![GARBAGE; decl.ty.bytes()],
        });
    }
    let mut r = Run { plan, scalars, memory, functions: Functions::default() };
    for step in &plan.steps {
        match step {
            Step::Launch { tasks, finish } => {
                for task in tasks.iter().rev().chain(finish) {
                    r.task(task)?;
                }
            }
            Step::Product(p) => {
                r.product(p);
                p.epilogue.iter().try_for_each(|t| r.task(t))?;
            }
            Step::Routine(call) => {
                let of = |b: &BufId| r.memory[b.0 as usize].as_slice();
                let inputs: Vec<&[u8]> = call.inputs.iter().map(of).collect();
                let mut outputs: Vec<Vec<u8>> = call.outputs.iter().map(|b| of(b).to_vec()).collect();
                call.routine.run(&inputs, &mut outputs);
                for (b, bytes) in call.outputs.iter().zip(outputs) {
                    r.memory[b.0 as usize] = bytes;
                }
            }
        }
    }
    let result = |o: &crate::plan::Output| Tensor {
        ty: o.ty.clone(),
        bytes: r.memory[o.buf.0 as usize][..o.ty.bytes()].to_vec(),
    };
    Ok(plan.outputs.iter().map(result).collect())
}

const GARBAGE: u8 = 0xa7;

/// Temporaries of one step must not overlap, nor lie on one that a later step still reads.
fn check_overlap(plan: &Plan) -> Result<(), PlanError> {
    let mut life: FxHashMap<BufId, (usize, usize)> = FxHashMap::default();
    for (s, step) in plan.steps.iter().enumerate() {
        let mut touch = |b: BufId| {
            let l = life.entry(b).or_insert((s, s));
            l.1 = s;
        };
        let mut task = |t: &Task| t.bufs.iter().for_each(|&b| touch(b));
        match step {
            Step::Launch { tasks, finish } => tasks.iter().chain(finish).for_each(task),
            Step::Product(p) => {
                p.epilogue.iter().for_each(&mut task);
                [p.lhs.buf, p.rhs.buf, p.out].into_iter().for_each(touch);
            }
            Step::Routine(call) => call.inputs.iter().chain(&call.outputs).for_each(|&b| touch(b)),
        }
    }
    let mut arena: Vec<(usize, usize, BufId)> = Vec::new();
    for &b in life.keys() {
        let decl = &plan.buffers[b.0 as usize];
        if let Place::Arena(at) = decl.place {
            arena.push((at, at + decl.ty.bytes(), b));
        }
    }
    arena.sort_unstable();
    for (i, &(_, end, a)) in arena.iter().enumerate() {
        for &(_, _, b) in arena[i + 1..].iter().take_while(|x| x.0 < end) {
            let (x, y) = (life[&a], life[&b]);
            if x.0 <= y.1 && y.0 <= x.1 {
                return Err(PlanError::Overlap { step: x.0.max(y.0), a: a.0, b: b.0 });
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    plan: &'a Plan,
    scalars: &'a [u64],
    memory: Vec<Vec<u8>>,
    functions: Functions,
}

impl Run<'_> {
    fn task(&mut self, task: &Task) -> Result<(), PlanError> {
        let kernel = &self.plan.kernels[task.kernel];
        let interpreter = Interpreter::new(kernel)?;
        let mut given = task.bufs.iter();
        let ids: Vec<Option<BufId>> = kernel
            .params
            .iter()
            .map(|p| if matches!(p.role, Role::Scratch(_)) { None } else { given.next().copied() })
            .collect();
        let mut bufs: Vec<Vec<u8>> =
            ids.iter().map(|b| b.map_or(vec![], |b| self.memory[b.0 as usize].clone())).collect();
        let scalars: Vec<u64> = task.scalars.iter().map(|&s| self.scalars[s as usize]).collect();
        let grain = task.grain.max(1);
        for piece in (0..kernel.parallel.div_ceil(grain)).rev() {
            let (begin, end) = (piece * grain, (piece * grain + grain).min(kernel.parallel));
            let mut slices: Vec<&mut [u8]> = bufs.iter_mut().map(|b| b.as_mut_slice()).collect();
            let strip = |name: &str, args: &[u64], elem: Elem| self.functions.call(name, args, elem);
            match interpreter.run(&mut slices, &scalars, begin as i64, end as i64, &strip)? {
                Outcome::Done => {}
                Outcome::Failed { code, detail } => return Err(PlanError::Check { code, detail }),
            }
        }
        for ((p, id), bytes) in kernel.params.iter().zip(ids).zip(bufs) {
            if let (Role::Out | Role::InOut, Some(id)) = (p.role, id) {
                self.memory[id.0 as usize] = bytes;
            }
        }
        Ok(())
    }

    fn product(&mut self, p: &Product) {
        let element = |buf: BufId, at: i64| -> f64 {
            let (size, bytes) = (p.dtype.size(), &self.memory[buf.0 as usize]);
            let mut bits = [0; 8];
            bits[..size].copy_from_slice(&bytes[at as usize * size..][..size]);
            Literal { dtype: p.dtype, bits: u64::from_le_bytes(bits) }.as_f64()
        };
        let round = |x: f64| if p.dtype == DType::F32 { x as f32 as f64 } else { x };
        let batches: usize = p.batch.iter().product();
        let mut out = Vec::with_capacity(batches * p.m * p.n);
        for batch in 0..batches {
            let (mut lhs, mut rhs, mut rest) = (p.lhs.offset, p.rhs.offset, batch);
            for axis in (0..p.batch.len()).rev() {
                let i = (rest % p.batch[axis]) as i64;
                rest /= p.batch[axis];
                lhs += i * p.lhs.batch_strides[axis];
                rhs += i * p.rhs.batch_strides[axis];
            }
            for m in 0..p.m {
                for n in 0..p.n {
                    let terms = (0..p.k).map(|k| {
                        let a = element(p.lhs.buf, lhs + p.lhs.rows.offset(m) + p.lhs.cols.offset(k));
                        let b = element(p.rhs.buf, rhs + p.rhs.rows.offset(k) + p.rhs.cols.offset(n));
                        round(a * b)
                    });
                    out.push(Literal::from_f64(p.dtype, terms.fold(0.0, |sum, x| round(sum + x))));
                }
            }
        }
        let shape = Shape::from_sizes(&[out.len()]);
        self.memory[p.out.0 as usize] = Tensor::from_literals(p.dtype, shape, &out).bytes;
    }
}

/// The scalar functions that strips name, by their expansions.
#[derive(Default)]
struct Functions(RefCell<FxHashMap<(String, Elem), Option<Kernel>>>);

impl Functions {
    fn call(&self, name: &str, args: &[u64], elem: Elem) -> Option<u64> {
        let mut known = self.0.borrow_mut();
        let kernel = known
            .entry((name.to_string(), elem))
            .or_insert_with(|| Functions::kernel(name, args.len(), elem))
            .as_ref()?;
        let size = kernel.params[0].mem.size();
        let mut result = vec![0; size];
        match interp::run(kernel, &mut [&mut result], args, 0, 1, &|_, _, _| None) {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Failed { .. }) | Err(_) => return None,
        }
        let mut bits = [0; 8];
        bits[..size].copy_from_slice(&result);
        Some(u64::from_le_bytes(bits))
    }

    fn kernel(name: &str, args: usize, elem: Elem) -> Option<Kernel> {
        let (elem, mem) = match (scalar_math::conversion(name), elem) {
            (Some((from, to)), _) => (register_of(from), to),
            (None, Elem::F32) => (elem, DType::F32),
            (None, Elem::F64) => (elem, DType::F64),
            (None, Elem::Mask | Elem::I32 | Elem::I64) => return None,
        };
        let mut b = LoopBuilder::new();
        let out = b.param(mem, Role::Out);
        let args: Vec<_> = (0..args).map(|_| b.scalar(elem)).collect();
        let value = scalar_math::expand(&mut b, name, &args)?;
        let zero = b.index(0);
        b.store(out, zero, value);
        Some(expand(&b.finish(name.to_string(), 1)))
    }
}
