//! Tensors apart from their bytes: what a captured program makes anew at each call.

use super::{Body, Creation, Tensor};
use crate::gradient::GradNode;
use crate::record::Recorded;
use crate::storage::{Family, Storage, Version};
use crate::view::{Chain, Geometry};
use rustorch_ir::DType;
use std::sync::Arc;

/// A tensor on a storage that is given when it is made.
pub(crate) struct Template {
    /// From the storage.
    prefix: Chain,
    chain: Chain,
    geometry: Geometry,
    dtype: DType,
    inference: bool,
    requires_grad: bool,
    is_view: bool,
}

impl Tensor {
    pub(crate) fn template(&self) -> Template {
        let body = self.body();
        Template {
            prefix: body.family.prefix(),
            chain: body.chain.clone(),
            geometry: body.geometry.clone(),
            dtype: body.dtype,
            inference: body.inference,
            requires_grad: body.requires_grad,
            is_view: body.base.is_some(),
        }
    }
}

impl Template {
    /// A tensor on this storage; `base` is what it would be a view of, `path` where its gradient goes.
    pub(crate) fn on(
        &self,
        storage: Arc<Storage>,
        base: Option<&Tensor>,
        path: Option<(Arc<GradNode>, u8)>,
    ) -> Tensor {
        let plain = self.prefix.is_empty() && self.chain.is_empty() && base.is_none();
        let (family, chain) = if plain {
            (Family::Whole, Chain::default())
        } else {
            let mut whole = self.prefix.clone();
            whole.extend(self.chain.steps().iter().cloned());
            (Family::new(whole, None), Chain::default())
        };
        let mut body = Body {
            storage,
            family,
            chain,
            geometry: self.geometry.clone(),
            dtype: self.dtype,
            version: Version::OfStorage,
            creation: if base.is_some() && self.is_view { Creation::of_view() } else { Creation::Base },
            base: base.filter(|_| self.is_view).map(Tensor::downgrade),
            inference: self.inference,
            requires_grad: false,
            slot: None,
            cache: None,
        };
        if let Some(path) = path {
            body.family.set_history(&body.storage, Some(path));
        }
        if self.requires_grad {
            body.become_leaf(true);
        }
        Tensor::new(body)
    }
}

/// A storage that holds this.
pub(crate) fn storage_of(value: Recorded) -> Arc<Storage> {
    let storage = Storage::new(value, None);
    crate::realize::register(&storage);
    storage
}
