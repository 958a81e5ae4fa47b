//! 256-bit registers: AVX2 with FMA and F16C.

use super::registers::{Halves, Lanes, core_of_registers};
use std::arch::x86_64::*;

/// Each lane put through a function, where AVX2 has no instruction.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn lanewise(a: __m256i, f: impl Fn(i64) -> i64) -> __m256i {
    let mut lanes = [0i64; 4];
    // SAFETY: four lanes fill the array exactly; AVX2 by the caller's word.
    unsafe {
        _mm256_storeu_si256(lanes.as_mut_ptr().cast(), a);
        let results = lanes.map(f);
        _mm256_loadu_si256(results.as_ptr().cast())
    }
}

const FLOOR: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
const CEIL: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
const TRUNC: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

core_of_registers! {
    /// Eight f32 or i32.
    Singles, double false, __m256 as __m256i, masks __m256i,
    casts _mm256_castsi256_ps _mm256_castps_si256,
    constants |c: f64| _mm256_set1_ps(c as f32), |c: i64| _mm256_set1_epi32(c as i32);
    floats {
        fadd(a, b) = _mm256_add_ps(a, b);
        fsub(a, b) = _mm256_sub_ps(a, b);
        fmul(a, b) = _mm256_mul_ps(a, b);
        fdiv(a, b) = _mm256_div_ps(a, b);
        fma(a, b, c) = _mm256_fmadd_ps(a, b, c);
        fmin(a, b) = _mm256_min_ps(a, b);
        fmax(a, b) = _mm256_max_ps(a, b);
        fneg(a) = _mm256_xor_ps(a, _mm256_set1_ps(-0.0));
        fabs(a) = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
        fsqrt(a) = _mm256_sqrt_ps(a);
        ffloor(a) = _mm256_round_ps::<FLOOR>(a);
        fceil(a) = _mm256_round_ps::<CEIL>(a);
        ftrunc(a) = _mm256_round_ps::<TRUNC>(a);
        fround(a) = _mm256_round_ps::<NEAREST>(a);
    }
    ints {
        iadd(a, b) = _mm256_add_epi32(a, b);
        isub(a, b) = _mm256_sub_epi32(a, b);
        imul(a, b) = _mm256_mullo_epi32(a, b);
        iand(a, b) = _mm256_and_si256(a, b);
        ior(a, b) = _mm256_or_si256(a, b);
        ixor(a, b) = _mm256_xor_si256(a, b);
    }
    shifts {
        ishl(a, by) = _mm256_sll_epi32(a, by);
        ushr(a, by) = _mm256_srl_epi32(a, by);
        sshr(a, by) = _mm256_sra_epi32(a, by);
    }
    int_to_float(a) = _mm256_cvtepi32_ps(a);
    float_to_int(a) = _mm256_cvttps_epi32(a);
    float_masks {
        flt(a, b) = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b));
        fle(a, b) = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LE_OQ>(a, b));
        feq(a, b) = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b));
        fne(a, b) = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_NEQ_UQ>(a, b));
    }
    int_masks {
        ilt(a, b) = _mm256_cmpgt_epi32(b, a);
        ieq(a, b) = _mm256_cmpeq_epi32(a, b);
    }
    masks {
        mand(a, b) = _mm256_and_si256(a, b);
        mor(a, b) = _mm256_or_si256(a, b);
        mnot(a) = _mm256_xor_si256(a, _mm256_set1_epi8(-1));
    }
    select(m, a, b) = {
        let [m, a, b] = [m, a, b].map(|v| _mm256_castsi256_ps(v));
        _mm256_castps_si256(_mm256_blendv_ps(b, a, m))
    };
    none(m) = _mm256_testz_si256(m, m) == 1;
    table(entries, index) = {
        let mut lanes = [0u32; 8];
        _mm256_storeu_si256(lanes.as_mut_ptr().cast(), index);
        let found = lanes.map(|index| entries[index as usize] as u32);
        _mm256_loadu_si256(found.as_ptr().cast())
    };
}

core_of_registers! {
    /// Four f64 or i64.
    Doubles, double true, __m256d as __m256i, masks __m256i,
    casts _mm256_castsi256_pd _mm256_castpd_si256,
    constants |c: f64| _mm256_set1_pd(c), |c: i64| _mm256_set1_epi64x(c);
    floats {
        fadd(a, b) = _mm256_add_pd(a, b);
        fsub(a, b) = _mm256_sub_pd(a, b);
        fmul(a, b) = _mm256_mul_pd(a, b);
        fdiv(a, b) = _mm256_div_pd(a, b);
        fma(a, b, c) = _mm256_fmadd_pd(a, b, c);
        fmin(a, b) = _mm256_min_pd(a, b);
        fmax(a, b) = _mm256_max_pd(a, b);
        fneg(a) = _mm256_xor_pd(a, _mm256_set1_pd(-0.0));
        fabs(a) = _mm256_andnot_pd(_mm256_set1_pd(-0.0), a);
        fsqrt(a) = _mm256_sqrt_pd(a);
        ffloor(a) = _mm256_round_pd::<FLOOR>(a);
        fceil(a) = _mm256_round_pd::<CEIL>(a);
        ftrunc(a) = _mm256_round_pd::<TRUNC>(a);
        fround(a) = _mm256_round_pd::<NEAREST>(a);
    }
    ints {
        iadd(a, b) = _mm256_add_epi64(a, b);
        isub(a, b) = _mm256_sub_epi64(a, b);
        imul(a, b) = {
            // Low product, and the two cross products in the high half.
            let (a_high, b_high) = (_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
            let cross = _mm256_add_epi64(_mm256_mul_epu32(a_high, b), _mm256_mul_epu32(a, b_high));
            _mm256_add_epi64(_mm256_mul_epu32(a, b), _mm256_slli_epi64::<32>(cross))
        };
        iand(a, b) = _mm256_and_si256(a, b);
        ior(a, b) = _mm256_or_si256(a, b);
        ixor(a, b) = _mm256_xor_si256(a, b);
    }
    shifts {
        ishl(a, by) = _mm256_sll_epi64(a, by);
        ushr(a, by) = _mm256_srl_epi64(a, by);
        sshr(a, by) = {
            // The shifted sign bit, subtracted again, carries into all bits above it.
            let sign = _mm256_srl_epi64(_mm256_set1_epi64x(i64::MIN), by);
            _mm256_sub_epi64(_mm256_xor_si256(_mm256_srl_epi64(a, by), sign), sign)
        };
    }
    int_to_float(a) = _mm256_castsi256_pd(lanewise(a, |a| (a as f64).to_bits() as i64));
    float_to_int(a) = lanewise(_mm256_castpd_si256(a), |a| f64::from_bits(a as u64) as i64);
    float_masks {
        flt(a, b) = _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_LT_OQ>(a, b));
        fle(a, b) = _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_LE_OQ>(a, b));
        feq(a, b) = _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_EQ_OQ>(a, b));
        fne(a, b) = _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_NEQ_UQ>(a, b));
    }
    int_masks {
        ilt(a, b) = _mm256_cmpgt_epi64(b, a);
        ieq(a, b) = _mm256_cmpeq_epi64(a, b);
    }
    masks {
        mand(a, b) = _mm256_and_si256(a, b);
        mor(a, b) = _mm256_or_si256(a, b);
        mnot(a) = _mm256_xor_si256(a, _mm256_set1_epi8(-1));
    }
    select(m, a, b) = {
        let [m, a, b] = [m, a, b].map(|v| _mm256_castsi256_pd(v));
        _mm256_castpd_si256(_mm256_blendv_pd(b, a, m))
    };
    none(m) = _mm256_testz_si256(m, m) == 1;
    table(entries, index) = lanewise(index, |index| entries[index as usize] as i64);
}

/// Memory of any alignment; a part goes through a buffer of one register.
macro_rules! lanes {
    ($name:ident, $element:ty, $count:literal, $first:expr) => {
        impl Lanes for $name {
            type Element = $element;
            type Register = __m256i;
            const COUNT: usize = $count;

            #[inline(always)]
            unsafe fn load(from: *const $element) -> __m256i {
                // SAFETY: by the caller's word.
                unsafe { _mm256_loadu_si256(from.cast()) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $element, lanes: __m256i) {
                // SAFETY: by the caller's word.
                unsafe { _mm256_storeu_si256(to.cast(), lanes) }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $element, count: usize) -> __m256i {
                let mut buffer: [$element; $count] = [1.0; $count];
                // SAFETY: by the caller's word; the buffer holds more than `count`.
                unsafe {
                    std::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), count);
                    Self::load(buffer.as_ptr())
                }
            }
            #[inline(always)]
            unsafe fn store_part(to: *mut $element, count: usize, lanes: __m256i) {
                let mut buffer: [$element; $count] = [0.0; $count];
                // SAFETY: by the caller's word; the buffer holds more than `count`.
                unsafe {
                    Self::store(buffer.as_mut_ptr(), lanes);
                    std::ptr::copy_nonoverlapping(buffer.as_ptr(), to, count);
                }
            }
            #[inline(always)]
            unsafe fn zero() -> __m256i {
                // SAFETY: by the caller's word.
                unsafe { _mm256_setzero_si256() }
            }
            #[inline(always)]
            unsafe fn lowered(lanes: __m256i, by: usize) -> __m256i {
                // Places of 32 bits, taken modulo eight.
                let by = (by * (8 / $count)) as i32;
                // SAFETY: by the caller's word.
                unsafe {
                    let own = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                    _mm256_permutevar8x32_epi32(lanes, _mm256_add_epi32(own, _mm256_set1_epi32(by)))
                }
            }
            #[inline(always)]
            unsafe fn first(lanes: __m256i) -> $element {
                // SAFETY: by the caller's word.
                unsafe { $first(lanes) }
            }
        }
    };
}

lanes!(Singles, f32, 8, |lanes| _mm256_cvtss_f32(_mm256_castsi256_ps(lanes)));
lanes!(Doubles, f64, 4, |lanes| _mm256_cvtsd_f64(_mm256_castsi256_pd(lanes)));

impl Halves for Singles {
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m256i {
        // SAFETY: by the caller's word.
        unsafe { _mm256_castps_si256(_mm256_cvtph_ps(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256i {
        // SAFETY: by the caller's word.
        unsafe { _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_f16(to: *mut u16, lanes: __m256i) {
        // SAFETY: by the caller's word.
        unsafe {
            let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_castsi256_ps(lanes));
            _mm_storeu_si128(to.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn store_low(to: *mut u16, lanes: __m256i) {
        // SAFETY: by the caller's word.
        unsafe {
            let low = _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
            _mm_storeu_si128(to.cast(), low);
        }
    }
}

super::routines::routines!(Singles, Doubles, "avx2,fma,f16c");
super::folds::folds!(Singles, Doubles, "avx2,fma,f16c");
