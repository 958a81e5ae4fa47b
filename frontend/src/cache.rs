//! Compiled programs by graph: bounded, the least recently used one leaves.

use crate::engine::Program;
use rustc_hash::{FxHashMap, FxHasher};
use rustorch_passes::Request;
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// More programs than any one phase of a real script needs.
const CAPACITY: usize = 512;

struct Entry {
    request: Request,
    program: Arc<dyn Program>,
    used: u64,
}

#[derive(Default)]
pub(crate) struct PlanCache {
    entries: FxHashMap<u64, SmallVec<[Entry; 1]>>,
    len: usize,
    clock: u64,
}

/// One hash of the whole request. Node keys are numbered by insertion, so equal graphs have equal keys.
pub(crate) fn key(request: &Request) -> u64 {
    let mut hasher = FxHasher::default();
    for &id in request.graph.order() {
        request.graph.node(id).hash(&mut hasher);
    }
    request.graph.outputs.hash(&mut hasher);
    request.keep.hash(&mut hasher);
    hasher.finish()
}

fn same(a: &Request, b: &Request) -> bool {
    a.graph.order() == b.graph.order()
        && a.graph.outputs == b.graph.outputs
        && a.keep == b.keep
        && a.graph.order().iter().all(|&id| a.graph.node(id) == b.graph.node(id))
}

impl PlanCache {
    pub fn get(&mut self, key: u64, request: &Request) -> Option<Arc<dyn Program>> {
        self.clock += 1;
        let entry = self.entries.get_mut(&key)?.iter_mut().find(|e| same(&e.request, request))?;
        entry.used = self.clock;
        Some(entry.program.clone())
    }

    /// Keeps a program that was compiled; gives back what had to leave, to be dropped outside of the lock.
    pub fn insert(
        &mut self,
        key: u64,
        request: Request,
        program: Arc<dyn Program>,
    ) -> Option<Arc<dyn Program>> {
        let leaving = if self.len >= CAPACITY { self.evict() } else { None };
        self.clock += 1;
        self.len += 1;
        self.entries.entry(key).or_default().push(Entry { request, program, used: self.clock });
        leaving
    }

    fn evict(&mut self) -> Option<Arc<dyn Program>> {
        let oldest = self
            .entries
            .iter()
            .flat_map(|(key, bucket)| bucket.iter().enumerate().map(move |(i, e)| (e.used, *key, i)))
            .min()?;
        let bucket = self.entries.get_mut(&oldest.1)?;
        let entry = bucket.remove(oldest.2);
        if bucket.is_empty() {
            self.entries.remove(&oldest.1);
        }
        self.len -= 1;
        Some(entry.program)
    }
}
