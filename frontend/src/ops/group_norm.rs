//! Normalisation of groups of channels.

use super::normal::{Normal, check_mixed};
use super::operands::{keep, not_implemented};
use crate::error::{Result, runtime};
use crate::registry::Args;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::Shape;

fn group_norm(a: &Args<'_>) -> Result<Tensor> {
    let (x, groups, weight, bias) = (a.tensor(0).read()?, a.int(1), a.opt_tensor(2), a.opt_tensor(3));
    let shape = x.shape();
    if x.rank() < 2 {
        wrap_axis(1, x.rank())?;
    }
    let channels = shape[1].get();
    let Some(groups) = usize::try_from(groups).ok().filter(|&g| g > 0) else {
        return runtime(format!("Expected num groups to be greater than 0, got {groups}"));
    };
    if channels == 0 {
        return runtime("Expected number of channels to be greater than 0, got 0");
    }
    if !channels.is_multiple_of(groups) {
        return runtime(format!(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape {shape} and \
             num_groups={groups}"
        ));
    }
    for (name, tensor) in [("weight", weight), ("bias", bias)] {
        if let Some(sizes) = tensor.map(Tensor::sizes)
            && (sizes.rank() != 1 || sizes[0].get() != channels)
        {
            return runtime(format!(
                "Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of \
                 shape {sizes} and input of shape {shape}"
            ));
        }
    }
    if !x.dtype().is_float() {
        return not_implemented("GroupNormKernelImpl", x.dtype());
    }
    check_mixed(x.dtype(), &[weight, bias])?;
    let rest: usize = shape.iter().skip(2).map(|d| d.get()).product();
    let normal = Normal {
        seen: Shape::from_sizes(&[shape[0].get(), groups, channels / groups, rest]),
        axes: [2, 3].into_iter().collect(),
        parameter: Shape::from_sizes(&[groups, channels / groups, 1]),
    };
    let out = Tensor::from_value(normal.record(&x, a.float(4), weight, bias)?)?;
    keep(a, &[0, 2])?;
    Ok(out)
}

crate::entries! {
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor"
        [FUNCTION] grad "NativeGroupNormBackward0"
        "The channels of an input (N, C, ...) in `num_groups` groups of neighbours, each of which is brought to mean 0 and \
         variance 1 in each member of the batch, then times `weight` and plus `bias` of shape (C). `eps` is added to \
         the variance. Floats only." => |a| group_norm(a);
}
