//! Softmax and its logarithm.

use super::operands::not_implemented;
use super::pointwise::negative;
use crate::compose::Composition;
use crate::error::Result;
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::DType;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;

/// The operand less its maximum along `axis`: exponents that do not overflow.
fn shifted(x: &Recorded, axis: usize) -> Result<Recorded> {
    x.sub(&x.stop_gradient()?.reduce_keep(Combine::Max, &[axis])?)
}

pub(crate) fn softmax_of(x: &Recorded, axis: usize) -> Result<Recorded> {
    Composition { name: "softmax", attributes: &[axis as u64] }.record_with_gradient(
        &[x],
        |x| {
            let powers = shifted(&x[0], axis)?.map1(Scalar::Exp)?;
            powers.div(&powers.reduce_keep(Combine::Add, &[axis])?)
        },
        |_, y, g| {
            let product = g.mul(y)?;
            Ok(vec![product.sub(&y.mul(&product.reduce_keep(Combine::Add, &[axis])?)?)?])
        },
    )
}

pub(crate) fn log_softmax_of(x: &Recorded, axis: usize) -> Result<Recorded> {
    Composition { name: "log_softmax", attributes: &[axis as u64] }.record_with_gradient(
        &[x],
        |x| {
            let x = shifted(&x[0], axis)?;
            x.sub(&x.map1(Scalar::Exp)?.reduce_keep(Combine::Add, &[axis])?.map1(Scalar::Log)?)
        },
        |_, y, g| Ok(vec![g.sub(&y.map1(Scalar::Exp)?.mul(&g.reduce_keep(Combine::Add, &[axis])?)?)?]),
    )
}

/// `f` of the first argument along the axis that the second names, in `dtype` if one is given.
fn along(
    a: &Args<'_>,
    dtype: Option<DType>,
    kernel: &str,
    f: impl FnOnce(&Recorded, usize) -> Result<Recorded>,
) -> Result<Tensor> {
    along_axis(a, &a.tensor(0).read()?, dtype, kernel, f)
}

/// As [`along`], of `x` in the place of the first argument.
fn along_axis(
    a: &Args<'_>,
    x: &Recorded,
    dtype: Option<DType>,
    kernel: &str,
    f: impl FnOnce(&Recorded, usize) -> Result<Recorded>,
) -> Result<Tensor> {
    let axis = wrap_axis(a.int(1), x.rank())?;
    let x = x.cast(dtype.unwrap_or(x.dtype()))?;
    if !x.dtype().is_float() {
        // Of nothing torch asks no kernel.
        return if x.numel() == 0 { Tensor::from_value(x) } else { not_implemented(kernel, x.dtype()) };
    }
    let shape = x.shape().clone();
    let wide = x.cast(x.dtype().accumulator())?;
    let wide = if shape.rank() == 0 { wide.unsqueeze(0)? } else { wide };
    let out = Tensor::from_value(f(&wide, axis)?.reshape(&shape)?.cast(x.dtype())?)?;
    a.save_result(&out)?;
    Ok(out)
}

/// Whole numbers are negated, and wrap, before they are converted.
fn softmin(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    along_axis(a, &negative(&x)?, a.opt_dtype(2), KERNEL, softmax_of)
}

const KERNEL: &str = "softmax_lastdim_kernel_impl";

crate::entries! {
    "softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD | NN | OUT | EXACT]
        "`exp(x)` divided by its sum along `dim`. With `dtype` the elements are converted first; floats only."
        => |a| along(a, a.opt_dtype(2), KERNEL, softmax_of);
    "log_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD | NN | OUT | EXACT]
        "The logarithm of `softmax`, without overflow or loss for small probabilities."
        => |a| along(a, a.opt_dtype(2), "log_softmax_lastdim_kernel_impl", log_softmax_of);
    "softmin(Tensor self, int dim, ScalarType? dtype=None) -> Tensor" [NN] grad "SoftmaxBackward0"
        "`softmax` of the negative elements." => |a| softmin(a);
}
