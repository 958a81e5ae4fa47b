//! Recorded nodes: what an operation leaves behind when it is called.
//!
//! Recording infers types and appends; it does not intern, fold or hash, and takes no lock that is shared.
//! A [`RecordedNode`] is data: its compute edges lead to its operands until it is realised. A [`Recorded`]
//! names one of its results and, if gradients flow there, the [`GradNode`] that they flow to. The two are
//! apart so that realising cuts the one and a backward pass the other, and so that `detach` is free.

mod shorthand;

use crate::error::{Error, Result};
use crate::grad_mode;
use crate::gradient::GradNode;
use crate::stats;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::build::Build;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Constant, Cost, Input, Kind, Op, Outputs, Scalar, Source};
use rustorch_ir::{DType, Graph, Literal, NodeId, OpError, Shape, Strides, Value};
use smallvec::SmallVec;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) use shorthand::broadcast_shapes;
pub use shorthand::{stack_axes, sum_to_shape};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number greater than all before: the order of creation.
pub(crate) fn next_seq() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// Locks, whatever a panic elsewhere left behind: every state here is consistent between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of a realised value: element 0 lies `offset` elements into the buffer.
#[derive(Clone, Debug)]
pub struct Stored {
    pub buffer: Buffer,
    pub offset: usize,
    pub strides: Strides,
}

impl Stored {
    pub fn contiguous(buffer: Buffer, shape: &Shape) -> Stored {
        Stored { buffer, offset: 0, strides: shape.contiguous_strides() }
    }
}

/// One compute edge.
#[derive(Clone)]
pub(crate) struct Edge {
    pub node: Arc<RecordedNode>,
    pub port: u8,
}

pub(crate) type Edges = SmallVec<[Edge; 3]>;

#[derive(Default)]
struct State {
    /// The operands; empty once every result is realised.
    inputs: Edges,
    /// Counted among the pending nodes.
    pending: bool,
}

pub struct RecordedNode {
    op: Op,
    types: Outputs,
    seq: u64,
    /// The bits of a run-time scalar.
    scalar: u64,
    /// Of memory that an array outside may write, or computed of such: see [`RecordedNode::borrows`].
    borrows: bool,
    /// The bytes of each result, set once.
    results: SmallVec<[OnceLock<Stored>; 1]>,
    state: Mutex<State>,
}

impl RecordedNode {
    fn new(op: Op, types: Outputs, scalar: u64, inputs: Edges) -> RecordedNode {
        let pending = !matches!(op, Op::Input(_) | Op::Constant(_));
        if pending {
            stats::pending_added(held_bytes(&op, &types));
        }
        let borrows = inputs.iter().any(|edge| edge.node.borrows());
        let results = types.iter().map(|_| OnceLock::new()).collect();
        let state = Mutex::new(State { inputs, pending });
        RecordedNode { op, types, seq: next_seq(), scalar, borrows, results, state }
    }

    pub fn op(&self) -> &Op {
        &self.op
    }

    pub fn types(&self) -> &Outputs {
        &self.types
    }

    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether what is read here is memory that an array outside may write, or is yet to be computed of such. Only
    /// what one operation records on its way to a result may: the result is computed or copied at once.
    pub(crate) fn borrows(&self) -> bool {
        self.borrows && (self.is_alias() || !self.is_done())
    }

    /// Whether a result may lie in the bytes of an operand.
    pub(crate) fn is_alias(&self) -> bool {
        matches!(self.op.kind(), Kind::Leaf | Kind::View)
    }

    /// Adds the node to a graph, where its operands are these. A map's are given the views that broadcast them.
    pub(crate) fn add_to(
        &self,
        graph: &mut Graph,
        operands: &mut [Value],
    ) -> std::result::Result<NodeId, OpError> {
        if let Op::Map(_) = &self.op {
            let b: &mut dyn Build = graph;
            operands.iter_mut().for_each(|v| *v = b.broadcast_to(*v, &self.types[0].shape));
        }
        graph.add(self.op.clone(), operands)
    }

    /// The bits of a run-time scalar.
    pub(crate) fn scalar_bits(&self) -> u64 {
        self.scalar
    }

    /// The bytes of result `port`, if they are there.
    pub fn stored(&self, port: u8) -> Option<&Stored> {
        self.results.get(port as usize)?.get()
    }

    fn is_done(&self) -> bool {
        self.results.iter().all(|result| result.get().is_some())
    }

    /// The operands, unless every result is there. Another thread may realise the node at any time, and then its
    /// edges are gone.
    pub(crate) fn open(&self) -> Option<Edges> {
        let state = lock(&self.state);
        (!self.is_done()).then(|| state.inputs.clone())
    }

    /// Sets the bytes of result `port` if no other thread was first, and gives back the compute edges if they are no
    /// longer needed. The caller drops them.
    pub(crate) fn fulfil(&self, port: u8, stored: Stored) -> Edges {
        // Both threads computed the same.
        let _ = self.results[port as usize].set(stored);
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.pending) {
            stats::pending_removed(held_bytes(&self.op, &self.types));
        }
        if self.is_done() { std::mem::take(&mut state.inputs) } else { Edges::new() }
    }
}

/// Bytes that a pending node is likely to occupy when it runs: those of what is surely a buffer.
fn held_bytes(op: &Op, types: &Outputs) -> usize {
    let heavy = match op.kind() {
        Kind::Push | Kind::Routine => true,
        Kind::Pull => op.cost() == Cost::Loop,
        Kind::Leaf | Kind::View => false,
    };
    if heavy { types.iter().map(Type::bytes).sum() } else { 0 }
}

impl Drop for RecordedNode {
    /// Iterative: a chain of operations may be as long as a program runs.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.pending {
            stats::pending_removed(held_bytes(&self.op, &self.types));
        }
        let mut open = std::mem::take(&mut state.inputs);
        while let Some(edge) = open.pop() {
            if let Some(mut node) = Arc::into_inner(edge.node) {
                let state = node.state.get_mut().unwrap_or_else(PoisonError::into_inner);
                open.append(&mut state.inputs);
            }
        }
    }
}

/// A value: one result of a recorded node, with the place where its gradient goes.
#[derive(Clone)]
pub struct Recorded {
    node: Arc<RecordedNode>,
    port: u8,
    grad_port: u8,
    grad: Option<Arc<GradNode>>,
}

impl Recorded {
    pub fn ty(&self) -> &Type {
        &self.node.types[self.port as usize]
    }

    pub fn dtype(&self) -> DType {
        self.ty().dtype
    }

    pub fn shape(&self) -> &Shape {
        &self.ty().shape
    }

    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    pub fn numel(&self) -> usize {
        self.shape().numel()
    }

    pub fn node(&self) -> &Arc<RecordedNode> {
        &self.node
    }

    pub fn port(&self) -> u8 {
        self.port
    }

    /// Where the gradient of this value goes, and as which of that node's results.
    pub fn grad_node(&self) -> Option<(&Arc<GradNode>, u8)> {
        self.grad.as_ref().map(|g| (g, self.grad_port))
    }

    /// Whether gradients flow through this value.
    pub fn tracks(&self) -> bool {
        self.grad.is_some()
    }

    /// The bytes, if the value is realised.
    pub fn stored(&self) -> Option<&Stored> {
        self.node.stored(self.port)
    }

    pub fn is_realised(&self) -> bool {
        self.stored().is_some()
    }

    /// Whether both are the same result of the same node.
    pub fn same(&self, other: &Recorded) -> bool {
        Arc::ptr_eq(&self.node, &other.node) && self.port == other.port
    }

    /// The same value as no path for gradients.
    pub fn detach(&self) -> Recorded {
        Recorded { node: self.node.clone(), port: self.port, grad_port: 0, grad: None }
    }

    /// The same value, whose gradient goes to result `port` of `grad`.
    pub(crate) fn with_grad(&self, grad: Arc<GradNode>, port: u8) -> Recorded {
        Recorded { node: self.node.clone(), port: self.port, grad_port: port, grad: Some(grad) }
    }

    /// The same value as a function of `operands` whose derivative is 0: torch gives zeros there, not nothing.
    pub(crate) fn flat_in(&self, operands: &[&Recorded]) -> Recorded {
        let mut tracked = operands.iter().filter(|r| r.tracks()).map(|&r| r.clone()).peekable();
        if !grad_mode::is_grad_enabled() || tracked.peek().is_none() {
            return self.detach();
        }
        self.with_grad(GradNode::ends(tracked), 0)
    }

    /// The same value, which is also a function of `operands` whose derivative is 0, and so are its derivatives.
    pub(crate) fn and_flat_in(&self, operands: &[&Recorded]) -> Result<Recorded> {
        if !operands.iter().any(|r| r.tracks()) {
            return Ok(self.clone());
        }
        let always = Recorded::full(Literal::from_i64(DType::Bool, 1), self.shape())?.flat_in(operands);
        always.select(self, &self.literal(0.0))
    }

    /// The same value as a result of `others` too, which have no influence on it: their gradient is 0, and does not
    /// depend on them.
    pub(crate) fn beside(&self, others: &[&Recorded]) -> Recorded {
        if !grad_mode::is_grad_enabled() || !self.dtype().is_float() || !others.iter().any(|o| o.tracks()) {
            return self.clone();
        }
        self.with_grad(GradNode::beside(self, others), 0)
    }

    pub(crate) fn edge(&self) -> Edge {
        Edge { node: self.node.clone(), port: self.port }
    }

    /// Result `port` of a node, as no path for gradients.
    pub(crate) fn result(node: &Arc<RecordedNode>, port: u8) -> Recorded {
        Recorded { node: node.clone(), port, grad_port: 0, grad: None }
    }

    /// Records `op` and gives its first result.
    pub fn apply(op: Op, inputs: &[&Recorded]) -> Result<Recorded> {
        let (node, grad) = record(op, inputs)?;
        let grad = grad.filter(|_| node.types[0].dtype.is_float());
        Ok(Recorded { node, port: 0, grad_port: 0, grad })
    }

    /// Records `op` and gives all of its results.
    pub fn apply_all(op: Op, inputs: &[&Recorded]) -> Result<SmallVec<[Recorded; 1]>> {
        let (node, grad) = record(op, inputs)?;
        let result = |port: usize| Recorded {
            node: node.clone(),
            port: port as u8,
            grad_port: port as u8,
            grad: grad.clone().filter(|_| node.types[port].dtype.is_float()),
        };
        Ok((0..node.types.len()).map(result).collect())
    }

    /// An operand that stands for values of this type: what is recorded of it is never computed, but read off.
    pub(crate) fn argument(slot: u32, ty: &Type) -> Recorded {
        let source = Source::Buffer(ty.shape.contiguous_strides());
        let input = Input { slot, dtype: ty.dtype, shape: ty.shape.clone(), source };
        let types = SmallVec::from_buf([ty.clone()]);
        Recorded::leaf(RecordedNode::new(Op::Input(input), types, 0, Edges::new()))
    }

    /// A 0-d literal that is part of the program: another one is another program. For numbers that
    /// compositions are written with; those of users are [`Recorded::scalar`]s.
    pub fn constant(literal: Literal) -> Recorded {
        let types = SmallVec::from_buf([Type::new(literal.dtype, Shape::scalar())]);
        Recorded::leaf(RecordedNode::new(Op::Constant(Constant { literal }), types, 0, Edges::new()))
    }

    /// A 0-d value given at run time.
    pub fn scalar(value: Literal) -> Recorded {
        let input = Input { slot: 0, dtype: value.dtype, shape: Shape::scalar(), source: Source::Scalar };
        let types = SmallVec::from_buf([Type::new(value.dtype, Shape::scalar())]);
        let node = RecordedNode::new(Op::Input(input), types, scalar_word(value), Edges::new());
        let scalar = Recorded::leaf(node);
        crate::capture::scalar(&scalar, value);
        scalar
    }

    /// The same value in memory that an array outside may write.
    pub(crate) fn borrowed(stored: Stored, ty: Type) -> Result<Recorded> {
        let mut value = Recorded::from_stored(stored, ty)?;
        if let Some(node) = Arc::get_mut(&mut value.node) {
            node.borrows = true;
        }
        Ok(value)
    }

    /// A realised value in row-major order.
    pub fn from_buffer(buffer: Buffer, ty: Type) -> Result<Recorded> {
        let stored = Stored::contiguous(buffer, &ty.shape);
        Recorded::from_stored(stored, ty)
    }

    /// A realised value with these strides (in elements); element 0 lies `offset` elements into the buffer.
    pub fn from_strided(buffer: Buffer, ty: Type, strides: Strides, offset: usize) -> Result<Recorded> {
        Recorded::from_stored(Stored { buffer, offset, strides }, ty)
    }

    pub(crate) fn from_stored(stored: Stored, ty: Type) -> Result<Recorded> {
        if !reaches_within(&stored, &ty) {
            let needed = ty.bytes();
            return crate::error::runtime(format!(
                "a tensor of shape {} and {needed} bytes does not lie within its buffer of {} bytes",
                ty.shape,
                stored.buffer.len()
            ));
        }
        let input = Input {
            slot: 0,
            dtype: ty.dtype,
            shape: ty.shape.clone(),
            source: Source::Buffer(stored.strides.clone()),
        };
        let mut node = RecordedNode::new(Op::Input(input), SmallVec::from_buf([ty]), 0, Edges::new());
        node.results[0] = OnceLock::from(stored);
        Ok(Recorded::leaf(node))
    }

    fn leaf(node: RecordedNode) -> Recorded {
        Recorded { node: Arc::new(node), port: 0, grad_port: 0, grad: None }
    }
}

/// The contents of a scalar's slot. A small signed integer is computed with in 32 bits: the slot holds the value, not
/// the stored byte.
pub(crate) fn scalar_word(value: Literal) -> u64 {
    if value.dtype.is_integer() { value.as_i64() as u64 } else { value.bits }
}

/// Whether every element of the value lies within the buffer.
fn reaches_within(stored: &Stored, ty: &Type) -> bool {
    let Some(numel) = ty.shape.checked_numel() else { return false };
    if stored.strides.len() != ty.shape.rank() {
        return false;
    }
    if numel == 0 {
        return true;
    }
    let (mut low, mut high) = (stored.offset as i128, stored.offset as i128);
    for (d, &s) in ty.shape.iter().zip(&stored.strides) {
        let reach = (d.get() as i128 - 1) * s as i128;
        *(if reach < 0 { &mut low } else { &mut high }) += reach;
    }
    low >= 0 && (high + 1) * ty.dtype.size() as i128 <= stored.buffer.len() as i128
}

fn record(op: Op, inputs: &[&Recorded]) -> Result<(Arc<RecordedNode>, Option<Arc<GradNode>>)> {
    if let Op::Reshape(r) = &op {
        check_extent(&r.shape, DType::Bool)?;
    }
    let types = match &op {
        Op::Map(scalar) => mapped(*scalar, inputs)?,
        _ => {
            let operands: SmallVec<[&Type; 4]> = inputs.iter().map(|r| r.ty()).collect();
            op.infer(&operands)?
        }
    };
    for ty in &types {
        check_extent(&ty.shape, ty.dtype)?;
    }
    let tracks = grad_mode::is_grad_enabled()
        && inputs.iter().any(|r| r.tracks())
        && types.iter().any(|t| t.dtype.is_float())
        && !matches!(op, Op::Detach(_));
    if tracks && inputs.iter().any(|r| r.node.borrows()) {
        // What gradients will read must stay what it is.
        let own = inputs.iter().map(|&r| crate::realize::owned(r.clone())).collect::<Result<Vec<_>>>()?;
        return Ok(append(op, types, &own.iter().collect::<SmallVec<[_; 3]>>(), tracks));
    }
    Ok(append(op, types, inputs, tracks))
}

fn append(
    op: Op,
    types: Outputs,
    inputs: &[&Recorded],
    tracks: bool,
) -> (Arc<RecordedNode>, Option<Arc<GradNode>>) {
    let edges = inputs.iter().map(|r| r.edge()).collect();
    stats::note(&op, &types);
    let node = Arc::new(RecordedNode::new(op, types, 0, edges));
    let grad = tracks.then(|| GradNode::of_op(&node, inputs));
    (node, grad)
}

/// The type of a map. Its recorded operands broadcast by NumPy's rule: [`crate::extract`] gives the graph the views
/// that say so, and gradients are summed back, so an operand of another shape costs no node here.
fn mapped(scalar: Scalar, inputs: &[&Recorded]) -> Result<Outputs> {
    let mut shape = inputs.first().map_or(Shape::scalar(), |first| first.shape().clone());
    for other in inputs {
        if other.shape() != &shape {
            shape = shorthand::broadcast_shapes(&shape, other.shape())?;
        }
    }
    let dtypes: SmallVec<[DType; 3]> = inputs.iter().map(|r| r.dtype()).collect();
    Ok(SmallVec::from_buf([Type::new(scalar.result(&dtypes)?, shape)]))
}

/// `Err` if a tensor of this shape has more bytes than can be addressed.
pub fn check_extent(shape: &Shape, dtype: DType) -> Result<()> {
    let bytes = shape.checked_numel().and_then(|n| n.checked_mul(dtype.size()));
    if bytes.is_some_and(|b| b <= i64::MAX as usize) {
        return Ok(());
    }
    Err(Error::Shape(format!("Storage size calculation overflowed with sizes={shape}")))
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ty = self.ty();
        write!(f, "%{}.{} = {} : {} {}", self.node.seq, self.port, self.node.op, ty.dtype, ty.shape)
    }
}
