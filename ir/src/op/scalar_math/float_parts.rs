//! Functions that look at a float as mantissa and exponent: `hypot`, `nextafter`, `frexp`, `ldexp`.

use super::{Core, by_width, int_by_width, mantissa_bits, sign_bits};

/// `√(x² + y²)` without overflow or underflow on the way.
#[inline(always)]
pub fn hypot<C: Core>(c: &mut C, x: C::V, y: C::V) -> C::V {
    let (x, y) = (c.fabs(x), c.fabs(y));
    let swap = c.flt(x, y);
    let greater = c.select(swap, y, x);
    let lesser = c.select(swap, x, y);
    let one = c.float(x, 1.0);
    let high = by_width(c, x, 2f64.powi(60), 2f64.powi(500));
    let low = by_width(c, x, 2f64.powi(-50), 2f64.powi(-450));
    let is_high = c.flt(high, greater);
    let is_low = c.flt(greater, low);
    let down = by_width(c, x, 2f64.powi(-90), 2f64.powi(-600));
    let up = by_width(c, x, 2f64.powi(90), 2f64.powi(600));
    let scale = c.select(is_low, up, one);
    let scale = c.select(is_high, down, scale);
    let back = c.select(is_low, down, one);
    let back = c.select(is_high, up, back);
    let greater = c.fmul(greater, scale);
    let lesser = c.fmul(lesser, scale);
    let square = c.fmul(lesser, lesser);
    let sum = c.fma(greater, greater, square);
    let root = c.fsqrt(sum);
    let root = c.fmul(root, back);
    // An infinite side is longer than any NaN.
    let infinity = c.float(x, f64::INFINITY);
    let x_infinite = c.feq(x, infinity);
    let y_infinite = c.feq(y, infinity);
    let infinite = c.mor(x_infinite, y_infinite);
    c.select(infinite, infinity, root)
}

/// The next float after `x` in the direction of `y`.
pub fn nextafter<C: Core>(c: &mut C, x: C::V, y: C::V) -> C::V {
    let bits = c.to_bits(x);
    let zero = c.float(x, 0.0);
    let (one, minus_one) = (c.int(bits, 1), c.int(bits, -1));
    let rises = c.flt(x, y);
    let positive = c.flt(zero, x);
    // Away from zero the bits count up, whatever the sign.
    let if_positive = c.select(rises, one, minus_one);
    let if_negative = c.select(rises, minus_one, one);
    let step = c.select(positive, if_positive, if_negative);
    let next = c.iadd(bits, step);
    let next = c.from_bits(next);
    let sign = sign_bits(c, y);
    let least = c.ior(sign, one);
    let least = c.from_bits(least);
    let from_zero = c.feq(x, zero);
    let next = c.select(from_zero, least, next);
    let same = c.feq(x, y);
    let next = c.select(same, y, next);
    let (x_nan, y_nan) = (c.fne(x, x), c.fne(y, y));
    let nan = c.mor(x_nan, y_nan);
    let sum = c.fadd(x, y);
    c.select(nan, sum, next)
}

/// A copy of `x` that is normal if `x` is finite and not zero, and by what exponent it was raised.
#[inline(always)]
fn normalised<C: Core>(c: &mut C, x: C::V) -> (C::V, C::V) {
    let size = c.fabs(x);
    let least = by_width(c, x, f32::MIN_POSITIVE.into(), f64::MIN_POSITIVE);
    let denormal = c.flt(size, least);
    let factor = by_width(c, x, 2f64.powi(24), 2f64.powi(54));
    let raised = c.fmul(x, factor);
    let bits = c.to_bits(x);
    let by = int_by_width(c, bits, 24, 54);
    let nothing = c.int(bits, 0);
    (c.select(denormal, raised, x), c.select(denormal, by, nothing))
}

/// Whether `x` is zero, infinite or NaN.
#[inline(always)]
fn has_no_exponent<C: Core>(c: &mut C, x: C::V) -> C::M {
    let size = c.fabs(x);
    let zero = c.float(x, 0.0);
    let infinity = c.float(x, f64::INFINITY);
    let above = c.flt(zero, size);
    let below = c.flt(size, infinity);
    let ordinary = c.mand(above, below);
    c.mnot(ordinary)
}

/// The `m` of `x = m·2^e` with `½ <= |m| < 1`; zero, infinities and NaN are their own mantissa.
pub fn frexp_mantissa<C: Core>(c: &mut C, x: C::V) -> C::V {
    let (normal, _) = normalised(c, x);
    let bits = c.to_bits(normal);
    let kept = int_by_width(c, bits, 0x807f_ffff, 0x800f_ffff_ffff_ffff_u64 as i64);
    let kept = c.iand(bits, kept);
    let half = int_by_width(c, bits, 0x3f00_0000, 0x3fe0_0000_0000_0000);
    let m = c.ior(kept, half);
    let m = c.from_bits(m);
    let special = has_no_exponent(c, x);
    c.select(special, x, m)
}

/// The `e` of [`frexp_mantissa`], an integer of the width of `x`; 0 for zero, infinities and NaN.
pub fn frexp_exponent<C: Core>(c: &mut C, x: C::V) -> C::V {
    let (normal, raised) = normalised(c, x);
    let bits = c.to_bits(normal);
    let width = mantissa_bits(c, x);
    let exponent = c.ushr(bits, width);
    let mask = int_by_width(c, bits, 0xff, 0x7ff);
    let exponent = c.iand(exponent, mask);
    let bias = int_by_width(c, bits, 126, 1022);
    let exponent = c.isub(exponent, bias);
    let exponent = c.isub(exponent, raised);
    let special = has_no_exponent(c, x);
    let zero = c.int(bits, 0);
    c.select(special, zero, exponent)
}

/// `x·2^n`, rounded once, for an integer `n` of the width of `x`.
pub fn ldexp<C: Core>(c: &mut C, x: C::V, n: C::V) -> C::V {
    // Two steps bring the exponent into the range of one power. The step down stays a mantissa above
    // the least normal power, so that what it rounds is below half of the least denormal in the end.
    let highest = int_by_width(c, n, 127, 1023);
    let lowest = int_by_width(c, n, -126, -1022);
    let step_down = int_by_width(c, n, -126 + 24, -1022 + 53);
    let (far_up, far_down) = (int_by_width(c, n, 300, 2200), int_by_width(c, n, -300, -2200));
    let zero = c.int(n, 0);
    let n = bounded(c, n, far_down, far_up);
    let (mut x, mut n) = (x, n);
    for _ in 0..2 {
        let above = c.ilt(highest, n);
        let below = c.ilt(n, lowest);
        let step = c.select(above, highest, zero);
        let step = c.select(below, step_down, step);
        let power = power_of(c, step);
        x = c.fmul(x, power);
        n = c.isub(n, step);
    }
    let n = bounded(c, n, lowest, highest);
    let power = power_of(c, n);
    c.fmul(x, power)
}

/// The integer `n`, no less than `low` and no more than `high`.
fn bounded<C: Core>(c: &mut C, n: C::V, low: C::V, high: C::V) -> C::V {
    let above = c.ilt(high, n);
    let n = c.select(above, high, n);
    let below = c.ilt(n, low);
    c.select(below, low, n)
}

/// `2^n` for an integer `n` that is the exponent of a normal float.
fn power_of<C: Core>(c: &mut C, n: C::V) -> C::V {
    let bias = int_by_width(c, n, 127, 1023);
    let width = mantissa_bits(c, n);
    let exponent = c.iadd(n, bias);
    let bits = c.ishl(exponent, width);
    c.from_bits(bits)
}
