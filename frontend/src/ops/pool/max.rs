//! The largest element of each window, and where it is.

use super::windows::Pool;
use crate::compose::Composition;
use crate::error::Result;
use crate::ops::sliding::{PerAxis, padded, spatial};
use crate::record::Recorded;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Scalar, Span};
use rustorch_ir::{DType, Literal, Shape};
use smallvec::SmallVec;

/// The windows of `x`, padded with what nothing is less than.
fn windows(pool: &Pool, x: &Recorded) -> Result<Recorded> {
    let dtype = x.dtype();
    let least = match dtype.integer_range() {
        Some((low, _)) => Literal::from_i64(dtype, low),
        None => Literal::from_f64(dtype, f64::NEG_INFINITY),
    };
    pool.windows.of(&padded(x, &pool.before, &pool.after, least)?)
}

/// A row of numbers along `axis` of `rank` axes.
fn along(value: &Recorded, axis: usize, rank: usize) -> Result<Recorded> {
    let mut shape = Shape::from_sizes(&vec![1; rank]);
    shape[axis] = value.shape()[0];
    value.reshape(&shape)
}

fn int(value: i64) -> Recorded {
    Recorded::constant(Literal::from_i64(DType::I64, value))
}

/// The first of the largest elements of each window, as its place in the row-major order of the last axes of `x`.
fn places(pool: &Pool, x: &Recorded) -> Result<Recorded> {
    let (rank, windows) = (pool.rank(), windows(pool, x)?);
    let mut flat: Shape = windows.shape()[..x.rank()].iter().copied().collect();
    flat.push((pool.windows.size.iter().product::<i64>() as usize).into());
    let mut rest = windows.reshape(&flat)?.arg_reduce(true, x.rank())?;
    let mut place: Option<Recorded> = None;
    let mut distance = 1;
    for (i, extent) in spatial(x.shape(), rank).into_iter().enumerate().rev() {
        let (size, dilation) = (int(pool.windows.size[i]), pool.windows.dilation[i]);
        let (mut k, more) = if i == 0 {
            (rest.clone(), rest.clone())
        } else {
            (rest.map2(Scalar::Remainder, &size)?, rest.map2(Scalar::FloorDiv, &size)?)
        };
        rest = more;
        let window = Recorded::iota(pool.windows.count[i] as usize)?;
        let start = window.mul(&int(pool.windows.stride[i]))?.sub(&int(pool.before[i]))?;
        if pool.before[i] > 0 {
            // Where all is as small as the padding, the first element that is the tensor's counts.
            let outside = start.neg()?.map2(Scalar::Max, &int(0))?.add(&int(dilation - 1))?;
            let first = outside.map2(Scalar::FloorDiv, &int(dilation))?;
            k = k.map2(Scalar::Max, &along(&first, i, rank)?)?;
        }
        let at = k.mul(&int(dilation))?.add(&along(&start, i, rank)?)?;
        let term = at.mul(&int(distance))?;
        place = Some(match place {
            Some(sum) => sum.add(&term)?,
            None => term,
        });
        distance *= extent;
    }
    place.map_or(Ok(rest), Ok)
}

/// What flows back into `x`: to each element from the windows that it won.
fn gradient(pool: &Pool, x: &Recorded, g: &Recorded) -> Result<Recorded> {
    let (rank, lead) = (pool.rank(), x.rank() - pool.rank());
    let extents = spatial(x.shape(), rank);
    let whole = pool.padded(&extents);
    // The place that each element of each window has, which in the padding is another's, but is cut off.
    let mut own: Option<Recorded> = None;
    let mut distance = 1;
    for i in (0..rank).rev() {
        let mut one = pool.windows.panes(rank)[i];
        one.axis = 0;
        let at = Recorded::iota(whole[i] as usize)?.window(&[one])?.sub(&int(pool.before[i]))?;
        let mut shape = Shape::from_sizes(&vec![1; 2 * rank]);
        (shape[i], shape[rank + i]) = (at.shape()[0], at.shape()[1]);
        let term = at.mul(&int(distance))?.reshape(&shape)?;
        own = Some(match own {
            Some(sum) => sum.add(&term)?,
            None => term,
        });
        distance *= extents[i];
    }
    let own = own.map_or_else(|| Recorded::iota(1), Ok)?;
    let spread = |value: &Recorded| {
        let mut shape = value.shape().clone();
        (0..rank).for_each(|_| shape.push(1.into()));
        value.reshape(&shape)
    };
    let won = spread(&places(pool, x)?.stop_gradient()?)?.eq(&own)?;
    let shares = won.select(&spread(g)?, &g.literal(0.0))?;
    let mut shape: Shape = x.shape()[..lead].iter().copied().collect();
    let mut spans: SmallVec<[Span; 4]> = shape.iter().map(|d| Span::all(d.get())).collect();
    for i in 0..rank {
        shape.push((whole[i] as usize).into());
        spans.push(Span { start: pool.before[i], step: 1, size: extents[i] as u64 });
    }
    shares.fold(&pool.windows.panes(x.rank()), &shape)?.slice(&spans)
}

pub fn value(pool: &Pool, x: &Recorded) -> Result<Recorded> {
    let attributes = pool.attributes();
    let composition = Composition { name: "max_pool", attributes: &attributes };
    let largest = |x: &[Recorded]| windows(pool, &x[0])?.reduce(Combine::Max, &pool.elements(&x[0]));
    if !x.dtype().is_float() {
        return composition.record(&[x], largest);
    }
    composition.record_with_gradient(&[x], largest, |x, _, g| Ok(vec![gradient(pool, &x[0], g)?]))
}

/// torch's indices.
pub fn indices(pool: &Pool, x: &Recorded) -> Result<Recorded> {
    let attributes = pool.attributes();
    let composition = Composition { name: "max_pool_indices", attributes: &attributes };
    composition.record(&[x], |x| places(pool, &x[0]))
}

/// The largest elements among those that `index` names along each axis, of shape `[result, candidates]`: their places
/// as torch counts them. `inside` says which of the names count; the first does.
pub fn chosen(x: &Recorded, names: &[(Recorded, Recorded)]) -> Result<Recorded> {
    let rank = names.len();
    let lead = x.rank() - rank;
    let mut all = x.clone();
    let mut inside: Option<Recorded> = None;
    for (i, (index, counts)) in names.iter().enumerate() {
        // Axes so far: lead, then result and candidates of each axis before.
        let axis = lead + 2 * i;
        all = super::adaptive::picked(&all, axis, index)?;
        let mut shape = Shape::from_sizes(&vec![1; 2 * rank]);
        (shape[2 * i], shape[2 * i + 1]) = (index.shape()[0], index.shape()[1]);
        let counts = counts.reshape(&shape)?;
        inside = Some(match inside {
            Some(before) => before.map2(Scalar::And, &counts)?,
            None => counts,
        });
    }
    let least = Literal::from_f64(x.dtype(), f64::NEG_INFINITY);
    if let Some(inside) = inside {
        all = inside.select(&all, &Recorded::constant(least))?;
    }
    let order: Vec<usize> =
        (0..lead).chain((0..rank).map(|i| lead + 2 * i)).chain((0..rank).map(|i| lead + 2 * i + 1)).collect();
    let all = all.permute(&order)?;
    let mut flat: Shape = all.shape()[..x.rank()].iter().copied().collect();
    flat.push(names.iter().map(|n| n.0.shape()[1].get()).product::<usize>().into());
    let mut rest = all.reshape(&flat)?.arg_reduce(true, x.rank())?;
    let mut place: Option<Recorded> = None;
    let mut distance = 1;
    let extents: PerAxis = spatial(x.shape(), rank);
    for i in (0..rank).rev() {
        let index = &names[i].0;
        let size = int(index.shape()[1].get() as i64);
        let k = if i == 0 { rest.clone() } else { rest.map2(Scalar::Remainder, &size)? };
        rest = if i == 0 { rest } else { rest.map2(Scalar::FloorDiv, &size)? };
        let first = index.narrow(1, 0, 1)?.squeeze(1)?;
        let term = k.add(&along(&first, i, rank)?)?.mul(&int(distance))?;
        place = Some(match place {
            Some(sum) => sum.add(&term)?,
            None => term,
        });
        distance *= extents[i];
    }
    place.map_or(Ok(rest), Ok)
}
