//! Dimensions, shapes and broadcasting.

use smallvec::SmallVec;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The extent of one axis.
///
/// Opaque: arithmetic on extents goes through the methods below, so that an extent may become an
/// expression over symbols without a change to the operations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Dim(u64);

impl Dim {
    pub const ONE: Dim = Dim(1);

    pub const fn new(extent: usize) -> Dim {
        Dim(extent as u64)
    }

    pub const fn get(self) -> usize {
        self.0 as usize
    }

    pub const fn is_one(self) -> bool {
        self.0 == 1
    }
}

impl From<usize> for Dim {
    fn from(extent: usize) -> Dim {
        Dim::new(extent)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The extents of all axes, outermost first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Shape(SmallVec<[Dim; 4]>);

impl Shape {
    pub fn scalar() -> Shape {
        Shape::default()
    }

    pub fn from_sizes(sizes: &[usize]) -> Shape {
        sizes.iter().map(|&n| Dim::new(n)).collect()
    }

    pub fn sizes(&self) -> SmallVec<[usize; 4]> {
        self.0.iter().map(|d| d.get()).collect()
    }

    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Number of elements. Creation bounds it, so the product does not overflow.
    pub fn numel(&self) -> usize {
        self.0.iter().map(|d| d.get()).product()
    }

    /// Number of elements, or `None` when it does not fit into 63 bits.
    pub fn checked_numel(&self) -> Option<usize> {
        if self.0.iter().any(|d| d.get() == 0) {
            return Some(0);
        }
        let n = self.0.iter().try_fold(1u64, |n, d| n.checked_mul(d.0))?;
        (n <= i64::MAX as u64).then_some(n as usize)
    }

    pub fn push(&mut self, dim: Dim) {
        self.0.push(dim)
    }

    pub fn remove(&mut self, axis: usize) -> Dim {
        self.0.remove(axis)
    }

    pub fn insert(&mut self, axis: usize, dim: Dim) {
        self.0.insert(axis, dim)
    }

    /// Row-major strides, in elements.
    pub fn contiguous_strides(&self) -> Strides {
        let mut strides: Strides = SmallVec::from_elem(1, self.rank());
        let mut next = 1i64;
        for axis in (0..self.rank()).rev() {
            strides[axis] = next;
            next *= self.0[axis].get().max(1) as i64;
        }
        strides
    }

    /// The shape that both broadcast to by NumPy's rule, or the axis (counted from the end of the
    /// result) at which they do not agree.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape, usize> {
        let rank = self.rank().max(other.rank());
        let mut out: SmallVec<[Dim; 4]> = SmallVec::from_elem(Dim::ONE, rank);
        for back in 1..=rank {
            let a = if back <= self.rank() { self.0[self.rank() - back] } else { Dim::ONE };
            let b = if back <= other.rank() { other.0[other.rank() - back] } else { Dim::ONE };
            out[rank - back] = match (a, b) {
                (a, b) if a == b => a,
                (a, b) if b.is_one() => a,
                (a, b) if a.is_one() => b,
                _ => return Err(rank - back),
            };
        }
        Ok(Shape(out))
    }
}

/// Distances between neighbours along each axis, in elements.
pub type Strides = SmallVec<[i64; 4]>;

impl Deref for Shape {
    type Target = [Dim];
    fn deref(&self) -> &[Dim] {
        &self.0
    }
}

impl DerefMut for Shape {
    fn deref_mut(&mut self) -> &mut [Dim] {
        &mut self.0
    }
}

impl FromIterator<Dim> for Shape {
    fn from_iter<I: IntoIterator<Item = Dim>>(dims: I) -> Shape {
        Shape(dims.into_iter().collect())
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(dims: I) -> Shape {
        Shape(dims.into_iter().map(Dim::new).collect())
    }
}

impl fmt::Display for Shape {
    /// `[2, 3]`, as torch prints sizes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting() {
        let s = Shape::from_sizes;
        assert_eq!(s(&[2, 1]).broadcast(&s(&[3])), Ok(s(&[2, 3])));
        assert_eq!(s(&[]).broadcast(&s(&[0])), Ok(s(&[0])));
        assert_eq!(s(&[2, 3]).broadcast(&s(&[4])), Err(1));
    }

    #[test]
    fn strides_of_empty_shapes_are_torchs() {
        assert_eq!(Shape::from_sizes(&[2, 0, 3]).contiguous_strides().as_slice(), &[3, 3, 1]);
    }
}
