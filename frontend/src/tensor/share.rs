//! Memory shared with arrays outside, both ways.
//!
//! While an array outside may write the memory, the storage is external: operations copy what they read when
//! they are called, and writes go through at once. So nothing recorded depends on memory that others change.

use super::Tensor;
use crate::error::{Result, runtime};
use crate::realize::{copy_now, realize};
use crate::record::Stored;
use crate::storage::{Lease, Reachable};
use rustorch_backend::buffer::Buffer;
use rustorch_ir::Strides;
use rustorch_ir::graph::Type;

impl Tensor {
    /// A tensor on memory of an array outside, which may write it as long as `reachable` says so; without it the
    /// memory was given away.
    pub fn from_external(
        buffer: Buffer,
        ty: Type,
        strides: Strides,
        reachable: Option<Reachable>,
    ) -> Result<Tensor> {
        let tensor = Tensor::from_strided(buffer, ty, strides, 0)?;
        if let Some(reachable) = reachable {
            tensor.storage().share_while(reachable);
        }
        Ok(tensor)
    }

    /// The tensor's memory for an array outside, which holds the [`Lease`] as long as it lives.
    pub fn lend(&self) -> Result<(Stored, Lease)> {
        let storage = self.storage();
        crate::capture::needed()?;
        realize(&[storage.value()])?;
        let lease = Lease::new(&storage);
        self.body().cache = None;
        let value = storage.value();
        let Some(stored) = value.stored() else {
            return runtime("internal error: a realised value has no bytes");
        };
        let plain = stored.offset == 0
            && (value.numel() == 0 || stored.strides == value.shape().contiguous_strides())
            && stored.buffer.len() == value.ty().bytes();
        // Whoever else refers to the value was promised what it is now: the storage gets bytes of its own. The
        // storage's handle and the one here are the only ones otherwise, and so with the bytes.
        let alone = std::sync::Arc::strong_count(value.node()) <= 2 && stored.buffer.strong_count() <= 2;
        let shared = stored.buffer.is_external() && stored.buffer.is_writable();
        let stored = if shared || storage.is_lent_before() || (plain && alone) {
            stored.clone()
        } else {
            let own = copy_now(&value)?;
            let bytes = own.stored().cloned();
            let old = std::mem::replace(&mut storage.state().value, own);
            drop(old);
            storage.touch();
            bytes.unwrap_or_else(|| stored.clone())
        };
        let geometry = self.geometry();
        // The storage may be seen as another dtype.
        let start = stored.offset * value.dtype().size() / self.dtype().size();
        let offset = start + geometry.offset.max(0) as usize;
        Ok((Stored { buffer: stored.buffer, offset, strides: geometry.strides }, lease))
    }
}
