//! What a trace says of each launch and routine that ran: why, how much, how long.

use crate::trace::Run;
use rustorch_backend::run::Executable;
use rustorch_ir::loops::Role;
use rustorch_ir::loops::count::count;
use rustorch_ir::plan::{BufId, Call, Matrix, Place, Plan, Product, Step, Task};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Names that a row shows at most.
const NAMED: usize = 3;

/// One pool launch, or one tuned routine with what runs on its rows.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub kind: &'static str,
    /// Why what it writes is materialised.
    pub reason: String,
    /// Bytes of the elements that it reads and writes, each counted once.
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub flops: u64,
    pub run: Duration,
    /// How long Cranelift took for its kernels; `None` where all code was at hand.
    pub compile: Option<Duration>,
}

/// The steps of a run that ran, in order.
pub fn rows(run: &Run) -> Vec<Row> {
    let Some(executable) = run.program.executable() else { return Vec::new() };
    let steps = executable.plan().steps.iter().zip(&run.steps);
    steps.map(|(step, &time)| row(executable, step, time, run.compile.is_some())).collect()
}

fn row(executable: &Executable, step: &Step, time: Duration, compiled: bool) -> Row {
    let plan = executable.plan();
    let mut seen = Seen { plan, read: BTreeMap::new(), written: BTreeMap::new(), flops: 0 };
    let (kind, mut names, tasks) = match step {
        Step::Launch { tasks, finish } => ("fused", vec![], tasks.iter().chain(finish).collect::<Vec<_>>()),
        Step::Product(product) => {
            seen.product(product);
            ("gemm", vec!["gemm"], product.epilogue.iter().collect())
        }
        Step::Routine(call) => {
            seen.routine(call);
            ("routine", vec![call.routine.name()], vec![])
        }
    };
    for task in &tasks {
        seen.task(task);
        names.push(&plan.kernels[task.kernel].name);
    }
    let compile = tasks.iter().filter_map(|t| executable.compile_time(t.kernel)).reduce(|a, b| a + b);
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" + {more} more"),
    };
    names.truncate(NAMED);
    let reasons: BTreeSet<&str> = seen.written.keys().map(|b| plan.buffers[b.0 as usize].reason).collect();
    Row {
        name: names.join(" + ") + &more,
        kind,
        reason: reasons.into_iter().collect::<Vec<_>>().join(", "),
        bytes_read: seen.bytes(&seen.read),
        bytes_written: seen.bytes(&seen.written),
        flops: seen.flops,
        run: time,
        compile: compile.filter(|_| compiled),
    }
}

/// The work of a step.
struct Seen<'p> {
    plan: &'p Plan,
    /// Bytes that are moved from and to each buffer.
    read: BTreeMap<BufId, u64>,
    written: BTreeMap<BufId, u64>,
    flops: u64,
}

impl Seen<'_> {
    fn task(&mut self, task: &Task) {
        let kernel = &self.plan.kernels[task.kernel];
        let counts = count(kernel);
        self.flops += counts.flops;
        let given = kernel.params.iter().enumerate().filter(|(_, p)| !matches!(p.role, Role::Scratch(_)));
        for ((i, _), &buf) in given.zip(&task.bufs) {
            if counts.loaded[i] > 0 {
                *self.read.entry(buf).or_default() += counts.loaded[i];
            }
            if counts.stored[i] > 0 {
                *self.written.entry(buf).or_default() += counts.stored[i];
            }
        }
    }

    fn product(&mut self, p: &Product) {
        let (batches, size) = (p.batch.iter().product::<usize>() as u64, p.dtype.size() as u64);
        let (m, n, k) = (p.m as u64, p.n as u64, p.k as u64);
        self.flops += 2 * batches * m * n * k;
        for (side, rows, cols) in [(&p.lhs, p.m, p.k), (&p.rhs, p.k, p.n)] {
            *self.read.entry(side.buf).or_default() += size * elements(side, &p.batch, rows, cols);
        }
        *self.written.entry(p.out).or_default() += size * batches * m * n;
    }

    fn routine(&mut self, call: &Call) {
        for &buf in &call.inputs {
            self.read.insert(buf, self.extent(buf));
        }
        for &buf in &call.outputs {
            self.written.insert(buf, self.extent(buf));
        }
    }

    /// What is moved from or to a buffer again counts once.
    fn bytes(&self, moved: &BTreeMap<BufId, u64>) -> u64 {
        moved.iter().map(|(buf, &bytes)| bytes.min(self.extent(*buf))).sum()
    }

    /// Bytes of a buffer that there are to be read or written.
    fn extent(&self, buf: BufId) -> u64 {
        let decl = &self.plan.buffers[buf.0 as usize];
        match decl.place {
            // Expanded axes repeat the same bytes; between strided elements lie others.
            Place::Input { begin, end, .. } => ((end - begin) as u64).min(decl.ty.bytes() as u64),
            Place::Output(_) | Place::Arena(_) => decl.ty.bytes() as u64,
        }
    }
}

/// The distinct elements of a batch of matrices.
fn elements(matrix: &Matrix, batch: &[usize], rows: usize, cols: usize) -> u64 {
    let along = |extent: usize, stride: i64| if stride == 0 { extent.min(1) } else { extent };
    let batches: usize = batch.iter().zip(&matrix.batch_strides).map(|(&n, &s)| along(n, s)).product();
    (batches * matrix.rows.distinct(rows) * matrix.cols.distinct(cols)) as u64
}
