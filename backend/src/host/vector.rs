//! Strips of transcendental functions in registers of 256 or 512 bits, where Cranelift emits 128.
//!
//! A kernel writes some hundred elements to scratch memory, calls a routine here, and reads the results.
//! The routines run the very expansions that other targets inline (`rustorch_ir::op::scalar_math`), lane
//! by lane and in the same order, so the bits are the same.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod folds;
#[cfg(target_arch = "x86_64")]
mod registers;
#[cfg(target_arch = "x86_64")]
mod routines;

use rustorch_ir::DType;
use rustorch_ir::loops::Combine;

/// The widest registers that there are routines for.
#[cfg(target_arch = "x86_64")]
enum Registers {
    Avx2,
    Avx512,
}

#[cfg(target_arch = "x86_64")]
fn registers_of_machine() -> Option<Registers> {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
        return Some(Registers::Avx512);
    }
    let avx2 = is_x86_feature_detected!("avx2");
    (avx2 && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")).then_some(Registers::Avx2)
}

/// A routine over contiguous elements. With one input it is
/// `unsafe extern "C" fn(x: *const T, y: *mut T, n: i64)`, with two
/// `unsafe extern "C" fn(a: *const T, b: *const T, y: *mut T, n: i64)`. Inputs and output may be the
/// same memory, but must not overlap otherwise. `T` is f32 or f64; a conversion has f32 on one side and 16 bits
/// on the other, which are then different memory.
#[derive(Debug, Clone, Copy)]
pub struct StripFn {
    pub address: *const u8,
    pub inputs: usize,
}

/// The routine of this name, in f64 if `double` and in f32 or from or to f32 if not; none where the machine lacks the
/// instructions it is made of.
pub fn strip_routine(name: &str, double: bool) -> Option<StripFn> {
    #[cfg(target_arch = "x86_64")]
    return match registers_of_machine()? {
        Registers::Avx512 => avx512::routine(name, double),
        Registers::Avx2 => avx2::routine(name, double),
    };
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (name, double);
        None
    }
}

/// The routine `unsafe extern "C" fn(x: *const T, n: i64) -> F` for a fold of memory of this type, of which it takes in
/// a multiple of `lanes` elements; none where the machine lacks the instructions.
pub fn fold_routine(combine: Combine, mem: DType, lanes: u16) -> Option<*const u8> {
    #[cfg(target_arch = "x86_64")]
    if usize::from(lanes) == folds::all_lanes(combine, mem) {
        return match registers_of_machine()? {
            Registers::Avx512 => avx512::fold(combine, mem),
            Registers::Avx2 => avx2::fold(combine, mem),
        };
    }
    let _ = (combine, mem, lanes);
    None
}

/// The routine `unsafe extern "C" fn(acc: *mut F, x: *const T, rows: i64, stride: i64, n: i64)` that combines the `n`
/// accumulators with so many rows of memory of this type, which begin `stride` elements apart.
pub fn row_fold_routine(combine: Combine, mem: DType) -> Option<*const u8> {
    #[cfg(target_arch = "x86_64")]
    return match registers_of_machine()? {
        Registers::Avx512 => avx512::row_fold(combine, mem),
        Registers::Avx2 => avx2::row_fold(combine, mem),
    };
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (combine, mem);
        None
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
