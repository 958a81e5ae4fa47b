//! What holds of every graph, in words and then in code.
//!
//! 1. The order names every node once, and a node's operands stand before it and exist. So there are no
//!    circles, and one walk over the order sees operands before users.
//! 2. The types of a node's results are those that its op infers from its operands' types: no pass may
//!    carry stale types along.
//! 3. No two nodes apply the same op to the same operands: equal values have one name.
//! 4. A value of the graph has a size that can be addressed.
//! 5. Buffer slots and scalar slots are each described by one input: a slot has one type and one set of
//!    strides.
//! 6. The outputs are values of the graph.
//!
//! [`Build::add`](crate::build::Build::add) keeps the first three; the passes check them all after each
//! rebuilding in debug and test builds.

use crate::graph::{Graph, Node, NodeId, Value};
use crate::op::{Op, Source};
use crate::parse::bytes;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use thiserror::Error;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum VerifyError {
    #[error("%{node} (`{op}`) is broken: {problem}")]
    Node { node: usize, op: String, problem: Problem },
    #[error("output {0} is not a value of the graph")]
    Output(usize),
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Problem {
    #[error("it stands in the order twice")]
    Repeated,
    #[error("operand {0} is not a value given before")]
    Operand(usize),
    #[error("its operands do not fit: {0}")]
    Untyped(String),
    #[error("its types are {given}, but the op gives {inferred}")]
    Types { given: String, inferred: String },
    #[error("%{0} is the same")]
    NotInterned(usize),
    #[error("a result is larger than the address space")]
    TooLarge,
    #[error("%{0} describes the same slot")]
    Slot(usize),
}

/// Whether `graph` keeps every invariant of this module.
pub fn verify(graph: &Graph) -> Result<(), VerifyError> {
    let mut v = Verifier {
        graph,
        known: FxHashMap::default(),
        interned: FxHashMap::default(),
        slots: FxHashMap::default(),
    };
    for (number, &id) in graph.order().iter().enumerate() {
        v.node(number, id).map_err(|problem| {
            let op = graph.node(id).op.to_string();
            VerifyError::Node { node: number, op, problem }
        })?;
    }
    match graph.outputs.iter().position(|o| !v.exists(*o)) {
        Some(output) => Err(VerifyError::Output(output)),
        None => Ok(()),
    }
}

struct Verifier<'g> {
    graph: &'g Graph,
    /// The nodes seen so far, by number.
    known: FxHashMap<NodeId, usize>,
    interned: FxHashMap<(&'g Op, &'g [Value]), usize>,
    slots: FxHashMap<(bool, u32), usize>,
}

impl<'g> Verifier<'g> {
    fn exists(&self, v: Value) -> bool {
        self.known.contains_key(&v.node) && (v.port as usize) < self.graph.node(v.node).types.len()
    }

    fn node(&mut self, number: usize, id: NodeId) -> Result<(), Problem> {
        let node: &'g Node = self.graph.node(id);
        if let Some(i) = node.inputs.iter().position(|v| !self.exists(*v)) {
            return Err(Problem::Operand(i));
        }
        if self.known.insert(id, number).is_some() {
            return Err(Problem::Repeated);
        }
        let operands: SmallVec<[_; 3]> = node.inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let inferred = node.op.infer(&operands).map_err(|e| Problem::Untyped(e.to_string()))?;
        if inferred != node.types {
            let list =
                |types: &[crate::Type]| types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ");
            return Err(Problem::Types { given: list(&node.types), inferred: list(&inferred) });
        }
        if node.types.iter().any(|t| bytes(t).is_none()) {
            return Err(Problem::TooLarge);
        }
        if let Some(before) = self.interned.insert((&node.op, &node.inputs), number) {
            return Err(Problem::NotInterned(before));
        }
        if let Op::Input(input) = &node.op
            && let Some(before) = self.slots.insert((input.source == Source::Scalar, input.slot), number)
        {
            return Err(Problem::Slot(before));
        }
        Ok(())
    }
}
