//! Elements found by their places in the storage.

use super::Geometry;
use crate::error::Result;
use crate::record::Recorded;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks, Scalar};
use rustorch_ir::{DType, Literal, Shape};

/// How a flat value is looked up by the places of a view.
pub(super) fn picks(at: &Geometry) -> Picks {
    flat(at.rank())
}

fn flat(rank: usize) -> Picks {
    Picks { axis: 0, data: Axes::new(), index: (0..rank as u8).collect() }
}

/// The places of the elements, as an index tensor.
pub(super) fn places(at: &Geometry) -> Result<Recorded> {
    let int = |v: i64| Recorded::constant(Literal::from_i64(DType::I64, v));
    let mut sum = int(at.offset).broadcast_to(&at.sizes)?;
    for (axis, (&size, &stride)) in at.sizes.iter().zip(&at.strides).enumerate() {
        let shape: Shape = (0..at.rank()).map(|i| if i == axis { size } else { 1.into() }).collect();
        let along = Recorded::iota(size.get())?.map2(Scalar::Mul, &int(stride))?.reshape(&shape)?;
        sum = sum.add(&along)?;
    }
    Ok(sum)
}

/// `elements`, which lie at `to` in a storage of `numel` places. Those of them that `from` has, a tensor that lies
/// at `own`, are taken from there: so gradients find their way.
pub(crate) fn covered(
    from: &Recorded,
    own: &Geometry,
    numel: usize,
    to: &Geometry,
    elements: &Recorded,
) -> Result<Recorded> {
    if own.numel() == 0 || to.numel() == 0 {
        return Ok(elements.beside(&[from]));
    }
    let none = Recorded::full(Literal::from_i64(DType::I64, -1), &Shape::from_sizes(&[numel]))?;
    let numbers = Recorded::iota(own.numel())?;
    let number = none.scatter(&places(own)?.flatten()?, &numbers, flat(1), None::<Combine>)?;
    let number = number.gather(&places(to)?, picks(to))?;
    let there = number.literal_int(0).le(&number)?;
    let index = there.select(&number, &number.literal_int(0))?;
    there.select(&from.flatten()?.gather(&index, picks(to))?, elements)
}
