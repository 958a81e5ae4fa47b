//! Powers of matrices, and systems of tensors read as matrices.

use super::matrices::{identity, product};
use super::systems::{check_inverse, inverse_of};
use super::*;
use crate::registry::Args;

fn matrix_power(a: &Args<'_>) -> Result<Tensor> {
    let (x, n) = (a.tensor(0).read()?, a.int(1));
    require_squares("linalg.matrix_power", "A", &x)?;
    if n == 0 {
        return Tensor::from_value(identity(&x)?.flat_in(&[&x]));
    }
    let base = if n < 0 {
        let (inverse, info) = inverse_of(&x)?;
        check_inverse("linalg.inv", &info)?;
        inverse
    } else {
        x
    };
    // By squares.
    let (mut square, mut left) = (base, n.unsigned_abs());
    let mut power: Option<Recorded> = None;
    while left > 0 {
        if left & 1 == 1 {
            power = Some(match power {
                Some(power) => product(&power, &square)?,
                None => square.clone(),
            });
        }
        left >>= 1;
        if left > 0 {
            square = product(&square, &square)?;
        }
    }
    crate::ops::operands::keep(a, &[0])?;
    match power {
        Some(power) => Tensor::from_value(power),
        None => runtime("internal error: a power that is not 0 has a factor"),
    }
}

fn extents(sizes: &[usize]) -> usize {
    sizes.iter().product()
}

fn tensorinv(a: &Args<'_>) -> Result<Tensor> {
    let (x, ind) = (a.tensor(0).read()?, a.int(1));
    if ind <= 0 {
        return runtime(format!("Expected a strictly positive integer for 'ind', but got {ind}"));
    }
    let sizes = x.shape().sizes();
    let (before, behind) = sizes.split_at(sizes.len().min(ind as usize));
    let (rows, columns) = (extents(before), extents(behind));
    if rows != columns {
        return runtime(format!(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got \
             {columns} != {rows}"
        ));
    }
    let (inverse, info) = inverse_of(&x.reshape(&Shape::from_sizes(&[rows, columns]))?)?;
    check_inverse("linalg.inv", &info)?;
    let shape: Shape = behind.iter().chain(before).copied().collect();
    Tensor::from_value(inverse.reshape(&shape)?)
}

crate::entries! {
    "matrix_power(Tensor self, int n) -> Tensor" [FUNCTION | METHOD | LINALG | OUT | EXACT] grad "MmBackward0"
        "The product of `n` equal matrices; of `-n` inverses if `n` is negative, identities if it is 0."
        => |a| matrix_power(a);
    "tensorinv(Tensor self, int ind=2) -> Tensor" [LINALG | OUT | EXACT] grad "ViewBackward0"
        "The inverse of the matrix whose rows are the first `ind` axes and whose columns are the others."
        => |a| tensorinv(a);
}
