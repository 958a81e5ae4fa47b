//! Transcendental and bit-level scalar functions, expanded into [`Core`] instructions.
//!
//! Each function is written once, for f32 and f64 and for one lane or many; every emitter takes these
//! expansions, so every target computes the same bits. The common path has no branches; what is rare
//! (huge trigonometric arguments, long division in `fmod`) stands behind [`Core::rarely`].
//!
//! Coefficients are minimax fits (Remez exchange, the leading ones rounded first and the others
//! refitted), given as f64 literals that are exact in the width they are for.
//!
//! What the host's vector routines use is always inlined: only then is it compiled with the
//! instructions that those routines have asked for.

mod bessel;
mod core;
mod erfinv;
mod error_function;
mod exp;
mod float_parts;
mod gamma;
pub mod half;
mod hyperbolic;
mod incomplete_gamma;
mod inverse_trig;
mod log;
mod power;
mod quotient;
mod random;
mod remainder;
mod trig;
mod trig_reduce;

use crate::dtype::DType;

pub use self::bessel::{i0, i1};
pub use self::core::Core;
pub use self::erfinv::erfinv;
pub use self::error_function::{erf, erfc};
pub use self::exp::{exp, exp2, expm1, sigmoid};
pub use self::float_parts::{frexp_exponent, frexp_mantissa, hypot, ldexp, nextafter};
pub use self::gamma::{digamma, lgamma, polygamma, trigamma, zeta};
pub use self::half::{f16_to_f32, f32_to_bf16, f32_to_f16};
pub use self::hyperbolic::{acosh, asinh, atanh, cosh, sinh, tanh};
pub use self::incomplete_gamma::{igamma, igammac};
pub use self::inverse_trig::{acos, asin, atan, atan2};
pub use self::log::{log, log1p, log2, log10};
pub use self::power::pow;
pub use self::quotient::{div, reciprocal, rsqrt, sqrt};
pub use self::random::{philox4x32, uniform_f32, uniform_f64};
pub use self::remainder::{fmod, remainder};
pub use self::trig::{cos, sin, tan};

macro_rules! functions {
    ($($name:ident($($arg:ident),+);)*) => {
        /// How many arguments the function of this name takes, if there is one.
        pub fn math_arity(name: &str) -> Option<usize> {
            match name {
                $(stringify!($name) => Some([$(stringify!($arg)),+].len()),)*
                _ => None,
            }
        }

        /// The function of this name.
        pub fn expand<C: Core>(c: &mut C, name: &str, args: &[C::V]) -> Option<C::V> {
            match name {
                $(stringify!($name) => {
                    let &[$($arg),+] = args else { return None };
                    Some($name(c, $($arg),+))
                })*
                _ => None,
            }
        }
    };
}

/// Calls the macro of this name with what is given and the functions of floats that a host has routines for.
#[macro_export]
macro_rules! routine_functions {
    ($then:ident $($given:tt)*) => {
        $then! {
            $($given)*
            exp(x); exp2(x); expm1(x); log(x); log2(x); log10(x); log1p(x); sigmoid(x);
            sin(x); cos(x); tan(x); asin(x); acos(x); atan(x); atan2(y, x);
            sinh(x); cosh(x); tanh(x); asinh(x); acosh(x); atanh(x);
            erf(x); erfc(x); erfinv(x); lgamma(x); digamma(x); i0(x); i1(x);
            pow(x, y); fmod(x, y); remainder(x, y); hypot(x, y);
            div(x, y); reciprocal(x); sqrt(x); rsqrt(x);
        }
    };
}

routine_functions! {
    functions
    trigamma(x); zeta(s, q); igamma(a, x); igammac(a, x);
    f16_to_f32(bits); f32_to_f16(x); f32_to_bf16(x);
}

/// The stored types that the function of this name converts from and to; the others take and give floats of one
/// width.
pub fn conversion(name: &str) -> Option<(DType, DType)> {
    match name {
        "f16_to_f32" => Some((DType::F16, DType::F32)),
        "f32_to_f16" => Some((DType::F32, DType::F16)),
        "f32_to_bf16" => Some((DType::F32, DType::BF16)),
        _ => None,
    }
}

/// The constant `single` or `double`, by the width of `like`.
#[inline(always)]
fn by_width<C: Core>(c: &mut C, like: C::V, single: f64, double: f64) -> C::V {
    let value = if c.is_double(like) { double } else { single };
    c.float(like, value)
}

/// The integer constant `single` or `double`, by the width of `like`.
#[inline(always)]
fn int_by_width<C: Core>(c: &mut C, like: C::V, single: i64, double: i64) -> C::V {
    // Sign-extended, so that each value of 32 bits has one form.
    let value = if c.is_double(like) { double } else { i64::from(single as i32) };
    c.int(like, value)
}

/// Number of stored mantissa bits in the width of `x`.
#[inline(always)]
fn mantissa_bits<C: Core>(c: &C, x: C::V) -> u32 {
    if c.is_double(x) { 52 } else { 23 }
}

/// The bits of 1.0.
#[inline(always)]
fn one_bits<C: Core>(c: &mut C, like: C::V) -> C::V {
    int_by_width(c, like, 0x3f80_0000, 0x3ff0_0000_0000_0000)
}

/// The integer with only the sign bit set.
#[inline(always)]
fn sign_mask<C: Core>(c: &mut C, like: C::V) -> C::V {
    int_by_width(c, like, 0x8000_0000, i64::MIN)
}

/// The sign bit of the float `x`, as an integer.
#[inline(always)]
fn sign_bits<C: Core>(c: &mut C, x: C::V) -> C::V {
    let bits = c.to_bits(x);
    let mask = sign_mask(c, bits);
    c.iand(bits, mask)
}

/// `x` with its sign flipped where the sign bit of the integer `sign` is set; other bits of `sign` are 0.
#[inline(always)]
fn xor_sign<C: Core>(c: &mut C, x: C::V, sign: C::V) -> C::V {
    let bits = c.to_bits(x);
    let bits = c.ixor(bits, sign);
    c.from_bits(bits)
}

/// `magnitude`, which must not be negative, with the sign of `sign`.
#[inline(always)]
fn with_sign_of<C: Core>(c: &mut C, magnitude: C::V, sign: C::V) -> C::V {
    let sign = sign_bits(c, sign);
    let bits = c.to_bits(magnitude);
    let bits = c.ior(bits, sign);
    c.from_bits(bits)
}

/// The smaller of `x` and `limit`; NaN stays NaN.
#[inline(always)]
fn at_most<C: Core>(c: &mut C, x: C::V, limit: C::V) -> C::V {
    c.fmin(limit, x)
}

/// The larger of `x` and `limit`; NaN stays NaN.
#[inline(always)]
fn at_least<C: Core>(c: &mut C, x: C::V, limit: C::V) -> C::V {
    c.fmax(limit, x)
}

/// The polynomial with these coefficients, lowest degree first. Long ones run as two chains in `x²`.
#[inline(always)]
fn poly<C: Core>(c: &mut C, x: C::V, coefficients: &[f64]) -> C::V {
    if coefficients.len() <= 6 {
        return horner(c, x, coefficients, 0, 1);
    }
    let square = c.fmul(x, x);
    let even = horner(c, square, coefficients, 0, 2);
    let odd = horner(c, square, coefficients, 1, 2);
    c.fma(odd, x, even)
}

/// The polynomial of every `stride`-th coefficient from `first` on. A plain counted loop, which the
/// compiler unrolls.
#[inline(always)]
fn horner<C: Core>(c: &mut C, x: C::V, coefficients: &[f64], first: usize, stride: usize) -> C::V {
    let steps = (coefficients.len() - 1 - first) / stride;
    let mut sum = c.float(x, coefficients[first + steps * stride]);
    for k in 1..=steps {
        let coefficient = c.float(x, coefficients[first + (steps - k) * stride]);
        sum = c.fma(sum, x, coefficient);
    }
    sum
}

/// [`poly`] with the coefficients for the width of `x`.
#[inline(always)]
fn poly_by_width<C: Core>(c: &mut C, x: C::V, single: &[f64], double: &[f64]) -> C::V {
    if c.is_double(x) { poly(c, x, double) } else { poly(c, x, single) }
}

/// `1 - x`.
#[inline(always)]
fn one_minus<C: Core>(c: &mut C, x: C::V) -> C::V {
    let one = c.float(x, 1.0);
    c.fsub(one, x)
}

/// `1 + x`.
#[inline(always)]
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
