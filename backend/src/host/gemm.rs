//! Matrix products for contiguous results and operands of any strides.
//!
//! Products are cut into blocks that fit the caches: B is packed once per block of `k`, rows of A are packed by the
//! thread that uses them, a register tile walks over both. Every element of C is the same sequence of operations
//! however the work is split, so results do not depend on the number of threads. An epilogue (a bias, an
//! activation) is called for each block of rows as soon as it is finished and still in cache. Products with a single
//! or very few rows or columns read their large operand once, in place.

mod gathered;
mod kernel;
mod pack;
mod simd;

use super::HostError;
use crate::alloc::{self, AllocError, Block};
use crate::threads;
pub use gathered::{Gathered, gathered};
pub use kernel::Scalar;
use kernel::{AXPY_ROWS, Axpy, DOT_ROWS, Dots, Kernels, Tile};
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

/// Steps of `k` per block: a panel of B this long and a tile of A stay in the first-level cache.
const KC: usize = 256;
/// Rows of A packed at once: with `KC`, a quarter of a megabyte in f32.
const MC: usize = 240;
/// Columns of B packed at once.
const NC: usize = 8192;
/// A block of rows that an epilogue visits keeps within this many bytes, half of a common second-level cache.
const HOT_BYTES: usize = 512 << 10;
/// What is larger is not found in a first- or second-level cache again.
const CACHE_BYTES: usize = 1 << 20;
/// A block of B below this size is read in place.
const COPY_BYTES: usize = 512 << 10;
/// Multiplications worth handing to another thread.
const MIN_WORK: usize = 1 << 17;
/// Rows or columns up to which a product is taken for single dot products, and twice as many rows if `k` is long.
const SKINNY: usize = 4;
const LONG: usize = 256;

/// An operand: element `(i, j)` of matrix `l` is at `ptr + l * batch + i * row + j * col`.
#[derive(Debug, Clone, Copy)]
pub struct Operand<T> {
    pub ptr: *const T,
    pub row: isize,
    pub col: isize,
    pub batch: isize,
}

/// `batch` products of an m×k and a k×n matrix. C has contiguous rows `c_row` apart, in matrices `c_batch` apart.
#[derive(Debug, Clone, Copy)]
pub struct Product<T> {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Operand<T>,
    pub b: Operand<T>,
    pub c: *mut T,
    pub c_row: usize,
    pub c_batch: usize,
}

// SAFETY: a description of memory; `gemm` demands that the memory may be used from every thread.
unsafe impl<T: Scalar> Sync for Product<T> {}

/// Called with `begin..end` when these rows of C are final; row `i` of matrix `l` is number `l * m + i`.
pub type Epilogue<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Computes `C = A · B`, calling `epilogue` exactly once for every row, on the thread that finished it.
///
/// On an error C is incomplete and some rows may have seen no epilogue.
///
/// # Safety
/// The operands must be readable and C writable at all indices, C must overlap neither itself nor the operands, and
/// no other thread may write any of them meanwhile.
pub unsafe fn gemm<T: Scalar>(product: &Product<T>, epilogue: Option<Epilogue<'_>>) -> Result<(), HostError> {
    // SAFETY: the caller's promise.
    unsafe { multiply(T::kernels(), product, epilogue) }
}

unsafe fn multiply<T: Scalar>(
    kernels: &'static Kernels<T>,
    product: &Product<T>,
    epilogue: Option<Epilogue<'_>>,
) -> Result<(), HostError> {
    let nothing = |_: usize, _: usize| {};
    let done = epilogue.unwrap_or(&nothing);
    let product = &product.fold_batch();
    let Product { batch, m, .. } = *product;
    if batch == 0 || m == 0 {
        return Ok(());
    }
    let one = |index: usize, threads: usize| {
        let done = |begin: usize, end: usize| done(index * m + begin, index * m + end);
        let single = Single { kernels, product: product.matrix(index), done: &done, threads };
        let hot = epilogue.is_some();
        // SAFETY: a matrix of the batch is a product that the caller described.
        unsafe { single.run(hot) }
    };
    let threads = product.threads(batch * product.work());
    if batch == 1 {
        return one(0, threads);
    }
    if batch < threads && product.work() > MIN_WORK {
        return (0..batch).try_for_each(|index| one(index, threads));
    }
    let failure = std::sync::Mutex::new(None);
    let grain = if threads == 1 { batch } else { MIN_WORK.div_ceil(product.work().max(1)) };
    threads::parallel_for_workers(threads, batch, grain, |_, begin, end| {
        if let Err(error) = (begin..end).try_for_each(|index| one(index, 1)) {
            *failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
        }
    })?;
    failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
}

impl<T: Scalar> Product<T> {
    /// Matrices that share B and whose rows continue each other are one taller matrix.
    fn fold_batch(&self) -> Self {
        let (rows, c_rows) = (self.a.row * self.m as isize, self.c_row * self.m);
        if self.batch > 1 && self.b.batch == 0 && self.a.batch == rows && self.c_batch == c_rows {
            return Self { batch: 1, m: self.batch * self.m, ..*self };
        }
        *self
    }

    fn matrix(&self, index: usize) -> Self {
        let offset = |operand: Operand<T>| Operand {
            ptr: operand.ptr.wrapping_offset(index as isize * operand.batch),
            ..operand
        };
        let c = self.c.wrapping_add(index * self.c_batch);
        Self { batch: 1, a: offset(self.a), b: offset(self.b), c, ..*self }
    }

    /// Multiplications in one matrix; memory alone makes a few of them per element worth while.
    fn work(&self) -> usize {
        self.m.saturating_mul(self.n).saturating_mul(self.k)
    }

    fn threads(&self, work: usize) -> usize {
        threads::num_threads().min(work.div_ceil(MIN_WORK)).max(1)
    }
}

/// One product on some threads.
struct Single<'a, T: 'static> {
    kernels: &'static Kernels<T>,
    product: Product<T>,
    done: Epilogue<'a>,
    threads: usize,
}

/// How `Single::blocked` splits its work; a function of the sizes and of the thread count.
struct Blocks {
    /// Rows per block, and groups of columns that share a block of rows.
    rows: usize,
    row_blocks: usize,
    groups: usize,
    /// Columns per group: whole panels.
    group: usize,
    pack_a: bool,
    pack_b: bool,
}

impl<T: Scalar> Single<'_, T> {
    /// # Safety
    /// As for `gemm`.
    unsafe fn run(&self, hot: bool) -> Result<(), HostError> {
        let Product { m, n, k, a, b, c, c_row, .. } = self.product;
        if n == 0 || k == 0 {
            // SAFETY: row `i` of C has `n` elements.
            (0..m).for_each(|i| unsafe { std::slice::from_raw_parts_mut(c.add(i * c_row), n).fill(T::ZERO) });
            (self.done)(0, m);
            return Ok(());
        }
        // SAFETY: (all calls) the caller's promise, with the roles of rows and columns exchanged where said.
        unsafe {
            let far = k.saturating_mul(size_of::<T>()) > CACHE_BYTES / n;
            if b.col == 1 && (m == 1 || m <= AXPY_ROWS && far) {
                self.streamed((m, n), (a.ptr, a.row, a.col), (b.ptr, b.row), (c, c_row))?;
                (self.done)(0, m);
                return Ok(());
            }
            if n == 1 && a.row == 1 && c_row == 1 {
                self.streamed((1, m), (b.ptr, b.col, b.row), (a.ptr, a.col), (c, m))?;
                (self.done)(0, m);
                return Ok(());
            }
            if b.row == 1 && (m <= SKINNY || m <= 2 * SKINNY && k >= LONG) {
                self.skinny((m, n), (a.ptr, a.row, a.col), (b.ptr, b.col), (c, c_row, 1))?;
                (self.done)(0, m);
                return Ok(());
            }
            if a.col == 1 && (n == 1 || n <= SKINNY && k >= LONG / 2) {
                self.skinny((n, m), (b.ptr, b.col, b.row), (a.ptr, a.row), (c, 1, c_row))?;
                (self.done)(0, m);
                return Ok(());
            }
            self.blocked(hot)
        }
    }

    /// A few rows of C as sums of scaled rows of B, which are contiguous and read once.
    unsafe fn streamed(
        &self,
        (rows, n): (usize, usize),
        (x, x_row, x_step): (*const T, isize, isize),
        (b, b_row): (*const T, isize),
        (y, y_row): (*mut T, usize),
    ) -> Result<(), HostError> {
        let k = self.product.k;
        let operands = Shared((x, b, y));
        let part = |begin: usize, end: usize| {
            let (x, b, y) = operands.get();
            // SAFETY: columns `begin..end` exist and belong to this call alone.
            unsafe {
                let (b, y) = (b.add(begin), y.add(begin));
                (self.kernels.axpy)(&Axpy { k, n: end - begin, rows, x, x_row, x_step, b, b_row, y, y_row });
            }
        };
        // Multiples of every vector length: which columns are the rest of a vector does not depend on the split.
        let grain = n.div_ceil(self.threads).next_multiple_of(64).min(1024);
        threads::parallel_for_workers(self.threads, n, grain, |_, begin, end| part(begin, end))?;
        Ok(())
    }

    /// Few vectors (of any strides) against many contiguous ones: a product each.
    unsafe fn skinny(
        &self,
        (few, many): (usize, usize),
        (left, left_row, left_step): (*const T, isize, isize),
        (right, right_row): (*const T, isize),
        (out, out_row, out_col): (*mut T, usize, usize),
    ) -> Result<(), HostError> {
        let k = self.product.k;
        let copy = if left_step == 1 { None } else { Some(scratch::<T>(few * k)?) };
        let (left, left_row) = match &copy {
            None => (left, left_row),
            Some(block) => {
                let to = block.start().cast::<T>().as_ptr();
                // SAFETY: the scratch holds `few` vectors of `k` elements.
                unsafe {
                    for i in 0..few {
                        let from = left.offset(i as isize * left_row);
                        (0..k).for_each(|p| *to.add(i * k + p) = *from.offset(p as isize * left_step));
                    }
                }
                (to.cast_const(), k as isize)
            }
        };
        let operands = Shared((left, right, out));
        let part = |begin: usize, end: usize| {
            let (left, right, out) = operands.get();
            // A few of the many at a time, so that they are still in cache for the next rows.
            for (begin, i) in
                (begin..end).step_by(16).flat_map(|j| (0..few).step_by(DOT_ROWS).map(move |i| (j, i)))
            {
                // SAFETY: vectors from `begin` on exist and their results belong to this call alone.
                unsafe {
                    (self.kernels.dots)(&Dots {
                        k,
                        a: left.offset(i as isize * left_row),
                        a_row: left_row,
                        rows: DOT_ROWS.min(few - i),
                        b: right.offset(begin as isize * right_row),
                        b_row: right_row,
                        cols: 16.min(end - begin),
                        out: out.add(i * out_row + begin * out_col),
                        out_row,
                        out_col,
                    });
                }
            }
        };
        let grain = many.div_ceil(self.threads * 4).next_multiple_of(4);
        threads::parallel_for_workers(self.threads, many, grain, |_, begin, end| part(begin, end))?;
        Ok(())
    }

    fn plan(&self, hot: bool) -> Blocks {
        let Product { m, n, k, a, b, .. } = self.product;
        let Kernels { mr, nr, .. } = *self.kernels;
        let depth = k.div_ceil(k.div_ceil(KC));
        let hot_rows = if hot { HOT_BYTES / (n * size_of::<T>()) } else { MC };
        // Two blocks of rows for each thread where they are tall, so that a delayed thread leaves work to others;
        // of equal height, but for multiples of four rows, which a tile computes as fast as a full set.
        let share = m.div_ceil(self.threads);
        let share = if self.threads > 1 && share >= 4 * mr { share.div_ceil(2) } else { share };
        let rows = MC.min(hot_rows).min(share).max(mr);
        let row_blocks = m.div_ceil(rows.next_multiple_of(4));
        let rows = m.div_ceil(row_blocks).next_multiple_of(4);
        let row_blocks = m.div_ceil(rows);
        let panels = n.min(NC).div_ceil(nr);
        let groups =
            if row_blocks >= self.threads { 1 } else { self.threads.div_ceil(row_blocks).min(panels) };
        let group = panels.div_ceil(groups) * nr;
        // Rows a power of two apart fall into the same cache sets, where a tile's rows displace each other.
        let crowded =
            a.col != 1 || (a.row.unsigned_abs() * size_of::<T>()).is_multiple_of(1024) && depth > 32;
        let pack_a = n > 8 * nr || (crowded && n > 2 * nr) || depth < k && n > 4 * nr;
        // A small B in place is as good as a copy, unless its rows are pages apart.
        let large = n * depth * size_of::<T>() > COPY_BYTES;
        let pack_b = b.col != 1 || large && m > 4 * mr || n * size_of::<T>() >= 4096 && m > mr;
        Blocks { rows, row_blocks, groups: n.min(NC).div_ceil(group), group, pack_a, pack_b }
    }

    unsafe fn blocked(&self, hot: bool) -> Result<(), HostError> {
        let Product { m, n, k, b, .. } = self.product;
        let nr = self.kernels.nr;
        let blocks = self.plan(hot);
        let depth = k.div_ceil(k.div_ceil(KC));
        let packed = scratch::<T>(if blocks.pack_b { n.min(NC).next_multiple_of(nr) } else { nr } * depth)?;
        let packed = packed.start().cast::<T>().as_ptr();
        let failure = std::sync::Mutex::new(None);
        let left: Vec<AtomicUsize> =
            (0..blocks.row_blocks).map(|_| AtomicUsize::new(blocks.groups)).collect();
        for column in (0..n).step_by(NC) {
            let columns = NC.min(n - column);
            for step in (0..k).step_by(depth) {
                let steps = depth.min(k - step);
                // SAFETY: row `step` and column `column` exist.
                let from = unsafe { b.ptr.offset(step as isize * b.row + column as isize * b.col) };
                let whole = columns / nr * nr;
                let first = if blocks.pack_b { 0 } else { whole };
                // SAFETY: the scratch holds all panels, or without packing the last one, whose rest is padding.
                unsafe { self.pack_b(first, columns, steps, from, packed)? };
                let panels = Panels { packed, first, from, row: b.row };
                let last = column + columns == n && step + steps == k;
                let range = Range { column, step, steps, accumulate: step > 0 };
                let shared = Shared(&panels as *const Panels<T>);
                let item = |index: usize| {
                    let block = index / blocks.groups;
                    let rows = block * blocks.rows..m.min((block + 1) * blocks.rows);
                    let group = index % blocks.groups * blocks.group;
                    let part = group..columns.min(group + blocks.group);
                    // SAFETY: the panels live until the loop has ended; each item has rows and columns of its own.
                    let outcome =
                        unsafe { self.block(&*shared.get(), &range, rows.clone(), part, blocks.pack_a) };
                    if let Err(error) = outcome {
                        *failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                    } else if last && left[block].fetch_sub(1, AcqRel) == 1 {
                        (self.done)(rows.start, rows.end);
                    }
                };
                let items = blocks.row_blocks * blocks.groups;
                threads::parallel_for_workers(self.threads, items, 1, |_, begin, end| {
                    (begin..end).for_each(&item)
                })?;
                if let Some(error) = *failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
                    return Err(HostError::Alloc(error));
                }
            }
        }
        Ok(())
    }

    /// Packs columns `first..columns` of a block of B.
    unsafe fn pack_b(
        &self,
        first: usize,
        columns: usize,
        steps: usize,
        from: *const T,
        to: *mut T,
    ) -> Result<(), HostError> {
        let (nr, b) = (self.kernels.nr, self.product.b);
        let shared = Shared((from, to));
        let part = |begin: usize, end: usize| {
            let (begin, end) = (begin * nr, (end * nr).min(columns - first));
            let (from, to) = shared.get();
            // SAFETY: whole panels that exist and belong to this call alone.
            unsafe {
                let from = from.offset((first + begin) as isize * b.col);
                pack::panels((end - begin, steps, nr), (from, b.col, b.row), to.add(begin * steps));
            }
        };
        let panels = (columns - first).div_ceil(nr);
        let grain = (1usize << 13).div_ceil(nr * steps);
        threads::parallel_for_workers(self.threads, panels, grain, |_, begin, end| part(begin, end))?;
        Ok(())
    }

    /// Rows × columns of C over one range of `k`.
    unsafe fn block(
        &self,
        panels: &Panels<T>,
        range: &Range,
        rows: std::ops::Range<usize>,
        part: std::ops::Range<usize>,
        pack_a: bool,
    ) -> Result<(), AllocError> {
        let Product { a, c, c_row, .. } = self.product;
        let Kernels { mr, nr, tile, .. } = *self.kernels;
        let (count, k) = (rows.len(), range.steps);
        // SAFETY: rows and steps of the block exist in A, B and C; packed panels are laid out as `pack` says.
        unsafe {
            let from = a.ptr.offset(rows.start as isize * a.row + range.step as isize * a.col);
            let copy = if pack_a { Some(scratch::<T>(count.next_multiple_of(mr) * k)?) } else { None };
            let packed = copy.as_ref().map(|block| block.start().cast::<T>().as_ptr());
            if let Some(to) = packed {
                pack::panels((count, k, mr), (from, a.row, a.col), to);
            }
            for j in part.clone().step_by(nr) {
                let (b, b_row) = panels.at(j, k, nr);
                for i in (0..count).step_by(mr) {
                    let (a, a_row, a_col) = match packed {
                        Some(packed) => (packed.add(i * k).cast_const(), 1, mr as isize),
                        None => (from.offset(i as isize * a.row), a.row, a.col),
                    };
                    tile(&Tile {
                        k,
                        a,
                        a_row,
                        a_col,
                        b,
                        b_row,
                        c: c.add((rows.start + i) * c_row + range.column + j),
                        c_row,
                        rows: mr.min(count - i),
                        cols: nr.min(part.end - j),
                        accumulate: range.accumulate,
                    });
                }
            }
        }
        Ok(())
    }
}

/// The part of B and `k` that is being worked on.
struct Range {
    column: usize,
    step: usize,
    steps: usize,
    accumulate: bool,
}

/// Where the panels of a block of B are: packed from column `first` on, in place before.
struct Panels<T> {
    packed: *const T,
    first: usize,
    from: *const T,
    row: isize,
}

impl<T> Panels<T> {
    /// The panel that begins at column `j`, and the distance of its rows.
    unsafe fn at(&self, j: usize, k: usize, nr: usize) -> (*const T, isize) {
        // SAFETY: the caller names an existing panel.
        unsafe {
            if j >= self.first {
                (self.packed.add((j - self.first) * k), nr as isize)
            } else {
                (self.from.add(j), self.row)
            }
        }
    }
}

/// Pointers that a parallel loop's body takes along.
#[derive(Clone, Copy)]
struct Shared<P>(P);

impl<P: Copy> Shared<P> {
    fn get(&self) -> P {
        self.0
    }
}

// SAFETY: the bodies that use them write disjoint parts, as each says.
unsafe impl<P> Send for Shared<P> {}
// SAFETY: as above.
unsafe impl<P> Sync for Shared<P> {}

fn scratch<T>(elements: usize) -> Result<Block, AllocError> {
    alloc::alloc(elements.saturating_mul(size_of::<T>()))
}

#[cfg(test)]
mod tests;
