//! Linear algebra: factorisations, systems, determinants and what follows from them.
//!
//! What can fail on values is computed at the call, since torch says so there.

mod determinant;
mod factors;
mod inverse;
mod matrices;
mod power;
mod spectral;
mod systems;

pub(crate) use spectral::singular_values;

use crate::error::{Error, Result, runtime};
use crate::ops::indexing::known::integers;
use crate::ops::operands::not_implemented;
use crate::record::{Recorded, broadcast_shapes};
use crate::registry::Entry;
use crate::tensor::Tensor;
use rustorch_ir::op::{Factor, Form, Op, Triangle, TriangularSolve};
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

pub const TABLES: [&[Entry]; 6] = [
    determinant::ENTRIES,
    factors::ENTRIES,
    inverse::ENTRIES,
    power::ENTRIES,
    spectral::ENTRIES,
    systems::ENTRIES,
];

/// torch's refusal of what are no matrices.
fn require_matrices(name: &str, what: &str, x: &Recorded) -> Result<()> {
    if x.rank() < 2 {
        return runtime(format!("{name}: The input tensor {what} must have at least 2 dimensions."));
    }
    Ok(())
}

fn require_squares(name: &str, what: &str, x: &Recorded) -> Result<()> {
    require_matrices(name, what, x)?;
    let (m, n) = matrices::sizes(x);
    if m != n {
        let message =
            format!("{name}: {what} must be batches of square matrices, but they are {m} by {n} matrices");
        return Err(Error::Shape(message));
    }
    Ok(())
}

/// torch's refusal of dtypes that are no floats.
fn require_floats(name: &str, x: &Recorded) -> Result<()> {
    if x.dtype().is_float() {
        return Ok(());
    }
    let got = x.dtype().scalar_type_name();
    let message = format!("{name}: Expected a floating point or complex tensor as input. Got {got}");
    Err(Error::NotImplemented(message))
}

/// And of those for which there is no routine.
fn require_routine(kernel: &str, x: &Recorded) -> Result<()> {
    if matches!(x.dtype(), DType::F32 | DType::F64) { Ok(()) } else { not_implemented(kernel, x.dtype()) }
}

fn require_precision(name: &str, x: &Recorded) -> Result<()> {
    require_floats(name, x)?;
    if matches!(x.dtype(), DType::F32 | DType::F64) {
        return Ok(());
    }
    let got = x.dtype().scalar_type_name();
    Err(Error::NotImplemented(format!("{name}: Low precision dtypes not supported. Got {got}")))
}

/// The results of a factorisation.
fn factor(form: Form, x: &Recorded) -> Result<SmallVec<[Recorded; 4]>> {
    Ok(Recorded::apply_all(Op::Factor(Factor { form }), &[x])?.into_iter().collect())
}

fn solve_triangle(a: &Recorded, b: &Recorded, triangle: Triangle) -> Result<Recorded> {
    Recorded::apply(Op::TriangularSolve(TriangularSolve { triangle }), &[a, b])
}

/// Computes what a routine says of its matrices, and raises what `message` makes of the first that is not 0.
fn check(name: &str, info: &Recorded, message: impl Fn(i64) -> String) -> Result<()> {
    let codes = integers(&Tensor::from_value(info.detach())?)?;
    let Some((number, code)) = codes.into_iter().enumerate().find(|(_, code)| *code != 0) else {
        return Ok(());
    };
    let which = if info.rank() > 0 { format!("(Batch element {number}): ") } else { String::new() };
    Err(Error::LinearAlgebra(format!("{name}: {which}{}", message(code))))
}

/// The tensor whose columns lie one behind the other, as LAPACK has them.
fn in_columns(value: Recorded) -> Result<Tensor> {
    let rank = value.rank();
    let mut order: SmallVec<[usize; 8]> = (0..rank).collect();
    order.swap(rank - 1, rank - 2);
    Tensor::from_value_in_order(value, &order)
}

/// Both with the batch axes that they broadcast to.
fn batched(x: &Recorded, y: &Recorded) -> Result<(Recorded, Recorded)> {
    let batch = |v: &Recorded| -> Shape { v.shape()[..v.rank() - 2].iter().copied().collect() };
    let common = broadcast_shapes(&batch(x), &batch(y))?;
    let whole = |v: &Recorded| {
        let own = v.shape()[v.rank() - 2..].iter().copied();
        v.broadcast_to(&common.iter().copied().chain(own).collect())
    };
    Ok((whole(x)?, whole(y)?))
}

/// An empty tensor, for a result that was not computed.
fn nothing(dtype: DType) -> Result<Tensor> {
    Tensor::from_value(no_elements(dtype)?)
}

fn no_elements(dtype: DType) -> Result<Recorded> {
    Recorded::full(rustorch_ir::Literal::from_f64(dtype, 0.0), &Shape::from_sizes(&[0]))
}
