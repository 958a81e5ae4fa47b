//! The innermost loops: a tile of C in registers, blocks of dot products, sums of scaled rows.

// The indices name registers of two or three arrays at once.
#![allow(clippy::needless_range_loop)]

use super::simd::*;
use std::ops::{Add, Mul};

/// The most columns that a tile has in any instruction set.
const MAX_COLUMNS: usize = 32;
/// The most lanes of a vector.
const MAX_LANES: usize = 16;

/// The most rows that `dots` takes at once.
pub const DOT_ROWS: usize = 4;
/// The most rows that `axpy` takes at once.
pub const AXPY_ROWS: usize = 4;

/// Kernels of one element type for one instruction set.
pub struct Kernels<T: 'static> {
    /// Rows of a full tile.
    pub mr: usize,
    /// Columns of a full tile, and of a packed panel of B.
    pub nr: usize,
    pub tile: unsafe fn(&Tile<T>),
    pub dots: unsafe fn(&Dots<T>),
    pub axpy: unsafe fn(&Axpy<T>),
}

/// `C[rows, cols] = A[rows, k] B[k, cols]`, or added to C.
pub struct Tile<T> {
    pub k: usize,
    pub a: *const T,
    pub a_row: isize,
    pub a_col: isize,
    /// Rows of B are contiguous and readable up to a multiple of the vector length.
    pub b: *const T,
    pub b_row: isize,
    pub c: *mut T,
    pub c_row: usize,
    /// At most `mr` and `nr`.
    pub rows: usize,
    pub cols: usize,
    pub accumulate: bool,
}

/// `out[i * out_row + j * out_col] = Σ a[i, p] b[j, p]` for contiguous rows, `i` below `rows` (at most `DOT_ROWS`) and any
/// number of `j`.
pub struct Dots<T> {
    pub k: usize,
    pub a: *const T,
    pub a_row: isize,
    pub rows: usize,
    pub b: *const T,
    pub b_row: isize,
    pub cols: usize,
    pub out: *mut T,
    pub out_row: usize,
    pub out_col: usize,
}

/// `y[i, j] = Σ x[i, p] b[p, j]` for contiguous rows of B and `y`, with `rows` (at most `AXPY_ROWS`) of them in `y`.
pub struct Axpy<T> {
    pub k: usize,
    pub n: usize,
    pub rows: usize,
    pub x: *const T,
    pub x_row: isize,
    pub x_step: isize,
    pub b: *const T,
    pub b_row: isize,
    pub y: *mut T,
    pub y_row: usize,
}

/// Element types that matrices are multiplied in.
pub trait Scalar: Copy + Send + Sync + Add<Output = Self> + Mul<Output = Self> + 'static {
    const ZERO: Self;
    /// The best kernels of this machine.
    fn kernels() -> &'static Kernels<Self>;
}

/// Repeats a statement for each row below a constant of at most 12. A loop over the registers of a large tile would
/// not be unrolled by the compiler, and the tile would live in memory.
macro_rules! each_row {
    ($r:ident < $count:ident => $body:block) => {
        each_row!(@ $r $count $body 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@ $r:ident $count:ident $body:block $($index:literal)*) => {
        $(if $index < $count {
            let $r = $index;
            $body
        })*
    };
}

/// Rows `at..at + R` of a tile, with V vectors of columns.
#[inline(always)]
unsafe fn rows<S: Simd, const R: usize, const V: usize>(t: &Tile<S::T>, at: usize) {
    // SAFETY: the caller provides the instruction set and a tile whose operands are readable as described there;
    // full vectors of C are written only where all their columns belong to the tile.
    unsafe {
        let mut sums = [[S::zero(); V]; R];
        let mut a = t.a.offset(at as isize * t.a_row);
        let mut b = t.b;
        for _ in 0..t.k {
            let mut columns = [S::zero(); V];
            for v in 0..V {
                columns[v] = S::load(b.add(v * S::LANES));
            }
            each_row!(r < R => {
                let scale = S::splat(a.offset(r as isize * t.a_row));
                for v in 0..V {
                    sums[r][v] = sums[r][v].fma(scale, columns[v]);
                }
            });
            a = a.offset(t.a_col);
            b = b.offset(t.b_row);
        }
        let c = t.c.add(at * t.c_row);
        if t.cols < V * S::LANES {
            each_row!(r < R => {
                partial::<S, V>(t, c.add(r * t.c_row), sums[r]);
            });
            return;
        }
        each_row!(r < R => {
            for v in 0..V {
                let to = c.add(r * t.c_row + v * S::LANES);
                let sum = if t.accumulate { S::load(to).add(sums[r][v]) } else { sums[r][v] };
                sum.store(to);
            }
        });
    }
}

/// Stores a row of fewer columns than its vectors hold.
#[inline(always)]
unsafe fn partial<S: Simd, const V: usize>(t: &Tile<S::T>, to: *mut S::T, sums: [S; V]) {
    // SAFETY: the row buffer holds all vectors of a row, and columns below `cols` belong to the tile.
    unsafe {
        let mut row = [S::T::ZERO; MAX_COLUMNS];
        for v in 0..V {
            sums[v].store(row.as_mut_ptr().add(v * S::LANES));
        }
        let to = std::slice::from_raw_parts_mut(to, t.cols);
        if t.accumulate {
            to.iter_mut().zip(row).for_each(|(to, sum)| *to = *to + sum);
        } else {
            to.copy_from_slice(&row[..t.cols]);
        }
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize>(t: &Tile<S::T>) {
    // SAFETY: as for `rows`, whose ranges lie inside the tile.
    unsafe { if t.cols > S::LANES { tile_of::<S, MR, 2>(t) } else { tile_of::<S, MR, 1>(t) } }
}

#[inline(always)]
unsafe fn tile_of<S: Simd, const MR: usize, const V: usize>(t: &Tile<S::T>) {
    // SAFETY: as for `rows`, whose ranges lie inside the tile.
    unsafe {
        let mut at = 0;
        if MR >= 12 && t.rows == 12 {
            return rows::<S, 12, V>(t, 0);
        }
        if MR >= 12 && t.rows >= 8 {
            rows::<S, 8, V>(t, 0);
            at = 8;
        }
        if MR < 12 && t.rows == 6 {
            return rows::<S, 6, V>(t, 0);
        }
        if t.rows - at >= 4 {
            rows::<S, 4, V>(t, at);
            at += 4;
        }
        match t.rows - at {
            3 => rows::<S, 3, V>(t, at),
            2 => rows::<S, 2, V>(t, at),
            1 => rows::<S, 1, V>(t, at),
            _ => {}
        }
    }
}

/// Sums over `p` run in two vectors per product, which are added at the end, then folded in halves: an order that
/// depends on `k` alone.
#[inline(always)]
unsafe fn dot_block<S: Simd, const I: usize, const J: usize>(d: &Dots<S::T>, j: usize) {
    // SAFETY: the caller provides the instruction set, I rows of `a`, J rows of `b` from `j`, and the places of
    // their results.
    unsafe {
        let left: [*const S::T; I] = std::array::from_fn(|i| d.a.offset(i as isize * d.a_row));
        let right: [*const S::T; J] = std::array::from_fn(|r| d.b.offset((j + r) as isize * d.b_row));
        let (mut even, mut odd) = ([[S::zero(); J]; I], [[S::zero(); J]; I]);
        let mut p = 0;
        while p + 2 * S::LANES <= d.k {
            multiply::<S, I, J>(&mut even, left, right, p);
            multiply::<S, I, J>(&mut odd, left, right, p + S::LANES);
            p += 2 * S::LANES;
        }
        if p + S::LANES <= d.k {
            multiply::<S, I, J>(&mut even, left, right, p);
            p += S::LANES;
        }
        if p < d.k {
            let (left, right) = (padded(left, p, d.k), padded(right, p, d.k));
            multiply::<S, I, J>(&mut odd, starts(&left), starts(&right), 0);
        }
        for i in 0..I {
            for r in 0..J {
                let mut lanes = [S::T::ZERO; MAX_LANES];
                even[i][r].add(odd[i][r]).store(lanes.as_mut_ptr());
                let mut width = S::LANES;
                while width > 1 {
                    width /= 2;
                    for lane in 0..width {
                        lanes[lane] = lanes[lane] + lanes[lane + width];
                    }
                }
                *d.out.add(i * d.out_row + (j + r) * d.out_col) = lanes[0];
            }
        }
    }
}

/// One vector from `p` of each pair of rows.
#[inline(always)]
unsafe fn multiply<S: Simd, const I: usize, const J: usize>(
    sums: &mut [[S; J]; I],
    left: [*const S::T; I],
    right: [*const S::T; J],
    p: usize,
) {
    // SAFETY: the caller provides the instruction set and a vector's elements from `p` in all rows.
    unsafe {
        let mut factors = [S::zero(); I];
        for i in 0..I {
            factors[i] = S::load(left[i].add(p));
        }
        for r in 0..J {
            let factor = S::load(right[r].add(p));
            for i in 0..I {
                sums[i][r] = sums[i][r].fma(factors[i], factor);
            }
        }
    }
}

/// The rest `p..k` of each row, followed by zeros.
#[inline(always)]
unsafe fn padded<T: Scalar, const N: usize>(rows: [*const T; N], p: usize, k: usize) -> [[T; MAX_LANES]; N] {
    let mut rest = [[T::ZERO; MAX_LANES]; N];
    for (to, from) in rest.iter_mut().zip(rows) {
        // SAFETY: the caller provides rows of `k` elements; the rest is shorter than a vector.
        unsafe { to.as_mut_ptr().copy_from_nonoverlapping(from.add(p), k - p) };
    }
    rest
}

#[inline(always)]
fn starts<T, const N: usize>(rows: &[[T; MAX_LANES]; N]) -> [*const T; N] {
    std::array::from_fn(|row| rows[row].as_ptr())
}

#[inline(always)]
unsafe fn dots_of<S: Simd, const I: usize>(d: &Dots<S::T>) {
    // SAFETY: as for `dot_block`; the blocks cover `0..cols` once.
    unsafe {
        let mut j = 0;
        while j + 4 <= d.cols {
            dot_block::<S, I, 4>(d, j);
            j += 4;
        }
        while j < d.cols {
            dot_block::<S, I, 1>(d, j);
            j += 1;
        }
    }
}

#[inline(always)]
unsafe fn dots<S: Simd>(d: &Dots<S::T>) {
    // SAFETY: as for `dot_block`.
    unsafe {
        match d.rows {
            1 => dots_of::<S, 1>(d),
            2 => dots_of::<S, 2>(d),
            3 => dots_of::<S, 3>(d),
            _ => dots_of::<S, 4>(d),
        }
    }
}

/// Columns of `y` that stay in the first-level cache while rows of B stream by.
const STRIP: usize = 2048;

#[inline(always)]
unsafe fn axpy<S: Simd>(d: &Axpy<S::T>) {
    // SAFETY: as for `axpy_strips`.
    unsafe {
        match d.rows {
            1 => axpy_strips::<S, 1, 8>(d),
            2 => axpy_strips::<S, 2, 8>(d),
            3 => axpy_strips::<S, 3, 4>(d),
            _ => axpy_strips::<S, 4, 4>(d),
        }
    }
}

/// I rows of `y`, to which P rows of B are added at a time.
#[inline(always)]
unsafe fn axpy_strips<S: Simd, const I: usize, const P: usize>(d: &Axpy<S::T>) {
    for begin in (0..d.n).step_by(STRIP) {
        let width = STRIP.min(d.n - begin);
        // SAFETY: the strip lies inside `y` and the rows of B; P rows from `p` exist.
        unsafe {
            for i in 0..I {
                std::slice::from_raw_parts_mut(d.y.add(i * d.y_row + begin), width).fill(S::T::ZERO);
            }
            let mut p = 0;
            while p + P <= d.k {
                axpy_rows::<S, I, P>(d, p, begin, width);
                p += P;
            }
            while p < d.k {
                axpy_rows::<S, I, 1>(d, p, begin, width);
                p += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn axpy_rows<S: Simd, const I: usize, const P: usize>(
    d: &Axpy<S::T>,
    p: usize,
    begin: usize,
    width: usize,
) {
    // SAFETY: the caller provides the instruction set, I rows of `x` and `y` and rows `p..p + P` of B; columns stay
    // below `begin + width`.
    unsafe {
        let x = d.x.offset(p as isize * d.x_step);
        let (y, b) = (d.y.add(begin), d.b.offset(p as isize * d.b_row).add(begin));
        let mut scales = [[S::zero(); P]; I];
        for i in 0..I {
            for q in 0..P {
                scales[i][q] = S::splat(x.offset(i as isize * d.x_row + q as isize * d.x_step));
            }
        }
        let mut column = 0;
        while column + 2 * S::LANES <= width {
            axpy_columns::<S, I, P, 2>(d, &scales, y.add(column), b.add(column));
            column += 2 * S::LANES;
        }
        if column + S::LANES <= width {
            axpy_columns::<S, I, P, 1>(d, &scales, y.add(column), b.add(column));
            column += S::LANES;
        }
        while column < width {
            for i in 0..I {
                let to = y.add(i * d.y_row + column);
                for q in 0..P {
                    let scale = *x.offset(i as isize * d.x_row + q as isize * d.x_step);
                    *to = *to + scale * *b.offset(q as isize * d.b_row).add(column);
                }
            }
            column += 1;
        }
    }
}

/// V vectors of columns; two chains of dependent additions run side by side where one row alone would wait.
#[inline(always)]
unsafe fn axpy_columns<S: Simd, const I: usize, const P: usize, const V: usize>(
    d: &Axpy<S::T>,
    scales: &[[S; P]; I],
    y: *mut S::T,
    b: *const S::T,
) {
    // SAFETY: the caller provides the instruction set and V vectors in I rows of `y` and P rows of `b`.
    unsafe {
        let mut sums = [[S::zero(); V]; I];
        for i in 0..I {
            for v in 0..V {
                sums[i][v] = S::load(y.add(i * d.y_row + v * S::LANES));
            }
        }
        for q in 0..P {
            for v in 0..V {
                let row = S::load(b.offset(q as isize * d.b_row).add(v * S::LANES));
                for i in 0..I {
                    sums[i][v] = sums[i][v].fma(scales[i][q], row);
                }
            }
        }
        for i in 0..I {
            for v in 0..V {
                sums[i][v].store(y.add(i * d.y_row + v * S::LANES));
            }
        }
    }
}

macro_rules! kernels {
    ($name:ident, $vector:ty, $t:ty, $mr:literal, $nr:literal $(, $feature:literal)?) => {
        mod $name {
            use super::*;
            $(#[target_feature(enable = $feature)])?
            unsafe fn tile(t: &Tile<$t>) {
                // SAFETY: the attribute above, and the caller's promise about the operands.
                unsafe { super::tile::<$vector, $mr>(t) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn dots(d: &Dots<$t>) {
                // SAFETY: as above.
                unsafe { super::dots::<$vector>(d) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn axpy(d: &Axpy<$t>) {
                // SAFETY: as above.
                unsafe { super::axpy::<$vector>(d) }
            }
            pub static KERNELS: Kernels<$t> = Kernels { mr: $mr, nr: $nr, tile, dots, axpy };
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(f32_avx2, F32x8, f32, 6, 16, "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(f64_avx2, F64x4, f64, 6, 8, "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(f32_avx512, F32x16, f32, 12, 32, "avx512f");
#[cfg(target_arch = "x86_64")]
kernels!(f64_avx512, F64x8, f64, 12, 16, "avx512f");
kernels!(f32_portable, Portable<f32, 4>, f32, 6, 8);
kernels!(f64_portable, Portable<f64, 2>, f64, 6, 4);

macro_rules! scalar {
    ($t:ty, $avx512:ident, $avx2:ident, $portable:ident) => {
        impl Scalar for $t {
            const ZERO: Self = 0.0;

            fn kernels() -> &'static Kernels<Self> {
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("avx512f") {
                    return &$avx512::KERNELS;
                } else if std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                {
                    return &$avx2::KERNELS;
                }
                &$portable::KERNELS
            }
        }

        #[cfg(test)]
        impl super::tests::AllKernels for $t {
            fn all() -> Vec<&'static Kernels<Self>> {
                #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
                let mut all = vec![&$portable::KERNELS];
                #[cfg(target_arch = "x86_64")]
                {
                    if std::arch::is_x86_feature_detected!("avx2")
                        && std::arch::is_x86_feature_detected!("fma")
                    {
                        all.push(&$avx2::KERNELS);
                    }
                    if std::arch::is_x86_feature_detected!("avx512f") {
                        all.push(&$avx512::KERNELS);
                    }
                }
                all
            }
        }
    };
}
scalar!(f32, f32_avx512, f32_avx2, f32_portable);
scalar!(f64, f64_avx512, f64_avx2, f64_portable);
