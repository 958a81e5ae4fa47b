//! The backward pass: one sweep over gradient nodes, latest first.
//!
//! A node is visited once, when all gradients of its results are in: its users were recorded later and have been
//! visited before. So diamonds cost what they hold, and nothing recurses.

mod recorder;

use crate::error::{Error, Result, fail, runtime};
use crate::grad_mode::ModeGuard;
use crate::gradient::{Callback, Function, GradNode, GradSlot, Hook, Kind, Scope, Watch};
use crate::record::{Recorded, lock, sum_to_shape};
use crate::tensor::{REPEATED, Tensor};
use rustc_hash::{FxHashMap, FxHashSet};
use rustorch_ir::graph::Type;
use rustorch_ir::{Literal, Shape};
use smallvec::SmallVec;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The graph can be walked again.
    pub retain_graph: bool,
    /// Gradients are themselves recorded for gradients.
    pub create_graph: bool,
    /// Gradients of leaves are added to their `.grad`; else those of the inputs are returned.
    pub accumulate: bool,
    /// Inputs that the result does not depend on have gradient `None` instead of being an error.
    pub allow_unused: bool,
}

type NodeKey = *const GradNode;
type Slots = SmallVec<[Option<Recorded>; 1]>;

/// Differentiates `tensors`, whose gradients are `grads` (1 where `None`).
///
/// With `inputs` only the paths to them are walked. Without [`Options::accumulate`] their gradients are the
/// result, one for each input.
pub fn backward(
    tensors: &[Tensor],
    grads: &[Option<Tensor>],
    inputs: Option<&[Tensor]>,
    options: Options,
) -> Result<Vec<Option<Tensor>>> {
    let _mode = ModeGuard::grad(options.create_graph);
    let _scope = Scope::replace(None);
    let mut sweep = Sweep {
        options,
        open: FxHashMap::default(),
        heap: BinaryHeap::new(),
        checked: FxHashSet::default(),
        captures: FxHashMap::default(),
        captured: Vec::new(),
        awaited: FxHashMap::default(),
        needed: None,
        flat: FxHashMap::default(),
    };
    let roots = roots(tensors, grads)?;
    if let Some(inputs) = inputs {
        sweep.want(inputs)?;
    }
    sweep.survey(&roots, inputs.is_some());
    for (value, grad) in roots {
        if let Some((node, port)) = value.grad_node() {
            sweep.send(node, port, grad)?;
            sweep.arrived(node);
        }
    }
    sweep.run()?;
    sweep.results(inputs)
}

/// The values to differentiate, with their gradients.
fn roots(tensors: &[Tensor], grads: &[Option<Tensor>]) -> Result<Vec<(Recorded, Recorded)>> {
    let mut roots = Vec::with_capacity(tensors.len());
    for (i, tensor) in tensors.iter().enumerate() {
        if !tensor.requires_grad() {
            return fail(
                Error::Autograd,
                format!("element {i} of tensors does not require grad and does not have a grad_fn"),
            );
        }
        let value = tensor.read()?;
        let grad = match grads.get(i).and_then(Option::as_ref) {
            Some(grad) => given(i, &grad.read()?, value.ty())?,
            None if value.numel() != 1 => {
                return fail(Error::Autograd, "grad can be implicitly created only for scalar outputs");
            }
            None => Recorded::full(Literal::from_f64(value.dtype(), 1.0), value.shape())?,
        };
        roots.push((value, grad));
    }
    Ok(roots)
}

fn given(i: usize, grad: &Recorded, ty: &Type) -> Result<Recorded> {
    if grad.shape() != &ty.shape {
        let size = |s: &Shape| format!("torch.Size({s})");
        let message = format!(
            "Mismatch in shape: grad_output[{i}] has a shape of {} and output[{i}] has a shape of {}.",
            size(grad.shape()),
            size(&ty.shape)
        );
        return Err(Error::shapes(message, grad.shape(), &ty.shape));
    }
    grad.cast(ty.dtype)
}

/// Set in the order of leaves that have all of their gradients: they come before everything else.
const LEAVES: u64 = 1 << 63;

struct Sweep {
    options: Options,
    /// Nodes that gradients have arrived for, with one slot for each result.
    open: FxHashMap<NodeKey, (Arc<GradNode>, Slots)>,
    heap: BinaryHeap<(u64, NodeKey)>,
    /// Functions whose saved values were found unchanged.
    checked: FxHashSet<*const Function>,
    /// Results whose gradients are asked for, with their places in `captured`.
    captures: FxHashMap<NodeKey, SmallVec<[(u8, usize); 1]>>,
    captured: Vec<Option<Recorded>>,
    /// How many edges from nodes that were not visited yet lead to a leaf.
    awaited: FxHashMap<NodeKey, usize>,
    /// With inputs: the nodes on paths to them, and whether a path goes on from there.
    needed: Option<FxHashMap<NodeKey, bool>>,
    /// Values whose gradient is 0 where no other path brings one.
    flat: FxHashMap<(NodeKey, u8), Recorded>,
}

impl Sweep {
    /// Notes whose gradients are asked for.
    fn want(&mut self, inputs: &[Tensor]) -> Result<()> {
        if inputs.is_empty() && self.options.accumulate {
            return runtime("`inputs` argument to `backward()` cannot be empty.");
        }
        self.captured = vec![None; inputs.len()];
        for (i, input) in inputs.iter().enumerate() {
            if !input.requires_grad() {
                return fail(Error::Autograd, "One of the differentiated Tensors does not require grad");
            }
            if self.options.accumulate && !input.is_leaf()? {
                input.retain_grad()?;
            }
            let value = input.read()?;
            if let Some((node, port)) = value.grad_node() {
                self.captures.entry(Arc::as_ptr(node)).or_default().push((port, i));
            }
        }
        Ok(())
    }

    /// Looks at the whole graph: at what leads to each leaf, and with inputs at the paths to them.
    fn survey(&mut self, roots: &[(Recorded, Recorded)], pruned: bool) {
        let mut nodes: FxHashMap<NodeKey, Arc<GradNode>> = FxHashMap::default();
        let mut stack: Vec<Arc<GradNode>> = Vec::new();
        let mut reach = |value: &Recorded, stack: &mut Vec<Arc<GradNode>>| {
            let Some((node, _)) = value.grad_node() else { return };
            if node.is_leaf() {
                *self.awaited.entry(Arc::as_ptr(node)).or_default() += 1;
            }
            if nodes.insert(Arc::as_ptr(node), node.clone()).is_none() {
                stack.push(node.clone());
            }
        };
        roots.iter().for_each(|(value, _)| reach(value, &mut stack));
        while let Some(node) = stack.pop() {
            node.edges().inputs.iter().for_each(|input| reach(input, &mut stack));
        }
        if pruned {
            self.prune(&nodes);
        }
    }

    /// Finds the paths from the roots to the inputs. Edges lead to nodes recorded earlier, so in order of
    /// recording every node comes after those its gradient goes to.
    fn prune(&mut self, nodes: &FxHashMap<NodeKey, Arc<GradNode>>) {
        let mut order: Vec<&Arc<GradNode>> = nodes.values().collect();
        order.sort_unstable_by_key(|n| n.seq());
        let mut needed: FxHashMap<NodeKey, bool> = FxHashMap::default();
        for node in order {
            let key = Arc::as_ptr(node);
            let onward = node
                .edges()
                .inputs
                .iter()
                .any(|r| r.grad_node().is_some_and(|(n, _)| needed.contains_key(&Arc::as_ptr(n))));
            if onward || self.captures.contains_key(&key) {
                needed.insert(key, onward);
            }
        }
        self.needed = Some(needed);
    }

    /// Adds a gradient of result `port` of `node`.
    fn send(&mut self, node: &Arc<GradNode>, port: u8, grad: Recorded) -> Result<()> {
        let Some(slot) = self.slot(node, port) else { return Ok(()) };
        *slot = Some(match slot.take() {
            Some(before) => before.add(&grad)?,
            None => grad,
        });
        Ok(())
    }

    /// The place for the gradient of result `port` of `node`, which will be visited; `None` if nobody asks for it.
    fn slot(&mut self, node: &Arc<GradNode>, port: u8) -> Option<&mut Option<Recorded>> {
        let key = Arc::as_ptr(node);
        if self.needed.as_ref().is_some_and(|needed| !needed.contains_key(&key)) {
            return None;
        }
        let slots = match self.open.entry(key) {
            std::collections::hash_map::Entry::Occupied(e) => &mut e.into_mut().1,
            std::collections::hash_map::Entry::Vacant(e) => {
                // A leaf waits for all of its gradients.
                if !node.is_leaf() {
                    self.heap.push((node.seq(), key));
                }
                &mut e.insert((node.clone(), Slots::new())).1
            }
        };
        if slots.len() <= port as usize {
            slots.resize(port as usize + 1, None);
        }
        slots.get_mut(port as usize)
    }

    /// Says that one of the edges to a node has been followed.
    fn arrived(&mut self, node: &Arc<GradNode>) {
        let key = Arc::as_ptr(node);
        if let Some(count) = self.awaited.get_mut(&key) {
            *count -= 1;
            if *count == 0 && self.open.contains_key(&key) {
                self.heap.push((LEAVES | node.seq(), key));
            }
        }
    }

    fn run(&mut self) -> Result<()> {
        loop {
            while let Some((_, key)) = self.heap.pop() {
                if let Some((node, mut grads)) = self.open.remove(&key) {
                    self.visit(&node, &mut grads)?;
                }
            }
            // Leaves that also wait for paths on which no gradient comes.
            self.heap.extend(self.open.iter().map(|(&key, (node, _))| (node.seq(), key)));
            if self.heap.is_empty() {
                return Ok(());
            }
        }
    }

    fn visit(&mut self, node: &Arc<GradNode>, grads: &mut Slots) -> Result<()> {
        for (port, grad) in grads.iter_mut().enumerate() {
            if let (None, Some(value)) = (&grad, self.flat.remove(&(Arc::as_ptr(node), port as u8))) {
                *grad = Some(value.literal(0.0).broadcast_to(value.shape())?);
            }
        }
        if let Kind::Leaf(slot) = node.kind() {
            let hooks: Vec<Hook> = lock(&slot.hooks).iter().map(|(_, h)| h.clone()).collect();
            if let Some(Some(grad)) = grads.first_mut() {
                for hook in hooks {
                    call_hook(&hook, grad)?;
                }
            }
        }
        self.show(node, grads)?;
        if let Some(wanted) = self.captures.get(&Arc::as_ptr(node)) {
            for &(port, i) in wanted {
                self.captured[i] = grads.get(port as usize).cloned().flatten();
            }
        }
        if let Kind::Leaf(slot) = node.kind() {
            if let (true, Some(Some(grad))) = (self.options.accumulate, grads.first()) {
                accumulate(slot, grad, self.options.create_graph)?;
            }
            return Ok(());
        }
        if self.needed.as_ref().is_some_and(|needed| needed.get(&Arc::as_ptr(node)) != Some(&true)) {
            return Ok(());
        }
        self.check_saved(node)?;
        self.differentiate(node, grads)?;
        if !self.options.retain_graph {
            node.free();
        }
        Ok(())
    }

    /// Hooks of tensors, and then `.grad` of those that retain it.
    fn show(&self, node: &GradNode, grads: &mut Slots) -> Result<()> {
        if !node.is_watched() {
            return Ok(());
        }
        for (port, grad) in grads.iter_mut().enumerate() {
            let Some(grad) = grad else { continue };
            let watches = node.watches(port as u8);
            for watch in &watches {
                if let Watch::Hook(_, hook) = watch {
                    call_hook(hook, grad)?;
                }
            }
            for watch in &watches {
                if let Watch::Retain(slot) = watch
                    && let Some(slot) = slot.upgrade()
                {
                    accumulate(&slot, grad, self.options.create_graph)?;
                }
            }
        }
        Ok(())
    }

    fn check_saved(&mut self, node: &GradNode) -> Result<()> {
        let Some(function) = node.function() else { return Ok(()) };
        if !self.checked.insert(Arc::as_ptr(function)) {
            return Ok(());
        }
        for saved in function.saved().iter() {
            let now = saved.version.load(Relaxed);
            if now == saved.at {
                continue;
            }
            let origin = match &saved.origin {
                Some((port, name)) => format!(", which is output {port} of {name},"),
                None => String::new(),
            };
            return fail(
                Error::SavedModified,
                format!(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: \
                 [torch.{}Tensor {}]{origin} is at version {now}; expected version {} instead. Hint: enable \
                 anomaly detection to find the operation that failed to compute its gradient, with \
                 torch.autograd.set_detect_anomaly(True).",
                    saved.ty.dtype.scalar_type_name(),
                    saved.ty.shape,
                    saved.at
                ),
            );
        }
        Ok(())
    }

    fn differentiate(&mut self, node: &Arc<GradNode>, grads: &Slots) -> Result<()> {
        let (inputs, recorded, callback) = {
            let edges = node.edges();
            if edges.freed {
                return fail(
                    Error::GraphFreed,
                    "Trying to backward through the graph a second time (or directly access saved tensors after \
                     they have already been freed). Saved intermediate values of the graph are freed when you call \
                     .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the \
                     graph a second time or if you need to access saved tensors after calling backward.",
                );
            }
            (edges.inputs.clone(), edges.node.clone(), edges.callback.clone())
        };
        let found: Vec<Option<Recorded>> = match (node.kind(), recorded, callback) {
            (Kind::Op, Some(recorded), _) => recorder::vjp(node, &recorded, &inputs, grads)?,
            (Kind::Custom { name, results }, _, Some(callback)) => {
                custom(name, results.len(), &callback, &inputs, grads)?
            }
            (Kind::Refused, ..) => return runtime(REPEATED),
            (Kind::End { first }, ..) => {
                let grad = grads.first().cloned().flatten();
                return self.end(&inputs, grad.filter(|_| *first));
            }
            _ => return Ok(()),
        };
        for (input, grad) in inputs.iter().zip(found) {
            let Some((next, port)) = input.grad_node() else { continue };
            match grad {
                Some(grad) => self.send(next, port, grad)?,
                None if matches!(next.kind(), Kind::End { .. }) => {
                    self.slot(next, port);
                }
                None => {}
            }
            self.arrived(next);
        }
        Ok(())
    }

    /// Behind a value on which its operands have no influence, but for the first if `grad` goes on to it: their
    /// gradient is 0, not missing.
    fn end(&mut self, inputs: &[Recorded], mut grad: Option<Recorded>) -> Result<()> {
        for input in inputs {
            let onward = grad.take();
            let Some((next, port)) = input.grad_node() else { continue };
            match onward {
                Some(grad) => self.send(next, port, grad)?,
                None if self.slot(next, port).is_some() => {
                    self.flat.insert((Arc::as_ptr(next), port), input.clone());
                }
                None => {}
            }
            self.arrived(next);
        }
        Ok(())
    }

    fn results(self, inputs: Option<&[Tensor]>) -> Result<Vec<Option<Tensor>>> {
        let Some(inputs) = inputs.filter(|_| !self.options.accumulate) else { return Ok(Vec::new()) };
        let mut out = Vec::with_capacity(inputs.len());
        for (i, (grad, input)) in self.captured.into_iter().zip(inputs).enumerate() {
            out.push(match grad {
                Some(grad) => Some(laid_out(&grad, &input.memory_order(), self.options.create_graph)?),
                None if self.options.allow_unused => None,
                None => {
                    return fail(
                        Error::Autograd,
                        format!(
                            "The differentiated Tensor at index {i} appears to not have been used in the graph. Set \
                             allow_unused=True if this is the desired behavior."
                        ),
                    );
                }
            });
        }
        Ok(out)
    }
}

/// Shows a gradient to a hook, which may replace it by one of the same type.
fn call_hook(hook: &Hook, grad: &mut Recorded) -> Result<()> {
    if let Some(new) = hook(&Tensor::from_value(grad.clone())?)? {
        let new = new.read()?;
        if new.shape() != grad.shape() {
            return runtime("hook has changed the size of value");
        }
        if new.dtype() != grad.dtype() {
            return runtime("hook has changed the type of value");
        }
        *grad = new;
    }
    Ok(())
}

/// A custom function's gradients, brought to the shapes and dtypes of its inputs.
fn custom(
    name: &str,
    results: usize,
    callback: &Callback,
    inputs: &[Recorded],
    grads: &Slots,
) -> Result<Vec<Option<Recorded>>> {
    let mut given: Vec<Option<Tensor>> = Vec::with_capacity(results);
    for port in 0..results {
        given.push(match grads.get(port).cloned().flatten() {
            Some(grad) => Some(Tensor::from_value(grad)?),
            None => None,
        });
    }
    let found = callback(&given)?;
    if found.len() != inputs.len() {
        return runtime(format!(
            "function {name} returned an incorrect number of gradients (expected {}, got {})",
            inputs.len(),
            found.len()
        ));
    }
    let mut out = Vec::with_capacity(found.len());
    for (i, (grad, input)) in found.into_iter().zip(inputs).enumerate() {
        let Some(grad) = grad else {
            out.push(None);
            continue;
        };
        let grad = grad.read()?;
        if input.shape().broadcast(grad.shape()).as_ref() != Ok(grad.shape()) {
            let message = format!(
                "Function {name} returned an invalid gradient at index {i} - got {} but expected shape compatible \
                 with {}",
                grad.shape(),
                input.shape()
            );
            return Err(Error::shapes(message, grad.shape(), input.shape()));
        }
        out.push(Some(sum_to_shape(&grad, input.shape())?.cast(input.dtype())?));
    }
    Ok(out)
}

/// A gradient as a tensor whose axes lie in memory as its variable's do.
fn laid_out(grad: &Recorded, order: &[usize], create_graph: bool) -> Result<Tensor> {
    let value = if create_graph { grad.clone() } else { grad.detach() };
    if order.len() == value.rank() {
        Tensor::from_value_in_order(value, order)
    } else {
        Tensor::from_value(value)
    }
}

/// Adds to `.grad`: in place, so that its other handles see it, unless the sum is itself to be differentiated.
fn accumulate(slot: &Arc<GradSlot>, grad: &Recorded, create_graph: bool) -> Result<()> {
    crate::capture::grad(slot, true);
    let before = lock(&slot.grad).clone();
    let order = lock(&slot.order).clone();
    match before {
        Some(before) if !create_graph => before.write(before.read()?.add(grad)?.detach())?,
        Some(before) => {
            let sum = laid_out(&before.read()?.add(grad)?, &order, true)?;
            let old = lock(&slot.grad).replace(sum);
            drop(old);
        }
        None => {
            let new = laid_out(grad, &order, create_graph)?;
            let old = lock(&slot.grad).replace(new);
            drop(old);
        }
    }
    let hooks: Vec<_> = lock(&slot.post_hooks).iter().map(|(_, hook)| hook.clone()).collect();
    hooks.iter().try_for_each(|hook| hook())
}
