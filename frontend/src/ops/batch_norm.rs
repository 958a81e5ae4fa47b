//! Normalisation of channels, over the batch or in each of its members, and the statistics kept of them.

use super::axes::Axes;
use super::normal::{Normal, check_mixed, parameter};
use super::operands::{keep, not_implemented};
use super::reduce::{dropped, mean_of};
use super::spread::variance;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::Shape;
use rustorch_ir::op::Scalar;
use smallvec::SmallVec;

/// The arguments that batch and instance normalisation share, at the same places.
struct Channels<'a> {
    a: &'a Args<'a>,
    x: Recorded,
    /// What else is normalised together: all axes but the channels', or also not the batch's.
    axes: Axes,
}

impl<'a> Channels<'a> {
    fn new(a: &'a Args<'a>, axes: Axes) -> Result<Self> {
        Ok(Channels { a, x: a.tensor(0).read()?, axes })
    }

    fn weight(&self) -> Option<&Tensor> {
        self.a.opt_tensor(1)
    }

    fn bias(&self) -> Option<&Tensor> {
        self.a.opt_tensor(2)
    }

    fn running(&self) -> [(&'static str, Option<&Tensor>); 2] {
        [("running_mean", self.a.opt_tensor(3)), ("running_var", self.a.opt_tensor(4))]
    }

    fn channels(&self) -> usize {
        if self.x.rank() < 2 { 0 } else { self.x.shape()[1].get() }
    }

    /// torch's checks; each tensor is said to have `times` its elements, as torch repeats it.
    fn check(&self, by_batch: bool, times: usize) -> Result<()> {
        let channels = self.channels();
        let sized = |name: &str, tensor: Option<&Tensor>| match tensor {
            Some(t) if t.numel() != channels => runtime(format!(
                "{name} should contain {} elements not {}",
                channels * times,
                t.numel() * times
            )),
            _ => Ok(()),
        };
        for (name, tensor) in self.running() {
            sized(name, tensor)?;
            if tensor.is_none() && !by_batch {
                return runtime(format!("{name} must be defined in evaluation mode"));
            }
        }
        sized("weight", self.weight())?;
        sized("bias", self.bias())?;
        let [(_, mean), (_, var)] = self.running();
        if mean.is_some() != var.is_some() {
            let message = "running_mean and running_var must either both be None or neither be None";
            return Err(Error::Value(message.into()));
        }
        if !self.x.dtype().is_float() {
            return not_implemented("batch_norm", self.x.dtype());
        }
        check_mixed(self.x.dtype(), &[self.weight(), self.bias(), mean, var])
    }

    /// The shape in which what is given for each channel meets the input.
    fn parameter(&self) -> Shape {
        (1..self.x.rank()).map(|axis| if axis == 1 { self.channels() } else { 1 }).collect()
    }

    /// By the statistics of the input itself, which are taken into the running ones.
    fn by_own(&self) -> Result<Recorded> {
        if self.x.numel() > 0 {
            self.track()?;
        }
        let normal =
            Normal { seen: self.x.shape().clone(), axes: self.axes.clone(), parameter: self.parameter() };
        normal.record(&self.x, self.a.float(7), self.weight(), self.bias())
    }

    /// Puts the part `momentum` of the new statistics and the rest of the old ones in the place of these. The variance
    /// is that of a sample, and what members of a batch have of their own is averaged.
    fn track(&self) -> Result<()> {
        let x = self.x.detach();
        let wide = x.cast(x.dtype().accumulator())?;
        let momentum = Number::Float(self.a.float(6)).recorded(wide.dtype());
        let rest: Axes = (0..x.rank()).filter(|&axis| axis != 1).collect();
        let attributes = [self.axes.len() as u64];
        for (name, tensor) in self.running() {
            let Some(tensor) = tensor else { continue };
            let old = tensor.read()?.detach().reshape(&Shape::from_sizes(&[self.channels()]))?;
            let spread = name == "running_var";
            let taken_in = |x: &[Recorded]| {
                let mean = mean_of(&x[0], &self.axes, true)?;
                let new = if spread { variance(&x[0], &mean, &self.axes, 1.0)? } else { mean };
                let new = dropped(&mean_of(&new, &rest, true)?, &rest)?;
                new.mul(&x[2])?.add(&x[1].mul(&x[2].literal(1.0).sub(&x[2])?)?)
            };
            let operands = [&wide, &old.cast(wide.dtype())?, &momentum];
            let new = if spread {
                Composition { name: "running_var", attributes: &attributes }.record(&operands, taken_in)?
            } else {
                Composition { name: "running_mean", attributes: &attributes }.record(&operands, taken_in)?
            };
            // Through a handle of its own: torch does not count this as a write either.
            tensor.data().write(new.cast(tensor.dtype())?.reshape(&tensor.sizes())?)?;
        }
        Ok(())
    }

    /// By the running statistics.
    fn by_running(&self) -> Result<Recorded> {
        let wide = self.x.cast(self.x.dtype().accumulator())?;
        let eps = Number::Float(self.a.float(7)).recorded(wide.dtype());
        let mut statistics: SmallVec<[Recorded; 2]> = SmallVec::new();
        for (_, tensor) in self.running() {
            statistics.extend(parameter(tensor, wide.dtype())?.map(|s| s.detach()));
        }
        let (weight, bias) = (parameter(self.weight(), wide.dtype())?, parameter(self.bias(), wide.dtype())?);
        let operands: SmallVec<[&Recorded; 6]> =
            [&wide, &eps].into_iter().chain(&statistics).chain(&weight).chain(&bias).collect();
        let (shape, weighted) = (self.parameter(), weight.is_some());
        Composition { name: "batch_norm_by_running", attributes: &[u64::from(weighted)] }
            .record(&operands, |x| {
                let root = x[3].add(&x[1])?.map1(Scalar::Sqrt)?;
                let inverse = root.literal(1.0).div(&root)?;
                let scale = if weighted { inverse.mul(&x[4].reshape(inverse.shape())?)? } else { inverse };
                let value = x[0].sub(&x[2].reshape(&shape)?)?.mul(&scale.reshape(&shape)?)?;
                match x.get(4 + usize::from(weighted)) {
                    Some(bias) => value.add(&bias.reshape(&shape)?),
                    None => Ok(value),
                }
            })?
            .cast(self.x.dtype())
    }

    fn finish(&self, by_own: bool) -> Result<Tensor> {
        let out = if by_own { self.by_own()? } else { self.by_running()? };
        let out = Tensor::from_value(out)?;
        keep(self.a, &[0, 1])?;
        if !by_own {
            keep(self.a, &[3, 4])?;
        }
        Ok(out)
    }
}

fn batch_norm(a: &Args<'_>) -> Result<Tensor> {
    let axes = (0..a.tensor(0).dim()).filter(|&axis| axis != 1).collect();
    let channels = Channels::new(a, axes)?;
    channels.check(a.bool(5), 1)?;
    channels.finish(a.bool(5))
}

fn instance_norm(a: &Args<'_>) -> Result<Tensor> {
    let rank = a.tensor(0).dim();
    if !a.bool(5) && (a.is_none(3) || a.is_none(4)) {
        return runtime("Expected running_mean and running_var to be defined when use_input_stats is false");
    }
    if rank < 2 {
        return runtime(format!(
            "instance_norm: expected an input (N, C, ...), but got one of {rank} dimensions"
        ));
    }
    let channels = Channels::new(a, (2..rank).collect())?;
    channels.check(a.bool(5), a.tensor(0).sizes()[0].get())?;
    channels.finish(a.bool(5))
}

crate::entries! {
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor"
        [FUNCTION] grad "NativeBatchNormBackward0"
        "Each channel of an input (N, C, ...) less its mean and divided by the root of its variance plus `eps`, then times \
         `weight` and plus `bias` of shape (C). While training mean and variance are the input's own, and the part \
         `momentum` of them is taken into `running_mean` and `running_var`, in place; else they are those."
        => |a| batch_norm(a);
    "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor"
        [FUNCTION] grad "ViewBackward0"
        "As `batch_norm`, but each member of the batch is normalised by itself; what is taken into the running statistics \
         is the mean over the members." => |a| instance_norm(a);
}
