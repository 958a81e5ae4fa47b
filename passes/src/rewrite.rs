//! Rebuilding a graph through named rules.

use crate::compile::Request;
use rustc_hash::FxHashMap;
use rustorch_ir::build::Build;
use rustorch_ir::{Graph, Value};

/// The live part of a request's graph, rewritten. Its outputs are the requested ones and then those to
/// keep.
pub fn rewrite(request: &Request) -> Graph {
    let mut source = request.graph.clone();
    source.outputs.extend(&request.keep);
    let mut out = Graph::new();
    let mut renamed: FxHashMap<Value, Value> = FxHashMap::default();
    for id in source.live() {
        let node = source.node(id);
        let inputs: Vec<Value> = node.inputs.iter().map(|v| renamed[v]).collect();
        let new = out.add(node.op.clone(), &inputs).expect("a rebuilt node has the types it had");
        for port in 0..node.types.len() as u8 {
            renamed.insert(Value { node: id, port }, Value { node: new, port });
        }
    }
    out.outputs = source.outputs.iter().map(|v| renamed[v]).collect();
    out
}
