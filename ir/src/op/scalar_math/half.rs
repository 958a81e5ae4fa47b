//! Conversions between f32 and the 16-bit floats, whose bits lie in the low half of a 32-bit integer.

use super::Core;

/// The f32 value of f16 bits; exact. NaN becomes quiet and keeps the rest of its bits, as processors have it.
#[inline(always)]
pub fn f16_to_f32<C: Core>(c: &mut C, bits: C::V) -> C::V {
    let (magnitude_mask, sign_mask) = (c.int(bits, 0x7fff), c.int(bits, 0x8000));
    let magnitude = c.iand(bits, magnitude_mask);
    let sign = c.iand(bits, sign_mask);
    let sign = c.ishl(sign, 16);
    // The exponent is rebased by a multiplication, which also normalises denormals and makes NaN quiet.
    let placed = c.ishl(magnitude, 13);
    let (last_finite, infinity) = (c.int(bits, 0x7bff), c.int(bits, 0x7f80_0000));
    let special = c.ilt(last_finite, magnitude);
    let saturated = c.ior(placed, infinity);
    let placed = c.select(special, saturated, placed);
    let placed = c.from_bits(placed);
    let rebase = c.float(placed, 2f64.powi(112));
    let value = c.fmul(placed, rebase);
    let value = c.to_bits(value);
    let value = c.ior(value, sign);
    c.from_bits(value)
}

/// The nearest f16 of an f32 value, ties to even. NaN becomes quiet and keeps the highest of its other bits.
#[inline(always)]
pub fn f32_to_f16<C: Core>(c: &mut C, x: C::V) -> C::V {
    let bits = c.to_bits(x);
    let magnitude_mask = c.int(bits, 0x7fff_ffff);
    let magnitude = c.iand(bits, magnitude_mask);
    let sign = c.ixor(bits, magnitude);
    let sign = c.ushr(sign, 16);
    // Normal results: round in place, then rebase the exponent.
    let rounded = round_bits(c, magnitude, 13);
    let rebase = c.int(bits, 112 << 10);
    let normal = c.isub(rounded, rebase);
    let infinity = c.int(bits, 0x7c00);
    let overflows = c.ilt(infinity, normal);
    let normal = c.select(overflows, infinity, normal);
    // Denormal results: 0.5 has their unit in its last place, so the addition rounds to it.
    let half = c.float(x, 0.5);
    let value = c.from_bits(magnitude);
    let shifted = c.fadd(value, half);
    let (shifted, half_bits) = (c.to_bits(shifted), c.to_bits(half));
    let denormal = c.isub(shifted, half_bits);
    let least_normal = c.int(bits, 0x3880_0000);
    let small = c.ilt(magnitude, least_normal);
    let value = c.select(small, denormal, normal);
    let (infinite, quiet, payload) = (c.int(bits, 0x7f80_0000), c.int(bits, 0x7e00), c.int(bits, 0x3ff));
    let is_nan = c.ilt(infinite, magnitude);
    let highest = c.ushr(magnitude, 13);
    let highest = c.iand(highest, payload);
    let nan = c.ior(highest, quiet);
    let value = c.select(is_nan, nan, value);
    c.ior(value, sign)
}

/// The f32 value of bf16 bits; exact.
#[inline(always)]
pub fn bf16_to_f32<C: Core>(c: &mut C, bits: C::V) -> C::V {
    let placed = c.ishl(bits, 16);
    c.from_bits(placed)
}

/// The nearest bf16 of an f32 value, ties to even; NaN becomes the quiet NaN.
#[inline(always)]
pub fn f32_to_bf16<C: Core>(c: &mut C, x: C::V) -> C::V {
    let bits = c.to_bits(x);
    let rounded = round_bits(c, bits, 16);
    let nan = c.int(bits, 0x7fc0);
    let is_nan = c.fne(x, x);
    c.select(is_nan, nan, rounded)
}

/// `bits >> by`, rounded to nearest, ties to even.
#[inline(always)]
fn round_bits<C: Core>(c: &mut C, bits: C::V, by: u32) -> C::V {
    let one = c.int(bits, 1);
    let below_half = c.int(bits, (1 << (by - 1)) - 1);
    let lowest_kept = c.ushr(bits, by);
    let lowest_kept = c.iand(lowest_kept, one);
    let sum = c.iadd(bits, below_half);
    let sum = c.iadd(sum, lowest_kept);
    c.ushr(sum, by)
}
