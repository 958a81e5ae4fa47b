//! The inverse of `erf`.

use super::error_function::{erf, erfc};
use super::exp::exp;
use super::log::log;
use super::{Core, by_width, poly, with_sign_of};

/// A first value from polynomials in `w = -log(1 - x²)`, the variable of Giles (2010), then Halley's step,
/// whose error is the cube of the first one's.
#[inline(always)]
pub fn erfinv<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let one = c.float(x, 1.0);
    let rest = c.fsub(one, a);
    let sum = c.fadd(one, a);
    let product = c.fmul(rest, sum);
    let logarithm = log(c, product);
    let w = c.fneg(logarithm);
    let central = poly(c, w, &CENTRAL);
    let central = c.fmul(central, a);
    let root = c.fsqrt(w);
    let offset = c.float(x, 4.0);
    let s = c.fsub(root, offset);
    let tail = poly(c, s, &TAIL);
    let border = c.float(x, 5.0);
    let is_central = c.flt(w, border);
    let y = c.select(is_central, central, tail);

    // f = (erf(y) - a) / erf'(y), from the complement where that is the smaller one.
    let direct = erf(c, y);
    let direct = c.fsub(direct, a);
    let complement = erfc(c, y);
    let complement = c.fsub(rest, complement);
    let half = c.float(x, 0.5);
    let near_one = c.flt(half, a);
    let error = c.select(near_one, complement, direct);
    let square = c.fmul(y, y);
    let growth = exp(c, square);
    let half_root_pi = c.float(x, 0.886_226_925_452_758);
    let inverse_slope = c.fmul(growth, half_root_pi);
    let f = c.fmul(error, inverse_slope);
    let divisor = c.fma(y, f, one);
    let step = c.fdiv(f, divisor);
    let better = c.fsub(y, step);
    // Near zero the series ends with its first term, where erf would be denormal.
    let tiny = by_width(c, x, 1e-5, 1e-9);
    let linear = c.fmul(a, half_root_pi);
    let is_tiny = c.flt(a, tiny);
    let y = c.select(is_tiny, linear, better);

    let infinity = c.float(x, f64::INFINITY);
    let nan = c.float(x, f64::NAN);
    let at_one = c.feq(a, one);
    let y = c.select(at_one, infinity, y);
    let inside = c.fle(a, one);
    let y = c.select(inside, y, nan);
    with_sign_of(c, y, x)
}

// erfinv(x) / x in w up to 5, and erfinv(x) in √w - 4 beyond
const CENTRAL: [f64; 10] = [
    0.8862269,
    0.23201473,
    0.011543741,
    -0.0023240955,
    -0.00013809714,
    5.076867e-05,
    1.8552726e-06,
    -1.5514105e-06,
    1.7528937e-07,
    -6.741957e-09,
];
const TAIL: [f64; 8] = [
    3.839785,
    1.0094895,
    0.001240433,
    -0.0008396945,
    0.00031071532,
    -9.64699e-05,
    1.7282446e-05,
    -6.9361045e-07,
];
