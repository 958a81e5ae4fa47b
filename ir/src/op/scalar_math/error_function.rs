//! `erf` and `erfc`.

use super::exp::exp_times;
use super::{Core, at_most, by_width, one_minus, poly, poly_by_width, with_sign_of};

/// `erf(x)` where `x` is within ±1.2 (f32) or ±1 (f64).
#[inline(always)]
fn erf_near_zero<C: Core>(c: &mut C, x: C::V) -> C::V {
    let z = c.fmul(x, x);
    let p = poly_by_width(c, z, &ERF_F32, &ERF_F64);
    c.fma(x, p, x)
}

/// A polynomial in `x²` near zero. Beyond, f32 takes a polynomial around the middle of the rest, up to
/// where the result rounds to 1, and f64 takes `1 - erfc`.
#[inline(always)]
pub fn erf<C: Core>(c: &mut C, x: C::V) -> C::V {
    let small = erf_near_zero(c, x);
    let a = c.fabs(x);
    let large = if c.is_double(x) {
        let rest = erfc_of_positive(c, a);
        one_minus(c, rest)
    } else {
        let middle = c.float(a, ERF_MIDDLE);
        let u = c.fsub(a, middle);
        let p = poly(c, u, &ERF_LARGE_F32);
        let one = c.float(a, 1.0);
        let end = c.float(a, ERF_END_F32);
        let is_one = c.flt(end, a);
        c.select(is_one, one, p)
    };
    let large = with_sign_of(c, large, x);
    let border = by_width(c, x, 1.2, 1.0);
    let is_small = c.flt(a, border);
    c.select(is_small, small, large)
}

#[inline(always)]
pub fn erfc<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let small = erf_near_zero(c, x);
    let small = one_minus(c, small);
    let positive = erfc_of_positive(c, a);
    let two = c.float(x, 2.0);
    let negative = c.fsub(two, positive);
    let zero = c.float(x, 0.0);
    let below = c.flt(x, zero);
    let large = c.select(below, negative, positive);
    let half = c.float(x, 0.5);
    let is_small = c.flt(a, half);
    c.select(is_small, small, large)
}

/// `erfc(a)` for `a >= ½` as `e^-a² · p(t) / (1 + 2a)` with `t = (a - k) / (a + k)`, which maps the
/// half-line to an interval; the form is that of Shepherd and Laframboise (1981).
#[inline(always)]
fn erfc_of_positive<C: Core>(c: &mut C, a: C::V) -> C::V {
    let limit = by_width(c, a, 10.125, 27.25);
    let a = at_most(c, a, limit);
    let k = by_width(c, a, ERFCX_K_F32, ERFCX_K_F64);
    let numerator = c.fsub(a, k);
    let denominator = c.fadd(a, k);
    let t = c.fdiv(numerator, denominator);
    // The first coefficient last and by itself, so that its sum is the only rounding that counts.
    let p = poly_by_width(c, t, &ERFCX_F32[1..], &ERFCX_F64[1..]);
    let first = by_width(c, t, ERFCX_F32[0], ERFCX_F64[0]);
    let p = c.fma(t, p, first);
    let minus_two = c.float(a, -2.0);
    let minus_twice = c.fmul(a, minus_two);
    let one = c.float(a, 1.0);
    let divisor = c.fsub(one, minus_twice);
    let reciprocal = c.fdiv(one, divisor);
    let q = c.fmul(p, reciprocal);
    // What p still has over q·(1 + 2a), and e^-a² = e^-square · (1 - lost) with a² = square + lost: both
    // corrections enter with one rounding.
    let minus_q = c.fneg(q);
    let excess = c.fma(minus_q, divisor, p);
    let seen = c.fsub(one, divisor);
    let divisor_low = c.fsub(seen, minus_twice);
    let excess = c.fma(minus_q, divisor_low, excess);
    let square = c.fmul(a, a);
    let minus_square = c.fneg(square);
    let lost = c.fma(a, a, minus_square);
    let minus_lost = c.fneg(lost);
    let correction = c.fmul(excess, reciprocal);
    let correction = c.fma(q, minus_lost, correction);
    exp_times(c, minus_square, q, correction)
}

// erf(x) / x - 1 in x²
const ERF_F32: [f64; 7] =
    [0.12837915, -0.37612534, 0.11282647, -0.026818879, 0.0051293694, -0.0007549406, 6.495473e-05];
const ERF_F64: [f64; 12] = [
    0.12837916709551256,
    -0.37612638903183343,
    0.1128379167093695,
    -0.026866170641952805,
    0.005223977596608389,
    -0.0008548325474841806,
    0.00012055280068761814,
    -1.4924455056455836e-05,
    1.6443991412892692e-06,
    -1.6182559288847825e-07,
    1.3609612709919263e-08,
    -7.592974573672207e-10,
];
/// From here on `erf` rounds to 1 in f32.
const ERF_END_F32: f64 = 3.92;
const ERF_MIDDLE: f64 = 2.5625;
// erf(x) in x - 2.5625
const ERF_LARGE_F32: [f64; 13] = [
    0.99970984,
    0.0015872649,
    -0.004068247,
    0.0064234436,
    -0.0068669165,
    0.0050995084,
    -0.0025456983,
    0.0006725751,
    0.00014464244,
    -0.00023407293,
    7.2225e-05,
    1.3763088e-05,
    -8.778517e-06,
];
/// Where `t` is zero: chosen so that the polynomials begin with a number that is nearly a float.
const ERFCX_K_F32: f64 = 2.21875;
const ERFCX_K_F64: f64 = 3.8125;
// e^a²·erfc(a)·(1 + 2a) in t
const ERFCX_F32: [f64; 10] = [
    1.2717445,
    -0.108396865,
    -0.13501678,
    0.16567983,
    -0.08000421,
    0.008807455,
    0.008486748,
    -0.002189316,
    -0.0010748955,
    0.00029747325,
];
const ERFCX_F64: [f64; 22] = [
    1.2363539084541144,
    -0.14015514677325874,
    0.006738807450823222,
    0.07862435546319402,
    -0.10697124619078686,
    0.0929077443077072,
    -0.06081432180211893,
    0.030630562688696395,
    -0.011296473911050273,
    0.0024679106037675653,
    0.00011018558648712276,
    -0.000300656915522168,
    8.064266943756143e-05,
    1.4374545442453253e-05,
    -1.3460959566492823e-05,
    7.08642903555155e-07,
    1.7336389110138416e-06,
    -3.2193983534186993e-07,
    -2.114778934588691e-07,
    5.921781564596581e-08,
    2.0129246955935576e-08,
    -6.290817543288437e-09,
];
