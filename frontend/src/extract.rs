//! From recorded nodes to the closed graph of a compile unit.
//!
//! The region that is not realised is copied, operands first. Its leaves become slots, numbered by first visit:
//! a realised value read through views is one strided input whose start is given at run time, so `X[i:i+32]` in
//! a loop gives the same graph each time; so do run-time scalars, whatever their values. Interning begins here.

use crate::error::{Error, Result};
use crate::record::{Edge, Recorded, RecordedNode, Stored};
use rustc_hash::{FxHashMap, FxHashSet};
use rustorch_ir::build::Build;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Input, Kind, Op, Source};
use rustorch_ir::{Graph, Value};
use smallvec::SmallVec;
use std::sync::Arc;

/// The recorded nodes that a set of values waits for.
pub(crate) struct Region {
    /// Operands before users.
    nodes: Vec<Member>,
    place: FxHashMap<*const RecordedNode, usize>,
}

struct Member {
    node: Arc<RecordedNode>,
    inputs: SmallVec<[Edge; 3]>,
    /// Edges within the region that lead here.
    users: usize,
}

/// A node on the way down, with its operands and the next of them to visit.
type OnTheWay = (Arc<RecordedNode>, SmallVec<[Edge; 3]>, usize);

/// The operands of a node that is still to be computed. Another thread may realise it at any time, and then its
/// edges are gone and its results are there.
fn open(node: &Arc<RecordedNode>) -> Option<SmallVec<[Edge; 3]>> {
    let state = node.state();
    let done = !state.results.is_empty() && state.results.iter().all(Option::is_some);
    (!done).then(|| state.inputs.clone())
}

impl Region {
    pub fn collect(targets: &[Recorded]) -> Region {
        let mut region = Region { nodes: Vec::new(), place: FxHashMap::default() };
        let mut stack: Vec<OnTheWay> = Vec::new();
        for target in targets.iter().filter(|t| !t.is_realised()) {
            region.enter(&target.edge(), &mut stack);
            while let Some((node, inputs, next)) = stack.last_mut() {
                if let Some(edge) = inputs.get(*next).cloned() {
                    *next += 1;
                    region.enter(&edge, &mut stack);
                    continue;
                }
                region.place.insert(Arc::as_ptr(node), region.nodes.len());
                if let Some((node, inputs, _)) = stack.pop() {
                    region.nodes.push(Member { node, inputs, users: 0 });
                }
            }
        }
        for i in 0..region.nodes.len() {
            let inputs = std::mem::take(&mut region.nodes[i].inputs);
            for edge in &inputs {
                if let Some(&user) = region.place.get(&Arc::as_ptr(&edge.node)) {
                    region.nodes[user].users += 1;
                }
            }
            region.nodes[i].inputs = inputs;
        }
        region
    }

    /// Puts the node on the way down unless it was seen before or its value is there.
    fn enter(&mut self, edge: &Edge, stack: &mut Vec<OnTheWay>) {
        let key = Arc::as_ptr(&edge.node);
        if self.place.contains_key(&key) || edge.node.stored(edge.port).is_some() {
            return;
        }
        if let Some(inputs) = open(&edge.node) {
            self.place.insert(key, usize::MAX);
            stack.push((edge.node.clone(), inputs, 0));
        }
    }

    pub fn contains(&self, node: &Arc<RecordedNode>) -> bool {
        self.place.contains_key(&Arc::as_ptr(node))
    }

    /// Computed values that something outside of the region still refers to: worth keeping if they get buffers.
    fn wanted(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.nodes.iter().enumerate().filter(|(_, m)| {
            // Each edge in the region counts twice, in its node and in the copy here; the member itself once.
            let outside = Arc::strong_count(&m.node).saturating_sub(1 + 2 * m.users);
            outside > 0 && matches!(m.node.op().kind(), Kind::Pull | Kind::Push)
        })
    }
}

/// An operand of the graph that is given at run time.
#[derive(Clone)]
pub(crate) struct Operand {
    pub stored: Stored,
    pub ty: Type,
}

/// What a recorded value is in the graph.
#[derive(Clone)]
enum Resolved {
    Value(Value),
    /// A strided stretch of a buffer, not yet in the graph.
    Leaf(Operand),
}

/// The graph with what stands behind its slots and outputs.
pub(crate) struct Extracted {
    pub graph: Graph,
    pub keep: Vec<Value>,
    pub inputs: Vec<Operand>,
    pub scalars: Vec<u64>,
    /// The recorded results behind the graph's outputs, in order.
    pub outputs: Vec<Edge>,
    /// The recorded results behind `keep`, in order.
    pub kept: Vec<Edge>,
    /// Results that are views of realised values: nothing has to run for them.
    pub aliases: Vec<(Edge, Stored)>,
}

type SlotKey = (usize, rustorch_ir::Strides, Type);

struct Extraction {
    graph: Graph,
    inputs: Vec<Operand>,
    scalars: Vec<u64>,
    slots: FxHashMap<SlotKey, Value>,
    scalar_slots: FxHashMap<*const RecordedNode, Value>,
}

fn internal(e: rustorch_ir::OpError) -> Error {
    Error::Runtime(format!("internal error: a recorded operation does not type: {e}"))
}

impl Extraction {
    /// The graph's input for a strided stretch of memory; equal stretches are one.
    fn input(&mut self, operand: &Operand) -> Result<Value> {
        let Operand { stored, ty } = operand;
        let start = (stored.buffer.ptr() as usize).wrapping_add(stored.offset * ty.dtype.size());
        let key = (start, stored.strides.clone(), ty.clone());
        if let Some(&value) = self.slots.get(&key) {
            return Ok(value);
        }
        let input = Input {
            slot: self.inputs.len() as u32,
            dtype: ty.dtype,
            shape: ty.shape.clone(),
            source: Source::Buffer(stored.strides.clone()),
        };
        let node = self.graph.add(Op::Input(input), &[]).map_err(internal)?;
        self.inputs.push(operand.clone());
        let value = Value { node, port: 0 };
        self.slots.insert(key, value);
        Ok(value)
    }

    fn scalar(&mut self, node: &Arc<RecordedNode>) -> Result<Value> {
        if let Some(&value) = self.scalar_slots.get(&Arc::as_ptr(node)) {
            return Ok(value);
        }
        let ty = &node.types()[0];
        let slot = self.scalars.len() as u32;
        let input = Input { slot, dtype: ty.dtype, shape: ty.shape.clone(), source: Source::Scalar };
        let id = self.graph.add(Op::Input(input), &[]).map_err(internal)?;
        self.scalars.push(node.scalar_bits());
        let value = Value { node: id, port: 0 };
        self.scalar_slots.insert(Arc::as_ptr(node), value);
        Ok(value)
    }

    fn value(&mut self, resolved: &Resolved) -> Result<Value> {
        match resolved {
            Resolved::Value(value) => Ok(*value),
            Resolved::Leaf(operand) => self.input(operand),
        }
    }

    fn node(&mut self, member: &Member, inputs: &[Resolved]) -> Result<SmallVec<[Resolved; 1]>> {
        let node = &member.node;
        let (op, types) = (node.op(), node.types());
        let one = |r: Resolved| SmallVec::from_iter([r]);
        if let Op::Input(Input { source: Source::Scalar, .. }) = op {
            return Ok(one(Resolved::Value(self.scalar(node)?)));
        }
        if op.kind() == Kind::View && inputs.len() == 1 {
            let same = match op {
                Op::Detach(_) => true,
                Op::Reshape(_) => types[0] == member.inputs[0].node.types()[member.inputs[0].port as usize],
                _ => false,
            };
            if same {
                return Ok(one(inputs[0].clone()));
            }
            if let Resolved::Leaf(from) = &inputs[0]
                && let Some((strides, shift)) =
                    op.restride(&from.ty.shape, &from.stored.strides, &types[0].shape)
            {
                let offset = (from.stored.offset as i64 + shift).max(0) as usize;
                let stored = Stored { buffer: from.stored.buffer.clone(), offset, strides };
                return Ok(one(Resolved::Leaf(Operand { stored, ty: types[0].clone() })));
            }
        }
        let operands: SmallVec<[Value; 3]> = inputs.iter().map(|r| self.value(r)).collect::<Result<_>>()?;
        let id = self.graph.add(op.clone(), &operands).map_err(internal)?;
        Ok((0..types.len()).map(|port| Resolved::Value(Value { node: id, port: port as u8 })).collect())
    }
}

/// The graph that computes `targets`, which `region` was collected for.
pub(crate) fn extract(targets: &[Recorded], region: &Region) -> Result<Extracted> {
    let mut x = Extraction {
        graph: Graph::new(),
        inputs: Vec::new(),
        scalars: Vec::new(),
        slots: FxHashMap::default(),
        scalar_slots: FxHashMap::default(),
    };
    let mut resolved: Vec<SmallVec<[Resolved; 1]>> = Vec::with_capacity(region.nodes.len());
    for member in &region.nodes {
        let inputs: SmallVec<[Resolved; 3]> =
            member.inputs.iter().map(|edge| operand(edge, region, &resolved)).collect::<Result<_>>()?;
        let results = x.node(member, &inputs)?;
        resolved.push(results);
    }
    let mut outputs: Vec<Edge> = Vec::new();
    let mut aliases = Vec::new();
    for target in targets.iter().filter(|t| !t.is_realised()) {
        let edge = target.edge();
        match operand(&edge, region, &resolved)? {
            Resolved::Leaf(Operand { stored, .. }) => aliases.push((edge, stored)),
            Resolved::Value(value) => {
                x.graph.outputs.push(value);
                outputs.push(edge);
            }
        }
    }
    let (mut keep, mut kept) = (Vec::new(), Vec::new());
    for (i, member) in region.wanted() {
        for (port, r) in resolved[i].iter().enumerate() {
            let Resolved::Value(value) = r else { continue };
            if !x.graph.outputs.contains(value) && !keep.contains(value) {
                keep.push(*value);
                kept.push(Edge { node: member.node.clone(), port: port as u8 });
            }
        }
    }
    Ok(Extracted { graph: x.graph, keep, inputs: x.inputs, scalars: x.scalars, outputs, kept, aliases })
}

fn operand(edge: &Edge, region: &Region, resolved: &[SmallVec<[Resolved; 1]>]) -> Result<Resolved> {
    if let Some(stored) = edge.node.stored(edge.port) {
        return Ok(Resolved::Leaf(Operand { stored, ty: edge.node.types()[edge.port as usize].clone() }));
    }
    let found = region.place.get(&Arc::as_ptr(&edge.node)).and_then(|&place| resolved.get(place));
    match found.and_then(|results| results.get(edge.port as usize)) {
        Some(result) => Ok(result.clone()),
        None => {
            Err(Error::Runtime("internal error: a recorded value has neither operands nor a result".into()))
        }
    }
}

impl Region {
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether `value` waits for a node of this region. `apart` remembers nodes that do not.
    pub fn meets(&self, value: &Recorded, apart: &mut FxHashSet<*const RecordedNode>) -> bool {
        let mut seen = Vec::new();
        let mut stack = vec![value.edge()];
        while let Some(edge) = stack.pop() {
            let key = Arc::as_ptr(&edge.node);
            if self.contains(&edge.node) {
                seen.iter().for_each(|k| {
                    apart.remove(k);
                });
                return true;
            }
            if edge.node.stored(edge.port).is_none() && apart.insert(key) {
                seen.push(key);
                stack.extend(open(&edge.node).into_iter().flatten());
            }
        }
        false
    }
}
