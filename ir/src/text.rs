//! The text form of graphs; [`parse_graph`](crate::parse::parse_graph) reads it back exactly.
//!
//! ```text
//! %0 = input<0, f32, [2, 3], strides=[3,1]> : f32[2, 3]
//! %1 = exp %0 : f32[2, 3]
//! %2 = reduce<sum, 1> %1 : f32[2]
//! return %2
//! ```
//!
//! One node a line, in the order of insertion: the number of a node is its place. `%4.1` is result 1 of
//! node 4; result 0 goes without its number. An op prints and reads its attributes itself. The last line
//! names the outputs. A comment runs from `#` to the end of its line.

use crate::graph::{Graph, NodeId, Type, Value};
use rustc_hash::FxHashMap;
use std::fmt::{self, Display, Formatter};

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

impl Display for Graph {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let numbers: FxHashMap<NodeId, usize> =
            self.order().iter().enumerate().map(|(i, &id)| (id, i)).collect();
        let write_values = |f: &mut Formatter<'_>, values: &[Value]| {
            for (i, v) in values.iter().enumerate() {
                f.write_str(if i == 0 { " " } else { ", " })?;
                match numbers.get(&v.node) {
                    Some(n) => write!(f, "%{n}")?,
                    None => f.write_str("%?")?,
                }
                if v.port > 0 {
                    write!(f, ".{}", v.port)?;
                }
            }
            Ok(())
        };
        for (i, &id) in self.order().iter().enumerate() {
            let node = self.node(id);
            write!(f, "%{i} = {}", node.op)?;
            write_values(f, &node.inputs)?;
            for (port, ty) in node.types.iter().enumerate() {
                write!(f, "{}{ty}", if port == 0 { " : " } else { ", " })?;
            }
            f.write_str("\n")?;
        }
        f.write_str("return")?;
        write_values(f, &self.outputs)?;
        f.write_str("\n")
    }
}
