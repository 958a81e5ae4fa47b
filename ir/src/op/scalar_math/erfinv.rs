//! The inverse of `erf`.

use super::error_function::{erf, erfc};
use super::exp::exp;
use super::log::log;
use super::{Core, by_width, poly_by_width, with_sign_of};

/// Polynomials in `w = -log(1 - x²)`, the variable of Giles (2010). In f64 they give a first value, and Halley's
/// step follows, whose error is the cube of the first one's.
#[inline(always)]
pub fn erfinv<C: Core>(c: &mut C, x: C::V) -> C::V {
    let a = c.fabs(x);
    let one = c.float(x, 1.0);
    let rest = c.fsub(one, a);
    let sum = c.fadd(one, a);
    let product = c.fmul(rest, sum);
    let logarithm = log(c, product);
    let w = c.fneg(logarithm);
    // Near zero the first coefficient is nearly all, so it comes in two parts and enters with one rounding.
    let rise = poly_by_width(c, w, &CENTRAL_F32, &CENTRAL_F64);
    let first_low = by_width(c, w, HALF_ROOT_PI - HALF_ROOT_PI as f32 as f64, 0.0);
    let rise = c.fma(rise, w, first_low);
    let rise = c.fmul(rise, a);
    let first = by_width(c, w, HALF_ROOT_PI as f32 as f64, HALF_ROOT_PI);
    let central = c.fma(first, a, rise);
    let root = c.fsqrt(w);
    let offset = by_width(c, x, TAIL_OFFSET_F32, TAIL_OFFSET_F64);
    let s = c.fsub(root, offset);
    let tail = poly_by_width(c, s, &TAIL_F32, &TAIL_F64);
    let border = c.float(x, 5.0);
    let is_central = c.flt(w, border);
    let y = c.select(is_central, central, tail);
    let y = if c.is_double(x) { halley_step(c, a, rest, y) } else { y };

    let infinity = c.float(x, f64::INFINITY);
    let nan = c.float(x, f64::NAN);
    let at_one = c.feq(a, one);
    let y = c.select(at_one, infinity, y);
    let inside = c.fle(a, one);
    let y = c.select(inside, y, nan);
    with_sign_of(c, y, x)
}

/// A better root of `erf(y) = a` with `a = 1 - rest`.
#[inline(always)]
fn halley_step<C: Core>(c: &mut C, a: C::V, rest: C::V, y: C::V) -> C::V {
    // f = (erf(y) - a) / erf'(y), from the complement where that is the smaller one.
    let direct = erf(c, y);
    let direct = c.fsub(direct, a);
    let complement = erfc(c, y);
    let complement = c.fsub(rest, complement);
    let half = c.float(a, 0.5);
    let near_one = c.flt(half, a);
    let error = c.select(near_one, complement, direct);
    let square = c.fmul(y, y);
    let growth = exp(c, square);
    let half_root_pi = c.float(a, HALF_ROOT_PI);
    let inverse_slope = c.fmul(growth, half_root_pi);
    let f = c.fmul(error, inverse_slope);
    let one = c.float(a, 1.0);
    let divisor = c.fma(y, f, one);
    let step = c.fdiv(f, divisor);
    let better = c.fsub(y, step);
    // Near zero the series ends with its first term, where erf would be denormal.
    let tiny = c.float(a, 1e-9);
    let linear = c.fmul(a, half_root_pi);
    let is_tiny = c.flt(a, tiny);
    c.select(is_tiny, linear, better)
}

/// `√π / 2`, where `erfinv(x) / x` begins.
const HALF_ROOT_PI: f64 = 0.886_226_925_452_758;
// (erfinv(x) / x - √π / 2) / w in w up to 5, and erfinv(x) in √w less the offset beyond
const CENTRAL_F64: [f64; 9] = [
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
const TAIL_OFFSET_F64: f64 = 4.0;
const TAIL_F64: [f64; 8] = [
    3.839785,
    1.0094895,
    0.001240433,
    -0.0008396945,
    0.00031071532,
    -9.64699e-05,
    1.7282446e-05,
    -6.9361045e-07,
];
const CENTRAL_F32: [f64; 9] = [
    0.2320137,
    0.0115492055,
    -0.0023353589,
    -0.00012643322,
    4.3977427e-05,
    4.1782073e-06,
    -2.0143339e-06,
    2.2501115e-07,
    -8.96578e-09,
];
/// f32 ends at `√w = 4`, f64 at 6.
const TAIL_OFFSET_F32: f64 = 3.125;
const TAIL_F32: [f64; 8] = [
    2.9582353,
    1.0042202,
    0.005652926,
    -0.0029067793,
    0.0010110715,
    -0.00024115582,
    -2.5005716e-05,
    4.382296e-05,
];
