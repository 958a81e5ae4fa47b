//! A captured program, and running it: guards, inputs, effects.

use super::Fill;
use super::backward::Backward;
use super::binding::{Bytes, Number, Word};
use super::trace::{Origin, plain};
use crate::cache::Planned;
use crate::engine::{Bound, engine};
use crate::error::{Error, Result};
use crate::gradient::{GradNode, GradSlot};
use crate::random::{PhiloxKey, default_generator};
use crate::realize::execute;
use crate::record::{Recorded, Stored, lock, scalar_word};
use crate::storage::Storage;
use crate::tensor::{Template, Tensor, WeakTensor, storage_of};
use crate::view::Geometry;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::Strides;
use rustorch_ir::graph::Type;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// Why a program does not fit a call.
pub type Stale = String;

/// An argument, as far as the program depends on more than its elements.
pub(super) struct Argument {
    /// The first argument on the same storage.
    pub same_as: usize,
    /// Whether the program depends on where in its storage it lies.
    pub whole: bool,
    pub geometry: Geometry,
    pub storage: Type,
}

/// A storage that is read or written.
pub(super) struct ReadAt {
    pub own: Option<Arc<Storage>>,
    pub origin: Origin,
    pub ty: Type,
}

/// Where a value is after a run.
#[derive(Clone)]
pub(super) enum Place {
    Result(usize, Type),
    /// It lies in memory that was there before.
    Alias {
        bytes: Bytes,
        strides: Strides,
        ty: Type,
    },
}

pub(super) struct WriteAt {
    pub read: usize,
    /// The new value, unless it only counts as written.
    pub place: Option<Place>,
    pub bump: u64,
}

/// A storage that each call makes.
pub(super) struct Fresh {
    pub place: Place,
}

/// The storage of a tensor that each call makes.
pub(super) enum Source {
    Read(usize),
    Fresh(usize, Option<(Arc<GradNode>, u8)>),
    /// As before; the nth of those whose gradients the second program computes.
    Tracked(usize, usize),
}

/// A tensor that a call gives back.
pub(super) enum Given {
    Argument(usize),
    Held(Tensor),
    Made(Template, Source),
}

pub(super) enum After {
    Same,
    Gone,
    Given(Given),
}

impl After {
    pub fn given(&self) -> Option<&Given> {
        match self {
            After::Given(given) => Some(given),
            _ => None,
        }
    }
}

/// A `.grad`.
pub(super) struct SlotAt {
    pub slot: Arc<GradSlot>,
    /// Whether there must be one, or none.
    pub needs: Option<bool>,
    pub after: After,
}

pub(super) struct SeenAt {
    pub tensor: WeakTensor,
    pub storage: Weak<Storage>,
    pub tracks: bool,
}

/// A result: the argument itself, or a tensor.
pub enum Output {
    Argument(usize),
    Tensor(Tensor),
}

/// A program that does what a call of a function did.
pub struct Captured {
    pub(super) planned: Option<Arc<Planned>>,
    pub(super) inputs: Vec<Bytes>,
    pub(super) words: Vec<Word>,
    /// What is drawn, in order: a key, or numbers.
    pub(super) draws: Vec<Option<Fill>>,
    pub(super) arguments: Vec<Argument>,
    pub(super) reads: Vec<ReadAt>,
    pub(super) writes: Vec<WriteAt>,
    pub(super) fresh: Vec<Fresh>,
    pub(super) slots: Vec<SlotAt>,
    pub(super) outputs: Vec<Given>,
    pub(super) backward: Option<Arc<Backward>>,
    pub(super) seen: Vec<SeenAt>,
    pub(super) epoch: AtomicU64,
}

/// What a call reads.
pub(super) struct Resolved {
    /// The storages, with the bytes that they hold.
    pub storages: SmallVec<[(Arc<Storage>, Stored); 8]>,
    pub draws: SmallVec<[Drawn; 2]>,
}

pub(super) enum Drawn {
    Key(PhiloxKey),
    Numbers(Buffer),
}

impl Captured {
    /// `Err` says what has changed since the program was captured. Types, shapes and strides of the arguments are the
    /// caller's to compare.
    pub fn check(&self, args: &[Tensor]) -> std::result::Result<(), Stale> {
        let epoch = super::epoch();
        if self.epoch.load(Relaxed) != epoch {
            self.check_tensors()?;
            self.epoch.store(epoch, Relaxed);
        }
        for slot in &self.slots {
            if let Some(needs) = slot.needs
                && lock(&slot.slot.grad).is_some() != needs
            {
                let was = if needs { "there was" } else { "there was not" };
                return Err(format!("{was} a .grad of a parameter when it was captured"));
            }
        }
        for (j, (arg, known)) in args.iter().zip(&self.arguments).enumerate() {
            let storage = arg.storage();
            if args[..j].iter().position(|other| Arc::ptr_eq(&other.storage(), &storage)).unwrap_or(j)
                != known.same_as
            {
                return Err(format!(
                    "tensor {j} among the arguments shares memory with other ones than before"
                ));
            }
            if known.whole && (arg.geometry() != known.geometry || storage.ty() != known.storage) {
                return Err(format!("tensor {j} among the arguments lies elsewhere in its storage"));
            }
        }
        for read in &self.reads {
            let Some(storage) = self.storage(read, args) else {
                return Err("a .grad that was read is gone".into());
            };
            let free = matches!(read.origin, Origin::Argument(j) if !self.arguments[j].whole);
            if !free && storage.ty() != read.ty {
                return Err(format!(
                    "a tensor of {} has become one of {}",
                    shown(&read.ty),
                    shown(&storage.ty())
                ));
            }
        }
        Ok(())
    }

    fn check_tensors(&self) -> std::result::Result<(), Stale> {
        for seen in &self.seen {
            let Some(tensor) = seen.tensor.upgrade() else { continue };
            if seen.storage.as_ptr() != Arc::as_ptr(&tensor.storage()) {
                return Err(format!("a tensor of shape {} was given other data", tensor.sizes()));
            }
            if tensor.requires_grad() != seen.tracks {
                return Err(format!(
                    "requires_grad of a tensor of shape {} was {} when it was captured",
                    tensor.sizes(),
                    if seen.tracks { "True" } else { "False" }
                ));
            }
        }
        Ok(())
    }

    fn storage(&self, read: &ReadAt, args: &[Tensor]) -> Option<Arc<Storage>> {
        match read.origin {
            Origin::Own => read.own.clone(),
            Origin::Argument(j) => Some(args[j].storage()),
            Origin::Grad(slot) => Some(lock(&self.slots[slot].slot.grad).as_ref()?.storage()),
        }
    }

    /// The numbers from outside that are inputs.
    pub fn numbers(&self) -> Vec<u32> {
        let later = self.backward.iter().flat_map(|backward| backward.words());
        let ids = self.words.iter().chain(later).filter_map(|word| match word {
            Word::Number { id, .. } => Some(*id),
            _ => None,
        });
        ids.collect()
    }

    /// Whether a run takes microseconds.
    pub fn is_brief(&self) -> bool {
        let program = self.planned.as_ref().and_then(|planned| planned.program.executable());
        self.planned.is_none() || program.is_some_and(|executable| executable.is_brief())
    }

    /// Does what the call did. The program must fit the call: see [`Captured::check`].
    pub fn run(&self, args: &[Tensor], numbers: &[Number]) -> Result<Vec<Output>> {
        let storages = SmallVec::with_capacity(self.reads.len());
        let mut resolved = Resolved { storages, draws: SmallVec::new() };
        for read in &self.reads {
            let Some(storage) = self.storage(read, args) else { return changed() };
            let mut value = storage.value();
            if value.stored().is_none_or(|stored| stored.strides != value.shape().contiguous_strides()) {
                plain(&storage, &[])?;
                value = storage.value();
            }
            let Some(stored) = value.stored() else { return changed() };
            let mut stored = stored.clone();
            // In bytes from here on.
            stored.offset *= value.dtype().size();
            if let Origin::Argument(j) = read.origin
                && !self.arguments[j].whole
            {
                let shift = args[j].storage_offset() * args[j].dtype().size() as i64;
                stored.offset = (stored.offset as i64 + shift) as usize;
            }
            resolved.storages.push((storage, stored));
        }
        if !self.draws.is_empty() {
            let mut generator = default_generator();
            for draw in &self.draws {
                resolved.draws.push(match draw {
                    None => Drawn::Key(generator.philox_key()),
                    Some(fill) => Drawn::Numbers(fill(&mut generator)?),
                });
            }
        }
        let words: SmallVec<[u64; 8]> =
            self.words.iter().map(|&word| word_bits(word, numbers, &resolved)).collect::<Result<_>>()?;
        let buffers = match &self.planned {
            None => Vec::new(),
            Some(planned) => {
                let bound: SmallVec<[Bound; 8]> = (self.inputs.iter())
                    .map(|bytes| at(bytes, &resolved).map(|(buffer, offset)| Bound { buffer, offset }))
                    .collect::<Result<_>>()?;
                execute(planned, &bound, &words)?
            }
        };
        let gradient = match &self.backward {
            None => None,
            Some(backward) => {
                let words = backward.words().iter().map(|&word| word_bits(word, numbers, &resolved));
                Some(backward.node(args, &resolved, &buffers, words.collect::<Result<_>>()?)?)
            }
        };
        self.effects(args, &resolved, &buffers, gradient.as_ref())
    }

    fn effects(
        &self,
        args: &[Tensor],
        resolved: &Resolved,
        buffers: &[Buffer],
        gradient: Option<&Arc<GradNode>>,
    ) -> Result<Vec<Output>> {
        for write in &self.writes {
            let (storage, stored) = &resolved.storages[write.read];
            if let Some(place) = &write.place {
                let value = value_at(place, resolved, buffers)?;
                if storage.is_external() {
                    let whole = crate::realize::contiguous(&value)?;
                    engine().overwrite(&stored.buffer, &whole)?;
                } else {
                    let old = std::mem::replace(&mut storage.state().value, value);
                    drop(old);
                }
                storage.touch();
            }
            storage.add_versions(write.bump);
        }
        let fresh: Vec<Arc<Storage>> = (self.fresh.iter())
            .map(|fresh| Ok(storage_of(value_at(&fresh.place, resolved, buffers)?)))
            .collect::<Result<_>>()?;
        let made = |given: &Given| match given {
            Given::Argument(j) => args[*j].clone(),
            Given::Held(tensor) => tensor.clone(),
            Given::Made(template, Source::Fresh(number, path)) => {
                template.on(fresh[*number].clone(), None, path.clone())
            }
            Given::Made(template, Source::Tracked(number, port)) => {
                let path = gradient.map(|node| (node.clone(), *port as u8));
                template.on(fresh[*number].clone(), None, path)
            }
            Given::Made(template, Source::Read(number)) => {
                let base = match self.reads[*number].origin {
                    Origin::Argument(j) => args.get(j),
                    _ => None,
                };
                template.on(resolved.storages[*number].0.clone(), base, None)
            }
        };
        for slot in &self.slots {
            let grad = match &slot.after {
                After::Same => continue,
                After::Gone => None,
                After::Given(given) => Some(made(given)),
            };
            let old = std::mem::replace(&mut *lock(&slot.slot.grad), grad);
            drop(old);
        }
        Ok(self
            .outputs
            .iter()
            .map(|given| match given {
                Given::Argument(j) => Output::Argument(*j),
                other => Output::Tensor(made(other)),
            })
            .collect())
    }
}

fn changed<T>() -> Result<T> {
    crate::error::runtime("a tensor of a compiled function was changed by another thread during the call")
}

fn shown(ty: &Type) -> String {
    format!("{} {}", ty.dtype, ty.shape)
}

/// A buffer, and where in it.
pub(super) fn at(bytes: &Bytes, resolved: &Resolved) -> Result<(Buffer, usize)> {
    Ok(match bytes {
        Bytes::Kept { buffer, start } => (buffer.clone(), *start),
        Bytes::Storage { read, shift } => {
            let stored = &resolved.storages[*read].1;
            (stored.buffer.clone(), (stored.offset as i64 + shift) as usize)
        }
        Bytes::Drawn { draw, start } => match &resolved.draws[*draw] {
            Drawn::Numbers(buffer) => (buffer.clone(), *start),
            Drawn::Key(_) => {
                return crate::error::runtime("internal error: a captured draw is of another kind");
            }
        },
    })
}

fn value_at(place: &Place, resolved: &Resolved, buffers: &[Buffer]) -> Result<Recorded> {
    match place {
        Place::Result(i, ty) => match buffers.get(*i) {
            Some(buffer) => Recorded::from_buffer(buffer.clone(), ty.clone()),
            None => crate::error::runtime("internal error: a captured program gave too few results"),
        },
        Place::Alias { bytes, strides, ty } => {
            let (buffer, start) = at(bytes, resolved)?;
            let stored = Stored { buffer, offset: start / ty.dtype.size(), strides: strides.clone() };
            Recorded::from_stored(stored, ty.clone())
        }
    }
}

pub(super) fn word_bits(word: Word, numbers: &[Number], resolved: &Resolved) -> Result<u64> {
    let key = |draw: usize| match &resolved.draws[draw] {
        Drawn::Key(key) => Ok(*key),
        Drawn::Numbers(_) => crate::error::runtime("internal error: a captured draw is of another kind"),
    };
    Ok(match word {
        Word::Fixed(bits) => bits,
        Word::Key(draw) => key(draw)?.key,
        Word::Offset(draw) => key(draw)?.offset,
        Word::Number { id, dtype, negated } => match numbers.get(id as usize) {
            Some(number) => scalar_word(number.literal(dtype, negated)),
            None => return Err(Error::Runtime("internal error: a captured number is missing".into())),
        },
    })
}
