//! The reduction of huge arguments by π/2, after Payne and Hanek.
//!
//! With `x = m·2^q`, only those digits of `2/π` matter whose product with `x` is below 4 and above the
//! precision wanted. The digits stand in a table as floats, each a full mantissa of them; each product
//! is taken exactly as a sum of two floats, multiples of 4 are removed exactly, and the rest is added
//! with compensation to three times the working precision.

use super::trig::{HALF_PI_F32, HALF_PI_F64, Reduced};
use super::{Core, by_width, int_by_width, mantissa_bits};

/// Products taken: one whose integer part matters, and enough to resolve the smallest remainder.
const TERMS: i64 = 6;

/// `a + b` as the rounded sum and what rounding lost.
#[inline(always)]
fn two_sum<C: Core>(c: &mut C, a: C::V, b: C::V) -> (C::V, C::V) {
    let sum = c.fadd(a, b);
    let b_seen = c.fsub(sum, a);
    let a_seen = c.fsub(sum, b_seen);
    let b_lost = c.fsub(b, b_seen);
    let a_lost = c.fsub(a, a_seen);
    let lost = c.fadd(a_lost, b_lost);
    (sum, lost)
}

/// `x` less the nearest multiple of 4, exactly.
#[inline(always)]
fn modulo_four<C: Core>(c: &mut C, x: C::V) -> C::V {
    let quarter = c.float(x, 0.25);
    let turns = c.fmul(x, quarter);
    let turns = c.fround(turns);
    let minus_four = c.float(x, -4.0);
    c.fma(turns, minus_four, x)
}

/// The quadrant and remainder of a finite `x` of size 2^16 or more. NaN for the infinities and NaN.
#[inline(always)]
pub(super) fn reduce_huge<C: Core>(c: &mut C, x: C::V) -> Reduced<C::V> {
    let width = mantissa_bits(c, x);
    let digits = width + 1;
    // x = m·2^q with an integer m of full width; q = group·digits + rest.
    let bits = c.to_bits(x);
    let biased = c.ushr(bits, width);
    let exponent_mask = int_by_width(c, bits, 0xff, 0x7ff);
    let biased = c.iand(biased, exponent_mask);
    let bias = int_by_width(c, bits, 127 + 23, 1023 + 52);
    let q = c.isub(biased, bias);
    let lift = int_by_width(c, bits, 24, 53);
    let q = c.iadd(q, lift);
    // Lanes that did not ask for this reduction must not index outside the table.
    let zero = c.int(q, 0);
    let small = c.ilt(q, zero);
    let q = c.select(small, zero, q);
    let reciprocal = int_by_width(c, bits, 43, 1237);
    let group = c.imul(q, reciprocal);
    let group = c.ushr(group, if width == 23 { 10 } else { 16 });
    let whole = c.imul(group, lift);
    let rest = c.isub(q, whole);
    // m·2^rest as a float, sign kept; then its multiples by powers of 2^-digits, from the highest.
    let clear = int_by_width(c, bits, 0x807f_ffff, 0x800f_ffff_ffff_ffffu64 as i64);
    let kept = c.iand(bits, clear);
    let exponent = c.iadd(rest, bias);
    let exponent = c.ishl(exponent, width);
    let m = c.ior(kept, exponent);
    let mut m = c.from_bits(m);
    let raise = by_width(c, m, (1u64 << 24) as f64, (1u64 << 53) as f64);
    m = c.fmul(m, raise);
    let lower = by_width(c, m, 1.0 / (1u64 << 24) as f64, 1.0 / (1u64 << 53) as f64);
    let table: &'static [u64] = if digits == 24 { &TWO_OVER_PI_F32 } else { &TWO_OVER_PI_F64 };

    let zero = c.float(x, 0.0);
    let (mut high, mut middle, mut low) = (zero, zero, zero);
    for term in 0..TERMS {
        let step = c.int(group, term);
        let index = c.iadd(group, step);
        let digit = c.table(table, index);
        let digit = c.from_bits(digit);
        let product = c.fmul(m, digit);
        let negated = c.fneg(product);
        let lost = c.fma(m, digit, negated);
        for part in [product, lost] {
            let part = modulo_four(c, part);
            let (sum, carry) = two_sum(c, high, part);
            high = modulo_four(c, sum);
            let (sum, carry) = two_sum(c, middle, carry);
            middle = sum;
            low = c.fadd(low, carry);
        }
        m = c.fmul(m, lower);
    }
    let n = c.fround(high);
    let fraction = c.fsub(high, n);
    let (fraction, carry) = two_sum(c, fraction, middle);
    let carry = c.fadd(carry, low);
    let (fraction, carry) = two_sum(c, fraction, carry);
    let half_pi = by_width(c, x, HALF_PI_F32[0], HALF_PI_F64[0]);
    let half_pi_low = by_width(c, x, HALF_PI_F32[1], HALF_PI_F64[1]);
    let tail = c.fmul(carry, half_pi);
    let tail = c.fma(fraction, half_pi_low, tail);
    let r = c.fma(fraction, half_pi, tail);
    let negated = c.fneg(r);
    let low = c.fma(fraction, half_pi, negated);
    let low = c.fadd(low, tail);
    let nan = c.float(x, f64::NAN);
    let size = c.fabs(x);
    let infinity = c.float(x, f64::INFINITY);
    let finite = c.flt(size, infinity);
    let r = c.select(finite, r, nan);
    let quadrant = c.float_to_int(n);
    Reduced { r, low: Some(low), quadrant }
}

// The digits of 2/π, 24 to an entry, as f32 in [0, 1); the first entry is the integer part.
pub(super) static TWO_OVER_PI_F32: [u64; 14] = [
    0x00000000, 0x00000000, 0x3f22f983, 0x3edc9c88, 0x3da94fe0, 0x3e1d5f44, 0x3f7534dd, 0x3f40db62,
    0x3f15993c, 0x3e872082, 0x3f7e5163, 0x3f2bdebb, 0x3f4561b7, 0x3e11b8e8,
];
// The same for f64, 53 to an entry.
pub(super) static TWO_OVER_PI_F64: [u64; 28] = [
    0x0000000000000000,
    0x0000000000000000,
    0x3fe45f306dc9c882,
    0x3fe4a7f09d5f47d4,
    0x3fea6ee06db14acc,
    0x3fe3c439041fe516,
    0x3fcd5ef5de2b0db8,
    0x3fd2371d2126e970,
    0x3f7924bba8274600,
    0x3fe21cfe1deb1cb1,
    0x3fc4d39f74411af8,
    0x3fe4baed1213a671,
    0x3fe8135a2fbf209c,
    0x3fe91d639835339f,
    0x3fd272117e2ef7e4,
    0x3fd41d8ffc4bffee,
    0x3fe02cc07f79788c,
    0x3fd6b414da3eda6c,
    0x3fdfb3c9f2c26dd2,
    0x3fed18fd9a797fa8,
    0x3fe6ba93dd63f5f2,
    0x3fef17b3d0739f78,
    0x3fe4a525d4d7f6bf,
    0x3fd88fc6ae842b00,
    0x3fe98237e3db5d5f,
    0x3fe0cfbc209af436,
    0x3fbda9e391615ee0,
    0x3fe86c219666157c,
];
