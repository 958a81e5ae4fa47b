//! Normalisation over the last axes.

use super::axes::Axes;
use super::normal::Normal;
use super::operands::{keep, not_implemented};
use super::reduce::mean_of;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

fn check(
    x: &Recorded,
    sizes: &[i64],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    kernel: &str,
) -> Result<()> {
    if sizes.is_empty() {
        return runtime(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got \
             normalized_shape = []",
        );
    }
    for (name, tensor) in [("weight", weight), ("bias", bias)] {
        if let Some(shape) = tensor.map(Tensor::sizes)
            && !shape.iter().map(|d| d.get() as i64).eq(sizes.iter().copied())
        {
            return runtime(format!(
                "Expected {name} to be of same shape as normalized_shape, but got {name} of shape {shape} and \
                 normalized_shape = {sizes:?}"
            ));
        }
    }
    let tail = x.shape().iter().rev().map(|d| d.get() as i64);
    if sizes.len() > x.rank() || !sizes.iter().rev().copied().eq(tail.take(sizes.len())) {
        let stars: String = sizes.iter().map(|n| format!(", {n}")).collect();
        let message = format!(
            "Given normalized_shape={sizes:?}, expected input with shape [*{stars}], but got input of size{}",
            x.shape()
        );
        let wanted: Shape = sizes.iter().map(|&n| n.max(0) as usize).collect();
        return Err(Error::shapes(message, x.shape(), &wanted));
    }
    if !x.dtype().is_float() {
        return not_implemented(kernel, x.dtype());
    }
    check_dtypes(x.dtype(), weight, bias)
}

/// The parameters have the input's dtype, or f32 beside a half-precision input.
fn check_dtypes(dtype: DType, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<()> {
    let name = DType::scalar_type_name;
    let given: SmallVec<[DType; 2]> = weight.into_iter().chain(bias).map(Tensor::dtype).collect();
    match given.as_slice() {
        [w, b] if w != b => {
            Err(Error::DType(format!("expected scalar type {} but found {}", name(*w), name(*b))))
        }
        [w, ..] if *w != dtype && !(dtype.is_reduced_float() && *w == DType::F32) => {
            Err(Error::DType("mixed dtype (CPU): expect parameter to have scalar type of Float".to_string()))
        }
        _ => Ok(()),
    }
}

fn layer_norm(a: &Args<'_>) -> Result<Tensor> {
    let (x, sizes, weight, bias) = (a.tensor(0).read()?, a.ints(1), a.opt_tensor(2), a.opt_tensor(3));
    check(&x, sizes, weight, bias, "LayerNormKernelImpl")?;
    let lead = x.rank() - sizes.len();
    let normal = Normal {
        seen: x.shape().clone(),
        axes: (lead..x.rank()).collect(),
        parameter: x.shape().iter().skip(lead).map(|d| d.get()).collect(),
    };
    let out = Tensor::from_value(normal.record(&x, a.float(4), weight, bias)?)?;
    keep(a, &[0, 2])?;
    Ok(out)
}

/// Divided by the root of the mean of squares, to which `eps` is added.
fn rms_norm(a: &Args<'_>) -> Result<Tensor> {
    let (x, sizes, weight) = (a.tensor(0).read()?, a.ints(1), a.opt_tensor(2));
    if x.rank() < sizes.len() {
        let (wanted, rank) = (sizes.len(), x.rank());
        let message = format!("Input tensor must have at least {wanted} dimensions, but got {rank}");
        return Err(Error::Value(message));
    }
    check(&x, sizes, weight, None, "rms_norm")?;
    let wide = x.cast(x.dtype().accumulator())?;
    let weight = weight.map(|w| w.read()?.cast(wide.dtype())).transpose()?;
    let least = if wide.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let eps = Number::Float(a.opt_float(3).unwrap_or(least)).recorded(wide.dtype());
    let operands: SmallVec<[&Recorded; 3]> = [&wide, &eps].into_iter().chain(&weight).collect();
    let axes: Axes = (x.rank() - sizes.len()..x.rank()).collect();
    let composition = Composition { name: "rms_norm", attributes: &[sizes.len() as u64] };
    let value = composition.record(&operands, |x| {
        let root = mean_of(&x[0].mul(&x[0])?, &axes, true)?.add(&x[1])?.map1(Scalar::Sqrt)?;
        let normal = x[0].mul(&root.literal(1.0).div(&root)?)?;
        x.get(2).map_or(Ok(normal.clone()), |weight| normal.mul(weight))
    })?;
    let out = Tensor::from_value(value.cast(x.dtype())?)?;
    keep(a, &[0, 2])?;
    Ok(out)
}

crate::entries! {
    "rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor" [FUNCTION | NN]
        grad "MulBackward0"
        "The last axes, whose extents are `normalized_shape`, divided by the root of their mean square, then times \
         `weight` of that shape. `eps`, the dtype's own if not given, is added to the mean square. Floats only."
        => |a| rms_norm(a);
    "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor"
        [FUNCTION | NN] grad "NativeLayerNormBackward0"
        "The last axes, whose extents are `normalized_shape`, brought to mean 0 and variance 1, then times `weight` and \
         plus `bias` of that shape. `eps` is added to the variance. Floats only." => |a| layer_norm(a);
}
