//! `sin`, `cos` and `tan`.
//!
//! `x = n·π/2 + r` with `|r| <= π/4`. Up to a bound the product is subtracted in three parts (Cody and
//! Waite), which fused multiply-adds make exact enough; beyond it the exact reduction of
//! [`trig_reduce`](super::trig_reduce) takes over. The last two bits of `n` choose polynomial and sign.

use super::exp::{Exponent, nearest_exponent};
use super::trig_reduce::reduce_huge;
use super::{Core, by_width, poly_by_width, xor_sign};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// `r` and the integer whose low two bits are the quadrant.
pub(super) struct Reduced<V> {
    pub r: V,
    /// What was rounded away from `r`, where that is known.
    pub low: Option<V>,
    pub quadrant: V,
}

#[inline(always)]
fn reduce<C: Core>(c: &mut C, x: C::V) -> Reduced<C::V> {
    let Exponent { n, shifted } = nearest_exponent(c, x, FRAC_2_PI);
    let mut r = x;
    for part in 0..3 {
        let constant = by_width(c, x, -HALF_PI_F32[part], -HALF_PI_F64[part]);
        r = c.fma(n, constant, r);
    }
    Reduced { r, low: None, quadrant: shifted }
}

/// [`reduce`] with the rounding of `r`, which `tan` magnifies.
#[inline(always)]
fn reduce_precisely<C: Core>(c: &mut C, x: C::V) -> Reduced<C::V> {
    let Exponent { n, shifted } = nearest_exponent(c, x, FRAC_2_PI);
    let first = by_width(c, x, -HALF_PI_F32[0], -HALF_PI_F64[0]);
    let second = by_width(c, x, -HALF_PI_F32[1], -HALF_PI_F64[1]);
    let third = by_width(c, x, -HALF_PI_F32[2], -HALF_PI_F64[2]);
    let exact = c.fma(n, first, x);
    let product = c.fmul(n, second);
    let negated = c.fneg(product);
    let product_low = c.fma(n, second, negated);
    let r = c.fadd(exact, product);
    let seen = c.fsub(r, exact);
    let low = c.fsub(product, seen);
    let low = c.fadd(low, product_low);
    let low = c.fma(n, third, low);
    Reduced { r, low: Some(low), quadrant: shifted }
}

/// Which function the reduced argument goes to.
#[derive(Clone, Copy)]
enum Function {
    Sin,
    Cos,
    Tan,
}

#[inline(always)]
fn finish<C: Core>(c: &mut C, function: Function, reduced: Reduced<C::V>, x: C::V) -> C::V {
    match function {
        Function::Sin => finish_sin(c, reduced, x),
        Function::Cos => finish_cos(c, reduced),
        Function::Tan => finish_tan(c, reduced, x),
    }
}

/// `function` of `x`, by whichever reduction suits it.
#[inline(always)]
fn with_reduction<C: Core>(c: &mut C, x: C::V, function: Function) -> C::V {
    let fast = match function {
        Function::Tan => reduce_precisely(c, x),
        _ => reduce(c, x),
    };
    let fast = finish(c, function, fast, x);
    let size = c.fabs(x);
    let limit = by_width(c, x, 65_536.0, 1_048_576.0);
    let huge = c.flt(limit, size);
    c.rarely(
        huge,
        fast,
        #[inline(always)]
        |c| {
            let slow = reduce_huge(c, x);
            finish(c, function, slow, x)
        },
    )
}

#[inline(always)]
fn sin_polynomial<C: Core>(c: &mut C, r: C::V, z: C::V) -> C::V {
    let p = poly_by_width(c, z, &SIN_F32, &SIN_F64);
    let cube = c.fmul(z, r);
    c.fma(cube, p, r)
}

#[inline(always)]
fn cos_polynomial<C: Core>(c: &mut C, z: C::V) -> C::V {
    let p = poly_by_width(c, z, &COS_F32, &COS_F64);
    let minus_half = c.float(z, -0.5);
    let one = c.float(z, 1.0);
    let p = c.fma(z, p, minus_half);
    c.fma(z, p, one)
}

/// Whether the lowest bit of `quadrant` is clear.
#[inline(always)]
fn is_even<C: Core>(c: &mut C, quadrant: C::V) -> C::M {
    let one = c.int(quadrant, 1);
    let zero = c.int(quadrant, 0);
    let low = c.iand(quadrant, one);
    c.ieq(low, zero)
}

/// The second lowest bit of `quadrant`, moved to the sign.
#[inline(always)]
fn half_turn<C: Core>(c: &mut C, quadrant: C::V) -> C::V {
    let two = c.int(quadrant, 2);
    let bit = c.iand(quadrant, two);
    let top = if c.is_double(quadrant) { 62 } else { 30 };
    c.ishl(bit, top)
}

/// Sine and cosine of `r` within ±π/4.
#[inline(always)]
pub(super) fn sin_cos_reduced<C: Core>(c: &mut C, r: C::V) -> (C::V, C::V) {
    let z = c.fmul(r, r);
    (sin_polynomial(c, r, z), cos_polynomial(c, z))
}

#[inline(always)]
fn finish_sin<C: Core>(c: &mut C, reduced: Reduced<C::V>, x: C::V) -> C::V {
    let Reduced { r, quadrant, .. } = reduced;
    let z = c.fmul(r, r);
    let sine = sin_polynomial(c, r, z);
    let cosine = cos_polynomial(c, z);
    let even = is_even(c, quadrant);
    let y = c.select(even, sine, cosine);
    let sign = half_turn(c, quadrant);
    let y = xor_sign(c, y, sign);
    keep_tiny(c, x, y)
}

/// `x` where it is so small that it is the result: keeps denormals and the sign of zero.
#[inline(always)]
fn keep_tiny<C: Core>(c: &mut C, x: C::V, y: C::V) -> C::V {
    let size = c.fabs(x);
    let tiny = by_width(c, x, 1.220_703_125e-4, 7.450_580_596_923_828e-9);
    let is_tiny = c.flt(size, tiny);
    c.select(is_tiny, x, y)
}

#[inline(always)]
fn finish_cos<C: Core>(c: &mut C, reduced: Reduced<C::V>) -> C::V {
    let Reduced { r, quadrant, .. } = reduced;
    let z = c.fmul(r, r);
    let sine = sin_polynomial(c, r, z);
    let cosine = cos_polynomial(c, z);
    let even = is_even(c, quadrant);
    let y = c.select(even, cosine, sine);
    // Negative in quadrants 1 and 2.
    let one = c.int(quadrant, 1);
    let next = c.iadd(quadrant, one);
    let sign = half_turn(c, next);
    xor_sign(c, y, sign)
}

#[inline(always)]
fn finish_tan<C: Core>(c: &mut C, reduced: Reduced<C::V>, x: C::V) -> C::V {
    let Reduced { r, low, quadrant } = reduced;
    let z = c.fmul(r, r);
    let p = poly_by_width(c, z, &TAN_F32, &TAN_F64);
    let cube = c.fmul(z, r);
    let rest = match low {
        Some(low) => {
            // The derivative of the tangent is about 1 + r².
            let low = c.fma(z, low, low);
            c.fma(cube, p, low)
        }
        None => c.fmul(cube, p),
    };
    let tangent = c.fadd(r, rest);
    // -1 / (tangent + lost), where lost is what the sum rounded away.
    let seen = c.fsub(tangent, r);
    let lost = c.fsub(rest, seen);
    let minus_one = c.float(r, -1.0);
    let cotangent = c.fdiv(minus_one, tangent);
    let square = c.fmul(cotangent, cotangent);
    let cotangent = c.fma(square, lost, cotangent);
    let even = is_even(c, quadrant);
    let y = c.select(even, tangent, cotangent);
    keep_tiny(c, x, y)
}

#[inline(always)]
pub fn sin<C: Core>(c: &mut C, x: C::V) -> C::V {
    with_reduction(c, x, Function::Sin)
}

#[inline(always)]
pub fn cos<C: Core>(c: &mut C, x: C::V) -> C::V {
    with_reduction(c, x, Function::Cos)
}

#[inline(always)]
pub fn tan<C: Core>(c: &mut C, x: C::V) -> C::V {
    with_reduction(c, x, Function::Tan)
}

/// π/2 as a sum of three floats.
pub(super) const HALF_PI_F32: [f64; 3] =
    [FRAC_PI_2 as f32 as f64, -4.371138828673793e-08, -1.7151245100058819e-15];
pub(super) const HALF_PI_F64: [f64; 3] = [FRAC_PI_2, 6.123233995736766e-17, -1.4973849048591698e-33];

// (sin r - r) / r³ in r²
const SIN_F32: [f64; 3] = [-0.16666655, 0.008332191, -0.00019518605];
const SIN_F64: [f64; 6] = [
    -0.16666666666666632,
    0.008333333333322486,
    -0.00019841269829853369,
    2.755731370507251e-06,
    -2.505075989240579e-08,
    1.5896886775859118e-10,
];
// (cos r - 1 + r²/2) / r⁴ in r²
const COS_F32: [f64; 3] = [0.041666646, -0.0013887301, 2.4430668e-05];
const COS_F64: [f64; 6] = [
    0.0416666666666666,
    -0.001388888888887447,
    2.48015872896669e-05,
    -2.755731439926115e-07,
    2.0875728993310183e-09,
    -1.1359917265157898e-11,
];
// (tan r - r) / r³ in r²
const TAN_F32: [f64; 7] =
    [0.33333352, 0.13332583, 0.05406865, 0.021238612, 0.01094553, -4.615434e-05, 0.004441805];
const TAN_F64: [f64; 14] = [
    0.33333333333332715,
    0.13333333333422692,
    0.05396825392303535,
    0.021869489691269124,
    0.00886321806607869,
    0.003592298493733306,
    0.0014547034674519156,
    0.0005952838177792993,
    0.00022176107659076547,
    0.00013774930409007644,
    -2.8045819775230273e-05,
    9.092255908915023e-05,
    -4.564280454063181e-05,
    2.10414258540086e-05,
];
