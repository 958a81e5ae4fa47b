//! Images read at places that a tensor says.

use super::operands::{keep, not_implemented};
use super::resize::cubic_weights;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use rustorch_ir::op::{Axes, Picks, Scalar};
use rustorch_ir::{DType, Shape};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Zeros,
    Border,
    Reflection,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Linear,
    Nearest,
    Cubic,
}

struct Sampler {
    mode: Mode,
    beyond: Beyond,
    corners: bool,
}

/// The neighbours of places along one axis: their numbers, whether they are there, and their weights if not all alike.
type Taps = Vec<(Recorded, Recorded, Option<Recorded>)>;

impl Sampler {
    /// A coordinate in -1 .. 1 as a place among `n` elements.
    fn place(&self, x: &Recorded, n: usize) -> Result<Recorded> {
        let n = n as f64;
        if self.corners {
            return x.add_literal(1.0)?.mul_literal((n - 1.0) / 2.0);
        }
        x.add_literal(1.0)?.mul_literal(n)?.add_literal(-1.0)?.mul_literal(0.5)
    }

    fn clipped(&self, x: &Recorded, n: usize) -> Result<Recorded> {
        x.map2(Scalar::Max, &x.literal(0.0))?.map2(Scalar::Min, &x.literal(n as f64 - 1.0))
    }

    /// Places beyond the image brought back into it, as far as that is done at all.
    fn within(&self, x: &Recorded, n: usize) -> Result<Recorded> {
        match self.beyond {
            Beyond::Zeros => Ok(x.clone()),
            Beyond::Border => self.clipped(x, n),
            Beyond::Reflection => {
                // Between the centres of the outermost elements, or their outer edges.
                let (low, span) = if self.corners { (0.0, n as f64 - 1.0) } else { (-0.5, n as f64) };
                if span == 0.0 {
                    return x.mul_literal(0.0);
                }
                let distance = x.add_literal(-low)?.map1(Scalar::Abs)?;
                let turns = distance.mul_literal(1.0 / span)?.stop_gradient()?.map1(Scalar::Floor)?;
                let rest = distance.sub(&turns.mul_literal(span)?)?;
                let half = turns.mul_literal(0.5)?;
                let even = half.map1(Scalar::Floor)?.eq(&half)?;
                let back = even.select(&rest, &rest.literal(span).sub(&rest)?)?.add_literal(low)?;
                self.clipped(&back, n)
            }
        }
    }

    /// An element's number as one that exists, and whether it did before.
    fn existing(&self, place: &Recorded, n: usize) -> Result<(Recorded, Recorded)> {
        let (zero, last) = (place.literal(0.0), place.literal(n as f64 - 1.0));
        let there = zero.le(place)?.map2(Scalar::And, &place.le(&last)?)?;
        // A place that is no number, or beyond all numbers, is brought in before it becomes an integer.
        let safe = there.select(place, &place.map2(Scalar::Max, &zero)?.map2(Scalar::Min, &last)?)?;
        let safe = safe.eq(&safe)?.select(&safe, &zero)?;
        Ok((safe.cast(DType::I64)?, there))
    }

    fn taps(&self, x: &Recorded, n: usize) -> Result<Taps> {
        let place = self.place(x, n)?;
        match self.mode {
            Mode::Nearest => {
                let place = self.within(&place, n)?.stop_gradient()?.map1(Scalar::Round)?;
                let (index, there) = self.existing(&place, n)?;
                Ok(vec![(index, there, None)])
            }
            Mode::Linear => {
                let place = self.within(&place, n)?;
                let floor = place.stop_gradient()?.map1(Scalar::Floor)?;
                let share = place.sub(&floor)?;
                let rest = share.literal(1.0).sub(&share)?;
                let (first, first_there) = self.existing(&floor, n)?;
                let (second, second_there) = self.existing(&floor.add_literal(1.0)?, n)?;
                Ok(vec![(first, first_there, Some(rest)), (second, second_there, Some(share))])
            }
            Mode::Cubic => {
                let floor = place.stop_gradient()?.map1(Scalar::Floor)?;
                let share = place.sub(&floor)?;
                let weights = cubic_weights(&share)?;
                weights
                    .into_iter()
                    .enumerate()
                    .map(|(tap, weight)| {
                        let number = self.within(&floor.add_literal(tap as f64 - 1.0)?, n)?;
                        let (index, there) = self.existing(&number, n)?;
                        Ok((index, there, Some(weight)))
                    })
                    .collect()
            }
        }
    }

    /// `x` (N, C, ...) at the places `grid` (N, ..., axes), whose last axis counts from the innermost axis on.
    fn value(&self, x: &Recorded, grid: &Recorded) -> Result<Recorded> {
        let space = x.rank() - 2;
        let extent = |axis: usize| x.shape()[axis].get();
        let points: usize = grid.shape().iter().skip(1).take(space).map(|d| d.get()).product();
        let batch = extent(0);
        let flat = grid.reshape(&Shape::from_sizes(&[batch, points, space]))?;
        let inner: usize = (2..x.rank()).map(extent).product();
        let data = x.reshape(&Shape::from_sizes(&[batch, extent(1), inner]))?;
        // What has been chosen along the outer axes so far: the number, whether it is there, the weight.
        let mut chosen: Taps = Vec::new();
        for (number, axis) in (2..x.rank()).enumerate() {
            let coordinate = flat.narrow(2, space - 1 - number, 1)?.squeeze(2)?;
            let taps = self.taps(&coordinate, extent(axis))?;
            if chosen.is_empty() {
                chosen = taps;
                continue;
            }
            let mut next: Taps = Vec::with_capacity(chosen.len() * taps.len());
            for (index, there, weight) in &chosen {
                for (other_index, other_there, other_weight) in &taps {
                    let index = index.mul(&index.literal_int(extent(axis) as i64))?.add(other_index)?;
                    let weight = match (weight, other_weight) {
                        (Some(a), Some(b)) => Some(a.mul(b)?),
                        _ => None,
                    };
                    next.push((index, there.map2(Scalar::And, other_there)?, weight));
                }
            }
            chosen = next;
        }
        let zero = x.literal(0.0);
        let mut sum: Option<Recorded> = None;
        for (index, there, weight) in &chosen {
            let picks = Picks { axis: 2, data: Axes::from_slice(&[0, 1]), index: Axes::from_slice(&[0, 2]) };
            let picked = data.gather(index, picks)?;
            let seen = there.unsqueeze(1)?.select(&picked, &zero)?;
            let term = match weight {
                Some(weight) => seen.mul(&weight.unsqueeze(1)?)?,
                None => seen,
            };
            sum = Some(match sum {
                Some(sum) => sum.add(&term)?,
                None => term,
            });
        }
        let shape: Shape = [batch, extent(1)]
            .into_iter()
            .chain(grid.shape().iter().skip(1).take(space).map(|d| d.get()))
            .collect();
        sum.map_or_else(|| zero.broadcast_to(&shape), |sum| sum.reshape(&shape))
    }
}

fn check(x: &Recorded, grid: &Recorded) -> Result<()> {
    let (image, places) = (x.shape(), grid.shape());
    let sizes = format!("but got input with sizes {image} and grid with sizes {places}");
    if places.rank() == 0 || image.rank() == 0 || image[0] != places[0] {
        return runtime(format!("grid_sampler(): expected grid and input to have same batch size, {sizes}"));
    }
    let space = image.rank().saturating_sub(2);
    if places[places.rank() - 1].get() != space {
        return runtime(format!(
            "grid_sampler(): expected grid to have size {space} in last dimension, but got grid with sizes {places}"
        ));
    }
    if let Some(axis) = (2..image.rank()).find(|&axis| image[axis].get() == 0) {
        return runtime(format!(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {image} with \
             dimension {axis} being empty"
        ));
    }
    if !(2..=3).contains(&space) || places.rank() != image.rank() {
        return runtime(format!(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, {sizes}"
        ));
    }
    if x.dtype() != grid.dtype() {
        let (want, got) = (x.dtype().scalar_type_name(), grid.dtype().scalar_type_name());
        return Err(Error::DType(format!("expected scalar type {want} but found {got}")));
    }
    if !x.dtype().is_float() {
        let kernel = if space == 2 { "grid_sampler_2d_cpu_kernel_impl" } else { "grid_sampler3d_cpu" };
        return not_implemented(kernel, x.dtype());
    }
    Ok(())
}

fn grid_sampler(a: &Args<'_>) -> Result<Tensor> {
    let (x, grid) = (a.tensor(0).read()?, a.tensor(1).read()?);
    let mode = match a.int(2) {
        0 => Mode::Linear,
        1 => Mode::Nearest,
        _ => Mode::Cubic,
    };
    let beyond = match a.int(3) {
        0 => Beyond::Zeros,
        1 => Beyond::Border,
        _ => Beyond::Reflection,
    };
    check(&x, &grid)?;
    let sampler = Sampler { mode, beyond, corners: a.bool(4) };
    let wide = x.dtype().accumulator();
    let attributes = [mode as u64, beyond as u64, u64::from(sampler.corners)];
    let value = Composition { name: "grid_sample", attributes: &attributes }
        .record(&[&x.cast(wide)?, &grid.cast(wide)?], |x| sampler.value(&x[0], &x[1]))?;
    let out = Tensor::from_value(value.cast(x.dtype())?)?;
    keep(a, &[0, 1])?;
    Ok(out)
}

crate::entries! {
    "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor"
        [FUNCTION] grad "GridSampler2DBackward0"
        "The input (N, C, H, W) or (N, C, D, H, W) at the places `grid` (N, ..., 2 or 3), whose last axis holds x, y (and z) \
         in -1 .. 1 over the image: between its corner elements' centres with `align_corners`, else their outer edges. \
         `interpolation_mode`: 0 linear, 1 nearest, 2 cubic; `padding_mode`: 0 zeros, 1 the border, 2 reflection."
        => |a| grid_sampler(a);
}
