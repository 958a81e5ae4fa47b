//! The modified Bessel function of the first kind, order zero.

use super::exp::exp;
use super::{Core, poly_by_width};

/// A polynomial in `(x/2)²` up to 8, all of whose coefficients are positive; beyond,
/// `e^|x| / √|x|` times a polynomial in `8/|x|`.
pub fn i0<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let half = c.float(x, 0.5);
    let half_a = c.fmul(a, half);
    let z = c.fmul(half_a, half_a);
    let small = poly_by_width(c, z, &I0_F32, &I0_F64);
    let border = c.float(x, 8.0);
    let t = c.fdiv(border, a);
    let p = poly_by_width(c, t, &I0_FAR_F32, &I0_FAR_F64);
    let root = c.fsqrt(a);
    let p = c.fdiv(p, root);
    // The exponential in two halves: it overflows before the result does.
    let e = exp(c, half_a);
    let p = c.fmul(p, e);
    let large = c.fmul(p, e);
    let infinity = c.float(x, f64::INFINITY);
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
