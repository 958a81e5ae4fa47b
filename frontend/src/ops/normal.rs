//! Elements brought to mean 0 and variance 1 over some axes: what the layers that normalise have in common.

use super::axes::Axes;
use super::reduce::mean_of;
use super::spread::variance;
use crate::compose::Composition;
use crate::error::{Error, Result};
use crate::record::{Recorded, sum_to_shape};
use crate::registry::Scalar as Number;
use crate::tensor::Tensor;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// How an input is normalised.
pub(super) struct Normal {
    /// The shape in which the input is looked at; `axes` are of it.
    pub seen: Shape,
    pub axes: Axes,
    /// The shape in which weight and bias meet the input so seen.
    pub parameter: Shape,
}

impl Normal {
    /// The normal input, times the weight and plus the bias, computed in the accumulator of the input's dtype.
    pub fn record(
        &self,
        x: &Recorded,
        eps: f64,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
    ) -> Result<Recorded> {
        let wide = x.cast(x.dtype().accumulator())?;
        let (weight, bias) = (parameter(weight, wide.dtype())?, parameter(bias, wide.dtype())?);
        let eps = Number::Float(eps).recorded(wide.dtype());
        let operands: SmallVec<[&Recorded; 4]> =
            [&wide, &eps].into_iter().chain(&weight).chain(&bias).collect();
        let weighted = weight.is_some();
        let mut attributes: SmallVec<[u64; 16]> = SmallVec::from_slice(&[u64::from(weighted)]);
        attributes.extend(self.axes.iter().map(|&axis| axis as u64));
        for shape in [&self.seen, &self.parameter] {
            attributes.push(u64::MAX);
            attributes.extend(shape.iter().map(|d| d.get() as u64));
        }
        Composition { name: "normal", attributes: &attributes }
            .record_with_gradient(
                &operands,
                |x| self.value(x, weighted),
                |x, _, g| self.gradient(x, g, weighted),
            )?
            .cast(x.dtype())
    }

    /// The input brought to mean 0 and variance 1, and what its deviations were multiplied with.
    fn normal(&self, x: &[Recorded]) -> Result<(Recorded, Recorded)> {
        let seen = x[0].reshape(&self.seen)?;
        let mean = mean_of(&seen, &self.axes, true)?;
        let root = variance(&seen, &mean, &self.axes, 0.0)?.add(&x[1])?.map1(Scalar::Sqrt)?;
        let inverse = root.literal(1.0).div(&root)?;
        Ok((seen.sub(&mean)?.mul(&inverse)?, inverse))
    }

    fn value(&self, x: &[Recorded], weighted: bool) -> Result<Recorded> {
        let value = self.normal(x)?.0;
        let value = if weighted { value.mul(&x[2].reshape(&self.parameter)?)? } else { value };
        let value = match x.get(2 + usize::from(weighted)) {
            Some(bias) => value.add(&bias.reshape(&self.parameter)?)?,
            None => value,
        };
        value.reshape(x[0].shape())
    }

    /// The input's is the gradient less its mean and its part along the normal input.
    fn gradient(&self, x: &[Recorded], g: &Recorded, weighted: bool) -> Result<Vec<Recorded>> {
        let g = g.reshape(&self.seen)?;
        let (normal, inverse) = self.normal(x)?;
        let slope = if weighted { g.mul(&x[2].reshape(&self.parameter)?)? } else { g.clone() };
        let along = slope.mul(&normal)?;
        let along = normal.mul(&mean_of(&along, &self.axes, true)?)?;
        let rest = slope.sub(&mean_of(&slope, &self.axes, true)?)?.sub(&along)?;
        let mut gradients = vec![rest.mul(&inverse)?.reshape(x[0].shape())?, x[1].literal(0.0)];
        if weighted {
            gradients.push(sum_to_shape(&g.mul(&normal)?, &self.parameter)?.reshape(x[2].shape())?);
        }
        if let Some(bias) = x.get(gradients.len()) {
            gradients.push(sum_to_shape(&g, &self.parameter)?.reshape(bias.shape())?);
        }
        Ok(gradients)
    }
}

/// A parameter in the dtype in which it is applied.
pub(super) fn parameter(tensor: Option<&Tensor>, dtype: DType) -> Result<Option<Recorded>> {
    tensor.map(|p| p.read()?.cast(dtype)).transpose()
}

/// torch's refusal of dtypes that do not go together: of parameters and statistics in their order. All have the input's
/// dtype, or are f32 beside a half-precision input.
pub(super) fn check_mixed(dtype: DType, given: &[Option<&Tensor>]) -> Result<()> {
    let dtypes: SmallVec<[DType; 4]> = given.iter().flatten().map(|t| t.dtype()).collect();
    let refuse = |message: &str| Err(Error::DType(message.to_string()));
    match dtypes.first() {
        Some(&first) if first != dtype => {
            if dtypes.iter().any(|&d| d != DType::F32) {
                return refuse("mixed dtype (CPU): expect parameter to have scalar type of Float");
            }
            if !dtype.is_reduced_float() {
                return refuse("mixed dtype (CPU): all inputs must share same datatype.");
            }
            Ok(())
        }
        _ => match dtypes.iter().find(|&&d| d != dtype) {
            Some(other) => {
                let (want, got) = (dtype.scalar_type_name(), other.scalar_type_name());
                refuse(&format!("expected scalar type {want} but found {got}"))
            }
            None => Ok(()),
        },
    }
}
