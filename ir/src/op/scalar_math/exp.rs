//! `exp`, `exp2`, `expm1` and the logistic function.
//!
//! `x = n·ln 2 + r` with `|r| <= ln 2 / 2`; `e^r` is a polynomial and `2^n` is put together from bits.
//! `n` is found by adding a large constant, which leaves it in the low bits of the sum, so that no
//! conversion between floats and integers is needed.

use super::{Core, at_least, at_most, by_width, mantissa_bits, one_bits, one_plus, poly_by_width, sign_mask};
use std::f64::consts::{LN_2, LOG2_E};

/// `1.5·2^23` and `1.5·2^52`: added to a small number, they leave its nearest integer in the low bits.
pub(super) const SHIFTER_F32: f64 = 12_582_912.0;
pub(super) const SHIFTER_F64: f64 = 6_755_399_441_055_744.0;

/// ln 2 as the nearest f32 and what is missing.
pub(super) const LN2_F32: [f64; 2] = [LN_2 as f32 as f64, -1.904_654_212_125_933_6e-9];
/// ln 2 as the nearest f64 and what is missing.
pub(super) const LN2_F64: [f64; 2] = [LN_2, 2.319_046_813_846_299_6e-17];

/// `n` as a float, and the shifted sum whose low bits hold it.
pub(super) struct Exponent<V> {
    pub n: V,
    pub shifted: V,
}

/// The integer nearest to `x·scale`, which must stay within the exponent range times a small factor.
#[inline(always)]
pub(super) fn nearest_exponent<C: Core>(c: &mut C, x: C::V, scale: f64) -> Exponent<C::V> {
    let scale = c.float(x, scale);
    let shifter = by_width(c, x, SHIFTER_F32, SHIFTER_F64);
    let sum = c.fma(x, scale, shifter);
    let n = c.fsub(sum, shifter);
    let shifted = c.to_bits(sum);
    Exponent { n, shifted }
}

/// `x - n·ln 2`, correctly rounded but for the last place.
#[inline(always)]
pub(super) fn subtract_ln2<C: Core>(c: &mut C, x: C::V, n: C::V) -> C::V {
    let high = by_width(c, x, -LN2_F32[0], -LN2_F64[0]);
    let low = by_width(c, x, -LN2_F32[1], -LN2_F64[1]);
    let r = c.fma(n, high, x);
    c.fma(n, low, r)
}

/// `e^r - 1` for `|r| <= ln 2 / 2`.
#[inline(always)]
pub(super) fn expm1_reduced<C: Core>(c: &mut C, r: C::V) -> C::V {
    let square = c.fmul(r, r);
    let p = poly_by_width(c, r, &EXP_F32, &EXP_F64);
    c.fma(square, p, r)
}

/// `2^n` for an `n` whose power is a normal number.
#[inline(always)]
pub(super) fn power_of_two<C: Core>(c: &mut C, shifted: C::V) -> C::V {
    let bits = mantissa_bits(c, shifted);
    let exponent = c.ishl(shifted, bits);
    let one = one_bits(c, shifted);
    let bits = c.iadd(exponent, one);
    c.from_bits(bits)
}

/// `x·2^n`, rounded once even where the result overflows or is denormal.
///
/// The power is applied in two halves, the first of which is exact for `x` near 1.
#[inline(always)]
pub(super) fn scale<C: Core>(c: &mut C, x: C::V, shifted: C::V) -> C::V {
    let first = c.ushr(shifted, 1);
    let second = c.isub(shifted, first);
    let first = power_of_two(c, first);
    let second = power_of_two(c, second);
    let x = c.fmul(x, first);
    c.fmul(x, second)
}

/// `e^x` for `x` from [`exp_floor`] to [`exp`]'s ceiling.
#[inline(always)]
fn exp_bounded<C: Core>(c: &mut C, x: C::V) -> C::V {
    let Exponent { n, shifted } = nearest_exponent(c, x, LOG2_E);
    let r = subtract_ln2(c, x, n);
    let p = expm1_reduced(c, r);
    let p = one_plus(c, p);
    c.times_power_of_two(p, n, shifted)
}

/// `e^x·(high + low)` for `x` within the bounds of [`exp_bounded`] and a `low` that is small beside `high`.
#[inline(always)]
pub(super) fn exp_times<C: Core>(c: &mut C, x: C::V, high: C::V, low: C::V) -> C::V {
    let Exponent { n, shifted } = nearest_exponent(c, x, LOG2_E);
    // What the reduction rounds away is put back, as a change of the factor.
    let ln2_high = by_width(c, x, -LN2_F32[0], -LN2_F64[0]);
    let ln2_low = by_width(c, x, -LN2_F32[1], -LN2_F64[1]);
    let exact = c.fma(n, ln2_high, x);
    let r = c.fma(n, ln2_low, exact);
    let lost = c.fsub(exact, r);
    let lost = c.fma(n, ln2_low, lost);
    let low = c.fma(high, lost, low);
    let p = expm1_reduced(c, r);
    let rest = c.fma(p, low, low);
    let rest = c.fma(p, high, rest);
    let product = c.fadd(high, rest);
    c.times_power_of_two(product, n, shifted)
}

/// Below this, `e^x` rounds to zero.
#[inline(always)]
fn exp_floor<C: Core>(c: &mut C, x: C::V) -> C::V {
    let floor = by_width(c, x, -104.0, -746.0);
    at_least(c, x, floor)
}

#[inline(always)]
pub fn exp<C: Core>(c: &mut C, x: C::V) -> C::V {
    let ceiling = by_width(c, x, 89.0, 710.0);
    let x = at_most(c, x, ceiling);
    let x = exp_floor(c, x);
    exp_bounded(c, x)
}

/// `2^(high + low)` for a small correction `low`; `high` within ±150 or ±1100.
#[inline(always)]
pub(super) fn exp2_parts<C: Core>(c: &mut C, high: C::V, low: Option<C::V>) -> C::V {
    let Exponent { n, shifted } = nearest_exponent(c, high, 1.0);
    let mut r = c.fsub(high, n);
    if let Some(low) = low {
        r = c.fadd(r, low);
    }
    let p = poly_by_width(c, r, &EXP2_F32, &EXP2_F64);
    let one = c.float(r, 1.0);
    let p = c.fma(r, p, one);
    c.times_power_of_two(p, n, shifted)
}

#[inline(always)]
pub fn exp2<C: Core>(c: &mut C, x: C::V) -> C::V {
    let ceiling = by_width(c, x, 129.0, 1025.0);
    let floor = by_width(c, x, -151.0, -1077.0);
    let x = at_most(c, x, ceiling);
    let x = at_least(c, x, floor);
    exp2_parts(c, x, None)
}

#[inline(always)]
pub fn expm1<C: Core>(c: &mut C, x: C::V) -> C::V {
    let ceiling = by_width(c, x, 89.0, 710.0);
    let floor = by_width(c, x, -20.0, -40.0);
    let bounded = at_most(c, x, ceiling);
    let bounded = at_least(c, bounded, floor);
    let Exponent { n, shifted } = nearest_exponent(c, bounded, LOG2_E);
    let r = subtract_ln2(c, bounded, n);
    let p = expm1_reduced(c, r);
    // Half of the result first: 2^n itself overflows where the result does not.
    let one = c.int(shifted, 1);
    let shifted = c.isub(shifted, one);
    let power = power_of_two(c, shifted);
    let half = c.float(x, 0.5);
    let rest = c.fsub(power, half);
    let y = c.fma(p, power, rest);
    let y = c.fadd(y, y);
    // Keeps denormals and the sign of zero.
    let size = c.fabs(x);
    let tiny = by_width(c, x, TINY_F32, TINY_F64);
    let is_tiny = c.flt(size, tiny);
    c.select(is_tiny, x, y)
}

/// Below these, `x ± x²/2` rounds to `x`.
pub(super) const TINY_F32: f64 = 2.980_232_238_769_531_3e-8;
pub(super) const TINY_F64: f64 = 5.551_115_123_125_783e-17;

/// `1 / (1 + e^-x)`, precise for large negative `x` too, down to denormal results.
#[inline(always)]
pub fn sigmoid<C: Core>(c: &mut C, x: C::V) -> C::V {
    let bits = c.to_bits(x);
    let sign = sign_mask(c, bits);
    let bits = c.ior(bits, sign);
    let negative = c.from_bits(bits);
    let negative = exp_floor(c, negative);
    let e = exp_bounded(c, negative);
    let zero = c.float(x, 0.0);
    let one = c.float(x, 1.0);
    let below = c.flt(x, zero);
    let numerator = c.select(below, e, one);
    let denominator = c.fadd(one, e);
    let quotient = c.fdiv(numerator, denominator);
    // For negative x, e / (1 + e) = e - e·quotient, where the roundings of the quotient weigh less.
    let negated = c.fneg(quotient);
    let precise = c.fma(e, negated, e);
    c.select(below, precise, quotient)
}

// (e^r - 1 - r) / r²
const EXP_F32: [f64; 6] = [0.5, 0.16666666, 0.041666493, 0.008333547, 0.0013932324, 0.00019760674];
const EXP_F64: [f64; 10] = [
    0.5000000000000006,
    0.16666666666666677,
    0.041666666666580546,
    0.008333333333366057,
    0.0013888888929969893,
    0.00019841269729483588,
    2.4801507099627614e-05,
    2.7557419616876533e-06,
    2.7625386621853534e-07,
    2.5045810797153877e-08,
];

// (2^r - 1) / r
const EXP2_F32: [f64; 6] = [LN_2, 0.2402265, 0.055503596, 0.0096180625, 0.0013390987, 0.00015462864];
const EXP2_F64: [f64; 11] = [
    LN_2,
    0.2402265069591012,
    0.055504108664822596,
    0.00961812910759763,
    0.0013333558146259145,
    0.00015403530453586214,
    1.5252733945768955e-05,
    1.3215436750280466e-06,
    1.017802236578919e-07,
    7.073565821213498e-09,
    4.460224890788249e-10,
];
