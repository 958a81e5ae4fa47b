//! Dropout, by masks that kernels draw themselves.

use crate::error::{Error, Result, runtime};
use crate::random::PhiloxKey;
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Literal, Shape};

/// Where an element is kept: a draw of 32 bits for each, from a counter, so that the backward pass draws the same.
/// Key, first counter and probability are run-time values.
fn kept(shape: &Shape, key: PhiloxKey, probability: f64) -> Result<Recorded> {
    let number = |bits: u64| Recorded::scalar(Literal::from_i64(DType::I64, bits as i64));
    let counter = Recorded::iota(shape.numel())?.add(&number(key.offset))?.reshape(shape)?;
    let bits = Recorded::map(Scalar::RandomBits, &[&counter, &number(key.key)])?;
    bits.lt(&number((probability * 4_294_967_296.0).round() as u64))
}

fn dropout(a: &Args<'_>) -> Result<Tensor> {
    let (input, p, train) = (a.tensor(0), a.float(1), a.bool(2));
    if !(0.0..=1.0).contains(&p) {
        return runtime(format!("dropout probability has to be between 0 and 1, but got {p}"));
    }
    if p == 0.0 || !train || input.numel() == 0 {
        return Ok(input.clone());
    }
    let x = input.read()?;
    if p == 1.0 {
        let zero = x.literal(0.0);
        return super::layout::finish(x.mul(&zero)?, &[input]);
    }
    if !x.dtype().is_float() {
        return Err(Error::DType(format!(
            "result type Float can't be cast to the desired output type {}",
            x.dtype().scalar_type_name()
        )));
    }
    let key = crate::random::default_generator().philox_key();
    let mask = kept(x.shape(), key, 1.0 - p)?;
    let scale = Number::Float(1.0 / (1.0 - p)).recorded(x.dtype());
    let out = super::layout::finish(x.mul(&mask.select(&scale, &x.literal(0.0))?)?, &[input])?;
    Ok(out)
}

crate::entries! {
    "dropout(Tensor input, float p, bool train) -> Tensor" [FUNCTION | NN] grad "MulBackward0"
        "While training each element is 0 with probability `p`, else divided by `1 - p`; otherwise the input itself."
        => |a| dropout(a);
}
