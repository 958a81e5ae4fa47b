//! Convolutions as products of windows: the three functions that are each other's gradients.
//!
//! The weight of O filters over C channels is `[O, C / groups, kernel..]`. Products are written so that the host
//! finds its matrices: the weight on the left, shared by the whole batch, and windows on the right, which it packs as
//! it reads them. So none of the windows are stored.

use crate::error::Result;
use crate::ops::sliding::{PerAxis, Windows, grouped, padded, spatial, ungrouped};
use crate::record::Recorded;
use rustorch_ir::op::Span;
use rustorch_ir::{Literal, Shape};
use smallvec::SmallVec;

type Axes = SmallVec<[usize; 8]>;

/// How a convolution slides.
#[derive(Clone, Debug)]
pub struct Sliding {
    pub stride: PerAxis,
    pub before: PerAxis,
    pub after: PerAxis,
    pub dilation: PerAxis,
    pub groups: usize,
}

impl Sliding {
    pub fn rank(&self) -> usize {
        self.stride.len()
    }

    /// The number of axes before the channels: 1 for a batch, else 0.
    fn lead(&self, x: &Recorded) -> usize {
        x.rank() - self.rank() - 1
    }

    /// The axes that both sides of a product share: batch and groups.
    fn shared(&self, x: &Recorded) -> Axes {
        (0..self.lead(x) + usize::from(self.groups > 1)).collect()
    }

    fn windows(&self, extents: &[i64], kernel: &[i64]) -> Windows {
        let mut windows = Windows {
            size: kernel.into(),
            stride: self.stride.clone(),
            dilation: self.dilation.clone(),
            count: PerAxis::new(),
        };
        let reach = windows.reach();
        windows.count = (0..self.rank())
            .map(|i| (extents[i] + self.before[i] + self.after[i] - reach[i] - 1) / self.stride[i] + 1)
            .collect();
        windows
    }

    /// The windows of the padded input: `[batch?, groups?, channels, result.., kernel..]`.
    fn unfolded(&self, x: &Recorded, kernel: &[i64]) -> Result<Recorded> {
        let windows = self.windows(&spatial(x.shape(), self.rank()), kernel);
        let padded = padded(x, &self.before, &self.after, zero(x))?;
        windows.of(&grouped(&padded, self.lead(x), self.groups)?)
    }

    /// The weight in groups, repeated for each element of the batch of `x`.
    fn weight(&self, weight: &Recorded, x: &Recorded) -> Result<Recorded> {
        let weight = grouped(weight, 0, self.groups)?;
        if self.lead(x) == 0 {
            return Ok(weight);
        }
        let mut shape = weight.shape().clone();
        shape.insert(0, x.shape()[0]);
        weight.broadcast_to(&shape)
    }

    /// `[batch?, filters, result..]` of `[batch?, channels, extents..]`.
    pub fn forward(&self, x: &Recorded, weight: &Recorded) -> Result<Recorded> {
        let rank = self.rank();
        let shared = self.shared(x);
        let channel = shared.len();
        let windows = self.unfolded(x, &spatial(weight.shape(), rank))?;
        let left: Axes = (channel + 1..channel + 2 + rank).collect();
        let right: Axes = [channel].into_iter().chain(channel + 1 + rank..channel + 1 + 2 * rank).collect();
        let weight = self.weight(weight, x)?;
        let product = weight.contract(&windows, (&shared, &shared), (&left, &right))?;
        ungrouped(&product, self.lead(x), self.groups)
    }

    /// The gradient of the input, whose extents are `extents`, given that of the result.
    pub fn input_gradient(&self, g: &Recorded, weight: &Recorded, extents: &[i64]) -> Result<Recorded> {
        let product = if self.stride.iter().all(|&s| s == 1) {
            self.reversed(g, weight, extents)?
        } else {
            self.folded(g, weight, extents)?
        };
        ungrouped(&product, self.lead(g), self.groups)
    }

    /// Of steps of 1: the same convolution, of the gradient, with the kernel reversed.
    fn reversed(&self, g: &Recorded, weight: &Recorded, extents: &[i64]) -> Result<Recorded> {
        let rank = self.rank();
        let kernel = spatial(weight.shape(), rank);
        let mut windows = self.windows(extents, &kernel);
        let reach = windows.reach();
        let (mut before, mut after) = (PerAxis::new(), PerAxis::new());
        for i in 0..rank {
            before.push(reach[i] - self.before[i]);
            after.push(extents[i] + self.before[i] - spatial(g.shape(), rank)[i]);
        }
        windows.count = extents.into();
        let shared = self.shared(g);
        let channel = shared.len();
        let padded = padded(g, &before, &after, zero(g))?;
        let windows = windows.of(&grouped(&padded, self.lead(g), self.groups)?)?;
        let flipped = weight.flip(&(2..2 + rank).collect::<Axes>())?;
        let left: Axes = [channel].into_iter().chain(channel + 2..channel + 2 + rank).collect();
        let right: Axes = [channel].into_iter().chain(channel + 1 + rank..channel + 1 + 2 * rank).collect();
        self.weight(&flipped, g)?.contract(&windows, (&shared, &shared), (&left, &right))
    }

    /// Of longer steps: what each element of the result adds to its window, summed where windows meet.
    fn folded(&self, g: &Recorded, weight: &Recorded, extents: &[i64]) -> Result<Recorded> {
        let rank = self.rank();
        let shared = self.shared(g);
        let channel = shared.len();
        let kernel = spatial(weight.shape(), rank);
        let columns = self.weight(weight, g)?.contract(
            &grouped(g, self.lead(g), self.groups)?,
            (&shared, &shared),
            (&[channel], &[channel]),
        )?;
        // From `[.., channels, kernel.., result..]`.
        let order: Axes = (0..=channel)
            .chain(channel + 1 + rank..columns.rank())
            .chain(channel + 1..=channel + rank)
            .collect();
        let columns = columns.permute(&order)?;
        let mut windows = self.windows(extents, &kernel);
        windows.count = spatial(g.shape(), rank);
        let mut whole: Shape = columns.shape()[..=channel].iter().copied().collect();
        let mut spans: SmallVec<[Span; 4]> = whole.iter().map(|d| Span::all(d.get())).collect();
        for (i, &extent) in extents.iter().enumerate() {
            whole.push(((extent + self.before[i] + self.after[i]) as usize).into());
            spans.push(Span {
                start: if extent == 0 { 0 } else { self.before[i] },
                step: 1,
                size: extent as u64,
            });
        }
        columns.fold(&windows.panes(whole.rank()), &whole)?.slice(&spans)
    }

    /// The gradient of the weight, whose last extents are `kernel`.
    pub fn weight_gradient(&self, g: &Recorded, x: &Recorded, kernel: &[i64]) -> Result<Recorded> {
        let lead = self.lead(x);
        let windows = self.unfolded(x, kernel)?;
        let g = grouped(g, lead, self.groups)?;
        let shared = self.shared(x);
        let channel = shared.len();
        let summed: Axes = (0..lead).chain(channel + 1..channel + 1 + self.rank()).collect();
        let product = g.contract(&windows, (&shared[lead..], &shared[lead..]), (&summed, &summed))?;
        ungrouped(&product, 0, self.groups)
    }
}

fn zero(x: &Recorded) -> Literal {
    Literal::from_f64(x.dtype(), 0.0)
}
