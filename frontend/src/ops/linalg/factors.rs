//! Cholesky, LU, QR: factors as results.

use super::matrices::{corner, permutation, product, sizes, transpose, unit_lower, upper};
use super::*;
use crate::ops::operands::keep;
use crate::registry::{Args, Ret};
use rustorch_ir::Literal;
use std::sync::Arc;

/// Cholesky's factor and what the routine says of it.
fn cholesky(a: &Args<'_>, wants_upper: bool) -> Result<(Recorded, Recorded)> {
    let x = a.tensor(0).read()?;
    require_squares("linalg.cholesky", "A", &x)?;
    require_floats("linalg.cholesky", &x)?;
    require_routine("cholesky_cpu", &x)?;
    let x = if wants_upper { transpose(&x)? } else { x };
    let results = factor(Form::Cholesky, &x)?;
    let l = if wants_upper { transpose(&results[0])? } else { results[0].clone() };
    Ok((l, results[1].clone()))
}

fn check_cholesky(name: &str, info: &Recorded) -> Result<()> {
    check(name, info, |order| {
        format!(
            "The factorization could not be completed because the input is not positive-definite (the leading minor of \
             order {order} is not positive-definite)."
        )
    })
}

fn finish_cholesky(a: &Args<'_>, l: Recorded) -> Result<Tensor> {
    let out = in_columns(l)?;
    a.save_result(&out)?;
    Ok(out)
}

pub(super) struct Eliminated {
    pub lu: Recorded,
    pub pivots: Recorded,
    pub places: Recorded,
    pub info: Recorded,
}

pub(super) fn eliminated(x: &Recorded) -> Result<Eliminated> {
    let results = factor(Form::Lu, x)?;
    let [lu, pivots, places, info] = [0, 1, 2, 3].map(|i| results[i].clone());
    Ok(Eliminated { lu, pivots, places, info })
}

fn operand_of_lu(a: &Args<'_>, name: &str, pivot: bool) -> Result<Recorded> {
    let x = a.tensor(0).read()?;
    if x.rank() < 2 {
        let sizes = crate::ops::view_ops::listed(&crate::ops::view_ops::signed(x.shape()));
        return runtime(format!(
            "{name}: Expected tensor with 2 or more dimensions. Got size: {sizes} instead"
        ));
    }
    require_routine("lu_cpu", &x)?;
    if !pivot {
        return runtime("linalg.lu_factor: LU without pivoting is not implemented on the CPU");
    }
    Ok(x)
}

fn lu(a: &Args<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    let x = operand_of_lu(a, "linalg.lu", a.bool(1))?;
    let (m, n) = sizes(&x);
    let k = m.min(n);
    let e = eliminated(&x)?;
    let l = unit_lower(&corner(&e.lu, m, k)?)?;
    let u = upper(&corner(&e.lu, k, n)?)?;
    let p = permutation(&e.places, x.dtype())?;
    let out = (Tensor::from_value(p)?, Tensor::from_value(l)?, Tensor::from_value(u)?);
    a.save(&out.1)?;
    a.save(&out.2)?;
    Ok(out)
}

fn check_lu(name: &str, info: &Recorded) -> Result<()> {
    let hint = "and using it on lu_solve would result in a division by zero. If you still want to perform the \
                factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)";
    check(name, info, |k| format!("U[{k},{k}] is zero {hint}"))
}

fn lu_factor(a: &Args<'_>, pivot: bool, check_as: Option<&str>) -> Result<(Tensor, Tensor, Tensor)> {
    let x = operand_of_lu(a, "torch.lu_factor", pivot)?;
    let e = eliminated(&x)?;
    if let Some(name) = check_as {
        check_lu(name, &e.info)?;
    }
    let out = (in_columns(e.lu)?, Tensor::from_value(e.pivots)?, Tensor::from_value(e.info)?);
    a.save(&out.0)?;
    a.save(&out.1)?;
    Ok(out)
}

/// The places of rows that exchanges one after the other lead to.
pub(super) fn places_of(name: &str, pivots: &Tensor, rows: usize) -> Result<Recorded> {
    let sizes = pivots.sizes();
    let (count, batch) = match sizes.sizes().split_last() {
        Some((&count, batch)) => (count, batch.to_vec()),
        None => return runtime(format!("{name}: pivots have at least one axis")),
    };
    let swaps = integers(pivots)?;
    if swaps.iter().any(|&p| p < 1) {
        return runtime(format!(
            "Pivots given to {name} must all be greater or equal to 1. Did you properly pass the result of lu_factor?"
        ));
    }
    if swaps.iter().any(|&p| p as usize > rows) {
        return runtime(format!(
            "Pivots given to {name} must all be smaller or equal to LU.size(-2). Did you properly pass the result of \
             lu_factor?"
        ));
    }
    let number = batch.iter().product::<usize>();
    let mut places: Vec<i64> = Vec::with_capacity(number * rows);
    for matrix in 0..number {
        let mut own: Vec<i64> = (0..rows as i64).collect();
        for (i, &pivot) in swaps[matrix * count..(matrix + 1) * count].iter().enumerate() {
            own.swap(i, pivot as usize - 1);
        }
        places.extend(own);
    }
    let shape: Shape = batch.into_iter().chain([rows]).collect();
    let buffer = rustorch_backend::buffer::Buffer::from_slice(&places)?;
    Recorded::from_buffer(buffer, rustorch_ir::graph::Type::new(DType::I64, shape))
}

fn lu_unpack(a: &Args<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    let (lu, pivots) = (a.tensor(0).read()?, a.tensor(1));
    if pivots.dtype() != DType::I32 {
        return runtime(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this \
             function is intended to be used with the output produced by torch.linalg.lu_factor",
        );
    }
    let (m, n) = sizes(&lu);
    let k = m.min(n);
    let (l, u) = if a.bool(2) {
        let l = Tensor::from_value(unit_lower(&corner(&lu, m, k)?)?)?;
        (l, Tensor::from_value(upper(&corner(&lu, k, n)?)?)?)
    } else {
        (nothing(lu.dtype())?, nothing(lu.dtype())?)
    };
    let p = if a.bool(3) {
        Tensor::from_value(permutation(&places_of("lu_unpack", pivots, m)?, lu.dtype())?)?
    } else {
        nothing(lu.dtype())?
    };
    Ok((p, l, u))
}

fn qr(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    require_matrices("linalg.qr", "A", &x)?;
    require_floats("linalg.qr", &x)?;
    let mode = a.string(1);
    if !["reduced", "r", "complete"].contains(&mode) {
        return runtime(format!(
            "qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        ));
    }
    require_routine("geqrf_cpu", &x)?;
    let (m, n) = sizes(&x);
    let refused = match mode {
        "r" => Some(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use \
             linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr.",
        ),
        "complete" if m > n => {
            Some("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
        }
        _ => None,
    };
    let source = if refused.is_some() { x.detach() } else { x.clone() };
    let results = factor(Form::Qr { complete: mode == "complete" }, &source)?;
    let q = if mode == "r" { nothing(x.dtype())? } else { in_columns(results[0].clone())? };
    let r = in_columns(results[1].clone())?;
    if let Some(why) = refused.filter(|_| x.tracks() && crate::grad_mode::is_grad_enabled()) {
        let refuse = move |_: &[Option<Tensor>]| runtime(why);
        let outputs = [q, r];
        Tensor::attach_backward(
            &outputs,
            std::slice::from_ref(a.tensor(0)),
            Arc::new(refuse),
            "LinalgQrBackward0",
        )?;
        let [q, r] = outputs;
        return Ok((q, r));
    }
    a.save(&q)?;
    a.save(&r)?;
    Ok((q, r))
}

/// The product of the reflections whose vectors lie below the diagonal, its first columns.
fn householder_product(a: &Args<'_>) -> Result<Tensor> {
    let (x, tau) = (a.tensor(0).read()?, a.tensor(1).read()?);
    if x.rank() < 2 {
        return runtime("torch.linalg.householder_product: input must have at least 2 dimensions.");
    }
    let ((m, n), k) = (sizes(&x), tau.shape().sizes().last().copied().unwrap_or(0));
    if m < n {
        return runtime(
            "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]",
        );
    }
    if n < k {
        return runtime(
            "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]",
        );
    }
    if x.rank() != tau.rank() + 1 || x.shape()[..x.rank() - 2] != tau.shape()[..tau.rank() - 1] {
        return runtime(format!(
            "torch.linalg.householder_product: Expected tau to have one dimension less than input, but got tau.ndim \
             equal to {} and input.ndim is equal to {}",
            tau.rank(),
            x.rank()
        ));
    }
    require_routine("orgqr_cpu", &x)?;
    if x.dtype() != tau.dtype() {
        return Err(Error::DType(format!(
            "torch.linalg.householder_product: tau dtype {} does not match input dtype {}",
            tau.dtype().scalar_type_name(),
            x.dtype().scalar_type_name()
        )));
    }
    // Columns of the identity, reflected from the last to the first.
    let batch: Shape = x.shape()[..x.rank() - 2].iter().copied().collect();
    let vectors = unit_lower(&x)?;
    let mut shape = batch.clone();
    [m, n].into_iter().for_each(|d| shape.push(d.into()));
    let zeros = Recorded::full(Literal::from_f64(x.dtype(), 0.0), &shape)?;
    let mut q = super::matrices::with_diagonal(&zeros, &x.literal(1.0))?.broadcast_to(&shape)?;
    for i in (0..k).rev() {
        let v = vectors.narrow(x.rank() - 1, i, 1)?;
        let scale = tau.narrow(tau.rank() - 1, i, 1)?.unsqueeze(tau.rank())?;
        let along = product(&transpose(&v)?, &q)?;
        q = q.sub(&product(&v, &along)?.mul(&scale)?)?;
    }
    let out = in_columns(if k == 0 { q.flat_in(&[&x, &tau]) } else { q })?;
    keep(a, &[0, 1])?;
    Ok(out)
}

fn removed<T>(name: &str, advice: &str) -> Result<T> {
    runtime(format!(
        "This function was deprecated since version 1.9 and is now removed. `torch.{name}` is deprecated in favor of \
         `torch.linalg.{name}`{advice}."
    ))
}

/// Cholesky's factor of a matrix gives the inverse of this: two triangular systems.
pub(super) fn solve_by_root(b: &Recorded, l: &Recorded, is_upper: bool) -> Result<Recorded> {
    let first = Triangle { upper: is_upper, transposed: is_upper, unit: false };
    let y = solve_triangle(l, b, first)?;
    solve_triangle(l, &y, Triangle { transposed: !is_upper, ..first })
}

crate::entries! {
    "cholesky(Tensor self, *, bool upper=False) -> Tensor" [LINALG | OUT | EXACT] grad "LinalgCholeskyExBackward0"
        "The lower triangular `L` (or upper `U`) with `A = L @ L.mT` (or `U.mT @ U`) of positive matrices, of which \
         only that triangle is read. float32 and float64; raises `linalg.LinAlgError` where a matrix is not positive. \
         Gradient: Murray 2016."
        => |a| {
            let (l, info) = cholesky(a, a.bool(1))?;
            check_cholesky("linalg.cholesky", &info)?;
            finish_cholesky(a, l)
        };
    "cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)" [LINALG | OUT]
        grad "LinalgCholeskyExBackward0"
        "As `cholesky`, with 0 or the order of the first leading minor that is not positive in `info` (int32) instead of \
         an error; such a factor is NaN. Waits for nothing unless `check_errors` is set."
        => |a| {
            let (l, info) = cholesky(a, a.bool(1))?;
            if a.bool(2) {
                check_cholesky("linalg.cholesky_ex", &info)?;
            }
            Ok((finish_cholesky(a, l)?, Tensor::from_value(info)?))
        };
    "cholesky(Tensor self, bool upper=False) -> Tensor" [FUNCTION | METHOD]
        "Removed, as in torch: use `linalg.cholesky`." => |_a| removed::<Tensor>("cholesky", "");
    "qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)" [FUNCTION | METHOD]
        "Removed, as in torch: use `linalg.qr`."
        => |_a| removed::<(Tensor, Tensor)>(
            "qr",
            " and the boolean parameter `some` has been replaced with a string parameter `mode`",
        );
    "lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)" [LINALG | OUT] grad "LinalgLuBackward0"
        "`A = P @ L @ U`: a permutation, a lower triangle with ones on the diagonal, an upper one; rows are exchanged so \
         that pivots are largest. float32 and float64." => |a| lu(a);
    "lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)" [LINALG | OUT] grad "LinalgLuFactorExBackward0"
        "Both triangles of `lu` in one matrix, and the exchanges one after the other, counted from 1 (int32). Raises \
         `linalg.LinAlgError` where a pivot is 0."
        => |a| lu_factor(a, a.bool(1), Some("torch.linalg.lu_factor")).map(|(lu, pivots, _)| (lu, pivots));
    "lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)"
        [LINALG | OUT] grad "LinalgLuFactorExBackward0"
        "As `lu_factor`, with 0 or the number of the first pivot that is 0 in `info` (int32) instead of an error."
        => |a| lu_factor(a, a.bool(1), a.bool(2).then_some("torch.linalg.lu_factor_ex"));
    "lu(Tensor self, bool pivot=True, bool get_infos=False) -> Tensor[]" [FUNCTION | METHOD] grad "LinalgLuFactorExBackward0"
        "The first two results of `linalg.lu_factor_ex`, or all if `get_infos`."
        => |a| {
            let (lu, pivots, info) = lu_factor(a, a.bool(1), None)?;
            Ok(Ret::List(if a.bool(2) { vec![lu, pivots, info] } else { vec![lu, pivots] }))
        };
    "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)"
        [FUNCTION | OUT]
        "The permutation and the triangles of what `linalg.lu_factor` gave; empty where they are not asked for."
        => |a| lu_unpack(a);
    "qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)" [LINALG | OUT] grad "LinalgQrBackward0"
        "`A = Q @ R`: orthonormal columns and an upper triangle, by reflections with LAPACK's signs. `'complete'` gives as \
         many columns as there are rows, `'r'` the triangle alone; neither has a gradient then. float32 and float64. \
         Gradient: Walter and Lehmann 2010." => |a| qr(a);
    "householder_product(Tensor input, Tensor tau) -> Tensor" [LINALG | OUT | EXACT]
        "The first columns of the product of the reflections `1 - tau[i] * v @ v.mT`, whose vectors lie in the columns \
         of `input` below the diagonal, under a 1." => |a| householder_product(a);
    "orgqr(Tensor self, Tensor input2) -> Tensor" [FUNCTION | METHOD] grad "LinalgHouseholderProductBackward0"
        "Another name of `linalg.householder_product`." => |a| householder_product(a);
}
