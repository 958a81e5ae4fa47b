//! Tensors: handles on a view of a shared storage.

mod gradient;
mod restride;
mod share;
mod template;
mod value;
mod write;

use crate::error::{Result, runtime};
use crate::grad_mode;
use crate::gradient::{GradSlot, Kind as GradKind};
use crate::record::{Recorded, lock};
use crate::storage::{Family, Storage, Version};
use crate::view::{Chain, Geometry, Step, ViewOp, strided};
use rustorch_backend::buffer::Buffer;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Op, Reshape, Span};
use rustorch_ir::{DType, Shape, Strides};
use smallvec::SmallVec;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

pub(crate) use template::{Template, storage_of};
use value::Cached;
pub(crate) use write::REPEATED;
pub use write::{Overlap, overlap, refuse_overlap, refuse_partial_overlap};

/// A tensor as users hold it. Cloning gives another handle on the same tensor.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    body: Mutex<Body>,
}

/// How a view came to be: decides who may write through it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Creation {
    /// No view.
    Base,
    View,
    NoGrad,
    Inference,
    /// One of several views that one function returned.
    Multiple {
        index: u8,
    },
    InFunction,
}

impl Creation {
    /// How a view that is made now comes to be.
    fn of_view() -> Creation {
        if grad_mode::is_inference_mode() {
            Creation::Inference
        } else if grad_mode::is_grad_enabled() {
            Creation::View
        } else {
            Creation::NoGrad
        }
    }
}

#[derive(Clone)]
pub(crate) struct Body {
    storage: Arc<Storage>,
    family: Family,
    /// From the family's root to this tensor.
    chain: Chain,
    geometry: Geometry,
    dtype: DType,
    version: Version,
    creation: Creation,
    /// The tensor that this is a view of, itself no view. Weak, so that its value can be freed or donated.
    base: Option<WeakTensor>,
    inference: bool,
    /// A leaf that wants its gradient.
    requires_grad: bool,
    slot: Option<Arc<GradSlot>>,
    cache: Option<Cached>,
}

impl Body {
    fn of_storage(storage: Arc<Storage>, geometry: Geometry, dtype: DType, chain: Chain) -> Body {
        Body {
            storage,
            family: Family::Whole,
            chain,
            geometry,
            dtype,
            version: Version::OfStorage,
            creation: Creation::Base,
            base: None,
            inference: grad_mode::is_inference_mode(),
            requires_grad: false,
            slot: None,
            cache: None,
        }
    }

    /// Whether results depend on the tensor as far as gradients go.
    fn tracks(&self) -> bool {
        self.has_path() || self.base_is_leaf()
    }

    /// Whether gradients of the tensor go somewhere.
    fn has_path(&self) -> bool {
        self.requires_grad || self.family.history(&self.storage).is_some()
    }

    /// Whether this is a view of a leaf that wants its gradient, perhaps only since the view was made: then the
    /// view counts as one that requires grad, though its gradient goes nowhere.
    fn base_is_leaf(&self) -> bool {
        self.base.as_ref().and_then(WeakTensor::upgrade).is_some_and(|base| base.body().requires_grad)
    }

    /// The whole way from the storage.
    fn full_chain(&self) -> Chain {
        let mut chain = self.family.prefix();
        chain.extend(self.chain.steps().iter().cloned());
        chain
    }
}

impl Tensor {
    fn new(body: Body) -> Tensor {
        Tensor(Arc::new(Inner { body: Mutex::new(body) }))
    }

    pub(crate) fn body(&self) -> MutexGuard<'_, Body> {
        lock(&self.0.body)
    }

    /// A tensor with a storage of its own, in row-major order.
    pub fn from_value(value: Recorded) -> Result<Tensor> {
        let value = own_gradient(crate::realize::owned(value)?)?;
        let geometry = Geometry::contiguous(value.shape());
        Tensor::with_value(value.clone(), value, geometry, Chain::default())
    }

    /// A tensor with a storage of its own whose axes lie in memory in this order, outermost first.
    pub fn from_value_in_order(value: Recorded, order: &[usize]) -> Result<Tensor> {
        if order.iter().copied().eq(0..value.rank()) {
            return Tensor::from_value(value);
        }
        let value = own_gradient(crate::realize::owned(value)?)?;
        let root = value.permute(order)?;
        let mut inverse: SmallVec<[usize; 8]> = SmallVec::from_elem(0, order.len());
        order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        Tensor::permuted(root, value, &inverse)
    }

    /// As [`Tensor::from_buffer`], with the axes in another order than they have in memory.
    pub fn from_buffer_permuted(buffer: Buffer, ty: Type, axes: &[usize]) -> Result<Tensor> {
        let root = Recorded::from_buffer(buffer, ty)?;
        let value = root.permute(axes)?;
        Tensor::permuted(root, value, axes)
    }

    /// A tensor of the value `value`, which is `root` with its axes permuted.
    fn permuted(root: Recorded, value: Recorded, axes: &[usize]) -> Result<Tensor> {
        let geometry = Geometry::contiguous(root.shape()).permute(axes);
        let mut chain = Chain::default();
        chain.extend([Step::Permute(axes.iter().map(|&a| a as u8).collect())]);
        Tensor::with_value(root, value, geometry, chain)
    }

    fn with_value(root: Recorded, value: Recorded, geometry: Geometry, chain: Chain) -> Result<Tensor> {
        crate::realize::recorded(&value)?;
        let dtype = value.dtype();
        let history = root.grad_node().map(|(grad, port)| (grad.clone(), port));
        let storage = Storage::new(root.detach(), history);
        crate::realize::register(&storage);
        crate::capture::made(&storage);
        crate::realize::eagerly(&storage.value())?;
        let mut body = Body::of_storage(storage, geometry, dtype, chain);
        body.keep(&value);
        Ok(Tensor::new(body))
    }

    /// A realised tensor in row-major order.
    pub fn from_buffer(buffer: Buffer, ty: Type) -> Result<Tensor> {
        Tensor::from_value(Recorded::from_buffer(buffer, ty)?)
    }

    /// A tensor that shares `buffer`, with these strides. Element 0 lies `offset` elements into it.
    pub fn from_strided(buffer: Buffer, ty: Type, strides: Strides, offset: i64) -> Result<Tensor> {
        let numel = buffer.len() / ty.dtype.size();
        let whole = Recorded::from_buffer(buffer, Type::new(ty.dtype, Shape::from_sizes(&[numel])))?;
        let base = Tensor::from_value(whole)?;
        let (sizes, dtype) = (ty.shape, ty.dtype);
        let geometry = Geometry { sizes, strides, offset };
        check_bounds(&geometry, numel, dtype)?;
        let mut body = base.body().clone();
        let mut chain = Chain::default();
        chain.extend(strided(&Shape::from_sizes(&[numel]), &geometry));
        body.geometry = geometry;
        body.chain = chain;
        body.cache = None;
        Ok(Tensor::new(body))
    }

    /// Reads or writes the elements. Where the storage is external that runs, so `f` gets a copy of the body then:
    /// who runs must not hold what another thread needs, because looking at signals waits for the interpreter.
    fn with_body<T>(&self, f: impl FnOnce(&mut Body) -> T) -> T {
        let mut body = self.body();
        if !body.storage.is_external() {
            return f(&mut body);
        }
        let mut apart = body.clone();
        drop(body);
        apart.storage.settle();
        f(&mut apart)
    }

    /// Another tensor on the same storage.
    pub fn view(&self, op: ViewOp) -> Result<Tensor> {
        let mut from = self.body();
        if let ViewOp::Expand(sizes) = &op
            && sizes.rank() < from.geometry.rank()
        {
            return runtime(format!(
                "expand(torch.{}Tensor{{{}}}, size={sizes}): the number of sizes provided ({}) must be greater or \
                 equal to the number of dimensions in the tensor ({})",
                from.dtype.scalar_type_name(),
                from.geometry.sizes,
                sizes.rank(),
                from.geometry.rank()
            ));
        }
        let viewed = op.on(&from.geometry)?;
        let mut chain = from.chain.clone();
        chain.extend(viewed.steps.iter().flatten().cloned());
        // Views of the storage itself, and those of repeated elements that are no longer a repetition.
        let (family, chain) = if viewed.steps.is_none() || chain.repeats_within() {
            from.strided_view(&viewed.geometry)?
        } else {
            (from.family.clone(), chain)
        };
        let mut body = from.clone();
        body.creation = match Creation::of_view() {
            Creation::View if body.creation != Creation::Base => body.creation,
            own => own,
        };
        body.family = family;
        body.chain = chain;
        body.geometry = viewed.geometry.clone();
        body.requires_grad = false;
        body.slot = None;
        body.cache = None;
        // Reading what an array outside may change would run here: the view is rebuilt each time then.
        if from.tracks() && !(from.storage.is_external() && grad_mode::is_grad_enabled()) {
            body.follow(&mut from, &viewed)?;
        }
        // Inference tensors keep no account of views. Last, since `from` is locked here.
        if body.base.is_none() && !body.inference {
            body.base = Some(self.downgrade());
        }
        Ok(Tensor::new(body))
    }

    /// The same bytes as another dtype, shared, as no path for gradients.
    pub fn view_bits(&self, dtype: DType) -> Result<Tensor> {
        let mut body = self.body().detached();
        let viewed = ViewOp::Bits { from: body.dtype, to: dtype }.on(&body.geometry)?;
        let mut chain = body.full_chain();
        chain.extend(viewed.steps.into_iter().flatten());
        body.family = Family::new(chain, None);
        body.chain = Chain::default();
        body.geometry = viewed.geometry;
        body.dtype = dtype;
        body.cache = None;
        Ok(Tensor::new(body))
    }

    /// The storage as a tensor of one axis, as no path for gradients.
    pub fn whole_storage(&self) -> Tensor {
        let mut body = self.body().detached();
        let whole = body.storage.ty();
        body.dtype = whole.dtype;
        body.geometry = Geometry::contiguous(&Shape::from_sizes(&[whole.shape.numel()]));
        let mut chain = Chain::default();
        chain.extend(body.line());
        body.family = Family::new(chain, None);
        body.cache = None;
        Tensor::new(body)
    }

    /// What lies at this place of the storage as elements of `dtype`, as no path for gradients.
    pub fn bits_at(&self, dtype: DType, at: &Geometry) -> Result<Tensor> {
        let mut body = self.body().detached();
        body.dtype = dtype;
        body.family = Family::Whole;
        let (_, chain) = body.strided_view(at)?;
        body.family = Family::new(chain, None);
        body.geometry = at.clone();
        body.cache = None;
        Ok(Tensor::new(body))
    }

    /// The views that one function returns together: torch forbids to write through them where gradients flow.
    pub fn views(&self, ops: impl IntoIterator<Item = ViewOp>) -> Result<Vec<Tensor>> {
        let mut out = Vec::new();
        for (index, op) in ops.into_iter().enumerate() {
            let view = self.view(op)?;
            let mut body = view.body();
            if Creation::of_view() == Creation::View {
                body.creation = Creation::Multiple { index: index.min(u8::MAX as usize) as u8 };
            }
            drop(body);
            out.push(view);
        }
        Ok(out)
    }

    /// torch's `view` where it is possible, else `None`: `reshape` copies then.
    pub fn can_view(&self, sizes: &Shape) -> bool {
        let body = self.body();
        sizes.checked_numel() == Some(body.geometry.numel())
            && body.geometry.reshaped_strides(sizes).is_some()
    }

    pub fn geometry(&self) -> Geometry {
        self.body().geometry.clone()
    }

    pub fn sizes(&self) -> Shape {
        self.body().geometry.sizes.clone()
    }

    pub fn strides(&self) -> Strides {
        self.body().geometry.strides.clone()
    }

    pub fn storage_offset(&self) -> i64 {
        self.body().geometry.offset
    }

    pub fn dtype(&self) -> DType {
        self.body().dtype
    }

    pub fn ty(&self) -> Type {
        let body = self.body();
        Type::new(body.dtype, body.geometry.sizes.clone())
    }

    pub fn numel(&self) -> usize {
        self.body().geometry.numel()
    }

    pub fn dim(&self) -> usize {
        self.body().geometry.rank()
    }

    pub fn is_contiguous(&self) -> bool {
        self.body().geometry.is_contiguous()
    }

    /// Whether this is a view of another tensor.
    pub fn is_view(&self) -> bool {
        self.body().base.is_some()
    }

    /// The tensor that this is a view of, if somebody holds it.
    pub fn held_base(&self) -> Option<Tensor> {
        self.body().base.as_ref()?.upgrade()
    }

    /// The tensor that this is a view of: another handle on its elements if nobody holds it any more.
    pub fn base(&self) -> Option<Tensor> {
        let mut body = self.body();
        if let Some(base) = body.base.as_ref()?.upgrade() {
            return Some(base);
        }
        let base = Tensor::new(body.root());
        body.base = Some(base.downgrade());
        Some(base)
    }

    /// Which result of the function that made it the tensor is; 0 for leaves.
    pub fn output_nr(&self) -> Result<u8> {
        let Some((_, port)) = self.grad_node()? else { return Ok(0) };
        match self.body().creation {
            Creation::Multiple { index } => Ok(index),
            _ => Ok(port),
        }
    }

    pub fn is_inference(&self) -> bool {
        self.body().inference
    }

    /// How often the tensor or an alias was written.
    pub fn version(&self) -> Result<u64> {
        let body = self.body();
        if body.inference {
            return runtime("Inference tensors do not track version counter.");
        }
        Ok(body.version.current(&body.storage))
    }

    pub fn storage(&self) -> Arc<Storage> {
        self.body().storage.clone()
    }

    pub fn shares_storage(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.storage(), &other.storage())
    }

    /// Whether both are handles on one tensor.
    pub fn is_same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// An identity for maps from tensors, valid as long as a handle lives.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    pub fn downgrade(&self) -> WeakTensor {
        WeakTensor(Arc::downgrade(&self.0))
    }
}

/// A handle that does not keep its tensor.
#[derive(Clone)]
pub struct WeakTensor(Weak<Inner>);

impl WeakTensor {
    pub fn upgrade(&self) -> Option<Tensor> {
        self.0.upgrade().map(Tensor)
    }
}

impl Body {
    /// Family and chain of a view that is given by its place in the storage.
    fn strided_view(&self, at: &Geometry) -> Result<(Family, Chain)> {
        let places = self.places();
        check_bounds(at, places, self.dtype)?;
        let mut chain = Chain::default();
        chain.extend(self.line());
        chain.extend(strided(&Shape::from_sizes(&[places]), at));
        if self.family.prefix().is_empty() {
            return Ok((self.family.clone(), chain));
        }
        // The family's root is a part of the storage; gradients pass only if the view lies within it.
        let root = self.root_geometry();
        let inside = match (at.extent(), root.extent()) {
            (Some((a, b)), Some((low, high))) => low <= a && b <= high,
            (None, _) => true,
            _ => false,
        };
        if inside && root.is_contiguous() {
            let at = Geometry { offset: (at.offset - root.offset).max(0), ..at.clone() };
            let mut chain = Chain::default();
            chain.extend(strided(&root.sizes, &at));
            return Ok((self.family.clone(), chain));
        }
        if self.tracks() {
            return runtime(
                "as_strided: the result reaches beyond the elements of a tensor that requires grad; \
                 use .detach() or .contiguous() first",
            );
        }
        Ok((Family::new(chain, None), Chain::default()))
    }

    /// From the storage to its elements of the tensor's dtype, in a row.
    fn line(&self) -> SmallVec<[Step; 3]> {
        let whole = self.storage.ty();
        let numel = whole.shape.numel();
        let to = Shape::from_sizes(&[numel]);
        let mut steps = SmallVec::from_iter([Step::Reshape { from: whole.shape, to }]);
        if whole.dtype != self.dtype {
            // Bytes at the end that make up no element are left out.
            let used = self.places() * self.dtype.size() / whole.dtype.size();
            steps.push(Step::Slice(SmallVec::from_iter([Span::all(used)])));
            steps.push(Step::Bits { from: whole.dtype, to: self.dtype });
        }
        steps
    }

    /// Elements of the tensor's dtype that the storage has room for.
    fn places(&self) -> usize {
        self.storage.nbytes() / self.dtype.size()
    }

    /// The family's root as a tensor.
    fn root(&self) -> Body {
        let history = self.family.history(&self.storage);
        let slot = history.and_then(|(grad, _)| match grad.kind() {
            GradKind::Leaf(slot) => Some(slot.clone()),
            _ => None,
        });
        Body {
            chain: Chain::default(),
            geometry: self.root_geometry(),
            creation: Creation::Base,
            base: None,
            requires_grad: slot.is_some(),
            slot,
            cache: None,
            ..self.clone()
        }
    }

    /// Where the family's root lies in the storage: the view that its steps make of the storage's own geometry.
    fn root_geometry(&self) -> Geometry {
        let mut at = Geometry::contiguous(&self.storage.shape());
        for step in self.family.prefix().steps() {
            at = match step {
                Step::Reshape { to, .. } => {
                    let strides = at.reshaped_strides(to).unwrap_or_else(|| to.contiguous_strides());
                    Geometry { sizes: to.clone(), strides, offset: at.offset }
                }
                Step::Permute(axes) => {
                    at.permute(&axes.iter().map(|&a| a as usize).collect::<SmallVec<[usize; 8]>>())
                }
                Step::Slice(spans) => at.slice(spans),
                Step::Expand { to, .. } => at.expand(to).unwrap_or(at),
                Step::Bits { from, to } => at.bits(*from, *to).unwrap_or(at),
                Step::Pick { at: picked, .. } => picked.clone(),
            };
        }
        at
    }
}

/// torch's refusal of views that reach behind the end of their storage.
fn check_bounds(at: &Geometry, numel: usize, dtype: DType) -> Result<()> {
    crate::record::check_extent(&at.sizes, dtype)?;
    match at.extent() {
        Some((low, high)) if low < 0 || high > numel as i64 => runtime(format!(
            "setStorage: sizes {}, strides {:?}, storage offset {}, and itemsize {} requiring a storage size of {} \
             are out of bounds for storage of size {}",
            at.sizes,
            at.strides.as_slice(),
            at.offset,
            dtype.size(),
            (high as i128) * dtype.size() as i128,
            numel * dtype.size()
        )),
        _ => Ok(()),
    }
}

/// The value with a gradient node that no other tensor has: a tensor of its own is no leaf, and its hooks are
/// its own.
fn own_gradient(value: Recorded) -> Result<Recorded> {
    let Some((grad, port)) = value.grad_node() else { return Ok(value) };
    if !matches!(grad.kind(), GradKind::Leaf(_)) && grad.adopt(port) {
        return Ok(value);
    }
    let same = Op::Reshape(Reshape { shape: value.shape().clone() });
    let alias = Recorded::apply(same, &[&value])?;
    if let Some((grad, port)) = alias.grad_node() {
        grad.adopt(port);
    }
    Ok(alias)
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        write!(
            f,
            "Tensor({} {} strides={:?})",
            body.dtype,
            body.geometry.sizes,
            body.geometry.strides.as_slice()
        )
    }
}

fn fresh_version() -> Version {
    Version::Own(Arc::new(AtomicU64::new(0)))
}
