//! Tracing what a kernel reads, and at which indices, without lowering it.
//!
//! A tracer pulls values just as lowering does, but instead of substituting an operand it notes the
//! operand and its index. Loops are opaque variables; each knows the variables it would be nested in,
//! so that it can be told how often a value at some index would be computed.

use crate::lower::{Group, NO_AXIS, Root, register};
use rustc_hash::{FxHashMap, FxHashSet};
use rustorch_ir::loops::build::{LoopBuilder, operands};
use rustorch_ir::loops::{Combine, Ty, Val, register_of};
use rustorch_ir::op::{Cost, Index, Input, Pull};
use rustorch_ir::{Graph, NodeId, Shape, Type, Value};
use smallvec::SmallVec;

/// A place at which a unit reads a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    pub index: Index,
}

impl Access {
    /// Of a reader that takes the whole buffer.
    pub fn whole() -> Access {
        Access { index: Index::new() }
    }
}

type Vars = SmallVec<[Val; 8]>;

struct Var {
    extent: usize,
    /// The loops around it.
    outer: Vars,
    /// The axis of the group, for its own loops.
    axis: Option<u8>,
}

pub struct Tracer<'g> {
    graph: &'g Graph,
    b: LoopBuilder,
    axes: Index,
    vars: FxHashMap<Val, Var>,
    /// The variables that a stand-in for a pulled value depends on.
    stand_ins: FxHashMap<Val, Vars>,
    memo: FxHashMap<(Value, Index), Val>,
    found: Vec<(Value, Access)>,
    inlined: FxHashSet<(Value, Index)>,
    /// The loops around what is being traced.
    context: Vars,
    /// Sets of the group's axes that row-wise values are hoisted to.
    hoists: Vec<Vec<u8>>,
    /// The group's axes that run in order: inside the others, and among themselves as they are.
    ordered: SmallVec<[bool; 4]>,
    /// The first axis numbers the chunks of a reduction: everything is computed within one.
    chunked: bool,
}

impl std::fmt::Debug for Tracer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tracer({} instructions)", self.b.len())
    }
}

impl<'g> Tracer<'g> {
    pub fn new(graph: &'g Graph, group: &Group) -> Tracer<'g> {
        let mut t = Tracer {
            graph,
            b: LoopBuilder::new(),
            axes: Index::new(),
            vars: FxHashMap::default(),
            stand_ins: FxHashMap::default(),
            memo: FxHashMap::default(),
            found: Vec::new(),
            inlined: FxHashSet::default(),
            context: Vars::new(),
            hoists: Vec::new(),
            ordered: group.ordered.clone(),
            chunked: false,
        };
        for (axis, dim) in group.space.iter().enumerate() {
            let v = if dim.is_one() {
                t.b.index(0)
            } else {
                t.variable(dim.get(), Vars::new(), Some(axis as u8))
            };
            t.axes.push(v);
        }
        t
    }

    fn variable(&mut self, extent: usize, outer: Vars, axis: Option<u8>) -> Val {
        let v = self.b.opaque(Ty::I64);
        self.b.assume_range(v, 0, extent.max(1) as i64 - 1);
        self.vars.insert(v, Var { extent, outer, axis });
        v
    }

    /// A measure of the kernel's size.
    pub fn size(&self) -> usize {
        self.b.len()
    }

    /// What has been found since the last call.
    pub fn take(&mut self) -> Vec<(Value, Access)> {
        std::mem::take(&mut self.found)
    }

    /// Traces the value that a group of one root stores.
    pub fn root(&mut self, v: Value, group: &Group) {
        debug_assert!(matches!(group.roots.as_slice(), [Root::Store { .. }]));
        let index = self.axes.clone();
        self.inline(v, &Access { index });
    }

    /// Traces one nest of a push op.
    pub fn nest(&mut self, id: NodeId, nest: usize) {
        let node = self.graph.node(id);
        let index = self.axes.clone();
        self.context = self.around(&index);
        let carried = node.op.start(self, node);
        node.op.write(self, node, nest, &index, &carried);
    }

    /// Traces one chunk of a reduction; the chunk is the first axis. A chunk reads what the whole does.
    pub fn partial(&mut self, v: Value) {
        self.chunked = true;
        let index = Index::from_slice(&self.axes[1..]);
        self.inline(v, &Access { index });
    }

    /// Traces the computation of `v` where it is read.
    pub fn inline(&mut self, v: Value, access: &Access) {
        if !self.inlined.insert((v, access.index.clone())) {
            return;
        }
        let node = self.graph.node(v.node);
        let around = self.around(&access.index);
        if node.op.cost() == Cost::Loop {
            let axes = self.group_axes(&around);
            self.hoists.push(axes);
        }
        let before = std::mem::replace(&mut self.context, around);
        node.op.pull(self, node, v.port, &access.index);
        self.context = before;
    }

    /// The loop variables in an index expression.
    fn variables(&self, index: &[Val]) -> Vars {
        let mut out = Vars::new();
        let mut stack: Vec<Val> = index.to_vec();
        let mut seen = FxHashSet::default();
        while let Some(v) = stack.pop() {
            if !seen.insert(v) {
                continue;
            }
            if self.vars.contains_key(&v) {
                out.push(v);
            } else if let Some(vars) = self.stand_ins.get(&v) {
                stack.extend(vars.iter().copied());
            } else {
                operands(self.b.inst(v), |o| stack.push(o));
            }
        }
        out.sort_unstable();
        out
    }

    /// All loops around the computation of something at `index`.
    fn around(&self, index: &[Val]) -> Vars {
        let mut out = self.variables(index);
        for v in out.clone() {
            out.extend(self.vars[&v].outer.iter().copied());
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    fn group_axes(&self, vars: &[Val]) -> Vec<u8> {
        let mut axes: Vec<u8> = vars.iter().filter_map(|v| self.vars[v].axis).collect();
        if self.chunked && !axes.contains(&0) {
            axes.push(0);
        }
        axes.sort_unstable();
        axes
    }

    /// Whether a loop computed at this index would run no more often than it has results, and can be
    /// hoisted together with those already there.
    pub fn computed_once(&self, v: Value, access: &Access) -> bool {
        let around = self.around(&access.index);
        let runs: usize = around.iter().map(|v| self.vars[v].extent).product();
        if runs > self.graph.ty(v).shape.numel() {
            return false;
        }
        let axes = self.group_axes(&around);
        let within = |a: &[u8], b: &[u8]| a.iter().all(|x| b.contains(x));
        self.can_lead(&axes) && self.hoists.iter().all(|h| within(h, &axes) || within(&axes, h))
    }

    /// How often a value is computed at this index for each of its elements.
    pub fn repetitions(&self, v: Value, access: &Access) -> usize {
        let runs: usize = self.around(&access.index).iter().map(|v| self.vars[v].extent).product();
        runs / self.graph.ty(v).shape.numel().max(1)
    }

    /// Whether the loops over these axes can be outside all others: those around an ordered one are given.
    fn can_lead(&self, axes: &[u8]) -> bool {
        let loops = (0..self.axes.len() as u8).filter(|&a| self.vars.contains_key(&self.axes[a as usize]));
        let Some(last) = axes.iter().copied().filter(|&a| self.ordered[a as usize]).max() else {
            return true;
        };
        loops.filter(|&a| !self.ordered[a as usize] || a < last).all(|a| axes.contains(&a))
    }

    /// The group's axes that an index names, if it names each of them plainly and at most once.
    pub fn axes_of(&self, access: &Access, shape: &Shape) -> Option<SmallVec<[u8; 4]>> {
        let mut out: SmallVec<[u8; 4]> = SmallVec::new();
        for (v, dim) in access.index.iter().zip(shape.iter()) {
            if dim.is_one() {
                out.push(NO_AXIS);
                continue;
            }
            let var = self.vars.get(v)?;
            let axis = var.axis.filter(|a| !out.contains(a) && var.extent == dim.get())?;
            out.push(axis);
        }
        let mut named: Vec<u8> = out.iter().copied().filter(|&a| a != NO_AXIS).collect();
        named.sort_unstable();
        let within = |a: &[u8], b: &[u8]| a.iter().all(|x| b.contains(x));
        self.hoists.iter().all(|h| within(h, &named) || within(&named, h)).then_some(out)
    }

    /// Whether it is chunks that the group's first loop walks.
    pub fn is_chunked(&self) -> bool {
        self.chunked
    }

    /// How many results the group's loops have.
    pub fn space(&self) -> usize {
        self.axes.iter().filter_map(|a| self.vars.get(a)).map(|v| v.extent).product()
    }

    /// The index of the group's first loops.
    pub fn leading(&self, count: usize) -> Access {
        Access { index: self.axes[..count].into() }
    }

    /// Whether an index is that of the group's loops.
    pub fn is_own_index(&self, access: &Access) -> bool {
        access.index == self.axes
    }

    /// Notes that a value is stored by the loops over these axes.
    pub fn hoist(&mut self, axes: &[u8]) {
        let mut axes: Vec<u8> = axes.iter().copied().filter(|&a| a != NO_AXIS).collect();
        axes.sort_unstable();
        self.hoists.push(axes);
    }

    /// The order of the group's loops, outermost first: axes that more is hoisted by come first.
    /// Axes that must run in order come last.
    pub fn order(&self) -> SmallVec<[u8; 4]> {
        let mut order: SmallVec<[u8; 4]> = (0..self.axes.len() as u8).collect();
        let count = |a: u8| self.hoists.iter().filter(|h| h.contains(&a)).count();
        // Among themselves ordered axes stay as they are: of two writes to one place the later one counts.
        let key = |a: u8| {
            if self.ordered[a as usize] { (true, None) } else { (false, Some(std::cmp::Reverse(count(a)))) }
        };
        order.sort_by_key(|&a| key(a));
        order
    }

    /// The number of the group's loops that all hoisted values share.
    pub fn shared_rows(&self) -> Option<usize> {
        self.hoists.iter().map(|h| h.len()).min()
    }

    fn stand_in(&mut self, ty: Ty, index: &[Val]) -> Val {
        let v = self.b.opaque(ty);
        let vars = self.variables(index);
        self.stand_ins.insert(v, vars);
        v
    }
}

impl Pull for Tracer<'_> {
    fn pull(&mut self, v: Value, index: &[Val]) -> Val {
        let key = (v, Index::from_slice(index));
        if let Some(&known) = self.memo.get(&key) {
            return known;
        }
        let elem = register(self.graph.ty(v).dtype);
        let result = self.stand_in(Ty::scalar(elem), index);
        self.memo.insert(key, result);
        self.found.push((v, Access { index: index.into() }));
        result
    }

    fn type_of(&self, v: Value) -> &Type {
        self.graph.ty(v)
    }

    fn loops(&mut self) -> &mut LoopBuilder {
        &mut self.b
    }

    fn leaf(&mut self, input: &Input, index: &[Val]) -> Val {
        self.stand_in(Ty::scalar(register_of(input.dtype)), index)
    }

    fn reduce(
        &mut self,
        _: Combine,
        extents: &[usize],
        init: Val,
        _: usize,
        body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
    ) -> Val {
        let before = self.context.clone();
        let mut reduced = Index::new();
        for &extent in extents {
            let v = if extent == 1 {
                self.b.index(0)
            } else {
                let v = self.variable(extent, self.context.clone(), None);
                self.context.push(v);
                v
            };
            reduced.push(v);
        }
        body(self, &reduced);
        self.context = before.clone();
        let ty = self.b.ty(init);
        let result = self.b.opaque(ty);
        self.stand_ins.insert(result, before);
        result
    }
}
