//! How variables vary together, and limits of norms.

use super::norm::norm_of;
use super::operands::keep;
use crate::error::{Error, Result, runtime};
use crate::promote::to_float;
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use crate::warning::warn;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};

/// The weights of observations of one kind, checked.
fn weights(a: &Args<'_>, i: usize, name: &str, count: usize) -> Result<Option<Recorded>> {
    let Some(tensor) = a.opt_tensor(i) else { return Ok(None) };
    let w = tensor.read()?;
    if w.rank() > 1 {
        return runtime(format!(
            "cov(): expected {name} to have one or fewer dimensions but got {name} with {} dimensions",
            w.rank()
        ));
    }
    let float = name == "aweights";
    if w.dtype().is_float() != float || w.dtype() == DType::Bool {
        let kind = if float { "floating point" } else { "integral" };
        let got = w.dtype().scalar_type_name();
        return Err(Error::DType(format!(
            "cov(): expected {name} to have {kind} dtype but got {name} with {got} dtype"
        )));
    }
    if w.numel() != count {
        return runtime(format!(
            "cov(): expected {name} to have the same numel as there are observations in the input but got {} != {count}",
            w.numel()
        ));
    }
    let flat = w.reshape(&Shape::from_sizes(&[count]))?;
    if count > 0 {
        let negative = flat.detach().lt(&flat.literal(0.0))?.reduce(Combine::Max, &[0])?;
        if super::indexing::known::integer(&Tensor::from_value(negative)?)? != 0 {
            return runtime(format!("cov(): {name} cannot be negative"));
        }
    }
    Ok(Some(flat))
}

/// The covariances of the rows of `x` (variables, observations).
fn covariance(
    x: &Recorded,
    correction: i64,
    counts: Option<Recorded>,
    shares: Option<Recorded>,
) -> Result<Recorded> {
    let observations = x.shape()[1].get();
    let both = match (&counts, &shares) {
        (Some(f), Some(a)) => Some(f.cast(a.dtype())?.mul(a)?),
        (Some(w), None) | (None, Some(w)) => Some(w.clone()),
        (None, None) => None,
    };
    let total = match &both {
        Some(w) => w.cast(x.dtype())?.reduce(Combine::Add, &[0])?,
        None => x.literal(observations as f64),
    };
    let weighted = |x: &Recorded| match &both {
        Some(w) => x.mul(&w.cast(x.dtype())?),
        None => Ok(x.clone()),
    };
    let mean = weighted(x)?.reduce_keep(Combine::Add, &[1])?.div(&total)?;
    let mut factor = total.clone();
    if correction != 0 {
        let less = x.literal(correction as f64);
        let less = match (&both, &shares) {
            (Some(w), Some(shares)) => {
                let squares = w.cast(x.dtype())?.mul(&shares.cast(x.dtype())?)?.reduce(Combine::Add, &[0])?;
                less.mul(&squares)?.div(&total)?
            }
            _ => less,
        };
        factor = factor.sub(&less)?;
    }
    if both.is_none() && observations as i64 <= correction {
        warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.".into());
    }
    let factor = factor.map2(Scalar::Max, &factor.literal(0.0))?;
    let centred = x.sub(&mean)?;
    weighted(&centred)?.contract(&centred, (&[], &[]), (&[1], &[1]))?.div(&factor)
}

fn as_rows(x: &Recorded, name: &str) -> Result<Recorded> {
    if x.rank() > 2 {
        return runtime(format!(
            "{name}(): expected input to have two or fewer dimensions but got an input with {} dimensions",
            x.rank()
        ));
    }
    if x.dtype() == DType::Bool {
        return Err(Error::NotImplemented(format!("{name}(): bool dtype is not supported for input")));
    }
    let x = x.cast(to_float(x.dtype()))?;
    if x.rank() == 2 { Ok(x) } else { x.reshape(&Shape::from_sizes(&[1, x.numel()])) }
}

/// One variable by itself has a variance, not a matrix.
fn finish(value: Recorded) -> Result<Tensor> {
    Tensor::from_value(if value.numel() == 1 { value.reshape(&Shape::scalar())? } else { value })
}

fn cov(a: &Args<'_>) -> Result<Tensor> {
    let x = as_rows(&a.tensor(0).read()?, "cov")?;
    let count = x.shape()[1].get();
    let (counts, shares) = (weights(a, 2, "fweights", count)?, weights(a, 3, "aweights", count)?);
    let out = finish(covariance(&x, a.int(1), counts, shares)?)?;
    keep(a, &[0])?;
    Ok(out)
}

fn corrcoef(a: &Args<'_>) -> Result<Tensor> {
    let x = as_rows(&a.tensor(0).read()?, "corrcoef")?;
    let value = covariance(&x, 1, None, None)?;
    let variables = value.shape()[0].get();
    let out = if variables == 1 {
        finish(value.div(&value)?)?
    } else {
        let place = Recorded::iota(variables)?;
        let own = super::extrema::pick_along(&value, &place.unsqueeze(1)?, 1)?;
        let root = own.map1(Scalar::Sqrt)?;
        let value = value.div(&root)?.div(&root.transpose(0, 1)?)?;
        let value = value.map2(Scalar::Max, &value.literal(-1.0))?;
        finish(value.map2(Scalar::Min, &value.literal(1.0))?)?
    };
    keep(a, &[0])?;
    Ok(out)
}

fn renorm(a: &Args<'_>) -> Result<Tensor> {
    let (x, p, most) = (a.tensor(0).read()?, a.scalar(1).as_f64(), a.scalar(3).as_f64());
    if p.is_nan() || p <= 0.0 {
        return runtime("renorm: non-positive-norm not supported");
    }
    if most.is_nan() || most < 0.0 {
        return runtime(format!("renorm: expected maxnorm to be >= 0 but got {most}"));
    }
    if x.rank() < 2 {
        return runtime(format!("renorm: input needs at least 2 dimensions, got {} dimensions", x.rank()));
    }
    let axis = wrap_axis(a.int(2), x.rank())?;
    if !x.dtype().is_float() {
        let name = x.dtype().scalar_type_name();
        return Err(Error::NotImplemented(format!(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {name}"
        )));
    }
    let axes: Vec<usize> = (0..x.rank()).filter(|&other| other != axis).collect();
    let wide = x.cast(x.dtype().accumulator())?;
    let norm = norm_of(&wide, p, &axes)?;
    let limit = Number::Float(most).recorded(wide.dtype());
    let scale = limit.div(&norm.add_literal(1e-7)?)?;
    let factor = limit.lt(&norm)?.select(&scale, &scale.literal(1.0))?;
    let out = Tensor::from_value(x.mul(&factor.cast(x.dtype())?)?)?;
    keep(a, &[0])?;
    Ok(out)
}

fn cdist(a: &Args<'_>) -> Result<Tensor> {
    let (x, y, p) = (a.tensor(0).read()?, a.tensor(1).read()?, a.float(2));
    let modes =
        ["use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"];
    if let Some(mode) = a.opt_string(3)
        && !modes.contains(&mode)
    {
        return Err(Error::Value(format!("{mode} is not a valid value for compute_mode")));
    }
    for (name, value) in [("X1", &x), ("X2", &y)] {
        if !value.dtype().is_float() {
            let got = value.dtype().scalar_type_name();
            return Err(Error::DType(format!(
                "cdist only supports floating-point dtypes, {name} got: {got}"
            )));
        }
    }
    for (name, value) in [("X1", &x), ("X2", &y)] {
        if value.rank() < 2 {
            return runtime(format!(
                "cdist only supports at least 2D tensors, {name} got: {}D",
                value.rank()
            ));
        }
    }
    let columns = |v: &Recorded| v.shape()[v.rank() - 1].get();
    if columns(&x) != columns(&y) {
        return runtime(format!(
            "X1 and X2 must have the same number of columns. X1: {} X2: {}",
            columns(&x),
            columns(&y)
        ));
    }
    if p < 0.0 || p.is_nan() {
        return runtime("cdist only supports non-negative p values");
    }
    let dtype = x.dtype();
    if dtype != y.dtype() {
        let (want, got) = (dtype.scalar_type_name(), y.dtype().scalar_type_name());
        return Err(Error::DType(format!("expected scalar type {want} but found {got}")));
    }
    let wide = |v: &Recorded| v.cast(dtype.accumulator());
    let apart = wide(&x)?.unsqueeze(x.rank() - 1)?.sub(&wide(&y)?.unsqueeze(y.rank() - 2)?)?;
    let axis = apart.rank() - 1;
    let norm = norm_of(&apart, p, &[axis])?.squeeze(axis)?;
    let out = Tensor::from_value(norm.cast(dtype)?)?;
    keep(a, &[0, 1])?;
    Ok(out)
}

crate::entries! {
    "cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor" [FUNCTION | METHOD]
        grad "DivBackward0"
        "Covariances of the rows of (variables, observations): their number less `correction` is the divisor. `fweights` \
         says how often each observation was made, `aweights` how much it counts." => |a| cov(a);
    "corrcoef(Tensor self) -> Tensor" [FUNCTION | METHOD] grad "ClampBackward1"
        "Correlations of the rows of (variables, observations), in -1 .. 1." => |a| corrcoef(a);
    "renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor" [FUNCTION | METHOD | INPLACE | OUT | EXACT]
        "Each part along `dim` scaled down to the `p`-norm `maxnorm` where its own is larger. Floats only." => |a| renorm(a);
    "cdist(Tensor x1, Tensor x2, float p=2, str? compute_mode=None) -> Tensor" [FUNCTION] grad "CdistBackward0"
        "The `p`-norms of the differences between rows: (..., P, M) and (..., R, M) give (..., P, R). `compute_mode` may be \
         one of torch's; differences are always taken before they are squared. Floats only." => |a| cdist(a);
}
