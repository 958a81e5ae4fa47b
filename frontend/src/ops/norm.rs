//! Norms of vectors and matrices.

use super::arithmetic::check_difference;
use super::axes::{Axes, kept, named, reduce, reduced};
use super::operands::keep;
use super::reduce::dropped;
use super::spread::safe_sqrt;
use crate::error::{Error, Result, runtime};
use crate::promote::Promotion;
use crate::record::Recorded;
use crate::registry::{Args, Operand, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;

/// The norm of order `order` along `axes`, which stay with extent 1.
pub(crate) fn norm_of(x: &Recorded, order: f64, axes: &[usize]) -> Result<Recorded> {
    if axes.is_empty() && order != 0.0 {
        return x.map1(Scalar::Abs);
    }
    let size = |x: &Recorded| x.map1(Scalar::Abs);
    if order == 2.0 {
        return safe_sqrt(&reduce(&x.mul(x)?, Combine::Add, axes, true)?);
    }
    if order == 1.0 {
        return reduce(&size(x)?, Combine::Add, axes, true);
    }
    if order == f64::INFINITY {
        return reduce(&size(x)?, Combine::Max, axes, true);
    }
    if order == f64::NEG_INFINITY {
        return reduce(&size(x)?, Combine::Min, axes, true);
    }
    if order == 0.0 {
        let counted = x.detach().ne(&x.literal(0.0))?.cast(x.dtype())?;
        return reduce(&counted, Combine::Add, axes, true);
    }
    let size = size(x)?;
    let zero = x.literal(0.0);
    let powers = if order == 3.0 {
        size.mul(&size)?.mul(&size)?
    } else {
        // The gradient of a power below 1 is infinite at 0, where the norm's is 0.
        let none = size.eq(&zero)?;
        let exponent = Number::Float(order).recorded(x.dtype());
        let at_zero = if order < 0.0 { x.literal(f64::INFINITY) } else { zero.clone() };
        none.select(&at_zero, &none.select(&x.literal(1.0), &size)?.map2(Scalar::Pow, &exponent)?)?
    };
    let sum = reduce(&powers, Combine::Add, axes, true)?;
    let root = Number::Float(1.0 / order).recorded(x.dtype());
    if order < 0.0 {
        // An infinite sum has norm 0, and passes no gradient.
        let none = sum.eq(&x.literal(f64::INFINITY))?;
        return none.select(&zero, &none.select(&x.literal(1.0), &sum)?.map2(Scalar::Pow, &root)?);
    }
    let none = sum.eq(&zero)?;
    none.select(&zero, &none.select(&x.literal(1.0), &sum)?.map2(Scalar::Pow, &root)?)
}

/// The operand of a norm in the dtype in which it is computed, and the dtype of the result.
fn operand(a: &Args<'_>, dtype: Option<DType>) -> Result<(Recorded, DType)> {
    let x = a.tensor(0).read()?;
    let own = x.dtype();
    if !own.is_float() {
        return Err(Error::NotImplemented(format!(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
            own.scalar_type_name()
        )));
    }
    let dtype = dtype.unwrap_or(own);
    if !dtype.is_float() {
        let name = dtype.scalar_type_name();
        return runtime(format!(
            "linalg.vector_norm: dtype should be floating point or complex, but got {name}"
        ));
    }
    if own.promote(dtype) != dtype {
        return runtime(format!(
            "linalg.vector_norm: the dtype of the input ({}) should be convertible without narrowing to the specified \
             dtype ({})",
            own.scalar_type_name(),
            dtype.scalar_type_name()
        ));
    }
    Ok((x.cast(dtype.accumulator())?, dtype))
}

fn require_identity(x: &Recorded, order: f64, dims: Option<&[i64]>, axes: &[usize]) -> Result<()> {
    if x.numel() > 0 || !(order < 0.0 || order == f64::INFINITY) {
        return Ok(());
    }
    let what = match order {
        f64::INFINITY => "inf".to_string(),
        f64::NEG_INFINITY => "-inf".to_string(),
        order => format!("{order}"),
    };
    match dims {
        None | Some([]) => runtime(format!(
            "linalg.vector_norm cannot compute the {what} norm on an empty tensor because the operation does not have \
             an identity"
        )),
        Some(_) => match axes.iter().find(|&&axis| x.shape()[axis].get() == 0) {
            Some(axis) => runtime(format!(
                "linalg.vector_norm cannot compute the {what} norm on the dimension {axis}because this dimension is \
                 empty and the operation does not have an identity"
            )),
            None => Ok(()),
        },
    }
}

fn vector_norm(
    a: &Args<'_>,
    order: f64,
    dims: Option<&[i64]>,
    keepdim: bool,
    dtype: Option<DType>,
) -> Result<Tensor> {
    let (x, dtype) = operand(a, dtype)?;
    let axes = reduced(x.rank(), dims)?;
    require_identity(&x, order, dims, &axes)?;
    let out = finish(norm_of(&x, order, &axes)?, dtype, keepdim, &axes)?;
    keep(a, &[0])?;
    a.save_result(&out)?;
    if order == 0.0 {
        return undefined_gradient(out, a.tensor(0));
    }
    Ok(out)
}

/// `out` with a gradient function that gives `x` no gradient.
fn undefined_gradient(out: Tensor, x: &Tensor) -> Result<Tensor> {
    if crate::grad_mode::is_grad_enabled() && x.requires_grad() {
        let nothing = |_: &[Option<Tensor>]| Ok(vec![None]);
        let outputs = std::slice::from_ref(&out);
        Tensor::attach_backward(
            outputs,
            std::slice::from_ref(x),
            std::sync::Arc::new(nothing),
            "LinalgVectorNormBackward0",
        )?;
    }
    Ok(out)
}

fn finish(norm: Recorded, dtype: DType, keepdim: bool, axes: &[usize]) -> Result<Tensor> {
    let norm = norm.cast(dtype)?;
    Tensor::from_value(if keepdim { norm } else { dropped(&norm, axes)? })
}

/// A norm of the matrices along two axes: by sums along one and extremes along the other, or by singular values.
fn matrix_norm(
    a: &Args<'_>,
    order: &MatrixOrder,
    dims: &[i64],
    keepdim: bool,
    dtype: Option<DType>,
) -> Result<Tensor> {
    let rank = a.tensor(0).dim();
    if dims.len() != 2 {
        return runtime(format!("linalg.matrix_norm: dim must be a 2-tuple. Got {dims:?}"));
    }
    let (row, column) = (crate::view::wrap_axis(dims[0], rank)?, crate::view::wrap_axis(dims[1], rank)?);
    if row == column {
        return runtime(format!("linalg.matrix_norm: dims must be different. Got ({row}, {column})"));
    }
    let (x, dtype) = operand(a, dtype)?;
    let axes = named(rank, dims)?;
    let value = match *order {
        MatrixOrder::Frobenius => norm_of(&x, 2.0, &axes)?,
        MatrixOrder::Sums { largest, along_rows } => {
            let (summed, rest) = if along_rows { (column, row) } else { (row, column) };
            let sums = norm_of(&x, 1.0, &[summed])?;
            let combine = if largest { Combine::Max } else { Combine::Min };
            reduce(&sums, combine, &[rest], true)?
        }
        MatrixOrder::Values(combine) => {
            let own = a.tensor(0).dtype();
            if !matches!(own, DType::F32 | DType::F64) {
                return Err(Error::NotImplemented(format!(
                    "linalg.matrix_norm: Low precision dtypes not supported. Got {}",
                    own.scalar_type_name()
                )));
            }
            let mut order: Vec<usize> = (0..rank).filter(|axis| ![row, column].contains(axis)).collect();
            order.extend([row, column]);
            let value = of_values(&x.permute(&order)?, combine)?;
            value.reshape(&kept(x.shape(), &axes))?
        }
    };
    let out = finish(value, dtype, keepdim, &axes)?;
    keep(a, &[0])?;
    Ok(out)
}

enum MatrixOrder {
    Frobenius,
    /// The largest (or smallest) sum of sizes of a column, or of a row.
    Sums {
        largest: bool,
        along_rows: bool,
    },
    /// The largest, the smallest, or the sum of the singular values.
    Values(Combine),
}

/// The combination of the singular values of the last two axes.
fn of_values(x: &Recorded, combine: Combine) -> Result<Recorded> {
    let values = super::linalg::singular_values(x)?;
    let axis = values.rank() - 1;
    if values.shape()[axis].get() == 0 {
        // Without values there is nothing to choose, but there is a sum.
        let chosen = combine != Combine::Add;
        return if chosen { values.detach().sum(&[axis]) } else { values.sum(&[axis]) };
    }
    values.reduce(combine, &[axis])
}

/// The largest sum of sizes of a column (1) or row (inf) of the last two axes, or the smallest for the negative orders.
pub(crate) fn operator_norm(x: &Recorded, order: f64) -> Result<Recorded> {
    let (row, column) = (x.rank() - 2, x.rank() - 1);
    let (summed, rest) = if order.is_infinite() { (column, row) } else { (row, column) };
    let sums = norm_of(x, 1.0, &[summed])?;
    let combine = if order > 0.0 { Combine::Max } else { Combine::Min };
    reduce(&sums, combine, &[rest], true)?.squeeze(column)?.squeeze(row)
}

impl MatrixOrder {
    fn of_number(order: f64) -> Result<MatrixOrder> {
        let sums = |largest, along_rows| Ok(MatrixOrder::Sums { largest, along_rows });
        match order {
            1.0 => sums(true, false),
            -1.0 => sums(false, false),
            f64::INFINITY => sums(true, true),
            f64::NEG_INFINITY => sums(false, true),
            2.0 => Ok(MatrixOrder::Values(Combine::Max)),
            -2.0 => Ok(MatrixOrder::Values(Combine::Min)),
            order => runtime(format!("linalg.matrix_norm: Order {order} not supported.")),
        }
    }

    fn of_name(order: &str) -> Result<MatrixOrder> {
        match order {
            "fro" => Ok(MatrixOrder::Frobenius),
            "nuc" => Ok(MatrixOrder::Values(Combine::Add)),
            order => runtime(format!("linalg.matrix_norm: Order {order} not supported.")),
        }
    }
}

/// `torch.norm`: of a vector, whatever the axes; a string names a matrix norm.
fn norm_by_name(a: &Args<'_>) -> Result<Tensor> {
    let (order, dims, keepdim, dtype) = (a.string(1), a.opt_ints(2), a.bool(3), a.opt_dtype(4));
    if order == "fro" {
        return vector_norm(a, 2.0, dims, keepdim, dtype);
    }
    let all: Axes = (0..a.tensor(0).dim()).collect();
    let all: Vec<i64> = all.iter().map(|&axis| axis as i64).collect();
    matrix_norm(a, &MatrixOrder::of_name(order)?, dims.unwrap_or(&all), keepdim, dtype)
}

/// `linalg.norm`: of a vector along one axis or without an order, else of a matrix.
fn linalg_norm(a: &Args<'_>) -> Result<Tensor> {
    let (dims, keepdim, dtype) = (a.opt_ints(2), a.bool(3), a.opt_dtype(4));
    let rank = a.tensor(0).dim();
    let order = a.opt_scalar(1).map(Number::as_f64);
    match (order, dims) {
        (None, _) => vector_norm(a, 2.0, dims, keepdim, dtype),
        (Some(order), Some(&[_])) => vector_norm(a, order, dims, keepdim, dtype),
        (Some(order), None) if rank == 1 => vector_norm(a, order, None, keepdim, dtype),
        (Some(_), None) if rank != 2 => runtime(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ".to_string()
                + &format!("{rank}D."),
        ),
        (Some(order), dims) => {
            matrix_norm(a, &MatrixOrder::of_number(order)?, dims.unwrap_or(&[0, 1]), keepdim, dtype)
        }
    }
}

fn dist(a: &Args<'_>) -> Result<Tensor> {
    let (x, y) = (a.tensor(0), a.tensor(1));
    check_difference(a.operand(0), a.operand(1))?;
    let dtype = [x, y].iter().fold(Promotion::default(), |p, &t| p.operand(Operand::Tensor(t))).dtype();
    let difference = x.read()?.cast(dtype)?.sub(&y.read()?.cast(dtype)?)?;
    let axes: Axes = (0..difference.rank()).collect();
    let wide = difference.cast(dtype.accumulator())?;
    let out = finish(norm_of(&wide, a.scalar(2).as_f64(), &axes)?, dtype, false, &axes)?;
    keep(a, &[0, 1])?;
    Ok(out)
}

/// `x / max(norm(x), eps)`.
fn normalize(a: &Args<'_>) -> Result<Tensor> {
    let (x, dtype) = operand(a, None)?;
    let axes = named(x.rank(), a.ints(2))?;
    let norm = norm_of(&x, a.float(1), &axes)?.cast(dtype)?;
    let eps = Number::Float(a.float(3)).recorded(dtype);
    let floor = super::extremes::bounded(&norm, Some(&eps), None)?;
    let x = a.tensor(0);
    let out = super::layout::finish(x.read()?.div(&floor)?, &[x])?;
    debug_assert_eq!(kept(&x.sizes(), &axes), *floor.shape());
    keep(a, &[0])?;
    Ok(out)
}

crate::entries! {
    "norm.Scalar(Tensor self, Scalar? p=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | METHOD] grad "LinalgVectorNormBackward0"
        "The norm of order `p` of all elements, or along the axes `dim`, as of one vector: `sum(|x|**p)**(1/p)`, the \
         largest size for inf, the smallest for -inf, the number of nonzero elements for 0. Floats only."
        => |a| vector_norm(a, a.opt_scalar(1).map_or(2.0, Number::as_f64), a.opt_ints(2), a.bool(3), a.opt_dtype(4));
    "norm.str(Tensor self, str p, int[]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [FUNCTION | METHOD] grad "LinalgVectorNormBackward0"
        "`'fro'`: the root of the sum of squares." => |a| norm_by_name(a);
    "vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [LINALG | OUT | EXACT] grad "LinalgVectorNormBackward0"
        "The norm of order `ord` of all elements, or along the axes `dim`. Floats only."
        => |a| vector_norm(a, a.scalar(1).as_f64(), a.opt_ints(2), a.bool(3), a.opt_dtype(4));
    "matrix_norm(Tensor self, Scalar ord, int[] dim=[-2,-1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [LINALG] grad "LinalgVectorNormBackward0"
        "A norm of the matrices along two axes: 1 and -1 by column sums, inf and -inf by row sums, 2 and -2 the largest and \
         the smallest singular value."
        => |a| matrix_norm(a, &MatrixOrder::of_number(a.scalar(1).as_f64())?, a.ints(2), a.bool(3), a.opt_dtype(4));
    "matrix_norm.str_ord(Tensor self, str ord='fro', int[] dim=[-2,-1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [LINALG] grad "LinalgVectorNormBackward0"
        "`'fro'`: the root of the sum of squares; `'nuc'`: the sum of the singular values."
        => |a| matrix_norm(a, &MatrixOrder::of_name(a.string(1))?, a.ints(2), a.bool(3), a.opt_dtype(4));
    "norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [LINALG | OUT | EXACT] grad "LinalgVectorNormBackward0"
        "Without `ord` the root of the sum of squares; else a vector norm along one axis or of a vector, or a matrix \
         norm." => |a| linalg_norm(a);
    "norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
        [LINALG | OUT | EXACT] grad "LinalgVectorNormBackward0"
        "A matrix norm by name: `'fro'` or `'nuc'`." => |a| {
            matrix_norm(a, &MatrixOrder::of_name(a.string(1))?, a.opt_ints(2).unwrap_or(&[0, 1]), a.bool(3), a.opt_dtype(4))
        };
    "dist(Tensor self, Tensor other, Scalar p=2) -> Tensor" [FUNCTION | METHOD]
        "The norm of order `p` of `self - other`, which are broadcast." => |a| dist(a);
    "normalize(Tensor self, float p=2.0, int[1] dim=1, float eps=1e-12) -> Tensor" [NN] grad "DivBackward0"
        "Each vector along `dim` divided by its norm, or by `eps` if that is larger." => |a| normalize(a);
}
