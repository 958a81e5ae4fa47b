//! Running plans: pointers for buffers, kernels on the team of threads, routines in between.

use crate::alloc::AllocError;
use crate::buffer::Buffer;
use crate::cranelift::{CompiledKernel, compile};
use crate::host::HostError;
use crate::host::fft::fft;
use crate::host::gemm::{Epilogue, Gathered, Operand, Product as Gemm, Scalar, gathered, gemm};
use crate::host::linalg::{factor, solve, triangular};
use crate::host::sort::sort;
use crate::threads;
use crate::{BackendError, cache};
use rustorch_ir::DType;
use rustorch_ir::loops::{FAILURE_RECORD_BYTES, Role};
use rustorch_ir::plan::{BufId, BufferDecl, Call, Matrix, Place, Plan, Product, Step, Task, Walk};
use rustorch_ir::routine::Routine;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use thiserror::Error;

/// Why a plan did not run to its end.
#[derive(Debug, Error)]
pub enum RunError {
    /// A check of a kernel failed; the code says which (see `rustorch_ir::op`), the detail with what.
    #[error("a check failed with code {code} on {detail}")]
    Check { code: i32, detail: i64 },
    #[error(transparent)]
    Alloc(#[from] AllocError),
    #[error("interrupted")]
    Interrupted,
    #[error("a host routine failed: {0}")]
    Host(String),
    #[error("input {slot} is too small: bytes {begin}..{end} are read of {len}")]
    InputTooSmall { slot: u32, begin: i64, end: i64, len: usize },
}

/// An input of a run: element 0 lies `offset` bytes into the buffer.
#[derive(Clone, Debug)]
pub struct Bound {
    pub buffer: Buffer,
    pub offset: usize,
}

impl From<HostError> for RunError {
    fn from(e: HostError) -> RunError {
        match e {
            HostError::Alloc(e) => RunError::Alloc(e),
            HostError::Interrupted(_) => RunError::Interrupted,
        }
    }
}

/// A plan with its compiled kernels. Runs any number of times, on any number of threads at once.
#[derive(Debug)]
pub struct Executable {
    plan: Plan,
    kernels: Vec<Arc<CompiledKernel>>,
    /// How long each kernel took to compile; `None` where its code was known.
    compile_times: Vec<Option<Duration>>,
    /// Bytes of scratch memory that the hungriest kernel needs on each thread.
    scratch: usize,
    /// For each output of the plan, which of the fresh buffers it is.
    results: Vec<usize>,
    brief: bool,
}

/// Bytes of all buffers, and multiplications of all products, of a run that is over in microseconds.
const BRIEF_BYTES: usize = 256 << 10;
const BRIEF_PRODUCT: usize = 1 << 18;
const BRIEF_STEPS: usize = 8;
const BRIEF_ROUTINE: usize = 1 << 10;

/// Pointers of one run.
struct Frame<'a> {
    exe: &'a Executable,
    pointers: SmallVec<[*mut u8; 16]>,
    scalars: &'a [u64],
    failure: AtomicI32,
    detail: AtomicI64,
}

// SAFETY: the pointers are to buffers that outlive the run; kernels of one launch write disjoint parts.
unsafe impl Sync for Frame<'_> {}

impl Executable {
    pub fn new(plan: Plan) -> Result<Executable, BackendError> {
        let mut kernels = Vec::with_capacity(plan.kernels.len());
        let mut compile_times = Vec::with_capacity(plan.kernels.len());
        for kernel in &plan.kernels {
            let (code, time) = cache::kernel(kernel, compile)?;
            kernels.push(code);
            compile_times.push(time);
        }
        let scratch = plan.kernels.iter().map(|k| k.scratch_layout().0).max().unwrap_or(FAILURE_RECORD_BYTES);
        let fresh = |decl: &BufferDecl| matches!(decl.place, Place::Output(_));
        let rank = |buf: BufId| plan.buffers[..buf.0 as usize].iter().filter(|decl| fresh(decl)).count();
        let results = plan.outputs.iter().map(|output| rank(output.buf)).collect();
        let brief = is_brief(&plan);
        Ok(Executable { plan, kernels, compile_times, scratch: scratch.next_multiple_of(64), results, brief })
    }

    /// Whether a run takes microseconds, on one thread.
    pub fn is_brief(&self) -> bool {
        self.brief
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How long a kernel of the plan took to compile; `None` if its code was known already.
    pub fn compile_time(&self, kernel: usize) -> Option<Duration> {
        self.compile_times[kernel]
    }

    pub fn code_bytes(&self) -> usize {
        self.kernels.iter().map(|k| k.code_bytes()).sum()
    }

    /// Runs the plan; gives its outputs in order, sharing a buffer where the plan does.
    ///
    /// An external buffer that somebody writes meanwhile gives unspecified numbers.
    pub fn run(&self, inputs: &[Bound], scalars: &[u64]) -> Result<Vec<Buffer>, RunError> {
        self.run_watched(inputs, scalars, |_| {})
    }

    /// The same; tells `progress` how many steps have run: none when memory is there, then after each.
    pub fn run_watched(
        &self,
        inputs: &[Bound],
        scalars: &[u64],
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Buffer>, RunError> {
        if inputs.len() < self.plan.input_slots as usize || scalars.len() < self.plan.scalar_slots as usize {
            return Err(RunError::Host("fewer inputs than the plan's signature has".into()));
        }
        let arena = if self.plan.arena > 0 { Some(Buffer::uninit(self.plan.arena)?) } else { None };
        let mut fresh: Vec<Buffer> = Vec::with_capacity(self.results.len());
        let mut pointers = SmallVec::with_capacity(self.plan.buffers.len());
        for decl in &self.plan.buffers {
            pointers.push(match decl.place {
                Place::Input { slot, begin, end } => {
                    let Bound { buffer, offset } = &inputs[slot as usize];
                    let (first, last) = (*offset as i64 + begin, *offset as i64 + end);
                    if begin != end && (first < 0 || last > buffer.len() as i64) {
                        return Err(RunError::InputTooSmall {
                            slot,
                            begin: first,
                            end: last,
                            len: buffer.len(),
                        });
                    }
                    buffer.ptr().wrapping_add(*offset)
                }
                Place::Arena(offset) => match &arena {
                    Some(arena) => arena.ptr().wrapping_add(offset),
                    // The stretch is empty.
                    None => std::ptr::null_mut(),
                },
                Place::Output(_) => {
                    let buffer = Buffer::uninit(decl.ty.bytes())?;
                    let pointer = buffer.ptr();
                    fresh.push(buffer);
                    pointer
                }
            });
        }
        let frame =
            Frame { exe: self, pointers, scalars, failure: AtomicI32::new(0), detail: AtomicI64::new(0) };
        progress(0);
        for (number, step) in self.plan.steps.iter().enumerate() {
            if number > 0 && threads::interrupted() {
                return Err(RunError::Interrupted);
            }
            // SAFETY: inputs were checked to hold what is read; the other buffers are as large as declared.
            let ran = unsafe { frame.step(step) };
            progress(number + 1);
            ran?;
        }
        if self.results.iter().copied().eq(0..fresh.len()) {
            return Ok(fresh);
        }
        Ok(self.results.iter().map(|&result| fresh[result].clone()).collect())
    }
}

fn is_brief(plan: &Plan) -> bool {
    let small = |task: &Task| plan.kernels[task.kernel].parallel <= task.grain;
    plan.steps.len() <= BRIEF_STEPS
        && plan.buffers.iter().map(|decl| decl.ty.bytes()).sum::<usize>() <= BRIEF_BYTES
        && plan.steps.iter().all(|step| match step {
            Step::Launch { tasks, finish } => tasks.iter().chain(finish).all(small),
            Step::Routine(call) => call.routine.work() <= BRIEF_ROUTINE,
            Step::Product(p) => p.batch.iter().product::<usize>() * p.m * p.n * p.k <= BRIEF_PRODUCT,
        })
}

impl Frame<'_> {
    /// # Safety
    /// The pointers are valid for the buffers as the plan declares them.
    unsafe fn step(&self, step: &Step) -> Result<(), RunError> {
        match step {
            Step::Launch { tasks, finish } => {
                let prepared: SmallVec<[Prepared<'_>; 4]> = tasks.iter().map(|t| self.prepare(t)).collect();
                // SAFETY: tasks of a launch are independent of each other.
                unsafe { self.launch(&prepared)? };
                for task in finish {
                    let p = self.prepare(task);
                    // SAFETY: runs alone.
                    unsafe { p.range(self, 0, p.total) };
                    self.check()?;
                }
                Ok(())
            }
            // SAFETY: as for this function.
            Step::Routine(call) => unsafe { self.routine(call) },
            // SAFETY: as for this function.
            Step::Product(p) => unsafe {
                match p.dtype {
                    DType::F64 => self.product::<f64>(p),
                    _ => self.product::<f32>(p),
                }
            },
        }
    }

    fn prepare<'t>(&self, task: &'t Task) -> Prepared<'t> {
        let kernel = &self.exe.plan.kernels[task.kernel];
        let mut given = task.bufs.iter();
        let bufs = kernel
            .params
            .iter()
            .map(|p| match p.role {
                Role::Scratch(_) => std::ptr::null_mut(),
                _ => given.next().map_or(std::ptr::null_mut(), |b| self.pointers[b.0 as usize]),
            })
            .collect();
        Prepared {
            task,
            bufs,
            scalars: task.scalars.iter().map(|&s| self.scalars[s as usize]).collect(),
            total: kernel.parallel,
        }
    }

    /// # Safety
    /// As for `step`; the tasks write disjoint memory.
    unsafe fn launch(&self, tasks: &[Prepared<'_>]) -> Result<(), RunError> {
        match tasks {
            [] => return Ok(()),
            [one] => {
                // SAFETY: ranges of one kernel's parallel space write disjoint memory.
                let body = |begin, end| unsafe { one.range(self, begin, end) };
                threads::parallel_for(one.total, one.task.grain, body).map_err(|_| RunError::Interrupted)?;
            }
            many => {
                // Pieces of all tasks, numbered through, so that small tasks share the threads.
                let mut starts: SmallVec<[usize; 8]> = SmallVec::new();
                let mut pieces = 0;
                for t in many {
                    starts.push(pieces);
                    pieces += t.total.div_ceil(t.task.grain.max(1));
                }
                let small = many.iter().all(|t| t.total <= t.task.grain);
                let body = |begin: usize, end: usize| {
                    for piece in begin..end {
                        let k = starts.partition_point(|&s| s <= piece) - 1;
                        let (t, grain) = (&many[k], many[k].task.grain.max(1));
                        let from = (piece - starts[k]) * grain;
                        // SAFETY: pieces are disjoint parts of the tasks' spaces.
                        unsafe { t.range(self, from, (from + grain).min(t.total)) };
                    }
                };
                let grain = if small { pieces } else { 1 };
                threads::parallel_for(pieces, grain, body).map_err(|_| RunError::Interrupted)?;
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), RunError> {
        match self.failure.load(Relaxed) {
            0 => Ok(()),
            NO_SCRATCH => Err(RunError::Host("no memory for a thread's scratch".into())),
            code => Err(RunError::Check { code, detail: self.detail.load(Relaxed) }),
        }
    }

    /// # Safety
    /// As for `step`.
    unsafe fn routine(&self, call: &Call) -> Result<(), RunError> {
        let at = |b: &BufId| self.pointers[b.0 as usize];
        let (inputs, outputs): (SmallVec<[_; 4]>, SmallVec<[_; 4]>) =
            (call.inputs.iter().map(at).collect(), call.outputs.iter().map(at).collect());
        let done = match &call.routine {
            // SAFETY: by the caller's word; results are buffers of their own.
            Routine::Sort(s) => unsafe { sort(s, inputs[0], outputs[0], outputs[1]) },
            // SAFETY: as above.
            Routine::Factor(f) => unsafe { factor(f, inputs[0], &outputs) },
            // SAFETY: as above.
            Routine::Triangular(t) => unsafe { triangular(t, inputs[0], inputs[1], outputs[0]) },
            // SAFETY: as above.
            Routine::Solve(s) => unsafe { solve(s, inputs[1], inputs[2], inputs[3], outputs[0]) },
            // SAFETY: as above.
            Routine::Fft(f) => unsafe { fft(f, inputs[0], outputs[0]) },
        };
        done.map_err(RunError::from)
    }

    /// # Safety
    /// As for `step`.
    unsafe fn product<T: Scalar>(&self, p: &Product) -> Result<(), RunError> {
        let epilogue = p.epilogue.as_ref().map(|t| self.prepare(t));
        let tail = |begin: usize, end: usize| {
            if let Some(e) = &epilogue {
                // SAFETY: each row is finished, and visited once.
                unsafe { e.range(self, begin, end) };
            }
        };
        let done: Option<Epilogue<'_>> = if epilogue.is_some() { Some(&tail) } else { None };
        match Strides::of(p) {
            // SAFETY: by the caller's word.
            Some(strides) => unsafe { self.strided::<T>(p, &strides, done)? },
            // SAFETY: as above.
            None => unsafe { self.gathered::<T>(p, done)? },
        }
        self.check()
    }

    fn matrix<T>(&self, m: &Matrix, more: i64) -> *const T {
        let start = (m.offset + more) as isize * size_of::<T>() as isize;
        self.pointers[m.buf.0 as usize].wrapping_offset(start).cast::<T>().cast_const()
    }

    /// # Safety
    /// As for `step`.
    unsafe fn strided<T: Scalar>(
        &self,
        p: &Product,
        strides: &Strides,
        done: Option<Epilogue<'_>>,
    ) -> Result<(), RunError> {
        let inner = Batches::of(p);
        for (number, (lhs, rhs)) in inner.outer.iter().enumerate() {
            let operand = |m: &Matrix, more: i64, batch: i64, (row, col): (isize, isize)| Operand {
                ptr: self.matrix(m, more),
                row,
                col,
                batch: batch as isize,
            };
            let first_row = number * inner.count * p.m;
            let gemm_of = Gemm {
                batch: inner.count,
                m: p.m,
                n: p.n,
                k: p.k,
                a: operand(&p.lhs, *lhs, inner.lhs, strides.lhs),
                b: operand(&p.rhs, *rhs, inner.rhs, strides.rhs),
                c: self.pointers[p.out.0 as usize].cast::<T>().wrapping_add(first_row * p.n),
                c_row: p.n,
                c_batch: p.m * p.n,
            };
            let tail = |begin: usize, end: usize| {
                if let Some(done) = done {
                    done(first_row + begin, first_row + end);
                }
            };
            let done: Option<Epilogue<'_>> = if done.is_some() { Some(&tail) } else { None };
            // SAFETY: the plan's matrices lie in their buffers, and the result overlaps neither operand.
            unsafe { gemm(&gemm_of, done)? };
        }
        Ok(())
    }

    /// # Safety
    /// As for `step`.
    unsafe fn gathered<T: Scalar>(&self, p: &Product, done: Option<Epilogue<'_>>) -> Result<(), RunError> {
        let table = |walk: &Walk, count: usize| -> Vec<isize> {
            walk.offsets(count).into_iter().map(|at| at as isize).collect()
        };
        let count = p.batch.iter().product::<usize>();
        let of_batch = |m: &Matrix| {
            let axes = p.batch.iter().copied().zip(m.batch_strides.iter().copied());
            table(&Walk::through(axes), count)
        };
        let batch: Vec<(isize, isize)> = of_batch(&p.lhs).into_iter().zip(of_batch(&p.rhs)).collect();
        let product = Gathered {
            batch: &batch,
            a: self.matrix::<T>(&p.lhs, 0),
            a_rows: &table(&p.lhs.rows, p.m),
            a_cols: &table(&p.lhs.cols, p.k),
            b: self.matrix::<T>(&p.rhs, 0),
            b_rows: &table(&p.rhs.rows, p.k),
            b_cols: &table(&p.rhs.cols, p.n),
            c: self.pointers[p.out.0 as usize].cast::<T>(),
        };
        // SAFETY: as for `strided`.
        unsafe { gathered(&product, done)? };
        Ok(())
    }
}

/// Strides of rows and columns, where all are even.
struct Strides {
    lhs: (isize, isize),
    rhs: (isize, isize),
}

impl Strides {
    fn of(p: &Product) -> Option<Strides> {
        let both = |m: &Matrix| Some((m.rows.stride()? as isize, m.cols.stride()? as isize));
        Some(Strides { lhs: both(&p.lhs)?, rhs: both(&p.rhs)? })
    }
}

/// The batches of a product: `count` that one call walks by constant strides, for each of the offsets `outer`.
struct Batches {
    count: usize,
    lhs: i64,
    rhs: i64,
    outer: Vec<(i64, i64)>,
}

impl Batches {
    fn of(p: &Product) -> Batches {
        let (mut count, mut lhs, mut rhs) = (1usize, 0, 0);
        let mut axes = p.batch.len();
        while axes > 0 {
            let (n, l, r) = (p.batch[axes - 1], p.lhs.batch_strides[axes - 1], p.rhs.batch_strides[axes - 1]);
            if n != 1 {
                if count == 1 {
                    (lhs, rhs) = (l, r);
                } else if l != lhs * count as i64 || r != rhs * count as i64 {
                    break;
                }
                count *= n;
            }
            axes -= 1;
        }
        let mut outer = vec![(0, 0)];
        for axis in 0..axes {
            let (l, r) = (p.lhs.batch_strides[axis], p.rhs.batch_strides[axis]);
            outer = outer
                .iter()
                .flat_map(|&(a, b)| (0..p.batch[axis] as i64).map(move |i| (a + i * l, b + i * r)))
                .collect();
        }
        Batches { count, lhs, rhs, outer }
    }
}

/// A task with its pointers.
struct Prepared<'t> {
    task: &'t Task,
    bufs: SmallVec<[*mut u8; 12]>,
    scalars: SmallVec<[u64; 8]>,
    total: usize,
}

// SAFETY: the pointers are only passed on to kernels, under the contract of `range`.
unsafe impl Sync for Prepared<'_> {}

impl Prepared<'_> {
    /// Runs iterations `begin..end`; after a failure anywhere nothing more is started.
    ///
    /// # Safety
    /// The pointers fit the kernel, and nobody else runs these iterations.
    unsafe fn range(&self, frame: &Frame<'_>, begin: usize, end: usize) {
        if begin >= end || frame.failure.load(Relaxed) != 0 {
            return;
        }
        let entry = frame.exe.kernels[self.task.kernel].entry();
        let run = |scratch: *mut u8| {
            // SAFETY: the plan was made for these kernels; pointers and scratch are as large as they demand.
            let status = unsafe {
                entry(self.bufs.as_ptr(), self.scalars.as_ptr(), begin as i64, end as i64, scratch)
            };
            if status != 0 && frame.failure.swap(status, Relaxed) == 0 {
                // SAFETY: a failed kernel leaves its detail at the start of its scratch memory.
                frame.detail.store(unsafe { scratch.cast::<i64>().read() }, Relaxed);
            }
        };
        if with_scratch(frame.exe.scratch, run).is_none() {
            frame.failure.store(NO_SCRATCH, Relaxed);
        }
    }
}

/// Stands for a status where a thread found no scratch memory.
const NO_SCRATCH: i32 = i32::MIN;

thread_local! {
    static SCRATCH: RefCell<Option<Buffer>> = const { RefCell::new(None) };
}

/// Calls `f` with this thread's scratch memory; `None` when there is none to be had.
fn with_scratch(bytes: usize, f: impl FnOnce(*mut u8)) -> Option<()> {
    SCRATCH.with_borrow_mut(|s| {
        if s.as_ref().is_none_or(|s| s.len() < bytes) {
            *s = Some(Buffer::uninit(bytes).ok()?);
        }
        s.as_ref().map(|s| f(s.ptr()))
    })
}
