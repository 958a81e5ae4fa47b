//! Factorisations of matrices and triangular systems, by the crate `faer`.
//!
//! Matrices lie in rows; those that `faer` wants in columns are turned on the way in and out. Many matrices are shared
//! out among the threads, each with memory of its own. A large one is shared only where that changes no bit.

mod factor;
mod spectral;
#[cfg(test)]
mod tests;

use crate::buffer::Buffer;
use crate::host::HostError;
use crate::threads;
use faer::dyn_stack::{MemStack, StackReq};
use faer::{MatMut, MatRef, Par};
use rustorch_ir::DType;
use rustorch_ir::routine::{Factor, Form, Solve, Triangle, Triangular, Vectors};
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

/// Multiplications that are worth a thread's while.
const GRAIN: usize = 1 << 16;
/// Multiplications of a matrix that is worth all threads' while.
const SHARED: usize = 1 << 22;

/// The numbers that matrices are made of.
trait Real: faer::traits::RealField + Copy + Send + Sync {
    const DTYPE: DType;

    fn finite(self) -> bool;
}

impl Real for f32 {
    const DTYPE: DType = DType::F32;

    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Real for f64 {
    const DTYPE: DType = DType::F64;

    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// A pointer that threads share.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: each matrix is written by one thread.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// A matrix in rows that somebody else may own.
#[derive(Clone, Copy)]
struct Rows<T> {
    first: *const T,
    m: usize,
    n: usize,
}

impl<T: Real> Rows<T> {
    /// Calls `f` with each element and its place.
    fn each(&self, mut f: impl FnMut(usize, usize, T)) {
        for (i, j) in (0..self.m).flat_map(|i| (0..self.n).map(move |j| (i, j))) {
            // SAFETY: an element of the matrix, aligned or not.
            f(i, j, unsafe { self.first.add(i * self.n + j).read_unaligned() });
        }
    }

    fn is_finite(&self) -> bool {
        let mut finite = true;
        self.each(|_, _, x| finite &= x.finite());
        finite
    }

    /// The matrix in columns, each of which lies one behind the other.
    fn columns(&self, to: &mut [T]) {
        let m = self.m;
        /// Rows and columns that are turned at once, so that both sides stay in the cache.
        const TILE: usize = 16;
        for (top, left) in (0..m).step_by(TILE).flat_map(|t| (0..self.n).step_by(TILE).map(move |l| (t, l))) {
            for j in left..self.n.min(left + TILE) {
                for i in top..m.min(top + TILE) {
                    // SAFETY: an element of the matrix, aligned or not.
                    to[j * m + i] = unsafe { self.first.add(i * self.n + j).read_unaligned() };
                }
            }
        }
    }

    /// The matrix as it lies.
    fn copy(&self, to: &mut [T]) {
        self.each(|i, j, x| to[i * self.n + j] = x);
    }
}

/// Writes `m x n` elements that lie in columns into rows.
fn in_rows<T: Real>(from: &[T], to: &mut [T], m: usize, n: usize) {
    Rows { first: from.as_ptr(), m: n, n: m }.columns(&mut to[..m * n]);
}

/// A matrix in columns.
fn by_columns<T>(of: &mut [T], m: usize, n: usize) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_mut(&mut of[..m * n], m, n)
}

/// A matrix in rows.
fn by_rows<T>(of: &mut [T], m: usize, n: usize) -> MatMut<'_, T> {
    MatMut::from_row_major_slice_mut(&mut of[..m * n], m, n)
}

/// Memory of one thread, which grows to what is asked for.
#[derive(Default)]
struct Memory {
    buffer: Option<Buffer>,
}

impl Memory {
    fn bytes(&mut self, len: usize) -> Result<&mut [u8], HostError> {
        if self.buffer.as_ref().is_none_or(|b| b.len() < len) {
            self.buffer = Some(Buffer::zeroed(len.max(64))?);
        }
        let buffer = self.buffer.as_mut().expect("made above");
        // SAFETY: the buffer is this thread's alone, and zeros are bytes.
        Ok(unsafe { buffer.as_mut_slice() })
    }

    /// `count` numbers, whatever they are, and memory for `faer`.
    fn split<T: Real>(
        &mut self,
        count: usize,
        stack: StackReq,
    ) -> Result<(&mut [T], &mut MemStack), HostError> {
        let own = (count * size_of::<T>()).next_multiple_of(64);
        let room = stack.unaligned_bytes_required();
        let (numbers, rest) = self.bytes(own + room)?.split_at_mut(own);
        // SAFETY: buffers begin at multiples of 64 bytes, and any bits are a float.
        let numbers = unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast::<T>(), count) };
        // SAFETY: bytes are also bytes that may not be there.
        let rest: &mut [MaybeUninit<u8>] = unsafe { &mut *(std::ptr::from_mut(rest) as *mut _) };
        Ok((numbers, MemStack::new(rest)))
    }
}

/// Calls `one` for each matrix, on all threads, with memory and how far it may share its own work: not at all unless
/// they are to be `shared`.
fn each(
    batch: usize,
    work: usize,
    shared: bool,
    one: impl Fn(usize, Par, &mut Memory) -> Result<(), HostError> + Sync + Send,
) -> Result<(), HostError> {
    let team = threads::num_threads();
    if shared && work / batch.max(1) >= SHARED && batch < team {
        let mut memory = Memory::default();
        for number in 0..batch {
            if threads::interrupted() {
                return Err(threads::Interrupted.into());
            }
            threads::install(|| one(number, Par::rayon(team), &mut memory))?;
        }
        return Ok(());
    }
    let failure: Mutex<Option<HostError>> = Mutex::new(None);
    let grain = (GRAIN / (work / batch.max(1)).max(1)).max(1);
    threads::parallel_for(batch, grain, |begin, end| {
        let mut memory = Memory::default();
        if let Err(e) = (begin..end).try_for_each(|number| one(number, Par::Seq, &mut memory)) {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
        }
    })?;
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// The results of one matrix, in the order of its form.
struct Results<'a> {
    from: SmallVec<[(*mut u8, usize); 4]>,
    number: usize,
    _lives: std::marker::PhantomData<&'a mut u8>,
}

impl Results<'_> {
    /// Result `port`, whose elements are these.
    ///
    /// # Safety
    /// Elements of this type, and each result asked for once.
    unsafe fn of<'r, T>(&self, port: usize) -> &'r mut [T] {
        let (first, count) = self.from[port];
        if count == 0 {
            return &mut [];
        }
        // SAFETY: by the caller's word; results are fresh buffers, which are aligned.
        unsafe { std::slice::from_raw_parts_mut(first.cast::<T>().add(self.number * count), count) }
    }
}

/// Factors as `f` says.
///
/// # Safety
/// `x` holds the matrices, aligned or not; each of `results` has room for what the form gives, and nobody else reads or
/// writes those.
pub unsafe fn factor(f: &Factor, x: *const u8, results: &[*mut u8]) -> Result<(), HostError> {
    match f.dtype {
        // SAFETY: by the caller's word.
        DType::F32 => unsafe { factor_in::<f32>(f, x.cast(), results) },
        // SAFETY: as above.
        _ => unsafe { factor_in::<f64>(f, x.cast(), results) },
    }
}

/// # Safety
/// As for [`factor`].
unsafe fn factor_in<T: Real>(f: &Factor, x: *const T, results: &[*mut u8]) -> Result<(), HostError> {
    debug_assert_eq!(f.dtype, T::DTYPE);
    let (m, n) = (f.rows, f.columns);
    let types = f.form.results(f.dtype, m, n);
    let counts = types.iter().map(|(_, shape)| shape.iter().product::<usize>());
    let pointers: SmallVec<[(Shared<u8>, usize); 4]> =
        results.iter().map(|&p| Shared(p)).zip(counts).collect();
    let x = Shared(x.cast_mut());
    let work = f.batch * m.max(1) * n.max(1) * m.min(n).max(1);
    // Reflections, and what begins with them, are summed in another order by several threads.
    let shared = matches!(f.form, Form::Cholesky | Form::Lu);
    each(f.batch, work, shared, |number, par, memory| {
        // SAFETY: one of the matrices; where they are empty nothing is read.
        let first = unsafe { x.get().add(number * m * n) };
        let a = Rows { first: first.cast_const(), m, n };
        let from = pointers.iter().map(|(p, count)| (p.get(), *count)).collect();
        let out = Results { from, number, _lives: std::marker::PhantomData };
        // SAFETY: the types are those that the form names, each result is taken once.
        unsafe {
            match f.form {
                Form::Cholesky => factor::cholesky::<T>(a, out.of(0), out.of(1), par, memory),
                Form::Lu => factor::lu::<T>(a, (out.of(0), out.of(1), out.of(2), out.of(3)), par, memory),
                Form::Qr { .. } => factor::qr::<T>(a, out.of(0), out.of(1), par, memory),
                Form::Svd(Vectors::None) => spectral::svd::<T>(a, out.of(0), None, out.of(1), par, memory),
                Form::Svd(_) => {
                    spectral::svd::<T>(a, out.of(1), Some((out.of(0), out.of(2))), out.of(3), par, memory)
                }
                Form::Eigh { vectors: false } => {
                    spectral::eigh::<T>(a, out.of(0), None, out.of(1), par, memory)
                }
                Form::Eigh { vectors: true } => {
                    spectral::eigh::<T>(a, out.of(0), Some(out.of(1)), out.of(2), par, memory)
                }
            }
        }
    })
}

/// Solves as `t` says.
///
/// # Safety
/// `a` holds the matrices and `b` the right sides, aligned or not; `x` has room for the solutions, and nobody else reads
/// or writes it.
pub unsafe fn triangular(t: &Triangular, a: *const u8, b: *const u8, x: *mut u8) -> Result<(), HostError> {
    let all = Systems { a, b, x, batch: t.batch, n: t.extent, k: t.columns };
    match t.dtype {
        // SAFETY: by the caller's word.
        DType::F32 => unsafe { systems::<f32>(&all, &[t.shape], None) },
        // SAFETY: as above.
        _ => unsafe { systems::<f64>(&all, &[t.shape], None) },
    }
}

/// Solves as `s` says.
///
/// # Safety
/// As for [`triangular`], where `lu` are the matrices, and `places` hold as many permutations.
pub unsafe fn solve(
    s: &Solve,
    lu: *const u8,
    places: *const u8,
    b: *const u8,
    x: *mut u8,
) -> Result<(), HostError> {
    let all = Systems { a: lu, b, x, batch: s.batch, n: s.extent, k: s.columns };
    let exchange = Some((places.cast(), s.transposed));
    match s.dtype {
        // SAFETY: by the caller's word.
        DType::F32 => unsafe { systems::<f32>(&all, &s.steps(), exchange) },
        // SAFETY: as above.
        _ => unsafe { systems::<f64>(&all, &s.steps(), exchange) },
    }
}

/// `batch` systems of `n x n` with `k` right sides each.
struct Systems {
    a: *const u8,
    b: *const u8,
    x: *mut u8,
    batch: usize,
    n: usize,
    k: usize,
}

/// Solves by these steps; before them rows are taken from these places, or behind them put there.
///
/// # Safety
/// As for [`triangular`].
unsafe fn systems<T: Real>(
    all: &Systems,
    steps: &[Triangle],
    exchange: Option<(*const i64, bool)>,
) -> Result<(), HostError> {
    let &Systems { n, k, batch, .. } = all;
    let (a, b, x) = (Shared(all.a.cast_mut()), Shared(all.b.cast_mut()), Shared(all.x));
    let places = Shared(exchange.map_or(std::ptr::null(), |(places, _)| places).cast_mut());
    let behind = exchange.map(|(_, behind)| behind);
    if n * k == 0 {
        return Ok(());
    }
    each(batch, steps.len() * batch * n * n * k, true, |number, par, memory| {
        // SAFETY: the matrices of this number; results are fresh buffers, which are aligned.
        let (a, b, out) = unsafe {
            let a = Rows { first: a.get().cast::<T>().add(number * n * n).cast_const(), m: n, n };
            let b = Rows { first: b.get().cast::<T>().add(number * n * k).cast_const(), m: n, n: k };
            (a, b, std::slice::from_raw_parts_mut(x.get().cast::<T>().add(number * n * k), n * k))
        };
        // SAFETY: a row's place. Were it none, the last row would be meant.
        let place =
            |i: usize| unsafe { places.get().add(number * n + i).read_unaligned() as usize }.min(n - 1);
        let room = if behind == Some(true) { n * k } else { 0 };
        let (own, _) = memory.split::<T>(n * n + room, StackReq::EMPTY)?;
        let (own, rest) = own.split_at_mut(n * n);
        a.copy(own);
        let a = MatRef::from_row_major_slice(&*own, n, n);
        let solution = if behind == Some(true) { &mut *rest } else { &mut *out };
        match behind {
            Some(false) => {
                for i in 0..n {
                    let from = Rows { first: b.first.wrapping_add(place(i) * k), m: 1, n: k };
                    from.copy(&mut solution[i * k..(i + 1) * k]);
                }
            }
            _ => b.copy(solution),
        }
        for step in steps {
            substitute(a, by_rows(solution, n, k), *step, par);
        }
        if behind == Some(true) {
            for i in 0..n {
                out[place(i) * k..][..k].copy_from_slice(&rest[i * k..(i + 1) * k]);
            }
        }
        Ok(())
    })
}

fn substitute<T: Real>(a: MatRef<'_, T>, x: MatMut<'_, T>, triangle: Triangle, par: Par) {
    use faer::linalg::triangular_solve as solve;
    let Triangle { upper, transposed, unit } = triangle;
    let a = if transposed { a.transpose() } else { a };
    match (upper != transposed, unit) {
        (false, false) => solve::solve_lower_triangular_in_place(a, x, par),
        (false, true) => solve::solve_unit_lower_triangular_in_place(a, x, par),
        (true, false) => solve::solve_upper_triangular_in_place(a, x, par),
        (true, true) => solve::solve_unit_upper_triangular_in_place(a, x, par),
    }
}
