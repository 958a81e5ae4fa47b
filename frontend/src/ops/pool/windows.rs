//! The windows of a pool: what of torch's arguments they follow from, and torch's refusals.

use crate::error::{Error, Result, runtime};
use crate::ops::sliding::{PerAxis, Windows, per_axis, sizes, spatial};
use crate::record::Recorded;
use rustorch_ir::Shape;

/// Numbers beyond this make sizes that no machine has.
const LARGEST: i64 = 1 << 31;

/// What a caller gives for a pool along the last `rank` axes.
pub struct Given<'a> {
    pub name: &'static str,
    pub rank: usize,
    pub size: &'a [i64],
    /// As far as the windows are large, if it is empty.
    pub stride: &'a [i64],
    pub padding: &'a [i64],
    pub dilation: &'a [i64],
    pub ceil: bool,
}

/// Windows over an input with padding around it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    pub windows: Windows,
    pub before: PerAxis,
    /// What the last windows want behind the end.
    pub after: PerAxis,
}

impl Given<'_> {
    fn each(&self, what: &str, options: &str, given: &[i64]) -> Result<PerAxis> {
        let count = ["one", "two", "three"][self.rank - 1];
        per_axis(given, self.rank).map_or_else(
            || {
                runtime(format!(
                    "{}: {what} must {options} a single int, or a tuple of {count} ints",
                    self.name
                ))
            },
            Ok,
        )
    }

    /// The windows over an input of this shape.
    pub fn windows(&self, x: &Shape) -> Result<Pool> {
        let rank = self.rank;
        let size = self.each("kernel_size", "either be", self.size)?;
        let stride = match self.stride {
            [] => size.clone(),
            given => self.each("stride", "either be omitted,", given)?,
        };
        let padding = self.each("padding", "either be", self.padding)?;
        let dilation = self.each("dilation", "be either", self.dilation)?;
        if x.rank() != rank + 1 && x.rank() != rank + 2 {
            return runtime(format!(
                "non-empty {}D or {}D (batch mode) tensor expected for input, but got: {}",
                rank + 1,
                rank + 2,
                sizes(x)
            ));
        }
        if [&size, &stride, &padding, &dilation].into_iter().flatten().any(|&n| n > LARGEST) {
            return runtime(format!("{}: a window or its padding is larger than any tensor", self.name));
        }
        for i in 0..rank {
            if stride[i] == 0 {
                return runtime("stride should not be zero");
            }
            if padding[i] < 0 {
                return runtime(format!("pad must be non-negative, but got pad: {}", padding[i]));
            }
            if padding[i] > ((size[i] - 1) * dilation[i] + 1) / 2 {
                return runtime(format!(
                    "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and \
                     dilation={}",
                    padding[i], size[i], dilation[i]
                ));
            }
        }
        let positive = |what: &str, short: &str, values: &[i64]| {
            if values.iter().all(|&n| n > 0) {
                return Ok(());
            }
            let names = &["T", "H", "W"][3 - rank..];
            let all: Vec<String> =
                names.iter().zip(values).map(|(name, n)| format!("{short}{name}: {n}")).collect();
            runtime(format!("{what} should be greater than zero, but got {}", all.join(" ")))
        };
        positive("kernel size", "k", &size)?;
        positive("stride", "d", &stride)?;
        positive("dilation", "dilation", &dilation)?;
        let extents = spatial(x, rank);
        if x.numel() == 0 && (x.rank() == rank + 1 || x[1..].iter().any(|d| d.get() == 0)) {
            return runtime(format!(
                "Expected {}D or {}D (batch mode) tensor with optional 0 dim batch size for input, but got:{}",
                rank + 1,
                rank + 2,
                sizes(x)
            ));
        }
        let axis = |i: usize| pooled(extents[i], (size[i], stride[i], dilation[i]), padding[i], self.ceil);
        let count: PerAxis = (0..rank).map(axis).collect();
        if count.iter().any(|&n| n < 1) {
            let channels = x[x.rank() - rank - 1].get() as i64;
            let listed = |extents: &[i64]| {
                let all: Vec<String> =
                    [channels].iter().chain(extents).map(|n| n.max(&0).to_string()).collect();
                format!("({})", all.join("x"))
            };
            let message = format!(
                "Given input size: {}. Calculated output size: {}. Output size is too small",
                listed(&extents),
                listed(&count)
            );
            return Err(Error::Shape(message));
        }
        let windows = Windows { size, stride, dilation, count };
        Ok(Pool::over(windows, padding, &extents))
    }
}

impl Pool {
    /// With as much behind the end as the windows reach beyond it.
    pub fn over(windows: Windows, before: PerAxis, extents: &[i64]) -> Pool {
        let reach = windows.reach();
        let after = (0..extents.len())
            .map(|i| {
                let end = (windows.count[i] - 1).max(0) * windows.stride[i] + reach[i] + 1;
                (end - before[i] - extents[i]).max(0)
            })
            .collect();
        Pool { windows, before, after }
    }

    pub fn rank(&self) -> usize {
        self.before.len()
    }

    /// The extents with what is put around them.
    pub fn padded(&self, extents: &[i64]) -> PerAxis {
        (0..self.rank()).map(|i| extents[i] + self.before[i] + self.after[i]).collect()
    }

    /// The axes of the windows' elements among those of the windows of `x`.
    pub fn elements(&self, x: &Recorded) -> Vec<usize> {
        (x.rank()..x.rank() + self.rank()).collect()
    }

    pub fn attributes(&self) -> Vec<u64> {
        let Windows { size, stride, dilation, count } = &self.windows;
        let lists = [size, stride, dilation, count, &self.before, &self.after];
        lists.into_iter().flatten().map(|&n| n as u64).collect()
    }
}

/// The number of windows along an axis of `extent` with `padding` at both ends. With `ceil` a last window may reach
/// beyond that, if it does not begin behind the tensor.
fn pooled(extent: i64, (size, stride, dilation): (i64, i64, i64), padding: i64, ceil: bool) -> i64 {
    let room = extent + 2 * padding - dilation * (size - 1) - 1;
    let count = (if ceil { room + stride - 1 } else { room }).div_euclid(stride) + 1;
    if ceil && (count - 1) * stride >= extent + padding { count - 1 } else { count }
}
