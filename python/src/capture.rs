//! `rt.compile`: calls of Python functions that run as captured programs.
//!
//! A [`Compiled`] takes the arguments apart, looks for a program that was captured for such arguments, and runs it.
//! Where there is none it calls the function under capture; what belongs to Python (numbers from outside, guards on
//! modules, warnings) is in `rustorch._compile`.

mod numbers;
mod structure;

use crate::boundary::{blocking, call};
use crate::error::named;
use crate::glue;
pub use numbers::{TracedNumber, given as number_given};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rustorch_frontend::capture::{self, Captured, Number, Outcome};
use rustorch_frontend::realize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use structure::{Flat, Known, Shape};

/// Programs of one function that are kept; the least recently used one leaves.
const KEPT: usize = 64;

enum Kind {
    Captured {
        captured: Arc<Captured>,
        result: Shape,
        /// Gives the numbers of the program from those among the arguments, if it has any.
        numbers: Option<Py<PyAny>>,
        /// Called after each run.
        after: Option<Py<PyAny>>,
    },
    /// Such calls cannot be captured.
    Plain,
}

struct Entry {
    known: Known,
    /// Numbers among the arguments that must be these, by place.
    fixed: Vec<(usize, Number)>,
    /// Gives `None` if everything else is as it was, or says what is not; and whether that is asked at each call
    /// or only when modules or tensors have changed.
    verify: Py<PyAny>,
    always: bool,
    epoch: AtomicU64,
    kind: Kind,
}

/// A function that runs as captured programs.
#[pyclass(frozen, dict, weakref, subclass, module = "rustorch")]
pub struct Compiled {
    function: Py<PyAny>,
    fullgraph: bool,
    entries: Mutex<Vec<Arc<Entry>>>,
}

impl Compiled {
    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, entry: Arc<Entry>) {
        let mut entries = self.entries();
        entries.insert(0, entry);
        let gone = if entries.len() > KEPT { entries.split_off(KEPT) } else { Vec::new() };
        drop(entries);
        drop(gone);
    }

    /// The first program that fits the call. `why` gets what kept others from it.
    fn find(&self, py: Python<'_>, flat: &Flat, why: &mut Vec<String>) -> PyResult<Option<Arc<Entry>>> {
        let first = self.entries().first().cloned();
        if let Some(first) = first
            && first.known.fits(py, flat)?
            && first.fits(py, flat)?.is_none()
        {
            return Ok(Some(first));
        }
        let entries = self.entries().clone();
        for (place, entry) in entries.iter().enumerate() {
            if !entry.known.fits(py, flat)? {
                continue;
            }
            match entry.fits(py, flat)? {
                None => {
                    if place > 0 {
                        let mut own = self.entries();
                        if own.get(place).is_some_and(|other| Arc::ptr_eq(other, entry)) {
                            own[..=place].rotate_right(1);
                        }
                    }
                    return Ok(Some(entry.clone()));
                }
                Some(reason) => why.push(reason),
            }
        }
        for entry in &entries {
            why.extend(entry.known.differs(py, flat)?);
        }
        Ok(None)
    }
}

impl Entry {
    /// What in the call, whose arguments are alike, is not as it was.
    fn fits(&self, py: Python<'_>, flat: &Flat) -> PyResult<Option<String>> {
        for &(place, number) in &self.fixed {
            if flat.numbers[place] != number {
                return Ok(Some(format!(
                    "number {place} among the arguments, which decides what is computed, was {}",
                    numbers::text(number)
                )));
            }
        }
        let epoch = capture::epoch();
        // No lock: other threads run while Python is asked.
        if self.always || self.epoch.load(Relaxed) != epoch {
            let given = PyTuple::new(py, flat.number_objects.iter())?;
            let found = self.verify.bind(py).call1((given,))?;
            if !found.is_none() {
                return Ok(Some(found.extract()?));
            }
            self.epoch.store(epoch, Relaxed);
        }
        Ok(match &self.kind {
            Kind::Captured { captured, .. } => captured.check(&flat.tensors).err(),
            Kind::Plain => None,
        })
    }
}

#[pymethods]
impl Compiled {
    #[new]
    fn new(function: Py<PyAny>, fullgraph: bool) -> Compiled {
        Compiled { function, fullgraph, entries: Mutex::default() }
    }

    #[getter]
    fn _function(&self, py: Python<'_>) -> Py<PyAny> {
        self.function.clone_ref(py)
    }

    #[getter]
    fn _fullgraph(&self) -> bool {
        self.fullgraph
    }

    /// How many programs there are.
    #[getter]
    fn _programs(&self) -> usize {
        self.entries().iter().filter(|entry| matches!(entry.kind, Kind::Captured { .. })).count()
    }

    /// Forgets all programs.
    fn _reset(&self) {
        let gone = std::mem::take(&mut *self.entries());
        drop(gone);
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        // Within another capture the function is a part of it.
        if capture::is_under_way() || realize::is_eager() {
            return this.function.bind(py).call(args, kwargs);
        }
        let mut flat = Flat::of(args, kwargs)?;
        let mut why = Vec::new();
        let Some(entry) = this.find(py, &flat, &mut why)? else {
            return trace(slf, flat, args, kwargs, why);
        };
        match &entry.kind {
            Kind::Plain => this.function.bind(py).call(args, kwargs),
            Kind::Captured { captured, result, numbers, after } => {
                if let Some(numbers) = numbers {
                    let given = PyTuple::new(py, flat.number_objects.iter())?;
                    flat.numbers = numbers::all(&numbers.bind(py).call1((given,))?)?;
                }
                let outputs = if captured.is_brief() {
                    call(py, || captured.run(&flat.tensors, &flat.numbers))?
                } else {
                    blocking(py, || captured.run(&flat.tensors, &flat.numbers))?
                };
                if let Some(after) = after {
                    after.bind(py).call0()?;
                }
                result.rebuild(py, &flat, outputs)
            }
        }
    }
}

/// Numbers that must be what they are, the program's numbers, whether the guard is always asked, what comes after.
type Made = (Vec<usize>, Option<Py<PyAny>>, bool, Option<Py<PyAny>>);

/// Calls the function under capture, and keeps what comes of it.
fn trace<'py>(
    slf: &Bound<'py, Compiled>,
    flat: Flat,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
    why: Vec<String>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, this) = (slf.py(), slf.get());
    let helper = glue::tracing(py)?;
    let context = helper.call1((slf, PyTuple::new(py, flat.number_objects.iter())?, why))?;
    let numbers = context.getattr("numbers")?;
    let (args, kwargs) = flat.arguments(py, args, kwargs, &numbers)?;
    call(py, || capture::begin(&flat.tensors, this.fullgraph))?;
    let result = match this.function.bind(py).call(&args, kwargs.as_ref()) {
        Ok(result) => result,
        Err(error) => {
            context.call_method0("abandon")?;
            call(py, capture::abandon)?;
            return Err(error);
        }
    };
    let mut tensors = Vec::new();
    let shape = match Shape::of_result(&result, &mut tensors) {
        Ok(shape) => shape,
        Err(error) => {
            context.call_method0("abandon")?;
            call(py, capture::abandon)?;
            return Err(error);
        }
    };
    let held: Vec<rustorch_frontend::Tensor> = tensors.iter().map(|t| t.get().tensor.clone()).collect();
    let outcome = match blocking(py, || capture::finish(&held)) {
        Ok(outcome) => outcome,
        Err(error) => {
            context.call_method0("abandon")?;
            return Err(error);
        }
    };
    let (epoch, known) = (AtomicU64::new(capture::epoch()), flat.known(py));
    match outcome {
        Outcome::Again => {
            let gives_up: bool = context.call_method0("again")?.extract()?;
            if gives_up {
                let (fixed, verify) = (Vec::new(), context.getattr("verify")?.unbind());
                this.keep(Arc::new(Entry { known, fixed, verify, always: false, epoch, kind: Kind::Plain }));
            }
        }
        Outcome::Broken(reason) => {
            let place = reason.place.clone();
            let keep: bool = context.call_method1("broken", (reason.why.clone(), place))?.extract()?;
            if this.fullgraph {
                let message = format!("rt.compile(fullgraph=True) cannot capture this call: {reason}");
                return Err(named(py, "CompileError", message));
            }
            if keep {
                let verify = context.getattr("verify")?.unbind();
                let fixed = Vec::new();
                this.keep(Arc::new(Entry { known, fixed, verify, always: false, epoch, kind: Kind::Plain }));
            }
        }
        Outcome::Captured(captured, fixed) => {
            let made = context.call_method1("finish", (fixed, captured.numbers()))?;
            let (fixed, numbers, always, after): Made = made.extract()?;
            let fixed = fixed.into_iter().map(|place| (place, flat.numbers[place])).collect();
            let verify = context.getattr("verify")?.unbind();
            let kind = Kind::Captured { captured, result: shape, numbers, after };
            this.keep(Arc::new(Entry { known, fixed, verify, always, epoch, kind }));
        }
    }
    Ok(result)
}

/// Whether this thread records a program now.
#[pyfunction]
fn _is_capturing() -> bool {
    capture::is_active()
}

/// Ends the capture under way, if any, since the call does what a program would not do again.
pub fn breaks(py: Python<'_>, why: &str) -> PyResult<()> {
    if capture::is_active() { call(py, || capture::broken(why)) } else { Ok(()) }
}

/// As [`breaks`].
#[pyfunction]
fn _capture_break(py: Python<'_>, why: &str) -> PyResult<()> {
    breaks(py, why)
}

/// Says that the call made state that it will find the next time.
#[pyfunction]
fn _capture_again(py: Python<'_>) -> PyResult<()> {
    if capture::is_active() { call(py, capture::again) } else { Ok(()) }
}

/// Says that modules are other ones than they were.
#[pyfunction]
fn _bump_epoch() {
    capture::bump_epoch();
}

/// The line of the user's program where this thread is.
fn locate() -> Option<String> {
    Python::attach(|py| glue::user_line(py).ok()?.call0().ok()?.extract().ok()?)
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    capture::set_locator(locate);
    module.add_class::<Compiled>()?;
    module.add_class::<TracedNumber>()?;
    module.add_function(wrap_pyfunction!(_is_capturing, module)?)?;
    module.add_function(wrap_pyfunction!(_capture_break, module)?)?;
    module.add_function(wrap_pyfunction!(_capture_again, module)?)?;
    module.add_function(wrap_pyfunction!(_bump_epoch, module)?)?;
    Ok(())
}
