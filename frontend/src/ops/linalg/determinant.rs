//! Determinants, by elimination.

use super::factors::{Eliminated, eliminated};
use super::matrices::{diagonal, identity, with_diagonal};
use super::systems::solve_by_factors;
use super::*;
use crate::compose::Composition;
use crate::registry::Args;
use rustorch_ir::Literal;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;

/// The matrices, and their elimination as no path for gradients.
fn operand(a: &Args<'_>, name: &str) -> Result<(Recorded, Eliminated)> {
    let x = a.tensor(0).read()?;
    require_squares(name, "A", &x)?;
    if name == "linalg.det" {
        require_floats(name, &x)?;
        require_routine("lu_cpu", &x)?;
    } else {
        require_precision(name, &x)?;
    }
    let e = eliminated(&x.detach())?;
    Ok((x, e))
}

/// 1 where the rows were exchanged an even number of times, else -1.
fn parity(e: &Eliminated) -> Result<Recorded> {
    let axis = e.pivots.rank() - 1;
    let n = e.pivots.shape()[axis].get();
    let own =
        Recorded::iota(n)?.add(&Recorded::constant(Literal::from_i64(DType::I64, 1)))?.cast(DType::I32)?;
    let moved = e.pivots.ne(&own)?.cast(DType::I32)?.reduce(Combine::Add, &[axis])?;
    let odd = moved.map2(Scalar::Remainder, &moved.literal_int(2))?.cast(e.lu.dtype())?;
    odd.mul_literal(-2.0)?.add_literal(1.0)
}

fn last(x: &Recorded) -> usize {
    x.rank() - 1
}

/// Each number as often as its matrix has elements.
fn spread(x: &Recorded, over: &Recorded) -> Result<Recorded> {
    x.unsqueeze(x.rank())?.unsqueeze(x.rank() + 1)?.expand(over.shape())
}

fn det(a: &Args<'_>) -> Result<Tensor> {
    let (x, e) = operand(a, "linalg.det")?;
    let composition = Composition { name: "linalg_det", attributes: &[] };
    let value = composition.record_with_gradient(
        &[&x, &e.lu, &e.places, &parity(&e)?],
        |x| diagonal(&x[1])?.reduce(Combine::Mul, &[last(&x[1]) - 1])?.mul(&x[3]),
        |x, y, g| {
            // `det(A) A'^-1` (Giles 2008, 2.2.4). A pivot of 0 is replaced by a small number, since the derivative
            // is continuous there.
            let (matrix, lu) = (&x[0], &x[1]);
            let small = if matrix.dtype() == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
            let pivot = lu.eq(&lu.literal(0.0))?.select(&lu.literal(small), lu)?;
            let lu = with_diagonal(lu, &pivot)?;
            let scaled = spread(&g.mul(y)?, matrix)?.mul(&identity(matrix)?)?;
            let of_matrix = solve_by_factors(matrix, (&lu, &x[2]), &scaled, true)?;
            Ok(vec![
                of_matrix,
                lu.mul_literal(0.0)?.stop_gradient()?,
                x[3].mul_literal(0.0)?.stop_gradient()?,
            ])
        },
    )?;
    let out = Tensor::from_value(value)?;
    a.save_result(&out)?;
    Ok(out)
}

/// The sign of the determinant and the logarithm of its size.
fn signed_log(x: &Recorded, e: &Eliminated) -> Result<(Recorded, Recorded)> {
    let pivots = diagonal(&e.lu)?;
    let zero = pivots.literal(0.0);
    let above = zero.lt(&pivots)?.cast(pivots.dtype())?;
    let signs = above.sub(&pivots.lt(&zero)?.cast(pivots.dtype())?)?;
    let sign = signs.reduce(Combine::Mul, &[last(&pivots)])?.mul(&parity(e)?)?;
    let composition = Composition { name: "linalg_logabsdet", attributes: &[] };
    let log = composition.record_with_gradient(
        &[x, &e.lu, &e.places],
        |x| diagonal(&x[1])?.map1(Scalar::Abs)?.map1(Scalar::Log)?.reduce(Combine::Add, &[last(&x[1]) - 1]),
        |x, _, g| {
            // `A'^-1` (Giles 2008, 2.2.4).
            let scaled = spread(g, &x[0])?.mul(&identity(&x[0])?)?;
            let of_matrix = solve_by_factors(&x[0], (&x[1], &x[2]), &scaled, true)?;
            Ok(vec![of_matrix, x[1].mul_literal(0.0)?.stop_gradient()?])
        },
    )?;
    Ok((sign.flat_in(&[x]), log))
}

fn slogdet(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let (x, e) = operand(a, "linalg.slogdet")?;
    let (sign, log) = signed_log(&x, &e)?;
    Ok((Tensor::from_value(sign)?, Tensor::from_value(log)?))
}

fn logdet(a: &Args<'_>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    require_squares("logdet", "A", &x)?;
    require_floats("logdet", &x)?;
    let (x, e) = operand(a, "linalg.slogdet")?;
    let (sign, log) = signed_log(&x, &e)?;
    let negative = sign.detach().eq(&log.literal(-1.0))?;
    Tensor::from_value(negative.select(&log.literal(f64::NAN), &log)?)
}

crate::entries! {
    "det(Tensor A) -> Tensor" [LINALG | OUT | EXACT] grad "LinalgDetBackward0"
        "The determinant. float32 and float64." => |a| det(a);
    "det(Tensor self) -> Tensor" [FUNCTION | METHOD] grad "LinalgDetBackward0"
        "Another name of `linalg.det`." => |a| det(a);
    "slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)" [LINALG | OUT] grad "LinalgSlogdetBackward0"
        "The sign of the determinant (0 if it is 0) and the natural logarithm of its size, which does not overflow."
        => |a| slogdet(a);
    "slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)" [FUNCTION | METHOD | OUT] grad "LinalgSlogdetBackward0"
        "Another name of `linalg.slogdet`." => |a| slogdet(a);
    "logdet(Tensor self) -> Tensor" [FUNCTION | METHOD] grad "WhereBackward0"
        "The natural logarithm of the determinant: -inf if it is 0, NaN if it is negative." => |a| logdet(a);
}
