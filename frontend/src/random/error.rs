//! What a fill refuses, in torch's words. torch raises `RuntimeError` for every one of them.

use std::fmt;

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Error)]
pub enum RandomError {
    #[error("Expected a CPUGeneratorImplState of size {expected} but found the input RNG state size to be {found}",
            expected = super::STATE_BYTES)]
    StateSize { found: usize },
    #[error("Invalid mt19937 state")]
    StateInvalid,
    #[error("{name} is out of bounds for {dtype}")]
    OutOfBounds { name: &'static str, dtype: &'static str },
    #[error("uniform_ expects to return a [from, to) range, but found from={from} > to={to}", from = General(*.from), to = General(*.to))]
    UniformOrder { from: f64, to: f64 },
    #[error("uniform_ expects to-from <= std::numeric_limits<{dtype}>::max(), but found to={to} and from={from} which result in to-from to exceed the limit", from = General(*.from), to = General(*.to))]
    UniformWidth { dtype: &'static str, from: f64, to: f64 },
    #[error("random_ expects 'from' to be less than 'to', but got from={from} >= to={to}")]
    RandomOrder { from: i64, to: i64 },
    #[error(
        "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from={from} >= to={to}"
    )]
    RandomOrderCast { from: i64, to: i64 },
    #[error(
        "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got from={from} > to_inc={to}"
    )]
    RandomOpenOrderCast { from: i64, to: i64 },
    #[error("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")]
    FullRange,
    /// torch raises `NotImplementedError` for this one.
    #[error("\"random_full_64_bits_range_kernel_cpu\" not implemented for '{0}'")]
    FullRangeMissing(&'static str),
    /// A parameter outside the domain of its distribution: `expects` is torch's phrase for the domain.
    #[error("{op} expects {expects}{value}", value = General(*.value))]
    Parameter { op: &'static str, expects: &'static str, value: f64 },
    #[error(
        "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
    )]
    Probability,
    #[error("Trying to create tensor with negative dimension {0}: [{0}]")]
    NegativeLength(i64),
    #[error("value cannot be converted to type {0} without overflow")]
    LengthTooLarge(&'static str),
    #[error("n cannot be greater than {limit} for {name} type.")]
    LengthPrecision { limit: &'static str, name: &'static str },
    #[error("{0}")]
    Multinomial(&'static str),
}

/// A float as C++ streams write it: six significant digits, no trailing zeros.
struct General(f64);

impl fmt::Display for General {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.is_nan() {
            return f.write_str(if value.is_sign_negative() { "-nan" } else { "nan" });
        }
        if value.is_infinite() {
            return f.write_str(if value < 0.0 { "-inf" } else { "inf" });
        }
        let scientific = format!("{value:.5e}");
        let Some((mantissa, exponent)) = scientific.split_once('e') else { return f.write_str(&scientific) };
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let trim = |digits: &str| match digits.contains('.') {
            true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => digits.to_owned(),
        };
        if (-4..6).contains(&exponent) {
            let decimals = usize::try_from(5 - exponent).unwrap_or(0);
            f.write_str(&trim(&format!("{value:.decimals$}")))
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(f, "{}e{sign}{:02}", trim(mantissa), exponent.abs())
        }
    }
}
