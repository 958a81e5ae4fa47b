//! Copies of operand blocks in the order in which the tile kernel reads them.

use super::kernel::Scalar;
#[cfg(target_arch = "x86_64")]
use std::any::TypeId;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Rows or columns copied together: a square of this size is transposed in registers.
const SQUARE: usize = 4;
/// Rows of the source copied before the next panel.
const ROWS: usize = 16;

/// Copies `count` vectors of `k` elements into panels of `width` vectors, interleaved: element `p` of vector `i` goes to
/// `panel(i / width)[p * width + i % width]`. The last panel is filled up with zeros if `pad`.
///
/// Packing the rows of A and the columns of B is the same task: `step` leads from one vector to the next, `along`
/// from one element of a vector to the next.
///
/// # Safety
/// The source must be readable at all `i * step + p * along`, the target hold `count` rounded up to `width`, times
/// `k` elements.
pub unsafe fn panels<T: Scalar>(
    (count, k, width): (usize, usize, usize),
    (from, step, along): (*const T, isize, isize),
    to: *mut T,
) {
    // SAFETY: panel `begin / width` lies at `begin * k` and its vectors are present in the source.
    unsafe {
        if step == 1 {
            contiguous_vectors((count, k, width), (from, along), to);
        } else {
            for begin in (0..count).step_by(width) {
                let present = width.min(count - begin);
                let (from, to) = (from.offset(begin as isize * step), to.add(begin * k));
                strided_vectors((present, k, width), (from, step, along), to);
            }
        }
        let rest = count % width;
        if rest > 0 {
            let last = to.add((count - rest) * k);
            (0..k).for_each(|p| (rest..width).for_each(|i| *last.add(p * width + i) = T::ZERO));
        }
    }
}

/// Neighbouring vectors lie side by side: rows are copied as they are, some at a time so that neither the source nor
/// the panels are walked in long strides only.
#[inline(always)]
unsafe fn contiguous_vectors<T: Scalar>(
    (count, k, width): (usize, usize, usize),
    (from, along): (*const T, isize),
    to: *mut T,
) {
    for first in (0..k).step_by(ROWS) {
        for begin in (0..count).step_by(width) {
            let present = width.min(count - begin);
            for p in first..k.min(first + ROWS) {
                // SAFETY: `present` elements are there and fit row `p` of the panel.
                unsafe {
                    let (from, to) =
                        (from.offset(p as isize * along).add(begin), to.add(begin * k + p * width));
                    let squares = present / SQUARE * SQUARE;
                    for i in (0..squares).step_by(SQUARE) {
                        let part = from.add(i).cast::<[T; SQUARE]>().read_unaligned();
                        to.add(i).cast::<[T; SQUARE]>().write_unaligned(part);
                    }
                    (squares..present).for_each(|i| *to.add(i) = *from.add(i));
                }
            }
        }
    }
}

/// The general case. Squares are read along the vectors and written across, a cache line of each vector at a time,
/// so that the part of the panel being written stays small.
#[inline(always)]
unsafe fn strided_vectors<T: Scalar>(
    (present, k, width): (usize, usize, usize),
    (from, step, along): (*const T, isize, isize),
    to: *mut T,
) {
    let squares = if along == 1 { present / SQUARE * SQUARE } else { 0 };
    let whole = if squares > 0 { k / SQUARE * SQUARE } else { 0 };
    let line = 64 / size_of::<T>();
    // SAFETY: all indices are below `present` and `k`.
    unsafe {
        for begin in (0..whole).step_by(line) {
            for i in (0..squares).step_by(SQUARE) {
                for p in (begin..whole.min(begin + line)).step_by(SQUARE) {
                    let row = |r: isize| from.offset((i as isize + r) * step).add(p);
                    transposed([0, 1, 2, 3].map(row), to.add(p * width + i), width);
                }
            }
        }
        for p in 0..k {
            let first = if p < whole { squares } else { 0 };
            for i in first..present {
                *to.add(p * width + i) = *from.offset(i as isize * step + p as isize * along);
            }
        }
    }
}

/// Transposes a square from these rows to rows `width` apart.
#[inline(always)]
unsafe fn transposed<T: Scalar>(rows: [*const T; SQUARE], to: *mut T, width: usize) {
    // SAFETY: the caller provides both squares; the cast is between equal types.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if TypeId::of::<T>() == TypeId::of::<f32>() {
            return transposed_f32(rows.map(|row| row.cast()), to.cast(), width);
        }
        for column in 0..SQUARE {
            let across = rows.map(|row| *row.add(column));
            to.add(column * width).cast::<[T; SQUARE]>().write_unaligned(across);
        }
    }
}

/// The compiler would load sixteen numbers one by one; SSE2 is always there on x86-64.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn transposed_f32(rows: [*const f32; SQUARE], to: *mut f32, width: usize) {
    // SAFETY: the caller provides both squares.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm_loadu_ps(row));
        let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(to, _mm_movelh_ps(ab_low, cd_low));
        _mm_storeu_ps(to.add(width), _mm_movehl_ps(cd_low, ab_low));
        _mm_storeu_ps(to.add(2 * width), _mm_movelh_ps(ab_high, cd_high));
        _mm_storeu_ps(to.add(3 * width), _mm_movehl_ps(cd_high, ab_high));
    }
}

/// How many neighbours in a table of offsets are neighbours in memory, in 1024ths.
pub fn unit_steps(offsets: &[isize]) -> usize {
    let units = offsets.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
    units * 1024 / offsets.len().max(1)
}

/// As [`panels`], of vectors and elements that stand where tables say: element `p` of vector `i` is at `vectors[i] +
/// elements[p]`. With `along` the elements of a vector are read one after the other, else neighbouring vectors.
///
/// # Safety
/// As for [`panels`].
pub unsafe fn gathered<T: Scalar>(
    (vectors, elements, width): (&[isize], &[isize], usize),
    from: *const T,
    to: *mut T,
    along: bool,
) {
    for (panel, vectors) in vectors.chunks(width).enumerate() {
        // SAFETY: the panel begins there and has room for `width` vectors.
        unsafe {
            let to = to.add(panel * width * elements.len());
            if along {
                gathered_along((vectors, elements, width), from, to);
            } else {
                gathered_across((vectors, elements, width), from, to);
            }
            for p in 0..elements.len() {
                (vectors.len()..width).for_each(|i| *to.add(p * width + i) = T::ZERO);
            }
        }
    }
}

/// Neighbouring vectors lie in memory in runs: each run is copied for all elements.
#[inline(always)]
unsafe fn gathered_across<T: Scalar>(
    (vectors, elements, width): (&[isize], &[isize], usize),
    from: *const T,
    to: *mut T,
) {
    let mut begin = 0;
    while begin < vectors.len() {
        let step = vectors.get(begin + 1).map_or(1, |next| next - vectors[begin]);
        let run = vectors[begin..].windows(2).take_while(|pair| pair[1] - pair[0] == step).count() + 1;
        // SAFETY: vectors and elements exist, and the panel has room for them.
        unsafe {
            let (from, to) = (from.offset(vectors[begin]), to.add(begin));
            match (step, run) {
                (1, 16) => copies::<T, 16>((elements, width), from, to),
                (1, 8) => copies::<T, 8>((elements, width), from, to),
                (1, _) => {
                    for (p, &element) in elements.iter().enumerate() {
                        to.add(p * width).copy_from_nonoverlapping(from.offset(element), run);
                    }
                }
                _ => {
                    for (p, &element) in elements.iter().enumerate() {
                        let (from, to) = (from.offset(element), to.add(p * width));
                        (0..run).for_each(|i| *to.add(i) = *from.offset(i as isize * step));
                    }
                }
            }
        }
        begin += run;
    }
}

/// Runs of a length that is known to the compiler.
#[inline(always)]
unsafe fn copies<T: Scalar, const N: usize>(
    (elements, width): (&[isize], usize),
    from: *const T,
    to: *mut T,
) {
    for (p, &element) in elements.iter().enumerate() {
        // SAFETY: by the caller's word.
        unsafe {
            let row = from.offset(element).cast::<[T; N]>().read_unaligned();
            to.add(p * width).cast::<[T; N]>().write_unaligned(row);
        }
    }
}

/// The elements of a vector lie in memory in runs: squares are transposed where four of them do.
#[inline(always)]
unsafe fn gathered_along<T: Scalar>(
    (vectors, elements, width): (&[isize], &[isize], usize),
    from: *const T,
    to: *mut T,
) {
    let mut p = 0;
    while p < elements.len() {
        let first = elements[p];
        let four = elements.get(p + 3).is_some_and(|&last| last == first + 3)
            && elements[p + 1] == first + 1
            && elements[p + 2] == first + 2;
        // SAFETY: vectors and elements exist, and the panel has room for them.
        unsafe {
            let from = from.offset(first);
            let squares = if four { vectors.len() / SQUARE * SQUARE } else { 0 };
            for i in (0..squares).step_by(SQUARE) {
                let rows = [0, 1, 2, 3].map(|r| from.offset(vectors[i + r]));
                transposed(rows, to.add(p * width + i), width);
            }
            let count = if four { SQUARE } else { 1 };
            for (i, &vector) in vectors.iter().enumerate().skip(squares) {
                (0..count).for_each(|q| *to.add((p + q) * width + i) = *from.offset(vector).add(q));
            }
            p += count;
        }
    }
}
