//! Element-wise functions of three operands.

use super::operands::{Operands, keep, not_implemented};
use crate::error::{Error, Result, runtime};
use crate::promote::{checked_literal, type_name};
use crate::record::Recorded;
use crate::registry::{Args, Operand, Scalar as Number};
use crate::tensor::Tensor;
use crate::view::Writes;
use rustorch_ir::DType;
use rustorch_ir::op::Scalar;

fn select(a: &Args<'_>) -> Result<Tensor> {
    let (condition, x, y) = (a.tensor(0), a.operand(1), a.operand(2));
    let mask = condition.read()?;
    if !matches!(mask.dtype(), DType::Bool | DType::U8) {
        return runtime(format!(
            "where expected condition to be a boolean tensor, but got a tensor with dtype {}",
            mask.dtype().scalar_type_name()
        ));
    }
    let numbers = [x, y];
    let operands = Operands::read(&numbers, |dtype| {
        for operand in numbers {
            if let Operand::Number(n) = operand {
                checked_literal(n, dtype)?;
            }
        }
        Ok(dtype)
    })?;
    let value = mask.cast(DType::Bool)?.select(&operands.values[0], &operands.values[1])?;
    let tensors: smallvec::SmallVec<[&Tensor; 3]> = std::iter::once(condition)
        .chain(numbers.into_iter().filter_map(|o| match o {
            Operand::Tensor(t) => Some(t),
            Operand::Number(_) => None,
        }))
        .collect();
    let out = super::layout::finish(value, &tensors)?;
    keep(a, &[0])?;
    Ok(out)
}

fn masked_fill(a: &Args<'_>) -> Result<Tensor> {
    let (x, mask, fill) = (a.tensor(0).read()?, a.tensor(1).read()?, a.operand(2));
    crate::record::broadcast_shapes(mask.shape(), x.shape())?;
    if mask.dtype() != DType::Bool {
        return runtime(format!(
            "masked_fill_ only supports boolean masks, but got mask with dtype {}",
            type_name(mask.dtype())
        ));
    }
    let fill = match fill {
        Operand::Number(n) => Recorded::scalar(checked_literal(n, x.dtype())?),
        Operand::Tensor(t) if t.dim() > 0 => {
            return runtime(format!(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
                t.dim()
            ));
        }
        Operand::Tensor(t) => t.read()?.cast(x.dtype())?,
    };
    let out = Tensor::from_value(mask.select(&fill, &x)?)?;
    a.writes(|| mask.cast(DType::I64)?.broadcast_to(x.shape()).map(Writes::InOrder))?;
    keep(a, &[1])?;
    Ok(out)
}

/// `start + weight * (end - start)`, from the nearer end.
fn lerp(a: &Args<'_>) -> Result<Tensor> {
    let (start, end) = (a.tensor(0), a.tensor(1));
    let weight = a.operand(2);
    let dtype = start.dtype();
    let mut tensors: smallvec::SmallVec<[&Tensor; 3]> = smallvec::smallvec![start, end];
    let mut others: smallvec::SmallVec<[(&str, DType); 2]> = smallvec::smallvec![("end", end.dtype())];
    if let Operand::Tensor(w) = weight {
        tensors.push(w);
        if w.dim() > 0 {
            others.push(("weight", w.dtype()));
        }
    }
    if let Some((name, other)) = others.into_iter().find(|&(_, other)| other != dtype) {
        return Err(Error::DType(format!(
            "expected dtype {} for `{name}` but got dtype {}",
            type_name(dtype),
            type_name(other)
        )));
    }
    if !dtype.is_float() {
        let kernel = if weight.is_number() { "lerp_kernel_scalar" } else { "lerp_kernel_tensor" };
        return not_implemented(kernel, dtype);
    }
    let wide = dtype.accumulator();
    let (x, y) = (start.read()?.cast(wide)?, end.read()?.cast(wide)?);
    let w = match weight {
        Operand::Number(n) => n.recorded(wide),
        Operand::Tensor(t) => t.read()?.cast(wide)?,
    };
    let value = Recorded::map(Scalar::Lerp, &[&x, &y, &w])?;
    let out = super::layout::finish(value.cast(dtype)?, &tensors)?;
    keep(a, if weight.is_number() { &[] } else { &[0, 1, 2] })?;
    Ok(out)
}

/// `self + value * tensor1 op tensor2`.
fn add_combined(a: &Args<'_>, op: Scalar) -> Result<Tensor> {
    let factor: Number = a.scalar(3);
    let division = op == Scalar::Div;
    if division && !a.operand(1).dtype().is_float() && !a.operand(2).dtype().is_float() {
        return runtime(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a \
             true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value \
             * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / \
             tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value \
             * tensor1 / tensor2), for all dtypes.",
        );
    }
    let operands = Operands::read(&[a.operand(0), a.operand(1), a.operand(2)], |dtype| match dtype {
        DType::Bool => not_implemented("addcmul_cpu_out", dtype),
        dtype => checked_literal(factor, dtype).map(|_| dtype),
    })?;
    let wide = operands.dtype.accumulator();
    let [x, p, q] =
        [operands.values[0].cast(wide)?, operands.values[1].cast(wide)?, operands.values[2].cast(wide)?];
    let p = if factor == Number::Int(1) { p } else { factor.recorded(wide).mul(&p)? };
    let value = x.add(&p.map2(op, &q)?)?;
    let out = operands.finish(value.cast(operands.dtype)?)?;
    keep(a, &[1, 2])?;
    Ok(out)
}

crate::entries! {
    "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor"
        [FUNCTION | METHOD | OUT | NUMBERS | EXACT] grad "WhereBackward0"
        "`self` where `condition` is true, else `other`; all broadcast, the two promoted. The condition is bool."
        => |a| select(a);
    "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor"
        [FUNCTION | METHOD | INPLACE | NUMBERS | MEETS]
        "`value`, a number or a 0-d tensor, where the bool `mask` is true, else `self`; both broadcast. The dtype is \
         that of `self`." => |a| masked_fill(a);
    "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | NUMBERS]
        "`self + weight * (end - self)`, broadcast. All are floats of one dtype; the weight may be a number."
        => |a| lerp(a);
    "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT]
        "`self + value * tensor1 * tensor2`, broadcast and promoted." => |a| add_combined(a, Scalar::Mul);
    "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor"
        [FUNCTION | METHOD | INPLACE | OUT]
        "`self + value * tensor1 / tensor2`, broadcast and promoted. Not both of the two are whole."
        => |a| add_combined(a, Scalar::Div);
}
