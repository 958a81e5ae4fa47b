//! Activation functions.

use super::extremes::{bound, bounded};
use super::operands::{Keeps, not_implemented, unary, widened};
use crate::compose::Composition;
use crate::error::{Error, Result, fail, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Operand, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::op::Scalar;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

/// A function of floats, in f32 for halves, whose gradient reads the operand.
fn smooth(a: &Args<'_>, kernel: &str, f: impl FnOnce(&Recorded) -> Result<Recorded>) -> Result<Tensor> {
    unary(a, Keeps::Input, |x| {
        if !x.dtype().is_float() {
            return not_implemented(kernel, x.dtype());
        }
        widened(&x, f)
    })
}

fn relu(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Result, |x| match x.dtype() {
        DType::Bool => Err(Error::NotImplemented("Boolean inputs not supported for relu".into())),
        dtype if !dtype.is_float() => x.map2(Scalar::Max, &x.literal(0.0)),
        _ => {
            // At 0 the value is the operand's, of either sign, and the gradient is 0.
            let above = |x: &Recorded, strictly: bool, value: &Recorded| {
                let zero = x.literal(0.0);
                (if strictly { x.le(&zero) } else { x.lt(&zero) })?.select(&zero, value)
            };
            Composition { name: "relu", attributes: &[] }.record_with_gradient(
                &[&x],
                |x| above(&x[0], false, &x[0]),
                |_, y, g| Ok(vec![above(y, true, g)?]),
            )
        }
    })
}

fn gelu(a: &Args<'_>) -> Result<Tensor> {
    let tanh = match a.string(1) {
        "none" => false,
        "tanh" => true,
        _ => return runtime("approximate argument must be either none or tanh."),
    };
    let twice = |x: &Recorded| {
        if tanh {
            let cube = x.mul(x)?.mul(x)?;
            let inner = x.add(&cube.mul_literal(0.044_715)?)?.mul_literal(FRAC_2_PI.sqrt())?;
            return inner.map1(Scalar::Tanh)?.add_literal(1.0);
        }
        // As torch has it: where 1 + erf cancels, the complement would be exact, but costs twice as much.
        x.mul_literal(FRAC_1_SQRT_2)?.map1(Scalar::Erf)?.add_literal(1.0)
    };
    smooth(a, "GeluKernelImpl", |x| {
        let gelu = Composition { name: "gelu", attributes: &[u64::from(tanh)] };
        gelu.record(&[x], |x| x[0].mul_literal(0.5)?.mul(&twice(&x[0])?))
    })
}

fn silu(a: &Args<'_>) -> Result<Tensor> {
    smooth(a, "silu_cpu", |x| x.map1(Scalar::Silu))
}

fn leaky_relu(a: &Args<'_>) -> Result<Tensor> {
    let slope = a.scalar(1);
    smooth(a, "leaky_relu_cpu", |x| {
        let leaky = Composition { name: "leaky_relu", attributes: &[] };
        leaky.record(&[x, &slope.recorded(x.dtype())], |x| {
            x[0].literal(0.0).lt(&x[0])?.select(&x[0], &x[0].mul(&x[1])?)
        })
    })
}

fn softplus(a: &Args<'_>) -> Result<Tensor> {
    let (beta, threshold) = (a.scalar(1), a.scalar(2));
    let plain = beta.as_f64() == 1.0;
    smooth(a, "softplus_cpu", |x| {
        let soft = Composition { name: "softplus", attributes: &[u64::from(plain)] };
        soft.record(&[x, &beta.recorded(x.dtype()), &threshold.recorded(x.dtype())], |x| {
            let (x, beta, threshold) = (&x[0], &x[1], &x[2]);
            let steep = if plain { x.clone() } else { x.mul(beta)? };
            let straight = threshold.lt(&steep)?;
            // Where the line is taken the exponential is not asked: its gradient would not be a number.
            let soft = straight.select(&x.literal(0.0), &steep)?.map1(Scalar::Exp)?.map1(Scalar::Log1p)?;
            straight.select(x, &if plain { soft } else { soft.div(beta)? })
        })
    })
}

/// `scale * x` above 0, else `below * expm1(input_scale * x)`.
fn elu_of(x: &Recorded, below: &Recorded, scale: &Recorded, input_scale: &Recorded) -> Result<Recorded> {
    let elu = Composition { name: "elu", attributes: &[] };
    elu.record(&[x, below, scale, input_scale], |x| {
        let (x, below, scale, input_scale) = (&x[0], &x[1], &x[2], &x[3]);
        let zero = x.literal(0.0);
        let negative = x.lt(&zero)?;
        let bent = negative.select(x, &zero)?.mul(input_scale)?.map1(Scalar::Expm1)?.mul(below)?;
        negative.select(&bent, &x.mul(scale)?)
    })
}

fn elu(a: &Args<'_>) -> Result<Tensor> {
    let alpha = a.scalar(1);
    smooth(a, "elu_cpu", |x| {
        let dtype = x.dtype();
        elu_of(x, &alpha.recorded(dtype), &x.literal(1.0), &x.literal(1.0))
    })
}

fn selu(a: &Args<'_>) -> Result<Tensor> {
    const ALPHA: f64 = 1.673_263_242_354_377_2;
    const SCALE: f64 = 1.050_700_987_355_480_5;
    smooth(a, "elu_cpu", |x| elu_of(x, &x.literal(ALPHA * SCALE), &x.literal(SCALE), &x.literal(1.0)))
}

fn celu(a: &Args<'_>) -> Result<Tensor> {
    let alpha = a.scalar(1);
    if alpha.is_zero() {
        return fail(Error::DivisionByZero, "ZeroDivisionError: alpha cannot be 0 for CELU");
    }
    smooth(a, "elu_cpu", |x| {
        let inverse = Number::Float(1.0 / alpha.as_f64()).recorded(x.dtype());
        elu_of(x, &alpha.recorded(x.dtype()), &x.literal(1.0), &inverse)
    })
}

/// Between bounds, which pass no gradient; NaN does.
fn hardtanh(a: &Args<'_>, low: Number, high: Number) -> Result<Tensor> {
    if low.as_f64() > high.as_f64() {
        return Err(Error::Value("min_val cannot be greater than max_val".into()));
    }
    unary(a, Keeps::Input, |x| {
        if x.dtype() == DType::Bool {
            return Err(Error::NotImplemented("Bool inputs not supported for hardtanh".into()));
        }
        let (low, high) = (bound(low, x.dtype()), bound(high, x.dtype()));
        let clamped = |x: &[Recorded]| bounded(&x[0], Some(&x[1]), Some(&x[2]));
        if !x.dtype().is_float() {
            return bounded(&x, Some(&low), Some(&high));
        }
        Composition { name: "hardtanh", attributes: &[] }.record_with_gradient(
            &[&x, &low, &high],
            clamped,
            |x, _, g| {
                let zero = g.literal(0.0);
                let outside = x[0].le(&x[1])?.map2(Scalar::Or, &x[2].le(&x[0])?)?;
                Ok(vec![outside.select(&zero, g)?, zero.clone(), zero])
            },
        )
    })
}

/// `clamp(x + 3, 0, 6)`.
fn ramp(x: &Recorded) -> Result<Recorded> {
    let shifted = x.add_literal(3.0)?;
    bounded(&shifted, Some(&x.literal(0.0)), Some(&x.literal(6.0)))
}

fn hardsigmoid(a: &Args<'_>) -> Result<Tensor> {
    smooth(a, "hardsigmoid_cpu", |x| {
        let hard = Composition { name: "hardsigmoid", attributes: &[] };
        hard.record(&[x], |x| ramp(&x[0])?.div(&x[0].literal(6.0)))
    })
}

fn hardswish(a: &Args<'_>) -> Result<Tensor> {
    smooth(a, "hardswish_cpu", |x| {
        let of = |x: &Recorded| x.mul(&ramp(x)?)?.div(&x.literal(6.0));
        if !x.tracks() {
            return of(x);
        }
        // The gradient of NaN is the line's.
        let odd = x.ne(x)?;
        odd.select(x, &of(&odd.select(&x.literal(0.0), x)?)?)
    })
}

fn mish(a: &Args<'_>) -> Result<Tensor> {
    smooth(a, "mish_cpu", |x| x.map1(Scalar::Mish))
}

/// `log(sigmoid(x))`.
pub(crate) fn log_sigmoid_of(x: &Recorded) -> Result<Recorded> {
    x.map1(Scalar::LogSigmoid)
}

fn softsign(a: &Args<'_>) -> Result<Tensor> {
    unary(a, Keeps::Input, |x| {
        if x.dtype() == DType::Bool {
            return not_implemented("abs_cpu", DType::Bool);
        }
        // Whole numbers wrap before they are divided.
        let divisor = x.map1(Scalar::Abs)?.add_literal(1.0)?;
        super::operands::float(&x)?.div(&super::operands::float(&divisor)?)
    })
}

/// Unlike other activations its result lies in row-major order.
fn logsigmoid(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    if !x.dtype().is_float() {
        return not_implemented("log_sigmoid_cpu", x.dtype());
    }
    let out = Tensor::from_value(widened(&x, log_sigmoid_of)?)?;
    Keeps::Input.save(a, &out)?;
    Ok(out)
}

fn tanhshrink(a: &Args<'_>) -> Result<Tensor> {
    if a.tensor(0).dtype() == DType::Bool {
        super::arithmetic::check_difference(a.operand(0), Operand::Number(Number::Float(0.0)))?;
    }
    unary(a, Keeps::Input, |x| {
        let x = super::operands::float(&x)?;
        x.sub(&x.map1(Scalar::Tanh)?)
    })
}

crate::entries! {
    "relu(Tensor self) -> Tensor" [FUNCTION | METHOD | INPLACE]
        "`max(x, 0)`. The gradient at 0 is 0. Bool is refused." => |a| relu(a);
    "relu(Tensor self, bool inplace=False) -> Tensor" [NN | INPLACE]
        "`max(x, 0)`. The gradient at 0 is 0. Bool is refused." => |a| relu(a);
    "gelu(Tensor self, *, str approximate='none') -> Tensor" [NN]
        "`x` times the normal distribution function of `x`, exactly or, with `approximate='tanh'`, by a hyperbolic \
         tangent. Floats only." => |a| gelu(a);
    "silu(Tensor self, bool inplace=False) -> Tensor" [NN]
        "`x * sigmoid(x)`. Floats only." => |a| silu(a);
    "leaky_relu(Tensor self, Scalar negative_slope=0.01, bool inplace=False) -> Tensor" [NN | INPLACE]
        "`x` above 0, else `negative_slope * x`. Floats only." => |a| leaky_relu(a);
    "softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor" [NN]
        "`log(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x` exceeds `threshold`. Floats only."
        => |a| softplus(a);
    "elu(Tensor self, Scalar alpha=1.0, bool inplace=False) -> Tensor" [NN | INPLACE]
        "`x` above 0, else `alpha * expm1(x)`. Floats only." => |a| elu(a);
    "selu(Tensor self) -> Tensor" [FUNCTION | INPLACE] grad "EluBackward0"
        "A scaled `elu` whose constants keep mean 0 and variance 1. Floats only." => |a| selu(a);
    "selu(Tensor self, bool inplace=False) -> Tensor" [NN | INPLACE] grad "EluBackward0"
        "A scaled `elu` whose constants keep mean 0 and variance 1. Floats only." => |a| selu(a);
    "celu(Tensor self, Scalar alpha=1.0) -> Tensor" [FUNCTION | INPLACE]
        "`max(x, 0) + min(0, alpha * expm1(x / alpha))`. Floats only." => |a| celu(a);
    "celu(Tensor self, Scalar alpha=1.0, bool inplace=False) -> Tensor" [NN | INPLACE]
        "`max(x, 0) + min(0, alpha * expm1(x / alpha))`. Floats only." => |a| celu(a);
    "relu6(Tensor self, bool inplace=False) -> Tensor" [NN] grad "HardtanhBackward0"
        "`min(max(x, 0), 6)`." => |a| hardtanh(a, Number::Int(0), Number::Int(6));
    "hardtanh(Tensor self, Scalar min_val=-1.0, Scalar max_val=1.0, bool inplace=False) -> Tensor" [NN | INPLACE]
        "`x` between the bounds, which pass no gradient. Bool is refused."
        => |a| hardtanh(a, a.scalar(1), a.scalar(2));
    "hardsigmoid(Tensor self, bool inplace=False) -> Tensor" [NN]
        "`min(max(x + 3, 0), 6) / 6`. Floats only." => |a| hardsigmoid(a);
    "hardswish(Tensor self, bool inplace=False) -> Tensor" [NN]
        "`x * hardsigmoid(x)`. Floats only." => |a| hardswish(a);
    "mish(Tensor self, bool inplace=False) -> Tensor" [NN]
        "`x * tanh(softplus(x))`. Floats only." => |a| mish(a);
    "logsigmoid(Tensor self) -> Tensor" [NN] grad "LogSigmoidBackward0"
        "`log(sigmoid(x))` without overflow. Floats only." => |a| logsigmoid(a);
    "softsign(Tensor self) -> Tensor" [NN] grad "DivBackward0"
        "`x / (1 + |x|)`." => |a| softsign(a);
    "tanhshrink(Tensor self) -> Tensor" [NN] grad "SubBackward0"
        "`x - tanh(x)`." => |a| tanhshrink(a);
}
