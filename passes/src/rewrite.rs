//! Rebuilding a graph through named rules.
//!
//! The rules stand with the ops they are about ([`rustorch_ir::op::Primitive::simplify`]). Each goes one
//! way and leaves less to compute, so applying them ends. A graph is rebuilt from its inputs on: a node is
//! offered to the rules when its operands are final, and what a rule gives is offered again.

use crate::compile::Request;
use crate::inline::inline;
use rustc_hash::FxHashMap;
use rustorch_ir::build::Build;
use rustorch_ir::op::Op;
use rustorch_ir::{Graph, Value};

/// More rules than this in a row, on one node, are a circle.
const PATIENCE: usize = 64;

/// A rule that was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    pub rule: &'static str,
    /// The op and its operands in the new graph.
    pub before: (Op, Vec<Value>),
    pub after: Value,
}

/// The live part of a request's graph, rewritten. Its outputs are the requested ones and then those to
/// keep. `trace` is told of every rule that is applied, and of the graph it was applied in.
pub fn rewrite(request: &Request, trace: &mut dyn FnMut(&Graph, &Applied)) -> Graph {
    let request = inline(request);
    let mut source = request.graph.clone();
    source.outputs.extend(&request.keep);
    let mut out = Graph::new();
    let mut renamed: FxHashMap<Value, Value> = FxHashMap::default();
    for id in source.live() {
        let node = source.node(id);
        let inputs: Vec<Value> = node.inputs.iter().map(|v| renamed[v]).collect();
        if let Some(simple) = simplify(&mut out, &node.op, &inputs, trace) {
            renamed.insert(Value { node: id, port: 0 }, simple);
            continue;
        }
        let new = out.add(node.op.clone(), &inputs).expect("a rebuilt node has the types it had");
        for port in 0..node.types.len() as u8 {
            renamed.insert(Value { node: id, port }, Value { node: new, port });
        }
    }
    out.outputs = source.outputs.iter().map(|v| renamed[v]).collect();
    if cfg!(debug_assertions)
        && let Err(e) = rustorch_ir::verify::verify(&out)
    {
        panic!("rewriting broke the graph: {e}");
    }
    out
}

/// What the rules make of `op` over `inputs`; `None` when no rule applies.
fn simplify(
    g: &mut Graph,
    op: &Op,
    inputs: &[Value],
    trace: &mut dyn FnMut(&Graph, &Applied),
) -> Option<Value> {
    let mut before = (op.clone(), inputs.to_vec());
    let mut found = None;
    for _ in 0..PATIENCE {
        let Some((rule, after)) = before.0.simplify(g, &before.1) else { break };
        trace(g, &Applied { rule, before, after });
        found = Some(after);
        let node = g.node(after.node);
        before = (node.op.clone(), node.inputs.to_vec());
    }
    found
}
