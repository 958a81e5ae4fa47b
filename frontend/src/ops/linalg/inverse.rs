//! What singular values decide: ranks, generalised inverses, least squares, condition numbers.

use super::matrices::{identity, largest, product, sizes, transpose};
use super::spectral::{decomposed, eigenvalues};
use super::systems::inverse_of;
use super::*;
use crate::compose::Composition;
use crate::ops::norm::{norm_of, operator_norm};
use crate::ops::operands::keep;
use crate::registry::{Arg, Args, Scalar as Number};
use rustorch_ir::Literal;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Scalar, Vectors};

fn epsilon(dtype: DType) -> f64 {
    if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON }
}

/// A tolerance that is a number or a tensor, or nothing.
fn tolerance(a: &Args<'_>, i: usize, x: &Recorded) -> Result<Option<Recorded>> {
    Ok(match a.get(i) {
        Arg::None => None,
        Arg::Tensor(t) => Some(t.read()?.detach().cast(x.dtype())?),
        Arg::Float(value) => Some(Number::Float(*value).recorded(x.dtype())),
        _ => Some(a.tensor(i).read()?.detach().cast(x.dtype())?),
    })
}

/// Values up to this count as 0: `max(atol, rtol * largest)`. Without either, `rtol` is the machine's precision times the
/// longer side.
fn cutoff(
    x: &Recorded,
    largest: &Recorded,
    absolute: Option<Recorded>,
    relative: Option<Recorded>,
) -> Result<Recorded> {
    let (m, n) = sizes(x);
    let default = epsilon(x.dtype()) * m.max(n) as f64;
    let relative = match (relative, &absolute) {
        (Some(relative), _) => relative,
        (None, None) => x.literal(default),
        // With an absolute tolerance above 0 the relative one is 0.
        (None, Some(absolute)) => {
            let given = x.literal(0.0).lt(absolute)?;
            given.select(&x.literal(0.0), &x.literal(default))?
        }
    };
    let absolute = absolute.unwrap_or_else(|| x.literal(0.0));
    let cut = relative.mul(largest)?.map2(Scalar::Max, &absolute)?;
    Ok(cut)
}

/// One axis more, for comparison with each value.
fn beside(x: &Recorded) -> Result<Recorded> {
    x.unsqueeze(x.rank())
}

/// Sizes of singular values, of symmetric matrices by their eigenvalues.
fn values_of(x: &Recorded, hermitian: bool) -> Result<Recorded> {
    if !hermitian {
        return singular_values(x);
    }
    require_squares("linalg.eigh", "A", x)?;
    require_routine("linalg_eigh_cpu", x)?;
    eigenvalues(x, false)?.0.map1(Scalar::Abs)
}

fn matrix_rank(
    a: &Args<'_>,
    absolute: Option<usize>,
    relative: Option<usize>,
    hermitian: bool,
) -> Result<Tensor> {
    let x = a.tensor(0).read()?.detach();
    if x.rank() < 2 {
        return runtime("torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions.");
    }
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        return Err(Error::DType("This function doesn't handle types other than float and double".into()));
    }
    let given = |i: Option<usize>| i.map_or(Ok(None), |i| tolerance(a, i, &x));
    let (absolute, relative) = (given(absolute)?, given(relative)?);
    let values = values_of(&x, hermitian)?;
    let cut = cutoff(&x, &largest(&values)?, absolute, relative)?;
    let counted = beside(&cut)?.lt(&values)?.cast(DType::I64)?;
    Tensor::from_value(counted.reduce(Combine::Add, &[counted.rank() - 1])?)
}

/// The generalised inverse of Moore and Penrose, without singular values up to the tolerance; and what stayed of them.
fn generalised(
    x: &Recorded,
    cut: impl Fn(&Recorded) -> Result<Recorded>,
    hermitian: bool,
) -> Result<(Recorded, Recorded, Recorded)> {
    let still = x.detach();
    let (left, values, right) = if hermitian {
        let (l, v) = eigenvalues(&still, true)?;
        let v = v.unwrap_or_else(|| still.clone());
        (v.clone(), l, transpose(&v)?)
    } else {
        let [u, s, vh] = decomposed(&still, Vectors::Reduced)?;
        (u, s, vh)
    };
    let size = values.map1(Scalar::Abs)?;
    let counts = beside(&cut(&largest(&size)?)?)?.lt(&size)?;
    let inverted = counts.select(&values.literal(1.0).div(&values)?, &values.literal(0.0))?;
    let composition = Composition { name: "linalg_pinv", attributes: &[] };
    let value = composition.record_with_gradient(
        &[x, &left, &inverted, &right],
        |x| {
            let columns = x[2].unsqueeze(x[2].rank() - 1)?;
            product(&transpose(&x[3])?.mul(&columns)?, &transpose(&x[1])?)
        },
        |x, y, g| {
            let still = |v: &Recorded| v.mul_literal(0.0)?.stop_gradient();
            Ok(vec![gradient_of_inverse(&x[0], y, g)?, still(&x[1])?, still(&x[2])?, still(&x[3])?])
        },
    )?;
    Ok((value, counts, values))
}

/// Golub and Pereyra 1973, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
/// separate": of `A` with the generalised inverse `P`.
fn gradient_of_inverse(a: &Recorded, p: &Recorded, g: &Recorded) -> Result<Recorded> {
    let (pt, gt) = (transpose(p)?, transpose(g)?);
    let (m, n) = sizes(a);
    if m <= n {
        let k = product(&gt, p)?;
        let kp = product(&k, &pt)?;
        let first = transpose(&product(p, &k)?)?;
        let second = kp.sub(&product(&product(a, p)?, &kp)?)?;
        let third = product(&product(&pt, p)?, &gt.sub(&product(&k, a)?)?)?;
        return second.sub(&first)?.add(&third);
    }
    let k = product(p, &gt)?;
    let pk = product(&pt, &k)?;
    let first = transpose(&product(&k, p)?)?;
    let second = product(&product(&gt.sub(&product(a, &k)?)?, p)?, &pt)?;
    let third = pk.sub(&product(&product(&pk, p)?, a)?)?;
    second.sub(&first)?.add(&third)
}

fn pinv(a: &Args<'_>, absolute: Option<usize>, relative: Option<usize>, hermitian: bool) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    if x.rank() < 2 || !matches!(x.dtype(), DType::F32 | DType::F64) {
        return runtime(format!(
            "linalg.pinv({}{{{}}}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble types",
            x.dtype().scalar_type_name(),
            crate::ops::view_ops::listed(&crate::ops::view_ops::signed(x.shape()))
        ));
    }
    if hermitian {
        require_squares("linalg.pinv", "A", &x)?;
    }
    let given = |i: Option<usize>| i.map_or(Ok(None), |i| tolerance(a, i, &x));
    let (absolute, relative) = (given(absolute)?, given(relative)?);
    let cut = |largest: &Recorded| cutoff(&x, largest, absolute.clone(), relative.clone());
    let out = Tensor::from_value(generalised(&x, cut, hermitian)?.0)?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    Ok(out)
}

/// Least squares by the generalised inverse, of matrices of any rank.
fn lstsq(a: &Args<'_>) -> Result<Vec<Tensor>> {
    let name = "torch.linalg.lstsq";
    let (x, b) = (a.tensor(0).read()?, a.tensor(1).read()?);
    if x.rank() < 2 {
        return runtime(format!("{name}: input must have at least 2 dimensions."));
    }
    if b.rank() < 1 {
        return runtime(format!("{name}: other must have at least 1 dimension."));
    }
    if x.dtype() != b.dtype() {
        return Err(Error::DType(format!(
            "{name}: Expected input and other to have the same dtype, but got input's dtype {} and other's dtype {}",
            x.dtype().scalar_type_name(),
            b.dtype().scalar_type_name()
        )));
    }
    let less = x.rank() as i64 - b.rank() as i64;
    if !(0..=1).contains(&less) {
        return runtime(format!(
            "{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        ));
    }
    let of_vectors = less == 1;
    let b = if of_vectors { b.unsqueeze(b.rank())? } else { b };
    let (m, n) = sizes(&x);
    if sizes(&b).0 != m {
        let axis = if of_vectors { "-1" } else { "-2" };
        let message = format!("{name}: input.size(-2) should match other.size({axis})");
        return Err(Error::shapes(message, x.shape(), b.shape()));
    }
    let driver = a.opt_string(3).unwrap_or("gelsy");
    if !["gels", "gelsy", "gelsd", "gelss"].contains(&driver) {
        return runtime(format!("{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"));
    }
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        return Err(Error::DType("This function doesn't handle types other than float and double".into()));
    }
    let (whole, b) = batched(&x, &b)?;
    let relative = a.opt_float(2).map(|rcond| Number::Float(rcond).recorded(x.dtype()));
    let cut = |largest: &Recorded| cutoff(&x, largest, None, relative.clone());
    let (inverse, counts, values) = generalised(&whole, cut, false)?;
    let solution = product(&inverse, &b)?;
    let rank = counts.cast(DType::I64)?.reduce(Combine::Add, &[counts.rank() - 1])?;
    // Those of full rank alone have residuals that are no rounding errors.
    let of_full_rank =
        driver == "gels" || integers(&Tensor::from_value(rank.clone())?)?.iter().all(|&r| r == n as i64);
    let residuals = if m > n && of_full_rank && driver != "gelsy" {
        let missed = product(&whole, &solution)?.sub(&b)?;
        Tensor::from_value(missed.mul(&missed)?.reduce(Combine::Add, &[missed.rank() - 2])?)?
    } else {
        Tensor::from_value(no_elements(x.dtype())?.flat_in(&[&x, &b]))?
    };
    let out = if of_vectors { solution.squeeze(solution.rank() - 1)? } else { solution };
    let rank = if driver == "gels" { nothing(DType::I64)? } else { Tensor::from_value(rank)? };
    let with_values = driver == "gelsd" || driver == "gelss";
    let values = if with_values { Tensor::from_value(values)? } else { nothing(x.dtype())? };
    let out = Tensor::from_value(out)?;
    keep(a, &[0, 1])?;
    Ok(vec![out, residuals, rank, values])
}

/// The largest singular value by the smallest, or the norm of the matrix times that of its inverse.
fn cond(a: &Args<'_>, order: Option<Order<'_>>) -> Result<Tensor> {
    let x = a.tensor(0).read()?;
    if x.rank() < 2 {
        return runtime("linalg.cond: The input tensor must have at least 2 dimensions.");
    }
    let batch: Shape = x.shape()[..x.rank() - 2].iter().copied().collect();
    let quotient = |largest: bool| -> Result<Tensor> {
        if x.numel() == 0 {
            return Tensor::from_value(Recorded::full(Literal::from_f64(x.dtype(), 0.0), &batch)?);
        }
        let values = singular_values(&x)?;
        let (axis, k) = (values.rank() - 1, values.shape()[values.rank() - 1].get());
        let first = values.narrow(axis, 0, 1)?;
        let last = values.narrow(axis, k - 1, 1)?;
        let value = if largest { first.div(&last)? } else { last.div(&first)? };
        // Nothing by nothing is what torch makes of it: no condition at all.
        let out = Tensor::from_value(value.squeeze(axis)?)?;
        keep(a, &[0])?;
        Ok(out)
    };
    let shown = match &order {
        None => return quotient(true),
        Some(Order::Number(p)) if *p == 2.0 => return quotient(true),
        Some(Order::Number(p)) if *p == -2.0 => return quotient(false),
        Some(Order::Number(p)) if p.abs() == 1.0 => format!("{p}"),
        Some(Order::Number(p)) if p.is_infinite() => {
            if *p > 0.0 {
                "inf".into()
            } else {
                "-inf".into()
            }
        }
        Some(Order::Name(name)) if *name == "fro" || *name == "nuc" => name.to_string(),
        Some(Order::Number(p)) => {
            return Err(Error::Value(format!("linalg.cond got an invalid norm type: {p}")));
        }
        Some(Order::Name(name)) => {
            return Err(Error::Value(format!("linalg.cond got an invalid norm type: {name}")));
        }
    };
    require_squares(&format!("linalg.cond(ord={shown})"), "A", &x)?;
    if x.numel() == 0 {
        return Tensor::from_value(Recorded::full(Literal::from_f64(x.dtype(), 0.0), &batch)?);
    }
    let (inverse, info) = inverse_of(&x)?;
    let norm = |x: &Recorded| match &order {
        Some(Order::Number(p)) => operator_norm(x, *p),
        Some(Order::Name("nuc")) => {
            let values = singular_values(x)?;
            values.reduce(Combine::Add, &[values.rank() - 1])
        }
        _ => {
            let norm = norm_of(x, 2.0, &[x.rank() - 2, x.rank() - 1])?;
            norm.squeeze(norm.rank() - 1)?.squeeze(norm.rank() - 2)
        }
    };
    // Singular matrices have an infinite condition; their inverse is put in place of something that has norms.
    let singular = info.ne(&info.literal_int(0))?;
    let spread = beside(&beside(&singular)?)?.expand(x.shape())?;
    let inverse = spread.select(&identity(&x)?, &inverse)?;
    let value = norm(&x)?.mul(&norm(&inverse)?)?;
    let out = Tensor::from_value(singular.select(&value.literal(f64::INFINITY), &value)?)?;
    keep(a, &[0])?;
    Ok(out)
}

enum Order<'a> {
    Number(f64),
    Name(&'a str),
}

crate::entries! {
    "matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor" [LINALG | OUT | EXACT]
        "How many singular values are larger than `tol`." => |a| matrix_rank(a, Some(1), None, a.bool(2));
    "matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor" [LINALG | OUT | EXACT]
        "How many singular values are larger than `tol`, one for each matrix."
        => |a| matrix_rank(a, Some(1), None, a.bool(2));
    "matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor"
        [LINALG | OUT | EXACT]
        "How many singular values are larger than `max(atol, rtol * largest)`; by default `rtol` is the precision of the \
         dtype times the longer side. Of symmetric matrices (`hermitian`) eigenvalues are taken. float32 and float64."
        => |a| matrix_rank(a, Some(1), Some(2), a.bool(3));
    "matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor"
        [LINALG | OUT | EXACT] "The same." => |a| matrix_rank(a, Some(1), Some(2), a.bool(3));
    "pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor" [LINALG | OUT | EXACT] grad "LinalgPinvBackward0"
        "The generalised inverse, without singular values up to `rcond` times the largest."
        => |a| pinv(a, None, Some(1), a.bool(2));
    "pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor" [LINALG | OUT | EXACT]
        grad "LinalgPinvBackward0" "The same, one for each matrix." => |a| pinv(a, None, Some(1), a.bool(2));
    "pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor"
        [LINALG | OUT | EXACT] grad "LinalgPinvBackward0"
        "The generalised inverse of Moore and Penrose, without singular values up to `max(atol, rtol * largest)`; by \
         default `rtol` is the precision of the dtype times the longer side. float32 and float64. Gradient: Golub and \
         Pereyra 1973." => |a| pinv(a, Some(1), Some(2), a.bool(3));
    "pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor"
        [LINALG | OUT | EXACT] grad "LinalgPinvBackward0" "The same." => |a| pinv(a, Some(1), Some(2), a.bool(3));
    "pinverse(Tensor self, float rcond=1e-15) -> Tensor" [FUNCTION | METHOD] grad "LinalgPinvBackward0"
        "`linalg.pinv(self, rcond)`." => |a| pinv(a, None, Some(1), false);
    "lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)"
        [LINALG | OUT] grad "LinalgLstsqBackward0"
        "The shortest `X` for which `A @ X` is nearest to `b`, by singular values whatever the `driver`, which decides on \
         the further results as in torch: sums of squared residuals (not for `'gelsy'`, the default), ranks (not for \
         `'gels'`) and singular values (`'gelsd'`, `'gelss'`). Those up to `rcond` times the largest count as 0."
        => |a| lstsq(a);
    "cond(Tensor self, Scalar? p=None) -> Tensor" [LINALG | OUT | EXACT] grad "SqueezeBackward1"
        "How much a system magnifies relative errors: the largest singular value by the smallest (None, 2), the reverse \
         (-2), or a norm (1, -1, inf, -inf) of the matrix times that of its inverse; infinite if that does not exist."
        => |a| cond(a, a.opt_scalar(1).map(|p| Order::Number(p.as_f64())));
    "cond.p_str(Tensor self, str p) -> Tensor" [LINALG | OUT | EXACT] grad "SqueezeBackward1"
        "The same with the norms `'fro'` and `'nuc'`." => |a| cond(a, Some(Order::Name(a.string(1))));
}
