//! Differences along an axis, and areas by the rule of trapezoids.

use super::concat::cat;
use super::cumulative::cumsum_of;
use super::layout::finish;
use super::view_ops::narrow;
use crate::error::{Error, Result, runtime};
use crate::promote::{Promotion, to_float, to_sum};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal, Shape};

/// All but the last and all but the first along an axis that is not empty.
fn neighbours(x: &Recorded, axis: usize) -> Result<(Recorded, Recorded)> {
    let count = x.shape()[axis].get() - 1;
    Ok((x.narrow(axis, 0, count)?, x.narrow(axis, 1, count)?))
}

fn differences(x: &Tensor, axis: usize) -> Result<Tensor> {
    let (dim, count) = (axis as i64, x.sizes()[axis].get() as i64 - 1);
    let (left, right) = (narrow(x, dim, 0, count)?, narrow(x, dim, 1, count)?);
    let op = if x.dtype() == DType::Bool { Scalar::Xor } else { Scalar::Sub };
    finish(right.read()?.map2(op, &left.read()?)?, &[&right, &left])
}

/// What is put before or behind has the shape of `x`, but for the axis.
fn check_attached(x: &Shape, other: &Shape, axis: usize) -> Result<()> {
    if x.rank() != other.rank() {
        return runtime("diff expects prepend or append to be the same dimension as input");
    }
    match (0..x.rank()).find(|&i| i != axis && x[i] != other[i]) {
        None => Ok(()),
        Some(i) => {
            let message = format!(
                "diff expects the shape of tensor to prepend or append to match that of input except along the \
                 differencing dimension; input.size({i}) = {}, but got tensor.size({i}) = {}",
                x[i], other[i]
            );
            Err(Error::shapes(message, x, other))
        }
    }
}

fn diff(a: &Args<'_>) -> Result<Tensor> {
    let (x, order, dim) = (a.tensor(0), a.int(1), a.int(2));
    if x.dim() == 0 {
        return runtime("diff expects input to be at least one-dimensional");
    }
    let axis = wrap_axis(dim, x.dim())?;
    let attached = [a.opt_tensor(3), a.opt_tensor(4)];
    for other in attached.iter().flatten() {
        check_attached(&x.sizes(), &other.sizes(), axis)?;
    }
    if order < 0 {
        return runtime(format!("order must be non-negative but got {order}"));
    }
    if order == 0 {
        return x.like(x.read()?);
    }
    let mut value = match attached {
        [None, None] => x.clone(),
        [first, last] => {
            let parts: Vec<Tensor> = first.into_iter().chain([x]).chain(last).cloned().collect();
            cat(&parts, axis as i64)?
        }
    };
    for _ in 0..order.min(value.sizes()[axis].get() as i64) {
        value = differences(&value, axis)?;
    }
    if value.is_same(x) { x.like(x.read()?) } else { Ok(value) }
}

/// How far the samples lie apart.
enum Steps {
    Even(Number),
    Between(Recorded),
}

/// The samples, the axis along which they lie, and how far apart: by `dx` or, if there is none, as the second argument
/// says.
fn samples(a: &Args<'_>, name: &str, dx: Option<Number>) -> Result<(Recorded, usize, Steps)> {
    let (y, dim) = (a.tensor(0).read()?, a.int(2));
    let bools = |what: &str| {
        let message = format!("{name}: received a bool input for {what}, but bool is not supported");
        Err(Error::NotImplemented(message))
    };
    if name != "trapezoid" && dx.is_some() && y.dtype() == DType::Bool {
        return bools("`y`");
    }
    if y.rank() == 0 {
        wrap_axis(dim, 0)?;
        let message = match name {
            "trapezoid" => format!("Dimension specified as {dim} but tensor has no dimensions"),
            _ => "slice() cannot be applied to a 0-dim tensor.".to_string(),
        };
        return Err(Error::Index(message));
    }
    let axis = wrap_axis(dim, y.rank())?;
    // Where there are no samples, `trapezoid` looks no further.
    let nothing = y.shape()[axis].get() == 0 && name == "trapezoid";
    if let Some(dx) = dx {
        if y.dtype() == DType::Bool && !nothing {
            return bools("`y`");
        }
        if matches!(dx, Number::Bool(_)) && !nothing {
            return runtime(format!("{name}: Currently, we only support dx as a real number."));
        }
        return Ok((y, axis, Steps::Even(dx)));
    }
    let x = a.tensor(1).read()?;
    if nothing {
        return Ok((y, axis, Steps::Between(x)));
    }
    if y.dtype() == DType::Bool || x.dtype() == DType::Bool {
        return bools("`x` or `y`");
    }
    let rank = y.rank();
    let lead = rank.saturating_sub(x.rank());
    let x = if x.rank() == 1 {
        if x.shape()[0] != y.shape()[axis] {
            let message = format!("{name}: There must be one `x` value for each sample point");
            return Err(Error::shapes(message, x.shape(), y.shape()));
        }
        let line: Shape = (0..rank).map(|i| if i == axis { x.shape()[0] } else { 1.into() }).collect();
        x.reshape(&line)?
    } else {
        let padded: Shape = (0..lead).map(|_| 1.into()).chain(x.shape().iter().copied()).collect();
        x.reshape(&padded)?
    };
    let (left, right) = match x.shape()[axis].get() {
        0 => (x.clone(), x.clone()),
        _ => neighbours(&x, axis)?,
    };
    Ok((y, axis, Steps::Between(right.sub(&left)?)))
}

/// The product in the dtype of both.
fn product(a: &Recorded, b: &Recorded) -> Result<Recorded> {
    let dtype = Promotion::default().value(a.dtype(), a.rank()).value(b.dtype(), b.rank()).dtype();
    a.cast(dtype)?.mul(&b.cast(dtype)?)
}

fn trapezoid(a: &Args<'_>, dx: Option<Number>) -> Result<Tensor> {
    let (y, axis, steps) = samples(a, "trapezoid", dx)?;
    if y.shape()[axis].get() == 0 {
        let mut shape = y.shape().clone();
        shape.remove(axis);
        return Tensor::from_value(Recorded::full(Literal::from_f64(y.dtype(), 0.0), &shape)?.fence()?);
    }
    let value = match steps {
        Steps::Even(dx) => {
            let dtype = to_float(y.dtype());
            let ends = |at: usize| y.narrow(axis, at, 1)?.squeeze(axis);
            let ends = ends(0)?.add(&ends(y.shape()[axis].get() - 1)?)?.cast(dtype)?.mul_literal(0.5)?;
            let sum = y.cast(to_sum(y.dtype()))?.sum(&[axis])?.cast(dtype)?;
            sum.sub(&ends)?.mul(&dx.recorded(dtype))?
        }
        Steps::Between(between) => {
            let (left, right) = neighbours(&y, axis)?;
            let areas = product(&left.add(&right)?, &between)?;
            let sum = areas.cast(to_sum(areas.dtype()))?.sum(&[axis])?;
            sum.cast(to_float(areas.dtype()))?.mul_literal(0.5)?
        }
    };
    Tensor::from_value(value)
}

fn cumulative_trapezoid(a: &Args<'_>, dx: Option<Number>) -> Result<Tensor> {
    let (y, axis, steps) = samples(a, "cumulative_trapezoid", dx)?;
    let (left, right) = match y.shape()[axis].get() {
        0 => (y.clone(), y.clone()),
        _ => neighbours(&y, axis)?,
    };
    let value = match steps {
        Steps::Even(dx) => {
            let half = Number::Float(dx.as_f64() / 2.0).recorded(to_float(y.dtype()));
            cumsum_of(&product(&right.add(&left)?, &half)?, axis)?
        }
        Steps::Between(between) => {
            let areas = product(&left.add(&right)?, &between)?;
            let sums = cumsum_of(&areas.cast(to_sum(areas.dtype()))?, axis)?;
            sums.cast(to_float(areas.dtype()))?.mul_literal(0.5)?
        }
    };
    Tensor::from_value(value)
}

crate::entries! {
    "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor"
        [FUNCTION | METHOD | OUT] grad "SubBackward0"
        "The differences of neighbours along an axis, taken `n` times; of bools whether they differ. `prepend` and \
         `append` are joined to the tensor first." => |a| diff(a);
    "trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor" [FUNCTION] grad "DivBackward0"
        "The area under the samples `y` at the places `x` along an axis, by the rule of trapezoids."
        => |a| trapezoid(a, None);
    "trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor" [FUNCTION] grad "MulBackward1"
        "The area under samples `dx` apart along an axis, by the rule of trapezoids."
        => |a| trapezoid(a, Some(a.scalar(1)));
    "trapz.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor" [FUNCTION] grad "DivBackward0"
        "As `trapezoid`." => |a| trapezoid(a, None);
    "trapz.dx(Tensor y, *, float dx=1., int dim=-1) -> Tensor" [FUNCTION] grad "MulBackward1"
        "As `trapezoid`." => |a| trapezoid(a, Some(Number::Float(a.float(1))));
    "cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor" [FUNCTION] grad "DivBackward0"
        "The area under the samples `y` at the places `x` up to each but the first, by the rule of trapezoids."
        => |a| cumulative_trapezoid(a, None);
    "cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor" [FUNCTION] grad "CumsumBackward0"
        "The area under samples `dx` apart up to each but the first, by the rule of trapezoids."
        => |a| cumulative_trapezoid(a, Some(a.scalar(1)));
}
