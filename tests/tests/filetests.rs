//! Golden files: what passes make of graphs.
//!
//! A file of `tests/filetests` is a graph in text form, after lines that say what to show of it:
//!
//! ```text
//! # what the file is about
//! show: rules, graph, units
//! ```
//!
//! - `rules`: the rules that apply, in order
//! - `graph`: the graph after rewriting
//! - `grad`: the gradients of the sum of the first output with respect to the inputs, as a graph
//! - `units`: the steps of the plan and why each value has a buffer; `grad units`: those of the gradients
//! - `fused`: the graph with its units and the reasons for buffers
//! - `loops`: the kernels of the plan, for a machine with nothing beyond LoopIR
//! - `plan`: the whole plan
//!
//! Graphs and plans are read back from what is shown.
//!
//! What is shown follows behind a line of dashes. `BLESS=1 cargo test --test filetests` writes it anew.

use rustorch_ir::build::Build;
use rustorch_ir::grad::grad;
use rustorch_ir::op::Op;
use rustorch_ir::parse::parse_graph;
use rustorch_ir::plan::parse::parse_plan;
use rustorch_ir::plan::{Place, Plan, Step};
use rustorch_ir::verify::verify;
use rustorch_ir::{Graph, Value};
use rustorch_passes::observe::{Stage, annotated};
use rustorch_passes::rewrite::rewrite;
use rustorch_passes::{Request, Target, compile, compile_observed};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const RULE: &str = "\n--------\n";

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let entries = std::fs::read_dir(folder).expect("the folder of golden files");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "rtir"));
    files.sort();
    files
}

#[test]
fn golden_files_are_what_the_passes_make() {
    let files = files();
    assert!(files.len() >= 20, "only {} golden files", files.len());
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a golden file");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let (given, want) = text.split_once(RULE).unwrap_or((text.trim_end(), ""));
        let got = show(given).unwrap_or_else(|e| panic!("{name}: {e}"));
        if got == want {
            continue;
        }
        if bless {
            std::fs::write(&file, format!("{given}{RULE}{got}")).expect("the file can be written");
        } else {
            wrong.push(format!("{name} gives now:\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 accepts what is right.", wrong.join("\n"));
}

fn show(given: &str) -> Result<String, String> {
    let wanted = given.lines().find_map(|l| l.strip_prefix("show:")).ok_or("lacks its `show:` line")?;
    let text: Vec<&str> = given.lines().map(|l| if l.starts_with("show:") { "" } else { l }).collect();
    let graph = parse_graph(&text.join("\n")).map_err(|e| e.to_string())?;
    verify(&graph).map_err(|e| e.to_string())?;
    let mut out = String::new();
    for part in wanted.split(',').map(str::trim) {
        let shown = match part {
            "rules" => rules(&graph),
            "graph" => {
                let request = Request { graph: graph.clone(), keep: vec![] };
                live(&rewrite(&request, &mut |_, _| {})).to_string()
            }
            "grad" => gradients(&graph).to_string(),
            "grad units" => units(&plan(&gradients(&graph))),
            "units" => units(&plan(&graph)),
            "fused" => fused(&graph)?,
            "plan" => {
                let plan = plan(&graph);
                let again = parse_plan(&plan.to_string()).map_err(|e| e.to_string())?;
                if again != plan {
                    return Err(format!("the plan reads back as\n{again}"));
                }
                again.to_string()
            }
            "loops" => plan(&graph).kernels.iter().map(|k| k.to_string()).collect(),
            other => return Err(format!("there is nothing called `{other}` to show")),
        };
        let _ = write!(out, "{part}:\n{shown}");
    }
    Ok(out)
}

fn plan(graph: &Graph) -> Plan {
    let request = Request { graph: graph.clone(), keep: vec![] };
    compile(&request, &Target::PORTABLE).expect("compiles").plan
}

/// The fused graph; without its comments it reads back.
fn fused(graph: &Graph) -> Result<String, String> {
    let request = Request { graph: graph.clone(), keep: vec![] };
    let (mut shown, mut plain) = (String::new(), String::new());
    compile_observed(&request, &Target::PORTABLE, &mut |stage| {
        if let Stage::Fused { graph, fusion } = stage {
            (shown, plain) = (annotated(graph, fusion), graph.to_string());
        }
    })
    .map_err(|e| e.to_string())?;
    let again = parse_graph(&shown).map_err(|e| e.to_string())?.to_string();
    if again == plain { Ok(shown) } else { Err(format!("the fused graph reads back as\n{again}")) }
}

fn rules(graph: &Graph) -> String {
    let mut out = String::new();
    rewrite(&Request { graph: graph.clone(), keep: vec![] }, &mut |_, applied| {
        let _ = writeln!(out, "{}: {}", applied.rule, applied.before.0);
    });
    out
}

/// The graph without what its outputs do not need.
fn live(graph: &Graph) -> Graph {
    let mut names = std::collections::HashMap::new();
    let mut out = Graph::new();
    for id in graph.live() {
        let node = graph.node(id);
        let inputs: Vec<Value> = node.inputs.iter().map(|v| names[v]).collect();
        let new = out.add(node.op.clone(), &inputs).expect("types stay");
        for port in 0..node.types.len() as u8 {
            names.insert(Value { node: id, port }, Value { node: new, port });
        }
    }
    out.outputs = graph.outputs.iter().map(|v| names[v]).collect();
    out
}

fn gradients(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let y = graph.outputs[0];
    let b: &mut dyn Build = &mut graph;
    let one = b.fill_like(y, 1.0);
    let inputs: Vec<Value> = graph
        .order()
        .iter()
        .filter(|&&id| matches!(graph.node(id).op, Op::Input(_)))
        .map(|&node| Value { node, port: 0 })
        .filter(|&v| graph.ty(v).dtype.is_float())
        .collect();
    graph.outputs = grad(&mut graph, &[(y, one)], &inputs).into_iter().flatten().collect();
    live(&rewrite(&Request { graph, keep: vec![] }, &mut |_, _| {}))
}

fn units(plan: &Plan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let _ = match step {
            Step::Launch { tasks, finish } => {
                let spaces: Vec<usize> = tasks.iter().map(|t| plan.kernels[t.kernel].parallel).collect();
                writeln!(out, "launch of {} over {spaces:?}, then {}", tasks.len(), finish.len())
            }
            Step::Routine(call) => writeln!(out, "routine {}", call.routine),
            Step::Product(p) => {
                let then = if p.epilogue.is_some() { " with an epilogue" } else { "" };
                writeln!(out, "product {:?} x {} x {} x {}{then}", p.batch, p.m, p.n, p.k)
            }
        };
    }
    for b in &plan.buffers {
        if !matches!(b.place, Place::Input { .. }) {
            let place = if matches!(b.place, Place::Output(_)) { "result" } else { "temporary" };
            let _ = writeln!(out, "{place} {}: {}", b.ty, b.reason);
        }
    }
    out
}
