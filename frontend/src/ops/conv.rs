//! Convolutions of one, two and three dimensions, and transposed ones.

mod graphs;

use super::operands::{keep, not_implemented};
use super::sliding::{PerAxis, per_axis, sizes, spatial};
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Arg, Args};
use crate::tensor::Tensor;
use graphs::Sliding;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// Numbers beyond this make sizes that no machine has.
const LARGEST: i64 = 1 << 31;

/// What a caller gives beside tensors.
struct Given<'a> {
    rank: usize,
    stride: &'a [i64],
    padding: Padding<'a>,
    /// Of a transposed convolution: what its result has beyond the last window.
    output_padding: Option<&'a [i64]>,
    dilation: &'a [i64],
    groups: i64,
}

#[derive(Clone, Copy)]
enum Padding<'a> {
    Of(&'a [i64]),
    Named(&'a str),
}

impl Given<'_> {
    /// Everything for each axis, and the output padding, if tensors of these shapes go together.
    fn check(&self, x: &Shape, weight: &Shape, bias: Option<&Shape>) -> Result<(Sliding, PerAxis)> {
        let axes = weight.rank() as i64 - 2;
        if axes <= 0 {
            return runtime("weight should have at least three dimensions");
        }
        if self.groups <= 0 {
            return runtime("non-positive groups is not supported");
        }
        let each = |name: &str, given: &[i64]| {
            per_axis(given, axes as usize).map_or_else(
                || {
                    runtime(format!(
                        "expected {name} to be a single integer value or a list of {axes} values to match the \
                         convolution dimensions, but got {name}={given:?}"
                    ))
                },
                Ok,
            )
        };
        let stride = each("stride", self.stride)?;
        let dilation = each("dilation", self.dilation)?;
        let kernel = spatial(weight, axes as usize);
        let (before, after) = match self.padding {
            Padding::Of(padding) => (each("padding", padding)?, each("padding", padding)?),
            Padding::Named("valid") => {
                (PerAxis::from_elem(0, kernel.len()), PerAxis::from_elem(0, kernel.len()))
            }
            Padding::Named("same") => {
                if stride.iter().any(|&s| s != 1) {
                    return runtime("padding='same' is not supported for strided convolutions");
                }
                let total = |(&n, &d): (&i64, &i64)| (n - 1).max(0).saturating_mul(d).max(0);
                let total: PerAxis = kernel.iter().zip(&dilation).map(total).collect();
                (total.iter().map(|t| t / 2).collect(), total.iter().map(|t| t - t / 2).collect())
            }
            Padding::Named(other) => return runtime(format!("Invalid padding string: '{other}'")),
        };
        let output_padding = self.output_padding.map(|p| each("output_padding", p)).transpose()?;
        let negative = |values: &[i64]| values.iter().any(|&n| n < 0);
        if negative(&before) {
            return runtime("negative padding is not supported");
        }
        if output_padding.as_ref().is_some_and(|p| negative(p)) {
            return runtime("negative output_padding is not supported");
        }
        if stride.iter().any(|&n| n <= 0) {
            return runtime("non-positive stride is not supported");
        }
        if dilation.iter().any(|&n| n <= 0) {
            return runtime("non-positive dilation is not supported");
        }
        if [&stride, &before, &after, &dilation].into_iter().flatten().any(|&n| n > LARGEST) {
            return runtime("a stride, padding or dilation is larger than any tensor");
        }
        let groups = self.groups as usize;
        let sliding = Sliding { stride, before, after, dilation, groups };
        let output_padding = output_padding.unwrap_or_else(|| PerAxis::from_elem(0, kernel.len()));
        self.check_channels(&sliding, x, weight, bias)?;
        if self.output_padding.is_some() {
            check_output_padding(&sliding, &output_padding)?;
        } else {
            check_kernel(&sliding, x, &kernel)?;
        }
        Ok((sliding, output_padding))
    }

    fn check_channels(
        &self,
        sliding: &Sliding,
        x: &Shape,
        weight: &Shape,
        bias: Option<&Shape>,
    ) -> Result<()> {
        let (groups, rank) = (sliding.groups, weight.rank());
        // torch speaks of a batch of one.
        let mut batched = x.clone();
        if x.rank() == self.rank + 1 {
            batched.insert(0, 1.into());
        }
        if batched.rank() != rank {
            return Err(Error::shapes(
                format!(
                    "Expected {rank}-dimensional input for {rank}-dimensional weight {}, but got {}-dimensional input \
                     of size {} instead",
                    sizes(weight),
                    batched.rank(),
                    sizes(&batched)
                ),
                x,
                weight,
            ));
        }
        let filters = weight[0].get();
        if filters < groups {
            return runtime(format!(
                "Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of \
                 size {} instead",
                sizes(weight)
            ));
        }
        if !filters.is_multiple_of(groups) {
            return runtime(format!(
                "Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of \
                 size [{}] instead",
                sizes(weight)
            ));
        }
        let transposed = self.output_padding.is_some();
        let channels = if transposed { filters } else { weight[1].get() * groups };
        if batched[1].get() != channels {
            let given = if transposed { "transposed=1".to_string() } else { format!("groups={groups}") };
            return Err(Error::shapes(
                format!(
                    "Given {given}, weight of size {}, expected input{} to have {channels} channels, but got {} \
                     channels instead",
                    sizes(weight),
                    sizes(&batched),
                    batched[1].get()
                ),
                x,
                weight,
            ));
        }
        let made = if transposed { weight[1].get() * groups } else { filters };
        match bias {
            Some(bias) if bias.rank() != 1 || bias[0].get() != made => {
                let given = if transposed { "transposed=1, " } else { "" };
                let message = format!(
                    "Given {given}weight of size {}, expected bias to be 1-dimensional with {made} elements, but got \
                     bias of size {} instead",
                    sizes(weight),
                    sizes(bias)
                );
                Err(Error::shapes(message, weight, bias))
            }
            _ => Ok(()),
        }
    }
}

/// `(3 x 4)`, as torch prints the extents of kernels.
fn crossed(extents: impl IntoIterator<Item = i64>) -> String {
    let all: Vec<String> = extents.into_iter().map(|n| n.to_string()).collect();
    format!("({})", all.join(" x "))
}

fn check_kernel(sliding: &Sliding, x: &Shape, kernel: &[i64]) -> Result<()> {
    let rank = sliding.rank();
    let extents = spatial(x, rank);
    let whole: PerAxis = (0..rank).map(|i| extents[i] + sliding.before[i] + sliding.after[i]).collect();
    let reached: PerAxis = (0..rank).map(|i| sliding.dilation[i] * (kernel[i] - 1) + 1).collect();
    if kernel.contains(&0) {
        return runtime(format!(
            "Kernel size: {}. Kernel size can't be zero",
            crossed(kernel.iter().copied())
        ));
    }
    if whole.iter().zip(&reached).any(|(have, need)| have < need) {
        return runtime(format!(
            "Calculated padded input size per channel: {}. Kernel size: {}. Kernel size can't be greater than actual \
             input size",
            crossed(whole),
            crossed(reached)
        ));
    }
    Ok(())
}

fn check_output_padding(sliding: &Sliding, output_padding: &[i64]) -> Result<()> {
    let rank = sliding.rank();
    let fits = |i: usize| output_padding[i] < sliding.stride[i].max(sliding.dilation[i]);
    if (0..rank).all(fits) {
        return Ok(());
    }
    let names = &["depth", "height", "width"][3 - rank..];
    let listed = |what: &str, values: &[i64]| {
        let all: Vec<String> =
            names.iter().zip(values).map(|(name, n)| format!("{what}_{name}: {n}")).collect();
        all.join(" ")
    };
    runtime(format!(
        "output padding must be smaller than either stride or dilation, but got {} {} {}",
        listed("output_padding", output_padding),
        listed("stride", &sliding.stride),
        listed("dilation", &sliding.dilation)
    ))
}

/// Input and parameters have one dtype.
fn check_dtypes(x: &Recorded, weight: &Recorded, bias: Option<&Recorded>) -> Result<()> {
    let name = |r: &Recorded| match r.dtype() {
        DType::F64 => "double".to_string(),
        DType::F32 => "float".to_string(),
        DType::F16 => "c10::Half".to_string(),
        DType::BF16 => "c10::BFloat16".to_string(),
        other => other.scalar_type_name().to_lowercase(),
    };
    if weight.dtype() != x.dtype() {
        let kind = |r: &Recorded| format!("torch.{}Tensor", r.dtype().scalar_type_name());
        return Err(Error::DType(format!(
            "Input type ({}) and weight type ({}) should be the same or input should be a MKLDNN tensor and weight is \
             a dense tensor",
            kind(x),
            kind(weight)
        )));
    }
    match bias {
        Some(bias) if bias.dtype() != x.dtype() => Err(Error::DType(format!(
            "Input type ({}) and bias type ({}) should be the same",
            name(x),
            name(bias)
        ))),
        _ => Ok(()),
    }
}

/// A convolution or its transpose, in one node.
struct Plan {
    sliding: Sliding,
    /// Of a transposed one: the extents of the result.
    extents: Option<PerAxis>,
}

impl Plan {
    fn attributes(&self) -> SmallVec<[u64; 16]> {
        let Sliding { stride, before, after, dilation, groups } = &self.sliding;
        let none = PerAxis::new();
        let lists = [stride, before, after, dilation, self.extents.as_ref().unwrap_or(&none)];
        [*groups as u64].into_iter().chain(lists.into_iter().flatten().map(|&n| n as u64)).collect()
    }

    fn value(&self, x: &[Recorded]) -> Result<Recorded> {
        let product = match &self.extents {
            None => self.sliding.forward(&x[0], &x[1])?,
            Some(extents) => self.sliding.input_gradient(&x[0], &x[1], extents)?,
        };
        let Some(bias) = x.get(2) else { return Ok(product) };
        let mut shape = bias.shape().clone();
        (0..self.sliding.rank()).for_each(|_| shape.push(1.into()));
        product.add(&bias.reshape(&shape)?)
    }

    fn gradient(&self, x: &[Recorded], g: &Recorded) -> Result<Vec<Recorded>> {
        let rank = self.sliding.rank();
        let kernel = spatial(x[1].shape(), rank);
        let mut gradients = match &self.extents {
            None => vec![
                self.sliding.input_gradient(g, &x[1], &spatial(x[0].shape(), rank))?,
                self.sliding.weight_gradient(g, &x[0], &kernel)?,
            ],
            Some(_) => {
                vec![self.sliding.forward(g, &x[1])?, self.sliding.weight_gradient(&x[0], g, &kernel)?]
            }
        };
        if x.len() > 2 {
            let channel = g.rank() - rank - 1;
            let others: SmallVec<[usize; 8]> = (0..g.rank()).filter(|&axis| axis != channel).collect();
            gradients.push(g.sum(&others)?);
        }
        Ok(gradients)
    }

    fn record(&self, operands: &[&Recorded]) -> Result<Recorded> {
        let attributes = self.attributes();
        let composition = match self.extents {
            None => Composition { name: "conv", attributes: &attributes },
            Some(_) => Composition { name: "conv_transpose", attributes: &attributes },
        };
        if !operands[0].dtype().is_float() {
            return composition.record(operands, |x| self.value(x));
        }
        composition.record_with_gradient(operands, |x| self.value(x), |x, _, g| self.gradient(x, g))
    }
}

/// torch's convolution of arguments in the order input, weight, bias, ...
fn convolution(a: &Args<'_>, given: &Given<'_>, kernel: &str, name: &str) -> Result<Tensor> {
    let (x, weight, bias) = (a.tensor(0).read()?, a.tensor(1).read()?, a.opt_tensor(2));
    let bias = bias.map(|b| b.read()).transpose()?;
    let rank = given.rank;
    if x.rank() != rank + 1 && x.rank() != rank + 2 {
        return runtime(format!(
            "Expected {}D (unbatched) or {}D (batched) input to {name}, but got input of size: {}",
            rank + 1,
            rank + 2,
            sizes(x.shape())
        ));
    }
    let (sliding, output_padding) =
        given.check(x.shape(), weight.shape(), bias.as_ref().map(Recorded::shape))?;
    check_dtypes(&x, &weight, bias.as_ref())?;
    // Which of torch's algorithms takes which integers.
    let dilated = sliding.dilation.iter().any(|&d| d != 1);
    let narrow = x.dtype() == DType::Bool || x.dtype().is_integer() && x.dtype() != DType::I64;
    if narrow && (given.output_padding.is_some() || dilated || x.dtype() == DType::Bool) {
        let dilated = dilated && given.output_padding.is_none();
        return not_implemented(if dilated { "slow_conv_dilated<>" } else { kernel }, x.dtype());
    }
    let extents = given.output_padding.map(|_| {
        let (kernel, have) = (spatial(weight.shape(), rank), spatial(x.shape(), rank));
        let extent = |i: usize| {
            let windows = (have[i] - 1) * sliding.stride[i] + sliding.dilation[i] * (kernel[i] - 1) + 1;
            windows - sliding.before[i] - sliding.after[i] + output_padding[i]
        };
        (0..rank).map(extent).collect::<PerAxis>()
    });
    if let Some(extents) = extents.as_ref().filter(|e| e.iter().any(|&n| n <= 0)) {
        return runtime(format!(
            "Given input size per channel: {}. Calculated output size per channel: {}. Output size is too small",
            crossed(spatial(x.shape(), rank)),
            crossed(extents.iter().copied())
        ));
    }
    // Halves are multiplied and added in f32, and rounded once.
    let wide = |r: &Recorded| r.cast(r.dtype().accumulator());
    let mut operands = vec![wide(&x)?, wide(&weight)?];
    operands.extend(bias.as_ref().map(wide).transpose()?);
    let value = Plan { sliding, extents }.record(&operands.iter().collect::<Vec<_>>())?;
    let out = Tensor::from_value(value.cast(x.dtype())?)?;
    keep(a, &[0, 1])?;
    Ok(out)
}

fn conv(a: &Args<'_>, rank: usize) -> Result<Tensor> {
    let padding = match a.get(4) {
        Arg::Str(name) => Padding::Named(name),
        _ => Padding::Of(a.ints(4)),
    };
    let (stride, dilation, groups) = (a.ints(3), a.ints(5), a.int(6));
    let given = Given { rank, stride, padding, output_padding: None, dilation, groups };
    let kernel = if rank == 3 { "compute_columns3d" } else { "slow_conv2d_cpu" };
    convolution(a, &given, kernel, ["conv1d", "conv2d", "conv3d"][rank - 1])
}

fn conv_transpose(a: &Args<'_>, rank: usize) -> Result<Tensor> {
    let (stride, padding, output_padding) = (a.ints(3), Padding::Of(a.ints(4)), Some(a.ints(5)));
    let given = Given { rank, stride, padding, output_padding, groups: a.int(6), dilation: a.ints(7) };
    let kernel = if rank == 3 { "slow_conv_transpose3d_out_cpu" } else { "slow_conv_transpose2d_out_cpu" };
    convolution(a, &given, kernel, ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"][rank - 1])
}

crate::entries! {
    "conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, int[1] dilation=1, \
     int groups=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "Each filter of `weight`, of shape (O, C / groups, K), slid along the last axis of `input`, of shape \
         ([N,] C, L): the sums of products with each window, plus the filter's element of `bias`; shape ([N,] O, \
         (L + 2 * padding - dilation * (K - 1) - 1) / stride + 1). `padding` zeros are put at both ends. Channels and \
         filters fall into `groups` that do not see each other."
        => |a| conv(a, 1);
    "conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, str padding=\"valid\", \
     int[1] dilation=1, int groups=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "With no padding (`'valid'`), or as much as makes the result as long as the input (`'same'`, for a stride of 1)."
        => |a| conv(a, 1);
    "conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] dilation=1, \
     int groups=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "As `conv1d`, along the last two axes: of an `input` of shape ([N,] C, H, W) by a `weight` of shape \
         (O, C / groups, KH, KW)." => |a| conv(a, 2);
    "conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str padding=\"valid\", \
     int[2] dilation=1, int groups=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "With no padding (`'valid'`), or as much as makes the result as large as the input (`'same'`, for a stride of 1)."
        => |a| conv(a, 2);
    "conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, int[3] dilation=1, \
     int groups=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "As `conv1d`, along the last three axes: of an `input` of shape ([N,] C, D, H, W) by a `weight` of shape \
         (O, C / groups, KD, KH, KW)." => |a| conv(a, 3);
    "conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, str padding=\"valid\", \
     int[3] dilation=1, int groups=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "With no padding (`'valid'`), or as much as makes the result as large as the input (`'same'`, for a stride of 1)."
        => |a| conv(a, 3);
    "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, \
     int[1] output_padding=0, int groups=1, int[1] dilation=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "The gradient of `conv1d` as a function: each element of `input`, of shape ([N,] C, L), times the filters of \
         `weight`, of shape (C, O / groups, K), added up where they overlap; shape ([N,] O, (L - 1) * stride - \
         2 * padding + dilation * (K - 1) + output_padding + 1)."
        => |a| conv_transpose(a, 1);
    "conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, \
     int[2] output_padding=0, int groups=1, int[2] dilation=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "As `conv_transpose1d`, along the last two axes." => |a| conv_transpose(a, 2);
    "conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, \
     int[3] output_padding=0, int groups=1, int[3] dilation=1) -> Tensor" [FUNCTION | NN] grad "ConvolutionBackward0"
        "As `conv_transpose1d`, along the last three axes." => |a| conv_transpose(a, 3);
}
