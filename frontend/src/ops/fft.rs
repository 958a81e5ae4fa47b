//! Fourier's transform of complex numbers that are pairs of floats.

use super::operands::not_implemented;
use crate::error::{Result, runtime};
use crate::record::Recorded;
use crate::registry::Args;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_ir::DType;
use rustorch_ir::op::{Fft, Op};

fn fft(a: &Args<'_>) -> Result<Tensor> {
    let (x, inverse) = (a.tensor(0).read()?, a.bool(2));
    let rank = x.rank();
    if rank < 2 || x.shape()[rank - 1].get() != 2 {
        let shape = x.shape();
        return runtime(format!(
            "fft: the last axis of input holds real and imaginary parts, behind at least one other; got shape {shape}: \
             stack them with stack((re, im), -1)"
        ));
    }
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        return not_implemented("fft", x.dtype());
    }
    // Axes are counted among those of the complex numbers.
    let axis = wrap_axis(a.int(1), rank - 1)?;
    let extent = x.shape()[axis].get();
    if extent == 0 {
        return runtime("fft: the axis of the transform is empty; it needs at least one number");
    }
    let last = rank - 2;
    let turned = x.transpose(axis, last)?;
    let y = Recorded::apply(Op::Fft(Fft { inverse }), &[&turned])?;
    let y = if inverse { y.mul_literal(1.0 / extent as f64)? } else { y };
    Tensor::from_value(y.transpose(axis, last)?)
}

crate::entries! {
    "_fft(Tensor input, int dim, bool inverse) -> Tensor" [NN] grad "FftC2CBackward0"
        "What `kernels.fft` does." => |a| fft(a);
}
