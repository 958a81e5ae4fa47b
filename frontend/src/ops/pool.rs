//! Pools: what of each window is kept.

mod adaptive;
mod average;
mod max;
mod windows;

use super::operands::{keep, not_implemented};
use super::sliding::{PerAxis, sizes};
use crate::error::{Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use average::Divisor;
use rustorch_ir::{DType, Shape};
use windows::{Given, Pool};

/// The windows of a maximum, given by the arguments behind the input.
fn max_windows(a: &Args<'_>, name: &'static str, rank: usize, x: &Shape) -> Result<Pool> {
    let stride = a.opt_ints(2).unwrap_or(&[]);
    let (size, padding, dilation) = (a.ints(1), a.ints(3), a.ints(4));
    if rank == 1 {
        check_max_pool1d(x, size, stride, padding, dilation)?;
    }
    Given { name, rank, size, stride, padding, dilation, ceil: a.bool(5) }.windows(x)
}

/// What torch says of one dimension in words of its own.
fn check_max_pool1d(
    x: &Shape,
    size: &[i64],
    stride: &[i64],
    padding: &[i64],
    dilation: &[i64],
) -> Result<()> {
    if !(2..=3).contains(&x.rank()) || x[x.rank() - 2..].iter().any(|d| d.get() == 0) {
        return runtime(format!(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:{}",
            sizes(x)
        ));
    }
    for (what, given) in
        [("kernel_size", size), ("stride", stride), ("padding", padding), ("dilation", dilation)]
    {
        if given.len() > 1 {
            return runtime(format!(
                "max_pool1d() {what} must be an int, list of ints or tuple of ints of size 1 but got size {}",
                given.len()
            ));
        }
    }
    let stride = stride.first().or(size.first());
    for (what, given) in [("kernel_size", size.first()), ("stride", stride), ("dilation", dilation.first())] {
        if let Some(&n) = given.filter(|&&n| n <= 0) {
            return runtime(format!("max_pool1d() {what} must be greater than zero, but got {n}"));
        }
    }
    let (&[size], &[padding], &[dilation]) = (size, padding, dilation) else { return Ok(()) };
    if padding < 0 {
        return runtime(format!("max_pool1d() padding must be non-negative, but got {padding}"));
    }
    if padding > size / 2 {
        return runtime(format!(
            "max_pool1d() padding should be at most half of kernel size, but got padding={padding} and \
             kernel_size={size}"
        ));
    }
    let room =
        x[x.rank() - 1].get() as i128 + 2 * padding as i128 - dilation as i128 * (size as i128 - 1) - 1;
    if room < 0 {
        return runtime("max_pool1d() Invalid computed output size: 0");
    }
    Ok(())
}

const MAX: [&str; 3] = ["max_pool1d", "max_pool2d", "max_pool3d"];

fn max_pool(a: &Args<'_>, rank: usize) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    let pool = max_windows(a, MAX[rank - 1], rank, x.shape())?;
    if x.dtype() == DType::Bool || rank == 1 && !x.dtype().is_float() {
        return not_implemented(["max_pool1d_impl", MAX[1], MAX[2]][rank - 1], x.dtype());
    }
    let out = Tensor::from_value(max::value(&pool, &x)?)?;
    keep(a, &[0])?;
    Ok(out)
}

fn max_pool_with_indices(a: &Args<'_>, rank: usize) -> Result<Vec<Tensor>> {
    let x = a.tensor(0).read()?;
    let pool = max_windows(a, MAX[rank - 1], rank, x.shape())?;
    if x.dtype() == DType::Bool {
        return not_implemented(MAX[rank.max(2) - 1], x.dtype());
    }
    let value = Tensor::from_value(max::value(&pool, &x)?)?;
    keep(a, &[0])?;
    Ok(vec![value, Tensor::from_value(max::indices(&pool, &x)?)?])
}

fn avg_pool(a: &Args<'_>, rank: usize) -> Result<Tensor> {
    let name = ["avg_pool1d", "avg_pool2d", "avg_pool3d"][rank - 1];
    let x = a.tensor(0).read()?;
    let shape = x.shape();
    if rank == 1 {
        check_rank1(name, shape)?;
    }
    let divisor = if rank == 1 { None } else { a.opt_int(6) };
    if divisor == Some(0) {
        return runtime("divisor must be not zero");
    }
    let stride = a.opt_ints(2).unwrap_or(&[]);
    let (size, padding) = (a.ints(1), a.ints(3));
    let pool = Given { name, rank, size, stride, padding, dilation: &[1], ceil: a.bool(4) }.windows(shape)?;
    let taken = match x.dtype() {
        DType::F16 | DType::BF16 => rank < 3,
        DType::F32 | DType::F64 | DType::I64 => true,
        _ => false,
    };
    if !taken {
        return not_implemented(["avg_pool2d", "avg_pool2d", "avg_pool3d_out_frame"][rank - 1], x.dtype());
    }
    let divisor = divisor.map_or(Divisor::Elements { padding: a.bool(5) }, Divisor::Given);
    Tensor::from_value(in_wide(&x, |x| average::value(&pool, x, divisor))?)
}

/// `f` of the input, which if of 16 bits is computed in f32.
fn in_wide(x: &Recorded, f: impl FnOnce(&Recorded) -> Result<Recorded>) -> Result<Recorded> {
    f(&x.cast(x.dtype().accumulator())?)?.cast(x.dtype())
}

fn check_rank1(name: &str, x: &Shape) -> Result<()> {
    if (2..=3).contains(&x.rank()) {
        return Ok(());
    }
    runtime(format!(
        "Expected 2 to 3 dimensions, but got {}-dimensional tensor for argument #1 'self' (while checking arguments \
         for {name})",
        x.rank()
    ))
}

/// The extents that an adaptive pool shall give, if an input of this shape has them.
fn adaptive(a: &Args<'_>, name: &str, rank: usize, x: &Shape, largest: bool) -> Result<PerAxis> {
    let wanted = a.ints(1);
    if rank == 1 {
        check_rank1(name, x)?;
        if wanted.len() != 1 {
            let got = wanted.len();
            return runtime(format!("{name}() argument 'output_size' should contain one int (got {got})"));
        }
    }
    if wanted.len() != rank {
        return runtime(if largest {
            format!("{name}(): internal error: output_size.size() must be {rank}")
        } else {
            format!("{name}: output_size must be {rank}")
        });
    }
    if !(rank + 1..=rank + 2).contains(&x.rank()) {
        let colon = if largest { ":" } else { "" };
        return runtime(format!(
            "{name}(): Expected {}D or {}D tensor, but got{colon} {}",
            rank + 1,
            rank + 2,
            sizes(x)
        ));
    }
    let first = if largest || x.rank() == rank + 2 { 1 } else { 0 };
    if let Some(axis) = (first..x.rank()).find(|&axis| x[axis].get() == 0) {
        return runtime(format!(
            "{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {} with \
             dimension {axis} being empty",
            sizes(x)
        ));
    }
    if let Some(negative) = wanted.iter().find(|&&n| n < 0) {
        if largest {
            let lead = x.rank() - rank;
            let mut result: Vec<i64> = x[..lead].iter().map(|d| d.get() as i64).collect();
            result.extend_from_slice(wanted);
            return runtime(format!(
                "Trying to create tensor with negative dimension {negative}: {result:?}"
            ));
        }
        let all: Vec<String> = wanted.iter().map(|n| n.to_string()).collect();
        return runtime(format!(
            "{name}: elements of output_size must be greater than or equal to 0 but received {{{}}}",
            all.join(", ")
        ));
    }
    Ok(wanted.into())
}

fn adaptive_avg_pool(a: &Args<'_>, rank: usize) -> Result<Tensor> {
    let name = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"][rank - 1];
    let x = a.tensor(0).read()?;
    let result = adaptive(a, name, rank, x.shape(), false)?;
    if !x.dtype().is_float() {
        return not_implemented(
            ["adaptive_avg_pool2d", name, "adaptive_avg_pool3d_cpu"][rank - 1],
            x.dtype(),
        );
    }
    Tensor::from_value(in_wide(&x, |x| adaptive::average(x, &result))?)
}

fn adaptive_max_pool(a: &Args<'_>, rank: usize) -> Result<Vec<Tensor>> {
    let name = ["adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"][rank - 1];
    let x = a.tensor(0).read()?;
    let result = adaptive(a, name, rank, x.shape(), true)?;
    if !x.dtype().is_float() {
        return not_implemented(
            ["adaptive_max_pool2d", name, "adaptive_max_pool3d_cpu"][rank - 1],
            x.dtype(),
        );
    }
    let (value, places) = adaptive::largest(&x, &result)?;
    let value = Tensor::from_value(value)?;
    keep(a, &[0])?;
    Ok(vec![value, Tensor::from_value(places)?])
}

crate::entries! {
    "max_pool1d(Tensor self, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[1] dilation=1, \
     bool ceil_mode=False) -> Tensor" [FUNCTION | NN] grad "SqueezeBackward1"
        "The largest element of each window of `kernel_size` elements, `dilation` apart, along the last axis of a tensor \
         of shape ([N,] C, L). Windows lie `stride` apart, side by side if it is not given; at both ends are `padding` \
         elements that win nowhere; with `ceil_mode` a last window may reach beyond the end. NaN wins."
        => |a| max_pool(a, 1);
    "max_pool2d(Tensor self, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, int[2] dilation=1, \
     bool ceil_mode=False) -> Tensor" [FUNCTION | NN] grad "MaxPool2DWithIndicesBackward0"
        "As `max_pool1d`, along the last two axes of a tensor of shape ([N,] C, H, W)." => |a| max_pool(a, 2);
    "max_pool3d(Tensor self, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, int[3] dilation=1, \
     bool ceil_mode=False) -> Tensor" [FUNCTION | NN] grad "MaxPool3DWithIndicesBackward0"
        "As `max_pool1d`, along the last three axes of a tensor of shape ([N,] C, D, H, W)." => |a| max_pool(a, 3);
    "max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, \
     int[1] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)" [FUNCTION | NN] grad "SqueezeBackward1"
        "`max_pool1d` and the places of its elements in the last axis of the input, int64."
        => |a| max_pool_with_indices(a, 1);
    "max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, \
     int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)" [NN] grad "MaxPool2DWithIndicesBackward0"
        "`max_pool2d` and the places of its elements in the last two axes of the input, counted through as H * W; int64."
        => |a| max_pool_with_indices(a, 2);
    "max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, \
     int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)" [NN] grad "MaxPool3DWithIndicesBackward0"
        "`max_pool3d` and the places of its elements in the last three axes of the input, counted through; int64."
        => |a| max_pool_with_indices(a, 3);
    "avg_pool1d(Tensor self, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool ceil_mode=False, \
     bool count_include_pad=True) -> Tensor" [FUNCTION | NN] grad "SqueezeBackward1"
        "The mean of each window of `kernel_size` elements along the last axis of a tensor of shape ([N,] C, L). Windows \
         lie `stride` apart, side by side if it is not given; at both ends are `padding` zeros, which count as elements \
         unless `count_include_pad` is false; with `ceil_mode` a last window may reach beyond the end."
        => |a| avg_pool(a, 1);
    "avg_pool2d(Tensor self, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, bool ceil_mode=False, \
     bool count_include_pad=True, int? divisor_override=None) -> Tensor" [NN] grad "AvgPool2DBackward0"
        "As `avg_pool1d`, along the last two axes of a tensor of shape ([N,] C, H, W); sums are divided by \
         `divisor_override` if it is given." => |a| avg_pool(a, 2);
    "avg_pool3d(Tensor self, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, bool ceil_mode=False, \
     bool count_include_pad=True, int? divisor_override=None) -> Tensor" [NN] grad "AvgPool3DBackward0"
        "As `avg_pool2d`, along the last three axes of a tensor of shape ([N,] C, D, H, W)." => |a| avg_pool(a, 3);
    "adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor" [FUNCTION | NN] grad "SqueezeBackward1"
        "The means of `output_size` windows that cover the last axis of a tensor of shape ([N,] C, L) evenly."
        => |a| adaptive_avg_pool(a, 1);
    "adaptive_avg_pool2d(Tensor self, int[2] output_size) -> Tensor" [NN] grad "AdaptiveAvgPool2DBackward0"
        "The means of windows that cover the last two axes of a tensor of shape ([N,] C, H, W) evenly; `output_size` of \
         them along each." => |a| adaptive_avg_pool(a, 2);
    "adaptive_avg_pool3d(Tensor self, int[3] output_size) -> Tensor" [NN] grad "AdaptiveAvgPool3DBackward0"
        "As `adaptive_avg_pool2d`, along the last three axes of a tensor of shape ([N,] C, D, H, W)."
        => |a| adaptive_avg_pool(a, 3);
    "adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)" [FUNCTION | NN] grad "SqueezeBackward1"
        "The largest elements of `output_size` windows that cover the last axis of a tensor of shape ([N,] C, L) evenly, \
         and their places, int64." => |a| adaptive_max_pool(a, 1);
    "adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)" [NN] grad "AdaptiveMaxPool2DBackward0"
        "The largest elements of windows that cover the last two axes of a tensor of shape ([N,] C, H, W) evenly, \
         `output_size` of them along each; and their places, counted through as H * W, int64."
        => |a| adaptive_max_pool(a, 2);
    "adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)" [NN] grad "AdaptiveMaxPool3DBackward0"
        "As `adaptive_max_pool2d`, along the last three axes of a tensor of shape ([N,] C, D, H, W)."
        => |a| adaptive_max_pool(a, 3);
}
