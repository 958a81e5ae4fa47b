//! The graph interpreter: the meaning of the IR, node by node.
//!
//! Each node is lowered alone, its operands read from contiguous buffers, its reductions done one
//! element after the other; the reference interpreter of LoopIR runs the loops. Whatever a compiled plan
//! gives for a graph agrees with this up to the order in which floats are summed and multiplied.
//!
//! Every element of every live value is computed, whether an output depends on it or not: a check that
//! fails here may fail in no compiled plan, but not the other way round.

use crate::dtype::{DType, Literal};
use crate::graph::{Graph, Node, Type, Value};
use crate::loops::build::LoopBuilder;
use crate::loops::expand::expand;
use crate::loops::interp::{self, InterpError, Outcome};
use crate::loops::{Buf, Combine, Kernel, Role, Val, register_of};
use crate::op::{self, Carry, Index, Input, Kind, Pull, Source, from_half_bits, to_half_bits};
use crate::shape::{Shape, Strides};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use thiserror::Error;

/// A value with its elements, contiguous, as they are stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tensor {
    pub ty: Type,
    pub bytes: Vec<u8>,
}

impl Tensor {
    pub fn zeros(ty: &Type) -> Tensor {
        Tensor { ty: ty.clone(), bytes: vec![0; ty.bytes()] }
    }

    pub fn from_literals(dtype: DType, shape: Shape, elements: &[Literal]) -> Tensor {
        assert_eq!(shape.numel(), elements.len(), "one literal for each element");
        let size = dtype.size();
        let bytes = elements.iter().flat_map(|l| l.bits.to_le_bytes()[..size].to_vec()).collect();
        Tensor { ty: Type::new(dtype, shape), bytes }
    }

    pub fn len(&self) -> usize {
        self.bytes.len() / self.ty.dtype.size()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements in row-major order. A stored bool is any byte.
    pub fn literals(&self) -> impl Iterator<Item = Literal> + '_ {
        let dtype = self.ty.dtype;
        self.bytes.chunks_exact(dtype.size()).map(move |element| {
            let mut bits = [0; 8];
            bits[..element.len()].copy_from_slice(element);
            let bits = u64::from_le_bytes(bits);
            Literal { dtype, bits: if dtype == DType::Bool { (bits != 0) as u64 } else { bits } }
        })
    }
}

/// What stands behind a buffer slot: `bytes` hold elements of the slot's dtype, and the input's element 0
/// is number `origin` of them.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    pub bytes: &'a [u8],
    pub origin: usize,
}

impl<'a> From<&'a Tensor> for Slot<'a> {
    fn from(t: &'a Tensor) -> Slot<'a> {
        Slot { bytes: &t.bytes, origin: 0 }
    }
}

#[derive(Clone, PartialEq, Debug, Error)]
pub enum EvalError {
    #[error("a check of `{op}` failed with code {code} on {detail}")]
    Check { op: String, code: i32, detail: i64 },
    #[error(transparent)]
    Interp(#[from] InterpError),
    #[error("there is no {kind} slot {slot}")]
    Slot { kind: &'static str, slot: u32 },
}

/// The graph's outputs. `scalars` are 8-byte slots, as kernels take them.
pub fn eval(graph: &Graph, slots: &[Slot<'_>], scalars: &[u64]) -> Result<Vec<Tensor>, EvalError> {
    let values = eval_all(graph, slots, scalars)?;
    Ok(graph.outputs.iter().map(|v| values[v].clone()).collect())
}

/// All live values of the graph.
pub fn eval_all(
    graph: &Graph,
    slots: &[Slot<'_>],
    scalars: &[u64],
) -> Result<FxHashMap<Value, Tensor>, EvalError> {
    let mut e = Eval { graph, slots, scalars, values: FxHashMap::default() };
    for id in graph.live() {
        let node = graph.node(id);
        if let Some(body) = node.op.body() {
            let operands: Vec<Slot<'_>> = node.inputs.iter().map(|v| Slot::from(&e.values[v])).collect();
            let results = eval(body.graph(), &operands, &[])?;
            e.values.extend((0..).map(|port| Value { node: id, port }).zip(results));
            continue;
        }
        let types: SmallVec<[&Type; 3]> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
        if let Some(routine) = node.op.routine(&types) {
            let inputs: Vec<&[u8]> = node.inputs.iter().map(|v| e.values[v].bytes.as_slice()).collect();
            let mut outputs: Vec<Vec<u8>> = node.types.iter().map(|ty| Tensor::zeros(ty).bytes).collect();
            routine.run(&inputs, &mut outputs);
            let results = node.types.iter().zip(outputs).map(|(ty, bytes)| Tensor { ty: ty.clone(), bytes });
            e.values.extend((0..).map(|port| Value { node: id, port }).zip(results.collect::<Vec<_>>()));
            continue;
        }
        for port in 0..node.types.len() as u8 {
            let value = Value { node: id, port };
            let mut result = Tensor::zeros(graph.ty(value));
            if node.op.kind() == Kind::Push {
                let mut nests: Vec<_> = node.op.nests(node, &|v| graph.ty(v).clone());
                let mut order: Vec<usize> = (0..nests.len()).collect();
                order.sort_by_key(|&i| nests[i].stage);
                for i in order {
                    let extents = std::mem::take(&mut nests[i].extents);
                    e.run(node, &extents, What::Nest(i, nests[i].carries), &mut result)?;
                }
            } else {
                e.run(node, &graph.ty(value).shape.clone(), What::Port(port), &mut result)?;
            }
            e.values.insert(value, result);
        }
    }
    Ok(e.values)
}

/// What of a node one kernel computes.
#[derive(Clone, Copy)]
enum What {
    Port(u8),
    /// With the axis along which it carries values.
    Nest(usize, Option<u8>),
}

struct Eval<'a> {
    graph: &'a Graph,
    slots: &'a [Slot<'a>],
    scalars: &'a [u64],
    values: FxHashMap<Value, Tensor>,
}

impl Eval<'_> {
    fn run(&self, node: &Node, extents: &Shape, what: What, out: &mut Tensor) -> Result<(), EvalError> {
        if extents.numel() == 0 {
            return Ok(());
        }
        let (kernel, operands, slots) = lower(self.graph, node, extents, what, &out.ty, self.slots);
        let mut memory: Vec<Vec<u8>> = Vec::new();
        for operand in operands {
            memory.push(match operand {
                Operand::Result => std::mem::take(&mut out.bytes),
                Operand::Value(v) => self.values[&v].bytes.clone(),
                Operand::Slot(slot) => {
                    let found = self.slots.get(slot as usize).ok_or(EvalError::Slot { kind: "buffer", slot });
                    found?.bytes.to_vec()
                }
            });
        }
        let mut bufs: Vec<&mut [u8]> = memory.iter_mut().map(|m| m.as_mut_slice()).collect();
        let scalars: Vec<u64> = slots
            .iter()
            .map(|&slot| {
                self.scalars.get(slot as usize).copied().ok_or(EvalError::Slot { kind: "scalar", slot })
            })
            .collect::<Result<_, _>>()?;
        let outcome = interp::run(&kernel, &mut bufs, &scalars, 0, 1, &|_, _, _| None)?;
        out.bytes = memory.swap_remove(0);
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Failed { code, detail } => {
                Err(EvalError::Check { op: node.op.to_string(), code, detail })
            }
        }
    }
}

/// What a parameter of a node's kernel stands for; the first one is its result.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operand {
    Result,
    Value(Value),
    Slot(u32),
}

/// The plainest loops of a node.
struct Plain<'a> {
    graph: &'a Graph,
    slots: &'a [Slot<'a>],
    b: LoopBuilder,
    operands: Vec<Operand>,
    scalars: Vec<u32>,
}

fn lower(
    graph: &Graph,
    node: &Node,
    extents: &Shape,
    what: What,
    out: &Type,
    slots: &[Slot<'_>],
) -> (Kernel, Vec<Operand>, Vec<u32>) {
    let mut p = Plain { graph, slots, b: LoopBuilder::new(), operands: Vec::new(), scalars: Vec::new() };
    let result = p.param(Operand::Result, out.dtype, Role::InOut);
    // The loop that carries values is the innermost.
    let carries = if let What::Nest(_, axis) = what { axis.map(usize::from) } else { None };
    let mut order: SmallVec<[usize; 4]> = (0..extents.rank()).collect();
    order.sort_by_key(|&axis| Some(axis) == carries);
    let start = if carries.is_some() { node.op.start(&mut p, node) } else { Carry::new() };
    let mut open = Vec::new();
    let mut index: Index = SmallVec::from_elem(Val(0), extents.rank());
    let mut found = Carry::new();
    for axis in order {
        let inits = if Some(axis) == carries { start.as_slice() } else { &[] };
        let l = p.b.open_count(extents[axis].get(), inits);
        index[axis] = l.var;
        found = l.phis.iter().copied().collect();
        open.push(l);
    }
    let (at, mut value, combine, mut handed) = match what {
        What::Port(port) => (index.clone(), node.op.pull(&mut p, node, port, &index), None, Carry::new()),
        What::Nest(nest, _) => {
            let write = node.op.write(&mut p, node, nest, &index, &found);
            (write.index, write.value, write.combine, write.carried.iter().map(|c| c.0).collect())
        }
    };
    let place = p.place(&out.shape.contiguous_strides(), &at, 0);
    if let Some(combine) = combine {
        let old = p.b.load(result, place);
        let old = p.computed(old, out.dtype);
        let combine = if out.dtype == DType::Bool { op::on_masks(combine) } else { combine };
        value = p.b.combine(combine, old, value);
    }
    if out.dtype.is_reduced_float() {
        value = to_half_bits(&mut p.b, value, out.dtype);
    }
    p.b.store(result, place, value);
    while let Some(l) = open.pop() {
        let _ = p.b.close_loop(l, &std::mem::take(&mut handed), &[]);
    }
    (expand(&p.b.finish(node.op.primitive().to_string(), 1)), p.operands, p.scalars)
}

impl Plain<'_> {
    fn param(&mut self, operand: Operand, mem: DType, role: Role) -> Buf {
        if let Some(i) = self.operands.iter().position(|&o| o == operand) {
            return Buf(i as u32);
        }
        self.operands.push(operand);
        self.b.param(mem, role)
    }

    fn place(&mut self, strides: &Strides, at: &[Val], origin: usize) -> Val {
        let terms: SmallVec<[(Val, i64); 4]> = at.iter().copied().zip(strides.iter().copied()).collect();
        self.b.affine(&terms, origin as i64)
    }

    /// A loaded register as a computed value.
    fn computed(&mut self, raw: Val, dtype: DType) -> Val {
        if dtype.is_reduced_float() { from_half_bits(&mut self.b, raw, dtype) } else { raw }
    }
}

impl Pull for Plain<'_> {
    fn pull(&mut self, v: Value, index: &[Val]) -> Val {
        let ty = self.graph.ty(v).clone();
        let buf = self.param(Operand::Value(v), ty.dtype, Role::In);
        let place = self.place(&ty.shape.contiguous_strides(), index, 0);
        let raw = self.b.load(buf, place);
        self.computed(raw, ty.dtype)
    }

    fn type_of(&self, v: Value) -> &Type {
        self.graph.ty(v)
    }

    fn loops(&mut self) -> &mut LoopBuilder {
        &mut self.b
    }

    fn leaf(&mut self, input: &Input, index: &[Val]) -> Val {
        let raw = match &input.source {
            Source::Buffer(strides) => {
                let buf = self.param(Operand::Slot(input.slot), input.dtype, Role::In);
                let origin = self.slots.get(input.slot as usize).map_or(0, |s| s.origin);
                let place = self.place(strides, index, origin);
                self.b.load(buf, place)
            }
            Source::Scalar => {
                self.scalars.push(input.slot);
                let raw = self.b.scalar(register_of(input.dtype));
                // The slot holds the stored form: the sign of a small integer is not spread over it.
                if input.dtype.is_integer() { op::settle(&mut self.b, raw, input.dtype) } else { raw }
            }
        };
        self.computed(raw, input.dtype)
    }

    fn reduce(
        &mut self,
        combine: Combine,
        extents: &[usize],
        init: Val,
        _: usize,
        body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
    ) -> Val {
        let mut open = Vec::new();
        let mut total = init;
        for &extent in extents {
            let l = self.b.open_count(extent, &[total]);
            total = l.phis[0];
            open.push(l);
        }
        let index: Index = open.iter().map(|l| l.var).collect();
        let value = body(self, &index);
        total = self.b.combine(combine, total, value);
        while let Some(l) = open.pop() {
            total = self.b.close_loop(l, &[total], &[None])[0];
        }
        total
    }
}
