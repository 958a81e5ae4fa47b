//! Storages: the value that a tensor and its views share, and its version.
//!
//! A storage's value is data without gradient. Where gradients go is a matter of its [`Family`]s: a tensor and
//! the views made of it share one, `detach` begins another. So a write through a detached alias changes the data
//! that all see and leaves every gradient path as it was, as in torch.

use crate::error::Result;
use crate::gradient::GradNode;
use crate::record::{Recorded, lock};
use crate::view::Chain;
use rustorch_ir::Shape;
use rustorch_ir::graph::Type;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// Where the gradient of a family's root goes, and as which result.
pub(crate) type History = Option<(Arc<GradNode>, u8)>;

pub(crate) struct StorageState {
    /// The whole storage, without gradient.
    pub value: Recorded,
    /// The history of the family that the storage began with.
    pub history: History,
}

pub struct Storage {
    state: Mutex<StorageState>,
    /// Grows with every change of the value or of a history: cached reads of another stamp are stale.
    stamp: AtomicU64,
    version: Arc<AtomicU64>,
    /// Arrays outside that share the memory.
    leases: AtomicUsize,
    /// For memory that came from outside: whether it can still be written there. It counts as a lease until not.
    outside: Mutex<Option<Arc<Reachable>>>,
}

/// Whether an array that gave its memory can still write it. Once it cannot, it never can again.
pub type Reachable = Box<dyn Fn() -> bool + Send + Sync>;

impl Storage {
    pub(crate) fn new(value: Recorded, history: History) -> Arc<Storage> {
        debug_assert!(!value.tracks());
        Arc::new(Storage {
            state: Mutex::new(StorageState { value, history }),
            stamp: AtomicU64::new(0),
            version: Arc::default(),
            leases: AtomicUsize::new(0),
            outside: Mutex::new(None),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, StorageState> {
        lock(&self.state)
    }

    pub(crate) fn value(&self) -> Recorded {
        self.state().value.clone()
    }

    pub fn shape(&self) -> Shape {
        self.state().value.shape().clone()
    }

    /// Type of the whole storage.
    pub fn ty(&self) -> Type {
        self.state().value.ty().clone()
    }

    pub fn nbytes(&self) -> usize {
        self.state().value.ty().bytes()
    }

    /// How often it was written.
    pub(crate) fn version_count(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// Counts writes.
    pub(crate) fn add_versions(&self, writes: u64) {
        self.version.fetch_add(writes, Relaxed);
    }

    pub(crate) fn stamp(&self) -> u64 {
        self.stamp.load(Relaxed)
    }

    pub(crate) fn touch(&self) {
        self.stamp.fetch_add(1, Relaxed);
    }

    /// Whether an array outside shares the memory, now, and may write it.
    pub fn is_external(&self) -> bool {
        self.leases.load(Relaxed) > 0
    }

    /// Whether an array outside shares the memory besides the one that is being made.
    pub(crate) fn is_lent_before(&self) -> bool {
        self.leases.load(Relaxed) > 1
    }

    /// Makes the storage external for as long as its memory can be written outside.
    pub(crate) fn share_while(&self, reachable: Reachable) {
        self.leases.fetch_add(1, Relaxed);
        *lock(&self.outside) = Some(Arc::new(reachable));
    }

    /// Makes the storage an ordinary one again if its memory came from outside and can no longer be written there.
    /// The answer may wait for other threads, so no lock may be held here.
    pub(crate) fn settle(&self) {
        let Some(reachable) = lock(&self.outside).clone() else { return };
        if !reachable() && lock(&self.outside).take().is_some() {
            self.touch();
            self.leases.fetch_sub(1, Relaxed);
        }
    }
}

/// Keeps a storage external while an array outside shares its memory.
pub struct Lease {
    storage: Arc<Storage>,
}

impl Lease {
    pub(crate) fn new(storage: &Arc<Storage>) -> Lease {
        storage.leases.fetch_add(1, Relaxed);
        Lease { storage: storage.clone() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.storage.touch();
        self.storage.leases.fetch_sub(1, Relaxed);
    }
}

/// A tensor with its views, as far as gradients go: they share one history.
#[derive(Clone)]
pub(crate) enum Family {
    /// The one that the storage began with, whose root is the whole storage.
    Whole,
    Own(Arc<OwnFamily>),
}

pub(crate) struct OwnFamily {
    /// From the storage to the family's root.
    pub prefix: Chain,
    pub history: Mutex<History>,
}

impl Family {
    pub fn new(prefix: Chain, history: History) -> Family {
        Family::Own(Arc::new(OwnFamily { prefix, history: Mutex::new(history) }))
    }

    pub fn prefix(&self) -> Chain {
        match self {
            Family::Whole => Chain::default(),
            Family::Own(own) => own.prefix.clone(),
        }
    }

    pub fn history(&self, storage: &Storage) -> History {
        match self {
            Family::Whole => storage.state().history.clone(),
            Family::Own(own) => lock(&own.history).clone(),
        }
    }

    pub fn set_history(&self, storage: &Storage, history: History) {
        let old = match self {
            Family::Whole => std::mem::replace(&mut storage.state().history, history),
            Family::Own(own) => std::mem::replace(&mut *lock(&own.history), history),
        };
        storage.touch();
        drop(old);
    }

    /// The value of the family's root, with its gradient.
    pub fn read(&self, storage: &Storage) -> Result<Recorded> {
        let root = self.prefix().apply(&storage.value())?;
        Ok(match self.history(storage) {
            Some((grad, port)) => root.with_grad(grad, port),
            None => root,
        })
    }
}

/// The version that the writes to a tensor count up: its storage's, or one of its own (`.data`).
#[derive(Clone)]
pub(crate) enum Version {
    OfStorage,
    Own(Arc<AtomicU64>),
}

impl Version {
    pub fn current(&self, storage: &Storage) -> u64 {
        self.of(storage).load(Relaxed)
    }

    /// The same count, for the tensor when it gets another storage.
    pub fn clone_for(&self, storage: &Storage) -> Version {
        match self {
            Version::OfStorage => Version::Own(Arc::new(AtomicU64::new(self.current(storage)))),
            own => own.clone(),
        }
    }

    pub fn bump(&self, storage: &Storage) {
        self.of(storage).fetch_add(1, Relaxed);
    }

    fn of<'a>(&'a self, storage: &'a Storage) -> &'a AtomicU64 {
        match self {
            Version::OfStorage => &storage.version,
            Version::Own(own) => own,
        }
    }

    /// The counter itself, for gradients, which keep no storage alive: results save themselves, and would never be
    /// freed.
    pub fn counter(&self, storage: &Storage) -> Arc<AtomicU64> {
        match self {
            Version::OfStorage => storage.version.clone(),
            Version::Own(own) => own.clone(),
        }
    }
}
