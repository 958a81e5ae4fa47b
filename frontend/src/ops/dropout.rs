//! Dropout, by masks that kernels draw themselves.

use super::drawn::dropped;
use crate::error::{Error, Result, runtime};
use crate::registry::Args;
use crate::tensor::Tensor;

fn dropout(a: &Args<'_>) -> Result<Tensor> {
    let (input, p, train) = (a.tensor(0), a.float(1), a.bool(2));
    if !(0.0..=1.0).contains(&p) {
        return runtime(format!("dropout probability has to be between 0 and 1, but got {p}"));
    }
    if p == 0.0 || !train || input.numel() == 0 {
        return Ok(input.clone());
    }
    let x = input.read()?;
    if !x.dtype().is_float() && p != 1.0 {
        return Err(Error::DType(format!(
            "result type Float can't be cast to the desired output type {}",
            x.dtype().scalar_type_name()
        )));
    }
    super::layout::finish(dropped(&x, p)?, &[input])
}

crate::entries! {
    "dropout(Tensor input, float p, bool train) -> Tensor" [FUNCTION | NN] grad "MulBackward0"
        "While training each element is 0 with probability `p`, else divided by `1 - p`; otherwise the input itself."
        => |a| dropout(a);
}
