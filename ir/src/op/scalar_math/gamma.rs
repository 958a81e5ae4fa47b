//! `lgamma`, `digamma`, `polygamma` and Hurwitz's `zeta`.

use super::log::log;
use super::power::pow;
use super::trig::{sin, sin_cos_reduced};
use super::{Core, by_width, one_plus, poly_by_width, xor_sign};
use std::f64::consts::PI;

/// From here on the asymptotic series are used as they are.
const FAR: f64 = 10.0;

/// `sin(πx)` and `cos(πx)`, exact in their zeros.
#[inline(always)]
fn sin_cos_pi<C: Core>(c: &mut C, x: C::V) -> (C::V, C::V) {
    // x = n/2 + r with |r| <= ¼, so that πr needs no reduction.
    let two = c.float(x, 2.0);
    let half = c.float(x, 0.5);
    let doubled = c.fmul(x, two);
    let n = c.fround(doubled);
    let minus_half = c.float(x, -0.5);
    let r = c.fma(n, minus_half, x);
    let pi = c.float(x, PI);
    let angle = c.fmul(r, pi);
    let (sine, cosine) = sin_cos_reduced(c, angle);
    // n modulo 4 by floats, which hold it however large x is.
    let half_n = c.fmul(n, half);
    let floor = c.ffloor(half_n);
    let odd = c.fne(floor, half_n);
    let quarter = c.float(x, 0.25);
    let turn = c.fmul(n, quarter);
    let turn_floor = c.ffloor(turn);
    let minus_four = c.float(x, -4.0);
    let quadrant = c.fma(turn_floor, minus_four, n);
    let one_and_half = c.float(x, 1.5);
    let sine_negative = c.flt(one_and_half, quadrant);
    // The cosine is negative in quadrants 1 and 2.
    let from_one_and_half = c.fsub(quadrant, one_and_half);
    let distance = c.fabs(from_one_and_half);
    let one = c.float(x, 1.0);
    let cosine_negative = c.flt(distance, one);
    let first = c.select(odd, cosine, sine);
    let second = c.select(odd, sine, cosine);
    let minus_first = c.fneg(first);
    let minus_second = c.fneg(second);
    let second_negated = c.select(cosine_negative, minus_second, second);
    (c.select(sine_negative, minus_first, first), second_negated)
}

/// `lgamma(1 + u)` for `u` from 0 to 1, with its zeros at both.
#[inline(always)]
pub(super) fn lgamma_one_plus<C: Core>(c: &mut C, u: C::V) -> C::V {
    let q = poly_by_width(c, u, &LGAMMA_F32, &LGAMMA_F64);
    let one = c.float(u, 1.0);
    let other_zero = c.fsub(u, one);
    let base = c.fmul(u, other_zero);
    c.fmul(base, q)
}

/// What Stirling's formula lacks: `lgamma(a) - (a - ½)·log a + a - ½·log 2π` for `a >= 10`.
#[inline(always)]
pub(super) fn stirling_rest<C: Core>(c: &mut C, a: C::V) -> C::V {
    let one = c.float(a, 1.0);
    let reciprocal = c.fdiv(one, a);
    let w = c.fmul(reciprocal, reciprocal);
    let p = poly_by_width(c, w, &STIRLING_F32, &STIRLING_F64);
    c.fmul(p, reciprocal)
}

/// The logarithm of the absolute value of the gamma function.
///
/// `a = |x|` is brought to `[1, 2)` by the recurrence, where `u·(u - 1)·q(u)` with `u = a - 1` keeps the
/// zeros at 1 and 2; far out Stirling's series serves; negative numbers go by the reflection formula.
#[inline(always)]
pub fn lgamma<C: Core>(c: &mut C, x: C::V) -> C::V {
    let zero = c.float(x, 0.0);
    let one = c.float(x, 1.0);
    let two = c.float(x, 2.0);
    let a = c.fabs(x);
    let below_one = c.flt(a, one);
    let (mut z, mut product) = (a, one);
    for _ in 0..(FAR as usize - 2) {
        let above = c.fle(two, z);
        let lower = c.fsub(z, one);
        let larger = c.fmul(product, lower);
        product = c.select(above, larger, product);
        z = c.select(above, lower, z);
    }
    let u = c.fsub(z, one);
    let u = c.select(below_one, a, u);
    let base = lgamma_one_plus(c, u);

    let far_limit = c.float(x, FAR);
    let far = c.fle(far_limit, a);
    let argument = c.select(below_one, a, product);
    let argument = c.select(far, a, argument);
    let logarithm = log(c, argument);
    let smaller = c.fsub(base, logarithm);
    let larger = c.fadd(base, logarithm);
    let reciprocal = c.fdiv(one, a);
    let w = c.fmul(reciprocal, reciprocal);
    let p = poly_by_width(c, w, &STIRLING_F32, &STIRLING_F64);
    let constant = c.float(x, HALF_LOG_TWO_PI - 0.5);
    let rest = c.fma(p, reciprocal, constant);
    let half = c.float(x, 0.5);
    let factor = c.fsub(a, half);
    let less = c.fsub(logarithm, one);
    let stirling = c.fma(factor, less, rest);
    let y = c.select(below_one, smaller, larger);
    let y = c.select(far, stirling, y);

    // lgamma(-a) = log π - log|sin πa| - lgamma(1 + a), where lgamma(1 + a) = base if a < 1.
    let (sine, _) = sin_cos_pi(c, a);
    let sine = c.fabs(sine);
    let spread = c.select(below_one, one, a);
    let reflected = c.fmul(sine, spread);
    let reflected = log(c, reflected);
    let of_one_plus = c.select(below_one, base, y);
    let log_pi = c.float(x, LOG_PI);
    let negative = c.fsub(log_pi, reflected);
    let negative = c.fsub(negative, of_one_plus);
    let infinity = c.float(x, f64::INFINITY);
    let infinite = c.feq(a, infinity);
    let is_negative = c.flt(x, zero);
    let whole = c.ffloor(a);
    let at_pole = c.feq(whole, a);
    let at_pole = c.mand(is_negative, at_pole);
    let infinite = c.mor(infinite, at_pole);
    // Near zero -log|x| is all there is on both sides, and the sine of a denormal would be rounded.
    let tiny = by_width(c, x, 2f64.powi(-60), 2f64.powi(-120));
    let not_tiny = c.fle(tiny, a);
    let mirrored = c.mand(is_negative, not_tiny);
    let y = c.select(mirrored, negative, y);
    c.select(infinite, infinity, y)
}

/// The derivative of [`lgamma`]; infinite at zero, NaN at the negative integers, as in torch.
#[inline(always)]
pub fn digamma<C: Core>(c: &mut C, x: C::V) -> C::V {
    let zero = c.float(x, 0.0);
    let one = c.float(x, 1.0);
    let negative = c.flt(x, zero);
    // ψ(x) = ψ(1 - x) - π / tan πx
    let mirrored = c.fsub(one, x);
    let z = c.select(negative, mirrored, x);
    let [sum, z] = c.repeat(FAR as u32, [zero, z], |c, [sum, z]| {
        let one = c.float(z, 1.0);
        let far = c.float(z, FAR);
        let near = c.flt(z, far);
        let part = c.fdiv(one, z);
        let more = c.fsub(sum, part);
        let next = c.fadd(z, one);
        [c.select(near, more, sum), c.select(near, next, z)]
    });
    let logarithm = log(c, z);
    let reciprocal = c.fdiv(one, z);
    let w = c.fmul(reciprocal, reciprocal);
    let p = poly_by_width(c, w, &DIGAMMA_F32, &DIGAMMA_F64);
    let minus_half = c.float(x, -0.5);
    let series = c.fmul(reciprocal, minus_half);
    let p = c.fneg(p);
    let series = c.fma(w, p, series);
    let y = c.fadd(logarithm, series);
    let y = c.fadd(y, sum);
    let (sine, cosine) = sin_cos_pi(c, x);
    let pi = c.float(x, PI);
    let scaled = c.fmul(cosine, pi);
    let reflection = c.fdiv(scaled, sine);
    let reflected = c.fsub(y, reflection);
    let y = c.select(negative, reflected, y);
    let whole = c.ffloor(x);
    let is_whole = c.feq(whole, x);
    let pole = c.mand(negative, is_whole);
    let nan = c.float(x, f64::NAN);
    let y = c.select(pole, nan, y);
    let infinity = c.float(x, f64::INFINITY);
    let sign = super::sign_bits(c, x);
    let at_zero = xor_sign(c, infinity, sign);
    let at_zero = c.fneg(at_zero);
    let is_zero = c.feq(x, zero);
    c.select(is_zero, at_zero, y)
}

/// The derivative of [`digamma`], by torch's steps: six of the recurrence, then a series, reflected below one half.
pub fn trigamma<C: Core>(c: &mut C, x: C::V) -> C::V {
    let one = c.float(x, 1.0);
    let half = c.float(x, 0.5);
    let mirrored = c.flt(x, half);
    let other = c.fsub(one, x);
    let z = c.select(mirrored, other, x);
    let pi = c.float(x, PI);
    let angle = c.fmul(x, pi);
    let sine = sin(c, angle);
    let (zero, pi_squared) = (c.float(x, 0.0), c.float(x, PI * PI));
    let square = c.fmul(sine, sine);
    let reflection = c.fdiv(pi_squared, square);
    let minus_reflection = c.fneg(reflection);
    let start = c.select(mirrored, minus_reflection, zero);
    let [sum, z] = c.repeat(6, [start, z], |c, [sum, z]| {
        let one = c.float(z, 1.0);
        let square = c.fmul(z, z);
        let part = c.fdiv(one, square);
        [c.fadd(sum, part), c.fadd(z, one)]
    });
    let square = c.fmul(z, z);
    let w = c.fdiv(one, square);
    let twice = c.fadd(z, z);
    let linear = c.fdiv(one, twice);
    let (c6, c30, c42) = (c.float(x, 1.0 / 6.0), c.float(x, 1.0 / 30.0), c.float(x, 1.0 / 42.0));
    let inner = c.fmul(w, c42);
    let inner = c.fsub(c30, inner);
    let inner = c.fmul(w, inner);
    let inner = c.fsub(c6, inner);
    let inner = c.fmul(w, inner);
    let series = c.fadd(one, linear);
    let series = c.fadd(series, inner);
    let series = c.fdiv(series, z);
    let y = c.fadd(sum, series);
    let minus = c.fneg(y);
    c.select(mirrored, minus, y)
}

/// `Σ (q + k)^-s` over `k >= 0` for positive `q` and `s > 1`: ten terms, then Euler and Maclaurin.
fn zeta_of_positive<C: Core>(c: &mut C, s: C::V, q: C::V) -> C::V {
    let zero = c.float(s, 0.0);
    let minus_s = c.fneg(s);
    let [sum, a, _] = c.repeat(10, [zero, q, minus_s], |c, [sum, a, minus_s]| {
        let term = pow(c, a, minus_s);
        let sum = c.fadd(sum, term);
        [sum, one_plus(c, a), minus_s]
    });
    let one = c.float(s, 1.0);
    let half = c.float(s, 0.5);
    let power = pow(c, a, minus_s);
    let excess = c.fsub(s, one);
    let integral = c.fdiv(a, excess);
    let head = c.fadd(integral, half);
    let sum = c.fma(power, head, sum);
    // Each term is a rising factorial of s over a power of a, times B(2j) / (2j)!.
    let reciprocal = c.fdiv(one, a);
    let mut factor = c.fmul(s, reciprocal);
    let mut series = zero;
    for (j, coefficient) in EULER_MACLAURIN.iter().enumerate() {
        let coefficient = c.float(s, *coefficient);
        series = c.fma(factor, coefficient, series);
        for k in [2 * j + 1, 2 * j + 2] {
            let k = c.float(s, k as f64);
            let rise = c.fadd(s, k);
            let rise = c.fmul(rise, reciprocal);
            factor = c.fmul(factor, rise);
        }
    }
    c.fma(power, series, sum)
}

/// Hurwitz's zeta function `Σ (q + k)^-s`. As in torch: infinite for `s = 1`, NaN for `s < 1`; for
/// `q <= 0` infinite at the integers and NaN for fractional `s`.
pub fn zeta<C: Core>(c: &mut C, s: C::V, q: C::V) -> C::V {
    let zero = c.float(s, 0.0);
    let one = c.float(s, 1.0);
    let nan = c.float(s, f64::NAN);
    let infinity = c.float(s, f64::INFINITY);
    let floor = c.ffloor(q);
    let whole = c.feq(floor, q);
    let not_positive = c.fle(q, zero);
    // For q < 0 and integer s: ζ(s, f) + (-1)^s·(ζ(s, 1 - f) - ζ(s, 1 - q)), f the fraction of q.
    let fraction = c.fsub(q, floor);
    let fraction = c.select(whole, one, fraction);
    let start = c.select(not_positive, fraction, q);
    let y = zeta_of_positive(c, s, start);
    let s_floor = c.ffloor(s);
    let s_whole = c.feq(s_floor, s);
    let fractional_s = c.mnot(s_whole);
    let y = c.rarely(not_positive, y, |c| {
        let mirrored = c.fsub(one, fraction);
        let mirrored = c.select(whole, one, mirrored);
        let beyond = c.fsub(one, q);
        let near = zeta_of_positive(c, s, mirrored);
        let far = zeta_of_positive(c, s, beyond);
        let difference = c.fsub(near, far);
        let half = c.float(s, 0.5);
        let halved = c.fmul(s, half);
        let halved_floor = c.ffloor(halved);
        let even = c.feq(halved_floor, halved);
        let opposite = c.fneg(difference);
        let difference = c.select(even, difference, opposite);
        let sum = c.fadd(y, difference);
        let sum = c.select(fractional_s, nan, sum);
        c.select(whole, infinity, sum)
    });
    let pole = c.feq(s, one);
    let y = c.select(pole, infinity, y);
    let below = c.flt(s, one);
    let y = c.select(below, nan, y);
    let endless = c.feq(q, infinity);
    let y = c.select(endless, zero, y);
    let (s_nan, q_nan) = (c.fne(s, s), c.fne(q, q));
    let any_nan = c.mor(s_nan, q_nan);
    c.select(any_nan, nan, y)
}

/// The `n`-th derivative of [`digamma`].
pub fn polygamma<C: Core>(c: &mut C, n: u32, x: C::V) -> C::V {
    if n == 0 {
        return digamma(c, x);
    }
    let s = c.float(x, f64::from(n) + 1.0);
    let z = zeta(c, s, x);
    // (-1)^(n + 1)·n!, which from 171 on is infinite in f64 as well.
    let factorial: f64 = (1..=n.min(200)).map(f64::from).product();
    let factor = if n.is_multiple_of(2) { -factorial } else { factorial };
    let factor = c.float(x, factor);
    c.fmul(z, factor)
}

const LOG_PI: f64 = 1.144_729_885_849_400_2;
const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_8;

// lgamma(1 + u) / (u·(u - 1))
const LGAMMA_F32: [f64; 10] = [
    0.5772157,
    -0.24525212,
    0.15544721,
    -0.11520333,
    0.09202996,
    -0.074521646,
    0.05524791,
    -0.03223945,
    0.012214479,
    -0.002154364,
];
const LGAMMA_F64: [f64; 22] = [
    0.5772156649015329,
    -0.24525136852258445,
    0.15543426586451373,
    -0.11514654259456457,
    0.09223900935058195,
    -0.07731818405949971,
    0.06673190799447326,
    -0.05877938641331088,
    0.052564622151095364,
    -0.04757739793944267,
    0.04350994313546334,
    -0.040118704615226805,
    0.03703107044969831,
    -0.033558045472827765,
    0.028812775246451247,
    -0.022351826613371165,
    0.01487819181673288,
    -0.00806380519025697,
    0.0033612440260519533,
    -0.0010004030323178834,
    0.00018799472491547712,
    -1.6690109640372378e-05,
];
// (lgamma(x) - (x - ½)·log x + x - ½·log 2π)·x in 1/x²
const STIRLING_F32: [f64; 2] = [0.08333332, -0.0027689158];
const STIRLING_F64: [f64; 6] = [
    0.08333333333333333,
    -0.0027777777777471843,
    0.00079365076085048,
    -0.0005952252035702117,
    0.0008394474948768151,
    -0.001724964566588549,
];
// (log x - 1/2x - ψ(x))·x² in 1/x²
const DIGAMMA_F32: [f64; 3] = [0.083333336, -0.008335088, 0.004100687];
const DIGAMMA_F64: [f64; 7] = [
    0.08333333333333333,
    -0.008333333333298326,
    0.003968253925142942,
    -0.004166646965489856,
    0.007571553284317362,
    -0.02064649900321846,
    0.060857991976118145,
];
// B(2j) / (2j)!
const EULER_MACLAURIN: [f64; 12] = [
    0.08333333333333333,
    -0.001388888888888889,
    3.3068783068783064e-05,
    -8.267195767195768e-07,
    2.08767569878681e-08,
    -5.284190138687493e-10,
    1.338253653068468e-11,
    -3.3896802963225827e-13,
    8.586062056277845e-15,
    -2.174868698558062e-16,
    5.5090028283602295e-18,
    -1.3954464685812525e-19,
];
