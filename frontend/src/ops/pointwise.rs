//! Element-wise functions of one tensor.

use super::operands::{Keeps, float, float_unary, keep, not_implemented, unary, widened};
use crate::error::{Error, Result, runtime};
use crate::promote::largest;
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::op::Scalar;
use std::f64::consts::PI;

/// Where `x` is a NaN.
pub(crate) fn is_nan(x: &Recorded) -> Result<Recorded> {
    if x.dtype().is_float() { x.ne(x) } else { nowhere(x) }
}

/// False everywhere, in the shape of `x`.
fn nowhere(x: &Recorded) -> Result<Recorded> {
    Recorded::full(rustorch_ir::Literal::from_i64(DType::Bool, 0), x.shape())
}

fn abs(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Input, |x| {
        if x.dtype() == DType::Bool {
            return not_implemented("abs_cpu", DType::Bool);
        }
        x.map1(Scalar::Abs)
    })
}

/// `-x`; torch refuses bools.
pub(crate) fn negative(x: &Recorded) -> Result<Recorded> {
    if x.dtype() == DType::Bool {
        return Err(Error::NotImplemented(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use \
             the `~` or `logical_not()` operator instead."
                .into(),
        ));
    }
    x.neg()
}

fn neg(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| negative(&x))
}

fn positive(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0);
    if x.dtype() == DType::Bool {
        return Err(Error::NotImplemented("The `+` operator, on a bool tensor is not supported.".into()));
    }
    Ok(x.clone())
}

fn sign(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| match x.dtype() {
        DType::Bool => Ok(x),
        dtype if dtype.is_float() => {
            let zero = x.literal(0.0);
            let signed = zero.lt(&x)?.map2(Scalar::Or, &x.lt(&zero)?)?;
            // Of the constant's magnitude and the operand's sign: a step, which gradients pass as zero.
            let unit = Recorded::map(Scalar::Copysign, &[&x.literal(1.0), &x])?;
            signed.select(&unit, &zero)
        }
        dtype => {
            let zero = x.literal(0.0);
            zero.lt(&x)?.cast(dtype)?.sub(&x.lt(&zero)?.cast(dtype)?)
        }
    })
}

fn signbit(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| match x.dtype() {
        DType::Bool => nowhere(&x),
        dtype if dtype.is_float() => {
            Recorded::map(Scalar::Copysign, &[&x.literal(1.0), &x])?.lt(&x.literal(0.0))
        }
        _ => x.lt(&x.literal(0.0)),
    })
}

fn square(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Input, |x| {
        let x = if x.dtype() == DType::Bool { x.cast(DType::I64)? } else { x };
        x.mul(&x)
    })
}

pub(crate) fn reciprocal(x: &Recorded) -> Result<Recorded> {
    let x = float(x)?;
    x.literal(1.0).div(&x)
}

pub(crate) fn rsqrt(x: &Recorded) -> Result<Recorded> {
    let x = float(x)?;
    widened(&x, |x| x.literal(1.0).div(&x.map1(Scalar::Sqrt)?))
}

/// floor, ceil, trunc, round: whole numbers stay what they are.
fn rounded(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| match x.dtype() {
        DType::Bool => not_implemented(&format!("{}_vml_cpu", op.name()), DType::Bool),
        dtype if dtype.is_float() => x.map1(op),
        _ => Ok(x),
    })
}

fn round_decimals(a: &Args<'_>) -> Result<Tensor> {
    let decimals = a.int(1);
    if decimals == 0 {
        let dtype = a.tensor(0).dtype();
        return if dtype.is_float() {
            rounded(a, Scalar::Round)
        } else {
            not_implemented("round_vml_cpu", dtype)
        };
    }
    unary(a, Keeps::Nothing, |x| {
        if !x.dtype().is_float() {
            return not_implemented("round_cpu", x.dtype());
        }
        let power = x.literal(10f64.powi(decimals.unsigned_abs().min(400) as i32));
        if decimals > 0 {
            x.mul(&power)?.map1(Scalar::Round)?.div(&power)
        } else {
            x.div(&power)?.map1(Scalar::Round)?.mul(&power)
        }
    })
}

fn frac(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| {
        if !x.dtype().is_float() {
            return not_implemented("frac_cpu", x.dtype());
        }
        x.sub(&x.map1(Scalar::Trunc)?)
    })
}

fn logit(a: &Args<'_>) -> Result<Tensor> {
    let eps = a.opt_float(1);
    unary(a, Keeps::Input, |x| {
        let x = float(&x)?;
        let Some(eps) = eps else { return x.map1(Scalar::Logit) };
        let low = Number::Float(eps).recorded(x.dtype());
        let high = x.literal(1.0).sub(&low)?;
        let still = x.detach();
        let raised = x.lt(&low)?.select(&low, &still)?;
        let clamped = high.lt(&raised)?.select(&high, &raised)?;
        // Beyond the bounds there is no gradient.
        let beyond = x.lt(&low)?.map2(Scalar::Or, &high.lt(&x)?)?.flat_in(&[&x]);
        beyond.select(&clamped, &x)?.map1(Scalar::Logit)
    })
}

fn scaled(a: &Args<'_>, by: f64) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| float(&x)?.mul_literal(by))
}

fn polygamma(a: &Args<'_>) -> Result<Tensor> {
    let (n, x) = (a.int(0), a.tensor(1));
    if n < 0 {
        return runtime("polygamma(n, x) does not support negative n.");
    }
    let value = widened(&float(&x.read()?)?, |x| match n {
        0 => x.map1(Scalar::Digamma),
        1 => x.map1(Scalar::Trigamma),
        n => Recorded::map(Scalar::Polygamma, &[&x.literal(n as f64), x]),
    })?;
    let out = super::layout::finish(value, &[x])?;
    keep(a, &[1])?;
    Ok(out)
}

fn mvlgamma(a: &Args<'_>) -> Result<Tensor> {
    let p = a.int(1);
    if p < 1 {
        return runtime("p has to be greater than or equal to 1");
    }
    let x = a.tensor(0).read()?;
    if x.dtype() == DType::Bool {
        return runtime("The input tensor may not be a boolean tensor.");
    }
    // torch sums over an axis of its own, so the result lies in row-major order.
    let value = widened(&float(&x)?, |x| {
        let mut sum = x.map1(Scalar::Lgamma)?;
        for i in 1..p {
            sum = sum.add(&x.add_literal(-0.5 * i as f64)?.map1(Scalar::Lgamma)?)?;
        }
        let p = p as f64;
        sum.add_literal(p * (p - 1.0) / 4.0 * PI.ln())
    })?;
    let out = Tensor::from_value(value)?;
    Keeps::Input.save(a, &out)?;
    Ok(out)
}

fn nan_to_num(a: &Args<'_>) -> Result<Tensor> {
    let number = |i: usize| a.opt_float(i);
    if a.in_place() && !a.tensor(0).dtype().is_float() {
        return Ok(a.tensor(0).clone());
    }
    unary(a, Keeps::Input, |x| {
        if !x.dtype().is_float() {
            return Ok(x);
        }
        let chosen = |given: Option<f64>, default: f64| match given {
            Some(v) => Number::Float(v).recorded(x.dtype()),
            None => x.literal(default),
        };
        let most = largest(x.dtype());
        let (nan, high, low) = (chosen(number(1), 0.0), chosen(number(2), most), chosen(number(3), -most));
        let out = x.eq(&x.literal(f64::INFINITY))?.select(&high, &x)?;
        let out = x.eq(&x.literal(f64::NEG_INFINITY))?.select(&low, &out)?;
        is_nan(&x)?.select(&nan, &out)
    })
}

/// Where a float has a property; integers have none.
fn property(a: &Args<'_>, of: impl FnOnce(&Recorded) -> Result<Recorded>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| if x.dtype().is_float() { of(&x.detach()) } else { nowhere(&x) })
}

fn is_infinite(x: &Recorded) -> Result<Recorded> {
    x.map1(Scalar::Abs)?.eq(&x.literal(f64::INFINITY))
}

fn isfinite(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| {
        if !x.dtype().is_float() {
            return Recorded::full(rustorch_ir::Literal::from_i64(DType::Bool, 1), x.shape());
        }
        x.detach().map1(Scalar::Abs)?.lt(&x.literal(f64::INFINITY))
    })
}

fn logical_not(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| x.cast(DType::Bool)?.map1(Scalar::Not))
}

fn bitwise_not(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Nothing, |x| {
        if x.dtype().is_float() {
            return not_implemented("bitwise_not_cpu", x.dtype());
        }
        x.map1(Scalar::Not)
    })
}

fn frexp(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0);
    let value = x.read()?;
    if !value.dtype().is_float() {
        return runtime("torch.frexp() only supports floating-point dtypes");
    }
    let exponent = value.detach().map1(Scalar::Exponent)?;
    // The mantissa is the operand divided by a power of two, and so is its gradient.
    let mantissa = if value.tracks() {
        let half = exponent.mul_literal(-0.5)?.map1(Scalar::Floor)?;
        let rest = exponent.neg()?.sub(&half)?;
        let scaled = value.mul(&half.map1(Scalar::Exp2)?)?.mul(&rest.map1(Scalar::Exp2)?)?;
        let odd = is_infinite(&value.detach())?;
        odd.select(&value, &scaled)?
    } else {
        value.map1(Scalar::Mantissa)?
    };
    Ok((super::layout::finish(mantissa, &[x])?, super::layout::finish(exponent.cast(DType::I32)?, &[x])?))
}

const UNARY: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | INPLACE | OUT
};
const QUESTION: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD
};

crate::entries! {
    "abs(Tensor self) -> Tensor" [UNARY | EXACT] alias ["absolute"]
        "The absolute value of each element. The dtype stays; bool is refused." => |a| abs(a);
    "neg(Tensor self) -> Tensor" [UNARY | EXACT] alias ["negative"]
        "Each element with the opposite sign; unsigned integers wrap. Bool is refused." => |a| neg(a);
    "positive(Tensor self) -> Tensor" [QUESTION]
        "The tensor itself. Bool is refused." => |a| positive(a);
    "sign(Tensor self) -> Tensor" [UNARY | EXACT]
        "-1, 0 or 1 by the sign of each element; 0 for NaN." => |a| sign(a);
    "sgn(Tensor self) -> Tensor" [UNARY | EXACT]
        "For real numbers as `sign`." => |a| sign(a);
    "signbit(Tensor self) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "Whether the sign bit of each element is set, as a bool tensor: also of -0." => |a| signbit(a);
    "sin(Tensor self) -> Tensor" [UNARY]
        "The sine of each element, in radians. Integers give the default dtype."
        => |a| float_unary(a, Scalar::Sin, Keeps::Input);
    "cos(Tensor self) -> Tensor" [UNARY]
        "The cosine of each element, in radians. Integers give the default dtype."
        => |a| float_unary(a, Scalar::Cos, Keeps::Input);
    "tan(Tensor self) -> Tensor" [UNARY]
        "The tangent of each element, in radians." => |a| float_unary(a, Scalar::Tan, Keeps::Result);
    "asin(Tensor self) -> Tensor" [UNARY] alias ["arcsin"]
        "The angle in [-pi/2, pi/2] with this sine; NaN outside of [-1, 1]."
        => |a| float_unary(a, Scalar::Asin, Keeps::Input);
    "acos(Tensor self) -> Tensor" [UNARY] alias ["arccos"]
        "The angle in [0, pi] with this cosine; NaN outside of [-1, 1]."
        => |a| float_unary(a, Scalar::Acos, Keeps::Input);
    "atan(Tensor self) -> Tensor" [UNARY] alias ["arctan"]
        "The angle in (-pi/2, pi/2) with this tangent." => |a| float_unary(a, Scalar::Atan, Keeps::Input);
    "sinh(Tensor self) -> Tensor" [UNARY]
        "The hyperbolic sine of each element." => |a| float_unary(a, Scalar::Sinh, Keeps::Input);
    "cosh(Tensor self) -> Tensor" [UNARY]
        "The hyperbolic cosine of each element." => |a| float_unary(a, Scalar::Cosh, Keeps::Input);
    "tanh(Tensor self) -> Tensor" [UNARY | NN]
        "The hyperbolic tangent of each element." => |a| float_unary(a, Scalar::Tanh, Keeps::Result);
    "asinh(Tensor self) -> Tensor" [UNARY] alias ["arcsinh"]
        "The inverse hyperbolic sine of each element." => |a| float_unary(a, Scalar::Asinh, Keeps::Input);
    "acosh(Tensor self) -> Tensor" [UNARY] alias ["arccosh"]
        "The inverse hyperbolic cosine; NaN below 1." => |a| float_unary(a, Scalar::Acosh, Keeps::Input);
    "atanh(Tensor self) -> Tensor" [UNARY] alias ["arctanh"]
        "The inverse hyperbolic tangent; NaN outside of [-1, 1]." => |a| float_unary(a, Scalar::Atanh, Keeps::Input);
    "exp(Tensor self) -> Tensor" [UNARY]
        "e to the power of each element." => |a| float_unary(a, Scalar::Exp, Keeps::Result);
    "exp2(Tensor self) -> Tensor" [UNARY]
        "2 to the power of each element." => |a| float_unary(a, Scalar::Exp2, Keeps::Result);
    "expm1(Tensor self) -> Tensor" [UNARY]
        "`exp(x) - 1`, accurate for small elements." => |a| float_unary(a, Scalar::Expm1, Keeps::Result);
    "log(Tensor self) -> Tensor" [UNARY]
        "The natural logarithm; NaN below 0." => |a| float_unary(a, Scalar::Log, Keeps::Input);
    "log2(Tensor self) -> Tensor" [UNARY]
        "The logarithm to base 2; NaN below 0." => |a| float_unary(a, Scalar::Log2, Keeps::Input);
    "log10(Tensor self) -> Tensor" [UNARY]
        "The logarithm to base 10; NaN below 0." => |a| float_unary(a, Scalar::Log10, Keeps::Input);
    "log1p(Tensor self) -> Tensor" [UNARY] grad "Log1PBackward0"
        "`log(1 + x)`, accurate for small elements." => |a| float_unary(a, Scalar::Log1p, Keeps::Input);
    "sqrt(Tensor self) -> Tensor" [UNARY]
        "The square root; NaN below 0." => |a| float_unary(a, Scalar::Sqrt, Keeps::Result);
    "rsqrt(Tensor self) -> Tensor" [UNARY]
        "The reciprocal of the square root." => |a| unary(a, Keeps::Result, |x| rsqrt(&x));
    "square(Tensor self) -> Tensor" [UNARY] grad "PowBackward0"
        "The square of each element; of bools as int64." => |a| square(a);
    "reciprocal(Tensor self) -> Tensor" [UNARY]
        "1 divided by each element." => |a| unary(a, Keeps::Result, |x| reciprocal(&x));
    "ceil(Tensor self) -> Tensor" [UNARY | EXACT]
        "The least integer not below each element, in the same dtype." => |a| rounded(a, Scalar::Ceil);
    "floor(Tensor self) -> Tensor" [UNARY | EXACT]
        "The greatest integer not above each element, in the same dtype." => |a| rounded(a, Scalar::Floor);
    "trunc(Tensor self) -> Tensor" [UNARY | EXACT] alias ["fix"]
        "Each element without its fraction, in the same dtype." => |a| rounded(a, Scalar::Trunc);
    "round(Tensor self) -> Tensor" [UNARY | EXACT]
        "The nearest integer, ties to even, in the same dtype." => |a| rounded(a, Scalar::Round);
    "round.decimals(Tensor self, *, int decimals) -> Tensor" [UNARY | EXACT] grad "RoundBackward1"
        "Rounded to so many decimal places; negative `decimals` round left of the point." => |a| round_decimals(a);
    "frac(Tensor self) -> Tensor" [UNARY | EXACT]
        "The fraction of each element, with its sign. Floats only." => |a| frac(a);
    "sigmoid(Tensor self) -> Tensor" [UNARY | NN] alias ["expit"]
        "`1 / (1 + exp(-x))` of each element." => |a| float_unary(a, Scalar::Sigmoid, Keeps::Result);
    "logit(Tensor self, float? eps=None) -> Tensor" [UNARY]
        "`log(x / (1 - x))`. With `eps`, elements are first clamped to [eps, 1 - eps]; without, NaN outside of \
         [0, 1]." => |a| logit(a);
    "erf(Tensor self) -> Tensor" [UNARY]
        "The error function." => |a| float_unary(a, Scalar::Erf, Keeps::Input);
    "erfc(Tensor self) -> Tensor" [UNARY]
        "`1 - erf(x)`, accurate for large elements." => |a| float_unary(a, Scalar::Erfc, Keeps::Input);
    "erfinv(Tensor self) -> Tensor" [UNARY]
        "The inverse of the error function; NaN outside of [-1, 1]." => |a| float_unary(a, Scalar::Erfinv, Keeps::Input);
    "lgamma(Tensor self) -> Tensor" [UNARY]
        "The logarithm of the gamma function's magnitude." => |a| float_unary(a, Scalar::Lgamma, Keeps::Input);
    "digamma(Tensor self) -> Tensor" [UNARY] alias ["psi"]
        "The logarithmic derivative of the gamma function." => |a| float_unary(a, Scalar::Digamma, Keeps::Input);
    "polygamma(int n, Tensor self) -> Tensor" [UNARY]
        "The `n`-th derivative of `digamma`; `n` is not negative." => |a| polygamma(a);
    "mvlgamma(Tensor self, int p) -> Tensor" [UNARY] alias ["multigammaln"]
        "The logarithm of the multivariate gamma function of dimension `p >= 1`." => |a| mvlgamma(a);
    "i0(Tensor self) -> Tensor" [UNARY]
        "The modified Bessel function of the first kind, of order 0." => |a| float_unary(a, Scalar::I0, Keeps::Input);
    "sinc(Tensor self) -> Tensor" [UNARY]
        "`sin(pi x) / (pi x)`, and 1 at 0." => |a| float_unary(a, Scalar::Sinc, Keeps::Input);
    "deg2rad(Tensor self) -> Tensor" [UNARY] grad "Deg2RadBackward0"
        "Degrees to radians." => |a| scaled(a, PI / 180.0);
    "rad2deg(Tensor self) -> Tensor" [UNARY] grad "Rad2DegBackward0"
        "Radians to degrees." => |a| scaled(a, 180.0 / PI);
    "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor" [UNARY | EXACT]
        "NaN replaced by `nan` (0), infinities by `posinf` and `neginf` (the dtype's finite extremes). Integers stay."
        => |a| nan_to_num(a);
    "isnan(Tensor self) -> Tensor" [QUESTION]
        "Where elements are NaN, as a bool tensor." => |a| property(a, is_nan);
    "isinf(Tensor self) -> Tensor" [QUESTION]
        "Where elements are infinite, as a bool tensor." => |a| property(a, is_infinite);
    "isfinite(Tensor self) -> Tensor" [QUESTION]
        "Where elements are neither infinite nor NaN, as a bool tensor." => |a| isfinite(a);
    "isposinf(Tensor self) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "Where elements are positive infinity." => |a| property(a, |x| x.eq(&x.literal(f64::INFINITY)));
    "isneginf(Tensor self) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "Where elements are negative infinity." => |a| property(a, |x| x.eq(&x.literal(f64::NEG_INFINITY)));
    "isreal(Tensor self) -> Tensor" [QUESTION]
        "True everywhere: all dtypes here are real."
        => |a| unary(a, Keeps::Nothing, |x| Recorded::full(rustorch_ir::Literal::from_i64(DType::Bool, 1), x.shape()));
    "logical_not(Tensor self) -> Tensor" [UNARY]
        "Where elements are zero, as a bool tensor." => |a| logical_not(a);
    "bitwise_not(Tensor self) -> Tensor" [UNARY | EXACT]
        "Every bit of integers inverted; of bools, not. Floats are refused." => |a| bitwise_not(a);
    "frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)" [QUESTION | OUT | EXACT]
        "Each float as `mantissa * 2**exponent`, with the mantissa's magnitude in [0.5, 1) and an int32 exponent."
        => |a| frexp(a);
}
