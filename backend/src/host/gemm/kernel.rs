//! The innermost loops: a tile of C in registers, blocks of dot products, sums of scaled rows.

// The indices name registers of two or three arrays at once.
#![allow(clippy::needless_range_loop)]

use super::simd::*;
use std::ops::{Add, Mul};

/// The most columns that a tile has in any instruction set.
const MAX_COLUMNS: usize = 32;

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

/// `out[i * out_row + j * out_col] = Σ a[i, p] b[j, p]` for contiguous rows, `i` below `rows` (at most 4) and any
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

/// `y[j] = Σ x[p] b[p, j]` for contiguous rows of B and a contiguous `y`.
pub struct Axpy<T> {
    pub k: usize,
    pub n: usize,
    pub x: *const T,
    pub x_step: isize,
    pub b: *const T,
    pub b_row: isize,
    pub y: *mut T,
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

/// Sums over `p` run in U vectors per product, which are added pairwise, then lane by lane, then the rest of `p`:
/// an order that depends on `k` alone.
#[inline(always)]
unsafe fn dot_block<S: Simd, const I: usize, const J: usize, const U: usize>(d: &Dots<S::T>, j: usize) {
    // SAFETY: the caller provides the instruction set, I rows of `a`, J rows of `b` from `j`, and the places of
    // their results.
    unsafe {
        let b = d.b.offset(j as isize * d.b_row);
        let mut sums = [[[S::zero(); U]; J]; I];
        let step = U * S::LANES;
        let mut p = 0;
        while p + step <= d.k {
            for u in 0..U {
                let at = p + u * S::LANES;
                let mut left = [S::zero(); I];
                for i in 0..I {
                    left[i] = S::load(d.a.offset(i as isize * d.a_row).add(at));
                }
                for j in 0..J {
                    let right = S::load(b.offset(j as isize * d.b_row).add(at));
                    for i in 0..I {
                        sums[i][j][u] = sums[i][j][u].fma(left[i], right);
                    }
                }
            }
            p += step;
        }
        for i in 0..I {
            for j_in in 0..J {
                let mut sum = sums[i][j_in][0];
                for u in 1..U {
                    sum = sum.add(sums[i][j_in][u]);
                }
                let mut lanes = [S::T::ZERO; 16];
                sum.store(lanes.as_mut_ptr());
                let mut width = S::LANES;
                while width > 1 {
                    width /= 2;
                    for lane in 0..width {
                        lanes[lane] = lanes[lane] + lanes[lane + width];
                    }
                }
                let mut total = lanes[0];
                let (left, right) = (d.a.offset(i as isize * d.a_row), b.offset(j_in as isize * d.b_row));
                for q in p..d.k {
                    total = total + *left.add(q) * *right.add(q);
                }
                *d.out.add(i * d.out_row + (j + j_in) * d.out_col) = total;
            }
        }
    }
}

#[inline(always)]
unsafe fn dots_of<S: Simd, const I: usize>(d: &Dots<S::T>) {
    // SAFETY: as for `dot_block`; the blocks cover `0..cols` once.
    unsafe {
        let mut j = 0;
        while j + 4 <= d.cols {
            dot_block::<S, I, 4, 2>(d, j);
            j += 4;
        }
        while j < d.cols {
            dot_block::<S, I, 1, 2>(d, j);
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
const STRIP: usize = 1024;

#[inline(always)]
unsafe fn axpy<S: Simd>(d: &Axpy<S::T>) {
    let mut begin = 0;
    while begin < d.n {
        let width = STRIP.min(d.n - begin);
        // SAFETY: the strip lies inside `y` and the rows of B; P rows from `p` exist.
        unsafe {
            let y = d.y.add(begin);
            for column in 0..width {
                *y.add(column) = S::T::ZERO;
            }
            let mut p = 0;
            while p + 8 <= d.k {
                axpy_rows::<S, 8>(d, p, begin, width);
                p += 8;
            }
            while p < d.k {
                axpy_rows::<S, 1>(d, p, begin, width);
                p += 1;
            }
        }
        begin += width;
    }
}

#[inline(always)]
unsafe fn axpy_rows<S: Simd, const P: usize>(d: &Axpy<S::T>, p: usize, begin: usize, width: usize) {
    // SAFETY: the caller provides the instruction set and rows `p..p + P`; columns stay below `begin + width`.
    unsafe {
        let (x, y) = (d.x.offset(p as isize * d.x_step), d.y.add(begin));
        let b = d.b.offset(p as isize * d.b_row).add(begin);
        let mut scales = [S::zero(); P];
        for q in 0..P {
            scales[q] = S::splat(x.offset(q as isize * d.x_step));
        }
        let mut column = 0;
        while column + 2 * S::LANES <= width {
            let (mut low, mut high) = (S::load(y.add(column)), S::load(y.add(column + S::LANES)));
            for q in 0..P {
                let row = b.offset(q as isize * d.b_row).add(column);
                low = low.fma(scales[q], S::load(row));
                high = high.fma(scales[q], S::load(row.add(S::LANES)));
            }
            low.store(y.add(column));
            high.store(y.add(column + S::LANES));
            column += 2 * S::LANES;
        }
        while column < width {
            let mut sum = *y.add(column);
            for q in 0..P {
                let scale = *x.offset(q as isize * d.x_step);
                sum = sum + scale * *b.offset(q as isize * d.b_row).add(column);
            }
            *y.add(column) = sum;
            column += 1;
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
