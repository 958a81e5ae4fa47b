//! A loop that is shared out: its slot, how chunks are claimed, and how the caller waits for helpers.

use super::{INSIDE, Interrupt, Interrupted, MAX_THREADS};
use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

/// Set in `active` while the caller sleeps until the helpers are done.
const WAITING: usize = 1 << (usize::BITS - 1);
/// Looks at `active` before the caller sleeps: some 50 µs.
const LOOKS: u32 = 2000;

/// A place to publish one loop at a time.
///
/// The caller owns the slot from `acquire` until the end of `run`. It writes `job` while `open` is false and nobody is
/// active, and leaves only when, after closing, nobody is active again. A helper counts itself into `active` before it
/// looks at `open`, and reads `job` only if that was true; both sides use one total order, so either the caller sees
/// the helper or the helper sees the slot closed.
pub(super) struct Slot {
    owned: AtomicBool,
    open: AtomicBool,
    active: AtomicUsize,
    job: UnsafeCell<MaybeUninit<Job>>,
    /// A body panicked or the interrupt was seen: no further chunk is begun.
    stopped: AtomicBool,
    interrupted: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    spans: [Span; MAX_THREADS],
}

// SAFETY: `job` is guarded by the protocol above, everything else synchronises itself.
unsafe impl Sync for Slot {}

/// The next chunk of one thread's part of the loop; each on its own cache line.
#[repr(align(64))]
struct Span(AtomicUsize);

/// The chunks of a loop are dealt out in contiguous spans, one per thread: a thread takes from its own span first,
/// so that repeated loops find their data in its cache, and from the others when that is empty.
pub(super) struct Job {
    body: *const (dyn Fn(usize, usize, usize) + Sync),
    threads: usize,
    total: usize,
    chunk: usize,
    chunks: usize,
    spans: usize,
    interrupt: *const Interrupt,
    caller: Thread,
}

impl Job {
    /// `body` and `interrupt` are used until `Slot::run` of this job returns.
    pub fn new(
        body: &(dyn Fn(usize, usize, usize) + Sync),
        threads: usize,
        total: usize,
        chunk: usize,
        interrupt: *const Interrupt,
    ) -> Self {
        let chunks = total.div_ceil(chunk);
        // SAFETY: only the lifetime changes; `run` does not return while anybody may still call the body.
        let body = unsafe {
            std::mem::transmute::<
                *const (dyn Fn(usize, usize, usize) + Sync + '_),
                *const (dyn Fn(usize, usize, usize) + Sync + 'static),
            >(body)
        };
        Self {
            body,
            threads,
            total,
            chunk,
            chunks,
            spans: threads.min(chunks),
            interrupt,
            caller: thread::current(),
        }
    }

    fn interrupt(&self) -> Option<&Interrupt> {
        // SAFETY: null or valid until `run` returns, as `new` demands.
        unsafe { self.interrupt.as_ref() }
    }

    /// Chunk numbers before which span `index` begins.
    fn begin(&self, index: usize) -> usize {
        self.chunks * index / self.spans
    }
}

impl Slot {
    pub const fn new() -> Self {
        Self {
            owned: AtomicBool::new(false),
            open: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            job: UnsafeCell::new(MaybeUninit::uninit()),
            stopped: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            panic: Mutex::new(None),
            spans: [const { Span(AtomicUsize::new(0)) }; MAX_THREADS],
        }
    }

    pub fn acquire(&self) -> bool {
        !self.owned.load(Relaxed) && !self.owned.swap(true, Acquire)
    }

    /// Forgets a loop whose threads do not exist in this process.
    pub fn reset(&self) {
        self.open.store(false, SeqCst);
        self.active.store(0, SeqCst);
        self.owned.store(false, SeqCst);
    }

    /// Runs `job` in an acquired slot: `opened` and `closing` bracket the time helpers may join, `call` asks for them.
    pub fn run(
        &self,
        job: Job,
        opened: impl FnOnce() -> usize,
        call: impl FnOnce(),
        closing: impl FnOnce() -> usize,
    ) -> Result<(), Interrupted> {
        self.stopped.store(false, Relaxed);
        self.interrupted.store(false, Relaxed);
        (0..job.spans).for_each(|index| self.spans[index].0.store(job.begin(index), Relaxed));
        // SAFETY: the slot is owned, closed and without helpers, so nobody else looks at the job.
        let job = unsafe { (*self.job.get()).write(job) };
        self.open.store(true, SeqCst);
        opened();
        call();
        self.work(job, 0);
        self.open.store(false, SeqCst);
        closing();
        self.wait();
        // SAFETY: the slot is closed and without helpers again; the job was written above.
        unsafe { (*self.job.get()).assume_init_drop() };
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        let interrupted = self.interrupted.load(Relaxed);
        self.owned.store(false, Release);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        if interrupted { Err(Interrupted) } else { Ok(()) }
    }

    /// Worker `number` takes part if a loop is open that has room for it.
    pub fn help(&self, number: usize) -> bool {
        if !self.open.load(Relaxed) {
            return false;
        }
        self.active.fetch_add(1, SeqCst);
        if !self.open.load(SeqCst) {
            // Too late. Whom to wake is not known here: a caller that sleeps wakes by itself.
            self.active.fetch_sub(1, SeqCst);
            return false;
        }
        // SAFETY: counted in before the slot was seen open, so the job stays until counted out.
        let job = unsafe { (*self.job.get()).assume_init_ref() };
        let worked = number < job.threads && self.work(job, number);
        let caller = job.caller.clone();
        if self.active.fetch_sub(1, SeqCst) == WAITING | 1 {
            caller.unpark();
        }
        worked
    }

    /// Takes chunks until there are none; whether there was any.
    fn work(&self, job: &Job, number: usize) -> bool {
        let outside = INSIDE.replace(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.take_chunks(job, number)));
        INSIDE.set(outside);
        outcome.unwrap_or_else(|panic| {
            self.stopped.store(true, Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
            true
        })
    }

    fn take_chunks(&self, job: &Job, number: usize) -> bool {
        // SAFETY: the body outlives `run`, which waits for everybody who counted himself in.
        let body = unsafe { &*job.body };
        let mut worked = false;
        for turn in 0..job.spans {
            let index = (number + turn) % job.spans;
            let (span, end) = (&self.spans[index].0, job.begin(index + 1));
            while span.load(Relaxed) < end {
                if self.should_stop(job, number) {
                    return worked;
                }
                let chunk = span.fetch_add(1, Relaxed);
                if chunk >= end {
                    break;
                }
                let begin = chunk * job.chunk;
                body(number, begin, job.total.min(begin.saturating_add(job.chunk)));
                worked = true;
            }
        }
        worked
    }

    fn should_stop(&self, job: &Job, number: usize) -> bool {
        let interrupt = job.interrupt();
        let set = interrupt.is_some_and(|it| if number == 0 { it.check() } else { it.is_set() });
        if set {
            self.interrupted.store(true, Relaxed);
            self.stopped.store(true, Relaxed);
        }
        self.stopped.load(Relaxed)
    }

    /// Returns when no helper is inside a closed slot any more.
    fn wait(&self) {
        for _ in 0..LOOKS {
            if self.active.load(SeqCst) == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        self.active.fetch_or(WAITING, SeqCst);
        while self.active.load(SeqCst) != WAITING {
            // The time limit serves helpers that came too late and do not know whom to wake.
            thread::park_timeout(Duration::from_millis(1));
        }
        self.active.fetch_and(!WAITING, SeqCst);
    }
}
