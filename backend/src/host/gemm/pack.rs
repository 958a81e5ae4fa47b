//! Copies of operand blocks in the order in which the tile kernel reads them.

use super::kernel::Scalar;

/// Rows or columns copied together: a square of this size is transposed in registers.
const SQUARE: usize = 4;

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
    let mut begin = 0;
    while begin < count {
        let present = width.min(count - begin);
        // SAFETY: panel `begin / width` lies at `begin * k` and its vectors are present in the source.
        unsafe {
            let (from, to) = (from.offset(begin as isize * step), to.add(begin * k));
            if step == 1 {
                contiguous_vectors((present, k, width), (from, along), to);
            } else {
                strided_vectors((present, k, width), (from, step, along), to);
            }
            if present < width {
                for p in 0..k {
                    (present..width).for_each(|i| *to.add(p * width + i) = T::ZERO);
                }
            }
        }
        begin += width;
    }
}

/// Neighbouring vectors lie side by side: rows are copied as they are.
#[inline(always)]
unsafe fn contiguous_vectors<T: Scalar>(
    (present, k, width): (usize, usize, usize),
    (from, along): (*const T, isize),
    to: *mut T,
) {
    for p in 0..k {
        // SAFETY: `present` elements are there and fit the panel's row `p`.
        unsafe {
            let (from, to) = (from.offset(p as isize * along), to.add(p * width));
            to.copy_from_nonoverlapping(from, present);
        }
    }
}

/// The general case; squares are read along the vectors and written across.
#[inline(always)]
unsafe fn strided_vectors<T: Scalar>(
    (present, k, width): (usize, usize, usize),
    (from, step, along): (*const T, isize, isize),
    to: *mut T,
) {
    let squares = if along == 1 { present / SQUARE * SQUARE } else { 0 };
    let whole = if squares > 0 { k / SQUARE * SQUARE } else { 0 };
    // SAFETY: all indices are below `present` and `k`.
    unsafe {
        for i in (0..squares).step_by(SQUARE) {
            let rows: [*const T; SQUARE] = std::array::from_fn(|r| from.offset((i + r) as isize * step));
            for p in (0..whole).step_by(SQUARE) {
                let square: [[T; SQUARE]; SQUARE] =
                    std::array::from_fn(|r| rows[r].add(p).cast::<[T; SQUARE]>().read_unaligned());
                // The index names a lane of four registers.
                #[allow(clippy::needless_range_loop)]
                for column in 0..SQUARE {
                    let across: [T; SQUARE] = std::array::from_fn(|r| square[r][column]);
                    to.add((p + column) * width + i).cast::<[T; SQUARE]>().write_unaligned(across);
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
