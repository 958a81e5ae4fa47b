//! Systems of equations, with general matrices, triangles, and factors that are given.

use super::factors::{eliminated, places_of, solve_by_root};
use super::matrices::{exchange, identity, sizes, transpose};
use super::*;
use crate::ops::operands::keep;
use crate::promote::c_name;
use crate::registry::Args;
use rustorch_ir::op::Solve;

/// The solution of `op(A) X = B` by the factors of `A`.
pub(super) fn solve_by_factors(
    a: &Recorded,
    (lu, places): (&Recorded, &Recorded),
    b: &Recorded,
    transposed: bool,
) -> Result<Recorded> {
    Recorded::apply(Op::Solve(Solve { transposed }), &[a, lu, places, b])
}

/// torch's refusal of shapes and dtypes that do not go together.
fn check_system(name: &str, a: &Recorded, b: &Recorded, left: bool) -> Result<()> {
    require_squares(name, "A", a)?;
    require_matrices(name, "B", b)?;
    let ((m, n), (rows, columns)) = (sizes(a), sizes(b));
    if m != if left { rows } else { columns } {
        let equation = if left { "AX = B" } else { "XA = B" };
        let message = format!(
            "{name}: Incompatible shapes of A and B for the equation {equation} ({m}x{n} and {rows}x{columns})"
        );
        return Err(Error::shapes(message, a.shape(), b.shape()));
    }
    Ok(())
}

fn check_dtypes(name: &str, a: &Recorded, b: &Recorded) -> Result<()> {
    if a.dtype() == b.dtype() {
        return Ok(());
    }
    Err(Error::DType(format!(
        "{name}: Expected A and B to have the same dtype, but found A of type {} and B of type {} instead",
        a.dtype().scalar_type_name(),
        b.dtype().scalar_type_name()
    )))
}

/// The solution and what elimination says of the matrices.
fn solve(a: &Args<'_>) -> Result<(Tensor, Recorded)> {
    let (x, b) = (a.tensor(0).read()?, a.tensor(1).read()?);
    let left = a.bool(2);
    require_floats("linalg.solve", &x)?;
    check_dtypes("linalg.solve", &x, &b)?;
    require_squares("linalg.solve", "A", &x)?;
    let of_vectors = b.rank() == 1 || (b.rank() + 1 == x.rank() && b.shape()[..] == x.shape()[..b.rank()]);
    let b = if of_vectors { b.unsqueeze(b.rank())? } else { b };
    check_system("linalg.solve", &x, &b, left)?;
    require_routine("lu_cpu", &x)?;
    // Of matrices that several right sides share one factorisation is enough.
    let e = eliminated(&x.detach())?;
    let (whole, b) = batched(&x, &b)?;
    let batch: Shape = whole.shape()[..whole.rank() - 1].iter().copied().collect();
    let (lu, places) = (e.lu.broadcast_to(whole.shape())?, e.places.broadcast_to(&batch)?);
    let value = if left {
        solve_by_factors(&whole, (&lu, &places), &b, false)?
    } else {
        transpose(&solve_by_factors(&whole, (&lu, &places), &transpose(&b)?, true)?)?
    };
    let out = if of_vectors {
        Tensor::from_value(value.squeeze(value.rank() - 1)?)?
    } else if left {
        in_columns(value)?
    } else {
        Tensor::from_value(value)?
    };
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok((out, e.info))
}

fn check_solve(name: &str, info: &Recorded) -> Result<()> {
    check(name, info, |_| "The solver failed because the input matrix is singular.".into())
}

/// Inverses, and what elimination says of the matrices.
fn inverse(a: &Args<'_>) -> Result<(Tensor, Recorded)> {
    let (value, info) = inverse_of(&a.tensor(0).read()?)?;
    let out = in_columns(value)?;
    a.save_result(&out)?;
    Ok((out, info))
}

pub(super) fn inverse_of(x: &Recorded) -> Result<(Recorded, Recorded)> {
    require_squares("linalg.inv", "A", x)?;
    require_precision("linalg.inv", x)?;
    let e = eliminated(&x.detach())?;
    Ok((solve_by_factors(x, (&e.lu, &e.places), &identity(x)?, false)?, e.info))
}

pub(super) fn check_inverse(name: &str, info: &Recorded) -> Result<()> {
    check(name, info, |k| {
        format!(
            "The diagonal element {k} is zero, the inversion could not be completed because the input matrix is singular."
        )
    })
}

fn checked_inverse(a: &Args<'_>) -> Result<Tensor> {
    let (out, info) = inverse(a)?;
    check_inverse("linalg.inv", &info)?;
    Ok(out)
}

fn solve_triangular(a: &Args<'_>) -> Result<Tensor> {
    let (x, b) = (a.tensor(0).read()?, a.tensor(1).read()?);
    let (upper, left, unit) = (a.bool(2), a.bool(3), a.bool(4));
    check_system("linalg.solve_triangular", &x, &b, left)?;
    require_routine("triangular_solve_cpu", &x)?;
    check_dtypes("linalg.solve_triangular", &x, &b)?;
    let (x, b) = batched(&x, &b)?;
    let triangle = Triangle { upper, transposed: !left, unit };
    let b = if left { b } else { transpose(&b)? };
    let value = solve_triangle(&x, &b, triangle)?;
    let out = in_columns(if left { value } else { transpose(&value)? })?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

/// Shapes and dtypes of the older functions, whose right side comes first.
fn check_old(name: &str, b: &Recorded, x: &Recorded) -> Result<()> {
    let (rows, columns) = sizes(b);
    let (m, n) = sizes(x);
    if x.dtype() != b.dtype() {
        return Err(Error::DType(format!(
            "Expected b and A to have the same dtype, but got {} and {}",
            c_name(b.dtype()),
            c_name(x.dtype())
        )));
    }
    if m != n {
        return Err(Error::Shape(format!(
            "A must be batches of square matrices, but they are {m} by {n} matrices"
        )));
    }
    if n != rows {
        let message = format!(
            "Incompatible matrix sizes for {name}: each A matrix is {m} by {n} but each b matrix is {rows} by {columns}"
        );
        return Err(Error::shapes(message, x.shape(), b.shape()));
    }
    Ok(())
}

fn triangular_solve(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let (b, x) = (a.tensor(0).read()?, a.tensor(1).read()?);
    for (what, v) in [("b", &b), ("A", &x)] {
        if v.rank() < 2 {
            return runtime(format!(
                "torch.triangular_solve: Expected {what} to have at least 2 dimensions, but it has {} dimensions instead",
                v.rank()
            ));
        }
    }
    check_old("triangular_solve", &b, &x)?;
    require_routine("triangular_solve_cpu", &x)?;
    let (x, b) = batched(&x, &b)?;
    let triangle = Triangle { upper: a.bool(2), transposed: a.bool(3), unit: a.bool(4) };
    Ok((in_columns(solve_triangle(&x, &b, triangle)?)?, in_columns(x)?))
}

fn cholesky_solve(a: &Args<'_>) -> Result<Tensor> {
    let (b, l) = (a.tensor(0).read()?, a.tensor(1).read()?);
    for (what, v) in [("b", &b), ("u", &l)] {
        if v.rank() < 2 {
            let rank = v.rank();
            return runtime(format!(
                "{what} should have at least 2 dimensions, but has {rank} dimensions instead"
            ));
        }
    }
    check_old("cholesky_solve", &b, &l)?;
    require_routine("cholesky_solve_cpu", &l)?;
    let (l, b) = batched(&l, &b)?;
    let out = in_columns(solve_by_root(&b, &l, a.bool(2))?)?;
    keep(a, &[1])?;
    a.save_result(&out)?;
    Ok(out)
}

fn cholesky_inverse(a: &Args<'_>) -> Result<Tensor> {
    let l = a.tensor(0).read()?;
    require_squares("cholesky_inverse", "A", &l)?;
    require_routine("cholesky_inverse_out_cpu", &l)?;
    let out = in_columns(solve_by_root(&identity(&l)?, &l, a.bool(1))?)?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

/// Systems whose factors the user has: their gradient flows into the factors.
fn lu_solve(
    a: &Args<'_>,
    name: &str,
    (lu, pivots, b): (&Tensor, &Tensor, &Tensor),
    (left, adjoint): (bool, bool),
) -> Result<Tensor> {
    let (lu, b) = (lu.read()?, b.read()?);
    check_system(name, &lu, &b, left)?;
    require_routine("lu_solve_cpu", &lu)?;
    check_dtypes(name, &lu, &b)?;
    if pivots.dtype() != DType::I32 {
        return Err(Error::DType(format!("{name}: pivots should be a Tensor of scalar type torch.int32")));
    }
    let n = sizes(&lu).0;
    if pivots.dim() == 0 || pivots.sizes()[pivots.dim() - 1].get() != n {
        return runtime(format!(
            "{name}: Number of pivots per batch should be same as the dimension of the matrix"
        ));
    }
    if pivots.sizes()[..] != lu.shape()[..lu.rank() - 1] {
        return runtime(format!(
            "{name}: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape {} instead",
            pivots.sizes()
        ));
    }
    let places = places_of("lu_solve", pivots, n)?;
    let b = if left { b } else { transpose(&b)? };
    let (lu, b) = batched(&lu, &b)?;
    let batch: Shape = lu.shape()[..lu.rank() - 1].iter().copied().collect();
    let places = places.broadcast_to(&batch)?;
    // From the right side it is the system of the transposed matrix, and the adjoint of that of the matrix.
    let transposed = left == adjoint;
    let lower = Triangle { upper: false, transposed, unit: true };
    let upper = Triangle { upper: true, transposed, unit: false };
    let value = if transposed {
        let y = solve_triangle(&lu, &b, upper)?;
        exchange(&solve_triangle(&lu, &y, lower)?, &places, true)?
    } else {
        let y = solve_triangle(&lu, &exchange(&b, &places, false)?, lower)?;
        solve_triangle(&lu, &y, upper)?
    };
    let out = if left { in_columns(value)? } else { Tensor::from_value(transpose(&value)?)? };
    a.save_result(&out)?;
    Ok(out)
}

crate::entries! {
    "solve(Tensor A, Tensor B, *, bool left=True) -> Tensor" [LINALG | OUT | EXACT] grad "LinalgSolveExBackward0"
        "The solution of `A @ X = B`, or of `X @ A = B` if not `left`; `B` may be a vector for each matrix. Raises \
         `linalg.LinAlgError` where a matrix is singular. float32 and float64."
        => |a| {
            let (out, info) = solve(a)?;
            check_solve("torch.linalg.solve", &info)?;
            Ok(out)
        };
    "solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)"
        [LINALG | OUT] grad "LinalgSolveExBackward0"
        "As `solve`, with 0 or the number of the first pivot that is 0 in `info` (int32) instead of an error."
        => |a| {
            let (out, info) = solve(a)?;
            if a.bool(3) {
                check_solve("torch.linalg.solve_ex", &info)?;
            }
            Ok((out, Tensor::from_value(info)?))
        };
    "inv(Tensor A) -> Tensor" [LINALG | OUT | EXACT] grad "LinalgInvExBackward0"
        "The inverse. Raises `linalg.LinAlgError` where a matrix is singular. float32 and float64; `solve` is more \
         precise than a product with it." => |a| checked_inverse(a);
    "inverse(Tensor self) -> Tensor" [FUNCTION | METHOD | OUT | EXACT] grad "LinalgInvExBackward0"
        "Another name of `linalg.inv`." => |a| checked_inverse(a);
    "inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)" [LINALG | OUT]
        grad "LinalgInvExBackward0"
        "As `inv`, with 0 or the number of the first pivot that is 0 in `info` (int32) instead of an error."
        => |a| {
            let (out, info) = inverse(a)?;
            if a.bool(1) {
                check_inverse("linalg.inv_ex", &info)?;
            }
            Ok((out, Tensor::from_value(info)?))
        };
    "solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor"
        [LINALG | OUT | EXACT] grad "LinalgSolveTriangularBackward0"
        "The solution of `A @ X = B`, or of `X @ A = B` if not `left`, for triangular `A`, of which the other triangle is \
         not read, nor the diagonal if it is to count as ones. Where the diagonal is 0 the result is not finite."
        => |a| solve_triangular(a);
    "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)"
        [FUNCTION | METHOD | OUT]
        "Superseded by `linalg.solve_triangular`: the solution of `A @ X = self`, and a copy of `A`."
        => |a| triangular_solve(a);
    "cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The solution of `A @ X = self` for the matrix whose Cholesky factor is `input2`." => |a| cholesky_solve(a);
    "cholesky_inverse(Tensor self, bool upper=False) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        "The inverse of the matrix whose Cholesky factor is `self`." => |a| cholesky_inverse(a);
    "lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor"
        [LINALG | OUT | EXACT] grad "LinalgLuSolveBackward0"
        "The solution of `A @ X = B`, of `X @ A = B` if not `left`, or of the transposed matrix's system if `adjoint`, by \
         what `linalg.lu_factor` gave for `A`."
        => |a| lu_solve(a, "linalg.lu_solve", (a.tensor(0), a.tensor(1), a.tensor(2)), (a.bool(3), a.bool(4)));
    "lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor" [FUNCTION | METHOD | OUT | EXACT]
        grad "LinalgLuSolveBackward0"
        "The solution of `A @ X = self`, by what `linalg.lu_factor` gave for `A`."
        => |a| lu_solve(a, "linalg.lu_solve", (a.tensor(1), a.tensor(2), a.tensor(0)), (true, false));
}
