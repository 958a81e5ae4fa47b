//! Variance and standard deviation.

use super::axes::{extent, reduce, reduced};
use super::operands::keep;
use super::reduce::{dropped, mean_of};
use crate::error::{Error, Result};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::warning::warn;
use rustorch_ir::Dim;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Scalar, Span};
use smallvec::SmallVec;

/// The root, with gradient 0 where it is 0.
pub(crate) fn safe_sqrt(x: &Recorded) -> Result<Recorded> {
    if !x.tracks() {
        return x.map1(Scalar::Sqrt);
    }
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
        let wide = x.cast(x.dtype().accumulator())?;
        let mean = steady_mean(&wide, &axes)?;
        let variance = variance(&wide, &mean, &axes, self.correction)?;
        let spread = if self.root() { safe_sqrt(&variance)? } else { variance };
        let finish = |v: Recorded| -> Result<Tensor> {
            let v = v.cast(x.dtype())?;
            Tensor::from_value(if self.keepdim { v } else { dropped(&v, &axes)? })
        };
        let out = (finish(spread)?, finish(mean)?);
        keep(a, &[0])?;
        if self.root() {
            a.save_result(&out.0)?;
        }
        Ok(out)
    }

    fn alone(&self, a: &Args<'_>) -> Result<Tensor> {
        Ok(self.of(a)?.0)
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
