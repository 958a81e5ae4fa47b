//! The recorded nodes that a set of values waits for.

use crate::places::Places;
use crate::record::{Edge, Edges, Recorded, RecordedNode};
use rustc_hash::FxHashSet;
use rustorch_ir::op::Kind;
use smallvec::SmallVec;
use std::sync::Arc;

pub(crate) struct Region {
    /// Operands before users.
    nodes: Vec<Member>,
    places: Places,
}

pub(crate) struct Member {
    pub node: Arc<RecordedNode>,
    pub inputs: Edges,
    /// For each input its place in the region, or [`OUTSIDE`].
    pub places: SmallVec<[u32; 3]>,
    /// Edges within the region that lead here.
    users: usize,
}

/// The place of a node whose value was there.
pub(crate) const OUTSIDE: u32 = u32::MAX;

/// A node on the way down, with its operands and the next of them to visit.
type OnTheWay = (Arc<RecordedNode>, Edges, usize);

fn key(node: &Arc<RecordedNode>) -> usize {
    Arc::as_ptr(node) as usize
}

impl Region {
    pub fn collect(targets: &[Recorded]) -> Region {
        let mut region = Region { nodes: Vec::with_capacity(8), places: Places::new() };
        let mut stack: SmallVec<[OnTheWay; 4]> = SmallVec::new();
        for target in targets.iter().filter(|t| !t.is_realised()) {
            region.enter(target.node(), &mut stack);
            while let Some((_, inputs, next)) = stack.last_mut() {
                if let Some(edge) = inputs.get(*next) {
                    *next += 1;
                    if edge.node.stored(edge.port).is_none() {
                        let node = edge.node.clone();
                        region.enter(&node, &mut stack);
                    }
                } else if let Some((node, inputs, _)) = stack.pop() {
                    region.add(node, inputs);
                }
            }
        }
        region
    }

    /// Puts the node on the way down unless it was seen before or its value is there.
    fn enter(&mut self, node: &Arc<RecordedNode>, stack: &mut SmallVec<[OnTheWay; 4]>) {
        if self.places.get(key(node)).is_none()
            && let Some(inputs) = node.open()
        {
            self.places.add(key(node), OUTSIDE);
            stack.push((node.clone(), inputs, 0));
        }
    }

    /// Adds a node whose operands are here.
    fn add(&mut self, node: Arc<RecordedNode>, inputs: Edges) {
        let mut places = SmallVec::new();
        for edge in &inputs {
            let place = self.places.get(key(&edge.node)).unwrap_or(OUTSIDE);
            if let Some(member) = self.nodes.get_mut(place as usize) {
                member.users += 1;
            }
            places.push(place);
        }
        self.places.set(key(&node), self.nodes.len() as u32);
        self.nodes.push(Member { node, inputs, places, users: 0 });
    }

    pub fn members(&self) -> &[Member] {
        &self.nodes
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node's place among the members, or [`OUTSIDE`].
    pub fn place(&self, node: &Arc<RecordedNode>) -> u32 {
        self.places.get(key(node)).unwrap_or(OUTSIDE)
    }

    /// Computed values that something outside of the region still refers to: worth keeping if they get buffers.
    pub fn wanted(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.nodes.iter().enumerate().filter(|(_, m)| {
            // Each edge in the region counts twice, in its node and in the copy here; the member itself once.
            let outside = Arc::strong_count(&m.node).saturating_sub(1 + 2 * m.users);
            outside > 0 && matches!(m.node.op().kind(), Kind::Pull | Kind::Push | Kind::Routine)
        })
    }

    /// Whether `value` waits for a node of this region. `apart` remembers nodes that do not.
    pub fn meets(&self, value: &Recorded, apart: &mut FxHashSet<*const RecordedNode>) -> bool {
        let mut seen = Vec::new();
        let mut stack = vec![value.edge()];
        while let Some(Edge { node, port }) = stack.pop() {
            let key = Arc::as_ptr(&node);
            if self.place(&node) != OUTSIDE {
                seen.iter().for_each(|k| {
                    apart.remove(k);
                });
                return true;
            }
            if node.stored(port).is_none() && apart.insert(key) {
                seen.push(key);
                stack.extend(node.open().into_iter().flatten());
            }
        }
        false
    }
}
