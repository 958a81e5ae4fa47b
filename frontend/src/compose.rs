//! Compositions recorded as one node.
//!
//! Most of PyTorch's operations are compositions of several primitives. Recording each of them costs time that a
//! small tensor's arithmetic does not, so a composition is recorded once for each set of operand types, over
//! operands without a value, and its graph kept as the [`Body`] of a call; from then on it is one node. Extraction
//! reads calls like any other op, the compiler puts their graphs in place, and the gradient of a call is a call.

use crate::error::{Result, runtime};
use crate::grad_mode::no_grad;
use crate::record::{Recorded, lock};
use crate::region::{OUTSIDE, Region};
use rustc_hash::FxHashMap;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Body, Call, Op, Source};
use rustorch_ir::{Graph, OpError, Value};
use smallvec::SmallVec;
use std::sync::{Arc, LazyLock, Mutex};

/// A composition by its name, which no other one has, with everything that it depends on but its operands.
pub(crate) struct Composition<'a> {
    pub name: &'static str,
    pub attributes: &'a [u64],
}

type Key = SmallVec<[u64; 24]>;

/// Bodies that are kept; beyond that all are forgotten, and found again through their text while in use.
const KEPT: usize = 1024;

static BODIES: LazyLock<Mutex<FxHashMap<Key, Arc<Body>>>> = LazyLock::new(Mutex::default);

impl Composition<'_> {
    /// Records `f` of the operands as one node. It depends on nothing else, and looks at no value; its gradient is
    /// that of its parts. A float operand on which its derivative does not depend has the gradient 0, not none.
    pub fn record(
        &self,
        operands: &[&Recorded],
        f: impl FnOnce(&[Recorded]) -> Result<Recorded>,
    ) -> Result<Recorded> {
        self.call(operands, |types| {
            Body::new(self.name, types, traced(types, |x| Ok(vec![f(x)?]))?).map_err(internal)
        })
    }

    /// The same, where a better gradient is known than the one that follows from the parts: the gradients of the
    /// operands that are floats, of the operands, the result and its gradient.
    pub fn record_with_gradient(
        &self,
        operands: &[&Recorded],
        f: impl FnOnce(&[Recorded]) -> Result<Recorded>,
        gradient: impl FnOnce(&[Recorded], &Recorded, &Recorded) -> Result<Vec<Recorded>>,
    ) -> Result<Recorded> {
        self.call(operands, |types| {
            let graph = traced(types, |x| Ok(vec![f(x)?]))?;
            let result = graph.ty(graph.outputs[0]);
            let all: Vec<Type> = types.iter().chain([result, result]).cloned().collect();
            let n = types.len();
            let gradient = traced(&all, |x| gradient(&x[..n], &x[n], &x[n + 1]))?;
            Body::with_gradient(self.name, types, graph, gradient).map_err(internal)
        })
    }

    fn call(
        &self,
        operands: &[&Recorded],
        body: impl FnOnce(&[Type]) -> Result<Arc<Body>>,
    ) -> Result<Recorded> {
        let key = self.key(operands);
        let known = lock(&BODIES).get(&key).cloned();
        let body = match known {
            Some(body) => body,
            None => {
                let types: Vec<Type> = operands.iter().map(|r| r.ty().clone()).collect();
                let body = body(&types)?;
                let mut bodies = lock(&BODIES);
                if bodies.len() >= KEPT {
                    bodies.clear();
                }
                bodies.insert(key, body.clone());
                body
            }
        };
        Recorded::apply(Op::Call(Call { body }), operands)
    }

    fn key(&self, operands: &[&Recorded]) -> Key {
        let mut key = Key::new();
        key.extend([self.name.as_ptr() as u64, (self.name.len() << 32 | self.attributes.len()) as u64]);
        key.extend_from_slice(self.attributes);
        for operand in operands {
            key.push((operand.rank() << 8 | operand.dtype() as usize) as u64);
            key.extend(operand.shape().iter().map(|d| d.get() as u64));
        }
        key
    }
}

fn internal(e: OpError) -> crate::error::Error {
    crate::error::Error::Runtime(format!("internal error: a composition does not type: {e}"))
}

/// The graph of what `f` records over operands of these types, whose slots are their places.
fn traced(types: &[Type], f: impl FnOnce(&[Recorded]) -> Result<Vec<Recorded>>) -> Result<Graph> {
    let arguments: Vec<Recorded> = (0..).zip(types).map(|(slot, ty)| Recorded::argument(slot, ty)).collect();
    let results = no_grad(|| f(&arguments))?;
    let region = Region::collect(&results);
    let mut graph = Graph::new();
    let mut nodes = Vec::with_capacity(region.members().len());
    for member in region.members() {
        let op = member.node.op();
        if member.places.contains(&OUTSIDE) || matches!(op, Op::Input(i) if i.source == Source::Scalar) {
            return runtime("internal error: a composition looks beyond its operands");
        }
        let mut inputs: SmallVec<[Value; 3]> = (member.places.iter().zip(&member.inputs))
            .map(|(&place, edge)| Value { node: nodes[place as usize], port: edge.port })
            .collect();
        nodes.push(member.node.add_to(&mut graph, &mut inputs).map_err(internal)?);
    }
    graph.outputs = results
        .iter()
        .map(|r| Value { node: nodes[region.place(r.node()) as usize], port: r.port() })
        .collect();
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// Bodies are found by their composition's name, so two of one name would get each other's.
    #[test]
    fn compositions_have_names_of_their_own() {
        let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
        let texts = sources(&ops).into_iter().map(|path| read_to_string(path).unwrap());
        let mut names: Vec<String> = texts
            .flat_map(|text| {
                let names = text.split("Composition { name: \"").skip(1).map(|rest| rest.split('"').next());
                names.map(|name| name.unwrap().to_string()).collect::<Vec<_>>()
            })
            .collect();
        names.sort();
        assert!(names.len() > 5, "compositions are written otherwise now");
        let twice: Vec<&[String]> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
