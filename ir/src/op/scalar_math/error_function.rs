//! `erf` and `erfc`.

use super::exp::exp_bounded;
use super::{Core, at_least, at_most, by_width, one_minus, one_plus, poly, poly_by_width, with_sign_of};

/// In f32 one rational function of `x²` serves up to where the result rounds to 1. In f64 a polynomial
/// serves below 1, and `1 - erfc` beyond.
pub fn erf<C: Core>(c: &mut C, x: C::V) -> C::V {
    if !c.is_double(x) {
        let limit = c.float(x, ERF_LIMIT_F32);
        let minus_limit = c.float(x, -ERF_LIMIT_F32);
        let x = at_most(c, x, limit);
        let x = at_least(c, x, minus_limit);
        let z = c.fmul(x, x);
        let p = poly(c, z, &ERF_NUMERATOR_F32);
        let q = poly(c, z, &ERF_DENOMINATOR_F32);
        let p = c.fmul(p, x);
        return c.fdiv(p, q);
    }
    let z = c.fmul(x, x);
    let p = poly(c, z, &ERF_F64);
    let small = c.fma(x, p, x);
    let a = c.fabs(x);
    let rest = erfc_of_positive(c, a);
    let large = one_minus(c, rest);
    let large = with_sign_of(c, large, x);
    let one = c.float(x, 1.0);
    let is_small = c.flt(a, one);
    c.select(is_small, small, large)
}

pub fn erfc<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let positive = erfc_of_positive(c, a);
    let two = c.float(x, 2.0);
    let negative = c.fsub(two, positive);
    let zero = c.float(x, 0.0);
    let below = c.flt(x, zero);
    c.select(below, negative, positive)
}

/// `e^-a² · p(t) / (1 + 2a)` with `t = (a - k) / (a + k)`, which maps the half-line to an interval; the
/// form is that of Shepherd and Laframboise (1981). `a` is not negative.
fn erfc_of_positive<C: Core>(c: &mut C, a: C::V) -> C::V {
    let limit = by_width(c, a, 10.125, 27.25);
    let a = at_most(c, a, limit);
    let k = by_width(c, a, ERFCX_K_F32, ERFCX_K_F64);
    let numerator = c.fsub(a, k);
    let denominator = c.fadd(a, k);
    let t = c.fdiv(numerator, denominator);
    let p = poly_by_width(c, t, &ERFCX_F32, &ERFCX_F64);
    let twice = c.fadd(a, a);
    let divisor = one_plus(c, twice);
    let p = c.fdiv(p, divisor);
    // e^-a² = e^-square · (1 - lost), where a² = square + lost.
    let square = c.fmul(a, a);
    let minus_square = c.fneg(square);
    let lost = c.fma(a, a, minus_square);
    let p_lost = c.fmul(p, lost);
    let p = c.fsub(p, p_lost);
    exp_bounded(c, minus_square, Some(p))
}

/// From here on `erf` rounds to 1 in f32; the fit ends here.
const ERF_LIMIT_F32: f64 = 3.925;
// erf(x) / x in x²
const ERF_NUMERATOR_F32: [f64; 6] = [1.1283791, 0.19058256, 0.052767582, 0.0037720087, 0.00028482146, 2.0459834e-06];
const ERF_DENOMINATOR_F32: [f64; 6] = [1.0, 0.50223213, 0.11417788, 0.014982116, 0.0011637083, 3.8046164e-05];
// erf(x) / x - 1 in x²
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
/// Where `t` is zero.
const ERFCX_K_F32: f64 = 2.0;
const ERFCX_K_F64: f64 = 4.0;
// e^a²·erfc(a)·(1 + 2a) in t
const ERFCX_F32: [f64; 10] = [
    1.2769784, -0.09276392, -0.16603097, 0.16405475, -0.05420719, -0.00805867, 0.008639038, 0.0013148219,
    -0.0012364346, -0.00040417534,
];
const ERFCX_F64: [f64; 22] = [1.2329951186255526, -0.13962111684056297, 0.015379652102607323, 0.06809705425475629, -0.10103906603561491, 0.09373283499627764, -0.0663303658273311, 0.037167515565916714, -0.016197733887000538, 0.005031969779977951, -0.0007577744166046686, -0.00019925596470528323, 0.0001506263039690533, -2.440043858838084e-05, -1.1234090368763534e-05, 5.709379482386391e-06, 3.135532944023112e-07, -8.203250237151563e-07, 5.5369763410220266e-08, 1.0161390849973423e-07, -8.080793207344561e-09, -8.403965612288148e-09];
