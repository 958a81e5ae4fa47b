//! A named graph as one node.

use super::*;
use crate::grad::grad;
use crate::graph::Operands;
use crate::loops::text::Quoted;
use crate::parse::{parse_graph, parse_type};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

/// The results of a graph over the operands. A composition that is recorded again and again is one node this way;
/// its graph is put in the place of the node before any rule is applied, so a call costs nothing and hides nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Call {
    pub body: Arc<Body>,
}

/// What a call computes: a graph whose input slots are the operands, in their order.
#[derive(Debug)]
pub struct Body {
    /// Equal bodies are one, so the number stands for all of it.
    id: u64,
    name: String,
    arguments: SmallVec<[Type; 4]>,
    graph: Graph,
    /// That of its dearest node.
    cost: Cost,
    /// The gradient, if the body brings its own, over the operands, the result and the result's gradient; its
    /// outputs are the gradients of the operands that are floats.
    own: Option<Graph>,
    /// Gradients by which results have one.
    gradients: Mutex<FxHashMap<SmallVec<[bool; 4]>, Arc<Gradient>>>,
}

/// The gradient of a body as a call.
#[derive(Debug)]
struct Gradient {
    body: Arc<Body>,
    /// The operands of that call.
    reads: Vec<Read>,
    /// For each operand of the body the result that is its gradient.
    results: SmallVec<[Option<u8>; 4]>,
}

/// Puts an op over operands in place, and gives its results.
pub type Add<'a> = &'a mut dyn FnMut(&Op, &[Value]) -> Result<Vec<Value>, OpError>;

/// What a gradient reads of the call that it belongs to.
#[derive(Clone, Copy, Debug)]
enum Read {
    Operand(usize),
    Result(usize),
    /// The gradient of a result.
    Slope(usize),
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.id == other.id
    }
}

impl Eq for Body {}

impl Hash for Body {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// All bodies by their text.
static BODIES: LazyLock<Mutex<FxHashMap<String, Weak<Body>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Body {
    /// `graph` under a name; its input slots are numbered as the `arguments`.
    ///
    /// Errors: an input that is a run-time scalar, or is not as the arguments say.
    pub fn new(name: &str, arguments: &[Type], graph: Graph) -> Result<Arc<Body>, OpError> {
        Body::intern(name, arguments, graph, None)
    }

    /// The same with a gradient of its own, over the arguments, the one result and the gradient of the result. Its
    /// outputs are the gradients of those arguments that are floats.
    pub fn with_gradient(
        name: &str,
        arguments: &[Type],
        graph: Graph,
        gradient: Graph,
    ) -> Result<Arc<Body>, OpError> {
        Body::intern(name, arguments, graph, Some(gradient))
    }

    fn intern(
        name: &str,
        arguments: &[Type],
        graph: Graph,
        own: Option<Graph>,
    ) -> Result<Arc<Body>, OpError> {
        check_inputs(&graph, arguments)?;
        if let Some(own) = &own {
            let result = single_result(&graph)?;
            let all: Vec<Type> = arguments.iter().chain([result, result]).cloned().collect();
            check_inputs(own, &all)?;
            let floats = arguments.iter().filter(|ty| ty.dtype.is_float());
            if !floats.eq(own.outputs.iter().map(|&v| own.ty(v))) {
                return Err(refused("its own gradient does not give what its operands need"));
            }
        }
        let mut body = Body {
            id: 0,
            name: name.into(),
            arguments: arguments.into(),
            cost: dearest(&graph),
            graph,
            own,
            gradients: Mutex::default(),
        };
        let text = body.to_string();
        let mut bodies = BODIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = bodies.get(&text).and_then(Weak::upgrade) {
            return Ok(known);
        }
        body.id = NEXT.fetch_add(1, Relaxed);
        let body = Arc::new(body);
        if bodies.len() == bodies.capacity() {
            bodies.retain(|_, b| b.strong_count() > 0);
        }
        bodies.insert(text, Arc::downgrade(&body));
        Ok(body)
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The body's nodes over `x`, in order, each put in place by `add`, which gives its results; gives the body's.
    pub fn expand(&self, x: &[Value], add: Add<'_>) -> Result<Vec<Value>, OpError> {
        let mut names: FxHashMap<Value, Value> = FxHashMap::default();
        for id in self.graph.live() {
            let node = self.graph.node(id);
            let inputs: Operands = node.inputs.iter().map(|v| names[v]).collect();
            let results = match &node.op {
                Op::Input(input) => vec![x[input.slot as usize]],
                op => add(op, &inputs)?,
            };
            names.extend((0..).map(|port| Value { node: id, port }).zip(results));
        }
        Ok(self.graph.outputs.iter().map(|v| names[v]).collect())
    }

    /// The gradient when those results have one for which `given` says so; `None` where there is none at all.
    fn gradient(&self, given: &[bool]) -> Option<Arc<Gradient>> {
        let mut gradients = self.gradients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = gradients.get(given) {
            return Some(known.clone());
        }
        let gradient = Arc::new(self.differentiate(given)?);
        gradients.insert(given.into(), gradient.clone());
        Some(gradient)
    }

    fn differentiate(&self, given: &[bool]) -> Option<Gradient> {
        let (mut graph, found) = match &self.own {
            Some(own) => {
                let mut outputs = own.outputs.iter().copied().peekable();
                let mut next = |ty: &Type| outputs.next_if(|_| ty.dtype.is_float());
                let found = self.arguments.iter().map(&mut next).collect();
                (own.clone(), found)
            }
            None => self.sweep(given),
        };
        let mut results = SmallVec::from_elem(None, found.len());
        graph.outputs.clear();
        for (result, v) in results.iter_mut().zip(found) {
            if let Some(v) = v {
                *result = Some(graph.outputs.len() as u8);
                graph.outputs.push(v);
            }
        }
        if graph.outputs.is_empty() {
            return None;
        }
        // Its own derivatives in the operands are 0 where it does not read them, and not missing.
        let floats =
            self.arguments.iter().enumerate().filter(|(_, ty)| self.own.is_none() && ty.dtype.is_float());
        let (graph, arguments, slots) = over_what_it_reads(&graph, floats);
        let (operands, ports) = (self.arguments.len(), self.graph.outputs.len());
        let read = |slot: usize| match slot {
            s if s < operands => Read::Operand(s),
            s if s < operands + ports => Read::Result(s - operands),
            s => Read::Slope(s - operands - ports),
        };
        let reads = slots.into_iter().map(read).collect();
        let name = format!("gradient of {}", self.name);
        let body = Body::new(&name, &arguments, graph).expect("its inputs are the arguments");
        Some(Gradient { body, reads, results })
    }

    /// The gradients of the arguments by differentiating node by node, 0 for a float that has none: whoever made a
    /// call of a graph said that it depends on its operands. Slots: arguments, results, their gradients.
    fn sweep(&self, given: &[bool]) -> (Graph, Vec<Option<Value>>) {
        let mut graph = Graph::new();
        let x: Vec<Value> =
            self.arguments.iter().enumerate().map(|(i, ty)| argument(&mut graph, i, ty)).collect();
        let mut add = |op: &Op, x: &[Value]| graph.add_all(op.clone(), x);
        let y = self.expand(&x, &mut add).expect("a body fits its arguments");
        let first = x.len() + y.len();
        let of: Vec<(Value, Value)> = y
            .iter()
            .zip(given)
            .enumerate()
            .filter(|(_, (_, given))| **given)
            .map(|(i, (&v, _))| {
                let ty = graph.ty(v).clone();
                (v, argument(&mut graph, first + i, &ty))
            })
            .collect();
        let mut found = grad(&mut graph, &of, &x);
        for (found, &x) in found.iter_mut().zip(&x) {
            if found.is_none() && graph.ty(x).dtype.is_float() {
                let b: &mut dyn Build = &mut graph;
                *found = Some(b.fill_like(x, 0.0));
            }
        }
        (graph, found)
    }
}

fn dearest(graph: &Graph) -> Cost {
    let cost = |op: &Op| match op.kind() {
        Kind::Push | Kind::Routine => Cost::Loop,
        Kind::View => Cost::Cheap,
        _ => op.cost(),
    };
    graph.live().into_iter().map(|id| cost(&graph.node(id).op)).max().unwrap_or(Cost::Cheap)
}

/// An input slot of a body.
fn argument(graph: &mut Graph, slot: usize, ty: &Type) -> Value {
    let source = Source::Buffer(ty.shape.contiguous_strides());
    let input = Input { slot: slot as u32, dtype: ty.dtype, shape: ty.shape.clone(), source };
    let b: &mut dyn Build = graph;
    b.one(Op::Input(input), &[])
}

/// The live part of a graph with its input slots numbered anew, without those that it neither reads nor `keeps`; the
/// types of the slots that are left, and the numbers that they had.
fn over_what_it_reads<'a>(
    from: &Graph,
    keeps: impl Iterator<Item = (usize, &'a Type)>,
) -> (Graph, Vec<Type>, Vec<usize>) {
    let live = from.live();
    let mut slots: BTreeMap<usize, Type> = keeps.map(|(slot, ty)| (slot, ty.clone())).collect();
    for &id in &live {
        if let Op::Input(input) = &from.node(id).op {
            slots.insert(input.slot as usize, from.node(id).types[0].clone());
        }
    }
    let mut graph = Graph::new();
    let mut names: FxHashMap<Value, Value> = FxHashMap::default();
    for id in live {
        let node = from.node(id);
        let results = match &node.op {
            Op::Input(input) => {
                let place = slots.range(..input.slot as usize).count();
                vec![argument(&mut graph, place, &node.types[0])]
            }
            op => {
                let inputs: Operands = node.inputs.iter().map(|v| names[v]).collect();
                graph.add_all(op.clone(), &inputs).expect("a copied node has the types it had")
            }
        };
        names.extend((0..).map(|port| Value { node: id, port }).zip(results));
    }
    graph.outputs = from.outputs.iter().map(|v| names[v]).collect();
    let (slots, types) = slots.into_iter().unzip();
    (graph, types, slots)
}

fn refused(why: &str) -> OpError {
    OpError::attribute("call", why, &Shape::scalar())
}

/// `Err` unless each input of the graph is the argument of its slot.
fn check_inputs(graph: &Graph, arguments: &[Type]) -> Result<(), OpError> {
    for &id in graph.order() {
        let Op::Input(input) = &graph.node(id).op else { continue };
        let ty = &graph.node(id).types[0];
        let plain = input.source == Source::Buffer(ty.shape.contiguous_strides());
        if !plain || arguments.get(input.slot as usize) != Some(ty) {
            return Err(refused("an input of its graph is not an argument"));
        }
    }
    match graph.outputs.is_empty() || graph.outputs.len() > u8::MAX as usize {
        true => Err(refused("its graph has too few or too many results")),
        false => Ok(()),
    }
}

fn single_result(graph: &Graph) -> Result<&Type, OpError> {
    match graph.outputs.as_slice() {
        [y] => Ok(graph.ty(*y)),
        _ => Err(refused("a graph with a gradient of its own has one result")),
    }
}

impl Primitive for Call {
    const KIND: Kind = Kind::Pull;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "call" {
            return Ok(None);
        }
        let start = c.position();
        c.symbol("<")?;
        let name = c.quoted("a name")?;
        c.symbol(",")?;
        c.symbol("[")?;
        let mut arguments = Vec::new();
        while !c.take("]") {
            arguments.push(parse_type(c)?);
            c.take(",");
        }
        c.symbol(",")?;
        let graph = nested(c)?;
        let own = if c.take(",") { Some(nested(c)?) } else { None };
        c.symbol(">")?;
        let body = Body::intern(&name, &arguments, graph, own).map_err(|e| (start, e.into()))?;
        Ok(Some(Call { body }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("call", x, self.body.arguments.len())?;
        match x.iter().zip(&self.body.arguments).find(|(given, expected)| *given != expected) {
            Some((given, _)) => Err(OpError::attribute("call", "not what its body takes", &given.shape)),
            None => Ok(self.body.graph.outputs.iter().map(|&v| self.body.graph.ty(v).clone()).collect()),
        }
    }

    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let given: SmallVec<[bool; 4]> = dy.iter().map(Option::is_some).collect();
        let Some(gradient) = self.body.gradient(&given) else { return Grads::from_elem(None, x.len()) };
        let operands: Option<Operands> = gradient
            .reads
            .iter()
            .map(|&read| match read {
                Read::Operand(i) => Some(x[i]),
                Read::Result(i) => Some(y[i]),
                Read::Slope(i) => dy[i],
            })
            .collect();
        let operands = operands.expect("a gradient reads the slopes that it was made for");
        let call = b.one(Op::Call(Call { body: gradient.body.clone() }), &operands);
        gradient.results.iter().map(|port| port.map(|port| Value { port, ..call })).collect()
    }

    fn cost(&self) -> Cost {
        self.body.cost
    }

    fn body(&self) -> Option<&Body> {
        Some(&self.body)
    }
}

/// A graph between quotes.
fn nested(c: &mut Cursor<'_>) -> Parse<Graph> {
    let start = c.position();
    let text = c.quoted("a graph")?;
    parse_graph(&text).map_err(|e| (start, e.problem))
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call<{}, [", Quoted(&self.name))?;
        write_list(f, &self.arguments)?;
        write!(f, "], {}", Quoted(&self.graph.to_string()))?;
        if let Some(own) = &self.own {
            write!(f, ", {}", Quoted(&own.to_string()))?;
        }
        f.write_str(">")
    }
}
