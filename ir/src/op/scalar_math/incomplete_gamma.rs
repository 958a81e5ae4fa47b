//! The regularised incomplete gamma functions.
//!
//! Whichever of the two is the smaller is computed, and the other is 1 less that:
//! - near `x = a`, for large `a`, by Temme's uniform asymptotic expansion (SIAM J. Math. Anal. 10, 1979);
//! - for smaller `x`, `P` by its power series;
//! - for small `a` and `x`, `Q` by the power series without its first term, which is nearly 1;
//! - for larger `x`, `Q` by Legendre's continued fraction.
//!
//! All of it is done in double precision: the exponent of `x^a·e^-x / Γ(a + 1)` is large, so that in
//! single precision its rounding alone would spoil the result.

use super::error_function::erfc;
use super::exp::{exp, expm1};
use super::gamma::{lgamma_one_plus, stirling_rest};
use super::log::{log, log_correction};
use super::{Core, one_minus, one_plus, poly};
use std::f64::consts::TAU;

/// The lower one, `P(a, x) = γ(a, x) / Γ(a)`.
pub fn igamma<C: Core>(c: &mut C, a: C::V, x: C::V) -> C::V {
    in_double(c, a, x, false)
}

/// The upper one, `Q(a, x) = 1 - P(a, x)`.
pub fn igammac<C: Core>(c: &mut C, a: C::V, x: C::V) -> C::V {
    in_double(c, a, x, true)
}

fn in_double<C: Core>(c: &mut C, a: C::V, x: C::V, upper: bool) -> C::V {
    if c.is_double(x) {
        return regularised(c, a, x, upper, &DOUBLE);
    }
    let (a, x) = (c.widen(a), c.widen(x));
    let y = regularised(c, a, x, upper, &SINGLE);
    c.narrow(y)
}

/// How far the expansions go for the width of the result.
struct Precision {
    tolerance: f64,
    /// Terms of the power series before each test whether they suffice.
    series: [u32; 4],
    /// Likewise for the continued fraction.
    fraction: [u32; 4],
    /// Terms of the series for `Q` near the origin.
    near_origin: u32,
    uniform: &'static [usize],
}

const DOUBLE: Precision = Precision {
    tolerance: 1.0 / (1u64 << 53) as f64,
    series: [20, 24, 32, 64],
    fraction: [8, 16, 32, 64],
    near_origin: 20,
    uniform: &UNIFORM_DOUBLE,
};
const SINGLE: Precision = Precision {
    tolerance: 1.0 / (1u64 << 30) as f64,
    series: [12, 12, 24, 32],
    fraction: [5, 6, 12, 24],
    near_origin: 12,
    uniform: &UNIFORM_SINGLE,
};

/// From here on `a` is large: Stirling's series serves.
const STIRLING_FROM: f64 = 10.0;
/// From here on the uniform expansion serves where `x / a - 1` is within its bounds.
const UNIFORM_FROM: f64 = 20.0;
const UNIFORM_BELOW: f64 = -0.29;
const UNIFORM_ABOVE: f64 = 0.4;
/// Beyond this and outside the uniform expansion, one of the two functions underflows.
const STEP_FROM: f64 = 1e6;
/// Up to here a lane may take the series near the origin.
const ORIGIN: f64 = 1.5;

fn regularised<C: Core>(c: &mut C, a: C::V, x: C::V, upper: bool, precision: &Precision) -> C::V {
    let (zero, one) = (c.float(x, 0.0), c.float(x, 1.0));
    let infinity = c.float(x, f64::INFINITY);
    let (a_positive, x_positive) = (c.flt(zero, a), c.flt(zero, x));
    let (a_finite, x_finite) = (c.flt(a, infinity), c.flt(x, infinity));
    let positive = c.mand(a_positive, x_positive);
    let finite = c.mand(a_finite, x_finite);
    let inside = c.mand(positive, finite);

    let distance = c.fsub(x, a);
    let mu = c.fdiv(distance, a);
    let (low, high) = (c.float(x, UNIFORM_BELOW), c.float(x, UNIFORM_ABOVE));
    let (above_low, below_high) = (c.flt(low, mu), c.flt(mu, high));
    let close = c.mand(above_low, below_high);
    let from = c.float(x, UNIFORM_FROM);
    let large = c.fle(from, a);
    let close = c.mand(close, large);
    let uniform = c.mand(inside, close);
    let step_from = c.float(x, STEP_FROM);
    let (a_near, x_near) = (c.flt(a, step_from), c.flt(x, step_from));
    let near = c.mand(a_near, x_near);
    let not_uniform = c.mnot(uniform);
    let ordinary = c.mand(inside, near);
    let ordinary = c.mand(ordinary, not_uniform);

    // A step from 0 to 1 at x = a, which is also what torch gives at the edges of the quarter plane.
    let x_smaller = c.flt(x, a);
    let y = zero;
    let lower = x_smaller;
    let y = c.rarely(uniform, y, |c| near_diagonal(c, a, mu, precision));
    let regions = Regions::new(c, a, x, ordinary);
    let lower = {
        let not_ordinary = c.mnot(ordinary);
        let elsewhere = c.mand(lower, not_ordinary);
        c.mor(regions.series, elsewhere)
    };
    let y = c.rarely(ordinary, y, |c| off_diagonal(c, regions, mu, precision));
    let rest = one_minus(c, y);
    let y = if upper { c.select(lower, rest, y) } else { c.select(lower, y, rest) };

    let x_larger = c.flt(a, x);
    let differ = c.mor(x_smaller, x_larger);
    let (a_allowed, x_allowed) = (c.fle(zero, a), c.fle(zero, x));
    let allowed = c.mand(a_allowed, x_allowed);
    let allowed = c.mand(allowed, differ);
    let allowed = c.mor(allowed, inside);
    let nan = c.float(one, f64::NAN);
    c.select(allowed, y, nan)
}

/// The smaller of the two functions near the diagonal: with `½·η² = μ - log(1 + μ)`,
/// `½·erfc(|η|·√(a/2)) ± e^(-½·a·η²) / √(2πa) · Σ c_k(η)·a^-k`.
fn near_diagonal<C: Core>(c: &mut C, a: C::V, mu: C::V, precision: &Precision) -> C::V {
    let (zero, half, one, two) = (c.float(a, 0.0), c.float(a, 0.5), c.float(a, 1.0), c.float(a, 2.0));
    let minus_phi = log_correction(c, mu);
    let phi = c.fneg(minus_phi);
    let square = c.fmul(a, phi);
    let twice = c.fmul(phi, two);
    let eta = c.fsqrt(twice);
    let minus_eta = c.fneg(eta);
    let negative = c.flt(mu, zero);
    let eta = c.select(negative, minus_eta, eta);
    let reciprocal = c.fdiv(one, a);
    let mut sum = zero;
    for (coefficients, &count) in UNIFORM.iter().zip(precision.uniform).rev() {
        let p = poly(c, eta, &coefficients[..count]);
        sum = c.fma(sum, reciprocal, p);
    }
    let minus_square = c.fneg(square);
    let decay = exp(c, minus_square);
    let tau = c.float(a, TAU);
    let scale = c.fmul(a, tau);
    let scale = c.fsqrt(scale);
    let correction = c.fmul(decay, sum);
    let correction = c.fdiv(correction, scale);
    let opposite = c.fneg(correction);
    let correction = c.select(negative, opposite, correction);
    let argument = c.fsqrt(square);
    let error = erfc(c, argument);
    c.fma(error, half, correction)
}

/// Which lanes take which expansion, and their arguments; harmless ones in the lanes that take none.
struct Regions<C: Core> {
    a: C::V,
    x: C::V,
    /// `log x`; for large `a`, `log (x / a)`.
    logarithm: C::V,
    large: C::M,
    series: C::M,
    origin: C::M,
    fraction: C::M,
}

impl<C: Core> Regions<C> {
    fn new(c: &mut C, a: C::V, x: C::V, ordinary: C::M) -> Regions<C> {
        let (half, one) = (c.float(x, 0.5), c.float(x, 1.0));
        let (a, x) = (c.select(ordinary, a, one), c.select(ordinary, x, one));
        let stirling_from = c.float(x, STIRLING_FROM);
        let large = c.fle(stirling_from, a);
        let ratio = c.fdiv(x, a);
        let argument = c.select(large, ratio, x);
        let logarithm = log(c, argument);
        // P is not small where x >= a or, for a tiny x, where x^a is near 1.
        let power = c.fmul(a, logarithm);
        let minus_two_fifths = c.float(x, -0.4);
        let power_near_one = c.fle(minus_two_fifths, power);
        let x_tiny = c.fle(x, half);
        let x_not_tiny = c.mnot(x_tiny);
        let x_larger = c.flt(a, x);
        let (first, second) = (c.mand(x_tiny, power_near_one), c.mand(x_not_tiny, x_larger));
        let p_large = c.mor(first, second);
        let border = c.float(x, ORIGIN);
        let x_small = c.flt(x, border);
        let a_small = c.flt(a, one);
        let origin = c.mand(x_small, a_small);
        let origin = c.mand(origin, p_large);
        let beyond = c.mnot(x_small);
        let fraction = c.mand(beyond, x_larger);
        let neither = c.mor(origin, fraction);
        let series = c.mnot(neither);
        let series = c.mand(series, ordinary);
        Regions { a, x, logarithm, large, series, origin, fraction }
    }
}

/// The smaller function, or the one that the region says, away from the diagonal.
fn off_diagonal<C: Core>(c: &mut C, r: Regions<C>, mu: C::V, precision: &Precision) -> C::V {
    let Regions { a, x, logarithm, large, series, origin, fraction } = r;
    let zero = c.float(x, 0.0);
    let outer = c.mor(series, fraction);
    let y = c.rarely(outer, zero, |c| {
        let d = density(c, a, x, mu, logarithm, large);
        let one = c.float(x, 1.0);
        let sum = c.rarely(series, one, |c| {
            let x = c.select(series, x, one);
            series_from(c, [one, one, a, x], &precision.series, precision.tolerance)
        });
        let sum = c.rarely(fraction, sum, |c| {
            let two = c.float(x, 2.0);
            let (a, x) = (c.select(fraction, a, one), c.select(fraction, x, two));
            let y = one_minus(c, a);
            let z = c.fadd(x, y);
            let z = one_plus(c, z);
            let p = one_plus(c, x);
            let q = c.fmul(z, x);
            let state = [p, q, one, x, y, z, zero];
            let value = fraction_from(c, state, &precision.fraction, precision.tolerance);
            c.fmul(value, a)
        });
        c.fmul(d, sum)
    });
    c.rarely(origin, y, |c| near_origin(c, a, x, logarithm, precision.near_origin))
}

/// `x^a·e^-x / Γ(a + 1)`.
fn density<C: Core>(c: &mut C, a: C::V, x: C::V, mu: C::V, logarithm: C::V, large: C::M) -> C::V {
    let one = c.float(x, 1.0);
    // For small a, Γ(a + 1) is a product times Γ(u + 1) with u below 1.
    let steps = STIRLING_FROM as u32 - 1;
    let [u, product] = c.repeat(steps, [a, one], |c, [u, product]| {
        let one = c.float(u, 1.0);
        let above = c.fle(one, u);
        let larger = c.fmul(product, u);
        let lower = c.fsub(u, one);
        [c.select(above, lower, u), c.select(above, larger, product)]
    });
    let u = c.select(large, one, u);
    let log_gamma = lgamma_one_plus(c, u);
    let power = c.fmul(a, logarithm);
    let small_exponent = c.fsub(power, x);
    let small_exponent = c.fsub(small_exponent, log_gamma);
    // For large a, Stirling: the powers cancel but for e^(a·(log(x / a) - μ)).
    let distance = c.fsub(a, x);
    let far = c.fma(a, logarithm, distance);
    let (low, high) = (c.float(x, UNIFORM_BELOW), c.float(x, UNIFORM_ABOVE));
    let (above_low, below_high) = (c.flt(low, mu), c.flt(mu, high));
    let close = c.mand(above_low, below_high);
    let near = log_correction(c, mu);
    let near = c.fmul(a, near);
    let large_exponent = c.select(close, near, far);
    let rest = stirling_rest(c, a);
    let large_exponent = c.fsub(large_exponent, rest);
    let tau = c.float(x, TAU);
    let scale = c.fmul(a, tau);
    let scale = c.fsqrt(scale);
    let exponent = c.select(large, large_exponent, small_exponent);
    let divisor = c.select(large, scale, product);
    let e = exp(c, exponent);
    c.fdiv(e, divisor)
}

/// `1 + x / (a + 1) + x² / ((a + 1)·(a + 2)) + …`. The state is the sum, its last term, the last
/// divisor and `x`; each of `blocks` is a number of terms, added if some lane still needs them.
fn series_from<C: Core>(c: &mut C, state: [C::V; 4], blocks: &[u32], tolerance: f64) -> C::V {
    let [sum, term, divisor, x] = c.repeat(blocks[0], state, |c, [sum, term, divisor, x]| {
        let divisor = one_plus(c, divisor);
        let ratio = c.fdiv(x, divisor);
        let term = c.fmul(term, ratio);
        [c.fadd(sum, term), term, divisor, x]
    });
    if blocks.len() == 1 {
        return sum;
    }
    let limit = c.float(x, tolerance);
    let limit = c.fmul(sum, limit);
    let more = c.flt(limit, term);
    c.rarely(more, sum, |c| series_from(c, [sum, term, divisor, x], &blocks[1..], tolerance))
}

/// The continued fraction of `Q / (x^a·e^-x / Γ(a))` by the recurrence of its convergents. The state is
/// the last two numerators and denominators, as `[p, q, p', q']`, and what the next step starts from.
fn fraction_from<C: Core>(c: &mut C, state: [C::V; 7], blocks: &[u32], tolerance: f64) -> C::V {
    let [p, q, p_before, q_before, y, z, k] =
        c.repeat(blocks[0], state, |c, [p, q, p_before, q_before, y, z, k]| {
            let two = c.float(z, 2.0);
            let (k, y, z) = (one_plus(c, k), one_plus(c, y), c.fadd(z, two));
            let factor = c.fmul(y, k);
            let (p_part, q_part) = (c.fmul(p_before, factor), c.fmul(q_before, factor));
            let (p_part, q_part) = (c.fneg(p_part), c.fneg(q_part));
            [c.fma(p, z, p_part), c.fma(q, z, q_part), p, q, y, z, k]
        });
    let one = c.float(q, 1.0);
    // Divided by q, so that they do not grow beyond bounds.
    let reciprocal = c.fdiv(one, q);
    let value = c.fmul(p, reciprocal);
    if blocks.len() == 1 {
        return value;
    }
    let (p_before, q_before) = (c.fmul(p_before, reciprocal), c.fmul(q_before, reciprocal));
    let minus_value = c.fneg(value);
    let change = c.fma(minus_value, q_before, p_before);
    let change = c.fabs(change);
    let limit = c.float(q, 4.0 * tolerance);
    let limit = c.fmul(p_before, limit);
    let more = c.flt(limit, change);
    c.rarely(more, value, |c| {
        fraction_from(c, [value, one, p_before, q_before, y, z, k], &blocks[1..], tolerance)
    })
}

/// `Q` for small `a` and `x`: `1 - x^a / Γ(a + 1) · (1 + a·Σ (-x)^n / (n!·(a + n)))`.
fn near_origin<C: Core>(c: &mut C, a: C::V, x: C::V, logarithm: C::V, terms: u32) -> C::V {
    let (zero, one) = (c.float(x, 0.0), c.float(x, 1.0));
    let minus_x = c.fneg(x);
    let [sum, _, _, _, _] =
        c.repeat(terms, [zero, one, zero, a, minus_x], |c, [sum, power, n, divisor, minus_x]| {
            let (n, divisor) = (one_plus(c, n), one_plus(c, divisor));
            let ratio = c.fdiv(minus_x, n);
            let power = c.fmul(power, ratio);
            let part = c.fdiv(power, divisor);
            [c.fadd(sum, part), power, n, divisor, minus_x]
        });
    let log_gamma = lgamma_one_plus(c, a);
    let power = c.fmul(a, logarithm);
    let exponent = c.fsub(power, log_gamma);
    let excess = expm1(c, exponent);
    let factor = one_plus(c, excess);
    let factor = c.fmul(factor, a);
    let minus_sum = c.fneg(sum);
    let rest = c.fmul(factor, minus_sum);
    c.fsub(rest, excess)
}

// The Taylor coefficients in η of each power of 1/a.
const UNIFORM: [&[f64]; 11] = [
    &[
        -0.3333333333333333,
        0.08333333333333333,
        -0.014814814814814815,
        0.0011574074074074073,
        0.0003527336860670194,
        -0.0001787551440329218,
        3.919263178522438e-05,
        -2.185448510679992e-06,
        -1.85406221071516e-06,
        8.296711340953087e-07,
        -1.7665952736826078e-07,
        6.707853543401498e-09,
        1.0261809784240309e-08,
        -4.382036018453353e-09,
        9.14769958223679e-10,
    ],
    &[
        -0.001851851851851852,
        -0.003472222222222222,
        0.0026455026455026454,
        -0.0009902263374485596,
        0.00020576131687242798,
        -4.018775720164609e-07,
        -1.8098550334489977e-05,
        7.64916091608111e-06,
        -1.6120900894563446e-06,
        4.647127802807434e-09,
        1.378633446915721e-07,
        -5.752545603517705e-08,
        1.1951628599778148e-08,
        -1.7543241719747647e-11,
        -1.0091543710600413e-09,
    ],
    &[
        0.004133597883597883,
        -0.0026813271604938273,
        0.0007716049382716049,
        2.0093878600823047e-06,
        -0.0001073665322636516,
        5.2923448829120125e-05,
        -1.2760635188618728e-05,
        3.423578734096138e-08,
        1.3721957309062934e-06,
        -6.298992138380055e-07,
        1.4280614206064242e-07,
        -2.0477098421990866e-10,
        -1.409252991086752e-08,
    ],
    &[
        0.0006494341563786008,
        0.00022947209362139917,
        -0.0004691894943952557,
        0.00026772063206283885,
        -7.561801671883977e-05,
        -2.396505113867297e-07,
        1.1082654115347302e-05,
        -5.6749528269915965e-06,
        1.4230900732435883e-06,
        -2.7861080291528143e-11,
        -1.6958404091930278e-07,
        8.099464905388083e-08,
    ],
    &[
        -0.0008618882909167117,
        0.0007840392217200666,
        -0.0002990724803031902,
        -1.4638452578843418e-06,
        6.641498215465122e-05,
        -3.968365047179435e-05,
        1.1375726970678419e-05,
        2.507497226237533e-10,
        -1.6954149536558305e-06,
        8.907507532205309e-07,
        -2.292934834000805e-07,
    ],
    &[
        -0.00033679855336635813,
        -6.972813758365857e-05,
        0.0002772753244959392,
        -0.00019932570516188847,
        6.797780477937208e-05,
        1.419062920643967e-07,
        -1.3594048189768693e-05,
        8.018470256334202e-06,
        -2.291481176508095e-06,
    ],
    &[
        0.0005313079364639922,
        -0.0005921664373536939,
        0.0002708782096718045,
        7.902353232660328e-07,
        -8.153969367561969e-05,
        5.61168275310625e-05,
        -1.8329116582843375e-05,
    ],
    &[
        0.00034436760689237765,
        5.171790908260592e-05,
        -0.00033493161081142234,
        0.0002812695154763237,
        -0.00010976582244684731,
        -1.2741009095484485e-07,
        2.7744451511563645e-05,
    ],
    &[
        -0.0006526239185953094,
        0.0008394987206720873,
        -0.000438297098541721,
        -6.969091458420552e-07,
        0.00016644846642067547,
        -0.00012783517679769218,
    ],
    &[-0.0005967612901927463, -7.204895416020011e-05, 0.0006782308837667328, -0.0006401475260262758],
    &[0.0013324454494800656, -0.0019144384985654776],
];
// How many of them each precision needs.
const UNIFORM_DOUBLE: [usize; 11] = [15, 15, 13, 12, 11, 9, 7, 7, 6, 4, 2];
const UNIFORM_SINGLE: [usize; 5] = [9, 8, 6, 4, 3];
