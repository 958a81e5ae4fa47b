//! Compiled programs by the tapes of their units: bounded, the least recently used one leaves.

use crate::engine::Program;
use crate::tape::Tape;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// More programs than any one phase of a real script needs.
const CAPACITY: usize = 512;

/// A program for a unit.
pub(crate) struct Planned {
    pub program: Arc<dyn Program>,
    /// For each of its results beyond the outputs, its place among the unit's wanted values.
    pub kept: Vec<usize>,
}

struct Entry {
    /// The full key.
    words: Box<[u64]>,
    planned: Arc<Planned>,
    used: u64,
}

#[derive(Default)]
pub(crate) struct PlanCache {
    entries: FxHashMap<u64, SmallVec<[Entry; 1]>>,
    len: usize,
    clock: u64,
}

impl PlanCache {
    pub fn get(&mut self, hash: u64, tape: &Tape) -> Option<Arc<Planned>> {
        self.clock += 1;
        let entry = self.entries.get_mut(&hash)?.iter_mut().find(|e| *e.words == *tape.words())?;
        entry.used = self.clock;
        Some(entry.planned.clone())
    }

    /// Keeps a program that was compiled; gives back what had to leave, to be dropped outside of the lock.
    pub fn insert(&mut self, hash: u64, tape: &Tape, planned: Arc<Planned>) -> Option<Arc<Planned>> {
        let leaving = if self.len >= CAPACITY { self.evict() } else { None };
        self.clock += 1;
        self.len += 1;
        let entry = Entry { words: tape.words().into(), planned, used: self.clock };
        self.entries.entry(hash).or_default().push(entry);
        leaving
    }

    fn evict(&mut self) -> Option<Arc<Planned>> {
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
        Some(entry.planned)
    }
}
