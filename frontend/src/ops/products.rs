//! Chains of products, Kronecker products, and products along an axis.

use super::matmul::mm_of;
use super::operands::{Operands, keep_other, not_implemented};
use crate::error::{Error, Result, runtime};
use crate::promote::c_name;
use crate::record::{Recorded, broadcast_shapes};
use crate::registry::Args;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use crate::warning::warn;
use rustorch_ir::op::Span;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// The order in which a chain of matrices takes the fewest multiplications, by dynamic programming over its pieces
/// (Cormen et al., "Introduction to Algorithms", 15.2).
struct Order {
    /// Where to split the piece from the first index to the second.
    split: Vec<Vec<usize>>,
}

impl Order {
    /// `sizes[i]` rows and `sizes[i + 1]` columns of matrix `i`.
    fn cheapest(sizes: &[usize]) -> Order {
        let n = sizes.len() - 1;
        let mut cost = vec![vec![0.0f64; n]; n];
        let mut split = vec![vec![0; n]; n];
        for length in 1..n {
            for first in 0..n - length {
                let last = first + length;
                cost[first][last] = f64::INFINITY;
                for at in first..last {
                    let product = sizes[first] as f64 * sizes[at + 1] as f64 * sizes[last + 1] as f64;
                    let total = cost[first][at] + cost[at + 1][last] + product;
                    if total < cost[first][last] {
                        cost[first][last] = total;
                        split[first][last] = at;
                    }
                }
            }
        }
        Order { split }
    }

    /// The product of the matrices from `first` to `last`.
    fn product(&self, matrices: &[Recorded], first: usize, last: usize) -> Result<Recorded> {
        if first == last {
            return Ok(matrices[first].clone());
        }
        let at = self.split[first][last];
        mm_of("mm", &self.product(matrices, first, at)?, &self.product(matrices, at + 1, last)?)
    }
}

fn check_chain(list: &[Tensor]) -> Result<()> {
    let n = list.len();
    if n < 2 {
        return runtime(format!("multi_dot(): expected at least 2 tensors but got {n}"));
    }
    for (i, t) in list.iter().enumerate() {
        let rank = t.dim();
        match i {
            _ if rank == 2 || (rank == 1 && (i == 0 || i == n - 1)) => {}
            0 => return runtime(format!("multi_dot(): the first tensor must be 1D or 2D but got {rank}D")),
            i if i == n - 1 => {
                return runtime(format!("multi_dot(): the last tensor must be 1D or 2D but got {rank}D"));
            }
            i => return runtime(format!("multi_dot(): tensor {i} must be 2D but got {rank}D")),
        }
        if t.dtype() != list[0].dtype() {
            return Err(Error::DType(format!(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is {} and tensor {i} {}",
                c_name(list[0].dtype()),
                c_name(t.dtype())
            )));
        }
    }
    for (i, pair) in list.windows(2).enumerate() {
        let (x, y) = (pair[0].sizes(), pair[1].sizes());
        if x[x.rank() - 1] != y[0] {
            let message = format!(
                "multi_dot(): tensors {i} and {} with shapes {x} and {y} cannot be multiplied",
                i + 1
            );
            return Err(Error::shapes(message, &x, &y));
        }
    }
    Ok(())
}

fn multi_dot(a: &Args<'_>) -> Result<Tensor> {
    let list = a.tensors(0);
    check_chain(list)?;
    let mut matrices: Vec<Recorded> = list.iter().map(Tensor::read).collect::<Result<_>>()?;
    let last = matrices.len() - 1;
    let (row, column) = (matrices[0].rank() == 1, matrices[last].rank() == 1);
    if row {
        matrices[0] = matrices[0].unsqueeze(0)?;
    }
    if column {
        matrices[last] = matrices[last].unsqueeze(1)?;
    }
    let mut sizes: Vec<usize> = matrices.iter().map(|m| m.shape()[0].get()).collect();
    sizes.push(matrices[last].shape()[1].get());
    let product = Order::cheapest(&sizes).product(&matrices, 0, last)?;
    let product = if column { product.squeeze(1)? } else { product };
    let out = Tensor::from_value(if row { product.squeeze(0)? } else { product })?;
    list.iter().try_for_each(|t| a.save(t))?;
    Ok(out)
}

/// Every element of the one times the whole of the other, as blocks.
fn kron(a: &Args<'_>) -> Result<Tensor> {
    let operands = Operands::read(&[a.operand(0), a.operand(1)], Ok)?;
    let (x, y) = (&operands.values[0], &operands.values[1]);
    let rank = x.rank().max(y.rank());
    let extent =
        |v: &Recorded, axis: usize| (axis + v.rank()).checked_sub(rank).map_or(1, |i| v.shape()[i].get());
    let (mut apart, mut within, mut merged) = (Shape::scalar(), Shape::scalar(), Shape::scalar());
    for axis in 0..rank {
        let (m, n) = (extent(x, axis), extent(y, axis));
        [m, 1].into_iter().for_each(|d| apart.push(d.into()));
        [1, n].into_iter().for_each(|d| within.push(d.into()));
        merged.push((m * n).into());
    }
    let out = Tensor::from_value(x.reshape(&apart)?.mul(&y.reshape(&within)?)?.reshape(&merged)?)?;
    keep_other(a, &operands.values)?;
    Ok(out)
}

fn vecdot(a: &Args<'_>) -> Result<Tensor> {
    let (x, y) = (a.tensor(0).read()?, a.tensor(1).read()?);
    if !x.dtype().is_float() {
        return Err(Error::NotImplemented(format!(
            "linalg.vecdot: Expected a floating point or complex tensor as input. Got {}",
            x.dtype().scalar_type_name()
        )));
    }
    if x.dtype() != y.dtype() {
        return Err(Error::DType(format!(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type {} and y of type {} instead",
            x.dtype().scalar_type_name(),
            y.dtype().scalar_type_name()
        )));
    }
    let shape = broadcast_shapes(x.shape(), y.shape())?;
    let axis = wrap_axis(a.int(2), shape.rank())?;
    let wide = x.dtype().accumulator();
    let products = x.cast(wide)?.mul(&y.cast(wide)?)?;
    let axes: SmallVec<[usize; 1]> = (axis..(axis + 1).min(shape.rank())).collect();
    let out = Tensor::from_value(products.sum(&axes)?.cast(x.dtype())?)?;
    keep_other(a, &[x, y])?;
    Ok(out)
}

/// Vectors of three along one axis, their axes turned on by `places`.
fn turned(x: &Recorded, axis: usize, places: i64) -> Result<Recorded> {
    let part = |start: i64, size: i64| {
        let mut spans: SmallVec<[Span; 8]> = x.shape().iter().map(|d| Span::all(d.get())).collect();
        spans[axis] = Span { start, step: 1, size: size as u64 };
        x.slice(&spans)
    };
    Recorded::concat(&[&part(places, 3 - places)?, &part(0, places)?], axis)
}

/// The axis of `cross`: the given one, or else the first of extent 3.
fn cross_axis(a: &Args<'_>) -> Result<i64> {
    if let Some(dim) = a.opt_int(2) {
        return Ok(dim);
    }
    warn(
        "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or simply \
         use torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a future \
         release."
            .into(),
    );
    let found = a.tensor(0).sizes().iter().position(|d| d.get() == 3);
    found.map_or_else(|| runtime("no dimension of size 3 in input"), |axis| Ok(axis as i64))
}

fn cross(a: &Args<'_>, dim: i64) -> Result<Tensor> {
    let (x, y) = (a.tensor(0).read()?, a.tensor(1).read()?);
    if x.rank() != y.rank() {
        return runtime("linalg.cross: inputs must have the same number of dimensions.");
    }
    let axis = wrap_axis(dim, x.rank())?;
    let [m, n] = [&x, &y].map(|v| v.shape().get(axis).map_or(1, |d| d.get()));
    if (m, n) != (3, 3) {
        return runtime(format!("linalg.cross: inputs dimension {dim} must have length 3. Got {m} and {n}"));
    }
    broadcast_shapes(x.shape(), y.shape())?;
    if x.dtype() != y.dtype() {
        let [x, y] = [&x, &y].map(|v| v.dtype().scalar_type_name());
        return Err(Error::DType(format!("expected scalar type {x} but found {y}")));
    }
    if x.dtype() == DType::Bool {
        return not_implemented("cross", DType::Bool);
    }
    let wide = x.dtype().accumulator();
    let [x, y] = [x.cast(wide)?, y.cast(wide)?];
    let ahead = turned(&x, axis, 1)?.mul(&turned(&y, axis, 2)?)?;
    let back = turned(&x, axis, 2)?.mul(&turned(&y, axis, 1)?)?;
    let out = Tensor::from_value(ahead.sub(&back)?.cast(a.tensor(0).dtype())?)?;
    keep_other(a, &[x, y])?;
    Ok(out)
}

crate::entries! {
    "cross(Tensor self, Tensor other, int? dim=None) -> Tensor" [FUNCTION | METHOD | OUT | EXACT] grad "LinalgCrossBackward0"
        "The vector product along an axis of extent 3, the first if none is named, broadcast." => |a| cross(a, cross_axis(a)?);
    "cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor" [LINALG | OUT | EXACT] grad "LinalgCrossBackward0"
        "The vector product along an axis of extent 3, broadcast." => |a| cross(a, a.int(2));
    "multi_dot(Tensor[] tensors) -> Tensor" [LINALG | OUT | EXACT] grad "ViewBackward0"
        "The product of a chain of matrices in the order that takes the fewest multiplications. The first and the last \
         may be vectors." => |a| multi_dot(a);
    "kron(Tensor self, Tensor other) -> Tensor" [FUNCTION | METHOD | OUT] grad "UnsafeViewBackward0"
        "The Kronecker product: each element of `self` times `other`, as blocks. The shorter shape gets leading ones."
        => |a| kron(a);
    "vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor" [LINALG | OUT | EXACT] grad "SumBackward1"
        "The sums of products along one axis, broadcast. Floats of one dtype." => |a| vecdot(a);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_multiplied_in_the_cheapest_order() {
        // The textbook's example: ((0 (1 2)) ((3 4) 5)).
        let order = Order::cheapest(&[30, 35, 15, 5, 10, 20, 25]);
        assert_eq!((order.split[0][5], order.split[0][2], order.split[3][5]), (2, 0, 4));
    }
}
