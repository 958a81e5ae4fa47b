//! In-place writes, through views, with torch's refusals.

use super::{Body, Creation, Tensor};
use crate::error::{Error, Result, fail, runtime};
use crate::grad_mode::{self, ModeGuard};
use crate::gradient::{GradNode, Scope};
use crate::record::Recorded;
use crate::view::Geometry;

/// How the elements of two tensors meet in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overlap {
    No,
    Full,
    Partial,
    /// Some stretch has gaps or repeats: torch does not ask further.
    Unknown,
}

/// torch's judgement, by which operations that write refuse their operands.
pub fn overlap(a: &Tensor, b: &Tensor) -> Overlap {
    if a.is_same(b) {
        return Overlap::Full;
    }
    let (x, y) = (a.geometry(), b.geometry());
    let dense = |g: &Geometry| g.numel() > 0 && g.is_dense();
    if !dense(&x) || !dense(&y) {
        return if x.numel() == 0 || y.numel() == 0 { Overlap::No } else { Overlap::Unknown };
    }
    if !a.shares_storage(b) {
        return Overlap::No;
    }
    match (x.extent(), y.extent()) {
        (Some(p), Some(q)) if p == q && x.strides == y.strides => Overlap::Full,
        (Some(p), Some(q)) if p.0 < q.1 && q.0 < p.1 => Overlap::Partial,
        _ => Overlap::No,
    }
}

impl Tensor {
    /// Replaces the tensor's elements: every alias sees it, and gradients flow through the new value. `value`
    /// has the tensor's shape and dtype.
    pub fn write(&self, value: Recorded) -> Result<()> {
        self.check_write(value.tracks())?;
        self.put(value)
    }

    /// As [`Tensor::write`], for one value everywhere (a 0-d `value` of the tensor's dtype): then places that
    /// several elements share are no obstacle.
    pub fn fill(&self, value: &Recorded) -> Result<()> {
        self.check_fill(value.tracks())?;
        self.put(value.broadcast_to(&self.sizes())?)
    }

    fn put(&self, value: Recorded) -> Result<()> {
        {
            let body = self.body();
            if value.shape() != &body.geometry.sizes {
                let message = format!(
                    "output with shape {} doesn't match the broadcast shape {}",
                    body.geometry.sizes,
                    value.shape()
                );
                return Err(Error::shapes(message, &body.geometry.sizes, value.shape()));
            }
            if value.dtype() != body.dtype {
                return Err(Error::DType(format!(
                    "result type {} can't be cast to the desired output type {}",
                    value.dtype().scalar_type_name(),
                    body.dtype.scalar_type_name()
                )));
            }
        }
        let value = super::own_gradient(value)?;
        crate::realize::recorded(&value)?;
        self.with_body(|body| -> Result<()> {
            body.replace(&value, grad_mode::is_grad_enabled())?;
            body.version.bump(&body.storage);
            Ok(())
        })?;
        crate::realize::eagerly(&self.storage().value())
    }

    /// Whether [`Tensor::write`] is allowed; `tracks` says whether an operand requires grad. Operations ask
    /// before they compute anything, as torch does.
    pub fn check_write(&self, tracks: bool) -> Result<()> {
        self.check_fill(tracks)?;
        let body = self.body();
        if body.geometry.repeats() && body.geometry.numel() > 0 {
            return runtime(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory \
                 location. Please clone() the tensor before performing the operation.",
            );
        }
        Ok(())
    }

    /// Whether [`Tensor::fill`] is allowed.
    pub fn check_fill(&self, tracks: bool) -> Result<()> {
        self.with_body(|body| body.check_fill(tracks))
    }

    /// Counts up the version without a write, as for a tensor that a custom function marked dirty.
    pub fn bump_version(&self) {
        let body = self.body();
        body.version.bump(&body.storage);
    }
}

impl Body {
    fn check_fill(&mut self, tracks: bool) -> Result<()> {
        if self.inference && !grad_mode::is_inference_mode() {
            return fail(
                Error::Autograd,
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to \
                 get a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for \
                 more details.",
            );
        }
        if (tracks || self.tracks()) && grad_mode::is_grad_enabled() {
            self.check_path()?;
        }
        Ok(())
    }

    /// torch's refusals of writes where gradients flow.
    pub(super) fn check_path(&mut self) -> Result<()> {
        self.check_history()?;
        if self.tracks() && self.is_view_of_leaf() {
            return fail(
                Error::Autograd,
                "a view of a leaf Variable that requires grad is being used in an in-place operation.",
            );
        }
        if self.requires_grad {
            return fail(
                Error::Autograd,
                "a leaf Variable that requires grad is being used in an in-place operation.",
            );
        }
        Ok(())
    }

    /// Makes `value` the tensor's elements; its gradient becomes part of the family's history if `rebase`.
    pub(super) fn replace(&mut self, value: &Recorded, rebase: bool) -> Result<()> {
        let old = self.family.read(&self.storage)?;
        let root = if self.chain.is_empty() {
            value.clone()
        } else {
            let _scope = Scope::replace(Some("CopySlices"));
            let _mode = ModeGuard::grad(rebase);
            self.chain.put(&old, value)?
        };
        let whole = grad_mode::no_grad(|| self.family.prefix().put(&self.storage.value(), &root.detach()))?;
        let whole = if self.storage.is_external() {
            crate::realize::write_through(&self.storage.value(), &whole)?;
            self.storage.value()
        } else {
            whole
        };
        let history = match root.grad_node() {
            Some((grad, port)) => Some((grad.clone(), port)),
            None if old.tracks() => Some((GradNode::ends([old]), 0)),
            None => None,
        };
        let previous = std::mem::replace(&mut self.storage.state().value, whole);
        drop(previous);
        if rebase {
            self.family.set_history(&self.storage, history);
        } else {
            self.storage.touch();
        }
        self.cache = None;
        Ok(())
    }

    pub(super) fn is_view_of_leaf(&self) -> bool {
        !self.requires_grad
            && self.creation != Creation::Base
            && self.family.history(&self.storage).is_some_and(|(grad, _)| grad.is_leaf())
    }

    /// torch's refusals by the way the view came to be.
    pub(super) fn check_history(&mut self) -> Result<()> {
        let cure = match self.creation {
            Creation::Base | Creation::View => return Ok(()),
            Creation::Multiple { .. } => {
                "This view is the output of a function that returns multiple views. Such functions do not allow \
                 the output views to be modified inplace. You should replace the inplace operation by an \
                 out-of-place one."
                    .to_string()
            }
            Creation::InFunction => {
                "This view was created inside a custom Function (or because an input was returned as-is) and the \
                 autograd logic to handle view+inplace would override the custom backward associated with the \
                 custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by \
                 cloning the output of the custom Function."
                    .to_string()
            }
            Creation::NoGrad | Creation::Inference => {
                let block = if self.creation == Creation::NoGrad { "no_grad" } else { "inference_mode" };
                format!(
                    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your \
                     code by moving both the view and the inplace either both inside the {block} block (if you \
                     don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
                )
            }
        };
        let value = self.read(None)?;
        let what = match (value.grad_node(), self.creation) {
            (Some((grad, _)), creation) => {
                let index = if let Creation::Multiple { index } = creation { index } else { 0 };
                let name = grad.name();
                let name = name.strip_suffix("Backward0").unwrap_or(&name);
                format!("Output {index} of {name} is a view and is being modified inplace.")
            }
            (None, Creation::Multiple { .. }) => return Ok(()),
            (None, Creation::Inference) => {
                "A view was created in inference mode and is being modified inplace in normal mode."
                    .to_string()
            }
            (None, _) => {
                "A view was created in no_grad mode and is being modified inplace with grad mode enabled."
                    .to_string()
            }
        };
        fail(Error::Autograd, format!("{what} {cure}"))
    }
}
