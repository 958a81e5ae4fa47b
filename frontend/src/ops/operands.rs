//! How element-wise compositions take their operands: read, promoted, and said to be saved for the gradient.

use super::layout::{finish, finish_converted};
use crate::error::{Error, Result};
use crate::promote::{Promotion, to_float};
use crate::record::Recorded;
use crate::registry::{Arg, Args, Operand};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::op::Scalar;
use smallvec::SmallVec;

/// torch's error for a kernel that does not take a dtype.
pub(crate) fn not_implemented<T>(kernel: &str, dtype: DType) -> Result<T> {
    let message = format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name());
    Err(Error::NotImplemented(message))
}

/// Says that the gradient reads the tensors among these arguments as they are now.
pub(crate) fn keep(a: &Args<'_>, which: &[usize]) -> Result<()> {
    for &i in which {
        if let Arg::Tensor(_) = a.get(i) {
            a.save_argument(i)?;
        }
    }
    Ok(())
}

/// What the gradient of a function of one argument reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Nothing,
    Input,
    Result,
}

impl Keeps {
    pub(crate) fn save(self, a: &Args<'_>, result: &Tensor) -> Result<()> {
        match self {
            Keeps::Nothing => Ok(()),
            Keeps::Input => keep(a, &[0]),
            Keeps::Result => a.save_result(result),
        }
    }
}

/// A function of the first argument, whose result lies in memory as the argument does.
pub(crate) fn unary(
    a: &Args<'_>,
    keeps: Keeps,
    f: impl FnOnce(Recorded) -> Result<Recorded>,
) -> Result<Tensor> {
    let x = a.tensor(0);
    let out = finish(f(x.read()?)?, &[x])?;
    keeps.save(a, &out)?;
    Ok(out)
}

/// A row of the table on the first argument, computed in a float dtype.
pub(crate) fn float_unary(a: &Args<'_>, op: Scalar, keeps: Keeps) -> Result<Tensor> {
    unary(a, keeps, |x| float(&x)?.map1(op))
}

/// `x`, in a float dtype.
pub(crate) fn float(x: &Recorded) -> Result<Recorded> {
    x.cast(to_float(x.dtype()))
}

/// The operands of an element-wise operation in one dtype, not yet broadcast.
pub(crate) struct Operands<'a> {
    pub values: SmallVec<[Recorded; 3]>,
    pub dtype: DType,
    tensors: SmallVec<[&'a Tensor; 3]>,
    /// The dtype of the result, where f16 and bf16 meet a number or a 0-d tensor, which torch does not round first.
    narrow: Option<DType>,
}

impl<'a> Operands<'a> {
    /// Reads the operands and converts them to `chosen` of the promoted dtype.
    pub fn read(operands: &[Operand<'a>], chosen: impl Fn(DType) -> Result<DType>) -> Result<Operands<'a>> {
        Operands::collect(operands, chosen, false)
    }

    /// As [`Operands::read`], for operations whose half-precision kernels take scalars in f32.
    pub fn read_wide(
        operands: &[Operand<'a>],
        chosen: impl Fn(DType) -> Result<DType>,
    ) -> Result<Operands<'a>> {
        Operands::collect(operands, chosen, true)
    }

    fn collect(
        operands: &[Operand<'a>],
        chosen: impl Fn(DType) -> Result<DType>,
        wide: bool,
    ) -> Result<Operands<'a>> {
        if let [Operand::Tensor(x), Operand::Tensor(y)] = *operands {
            let values = [x.read()?, y.read()?];
            let dtype = values[0].dtype();
            // Nothing to promote or to convert, as nearly always.
            if values[1].dtype() == dtype && chosen(dtype)? == dtype {
                let (values, tensors) = (SmallVec::from_iter(values), SmallVec::from_slice(&[x, y]));
                return Ok(Operands { values, dtype, tensors, narrow: None });
            }
        }
        let mut promotion = Promotion::default();
        let mut tensors = SmallVec::new();
        let mut raw: SmallVec<[Option<Recorded>; 3]> = SmallVec::new();
        for &operand in operands {
            raw.push(match operand {
                Operand::Tensor(t) => {
                    let value = t.read()?;
                    promotion = promotion.value(value.dtype(), value.rank());
                    tensors.push(t);
                    Some(value)
                }
                Operand::Number(n) => {
                    promotion = promotion.number(n);
                    None
                }
            });
        }
        let result = chosen(promotion.dtype())?;
        let scalar =
            |value: &Option<Recorded>| value.as_ref().is_none_or(|v| v.rank() == 0 && v.dtype() != result);
        let narrow = wide && result.is_reduced_float() && raw.iter().any(scalar);
        let dtype = if narrow { DType::F32 } else { result };
        let values = raw
            .into_iter()
            .zip(operands)
            .map(|(value, &operand)| match (value, operand) {
                (Some(value), _) => value.cast(dtype),
                (None, Operand::Number(n)) => Ok(n.recorded(dtype)),
                (None, Operand::Tensor(t)) => t.read(),
            })
            .collect::<Result<_>>()?;
        Ok(Operands { values, dtype, tensors, narrow: narrow.then_some(result) })
    }

    /// The result of the operation as a tensor that lies in memory as torch's does.
    pub fn finish(&self, value: Recorded) -> Result<Tensor> {
        finish_converted(self.rounded(value)?, &self.tensors, self.narrow.unwrap_or(self.dtype))
    }

    /// The result as a tensor in row-major order.
    pub fn row_major(&self, value: Recorded) -> Result<Tensor> {
        Tensor::from_value(self.rounded(value)?)
    }

    fn rounded(&self, value: Recorded) -> Result<Recorded> {
        match self.narrow {
            Some(dtype) => value.cast(dtype),
            None => Ok(value),
        }
    }

    /// `op` of all operands.
    pub fn map(&self, op: Scalar) -> Result<Recorded> {
        let inputs: SmallVec<[&Recorded; 3]> = self.values.iter().collect();
        Recorded::map(op, &inputs)
    }
}

/// `f` of `x` in f32 where `x` is f16 or bf16: for compositions that torch's kernels round only once.
pub(crate) fn widened(x: &Recorded, f: impl FnOnce(&Recorded) -> Result<Recorded>) -> Result<Recorded> {
    let dtype = x.dtype();
    f(&x.cast(dtype.accumulator())?)?.cast(dtype)
}

/// Says what the gradient of a product-like function of arguments 0 and 1 reads: each for the other's sake.
pub(crate) fn keep_other(a: &Args<'_>, values: &[Recorded]) -> Result<()> {
    if values[1].tracks() {
        keep(a, &[0])?;
    }
    if values[0].tracks() {
        keep(a, &[1])?;
    }
    Ok(())
}

/// Says that the gradient, if there is any, reads arguments 0 and 1.
pub(crate) fn keep_both(a: &Args<'_>) -> Result<()> {
    keep(a, &[0, 1])
}

/// `out`, computed from `inputs` without gradients, whose backward raises torch's error.
pub(crate) fn without_derivative(name: &'static str, out: Tensor, inputs: &[Operand<'_>]) -> Result<Tensor> {
    let inputs: Vec<Tensor> = inputs
        .iter()
        .filter_map(|input| match input {
            Operand::Tensor(t) => Some((*t).clone()),
            Operand::Number(_) => None,
        })
        .collect();
    if crate::grad_mode::is_grad_enabled()
        && out.dtype().is_float()
        && inputs.iter().any(Tensor::requires_grad)
    {
        let refuse = move |_: &[Option<Tensor>]| {
            Err(Error::Runtime(format!("derivative for aten::{name} is not implemented")))
        };
        Tensor::attach_backward(
            std::slice::from_ref(&out),
            &inputs,
            std::sync::Arc::new(refuse),
            "NotImplemented",
        )?;
    }
    Ok(out)
}
