//! Tensors that become views of themselves.

use super::Tensor;
use crate::error::{Result, runtime};
use crate::grad_mode;
use crate::view::ViewOp;
use rustorch_ir::Strides;

impl Tensor {
    /// Gives a tensor without elements these strides.
    pub(crate) fn restride_nothing(&self, strides: Strides) {
        let mut body = self.body();
        debug_assert!(body.geometry.numel() == 0 && strides.len() == body.geometry.rank());
        body.geometry.strides = strides;
    }

    /// Makes this tensor the view `op` of what it was. It counts as a write, though no element changes.
    pub fn become_view(&self, op: ViewOp) -> Result<()> {
        {
            let body = self.body();
            if body.tracks() && grad_mode::is_grad_enabled() {
                body.check_history()?;
                if body.is_view_of_leaf() {
                    return runtime(
                        "a view of a leaf Variable that requires grad is being used in an in-place operation.",
                    );
                }
                if body.requires_grad {
                    return runtime(
                        "a leaf Variable that requires grad is being used in an in-place operation.",
                    );
                }
            }
        }
        let view = self.view(op)?;
        let mut next = view.body().clone();
        drop(view);
        let mut body = self.body();
        next.creation = body.creation;
        next.inference = body.inference;
        next.slot = body.slot.clone();
        if body.requires_grad {
            next.become_leaf(true);
        }
        let value = next.tracks().then(|| next.read()).transpose()?;
        next.version.bump(&next.storage);
        if let Some(value) = value {
            next.keep(&value);
        }
        let previous = std::mem::replace(&mut *body, next);
        drop(body);
        drop(previous);
        Ok(())
    }
}
