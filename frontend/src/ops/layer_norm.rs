//! Layer normalisation.

use super::operands::{keep, not_implemented};
use super::reduce::mean_of;
use super::spread::variance;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};

fn check(x: &Recorded, sizes: &[i64], weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<()> {
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
        return not_implemented("LayerNormKernelImpl", x.dtype());
    }
    check_dtypes(x.dtype(), weight, bias)
}

/// The parameters have the input's dtype, or f32 beside a half-precision input.
fn check_dtypes(dtype: DType, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<()> {
    let name = DType::scalar_type_name;
    let given: smallvec::SmallVec<[DType; 2]> = weight.into_iter().chain(bias).map(Tensor::dtype).collect();
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
    check(&x, sizes, weight, bias)?;
    let axes: smallvec::SmallVec<[usize; 8]> = (x.rank() - sizes.len()..x.rank()).collect();
    let wide = x.cast(x.dtype().accumulator())?;
    let value = if x.numel() == 0 {
        wide
    } else {
        let mean = mean_of(&wide, &axes, true)?;
        let variance = variance(&wide, &mean, &axes, 0.0)?;
        let eps = Number::Float(a.float(4)).recorded(wide.dtype());
        let root = variance.add(&eps)?.map1(Scalar::Sqrt)?;
        wide.sub(&mean)?.mul(&root.literal(1.0).div(&root)?)?
    };
    let value = match weight {
        Some(weight) => value.mul(&weight.read()?.cast(value.dtype())?)?,
        None => value,
    };
    let value = match bias {
        Some(bias) => value.add(&bias.read()?.cast(value.dtype())?)?,
        None => value,
    };
    let out = Tensor::from_value(value.cast(x.dtype())?)?;
    keep(a, &[0, 2])?;
    Ok(out)
}

crate::entries! {
    "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor"
        [FUNCTION | NN] grad "NativeLayerNormBackward0"
        "The last axes, whose extents are `normalized_shape`, brought to mean 0 and variance 1, then times `weight` and \
         plus `bias` of that shape. `eps` is added to the variance. Floats only." => |a| layer_norm(a);
}
