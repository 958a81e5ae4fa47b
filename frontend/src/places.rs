//! Numbers by address: a table that each thread has ready, and that is emptied by counting an era up.

use std::cell::Cell;

/// A map from addresses to numbers, for the time of one look at what was recorded.
pub(crate) struct Places {
    slots: Vec<Slot>,
    /// Slots of other eras are free.
    era: u32,
    len: usize,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    key: usize,
    era: u32,
    value: u32,
}

/// A table that has grown beyond this is not kept for the next time.
const KEPT: usize = 1 << 14;
const LEAST: usize = 64;

thread_local! {
    static READY: Cell<(Vec<Slot>, u32)> = const { Cell::new((Vec::new(), 0)) };
}

impl Places {
    /// An empty table.
    pub fn new() -> Places {
        let (mut slots, last) = READY.try_with(Cell::take).unwrap_or_default();
        let era = last.wrapping_add(1).max(1);
        if slots.is_empty() || era == 1 {
            slots.clear();
            slots.resize(LEAST, Slot::default());
        }
        Places { slots, era, len: 0 }
    }

    /// The slot at which the search for `key` begins: the upper bits of a product, which all bits of the key move.
    fn home(&self, key: usize) -> usize {
        let product = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (product >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    /// The first number under `key` that is the one sought.
    pub fn find(&self, key: usize, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(key);
        loop {
            let slot = self.slots[at];
            if slot.era != self.era {
                return None;
            }
            if slot.key == key && is(slot.value) {
                return Some(slot.value);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    pub fn get(&self, key: usize) -> Option<u32> {
        self.find(key, |_| true)
    }

    /// Puts a number beside those that `key` has.
    pub fn add(&mut self, key: usize, value: u32) {
        if 2 * (self.len + 1) > self.slots.len() {
            self.grow();
        }
        self.len += 1;
        let mut at = self.home(key);
        while self.slots[at].era == self.era {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = Slot { key, era: self.era, value };
    }

    /// Changes the one number of `key`.
    pub fn set(&mut self, key: usize, value: u32) {
        let mut at = self.home(key);
        while self.slots[at].era == self.era {
            if self.slots[at].key == key {
                self.slots[at].value = value;
                return;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn grow(&mut self) {
        let larger = vec![Slot::default(); 2 * self.slots.len()];
        let (old, era) = (std::mem::replace(&mut self.slots, larger), self.era);
        self.len = 0;
        for slot in old.into_iter().filter(|slot| slot.era == era) {
            self.add(slot.key, slot.value);
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if self.slots.len() <= KEPT {
            let slots = std::mem::take(&mut self.slots);
            // During a thread's last moments there is no next time.
            let _ = READY.try_with(|ready| ready.set((slots, self.era)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_begins_empty_grows_and_keeps_several_numbers_of_one_key() {
        for round in 0..3u32 {
            let mut places = Places::new();
            assert_eq!(places.get(8), None);
            (0..1000).for_each(|i| places.add(8 * i, round + i as u32));
            places.add(16, 7000);
            places.set(24, 9000);
            assert_eq!((places.get(8), places.get(24)), (Some(round + 1), Some(9000)));
            assert_eq!(places.find(16, |v| v == 7000), Some(7000));
            assert_eq!(places.find(16, |v| v == 7001), None);
        }
    }
}
