//! Variance and standard deviation.

use super::axes::{Axes, extent, reduce, reduced};
use super::operands::keep;
use super::reduce::{dropped, mean_of};
use crate::compose::Composition;
use crate::error::{Error, Result};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::warning::warn;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Scalar, Span};
use rustorch_ir::{DType, Dim};
use smallvec::SmallVec;

/// The root, with gradient 0 where it is 0.
pub(crate) fn safe_sqrt(x: &Recorded) -> Result<Recorded> {
    if x.tracks() { smooth_sqrt(x) } else { x.map1(Scalar::Sqrt) }
}

/// The same where nobody knows yet whether there is a gradient.
fn smooth_sqrt(x: &Recorded) -> Result<Recorded> {
    let zero = x.literal(0.0);
    x.eq(&zero)?.select(&zero, x)?.map1(Scalar::Sqrt)
}

/// The mean of squared differences from `mean`, with the axes kept; the divisor is the number less `correction`.
pub(crate) fn variance(x: &Recorded, mean: &Recorded, axes: &[usize], correction: f64) -> Result<Recorded> {
    let centred = x.sub(mean)?;
    let squares = reduce(&centred.mul(&centred)?, Combine::Add, axes, true)?;
    match extent(x.shape(), axes) {
        // Nothing is divided by nothing: the gradient is that of an empty sum.
        0 => squares.add_literal(f64::NAN),
        count => squares.div(&squares.literal((count as f64 - correction).max(0.0))),
    }
}

/// The mean by way of the differences from the first element, with the axes kept: exact for rows of one value, and
/// more precise where the mean is large beside the spread. The gradient does not depend on that element.
fn steady_mean(x: &Recorded, axes: &[usize]) -> Result<Recorded> {
    if extent(x.shape(), axes) == 0 {
        return mean_of(x, axes, true);
    }
    let start = first(&x.detach(), axes)?;
    start.add(&mean_of(&x.sub(&start)?, axes, true)?)
}

/// The first element along `axes`, which stay with extent 1; 0 where it is not finite, since a difference from it
/// would be NaN.
fn first(x: &Recorded, axes: &[usize]) -> Result<Recorded> {
    let span = |(axis, extent): (usize, &Dim)| Span::all(if axes.contains(&axis) { 1 } else { extent.get() });
    let spans: SmallVec<[Span; 8]> = x.shape().iter().enumerate().map(span).collect();
    let start = x.slice(&spans)?;
    let zero = x.literal(0.0);
    start.sub(&start)?.eq(&zero)?.select(&start, &zero)
}

struct Spread<'a> {
    dims: Option<&'a [i64]>,
    correction: f64,
    keepdim: bool,
    /// The function that was called.
    name: &'static str,
}

impl Spread<'_> {
    /// Whether the root of the variance is asked for.
    fn root(&self) -> bool {
        self.name.starts_with("std")
    }

    /// The variance, or its root, and the mean.
    fn of(&self, a: &Args<'_>) -> Result<(Tensor, Tensor)> {
        let (spread, x, axes) = self.spread(a)?;
        let mean = steady_mean(&x.cast(x.dtype().accumulator())?, &axes)?;
        Ok((spread, Tensor::from_value(self.finished(&mean, x.dtype(), &axes)?)?))
    }

    fn alone(&self, a: &Args<'_>) -> Result<Tensor> {
        Ok(self.spread(a)?.0)
    }

    /// The variance, or its root, with what it is of and along which axes.
    fn spread(&self, a: &Args<'_>) -> Result<(Tensor, Recorded, Axes)> {
        let x = a.tensor(0).read()?;
        if !x.dtype().is_float() {
            let message = "std and var only support floating point and complex dtypes";
            return Err(Error::NotImplemented(message.into()));
        }
        let axes = reduced(x.rank(), self.dims)?;
        let results = x.numel().checked_div(extent(x.shape(), &axes)).unwrap_or(0);
        let reduced = if results == 0 { 0 } else { extent(x.shape(), &axes) };
        if reduced as f64 <= self.correction {
            warn(format!(
                "{}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input \
                 numel divided by output numel).",
                self.name
            ));
        }
        let flags = u64::from(self.root()) << 1 | u64::from(self.keepdim);
        let attributes: SmallVec<[u64; 8]> = [flags, self.correction.to_bits()]
            .into_iter()
            .chain(axes.iter().map(|&axis| axis as u64))
            .collect();
        let value = Composition { name: "spread", attributes: &attributes }.record_with_gradient(
            &[&x],
            |x| {
                let variance = self.variance(&x[0], &axes)?.1;
                let spread = if self.root() { variance.map1(Scalar::Sqrt)? } else { variance };
                self.finished(&spread, x[0].dtype(), &axes)
            },
            |x, _, g| Ok(vec![self.gradient(&x[0], g, &axes)?]),
        )?;
        let out = Tensor::from_value(value)?;
        keep(a, &[0])?;
        if self.root() {
            a.save_result(&out)?;
        }
        Ok((out, x, axes))
    }

    /// The differences from the mean, and the variance, with the axes kept.
    fn variance(&self, x: &Recorded, axes: &[usize]) -> Result<(Recorded, Recorded)> {
        let x = x.cast(x.dtype().accumulator())?;
        let mean = steady_mean(&x, axes)?;
        Ok((x.sub(&mean)?, variance(&x, &mean, axes, self.correction)?))
    }

    /// Twice the differences by the divisor. What follows from the parts would count how the mean moves, which is nil.
    fn gradient(&self, x: &Recorded, g: &Recorded, axes: &[usize]) -> Result<Recorded> {
        let (centred, variance) = self.variance(x, axes)?;
        let slope = g.cast(centred.dtype())?.reshape(variance.shape())?;
        let slope = if self.root() {
            let root = smooth_sqrt(&variance)?;
            let zero = root.literal(0.0);
            root.eq(&zero)?.select(&zero, &slope.div(&root.mul_literal(2.0)?)?)?
        } else {
            slope
        };
        let slope = match extent(x.shape(), axes) {
            0 => slope,
            count => {
                slope.mul_literal(2.0)?.div(&slope.literal((count as f64 - self.correction).max(0.0)))?
            }
        };
        centred.mul(&slope)?.cast(x.dtype())
    }

    fn finished(&self, value: &Recorded, dtype: DType, axes: &[usize]) -> Result<Recorded> {
        let value = value.cast(dtype)?;
        if self.keepdim { Ok(value) } else { dropped(&value, axes) }
    }
}

fn unbiased(a: &Args<'_>, name: &'static str) -> Spread<'static> {
    Spread { dims: None, correction: f64::from(u8::from(a.bool(1))), keepdim: false, name }
}

fn by_dim<'a>(a: &'a Args<'_>, name: &'static str) -> Spread<'a> {
    Spread { dims: a.opt_ints(1), correction: f64::from(u8::from(a.bool(2))), keepdim: a.bool(3), name }
}

fn by_correction<'a>(a: &'a Args<'_>, name: &'static str) -> Spread<'a> {
    let correction = a.opt_scalar(2).map_or(1.0, Number::as_f64);
    Spread { dims: a.opt_ints(1), correction, keepdim: a.bool(3), name }
}

crate::entries! {
    "var(Tensor self, bool unbiased=True) -> Tensor" [FUNCTION | METHOD] grad "VarBackward0"
        "The variance of all elements, divided by one less than their number if `unbiased`. Floats only."
        => |a| unbiased(a, "var").alone(a);
    "var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT]
        "The variance along the axes `dim`." => |a| by_dim(a, "var").alone(a);
    "var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"
        [FUNCTION | METHOD | OUT]
        "The variance along the axes `dim`, divided by their number less `correction` (1)."
        => |a| by_correction(a, "var").alone(a);
    "std(Tensor self, bool unbiased=True) -> Tensor" [FUNCTION | METHOD] grad "StdBackward0"
        "The standard deviation of all elements: the root of `var`." => |a| unbiased(a, "std").alone(a);
    "std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor" [FUNCTION | METHOD | OUT]
        "The standard deviation along the axes `dim`." => |a| by_dim(a, "std").alone(a);
    "std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"
        [FUNCTION | METHOD | OUT]
        "The standard deviation along the axes `dim`, by their number less `correction` (1)."
        => |a| by_correction(a, "std").alone(a);
    "var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)" [FUNCTION]
        "The variance and the mean of all elements." => |a| unbiased(a, "var_mean").of(a);
    "var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)" [FUNCTION]
        "The variance and the mean along the axes `dim`." => |a| by_dim(a, "var_mean").of(a);
    "var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)"
        [FUNCTION]
        "The variance and the mean along the axes `dim`, by their number less `correction` (1)."
        => |a| by_correction(a, "var_mean").of(a);
    "std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)" [FUNCTION]
        "The standard deviation and the mean of all elements." => |a| unbiased(a, "std_mean").of(a);
    "std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)" [FUNCTION]
        "The standard deviation and the mean along the axes `dim`." => |a| by_dim(a, "std_mean").of(a);
    "std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)"
        [FUNCTION]
        "The standard deviation and the mean along the axes `dim`, by their number less `correction` (1)."
        => |a| by_correction(a, "std_mean").of(a);
}
