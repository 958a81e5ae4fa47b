//! The regularised incomplete gamma functions.

use super::exp::exp;
use super::gamma::lgamma;
use super::log::log;
use super::{Core, one_minus, one_plus};

/// `P(a, x)`, or `Q(a, x)` if `upper`, by the power series up to `a + 1`, the continued fraction beyond.
fn regularised<C: Core>(c: &mut C, a: C::V, x: C::V, upper: bool) -> C::V {
    let one = c.float(x, 1.0);
    let logarithm = log(c, x);
    let power = c.fmul(a, logarithm);
    let of_one_plus = one_plus(c, a);
    let log_gamma = lgamma(c, of_one_plus);
    let exponent = c.fsub(power, x);
    let exponent = c.fsub(exponent, log_gamma);
    let density = exp(c, exponent);
    let below = c.flt(x, of_one_plus);
    let [sum, _, _, _] = c.repeat(300, [one, one, a, x], |c, [sum, term, r, x]| {
        let r = one_plus(c, r);
        let ratio = c.fdiv(x, r);
        let term = c.fmul(term, ratio);
        [c.fadd(sum, term), term, r, x]
    });
    let lower = c.fmul(density, sum);
    let tail = {
        let steps = c.float(x, 300.0);
        let [f, _, _, _] = c.repeat(300, [steps, steps, a, x], |c, [f, k, a, x]| {
            // x + 2k - 1 - a - k·(k - a) / f
            let one = c.float(x, 1.0);
            let two = c.float(x, 2.0);
            let b = c.fma(k, two, x);
            let b = c.fsub(b, one);
            let b = c.fsub(b, a);
            let less = c.fsub(k, a);
            let numerator = c.fmul(k, less);
            let part = c.fdiv(numerator, f);
            [c.fsub(b, part), c.fsub(k, one), a, x]
        });
        let scaled = c.fmul(density, a);
        c.fdiv(scaled, f)
    };
    let (near, far) = if upper { (one_minus(c, lower), tail) } else { (lower, one_minus(c, tail)) };
    c.select(below, near, far)
}

/// The lower one, `P(a, x) = γ(a, x) / Γ(a)`.
pub fn igamma<C: Core>(c: &mut C, a: C::V, x: C::V) -> C::V {
    regularised(c, a, x, false)
}

/// The upper one, `Q(a, x) = 1 - P(a, x)`.
pub fn igammac<C: Core>(c: &mut C, a: C::V, x: C::V) -> C::V {
    regularised(c, a, x, true)
}
