//! Elements chosen by a mask of the same shape.

use super::positions;
use crate::error::{Error, Result, runtime};
use crate::promote::checked_literal;
use crate::record::{Recorded, broadcast_shapes};
use crate::registry::Operand;
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::op::{Axes, Picks};

/// How a flat tensor is looked up by one index.
fn along() -> Picks {
    Picks { axis: 0, data: Axes::new(), index: Axes::from_slice(&[0]) }
}

/// The elements where the mask is true, along one axis.
pub fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    if mask.dtype() != DType::Bool {
        return runtime("masked_select: expected BoolTensor for mask");
    }
    let shape = broadcast_shapes(&mask.sizes(), &x.sizes())?;
    let places = positions::of_value(&mask.read()?.broadcast_to(&shape)?)?;
    let all = x.read()?.broadcast_to(&shape)?.flatten()?;
    Tensor::from_value(all.gather(&places.read()?, along())?)
}

/// `x` with the elements of `source`, one after the other, where the mask is true.
pub fn masked_scatter(x: &Tensor, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
    if x.dtype() != source.dtype() {
        return Err(Error::DType(format!(
            "masked_scatter: expected self and source to have same dtypes but got{} and {}",
            x.dtype().scalar_type_name(),
            source.dtype().scalar_type_name()
        )));
    }
    if mask.dtype() != DType::Bool {
        return runtime(format!(
            "masked_scatter_ only supports boolean masks, but got mask with dtype {}",
            mask.dtype().scalar_type_name()
        ));
    }
    let shape = broadcast_shapes(&mask.sizes(), &x.sizes())?;
    let places = positions::of_value(&mask.read()?.broadcast_to(&shape)?)?;
    let count = places.numel();
    if source.numel() < count {
        return runtime("Number of elements of source < number of ones in mask");
    }
    let values = source.read()?.flatten()?.narrow(0, 0, count)?;
    let all = x.read()?.broadcast_to(&shape)?.flatten()?;
    let new = all.scatter(&places.read()?, &values, along(), None)?.reshape(&shape)?;
    Tensor::from_value(new)
}

/// A number or 0-d tensor as a 0-d value of `dtype`, for operations that fill.
pub(super) fn fill_value(name: &str, value: Operand<'_>, dtype: DType) -> Result<Recorded> {
    match value {
        Operand::Number(number) => Ok(Recorded::scalar(checked_literal(number, dtype)?)),
        Operand::Tensor(t) if t.dim() == 0 => t.read()?.cast(dtype),
        Operand::Tensor(t) => runtime(format!(
            "{name} only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
            t.dim()
        )),
    }
}
