//! The pipeline: a request becomes a plan.

use crate::fuse::{Fusion, Unit, fuse};
use crate::lower::{Arg, Lowered, Root, Stored, chunked};
use crate::memory::{self, Lifetime};
use crate::observe::{Observer, Stage};
use crate::product::{self, Side};
use crate::rewrite::rewrite;
use crate::schedule::{
    block_running, block_transpositions, look_ahead, remove_dead, strip_mine, tile_columns, vectorize, work,
};
use crate::shape_loops::lower_group;
use crate::tree;
use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graph::NodeIndex;
use rustc_hash::FxHashMap;
use rustorch_ir::loops::expand::expand;
use rustorch_ir::loops::verify::verify;
use rustorch_ir::loops::{Combine, Elem, Stmt};
use rustorch_ir::op::{Kind, Op, Source};
use rustorch_ir::plan::{BufId, BufferDecl, Call, Matrix, Output, Place, Plan, Product, Step, Task};
use rustorch_ir::{DType, Graph, Strides, Type, Value};
use smallvec::SmallVec;
use thiserror::Error;

/// A graph to compile. Its outputs are the values wanted.
#[derive(Clone, Debug)]
pub struct Request {
    pub graph: Graph,
    /// Values that are kept as further outputs if the plan happens to have buffers for them.
    pub keep: Vec<Value>,
}

/// What the machine that a plan is for can do beyond LoopIR.
#[derive(Clone, Copy)]
pub struct Target {
    /// Whether there is a vector routine for this function of this type.
    pub has_routine: fn(&str, Elem) -> bool,
    /// Whether there is a vector routine that folds memory of this type in so many lanes.
    pub has_fold: fn(Combine, DType, u16) -> bool,
    /// Whether there is a vector routine that takes rows of memory of this type into accumulators.
    pub has_row_fold: fn(Combine, DType) -> bool,
    /// How many threads share a launch. Results do not depend on it.
    pub threads: usize,
}

impl Target {
    /// Any machine.
    pub const PORTABLE: Target = Target {
        has_routine: |_, _| false,
        has_fold: |_, _, _| false,
        has_row_fold: |_, _| false,
        threads: 4,
    };
}

/// A plan; its outputs are the requested ones and then the kept ones.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub plan: Plan,
    /// For each output beyond the requested ones, its place in [`Request::keep`].
    pub kept: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CompileError {
    #[error("internal error: the compiler made an invalid kernel {kernel}: {why}")]
    InvalidKernel { kernel: String, why: String },
}

/// Work of a kernel below which it runs behind the launch it waits for, on one thread: so much, or this share of
/// the launch's.
const TINY: f64 = 8192.0;
const SHARE: f64 = 1.0 / 64.0;
/// Columns that a thread takes at once where rows are read column tile by column tile.
const TILE: usize = 256;
/// Work that is worth handing to another thread.
const GRAIN: f64 = 32768.0;

pub fn compile(request: &Request, target: &Target) -> Result<Compiled, CompileError> {
    compile_observed(request, target, &mut |_| {})
}

/// The same; `observer` is shown what each pass has made.
pub fn compile_observed(
    request: &Request,
    target: &Target,
    observer: Observer<'_>,
) -> Result<Compiled, CompileError> {
    let mut graph = rewrite(request, &mut |graph, applied| observer(Stage::Rule { graph, applied }));
    observer(Stage::Rewritten(&graph));
    let wanted = request.graph.outputs.len();
    let keep: Vec<Value> = graph.outputs.split_off(wanted);
    let named: Vec<Value> = graph.outputs.clone();
    let bases: Vec<Value> = named.iter().map(|&v| buffer_of(&graph, v)).collect();
    graph.outputs = bases.clone();
    let (products, operands) = product::choose(&graph);
    let fusion = fuse(&graph, products, operands, target.threads);
    observer(Stage::Fused { graph: &graph, fusion: &fusion });
    let stored: FxHashMap<Value, Stored> = fusion.stored.iter().map(|(v, s)| (*v, s.0.clone())).collect();

    let mut kept = Vec::new();
    let mut outputs: Vec<(Value, Type)> =
        bases.iter().zip(&named).map(|(&b, &v)| (b, graph.ty(v).clone())).collect();
    for (i, &v) in keep.iter().enumerate() {
        let base = buffer_of(&graph, v);
        // A buffer that was handed over holds its taker's value in the end.
        let lasts = !fusion.shared.contains_key(&base);
        if lasts && matches!(stored.get(&base), Some(Stored::Whole | Stored::Combined { .. })) {
            kept.push(i);
            outputs.push((base, graph.ty(v).clone()));
        }
    }
    let mut a = Assembly {
        graph: &graph,
        fusion: &fusion,
        stored: &stored,
        plan: Plan::default(),
        ids: FxHashMap::default(),
        target,
        observer,
    };
    a.signature();
    a.outputs(&outputs);
    a.steps()?;
    a.place_temporaries();
    Ok(Compiled { plan: a.plan, kept })
}

/// The value whose contiguous buffer also holds `v`: through views that move no element.
fn buffer_of(graph: &Graph, v: Value) -> Value {
    let node = graph.node(v.node);
    if node.op.kind() == Kind::View {
        let (from, to) = (&graph.ty(node.inputs[0]).shape, &node.types[0].shape);
        let plain = node.op.restride(from, &from.contiguous_strides(), to);
        let in_place = plain.is_some_and(|(s, offset)| offset == 0 && s == to.contiguous_strides());
        if in_place && from.numel() == to.numel() {
            return buffer_of(graph, node.inputs[0]);
        }
    }
    v
}

/// The bytes, from element 0 on, that a strided value occupies.
fn reach(ty: &Type, strides: &Strides) -> (i64, i64) {
    if ty.shape.numel() == 0 {
        return (0, 0);
    }
    let (mut low, mut high) = (0, 0);
    for (d, &s) in ty.shape.iter().zip(strides) {
        let span = (d.get() as i64 - 1) * s;
        low += span.min(0);
        high += span.max(0);
    }
    let size = ty.dtype.size() as i64;
    (low * size, (high + 1) * size)
}

struct Assembly<'a> {
    graph: &'a Graph,
    fusion: &'a Fusion,
    stored: &'a FxHashMap<Value, Stored>,
    plan: Plan,
    ids: FxHashMap<Arg, BufId>,
    target: &'a Target,
    observer: Observer<'a>,
}

/// A unit lowered to a kernel of the plan.
struct Ready {
    task: Task,
    work: f64,
}

impl Assembly<'_> {
    fn declare(&mut self, arg: Arg, ty: Type, place: Place, reason: &'static str) -> BufId {
        self.plan.buffers.push(BufferDecl { ty, place, reason });
        let id = BufId(self.plan.buffers.len() as u32 - 1);
        self.ids.insert(arg, id);
        id
    }

    fn signature(&mut self) {
        for &id in self.graph.order() {
            let Op::Input(input) = &self.graph.node(id).op else { continue };
            match &input.source {
                Source::Buffer(strides) => {
                    let ty = Type::new(input.dtype, input.shape.clone());
                    let (begin, end) = reach(&ty, strides);
                    let place = Place::Input { slot: input.slot, begin, end };
                    self.declare(Arg::Slot(input.slot), ty, place, "input");
                    self.plan.input_slots = self.plan.input_slots.max(input.slot + 1);
                }
                Source::Scalar => self.plan.scalar_slots = self.plan.scalar_slots.max(input.slot + 1),
            }
        }
    }

    fn outputs(&mut self, outputs: &[(Value, Type)]) {
        for (v, ty) in outputs {
            let buf = match self.ids.get(&Arg::Value(*v)) {
                Some(&id) => id,
                None => {
                    let reason = self.fusion.stored[v].1;
                    let next =
                        self.plan.buffers.iter().filter(|b| matches!(b.place, Place::Output(_))).count();
                    self.declare(
                        Arg::Value(*v),
                        self.graph.ty(*v).clone(),
                        Place::Output(next as u32),
                        reason,
                    )
                }
            };
            self.plan.outputs.push(Output { buf, ty: ty.clone() });
        }
    }

    /// The buffer of an argument; temporaries are placed at last.
    fn buffer(&mut self, arg: Arg) -> BufId {
        if let Arg::Value(v) = arg
            && let Some(&owner) = self.fusion.shared.get(&v)
        {
            return self.buffer(Arg::Value(owner));
        }
        if let Some(&id) = self.ids.get(&arg) {
            return id;
        }
        let (ty, reason) = match arg {
            Arg::Value(v) => (self.graph.ty(v).clone(), self.fusion.stored[&v].1),
            Arg::Partials(v) => {
                let (Stored::Partials { chunks, .. } | Stored::Combined { chunks, .. }) = self.stored[&v]
                else {
                    unreachable!("no partial results")
                };
                let ty = self.graph.ty(v);
                let held = Type::new(tree::partial_dtype(ty.dtype), chunked(&ty.shape, chunks));
                (held, "partial results of a reduction")
            }
            Arg::Slot(_) | Arg::Scratch => unreachable!("declared by the signature"),
        };
        self.declare(arg, ty, Place::Arena(0), reason)
    }

    /// Orders the units and makes steps of them.
    fn steps(&mut self) -> Result<(), CompileError> {
        let order = toposort(&self.fusion.order, None).expect("units do not wait for each other in a circle");
        let mut level = vec![0usize; order.len()];
        for &u in &order {
            let before = self.fusion.order.neighbors_directed(u, Direction::Incoming);
            level[u.index()] = before.map(|b| level[b.index()] + 1).max().unwrap_or(0);
        }
        let mut by_level: Vec<NodeIndex> = order;
        by_level.sort_by_key(|u| (level[u.index()], u.index()));
        // The step in which each unit has run.
        let mut step_of = vec![usize::MAX; level.len()];
        // The launch that independent kernels of the present level go into.
        let mut open: Option<(usize, usize)> = None;
        // The work of the last launch.
        let mut launched = 0.0;
        let epilogues = self.epilogues();
        for u in by_level {
            let u = u.index();
            let latest = |f: &Fusion| {
                let before = f.order.neighbors_directed(NodeIndex::new(u), Direction::Incoming);
                before.map(|b| step_of[b.index()]).max()
            };
            match &self.fusion.units[u] {
                Unit::Product { node } => {
                    let mut product = self.product(*node);
                    let mut members = vec![u];
                    if let Some(&e) = epilogues.get(&u) {
                        let rows = product::geometry(self.graph, *node).map(|g| g.row_axes);
                        product.epilogue = Some(self.kernel(e, rows)?.task);
                        members.push(e);
                    }
                    self.plan.steps.push(Step::Product(product));
                    for m in members {
                        step_of[m] = self.plan.steps.len() - 1;
                    }
                }
                Unit::Routine { node } => {
                    let call = self.routine(*node);
                    if call.routine.work() == 0 {
                        // Nothing to compute, or to read.
                        step_of[u] = latest(self.fusion).unwrap_or(0);
                        continue;
                    }
                    self.plan.steps.push(Step::Routine(call));
                    step_of[u] = self.plan.steps.len() - 1;
                }
                Unit::Nothing => step_of[u] = latest(self.fusion).unwrap_or(0),
                Unit::Kernel(_) if step_of[u] != usize::MAX => {}
                Unit::Kernel(group) => {
                    if group.space.numel() == 0 {
                        // Nothing to store; readers of an empty value read nothing.
                        step_of[u] = latest(self.fusion).unwrap_or(0);
                        self.declare_roots(u);
                        continue;
                    }
                    let ready = self.kernel(u, None)?;
                    let after = latest(self.fusion);
                    if let Some(s) = after
                        && (ready.work < TINY || ready.work < launched * SHARE)
                        && s + 1 == self.plan.steps.len()
                        && let Step::Launch { finish, .. } = &mut self.plan.steps[s]
                    {
                        finish.push(ready.task);
                        step_of[u] = s;
                        continue;
                    }
                    match open {
                        Some((l, s)) if l == level[u] && after.is_none_or(|a| a < s) => {
                            let Step::Launch { tasks, .. } = &mut self.plan.steps[s] else {
                                unreachable!("an open launch")
                            };
                            tasks.push(ready.task);
                            step_of[u] = s;
                            launched += ready.work;
                        }
                        _ => {
                            launched = ready.work;
                            self.plan.steps.push(Step::Launch { tasks: vec![ready.task], finish: vec![] });
                            step_of[u] = self.plan.steps.len() - 1;
                            open = Some((level[u], step_of[u]));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives buffers to what an empty unit would have stored.
    fn declare_roots(&mut self, unit: usize) {
        let Unit::Kernel(group) = &self.fusion.units[unit] else { return };
        for root in &group.roots {
            let arg = match root {
                Root::Store { value, .. } => Arg::Value(*value),
                Root::Partial { value } => Arg::Partials(*value),
                Root::Nest { node, .. } => Arg::Value(Value { node: *node, port: 0 }),
            };
            self.buffer(arg);
        }
    }

    fn kernel(&mut self, unit: usize, row_axes: Option<usize>) -> Result<Ready, CompileError> {
        let Unit::Kernel(group) = &self.fusion.units[unit] else { unreachable!("a kernel") };
        let name = format!("k{}", self.plan.kernels.len());
        let Lowered { kernel, params, scalars, .. } =
            lower_group(self.graph, self.stored, group, row_axes, name);
        let mut kernel = kernel;
        remove_dead(&mut kernel);
        (self.observer)(Stage::Kernel { pass: "lowered", kernel: &kernel });
        kernel = look_ahead(block_transpositions(tile_columns(kernel, self.target)));
        (self.observer)(Stage::Kernel { pass: "tiled", kernel: &kernel });
        let tiled = kernel.body.iter().any(|s| matches!(s, Stmt::For(f) if f.step > 16));
        kernel = vectorize(&kernel);
        (self.observer)(Stage::Kernel { pass: "vectorized", kernel: &kernel });
        let work = work(&kernel);
        kernel = strip_mine(kernel, self.target);
        remove_dead(&mut kernel);
        (self.observer)(Stage::Kernel { pass: "strips", kernel: &kernel });
        kernel = expand(&block_running(kernel));
        remove_dead(&mut kernel);
        (self.observer)(Stage::Kernel { pass: "expanded", kernel: &kernel });
        if cfg!(debug_assertions)
            && let Err(e) = verify(&kernel)
        {
            return Err(CompileError::InvalidKernel { kernel: kernel.to_string(), why: e.to_string() });
        }
        let bufs = params.iter().filter(|a| **a != Arg::Scratch).map(|&a| self.buffer(a)).collect();
        let per_iteration = work / kernel.parallel.max(1) as f64;
        let grain = (GRAIN / per_iteration.max(1e-3)).ceil().max(1.0) as usize;
        // Ranges that begin at whole lanes.
        let grain = if grain > 64 { grain.next_multiple_of(64) } else { grain };
        let grain = if tiled {
            // Narrower tiles would read rows in short pieces.
            grain.max(kernel.parallel.div_ceil(self.target.threads).next_multiple_of(64).min(TILE))
        } else {
            grain
        };
        self.plan.kernels.push(kernel);
        let task = Task { kernel: self.plan.kernels.len() - 1, bufs, scalars, grain };
        Ok(Ready { task, work })
    }

    fn matrix(&mut self, side: &Side) -> Matrix {
        let base = side.view.base;
        let buf = match &self.graph.node(base.node).op {
            Op::Input(input) => self.ids[&Arg::Slot(input.slot)],
            _ => self.buffer(Arg::Value(base)),
        };
        Matrix {
            buf,
            offset: side.view.offset,
            rows: side.rows.clone(),
            cols: side.cols.clone(),
            batch_strides: side.batch_strides.clone(),
        }
    }

    fn routine(&mut self, node: rustorch_ir::NodeId) -> Call {
        let op = self.graph.node(node);
        let types: SmallVec<[&Type; 3]> = op.inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let routine = op.op.routine(&types).expect("an op that a routine computes");
        let inputs = op.inputs.iter().map(|&v| self.packed(v)).collect();
        let results = (0..op.types.len() as u8).map(|port| Value { node, port });
        Call { routine, inputs, outputs: results.map(|v| self.buffer(Arg::Value(v))).collect() }
    }

    /// The buffer in which a value's elements lie one behind the other.
    fn packed(&mut self, v: Value) -> BufId {
        match &self.graph.node(v.node).op {
            Op::Input(input) if product::is_contiguous(self.graph, v) => self.ids[&Arg::Slot(input.slot)],
            _ => self.buffer(Arg::Value(v)),
        }
    }

    fn product(&mut self, node: rustorch_ir::NodeId) -> Product {
        let g = product::geometry(self.graph, node).expect("chosen as a product");
        let (lhs, rhs) = (self.matrix(&g.lhs), self.matrix(&g.rhs));
        let value = Value { node, port: 0 };
        let out = self.buffer(Arg::Value(value));
        let dtype = self.graph.ty(value).dtype;
        Product { dtype, batch: g.batch, m: g.m, n: g.n, k: g.k, lhs, rhs, out, epilogue: None }
    }

    /// For each product the kernel unit that can run on its rows as they are finished.
    fn epilogues(&self) -> FxHashMap<usize, usize> {
        let mut found = FxHashMap::default();
        for (u, unit) in self.fusion.units.iter().enumerate() {
            let Unit::Product { node } = unit else { continue };
            let ty = self.graph.ty(Value { node: *node, port: 0 });
            let readers = self.fusion.order.neighbors_directed(NodeIndex::new(u), Direction::Outgoing);
            let mut fitting: Vec<usize> =
                readers.map(|r| r.index()).filter(|&r| self.is_epilogue(r, u, ty)).collect();
            fitting.sort_unstable();
            if let Some(&e) = fitting.first()
                && !found.values().any(|&taken| taken == e)
            {
                found.insert(u, e);
            }
        }
        found
    }

    /// Whether `unit` works row by row on nothing but this product and what is there before it.
    fn is_epilogue(&self, unit: usize, product: usize, ty: &Type) -> bool {
        let Unit::Kernel(group) = &self.fusion.units[unit] else { return false };
        let whole = |r: &Root| matches!(r, Root::Store { axes, .. } if axes.len() == ty.shape.rank());
        let plain = group.rows.is_none_or(|r| r == group.order.len())
            && group.order.iter().enumerate().all(|(i, &a)| i == a as usize)
            && group.space == ty.shape
            && ty.shape.rank() >= 2
            && group.roots.iter().all(whole);
        let product_node = match &self.fusion.units[product] {
            Unit::Product { node } => *node,
            Unit::Kernel(_) | Unit::Routine { .. } | Unit::Nothing => return false,
        };
        let earlier = |b: NodeIndex| {
            b.index() == product
                || petgraph::algo::has_path_connecting(&self.fusion.order, b, NodeIndex::new(product), None)
        };
        plain
            && self.fusion.order.neighbors_directed(NodeIndex::new(unit), Direction::Incoming).all(earlier)
            && self.fusion.reads_in_place(unit, Value { node: product_node, port: 0 })
    }

    fn place_temporaries(&mut self) {
        let temporaries: Vec<usize> = (0..self.plan.buffers.len())
            .filter(|&i| matches!(self.plan.buffers[i].place, Place::Arena(_)))
            .collect();
        let mut lifetimes: Vec<Lifetime> = temporaries
            .iter()
            .map(|&i| Lifetime { bytes: self.plan.buffers[i].ty.bytes(), first: usize::MAX, last: 0 })
            .collect();
        let place_of: FxHashMap<u32, usize> =
            temporaries.iter().enumerate().map(|(k, &i)| (i as u32, k)).collect();
        for (s, step) in self.plan.steps.iter().enumerate() {
            let mut touch = |b: BufId| {
                if let Some(&k) = place_of.get(&b.0) {
                    lifetimes[k].first = lifetimes[k].first.min(s);
                    lifetimes[k].last = lifetimes[k].last.max(s);
                }
            };
            match step {
                Step::Launch { tasks, finish } => {
                    tasks.iter().chain(finish).for_each(|t| t.bufs.iter().for_each(|&b| touch(b)));
                }
                Step::Product(p) => {
                    [p.lhs.buf, p.rhs.buf, p.out].into_iter().for_each(&mut touch);
                    p.epilogue.iter().for_each(|t| t.bufs.iter().for_each(|&b| touch(b)));
                }
                Step::Routine(call) => call.inputs.iter().chain(&call.outputs).for_each(|&b| touch(b)),
            }
        }
        lifetimes.iter_mut().filter(|l| l.first == usize::MAX).for_each(|l| l.first = 0);
        let (offsets, arena) = memory::place(&lifetimes);
        for (k, &i) in temporaries.iter().enumerate() {
            self.plan.buffers[i].place = Place::Arena(offsets[k]);
        }
        self.plan.arena = arena;
    }
}
