//! `log` in its four forms.
//!
//! `x = m·2^e` with `m` in `[√½, √2)`. f32 takes a polynomial in `f = m - 1`; f64 the series of
//! `2·atanh(f / (2 + f))`, arranged as in FreeBSD's msun so that only the correction to `f` is rounded
//! twice.

use super::exp::{LN2_F32, LN2_F64, TINY_F32, TINY_F64};
use super::{Core, by_width, int_by_width, mantissa_bits, poly};
use std::f64::consts::{LOG2_E, LOG10_2, LOG10_E};

/// `x = (1 + f)·2^e`.
pub(super) struct Split<V> {
    pub f: V,
    pub e: V,
    /// The exponent as an integer with the bias of the format.
    biased: V,
}

/// Splits a positive normal number. `shift` is subtracted from the exponent.
#[inline(always)]
fn split_normal<C: Core>(c: &mut C, x: C::V, shift: Option<C::V>) -> Split<C::V> {
    let width = mantissa_bits(c, x);
    let bits = c.to_bits(x);
    let to_sqrt_half = int_by_width(c, bits, 0x3f80_0000 - SQRT_HALF_F32, ONE_F64 - SQRT_HALF_F64);
    let moved = c.iadd(bits, to_sqrt_half);
    let biased = c.ushr(moved, width);
    let mask = int_by_width(c, bits, 0x007f_ffff, 0x000f_ffff_ffff_ffff);
    let fraction = c.iand(moved, mask);
    let sqrt_half = int_by_width(c, bits, SQRT_HALF_F32, SQRT_HALF_F64);
    let m = c.iadd(fraction, sqrt_half);
    let m = c.from_bits(m);
    let one = c.float(x, 1.0);
    let f = c.fsub(m, one);
    // The biased exponent becomes a float by standing in the low bits of 2^23 or 2^52.
    let frame = int_by_width(c, bits, 0x4b00_0000, 0x4330_0000_0000_0000);
    let framed = c.ior(biased, frame);
    let framed = c.from_bits(framed);
    let offset = match shift {
        Some(shift) => shift,
        None => by_width(c, x, FRAME_F32, FRAME_F64),
    };
    let e = c.fsub(framed, offset);
    Split { f, e, biased }
}

/// Splits a positive number, denormal or not.
#[inline(always)]
pub(super) fn split<C: Core>(c: &mut C, x: C::V) -> Split<C::V> {
    let least = by_width(c, x, f32::MIN_POSITIVE.into(), f64::MIN_POSITIVE);
    let denormal = c.flt(x, least);
    let up = by_width(c, x, 16_777_216.0, 18_014_398_509_481_984.0);
    let scaled = c.fmul(x, up);
    let normal = c.select(denormal, scaled, x);
    let plain = by_width(c, x, FRAME_F32, FRAME_F64);
    let shifted = by_width(c, x, FRAME_F32 + 24.0, FRAME_F64 + 54.0);
    let offset = c.select(denormal, shifted, plain);
    split_normal(c, normal, Some(offset))
}

/// `log(1 + f) - f` for `f` in `[√½ - 1, √2 - 1)`.
#[inline(always)]
pub(super) fn log_correction<C: Core>(c: &mut C, f: C::V) -> C::V {
    let square = c.fmul(f, f);
    let half = c.float(f, 0.5);
    if !c.is_double(f) {
        let p = poly(c, f, &LOG_F32);
        let minus_half = c.float(f, -0.5);
        let p = c.fma(f, p, minus_half);
        return c.fmul(square, p);
    }
    let two = c.float(f, 2.0);
    let denominator = c.fadd(f, two);
    let s = c.fdiv(f, denominator);
    let z = c.fmul(s, s);
    let p = poly(c, z, &LOG_F64);
    let half_square = c.fmul(half, square);
    let sum = c.fma(z, p, half_square);
    let product = c.fmul(s, sum);
    c.fsub(product, half_square)
}

/// `e·ln 2 + log(1 + f)`.
#[inline(always)]
fn assemble<C: Core>(c: &mut C, f: C::V, e: C::V) -> C::V {
    let y = log_correction(c, f);
    let low = by_width(c, f, LN2_F32[1], LN2_F64[1]);
    let high = by_width(c, f, LN2_F32[0], LN2_F64[0]);
    let y = c.fma(e, low, y);
    let y = c.fadd(f, y);
    c.fma(e, high, y)
}

/// `y` where `positive` is a positive number; elsewhere -inf for zero, NaN for less. `x` where that is
/// +inf or NaN.
#[inline(always)]
fn domain<C: Core>(c: &mut C, x: C::V, positive: C::V, y: C::V) -> C::V {
    let infinity = c.float(x, f64::INFINITY);
    let zero = c.float(x, 0.0);
    let minus_infinity = c.float(x, f64::NEG_INFINITY);
    let nan = c.float(x, f64::NAN);
    let finite = c.flt(x, infinity);
    let y = c.select(finite, y, x);
    let is_zero = c.feq(positive, zero);
    let outside = c.select(is_zero, minus_infinity, nan);
    let inside = c.flt(zero, positive);
    c.select(inside, y, outside)
}

#[inline(always)]
pub fn log<C: Core>(c: &mut C, x: C::V) -> C::V {
    let Split { f, e, .. } = split(c, x);
    let y = assemble(c, f, e);
    domain(c, x, x, y)
}

/// `log(1 + f)·k` for a constant with high and low parts, plus `low`.
#[inline(always)]
fn scaled<C: Core>(c: &mut C, f: C::V, high: C::V, low: C::V, rest: Option<C::V>) -> C::V {
    let y = log_correction(c, f);
    let t = c.fmul(y, high);
    let t = c.fma(f, low, t);
    let t = match rest {
        Some(rest) => c.fadd(t, rest),
        None => t,
    };
    c.fma(f, high, t)
}

#[inline(always)]
pub fn log2<C: Core>(c: &mut C, x: C::V) -> C::V {
    let Split { f, e, .. } = split(c, x);
    let high = by_width(c, x, LOG2_E_F32[0], LOG2_E_F64[0]);
    let low = by_width(c, x, LOG2_E_F32[1], LOG2_E_F64[1]);
    let y = scaled(c, f, high, low, None);
    let y = c.fadd(e, y);
    domain(c, x, x, y)
}

#[inline(always)]
pub fn log10<C: Core>(c: &mut C, x: C::V) -> C::V {
    let Split { f, e, .. } = split(c, x);
    let high = by_width(c, x, LOG10_E_F32[0], LOG10_E_F64[0]);
    let low = by_width(c, x, LOG10_E_F32[1], LOG10_E_F64[1]);
    let two_high = by_width(c, x, LOG10_2_F32[0], LOG10_2_F64[0]);
    let two_low = by_width(c, x, LOG10_2_F32[1], LOG10_2_F64[1]);
    let rest = c.fmul(e, two_low);
    let y = scaled(c, f, high, low, Some(rest));
    let y = c.fma(e, two_high, y);
    domain(c, x, x, y)
}

/// `log(1 + x)`, with no loss where `x` is small.
#[inline(always)]
pub fn log1p<C: Core>(c: &mut C, x: C::V) -> C::V {
    let one = c.float(x, 1.0);
    let sum = c.fadd(one, x);
    let Split { e, biased, .. } = split_normal(c, sum, None);
    // f = (1 + x)·2^-e - 1 without the rounding of the sum. Four times the power is always normal.
    let width = mantissa_bits(c, x);
    let exponent = int_by_width(c, biased, 2 * 127 + 2, 2 * 1023 + 2);
    let exponent = c.isub(exponent, biased);
    let exponent = c.ishl(exponent, width);
    let power_by_four = c.from_bits(exponent);
    let quarter = c.float(x, 0.25);
    let power = c.fmul(power_by_four, quarter);
    let quarter_x = c.fmul(x, quarter);
    let rest = c.fsub(power, one);
    let f = c.fma(quarter_x, power_by_four, rest);
    let y = assemble(c, f, e);
    // Keeps denormals and the sign of zero.
    let size = c.fabs(x);
    let tiny = by_width(c, x, TINY_F32, TINY_F64);
    let is_tiny = c.flt(size, tiny);
    let y = c.select(is_tiny, x, y);
    domain(c, x, sum, y)
}

const SQRT_HALF_F32: i64 = 0x3f35_04f3;
const SQRT_HALF_F64: i64 = 0x3fe6_a09e_667f_3bcd;
const ONE_F64: i64 = 0x3ff0_0000_0000_0000;
/// What the frame of [`split_normal`] and the bias add to an exponent.
const FRAME_F32: f64 = 8_388_608.0 + 127.0;
const FRAME_F64: f64 = 4_503_599_627_370_496.0 + 1023.0;

const LOG2_E_F32: [f64; 2] = [LOG2_E as f32 as f64, 1.925963033500011e-08];
const LOG2_E_F64: [f64; 2] = [LOG2_E, 2.0355273740931033e-17];
const LOG10_E_F32: [f64; 2] = [LOG10_E as f32 as f64, -1.0103049952192578e-08];
const LOG10_E_F64: [f64; 2] = [LOG10_E, 1.098319650216765e-17];
const LOG10_2_F32: [f64; 2] = [LOG10_2 as f32 as f64, -1.432098883924482e-08];
const LOG10_2_F64: [f64; 2] = [LOG10_2, -2.8037281277851704e-18];

// (log(1 + f) - f + f²/2) / f³
const LOG_F32: [f64; 8] =
    [0.3333333, -0.2500082, 0.20001242, -0.16623406, 0.14201576, -0.13159654, 0.12762295, -0.076364085];
// (2·atanh(s) - 2·s) / s³ in s²
const LOG_F64: [f64; 7] = [
    0.6666666666666735,
    0.3999999999940932,
    0.2857142874369778,
    0.2222219842753717,
    0.1818357244243057,
    0.153138296208185,
    0.14798287234290416,
];
