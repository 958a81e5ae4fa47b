//! Capture: one call of a function becomes a program that later calls run without Python.
//!
//! While a thread captures, its operations are recorded as always, but nothing runs. What is noted besides: which
//! storages were there before and are read or written, whose `.grad` is looked at or replaced, which numbers come
//! from outside, which random keys are drawn. At the end everything that the call has changed or gives back becomes
//! one compile unit, whose inputs are bound to those storages instead of their bytes. A value that is needed on the way
//! ends the capture: what was recorded is computed, and the call goes on as without it.

mod backward;
mod binding;
mod build;
mod replay;
mod trace;

use crate::error::{Error, Result};
use crate::gradient::GradSlot;
use crate::random::{Generator, PhiloxKey, default_generator};
use crate::record::Recorded;
use crate::storage::Storage;
use crate::tensor::Tensor;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::Literal;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

pub use binding::Number;
pub use build::Outcome;
pub use replay::{Captured, Output, Stale};
use trace::{Draw, Trace};

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static TRACE: RefCell<Option<Box<Trace>>> = const { RefCell::new(None) };
}

/// Counts changes to what tensors are, as opposed to what they hold: captured programs look again then.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Says where in the user's program this thread is, as `file:line`.
pub type Locator = fn() -> Option<String>;

static LOCATOR: OnceLock<Locator> = OnceLock::new();

pub fn set_locator(locator: Locator) {
    let _ = LOCATOR.set(locator);
}

/// Why a call could not be captured.
#[derive(Clone, Debug)]
pub struct Break {
    pub why: String,
    pub place: Option<String>,
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} at {place}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

pub fn epoch() -> u64 {
    EPOCH.load(Relaxed)
}

/// Says that a tensor is another one than it was: of other storage, or with another need of gradients.
pub fn bump_epoch() {
    EPOCH.fetch_add(1, Relaxed);
}

#[inline]
pub fn is_active() -> bool {
    ACTIVE.get()
}

/// While it lives, this thread does not capture.
struct Suspended(bool);

impl Suspended {
    fn new() -> Suspended {
        Suspended(ACTIVE.replace(false))
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        ACTIVE.set(self.0);
    }
}

fn with_trace<T>(f: impl FnOnce(&mut Trace) -> T) -> Option<T> {
    TRACE.with_borrow_mut(|trace| trace.as_deref_mut().map(f))
}

/// Begins to capture what this thread records. With `whole`, a value that is needed is an error.
pub fn begin(args: &[Tensor], whole: bool) -> Result<()> {
    if TRACE.with_borrow(Option::is_some) {
        return Err(Error::Runtime("internal error: this thread captures already".into()));
    }
    let trace = Box::new(Trace::new(args, whole));
    TRACE.set(Some(trace));
    ACTIVE.set(true);
    Ok(())
}

/// Whether this thread is between [`begin`] and the end of a capture, active or broken.
pub fn is_under_way() -> bool {
    TRACE.with_borrow(Option::is_some)
}

/// Ends a capture that led to nothing, because the call failed.
pub fn abandon() -> Result<()> {
    ACTIVE.set(false);
    match TRACE.take() {
        Some(trace) => trace.settle(),
        None => Ok(()),
    }
}

/// Ends the capture, computes what it recorded, and says what became of it.
pub fn finish(outputs: &[Tensor]) -> Result<Outcome> {
    ACTIVE.set(false);
    match TRACE.take() {
        Some(trace) => build::finish(*trace, outputs),
        None => Err(Error::Runtime("internal error: this thread captures nothing".into())),
    }
}

/// Says that the call does something that a program would not do again, or needs a value: the rest of it runs as
/// without capture. `Err` if the whole call had to be captured.
#[cold]
pub fn broken(why: &str) -> Result<()> {
    if !ACTIVE.replace(false) {
        return Ok(());
    }
    let place = LOCATOR.get().and_then(|locate| locate());
    let reason = Break { why: why.into(), place };
    let whole = with_trace(|trace| trace.stop(reason.clone())).unwrap_or(false);
    if whole {
        return Err(Error::Compile(format!(
            "rt.compile(fullgraph=True) cannot capture this call: {reason}. Move it out of the compiled function, or \
             leave out fullgraph=True"
        )));
    }
    let pending = with_trace(Trace::take_made).unwrap_or_default();
    Trace::compute(&pending)
}

/// Says that the call made something (an optimiser's first state) that it will find the next time: then it will be
/// captured.
pub fn again() -> Result<()> {
    if !ACTIVE.replace(false) {
        return Ok(());
    }
    let pending = with_trace(|trace| {
        trace.again = true;
        trace.take_made()
    });
    Trace::compute(&pending.unwrap_or_default())
}

/// A storage is about to be read or written.
#[inline]
pub(crate) fn touch(storage: &Arc<Storage>) -> Result<()> {
    if is_active() { touched(storage) } else { Ok(()) }
}

#[cold]
fn touched(storage: &Arc<Storage>) -> Result<()> {
    let known = with_trace(|trace| trace.knows(storage)).unwrap_or(true);
    if known {
        return Ok(());
    }
    if with_trace(|trace| trace.was_made(storage)).unwrap_or(false) {
        return if storage.is_external() {
            broken("it makes a tensor on the memory of an array")
        } else {
            Ok(())
        };
    }
    let _suspended = Suspended::new();
    trace::plain(storage, &with_trace(|trace| trace.blocks()).unwrap_or_default())?;
    with_trace(|trace| trace.read(storage));
    Ok(())
}

/// A tensor is read: what it is must not change before a program reads it again.
#[inline]
pub(crate) fn looked_at(tensor: &Tensor) {
    if is_active() {
        with_trace(|trace| trace.look_at(tensor));
    }
}

/// A storage was made.
#[inline]
pub(crate) fn made(storage: &Arc<Storage>) {
    if is_active() {
        with_trace(|trace| trace.make(storage));
    }
}

/// Whether what was read of a storage before may be taken again: of a storage from outside a program needs the way to
/// its memory.
pub(crate) fn may_keep(storage: &Arc<Storage>) -> bool {
    !is_active() || with_trace(|trace| trace.was_made(storage)).unwrap_or(true)
}

/// A value is needed.
#[inline]
pub(crate) fn needed() -> Result<()> {
    if is_active() { broken("the value of a tensor is needed") } else { Ok(()) }
}

/// A tensor on this storage is about to become another one.
pub(crate) fn changes(storage: &Arc<Storage>) -> Result<()> {
    bump_epoch();
    if may_keep(storage) { Ok(()) } else { broken("it changes what a tensor from outside is") }
}

/// A storage that shares memory with an array outside is about to be written.
pub(crate) fn writes(storage: &Arc<Storage>) -> Result<()> {
    if is_active() && storage.is_external() {
        return broken("it writes to memory that it shares with an array");
    }
    touch(storage)
}

/// A `.grad` is about to be read (`looks`) or replaced.
#[inline]
pub(crate) fn grad(slot: &Arc<GradSlot>, looks: bool) {
    if is_active() {
        with_trace(|trace| trace.grad(slot, looks));
    }
}

/// A run-time scalar was recorded.
#[inline]
pub(crate) fn scalar(value: &Recorded, literal: Literal) {
    if is_active() {
        with_trace(|trace| trace.scalar(value, literal));
    }
}

/// A number from outside was given to the operation that is being called.
pub fn number(id: u32, number: Number) {
    with_trace(|trace| trace.numbers.push((id, number)));
}

/// A number of the program's own was given to the operation that is being called.
#[inline]
pub fn literal(number: Number) {
    if is_active() {
        with_trace(|trace| trace.literals.push(number));
    }
}

/// The operation that was called is recorded. What it did not record of its numbers from outside, or did not use as
/// they are, holds for their present values only.
#[inline]
pub fn operation_ended() {
    if is_active() {
        with_trace(Trace::forget_numbers);
    }
}

/// Draws numbers into a buffer.
pub(crate) type Fill = Arc<dyn Fn(&mut Generator) -> Result<Buffer> + Send + Sync>;

/// Numbers were drawn from the default generator.
#[inline]
pub(crate) fn filled(
    buffer: &Buffer,
    fill: impl Fn(&mut Generator) -> Result<Buffer> + Send + Sync + 'static,
) {
    if is_active() {
        with_trace(|trace| trace.draws.push(Draw::Fill(Arc::new(fill), buffer.clone())));
    }
}

/// A key for draws within kernels, and its first counter, as values.
pub(crate) fn philox() -> (Recorded, Recorded) {
    let own = default_generator().philox_key();
    let PhiloxKey { key, offset } = own;
    let word = |bits: u64| Recorded::scalar(Literal::from_i64(rustorch_ir::DType::I64, bits as i64));
    let drawn = (word(key), word(offset));
    if is_active() {
        with_trace(|trace| trace.drew(own, &drawn.0, &drawn.1));
    }
    drawn
}
