//! The vector instructions that the kernels of this directory are written in, per instruction set.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// A vector of `LANES` numbers.
///
/// # Safety
/// Every function needs the instruction set of the implementing type; loads and stores need `LANES` elements.
pub(super) trait Simd: Copy {
    type T: super::kernel::Scalar;
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn load(from: *const Self::T) -> Self;
    /// One element in every lane.
    unsafe fn splat(from: *const Self::T) -> Self;
    unsafe fn store(self, to: *mut Self::T);
    unsafe fn add(self, other: Self) -> Self;
    /// `a * b + self`, rounded once where the machine can.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    ($name:ident, $inner:ty, $t:ty, $lanes:literal, $zero:ident, $load:ident, $set:ident, $store:ident, $add:ident, $fma:ident) => {
        #[derive(Clone, Copy)]
        pub(super) struct $name($inner);

        // SAFETY: (all functions) the trait demands the instruction set, and the elements for loads and stores.
        impl Simd for $name {
            type T = $t;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the instruction set is there.
                Self(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: the instruction set and the elements are there.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn splat(from: *const $t) -> Self {
                // SAFETY: the instruction set and the element are there.
                Self(unsafe { $set(*from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: the instruction set and the elements are there.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the instruction set is there.
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn fma(self, a: Self, b: Self) -> Self {
                // SAFETY: the instruction set is there.
                Self(unsafe { $fma(a.0, b.0, self.0) })
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
x86!(
    F32x8,
    __m256,
    f32,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_set1_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_fmadd_ps
);
#[cfg(target_arch = "x86_64")]
x86!(
    F64x4,
    __m256d,
    f64,
    4,
    _mm256_setzero_pd,
    _mm256_loadu_pd,
    _mm256_set1_pd,
    _mm256_storeu_pd,
    _mm256_add_pd,
    _mm256_fmadd_pd
);
#[cfg(target_arch = "x86_64")]
x86!(
    F32x16,
    __m512,
    f32,
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_set1_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_fmadd_ps
);
#[cfg(target_arch = "x86_64")]
x86!(
    F64x8,
    __m512d,
    f64,
    8,
    _mm512_setzero_pd,
    _mm512_loadu_pd,
    _mm512_set1_pd,
    _mm512_storeu_pd,
    _mm512_add_pd,
    _mm512_fmadd_pd
);

/// Any machine: the compiler maps the lanes to what it has (NEON on aarch64, SSE2 on x86-64).
#[derive(Clone, Copy)]
pub(super) struct Portable<T, const N: usize>([T; N]);

/// Without the instruction a fused operation is a slow library call, and two roundings are no less accurate a sum.
macro_rules! multiply_add {
    ($a:expr, $b:expr, $c:expr) => {
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            $a.mul_add($b, $c)
        } else {
            $a * $b + $c
        }
    };
}

macro_rules! portable {
    ($t:ty, $lanes:literal) => {
        impl Simd for Portable<$t, $lanes> {
            type T = $t;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn zero() -> Self {
                Self([0.0; $lanes])
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: the caller provides that many elements.
                Self(unsafe { from.cast::<[$t; $lanes]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn splat(from: *const $t) -> Self {
                // SAFETY: the caller provides the element.
                Self([unsafe { *from }; $lanes])
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: the caller provides that many elements.
                unsafe { to.cast::<[$t; $lanes]>().write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Self(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
            }
            #[inline(always)]
            unsafe fn fma(self, a: Self, b: Self) -> Self {
                Self(std::array::from_fn(|lane| multiply_add!(a.0[lane], b.0[lane], self.0[lane])))
            }
        }
    };
}
portable!(f32, 4);
portable!(f64, 2);
