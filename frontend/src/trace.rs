//! What ran while somebody watched: the material of `rt.explain`.

use crate::engine::Program;
use rustorch_backend::alloc;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One run of a program.
#[derive(Clone)]
pub struct Run {
    pub program: Arc<dyn Program>,
    /// How long compiling took; `None` when the program came from the cache.
    pub compile: Option<Duration>,
    pub run: Duration,
    /// Requests for memory that reached the operating system, while compiling and running.
    pub allocations: u64,
    /// Bytes of the buffers that were read and that were made.
    pub bytes_read: usize,
    pub bytes_written: usize,
}

thread_local! {
    static RUNS: RefCell<Option<Vec<Run>>> = const { RefCell::new(None) };
}

/// Calls `f` and gives what this thread ran meanwhile, in order. A trace within a trace hides its runs from it.
pub fn trace<T>(f: impl FnOnce() -> T) -> (T, Vec<Run>) {
    /// Puts back the outer trace, also when `f` panics.
    struct Outer(Option<Option<Vec<Run>>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            if let Some(outer) = self.0.take() {
                RUNS.set(outer);
            }
        }
    }
    let mut outer = Outer(Some(RUNS.replace(Some(Vec::new()))));
    let result = f();
    let runs = RUNS.replace(outer.0.take().flatten()).unwrap_or_default();
    (result, runs)
}

/// Begins to watch this thread, for callers that have no closure to give to [`trace`].
pub fn start() {
    RUNS.set(Some(Vec::new()));
}

/// What this thread ran since [`start`].
pub fn finish() -> Vec<Run> {
    RUNS.take().unwrap_or_default()
}

/// Measures one run, if this thread is traced.
pub(crate) struct Watch {
    began: Option<(Instant, u64)>,
    compile: Option<Duration>,
}

impl Watch {
    pub fn begin() -> Watch {
        let traced = RUNS.with_borrow(Option::is_some);
        Watch { began: traced.then(|| (Instant::now(), alloc::stats().os_requests)), compile: None }
    }

    /// Says that the program is there.
    pub fn compiled(&mut self, anew: bool) -> Option<Instant> {
        let (began, _) = self.began?;
        self.compile = anew.then(|| began.elapsed());
        Some(Instant::now())
    }

    pub fn ran(
        self,
        since: Option<Instant>,
        program: &Arc<dyn Program>,
        bytes_read: impl FnOnce() -> usize,
        bytes_written: usize,
    ) {
        let (Some((_, requests)), Some(since)) = (self.began, since) else { return };
        let run = Run {
            program: program.clone(),
            compile: self.compile,
            run: since.elapsed(),
            allocations: alloc::stats().os_requests - requests,
            bytes_read: bytes_read(),
            bytes_written,
        };
        RUNS.with_borrow_mut(|runs| runs.iter_mut().for_each(|runs| runs.push(run.clone())));
    }
}
