//! What tensors have to do with gradients: leaves, `.grad`, hooks, `detach`, `data`.

use super::{Body, Cached, Creation, Tensor, fresh_version};
use crate::error::{Error, Result, fail, runtime};
use crate::grad_mode;
use crate::gradient::{
    Callback, GradNode, GradSlot, Hook, HookId, Kind as GradKind, PostHook, Saved, Watch, next_hook,
};
use crate::promote::type_name;
use crate::record::{Recorded, lock};
use crate::storage::Family;
use crate::view::Chain;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

impl Tensor {
    /// Whether gradients flow through this tensor.
    pub fn requires_grad(&self) -> bool {
        self.body().tracks()
    }

    /// `Err` for views that can no longer tell: see [`Tensor::read`].
    pub fn is_leaf(&self) -> Result<bool> {
        Ok(self.grad_node()?.is_none())
    }

    /// torch's `requires_grad_`.
    pub fn set_requires_grad(&self, requires_grad: bool) -> Result<()> {
        let mut body = self.body();
        let tracks = body.has_path();
        if tracks && !body.requires_grad && !requires_grad {
            return fail(
                Error::Autograd,
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable \
                 in a subgraph that doesn't require differentiation use var_no_grad = var.detach().",
            );
        }
        if requires_grad && body.inference && !grad_mode::is_inference_mode() {
            return fail(
                Error::Autograd,
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.",
            );
        }
        if requires_grad && !body.dtype.is_float() {
            return runtime("only Tensors of floating point and complex dtype can require gradients");
        }
        if tracks != requires_grad {
            crate::capture::changes(&body.storage)?;
            body.become_leaf(requires_grad);
        }
        Ok(())
    }

    /// How the axes lie in memory, outermost first, where they fill it without gaps; else row-major.
    pub fn memory_order(&self) -> SmallVec<[usize; 4]> {
        self.geometry().memory_order()
    }

    pub fn grad(&self) -> Option<Tensor> {
        let mut body = self.body();
        // What a captured program is to look at must be there.
        let slot = if crate::capture::is_active() { body.slot() } else { body.slot.clone()? };
        drop(body);
        crate::capture::grad(&slot, true);
        lock(&slot.grad).clone()
    }

    /// Sets `.grad`, which has the tensor's shape and dtype.
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(grad) = &grad {
            if grad.is_same(self) {
                return runtime("can't assign Variable as its own grad");
            }
            let (want, got) = (self.ty(), grad.ty());
            if want.dtype != got.dtype {
                return runtime(format!(
                    "attempting to assign a gradient with dtype '{}' to a tensor with grad_dtype '{}'. The gradient \
                     must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's \
                     grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with \
                     caution. Diverging the dtypes of a tensor and its gradient may break downstream systems that \
                     assume they match.",
                    type_name(got.dtype),
                    want.dtype.scalar_type_name()
                ));
            }
            if want.shape != got.shape {
                return runtime(format!(
                    "attempting to assign a gradient of size '{}' to a tensor of size '{}'. Please ensure that the \
                     gradient and the tensor are the same size",
                    got.shape, want.shape
                ));
            }
        }
        let slot = self.body().slot();
        crate::capture::grad(&slot, false);
        let old = std::mem::replace(&mut *lock(&slot.grad), grad);
        drop(old);
        Ok(())
    }

    /// The node that made the tensor, for tensors that are not leaves, and as which of its results.
    pub fn grad_node(&self) -> Result<Option<(Arc<GradNode>, u8)>> {
        let body = self.body();
        if body.requires_grad || !body.tracks() {
            return Ok(None);
        }
        drop(body);
        let value = self.with_body(Body::read_path)?;
        let node = value.grad_node().filter(|(grad, _)| !matches!(grad.kind(), GradKind::Nowhere));
        Ok(node.map(|(grad, port)| (grad.clone(), port)))
    }

    /// torch's name of `grad_fn`: `AddBackward0`.
    pub fn grad_fn(&self) -> Result<Option<Cow<'static, str>>> {
        Ok(self.grad_node()?.map(|(grad, _)| grad.name()))
    }

    /// Keeps the gradient of a tensor that is no leaf in its `.grad`.
    pub fn retain_grad(&self) -> Result<()> {
        if !self.requires_grad() {
            return fail(Error::Autograd, "can't retain_grad on Tensor that has requires_grad=False");
        }
        let Some((grad, port)) = self.grad_node()? else { return Ok(()) };
        let slot = self.body().slot();
        let kept = grad.watches(port).iter().any(|w| match w {
            Watch::Retain(other) => other.upgrade().is_some_and(|o| Arc::ptr_eq(&o, &slot)),
            Watch::Hook(..) => false,
        });
        if !kept {
            grad.watch(port, Watch::Retain(Arc::downgrade(&slot)));
        }
        Ok(())
    }

    /// Whether `.grad` is kept although this is no leaf.
    pub fn retains_grad(&self) -> Result<bool> {
        let Some((grad, port)) = self.grad_node()? else { return Ok(false) };
        let Some(slot) = self.body().slot.clone() else { return Ok(false) };
        Ok(grad.watches(port).iter().any(|w| match w {
            Watch::Retain(other) => other.upgrade().is_some_and(|o| Arc::ptr_eq(&o, &slot)),
            Watch::Hook(..) => false,
        }))
    }

    /// Calls `hook` with every gradient of this tensor.
    pub fn register_hook(&self, hook: Hook) -> Result<HookId> {
        if !self.requires_grad() {
            return fail(Error::Autograd, "cannot register a hook on a tensor that doesn't require gradient");
        }
        let id = next_hook();
        match self.grad_node()? {
            Some((grad, port)) => grad.watch(port, Watch::Hook(id, hook)),
            None => lock(&self.body().slot().hooks).push((id, hook)),
        }
        Ok(id)
    }

    /// Calls `hook` each time a gradient has been added to this leaf's `.grad`.
    pub fn register_post_accumulate_grad_hook(&self, hook: PostHook) -> Result<HookId> {
        if !self.requires_grad() {
            return fail(Error::Autograd, "cannot register a hook on a tensor that doesn't require gradient");
        }
        if !self.is_leaf()? {
            return fail(
                Error::Autograd,
                "post accumulate grad hooks cannot be registered on non-leaf tensors",
            );
        }
        let id = next_hook();
        lock(&self.body().slot().post_hooks).push((id, hook));
        Ok(id)
    }

    pub fn remove_hook(&self, id: HookId) -> Result<()> {
        if let Some((grad, _)) = self.grad_node()? {
            grad.unwatch(id);
        }
        if let Some(slot) = self.body().slot.clone() {
            lock(&slot.hooks).retain(|(other, _)| *other != id);
            lock(&slot.post_hooks).retain(|(other, _)| *other != id);
        }
        Ok(())
    }

    /// The same elements, shared, as no path for gradients.
    pub fn detach(&self) -> Tensor {
        Tensor::new(self.body().detached())
    }

    /// torch's `detach_`: the tensor itself becomes a leaf that wants no gradient.
    pub fn detach_in_place(&self) {
        let mut body = self.body();
        // Nothing fails here: the capture just ends.
        let _ = crate::capture::changes(&body.storage);
        let detached = Body { version: body.version.clone(), ..body.detached() };
        *body = detached;
    }

    /// As [`Tensor::detach`], with a version counter of its own: writes to it go unseen by gradients.
    pub fn data(&self) -> Tensor {
        let mut body = self.body().detached();
        body.version = fresh_version();
        body.inference = false;
        Tensor::new(body)
    }

    /// torch's assignment to `.data`: the tensor becomes another handle on the elements of `other`, and keeps its
    /// identity, its `.grad` and its being a leaf.
    pub fn set_data(&self, other: &Tensor) -> Result<()> {
        let source = other.body().detached();
        let mut body = self.body();
        crate::capture::changes(&body.storage)?;
        if body.requires_grad && !source.dtype.is_float() {
            return runtime(
                "data set to a tensor that requires gradients must be floating point or complex dtype",
            );
        }
        let history = body.family.history(&body.storage).filter(|_| body.tracks());
        let mut next = source;
        next.version = body.version.clone_for(&body.storage);
        next.requires_grad = body.requires_grad;
        next.slot = body.slot.clone();
        next.base = body.base.clone();
        next.inference = body.inference;
        next.family = Family::new(next.full_chain(), history);
        next.chain = Chain::default();
        next.cache = None;
        *body = next;
        Ok(())
    }

    /// Says that `callback` is the gradient from `outputs` to `inputs`: the outputs become results of one
    /// function called `name`. An output may be an input that was written meanwhile.
    pub fn attach_backward(
        outputs: &[Tensor],
        inputs: &[Tensor],
        callback: Callback,
        name: &str,
    ) -> Result<()> {
        let inputs: Vec<Recorded> = inputs.iter().map(Tensor::read).collect::<Result<_>>()?;
        Tensor::attach_backward_to(outputs, &inputs, callback, name)
    }

    /// As [`Tensor::attach_backward`], for the inputs' values as they were before the function ran.
    pub fn attach_backward_to(
        outputs: &[Tensor],
        inputs: &[Recorded],
        callback: Callback,
        name: &str,
    ) -> Result<()> {
        if !inputs.iter().any(Recorded::tracks) {
            return Ok(());
        }
        let types = outputs.iter().map(Tensor::ty).collect();
        let grad = GradNode::custom(inputs, types, callback, name);
        for (port, output) in outputs.iter().enumerate() {
            if !output.dtype().is_float() {
                continue;
            }
            if output.body().requires_grad {
                return fail(
                    Error::Autograd,
                    "a leaf Variable that requires grad is being used in an in-place operation.",
                );
            }
            let value = output.read()?.detach();
            grad.adopt(port as u8);
            output.body().replace_history(&value.with_grad(grad.clone(), port as u8))?;
        }
        Ok(())
    }

    /// Gives the tensor's elements, which stay as they are, result `port` of `grad` as their path.
    pub(crate) fn replace_path(&self, grad: Arc<GradNode>, port: u8) -> Result<()> {
        let value = self.read()?.detach();
        grad.adopt(port);
        self.body().replace_history(&value.with_grad(grad, port))
    }

    /// A handle that forbids writing where gradients flow: for inputs that a custom function returns as they are.
    pub fn mark_view_of_function(&self) {
        let mut body = self.body();
        if body.creation == Creation::View {
            body.creation = Creation::InFunction;
        }
    }

    pub(crate) fn to_save(&self) -> Result<Saved> {
        let body = self.body();
        if body.inference && !grad_mode::is_inference_mode() {
            return fail(
                Error::Autograd,
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference \
                 mode in computation tracked by autograd. To work around this, you can make a clone to get a normal \
                 tensor and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.",
            );
        }
        let inner = body.tracks() && !body.requires_grad;
        let version = body.version.counter(&body.storage);
        let at = body.version.current(&body.storage);
        let ty = rustorch_ir::Type::new(body.dtype, body.geometry.sizes.clone());
        drop(body);
        let value = if inner { Some(self.read()?) } else { None };
        Ok(Saved {
            version,
            at,
            ty,
            origin: value.and_then(|v| v.grad_node().map(|(grad, port)| (port, grad.name()))),
        })
    }
}

impl Body {
    fn slot(&mut self) -> Arc<GradSlot> {
        let order = self.geometry.memory_order();
        let slot = self
            .slot
            .get_or_insert_with(|| Arc::new(GradSlot { order: order.into(), ..GradSlot::default() }));
        slot.clone()
    }

    pub(super) fn become_leaf(&mut self, requires_grad: bool) {
        self.requires_grad = requires_grad;
        let history = requires_grad.then(|| (GradNode::leaf(self.slot()), 0));
        // Aliases made before are no paths to this leaf: it begins a family of its own.
        if !self.chain.is_empty() || Arc::strong_count(&self.storage) > 1 {
            self.family = Family::new(self.full_chain(), history);
            self.chain = Chain::default();
            self.storage.touch();
        } else {
            self.family.set_history(&self.storage, history);
        }
        self.creation = Creation::Base;
        self.cache = None;
    }

    pub(super) fn detached(&self) -> Body {
        Body {
            family: Family::new(self.full_chain(), None),
            chain: Chain::default(),
            creation: Creation::Base,
            base: None,
            requires_grad: false,
            slot: None,
            cache: self.cache.as_ref().map(Cached::detached),
            ..self.clone()
        }
    }

    /// Gives the tensor's elements, which stay as they are, another gradient.
    fn replace_history(&mut self, value: &Recorded) -> Result<()> {
        let root = if self.chain.is_empty() {
            value.clone()
        } else {
            let old = self.family.read(&self.storage)?;
            let _scope = crate::gradient::Scope::replace(Some("CopySlices"));
            let _mode = grad_mode::ModeGuard::grad(true);
            self.chain.put(&old, value, None)?
        };
        let history = root.grad_node().map(|(grad, port)| (grad.clone(), port));
        self.family.set_history(&self.storage, history);
        self.cache = None;
        if self.chain.is_empty() {
            self.keep(value);
        }
        Ok(())
    }
}

impl GradNode {
    pub fn is_leaf(&self) -> bool {
        matches!(self.kind(), GradKind::Leaf(_))
    }
}
