//! Products of matrices and vectors added to a tensor.

use super::arithmetic::check_alpha;
use super::layout::finish;
use super::matmul::{by, check_batches, contract, matmul_of, mismatch, refuse_bool, vectors};
use super::operands::{Operands, keep};
use crate::error::{Error, Result, runtime};
use crate::promote::c_name;
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use crate::view::{ViewOp, wrap_axis};
use rustorch_ir::{DType, Literal, Shape};

/// The operands of `beta * self + alpha * product`.
struct Sum<'a> {
    base: &'a Tensor,
    x: Recorded,
    y: Recorded,
    beta: Number,
    alpha: Number,
}

/// torch's error where `base` does not broadcast to `shape`.
fn check_expands(base: &Tensor, shape: &Shape) -> Result<()> {
    if base.sizes() != *shape {
        base.detach().view(ViewOp::Expand(shape.clone()))?;
    }
    Ok(())
}

fn scaled(x: Recorded, factor: Number) -> Result<Recorded> {
    if factor == Number::Int(1) || factor == Number::Float(1.0) {
        return Ok(x);
    }
    x.mul(&factor.recorded(x.dtype()))
}

/// `beta * base + product`. Where `beta` is 0 not even NaN comes from `base`, but a gradient of zeros goes there.
fn with_base(base: &Recorded, beta: Number, product: Recorded) -> Result<Recorded> {
    if !beta.is_zero() {
        return scaled(base.clone(), beta)?.add(&product);
    }
    if !base.tracks() {
        return Ok(product);
    }
    let never = Recorded::constant(Literal::from_i64(DType::Bool, 0));
    never.select(base, &base.literal(0.0))?.add(&product)
}

impl<'a> Sum<'a> {
    fn read(a: &'a Args<'_>) -> Result<Sum<'a>> {
        let (base, beta, alpha) = (a.tensor(0), a.scalar(3), a.scalar(4));
        Ok(Sum { base, x: a.tensor(1).read()?, y: a.tensor(2).read()?, beta, alpha })
    }

    fn dtypes(&self) -> [DType; 3] {
        [self.base.dtype(), self.x.dtype(), self.y.dtype()]
    }

    /// The sum, in f32 for halves: it is rounded once.
    fn finish(
        &self,
        a: &Args<'_>,
        product: impl FnOnce(&Recorded, &Recorded) -> Result<Recorded>,
    ) -> Result<Tensor> {
        let dtype = self.base.dtype();
        let wide = dtype.accumulator();
        let product = product(&self.x.cast(wide)?, &self.y.cast(wide)?)?;
        check_expands(self.base, product.shape())?;
        let product = scaled(product, self.alpha)?;
        let value = with_base(&self.base.read()?.cast(wide)?, self.beta, product)?;
        let out = Tensor::from_value(value.cast(dtype)?)?;
        keep(a, &[1, 2])?;
        Ok(out)
    }
}

/// torch's checks of the operands of `addmm`, whose first one has this dtype.
fn check_addmm(base: DType, x: &Recorded, y: &Recorded) -> Result<()> {
    same_dtypes(base, x, y)?;
    for (name, v) in [("self", x), ("mat2", y)] {
        if v.rank() != 2 {
            return mismatch(format!("addmm: {name} must be a matrix, got {}-D tensor", v.rank()), x, y);
        }
    }
    if x.shape()[1] != y.shape()[0] {
        let shapes = format!("{} and {}", by(x.shape()), by(y.shape()));
        return mismatch(format!("addmm: mat1 and mat2 shapes cannot be multiplied ({shapes})"), x, y);
    }
    refuse_bool("addmm_impl_cpu_", x, y)
}

fn same_dtypes(base: DType, x: &Recorded, y: &Recorded) -> Result<()> {
    for (name, dtype) in [("self", base), ("mat1", x.dtype())] {
        if dtype != y.dtype() {
            let (a, b) = (dtype.scalar_type_name(), y.dtype().scalar_type_name());
            let message = format!("{name} and mat2 must have the same dtype, but got {a} and {b}");
            return Err(Error::DType(message));
        }
    }
    Ok(())
}

fn addmm(a: &Args<'_>) -> Result<Tensor> {
    let sum = Sum::read(a)?;
    check_addmm(sum.base.dtype(), &sum.x, &sum.y)?;
    sum.finish(a, |x, y| contract(x, y, (&[], &[]), (&[1], &[0])))
}

fn addmv(a: &Args<'_>) -> Result<Tensor> {
    let sum = Sum::read(a)?;
    let (x, y) = (&sum.x, &sum.y);
    let rank = sum.base.dim();
    if rank > 1 || x.rank() != 2 || y.rank() != 1 {
        let message = format!("vector + matrix @ vector expected, got {rank}, {}, {}", x.rank(), y.rank());
        return mismatch(message, x, y);
    }
    let size = sum.base.numel();
    if x.shape()[1] != y.shape()[0] || (size != 1 && size != x.shape()[0].get()) {
        let message =
            format!("size mismatch, got input ({size}), mat ({}), vec ({})", by(x.shape()), y.shape()[0]);
        return mismatch(message, x, y);
    }
    let dtypes = sum.dtypes();
    if dtypes.iter().any(|&dtype| dtype != dtypes[0]) {
        let [a, b, c] = dtypes.map(DType::scalar_type_name);
        let message = format!("addmv input tensors must have the same dtype, but got {a}, {b}, and {c}");
        return Err(Error::DType(message));
    }
    refuse_bool("addmv_impl_cpu", x, y)?;
    sum.finish(a, |x, y| contract(x, y, (&[], &[]), (&[1], &[0])))
}

/// A batch of matrices on both sides.
fn check_three_axes(x: &Recorded, y: &Recorded) -> Result<()> {
    if x.rank() == 3 && y.rank() == 3 {
        return Ok(());
    }
    let name = if x.rank() != 3 { "batch1" } else { "batch2" };
    mismatch(format!("{name} must be a 3D tensor"), x, y)
}

fn baddbmm(a: &Args<'_>) -> Result<Tensor> {
    let sum = Sum::read(a)?;
    let (x, y) = (&sum.x, &sum.y);
    wrap_axis(1, x.rank())?;
    wrap_axis(2, y.rank())?;
    let shape: Shape = [x.shape()[0], x.shape()[1], y.shape()[2]].into_iter().collect();
    check_expands(sum.base, &shape)?;
    check_three_axes(x, y)?;
    check_batches(x, y)?;
    if sum.base.dtype() != x.dtype() {
        let [a, b, c] = sum.dtypes().map(c_name);
        let message = format!("Input dtypes must be the same, got: input {a}, batch1: {b}, batch2: {c}");
        return Err(Error::DType(message));
    }
    sum.finish(a, |x, y| contract(x, y, (&[0], &[0]), (&[2], &[1])))
}

/// The sum over the batch of its products.
fn addbmm(a: &Args<'_>) -> Result<Tensor> {
    let sum = Sum::read(a)?;
    let (x, y) = (&sum.x, &sum.y);
    for v in [x, y] {
        wrap_axis(2, v.rank())?;
    }
    check_three_axes(x, y)?;
    let (m, n) = (x.shape(), y.shape());
    check_expands(sum.base, &[m[1], n[2]].into_iter().collect())?;
    if m[0] != n[0] {
        let message =
            format!("batch1 and batch2 must have same number of batches, got {} and {}", m[0], n[0]);
        return mismatch(message, x, y);
    }
    if m[2] != n[1] {
        let message = format!("Incompatible matrix sizes for bmm ({}x{} and {}x{})", m[1], m[2], n[1], n[2]);
        return mismatch(message, x, y);
    }
    same_dtypes(sum.base.dtype(), x, y)?;
    refuse_bool("addmm_impl_cpu_", x, y)?;
    sum.finish(a, |x, y| contract(x, y, (&[], &[]), (&[0, 2], &[0, 1])))
}

/// An outer product, promoted with what it is added to.
fn addr(a: &Args<'_>) -> Result<Tensor> {
    let (beta, alpha) = (a.scalar(3), a.scalar(4));
    let operands = Operands::read(&[a.operand(0), a.operand(1), a.operand(2)], Ok)?;
    let [base, x, y] = [0, 1, 2].map(|i| &operands.values[i]);
    vectors("addr", ["vec1", "vec2"], x, y)?;
    check_expands(a.tensor(0), &[x.shape()[0], y.shape()[0]].into_iter().collect())?;
    for (name, factor) in [("beta", beta), ("alpha", alpha)] {
        if matches!(factor, Number::Float(_)) && !operands.dtype.is_float() {
            return runtime(format!(
                "For integral input tensors, argument {name} must not be a floating point number."
            ));
        }
        check_alpha(factor, operands.dtype)?;
    }
    let wide = operands.dtype.accumulator();
    let product = x.cast(wide)?.unsqueeze(1)?.mul(&y.cast(wide)?.unsqueeze(0)?)?;
    let product = scaled(product, alpha)?;
    let value = with_base(&base.cast(wide)?, beta, product)?;
    let out = finish(value.cast(operands.dtype)?, &[a.tensor(0)])?;
    keep(a, &[1, 2])?;
    Ok(out)
}

/// `input @ weight.T`: the last axes are contracted where they lie.
fn against_rows(x: &Recorded, weight: &Recorded) -> Result<Recorded> {
    let last = x.rank() - 1;
    let fits =
        x.shape()[last] == weight.shape()[1] && x.dtype() == weight.dtype() && x.dtype() != DType::Bool;
    if fits {
        contract(x, weight, (&[], &[]), (&[last], &[1]))
    } else {
        matmul_of(x, &weight.transpose(0, 1)?)
    }
}

fn linear(a: &Args<'_>) -> Result<Tensor> {
    let (x, weight) = (a.tensor(0).read()?, a.tensor(1).read()?);
    let (m, n) = (x.rank(), weight.rank());
    if m == 0 || n == 0 {
        let message = format!("both arguments to linear need to be at least 1D, but they are {m}D and {n}D");
        return mismatch(message, &x, &weight);
    }
    if n > 2 {
        return mismatch(format!("t() expects a tensor with <= 2 dimensions, but self is {n}D"), &x, &weight);
    }
    let value = match a.opt_tensor(2) {
        None if n == 1 => matmul_of(&x, &weight)?,
        None => against_rows(&x, &weight)?,
        Some(bias) => biased(&x, &weight, bias)?,
    };
    let out = Tensor::from_value(value)?;
    super::operands::keep_other(a, &[x, weight])?;
    Ok(out)
}

/// torch adds a row of biases as `addmm` does, anything else afterwards.
fn biased(x: &Recorded, weight: &Recorded, bias: &Tensor) -> Result<Recorded> {
    let last = x.rank() - 1;
    if x.rank() == 2 || bias.dim() == 1 {
        let rows: usize = x.shape()[..last].iter().map(|d| d.get()).product();
        let columns = if weight.rank() == 2 { weight.transpose(0, 1)? } else { weight.clone() };
        let flat = x.detach().reshape(&Shape::from_sizes(&[rows, x.shape()[last].get()]))?;
        check_addmm(bias.dtype(), &flat, &columns)?;
        check_expands(bias, &Shape::from_sizes(&[rows, columns.shape()[1].get()]))?;
    }
    let dtype = x.dtype();
    let wide = dtype.accumulator();
    let product = match weight.rank() {
        1 => matmul_of(&x.cast(wide)?, &weight.cast(wide)?)?,
        _ => against_rows(&x.cast(wide)?, &weight.cast(wide)?)?,
    };
    let value = product.add(&bias.read()?.cast(wide)?)?;
    if value.shape() != product.shape() {
        let message = format!(
            "output with shape {} doesn't match the broadcast shape {}",
            product.shape(),
            value.shape()
        );
        return mismatch(message, &product, &value);
    }
    value.cast(dtype)
}

const ADDED: crate::registry::Kinds = {
    use crate::registry::kinds::*;
    FUNCTION | METHOD | INPLACE | OUT
};

crate::entries! {
    "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor" [NN] grad "AddmmBackward0"
        "`input @ weight.T + bias`: (..., k), (n, k) and (n) give (..., n). A weight (k) gives (...)." => |a| linear(a);
    "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor" [ADDED | MEETS | EXACT]
        "`beta * self + alpha * (mat1 @ mat2)`; `self` is broadcast, and ignored if `beta` is 0." => |a| addmm(a);
    "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor" [ADDED | MEETS | EXACT]
        "`beta * self + alpha * (mat @ vec)`; `self` is a vector or 0-d, and ignored if `beta` is 0." => |a| addmv(a);
    "addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor" [ADDED]
        "`beta * self + alpha * outer(vec1, vec2)`, promoted." => |a| addr(a);
    "addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor" [ADDED | MEETS | EXACT]
        "`beta * self` plus `alpha` times the sum over the batch of its products." => |a| addbmm(a);
    "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor" [ADDED | MEETS | EXACT]
        "`beta * self + alpha * bmm(batch1, batch2)`." => |a| baddbmm(a);
}
