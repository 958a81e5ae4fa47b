//! What a call under capture has touched.

use super::binding::{Number, Word};
use super::{Break, Fill};
use crate::error::Result;
use crate::gradient::GradSlot;
use crate::random::PhiloxKey;
use crate::realize::{copy_now, realize};
use crate::record::{Recorded, RecordedNode, lock};
use crate::storage::{Family, Storage};
use crate::tensor::{Tensor, WeakTensor};
use rustc_hash::{FxHashMap, FxHashSet};
use rustorch_backend::buffer::Buffer;
use rustorch_ir::Literal;
use std::sync::{Arc, Weak};

/// Where the storage that a program reads is found at each call.
#[derive(Clone)]
pub(super) enum Origin {
    /// That of an argument.
    Argument(usize),
    /// That of the `.grad` in a slot.
    Grad(usize),
    Own,
}

/// A storage that was there before.
pub(super) struct Read {
    pub storage: Arc<Storage>,
    pub origin: Origin,
    pub before: Recorded,
    pub version: u64,
    /// The node of its own family's history, by address.
    pub history: Option<usize>,
}

/// What each call draws from the default generator.
#[derive(Clone)]
pub(super) enum Draw {
    Key(PhiloxKey),
    /// Numbers, which the call under capture had in this buffer.
    Fill(Fill, Buffer),
}

/// A `.grad` that was read or replaced.
pub(super) struct Slot {
    pub slot: Arc<GradSlot>,
    pub before: Option<Tensor>,
    pub storage: Option<Arc<Storage>>,
    /// Whether the call depends on there being one.
    pub looked: bool,
}

/// A tensor that was there before, and what it was.
pub(super) struct Seen {
    pub tensor: WeakTensor,
    pub storage: Weak<Storage>,
    pub tracks: bool,
}

pub(super) struct Trace {
    pub whole: bool,
    /// What is recorded from here on belongs to the call.
    pub began: u64,
    pub args: Vec<Tensor>,
    /// Their storages: tensors may be locked while they are read.
    arg_storages: Vec<Arc<Storage>>,
    pub reads: Vec<Read>,
    places: FxHashMap<*const Storage, usize>,
    made: Vec<Weak<Storage>>,
    made_places: FxHashSet<*const Storage>,
    pub slots: Vec<Slot>,
    pub seen: Vec<Seen>,
    looked_at: FxHashSet<usize>,
    /// Tensors whose addresses are in `looked_at`: they must not be reused.
    held: Vec<Tensor>,
    /// Numbers from outside and of the program's own that the present operation was given.
    pub numbers: Vec<(u32, Number)>,
    pub literals: Vec<Number>,
    /// Those from outside that became scalars.
    pub given: FxHashMap<u32, Number>,
    /// Numbers from outside whose values the program depends on otherwise than by scalars.
    pub fixed: FxHashSet<u32>,
    linked: FxHashSet<u32>,
    /// What is known of scalars, by their nodes, which are kept so that their addresses stay theirs.
    pub words: FxHashMap<*const RecordedNode, Word>,
    word_nodes: Vec<Arc<RecordedNode>>,
    pub draws: Vec<Draw>,
    pub broken: Option<Break>,
    pub again: bool,
}

/// The address of a storage's history.
pub(super) fn history_of(storage: &Storage) -> Option<usize> {
    Family::Whole.history(storage).map(|(grad, _)| Arc::as_ptr(&grad) as usize)
}

/// Computes the storage's value, and gives it bytes of its own in row-major order, which none of `others` is.
pub(super) fn plain(storage: &Arc<Storage>, others: &[Buffer]) -> Result<()> {
    storage.settle();
    let value = storage.value();
    realize(std::slice::from_ref(&value))?;
    let Some(stored) = value.stored() else { return Ok(()) };
    let rows = value.numel() == 0 || stored.strides == value.shape().contiguous_strides();
    if storage.is_external() || (rows && !others.iter().any(|other| other.same_block(&stored.buffer))) {
        return Ok(());
    }
    let own = copy_now(&value)?;
    let old = std::mem::replace(&mut storage.state().value, own);
    drop(old);
    storage.touch();
    Ok(())
}

impl Trace {
    pub fn new(args: &[Tensor], whole: bool) -> Trace {
        Trace {
            whole,
            began: crate::record::next_seq(),
            args: args.to_vec(),
            arg_storages: args.iter().map(Tensor::storage).collect(),
            reads: Vec::new(),
            places: FxHashMap::default(),
            made: Vec::new(),
            made_places: FxHashSet::default(),
            slots: Vec::new(),
            seen: Vec::new(),
            looked_at: FxHashSet::default(),
            held: Vec::new(),
            numbers: Vec::new(),
            literals: Vec::new(),
            given: FxHashMap::default(),
            fixed: FxHashSet::default(),
            linked: FxHashSet::default(),
            words: FxHashMap::default(),
            word_nodes: Vec::new(),
            draws: Vec::new(),
            broken: None,
            again: false,
        }
    }

    pub fn knows(&self, storage: &Arc<Storage>) -> bool {
        self.places.contains_key(&Arc::as_ptr(storage))
    }

    pub fn was_made(&self, storage: &Arc<Storage>) -> bool {
        self.made_places.contains(&Arc::as_ptr(storage))
    }

    /// The memory of the storages that are read.
    pub fn blocks(&self) -> Vec<Buffer> {
        self.reads.iter().filter_map(|read| Some(read.before.stored()?.buffer.clone())).collect()
    }

    /// Notes a storage, whose value is there.
    pub fn read(&mut self, storage: &Arc<Storage>) {
        let argument = self.arg_storages.iter().position(|own| Arc::ptr_eq(own, storage));
        let in_slot =
            |slot: &Slot| slot.looked && slot.storage.as_ref().is_some_and(|own| Arc::ptr_eq(own, storage));
        let origin = match (argument, self.slots.iter().position(in_slot)) {
            (Some(place), _) => Origin::Argument(place),
            (None, Some(place)) => Origin::Grad(place),
            (None, None) => Origin::Own,
        };
        self.places.insert(Arc::as_ptr(storage), self.reads.len());
        self.reads.push(Read {
            storage: storage.clone(),
            origin,
            before: storage.value(),
            version: storage.version_count(),
            history: history_of(storage),
        });
    }

    /// The tensors that were read.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.held.iter().filter(|tensor| !self.was_made(&tensor.storage())).cloned().collect()
    }

    pub fn make(&mut self, storage: &Arc<Storage>) {
        // The weak handle keeps the address from being given to another.
        self.made_places.insert(Arc::as_ptr(storage));
        self.made.push(Arc::downgrade(storage));
    }

    pub fn look_at(&mut self, tensor: &Tensor) {
        if self.looked_at.insert(tensor.id()) {
            self.held.push(tensor.clone());
            let storage = tensor.storage();
            if !self.was_made(&storage) && !self.args.iter().any(|arg| arg.is_same(tensor)) {
                let (storage, tracks) = (Arc::downgrade(&storage), tensor.requires_grad());
                self.seen.push(Seen { tensor: tensor.downgrade(), storage, tracks });
            }
        }
    }

    pub fn grad(&mut self, slot: &Arc<GradSlot>, looks: bool) {
        if self.slots.iter().all(|known| !Arc::ptr_eq(&known.slot, slot)) {
            let before = lock(&slot.grad).clone();
            let storage = before.as_ref().map(Tensor::storage);
            self.slots.push(Slot { slot: slot.clone(), before, storage, looked: looks });
        }
    }

    pub fn drew(&mut self, drawn: PhiloxKey, key: &Recorded, offset: &Recorded) {
        let draw = self.draws.len();
        self.draws.push(Draw::Key(drawn));
        self.link(key, Word::Key(draw));
        self.link(offset, Word::Offset(draw));
    }

    fn link(&mut self, value: &Recorded, word: Word) {
        self.word_nodes.push(value.node().clone());
        self.words.insert(Arc::as_ptr(value.node()), word);
    }

    /// Finds out which number from outside the scalar is. Where one of the program's own is the same, that cannot be
    /// said.
    pub fn scalar(&mut self, value: &Recorded, literal: Literal) {
        let found = self.numbers.iter().find_map(|&(id, number)| {
            let word = |negated| Word::Number { id, dtype: literal.dtype, negated };
            if number.literal(literal.dtype, false).bits == literal.bits {
                Some((id, word(false)))
            } else if number.literal(literal.dtype, true).bits == literal.bits {
                Some((id, word(true)))
            } else {
                None
            }
        });
        let Some((id, word)) = found else { return };
        let same = |number: &Number| {
            [false, true].iter().any(|&n| number.literal(literal.dtype, n).bits == literal.bits)
        };
        let twins = self.numbers.iter().filter(|(other, number)| *other != id && same(number)).count();
        if twins > 0 || self.literals.iter().any(same) {
            self.fixed.insert(id);
            return;
        }
        self.linked.insert(id);
        self.given.extend(self.numbers.iter().filter(|(other, _)| *other == id).copied());
        self.link(value, word);
    }

    pub fn forget_numbers(&mut self) {
        for (id, _) in self.numbers.drain(..) {
            if !self.linked.contains(&id) {
                self.fixed.insert(id);
            }
        }
        self.linked.clear();
        self.literals.clear();
    }

    /// Ends the capture; gives whether that is an error.
    pub fn stop(&mut self, reason: Break) -> bool {
        self.broken = Some(reason);
        self.whole
    }

    pub fn take_made(&mut self) -> Vec<Weak<Storage>> {
        std::mem::take(&mut self.made)
    }

    /// Computes the values of storages that were made and are still there: they may wait for memory that arrays outside
    /// will write.
    pub fn compute(made: &[Weak<Storage>]) -> Result<()> {
        let live: Vec<Recorded> = made.iter().filter_map(Weak::upgrade).map(|s| s.value()).collect();
        realize(&live)
    }

    /// Leaves nothing behind that is not as without capture.
    pub fn settle(mut self: Box<Self>) -> Result<()> {
        let mut made = self.take_made();
        made.extend(self.reads.iter().map(|read| Arc::downgrade(&read.storage)));
        Trace::compute(&made)
    }
}
