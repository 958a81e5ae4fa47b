//! Puts the graphs of calls in their place.

use crate::compile::Request;
use rustc_hash::FxHashMap;
use rustorch_ir::op::Op;
use rustorch_ir::{Graph, OpError, Value};
use std::borrow::Cow;

/// The request with no call in its graph.
pub fn inline(request: &Request) -> Cow<'_, Request> {
    let from = &request.graph;
    if from.order().iter().all(|&id| from.node(id).op.body().is_none()) {
        return Cow::Borrowed(request);
    }
    let mut graph = Graph::new();
    let mut names: FxHashMap<Value, Value> = FxHashMap::default();
    for &id in from.order() {
        let node = from.node(id);
        let inputs: Vec<Value> = node.inputs.iter().map(|v| names[v]).collect();
        let results = add(&mut graph, &node.op, &inputs).expect("a rebuilt node has the types it had");
        names.extend((0..).map(|port| Value { node: id, port }).zip(results));
    }
    let of = |values: &[Value]| values.iter().map(|v| names[v]).collect();
    graph.outputs = of(&from.outputs);
    Cow::Owned(Request { graph, keep: of(&request.keep) })
}

fn add(graph: &mut Graph, op: &Op, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
    match op.body() {
        Some(body) => body.expand(inputs, &mut |op, inputs| add(graph, op, inputs)),
        None => graph.add_all(op.clone(), inputs),
    }
}
