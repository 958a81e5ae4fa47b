//! Pools whose windows are so chosen that the result has given extents: window `i` of `n` reaches from
//! `i * extent / n`, rounded down, to `(i + 1) * extent / n`, rounded up.

use super::average::{self, Divisor};
use super::max;
use super::windows::Pool;
use crate::compose::Composition;
use crate::error::Result;
use crate::ops::sliding::{PerAxis, Windows, spatial};
use crate::record::Recorded;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Picks, Scalar};
use rustorch_ir::{DType, Literal, Shape};

/// Windows of one size, side by side, if they are that for all axes.
fn regular(extents: &[i64], result: &[i64]) -> Option<Pool> {
    let even = extents.iter().zip(result).all(|(&have, &n)| n > 0 && have % n == 0);
    even.then(|| {
        let rank = extents.len();
        let size: PerAxis = extents.iter().zip(result).map(|(have, n)| have / n).collect();
        let ones = PerAxis::from_elem(1, rank);
        let windows = Windows { stride: size.clone(), size, dilation: ones, count: result.into() };
        Pool::over(windows, PerAxis::from_elem(0, rank), extents)
    })
}

/// For each of `n` windows over `extent` elements the places of its elements, as many for each, and how many count.
struct Names {
    places: Recorded,
    counts: Recorded,
    lengths: Recorded,
}

fn names(extent: i64, n: i64, dtype: DType) -> Result<Names> {
    let bounds: Vec<(i64, i64)> = (0..n).map(|i| (i * extent / n, ((i + 1) * extent + n - 1) / n)).collect();
    let most = bounds.iter().map(|(start, end)| end - start).max().unwrap_or(0);
    let (mut places, mut counts) = (Vec::new(), Vec::new());
    for &(start, end) in &bounds {
        for k in 0..most {
            places.push((start + k).min(end - 1));
            counts.push(u8::from(start + k < end));
        }
    }
    let lengths: Vec<i64> = bounds.iter().map(|(start, end)| end - start).collect();
    let table = Shape::from_sizes(&[n as usize, most as usize]);
    let row = Shape::from_sizes(&[n as usize]);
    Ok(Names {
        places: Recorded::from_buffer(Buffer::from_slice(&places)?, Type::new(DType::I64, table.clone()))?,
        counts: Recorded::from_buffer(Buffer::from_slice(&counts)?, Type::new(DType::Bool, table))?,
        lengths: Recorded::from_buffer(Buffer::from_slice(&lengths)?, Type::new(DType::I64, row))?
            .cast(dtype)?,
    })
}

/// The elements of `axis` that an index of rank 2 names: its axes take the place of that one.
pub fn picked(x: &Recorded, axis: usize, index: &Recorded) -> Result<Recorded> {
    let data = (0..x.rank()).filter(|&a| a != axis).map(|a| if a < axis { a } else { a + 1 } as u8).collect();
    let index_axes = [axis as u8, axis as u8 + 1].into_iter().collect();
    x.gather(index, Picks { axis: axis as u8, data, index: index_axes })
}

/// The means of windows, `result` of them along the last axes.
pub fn average(x: &Recorded, result: &[i64]) -> Result<Recorded> {
    let extents = spatial(x.shape(), result.len());
    if let Some(pool) = regular(&extents, result) {
        return average::value(&pool, x, Divisor::Elements { padding: false });
    }
    let mut value = x.clone();
    for (i, (&extent, &n)) in extents.iter().zip(result).enumerate() {
        if extent == n {
            continue;
        }
        let axis = x.rank() - result.len() + i;
        let Names { places, counts, lengths } = names(extent, n, x.dtype())?;
        let composition = Composition { name: "adaptive_avg_pool", attributes: &[axis as u64] };
        value = composition.record(&[&value, &places, &counts, &lengths], |x| {
            let elements = picked(&x[0], axis, &x[1])?;
            let trailing = x[0].rank() - 1 - axis;
            let behind = |value: &Recorded| {
                let mut shape = value.shape().clone();
                (0..trailing).for_each(|_| shape.push(1.into()));
                value.reshape(&shape)
            };
            let elements = behind(&x[2])?.select(&elements, &x[0].literal(0.0))?;
            elements.sum(&[axis + 1])?.map2(Scalar::Div, &behind(&x[3])?)
        })?;
    }
    Ok(value)
}

/// The largest elements of windows, `result` of them along the last axes; and where they are.
pub fn largest(x: &Recorded, result: &[i64]) -> Result<(Recorded, Recorded)> {
    let rank = result.len();
    let extents = spatial(x.shape(), rank);
    if let Some(pool) = regular(&extents, result) {
        return Ok((max::value(&pool, x)?, max::indices(&pool, x)?));
    }
    if result.contains(&0) {
        let mut shape: Shape = x.shape()[..x.rank() - rank].iter().copied().collect();
        result.iter().for_each(|&n| shape.push((n as usize).into()));
        let none = |dtype| Recorded::full(Literal::from_i64(dtype, 0), &shape);
        return Ok((none(x.dtype())?, none(DType::I64)?));
    }
    let mut operands = vec![x.clone()];
    for (&extent, &n) in extents.iter().zip(result) {
        let Names { places, counts, .. } = names(extent, n, DType::I64)?;
        operands.extend([places, counts]);
    }
    let operands: Vec<&Recorded> = operands.iter().collect();
    let places = Composition { name: "adaptive_max_pool_indices", attributes: &[rank as u64] }.record(
        &operands,
        |x| {
            let names: Vec<_> = x[1..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            max::chosen(&x[0].stop_gradient()?, &names)
        },
    )?;
    let value =
        Composition { name: "adaptive_max_pool", attributes: &[rank as u64] }.record(&[x, &places], |x| {
            // Along one axis of all places.
            let lead = x[0].rank() - rank;
            let flat = |value: &Recorded| {
                let mut shape: Shape = value.shape()[..lead].iter().copied().collect();
                shape.push(value.shape()[lead..].iter().map(|d| d.get()).product::<usize>().into());
                value.reshape(&shape)
            };
            let axes: rustorch_ir::op::Axes = (0..=lead as u8).collect();
            let data = (0..lead as u8).collect();
            let picks = Picks { axis: lead as u8, data, index: axes };
            flat(&x[0])?.gather(&flat(&x[1])?, picks)?.reshape(x[1].shape())
        })?;
    Ok((value, places))
}
