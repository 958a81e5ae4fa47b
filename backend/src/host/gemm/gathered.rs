//! Matrix products of operands that no strides describe, such as the windows of a convolution.
//!
//! An element of such an operand stands where two tables of offsets say, one for its row and one for its column. It is
//! packed into the panels that the tile kernel reads as it is needed, a block of `k` and some panels of columns at a
//! time, so that a matrix of windows never exists as a whole. Columns of all matrices of a batch are shared out
//! among the threads: small matrices by several at once, so that a packed block of the left side serves them all. Every
//! element of the result is the same sequence of operations however the work is split.

use super::kernel::{Kernels, Scalar, Tile};
use super::{Epilogue, KC, MC, pack, scratch};
use crate::host::HostError;
use crate::threads;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::sync::{Mutex, PoisonError};

/// Columns that are packed at once: with `KC`, half of a common second-level cache in f32.
const COLUMNS: usize = 256;
/// Multiplications worth handing to another thread.
const MIN_WORK: usize = 1 << 17;

/// A table of offsets, in elements.
pub type Offsets = [isize];

/// Products of m×k and k×n matrices, one for each element of `batch`, which says where the two operands of it begin. The
/// results are contiguous, one behind the other.
#[derive(Debug, Clone, Copy)]
pub struct Gathered<'a, T> {
    pub batch: &'a [(isize, isize)],
    pub a: *const T,
    pub a_rows: &'a Offsets,
    pub a_cols: &'a Offsets,
    pub b: *const T,
    pub b_rows: &'a Offsets,
    pub b_cols: &'a Offsets,
    pub c: *mut T,
}

// SAFETY: a description of memory; `gathered` demands that the memory may be used from every thread.
unsafe impl<T: Scalar> Sync for Gathered<'_, T> {}

/// Computes the products, calling `epilogue` exactly once for every row of the results, numbered through.
///
/// On an error the results are incomplete and some rows may have seen no epilogue.
///
/// # Safety
/// Both operands must be readable where the tables say, the results writable and apart from everything else, and no
/// other thread may write any of them meanwhile.
pub unsafe fn gathered<T: Scalar>(
    product: &Gathered<'_, T>,
    epilogue: Option<Epilogue<'_>>,
) -> Result<(), HostError> {
    // SAFETY: the caller's promise.
    unsafe { multiply(T::kernels(), product, epilogue) }
}

pub(super) unsafe fn multiply<T: Scalar>(
    kernels: &'static Kernels<T>,
    product: &Gathered<'_, T>,
    epilogue: Option<Epilogue<'_>>,
) -> Result<(), HostError> {
    let (m, n, k) = (product.a_rows.len(), product.b_cols.len(), product.a_cols.len());
    let matrices = product.batch.len();
    if matrices == 0 || m == 0 {
        return Ok(());
    }
    if n == 0 || k == 0 {
        // SAFETY: the results are there.
        unsafe { std::slice::from_raw_parts_mut(product.c, matrices * m * n).fill(T::ZERO) };
        if let Some(done) = epilogue {
            done(0, matrices * m);
        }
        return Ok(());
    }
    let work = matrices.saturating_mul(m).saturating_mul(n).saturating_mul(k);
    let threads = threads::num_threads().min(work.div_ceil(MIN_WORK)).max(1);
    let split = Split::of(kernels, (matrices, m, n), threads);
    let left: Vec<AtomicUsize> =
        (0..matrices).map(|_| AtomicUsize::new(split.parts * split.row_blocks)).collect();
    // With few matrices their last threads would be alone with the epilogue.
    let late = matrices < 2 * threads;
    let failure = Mutex::new(None);
    let item = |index: usize| {
        let part = split.item(index, (matrices, m, n));
        // SAFETY: each item has results of its own.
        if let Err(error) = unsafe { run(kernels, product, &part) } {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return;
        }
        if let Some(done) = epilogue.filter(|_| !late) {
            for matrix in part.matrices.clone() {
                if left[matrix].fetch_sub(1, AcqRel) == 1 {
                    done(matrix * m, (matrix + 1) * m);
                }
            }
        }
    };
    threads::parallel_for_workers(threads, split.items(matrices), 1, |_, begin, end| {
        (begin..end).for_each(&item)
    })?;
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(HostError::Alloc(error));
    }
    if let Some(done) = epilogue.filter(|_| late) {
        let rows = matrices * m;
        threads::parallel_for_workers(threads, rows, rows.div_ceil(4 * threads), |_, begin, end| {
            done(begin, end)
        })?;
    }
    Ok(())
}

/// How the results are shared out: a function of the sizes and of the thread count.
#[derive(Debug)]
struct Split {
    /// Matrices that are computed together; or, of one, parts of so many columns.
    together: usize,
    parts: usize,
    columns: usize,
    row_blocks: usize,
    rows: usize,
}

/// What is computed at once.
#[derive(Debug)]
struct Part {
    matrices: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
}

impl Split {
    fn of<T>(kernels: &Kernels<T>, (matrices, m, n): (usize, usize, usize), threads: usize) -> Split {
        let (mr, nr) = (kernels.mr, kernels.nr);
        let panels = n.div_ceil(nr);
        let most = (COLUMNS / nr).max(1);
        let total = matrices * panels;
        // As many items as make a delayed thread no matter, where there is work enough.
        let wanted = if threads == 1 { 1 } else { 4 * threads };
        let each = total.div_ceil(wanted).clamp(1, most);
        let (together, parts) = if panels <= each { (each / panels, 1) } else { (1, panels.div_ceil(each)) };
        let columns = panels.div_ceil(parts) * nr;
        let parts = n.div_ceil(columns);
        // Few panels, as of a small kernel's gradient, are shared out by rows too.
        let items = matrices.div_ceil(together) * parts;
        let row_blocks = if items >= threads { 1 } else { threads.div_ceil(items).min(m.div_ceil(2 * mr)) };
        let rows = m.div_ceil(row_blocks).next_multiple_of(mr);
        Split { together, parts, columns, row_blocks: m.div_ceil(rows), rows }
    }

    fn items(&self, matrices: usize) -> usize {
        matrices.div_ceil(self.together) * self.parts * self.row_blocks
    }

    fn item(&self, index: usize, (matrices, m, n): (usize, usize, usize)) -> Part {
        let (block, rest) = (index % self.row_blocks, index / self.row_blocks);
        let (part, group) = (rest % self.parts, rest / self.parts);
        let range = |at: usize, each: usize, all: usize| at * each..all.min((at + 1) * each);
        Part {
            matrices: range(group, self.together, matrices),
            columns: range(part, self.columns, n),
            rows: range(block, self.rows, m),
        }
    }
}

/// # Safety
/// As for `gathered`, and nobody else computes the part.
unsafe fn run<T: Scalar>(
    kernels: &Kernels<T>,
    product: &Gathered<'_, T>,
    part: &Part,
) -> Result<(), crate::alloc::AllocError> {
    let Gathered { batch, a, a_rows, a_cols, b, b_rows, b_cols, c } = *product;
    let (m, n, k) = (a_rows.len(), b_cols.len(), a_cols.len());
    let Kernels { mr, nr, tile, .. } = *kernels;
    let depth = k.div_ceil(k.div_ceil(KC));
    let width = part.columns.len().next_multiple_of(nr);
    let rows = part.rows.len().min(MC);
    let left = scratch::<T>(rows.next_multiple_of(mr) * depth)?;
    let right = scratch::<T>(part.matrices.len() * width * depth)?;
    let (left, right) = (left.start().cast::<T>().as_ptr(), right.start().cast::<T>().as_ptr());
    let along = pack::unit_steps(b_rows) > pack::unit_steps(&b_cols[part.columns.clone()]);
    for step in (0..k).step_by(depth) {
        let steps = depth.min(k - step);
        let columns = &b_cols[part.columns.clone()];
        // SAFETY: rows, columns and steps of the part exist; the scratch holds the panels of all its matrices.
        unsafe {
            for (i, matrix) in part.matrices.clone().enumerate() {
                let from = b.offset(batch[matrix].1);
                let to = right.add(i * width * steps);
                pack::gathered((columns, &b_rows[step..step + steps], nr), from, to, along);
            }
            for first in part.rows.clone().step_by(rows) {
                let block = first..part.rows.end.min(first + rows);
                let mut packed = None;
                for (i, matrix) in part.matrices.clone().enumerate() {
                    let from = batch[matrix].0;
                    if packed != Some(from) {
                        let vectors = (&a_rows[block.clone()], &a_cols[step..step + steps], mr);
                        pack::gathered(vectors, a.offset(from), left, true);
                        packed = Some(from);
                    }
                    for j in (0..columns.len()).step_by(nr) {
                        for r in (0..block.len()).step_by(mr) {
                            tile(&Tile {
                                k: steps,
                                a: left.add(r * steps).cast_const(),
                                a_row: 1,
                                a_col: mr as isize,
                                b: right.add((i * width + j) * steps).cast_const(),
                                b_row: nr as isize,
                                c: c.add((matrix * m + block.start + r) * n + part.columns.start + j),
                                c_row: n,
                                rows: mr.min(block.len() - r),
                                cols: nr.min(columns.len() - j),
                                accumulate: step > 0,
                            });
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
