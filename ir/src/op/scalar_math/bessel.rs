//! The modified Bessel functions of the first kind, orders zero and one.

use super::exp::exp;
use super::{Core, poly_by_width, with_sign_of};

/// A polynomial in `(x/2)²` up to 8, all of whose coefficients are positive; beyond,
/// `e^|x| / √|x|` times a polynomial in `8/|x|`.
#[inline(always)]
pub fn i0<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let half = c.float(x, 0.5);
    let half_a = c.fmul(a, half);
    let z = c.fmul(half_a, half_a);
    let small = poly_by_width(c, z, &I0_F32, &I0_F64);
    join(c, a, small, &I0_FAR_F32, &I0_FAR_F64)
}

/// As [`i0`], with the factor `x/2` before the polynomial; odd.
#[inline(always)]
pub fn i1<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let half = c.float(x, 0.5);
    let half_a = c.fmul(a, half);
    let z = c.fmul(half_a, half_a);
    let small = poly_by_width(c, z, &I1_F32, &I1_F64);
    let small = c.fmul(small, half_a);
    let y = join(c, a, small, &I1_FAR_F32, &I1_FAR_F64);
    with_sign_of(c, y, x)
}

/// `small` for `a` up to 8, beyond it the form for large `a` with the given polynomial.
#[inline(always)]
fn join<C: Core>(c: &mut C, a: C::V, small: C::V, single: &[f64], double: &[f64]) -> C::V {
    let half = c.float(a, 0.5);
    let half_a = c.fmul(a, half);
    let border = c.float(a, 8.0);
    let t = c.fdiv(border, a);
    let p = poly_by_width(c, t, single, double);
    let root = c.fsqrt(a);
    let p = c.fdiv(p, root);
    // The exponential in two halves: it overflows before the result does.
    let e = exp(c, half_a);
    let p = c.fmul(p, e);
    let large = c.fmul(p, e);
    let infinity = c.float(a, f64::INFINITY);
    let infinite = c.feq(a, infinity);
    let large = c.select(infinite, infinity, large);
    let is_small = c.fle(a, border);
    c.select(is_small, small, large)
}

// i0(2·√z) in z
const I0_F32: [f64; 13] = [
    1.0,
    1.0,
    0.25,
    0.027777778,
    0.0017361111,
    6.944442e-05,
    1.929024e-06,
    3.9364814e-08,
    6.155601e-10,
    7.5478955e-12,
    7.9086965e-14,
    4.944947e-16,
    7.445724e-18,
];
const I0_F64: [f64; 20] = [
    1.0,
    1.0,
    0.25,
    0.027777777777777776,
    0.001736111111111111,
    6.944444444444444e-05,
    1.9290123456790124e-06,
    3.93675988914085e-08,
    6.151187326782201e-10,
    7.594058428138864e-12,
    7.59405842781873e-14,
    6.276081351438793e-16,
    4.358389737296427e-18,
    2.578929856278116e-20,
    1.3157717212476089e-22,
    5.848454872383669e-25,
    2.2817018401725596e-27,
    7.996226664614112e-30,
    2.2237284290029024e-32,
    9.759419493200958e-35,
];
// i0(x)·e^-x·√x in 8/x
const I0_FAR_F32: [f64; 7] =
    [0.3989423, 0.0062326365, 0.00044829887, 1.3172203e-05, 9.847429e-05, -7.869946e-05, 3.0178891e-05];
const I0_FAR_F64: [f64; 23] = [
    0.39894228040143265,
    0.0062334731313002665,
    0.0004382910753215454,
    5.706940410243855e-05,
    1.0915394790415992e-05,
    2.9184824693554624e-06,
    -1.073858314071392e-06,
    1.747309640239225e-05,
    -0.00010845781351147397,
    0.000503455177400928,
    -0.0017130146032313857,
    0.004204326031213745,
    -0.0069516036568147204,
    0.005706695729508023,
    0.005297948188150354,
    -0.026197601605578002,
    0.04633862403840967,
    -0.05175473069559696,
    0.039683823226430194,
    -0.02097724902501752,
    0.007345266487167114,
    -0.001538841614259971,
    0.00014635536281888288,
];
// i1(2·√z) / √z in z
const I1_F32: [f64; 10] = [
    1.0,
    0.50000006,
    0.08333321,
    0.0069445856,
    0.00034714708,
    1.1595993e-05,
    2.7183353e-07,
    5.301309e-09,
    4.5933465e-11,
    1.4420524e-12,
];
const I1_F64: [f64; 16] = [
    1.0,
    0.5,
    0.08333333333333329,
    0.006944444444444559,
    0.00034722222222206476,
    1.1574074074201518e-05,
    2.7557319217359486e-07,
    4.9209498847925165e-09,
    6.834652006777195e-11,
    7.594068700123427e-13,
    6.903557366295835e-15,
    5.231298163943706e-17,
    3.3444133511005194e-19,
    1.879983800315236e-21,
    7.625407603438413e-24,
    5.650614186664133e-26,
];
// i1(x)·e^-x·√x in 8/x
const I1_FAR_F32: [f64; 7] =
    [0.3989423, -0.018700367, -0.0007312785, -7.550434e-05, -2.5251626e-05, 1.0310723e-05, -7.922424e-06];
const I1_FAR_F64: [f64; 23] = [
    0.3989422804014327,
    -0.018700419393823428,
    -0.000730485131994648,
    -7.989682482156264e-05,
    -1.4044644830732367e-05,
    -3.3583149794886596e-06,
    -1.5407440665451278e-06,
    6.904062486157037e-06,
    -7.03281153196635e-05,
    0.0004868723735863582,
    -0.0025251026220859366,
    0.010007247681198784,
    -0.03074341858626807,
    0.07379560628675072,
    -0.1388054930578283,
    0.20421885915527974,
    -0.2334336461890615,
    0.20468165017934467,
    -0.1348085792392192,
    0.06445331252960994,
    -0.021103373400327353,
    0.00423087654709502,
    -0.0003916563420062083,
];
