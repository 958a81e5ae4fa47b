//! Slabs: mapped blocks cut into equal small ones, one set per size class.

use std::ptr::NonNull;

/// The slabs of one size class. A slab with nothing in use is handed back, except for one that is kept so that
/// a single block coming and going does not map and unmap each time.
pub(super) struct SlabClass {
    slabs: Vec<Slab>,
    /// Indices of slabs that were handed back and may be filled again.
    vacant: Vec<u32>,
    /// Indices of slabs with a free block; the last one serves requests.
    open: Vec<u32>,
    empty: usize,
}

/// Free blocks form a list threaded through their own first bytes; blocks beyond `carved` were never used, so
/// their pages are not touched before they are needed.
struct Slab {
    memory: NonNull<u8>,
    free: Option<NonNull<u8>>,
    block: u32,
    capacity: u32,
    carved: u32,
    live: u32,
    /// Position in `open` while there is a free block.
    place: u32,
}

// SAFETY: the pointers are owned memory, reached only under the class's lock.
unsafe impl Send for SlabClass {}

impl SlabClass {
    pub const fn new() -> Self {
        Self { slabs: Vec::new(), vacant: Vec::new(), open: Vec::new(), empty: 0 }
    }

    /// A free block and the index of its slab.
    pub fn take(&mut self) -> Option<(NonNull<u8>, u32)> {
        let index = *self.open.last()?;
        let slab = &mut self.slabs[index as usize];
        let start = slab.take();
        self.empty -= usize::from(slab.live == 1);
        if slab.live == slab.capacity {
            self.open.pop();
        }
        Some((start, index))
    }

    /// Cuts `memory` of `bytes` bytes into blocks of `block` bytes and takes the first.
    pub fn add(&mut self, memory: NonNull<u8>, block: usize, bytes: usize) -> (NonNull<u8>, u32) {
        let place = self.open.len() as u32;
        let capacity = (bytes / block) as u32;
        let slab = Slab { memory, free: None, block: block as u32, capacity, carved: 0, live: 0, place };
        let index = match self.vacant.pop() {
            Some(index) => {
                self.slabs[index as usize] = slab;
                index
            }
            None => {
                self.slabs.push(slab);
                (self.slabs.len() - 1) as u32
            }
        };
        self.open.push(index);
        let start = self.slabs[index as usize].take();
        if capacity == 1 {
            self.open.pop();
        }
        (start, index)
    }

    /// Returns a block to its slab; the slab's memory comes back when it should be handed on.
    pub fn give(&mut self, start: NonNull<u8>, index: u32) -> Option<NonNull<u8>> {
        let slab = &mut self.slabs[index as usize];
        if slab.live == slab.capacity {
            slab.place = self.open.len() as u32;
            self.open.push(index);
        }
        slab.give(start);
        if slab.live > 0 {
            return None;
        }
        if self.empty == 0 {
            self.empty = 1;
            return None;
        }
        Some(self.remove(index))
    }

    /// Hands back every slab with nothing in use.
    pub fn take_empty(&mut self) -> Vec<NonNull<u8>> {
        let empty: Vec<u32> =
            self.open.iter().copied().filter(|&index| self.slabs[index as usize].live == 0).collect();
        self.empty = 0;
        empty.into_iter().map(|index| self.remove(index)).collect()
    }

    /// Takes an open slab out of service.
    fn remove(&mut self, index: u32) -> NonNull<u8> {
        let slab = &self.slabs[index as usize];
        let (memory, place) = (slab.memory, slab.place as usize);
        self.open.swap_remove(place);
        if let Some(&moved) = self.open.get(place) {
            self.slabs[moved as usize].place = place as u32;
        }
        self.vacant.push(index);
        memory
    }
}

impl Slab {
    /// The slab must have a free block.
    fn take(&mut self) -> NonNull<u8> {
        debug_assert!(self.live < self.capacity);
        self.live += 1;
        if let Some(start) = self.free {
            // SAFETY: `start` is a free block of this slab; `give` stored the rest of the list in it.
            self.free = unsafe { start.cast::<Option<NonNull<u8>>>().read() };
            return start;
        }
        let offset = self.carved as usize * self.block as usize;
        self.carved += 1;
        // SAFETY: fewer than `capacity` blocks were carved, so the offset lies inside the slab's memory.
        unsafe { self.memory.add(offset) }
    }

    fn give(&mut self, start: NonNull<u8>) {
        // SAFETY: the block's owner is gone, and every block is aligned to 64 bytes and at least that large.
        unsafe { start.cast::<Option<NonNull<u8>>>().write(self.free) };
        self.free = Some(start);
        self.live -= 1;
    }
}
