//! What the pipeline shows of itself while it works.

use crate::fuse::{Fusion, Unit};
use crate::lower::{Root, Stored};
use crate::rewrite::Applied;
use rustorch_ir::loops::Kernel;
use rustorch_ir::{Graph, NodeId, Value};
use std::fmt::Write;

/// What a pass has just made, in the order in which it happens; kernels go through their passes one by one.
pub enum Stage<'a> {
    /// A rule has been applied in this graph.
    Rule {
        graph: &'a Graph,
        applied: &'a Applied,
    },
    Rewritten(&'a Graph),
    Fused {
        graph: &'a Graph,
        fusion: &'a Fusion,
    },
    Kernel {
        pass: &'static str,
        kernel: &'a Kernel,
    },
}

pub type Observer<'o> = &'o mut dyn FnMut(Stage<'_>);

/// A fused graph in text form, with comments that say which units there are, which values get buffers, and why.
pub fn annotated(graph: &Graph, fusion: &Fusion) -> String {
    let mut out = String::new();
    for (i, unit) in fusion.units.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = match unit {
            Unit::Kernel(group) => writeln!(out, "# unit {i}: kernel over {}", group.space),
            Unit::Product { .. } => writeln!(out, "# unit {i}: product by a host routine"),
            Unit::Routine { node } => writeln!(out, "# unit {i}: {} by a routine", graph.node(*node).op),
            Unit::Nothing => writeln!(out, "# unit {i}: nothing, its buffer was handed over"),
        };
    }
    let text = graph.to_string();
    let (nodes, outputs) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    for (line, &id) in nodes.lines().zip(graph.order()) {
        let notes: Vec<String> =
            (0..graph.node(id).types.len() as u8).filter_map(|port| note(fusion, id, port)).collect();
        let comment = if notes.is_empty() { String::new() } else { format!("  # {}", notes.join("; ")) };
        let _ = writeln!(out, "{line}{comment}");
    }
    out + outputs + "\n"
}

/// Where a value is stored and why, if it is.
fn note(fusion: &Fusion, node: NodeId, port: u8) -> Option<String> {
    let v = Value { node, port };
    let (stored, reason) = fusion.stored.get(&v)?;
    let how = match stored {
        Stored::Whole => String::new(),
        Stored::Partials { chunks, .. } => format!(" as {chunks} partial results"),
        Stored::Combined { chunks, .. } => format!(" from {chunks} partial results"),
    };
    let writes = |unit: &Unit| match unit {
        Unit::Kernel(group) => group.roots.iter().any(|root| match root {
            Root::Store { value, .. } | Root::Partial { value } => *value == v,
            Root::Nest { node, .. } => *node == v.node,
        }),
        Unit::Product { node } | Unit::Routine { node } => *node == v.node,
        Unit::Nothing => false,
    };
    let units: Vec<String> =
        fusion.units.iter().enumerate().filter(|(_, u)| writes(u)).map(|(i, _)| i.to_string()).collect();
    Some(format!("stored{how} by unit {}: {reason}", units.join(" and ")))
}
