//! Hyperbolic functions and their inverses.

use super::exp::{Exponent, expm1_reduced, nearest_exponent, power_of_two, subtract_ln2};
use super::log::{log, log1p};
use super::{Core, at_most, by_width, one_minus, one_plus, poly_by_width, with_sign_of};
use std::f64::consts::{LN_2, LOG2_E};

/// `q = t / (t + 2)` with `t = e^2|x| - 1`; near zero `t/2 - q·t/2`, where the roundings of the quotient
/// weigh less.
#[inline(always)]
pub fn tanh<C: Core>(c: &mut C, x: C::V) -> C::V {
    let size = c.fabs(x);
    // From here on the result rounds to 1.
    let limit = by_width(c, x, 10.0, 20.0);
    let bounded = at_most(c, size, limit);
    let Exponent { n, shifted } = nearest_exponent(c, bounded, 2.0 * LOG2_E);
    let twice = c.fadd(bounded, bounded);
    let r = subtract_ln2(c, twice, n);
    let p = expm1_reduced(c, r);
    let power = power_of_two(c, shifted);
    let one = c.float(x, 1.0);
    let rest = c.fsub(power, one);
    let t = c.fma(p, power, rest);
    let two = c.float(x, 2.0);
    let denominator = c.fadd(t, two);
    let quotient = c.fdiv(t, denominator);
    let half = c.float(x, 0.5);
    let half_t = c.fmul(t, half);
    let negated = c.fneg(quotient);
    let precise = c.fma(half_t, negated, half_t);
    let is_small = c.flt(size, half);
    let y = c.select(is_small, precise, quotient);
    with_sign_of(c, y, x)
}

/// `e^|x| / 2` and `e^-|x| / 2`.
#[inline(always)]
fn half_exponentials<C: Core>(c: &mut C, x: C::V) -> (C::V, C::V) {
    let size = c.fabs(x);
    let limit = by_width(c, x, 91.0, 712.0);
    let size = at_most(c, size, limit);
    let Exponent { n, shifted } = nearest_exponent(c, size, LOG2_E);
    let r = subtract_ln2(c, size, n);
    let p = expm1_reduced(c, r);
    let p = one_plus(c, p);
    let one = c.int(shifted, 1);
    let shifted = c.isub(shifted, one);
    let one = c.float(x, 1.0);
    let n = c.fsub(n, one);
    let growing = c.times_power_of_two(p, n, shifted);
    let quarter = c.float(x, 0.25);
    let fading = c.fdiv(quarter, growing);
    (growing, fading)
}

#[inline(always)]
pub fn sinh<C: Core>(c: &mut C, x: C::V) -> C::V {
    let (growing, fading) = half_exponentials(c, x);
    let large = c.fsub(growing, fading);
    let size = c.fabs(x);
    let z = c.fmul(size, size);
    let p = poly_by_width(c, z, &SINH_F32, &SINH_F64);
    let cube = c.fmul(z, size);
    let small = c.fma(cube, p, size);
    let one = c.float(x, 1.0);
    let is_small = c.flt(size, one);
    let y = c.select(is_small, small, large);
    with_sign_of(c, y, x)
}

#[inline(always)]
pub fn cosh<C: Core>(c: &mut C, x: C::V) -> C::V {
    let (growing, fading) = half_exponentials(c, x);
    c.fadd(growing, fading)
}

/// `log1p(a + a² / (1 + √(a² + 1)))`; `log a + log 2` where the square would overflow.
#[inline(always)]
pub fn asinh<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let one = c.float(x, 1.0);
    let square = c.fmul(a, a);
    let root = c.fadd(square, one);
    let root = c.fsqrt(root);
    let root = one_plus(c, root);
    let rest = c.fdiv(square, root);
    let argument = c.fadd(a, rest);
    let middle = log1p(c, argument);
    let y = log_of_double_beyond(c, a, middle);
    with_sign_of(c, y, x)
}

/// `log(2·a)` where `a` is so large that its square dwarfs 1, else `otherwise`.
#[inline(always)]
fn log_of_double_beyond<C: Core>(c: &mut C, a: C::V, otherwise: C::V) -> C::V {
    let logarithm = log(c, a);
    let ln_2 = c.float(a, LN_2);
    let logarithm = c.fadd(logarithm, ln_2);
    let limit = by_width(c, a, 16_384.0, 1_073_741_824.0);
    let large = c.flt(limit, a);
    c.select(large, logarithm, otherwise)
}

/// `log1p(t + √(2t + t²))` with `t = x - 1`; near 1 `√(2t)` and a correction of it.
#[inline(always)]
pub fn acosh<C: Core>(c: &mut C, x: C::V) -> C::V {
    let one = c.float(x, 1.0);
    let t = c.fsub(x, one);
    let two = c.float(x, 2.0);
    let twice = c.fmul(t, two);
    let radicand = c.fma(t, t, twice);
    let root = c.fsqrt(radicand);
    let argument = c.fadd(t, root);
    let middle = log1p(c, argument);
    let y = log_of_double_beyond(c, x, middle);
    let root = c.fsqrt(twice);
    let p = poly_by_width(c, t, &ACOSH_F32, &ACOSH_F64);
    let p = c.fmul(p, t);
    let near = c.fma(root, p, root);
    let half = c.float(x, 0.5);
    let is_near = c.flt(t, half);
    let y = c.select(is_near, near, y);
    let nan = c.float(x, f64::NAN);
    let inside = c.fle(one, x);
    c.select(inside, y, nan)
}

/// `½·log1p(2a + 2a·a / (1 - a))`.
#[inline(always)]
pub fn atanh<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let twice = c.fadd(a, a);
    let rest = one_minus(c, a);
    let ratio = c.fdiv(a, rest);
    let argument = c.fma(twice, ratio, twice);
    let y = log1p(c, argument);
    let half = c.float(x, 0.5);
    let y = c.fmul(y, half);
    // 2a is rounded by nothing, but half of a denormal logarithm would be.
    let tiny = by_width(c, x, 1.220_703_125e-4, 7.450_580_596_923_828e-9);
    let is_tiny = c.flt(a, tiny);
    let y = c.select(is_tiny, a, y);
    let nan = c.float(x, f64::NAN);
    let one = c.float(x, 1.0);
    let inside = c.fle(a, one);
    let y = c.select(inside, y, nan);
    with_sign_of(c, y, x)
}

// (sinh a - a) / a³ in a²
const SINH_F32: [f64; 4] = [0.16666667, 0.008333311, 0.00019842632, 2.783963e-06];
const SINH_F64: [f64; 7] = [
    0.16666666666666669,
    0.008333333333332915,
    0.00019841269841589247,
    2.7557319108485378e-06,
    2.5052130675103804e-08,
    1.605668719324534e-10,
    7.775686472597578e-13,
];
// (acosh(1 + t) / √(2t) - 1) / t
const ACOSH_F32: [f64; 5] = [-0.08333322, 0.018746596, -0.0055478, 0.001759808, -0.00041293897];
const ACOSH_F64: [f64; 13] = [
    -0.08333333333333331,
    0.018749999999997068,
    -0.005580357142694539,
    0.0018988715232295989,
    -0.0006991298963861725,
    0.0002711361424610451,
    -0.00010909454234390206,
    4.509486869060637e-05,
    -1.896005119719963e-05,
    7.922700428999888e-06,
    -3.0779828216871824e-06,
    9.508205264826537e-07,
    -1.6423448672059436e-07,
];
