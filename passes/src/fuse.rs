//! Which values get buffers, and which kernels compute them.
//!
//! Values are visited from the outputs back. By then every reader of a value has said at which index
//! it reads it, because reading was traced by pulling, as lowering will do it. A value gets a buffer if
//! it is an output, if a push op or a host routine needs one, or if computing it where it is read would
//! cost more: a loop whose results would be computed again, an expensive function read by several
//! kernels or at overlapping windows, a chain that grows too long. Everything else is computed in its reader's kernel.
//!
//! A value that gets a buffer is stored by a kernel that computes it anyway, where that does not make
//! kernels wait for each other in a circle; otherwise it starts a kernel of its own.

use crate::lower::{Group, NO_AXIS, Root, Stored, nest_group};
use crate::trace::{Access, Tracer};
use crate::tree;
use petgraph::algo::has_path_connecting;
use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::{FxHashMap, FxHashSet};
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Cost, Kind, Op};
use rustorch_ir::{Graph, NodeId, Type, Value};
use smallvec::SmallVec;

/// A kernel grows no further than this many traced instructions.
const KERNEL_LIMIT: usize = 1500;
/// Indices at which a kernel may read one computed value: beyond, chains of shifted sums explode.
const INDEX_LIMIT: usize = 4;
/// A cheap chain of more nodes than this is stored rather than computed by several kernels.
const CHAIN_LIMIT: u32 = 8;
/// How often a reader may compute each element of a long chain, and of an expensive function.
const REPEATED_CHAIN: usize = 4;
const REPEATED_DEAR: usize = 2;
/// A reduction with fewer rows than this for each thread is spread over threads by its chunks, if it is this long.
const ROWS_PER_THREAD: usize = 4;
const LONG: usize = 1 << 15;
/// Rows shorter than this are computed where they are read.
const SHORT_ROW: usize = 64;

/// A unit of the schedule.
#[derive(Debug)]
pub enum Unit {
    Kernel(Group),
    /// A product by a host routine, and the views of its operands.
    Product {
        node: NodeId,
    },
    /// A routine of the host, from buffers to buffers.
    Routine {
        node: NodeId,
    },
    /// A copy that is not made, because the copy took over the original's buffer.
    Nothing,
}

/// The decisions about one graph.
#[derive(Debug)]
pub struct Fusion {
    pub units: Vec<Unit>,
    /// Edges: `a -> b` when unit `b` reads what unit `a` writes.
    pub order: DiGraph<usize, ()>,
    /// Values with buffers, why, and how they are stored.
    pub stored: FxHashMap<Value, (Stored, &'static str)>,
    /// Values written into the buffer of another.
    pub shared: FxHashMap<Value, Value>,
    /// The units that read a product's result, and nothing of it but the element at their own index.
    in_place: FxHashSet<(usize, Value)>,
}

impl Fusion {
    /// Whether a unit reads of `product` only the element that stands where it stores.
    pub fn reads_in_place(&self, unit: usize, product: Value) -> bool {
        self.in_place.contains(&(unit, product))
    }
}

struct Reader {
    unit: usize,
    access: Access,
}

struct Fuser<'g> {
    graph: &'g Graph,
    outputs: FxHashSet<Value>,
    /// Values that host routines read from buffers.
    operands: FxHashSet<Value>,
    /// Those of them whose elements must lie one behind the other.
    packed: FxHashSet<Value>,
    products: FxHashSet<NodeId>,
    chain: FxHashMap<NodeId, u32>,
    threads: usize,
    units: Vec<Unit>,
    tracers: Vec<Option<Tracer<'g>>>,
    order: DiGraph<usize, ()>,
    readers: FxHashMap<Value, Vec<Reader>>,
    stored: FxHashMap<Value, (Stored, &'static str)>,
    shared: FxHashMap<Value, Value>,
}

/// Decides for all live nodes of the graph. `products` are the nodes left to the host's product and
/// `operands` the values that reads; `threads` will share the work.
pub fn fuse(
    graph: &Graph,
    products: FxHashSet<NodeId>,
    mut operands: FxHashSet<Value>,
    threads: usize,
) -> Fusion {
    let live = graph.live();
    let routines = live.iter().map(|&id| graph.node(id)).filter(|n| n.op.kind() == Kind::Routine);
    let packed: FxHashSet<Value> = routines.flat_map(|n| n.inputs.iter().copied()).collect();
    operands.extend(&packed);
    let mut f = Fuser {
        graph,
        outputs: graph.outputs.iter().copied().collect(),
        operands,
        packed,
        products,
        chain: FxHashMap::default(),
        threads,
        units: Vec::new(),
        tracers: Vec::new(),
        order: DiGraph::new(),
        readers: FxHashMap::default(),
        stored: FxHashMap::default(),
        shared: FxHashMap::default(),
    };
    f.measure_chains(&live);
    for id in visiting_order(graph, &live) {
        f.visit(id);
    }
    for (unit, tracer) in f.units.iter_mut().zip(&f.tracers) {
        if let (Unit::Kernel(group), Some(tracer)) = (unit, tracer) {
            group.order = tracer.order();
            group.rows = tracer.shared_rows();
        }
    }
    let mut in_place = FxHashSet::default();
    for &node in &f.products {
        let v = Value { node, port: 0 };
        let readers = f.readers.get(&v).map_or(&[][..], |r| r.as_slice());
        for r in readers {
            let own = |r: &Reader| f.tracers[r.unit].as_ref().is_some_and(|t| t.is_own_index(&r.access));
            if readers.iter().filter(|o| o.unit == r.unit).all(own) {
                in_place.insert((r.unit, v));
            }
        }
    }
    Fusion { units: f.units, order: f.order, stored: f.stored, shared: f.shared, in_place }
}

/// Readers before what they read; among those that could come next the largest, so that a reduction finds the
/// kernels that walk its operand anyway.
fn visiting_order(graph: &Graph, live: &[NodeId]) -> Vec<NodeId> {
    let mut waiting: FxHashMap<NodeId, usize> = live.iter().map(|&id| (id, 0)).collect();
    for &id in live {
        for v in &graph.node(id).inputs {
            *waiting.get_mut(&v.node).expect("what is read is live") += 1;
        }
    }
    let size = |id: NodeId| graph.node(id).types.iter().map(|t| t.shape.numel()).max().unwrap_or(0);
    let mut next: std::collections::BinaryHeap<(usize, NodeId)> =
        live.iter().filter(|id| waiting[id] == 0).map(|&id| (size(id), id)).collect();
    let mut order = Vec::with_capacity(live.len());
    while let Some((_, id)) = next.pop() {
        order.push(id);
        for v in &graph.node(id).inputs {
            let left = waiting.get_mut(&v.node).expect("what is read is live");
            *left -= 1;
            if *left == 0 {
                next.push((size(v.node), v.node));
            }
        }
    }
    order
}

impl<'g> Fuser<'g> {
    /// How many nodes would be computed again with each node, up to the nearest buffers.
    fn measure_chains(&mut self, live: &[NodeId]) {
        for &id in live {
            let node = self.graph.node(id);
            let own = match node.op.kind() {
                Kind::Leaf | Kind::View => 0,
                Kind::Pull => 1,
                Kind::Push | Kind::Routine => {
                    self.chain.insert(id, 0);
                    continue;
                }
            };
            let below: u32 = node.inputs.iter().map(|v| self.chain[&v.node]).sum();
            self.chain.insert(id, (own + below).min(1 << 20));
        }
    }

    fn visit(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        if node.op.kind() == Kind::Leaf {
            return self.visit_leaf(id);
        }
        if self.products.contains(&id) {
            return self.product(id);
        }
        match node.op.kind() {
            Kind::Push => return self.push(id),
            Kind::Routine => return self.routine(id),
            Kind::Leaf | Kind::View | Kind::Pull => {}
        }
        for port in 0..node.types.len() as u8 {
            self.pulled(Value { node: id, port });
        }
    }

    /// A leaf is read where it is needed; as an output it is copied.
    fn visit_leaf(&mut self, id: NodeId) {
        let v = Value { node: id, port: 0 };
        if self.outputs.contains(&v) {
            self.store_alone(v, "output");
        } else if self.operands.contains(&v) && !self.lies_ready(v) {
            self.store_alone(v, "operand of a routine");
        }
    }

    /// Whether whatever reads an input from its buffer can read it where it is.
    fn lies_ready(&self, v: Value) -> bool {
        matches!(self.graph.node(v.node).op, Op::Input(_))
            && (!self.packed.contains(&v) || crate::product::is_contiguous(self.graph, v))
    }

    fn new_unit(&mut self, unit: Unit, tracer: Option<Tracer<'g>>) -> usize {
        let index = self.units.len();
        self.units.push(unit);
        self.tracers.push(tracer);
        self.order.add_node(index);
        index
    }

    fn depends(&mut self, before: usize, after: usize) {
        self.order.update_edge(NodeIndex::new(before), NodeIndex::new(after), ());
    }

    /// All units that read `v` wait for `writer`.
    fn written_by(&mut self, v: Value, writer: usize) {
        let readers: Vec<usize> = self.readers.get(&v).into_iter().flatten().map(|r| r.unit).collect();
        for r in readers.into_iter().filter(|&r| r != writer) {
            self.depends(writer, r);
        }
    }

    /// Takes the accesses that tracing a unit has found.
    fn collect(&mut self, unit: usize) {
        let Some(tracer) = self.tracers[unit].as_mut() else { return };
        for (v, access) in tracer.take() {
            self.readers.entry(v).or_default().push(Reader { unit, access });
        }
    }

    fn product(&mut self, id: NodeId) {
        let v = Value { node: id, port: 0 };
        let unit = self.new_unit(Unit::Product { node: id }, None);
        self.stored.insert(v, (Stored::Whole, "product by a host routine"));
        self.written_by(v, unit);
        for operand in crate::product::operand_buffers(self.graph, id) {
            let access = Access::whole();
            self.readers.entry(operand).or_default().push(Reader { unit, access });
        }
    }

    fn routine(&mut self, id: NodeId) {
        let graph = self.graph;
        let unit = self.new_unit(Unit::Routine { node: id }, None);
        for port in 0..graph.node(id).types.len() as u8 {
            let v = Value { node: id, port };
            self.stored.insert(v, (Stored::Whole, "result of a routine"));
            self.written_by(v, unit);
        }
        for &operand in &graph.node(id).inputs {
            let access = Access::whole();
            self.readers.entry(operand).or_default().push(Reader { unit, access });
        }
    }

    fn push(&mut self, id: NodeId) {
        let graph = self.graph;
        let node = graph.node(id);
        let v = Value { node: id, port: 0 };
        self.hand_over(v);
        let nests = node.op.nests(node, &|v| graph.ty(v).clone());
        let mut stages: Vec<(u8, usize)> = Vec::new();
        for (i, nest) in nests.iter().enumerate() {
            let group = nest_group(id, i, nest);
            let mut tracer = Tracer::new(graph, &group);
            tracer.nest(id, i);
            let unit = self.new_unit(Unit::Kernel(group), Some(tracer));
            for &(stage, before) in &stages {
                if stage < nest.stage {
                    self.depends(before, unit);
                }
            }
            stages.push((nest.stage, unit));
            self.written_by(v, unit);
            self.collect(unit);
        }
        self.stored.insert(v, (Stored::Whole, "written by loops of its own"));
    }

    /// Lets the one reader of a pushed value take over its buffer, if all that it does is to copy it.
    fn hand_over(&mut self, v: Value) {
        if self.outputs.contains(&v) || self.operands.contains(&v) {
            return;
        }
        let Some([only]) = self.readers.get(&v).map(|r| r.as_slice()) else { return };
        let (unit, access) = (only.unit, only.access.clone());
        let Unit::Kernel(group) = &self.units[unit] else { return };
        let [Root::Nest { node, nest }] = group.roots.as_slice() else { return };
        let reader = self.graph.node(*node);
        let copies = reader.op.takes_over().is_some_and(|i| reader.inputs[i] == v)
            && reader.op.nests(reader, &|v| self.graph.ty(v).clone())[*nest].stage == 0;
        let in_place = self.tracers[unit].as_ref().is_some_and(|t| t.is_own_index(&access));
        if copies && in_place {
            self.shared.insert(v, Value { node: *node, port: 0 });
            self.units[unit] = Unit::Nothing;
        }
    }

    /// A value that can be computed at any index.
    fn pulled(&mut self, v: Value) {
        if let Some(reason) = self.must_store(v) {
            return self.store(v, reason);
        }
        let readers = self.readers.remove(&v).unwrap_or_default();
        for Reader { unit, access } in readers {
            self.tracers[unit].as_mut().expect("a kernel").inline(v, &access);
            self.collect(unit);
        }
    }

    /// Why a value needs a buffer, if it does.
    fn must_store(&self, v: Value) -> Option<&'static str> {
        if self.outputs.contains(&v) {
            return Some("output");
        }
        if self.operands.contains(&v) {
            return Some("operand of a routine");
        }
        let node = self.graph.node(v.node);
        let readers = self.readers.get(&v)?;
        let repetitions = |r: &Reader| Some(self.tracers[r.unit].as_ref()?.repetitions(v, &r.access));
        let repeated = |times| readers.iter().filter_map(repetitions).any(|n| n >= times);
        if node.op.kind() == Kind::View {
            let dear = node.op.cost() == Cost::Dear && repeated(REPEATED_DEAR);
            return dear.then_some("a view that costs more than a copy where it is repeated");
        }
        let units: FxHashSet<usize> = readers.iter().map(|r| r.unit).collect();
        if readers.iter().any(|r| self.tracers[r.unit].as_ref().is_some_and(|t| t.size() > KERNEL_LIMIT)) {
            return Some("the kernel would grow too large");
        }
        if readers.len() > INDEX_LIMIT * units.len() {
            return Some("read at many places");
        }
        match node.op.cost() {
            Cost::Cheap if self.chain[&v.node] > CHAIN_LIMIT && repeated(REPEATED_CHAIN) => {
                Some("a long chain that its reader would repeat")
            }
            Cost::Dear if repeated(REPEATED_DEAR) => {
                Some("an expensive function that its reader would repeat")
            }
            Cost::Cheap if units.len() > 1 && self.chain[&v.node] > CHAIN_LIMIT => {
                Some("a long chain read by several kernels")
            }
            Cost::Dear if units.len() > 1 => Some("an expensive function read by several kernels"),
            Cost::Loop if units.len() > 1 => Some("a loop read by several kernels"),
            Cost::Loop => {
                let tracer = self.tracers[readers[0].unit].as_ref()?;
                let distinct = readers.iter().all(|r| r.access.index == readers[0].access.index);
                if !distinct || !readers.iter().all(|r| tracer.computed_once(v, &r.access)) {
                    return Some("a loop that its reader would repeat");
                }
                if self.too_few_rows(v) {
                    return Some("a long reduction of few rows");
                }
                // What reads all rows at once would compute them on one thread.
                let alone = tracer.space() < self.threads && !tracer.is_chunked();
                let (rows, length) = (self.graph.ty(v).shape.numel(), self.reduced(v));
                let worth = rows >= ROWS_PER_THREAD * self.threads && length >= SHORT_ROW;
                (alone && worth && rows * length >= LONG).then_some("rows for all threads")
            }
            _ => None,
        }
    }

    /// Whether a reduction is better spread over threads by its chunks than computed with its rows.
    fn too_few_rows(&self, v: Value) -> bool {
        let (rows, length) = (self.graph.ty(v).shape.numel(), self.reduced(v));
        rows < ROWS_PER_THREAD * self.threads && length >= LONG / rows.max(1) && length > 1024
    }

    /// The number of elements behind each element of a value computed by a loop.
    fn reduced(&self, v: Value) -> usize {
        let node = self.graph.node(v.node);
        let x: SmallVec<[&Type; 3]> = node.inputs.iter().map(|&i| self.graph.ty(i)).collect();
        node.op.reduction(&x).map_or(1, |r| r.1.iter().product())
    }

    /// Finds a kernel to store `v`, or starts one.
    fn store(&mut self, v: Value, reason: &'static str) {
        let readers = self.readers.get(&v).map_or(&[][..], |r| r.as_slice());
        let mut candidates: Vec<usize> = readers.iter().map(|r| r.unit).collect();
        candidates.dedup();
        for unit in candidates {
            if let Some(axes) = self.can_join(v, unit) {
                self.stored.insert(v, (Stored::Whole, reason));
                self.written_by(v, unit);
                let accesses: Vec<Access> =
                    self.readers[&v].iter().filter(|r| r.unit == unit).map(|r| r.access.clone()).collect();
                for access in &accesses {
                    self.tracers[unit].as_mut().expect("a kernel").inline(v, access);
                }
                self.collect(unit);
                self.tracers[unit].as_mut().expect("a kernel").hoist(&axes);
                let Unit::Kernel(group) = &mut self.units[unit] else {
                    unreachable!("products store nothing else")
                };
                group.roots.push(Root::Store { value: v, axes });
                return;
            }
        }
        if !self.join_sibling(v, reason) {
            self.store_alone(v, reason);
        }
    }

    /// Lets a kernel store `v` that reads nothing of it, but reads what `v` is made of at the same places.
    fn join_sibling(&mut self, v: Value, reason: &'static str) -> bool {
        let graph = self.graph;
        let node = graph.node(v.node);
        if self.readers.get(&v).is_some_and(|r| !r.is_empty()) || node.op.kind() != Kind::Pull {
            return false;
        }
        let mut candidates: Vec<usize> =
            node.inputs.iter().filter_map(|i| self.readers.get(i)).flatten().map(|r| r.unit).collect();
        candidates.dedup();
        for unit in candidates {
            let Some((axes, access)) = self.sibling_place(v, unit) else { continue };
            self.stored.insert(v, (Stored::Whole, reason));
            let tracer = self.tracers[unit].as_mut().expect("a kernel");
            tracer.inline(v, &access);
            tracer.hoist(&axes);
            self.collect(unit);
            let Unit::Kernel(group) = &mut self.units[unit] else { unreachable!("it has a place for `v`") };
            group.roots.push(Root::Store { value: v, axes });
            return true;
        }
        false
    }

    /// Where the loops of `unit` would store `v`: by its rows, which come first, or element by element.
    fn sibling_place(&self, v: Value, unit: usize) -> Option<(SmallVec<[u8; 4]>, Access)> {
        let Unit::Kernel(group) = &self.units[unit] else { return None };
        let shape = &self.graph.ty(v).shape;
        let tracer = self.tracers[unit].as_ref()?;
        let plain = group.roots.iter().all(|r| matches!(r, Root::Store { .. }));
        let rank = shape.rank();
        let leads = group.space.rank() >= rank && group.space[..rank] == shape[..];
        if !plain || !leads || group.space.numel() == 0 || tracer.size() > KERNEL_LIMIT {
            return None;
        }
        let rows = rank < group.space.rank();
        if rows && shape.numel() < ROWS_PER_THREAD * self.threads {
            return None;
        }
        let axes: SmallVec<[u8; 4]> =
            (0..rank).map(|a| if shape[a].is_one() { NO_AXIS } else { a as u8 }).collect();
        let access = tracer.leading(rank);
        let fits = tracer.axes_of(&access, shape).is_some_and(|a| a == axes);
        let once = !rows || tracer.computed_once(v, &access);
        // What `v` is made of, read here at the very places: as the operand of a map, or of a sum over rows.
        let node = self.graph.node(v.node);
        let shares = node.inputs.iter().any(|i| {
            let whole = self.graph.ty(*i).shape == group.space;
            whole
                && self
                    .readers
                    .get(i)
                    .is_some_and(|r| r.iter().any(|r| r.unit == unit && tracer.is_own_index(&r.access)))
        });
        (fits && once && shares && self.reads_by_rows(v)).then_some((axes, access))
    }

    /// Whether all that `v` reads lies in the rows that its own index names.
    fn reads_by_rows(&self, v: Value) -> bool {
        let ty = self.graph.ty(v);
        let rank = ty.shape.rank();
        let group = store_group(v, ty);
        let mut tracer = Tracer::new(self.graph, &group);
        tracer.root(v, &group);
        let rows = tracer.leading(rank).index;
        tracer.take().iter().all(|(_, a)| a.index.len() >= rank && a.index[..rank] == rows[..])
    }

    /// The axes of `unit`'s loops at which it would store `v`, if it may.
    fn can_join(&self, v: Value, unit: usize) -> Option<SmallVec<[u8; 4]>> {
        let Unit::Kernel(group) = &self.units[unit] else { return None };
        if group.roots.iter().any(|r| !matches!(r, Root::Store { .. })) {
            return None;
        }
        // Loops that never run store nothing.
        if group.space.numel() == 0 && self.graph.ty(v).shape.numel() > 0 {
            return None;
        }
        let tracer = self.tracers[unit].as_ref()?;
        if tracer.size() > KERNEL_LIMIT {
            return None;
        }
        let readers = &self.readers[&v];
        let mut own = readers.iter().filter(|r| r.unit == unit);
        let first = own.next()?;
        if own.any(|r| r.access.index != first.access.index) || !tracer.computed_once(v, &first.access) {
            return None;
        }
        let axes = tracer.axes_of(&first.access, &self.graph.ty(v).shape)?;
        if self.graph.node(v.node).op.cost() == Cost::Loop && self.too_few_rows(v) {
            return None;
        }
        // The other readers will wait for this unit: none of them may come before it.
        let cyclic = readers.iter().any(|r| {
            r.unit != unit
                && has_path_connecting(&self.order, NodeIndex::new(r.unit), NodeIndex::new(unit), None)
        });
        (!cyclic).then_some(axes)
    }

    fn store_alone(&mut self, v: Value, reason: &'static str) {
        let graph = self.graph;
        let ty = graph.ty(v);
        let node = graph.node(v.node);
        let x: SmallVec<[&Type; 3]> = node.inputs.iter().map(|&i| graph.ty(i)).collect();
        if let Some((combine, extents)) = node.op.reduction(&x)
            && tree::chunks(&extents) > 1
            && self.too_few_rows(v)
        {
            return self.store_partials(v, combine, tree::chunks(&extents), reason);
        }
        let group = store_group(v, ty);
        let mut tracer = Tracer::new(graph, &group);
        tracer.root(v, &group);
        let unit = self.new_unit(Unit::Kernel(group), Some(tracer));
        self.stored.insert(v, (Stored::Whole, reason));
        self.written_by(v, unit);
        self.collect(unit);
    }

    /// A reduction in two stages: its chunks in one kernel, what reads them in others.
    fn store_partials(&mut self, v: Value, combine: Combine, chunks: usize, reason: &'static str) {
        let graph = self.graph;
        let ty = graph.ty(v);
        let space = crate::lower::chunked(&ty.shape, chunks);
        let rank = space.rank() as u8;
        let group = Group {
            ordered: SmallVec::from_elem(false, space.rank()),
            order: (0..rank).collect(),
            rows: None,
            carries: None,
            roots: vec![Root::Partial { value: v }],
            space,
        };
        let mut tracer = Tracer::new(graph, &group);
        tracer.partial(v);
        let partial = self.new_unit(Unit::Kernel(group), Some(tracer));
        let needs_whole = self.outputs.contains(&v) || self.operands.contains(&v);
        if needs_whole {
            // A small kernel combines them into the value's own buffer.
            let last = self.new_unit(Unit::Kernel(store_group(v, ty)), None);
            self.depends(partial, last);
            self.written_by(v, last);
        } else {
            self.written_by(v, partial);
        }
        let stored = if needs_whole {
            Stored::Combined { chunks, combine }
        } else {
            Stored::Partials { chunks, combine }
        };
        self.stored.insert(v, (stored, reason));
        self.collect(partial);
    }
}

/// The group that stores just `v`.
fn store_group(v: Value, ty: &Type) -> Group {
    let axes: SmallVec<[u8; 4]> = (0..ty.shape.rank() as u8).collect();
    Group {
        space: ty.shape.clone(),
        ordered: SmallVec::from_elem(false, ty.shape.rank()),
        order: axes.clone(),
        rows: None,
        carries: None,
        roots: vec![Root::Store { value: v, axes }],
    }
}
