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
mod registers;
#[cfg(target_arch = "x86_64")]
mod routines;

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
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
        return avx512::routine(name, double);
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
    {
        return avx2::routine(name, double);
    }
    let _ = (name, double);
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
