//! Reverse-mode differentiation: gradients as nodes of the same graph.

use crate::build::Build;
use crate::graph::{Graph, NodeId, Value};
use crate::op::Scalar;
use rustc_hash::{FxHashMap, FxHashSet};

/// The gradients with respect to `wrt` of the values in `of`, each paired with the gradient of the result
/// with respect to it; `None` where `of` does not depend on one.
///
/// One sweep over the nodes, users before operands: each is differentiated once, when everything that
/// reads it has been. What it adds is ordinary graph, so gradients have gradients.
pub fn grad(graph: &mut Graph, of: &[(Value, Value)], wrt: &[Value]) -> Vec<Option<Value>> {
    let order: Vec<NodeId> = graph.order().to_vec();
    // Only what lies between `wrt` and `of` matters.
    let mut depends: FxHashSet<NodeId> = wrt.iter().map(|v| v.node).collect();
    for &id in &order {
        if graph.node(id).inputs.iter().any(|v| depends.contains(&v.node)) {
            depends.insert(id);
        }
    }
    let mut sums: FxHashMap<Value, Value> = FxHashMap::default();
    for &(v, g) in of {
        accumulate(graph, &mut sums, v, g);
    }
    for &id in order.iter().rev().filter(|id| depends.contains(id)) {
        let node = graph.node(id).clone();
        let results: Vec<Value> = (0..node.types.len() as u8).map(|port| Value { node: id, port }).collect();
        let given: Vec<Option<Value>> = results.iter().map(|v| sums.get(v).copied()).collect();
        if node.inputs.is_empty() || given.iter().all(Option::is_none) {
            continue;
        }
        let grads = node.op.vjp(graph, &node.inputs, &results, &given);
        for (&x, g) in node.inputs.iter().zip(grads) {
            if let Some(g) = g.filter(|_| depends.contains(&x.node)) {
                accumulate(graph, &mut sums, x, g);
            }
        }
    }
    wrt.iter().map(|v| sums.get(v).copied()).collect()
}

fn accumulate(graph: &mut Graph, sums: &mut FxHashMap<Value, Value>, v: Value, g: Value) {
    debug_assert_eq!(graph.ty(v), graph.ty(g), "a gradient has the type of its value");
    let b: &mut dyn Build = graph;
    let sum = match sums.get(&v) {
        Some(&before) => b.map(Scalar::Add, &[before, g]),
        None => g,
    };
    sums.insert(v, sum);
}
