//! Stable sorting of rows, with the places where the elements were.
//!
//! Each element becomes a number that grows with it, its place behind it, so that all are different and any sort is
//! stable. Short rows are sorted by comparison, long ones digit by digit, the least significant first, without the
//! digits that all elements share; what is too long for the cache is first dealt out by its most significant digit.
//! Where only a part is asked for, it is selected before it is sorted, and the first few are never put down with the
//! others.

use crate::buffer::Buffer;
use crate::host::HostError;
use crate::threads::{self, Interrupted};
use rustorch_ir::DType;
use rustorch_ir::routine::{Sort, sort_key};
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Rows of fewer elements are sorted by comparison.
const SHORT: usize = 256;
/// Rows of more elements leave the cache.
const LONG: usize = 1 << 15;
/// The first few are picked out one by one where they are at most this part of a row.
const PART: usize = 8;
/// Elements that are worth a thread's while.
const GRAIN: usize = 4096;
/// Values of a digit.
const RADIX: usize = 256;

/// The elements of one width, by their bits.
trait Bits: Copy + Send + Sync {
    fn widen(self) -> u64;
}

macro_rules! bits {
    ($($ty:ty),+) => {
        $(impl Bits for $ty {
            #[inline(always)]
            fn widen(self) -> u64 {
                u64::from(self)
            }
        })+
    };
}

bits!(u8, u16, u32, u64);

/// A key with the place that it was at: they compare by key, then by place.
trait Keyed: Copy + Ord + Default + Send + Sync {
    /// Digits of the key.
    const DIGITS: usize;

    fn new(key: u64, place: usize) -> Self;
    fn digit(self, number: usize) -> usize;
    fn place(self) -> usize;
}

impl Keyed for u64 {
    const DIGITS: usize = 4;

    #[inline(always)]
    fn new(key: u64, place: usize) -> u64 {
        key << 32 | place as u64
    }
    #[inline(always)]
    fn digit(self, number: usize) -> usize {
        (self >> (32 + 8 * number)) as usize & (RADIX - 1)
    }
    #[inline(always)]
    fn place(self) -> usize {
        self as u32 as usize
    }
}

impl Keyed for (u64, u32) {
    const DIGITS: usize = 8;

    #[inline(always)]
    fn new(key: u64, place: usize) -> (u64, u32) {
        (key, place as u32)
    }
    #[inline(always)]
    fn digit(self, number: usize) -> usize {
        (self.0 >> (8 * number)) as usize & (RADIX - 1)
    }
    #[inline(always)]
    fn place(self) -> usize {
        self.1 as usize
    }
}

/// Sorts as `s` says.
///
/// # Safety
/// `x` holds the elements, aligned or not; `values` and `places` have room for the results, and nobody else reads or writes those.
pub unsafe fn sort(s: &Sort, x: *const u8, values: *mut u8, places: *mut u8) -> Result<(), HostError> {
    macro_rules! dispatch {
        ($($dtype:ident: $bits:ty, $keyed:ty;)+) => {
            match s.dtype {
                // SAFETY: by the caller's word; the elements are as wide as their bits.
                $(DType::$dtype => unsafe {
                    rows::<$bits, $keyed>(s, x.cast(), values.cast(), places.cast(), |bits| {
                        sort_key(DType::$dtype, bits.widen())
                    })
                },)+
            }
        };
    }
    dispatch! {
        Bool: u8, u64; U8: u8, u64; I8: u8, u64; I16: u16, u64; F16: u16, u64; BF16: u16, u64;
        I32: u32, u64; F32: u32, u64; I64: u64, (u64, u32); F64: u64, (u64, u32);
    }
}

/// A pointer that threads share.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: rows are disjoint, and each is read and written by one thread.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// # Safety
/// As for [`sort`].
unsafe fn rows<B: Bits, K: Keyed>(
    s: &Sort,
    x: *const B,
    values: *mut B,
    places: *mut i64,
    key: impl Fn(B) -> u64 + Sync,
) -> Result<(), HostError> {
    let (x, values, places) = (Shared(x.cast_mut()), Shared(values), Shared(places));
    let failure: Mutex<Option<HostError>> = Mutex::new(None);
    let flip = if s.descending { u64::MAX } else { 0 };
    let mask = if K::DIGITS == 4 { u64::from(u32::MAX) } else { u64::MAX };
    let few = s.first == 0 && s.keep <= s.extent / PART;
    let row = |number: usize, own: &mut [K], other: &mut [K]| -> Result<(), Interrupted> {
        let (outer, inner) = (number / s.inner, number % s.inner);
        let from = |place: usize| (outer * s.extent + place) * s.inner + inner;
        let keyed = |place: usize| {
            // SAFETY: an element of the operand, aligned or not.
            let bits = unsafe { x.get().add(from(place)).read_unaligned() };
            K::new((key(bits) ^ flip) & mask, place)
        };
        let sorted = if few {
            first_few((0..s.extent).map(keyed), own, s.keep)
        } else {
            own.iter_mut().enumerate().for_each(|(place, slot)| *slot = keyed(place));
            in_order(own, other, s.first..s.first + s.keep)?
        };
        for (rank, place) in sorted.iter().map(|k| k.place()).enumerate() {
            let to = (outer * s.keep + rank) * s.inner + inner;
            // SAFETY: an element of the operand, and one of each result.
            unsafe {
                *values.get().add(to) = x.get().add(from(place)).read_unaligned();
                *places.get().add(to) = place as i64;
            }
        }
        Ok(())
    };
    let grain = (GRAIN / s.extent.max(1)).max(1);
    threads::parallel_for(s.outer * s.inner, grain, |begin, end| {
        let done = scratch::<K, _>(s.extent, |own, other| {
            (begin..end).try_for_each(|number| row(number, own, other).map_err(HostError::from))
        });
        if let Err(e) = done {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
        }
    })?;
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Calls `f` with two stretches of `n` keys each.
fn scratch<K: Keyed, R>(
    n: usize,
    f: impl FnOnce(&mut [K], &mut [K]) -> Result<R, HostError>,
) -> Result<R, HostError> {
    let mut memory = Buffer::zeroed(2 * n * size_of::<K>())?;
    // SAFETY: the buffer is this function's alone, and zeros are keys.
    let keys: &mut [K] = unsafe { memory.as_mut_slice() };
    let (own, other) = keys.split_at_mut(n);
    f(own, other)
}

/// The `keep` smallest of the keys in order, in `kept`, which has room for all.
fn first_few<K: Keyed>(keys: impl Iterator<Item = K>, kept: &mut [K], keep: usize) -> &[K] {
    if keep == 0 {
        return &[];
    }
    let room = (2 * keep).max(64).min(kept.len());
    let (mut count, mut limit) = (0, None::<K>);
    for key in keys {
        if limit.is_some_and(|limit| key > limit) {
            continue;
        }
        kept[count] = key;
        count += 1;
        if count == room && room > keep {
            kept[..count].select_nth_unstable(keep - 1);
            count = keep;
            limit = Some(kept[keep - 1]);
        }
    }
    kept[..count].sort_unstable();
    &kept[..keep]
}

/// The keys with these numbers in the order of all, from one of the two stretches.
fn in_order<'k, K: Keyed>(
    keys: &'k mut [K],
    other: &'k mut [K],
    numbers: Range<usize>,
) -> Result<&'k [K], Interrupted> {
    if numbers.is_empty() {
        return Ok(&[]);
    }
    if numbers.len() < keys.len() / 4 {
        let (_, _, behind) = keys.select_nth_unstable(numbers.start);
        let rest = numbers.len() - 1;
        if rest > 0 {
            behind.select_nth_unstable(rest - 1);
            behind[..rest].sort_unstable();
        }
        return Ok(&keys[numbers]);
    }
    if !sorted(keys, other, K::DIGITS)? {
        return Ok(&other[numbers]);
    }
    Ok(&keys[numbers])
}

/// Sorts by the `digits` least significant digits, the others being equal, into one of the two stretches: whether into
/// the first.
fn sorted<K: Keyed>(keys: &mut [K], other: &mut [K], digits: usize) -> Result<bool, Interrupted> {
    if keys.len() < SHORT || digits == 0 {
        keys.sort_unstable();
        return Ok(true);
    }
    if threads::interrupted() {
        return Err(Interrupted);
    }
    let mut counts = vec![[0u32; RADIX]; digits];
    for &k in keys.iter() {
        for (number, counts) in counts.iter_mut().enumerate() {
            counts[k.digit(number)] += 1;
        }
    }
    let shared = keys.len() as u32;
    let differs = |number: &usize| !counts[*number].contains(&shared);
    let differing: SmallVec<[usize; 8]> = (0..digits).filter(differs).collect();
    let Some((&most, lower)) = differing.split_last() else { return Ok(true) };
    if keys.len() <= LONG {
        let (mut from, mut to) = (keys, other);
        for &number in &differing {
            deal(from, to, number, &mut starts(&counts[number]));
            std::mem::swap(&mut from, &mut to);
        }
        return Ok(differing.len().is_multiple_of(2));
    }
    deal(keys, other, most, &mut starts(&counts[most]));
    if lower.is_empty() {
        return Ok(false);
    }
    // Each hand is sorted by itself, and left in the second stretch.
    let mut begin = 0;
    for &count in &counts[most] {
        let end = begin + count as usize;
        let (hand, room) = (&mut other[begin..end], &mut keys[begin..end]);
        if !sorted(hand, room, most)? {
            hand.copy_from_slice(room);
        }
        begin = end;
    }
    Ok(false)
}

/// Where the keys of each digit begin.
fn starts(counts: &[u32; RADIX]) -> [u32; RADIX] {
    let mut start = 0;
    counts.map(|count| {
        start += count;
        start - count
    })
}

/// Moves keys to where those of their digit are.
fn deal<K: Keyed>(from: &[K], to: &mut [K], number: usize, starts: &mut [u32; RADIX]) {
    for &k in from {
        let at = &mut starts[k.digit(number)];
        to[*at as usize] = k;
        *at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustorch_ir::routine::Routine;

    /// Against the meaning: every type, rows short and long, whole and in part, along every axis, with ties.
    #[test]
    fn sorts_mean_what_they_say() {
        let random = |i: u64| {
            let z = (i + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        for dtype in DType::ALL {
            for (outer, extent, inner) in [(3, 1, 2), (2, 37, 3), (1, 1500, 1), (2, 3000, 2), (1, 70000, 1)] {
                for (first, keep, descending) in [
                    (0, extent, false),
                    (0, extent, true),
                    (0, extent.min(5), true),
                    (0, extent / 2, false),
                    (extent / 2, 1, false),
                    (extent / 3, extent / 5, true),
                    (0, 0, false),
                ] {
                    let s = Sort { dtype, outer, extent, inner, first, keep, descending };
                    let bytes: Vec<u8> = (0..outer * extent * inner)
                        .flat_map(|i| {
                            let r = random(i as u64);
                            // A third of small numbers, so that there are ties and zeros of both signs.
                            let bits = if r % 3 == 0 { ((r >> 40) % 3) | ((r & 1) << 63) } else { r };
                            let shift = 64 - 8 * dtype.size();
                            let top = if r % 3 == 0 { bits >> shift | bits & 3 } else { bits >> shift };
                            top.to_le_bytes()[..dtype.size()].to_vec()
                        })
                        .collect();
                    let results = outer * keep * inner;
                    let mut want = vec![vec![0u8; results * dtype.size()], vec![0u8; results * 8]];
                    Routine::Sort(s.clone()).run(&[&bytes], &mut want);
                    let got = [0, 1].map(|i| Buffer::zeroed(want[i].len()).unwrap());
                    // SAFETY: the buffers hold what the routine reads and writes, and are this test's own.
                    let same = unsafe {
                        sort(&s, bytes.as_ptr(), got[0].ptr(), got[1].ptr()).unwrap();
                        [0, 1].iter().all(|&i| got[i].as_slice::<u8>() == want[i])
                    };
                    assert!(same, "{s}");
                }
            }
        }
    }
}
