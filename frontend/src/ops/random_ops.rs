//! Random numbers, drawn at the call: equal to torch's, bit for bit and in its order of consumption.

use super::creation::shape_of;
use super::layout;
use super::operands::not_implemented;
use crate::error::{Error, Result, runtime};
use crate::promote::type_name;
use crate::random::{Draw, Element, Generator, NormalBlocks, RandomError, memory_order};
use crate::record::{Recorded, check_extent};
use crate::registry::{Args, default_dtype};
use crate::tensor::{Tensor, refuse_partial_overlap};
use crate::view::Geometry;
use half::{bf16, f16};
use rustorch_backend::buffer::Buffer;
use rustorch_backend::host::indices::{Strided, values};
use rustorch_ir::graph::Type;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal, Shape};
use std::sync::Arc;

fn raised(error: RandomError) -> Error {
    match error {
        RandomError::FullRangeMissing(_) => Error::NotImplemented(error.to_string()),
        _ => Error::Runtime(error.to_string()),
    }
}

/// A float whose elements can be read as integers of the same bits.
trait Float: NormalBlocks {
    const BITS: DType;
    fn from_bits(bits: i64) -> Self;
}

macro_rules! floats {
    ($($type:ty, $bits:ident, $dtype:ident;)*) => {$(
        impl Float for $type {
            const BITS: DType = DType::$dtype;
            fn from_bits(bits: i64) -> Self {
                <$type>::from_bits(bits as $bits)
            }
        }
    )*};
}

floats! { f16, u16, I16; bf16, u16, I16; f32, u32, I32; f64, u64, I64; }

/// `$body` with `$T` as the element type of a float dtype, else `$other`.
macro_rules! by_float {
    ($dtype:expr, $T:ident => $body:expr, _ => $other:expr) => {
        match $dtype {
            DType::F16 => {
                type $T = f16;
                $body
            }
            DType::BF16 => {
                type $T = bf16;
                $body
            }
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            _ => $other,
        }
    };
}

/// `$body` with `$T` as the element type of a dtype.
macro_rules! by_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        by_float!($dtype, $T => $body, _ => match $dtype {
            DType::Bool => { type $T = bool; $body }
            DType::U8 => { type $T = u8; $body }
            DType::I8 => { type $T = i8; $body }
            DType::I16 => { type $T = i16; $body }
            DType::I32 => { type $T = i32; $body }
            _ => { type $T = i64; $body }
        })
    };
}

/// From this size on the memory is asked for before it is filled: a request that cannot be met is an error.
const ASK_FIRST: usize = 1 << 24;

fn drawn<T: Element>(
    count: usize,
    fill: impl FnOnce(&mut [T]) -> std::result::Result<(), RandomError>,
) -> Result<Buffer> {
    let bytes = count.saturating_mul(size_of::<T>());
    if bytes >= ASK_FIRST {
        drop(Buffer::uninit(bytes.saturating_mul(2))?);
    }
    let mut numbers = vec![T::default(); count];
    fill(&mut numbers).map_err(raised)?;
    Ok(Buffer::from_slice(&numbers)?)
}

/// The elements of a value of floats, computed now.
fn elements<T: Float>(x: &Recorded) -> Result<Vec<T>> {
    let buffer = Tensor::from_value(x.detach())?.contiguous_buffer()?;
    let sizes = [x.numel()];
    let bits = Strided { buffer: &buffer, dtype: T::BITS, offset: 0, sizes: &sizes, strides: &[1] };
    Ok(values(&bits).unwrap_or_default().into_iter().map(T::from_bits).collect())
}

/// What `fill` draws from the generator at place `i`; a captured program draws it at each call.
fn captured(
    a: &Args<'_>,
    i: usize,
    fill: impl Fn(&mut Generator) -> Result<Buffer> + Send + Sync + 'static,
) -> Result<Buffer> {
    let buffer = fill(&mut a.generator(i))?;
    if a.draws_by_default(i) {
        crate::capture::filled(&buffer, fill);
    } else if crate::capture::is_active() {
        crate::capture::broken("it draws from a generator of its own")?;
    }
    Ok(buffer)
}

/// Where drawn numbers go, in the order of memory.
struct Place {
    shape: Shape,
    /// The axes, outermost first.
    order: Vec<usize>,
    contiguous: bool,
}

impl Place {
    fn rows(shape: Shape) -> Place {
        Place { order: (0..shape.rank()).collect(), shape, contiguous: true }
    }

    fn of(at: &Geometry) -> Place {
        let strides: Vec<isize> = at.strides.iter().map(|&s| s as isize).collect();
        let order = memory_order(&at.sizes.sizes(), &strides);
        Place { shape: at.sizes.clone(), order, contiguous: at.is_contiguous() }
    }

    /// Where a tensor made like this one lies.
    fn like(t: &Tensor, memory_format: Option<&str>) -> Place {
        if t.is_contiguous() || memory_format == Some("contiguous") {
            return Place::rows(t.sizes());
        }
        let order: Vec<usize> = layout::order(&t.sizes(), &[t]).to_vec();
        let mut place = Place { shape: t.sizes(), order, contiguous: true };
        place.contiguous = Geometry::contiguous(&place.stored()).permute(&place.inverse()).is_contiguous();
        place
    }

    fn stored(&self) -> Shape {
        self.order.iter().map(|&axis| self.shape[axis]).collect()
    }

    fn inverse(&self) -> Vec<usize> {
        let mut inverse = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        inverse
    }

    fn value(&self, drawn: Buffer, dtype: DType) -> Result<Recorded> {
        Recorded::from_buffer(drawn, Type::new(dtype, self.stored()))?.permute(&self.inverse())
    }

    fn tensor(&self, value: Recorded) -> Result<Tensor> {
        Tensor::from_value_in_order(value, &self.order)
    }
}

/// A distribution with its parameters.
#[derive(Clone, Copy)]
enum Law {
    Uniform { from: f64, to: f64 },
    Normal { mean: f64, std: f64 },
    LogNormal { mean: f64, std: f64 },
    Exponential { rate: f64 },
    Cauchy { median: f64, sigma: f64 },
    Geometric { p: f64 },
    Bernoulli { p: f64 },
    Integers,
    Range { from: i64, to: Option<i64> },
}

impl Law {
    /// The numbers as a value; `generator` is the place of the argument.
    fn draw(self, a: &Args<'_>, generator: usize, place: &Place, dtype: DType) -> Result<Recorded> {
        check_extent(&place.shape, dtype)?;
        let (n, contiguous) = (place.shape.numel(), place.contiguous);
        let fill = move |g: &mut Generator| self.numbers(g, n, contiguous, dtype);
        place.value(captured(a, generator, fill)?, dtype)
    }

    fn numbers(self, g: &mut Generator, n: usize, contiguous: bool, dtype: DType) -> Result<Buffer> {
        match self {
            Law::Uniform { from, to } => {
                by_float!(dtype, T => drawn::<T>(n, |out| g.fill_uniform(out, from, to)),
                _ => not_implemented("check_uniform_bounds", dtype))
            }
            Law::Normal { mean, std } => by_float!(dtype, T => drawn::<T>(n, |out| {
                if contiguous { g.fill_normal(out, mean, std) } else { g.fill_normal_strided(out, mean, std) }
            }), _ => not_implemented("normal_kernel_cpu", dtype)),
            Law::LogNormal { mean, std } => {
                by_float!(dtype, T => drawn::<T>(n, |out| g.fill_log_normal(out, mean, std)),
                _ => not_implemented("log_normal_cpu", dtype))
            }
            Law::Exponential { rate } => {
                by_float!(dtype, T => drawn::<T>(n, |out| g.fill_exponential(out, rate)),
                _ => runtime(format!(
                    "Exponential distribution is a continuous probability distribution. dtype must be a floating point \
                     but you specified {}",
                    dtype.scalar_type_name()
                )))
            }
            Law::Cauchy { median, sigma } => {
                by_float!(dtype, T => drawn::<T>(n, |out| g.fill_cauchy(out, median, sigma)),
                _ => runtime(format!(
                    "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but \
                     you specified {}",
                    type_name(dtype)
                )))
            }
            Law::Geometric { .. } if dtype == DType::Bool => not_implemented("geometric_cpu", dtype),
            Law::Geometric { p } => by_element!(dtype, T => drawn::<T>(n, |out| g.fill_geometric(out, p))),
            Law::Bernoulli { p } => by_element!(dtype, T => drawn::<T>(n, |out| g.fill_bernoulli(out, p))),
            Law::Integers => by_element!(dtype, T => drawn::<T>(n, |out| {
                g.fill_random(out);
                Ok(())
            })),
            Law::Range { from, to } => {
                by_element!(dtype, T => drawn::<T>(n, |out| g.fill_random_range(out, from, to)))
            }
        }
    }

    /// A new tensor; `generator` is the place of the argument.
    fn make(self, a: &Args<'_>, generator: usize, place: &Place, dtype: DType) -> Result<Tensor> {
        let value = self.draw(a, generator, place, dtype)?;
        place.tensor(value)
    }

    fn sized(self, a: &Args<'_>, sizes: usize, dtype: DType) -> Result<Tensor> {
        self.make(a, sizes + 1, &Place::rows(shape_of(a.ints(sizes), dtype)?), dtype)
    }

    /// A tensor like the first argument; the options follow `generator`.
    fn like(self, a: &Args<'_>, generator: usize) -> Result<Tensor> {
        let dtype = a.opt_dtype(generator + 1).unwrap_or_else(|| a.tensor(0).dtype());
        self.make(a, generator, &Place::like(a.tensor(0), a.opt_string(generator + 2)), dtype)
    }

    /// Overwrites the first argument.
    fn fill(self, a: &Args<'_>, generator: usize) -> Result<Tensor> {
        let target = a.tensor(0);
        target.check_write(false)?;
        let value = self.draw(a, generator, &Place::of(&target.geometry()), target.dtype())?;
        target.write(value)?;
        Ok(target.clone())
    }
}

/// Zeros and ones by probabilities, which are computed now: one that is none is an error of the call.
fn by_probabilities(g: &mut Generator, place: &Place, dtype: DType, p: &Recorded) -> Result<Recorded> {
    let p = p.detach().broadcast_to(&place.shape)?.permute(&place.order)?;
    let n = place.shape.numel();
    let buffer = by_float!(p.dtype(), P => {
        let p = elements::<P>(&p)?;
        by_element!(dtype, T => drawn::<T>(n, |out| g.fill_bernoulli_with(out, &p)))
    }, _ => not_implemented("bernoulli_tensor_cpu_p_", p.dtype()));
    place.value(buffer?, dtype)
}

/// `out`, drawn with parameters `inputs`, to which it passes a gradient of zeros.
fn flat(out: Tensor, inputs: &[&Tensor], name: &str) -> Result<Tensor> {
    if crate::grad_mode::is_grad_enabled() && inputs.iter().any(|t| t.requires_grad()) {
        let inputs: Vec<Tensor> = inputs.iter().map(|&t| t.clone()).collect();
        let types: Vec<Type> = inputs.iter().map(Tensor::ty).collect();
        let zeros = move |_: &[Option<Tensor>]| {
            types
                .iter()
                .map(|ty| {
                    let zero = Recorded::full(Literal::from_f64(ty.dtype, 0.0), &ty.shape)?;
                    Tensor::from_value(zero).map(Some)
                })
                .collect()
        };
        Tensor::attach_backward(std::slice::from_ref(&out), &inputs, Arc::new(zeros), name)?;
    }
    Ok(out)
}

fn bernoulli(a: &Args<'_>) -> Result<Tensor> {
    let p = a.tensor(0);
    let value = by_probabilities(&mut a.generator(1), &Place::rows(p.sizes()), p.dtype(), &p.read()?)?;
    flat(Tensor::from_value(value)?, &[p], "BernoulliBackward0")
}

fn bernoulli_by(a: &Args<'_>) -> Result<Tensor> {
    let (target, p) = (a.tensor(0), a.tensor(1));
    target.check_write(false)?;
    refuse_partial_overlap(target, p)?;
    p.geometry().expand(&target.sizes())?;
    let place = Place::of(&target.geometry());
    let value = by_probabilities(&mut a.generator(2), &place, target.dtype(), &p.read()?)?;
    target.write(value)?;
    Ok(target.clone())
}

/// `x op y` in their common dtype, then in that of `x`: an in-place step.
fn step(x: &Recorded, op: Scalar, y: &Recorded) -> Result<Recorded> {
    let dtype = x.dtype().promote(y.dtype());
    x.cast(dtype)?.map2(op, &y.cast(dtype)?)?.cast(x.dtype())
}

fn normal_around(a: &Args<'_>) -> Result<Tensor> {
    let (mean, std) = (a.tensor(0), a.float(1));
    let place = Place::rows(mean.sizes());
    let noise = Law::Normal { mean: 0.0, std }.draw(a, 2, &place, mean.dtype())?;
    flat(place.tensor(step(&noise, Scalar::Add, &mean.read()?.detach())?)?, &[mean], "NormalBackward0")
}

fn check_deviations(std: &Recorded) -> Result<()> {
    let all = elements::<f64>(&std.detach().cast(DType::F64)?)?;
    if all.iter().all(|&s| s >= 0.0) { Ok(()) } else { runtime("normal expects all elements of std >= 0.0") }
}

/// Normal numbers whose deviation, or mean too, is a tensor.
fn normal_by(a: &Args<'_>, mean: Option<&Tensor>) -> Result<Tensor> {
    let std = a.tensor(1);
    let deviation = std.read()?.detach();
    check_deviations(&deviation)?;
    let (shape, dtype) = match mean {
        Some(mean) => (crate::record::broadcast_shapes(&mean.sizes(), &std.sizes())?, mean.dtype()),
        None => (std.sizes(), std.dtype()),
    };
    let place = Place::rows(shape);
    let noise = Law::Normal { mean: 0.0, std: 1.0 }.draw(a, 2, &place, dtype)?;
    let spread = step(&noise, Scalar::Mul, &deviation)?;
    match mean {
        Some(mean) => {
            let value = step(&spread, Scalar::Add, &mean.read()?.detach())?;
            flat(place.tensor(value)?, &[mean, std], "NormalBackward2")
        }
        None => {
            let mean = Recorded::scalar(Literal::from_f64(dtype, a.float(0)));
            flat(place.tensor(step(&spread, Scalar::Add, &mean)?)?, &[std], "NormalBackward1")
        }
    }
}

fn randperm(a: &Args<'_>) -> Result<Tensor> {
    let dtype = a.opt_dtype(2).unwrap_or(DType::I64);
    let shape = shape_of(&[a.int(0)], dtype)?;
    if dtype == DType::Bool {
        return not_implemented("randperm", dtype);
    }
    let n = shape.numel();
    let fill = move |g: &mut Generator| by_element!(dtype, T => drawn::<T>(n, |out| g.fill_permutation(out)));
    Tensor::from_value(Recorded::from_buffer(captured(a, 1, fill)?, Type::new(dtype, shape))?)
}

fn multinomial(a: &Args<'_>) -> Result<Tensor> {
    let (weights, samples, replacement) = (a.tensor(0), a.int(1), a.bool(2));
    let (dtype, sizes) = (weights.dtype(), weights.sizes());
    if !matches!(sizes.rank(), 1 | 2) {
        return runtime("prob_dist must be 1 or 2 dim");
    }
    let columns = sizes[sizes.rank() - 1].get();
    let x = weights.read()?;
    let mut generator = a.generator(3);
    let picked = by_float!(dtype, T => {
        let weights = elements::<T>(&x)?;
        let draw = Draw { weights: &weights, columns, samples: samples.max(0) as usize, replacement };
        generator.multinomial(draw).map_err(raised)?
    }, _ => return runtime(format!(
        "multinomial only supports floating-point dtypes for input, got: {}",
        dtype.scalar_type_name()
    )));
    let mut shape = sizes;
    shape.remove(shape.rank() - 1);
    shape.push((samples.max(0) as usize).into());
    Tensor::from_value(Recorded::from_buffer(Buffer::from_slice(&picked)?, Type::new(DType::I64, shape))?)
}

fn float_dtype(a: &Args<'_>, i: usize) -> DType {
    a.opt_dtype(i).unwrap_or_else(default_dtype)
}

const UNIT: Law = Law::Uniform { from: 0.0, to: 1.0 };
const STANDARD: Law = Law::Normal { mean: 0.0, std: 1.0 };

fn range(from: i64, to: i64) -> Law {
    Law::Range { from, to: Some(to) }
}

crate::entries! {
    "rand(SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "Numbers drawn evenly from [0, 1)." => |a| UNIT.sized(a, 0, float_dtype(a, 2));
    "randn(SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "Numbers drawn from the normal distribution with mean 0 and deviation 1."
        => |a| STANDARD.sized(a, 0, float_dtype(a, 2));
    "randint(SymInt high, SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | FACTORY | OUT]
        "Whole numbers drawn evenly from 0 to before `high`, in int64 unless `dtype` is given."
        => |a| range(0, a.int(0)).sized(a, 1, a.opt_dtype(3).unwrap_or(DType::I64));
    "randint.low(SymInt low, SymInt high, SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | FACTORY | OUT]
        "Whole numbers drawn evenly from `low` to before `high`, in int64 unless `dtype` is given."
        => |a| range(a.int(0), a.int(1)).sized(a, 2, a.opt_dtype(4).unwrap_or(DType::I64));
    "randperm(SymInt n, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor" [FUNCTION | FACTORY | OUT]
        "The numbers from 0 to before `n` in random order." => |a| randperm(a);
    "rand_like(Tensor self, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor"
        [FUNCTION | FACTORY]
        "`rand` in the shape, dtype and memory order of `self`." => |a| UNIT.like(a, 1);
    "randn_like(Tensor self, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor"
        [FUNCTION | FACTORY]
        "`randn` in the shape, dtype and memory order of `self`." => |a| STANDARD.like(a, 1);
    "randint_like(Tensor self, SymInt high, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor"
        [FUNCTION | FACTORY]
        "`randint` in the shape, dtype and memory order of `self`." => |a| range(0, a.int(1)).like(a, 2);
    "randint_like.low_dtype(Tensor self, SymInt low, SymInt high, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor"
        [FUNCTION | FACTORY]
        "`randint` from `low` on, in the shape, dtype and memory order of `self`."
        => |a| range(a.int(1), a.int(2)).like(a, 3);
    "normal.Tensor_float(Tensor mean, float std=1.0, *, Generator? generator=None) -> Tensor" [FUNCTION | OUT]
        "Normal numbers around each mean." => |a| normal_around(a);
    "normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor" [FUNCTION | OUT]
        "Normal numbers around one mean with each deviation, which are computed for this."
        => |a| normal_by(a, None);
    "normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor" [FUNCTION | OUT]
        "Normal numbers around each mean with each deviation, which are computed for this."
        => |a| normal_by(a, Some(a.tensor(0)));
    "normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | FACTORY | OUT]
        "Normal numbers with this mean and deviation."
        => |a| Law::Normal { mean: a.float(0), std: a.float(1) }.sized(a, 2, float_dtype(a, 4));
    "bernoulli(Tensor self, *, Generator? generator=None) -> Tensor" [FUNCTION | METHOD | OUT]
        "1 with the probability that each element says, else 0. The probabilities are computed for this."
        => |a| bernoulli(a);
    "bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor" [FUNCTION | METHOD]
        "1 with probability `p`, else 0, in the shape and dtype of `self`."
        => |a| Law::Bernoulli { p: a.float(1) }.make(a, 2, &Place::rows(a.tensor(0).sizes()), a.tensor(0).dtype());
    "multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor"
        [FUNCTION | METHOD | OUT | EXACT]
        "For each row of weights, `num_samples` indices drawn in proportion to them, each at most once unless \
         `replacement`. The weights are computed for this." => |a| multinomial(a);
    "uniform_(Tensor(a!) self, float from=0.0, float to=1.0, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with numbers drawn evenly from `from` to before `to`."
        => |a| Law::Uniform { from: a.float(1), to: a.float(2) }.fill(a, 3);
    "normal_(Tensor(a!) self, float mean=0.0, float std=1.0, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with normal numbers." => |a| Law::Normal { mean: a.float(1), std: a.float(2) }.fill(a, 3);
    "random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with whole numbers from 0 to the largest that the dtype counts to." => |a| Law::Integers.fill(a, 1);
    "random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with whole numbers from 0 to before `to`." => |a| range(0, a.int(1)).fill(a, 2);
    "random_.from(Tensor(a!) self, int from, int? to, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with whole numbers from `from` to before `to`, or to the largest that the dtype counts to."
        => |a| Law::Range { from: a.int(1), to: a.opt_int(2) }.fill(a, 3);
    "bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with 1 by the probabilities `p`, else 0." => |a| bernoulli_by(a);
    "bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with 1 with probability `p`, else 0." => |a| Law::Bernoulli { p: a.float(1) }.fill(a, 2);
    "exponential_(Tensor(a!) self, float lambd=1.0, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with numbers of the exponential distribution of rate `lambd`."
        => |a| Law::Exponential { rate: a.float(1) }.fill(a, 2);
    "geometric_(Tensor(a!) self, float p, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with the number of the first success in trials of probability `p`."
        => |a| Law::Geometric { p: a.float(1) }.fill(a, 2);
    "cauchy_(Tensor(a!) self, float median=0.0, float sigma=1.0, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with numbers of the Cauchy distribution."
        => |a| Law::Cauchy { median: a.float(1), sigma: a.float(2) }.fill(a, 3);
    "log_normal_(Tensor(a!) self, float mean=1.0, float std=2.0, *, Generator? generator=None) -> Tensor(a!)" [METHOD]
        "Fills with numbers whose logarithms are normal."
        => |a| Law::LogNormal { mean: a.float(1), std: a.float(2) }.fill(a, 3);
}
