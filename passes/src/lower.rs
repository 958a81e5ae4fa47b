//! Lowering: a group of values becomes one kernel, by pulling.
//!
//! The values that a group stores are pulled at the index of its loops. Pulling a value that has a
//! buffer is a load; pulling any other value substitutes its op at that index, so views vanish into
//! index expressions and chains fuse. The loop builder places what is pulled in the outermost loop
//! that it depends on: a reduction over a row becomes a loop before the loop over the row.

use crate::tree;
use rustc_hash::FxHashMap;
use rustorch_ir::loops::build::LoopBuilder;
use rustorch_ir::loops::{Buf, Combine, Elem, Kernel, Role, Val, register_of};
use rustorch_ir::op::{
    self, Carry, Index, Input, Nest, Pull, Source, computed_in, from_half_bits, to_half_bits,
};
use rustorch_ir::{DType, Graph, Node, NodeId, Shape, Strides, Type, Value};
use smallvec::SmallVec;

/// How a kernel reads a value that it does not compute itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Stored {
    /// A contiguous buffer.
    Whole,
    /// The fixed partial results of a reduction, `[chunks, ..shape]`: combined on reading.
    Partials { chunks: usize, combine: Combine },
    /// Both: the kernel that stores the value combines the partial results, others read the buffer.
    Combined { chunks: usize, combine: Combine },
}

/// Stands in [`Root::Store`] for the only index of an axis of extent 1.
pub const NO_AXIS: u8 = u8::MAX;

/// What a kernel writes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Root {
    /// The elements of a value, at the axes of the group that `axes` names.
    Store { value: Value, axes: SmallVec<[u8; 4]> },
    /// The partial results of the chunks of a reduction; the chunk is the group's first axis.
    Partial { value: Value },
    /// One loop nest of a push op.
    Nest { node: NodeId, nest: usize },
}

/// The loops of a group and what they store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub space: Shape,
    /// Axes that must not run in parallel.
    pub ordered: SmallVec<[bool; 4]>,
    /// The order of the loops, outermost first: what row-wise values are hoisted by.
    pub order: SmallVec<[u8; 4]>,
    /// How many of these loops, from the outermost on, row-wise values share; `None` when there are none.
    pub rows: Option<usize>,
    /// The axis along which each iteration hands values to the next, if one does. It is a loop of its own, the innermost.
    pub carries: Option<u8>,
    pub roots: Vec<Root>,
}

/// A kernel and what its parameters stand for.
#[derive(Clone, Debug)]
pub struct Lowered {
    pub kernel: Kernel,
    /// The variables of the group's loops, outermost first.
    pub vars: Vec<Val>,
    pub params: Vec<Arg>,
    /// Scalar slots of the signature, for each scalar of the kernel.
    pub scalars: Vec<u32>,
}

/// What a parameter of a kernel stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arg {
    /// A buffer slot of the signature.
    Slot(u32),
    /// A value's buffer.
    Value(Value),
    /// A reduction's partial results.
    Partials(Value),
    /// Private memory.
    Scratch,
}

struct Lowering<'a> {
    graph: &'a Graph,
    stored: &'a FxHashMap<Value, Stored>,
    /// What this kernel computes although it has a buffer.
    own: Vec<Value>,
    b: LoopBuilder,
    memo: FxHashMap<(Value, Index), Val>,
    args: Vec<Arg>,
    slots: FxHashMap<Arg, Buf>,
    scalar_slots: Vec<u32>,
    scalar_vals: FxHashMap<u32, Val>,
}

/// Lowers a group; `merged` says how many loops of `group.order` each loop of the kernel walks, outermost
/// first, and `parallel` how many of those, from the outermost on, make up the parallel space.
pub fn lower(
    graph: &Graph,
    stored: &FxHashMap<Value, Stored>,
    group: &Group,
    merged: &[u8],
    parallel: usize,
    name: String,
) -> Lowered {
    let own = group
        .roots
        .iter()
        .filter_map(|r| match r {
            Root::Store { value, .. } => Some(*value),
            Root::Partial { value } => Some(*value),
            Root::Nest { .. } => None,
        })
        .collect();
    let mut l = Lowering {
        graph,
        stored,
        own,
        b: LoopBuilder::new(),
        memo: FxHashMap::default(),
        args: Vec::new(),
        slots: FxHashMap::default(),
        scalar_slots: Vec::new(),
        scalar_vals: FxHashMap::default(),
    };
    let (extent, vars) = l.nest(group, merged, parallel);
    Lowered { kernel: l.b.finish(name, extent), vars, params: l.args, scalars: l.scalar_slots }
}

impl Lowering<'_> {
    /// Builds the group's loops; gives the size of the parallel space and the loops' variables.
    fn nest(&mut self, group: &Group, merged: &[u8], parallel: usize) -> (usize, Vec<Val>) {
        // Each kernel loop walks a run of axes; the parallel space walks the first of these loops.
        let mut runs: Vec<SmallVec<[u8; 4]>> = Vec::new();
        let mut at = 0;
        for &n in merged {
            runs.push(group.order[at..at + n as usize].into());
            at += n as usize;
        }
        let extent_of = |axes: &[u8]| axes.iter().map(|&a| group.space[a as usize].get()).product::<usize>();
        let outer: SmallVec<[u8; 4]> = runs[..parallel].iter().flatten().copied().collect();
        let space = extent_of(&outer);
        let mut index: Index = SmallVec::from_elem(Val(0), group.space.rank());
        let zero = self.b.index(0);
        index.iter_mut().for_each(|v| *v = zero);

        let (begin, end) = self.b.bounds();
        let mut open = vec![];
        let outermost = self.b.open_loop(begin, end, 1, &[]);
        self.b.assume_range(outermost.var, 0, space.max(1) as i64 - 1);
        self.spread(&outer, outermost.var, group, &mut index);
        open.push(outermost);

        // Roots by the number of loops they need, so that each is stored as soon as its loops are open.
        let mut done = vec![false; group.roots.len()];
        let mut known = outer;
        // What an iteration finds from the one before it, and hands to the next.
        let mut found = self.start(group);
        let mut handed: SmallVec<[(Val, Option<Combine>); 2]> = SmallVec::new();
        for level in parallel..=runs.len() {
            for (i, root) in group.roots.iter().enumerate() {
                let needs = |axes: &[u8]| {
                    axes.iter()
                        .all(|&a| a == NO_AXIS || known.contains(&a) || group.space[a as usize].is_one())
                };
                let ready = match root {
                    Root::Store { axes, .. } => needs(axes),
                    Root::Partial { .. } | Root::Nest { .. } => level == runs.len(),
                };
                if ready && !std::mem::replace(&mut done[i], true) {
                    handed = self.store(root, &index, &found);
                }
            }
            if level < runs.len() {
                let carries = group.carries.is_some_and(|a| runs[level].contains(&a) && extent_of(&[a]) > 1);
                debug_assert!(
                    !carries || group.carries.is_some_and(|a| extent_of(&[a]) == extent_of(&runs[level])),
                    "what carries values is a loop of its own"
                );
                let next = self.b.open_count(extent_of(&runs[level]), if carries { &found } else { &[] });
                if carries {
                    found = next.phis.iter().copied().collect();
                }
                self.spread(&runs[level], next.var, group, &mut index);
                open.push(next);
                known.extend_from_slice(&runs[level]);
            }
        }
        debug_assert!(done.iter().all(|&d| d), "a root found no loops");
        let vars = open.iter().map(|l| l.var).collect();
        while let Some(l) = open.pop() {
            let carried = if l.phis.is_empty() { SmallVec::new() } else { std::mem::take(&mut handed) };
            let (nexts, combine): (SmallVec<[Val; 2]>, SmallVec<[Option<Combine>; 2]>) =
                carried.into_iter().unzip();
            let _ = self.b.close_loop(l, &nexts, &combine);
        }
        (space, vars)
    }

    /// Splits the variable of a loop over a run of axes into their indices.
    fn spread(&mut self, axes: &[u8], var: Val, group: &Group, index: &mut Index) {
        let mut rest = var;
        let outermost = axes.iter().find(|&&a| !group.space[a as usize].is_one()).copied();
        for &axis in axes.iter().rev() {
            let extent = group.space[axis as usize].get() as i64;
            if extent == 1 {
                continue;
            }
            if Some(axis) == outermost {
                index[axis as usize] = rest;
                break;
            }
            let (q, r) = self.b.div_rem(rest, extent);
            index[axis as usize] = r;
            rest = q;
        }
    }

    /// What the first iteration along the axis that carries values finds.
    fn start(&mut self, group: &Group) -> Carry {
        match group.roots.as_slice() {
            [Root::Nest { node, .. }] => {
                let n = self.graph.node(*node);
                n.op.start(self, n)
            }
            _ => Carry::new(),
        }
    }

    /// Stores what an iteration computes, which found `found`; gives what it hands to the next.
    fn store(&mut self, root: &Root, index: &[Val], found: &[Val]) -> SmallVec<[(Val, Option<Combine>); 2]> {
        match root {
            Root::Store { value, axes } => {
                let zero = self.b.index(0);
                let at: Index =
                    axes.iter().map(|&a| if a == NO_AXIS { zero } else { index[a as usize] }).collect();
                let ty = self.graph.ty(*value).clone();
                let result = match self.stored[value] {
                    Stored::Combined { chunks, combine } => {
                        self.combine_partials(*value, chunks, combine, &at)
                    }
                    _ => self.compute(*value, &at),
                };
                let buf = self.param(Arg::Value(*value), ty.dtype, Role::Out);
                self.put(buf, &ty, &at, result, None);
            }
            Root::Partial { value } => {
                let ty = self.graph.ty(*value).clone();
                let partial = self.partial(*value, index[0], &index[1..]);
                let chunks = match &self.stored[value] {
                    Stored::Partials { chunks, .. } | Stored::Combined { chunks, .. } => *chunks,
                    Stored::Whole => unreachable!("a partial root is stored in partials"),
                };
                let held = Type::new(tree::partial_dtype(ty.dtype), chunked(&ty.shape, chunks));
                let buf = self.param(Arg::Partials(*value), held.dtype, Role::Out);
                self.put(buf, &held, index, partial, None);
            }
            Root::Nest { node, nest } => {
                let n: &Node = self.graph.node(*node);
                let write = n.op.write(self, n, *nest, index, found);
                let role = if write.combine.is_some() { Role::InOut } else { Role::Out };
                let value = Value { node: *node, port: 0 };
                let buf = self.param(Arg::Value(value), n.types[0].dtype, role);
                let ty = n.types[0].clone();
                self.put(buf, &ty, &write.index, write.value, write.combine);
                return write.carried;
            }
        }
        SmallVec::new()
    }

    /// Stores a computed value into a contiguous buffer, combining it with what is there if asked.
    fn put(&mut self, buf: Buf, ty: &Type, at: &[Val], value: Val, combine: Option<Combine>) {
        let strides = ty.shape.contiguous_strides();
        let place = self.place(&strides, at);
        let mut value = value;
        if let Some(combine) = combine {
            let old = self.b.load(buf, place);
            let old = self.widen(old, ty.dtype);
            let combine = if ty.dtype == DType::Bool { op::on_masks(combine) } else { combine };
            value = self.b.combine(combine, old, value);
        }
        if ty.dtype.is_reduced_float() {
            value = to_half_bits(&mut self.b, value, ty.dtype);
        }
        self.b.store(buf, place, value);
    }

    fn place(&mut self, strides: &Strides, at: &[Val]) -> Val {
        let terms: SmallVec<[(Val, i64); 4]> = at.iter().copied().zip(strides.iter().copied()).collect();
        self.b.affine(&terms, 0)
    }

    /// A loaded register as a computed value.
    fn widen(&mut self, raw: Val, dtype: DType) -> Val {
        if dtype.is_reduced_float() { from_half_bits(&mut self.b, raw, dtype) } else { raw }
    }

    fn param(&mut self, arg: Arg, mem: DType, role: Role) -> Buf {
        if let Some(&buf) = self.slots.get(&arg) {
            return buf;
        }
        let buf = self.b.param(mem, role);
        self.args.push(arg);
        self.slots.insert(arg, buf);
        buf
    }

    fn load(&mut self, arg: Arg, dtype: DType, strides: &Strides, at: &[Val]) -> Val {
        let buf = self.param(arg, dtype, Role::In);
        let place = self.place(strides, at);
        let raw = self.b.load(buf, place);
        self.widen(raw, dtype)
    }

    fn compute(&mut self, v: Value, index: &[Val]) -> Val {
        let key = (v, Index::from_slice(index));
        if let Some(&known) = self.memo.get(&key)
            && self.b.visible(known)
        {
            return known;
        }
        let node = self.graph.node(v.node);
        let result = node.op.pull(self, node, v.port, index);
        self.memo.insert(key, result);
        result
    }

    /// The element of a reduction at `index`, from its partial results.
    fn combine_partials(&mut self, v: Value, chunks: usize, combine: Combine, index: &[Val]) -> Val {
        let ty = self.graph.ty(v).clone();
        let held = Type::new(tree::partial_dtype(ty.dtype), chunked(&ty.shape, chunks));
        let strides = held.shape.contiguous_strides();
        let combine = if ty.dtype == DType::Bool { op::on_masks(combine) } else { combine };
        let init = op::neutral(&mut self.b, combine, ty.dtype);
        let depth = op::depth_of(&self.b, index);
        let suspended = self.b.leave_to(depth);
        let open = self.b.open_count(chunks, &[init]);
        let mut at = Index::from_slice(&[open.var]);
        at.extend_from_slice(index);
        let partial = self.load(Arg::Partials(v), held.dtype, &strides, &at);
        let next = self.b.combine(combine, open.phis[0], partial);
        // The chunks keep their order whatever becomes of the loop.
        let total = self.b.close_loop(open, &[next], &[None])[0];
        let total = op::settle(&mut self.b, total, ty.dtype);
        self.b.return_to(suspended);
        total
    }

    /// Chunk `chunk` of the reduction that `value` is.
    fn partial(&mut self, value: Value, chunk: Val, index: &[Val]) -> Val {
        let node = self.graph.node(value.node);
        let mut one = tree::OneChunk::new(self, chunk);
        node.op.pull(&mut one, node, value.port, index);
        one.result()
    }
}

/// `[chunks, ..shape]`.
pub fn chunked(shape: &Shape, chunks: usize) -> Shape {
    let mut out = shape.clone();
    out.insert(0, chunks.into());
    out
}

impl Pull for Lowering<'_> {
    fn pull(&mut self, v: Value, index: &[Val]) -> Val {
        if self.own.contains(&v) {
            return self.compute(v, index);
        }
        let ty = self.graph.ty(v);
        match self.stored.get(&v) {
            None => self.compute(v, index),
            Some(Stored::Whole | Stored::Combined { .. }) => {
                let (dtype, strides) = (ty.dtype, ty.shape.contiguous_strides());
                self.load(Arg::Value(v), dtype, &strides, index)
            }
            Some(&Stored::Partials { chunks, combine }) => self.combine_partials(v, chunks, combine, index),
        }
    }

    fn type_of(&self, v: Value) -> &Type {
        self.graph.ty(v)
    }

    fn loops(&mut self) -> &mut LoopBuilder {
        &mut self.b
    }

    fn leaf(&mut self, input: &Input, index: &[Val]) -> Val {
        match &input.source {
            Source::Buffer(strides) => self.load(Arg::Slot(input.slot), input.dtype, strides, index),
            Source::Scalar => {
                if let Some(&v) = self.scalar_vals.get(&input.slot) {
                    return v;
                }
                let raw = self.b.scalar(register_of(input.dtype));
                self.scalar_slots.push(input.slot);
                // The slot holds the stored form: the sign of a small integer is not spread over it.
                let v = if input.dtype.is_integer() {
                    op::settle(&mut self.b, raw, input.dtype)
                } else {
                    self.widen(raw, input.dtype)
                };
                self.scalar_vals.insert(input.slot, v);
                v
            }
        }
    }

    fn reduce(
        &mut self,
        combine: Combine,
        extents: &[usize],
        init: Val,
        depth: usize,
        body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
    ) -> Val {
        let suspended = self.b.leave_to(depth);
        let result = tree::reduce(self, combine, extents, init, body);
        self.b.return_to(suspended);
        result
    }
}

/// The register type of a computed value, for analyses that stand in for one.
pub fn register(dtype: DType) -> Elem {
    computed_in(dtype)
}

/// The axes of a loop nest over a push op's nest.
pub fn nest_group(node: NodeId, nest: usize, n: &Nest) -> Group {
    Group {
        space: n.extents.clone(),
        ordered: n.ordered.clone(),
        order: (0..n.extents.rank() as u8).collect(),
        rows: None,
        carries: n.carries,
        roots: vec![Root::Nest { node, nest }],
    }
}
