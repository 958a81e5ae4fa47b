//! Fourier's transform of rows of complex numbers, by the crate `rustfft`.

use crate::buffer::Buffer;
use crate::host::HostError;
use crate::threads;
use rustfft::num_complex::Complex;
use rustfft::{FftNum, FftPlanner};
use rustorch_ir::DType;
use rustorch_ir::routine::Fft;
use std::sync::{Mutex, PoisonError};

/// Complex numbers that are worth a thread's while.
const GRAIN: usize = 4096;

/// Transforms as `f` says.
///
/// # Safety
/// `x` holds the rows, aligned or not; `y` has room for the results, and nobody else reads or writes it.
pub unsafe fn fft(f: &Fft, x: *const u8, y: *mut u8) -> Result<(), HostError> {
    match f.dtype {
        // SAFETY: by the caller's word.
        DType::F32 => unsafe { rows::<f32>(f, x, y) },
        // SAFETY: as above.
        _ => unsafe { rows::<f64>(f, x, y) },
    }
}

/// A pointer that threads share.
struct Shared(*mut u8);

// SAFETY: each row is written by one thread.
unsafe impl Sync for Shared {}

impl Shared {
    fn get(&self) -> *mut u8 {
        self.0
    }
}

/// # Safety
/// As for [`fft`].
unsafe fn rows<T: FftNum>(f: &Fft, x: *const u8, y: *mut u8) -> Result<(), HostError> {
    if f.rows * f.extent == 0 {
        return Ok(());
    }
    let mut planner = FftPlanner::<T>::new();
    let plan =
        if f.inverse { planner.plan_fft_inverse(f.extent) } else { planner.plan_fft_forward(f.extent) };
    let bytes = f.extent * size_of::<Complex<T>>();
    let (x, y) = (Shared(x.cast_mut()), Shared(y));
    let failure: Mutex<Option<HostError>> = Mutex::new(None);
    threads::parallel_for(f.rows, (GRAIN / f.extent).max(1), |begin, end| {
        let scratch = Buffer::zeroed(plan.get_inplace_scratch_len().max(1) * size_of::<Complex<T>>());
        let mut scratch = match scratch {
            Ok(scratch) => scratch,
            Err(e) => {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e.into());
                return;
            }
        };
        // SAFETY: the buffer is this thread's alone, and zeros are numbers.
        let scratch: &mut [Complex<T>] = unsafe { scratch.as_mut_slice() };
        for row in begin..end {
            // SAFETY: row `row` of both, which lie apart; results are fresh buffers, which are aligned.
            let own = unsafe {
                let to = y.get().add(row * bytes);
                std::ptr::copy_nonoverlapping(x.get().add(row * bytes).cast_const(), to, bytes);
                std::slice::from_raw_parts_mut(to.cast::<Complex<T>>(), f.extent)
            };
            plan.process_with_scratch(own, scratch);
        }
    })?;
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::fft;
    use crate::buffer::Buffer;
    use rustorch_ir::DType;
    use rustorch_ir::routine::{Fft, Routine};

    /// Rows of every kind of length, against the sum that defines the transform.
    #[test]
    fn transforms_mean_what_they_say() {
        for (rows, extent) in [(1, 1), (3, 2), (2, 7), (1, 64), (2, 60), (1, 97), (2, 255), (0, 4), (4, 0)] {
            for inverse in [false, true] {
                let count = rows * extent * 2;
                let numbers: Vec<f64> =
                    (0..count).map(|i| ((i * 37 + 11) % 101) as f64 / 50.0 - 1.0).collect();
                let singles: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
                let input = |dtype| match dtype {
                    DType::F32 => singles.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(),
                    _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
                };
                for (dtype, allowed) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
                    let f = Fft { inverse, dtype, rows, extent };
                    let bytes = input(dtype);
                    let mut want = vec![vec![0u8; bytes.len()]];
                    Routine::Fft(f.clone()).run(&[&bytes], &mut want);
                    let got = Buffer::zeroed(bytes.len()).unwrap();
                    // SAFETY: the buffers hold what the routine reads and writes, and are this test's own.
                    let got: &[u8] = unsafe {
                        fft(&f, bytes.as_ptr(), got.ptr()).unwrap();
                        &got.as_slice::<u8>()[..bytes.len()]
                    };
                    let number = |b: &[u8]| match b.len() {
                        4 => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
                        _ => f64::from_le_bytes(b.try_into().unwrap()),
                    };
                    for (g, w) in got.chunks(dtype.size()).zip(want[0].chunks(dtype.size())) {
                        let (g, w) = (number(g), number(w));
                        assert!((g - w).abs() <= allowed * (extent as f64).sqrt(), "{f}: {g} for {w}");
                    }
                }
            }
        }
    }
}
