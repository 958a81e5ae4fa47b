//! Activations that are cut at a threshold, and those that a second operand or half gates.

use super::layout::finish;
use super::operands::{Keeps, keep_both, not_implemented, unary, widened};
use super::view_ops::narrow;
use crate::compose::Composition;
use crate::error::{Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};

/// Whether the element lies between `-size` and `size`, both included.
fn within(x: &Recorded, size: &Recorded) -> Result<Recorded> {
    x.le(size)?.map2(Scalar::And, &size.neg()?.le(x)?)
}

/// A function of floats and a size around 0 within which the gradient is 0, and elsewhere that of the result.
fn shrink(
    a: &Args<'_>,
    kernel: &str,
    composition: Composition<'_>,
    f: impl FnOnce(&Recorded, &Recorded) -> Result<Recorded>,
) -> Result<Tensor> {
    let size = a.scalar(1);
    unary(a, Keeps::Input, |x| {
        if !x.dtype().is_float() {
            return not_implemented(kernel, x.dtype());
        }
        widened(&x, |x| {
            composition.record_with_gradient(
                &[x, &size.recorded(x.dtype())],
                |x| f(&x[0], &x[1]),
                |x, _, g| Ok(vec![within(&x[0], &x[1])?.select(&g.literal(0.0), g)?, x[1].literal(0.0)]),
            )
        })
    })
}

fn hardshrink(a: &Args<'_>) -> Result<Tensor> {
    let composition = Composition { name: "hardshrink", attributes: &[] };
    shrink(a, "hardshrink_cpu", composition, |x, size| within(x, size)?.select(&x.literal(0.0), x))
}

fn softshrink(a: &Args<'_>) -> Result<Tensor> {
    let size = a.scalar(1).as_f64();
    if a.tensor(0).dtype().is_float() && (size.is_nan() || size < 0.0) {
        return runtime(format!("lambda must be in range [0, the largest number], but found {size}"));
    }
    let composition = Composition { name: "softshrink", attributes: &[] };
    shrink(a, "softshrink_check", composition, |x, size| {
        let shift = x.literal(0.0).lt(x)?.select(&size.neg()?, size)?;
        // A zero of the element's sign; not a number stays none.
        within(x, size)?.select(&x.mul_literal(0.0)?, &x.add(&shift)?)
    })
}

fn threshold(a: &Args<'_>) -> Result<Tensor> {
    let (threshold, value) = (a.scalar(1), a.scalar(2));
    unary(a, Keeps::Input, |x| {
        let dtype = x.dtype();
        if dtype == DType::Bool {
            return not_implemented("threshold_cpu", dtype);
        }
        let operands = [&x, &threshold.recorded(dtype), &value.recorded(dtype)];
        Composition { name: "threshold", attributes: &[] }
            .record(&operands, |x| x[0].le(&x[1])?.select(&x[2], &x[0]))
    })
}

/// The first half of an axis times the sigmoid of the second.
fn glu(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0);
    if x.dim() == 0 {
        return runtime("glu does not support 0-dimensional tensors");
    }
    let axis = wrap_axis(a.int(1), x.dim())?;
    let extent = x.sizes()[axis].get() as i64;
    if extent % 2 != 0 {
        return runtime(format!("Halving dimension must be even, but dimension {axis} is size {extent}"));
    }
    if !x.dtype().is_float() {
        return not_implemented("glu_cpu", x.dtype());
    }
    let [value, gate] = [0, extent / 2].map(|start| narrow(x, axis as i64, start, extent / 2));
    let (value, gate) = (value?, gate?);
    let wide = x.dtype().accumulator();
    let open = gate.read()?.cast(wide)?.map1(Scalar::Sigmoid)?;
    let out = value.read()?.cast(wide)?.mul(&open)?.cast(x.dtype())?;
    let out = finish(out, &[&value, &gate])?;
    Keeps::Input.save(a, &out)?;
    Ok(out)
}

/// `x` above 0, else `weight * x`, with a weight for all or one for each channel.
fn prelu(a: &Args<'_>) -> Result<Tensor> {
    let (x, weight) = (a.tensor(0), a.tensor(1));
    let (sizes, given) = (x.sizes(), weight.sizes());
    if x.dtype() != weight.dtype() {
        return runtime(format!(
            "prelu: Type promoting not supported. Got {} and {}",
            x.dtype().scalar_type_name(),
            weight.dtype().scalar_type_name()
        ));
    }
    if weight.numel() != 1 {
        if sizes.is_empty() {
            return runtime("Not allow zero-dim input tensor.");
        }
        let channels = sizes.get(1).map_or(1, |d| d.get());
        if channels != weight.numel() {
            return runtime(format!(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = {} and channel size \
                 = {channels}.",
                weight.numel()
            ));
        }
    }
    if given.rank() > 1 {
        return runtime(format!(
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {}",
            given.rank()
        ));
    }
    if !x.dtype().is_float() {
        return not_implemented("prelu_cpu", x.dtype());
    }
    let count = weight.numel();
    let mut shape: Shape = (0..sizes.rank()).map(|_| 1_usize).collect();
    if sizes.rank() >= 2 {
        shape[1] = count.into();
    } else if sizes.rank() == 1 {
        shape[0] = count.into();
    }
    let (value, weight) = (x.read()?, weight.read()?.reshape(&shape)?);
    let out = value.literal(0.0).lt(&value)?.select(&value, &value.mul(&weight)?)?;
    let out = finish(out, &[x])?;
    keep_both(a)?;
    Ok(out)
}

crate::entries! {
    "hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor" [FUNCTION | METHOD | NN]
        "`x`, and 0 from `-lambd` to `lambd`. Floats only." => |a| hardshrink(a);
    "softshrink(Tensor self, Scalar lambd=0.5) -> Tensor" [NN]
        "`x` moved by `lambd` towards 0, and 0 from `-lambd` to `lambd`. Floats only." => |a| softshrink(a);
    "threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor" [FUNCTION]
        "`x` above the threshold, else `value`." => |a| threshold(a);
    "threshold(Tensor self, Scalar threshold, Scalar value, bool inplace=False) -> Tensor" [NN | INPLACE]
        "`x` above the threshold, else `value`." => |a| threshold(a);
    "glu(Tensor self, int dim=-1) -> Tensor" [NN]
        "The first half of an axis times the sigmoid of the second. Floats only." => |a| glu(a);
    "prelu(Tensor self, Tensor weight) -> Tensor" [FUNCTION | METHOD | NN] grad "PreluKernelBackward0"
        "`x` above 0, else `weight * x`, where the weight is one for all or one for each channel (axis 1). Floats only."
        => |a| prelu(a);
}
