//! 512-bit registers: AVX-512 F and DQ.

use super::registers::{Halves, Lanes, core_of_registers};
use std::arch::x86_64::*;

const FLOOR: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
const CEIL: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
const TRUNC: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

core_of_registers! {
    /// Sixteen f32 or i32.
    Singles, double false, __m512 as __m512i, masks __mmask16,
    casts _mm512_castsi512_ps _mm512_castps_si512,
    constants |c: f64| _mm512_set1_ps(c as f32), |c: i64| _mm512_set1_epi32(c as i32);
    floats {
        fadd(a, b) = _mm512_add_ps(a, b);
        fsub(a, b) = _mm512_sub_ps(a, b);
        fmul(a, b) = _mm512_mul_ps(a, b);
        fdiv(a, b) = _mm512_div_ps(a, b);
        fma(a, b, c) = _mm512_fmadd_ps(a, b, c);
        fmin(a, b) = _mm512_min_ps(a, b);
        fmax(a, b) = _mm512_max_ps(a, b);
        times_power_of_two(x, n, _shifted) = _mm512_scalef_ps(x, n);
        fneg(a) = _mm512_xor_ps(a, _mm512_set1_ps(-0.0));
        fabs(a) = _mm512_andnot_ps(_mm512_set1_ps(-0.0), a);
        fsqrt(a) = _mm512_sqrt_ps(a);
        ffloor(a) = _mm512_roundscale_ps::<FLOOR>(a);
        fceil(a) = _mm512_roundscale_ps::<CEIL>(a);
        ftrunc(a) = _mm512_roundscale_ps::<TRUNC>(a);
        fround(a) = _mm512_roundscale_ps::<NEAREST>(a);
    }
    ints {
        iadd(a, b) = _mm512_add_epi32(a, b);
        isub(a, b) = _mm512_sub_epi32(a, b);
        imul(a, b) = _mm512_mullo_epi32(a, b);
        iand(a, b) = _mm512_and_si512(a, b);
        ior(a, b) = _mm512_or_si512(a, b);
        ixor(a, b) = _mm512_xor_si512(a, b);
    }
    shifts {
        ishl(a, by) = _mm512_sll_epi32(a, by);
        ushr(a, by) = _mm512_srl_epi32(a, by);
        sshr(a, by) = _mm512_sra_epi32(a, by);
    }
    int_to_float(a) = _mm512_cvtepi32_ps(a);
    float_to_int(a) = _mm512_cvttps_epi32(a);
    float_masks {
        flt(a, b) = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
        fle(a, b) = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b);
        feq(a, b) = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b);
        fne(a, b) = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, b);
    }
    int_masks {
        ilt(a, b) = _mm512_cmplt_epi32_mask(a, b);
        ieq(a, b) = _mm512_cmpeq_epi32_mask(a, b);
    }
    masks {
        mand(a, b) = a & b;
        mor(a, b) = a | b;
        mnot(a) = !a;
    }
    select(m, a, b) = _mm512_mask_blend_epi32(m, b, a);
    none(m) = m == 0;
    table(entries, index) = {
        let mut lanes = [0u32; 16];
        _mm512_storeu_si512(lanes.as_mut_ptr().cast(), index);
        let found = lanes.map(|index| entries[index as usize] as u32);
        _mm512_loadu_si512(found.as_ptr().cast())
    };
}

core_of_registers! {
    /// Eight f64 or i64.
    Doubles, double true, __m512d as __m512i, masks __mmask8,
    casts _mm512_castsi512_pd _mm512_castpd_si512,
    constants |c: f64| _mm512_set1_pd(c), |c: i64| _mm512_set1_epi64(c);
    floats {
        fadd(a, b) = _mm512_add_pd(a, b);
        fsub(a, b) = _mm512_sub_pd(a, b);
        fmul(a, b) = _mm512_mul_pd(a, b);
        fdiv(a, b) = _mm512_div_pd(a, b);
        fma(a, b, c) = _mm512_fmadd_pd(a, b, c);
        fmin(a, b) = _mm512_min_pd(a, b);
        fmax(a, b) = _mm512_max_pd(a, b);
        times_power_of_two(x, n, _shifted) = _mm512_scalef_pd(x, n);
        fneg(a) = _mm512_xor_pd(a, _mm512_set1_pd(-0.0));
        fabs(a) = _mm512_andnot_pd(_mm512_set1_pd(-0.0), a);
        fsqrt(a) = _mm512_sqrt_pd(a);
        ffloor(a) = _mm512_roundscale_pd::<FLOOR>(a);
        fceil(a) = _mm512_roundscale_pd::<CEIL>(a);
        ftrunc(a) = _mm512_roundscale_pd::<TRUNC>(a);
        fround(a) = _mm512_roundscale_pd::<NEAREST>(a);
    }
    ints {
        iadd(a, b) = _mm512_add_epi64(a, b);
        isub(a, b) = _mm512_sub_epi64(a, b);
        imul(a, b) = _mm512_mullo_epi64(a, b);
        iand(a, b) = _mm512_and_si512(a, b);
        ior(a, b) = _mm512_or_si512(a, b);
        ixor(a, b) = _mm512_xor_si512(a, b);
    }
    shifts {
        ishl(a, by) = _mm512_sll_epi64(a, by);
        ushr(a, by) = _mm512_srl_epi64(a, by);
        sshr(a, by) = _mm512_sra_epi64(a, by);
    }
    int_to_float(a) = _mm512_cvtepi64_pd(a);
    float_to_int(a) = _mm512_cvttpd_epi64(a);
    float_masks {
        flt(a, b) = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b);
        fle(a, b) = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b);
        feq(a, b) = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b);
        fne(a, b) = _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(a, b);
    }
    int_masks {
        ilt(a, b) = _mm512_cmplt_epi64_mask(a, b);
        ieq(a, b) = _mm512_cmpeq_epi64_mask(a, b);
    }
    masks {
        mand(a, b) = a & b;
        mor(a, b) = a | b;
        mnot(a) = !a;
    }
    select(m, a, b) = _mm512_mask_blend_epi64(m, b, a);
    none(m) = m == 0;
    table(entries, index) = {
        let mut lanes = [0u64; 8];
        _mm512_storeu_si512(lanes.as_mut_ptr().cast(), index);
        let found = lanes.map(|index| entries[index as usize]);
        _mm512_loadu_si512(found.as_ptr().cast())
    };
}

/// Memory of any alignment; a mask says which lanes a part has.
macro_rules! lanes {
    ($name:ident, $element:ty, $count:literal, $mask:ty, $one:expr, $load:ident, $store:ident,
     $first:expr) => {
        impl Lanes for $name {
            type Element = $element;
            type Register = __m512i;
            const COUNT: usize = $count;

            #[inline(always)]
            unsafe fn load(from: *const $element) -> __m512i {
                // SAFETY: by the caller's word.
                unsafe { _mm512_loadu_si512(from.cast()) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $element, lanes: __m512i) {
                // SAFETY: by the caller's word.
                unsafe { _mm512_storeu_si512(to.cast(), lanes) }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $element, count: usize) -> __m512i {
                let there = ((1u32 << count) - 1) as $mask;
                // SAFETY: by the caller's word; lanes that are masked out are not touched.
                unsafe { $load($one, there, from.cast()) }
            }
            #[inline(always)]
            unsafe fn store_part(to: *mut $element, count: usize, lanes: __m512i) {
                let there = ((1u32 << count) - 1) as $mask;
                // SAFETY: by the caller's word; lanes that are masked out are not touched.
                unsafe { $store(to.cast(), there, lanes) }
            }
            #[inline(always)]
            unsafe fn zero() -> __m512i {
                // SAFETY: by the caller's word.
                unsafe { _mm512_setzero_si512() }
            }
            #[inline(always)]
            unsafe fn lowered(lanes: __m512i, by: usize) -> __m512i {
                // Places of 32 bits, taken modulo sixteen.
                let by = (by * (16 / $count)) as i32;
                // SAFETY: by the caller's word.
                unsafe {
                    let own = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                    _mm512_permutexvar_epi32(_mm512_add_epi32(own, _mm512_set1_epi32(by)), lanes)
                }
            }
            #[inline(always)]
            unsafe fn first(lanes: __m512i) -> $element {
                // SAFETY: by the caller's word.
                unsafe { $first(lanes) }
            }
        }
    };
}

lanes! {
    Singles, f32, 16, __mmask16,
    _mm512_castps_si512(_mm512_set1_ps(1.0)), _mm512_mask_loadu_epi32, _mm512_mask_storeu_epi32,
    |lanes| _mm512_cvtss_f32(_mm512_castsi512_ps(lanes))
}
lanes! {
    Doubles, f64, 8, __mmask8,
    _mm512_castpd_si512(_mm512_set1_pd(1.0)), _mm512_mask_loadu_epi64, _mm512_mask_storeu_epi64,
    |lanes| _mm512_cvtsd_f64(_mm512_castsi512_pd(lanes))
}

impl Halves for Singles {
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m512i {
        // SAFETY: by the caller's word.
        unsafe { _mm512_castps_si512(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512i {
        // SAFETY: by the caller's word.
        unsafe { _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_f16(to: *mut u16, lanes: __m512i) {
        // SAFETY: by the caller's word.
        unsafe {
            let halves = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm512_castsi512_ps(lanes));
            _mm256_storeu_si256(to.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn store_low(to: *mut u16, lanes: __m512i) {
        // SAFETY: by the caller's word.
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(lanes)) }
    }
}

super::routines::routines!(Singles, Doubles, "avx512f,avx512dq");
super::folds::folds!(Singles, Doubles, "avx512f,avx512dq");
