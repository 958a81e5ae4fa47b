//! `pow`.
//!
//! `x^y = 2^(y·log2 x)`. The logarithm is kept as a sum of two floats, some ten bits more precise than
//! one of them, since its error is multiplied by as much as the exponent range.

use super::exp::exp2_parts;
use super::log::{Split, split};
use super::{Core, at_least, at_most, by_width, poly_by_width, sign_bits, xor_sign};

/// An unevaluated sum whose second part is below the last place of the first.
struct Pair<V> {
    high: V,
    low: V,
}

/// `a + b` exactly, for `|a| >= |b|`.
#[inline(always)]
fn fast_two_sum<C: Core>(c: &mut C, a: C::V, b: C::V) -> Pair<C::V> {
    let high = c.fadd(a, b);
    let seen = c.fsub(high, a);
    let low = c.fsub(b, seen);
    Pair { high, low }
}

/// `a·b` exactly.
#[inline(always)]
fn two_product<C: Core>(c: &mut C, a: C::V, b: C::V) -> Pair<C::V> {
    let high = c.fmul(a, b);
    let negated = c.fneg(high);
    let low = c.fma(a, b, negated);
    Pair { high, low }
}

/// `a·b` with a relative error of a few units in the last place of the low part.
#[inline(always)]
fn multiply<C: Core>(c: &mut C, a: &Pair<C::V>, b: &Pair<C::V>) -> Pair<C::V> {
    let Pair { high, low } = two_product(c, a.high, b.high);
    let low = c.fma(a.high, b.low, low);
    let low = c.fma(a.low, b.high, low);
    Pair { high, low }
}

#[inline(always)]
fn constant_pair<C: Core>(c: &mut C, like: C::V, single: [f64; 2], double: [f64; 2]) -> Pair<C::V> {
    Pair { high: by_width(c, like, single[0], double[0]), low: by_width(c, like, single[1], double[1]) }
}

/// `log2` of a positive finite number.
#[inline(always)]
fn log2_pair<C: Core>(c: &mut C, x: C::V) -> Pair<C::V> {
    let Split { f, e, .. } = split(c, x);
    // s = f / (2 + f) with its residue.
    let two = c.float(x, 2.0);
    let denominator = fast_two_sum(c, two, f);
    let high = c.fdiv(f, denominator.high);
    let negated = c.fneg(high);
    let residue = c.fma(negated, denominator.high, f);
    let residue = c.fma(negated, denominator.low, residue);
    let low = c.fdiv(residue, denominator.high);
    let s = Pair { high, low };

    // log2(1 + f) = s·(first + z·(second + z·p(z))), z = s²
    let z = multiply(c, &s, &s);
    let p = poly_by_width(c, z.high, &LOG2_F32, &LOG2_F64);
    let tail = c.fmul(z.high, p);
    let second = constant_pair(c, x, SECOND_F32, SECOND_F64);
    let sum = fast_two_sum(c, second.high, tail);
    let low = c.fadd(sum.low, second.low);
    let sum = Pair { high: sum.high, low };
    let product = multiply(c, &z, &sum);
    let first = constant_pair(c, x, FIRST_F32, FIRST_F64);
    let sum = fast_two_sum(c, first.high, product.high);
    let low = c.fadd(first.low, product.low);
    let low = c.fadd(sum.low, low);
    let sum = Pair { high: sum.high, low };
    let fraction = multiply(c, &s, &sum);

    // |e| >= 1 > |fraction|, or e is zero.
    let sum = fast_two_sum(c, e, fraction.high);
    let is_zero = {
        let zero = c.float(x, 0.0);
        c.feq(e, zero)
    };
    let high = c.select(is_zero, fraction.high, sum.high);
    let low = c.fadd(sum.low, fraction.low);
    let low = c.select(is_zero, fraction.low, low);
    fast_two_sum(c, high, low)
}

/// `|x|^y` for a finite `x` that is not zero.
#[inline(always)]
fn positive_power<C: Core>(c: &mut C, size: C::V, y: C::V) -> C::V {
    let logarithm = log2_pair(c, size);
    // Large enough that a further increase changes nothing, small enough that products stay finite.
    let limit = by_width(c, y, 1_099_511_627_776.0, 1.180_591_620_717_411_3e21);
    let minus_limit = c.fneg(limit);
    let y = at_most(c, y, limit);
    let y = at_least(c, y, minus_limit);
    let product = two_product(c, y, logarithm.high);
    let low = c.fma(y, logarithm.low, product.low);
    let ceiling = by_width(c, y, 150.0, 1100.0);
    let floor = c.fneg(ceiling);
    let high = at_most(c, product.high, ceiling);
    let high = at_least(c, high, floor);
    let size = c.fabs(product.high);
    let in_range = c.flt(size, ceiling);
    let zero = c.float(y, 0.0);
    let low = c.select(in_range, low, zero);
    exp2_parts(c, high, Some(low))
}

/// As C99 defines it, special values included.
#[inline(always)]
pub fn pow<C: Core>(c: &mut C, x: C::V, y: C::V) -> C::V {
    let zero = c.float(x, 0.0);
    let one = c.float(x, 1.0);
    let infinity = c.float(x, f64::INFINITY);
    let nan = c.float(x, f64::NAN);
    let size = c.fabs(x);
    let power = positive_power(c, size, y);

    // Zero and infinity: which of the two comes out depends on the sign of y.
    let is_zero = c.feq(size, zero);
    let is_infinite = c.feq(size, infinity);
    let y_negative = c.flt(y, zero);
    let of_zero = c.select(y_negative, infinity, zero);
    let of_infinity = c.select(y_negative, zero, infinity);
    let power = c.select(is_zero, of_zero, power);
    let power = c.select(is_infinite, of_infinity, power);

    // The sign survives odd powers.
    let half = c.float(y, 0.5);
    let y_half = c.fmul(y, half);
    let whole_half = c.ftrunc(y_half);
    let whole = c.ftrunc(y);
    let is_whole = c.feq(whole, y);
    let has_half = c.fne(whole_half, y_half);
    let is_odd = c.mand(is_whole, has_half);
    let sign = sign_bits(c, x);
    let no_sign = c.int(sign, 0);
    let sign = c.select(is_odd, sign, no_sign);
    let power = xor_sign(c, power, sign);

    // NaN from NaN, and from a fractional power of a negative number.
    let x_negative = c.flt(x, zero);
    let fractional = c.mnot(is_whole);
    let undefined = c.mand(x_negative, fractional);
    let finite = c.mnot(is_infinite);
    let undefined = c.mand(undefined, finite);
    let x_nan = c.fne(x, x);
    let y_nan = c.fne(y, y);
    let any_nan = c.mor(x_nan, y_nan);
    let undefined = c.mor(undefined, any_nan);
    let power = c.select(undefined, nan, power);

    // 1^y and x^0 are 1 whatever the other is.
    let x_one = c.feq(x, one);
    let y_zero = c.feq(y, zero);
    let is_one = c.mor(x_one, y_zero);
    c.select(is_one, one, power)
}

/// 2 / ln 2, high and low part.
const FIRST_F32: [f64; 2] = [2.885390043258667, 3.851926067000022e-08];
/// 2 / ln 2, high and low part.
const FIRST_F64: [f64; 2] = [2.8853900817779268, 4.0710547481862066e-17];
/// 2 / (3·ln 2), high and low part.
const SECOND_F32: [f64; 2] = [0.9617967009544373, -7.028461812552678e-09];
/// 2 / (3·ln 2), high and low part.
const SECOND_F64: [f64; 2] = [0.9617966939259756, 5.0577616648125907e-17];
// (log2((1 + s) / (1 - s)) - (2·s + ⅔·s³) / ln 2) / s⁵ in s²
const LOG2_F32: [f64; 3] = [0.5770802, 0.41184986, 0.33782333];
const LOG2_F64: [f64; 8] = [
    0.5770780163555851,
    0.4121985831113459,
    0.3205988979127144,
    0.2623081986692494,
    0.22195226943134458,
    0.19240136295396099,
    0.16845059912396843,
    0.17282557799198944,
];
