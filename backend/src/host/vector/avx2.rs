//! The strip routines for AVX2 with FMA.

mod lanes;

use super::StripFn;
use lanes::{Doubles, Singles};
use rustorch_ir::op::scalar_math as sm;
use std::arch::x86_64::*;

/// A register of neutral elements, its first ones replaced by those from `from`.
macro_rules! load_part {
    ($from:expr, $count:expr, $element:ty, $lanes:literal, $load:ident) => {{
        let mut buffer: [$element; $lanes] = [1.0; $lanes];
        std::ptr::copy_nonoverlapping($from, buffer.as_mut_ptr(), $count);
        $load(buffer.as_ptr().cast())
    }};
}

macro_rules! unary {
    ($name:ident, $core:ident, $element:ty, $lanes:literal, $function:path) => {
        #[target_feature(enable = "avx2,fma")]
        unsafe extern "C" fn $name(x: *const $element, y: *mut $element, n: i64) {
            let n = n as usize;
            let mut i = 0;
            // SAFETY: the caller gives `n` elements behind both pointers; i + lanes stays within them, and
            // the rest goes through a buffer of one register.
            unsafe {
                while i + $lanes <= n {
                    let v = _mm256_loadu_si256(x.add(i).cast());
                    let v = $function(&mut $core, v);
                    _mm256_storeu_si256(y.add(i).cast(), v);
                    i += $lanes;
                }
                if i < n {
                    let v = load_part!(x.add(i), n - i, $element, $lanes, _mm256_loadu_si256);
                    let v = $function(&mut $core, v);
                    let mut buffer: [$element; $lanes] = [0.0; $lanes];
                    _mm256_storeu_si256(buffer.as_mut_ptr().cast(), v);
                    std::ptr::copy_nonoverlapping(buffer.as_ptr(), y.add(i), n - i);
                }
            }
        }
    };
}

macro_rules! binary {
    ($name:ident, $core:ident, $element:ty, $lanes:literal, $function:path) => {
        #[target_feature(enable = "avx2,fma")]
        unsafe extern "C" fn $name(a: *const $element, b: *const $element, y: *mut $element, n: i64) {
            let n = n as usize;
            let mut i = 0;
            // SAFETY: as for functions of one argument, with two inputs.
            unsafe {
                while i + $lanes <= n {
                    let v = _mm256_loadu_si256(a.add(i).cast());
                    let w = _mm256_loadu_si256(b.add(i).cast());
                    let v = $function(&mut $core, v, w);
                    _mm256_storeu_si256(y.add(i).cast(), v);
                    i += $lanes;
                }
                if i < n {
                    let v = load_part!(a.add(i), n - i, $element, $lanes, _mm256_loadu_si256);
                    let w = load_part!(b.add(i), n - i, $element, $lanes, _mm256_loadu_si256);
                    let v = $function(&mut $core, v, w);
                    let mut buffer: [$element; $lanes] = [0.0; $lanes];
                    _mm256_storeu_si256(buffer.as_mut_ptr().cast(), v);
                    std::ptr::copy_nonoverlapping(buffer.as_ptr(), y.add(i), n - i);
                }
            }
        }
    };
}

macro_rules! routines {
    ($($shape:ident $inputs:literal $function:ident $single:ident $double:ident;)*) => {
        $(
            $shape!($single, Singles, f32, 8, sm::$function);
            $shape!($double, Doubles, f64, 4, sm::$function);
        )*

        /// The routine of this name; the caller has checked that the machine has AVX2 and FMA.
        pub(super) fn routine(name: &str, double: bool) -> Option<StripFn> {
            match (name, double) {
                $(
                    (stringify!($function), false) => {
                        Some(StripFn { address: $single as *const u8, inputs: $inputs })
                    }
                    (stringify!($function), true) => {
                        Some(StripFn { address: $double as *const u8, inputs: $inputs })
                    }
                )*
                _ => None,
            }
        }

        /// The names that [`routine`] knows, with their numbers of inputs.
        #[cfg(test)]
        pub(super) const NAMES: &[(&str, usize)] = &[$((stringify!($function), $inputs)),*];
    };
}

routines! {
    unary 1 exp exp_f32 exp_f64;
    unary 1 expm1 expm1_f32 expm1_f64;
    unary 1 log log_f32 log_f64;
    unary 1 log1p log1p_f32 log1p_f64;
    unary 1 tanh tanh_f32 tanh_f64;
    unary 1 sigmoid sigmoid_f32 sigmoid_f64;
    unary 1 erf erf_f32 erf_f64;
    unary 1 sin sin_f32 sin_f64;
    unary 1 cos cos_f32 cos_f64;
    binary 2 pow pow_f32 pow_f64;
}
