//! The exact remainders, `fmod` and torch's `remainder`.

use super::{Core, by_width, with_sign_of};

/// `r - y·nearest(r / y)`, exact when the quotient is finite.
///
/// The rounded quotient times `y` misses `r` by at most half a unit in the last place of the quotient,
/// times `y`; that difference is a multiple of the unit of `y` and no wider than a mantissa.
#[inline(always)]
fn reduce<C: Core>(c: &mut C, r: C::V, y: C::V) -> C::V {
    let quotient = c.fdiv(r, y);
    let whole = c.fround(quotient);
    let negated = c.fneg(whole);
    c.fma(negated, y, r)
}

/// [`reduce`] until the quotient is below one half, for any finite `r` and nonzero `y`.
///
/// Each step takes off as many bits of the quotient as a mantissa has. Since the quotient itself may
/// overflow, multiples of `y` by powers of two come first; those that overflow change nothing.
#[inline(always)]
fn reduce_far<C: Core>(c: &mut C, r: C::V, y: C::V) -> C::V {
    let double = c.is_double(r);
    let up = by_width(c, y, 2f64.powi(100), 2f64.powi(700));
    let middle = c.fmul(y, up);
    let far = c.fmul(middle, up);
    let steps = if double { 15 } else { 6 };
    let infinity = c.float(r, f64::INFINITY);
    let mut r = r;
    for divisor in [far, middle, y] {
        let usable = c.flt(divisor, infinity);
        let [reduced, _] = c.repeat(steps, [r, divisor], |c, [r, divisor]| [reduce(c, r, divisor), divisor]);
        r = c.select(usable, reduced, r);
    }
    r
}

/// The remainder of the quotient rounded towards zero, with the sign of `x`; exact, as in C.
#[inline(always)]
pub fn fmod<C: Core>(c: &mut C, x: C::V, y: C::V) -> C::V {
    let size = c.fabs(y);
    let quotient = c.fdiv(x, size);
    let whole = c.fround(quotient);
    let negated = c.fneg(whole);
    let near = c.fma(negated, size, x);
    // Beyond this the quotient is not exact to the unit.
    let exact = by_width(c, x, 2f64.powi(23), 2f64.powi(52));
    let quotient_size = c.fabs(quotient);
    let far = c.flt(exact, quotient_size);
    let r = c.rarely(far, near, |c| {
        let r = reduce_far(c, x, size);
        let infinity = c.float(x, f64::INFINITY);
        let nan = c.float(x, f64::NAN);
        let zero = c.float(x, 0.0);
        let x_size = c.fabs(x);
        let finite = c.flt(x_size, infinity);
        let divides = c.flt(zero, size);
        let defined = c.mand(finite, divides);
        c.select(defined, r, nan)
    });
    // From the nearest multiple to the one towards zero.
    let zero = c.float(x, 0.0);
    let r_below = c.flt(r, zero);
    let r_above = c.flt(zero, r);
    let x_below = c.flt(x, zero);
    let x_above = c.flt(zero, x);
    let raise = c.mand(r_below, x_above);
    let lower = c.mand(r_above, x_below);
    let raised = c.fadd(r, size);
    let lowered = c.fsub(r, size);
    let r = c.select(raise, raised, r);
    let r = c.select(lower, lowered, r);
    // A zero has the sign of x, and an infinite divisor leaves a finite x as it is.
    let r_size = c.fabs(r);
    let r = with_sign_of(c, r_size, x);
    let infinity = c.float(x, f64::INFINITY);
    let x_size = c.fabs(x);
    let endless = c.feq(size, infinity);
    let finite = c.flt(x_size, infinity);
    let whole_x = c.mand(endless, finite);
    c.select(whole_x, x, r)
}

/// The remainder with the sign of the divisor, as torch's `remainder` and Python's `%`.
#[inline(always)]
pub fn remainder<C: Core>(c: &mut C, x: C::V, y: C::V) -> C::V {
    let r = fmod(c, x, y);
    let zero = c.float(x, 0.0);
    let r_negative = c.flt(r, zero);
    let r_positive = c.flt(zero, r);
    let y_negative = c.flt(y, zero);
    let y_positive = c.flt(zero, y);
    let up = c.mand(r_negative, y_positive);
    let down = c.mand(r_positive, y_negative);
    let differs = c.mor(up, down);
    let moved = c.fadd(r, y);
    c.select(differs, moved, r)
}
