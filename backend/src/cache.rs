//! Compiled kernels by their LoopIR, shared between plans and bounded.

use crate::BackendError;
use crate::cranelift::CompiledKernel;
use rustc_hash::{FxHashMap, FxHasher};
use rustorch_ir::loops::Kernel;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Kernels kept; beyond, the ones compiled first go. Code in use lives on with its plan.
const CAPACITY: usize = 4096;

type Entry = (Kernel, Arc<CompiledKernel>);

#[derive(Default)]
struct Kernels {
    by_hash: FxHashMap<u64, Vec<Entry>>,
    age: VecDeque<u64>,
}

static KERNELS: LazyLock<Mutex<Kernels>> = LazyLock::new(Mutex::default);

fn hash(kernel: &Kernel) -> u64 {
    let mut h = FxHasher::default();
    (&kernel.params, &kernel.scalars, &kernel.insts, kernel.parallel, &kernel.body).hash(&mut h);
    h.finish()
}

/// Equal but for the name.
fn same(a: &Kernel, b: &Kernel) -> bool {
    a.parallel == b.parallel
        && a.params == b.params
        && a.scalars == b.scalars
        && (a.begin, a.end) == (b.begin, b.end)
        && a.insts == b.insts
        && a.body == b.body
}

/// The code of a kernel, compiled by `compile` unless it is known; and how long that took, if it was done.
pub fn kernel(
    kernel: &Kernel,
    compile: impl FnOnce(&Kernel) -> Result<CompiledKernel, BackendError>,
) -> Result<(Arc<CompiledKernel>, Option<Duration>), BackendError> {
    let key = hash(kernel);
    let known = |k: &Kernels| {
        k.by_hash.get(&key).and_then(|e| e.iter().find(|e| same(&e.0, kernel)).map(|e| e.1.clone()))
    };
    let lock = || KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known(&lock()) {
        return Ok((found, None));
    }
    let start = Instant::now();
    let compiled = Arc::new(compile(kernel)?);
    let time = Some(start.elapsed());
    let mut kernels = lock();
    // Another thread may have been faster.
    if let Some(found) = known(&kernels) {
        return Ok((found, time));
    }
    kernels.by_hash.entry(key).or_default().push((kernel.clone(), compiled.clone()));
    kernels.age.push_back(key);
    if kernels.age.len() > CAPACITY
        && let Some(oldest) = kernels.age.pop_front()
        && let Some(entries) = kernels.by_hash.get_mut(&oldest)
    {
        entries.remove(0);
        if entries.is_empty() {
            kernels.by_hash.remove(&oldest);
        }
    }
    Ok((compiled, time))
}
