//! Random graphs through the whole compiler, and what must hold of each.
//!
//! [`generate`] makes a [`Case`] from a number; [`check`] runs it by every road there is; [`bounds`] says
//! how far two roads may lie apart; [`shrink`] makes a failing case small.

pub mod bounds;
mod calls;
pub mod check;
pub mod choose;
pub mod generate;
pub mod gradient;
mod picks;
pub mod shrink;
mod wholes;
mod windows;

use rustorch_ir::eval::{Slot, Tensor};
use rustorch_ir::{Graph, Value};
use std::fmt;

/// Memory behind a buffer slot; the input's element 0 is element `origin`.
#[derive(Clone, Debug)]
pub struct Memory {
    pub tensor: Tensor,
    pub origin: usize,
}

/// A graph with what it runs on.
#[derive(Clone, Debug)]
pub struct Case {
    pub graph: Graph,
    pub slots: Vec<Memory>,
    pub scalars: Vec<u64>,
    /// Values to keep if the plan has buffers for them.
    pub keep: Vec<Value>,
    /// The least work a task of the plan gives away; 0 leaves it as it is.
    pub grain: usize,
}

impl Case {
    pub fn slots(&self) -> Vec<Slot<'_>> {
        self.slots.iter().map(|m| Slot { bytes: &m.tensor.bytes, origin: m.origin }).collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.graph)?;
        for (i, m) in self.slots.iter().enumerate() {
            let some: Vec<String> = m.tensor.literals().take(40).map(|l| l.to_string()).collect();
            let more = if m.tensor.len() > 40 { ", .." } else { "" };
            writeln!(f, "slot {i} from element {}: {}{more}", m.origin, some.join(", "))?;
        }
        let order = self.graph.order();
        let keep: Vec<Option<usize>> =
            self.keep.iter().map(|v| order.iter().position(|&id| id == v.node)).collect();
        writeln!(f, "scalars {:x?}, grain {}, keep {keep:?}", self.scalars, self.grain)
    }
}
