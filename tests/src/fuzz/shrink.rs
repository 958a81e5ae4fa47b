//! Making a failing case small: outputs are dropped, and nodes become inputs that hold what the
//! interpreter finds for them.

use super::{Case, Memory};
use rustc_hash::FxHashMap;
use rustorch_ir::build::Build;
use rustorch_ir::eval::{Tensor, eval_all};
use rustorch_ir::op::{Input, Op, Source};
use rustorch_ir::{Graph, NodeId, Value};

/// A smaller case that still fails, by as many trials as `budget`.
pub fn shrink(case: &Case, fails: &dyn Fn(&Case) -> bool, mut budget: usize) -> Case {
    let mut best = tidy(case);
    if !fails(&best) {
        return case.clone();
    }
    loop {
        let before = size(&best);
        for candidate in candidates(&best) {
            if budget == 0 {
                return best;
            }
            budget -= 1;
            let candidate = tidy(&candidate);
            if size(&candidate) < size(&best) && fails(&candidate) {
                best = candidate;
            }
        }
        if size(&best) == before {
            return best;
        }
    }
}

/// What a reader has to understand: nodes that compute, then nodes, outputs and elements.
fn size(case: &Case) -> (usize, usize, usize, usize) {
    let live = case.graph.live();
    let computing = live.iter().filter(|&&id| !case.graph.node(id).inputs.is_empty()).count();
    let elements = case.slots.iter().map(|s| s.tensor.len()).sum();
    (computing, live.len(), case.graph.outputs.len() + case.keep.len() + (case.grain > 0) as usize, elements)
}

fn candidates(case: &Case) -> Vec<Case> {
    let mut out = Vec::new();
    if case.graph.outputs.len() > 1 {
        for i in 0..case.graph.outputs.len() {
            let mut c = case.clone();
            c.graph.outputs.remove(i);
            out.push(c);
        }
    }
    for i in 0..case.keep.len() {
        let mut c = case.clone();
        c.keep.remove(i);
        out.push(c);
    }
    if case.grain > 0 {
        out.push(Case { grain: 0, ..case.clone() });
    }
    let live = case.graph.live();
    // Another value as the only output.
    for &node in &live {
        let mut c = case.clone();
        c.graph.outputs = vec![Value { node, port: 0 }];
        c.keep.clear();
        out.push(c);
    }
    if let Ok(values) = eval_all(&case.graph, &case.slots(), &case.scalars) {
        for &id in live.iter().rev() {
            let is_input = matches!(&case.graph.node(id).op, Op::Input(i) if plain(i));
            if !is_input && case.graph.node(id).types.len() == 1 {
                out.push(replace(case, id, &values[&Value { node: id, port: 0 }]));
            }
        }
    }
    out
}

fn plain(input: &Input) -> bool {
    input.source == Source::Buffer(input.shape.contiguous_strides())
}

/// The case with a node's value given from outside.
fn replace(case: &Case, id: NodeId, value: &Tensor) -> Case {
    let mut slots = case.slots.clone();
    slots.push(Memory { tensor: value.clone(), origin: 0 });
    let input = Input {
        slot: slots.len() as u32 - 1,
        dtype: value.ty.dtype,
        shape: value.ty.shape.clone(),
        source: Source::Buffer(value.ty.shape.contiguous_strides()),
    };
    let (graph, keep) = rebuild(case, |node, op| if node == id { Op::Input(input.clone()) } else { op });
    Case { graph, slots, keep, ..case.clone() }
}

/// The live part of a graph with ops exchanged; inputs that replace ops lose their operands.
fn rebuild(case: &Case, change: impl Fn(NodeId, Op) -> Op) -> (Graph, Vec<Value>) {
    let mut source = case.graph.clone();
    source.outputs.extend(&case.keep);
    let mut graph = Graph::new();
    let mut names: FxHashMap<Value, Value> = FxHashMap::default();
    for id in source.live() {
        let node = source.node(id);
        let op = change(id, node.op.clone());
        let inputs: Vec<Value> =
            if matches!(op, Op::Input(_)) { vec![] } else { node.inputs.iter().map(|v| names[v]).collect() };
        let new = graph.add(op, &inputs).expect("types stay");
        for port in 0..node.types.len() as u8 {
            names.insert(Value { node: id, port }, Value { node: new, port });
        }
    }
    graph.outputs = case.graph.outputs.iter().map(|v| names[v]).collect();
    (graph, case.keep.iter().map(|v| names[v]).collect())
}

/// Without dead nodes and unused slots.
fn tidy(case: &Case) -> Case {
    let (mut slots, mut scalars) = (Vec::new(), Vec::new());
    let mut ops: FxHashMap<NodeId, Op> = FxHashMap::default();
    let mut live = case.graph.clone();
    live.outputs.extend(&case.keep);
    for id in live.live() {
        let Op::Input(input) = &case.graph.node(id).op else { continue };
        let mut input = input.clone();
        if input.source == Source::Scalar {
            scalars.push(case.scalars[input.slot as usize]);
            input.slot = scalars.len() as u32 - 1;
        } else {
            slots.push(case.slots[input.slot as usize].clone());
            input.slot = slots.len() as u32 - 1;
        }
        ops.insert(id, Op::Input(input));
    }
    let (graph, keep) = rebuild(case, |id, op| ops.get(&id).cloned().unwrap_or(op));
    Case { graph, slots, scalars, keep, grain: case.grain }
}
