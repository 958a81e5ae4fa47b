//! Powers, and functions of two real arguments.

use super::comparison::all_of;
use super::operands::{Operands, keep, keep_both, keep_other, not_implemented, without_derivative};
use super::pointwise::{is_nan, reciprocal, rsqrt};
use crate::error::{Result, runtime};
use crate::grad_mode;
use crate::promote::to_float;
use crate::record::Recorded;
use crate::registry::{Args, Operand, Scalar as Number, write_result};
use crate::tensor::Tensor;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal};

/// `x` to a power that has a form of its own; `None` for others.
fn special_power(x: &Recorded, exponent: f64) -> Option<Result<Recorded>> {
    let float = x.dtype().is_float();
    Some(match exponent {
        0.0 if !x.tracks() => Recorded::full(Literal::from_f64(x.dtype(), 1.0), x.shape()),
        0.0 if float => {
            Recorded::full(Literal::from_f64(x.dtype(), 1.0), x.shape()).map(|one| one.flat_in(&[x]))
        }
        // torch's gradient reads the operand, and is constant in it.
        1.0 => x.and_flat_in(&[x]),
        2.0 => x.mul(x),
        3.0 => x.mul(x).and_then(|square| square.mul(x)),
        0.5 if float => x.map1(Scalar::Sqrt),
        -0.5 if float => rsqrt(x),
        -1.0 if float => reciprocal(x),
        -2.0 if float => reciprocal(x).and_then(|inverse| inverse.mul(&inverse)),
        _ => return None,
    })
}

/// `base ** exponent`, computed in what `chosen` makes of the promoted dtype.
fn power(
    base: Operand<'_>,
    exponent: Operand<'_>,
    chosen: impl Fn(DType) -> DType,
) -> Result<(Tensor, bool)> {
    let checked = |dtype: DType| match (chosen(dtype), exponent) {
        (DType::Bool, Operand::Number(e)) if matches!(e.as_f64(), 0.0 | 1.0) => Ok(DType::Bool),
        (DType::Bool, _) => not_implemented("pow", DType::Bool),
        (dtype, Operand::Number(e)) if !dtype.is_float() && e.as_f64() < 0.0 => {
            runtime("Integers to negative integer powers are not allowed.")
        }
        (dtype, _) => Ok(dtype),
    };
    let operands = Operands::read_wide(&[base, exponent], checked)?;
    let (x, y) = (&operands.values[0], &operands.values[1]);
    let value = match (base, exponent) {
        (_, Operand::Number(e)) if let Some(value) = special_power(x, e.as_f64()) => value?,
        (Operand::Number(b), _) if b.as_f64() == 1.0 && !y.tracks() => {
            Recorded::full(Literal::from_f64(operands.dtype, 1.0), y.shape())?
        }
        _ if operands.dtype.is_float() => operands.map(Scalar::Pow)?,
        _ => operands.map(Scalar::IntPow)?,
    };
    let exponent_tracks = y.tracks();
    // Powers of a number lie in row-major order, unlike other results.
    let out = if base.is_number() { operands.row_major(value)? } else { operands.finish(value)? };
    Ok((out, exponent_tracks))
}

fn pow(a: &Args<'_>, chosen: impl Fn(DType) -> DType) -> Result<Tensor> {
    let (out, exponent_tracks) = power(a.operand(0), a.operand(1), chosen)?;
    keep_both(a)?;
    if exponent_tracks {
        a.save_result(&out)?;
    }
    Ok(out)
}

fn float_power_in_place(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0);
    if x.dtype() != DType::F64 {
        return runtime(format!(
            "the base given to float_power_ has dtype {} but the operation's result requires dtype Double",
            x.dtype().scalar_type_name()
        ));
    }
    x.check_write(false)?;
    let (out, _) = power(a.operand(0), a.operand(1), |_| DType::F64)?;
    write_result(x, &out)?;
    Ok(x.clone())
}

/// A row of the table, in a float dtype.
fn real(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| Ok(to_float(dtype)))?;
    let out = operands.finish(operands.map(op)?)?;
    keep_both(a)?;
    Ok(out)
}

/// The operands of a kernel that takes floats only.
fn floats<'a>(a: &'a Args<'_>, kernel: &str) -> Result<Operands<'a>> {
    Operands::read(&[a.operand(0), a.operand(1)], |dtype| {
        if dtype.is_float() { Ok(dtype) } else { not_implemented(kernel, dtype) }
    })
}

fn float_only(a: &Args<'_>, op: Scalar, kernel: &str) -> Result<Tensor> {
    let operands = floats(a, kernel)?;
    let out = operands.finish(operands.map(op)?)?;
    keep_both(a)?;
    Ok(out)
}

fn hypot(a: &Args<'_>) -> Result<Tensor> {
    let out = float_only(a, Scalar::Hypot, "hypot_cpu")?;
    a.save_result(&out)?;
    Ok(out)
}

fn copysign(a: &Args<'_>) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| Ok(to_float(dtype)))?;
    let out = operands.finish(operands.map(Scalar::Copysign)?)?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

fn nextafter(a: &Args<'_>) -> Result<Tensor> {
    let (x, y) = (a.operand(0), a.operand(1));
    let operands = floats(a, "nextafter_cpu")?;
    let out = grad_mode::no_grad(|| operands.finish(operands.map(Scalar::NextAfter)?))?;
    without_derivative("nextafter", out, &[x, y])
}

/// `x * log(y)`, 0 where x is 0 and y is a number.
fn xlogy(a: &Args<'_>) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| Ok(to_float(dtype)))?;
    let out = operands.finish(operands.map(Scalar::Xlogy)?)?;
    keep_other(a, &operands.values)?;
    keep(a, &[1])?;
    Ok(out)
}

fn heaviside(a: &Args<'_>) -> Result<Tensor> {
    let (x, values) = (a.operand(0), a.operand(1));
    if x.dtype() != values.dtype() {
        return runtime("heaviside is not yet implemented for tensors with different dtypes.");
    }
    let out = grad_mode::no_grad(|| {
        let operands = Operands::read(&[x, values], Ok)?;
        let (x, values) = (&operands.values[0], &operands.values[1]);
        let zero = x.literal(0.0);
        operands.finish(x.eq(&zero)?.select(values, &zero.lt(x)?.cast(operands.dtype)?)?)
    })?;
    without_derivative("heaviside", out, &[x, values])
}

/// Whether both are within the tolerances of each other.
/// Whether the elements of the operands are close, and the operands.
fn closeness<'a>(a: &'a Args<'_>) -> Result<(Recorded, Operands<'a>)> {
    let (x, y) = (a.tensor(0), a.tensor(1));
    let (rtol, atol) = (a.float(2), a.float(3));
    if x.dtype() != y.dtype() {
        let (x, y) = (x.dtype().scalar_type_name(), y.dtype().scalar_type_name());
        return runtime(format!("{x} did not match {y}"));
    }
    for (name, value) in [("rtol", rtol), ("atol", atol)] {
        if value.is_nan() || value < 0.0 {
            return runtime(format!("{name} must be greater than or equal to zero, but got {value}"));
        }
    }
    let operands = grad_mode::no_grad(|| Operands::read(&[Operand::Tensor(x), Operand::Tensor(y)], Ok))?;
    let (x, y) = (operands.values[0].detach(), operands.values[1].detach());
    let mut close = x.eq(&y)?;
    if a.bool(4) && operands.dtype.is_float() {
        close = close.map2(Scalar::Or, &is_nan(&x)?.map2(Scalar::And, &is_nan(&y)?)?)?;
    }
    if rtol != 0.0 || atol != 0.0 {
        let dtype = to_float(operands.dtype);
        let number = |v: f64| Number::Float(v).recorded(dtype);
        let (x, y) = (x.cast(dtype)?, y.cast(dtype)?);
        let allowed = y.mul(&number(rtol))?.map1(Scalar::Abs)?.add(&number(atol))?;
        let error = x.sub(&y)?.map1(Scalar::Abs)?;
        let finite = error.lt(&error.literal(f64::INFINITY))?;
        close = close.map2(Scalar::Or, &error.le(&allowed)?.map2(Scalar::And, &finite)?)?;
    }
    Ok((close, operands))
}

fn isclose(a: &Args<'_>) -> Result<Tensor> {
    let (close, operands) = closeness(a)?;
    operands.finish(close)
}

crate::entries! {
    "pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST]
        "`self` to the power `exponent`, broadcast and promoted. Whole numbers stay whole; a negative whole number as \
         the exponent of whole numbers is an error." => |a| pow(a, |dtype| dtype);
    "float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor"
        [FUNCTION | METHOD | OUT | NUMBERS | NUMBERS_FIRST | EXACT] grad "PowBackward0"
        "As `pow`, computed in float64." => |a| pow(a, |_| DType::F64);
    "float_power_.Tensor(Tensor(a!) self, Tensor exponent) -> Tensor(a!)" [METHOD | NUMBERS] grad "PowBackward0"
        "As `float_power`, written to a float64 tensor." => |a| float_power_in_place(a);
    "atan2(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT] alias ["arctan2"]
        "The angle of the point (other, self), in (-pi, pi]." => |a| real(a, Scalar::Atan2);
    "hypot(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT]
        "`sqrt(self**2 + other**2)` without overflow on the way. Floats only." => |a| hypot(a);
    "copysign.Tensor(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | NUMBERS]
        "The magnitude of `self` with the sign of `other`, also of its zeros." => |a| copysign(a);
    "nextafter(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT]
        "The next float after `self` in the direction of `other`." => |a| nextafter(a);
    "logaddexp(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | OUT]
        "`log(exp(self) + exp(other))` without overflow. Floats only." => |a| float_only(a, Scalar::LogAddExp, "logaddexp_cpu");
    "logaddexp2(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | OUT]
        "`log2(2**self + 2**other)` without overflow. Floats only." => |a| float_only(a, Scalar::LogAddExp2, "logaddexp2_cpu");
    "xlogy.Tensor(Tensor self, Tensor other) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST]
        "`self * log(other)`; 0 where `self` is 0 and `other` is not NaN." => |a| xlogy(a);
    "heaviside(Tensor self, Tensor values) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | EXACT]
        "0 below zero, 1 above, `values` at zero. Both have one dtype." => |a| heaviside(a);
    "igamma(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT] alias ["gammainc"]
        "The regularised lower incomplete gamma function. Floats only." => |a| float_only(a, Scalar::Igamma, "igamma_cpu");
    "igammac(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT] alias ["gammaincc"]
        "The regularised upper incomplete gamma function. Floats only."
        => |a| float_only(a, Scalar::Igammac, "igammac_cpu");
    "isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor"
        [FUNCTION | METHOD]
        "Where `|self - other| <= atol + rtol * |other|`, as a bool tensor. Infinities are close to themselves, NaN to \
         NaN only with `equal_nan`. Both tensors have one dtype." => |a| isclose(a);
    "allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool"
        [FUNCTION | METHOD]
        "Whether all elements are close in the sense of `isclose`, as a `bool`."
        => |a| closeness(a).and_then(|(close, _)| all_of(&close));
}
