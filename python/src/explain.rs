//! What ran while `rt.explain` watched, kernel by kernel.

mod flops;

use flops::flops;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rustorch_frontend::stats::{Stats, stats};
use rustorch_frontend::trace::{self, Run};
use rustorch_ir::loops::Role;
use rustorch_ir::plan::{BufId, Plan, Product, Step, Task};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static BEFORE: Mutex<Option<Stats>> = Mutex::new(None);

/// Begins to watch this thread.
#[pyfunction]
fn _trace_begin() {
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(stats());
    trace::start();
}

/// What this thread ran since `_trace_begin`.
#[pyfunction]
fn _trace_end<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    let runs = trace::finish();
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let after = stats();
    let kernels = PyList::empty(py);
    for run in &runs {
        for row in rows(run) {
            kernels.append(row.named(py)?)?;
        }
    }
    let named = PyDict::new(py);
    named.set_item("kernels", kernels)?;
    named.set_item("compiles", after.compiles - before.compiles)?;
    named.set_item("allocations", after.allocations - before.allocations)?;
    named.set_item("cache_hits", after.cache_hits - before.cache_hits)?;
    Ok(named)
}

/// One launch or routine. Times are measured for a run as a whole: each row has the share of its work.
struct Row {
    name: String,
    kind: &'static str,
    reason: String,
    bytes_read: usize,
    bytes_written: usize,
    flops: u64,
    seconds: f64,
    compile_seconds: f64,
    cached: bool,
}

impl Row {
    fn named<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        named.set_item("name", &self.name)?;
        named.set_item("kind", self.kind)?;
        named.set_item("reason", &self.reason)?;
        named.set_item("bytes_read", self.bytes_read)?;
        named.set_item("bytes_written", self.bytes_written)?;
        named.set_item("flops", self.flops)?;
        named.set_item("seconds", self.seconds)?;
        named.set_item("compile_seconds", self.compile_seconds)?;
        named.set_item("cached", self.cached)?;
        Ok(named)
    }

    /// A measure of the work by which a run's time is shared out.
    fn weight(&self) -> f64 {
        1.0 + (self.bytes_read + self.bytes_written) as f64 + self.flops as f64 / 4.0
    }
}

fn rows(run: &Run) -> Vec<Row> {
    let Some(plan) = run.program.plan() else { return Vec::new() };
    let mut rows: Vec<Row> = plan.steps.iter().map(|step| row(plan, step)).collect();
    let whole: f64 = rows.iter().map(Row::weight).sum();
    let count = rows.len().max(1) as f64;
    for row in &mut rows {
        row.seconds = run.run.as_secs_f64() * row.weight() / whole;
        row.cached = run.compile.is_none();
        row.compile_seconds = run.compile.map_or(0.0, |time| time.as_secs_f64() / count);
    }
    rows
}

/// The buffers that a step reads and writes.
#[derive(Default)]
struct Traffic {
    read: BTreeSet<BufId>,
    written: BTreeSet<BufId>,
}

impl Traffic {
    fn task(&mut self, plan: &Plan, task: &Task) {
        let params = plan.kernels[task.kernel].params.iter().filter(|p| !matches!(p.role, Role::Scratch(_)));
        for (param, &buf) in params.zip(&task.bufs) {
            if param.role != Role::Out {
                self.read.insert(buf);
            }
            if param.role != Role::In {
                self.written.insert(buf);
            }
        }
    }

    fn row(self, plan: &Plan, name: String, kind: &'static str, flops: u64) -> Row {
        let bytes = |bufs: &BTreeSet<BufId>| bufs.iter().map(|b| plan.buffers[b.0 as usize].ty.bytes()).sum();
        let reasons: BTreeSet<&str> =
            self.written.iter().map(|b| plan.buffers[b.0 as usize].reason).collect();
        let reasons: Vec<&str> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
        Row {
            name,
            kind,
            reason: reasons.join(", "),
            bytes_read: bytes(&self.read),
            bytes_written: bytes(&self.written),
            flops,
            seconds: 0.0,
            compile_seconds: 0.0,
            cached: true,
        }
    }
}

fn row(plan: &Plan, step: &Step) -> Row {
    let mut traffic = Traffic::default();
    match step {
        Step::Launch { tasks, finish } => {
            let mut names: Vec<&str> = Vec::new();
            let mut work = 0;
            for task in tasks.iter().chain(finish) {
                traffic.task(plan, task);
                let kernel = &plan.kernels[task.kernel];
                work += flops(kernel);
            }
            for task in tasks {
                let name = plan.kernels[task.kernel].name.as_str();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            traffic.row(plan, names.join(" + "), "fused", work)
        }
        Step::Product(product) => {
            traffic.read.extend([product.lhs.buf, product.rhs.buf]);
            traffic.written.insert(product.out);
            let mut name = "gemm".to_string();
            let mut work = product_flops(product);
            if let Some(task) = &product.epilogue {
                traffic.task(plan, task);
                name = format!("gemm + {}", plan.kernels[task.kernel].name);
                work += flops(&plan.kernels[task.kernel]);
            }
            traffic.row(plan, name, "gemm", work)
        }
    }
}

fn product_flops(product: &Product) -> u64 {
    let batches: usize = product.batch.iter().product();
    2 * (batches * product.m * product.n * product.k) as u64
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_trace_begin, module)?)?;
    module.add_function(wrap_pyfunction!(_trace_end, module)?)
}
