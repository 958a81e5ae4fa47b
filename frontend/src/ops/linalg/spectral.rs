//! Singular values, eigenvalues, and their vectors.

use super::matrices::transpose;
use super::*;
use crate::registry::Args;
use rustorch_ir::Literal;
use rustorch_ir::op::Vectors;

fn check_svd(info: &Recorded) -> Result<()> {
    check("linalg.svd", info, |_| {
        "The algorithm failed to converge because the input matrix contained non-finite values.".into()
    })
}

fn operand_of_svd(name: &str, x: &Recorded) -> Result<()> {
    require_matrices(name, "A", x)?;
    require_floats(name, x)?;
    require_routine("linalg_svd_cpu", x)
}

fn refuse_driver(driver: Option<&str>) -> Result<()> {
    if driver.is_some() {
        return runtime(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.",
        );
    }
    Ok(())
}

/// Left vectors, values, right vectors; computed now, since they may not exist.
pub(super) fn decomposed(x: &Recorded, vectors: Vectors) -> Result<[Recorded; 3]> {
    let results = factor(Form::Svd(vectors), x)?;
    check_svd(&results[3])?;
    Ok([0, 1, 2].map(|i| results[i].clone()))
}

/// The singular values, largest first, computed now. Where there will be a gradient the vectors are kept for it.
pub(crate) fn singular_values(x: &Recorded) -> Result<Recorded> {
    operand_of_svd("linalg.svd", x)?;
    if x.tracks() && crate::grad_mode::is_grad_enabled() {
        let [_, values, _] = decomposed(x, Vectors::Reduced)?;
        return Ok(values);
    }
    let results = factor(Form::Svd(Vectors::None), x)?;
    check_svd(&results[1])?;
    Ok(results[0].clone())
}

/// The eigenvalues, smallest first, computed now, and perhaps the vectors.
pub(super) fn eigenvalues(x: &Recorded, vectors: bool) -> Result<(Recorded, Option<Recorded>)> {
    let both = vectors || x.tracks() && crate::grad_mode::is_grad_enabled();
    let results = factor(Form::Eigh { vectors: both }, x)?;
    let n = x.shape()[x.rank() - 1].get();
    let info = &results[if both { 2 } else { 1 }];
    check("linalg.eigh", info, |_| {
        // LAPACK's code for no convergence at all.
        let code = if n > 1 { n - 1 } else { 1 };
        format!(
            "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated \
             eigenvalues (error code: {code})."
        )
    })?;
    Ok((results[0].clone(), vectors.then(|| results[1].clone())))
}

fn operand_of_eigh(a: &Args<'_>) -> Result<Recorded> {
    let x = a.tensor(0).read()?;
    require_squares("linalg.eigh", "A", &x)?;
    let side = a.string(1);
    let upper = match side {
        "L" | "l" => false,
        "U" | "u" => true,
        other => return runtime(format!("Expected UPLO argument to be 'L' or 'U', but got {other}")),
    };
    require_routine("linalg_eigh_cpu", &x)?;
    if upper { transpose(&x) } else { Ok(x) }
}

fn eigh(a: &Args<'_>) -> Result<(Tensor, Tensor)> {
    let x = operand_of_eigh(a)?;
    let (values, vectors) = eigenvalues(&x, true)?;
    let out = (Tensor::from_value(values)?, in_columns(vectors.unwrap_or(x))?);
    a.save(&out.0)?;
    a.save(&out.1)?;
    Ok(out)
}

fn eigvalsh(a: &Args<'_>) -> Result<Tensor> {
    Tensor::from_value(eigenvalues(&operand_of_eigh(a)?, false)?.0)
}

fn svd(a: &Args<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    operand_of_svd("linalg.svd", &x)?;
    refuse_driver(a.opt_string(2))?;
    let vectors = if a.bool(1) { Vectors::Complete } else { Vectors::Reduced };
    let [u, s, vh] = decomposed(&x, vectors)?;
    let out = (in_columns(u)?, Tensor::from_value(s)?, in_columns(vh)?);
    a.save(&out.0)?;
    a.save(&out.1)?;
    a.save(&out.2)?;
    Ok(out)
}

/// `torch.svd`: right vectors as columns, and zeros where no vectors are asked for.
fn old_svd(a: &Args<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    let x = a.tensor(0).read()?;
    if x.rank() < 2 {
        return runtime(
            "linalg.svd: input should have at least 2 dimensions, but has ".to_string()
                + &format!("{} dimensions instead", x.rank()),
        );
    }
    operand_of_svd("linalg.svd", &x)?;
    if !a.bool(2) {
        let (m, n) = super::matrices::sizes(&x);
        let zeros = |d: usize| {
            let batch = x.shape()[..x.rank() - 2].iter().copied();
            let shape = batch.chain([d.into(), d.into()]).collect();
            Recorded::full(Literal::from_f64(x.dtype(), 0.0), &shape)
        };
        let values = Tensor::from_value(singular_values(&x)?)?;
        return Ok((Tensor::from_value(zeros(m)?)?, values, in_columns(zeros(n)?)?));
    }
    let [u, s, vh] = decomposed(&x, if a.bool(1) { Vectors::Reduced } else { Vectors::Complete })?;
    let out = (in_columns(u)?, Tensor::from_value(s)?, Tensor::from_value(transpose(&vh)?)?);
    a.save(&out.0)?;
    a.save(&out.1)?;
    a.save(&out.2)?;
    Ok(out)
}

crate::entries! {
    "svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)" [LINALG | OUT]
        grad "LinalgSvdBackward0"
        "`A = U @ diag(S) @ Vh` with orthonormal columns of `U` and rows of `Vh`, and singular values, largest first. \
         Signs of vectors, and bases of those of equal values, are open. float32 and float64; raises \
         `linalg.LinAlgError` where an element is not finite. Vectors of equal values have no gradient (it is NaN); \
         those beyond the smaller size count as constant. Gradient: Townsend 2016." => |a| svd(a);
    "svdvals(Tensor A, *, str? driver=None) -> Tensor" [LINALG | OUT | EXACT] grad "LinalgSvdBackward0"
        "The singular values, largest first. float32 and float64."
        => |a| {
            let x = a.tensor(0).read()?;
            operand_of_svd("linalg.svd", &x)?;
            refuse_driver(a.opt_string(1))?;
            Tensor::from_value(singular_values(&x)?)
        };
    "svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)" [FUNCTION | METHOD | OUT]
        grad "LinalgSvdBackward0"
        "As `linalg.svd`, reduced if `some`, with right vectors as columns; zeros for vectors that are not asked for."
        => |a| old_svd(a);
    "eigh(Tensor self, str UPLO='L') -> (Tensor eigenvalues, Tensor eigenvectors)" [LINALG | OUT]
        grad "LinalgEighBackward0"
        "Eigenvalues, smallest first, and orthonormal eigenvectors (columns) of symmetric matrices, of which the lower or \
         upper triangle is read. float32 and float64; raises `linalg.LinAlgError` where an element is not finite. \
         Gradient: Giles 2008; vectors of equal values have none (it is NaN)." => |a| eigh(a);
    "eigvalsh(Tensor self, str UPLO='L') -> Tensor" [LINALG | OUT | EXACT] grad "LinalgEighBackward0"
        "Eigenvalues of symmetric matrices, smallest first." => |a| eigvalsh(a);
}
