//! In-place writes, through views, with torch's refusals.

use super::{Body, Creation, Tensor};
use crate::error::{Error, Result, fail, runtime};
use crate::grad_mode::{self, ModeGuard};
use crate::gradient::{GradNode, Scope};
use crate::record::Recorded;
use crate::view::{Geometry, Writes};
use rustorch_ir::DType;

/// torch's refusal of writes to places that several elements share.
pub(crate) const REPEATED: &str = "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please \
     clone() the tensor before performing the operation.";

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
    // In bytes: one may be seen as another dtype.
    let bytes = |g: &Geometry, dtype: DType| {
        g.extent().map(|(low, high)| (low * dtype.size() as i64, high * dtype.size() as i64))
    };
    match (bytes(&x, a.dtype()), bytes(&y, b.dtype())) {
        (Some(p), Some(q)) if p == q && x.strides == y.strides => Overlap::Full,
        (Some(p), Some(q)) if p.0 < q.1 && q.0 < p.1 => Overlap::Partial,
        _ => Overlap::No,
    }
}

/// The error for an operand that shares some memory, but not all, with what is written.
pub fn refuse_partial_overlap(target: &Tensor, operand: &Tensor) -> Result<()> {
    refuse_if(overlap(target, operand) == Overlap::Partial)
}

/// The error for an operand that shares memory with what is written.
pub fn refuse_overlap(target: &Tensor, operand: &Tensor) -> Result<()> {
    refuse_if(matches!(overlap(target, operand), Overlap::Partial | Overlap::Full))
}

fn refuse_if(met: bool) -> Result<()> {
    if !met {
        return Ok(());
    }
    runtime(
        "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory \
         location. Please clone() the tensor before performing the operation.",
    )
}

impl Tensor {
    /// Replaces the tensor's elements: every alias sees it, and gradients flow through the new value. `value`
    /// has the tensor's shape and dtype.
    pub fn write(&self, value: Recorded) -> Result<()> {
        self.check_write(value.tracks())?;
        self.put(value, None)
    }

    /// As [`Tensor::write`], for a value that does not come from what is overwritten, whose gradient is 0.
    pub fn overwrite(&self, value: Recorded) -> Result<()> {
        self.check_write(value.tracks())?;
        let value = if self.requires_grad() { value.beside(&[&self.read()?]) } else { value };
        self.put(value, None)
    }

    /// As [`Tensor::write`], for the elements that are there already.
    pub fn rewrite(&self) -> Result<()> {
        self.check_fill(false)?;
        if self.requires_grad() && grad_mode::is_grad_enabled() {
            return self.put(self.read()?, None);
        }
        self.bump_version();
        Ok(())
    }

    /// As [`Tensor::write`], where elements may share a place.
    pub fn write_shared(&self, value: Recorded, writes: &Writes) -> Result<()> {
        self.check_fill(value.tracks())?;
        self.put(value, Some(writes))
    }

    /// As [`Tensor::write`], for one value everywhere (a 0-d `value` of the tensor's dtype): then places that
    /// several elements share are no obstacle.
    pub fn fill(&self, value: &Recorded) -> Result<()> {
        self.check_fill(value.tracks())?;
        let value = value.broadcast_to(&self.sizes())?;
        let value = if self.requires_grad() { value.beside(&[&self.read()?]) } else { value };
        self.put(value, None)
    }

    fn put(&self, value: Recorded, writes: Option<&Writes>) -> Result<()> {
        if crate::capture::is_active() {
            crate::capture::writes(&self.storage())?;
            crate::capture::looked_at(self);
        }
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
        let value = super::own_gradient(crate::realize::owned(value)?)?;
        crate::realize::recorded(&value)?;
        self.with_body(|body| -> Result<()> {
            body.replace(&value, writes, grad_mode::is_grad_enabled())?;
            body.version.bump(&body.storage);
            Ok(())
        })?;
        crate::realize::eagerly(&self.storage().value())
    }

    /// Whether [`Tensor::write`] is allowed; `tracks` says whether an operand requires grad. Operations ask
    /// before they compute anything, as torch does.
    pub fn check_write(&self, tracks: bool) -> Result<()> {
        self.check_fill(tracks)?;
        self.refuse_repeats()
    }

    /// torch's refusal of a write to elements that share a place.
    pub fn refuse_repeats(&self) -> Result<()> {
        if self.body().geometry.repeats() { runtime(REPEATED) } else { Ok(()) }
    }

    /// Whether [`Tensor::fill`] is allowed.
    pub fn check_fill(&self, tracks: bool) -> Result<()> {
        self.with_body(|body| body.check_fill(tracks))
    }

    /// Counts up the version without a write, as for a tensor that a custom function marked dirty.
    pub fn bump_version(&self) {
        let body = self.body();
        body.version.bump(&body.storage);
        body.storage.touch();
    }
}

impl Body {
    fn check_fill(&self, tracks: bool) -> Result<()> {
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
    pub(super) fn check_path(&self) -> Result<()> {
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
    fn replace(&mut self, value: &Recorded, writes: Option<&Writes>, rebase: bool) -> Result<()> {
        let old = self.family.read(&self.storage)?;
        let root = if self.chain.is_empty() {
            value.clone()
        } else {
            let _scope = Scope::replace(Some("CopySlices"));
            let _mode = ModeGuard::grad(rebase);
            let root = self.chain.put(&old, value, writes)?;
            // torch writes the gradient where the view was written, and refuses that then.
            if rebase && old.tracks() && self.geometry.repeats() {
                root.with_grad(GradNode::refused(&root), 0)
            } else {
                root
            }
        };
        let outer = writes.filter(|_| self.chain.is_empty());
        let whole =
            grad_mode::no_grad(|| self.family.prefix().put(&self.storage.value(), &root.detach(), outer))?;
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
        self.forget();
        Ok(())
    }

    pub(super) fn is_view_of_leaf(&self) -> bool {
        !self.requires_grad
            && match self.family.history(&self.storage) {
                Some((grad, _)) => self.creation != Creation::Base && grad.is_leaf(),
                None => self.base_is_leaf(),
            }
    }

    /// torch's refusals by the way the view came to be.
    pub(super) fn check_history(&self) -> Result<()> {
        match self.creation {
            Creation::Base | Creation::View => Ok(()),
            _ => fail(Error::Autograd, self.refusal("is being")),
        }
    }

    /// torch's message about the write that would leave this view without a path; `what` says what is written.
    pub(super) fn refusal(&self, what: &str) -> String {
        let block = if self.creation == Creation::Inference { "inference_mode" } else { "no_grad" };
        let node = self.path_before().map(|grad| grad.name().into_owned());
        let made = matches!(self.creation, Creation::NoGrad | Creation::Inference);
        let index = if let Creation::Multiple { index } = self.creation { index } else { 0 };
        let view = match node {
            Some(name) if made => {
                format!("Output {index} of {name} is a view of a view which was created in {block} mode")
            }
            Some(name) => format!("Output {index} of {name} is a view"),
            None => format!("A view was created in {} mode", block.trim_end_matches("_mode")),
        };
        let mode = match self.creation {
            Creation::Inference => " in normal mode",
            _ if made || !view.starts_with("Output") => " with grad mode enabled",
            _ => "",
        };
        let cure = match self.creation {
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
            _ => format!(
                "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code \
                 by moving both the view and the inplace either both inside the {block} block (if you don't want the \
                 inplace to be tracked) or both outside (if you want the inplace to be tracked)."
            ),
        };
        format!("{view} and {what} modified inplace{mode}. {cure}")
    }
}
