//! `asin`, `acos`, `atan` and `atan2`.

use super::{Core, by_width, poly_by_width, sign_bits, with_sign_of, xor_sign};

/// π/2 as the nearest float and what is missing.
#[inline(always)]
fn half_pi<C: Core>(c: &mut C, like: C::V) -> (C::V, C::V) {
    use super::trig::{HALF_PI_F32, HALF_PI_F64};
    (by_width(c, like, HALF_PI_F32[0], HALF_PI_F64[0]), by_width(c, like, HALF_PI_F32[1], HALF_PI_F64[1]))
}

/// `high - (x - low)`: a constant in two parts less `x`.
#[inline(always)]
fn subtract_from<C: Core>(c: &mut C, (high, low): (C::V, C::V), x: C::V) -> C::V {
    let x = c.fsub(x, low);
    c.fsub(high, x)
}

/// Twice a constant in two parts.
#[inline(always)]
fn twice<C: Core>(c: &mut C, (high, low): (C::V, C::V)) -> (C::V, C::V) {
    (c.fadd(high, high), c.fadd(low, low))
}

/// The arc tangent of `t` from 0 to 1.
#[inline(always)]
fn atan_of_unit<C: Core>(c: &mut C, t: C::V) -> C::V {
    let z = c.fmul(t, t);
    let p = poly_by_width(c, z, &ATAN_F32, &ATAN_F64);
    let cube = c.fmul(z, t);
    c.fma(cube, p, t)
}

#[inline(always)]
pub fn atan<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let one = c.float(x, 1.0);
    let above = c.flt(one, a);
    let reciprocal = c.fdiv(one, a);
    let t = c.select(above, reciprocal, a);
    let p = atan_of_unit(c, t);
    let half_pi = half_pi(c, x);
    let complement = subtract_from(c, half_pi, p);
    let y = c.select(above, complement, p);
    with_sign_of(c, y, x)
}

/// The angle of the point `(x, y)`.
#[inline(always)]
pub fn atan2<C: Core>(c: &mut C, y: C::V, x: C::V) -> C::V {
    let (size_y, size_x) = (c.fabs(y), c.fabs(x));
    let steep = c.flt(size_x, size_y);
    let lesser = c.select(steep, size_x, size_y);
    let greater = c.select(steep, size_y, size_x);
    let t = c.fdiv(lesser, greater);
    let one = c.float(x, 1.0);
    let zero = c.float(x, 0.0);
    // Two infinities, and two zeros.
    let equal = c.feq(lesser, greater);
    let t = c.select(equal, one, t);
    let origin = c.feq(greater, zero);
    let t = c.select(origin, lesser, t);
    let p = atan_of_unit(c, t);

    // 0 + p, π/2 - p, π/2 + p or π - p.
    let half_turn = half_pi(c, x);
    let turn = twice(c, half_turn);
    let x_bits = c.to_bits(x);
    let int_zero = c.int(x_bits, 0);
    let x_negative = c.ilt(x_bits, int_zero);
    let flat_high = c.select(x_negative, turn.0, zero);
    let flat_low = c.select(x_negative, turn.1, zero);
    let high = c.select(steep, half_turn.0, flat_high);
    let low = c.select(steep, half_turn.1, flat_low);
    let sign = sign_bits(c, x);
    let opposite = super::sign_mask(c, sign);
    let opposite = c.ixor(sign, opposite);
    let sign = c.select(steep, opposite, sign);
    let p = xor_sign(c, p, sign);
    let p = c.fadd(p, low);
    let angle = c.fadd(high, p);
    with_sign_of(c, angle, y)
}

/// An arc sine as an argument and what is to be added to it.
struct Folded<V, M> {
    above: M,
    s: V,
    tail: V,
}

/// For `a` up to ½ its arc sine; above, the arc sine of `√((1 - a) / 2)`, half of its arc cosine.
#[inline(always)]
fn asin_folded<C: Core>(c: &mut C, a: C::V) -> Folded<C::V, C::M> {
    let half = c.float(a, 0.5);
    let above = c.flt(half, a);
    let square = c.fmul(a, a);
    let minus_half = c.float(a, -0.5);
    let rest = c.fma(a, minus_half, half);
    let z = c.select(above, rest, square);
    let root = c.fsqrt(rest);
    let s = c.select(above, root, a);
    let p = poly_by_width(c, z, &ASIN_F32, &ASIN_F64);
    let cube = c.fmul(z, s);
    let tail = c.fmul(cube, p);
    Folded { above, s, tail }
}

#[inline(always)]
pub fn asin<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let Folded { above, s, tail } = asin_folded(c, a);
    let p = c.fadd(s, tail);
    // π/2 - 2·s with what its rounding loses; the tail is small.
    let (high, low) = half_pi(c, x);
    let minus_two = c.float(x, -2.0);
    let coarse = c.fma(s, minus_two, high);
    let seen = c.fsub(high, coarse);
    let lost = c.fma(s, minus_two, seen);
    let low = c.fadd(low, lost);
    let fine = c.fma(tail, minus_two, low);
    let complement = c.fadd(coarse, fine);
    let y = c.select(above, complement, p);
    let y = nan_beyond_one(c, a, y);
    with_sign_of(c, y, x)
}

#[inline(always)]
pub fn acos<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let Folded { above, s, tail } = asin_folded(c, a);
    let p = c.fadd(s, tail);
    let half_turn = half_pi(c, x);
    let turn = twice(c, half_turn);
    let sign = sign_bits(c, x);
    let signed = xor_sign(c, p, sign);
    let inner = subtract_from(c, half_turn, signed);
    let double = c.fadd(p, p);
    let far = subtract_from(c, turn, double);
    let zero = c.float(x, 0.0);
    let negative = c.flt(x, zero);
    let outer = c.select(negative, far, double);
    let y = c.select(above, outer, inner);
    nan_beyond_one(c, a, y)
}

/// `y`, or NaN unless `a <= 1`.
#[inline(always)]
fn nan_beyond_one<C: Core>(c: &mut C, a: C::V, y: C::V) -> C::V {
    let one = c.float(a, 1.0);
    let nan = c.float(a, f64::NAN);
    let inside = c.fle(a, one);
    c.select(inside, y, nan)
}

// (atan t - t) / t³ in t²
const ATAN_F32: [f64; 9] = [
    -0.33333302,
    0.19998626,
    -0.14265111,
    0.1095693,
    -0.08417879,
    0.05821378,
    -0.03144144,
    0.01106009,
    -0.0018269224,
];
const ATAN_F64: [f64; 20] = [
    -0.33333333333333093,
    0.19999999999955462,
    -0.1428571428280374,
    0.11111111013695184,
    -0.09090907119994668,
    0.07692281194415394,
    -0.06666415049603687,
    0.05880592793739569,
    -0.0525380628212657,
    0.04723294662165069,
    -0.042217181257223145,
    0.036693470418685724,
    -0.029985382314213015,
    0.022084804670621093,
    -0.013994560013021849,
    0.007262989650328981,
    -0.0029191212575887665,
    0.0008433964835055731,
    -0.00015477591657442173,
    1.3486971838967014e-05,
];
// (asin s - s) / s³ in s²
const ASIN_F32: [f64; 5] = [0.16666754, 0.07495249, 0.045476664, 0.024148086, 0.042219914];
const ASIN_F64: [f64; 12] = [
    0.16666666666665375,
    0.07500000000344977,
    0.044642856821818434,
    0.030381959402238114,
    0.022371751771934165,
    0.01735979818795832,
    0.013884324863175961,
    0.012175113528001602,
    0.006502765315658271,
    0.019596446451977518,
    -0.016330056470006564,
    0.03198403508825382,
];
