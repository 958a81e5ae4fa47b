//! What ran while somebody watched: the material of [`explain`](crate::explain).

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
    /// How long running took, and of it each step that ran.
    pub run: Duration,
    pub steps: Vec<Duration>,
}

/// What a thread ran while it was watched, in order.
#[derive(Clone, Default)]
pub struct Trace {
    pub runs: Vec<Run>,
    /// Requests for memory, of the whole process, that reached the operating system meanwhile.
    pub allocations: u64,
}

thread_local! {
    /// The trace under way; its allocations are those before it began.
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Begins to watch this thread.
pub fn start() {
    TRACE.set(Some(Trace { runs: Vec::new(), allocations: alloc::stats().os_requests }));
}

/// What this thread ran since [`start`].
pub fn finish() -> Trace {
    let Some(Trace { runs, allocations: before }) = TRACE.take() else { return Trace::default() };
    Trace { runs, allocations: alloc::stats().os_requests - before }
}

/// Measures one run, if this thread is traced; else it does nothing.
pub(crate) struct Watch(Option<Measured>);

struct Measured {
    began: Instant,
    compile: Option<Duration>,
    /// The end of the step before.
    last: Instant,
    steps: Vec<Duration>,
}

impl Watch {
    pub fn begin() -> Watch {
        let traced = TRACE.with_borrow(Option::is_some);
        let now = Instant::now;
        Watch(traced.then(|| Measured { began: now(), compile: None, last: now(), steps: Vec::new() }))
    }

    /// Says that the program is there.
    pub fn compiled(&mut self, anew: bool) {
        if let Some(m) = &mut self.0 {
            m.compile = anew.then(|| m.began.elapsed());
            m.began = Instant::now();
        }
    }

    /// Says how many steps have run: the first time none.
    pub fn step(&mut self, count: usize) {
        if let Some(m) = &mut self.0 {
            let now = Instant::now();
            if count > 0 {
                m.steps.push(now - m.last);
            }
            m.last = now;
        }
    }

    pub fn ran(self, program: &Arc<dyn Program>) {
        let Some(Measured { began, compile, steps, .. }) = self.0 else { return };
        let run = Run { program: program.clone(), compile, run: began.elapsed(), steps };
        TRACE.with_borrow_mut(|trace| trace.iter_mut().for_each(|trace| trace.runs.push(run.clone())));
    }
}
