//! Graphs as text, for people: `t.ir()` and `RUSTORCH_DUMP`.

use crate::error::Result;
use crate::extract::Unit;
use crate::record::Recorded;
use crate::region::Region;
use crate::tensor::Tensor;
use rustc_hash::FxHashMap;
use rustorch_ir::plan::Plan;
use rustorch_ir::{Graph, NodeId, Value};
use rustorch_passes::Request;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One line for each node, operands before users; `%n.p` is result `p` of node `n`.
pub fn text(graph: &Graph) -> String {
    let numbers: FxHashMap<NodeId, usize> =
        graph.order().iter().enumerate().map(|(i, &id)| (id, i)).collect();
    let name = |v: &Value| {
        let port = if v.port == 0 { String::new() } else { format!(".{}", v.port) };
        format!("%{}{port}", numbers[&v.node])
    };
    let list = |values: &[Value]| values.iter().map(name).collect::<Vec<_>>().join(", ");
    let mut out = String::new();
    for (i, &id) in graph.order().iter().enumerate() {
        let node = graph.node(id);
        let types: Vec<String> = node.types.iter().map(|t| format!("{} {}", t.dtype, t.shape)).collect();
        // Writing to a string does not fail.
        let _ = writeln!(out, "%{i} = {}({}) : {}", node.op, list(&node.inputs), types.join(", "));
    }
    let _ = writeln!(out, "return {}", list(&graph.outputs));
    out
}

/// The graph that would compute these values now.
pub fn ir(values: &[Recorded]) -> Result<String> {
    let region = Region::collect(values);
    Ok(text(&Unit::of(values, &region)?.request()?.request.graph))
}

impl Tensor {
    /// The graph that would compute this tensor now.
    pub fn ir(&self) -> Result<String> {
        ir(&[self.read()?])
    }
}

static DIRECTORY: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let path = PathBuf::from(std::env::var_os("RUSTORCH_DUMP")?);
    match std::fs::create_dir_all(&path) {
        Ok(()) => Some(path),
        Err(e) => {
            eprintln!("rustorch: RUSTORCH_DUMP={}: {e}", path.display());
            None
        }
    }
});
static UNIT: AtomicU64 = AtomicU64::new(0);

/// Writes one file of the present compile unit if dumping is on.
fn write(stage: &str, text: impl FnOnce() -> String) {
    if let Some(directory) = DIRECTORY.as_ref() {
        let path = directory.join(format!("{:04}-{stage}", UNIT.load(Relaxed)));
        if let Err(e) = std::fs::write(&path, text()) {
            eprintln!("rustorch: {}: {e}", path.display());
        }
    }
}

/// Begins a compile unit.
pub(crate) fn graph(request: &Request) {
    UNIT.fetch_add(1, Relaxed);
    write("1-extracted.ir", || text(&request.graph));
}

/// What a compile unit became.
pub(crate) fn plan(plan: Option<&Plan>) {
    let Some(plan) = plan else { return };
    write("2-loops.txt", || plan.kernels.iter().map(|k| format!("{k}\n")).collect());
    write("3-plan.txt", || {
        let mut out = String::new();
        for (i, b) in plan.buffers.iter().enumerate() {
            let _ = writeln!(out, "buffer {i}: {} {} {:?} ({})", b.ty.dtype, b.ty.shape, b.place, b.reason);
        }
        for step in &plan.steps {
            let _ = writeln!(out, "{step:?}");
        }
        out
    });
}
