//! The mean of each window.

use super::windows::Pool;
use crate::compose::Composition;
use crate::error::Result;
use crate::ops::sliding::{padded, spatial};
use crate::record::Recorded;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::graph::Type;
use rustorch_ir::op::Scalar;
use rustorch_ir::{Literal, Shape};

/// By what the sum of a window is divided.
#[derive(Clone, Copy)]
pub enum Divisor {
    Given(i64),
    /// The number of its elements; those of the padding among them, or not.
    Elements {
        padding: bool,
    },
}

/// The numbers of elements that count along one axis, window by window.
fn counts(pool: &Pool, axis: usize, extent: i64, padding: bool) -> Vec<i64> {
    let (size, stride, before) = (pool.windows.size[axis], pool.windows.stride[axis], pool.before[axis]);
    (0..pool.windows.count[axis])
        .map(|o| {
            let start = o * stride - before;
            let end = (start + size).min(extent + before);
            if padding { end - start } else { end.min(extent) - start.max(0) }
        })
        .collect()
}

/// What divides the sums, as one number if it is the same for all windows, else as a tensor.
fn divisors(pool: &Pool, x: &Recorded, divisor: Divisor) -> Result<std::result::Result<i64, Recorded>> {
    let padding = match divisor {
        Divisor::Given(n) => return Ok(Ok(n)),
        Divisor::Elements { padding } => padding,
    };
    let mut all = vec![1i64];
    for (axis, extent) in spatial(x.shape(), pool.rank()).into_iter().enumerate() {
        let counts = counts(pool, axis, extent, padding);
        all = all.iter().flat_map(|&n| counts.iter().map(move |c| n * c)).collect();
    }
    if let Some(&first) = all.first()
        && all.iter().all(|&n| n == first)
    {
        return Ok(Ok(first));
    }
    let literals = all.iter().map(|&n| Literal::from_i64(x.dtype(), n));
    let bytes: Vec<u8> = literals.flat_map(|l| l.bits.to_le_bytes()[..x.dtype().size()].to_vec()).collect();
    let shape: Shape = pool.windows.count.iter().map(|&n| n as usize).collect();
    Ok(Err(Recorded::from_buffer(Buffer::from_slice(&bytes)?, Type::new(x.dtype(), shape))?))
}

pub fn value(pool: &Pool, x: &Recorded, divisor: Divisor) -> Result<Recorded> {
    let mut attributes = pool.attributes();
    let divisors = divisors(pool, x, divisor)?;
    let op = if x.dtype().is_float() { Scalar::Div } else { Scalar::TruncDiv };
    let sums = |x: &Recorded| {
        let zero = Literal::from_f64(x.dtype(), 0.0);
        let windows = pool.windows.of(&padded(x, &pool.before, &pool.after, zero)?)?;
        windows.sum(&pool.elements(x))
    };
    match divisors {
        Ok(n) => {
            attributes.push(n as u64);
            Composition { name: "avg_pool", attributes: &attributes }
                .record(&[x], |x| sums(&x[0])?.map2(op, &x[0].literal_int(n)))
        }
        Err(counts) => Composition { name: "avg_pool_uneven", attributes: &attributes }
            .record(&[x, &counts], |x| sums(&x[0])?.map2(op, &x[1])),
    }
}
