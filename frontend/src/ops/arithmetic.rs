//! Sums, differences, products, quotients and remainders of two tensors or a tensor and a number.

use super::operands::{Operands, keep, keep_both, keep_other, not_implemented, without_derivative};
use crate::error::{Error, Result, fail, runtime};
use crate::grad_mode;
use crate::promote::{checked_literal, to_float};
use crate::registry::{Args, Operand, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::op::Scalar;

/// torch's rules for the factor of the second operand of a sum.
pub(crate) fn check_alpha(alpha: Number, dtype: DType) -> Result<()> {
    if matches!(alpha, Number::Bool(_)) && dtype != DType::Bool {
        return runtime("Boolean alpha only supported for Boolean results.");
    }
    if matches!(alpha, Number::Float(_)) && !dtype.is_float() {
        return runtime("For integral input tensors, argument alpha must not be a floating point number.");
    }
    checked_literal(alpha, dtype).map(|_| ())
}

fn is_one(number: Number) -> bool {
    number.as_f64() == 1.0
}

/// `x op alpha * y`.
fn combined(x: Operand<'_>, y: Operand<'_>, alpha: Number, op: Scalar) -> Result<Tensor> {
    let in_dtype = |dtype| {
        if !is_one(alpha) || !matches!(alpha, Number::Int(_)) {
            check_alpha(alpha, dtype)?;
        }
        Ok(dtype)
    };
    let operands = Operands::read(&[x, y], in_dtype)?;
    if is_one(alpha) {
        return operands.finish(operands.map(op)?);
    }
    let dtype = operands.dtype;
    let wide = dtype.accumulator();
    let [x, y] = [operands.values[0].cast(wide)?, operands.values[1].cast(wide)?];
    let value = x.map2(op, &y.mul(&alpha.recorded(wide))?)?;
    operands.finish(value.cast(dtype)?)
}

fn add(a: &Args<'_>) -> Result<Tensor> {
    combined(a.operand(0), a.operand(1), a.scalar(2), Scalar::Add)
}

/// torch refuses differences of bools.
pub(crate) fn check_difference(x: Operand<'_>, y: Operand<'_>) -> Result<()> {
    let message = match (x.dtype(), y.dtype()) {
        (DType::Bool, DType::Bool) => {
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` \
             operator instead."
        }
        (DType::Bool, _) | (_, DType::Bool) => {
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, \
             use the `~` or `logical_not()` operator instead."
        }
        _ => return Ok(()),
    };
    Err(Error::NotImplemented(message.into()))
}

fn sub(x: Operand<'_>, y: Operand<'_>, alpha: Number) -> Result<Tensor> {
    check_difference(x, y)?;
    combined(x, y, alpha, Scalar::Sub)
}

fn mul(a: &Args<'_>) -> Result<Tensor> {
    let operands = Operands::read_wide(&[a.operand(0), a.operand(1)], Ok)?;
    let out = operands.finish(operands.map(Scalar::Mul)?)?;
    keep_other(a, &operands.values)?;
    Ok(out)
}

fn true_divide(a: &Args<'_>) -> Result<Tensor> {
    let operands = Operands::read_wide(&[a.operand(0), a.operand(1)], |dtype| Ok(to_float(dtype)))?;
    let out = operands.finish(operands.map(Scalar::Div)?)?;
    keep(a, &[1])?;
    if operands.values[1].tracks() {
        keep(a, &[0])?;
    }
    Ok(out)
}

fn div_mode(a: &Args<'_>) -> Result<Tensor> {
    match a.opt_string(2) {
        None => true_divide(a),
        Some("floor") => quotient(a.operand(0), a.operand(1), true),
        Some("trunc") => quotient(a.operand(0), a.operand(1), false),
        Some(other) => runtime(format!(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{other}'"
        )),
    }
}

/// An integer divided by the number 0 fails in the call; by a tensor's zero, when it is computed.
fn check_divisor(y: Operand<'_>, dtype: DType) -> Result<()> {
    match y {
        Operand::Number(n) if n.is_zero() && !dtype.is_float() => {
            fail(Error::DivisionByZero, "ZeroDivisionError")
        }
        _ => Ok(()),
    }
}

fn quotient(x: Operand<'_>, y: Operand<'_>, floor: bool) -> Result<Tensor> {
    let operands = Operands::read(&[x, y], |dtype| match dtype {
        DType::Bool => not_implemented(if floor { "div_floor_cpu" } else { "div_trunc_cpu" }, dtype),
        dtype => check_divisor(y, dtype).map(|()| dtype),
    })?;
    let value = if floor {
        operands.map(Scalar::FloorDiv)?
    } else if operands.dtype.is_float() {
        let [x, y] = [&operands.values[0], &operands.values[1]];
        x.detach().div(&y.detach())?.map1(Scalar::Trunc)?.flat_in(&[x, y])
    } else {
        operands.map(Scalar::TruncDiv)?
    };
    operands.finish(value)
}

fn floor_divide(a: &Args<'_>) -> Result<Tensor> {
    let (x, y) = (a.operand(0), a.operand(1));
    let out = grad_mode::no_grad(|| quotient(x, y, true))?;
    without_derivative("floor_divide", out, &[x, y])
}

fn remainder(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    let (x, y) = (a.operand(0), a.operand(1));
    let operands = Operands::read(&[x, y], |dtype| match dtype {
        DType::Bool => not_implemented(&format!("{}_cpu", op.name()), dtype),
        dtype => check_divisor(y, dtype).map(|()| dtype),
    })?;
    let out = operands.finish(operands.map(op)?)?;
    if operands.values[1].tracks() {
        keep_both(a)?;
    }
    Ok(out)
}

fn lcm(a: &Args<'_>) -> Result<Tensor> {
    let operands = integers(a, "lcm_cpu")?;
    let (x, y) = (&operands.values[0], &operands.values[1]);
    let divisor = x.map2(Scalar::Gcd, y)?;
    let divisor = divisor.map2(Scalar::Max, &divisor.literal(1.0))?;
    operands.finish(x.map2(Scalar::TruncDiv, &divisor)?.mul(y)?.map1(Scalar::Abs)?)
}

/// The operands of a function of integers.
fn integers<'a>(a: &'a Args<'_>, kernel: &str) -> Result<Operands<'a>> {
    Operands::read(&[a.operand(0), a.operand(1)], |dtype| {
        if dtype.is_integer() { Ok(dtype) } else { not_implemented(kernel, dtype) }
    })
}

fn gcd(a: &Args<'_>) -> Result<Tensor> {
    let operands = integers(a, "gcd_cpu")?;
    operands.finish(operands.map(Scalar::Gcd)?)
}

/// A product with a power of two, which overflows where the power alone does.
fn ldexp(a: &Args<'_>) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], |dtype| Ok(to_float(dtype)))?;
    let value = operands.values[0].mul(&operands.values[1].map1(Scalar::Exp2)?)?;
    let out = operands.finish(value)?;
    keep_both(a)?;
    Ok(out)
}

/// The first operand plus, or minus, the second: for reflected operators.
fn rsub(a: &Args<'_>) -> Result<Tensor> {
    sub(a.operand(1), a.operand(0), a.scalar(2))
}

crate::entries! {
    "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST]
        "`self + alpha * other`, broadcast and promoted. On bools it is or. `alpha` is whole for whole dtypes."
        => |a| add(a);
    "sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST] alias ["subtract"]
        "`self - alpha * other`, broadcast and promoted. Bools are refused: use `^` or `~`."
        => |a| sub(a.operand(0), a.operand(1), a.scalar(2));
    "rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor" [FUNCTION | NUMBERS]
        "`other - alpha * self`." => |a| rsub(a);
    "mul.Tensor(Tensor self, Tensor other) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST] alias ["multiply"]
        "The product of the elements, broadcast and promoted. On bools it is and." => |a| mul(a);
    "div.Tensor(Tensor self, Tensor other) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST] alias ["divide"]
        "The quotient of the elements; whole numbers give the default dtype." => |a| true_divide(a);
    "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST] alias ["divide"] grad "DivBackward2"
        "The quotient, rounded towards zero (`'trunc'`) or down (`'floor'`) in the promoted dtype, or as it is \
         (`None`). A whole number divided by zero is an error." => |a| div_mode(a);
    "true_divide.Tensor(Tensor self, Tensor other) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST] grad "DivBackward0"
        "As `div` without a rounding mode." => |a| true_divide(a);
    "floor_divide(Tensor self, Tensor other) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST]
        "The quotient rounded down, in the promoted dtype. A whole number divided by zero is an error. It has no \
         derivative." => |a| floor_divide(a);
    "fmod.Tensor(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | NUMBERS]
        "The remainder of the division, with the dividend's sign." => |a| remainder(a, Scalar::Fmod);
    "remainder.Tensor(Tensor self, Tensor other) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT | NUMBERS | NUMBERS_FIRST]
        "The remainder of the division, with the divisor's sign: Python's `%`." => |a| remainder(a, Scalar::Remainder);
    "gcd(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT]
        "The greatest common divisor of integers; `gcd(0, 0)` is 0." => |a| gcd(a);
    "lcm(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT]
        "The least common multiple of integers." => |a| lcm(a);
    "ldexp.Tensor(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT]
        "`self * 2**other`." => |a| ldexp(a);
}
