//! What a tensor reads as: its elements now, and where their gradient goes.
//!
//! The elements follow from the storage; the gradient of a view goes to the tensor that it was made of. After a
//! write the view is rebuilt from its family's root, as torch does, and its gradient goes there.

use super::{Body, Creation, Tensor};
use crate::capture;
use crate::error::{Error, Result, fail};
use crate::grad_mode::{self, ModeGuard};
use crate::gradient::{GradNode, Kind, Scope};
use crate::record::Recorded;
use crate::view::{Geometry, Viewed, apply, covered};
use std::sync::Arc;

/// The view function that torch names where it rebuilds a view after a write.
const REBUILT_VIEW: &str = "AsStridedBackward0";

/// A node and which of its results.
type Path = (Arc<GradNode>, u8);

/// What was read before.
#[derive(Clone)]
pub(super) struct Cached {
    /// The elements, and the stamp of the storage for which they hold.
    value: Option<(u64, Recorded)>,
    /// Where the gradient goes, as long as the version is this one.
    path: Option<Path>,
    version: u64,
}

impl Cached {
    pub fn detached(&self) -> Cached {
        let value = self.value.as_ref().map(|(stamp, value)| (*stamp, value.detach()));
        Cached { value, path: None, version: self.version }
    }
}

impl Tensor {
    /// The current value, in the tensor's own shape. `Err` where gradients would flow through a view that a write
    /// elsewhere has cut off from its path, and torch does not make another. For the operation that is being recorded:
    /// what an array outside may change later is no value to keep.
    pub fn read(&self) -> Result<Recorded> {
        if capture::is_active() {
            capture::touch(&self.storage())?;
            capture::looked_at(self);
        }
        let value = self.with_body(|body| match body.borrowed()? {
            Some(value) => Ok(value),
            None => body.read(),
        })?;
        crate::realize::eagerly(&value)?;
        Ok(value)
    }

    /// The current elements, as no path for gradients.
    pub fn read_data(&self) -> Result<Recorded> {
        capture::touch(&self.storage())?;
        let _mode = ModeGuard::grad(false);
        self.with_body(Body::read).map(|value| value.detach())
    }
}

impl Body {
    pub(super) fn keep(&mut self, value: &Recorded) {
        let path = value.grad_node().map(|(grad, port)| (grad.clone(), port));
        let version = self.version.current(&self.storage);
        // What an array outside may change is read anew each time.
        let kept = (!self.storage.is_external()).then(|| (self.storage.stamp(), value.clone()));
        self.cache = Some(Cached { value: kept, path, version });
    }

    /// Forgets the elements, which were overwritten.
    pub(super) fn forget(&mut self) {
        if let Some(cached) = &mut self.cache {
            cached.value = None;
        }
    }

    pub(super) fn read(&mut self) -> Result<Recorded> {
        let path = grad_mode::is_grad_enabled();
        self.current(path)
    }

    /// As [`Body::read`], for the path of gradients, whether they are recorded now or not.
    pub(super) fn read_path(&mut self) -> Result<Recorded> {
        self.current(true)
    }

    fn current(&mut self, path: bool) -> Result<Recorded> {
        capture::touch(&self.storage)?;
        let external = self.storage.is_external();
        if let Some((stamp, value)) = self.cache.as_ref().and_then(|cached| cached.value.as_ref())
            && *stamp == self.storage.stamp()
            && !external
            && capture::may_keep(&self.storage)
        {
            return Ok(value.clone());
        }
        let value = if !self.tracks() {
            self.elements()?
        } else if !self.has_path() {
            self.elements()?.with_grad(GradNode::nowhere(), 0)
        } else if let Some((grad, port)) = self.kept_path() {
            self.elements()?.with_grad(grad, port)
        } else if self.is_cut_off() {
            if path {
                return fail(Error::Autograd, self.refusal("its base or another view of its base has been"));
            }
            return self.elements();
        } else {
            self.rebuilt()?
        };
        self.keep(&value);
        Ok(value)
    }

    /// Elements that lie in memory of an array outside: an operation that gives no gradient reads them where they
    /// are, and is computed at once, which costs no more than copying them.
    fn borrowed(&self) -> Result<Option<Recorded>> {
        if !self.storage.is_external() || self.tracks() || capture::is_active() {
            return Ok(None);
        }
        let whole = self.storage.value();
        let Some(stored) = whole.stored() else {
            return crate::error::runtime("internal error: shared memory has no bytes");
        };
        let whole = Recorded::borrowed(stored.clone(), whole.ty().clone())?;
        self.full_chain().apply(&whole).map(Some)
    }

    /// The elements: where an array outside may change them later, a copy of what they are now.
    fn elements(&self) -> Result<Recorded> {
        self.taken(|whole| self.full_chain().apply(whole))
    }

    /// What `f` takes from the storage: where an array outside may change it later, a copy of what it is now. A call
    /// that is captured needs none: it is computed before it ends.
    fn taken(&self, f: impl FnOnce(&Recorded) -> Result<Recorded>) -> Result<Recorded> {
        let whole = self.storage.value();
        if self.storage.is_external() && !capture::is_active() {
            return crate::realize::copy_now(&f(&whole)?);
        }
        f(&whole)
    }

    /// The path that a view has from its making, unless a write came between.
    fn kept_path(&self) -> Option<Path> {
        let cached =
            self.cache.as_ref().filter(|_| self.creation != Creation::Base || !self.chain.is_empty())?;
        cached.path.clone().filter(|_| cached.version == self.version.current(&self.storage))
    }

    /// The function that made the view, even if a write came between.
    pub(super) fn path_before(&self) -> Option<&GradNode> {
        let (grad, _) = self.cache.as_ref()?.path.as_ref()?;
        (!matches!(grad.kind(), Kind::Nowhere)).then_some(grad)
    }

    /// Whether the view had a path and torch refuses to make another.
    fn is_cut_off(&self) -> bool {
        self.cache.is_some() && !matches!(self.creation, Creation::Base | Creation::View)
    }

    fn rebuilt(&self) -> Result<Recorded> {
        let mut root = self.taken(|whole| self.family.prefix().apply(whole))?;
        if let Some((grad, port)) = self.family.history(&self.storage) {
            root = root.with_grad(grad, port);
        }
        let _mode = ModeGuard::grad(true);
        let _scope = Scope::replace(Some(REBUILT_VIEW));
        self.chain.apply(&root)
    }

    /// Says that this is a view, `viewed`, of `from`, which tracks gradients. Belongs to the operation that is being
    /// recorded.
    pub(super) fn follow(&mut self, from: &mut Body, viewed: &Viewed) -> Result<()> {
        if !grad_mode::is_grad_enabled() {
            let version = self.version.current(&self.storage);
            self.cache = Some(Cached { value: None, path: Some((GradNode::nowhere(), 0)), version });
            return Ok(());
        }
        let value = from.read()?;
        let value = match &viewed.steps {
            Some(steps) => apply(steps, &value)?,
            None => from.strided_value(&value, &viewed.geometry)?,
        };
        self.keep(&super::own_gradient(value)?);
        Ok(())
    }

    fn strided_elements(&self, at: &Geometry) -> Result<Recorded> {
        capture::touch(&self.storage)?;
        self.taken(|whole| {
            let line = apply(&self.line(), whole)?;
            apply(&crate::view::strided(line.shape(), at), &line)
        })
    }

    /// The elements of the storage at `at`. Gradients go to those of them that are this tensor's own.
    fn strided_value(&self, from: &Recorded, at: &Geometry) -> Result<Recorded> {
        let inside = match (at.extent(), self.geometry.extent()) {
            (Some((a, b)), Some((low, high))) => low <= a && b <= high,
            _ => false,
        };
        if inside && self.geometry.is_contiguous() {
            let at = Geometry { offset: at.offset - self.geometry.offset, ..at.clone() };
            return apply(&crate::view::strided(from.shape(), &at), from);
        }
        let elements = grad_mode::no_grad(|| self.strided_elements(at))?;
        covered(from, &self.geometry, self.places(), at, &elements)
    }
}
