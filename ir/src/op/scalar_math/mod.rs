//! Transcendental and bit-level scalar functions, expanded into [`Core`] instructions.
//!
//! Each function is written once, for f32 and f64 and for one lane or many; every emitter takes these
//! expansions, so every target computes the same bits. The common path has no branches; what is rare
//! (huge trigonometric arguments, long division in `fmod`) stands behind [`Core::rarely`].
//!
//! Coefficients are minimax fits (Remez exchange, the leading ones rounded first and the others
//! refitted), given as f64 literals that are exact in the width they are for.

mod bessel;
mod core;
mod erfinv;
mod error_function;
mod exp;
mod float_parts;
mod gamma;
pub mod half;
mod hyperbolic;
mod inverse_trig;
mod log;
mod power;
mod random;
mod remainder;
mod trig;
mod trig_reduce;

pub use self::bessel::i0;
pub use self::core::Core;
pub use self::erfinv::erfinv;
pub use self::error_function::{erf, erfc};
pub use self::exp::{exp, exp2, expm1, sigmoid};
pub use self::float_parts::{frexp_exponent, frexp_mantissa, hypot, ldexp, nextafter};
pub use self::gamma::{digamma, lgamma, polygamma, zeta};
pub use self::hyperbolic::{acosh, asinh, atanh, cosh, sinh, tanh};
pub use self::inverse_trig::{acos, asin, atan, atan2};
pub use self::log::{log, log1p, log2, log10};
pub use self::power::pow;
pub use self::random::{philox4x32, uniform_f32, uniform_f64};
pub use self::remainder::{fmod, remainder};
pub use self::trig::{cos, sin, tan};

/// The constant `single` or `double`, by the width of `like`.
fn by_width<C: Core>(c: &mut C, like: C::V, single: f64, double: f64) -> C::V {
    let value = if c.is_double(like) { double } else { single };
    c.float(like, value)
}

/// The integer constant `single` or `double`, by the width of `like`.
fn int_by_width<C: Core>(c: &mut C, like: C::V, single: i64, double: i64) -> C::V {
    // Sign-extended, so that each value of 32 bits has one form.
    let value = if c.is_double(like) { double } else { i64::from(single as i32) };
    c.int(like, value)
}

/// Number of stored mantissa bits in the width of `x`.
fn mantissa_bits<C: Core>(c: &C, x: C::V) -> u32 {
    if c.is_double(x) { 52 } else { 23 }
}

/// The bits of 1.0.
fn one_bits<C: Core>(c: &mut C, like: C::V) -> C::V {
    int_by_width(c, like, 0x3f80_0000, 0x3ff0_0000_0000_0000)
}

/// The integer with only the sign bit set.
fn sign_mask<C: Core>(c: &mut C, like: C::V) -> C::V {
    int_by_width(c, like, 0x8000_0000, i64::MIN)
}

/// The sign bit of the float `x`, as an integer.
fn sign_bits<C: Core>(c: &mut C, x: C::V) -> C::V {
    let bits = c.to_bits(x);
    let mask = sign_mask(c, bits);
    c.iand(bits, mask)
}

/// `x` with its sign flipped where the sign bit of the integer `sign` is set; other bits of `sign` are 0.
fn xor_sign<C: Core>(c: &mut C, x: C::V, sign: C::V) -> C::V {
    let bits = c.to_bits(x);
    let bits = c.ixor(bits, sign);
    c.from_bits(bits)
}

/// `magnitude`, which must not be negative, with the sign of `sign`.
fn with_sign_of<C: Core>(c: &mut C, magnitude: C::V, sign: C::V) -> C::V {
    let sign = sign_bits(c, sign);
    let bits = c.to_bits(magnitude);
    let bits = c.ior(bits, sign);
    c.from_bits(bits)
}

/// The smaller of `x` and `limit`; NaN stays NaN.
fn at_most<C: Core>(c: &mut C, x: C::V, limit: C::V) -> C::V {
    let beyond = c.flt(limit, x);
    c.select(beyond, limit, x)
}

/// The larger of `x` and `limit`; NaN stays NaN.
fn at_least<C: Core>(c: &mut C, x: C::V, limit: C::V) -> C::V {
    let beyond = c.flt(x, limit);
    c.select(beyond, limit, x)
}

/// The polynomial with these coefficients, lowest degree first. Long ones run as two chains in `x²`.
fn poly<C: Core>(c: &mut C, x: C::V, coefficients: &[f64]) -> C::V {
    if coefficients.len() <= 6 {
        return horner(c, x, coefficients.iter().rev().copied());
    }
    let square = c.fmul(x, x);
    let even = horner(c, square, coefficients.iter().step_by(2).rev().copied());
    let odd = horner(c, square, coefficients.iter().skip(1).step_by(2).rev().copied());
    c.fma(odd, x, even)
}

fn horner<C: Core>(c: &mut C, x: C::V, mut highest_first: impl Iterator<Item = f64>) -> C::V {
    let first = highest_first.next().unwrap_or(0.0);
    let start = c.float(x, first);
    highest_first.fold(start, |sum, coefficient| {
        let coefficient = c.float(x, coefficient);
        c.fma(sum, x, coefficient)
    })
}

/// [`poly`] with the coefficients for the width of `x`.
fn poly_by_width<C: Core>(c: &mut C, x: C::V, single: &[f64], double: &[f64]) -> C::V {
    if c.is_double(x) { poly(c, x, double) } else { poly(c, x, single) }
}

/// `1 - x`.
fn one_minus<C: Core>(c: &mut C, x: C::V) -> C::V {
    let one = c.float(x, 1.0);
    c.fsub(one, x)
}

/// `1 + x`.
fn one_plus<C: Core>(c: &mut C, x: C::V) -> C::V {
    let one = c.float(x, 1.0);
    c.fadd(one, x)
}

/// The constant tables that expansions read, by name.
pub static TABLES: &[(&str, &[u64])] =
    &[("two_over_pi_f32", &trig_reduce::TWO_OVER_PI_F32), ("two_over_pi_f64", &trig_reduce::TWO_OVER_PI_F64)];

/// The table of this name.
pub fn table(name: &str) -> Option<&'static [u64]> {
    TABLES.iter().find(|t| t.0 == name).map(|t| t.1)
}

/// The name of a table of [`TABLES`].
pub fn table_name(table: &'static [u64]) -> &'static str {
    let found = TABLES.iter().find(|t| std::ptr::eq(t.1, table));
    found.map(|t| t.0).expect("every table read by an expansion is listed in TABLES")
}
