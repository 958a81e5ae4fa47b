//! A compile unit as a row of words: the key under which its program is kept.
//!
//! What an operation hashes is what it is: the words are what its `Hash` writes, in order. Every list is preceded by
//! its length and every line by what kind of line it is, so the words can be read in one way only, and equal tapes
//! are equal units.

use rustc_hash::FxHasher;
use rustorch_ir::{DType, Shape, Strides};
use std::cell::Cell;
use std::hash::Hasher;

const INPUT: u64 = u64::MAX;
const SCALAR: u64 = u64::MAX - 1;

pub(crate) struct Tape {
    words: Vec<u64>,
}

/// A tape that has grown beyond this is not kept for the next time.
const KEPT: usize = 1 << 14;

thread_local! {
    static READY: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

impl Tape {
    pub fn new() -> Tape {
        let mut words = READY.try_with(Cell::take).unwrap_or_default();
        words.clear();
        Tape { words }
    }

    pub fn input(&mut self, dtype: DType, shape: &Shape, strides: &Strides) {
        self.words.extend([INPUT, dtype as u64, shape.rank() as u64]);
        self.words.extend(shape.iter().map(|d| d.get() as u64));
        self.words.extend(strides.iter().map(|&s| s as u64));
    }

    pub fn scalar(&mut self, dtype: DType) {
        self.words.extend([SCALAR, dtype as u64]);
    }

    /// Writes a list, and says where.
    pub fn list(&mut self, words: &[u64]) -> usize {
        self.words.push(words.len() as u64);
        self.words.extend_from_slice(words);
        self.words.len() - words.len()
    }

    /// The list that was written there.
    pub fn list_at(&self, at: usize) -> &[u64] {
        &self.words[at..at + self.words[at - 1] as usize]
    }

    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// One hash of all words.
    pub fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.words.iter().for_each(|&word| hasher.write_u64(word));
        hasher.finish()
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if self.words.capacity() <= KEPT {
            let words = std::mem::take(&mut self.words);
            // During a thread's last moments there is no next time.
            let _ = READY.try_with(|ready| ready.set(words));
        }
    }
}

macro_rules! words {
    ($($write:ident($ty:ty);)*) => {
        $(#[inline]
        fn $write(&mut self, value: $ty) {
            self.words.push(value as u64);
        })*
    };
}

impl Hasher for Tape {
    /// Lists of numbers come as bytes, after their length.
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words.push(u64::from_le_bytes(word));
        }
    }

    words! {
        write_u8(u8); write_u16(u16); write_u32(u32); write_u64(u64); write_usize(usize);
        write_i8(i8); write_i16(i16); write_i32(i32); write_i64(i64); write_isize(isize);
    }

    fn finish(&self) -> u64 {
        self.hash()
    }
}
