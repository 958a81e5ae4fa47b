//! The roads from a graph to its results, compared.

use super::bounds::{Bound, bounds, disagree};
use super::{Case, Memory};
use crate::HOST;
use rustorch_backend::buffer::Buffer;
use rustorch_backend::run::{Bound as Bind, Executable, RunError};
use rustorch_backend::threads::set_num_threads;
use rustorch_ir::eval::{EvalError, Tensor, eval_all};
use rustorch_ir::parse::parse_graph;
use rustorch_ir::plan::parse::parse_plan;
use rustorch_ir::plan::{Plan, Step};
use rustorch_ir::plan_interp::{self, PlanError};
use rustorch_ir::verify::verify;
use rustorch_passes::inline::inline;
use rustorch_passes::{Request, compile};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a check has looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Results compared with the interpreter's, and those of them by their bits.
    pub compared: usize,
    pub exactly: usize,
    /// Plans interpreted.
    pub plans: usize,
    /// Cases whose own checks failed.
    pub failed: usize,
}

/// Takes a case down every road; says where two of them part.
pub fn check(case: &Case) -> Result<Seen, String> {
    match catch_unwind(AssertUnwindSafe(|| roads(case))) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            Err(format!("panics: {text}"))
        }
    }
}

fn roads(case: &Case) -> Result<Seen, String> {
    let mut seen = Seen::default();
    verify(&case.graph).map_err(|e| e.to_string())?;
    let text = case.graph.to_string();
    let again = parse_graph(&text).map_err(|e| format!("does not read back: {e}"))?.to_string();
    if again != text {
        return Err(format!("reads back as\n{again}"));
    }
    let request = Request { graph: case.graph.clone(), keep: case.keep.clone() };
    let compiled = compile(&request, &HOST).map_err(|e| e.to_string())?;
    let mut plan = compiled.plan;
    match parse_plan(&plan.to_string()) {
        Ok(again) if again == plan => {}
        Ok(again) => return Err(format!("the plan reads back as\n{again}")),
        Err(e) => return Err(format!("the plan does not read back: {e}")),
    }
    if case.grain > 0 {
        tasks(&mut plan).for_each(|t| t.grain = case.grain);
    }
    let mut wanted = case.graph.outputs.clone();
    wanted.extend(compiled.kept.iter().map(|&i| case.keep[i]));

    let mut graph = case.graph.clone();
    graph.outputs = wanted.clone();
    let meant = match eval_all(&graph, &case.slots(), &case.scalars) {
        Ok(values) => Some(values),
        Err(EvalError::Check { .. }) => None,
        Err(e) => return Err(format!("the graph interpreter: {e}")),
    };
    // First the interpreted plan: it finds out what would make machine code crash.
    let interpreted = match plan_interp::run(&plan, &case.slots(), &case.scalars) {
        Ok(outputs) => Some(Ok(outputs)),
        Err(PlanError::Check { code, .. }) => Some(Err(code)),
        Err(PlanError::Origin(_)) => None,
        Err(e) => return Err(format!("the plan's interpreter: {e}")),
    };
    seen.plans += interpreted.is_some() as usize;
    let rounded = plan.steps.iter().any(|s| match s {
        Step::Product(_) => true,
        Step::Routine(call) => call.routine.is_rounded(),
        Step::Launch { .. } => false,
    });
    let run = Executable::new(plan).map_err(|e| e.to_string())?;
    let one = execute(&run, &case.slots, &case.scalars, 1)?;
    let two = execute(&run, &case.slots, &case.scalars, 2)?;

    let exact = Bound { error: 0.0, zero_sign: false };
    same("two threads", &two, &one, |_| exact)?;
    if let Some(interpreted) = interpreted
        && !rounded
    {
        same("the plan's interpreter", &interpreted, &one, |_| exact)?;
    }
    let Some(values) = meant else {
        seen.failed += 1;
        return Ok(seen);
    };
    // What a call computes on the way decides how far its results may lie apart.
    let whole = Request { graph: graph.clone(), keep: vec![] };
    let inlined = inline(&whole);
    let parts = eval_all(&inlined.graph, &case.slots(), &case.scalars)
        .map_err(|e| format!("the graph interpreter, without calls: {e}"))?;
    let (known, open_checks) = bounds(&inlined.graph, &parts);
    match &one {
        Err(_) if open_checks => {}
        Err(code) => return Err(format!("a check fails with code {code}, but not in the graph interpreter")),
        Ok(outputs) => {
            for (i, (got, v)) in outputs.iter().zip(&wanted).enumerate() {
                let bound = known[&inlined.graph.outputs[i]];
                if let Some(why) = disagree(got, &values[v], bound) {
                    return Err(format!("output {i}: {why}"));
                }
                seen.compared += (bound.error < f64::INFINITY) as usize;
                seen.exactly += (bound.error == 0.0) as usize;
            }
        }
    }
    Ok(seen)
}

/// Outputs, or the code of a failed check.
type Outcome = Result<Vec<Tensor>, i32>;

fn same(road: &str, a: &Outcome, b: &Outcome, bound: impl Fn(usize) -> Bound) -> Result<(), String> {
    match (a, b) {
        (Ok(a), Ok(b)) => a.iter().zip(b).enumerate().try_for_each(|(i, (a, b))| {
            disagree(a, b, bound(i)).map_or(Ok(()), |why| Err(format!("output {i} by {road}: {why}")))
        }),
        (Err(_), Err(_)) => Ok(()),
        (Err(code), Ok(_)) => Err(format!("{road}: a check fails with code {code} only there")),
        (Ok(_), Err(code)) => Err(format!("{road}: no check fails; one does elsewhere, with code {code}")),
    }
}

fn tasks(plan: &mut Plan) -> impl Iterator<Item = &mut rustorch_ir::plan::Task> {
    plan.steps.iter_mut().flat_map(|s| -> Box<dyn Iterator<Item = _>> {
        match s {
            Step::Launch { tasks, .. } => Box::new(tasks.iter_mut()),
            Step::Product(p) => Box::new(p.epilogue.iter_mut()),
            Step::Routine(_) => Box::new(std::iter::empty()),
        }
    })
}

fn execute(exe: &Executable, slots: &[Memory], scalars: &[u64], threads: usize) -> Result<Outcome, String> {
    set_num_threads(threads);
    let inputs: Vec<Bind> = slots
        .iter()
        .map(|m| {
            let buffer = Buffer::from_slice(&m.tensor.bytes).expect("memory");
            Bind { buffer, offset: m.origin * m.tensor.ty.dtype.size() }
        })
        .collect();
    match exe.run(&inputs, scalars) {
        Err(RunError::Check { code, .. }) => Ok(Err(code)),
        Err(e) => Err(e.to_string()),
        Ok(buffers) => {
            let outputs = buffers.iter().zip(&exe.plan().outputs).map(|(buffer, o)| {
                // SAFETY: an output is as large as its type says, and written.
                let bytes: &[u8] = unsafe { buffer.as_slice() };
                Tensor { ty: o.ty.clone(), bytes: bytes[..o.ty.bytes()].to_vec() }
            });
            Ok(Ok(outputs.collect()))
        }
    }
}
