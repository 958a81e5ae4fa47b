//! One team of threads: a caller and the workers of a rayon pool, sharing loops in chunks.
//!
//! Entering a rayon pool from outside costs more than many kernels, because the caller sleeps while a worker
//! wakes. Here the caller never hands its loop over: it publishes the loop, works on it, and whoever of the team
//! is awake takes chunks too. Workers look for loops a little longer than kernels of one plan lie apart, then go
//! back to sleep in the pool; a caller that finds too few awake wakes one, which wakes the next. A worker that comes
//! too late costs nothing, since nobody waits for a chunk that was not taken.

mod job;

use crate::host::limits;
use job::{Job, Slot};
use std::cell::Cell;
use std::ptr;
#[cfg(unix)]
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The largest team.
pub const MAX_THREADS: usize = 256;
/// Chunks a thread gets when the grain allows: room to even out, and to notice an interrupt.
const CHUNKS_PER_THREAD: usize = 8;
/// Grains in a chunk at most: an interrupt is noticed soon, however long the loop is.
const LONGEST_CHUNK: usize = 16;
/// How long a worker looks for the next loop before it sleeps.
const LINGER: Duration = Duration::from_micros(50);
/// Loops that callers can share out at the same time; further callers work alone.
const SLOTS: usize = 8;
/// How often the poll of an `Interrupt` is asked at most.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// The work was abandoned between chunks because its interrupt was set; results are incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A request to stop, looked at between chunks: set from any thread, or by a poll (of signals, say) that the
/// thread inside `run` makes now and then.
#[derive(Default)]
pub struct Interrupt {
    set: AtomicBool,
    poll: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    /// Nanoseconds since `EPOCH` at the last poll; zero until the first look, which only starts the clock.
    polled: AtomicU64,
}

impl Interrupt {
    pub fn new() -> Self {
        Self::default()
    }

    /// An interrupt that also sets itself when `poll` says so. Only the thread inside `run` calls `poll`.
    pub fn polling(poll: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { poll: Some(Box::new(poll)), ..Self::default() }
    }

    pub fn set(&self) {
        self.set.store(true, Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.set.load(Relaxed)
    }

    fn check(&self) -> bool {
        if let Some(poll) = &self.poll {
            let now = (EPOCH.elapsed().as_nanos() as u64).max(1);
            let polled = self.polled.load(Relaxed);
            if polled == 0 {
                self.polled.store(now, Relaxed);
            } else if now.saturating_sub(polled) >= POLL_EVERY.as_nanos() as u64 {
                self.polled.store(now, Relaxed);
                if poll() {
                    self.set();
                }
            }
        }
        self.is_set()
    }
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Chosen thread count; zero until someone asks or chooses.
static THREADS: AtomicUsize = AtomicUsize::new(0);
static SLOT: [Slot; SLOTS] = [const { Slot::new() }; SLOTS];
/// Slots with an open loop, so that idle workers watch one word.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// Workers awake, and which of the numbers 1.. they have.
static AWAKE: AtomicUsize = AtomicUsize::new(0);
static NUMBERS: [AtomicU64; MAX_THREADS / 64] = [const { AtomicU64::new(0) }; MAX_THREADS / 64];
/// A worker has been called and has not arrived yet.
static CALLED: AtomicBool = AtomicBool::new(false);
/// The rayon pool; null before the first use and in a forked child, where the parent's threads do not exist.
static POOL: AtomicPtr<Mutex<Pool>> = AtomicPtr::new(ptr::null_mut());

type Pool = Option<Arc<rayon::ThreadPool>>;

thread_local! {
    static INTERRUPT: Cell<*const Interrupt> = const { Cell::new(ptr::null()) };
    /// Inside the body of a parallel loop.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Threads that share a loop, the caller included. Initially `RUSTORCH_NUM_THREADS`, else `OMP_NUM_THREADS`, else
/// the processors this process may use.
pub fn num_threads() -> usize {
    let chosen = THREADS.load(Relaxed);
    if chosen != 0 {
        return chosen;
    }
    let default = limits::default_threads().clamp(1, MAX_THREADS);
    match THREADS.compare_exchange(0, default, Relaxed, Relaxed) {
        Ok(_) => default,
        Err(chosen) => chosen,
    }
}

/// Changes the number of threads for all loops that start from now on; `n` is brought into `1..=MAX_THREADS`.
pub fn set_num_threads(n: usize) {
    THREADS.store(n.clamp(1, MAX_THREADS), Relaxed);
}

/// Runs `f` on the calling thread with `interrupt` in force for every loop inside.
pub fn run<R>(interrupt: &Interrupt, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Interrupt);
    impl Drop for Restore {
        fn drop(&mut self) {
            INTERRUPT.set(self.0);
        }
    }
    let _restore = Restore(INTERRUPT.replace(interrupt));
    f()
}

/// Whether the enclosing `run` should stop: for the time between loops.
pub fn interrupted() -> bool {
    // SAFETY: the pointer is null or that of the innermost enclosing `run`, whose reference is still borrowed.
    unsafe { INTERRUPT.get().as_ref() }.is_some_and(Interrupt::check)
}

/// Runs `f` in the rayon pool, for libraries that split work through rayon themselves. Entering costs some 15 µs.
/// Where no thread can be started `f` runs on the caller.
pub fn install<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    match pool() {
        Some(pool) => pool.install(f),
        None => f(),
    }
}

/// Calls `body(begin, end)` for ranges that cover `0..total` once each, on as many threads as are free.
///
/// Ranges begin at multiples of `grain`; how many there are and who runs them varies, so `body` must give the same
/// results for any split. Up to `grain` iterations, a single thread, and loops inside a body run on the caller.
pub fn parallel_for(
    total: usize,
    grain: usize,
    body: impl Fn(usize, usize) + Sync,
) -> Result<(), Interrupted> {
    parallel_for_workers(num_threads(), total, grain, |_, begin, end| body(begin, end))
}

/// As `parallel_for` on at most `threads` threads, telling the body which of them runs it: a number below `threads`
/// that no other range of this loop has at the same time, to select scratch memory with.
pub fn parallel_for_workers(
    threads: usize,
    total: usize,
    grain: usize,
    body: impl Fn(usize, usize, usize) + Sync,
) -> Result<(), Interrupted> {
    let threads = threads.clamp(1, MAX_THREADS);
    if total == 0 {
        return Ok(());
    }
    let grain = grain.max(1);
    let pieces = total.div_ceil(grain);
    let interrupt = INTERRUPT.get();
    let alone = threads == 1 || pieces <= 1 || INSIDE.get();
    // A single piece is over before anybody could ask to stop.
    if alone && (pieces <= 1 || interrupt.is_null()) {
        body(0, 0, total);
        return Ok(());
    }
    let chunk = grain * pieces.div_ceil(threads * CHUNKS_PER_THREAD).min(LONGEST_CHUNK);
    let slot = if alone { None } else { SLOT.iter().find(|slot| slot.acquire()) };
    let Some(slot) = slot else { return alone_in_chunks(total, chunk, &body) };
    let job = Job::new(&body, threads, total, chunk, interrupt);
    slot.run(job, || OPEN.fetch_add(1, SeqCst), call_worker, || OPEN.fetch_sub(1, SeqCst))
}

/// The caller's own way through a loop, with a look at the interrupt before each chunk.
fn alone_in_chunks(
    total: usize,
    chunk: usize,
    body: &(dyn Fn(usize, usize, usize) + Sync),
) -> Result<(), Interrupted> {
    for begin in (0..total).step_by(chunk) {
        if interrupted() {
            return Err(Interrupted);
        }
        body(0, begin, total.min(begin.saturating_add(chunk)));
    }
    Ok(())
}

/// Wakes a worker unless enough are awake or one is on its way.
fn call_worker() {
    if AWAKE.load(SeqCst) + 1 >= num_threads() || CALLED.swap(true, SeqCst) {
        return;
    }
    match pool() {
        Some(pool) => pool.spawn(attend),
        None => CALLED.store(false, SeqCst),
    }
}

/// A worker's attendance: helps with open loops until there has been none for a while.
fn attend() {
    CALLED.store(false, SeqCst);
    while let Some(number) = take_number() {
        AWAKE.fetch_add(1, SeqCst);
        if OPEN.load(SeqCst) > 0 {
            call_worker();
        }
        help_until_idle(number);
        NUMBERS[number / 64].fetch_and(!(1 << (number % 64)), SeqCst);
        AWAKE.fetch_sub(1, SeqCst);
        // A caller that published just now may have counted on this worker.
        if OPEN.load(SeqCst) == 0 || AWAKE.load(SeqCst) + 1 >= num_threads() {
            break;
        }
    }
}

fn help_until_idle(number: usize) {
    let mut idle_since = Instant::now();
    let mut looks = 0u32;
    loop {
        if OPEN.load(Relaxed) > 0 {
            // Fold, not any: each open loop gets its look.
            if SLOT.iter().fold(false, |helped, slot| slot.help(number) | helped) {
                idle_since = Instant::now();
            }
        }
        std::hint::spin_loop();
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(64) && idle_since.elapsed() > LINGER {
            return;
        }
    }
}

/// The least free worker number; callers are number 0.
fn take_number() -> Option<usize> {
    for number in 1..num_threads() {
        let bit = 1 << (number % 64);
        if NUMBERS[number / 64].fetch_or(bit, SeqCst) & bit == 0 {
            return Some(number);
        }
    }
    None
}

/// The rayon pool of the chosen size, built when first needed and when the size has changed.
fn pool() -> Pool {
    survive_fork();
    let mut cell = POOL.load(Acquire);
    if cell.is_null() {
        let fresh = Box::into_raw(Box::new(Mutex::new(None)));
        cell = match POOL.compare_exchange(ptr::null_mut(), fresh, AcqRel, Acquire) {
            Ok(_) => fresh,
            Err(present) => {
                // SAFETY: `fresh` was not published and came from a box.
                drop(unsafe { Box::from_raw(fresh) });
                present
            }
        };
    }
    // SAFETY: a published cell is never freed; a forked child only forgets it.
    let mut pool = unsafe { &*cell }.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = num_threads();
    if pool.as_ref().is_none_or(|pool| pool.current_num_threads() != threads) {
        let name = |index| format!("rustorch-{index}");
        *pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok().map(Arc::new);
    }
    pool.clone()
}

/// A forked child has none of the parent's other threads: it forgets the pool and whatever they were about to do.
#[cfg(unix)]
fn survive_fork() {
    extern "C" fn in_child() {
        POOL.store(ptr::null_mut(), SeqCst);
        OPEN.store(0, SeqCst);
        AWAKE.store(0, SeqCst);
        CALLED.store(false, SeqCst);
        NUMBERS.iter().for_each(|word| word.store(0, SeqCst));
        SLOT.iter().for_each(Slot::reset);
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a plain function that lives as long as the program.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

#[cfg(not(unix))]
fn survive_fork() {}

#[cfg(test)]
pub(crate) mod tests;
