//! Products that a host routine computes, and the strided buffers it reads.

use rustc_hash::FxHashSet;
use rustorch_ir::op::{Contract, Kind, Op, Source};
use rustorch_ir::{DType, Graph, NodeId, Shape, Strides, Value};

/// Fewer multiplications than this are left to a kernel, which fuses them with their readers.
const SMALL: usize = 4096;

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

/// One operand as a batch of strided matrices.
#[derive(Clone, Debug)]
pub struct Side {
    pub view: View,
    pub batch_strides: Vec<i64>,
    pub row_stride: i64,
    pub col_stride: i64,
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
    let n_axis = run(b, &rhs.strides, &rhs_free)?;
    let (left_k, right_k) = (run(a, &lhs.strides, &c.lhs_contract)?, run(b, &rhs.strides, &c.rhs_contract)?);
    let (mut batch, mut lhs_batch, mut rhs_batch) = (Vec::new(), Vec::new(), Vec::new());
    for (&i, &j) in c.lhs_batch.iter().zip(&c.rhs_batch) {
        batch.push(a[i as usize].get());
        lhs_batch.push(lhs.strides[i as usize]);
        rhs_batch.push(rhs.strides[j as usize]);
    }
    // Rows that do not form one run are walked as batches that share the right side.
    let mut rows = lhs_free.as_slice();
    let m_axis = loop {
        if let Some(run) = run(a, &lhs.strides, rows) {
            break run;
        }
        let (&first, rest) = rows.split_first()?;
        batch.push(a[first as usize].get());
        lhs_batch.push(lhs.strides[first as usize]);
        rhs_batch.push(0);
        rows = rest;
    };
    let work = batch.iter().product::<usize>() * m_axis.0 * n_axis.0 * left_k.0;
    // A single result is a reduction like any other: a kernel spreads it over lanes and threads.
    let results = batch.iter().product::<usize>() * m_axis.0 * n_axis.0;
    if work < SMALL || results == 1 {
        return None;
    }
    Some(Geometry {
        batch,
        m: m_axis.0,
        n: n_axis.0,
        k: left_k.0,
        row_axes: c.lhs_batch.len() + lhs_free.len(),
        lhs: Side { view: lhs, batch_strides: lhs_batch, row_stride: m_axis.1, col_stride: left_k.1 },
        rhs: Side { view: rhs, batch_strides: rhs_batch, row_stride: right_k.1, col_stride: n_axis.1 },
    })
}

/// Axes walked as one, if their strides allow it: their joint extent and the stride.
fn run(shape: &Shape, strides: &Strides, axes: &[u8]) -> Option<(usize, i64)> {
    let (mut extent, mut stride) = (1usize, None::<i64>);
    for &axis in axes.iter().rev() {
        let (d, s) = (shape[axis as usize].get(), strides[axis as usize]);
        if d == 1 {
            continue;
        }
        match stride {
            None => stride = Some(s),
            Some(inner) if s == inner * extent as i64 => {}
            Some(_) => return None,
        }
        extent *= d;
    }
    Some((extent, stride.unwrap_or(1)))
}
