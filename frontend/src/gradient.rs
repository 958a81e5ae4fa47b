//! The graph of gradients: where the gradient of a recorded value goes.
//!
//! A [`GradNode`] belongs to one recorded primitive, one leaf or one custom function. What torch calls a
//! `grad_fn` is a [`Function`]: all primitives that one user-level operation recorded, opened by a [`Scope`]. It
//! carries torch's name and what the operation's gradient saves; torch's errors about saved values that were
//! overwritten or freed follow from it.

use crate::error::Result;
use crate::record::{Recorded, RecordedNode, lock, next_seq};
use crate::storage::VersionRef;
use crate::tensor::Tensor;
use rustorch_ir::graph::Type;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Called with a gradient; what it returns replaces it.
pub type Hook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;
/// Called with a leaf after its gradient was accumulated.
pub type PostHook = Arc<dyn Fn() -> Result<()> + Send + Sync>;
/// The backward of a custom function: gradients of its outputs to gradients of its inputs.
pub type Callback = Arc<dyn Fn(&[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> + Send + Sync>;
/// Names a hook among those of its tensor.
pub type HookId = u64;

static NEXT_HOOK: AtomicU64 = AtomicU64::new(0);

pub(crate) fn next_hook() -> HookId {
    NEXT_HOOK.fetch_add(1, Relaxed)
}

/// The `.grad` of a tensor and what a leaf runs when its gradient arrives.
#[derive(Default)]
pub struct GradSlot {
    pub(crate) grad: Mutex<Option<Tensor>>,
    /// How the variable's axes lie in memory, outermost first: its gradient's lie the same way.
    pub(crate) order: Mutex<SmallVec<[usize; 4]>>,
    pub(crate) hooks: Mutex<Vec<(HookId, Hook)>>,
    pub(crate) post_hooks: Mutex<Vec<(HookId, PostHook)>>,
}

/// A value that a gradient will read, by its storage's version when it was saved.
pub(crate) struct Saved {
    pub version: VersionRef,
    pub at: u64,
    pub ty: Type,
    /// `output 0 of ExpBackward0`, where it is the result of an operation.
    pub origin: Option<(u8, Cow<'static, str>)>,
}

/// One differentiable operation as users see it.
pub struct Function {
    name: &'static str,
    saved: Mutex<SmallVec<[Saved; 2]>>,
    /// Whether the gradient reads any operand or result: if not, it may run any number of times.
    saves: AtomicBool,
}

impl Function {
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn saves(&self) -> bool {
        self.saves.load(Relaxed)
    }

    pub(crate) fn saved(&self) -> MutexGuard<'_, SmallVec<[Saved; 2]>> {
        lock(&self.saved)
    }
}

struct Open {
    name: &'static str,
    function: Option<Arc<Function>>,
}

thread_local! {
    static SCOPE: RefCell<Option<Open>> = const { RefCell::new(None) };
}

/// While it lives, what this thread records belongs to one operation. A scope within a scope changes nothing:
/// the outer operation is the one that users called.
#[must_use = "the operation ends when the scope is dropped"]
pub struct Scope {
    /// What to put back: `None` if the scope was opened within another one.
    before: Option<Option<Open>>,
}

impl Scope {
    /// `name` is torch's name of the gradient function: `MulBackward0`.
    pub fn enter(name: &'static str) -> Scope {
        SCOPE.with_borrow_mut(|scope| {
            if scope.is_some() {
                return Scope { before: None };
            }
            *scope = Some(Open { name, function: None });
            Scope { before: Some(None) }
        })
    }

    /// An operation of its own, even within another one; without a name, no operation at all.
    pub(crate) fn replace(name: Option<&'static str>) -> Scope {
        let open = name.map(|name| Open { name, function: None });
        Scope { before: Some(SCOPE.replace(open)) }
    }

    /// Whether anything recorded so far tracks a gradient: only then saving matters.
    pub fn tracks(&self) -> bool {
        SCOPE.with_borrow(|scope| scope.as_ref().is_some_and(|open| open.function.is_some()))
    }

    /// Says that the gradient reads `tensor` as it is now. For operands that an in-place operation overwrites,
    /// nothing is to be said: their old values live on in the graph.
    pub fn save(&self, tensor: &Tensor) -> Result<()> {
        let function = SCOPE.with_borrow(|scope| scope.as_ref().and_then(|open| open.function.clone()));
        if let Some(function) = function {
            let saved = tensor.to_save()?;
            function.saves.store(true, Relaxed);
            function.saved().push(saved);
        }
        Ok(())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            SCOPE.set(before);
        }
    }
}

fn current_function() -> Option<Arc<Function>> {
    SCOPE.with_borrow_mut(|scope| {
        let open = scope.as_mut()?;
        let name = open.name;
        let new = || Arc::new(Function { name, saved: Mutex::default(), saves: AtomicBool::new(false) });
        Some(open.function.get_or_insert_with(new).clone())
    })
}

/// Something that wants to see the gradient of one result of a node.
#[derive(Clone)]
pub(crate) enum Watch {
    Hook(HookId, Hook),
    /// `.grad` of a tensor that is no leaf: after all hooks.
    Retain(Weak<GradSlot>),
}

pub(crate) enum Kind {
    /// The node's own op says its gradient.
    Op,
    Leaf(Arc<GradSlot>),
    Custom {
        name: String,
        results: Vec<Type>,
    },
    /// The value was overwritten, or is a step: its gradient ends here, as zero.
    End,
}

#[derive(Default)]
pub(crate) struct GradEdges {
    pub inputs: SmallVec<[Recorded; 3]>,
    /// The primitive whose gradient this is.
    pub node: Option<Arc<RecordedNode>>,
    pub callback: Option<Callback>,
    /// A backward pass went through and dropped what the gradient needs.
    pub freed: bool,
}

impl GradEdges {
    fn release(&mut self) -> GradEdges {
        std::mem::replace(self, GradEdges { freed: true, ..GradEdges::default() })
    }
}

pub struct GradNode {
    seq: u64,
    kind: Kind,
    function: Option<Arc<Function>>,
    edges: Mutex<GradEdges>,
    watches: Mutex<Vec<(u8, Watch)>>,
    /// One bit for each result that is the value of a tensor.
    adopted: AtomicU64,
}

impl GradNode {
    fn new(seq: u64, kind: Kind, function: Option<Arc<Function>>, edges: GradEdges) -> Arc<GradNode> {
        Arc::new(GradNode {
            seq,
            kind,
            function,
            edges: Mutex::new(edges),
            watches: Mutex::default(),
            adopted: AtomicU64::new(0),
        })
    }

    pub(crate) fn of_op(node: &Arc<RecordedNode>, inputs: &[&Recorded]) -> Arc<GradNode> {
        let inputs = inputs.iter().map(|&r| r.clone()).collect();
        let edges = GradEdges { inputs, node: Some(node.clone()), callback: None, freed: false };
        GradNode::new(node.seq(), Kind::Op, current_function(), edges)
    }

    pub(crate) fn leaf(slot: Arc<GradSlot>) -> Arc<GradNode> {
        GradNode::new(next_seq(), Kind::Leaf(slot), None, GradEdges::default())
    }

    pub(crate) fn custom(
        inputs: &[Recorded],
        results: Vec<Type>,
        callback: Callback,
        name: &str,
    ) -> Arc<GradNode> {
        let edges = GradEdges { inputs: inputs.into(), node: None, callback: Some(callback), freed: false };
        GradNode::new(next_seq(), Kind::Custom { name: name.into(), results }, None, edges)
    }

    /// The history of a value that does not depend on `operands`, though their gradient through it is 0 and not
    /// missing.
    pub(crate) fn ends(operands: impl IntoIterator<Item = Recorded>) -> Arc<GradNode> {
        let edges = GradEdges { inputs: operands.into_iter().collect(), ..GradEdges::default() };
        GradNode::new(next_seq(), Kind::End, current_function(), edges)
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Makes result `port` the value of a tensor; `false` if it already is one's.
    pub(crate) fn adopt(&self, port: u8) -> bool {
        let bit = 1u64 << (port % 64);
        self.adopted.fetch_or(bit, Relaxed) & bit == 0
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    pub fn function(&self) -> Option<&Arc<Function>> {
        self.function.as_ref()
    }

    pub(crate) fn edges(&self) -> MutexGuard<'_, GradEdges> {
        lock(&self.edges)
    }

    /// Drops what the gradient needs, unless it needs nothing that torch would have saved.
    pub(crate) fn free(&self) {
        if self.function.as_ref().is_some_and(|f| !f.saves())
            || matches!(self.kind, Kind::Leaf(_) | Kind::End)
        {
            return;
        }
        let released = self.edges().release();
        drop(released);
    }

    /// torch's name of the function: `AddBackward0`, `AccumulateGrad`.
    pub fn name(&self) -> Cow<'static, str> {
        if let Some(function) = &self.function {
            return Cow::Borrowed(function.name);
        }
        match &self.kind {
            Kind::Leaf(_) => Cow::Borrowed("AccumulateGrad"),
            Kind::Custom { name, .. } => Cow::Owned(name.clone()),
            Kind::End => Cow::Borrowed("ZeroBackward0"),
            Kind::Op => {
                let text = self.edges().node.as_ref().map(|n| n.op().to_string()).unwrap_or_default();
                let word = text.split('<').next().unwrap_or_default();
                let camel: String = word
                    .split('_')
                    .map(|part| part[..part.len().min(1)].to_uppercase() + part.get(1..).unwrap_or_default())
                    .collect();
                Cow::Owned(format!("{camel}Backward0"))
            }
        }
    }

    /// The functions that the gradient of this one goes to, with the result's number: torch's `next_functions`.
    /// Operands without gradient are left out.
    pub fn next_functions(self: &Arc<GradNode>) -> Vec<(Arc<GradNode>, u8)> {
        let own = |node: &GradNode| match (&node.function, &self.function) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let mut out: Vec<(Arc<GradNode>, u8)> = Vec::new();
        let mut seen: Vec<u64> = vec![self.seq];
        let mut open = vec![self.clone()];
        while let Some(node) = open.pop() {
            for input in &node.edges().inputs {
                let Some((next, port)) = input.grad_node() else { continue };
                if own(next) {
                    if !seen.contains(&next.seq) {
                        seen.push(next.seq);
                        open.push(next.clone());
                    }
                } else if !out.iter().any(|(n, p)| Arc::ptr_eq(n, next) && *p == port) {
                    out.push((next.clone(), port));
                }
            }
        }
        out
    }

    pub(crate) fn watch(&self, port: u8, watch: Watch) {
        lock(&self.watches).push((port, watch));
    }

    pub(crate) fn unwatch(&self, id: HookId) {
        lock(&self.watches).retain(|(_, w)| !matches!(w, Watch::Hook(other, _) if *other == id));
    }

    pub(crate) fn watches(&self, port: u8) -> SmallVec<[Watch; 2]> {
        lock(&self.watches).iter().filter(|(p, _)| *p == port).map(|(_, w)| w.clone()).collect()
    }

    pub(crate) fn is_watched(&self) -> bool {
        !lock(&self.watches).is_empty()
    }
}

thread_local! {
    /// Edges of gradient nodes that are being dropped: what they free joins them instead of nesting.
    static DROPPED: RefCell<Vec<GradEdges>> = const { RefCell::new(Vec::new()) };
    static DROPPING: Cell<bool> = const { Cell::new(false) };
}

impl Drop for GradNode {
    /// Iterative, also through tensors that custom functions hold: the outermost drop on a thread empties the
    /// list that the inner ones fill.
    fn drop(&mut self) {
        let edges = self.edges.get_mut().unwrap_or_else(PoisonError::into_inner).release();
        if edges.inputs.is_empty() && edges.callback.is_none() {
            return;
        }
        let mut edges = Some(edges);
        let outermost = DROPPED.try_with(|list| {
            list.borrow_mut().extend(edges.take());
            !DROPPING.replace(true)
        });
        if outermost != Ok(true) {
            return;
        }
        while let Some(next) = DROPPED.with_borrow_mut(Vec::pop) {
            drop(next);
        }
        DROPPING.set(false);
    }
}
