//! Conversions and copies.

use super::layout::finish;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, refuse_partial_overlap};
use rustorch_ir::DType;

/// The tensor in another dtype; itself if it has it, unless a copy is asked for.
pub fn to_dtype(x: &Tensor, dtype: DType, copy: bool) -> Result<Tensor> {
    if x.dtype() == dtype && !copy {
        return Ok(x.clone());
    }
    finish(x.read()?.cast(dtype)?, &[x])
}

/// Replaces the elements of `x` by those of `source`, converted and broadcast.
pub fn copy_in_place(x: &Tensor, source: &Tensor) -> Result<Tensor> {
    if x.is_same(source) {
        x.rewrite()?;
        return Ok(x.clone());
    }
    x.check_write(source.requires_grad())?;
    refuse_partial_overlap(x, source)?;
    let (sizes, value) = (x.sizes(), source.read()?);
    let shape = crate::record::broadcast_shapes(&sizes, value.shape())?;
    if shape != sizes {
        let message = format!("output with shape {sizes} doesn't match the broadcast shape {shape}");
        return Err(Error::shapes(message, &sizes, value.shape()));
    }
    x.overwrite(value.broadcast_to(&sizes)?.cast(x.dtype())?)?;
    Ok(x.clone())
}

const CAST: crate::registry::Kinds = crate::registry::kinds::METHOD;

crate::entries! {
    "type_as(Tensor self, Tensor other) -> Tensor" [METHOD] grad "ToCopyBackward0"
        "The tensor in the dtype of `other`." => |a| to_dtype(a.tensor(0), a.tensor(1).dtype(), false);
    "float(Tensor self) -> Tensor" [CAST] grad "ToCopyBackward0"
        "The tensor in float32." => |a| to_dtype(a.tensor(0), DType::F32, false);
    "double(Tensor self) -> Tensor" [CAST] grad "ToCopyBackward0"
        "The tensor in float64." => |a| to_dtype(a.tensor(0), DType::F64, false);
    "half(Tensor self) -> Tensor" [CAST] grad "ToCopyBackward0"
        "The tensor in float16." => |a| to_dtype(a.tensor(0), DType::F16, false);
    "bfloat16(Tensor self) -> Tensor" [CAST] grad "ToCopyBackward0"
        "The tensor in bfloat16." => |a| to_dtype(a.tensor(0), DType::BF16, false);
    "int(Tensor self) -> Tensor" [CAST]
        "The tensor in int32." => |a| to_dtype(a.tensor(0), DType::I32, false);
    "long(Tensor self) -> Tensor" [CAST]
        "The tensor in int64." => |a| to_dtype(a.tensor(0), DType::I64, false);
    "short(Tensor self) -> Tensor" [CAST]
        "The tensor in int16." => |a| to_dtype(a.tensor(0), DType::I16, false);
    "char(Tensor self) -> Tensor" [CAST]
        "The tensor in int8." => |a| to_dtype(a.tensor(0), DType::I8, false);
    "byte(Tensor self) -> Tensor" [CAST]
        "The tensor in uint8." => |a| to_dtype(a.tensor(0), DType::U8, false);
    "bool(Tensor self) -> Tensor" [CAST]
        "Where elements are not zero, in bool." => |a| to_dtype(a.tensor(0), DType::Bool, false);
    "get_device(Tensor self) -> int" [FUNCTION | METHOD] "The number of the tensor's device: -1, the CPU's."
        => |_| Ok(-1);
    "copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)" [METHOD] grad "CopyBackwards"
        "Replaces the elements by those of `src`, converted to the tensor's dtype and broadcast to its shape."
        => |a| copy_in_place(a.tensor(0), a.tensor(1));
}
