//! Tensors that become views of themselves, or get another shape.

use super::Tensor;
use crate::error::{Error, Result, fail, runtime};
use crate::grad_mode;
use crate::record::Recorded;
use crate::view::{Geometry, ViewOp};
use rustorch_ir::{Literal, Shape, Strides};

impl Tensor {
    /// Gives a tensor without elements these strides.
    pub(crate) fn restride_nothing(&self, strides: Strides) {
        let mut body = self.body();
        debug_assert!(body.geometry.numel() == 0 && strides.len() == body.geometry.rank());
        body.geometry.strides = strides;
    }

    /// Makes this tensor the view `op` of what it was. It counts as a write, though no element changes.
    pub fn become_view(&self, op: ViewOp) -> Result<()> {
        crate::capture::changes(&self.storage())?;
        self.with_body(|body| match body.tracks() && grad_mode::is_grad_enabled() {
            true => body.check_path(),
            false => Ok(()),
        })?;
        let view = self.view(op)?;
        let mut next = view.body().clone();
        drop(view);
        let mut body = self.body();
        next.creation = body.creation;
        next.base = body.base.clone();
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

    /// torch's `resize_`: the tensor begins with what its storage holds from its offset on. A storage without room for
    /// that is left to its other views: the tensor gets a copy, which goes on with zeros.
    pub fn resize(&self, sizes: Shape) -> Result<()> {
        if self.requires_grad() {
            return fail(Error::Autograd, "cannot resize variables that require grad");
        }
        self.check_fill(false)?;
        crate::capture::changes(&self.storage())?;
        if sizes == self.sizes() {
            self.bump_version();
            return Ok(());
        }
        let (strides, offset, dtype) = (sizes.contiguous_strides(), self.storage_offset(), self.dtype());
        let places = self.storage().nbytes() / dtype.size();
        let needed = if sizes.numel() == 0 { 0 } else { offset as usize + sizes.numel() };
        let at = ViewOp::AsStrided { sizes, strides, offset };
        if needed <= places {
            return self.become_view(at);
        }
        if self.storage().is_external() {
            return runtime("Trying to resize storage that is not resizable");
        }
        let line = Geometry::contiguous(&Shape::from_sizes(&[places]));
        let old = self.bits_at(dtype, &line)?.read_data()?;
        let more = Recorded::full(Literal::from_i64(dtype, 0), &Shape::from_sizes(&[needed - places]))?;
        let grown = Tensor::from_value(Recorded::concat(&[&old, &more], 0)?)?;
        self.set_data(&grown.view(at)?)?;
        self.bump_version();
        Ok(())
    }

    /// Gives the tensor the sizes of `like`, in its order: in the same storage if that has room, else zeros in a new one.
    pub fn resize_as(&self, like: &Tensor) -> Result<()> {
        let (sizes, order) = (like.sizes(), like.memory_order());
        let offset = self.storage_offset();
        let last = (offset as usize).checked_add(sizes.numel());
        if last.is_some_and(|last| last <= self.storage().nbytes() / self.dtype().size()) {
            let mut strides = sizes.contiguous_strides();
            let mut next = 1;
            for &axis in order.iter().rev() {
                strides[axis] = next;
                next *= sizes[axis].get().max(1) as i64;
            }
            return self.become_view(ViewOp::AsStrided { sizes, strides, offset });
        }
        let zeros = Recorded::full(Literal::from_i64(self.dtype(), 0), &sizes)?;
        self.set_data(&Tensor::from_value_in_order(zeros, &order)?)
    }
}
