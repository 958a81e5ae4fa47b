//! Random types, shapes and contents.

use super::Memory;
use rustorch_ir::eval::Tensor;
pub use rustorch_ir::loops::arbitrary::Rng;
use rustorch_ir::{DType, Literal, Shape, Strides, Type};

/// Values have at most this many elements.
pub const LARGEST: usize = 2048;

pub fn dtype(rng: &mut Rng) -> DType {
    *rng.pick(&DType::ALL)
}

pub fn extent(rng: &mut Rng) -> usize {
    match rng.below(100) {
        0..=2 => 0,
        3..=17 => 1,
        18..=74 => 2 + rng.below(5) as usize,
        _ => *rng.pick(&[7, 8, 15, 16, 17, 19, 33, 64, 70]),
    }
}

pub fn shape(rng: &mut Rng) -> Shape {
    loop {
        let rank = *rng.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 4]);
        let shape: Shape = (0..rank).map(|_| extent(rng)).collect();
        if shape.numel() <= LARGEST {
            return shape;
        }
    }
}

/// Which elements a leaf has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Content {
    /// Small integers: their sums are exact.
    Integers,
    /// Numbers between -2 and 2.
    Plain,
    /// Everything there is, infinities and NaN included.
    Wild,
    /// Small integers that are not 0.
    NotZero,
    /// Indices below this.
    Below(usize),
}

pub fn content(rng: &mut Rng) -> Content {
    *rng.pick(&[Content::Integers, Content::Integers, Content::Plain, Content::Plain, Content::Wild])
}

pub fn elements(rng: &mut Rng, dtype: DType, n: usize, content: Content) -> Tensor {
    let shape = Shape::from_sizes(&[n]);
    if content == Content::Wild {
        return Tensor { ty: Type::new(dtype, shape), bytes: rng.elements(dtype, n) };
    }
    let mut element = || match content {
        Content::Integers => rng.below(9) as f64 - 4.0,
        Content::Plain => (rng.below(257) as f64 - 128.0) / 64.0,
        Content::NotZero => *rng.pick(&[-3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 5.0]),
        Content::Below(n) => rng.below(n.max(1) as u64) as f64,
        Content::Wild => unreachable!("made above"),
    };
    let literals: Vec<Literal> = (0..n).map(|_| Literal::from_f64(dtype, element())).collect();
    Tensor::from_literals(dtype, shape, &literals)
}

/// Strides for a shape, and memory that they stay within: mostly contiguous, else permuted, with gaps,
/// repeated or backwards, unless it is to be `plain`.
pub fn layout(
    rng: &mut Rng,
    dtype: DType,
    shape: &Shape,
    content: Content,
    plain: bool,
) -> (Strides, Memory) {
    let mut order: Vec<usize> = (0..shape.rank()).collect();
    let mut strides = shape.contiguous_strides();
    let odd = !plain && rng.chance(30);
    if odd {
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u64 + 1) as usize);
        }
        let mut next = 1 + rng.below(2) as i64;
        for &axis in &order {
            strides[axis] = next;
            next *= shape[axis].get().max(1) as i64;
            if rng.chance(20) {
                next += 1 + rng.below(3) as i64;
            }
            match rng.below(10) {
                0 => strides[axis] = 0,
                1 => strides[axis] = -strides[axis],
                _ => {}
            }
        }
    }
    let (mut low, mut high) = (0i64, 0i64);
    for (d, &s) in shape.iter().zip(&strides) {
        let reach = s * (d.get() as i64 - 1).max(0);
        low += reach.min(0);
        high += reach.max(0);
    }
    let n = if shape.numel() == 0 { 0 } else { (high - low + 1) as usize };
    let tensor = elements(rng, dtype, n, content);
    (strides, Memory { tensor, origin: (-low) as usize })
}
