//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) and uniform floats.

use super::Core;

/// The low and high halves of the product of two unsigned 32-bit integers, `b` constant.
///
/// [`Core`] multiplies without the high half, so it is put together from 16-bit digits.
fn multiply_wide<C: Core>(c: &mut C, a: C::V, b: u32) -> (C::V, C::V) {
    let digit = c.int(a, 0xffff);
    let b_low = c.int(a, i64::from(b & 0xffff));
    let b_high = c.int(a, i64::from(b >> 16));
    let a_low = c.iand(a, digit);
    let a_high = c.ushr(a, 16);
    let low_low = c.imul(a_low, b_low);
    let low_high = c.imul(a_low, b_high);
    let high_low = c.imul(a_high, b_low);
    let high_high = c.imul(a_high, b_high);
    // None of these sums of a product of digits and two digits exceeds 32 bits.
    let carry = c.ushr(low_low, 16);
    let middle = c.iadd(high_low, carry);
    let middle_low = c.iand(middle, digit);
    let cross = c.iadd(low_high, middle_low);
    let middle_high = c.ushr(middle, 16);
    let cross_high = c.ushr(cross, 16);
    let high = c.iadd(high_high, middle_high);
    let high = c.iadd(high, cross_high);
    let whole = c.int(a, i64::from(b as i32));
    let low = c.imul(a, whole);
    (low, high)
}

/// Four random 32-bit integers for a counter and a key, all of them 32-bit integers.
pub fn philox4x32<C: Core>(c: &mut C, counter: [C::V; 4], key: [C::V; 2]) -> [C::V; 4] {
    let [mut x0, mut x1, mut x2, mut x3] = counter;
    let [mut k0, mut k1] = key;
    for round in 0..10 {
        if round > 0 {
            let step = c.int(k0, i64::from(0x9e37_79b9_u32 as i32));
            k0 = c.iadd(k0, step);
            let step = c.int(k1, i64::from(0xbb67_ae85_u32 as i32));
            k1 = c.iadd(k1, step);
        }
        let (low0, high0) = multiply_wide(c, x0, 0xd251_1f53);
        let (low1, high1) = multiply_wide(c, x2, 0xcd9e_8d57);
        let mixed0 = c.ixor(high1, x1);
        let mixed1 = c.ixor(high0, x3);
        x0 = c.ixor(mixed0, k0);
        x1 = low1;
        x2 = c.ixor(mixed1, k1);
        x3 = low0;
    }
    [x0, x1, x2, x3]
}

/// An f32 from 0 to below 1 out of the high 24 of 32 random bits.
pub fn uniform_f32<C: Core>(c: &mut C, bits: C::V) -> C::V {
    let bits = c.ushr(bits, 8);
    let value = c.int_to_float(bits);
    let unit = c.float(value, 1.0 / 16_777_216.0);
    c.fmul(value, unit)
}

/// An f64 from 0 to below 1 out of the high 53 of 64 random bits.
pub fn uniform_f64<C: Core>(c: &mut C, bits: C::V) -> C::V {
    let bits = c.ushr(bits, 11);
    let value = c.int_to_float(bits);
    let unit = c.float(value, 1.0 / 9_007_199_254_740_992.0);
    c.fmul(value, unit)
}
