//! The graph of one compile unit.
//!
//! A [`Node`] applies an [`Op`] to values; a [`Value`] is one result of a node. Nodes are interned:
//! adding the same op to the same operands gives the same node, so common subexpressions do not
//! arise. Operands exist before their users, so the order of insertion is a topological order. A
//! graph is grown through [`Build`] and never edited: passes build new graphs.

use crate::build::Build;
use crate::dtype::DType;
use crate::error::OpError;
use crate::op::{Op, Outputs};
use crate::shape::Shape;
use rustc_hash::{FxHashMap, FxHasher};
use slotmap::{SlotMap, new_key_type};
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};

new_key_type! {
    /// A node of a [`Graph`].
    pub struct NodeId;
}

/// One result of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Value {
    pub node: NodeId,
    pub port: u8,
}

/// Dtype and shape of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Type {
    pub dtype: DType,
    pub shape: Shape,
}

impl Type {
    pub fn new(dtype: DType, shape: Shape) -> Type {
        Type { dtype, shape }
    }

    /// Bytes of a contiguous buffer that holds the value.
    pub fn bytes(&self) -> usize {
        self.shape.numel() * self.dtype.size()
    }
}

pub type Operands = SmallVec<[Value; 3]>;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    pub op: Op,
    pub inputs: Operands,
    pub types: Outputs,
}

#[derive(Clone, Default, Debug)]
pub struct Graph {
    nodes: SlotMap<NodeId, Node>,
    order: Vec<NodeId>,
    interned: FxHashMap<u64, SmallVec<[NodeId; 1]>>,
    pub outputs: Vec<Value>,
}

impl Graph {
    pub fn new() -> Graph {
        Graph::default()
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub fn ty(&self, v: Value) -> &Type {
        &self.nodes[v.node].types[v.port as usize]
    }

    /// All nodes, operands before users.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds a node and gives all its results.
    pub fn add_all(&mut self, op: Op, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let node = self.add(op, inputs)?;
        Ok((0..self.nodes[node].types.len() as u8).map(|port| Value { node, port }).collect())
    }

    /// The nodes that the outputs depend on, operands before users.
    pub fn live(&self) -> Vec<NodeId> {
        let mut seen = slotmap::SecondaryMap::new();
        let mut stack: Vec<NodeId> = self.outputs.iter().map(|v| v.node).collect();
        while let Some(n) = stack.pop() {
            if seen.insert(n, ()).is_none() {
                stack.extend(self.nodes[n].inputs.iter().map(|v| v.node));
            }
        }
        self.order.iter().copied().filter(|&n| seen.contains_key(n)).collect()
    }
}

impl Build for Graph {
    fn add(&mut self, op: Op, inputs: &[Value]) -> Result<NodeId, OpError> {
        let mut hasher = FxHasher::default();
        (&op, inputs).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(found) = self.interned.get(&key).and_then(|ids| {
            ids.iter()
                .copied()
                .find(|&id| self.nodes[id].op == op && self.nodes[id].inputs.as_slice() == inputs)
        }) {
            return Ok(found);
        }
        let types = {
            let operands: SmallVec<[&Type; 3]> = inputs.iter().map(|&v| self.ty(v)).collect();
            op.infer(&operands)?
        };
        let id = self.nodes.insert(Node { op, inputs: inputs.into(), types });
        self.order.push(id);
        self.interned.entry(key).or_default().push(id);
        Ok(id)
    }

    fn type_of(&self, v: Value) -> &Type {
        self.ty(v)
    }
}
