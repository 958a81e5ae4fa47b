//! Images resized along their axes: each element of the result is a weighted sum of a few neighbours along each axis.

use super::operands::not_implemented;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks, Scalar};
use rustorch_ir::{DType, Shape};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Nearest,
    NearestExact,
    Linear,
    Cubic,
    Area,
}

/// The coefficient of the cubic kernel, as in Keys, "Cubic convolution interpolation", with torch's choice of it.
const CUBIC: f64 = -0.75;

/// One axis: `from` elements become `to`, which lie `step` apart in the input.
#[derive(Clone, Copy)]
struct Along {
    axis: usize,
    from: usize,
    to: usize,
    step: f64,
    corners: bool,
}

impl Along {
    /// The numbers 0, 1, .. of the result's elements.
    fn numbers(&self, dtype: DType) -> Result<Recorded> {
        Recorded::iota(self.to)?.cast(dtype)
    }

    /// Where the result's elements lie among the input's.
    fn places(&self, dtype: DType) -> Result<Recorded> {
        let number = self.numbers(dtype)?;
        if self.corners {
            return number.mul_literal(self.step);
        }
        number.add_literal(0.5)?.mul_literal(self.step)?.add_literal(-0.5)
    }

    fn pick(&self, x: &Recorded, index: &Recorded) -> Result<Recorded> {
        let last = index.literal_int(self.from as i64 - 1);
        let index = index.map2(Scalar::Max, &index.literal_int(0))?.map2(Scalar::Min, &last)?;
        let data: Axes = (0..x.rank() as u8).filter(|&a| a as usize != self.axis).collect();
        x.gather(&index, Picks { axis: self.axis as u8, data, index: Axes::from_slice(&[self.axis as u8]) })
    }

    /// `weight` for each element along the axis, where it meets the others.
    fn spread(&self, weight: &Recorded, rank: usize) -> Result<Recorded> {
        weight.reshape(&(0..rank).map(|axis| if axis == self.axis { self.to } else { 1 }).collect())
    }

    fn nearest(&self, x: &Recorded, exact: bool, dtype: DType) -> Result<Recorded> {
        let number = self.numbers(dtype)?;
        let number = if exact { number.add_literal(0.5)? } else { number };
        self.pick(x, &number.mul_literal(self.step)?.map1(Scalar::Floor)?.cast(DType::I64)?)
    }

    fn linear(&self, x: &Recorded) -> Result<Recorded> {
        let place = self.places(x.dtype())?.map2(Scalar::Max, &x.literal(0.0))?;
        let floor = place.map1(Scalar::Floor)?;
        let (first, share) = (floor.cast(DType::I64)?, place.sub(&floor)?);
        let second = first.add(&first.literal_int(1))?;
        let rest = self.spread(&share.literal(1.0).sub(&share)?, x.rank())?;
        let share = self.spread(&share, x.rank())?;
        self.pick(x, &first)?.mul(&rest)?.add(&self.pick(x, &second)?.mul(&share)?)
    }

    fn cubic(&self, x: &Recorded) -> Result<Recorded> {
        let place = self.places(x.dtype())?;
        let floor = place.map1(Scalar::Floor)?;
        let share = place.sub(&floor)?;
        let floor = floor.cast(DType::I64)?;
        let mut sum: Option<Recorded> = None;
        for (tap, weight) in cubic_weights(&share)?.iter().enumerate() {
            let picked = self.pick(x, &floor.add(&floor.literal_int(tap as i64 - 1))?)?;
            let term = picked.mul(&self.spread(weight, x.rank())?)?;
            sum = Some(match sum {
                Some(sum) => sum.add(&term)?,
                None => term,
            });
        }
        sum.map_or_else(|| Ok(x.clone()), Ok)
    }

    /// The mean of all elements that the result's one covers, in part or whole.
    fn area(&self, x: &Recorded) -> Result<Recorded> {
        let number = Recorded::iota(self.to)?;
        let int = |n: usize| number.literal_int(n as i64);
        let first = number.mul(&int(self.from))?.map2(Scalar::FloorDiv, &int(self.to))?;
        let past = number.add(&int(1))?.mul(&int(self.from))?.add(&int(self.to - 1))?;
        let count = past.map2(Scalar::FloorDiv, &int(self.to))?.sub(&first)?;
        let most = self.from.div_ceil(self.to) + usize::from(!self.from.is_multiple_of(self.to));
        let most = most.min(self.from);
        let within = Recorded::iota(most)?;
        let covered = within.lt(&count.unsqueeze(1)?)?;
        let last = number.literal_int(self.from as i64 - 1);
        let index = first.unsqueeze(1)?.add(&within)?.map2(Scalar::Min, &last)?;
        let axis = self.axis as u8;
        let data: Axes = (0..x.rank() as u8).filter(|&a| a != axis).map(|a| a + u8::from(a > axis)).collect();
        let picked = x.gather(&index, Picks { axis, data, index: Axes::from_slice(&[axis, axis + 1]) })?;
        let mut shape: Shape = (0..=x.rank()).map(|_| 1usize).collect();
        shape[self.axis] = self.to.into();
        shape[self.axis + 1] = most.into();
        let kept = covered.reshape(&shape)?.select(&picked, &x.literal(0.0))?;
        let sum = kept.reduce(Combine::Add, &[self.axis + 1])?;
        sum.div(&self.spread(&count.cast(x.dtype())?, x.rank())?)
    }

    fn apply(&self, x: &Recorded, mode: Mode) -> Result<Recorded> {
        if self.from == self.to && (mode == Mode::Area || self.step == 1.0) {
            return Ok(x.clone());
        }
        // Whole numbers, which are only picked, lie where floats of f32 say.
        let dtype = if x.dtype().is_float() { x.dtype() } else { DType::F32 };
        match mode {
            Mode::Nearest => self.nearest(x, false, dtype),
            Mode::NearestExact => self.nearest(x, true, dtype),
            Mode::Linear => self.linear(x),
            Mode::Cubic => self.cubic(x),
            Mode::Area => self.area(x),
        }
    }
}

/// The weights of the four neighbours of a place that lies `share` behind the second of them.
pub(super) fn cubic_weights(share: &Recorded) -> Result<[Recorded; 4]> {
    let near = |x: &Recorded| -> Result<Recorded> {
        // (A + 2) x^3 - (A + 3) x^2 + 1
        let inner = x.mul_literal(CUBIC + 2.0)?.add_literal(-(CUBIC + 3.0))?;
        inner.mul(x)?.mul(x)?.add_literal(1.0)
    };
    let far = |x: &Recorded| -> Result<Recorded> {
        // A x^3 - 5A x^2 + 8A x - 4A
        let inner = x.mul_literal(CUBIC)?.add_literal(-5.0 * CUBIC)?;
        inner.mul(x)?.add_literal(8.0 * CUBIC)?.mul(x)?.add_literal(-4.0 * CUBIC)
    };
    let rest = share.literal(1.0).sub(share)?;
    Ok([far(&share.add_literal(1.0)?)?, near(share)?, near(&rest)?, far(&rest.add_literal(1.0)?)?])
}

fn mode_of(name: &str) -> Result<Mode> {
    match name {
        "nearest" => Ok(Mode::Nearest),
        "nearest-exact" => Ok(Mode::NearestExact),
        "linear" | "bilinear" | "trilinear" => Ok(Mode::Linear),
        "bicubic" => Ok(Mode::Cubic),
        "area" => Ok(Mode::Area),
        name => Err(Error::NotImplemented(format!("resize: mode {name}"))),
    }
}

fn check(x: &Recorded, sizes: &[i64], mode: Mode) -> Result<()> {
    let names = &["D", "H", "W"][5 - x.rank()..];
    let listed = |sizes: &[i64]| -> String {
        let parts: Vec<String> =
            names.iter().zip(sizes).map(|(name, size)| format!("{name}: {size}")).collect();
        parts.join(", ")
    };
    let given: Vec<i64> = x.shape().iter().skip(2).map(|d| d.get() as i64).collect();
    if mode == Mode::Area {
        if sizes.iter().any(|&s| s < 0) {
            return runtime(
                "adaptive_avg_pool2d: elements of output_size must be greater than or equal to 0",
            );
        }
    } else if given.iter().chain(sizes).any(|&s| s <= 0) {
        return runtime(format!(
            "Input and output sizes should be greater than 0, but got input ({}) output ({})",
            listed(&given),
            listed(sizes)
        ));
    }
    if x.shape().iter().skip(1).any(|d| d.get() == 0) {
        let shape = x.shape();
        return runtime(format!(
            "Non-empty {}D data tensor expected but got a tensor with sizes {shape}",
            x.rank()
        ));
    }
    let whole = mode == Mode::Nearest || mode == Mode::NearestExact;
    if !(x.dtype().is_float() || whole && x.dtype() == DType::U8) {
        let space = x.rank() - 2;
        let kernel = match mode {
            Mode::Area => format!("adaptive_avg_pool{space}d"),
            Mode::Linear if space == 2 => "upsample_bilinear2d_channels_last".to_string(),
            Mode::Cubic => "compute_indices_weights_cubic".to_string(),
            Mode::Linear => "compute_indices_weights_linear".to_string(),
            _ if space == 2 => "upsample_nearest2d_channels_last".to_string(),
            _ => "compute_indices_weights_nearest".to_string(),
        };
        return not_implemented(&kernel, x.dtype());
    }
    Ok(())
}

fn resize(a: &Args<'_>) -> Result<Tensor> {
    let (x, sizes, steps) = (a.tensor(0).read()?, a.ints(1), a.floats(2));
    let (mode, corners) = (mode_of(a.string(3))?, a.bool(4));
    let space = x.rank().saturating_sub(2);
    if !(1..=3).contains(&space) || sizes.len() != space || steps.len() != space {
        return runtime(format!("expected a size and a step for each of {space} axes of one to three"));
    }
    check(&x, sizes, mode)?;
    let wide = if x.dtype().is_float() { x.cast(x.dtype().accumulator())? } else { x.clone() };
    let axes: Vec<Along> = (0..space)
        .map(|i| {
            let (from, to) = (x.shape()[i + 2].get(), sizes[i].max(0) as usize);
            let step = match mode {
                Mode::Linear | Mode::Cubic if corners && to > 1 => (from as f64 - 1.0) / (to as f64 - 1.0),
                Mode::Linear | Mode::Cubic if corners => 0.0,
                // 0: none is given.
                _ if steps[i] > 0.0 => 1.0 / steps[i],
                _ => from as f64 / to.max(1) as f64,
            };
            Along { axis: i + 2, from, to, step, corners }
        })
        .collect();
    let mut attributes: Vec<u64> = vec![mode as u64, u64::from(corners)];
    attributes.extend(axes.iter().flat_map(|along| [along.to as u64, along.step.to_bits()]));
    let value = Composition { name: "resize", attributes: &attributes }
        .record(&[&wide], |x| axes.iter().try_fold(x[0].clone(), |x, along| along.apply(&x, mode)))?;
    Tensor::from_value(value.cast(x.dtype())?)
}

crate::entries! {
    "_resize(Tensor input, int[] size, float[] scale, str mode, bool align_corners) -> Tensor" [NN]
        grad "UpsampleBilinear2DBackward0"
        "The axes behind the second resized to `size`; of elements `scale` times as close as before, or as the sizes say \
         where it is 0." => |a| resize(a);
}
