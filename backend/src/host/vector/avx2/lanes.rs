//! [`Core`] over the lanes of one 256-bit register.
//!
//! The values of both types are used inside functions compiled for AVX2 and FMA only: the crate makes
//! them nowhere else. Every method is inlined into those, since a method of a trait cannot ask for
//! instructions by itself. Floats, integers and masks all travel as bits.

use rustorch_ir::op::scalar_math::Core;
use std::arch::x86_64::*;

/// Eight f32 or i32.
pub(super) struct Singles;

/// Four f64 or i64.
pub(super) struct Doubles;

/// Four 64-bit lanes, one after the other, where AVX2 has no instruction.
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

impl Core for Singles {
    type V = __m256i;
    type M = __m256i;

    #[inline(always)]
    fn is_double(&self, _: __m256i) -> bool {
        false
    }
    #[inline(always)]
    fn float(&mut self, _: __m256i, c: f64) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_set1_ps(c as f32)) }
    }
    #[inline(always)]
    fn int(&mut self, _: __m256i, c: i64) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_set1_epi32(c as i32) }
    }
    #[inline(always)]
    fn fadd(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_add_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }
    #[inline(always)]
    fn fsub(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_sub_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }
    #[inline(always)]
    fn fmul(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_mul_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }
    #[inline(always)]
    fn fdiv(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_div_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }
    #[inline(always)]
    fn fma(&mut self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_fmadd_ps(
                _mm256_castsi256_ps(a),
                _mm256_castsi256_ps(b),
                _mm256_castsi256_ps(c),
            ))
        }
    }
    #[inline(always)]
    fn fneg(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_xor_ps(_mm256_castsi256_ps(a), _mm256_set1_ps(-0.0))) }
    }
    #[inline(always)]
    fn fabs(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_andnot_ps(_mm256_set1_ps(-0.0), _mm256_castsi256_ps(a))) }
    }
    #[inline(always)]
    fn fsqrt(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_sqrt_ps(_mm256_castsi256_ps(a))) }
    }
    #[inline(always)]
    fn ffloor(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_round_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_ps(a),
            ))
        }
    }
    #[inline(always)]
    fn fceil(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_round_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_ps(a),
            ))
        }
    }
    #[inline(always)]
    fn ftrunc(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_ps(a),
            ))
        }
    }
    #[inline(always)]
    fn fround(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_ps(a),
            ))
        }
    }
    #[inline(always)]
    fn iadd(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    fn isub(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn imul(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_mullo_epi32(a, b) }
    }
    #[inline(always)]
    fn iand(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    fn ior(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn ixor(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_xor_si256(a, b) }
    }
    #[inline(always)]
    fn ishl(&mut self, a: __m256i, by: u32) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_sll_epi32(a, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    fn ushr(&mut self, a: __m256i, by: u32) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_srl_epi32(a, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    fn sshr(&mut self, a: __m256i, by: u32) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_sra_epi32(a, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    fn to_bits(&mut self, a: __m256i) -> __m256i {
        a
    }
    #[inline(always)]
    fn from_bits(&mut self, a: __m256i) -> __m256i {
        a
    }
    #[inline(always)]
    fn int_to_float(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castps_si256(_mm256_cvtepi32_ps(a)) }
    }
    #[inline(always)]
    fn float_to_int(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_cvttps_epi32(_mm256_castsi256_ps(a)) }
    }
    fn widen(&mut self, _: __m256i) -> __m256i {
        panic!("a register of lanes of one width has none of the other")
    }
    fn narrow(&mut self, _: __m256i) -> __m256i {
        panic!("a register of lanes of one width has none of the other")
    }
    #[inline(always)]
    fn flt(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
        }
    }
    #[inline(always)]
    fn fle(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LE_OQ>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
        }
    }
    #[inline(always)]
    fn feq(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_cmp_ps::<_CMP_EQ_OQ>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
        }
    }
    #[inline(always)]
    fn fne(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_cmp_ps::<_CMP_NEQ_UQ>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
        }
    }
    #[inline(always)]
    fn ilt(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_cmpgt_epi32(b, a) }
    }
    #[inline(always)]
    fn ieq(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_cmpeq_epi32(a, b) }
    }
    #[inline(always)]
    fn mand(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    fn mor(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn mnot(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_xor_si256(a, _mm256_set1_epi8(-1)) }
    }
    #[inline(always)]
    fn select(&mut self, m: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castps_si256(_mm256_blendv_ps(
                _mm256_castsi256_ps(b),
                _mm256_castsi256_ps(a),
                _mm256_castsi256_ps(m),
            ))
        }
    }
    #[inline(always)]
    fn table(&mut self, table: &'static [u64], index: __m256i) -> __m256i {
        let mut lanes = [0u32; 8];
        // SAFETY: eight lanes fill the array exactly; AVX2 is there, see the module.
        unsafe {
            _mm256_storeu_si256(lanes.as_mut_ptr().cast(), index);
            let entries = lanes.map(|index| table[index as usize] as u32);
            _mm256_loadu_si256(entries.as_ptr().cast())
        }
    }
    #[inline(always)]
    fn rarely(&mut self, m: __m256i, fast: __m256i, slow: impl FnOnce(&mut Self) -> __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        if unsafe { _mm256_testz_si256(m, m) } == 1 {
            return fast;
        }
        let slow = slow(self);
        self.select(m, slow, fast)
    }
    #[inline(always)]
    fn repeat<const N: usize>(
        &mut self,
        times: u32,
        mut state: [__m256i; N],
        step: impl FnOnce(&mut Self, [__m256i; N]) -> [__m256i; N] + Clone,
    ) -> [__m256i; N] {
        for _ in 0..times {
            state = step.clone()(self, state);
        }
        state
    }
}

impl Core for Doubles {
    type V = __m256i;
    type M = __m256i;

    #[inline(always)]
    fn is_double(&self, _: __m256i) -> bool {
        true
    }
    #[inline(always)]
    fn float(&mut self, _: __m256i, c: f64) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_set1_pd(c)) }
    }
    #[inline(always)]
    fn int(&mut self, _: __m256i, c: i64) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_set1_epi64x(c) }
    }
    #[inline(always)]
    fn fadd(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_add_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b))) }
    }
    #[inline(always)]
    fn fsub(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_sub_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b))) }
    }
    #[inline(always)]
    fn fmul(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_mul_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b))) }
    }
    #[inline(always)]
    fn fdiv(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_div_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b))) }
    }
    #[inline(always)]
    fn fma(&mut self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_fmadd_pd(
                _mm256_castsi256_pd(a),
                _mm256_castsi256_pd(b),
                _mm256_castsi256_pd(c),
            ))
        }
    }
    #[inline(always)]
    fn fneg(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_xor_pd(_mm256_castsi256_pd(a), _mm256_set1_pd(-0.0))) }
    }
    #[inline(always)]
    fn fabs(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_andnot_pd(_mm256_set1_pd(-0.0), _mm256_castsi256_pd(a))) }
    }
    #[inline(always)]
    fn fsqrt(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_castpd_si256(_mm256_sqrt_pd(_mm256_castsi256_pd(a))) }
    }
    #[inline(always)]
    fn ffloor(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_round_pd::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_pd(a),
            ))
        }
    }
    #[inline(always)]
    fn fceil(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_round_pd::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_pd(a),
            ))
        }
    }
    #[inline(always)]
    fn ftrunc(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_round_pd::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_pd(a),
            ))
        }
    }
    #[inline(always)]
    fn fround(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(
                _mm256_castsi256_pd(a),
            ))
        }
    }
    #[inline(always)]
    fn iadd(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_add_epi64(a, b) }
    }
    #[inline(always)]
    fn isub(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_sub_epi64(a, b) }
    }
    #[inline(always)]
    fn imul(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            // Low product, and the two cross products in the high half.
            let (a_high, b_high) = (_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
            let cross = _mm256_add_epi64(_mm256_mul_epu32(a_high, b), _mm256_mul_epu32(a, b_high));
            _mm256_add_epi64(_mm256_mul_epu32(a, b), _mm256_slli_epi64::<32>(cross))
        }
    }
    #[inline(always)]
    fn iand(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    fn ior(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn ixor(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_xor_si256(a, b) }
    }
    #[inline(always)]
    fn ishl(&mut self, a: __m256i, by: u32) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_sll_epi64(a, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    fn ushr(&mut self, a: __m256i, by: u32) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_srl_epi64(a, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    fn sshr(&mut self, a: __m256i, by: u32) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            // The shifted sign bit, subtracted again, carries into all bits above it.
            let by = _mm_cvtsi32_si128(by as i32);
            let sign = _mm256_srl_epi64(_mm256_set1_epi64x(i64::MIN), by);
            _mm256_sub_epi64(_mm256_xor_si256(_mm256_srl_epi64(a, by), sign), sign)
        }
    }
    #[inline(always)]
    fn to_bits(&mut self, a: __m256i) -> __m256i {
        a
    }
    #[inline(always)]
    fn from_bits(&mut self, a: __m256i) -> __m256i {
        a
    }
    #[inline(always)]
    fn int_to_float(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { lanewise(a, |a| (a as f64).to_bits() as i64) }
    }
    #[inline(always)]
    fn float_to_int(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { lanewise(a, |a| f64::from_bits(a as u64) as i64) }
    }
    fn widen(&mut self, _: __m256i) -> __m256i {
        panic!("a register of lanes of one width has none of the other")
    }
    fn narrow(&mut self, _: __m256i) -> __m256i {
        panic!("a register of lanes of one width has none of the other")
    }
    #[inline(always)]
    fn flt(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_LT_OQ>(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b)))
        }
    }
    #[inline(always)]
    fn fle(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_LE_OQ>(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b)))
        }
    }
    #[inline(always)]
    fn feq(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_EQ_OQ>(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b)))
        }
    }
    #[inline(always)]
    fn fne(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_NEQ_UQ>(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b)))
        }
    }
    #[inline(always)]
    fn ilt(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_cmpgt_epi64(b, a) }
    }
    #[inline(always)]
    fn ieq(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_cmpeq_epi64(a, b) }
    }
    #[inline(always)]
    fn mand(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    fn mor(&mut self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn mnot(&mut self, a: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { _mm256_xor_si256(a, _mm256_set1_epi8(-1)) }
    }
    #[inline(always)]
    fn select(&mut self, m: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe {
            _mm256_castpd_si256(_mm256_blendv_pd(
                _mm256_castsi256_pd(b),
                _mm256_castsi256_pd(a),
                _mm256_castsi256_pd(m),
            ))
        }
    }
    #[inline(always)]
    fn table(&mut self, table: &'static [u64], index: __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        unsafe { lanewise(index, |index| table[index as usize] as i64) }
    }
    #[inline(always)]
    fn rarely(&mut self, m: __m256i, fast: __m256i, slow: impl FnOnce(&mut Self) -> __m256i) -> __m256i {
        // SAFETY: AVX2 and FMA are there, see the module.
        if unsafe { _mm256_testz_si256(m, m) } == 1 {
            return fast;
        }
        let slow = slow(self);
        self.select(m, slow, fast)
    }
    #[inline(always)]
    fn repeat<const N: usize>(
        &mut self,
        times: u32,
        mut state: [__m256i; N],
        step: impl FnOnce(&mut Self, [__m256i; N]) -> [__m256i; N] + Clone,
    ) -> [__m256i; N] {
        for _ in 0..times {
            state = step.clone()(self, state);
        }
        state
    }
}
