//! The allocator behind every buffer: 64-byte aligned blocks in size classes, kept for reuse when freed.
//!
//! Fresh pages cost more than the arithmetic of a large element-wise kernel, so a steady loop must never ask the
//! operating system. Blocks up to `SLAB_LIMIT` are carved from slabs, larger ones are mapped one by one; both
//! come from one cache of mapped blocks, which is bounded and trimmed oldest first. A request that does need
//! fresh memory is checked against what the control groups and the machine still have, because the kernel
//! grants address space freely and kills later.

mod slab;

use crate::host::{limits, pages};
use slab::SlabClass;
#[cfg(unix)]
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ptr::NonNull;
#[cfg(unix)]
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Alignment of every block.
pub const ALIGN: usize = 64;

/// The largest block that shares a slab with others.
const SLAB_LIMIT: usize = 32 << 10;
/// Classes per doubling of size: at most an eighth of a block is waste.
const STEPS: usize = 8;
/// Classes up to 8 · 64 bytes advance by 64, later ones by an eighth of a power of two.
const LINEAR: usize = STEPS * ALIGN;
/// Classes reach to 2^47 bytes, the user half of a 48-bit address space.
const CLASSES: usize = STEPS + (47 - LINEAR.ilog2() as usize) * STEPS;
const SLAB_CLASSES: usize = class_of(SLAB_LIMIT) + 1;
/// Mapped blocks at least this large are watched for untouched pages.
const WATCHED: usize = 8 << 20;
/// Left to the rest of the process when a request is weighed, unless memory is very small.
const RESERVE: u64 = 64 << 20;
/// A measured headroom is trusted for this long and for this fraction of it.
const HEADROOM_AGE: Duration = Duration::from_millis(100);
const HEADROOM_SHARE: u64 = 16;

/// The memory asked for cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not enough memory: tried to allocate {requested} bytes, {available} bytes are available")]
pub struct AllocError {
    pub requested: usize,
    pub available: usize,
}

/// What the allocator holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AllocStats {
    /// Requests that the cache could not serve and that reached the operating system.
    pub os_requests: u64,
    /// Bytes in blocks now in use, counted by the size of their classes.
    pub bytes_live: usize,
    /// The highest `bytes_live` since the start or the last `reset_peak`.
    pub bytes_peak: usize,
    /// Bytes held from the operating system beyond those in use.
    pub bytes_cached: usize,
}

/// An owned block of memory, given back when dropped. Its content is unspecified unless it was asked for zeroed.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    class: u16,
    /// Index of the slab within its class; meaningless for mapped blocks.
    slab: u32,
}

// SAFETY: a block is plain memory with one owner, and giving it back is synchronised.
unsafe impl Send for Block {}
// SAFETY: a shared block only hands out its address.
unsafe impl Sync for Block {}

impl Block {
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Usable bytes: at least what was asked for.
    pub fn capacity(&self) -> usize {
        class_bytes(self.class as usize)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let class = self.class as usize;
        BYTES_LIVE.fetch_sub(class_bytes(class), Relaxed);
        if class >= SLAB_CLASSES {
            return recycle(self.start, class);
        }
        let emptied = lock(&SLABS[class]).give(self.start, self.slab);
        if let Some(slab) = emptied {
            recycle(slab, slab_class(class));
        }
    }
}

/// A block of at least `bytes` bytes with unspecified content.
pub fn alloc(bytes: usize) -> Result<Block, AllocError> {
    obtain(bytes).map(|(block, _)| block)
}

/// A block of which the first `bytes` bytes are zero; pages fresh from the system are not cleared twice.
pub fn alloc_zeroed(bytes: usize) -> Result<Block, AllocError> {
    let (block, fresh) = obtain(bytes)?;
    if !fresh {
        // SAFETY: the block holds at least `bytes` bytes and has no other user.
        unsafe { block.start.as_ptr().write_bytes(0, bytes) };
    }
    Ok(block)
}

/// Returns all idle memory to the operating system.
pub fn trim() {
    for (class, slabs) in SLABS.iter().enumerate() {
        let empty = lock(slabs).take_empty();
        empty.into_iter().for_each(|slab| recycle(slab, slab_class(class)));
    }
    trim_mapped();
}

/// Bounds the idle memory kept for reuse. The default is a quarter of the memory this process may hold.
pub fn set_cache_limit(bytes: usize) {
    CACHE_LIMIT.store(bytes, Relaxed);
    let removed = lock(&CACHE).shrink_to(bytes);
    release(removed);
}

/// The present counters; each is exact, together they are a snapshot only while no other thread allocates.
pub fn stats() -> AllocStats {
    let bytes_live = BYTES_LIVE.load(Relaxed);
    AllocStats {
        os_requests: OS_REQUESTS.load(Relaxed),
        bytes_live,
        bytes_peak: BYTES_PEAK.load(Relaxed).max(bytes_live),
        bytes_cached: BYTES_MAPPED.load(Relaxed).saturating_sub(bytes_live),
    }
}

/// Starts a new measurement of `bytes_peak` at what is live now.
pub fn reset_peak() {
    BYTES_PEAK.store(BYTES_LIVE.load(Relaxed), Relaxed);
}

static SLABS: [Mutex<SlabClass>; SLAB_CLASSES] = [const { Mutex::new(SlabClass::new()) }; SLAB_CLASSES];
static CACHE: Mutex<Cache> = Mutex::new(Cache::new());
static HEADROOM: Mutex<Option<Headroom>> = Mutex::new(None);
static CACHE_LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static OS_REQUESTS: AtomicU64 = AtomicU64::new(0);
static BYTES_LIVE: AtomicUsize = AtomicUsize::new(0);
static BYTES_PEAK: AtomicUsize = AtomicUsize::new(0);
static BYTES_MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Mapped blocks not in use, and the addresses of the large ones that are mapped at all.
struct Cache {
    idle: [VecDeque<Idle>; CLASSES],
    bytes: usize,
    clock: u64,
    watched: Vec<(NonNull<u8>, usize)>,
}

struct Idle {
    start: NonNull<u8>,
    since: u64,
}

/// Memory that may still be mapped before the system is asked again what is left.
struct Headroom {
    measured: Instant,
    bytes: u64,
}

// SAFETY: the pointers are owned memory, reached only under the cache's lock.
unsafe impl Send for Cache {}

impl Cache {
    const fn new() -> Self {
        Self { idle: [const { VecDeque::new() }; CLASSES], bytes: 0, clock: 0, watched: Vec::new() }
    }

    /// The most recently used block of this class, or of one at most `slack` classes above.
    fn take(&mut self, class: usize, slack: usize) -> Option<(NonNull<u8>, usize)> {
        let fitting = (class..CLASSES.min(class + slack + 1)).find(|&class| !self.idle[class].is_empty())?;
        let idle = self.idle[fitting].pop_back()?;
        self.bytes -= class_bytes(fitting);
        Some((idle.start, fitting))
    }

    fn put(&mut self, start: NonNull<u8>, class: usize) {
        self.clock += 1;
        self.bytes += class_bytes(class);
        self.idle[class].push_back(Idle { start, since: self.clock });
    }

    /// Removes the blocks that have been idle longest until at most `limit` bytes remain.
    fn shrink_to(&mut self, limit: usize) -> Vec<(NonNull<u8>, usize)> {
        let mut removed = Vec::new();
        while self.bytes > limit {
            let age = |class: &usize| self.idle[*class].front().map_or(u64::MAX, |idle| idle.since);
            let Some(class) = (0..CLASSES).min_by_key(age) else { break };
            let Some(idle) = self.idle[class].pop_front() else { break };
            self.bytes -= class_bytes(class);
            self.forget(idle.start, class);
            removed.push((idle.start, class));
        }
        removed
    }

    /// Stops watching a block that is about to be unmapped.
    fn forget(&mut self, block: NonNull<u8>, class: usize) {
        if class_bytes(class) >= WATCHED {
            self.watched.retain(|&(start, _)| start != block);
        }
    }
}

/// The least class whose blocks hold `bytes`.
const fn class_of(bytes: usize) -> usize {
    if bytes <= LINEAR {
        return if bytes == 0 { 0 } else { bytes.div_ceil(ALIGN) - 1 };
    }
    let power = (bytes - 1).ilog2() as usize;
    let step = 1usize << (power - STEPS.ilog2() as usize);
    let within = (bytes - (1 << power)).div_ceil(step) - 1;
    STEPS + (power - LINEAR.ilog2() as usize) * STEPS + within
}

const fn class_bytes(class: usize) -> usize {
    if class < STEPS {
        return (class + 1) * ALIGN;
    }
    let (octave, within) = ((class - STEPS) / STEPS, (class - STEPS) % STEPS);
    (LINEAR << octave) + (within + 1) * (ALIGN << octave)
}

/// The class of the mapped blocks that are cut into blocks of `class`.
fn slab_class(class: usize) -> usize {
    class_of((class_bytes(class) * 16).max(2 * SLAB_LIMIT))
}

/// A block, and whether it is known to be zero.
fn obtain(bytes: usize) -> Result<(Block, bool), AllocError> {
    if bytes > class_bytes(CLASSES - 1) {
        let available = limits::memory_available().map_or(usize::MAX, clamp);
        return Err(AllocError { requested: bytes, available });
    }
    let class = class_of(bytes);
    let obtained = if class < SLAB_CLASSES { obtain_small(class) } else { obtain_large(class) };
    let (block, fresh) = obtained.map_err(|available| AllocError { requested: bytes, available })?;
    let live = BYTES_LIVE.fetch_add(block.capacity(), Relaxed) + block.capacity();
    if live > BYTES_PEAK.load(Relaxed) {
        BYTES_PEAK.fetch_max(live, Relaxed);
    }
    Ok((block, fresh))
}

/// The functions below report failure as the number of bytes that were available.
fn obtain_small(class: usize) -> Result<(Block, bool), usize> {
    let mut slabs = lock(&SLABS[class]);
    let (start, slab) = match slabs.take() {
        Some(found) => found,
        None => {
            let slab = slab_class(class);
            let cached = lock(&CACHE).take(slab, 0).map(|(memory, _)| memory);
            let memory = cached.map_or_else(|| map(slab), Ok)?;
            slabs.add(memory, class_bytes(class), class_bytes(slab))
        }
    };
    Ok((Block { start, class: class as u16, slab }, false))
}

fn obtain_large(class: usize) -> Result<(Block, bool), usize> {
    let cached = lock(&CACHE).take(class, 2);
    let (start, class, fresh) = match cached {
        Some((start, class)) => (start, class, false),
        None => (map(class)?, class, true),
    };
    Ok((Block { start, class: class as u16, slab: 0 }, fresh))
}

/// A block of fresh pages. The class is that of a slab or of a large block, whose sizes are whole pages.
fn map(class: usize) -> Result<NonNull<u8>, usize> {
    let bytes = class_bytes(class);
    survive_fork();
    if let Err(available) = admit(bytes) {
        if lock(&CACHE).bytes == 0 {
            return Err(available);
        }
        trim_mapped();
        admit(bytes)?;
    }
    OS_REQUESTS.fetch_add(1, Relaxed);
    let start = pages::map(bytes).or_else(|| {
        trim_mapped();
        pages::map(bytes)
    });
    let Some(start) = start else {
        return Err(limits::memory_available().map_or(0, clamp));
    };
    BYTES_MAPPED.fetch_add(bytes, Relaxed);
    if bytes >= WATCHED {
        lock(&CACHE).watched.push((start, bytes));
    }
    Ok(start)
}

/// Lets a request pass if the memory can be had, counting what was mapped but never written as taken.
fn admit(bytes: usize) -> Result<(), usize> {
    let mut headroom = lock(&HEADROOM);
    if let Some(known) = headroom.as_mut()
        && known.measured.elapsed() < HEADROOM_AGE
        && known.bytes >= bytes as u64
    {
        known.bytes -= bytes as u64;
        return Ok(());
    }
    let Some(left) = limits::memory_available() else { return Ok(()) };
    let promised: usize =
        lock(&CACHE).watched.iter().map(|&(start, bytes)| pages::untouched(start, bytes)).sum();
    let left = left.saturating_sub(promised as u64);
    let available = left - (left / 16).min(RESERVE);
    if bytes as u64 > available {
        *headroom = None;
        return Err(clamp(available));
    }
    let share = (available - bytes as u64) / HEADROOM_SHARE;
    *headroom = Some(Headroom { measured: Instant::now(), bytes: share });
    Ok(())
}

/// Keeps a mapped block for reuse, and lets go of the oldest ones beyond the limit.
fn recycle(start: NonNull<u8>, class: usize) {
    let limit = cache_limit();
    let mut cache = lock(&CACHE);
    let removed = if class_bytes(class) > limit {
        cache.forget(start, class);
        vec![(start, class)]
    } else {
        cache.put(start, class);
        cache.shrink_to(limit)
    };
    drop(cache);
    release(removed);
}

/// Returns the idle mapped blocks; slabs stay, since a caller may hold a slab class's lock.
fn trim_mapped() {
    let removed = lock(&CACHE).shrink_to(0);
    release(removed);
}

fn release(blocks: Vec<(NonNull<u8>, usize)>) {
    for (start, class) in blocks {
        BYTES_MAPPED.fetch_sub(class_bytes(class), Relaxed);
        // SAFETY: the block was taken out of the cache, or never entered it, and its owner is gone.
        unsafe { pages::unmap(start, class_bytes(class)) };
    }
}

fn cache_limit() -> usize {
    let limit = CACHE_LIMIT.load(Relaxed);
    if limit != usize::MAX {
        return limit;
    }
    let quarter = limits::memory_total().map_or(1 << 30, |total| clamp(total / 4));
    match CACHE_LIMIT.compare_exchange(usize::MAX, quarter, Relaxed, Relaxed) {
        Ok(_) => quarter,
        Err(chosen) => chosen,
    }
}

fn clamp(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// No code that may panic runs under these locks; a poisoned one still guards consistent data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes fork safe: another thread may hold a lock at that moment, and its copy would stay locked in the child.
/// The forking thread therefore takes every lock before, and lets go on both sides after.
#[cfg(unix)]
fn survive_fork() {
    struct Held {
        _slabs: Vec<MutexGuard<'static, SlabClass>>,
        _headroom: MutexGuard<'static, Option<Headroom>>,
        _cache: MutexGuard<'static, Cache>,
    }
    thread_local! {
        static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
    }
    extern "C" fn before() {
        let slabs = SLABS.iter().map(lock).collect();
        let held = Held { _slabs: slabs, _headroom: lock(&HEADROOM), _cache: lock(&CACHE) };
        // During a thread's last moments its locals are gone; then the locks are simply let go again.
        let _ = HELD.try_with(|slot| *slot.borrow_mut() = Some(held));
    }
    extern "C" fn after() {
        let _ = HELD.try_with(|slot| slot.borrow_mut().take());
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers are plain functions that live as long as the program.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    });
}

#[cfg(not(unix))]
fn survive_fork() {}

#[cfg(test)]
mod tests;
