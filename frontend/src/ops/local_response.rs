//! Normalisation by the squares of neighbouring channels.

use super::operands::{keep, not_implemented};
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::promote::to_float;
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::DType;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks, Scalar, Span};
use rustorch_ir::{Literal, Shape};

/// The sums over windows of `size` channels (axis 1), of which `before` lie before the channel itself.
fn windows(x: &Recorded, size: usize, before: usize) -> Result<Recorded> {
    let channels = x.shape()[1].get();
    let mut wide = x.shape().clone();
    wide[1] = (channels + size - 1).into();
    let spans: Vec<Span> = (x.shape().iter().enumerate())
        .map(|(axis, d)| Span { start: if axis == 1 { before as i64 } else { 0 }, ..Span::all(d.get()) })
        .collect();
    let padded = x.pad(&spans, &wide, &x.literal(0.0))?;
    let index = Shape::from_sizes(&[channels, size]);
    let first = Recorded::iota(channels)?.unsqueeze(1)?.expand(&index)?;
    let places = first.add(&Recorded::iota(size)?)?;
    let rank = x.rank() as u8;
    let data: Axes =
        (0..rank).filter(|&axis| axis != 1).map(|axis| if axis == 0 { 0 } else { axis + 1 }).collect();
    padded
        .gather(&places, Picks { axis: 1, data, index: Axes::from_slice(&[1, 2]) })?
        .reduce(Combine::Add, &[2])
}

struct Response {
    size: usize,
}

impl Response {
    /// `k + alpha * mean of the squares of the window`, of operands input, alpha / size, beta, k.
    fn base(&self, x: &[Recorded]) -> Result<Recorded> {
        windows(&x[0].mul(&x[0])?, self.size, self.size / 2)?.mul(&x[1])?.add(&x[3])
    }

    fn value(&self, x: &[Recorded]) -> Result<Recorded> {
        x[0].div(&self.base(x)?.map2(Scalar::Pow, &x[2])?)
    }

    /// Each channel is in the windows of its neighbours, which lie around it the other way.
    fn gradient(&self, x: &[Recorded], g: &Recorded) -> Result<Vec<Recorded>> {
        let base = self.base(x)?;
        let own = g.div(&base.map2(Scalar::Pow, &x[2])?)?;
        let felt = windows(&own.mul(&x[0])?.div(&base)?, self.size, (self.size - 1) / 2)?;
        let share = x[1].mul(&x[2])?.mul_literal(-2.0)?;
        let zero = || x[1].literal(0.0);
        Ok(vec![own.add(&x[0].mul(&felt)?.mul(&share)?)?, zero(), zero(), zero()])
    }
}

fn local_response_norm(a: &Args<'_>) -> Result<Tensor> {
    let (x, size) = (a.tensor(0).read()?, a.int(1));
    let (alpha, beta, k) = (a.float(2), a.float(3), a.float(4));
    if x.rank() < 3 {
        return Err(Error::Value(format!(
            "Expected 3D or higher dimensionality                          input (got {} dimensions)",
            x.rank()
        )));
    }
    if x.numel() == 0 {
        return Ok(a.tensor(0).clone());
    }
    let flat = x.rank() == 3;
    let Some(size) = usize::try_from(size).ok().filter(|&s| s > 0) else {
        let more = if flat { "" } else { " kW: 1" };
        let (first, second) = if flat { ("kH", "kW") } else { ("kT", "kH") };
        return runtime(format!(
            "kernel size should be greater than zero, but got {first}: {size} {second}: 1{more}"
        ));
    };
    let response = Response { size };
    if !x.dtype().is_float() {
        if x.dtype() != DType::I64 {
            return not_implemented(if flat { "avg_pool2d" } else { "avg_pool3d" }, x.dtype());
        }
        // The mean of whole numbers is a whole number.
        let sums = windows(&x.mul(&x)?, size, size / 2)?;
        let means =
            sums.map2(Scalar::FloorDiv, &Recorded::constant(Literal::from_i64(DType::I64, size as i64)))?;
        let float = to_float(x.dtype());
        let number = |n: f64| Number::Float(n).recorded(float);
        let base = means.cast(float)?.mul(&number(alpha))?.add(&number(k))?;
        return Tensor::from_value(x.cast(float)?.div(&base.map2(Scalar::Pow, &number(beta))?)?);
    }
    let wide = x.cast(x.dtype().accumulator())?;
    let number = |n: f64| Number::Float(n).recorded(wide.dtype());
    let operands = [&wide, &number(alpha / size as f64), &number(beta), &number(k)];
    let composition = Composition { name: "local_response_norm", attributes: &[size as u64] };
    let value = composition.record_with_gradient(
        &operands,
        |x| response.value(x),
        |x, _, g| response.gradient(x, g),
    )?;
    let out = super::layout::finish(value.cast(x.dtype())?, &[a.tensor(0)])?;
    keep(a, &[0])?;
    Ok(out)
}

crate::entries! {
    "local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float k=1.0) -> Tensor" [NN]
        grad "DivBackward0"
        "Each element of an input (N, C, ...) divided by `(k + alpha * m)**beta`, where `m` is the mean of the squares in \
         the window of `size` channels around it; beyond the channels there are zeros."
        => |a| local_response_norm(a);
}
