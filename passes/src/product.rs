//! Products that a host routine computes, and the strided buffers it reads.

use rustc_hash::FxHashSet;
use rustorch_ir::op::{Contract, Kind, Op, Source};
use rustorch_ir::plan::Walk;
use rustorch_ir::{DType, Graph, NodeId, Shape, Strides, Value};

/// Fewer multiplications than this are left to a kernel, which fuses them with their readers.
const SMALL: usize = 4096;
/// Fewer rows or columns than this are no reason to gather an operand of more elements than that.
const FEW: usize = 4;
const CACHED: usize = 1 << 18;

/// A value as a strided view of a buffer.
#[derive(Clone, Debug)]
pub struct View {
    pub base: Value,
    pub strides: Strides,
    pub offset: i64,
}

/// The buffer behind a value, through the views over it.
pub fn resolve(graph: &Graph, v: Value) -> View {
    let node = graph.node(v.node);
    let shape = &node.types[v.port as usize].shape;
    if let Op::Input(input) = &node.op
        && let Source::Buffer(strides) = &input.source
    {
        return View { base: v, strides: strides.clone(), offset: 0 };
    }
    if node.op.kind() == Kind::View {
        let inner = resolve(graph, node.inputs[0]);
        let from = &graph.ty(node.inputs[0]).shape;
        // A number given at run time lies in no buffer: what is spread from it gets one.
        let in_memory =
            !matches!(&graph.node(inner.base.node).op, Op::Input(i) if i.source == Source::Scalar);
        if in_memory && let Some((strides, offset)) = node.op.restride(from, &inner.strides, shape) {
            return View { base: inner.base, strides, offset: inner.offset + offset };
        }
    }
    View { base: v, strides: shape.contiguous_strides(), offset: 0 }
}

/// Whether an input's elements lie one behind the other.
pub fn is_contiguous(graph: &Graph, v: Value) -> bool {
    match &graph.node(v.node).op {
        Op::Input(input) => input.source == Source::Buffer(input.shape.contiguous_strides()),
        _ => false,
    }
}

/// The nodes left to host routines, and the values those read from buffers.
pub fn choose(graph: &Graph) -> (FxHashSet<NodeId>, FxHashSet<Value>) {
    let (mut nodes, mut operands) = (FxHashSet::default(), FxHashSet::default());
    for id in graph.live() {
        if geometry(graph, id).is_some() {
            nodes.insert(id);
            operands.extend(operand_buffers(graph, id));
        }
    }
    (nodes, operands)
}

/// The values behind the operands of a product.
pub fn operand_buffers(graph: &Graph, id: NodeId) -> Vec<Value> {
    graph.node(id).inputs.iter().map(|&v| resolve(graph, v).base).collect()
}

/// One operand as a batch of matrices.
#[derive(Clone, Debug)]
pub struct Side {
    pub view: View,
    pub batch_strides: Vec<i64>,
    pub rows: Walk,
    pub cols: Walk,
}

/// A product as `batch` times `m x k` by `k x n`.
#[derive(Clone, Debug)]
pub struct Geometry {
    pub batch: Vec<usize>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Axes of the result that make up its rows: the batches and the left operand's own.
    pub row_axes: usize,
    pub lhs: Side,
    pub rhs: Side,
}

/// How a host routine would compute a node, if it is a product worth one.
pub fn geometry(graph: &Graph, id: NodeId) -> Option<Geometry> {
    let node = graph.node(id);
    let c: &Contract = node.op.product()?;
    if !matches!(node.types[0].dtype, DType::F32 | DType::F64) {
        return None;
    }
    let (lhs, rhs) = (resolve(graph, node.inputs[0]), resolve(graph, node.inputs[1]));
    let (a, b) = (&graph.ty(node.inputs[0]).shape, &graph.ty(node.inputs[1]).shape);
    let lhs_free = Contract::free(a.rank(), &c.lhs_batch, &c.lhs_contract);
    let rhs_free = Contract::free(b.rank(), &c.rhs_batch, &c.rhs_contract);
    let walk = |shape: &Shape, strides: &Strides, axes: &[u8]| {
        let extent = axes.iter().map(|&axis| shape[axis as usize].get()).product::<usize>();
        let axes = axes.iter().map(|&axis| (shape[axis as usize].get(), strides[axis as usize]));
        (extent, Walk::through(axes))
    };
    let (k, left_k) = walk(a, &lhs.strides, &c.lhs_contract);
    let (_, right_k) = walk(b, &rhs.strides, &c.rhs_contract);
    let (n, columns) = walk(b, &rhs.strides, &rhs_free);
    let (mut batch, mut lhs_batch, mut rhs_batch) = (Vec::new(), Vec::new(), Vec::new());
    for (&i, &j) in c.lhs_batch.iter().zip(&c.rhs_batch) {
        batch.push(a[i as usize].get());
        lhs_batch.push(lhs.strides[i as usize]);
        rhs_batch.push(rhs.strides[j as usize]);
    }
    // Rows that no stride walks are walked as batches that share the right side.
    let mut axes = lhs_free.as_slice();
    let (m, rows) = loop {
        match walk(a, &lhs.strides, axes) {
            (m, Walk::Even(stride)) => break (m, Walk::Even(stride)),
            (_, Walk::Axes(_)) => {
                let (&first, rest) = axes.split_first()?;
                batch.push(a[first as usize].get());
                lhs_batch.push(lhs.strides[first as usize]);
                rhs_batch.push(0);
                axes = rest;
            }
        }
    };
    let results = batch.iter().product::<usize>() * m * n;
    // A single result is a reduction like any other: a kernel spreads it over lanes and threads.
    if results.saturating_mul(k) < SMALL || results == 1 {
        return None;
    }
    // What has to be packed to be read is worth it if it is read several times, or still in cache.
    let uneven = [&left_k, &right_k, &columns].iter().any(|walk| walk.stride().is_none());
    if uneven && (m < FEW && n * k > CACHED || n < FEW && m * k > CACHED) {
        return None;
    }
    Some(Geometry {
        batch,
        m,
        n,
        k,
        row_axes: c.lhs_batch.len() + lhs_free.len(),
        lhs: Side { view: lhs, batch_strides: lhs_batch, rows, cols: left_k },
        rhs: Side { view: rhs, batch_strides: rhs_batch, rows: right_k, cols: columns },
    })
}
