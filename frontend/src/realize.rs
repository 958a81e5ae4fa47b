//! From recorded values to bytes: when, and through which program.
//!
//! A value is computed when it is asked for, with everything it waits for, once. What was recorded but never
//! asked for is flushed when it has grown large; a flush is placed where the one before was, so that a loop that
//! never looks at a value gives the same graph each time.

use crate::cache::{PlanCache, Planned};
use crate::capture;
use crate::engine::{Bound, engine};
use crate::error::{Result, runtime};
use crate::extract::{Unit, Wanted};
use crate::record::{Recorded, Stored, lock};
use crate::region::Region;
use crate::stats;
use crate::storage::Storage;
use crate::tensor::Tensor;
use crate::trace::Watch;
use rustc_hash::FxHashSet;
use rustorch_backend::buffer::Buffer;
use rustorch_backend::run::Executable;
use smallvec::SmallVec;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, Weak};

/// Recorded operations after which a thread flushes what is pending.
const NODE_BOUND: usize = 20_000;
/// Bytes of pending buffers after which it does.
const BYTE_BOUND: usize = 1 << 30;

static EAGER: AtomicBool = AtomicBool::new(false);
static PLANS: LazyLock<Mutex<PlanCache>> = LazyLock::new(Mutex::default);

/// Whether each operation runs at once.
pub fn set_eager(eager: bool) {
    EAGER.store(eager, Relaxed);
}

/// Takes the mode from `RUSTORCH_EAGER`: `1` computes at once, all else when values are needed.
pub fn set_eager_by_environment() {
    set_eager(std::env::var_os("RUSTORCH_EAGER").is_some_and(|mode| mode == "1"));
}

pub fn is_eager() -> bool {
    EAGER.load(Relaxed)
}

/// Drops all compiled programs that are not running.
pub fn clear_cache() {
    let old = std::mem::take(&mut *lock(&PLANS));
    drop(old);
}

/// Computes these values, and keeps on the way what others still refer to and gets a buffer anyway.
pub fn realize(values: &[Recorded]) -> Result<()> {
    if values.iter().all(Recorded::is_realised) {
        return Ok(());
    }
    capture::needed()?;
    let ordered;
    let values = if values.len() > 1 {
        ordered = in_order(values);
        &ordered
    } else {
        values
    };
    let region = Region::collect(values);
    run(Unit::of(values, &region)?, planned).map(|_| ())
}

/// The values as they were recorded: in whatever order they are asked for, they make one program, and the same bits.
pub(crate) fn in_order(values: &[Recorded]) -> Vec<Recorded> {
    let mut ordered = values.to_vec();
    ordered.sort_by_key(|value| (value.node().seq(), value.port()));
    ordered
}

/// As [`realize`], but only if that takes microseconds: what is recorded is short, and its program is there and small.
/// Whether the values are there now.
fn realize_brief(values: &[Recorded]) -> Result<bool> {
    if values.iter().all(Recorded::is_realised) {
        return Ok(true);
    }
    if stats::pending().0 > BRIEF_NODES {
        return Ok(false);
    }
    let region = Region::collect(values);
    let brief = |unit: &Unit<'_>| {
        let found = lock(&PLANS).get(unit.tape.hash(), &unit.tape);
        let found = found.filter(|planned| planned.program.executable().is_some_and(Executable::is_brief));
        Ok(found.inspect(|_| stats::cache_hit()).map(|planned| (planned, false)))
    };
    run(Unit::of(values, &region)?, brief)
}

/// Nodes of all threads that may be pending.
const BRIEF_NODES: usize = 512;

/// A unit's program, if it is to run, and whether it was compiled now.
type Found = Option<(Arc<Planned>, bool)>;

/// Runs the program that `planned` finds. Whether the values are there now.
fn run(mut unit: Unit<'_>, planned: impl FnOnce(&Unit<'_>) -> Result<Found>) -> Result<bool> {
    for (node, port, stored) in std::mem::take(&mut unit.aliases) {
        drop(node.fulfil(port, stored));
    }
    if unit.outputs.is_empty() {
        return Ok(true);
    }
    let mut watch = Watch::begin();
    let Some((planned, anew)) = planned(&unit)? else { return Ok(false) };
    watch.compiled(anew);
    let bound: SmallVec<[Bound; 4]> =
        unit.inputs.iter().map(|leaf| Bound { buffer: leaf.buffer.clone(), offset: leaf.start() }).collect();
    let buffers = watched(&planned, &bound, &unit.scalars, watch)?;
    if buffers.len() != unit.outputs.len() + planned.kept.len() {
        return runtime("internal error: a program gave another number of results than it was asked for");
    }
    let kept = planned.kept.iter().map(|&place| &unit.wanted[place]);
    for (target, buffer) in unit.outputs.iter().chain(kept).zip(buffers) {
        let stored = Stored::contiguous(buffer, &target.node.types()[target.port as usize].shape);
        drop(target.node.fulfil(target.port, stored));
    }
    Ok(true)
}

fn watched(planned: &Planned, bound: &[Bound], scalars: &[u64], mut watch: Watch) -> Result<Vec<Buffer>> {
    let program = &planned.program;
    let mut launches = 0;
    let result = program.run(bound, scalars, &mut |steps| {
        launches = steps;
        watch.step(steps);
    });
    stats::ran(launches as u64, program.executable().is_some());
    watch.ran(program);
    result
}

/// Runs a program on these inputs and scalars; gives its results.
pub(crate) fn execute(planned: &Planned, bound: &[Bound], scalars: &[u64]) -> Result<Vec<Buffer>> {
    let mut watch = Watch::begin();
    watch.compiled(false);
    stats::cache_hit();
    watched(planned, bound, scalars, watch)
}

/// The program for a unit, compiled if it is not there.
pub(crate) fn compiled(unit: &Unit<'_>) -> Result<Arc<Planned>> {
    match planned(unit)? {
        Some((planned, _)) => Ok(planned),
        None => runtime("internal error: a unit has no program"),
    }
}

/// The program for a unit, compiled if it is not there, and the results of one run of it.
pub(crate) fn compile_and_run(unit: Unit<'_>) -> Result<Option<Arc<Planned>>> {
    let mut used = None;
    run(unit, |unit| {
        let found = planned(unit)?;
        used = found.as_ref().map(|(planned, _)| planned.clone());
        Ok(found)
    })?;
    Ok(used)
}

/// The program for a unit. An entry appears only after success.
fn planned(unit: &Unit<'_>) -> Result<Found> {
    let hash = unit.tape.hash();
    if let Some(found) = lock(&PLANS).get(hash, &unit.tape) {
        stats::cache_hit();
        return Ok(Some((found, false)));
    }
    let Wanted { request, places } = unit.request()?;
    let program = engine().compile(&request)?;
    stats::compiled();
    let kept = program.kept().iter().map(|&i| places[i]).collect();
    let planned = Arc::new(Planned { program, kept });
    let leaving = lock(&PLANS).insert(hash, &unit.tape, planned.clone());
    drop(leaving);
    Ok(Some((planned, true)))
}

/// A buffer of its own that holds the value, now.
pub(crate) fn copy_now(value: &Recorded) -> Result<Recorded> {
    let copy = value.detach().fence()?;
    realize(std::slice::from_ref(&copy))?;
    Ok(copy)
}

/// The same value, independent of memory that arrays outside may write: computed or copied now, if it is not.
pub(crate) fn owned(value: Recorded) -> Result<Recorded> {
    if !value.node().borrows() {
        return Ok(value);
    }
    if !value.node().is_alias() {
        realize(std::slice::from_ref(&value))?;
        return Ok(value);
    }
    let copy = copy_now(&value)?;
    Ok(match value.grad_node() {
        Some((grad, port)) => copy.with_grad(grad.clone(), port),
        None => copy,
    })
}

/// Computes `new` at once and puts its bytes into the memory that `old`, the value of a whole storage, shares
/// with an array outside.
pub(crate) fn write_through(old: &Recorded, new: &Recorded) -> Result<()> {
    match old.stored() {
        Some(to) if to.buffer.is_writable() => engine().overwrite(&to.buffer, &contiguous(new)?),
        _ => runtime("internal error: a shared storage has no memory that can be written"),
    }
}

/// The value's elements in row-major order, in a buffer that holds nothing else, now.
pub(crate) fn contiguous(value: &Recorded) -> Result<Buffer> {
    let plain = |stored: &&Stored| {
        stored.offset == 0
            && stored.buffer.len() == value.ty().bytes()
            && (value.numel() == 0 || stored.strides == value.shape().contiguous_strides())
    };
    if let Some(stored) = value.stored().filter(plain) {
        return Ok(stored.buffer.clone());
    }
    match copy_now(value)?.stored() {
        Some(stored) => Ok(stored.buffer.clone()),
        None => runtime("internal error: a realised value has no bytes"),
    }
}

/// Storages that were made on one thread: a flush computes those that are alive and pending.
#[derive(Default)]
struct Registry {
    storages: Vec<Weak<Storage>>,
    sweep_at: usize,
}

/// One for each thread, and those of ended threads whose storages live on.
static REGISTRIES: Mutex<Vec<Arc<Mutex<Registry>>>> = Mutex::new(Vec::new());

thread_local! {
    /// This thread's; nobody else locks it but `synchronize`.
    static OWN: Arc<Mutex<Registry>> = enlist();
    static SINCE: Cell<usize> = const { Cell::new(0) };
    static FLUSHED_AT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A registry for a thread that has none; forgets those that nothing is left of.
fn enlist() -> Arc<Mutex<Registry>> {
    let own = Arc::new(Mutex::new(Registry::default()));
    let mut all = lock(&REGISTRIES);
    all.retain(|r| Arc::strong_count(r) > 1 || lock(r).storages.iter().any(|s| s.strong_count() > 0));
    all.push(own.clone());
    own
}

pub(crate) fn register(storage: &Arc<Storage>) {
    let weak = Arc::downgrade(storage);
    OWN.with(|own| {
        let mut live = lock(own);
        if live.storages.len() >= live.sweep_at {
            live.storages.retain(|s| s.strong_count() > 0);
            live.sweep_at = (2 * live.storages.len()).max(1024);
        }
        live.storages.push(weak);
    });
}

/// The pending values of the storages of a thread that are alive, oldest first.
fn pending_of(registry: &Mutex<Registry>) -> Vec<Recorded> {
    // Dropping a storage may make and drop others: not while the registry is locked.
    let live: Vec<Arc<Storage>> = lock(registry).storages.iter().filter_map(Weak::upgrade).collect();
    live.iter().map(|s| s.value()).filter(|v| !v.is_realised()).collect()
}

/// The pending values of this thread's storages.
fn pending() -> Vec<Recorded> {
    OWN.with(|own| pending_of(own))
}

/// Called with each value that becomes a tensor's: runs it in eager mode, and flushes when much is pending.
pub(crate) fn recorded(value: &Recorded) -> Result<()> {
    if capture::is_active() {
        return Ok(());
    }
    if is_eager() {
        return realize(std::slice::from_ref(value));
    }
    let since = SINCE.get() + 1;
    SINCE.set(since);
    // At the same spot as the flush before half of the bound is enough: the distance becomes that of the loop.
    let again = FLUSHED_AT.get() == Some(stats::spot());
    let share = if again { 2 } else { 1 };
    let (nodes, bytes) = stats::pending();
    let full = (since >= NODE_BOUND / share && nodes >= NODE_BOUND / share) || bytes >= BYTE_BOUND / share;
    if !full || since < MIN_DISTANCE {
        return Ok(());
    }
    SINCE.set(0);
    FLUSHED_AT.set(Some(stats::spot()));
    let mut values = pending();
    values.push(value.detach());
    realize(&values)
}

/// Called with what operations make on the way (values of storages, views that are read): in eager mode nothing is
/// left to wait.
pub(crate) fn eagerly(value: &Recorded) -> Result<()> {
    if is_eager() && !capture::is_active() { realize(std::slice::from_ref(value)) } else { Ok(()) }
}

/// Operations between two flushes at least: what other threads hold pending must not make each one flush.
const MIN_DISTANCE: usize = 16;

/// Computes these tensors together with every live one that waits for the same operations.
pub fn flush(tensors: &[Tensor]) -> Result<()> {
    if capture::is_active() {
        return Ok(());
    }
    let mut values: Vec<Recorded> = Vec::new();
    for tensor in tensors {
        values.push(tensor.storage().value());
    }
    let region = Region::collect(&values);
    if region.is_empty() {
        return Ok(());
    }
    let mut apart = FxHashSet::default();
    for other in pending() {
        if region.meets(&other, &mut apart) {
            values.push(other);
        }
    }
    drop(region);
    SINCE.set(0);
    FLUSHED_AT.set(Some(stats::spot()));
    realize(&values)
}

/// Computes everything that live tensors of this thread wait for.
pub fn flush_thread() -> Result<()> {
    if capture::is_active() { Ok(()) } else { realize(&pending()) }
}

/// Computes everything that live tensors wait for, of whatever thread.
pub fn synchronize() -> Result<()> {
    if capture::is_active() {
        return Ok(());
    }
    flush_thread()?;
    let others = lock(&REGISTRIES).clone();
    others.iter().try_for_each(|registry| realize(&pending_of(registry)))
}

impl Recorded {
    /// Whether the value can be looked at without computing anything: not what a captured program will compute with
    /// other values.
    pub(crate) fn is_at_hand(&self) -> bool {
        self.is_realised() && !capture::is_active()
    }
}

impl Tensor {
    /// As for values.
    pub(crate) fn is_at_hand(&self) -> Result<bool> {
        Ok(!capture::is_active() && (self.storage().value().is_realised() || self.read()?.is_realised()))
    }

    /// Computes the tensor's value, with its storage.
    pub fn realize(&self) -> Result<()> {
        if capture::is_active() {
            return Ok(());
        }
        let storage = self.storage();
        realize(&[storage.value()])?;
        // An external one is always there, and to read it would be to copy it.
        if storage.is_external() { Ok(()) } else { realize(&[self.read_data()?]) }
    }

    /// As [`Tensor::realize`], but only if that takes microseconds. Whether it is done.
    pub fn realize_brief(&self) -> Result<bool> {
        if capture::is_active() {
            return Ok(true);
        }
        let storage = self.storage();
        Ok(realize_brief(&[storage.value()])?
            && (storage.is_external() || realize_brief(&[self.read_data()?])?))
    }

    /// The bytes of the tensor: a strided stretch of a buffer.
    pub fn buffer(&self) -> Result<Stored> {
        capture::needed()?;
        realize(&[self.storage().value()])?;
        let value = self.read_data()?;
        realize(std::slice::from_ref(&value))?;
        match value.stored() {
            Some(stored) => Ok(stored.clone()),
            None => runtime("internal error: a realised value has no bytes"),
        }
    }

    /// The elements in row-major order, in a buffer that holds nothing else.
    pub fn contiguous_buffer(&self) -> Result<Buffer> {
        capture::needed()?;
        realize(&[self.storage().value()])?;
        let value = self.read_data()?;
        realize(std::slice::from_ref(&value))?;
        contiguous(&value)
    }

    /// The address of the tensor's first element.
    pub fn data_ptr(&self) -> Result<usize> {
        capture::needed()?;
        realize(&[self.storage().value()])?;
        let value = self.storage().value();
        let Some(stored) = value.stored() else { return Ok(0) };
        if self.numel() == 0 {
            return Ok(0);
        }
        let start = stored.offset * value.dtype().size();
        let own = self.storage_offset().max(0) as usize * self.dtype().size();
        Ok((stored.buffer.ptr() as usize).wrapping_add(start + own))
    }
}
