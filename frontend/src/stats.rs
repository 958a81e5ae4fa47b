//! What the engine has done: counters for `rt.stats()`.

use rustorch_backend::alloc;
use rustorch_ir::op::{Op, Outputs};
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

static COMPILES: AtomicU64 = AtomicU64::new(0);
static LAUNCHES: AtomicU64 = AtomicU64::new(0);
static INTERPRETED: AtomicU64 = AtomicU64::new(0);
static CACHE_HITS: AtomicU64 = AtomicU64::new(0);
static NODES_PENDING: AtomicUsize = AtomicUsize::new(0);
static BYTES_PENDING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SPOT: Cell<u64> = const { Cell::new(0) };
}

/// A reading of all counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Graphs compiled.
    pub compiles: u64,
    /// Pool launches and host routines that ran to their end.
    pub launches: u64,
    /// Programs that ran without compiled code.
    pub interpreted: u64,
    /// Plans taken from the cache.
    pub cache_hits: u64,
    /// Requests for memory that reached the operating system.
    pub allocations: u64,
    /// Bytes of buffers in use, now and at most.
    pub bytes_live: usize,
    pub bytes_peak: usize,
    /// Recorded operations that are alive and not realised.
    pub nodes_pending: usize,
}

pub fn stats() -> Stats {
    let memory = alloc::stats();
    Stats {
        compiles: COMPILES.load(Relaxed),
        launches: LAUNCHES.load(Relaxed),
        interpreted: INTERPRETED.load(Relaxed),
        cache_hits: CACHE_HITS.load(Relaxed),
        allocations: memory.os_requests,
        bytes_live: memory.bytes_live,
        bytes_peak: memory.bytes_peak,
        nodes_pending: NODES_PENDING.load(Relaxed),
    }
}

pub(crate) fn compiled() {
    COMPILES.fetch_add(1, Relaxed);
}

/// Counts a run: of a compiled program its launches, of another the run itself.
pub(crate) fn ran(launches: u64, compiled: bool) {
    LAUNCHES.fetch_add(launches, Relaxed);
    INTERPRETED.fetch_add(u64::from(!compiled), Relaxed);
}

pub(crate) fn cache_hit() {
    CACHE_HITS.fetch_add(1, Relaxed);
}

pub(crate) fn pending_added(bytes: usize) {
    NODES_PENDING.fetch_add(1, Relaxed);
    BYTES_PENDING.fetch_add(bytes, Relaxed);
}

pub(crate) fn pending_removed(bytes: usize) {
    NODES_PENDING.fetch_sub(1, Relaxed);
    BYTES_PENDING.fetch_sub(bytes, Relaxed);
}

/// Recorded operations that wait, and the bytes that their buffers will need.
pub(crate) fn pending() -> (usize, usize) {
    (NODES_PENDING.load(Relaxed), BYTES_PENDING.load(Relaxed))
}

/// Notes what was recorded: [`spot`] tells the places of a program apart by the last operations.
pub(crate) fn note(op: &Op, types: &Outputs) {
    let mut hasher = rustc_hash::FxHasher::default();
    discriminant(op).hash(&mut hasher);
    types[0].shape.rank().hash(&mut hasher);
    SPOT.set((SPOT.get() << 4) ^ (hasher.finish() >> 60));
}

/// Equal at two moments when this thread recorded the same kinds of operations before them.
pub(crate) fn spot() -> u64 {
    SPOT.get()
}
