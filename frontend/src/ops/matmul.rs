//! Products of matrices and vectors.

use super::operands::{Operands, keep_other, not_implemented};
use crate::error::{Error, Result, runtime};
use crate::promote::c_name;
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

pub(crate) fn mismatch<T>(message: String, x: &Recorded, y: &Recorded) -> Result<T> {
    Err(Error::shapes(message, x.shape(), y.shape()))
}

/// torch has no products of bools, and notices where there is something to multiply.
pub(crate) fn refuse_bool(kernel: &str, x: &Recorded, y: &Recorded) -> Result<()> {
    if x.dtype() == DType::Bool && x.numel() > 0 && y.numel() > 0 {
        return not_implemented(kernel, DType::Bool);
    }
    Ok(())
}

/// Sums of products over axes in pairs, for operands that were checked.
pub(crate) fn contract(
    x: &Recorded,
    y: &Recorded,
    batch: (&[usize], &[usize]),
    summed: (&[usize], &[usize]),
) -> Result<Recorded> {
    if x.dtype() != DType::Bool {
        return x.contract(y, batch, summed);
    }
    x.cast(DType::U8)?.contract(&y.cast(DType::U8)?, batch, summed)?.cast(DType::Bool)
}

/// `2x3`
pub(crate) fn by(shape: &Shape) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    sizes.join("x")
}

/// The operands of a product of matrices as torch names them in its errors.
fn check_mm(name: &str, x: &Recorded, y: &Recorded) -> Result<()> {
    for (what, v) in [("self", x), ("mat2", y)] {
        if v.rank() != 2 {
            return mismatch(format!("{name}: {what} must be a matrix, got {}-D tensor", v.rank()), x, y);
        }
    }
    if x.shape()[1] != y.shape()[0] {
        let shapes = format!("{} and {}", by(x.shape()), by(y.shape()));
        return mismatch(format!("{name}: mat1 and mat2 shapes cannot be multiplied ({shapes})"), x, y);
    }
    if x.dtype() != y.dtype() {
        let (a, b) = (c_name(x.dtype()), c_name(y.dtype()));
        return Err(Error::DType(format!("expected m1 and m2 to have the same dtype, but got: {a} != {b}")));
    }
    refuse_bool("addmm_impl_cpu_", x, y)
}

pub(crate) fn mm_of(name: &str, x: &Recorded, y: &Recorded) -> Result<Recorded> {
    check_mm(name, x, y)?;
    contract(x, y, (&[], &[]), (&[1], &[0]))
}

pub(crate) fn bmm_of(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    for (what, v) in [("batch1", x), ("batch2", y)] {
        if v.rank() != 3 {
            return mismatch(format!("{what} must be a 3D tensor"), x, y);
        }
    }
    check_batches(x, y)?;
    contract(x, y, (&[0], &[0]), (&[2], &[1]))
}

pub(crate) fn check_batches(x: &Recorded, y: &Recorded) -> Result<()> {
    let rank = x.rank();
    let (batch, inner) = (x.shape()[0], x.shape()[rank - 1]);
    if y.shape()[0] != batch || y.shape()[rank - 2] != inner {
        let message = format!(
            "Expected size for first two dimensions of batch2 tensor to be: [{batch}, {inner}] but got: [{}, {}].",
            y.shape()[0],
            y.shape()[rank - 2]
        );
        return mismatch(message, x, y);
    }
    if x.dtype() != y.dtype() {
        let (a, b) = (x.dtype().scalar_type_name(), y.dtype().scalar_type_name());
        return Err(Error::DType(format!("expected scalar type {a} but found {b}")));
    }
    refuse_bool("bmm", x, y)
}

pub(crate) fn mv_of(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    if x.rank() != 2 || y.rank() != 1 {
        let message = format!("vector + matrix @ vector expected, got 1, {}, {}", x.rank(), y.rank());
        return mismatch(message, x, y);
    }
    if x.shape()[1] != y.shape()[0] {
        let (rows, vector) = (x.shape()[0], y.shape()[0]);
        let message = format!("size mismatch, got input ({rows}), mat ({}), vec ({vector})", by(x.shape()));
        return mismatch(message, x, y);
    }
    if x.dtype() != y.dtype() {
        let (a, b) = (x.dtype().scalar_type_name(), y.dtype().scalar_type_name());
        return Err(Error::DType(format!(
            "addmv input tensors must have the same dtype, but got {b}, {a}, and {b}"
        )));
    }
    refuse_bool("addmv_impl_cpu", x, y)?;
    contract(x, y, (&[], &[]), (&[1], &[0]))
}

fn dot_of(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    if x.rank() != 1 || y.rank() != 1 {
        let message = format!("1D tensors expected, but got {}D and {}D tensors", x.rank(), y.rank());
        return mismatch(message, x, y);
    }
    if x.dtype() != y.dtype() {
        let (a, b) = (x.dtype().scalar_type_name(), y.dtype().scalar_type_name());
        let message = format!("dot : expected both vectors to have same dtype, but found {a} and {b}");
        return Err(Error::DType(message));
    }
    if x.shape() != y.shape() {
        let message = format!(
            "inconsistent tensor size, expected tensor {} and src {} to have the same number of elements, but got {} \
             and {} elements respectively",
            x.shape(),
            y.shape(),
            x.numel(),
            y.numel()
        );
        return mismatch(message, x, y);
    }
    if x.dtype() == DType::Bool {
        return not_implemented("dot", DType::Bool);
    }
    contract(x, y, (&[], &[]), (&[0], &[0]))
}

/// torch's `matmul`: by rank a product of vectors, matrices or batches of them.
pub(crate) fn matmul_of(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    let (m, n) = (x.rank(), y.rank());
    match (m, n) {
        (0, _) | (_, 0) => {
            let message =
                format!("both arguments to matmul need to be at least 1D, but they are {m}D and {n}D");
            mismatch(message, x, y)
        }
        (1, 1) => dot_of(x, y),
        (2, 1) => mv_of(x, y),
        (1, 2) => mm_of("mm", &x.unsqueeze(0)?, y)?.squeeze(0),
        (2, 2) => mm_of("mm", x, y),
        (_, 1 | 2) => folded(x, y),
        (1 | 2, _) => {
            check_inner(x, y, m - 1, n - 2)?;
            // The free axes of the left operand come first, behind them the batch.
            let product = contract(x, y, (&[], &[]), (&[m - 1], &[n - 2]))?;
            let mut order: SmallVec<[usize; 8]> = (0..product.rank()).collect();
            if m == 2 {
                order.rotate_left(1);
                let rows = order.pop().unwrap_or(0);
                order.insert(order.len() - 1, rows);
            }
            product.permute(&order)
        }
        _ => batched(x, y),
    }
}

/// A matrix or vector on the right of a batch is one for all of it.
fn folded(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    let rows: usize = x.shape()[..x.rank() - 1].iter().map(|d| d.get()).product();
    let last = x.rank() - 1;
    let matrix = Shape::from_sizes(&[rows, x.shape()[last].get()]);
    if x.shape()[last] != y.shape()[0] || x.dtype() != y.dtype() || x.dtype() == DType::Bool {
        let flat = x.detach().reshape(&matrix)?;
        return if y.rank() == 1 { mv_of(&flat, y) } else { mm_of("mm", &flat, y) };
    }
    contract(x, y, (&[], &[]), (&[last], &[0]))
}

fn check_inner(x: &Recorded, y: &Recorded, i: usize, j: usize) -> Result<()> {
    let batch: usize = y.shape()[..y.rank() - 2].iter().map(|d| d.get()).product();
    if x.shape()[i] != y.shape()[j] {
        let message = format!(
            "Expected size for first two dimensions of batch2 tensor to be: [{batch}, {}] but got: [{batch}, {}].",
            x.shape()[i],
            y.shape()[j]
        );
        return mismatch(message, x, y);
    }
    if x.dtype() != y.dtype() {
        let (a, b) = (x.dtype().scalar_type_name(), y.dtype().scalar_type_name());
        return Err(Error::DType(format!("expected scalar type {a} but found {b}")));
    }
    refuse_bool("bmm", x, y)
}

/// Batches of matrices on both sides: their other axes are broadcast.
fn batched(x: &Recorded, y: &Recorded) -> Result<Recorded> {
    let split = |v: &Recorded| -> (Shape, Shape) {
        let at = v.rank() - 2;
        (v.shape()[..at].iter().copied().collect(), v.shape()[at..].iter().copied().collect())
    };
    let ((x_batch, x_matrix), (y_batch, y_matrix)) = (split(x), split(y));
    let batch = crate::record::broadcast_shapes(&x_batch, &y_batch)?;
    check_inner(x, y, x.rank() - 1, y.rank() - 2)?;
    let whole = |matrix: &Shape| -> Shape { batch.iter().chain(matrix.iter()).copied().collect() };
    let (x, y) = (x.broadcast_to(&whole(&x_matrix))?, y.broadcast_to(&whole(&y_matrix))?);
    let axes: SmallVec<[usize; 8]> = (0..batch.rank()).collect();
    contract(&x, &y, (&axes, &axes), (&[batch.rank() + 1], &[batch.rank()]))
}

/// A product of arguments 0 and 1.
pub(crate) fn product(
    a: &Args<'_>,
    f: impl FnOnce(&Recorded, &Recorded) -> Result<Recorded>,
) -> Result<Tensor> {
    let values = [a.tensor(0).read()?, a.tensor(1).read()?];
    let out = Tensor::from_value(f(&values[0], &values[1])?)?;
    keep_other(a, &values)?;
    Ok(out)
}

pub(crate) fn vectors(name: &str, names: [&str; 2], x: &Recorded, y: &Recorded) -> Result<()> {
    for (what, v) in names.into_iter().zip([x, y]) {
        if v.rank() != 1 {
            return mismatch(format!("{name}: Expected 1-D argument {what}, but got {}-D", v.rank()), x, y);
        }
    }
    Ok(())
}

fn outer(a: &Args<'_>) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
    let (x, y) = (&operands.values[0], &operands.values[1]);
    vectors("outer", ["self", "vec2"], x, y)?;
    let out = Tensor::from_value(x.unsqueeze(1)?.mul(&y.unsqueeze(0)?)?)?;
    keep_other(a, &operands.values)?;
    Ok(out)
}

fn inner(a: &Args<'_>) -> Result<Tensor> {
    if a.tensor(0).dim() == 0 || a.tensor(1).dim() == 0 {
        let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
        let out = operands.finish(operands.map(Scalar::Mul)?)?;
        keep_other(a, &operands.values)?;
        return Ok(out);
    }
    product(a, |x, y| {
        let (m, n) = (x.rank() - 1, y.rank() - 1);
        if x.shape()[m] != y.shape()[n] {
            let message = format!(
                "inner() the last dimension must match on both input tensors but got shapes {} and {}",
                x.shape(),
                y.shape()
            );
            return mismatch(message, x, y);
        }
        same_dtype(x, y)?;
        refuse_bool("bmm", x, y)?;
        contract(x, y, (&[], &[]), (&[m], &[n]))
    })
}

fn same_dtype(x: &Recorded, y: &Recorded) -> Result<()> {
    if x.dtype() == y.dtype() {
        Ok(())
    } else {
        Err(Error::DType("both inputs should have same dtype".into()))
    }
}

fn tensordot_of(x: &Recorded, y: &Recorded, left: &[i64], right: &[i64]) -> Result<Recorded> {
    if left.len() != right.len() {
        return runtime("both dimension lists should have same length");
    }
    same_dtype(x, y)?;
    let axes = |v: &Recorded, dims: &[i64]| -> Result<SmallVec<[usize; 8]>> {
        super::axes::named(v.rank(), dims)?;
        dims.iter().map(|&d| wrap_axis(d, v.rank())).collect()
    };
    let (x_axes, y_axes) = (axes(x, left)?, axes(y, right)?);
    let (mut x, mut y) = (x.clone(), y.clone());
    for (k, (&i, &j)) in x_axes.iter().zip(&y_axes).enumerate() {
        let (p, q) = (x.shape()[i], y.shape()[j]);
        if p == q {
            continue;
        }
        // A single element stands for as many as the other side has: those are summed first.
        if p.is_one() {
            y = y.reduce_keep(rustorch_ir::loops::Combine::Add, &[j])?;
        } else if q.is_one() {
            x = x.reduce_keep(rustorch_ir::loops::Combine::Add, &[i])?;
        } else {
            let message = format!(
                "contracted dimensions need to match, but first has size {p} in dim {} and second has size {q} in dim {}",
                left[k], right[k]
            );
            return mismatch(message, &x, &y);
        }
    }
    refuse_bool("addmm_impl_cpu_", &x, &y)?;
    contract(&x, &y, (&[], &[]), (&x_axes, &y_axes))
}

fn tensordot(a: &Args<'_>) -> Result<Tensor> {
    let n = a.int(2);
    if n < 0 {
        return runtime(format!("tensordot expects dims >= 0, but got dims={n}"));
    }
    if n as usize > a.tensor(0).dim().min(a.tensor(1).dim()) {
        return runtime(format!("tensordot expects dims < ndim_a or ndim_b, but got dims={n}"));
    }
    let (left, right): (Vec<i64>, Vec<i64>) = ((-n..0).collect(), (0..n).collect());
    product(a, |x, y| tensordot_of(x, y, &left, &right))
}

fn tensordot_by_pairs(a: &Args<'_>) -> Result<Tensor> {
    let [left, right] = a.int_lists(2) else {
        return Err(Error::Value(format!(
            "tensordot expects two lists of axes, but got {}",
            a.int_lists(2).len()
        )));
    };
    product(a, |x, y| tensordot_of(x, y, left, right))
}

const PRODUCT: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | OUT
};
crate::entries! {
    "matmul(Tensor self, Tensor other) -> Tensor" [PRODUCT | LINALG | EXACT] grad "MmBackward0"
        "The product of vectors (a 0-d result), of a matrix and a vector, of matrices, or of batches of matrices, whose \
         leading axes are broadcast. Both have one dtype." => |a| product(a, matmul_of);
    "mm(Tensor self, Tensor mat2) -> Tensor" [PRODUCT | EXACT]
        "The product of two matrices, (n, k) and (k, m). Nothing is broadcast."
        => |a| product(a, |x, y| mm_of("mm", x, y));
    "bmm(Tensor self, Tensor mat2) -> Tensor" [PRODUCT | EXACT]
        "The products of the matrices of two batches, (b, n, k) and (b, k, m)." => |a| product(a, bmm_of);
    "mv(Tensor self, Tensor vec) -> Tensor" [PRODUCT | EXACT]
        "The product of a matrix (n, k) and a vector (k)." => |a| product(a, mv_of);
    "dot(Tensor self, Tensor tensor) -> Tensor" [PRODUCT | EXACT]
        "The sum of products of two vectors of one length and dtype." => |a| product(a, dot_of);
    "vdot(Tensor self, Tensor other) -> Tensor" [PRODUCT | EXACT] grad "DotBackward0"
        "For real vectors as `dot`." => |a| product(a, dot_of);
    "outer(Tensor self, Tensor vec2) -> Tensor" [PRODUCT] alias ["ger"] grad "MulBackward0"
        "All products of an element of the one vector with one of the other: (n, m)." => |a| outer(a);
    "inner(Tensor self, Tensor other) -> Tensor" [PRODUCT | EXACT] grad "ViewBackward0"
        "The sums of products along the last axes; a product where one is 0-d." => |a| inner(a);
    "tensordot.int(Tensor a, Tensor b, int dims=2) -> Tensor" [FUNCTION | OUT | EXACT] grad "ViewBackward0"
        "Sums of products over the last `dims` axes of the one and the first of the other." => |a| tensordot(a);
    "tensordot(Tensor a, Tensor b, int[][] dims) -> Tensor" [FUNCTION | OUT | EXACT] grad "ViewBackward0"
        "Sums of products over the axes in pairs, the one's listed first and then the other's; an axis of extent 1 \
         stands for as many as the other has." => |a| tensordot_by_pairs(a);
}
