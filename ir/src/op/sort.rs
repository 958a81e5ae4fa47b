//! Elements in order along an axis.

use super::*;
use crate::dtype::DType;
use crate::routine::{self, Routine};

/// The `keep` elements along `axis` from number `first` of their order on, and where they were, as I64: two results, stable, with NaN as the
/// largest number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sort {
    pub axis: u8,
    pub descending: bool,
    pub first: u32,
    pub keep: u32,
}

impl Primitive for Sort {
    const KIND: Kind = Kind::Routine;

    fn parse(name: &str, c: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if name != "sort" {
            return Ok(None);
        }
        c.symbol("<")?;
        let axis = c.integer("an axis")?;
        c.symbol(",")?;
        let descending =
            c.one_of(&["ascending", "descending"], "`ascending` or `descending`")? == "descending";
        c.symbol(", keep ")?;
        let first = c.integer("the first that is kept")?;
        c.symbol("+")?;
        let keep = c.integer("a number of elements")?;
        c.symbol(">")?;
        Ok(Some(Sort { axis, descending, first, keep }))
    }

    fn infer(&self, x: &[&Type]) -> Result<Outputs, OpError> {
        arity("sort", x, 1)?;
        let axis = self.axis as usize;
        if axis >= x[0].shape.rank() || self.first as usize + self.keep as usize > x[0].shape[axis].get() {
            return Err(OpError::attribute("sort", "axis is out of range, or too short", &x[0].shape));
        }
        let mut shape = x[0].shape.clone();
        shape[axis] = (self.keep as usize).into();
        Ok(SmallVec::from_iter([Type::new(x[0].dtype, shape.clone()), Type::new(DType::I64, shape)]))
    }

    /// Each element's gradient goes back to where it was.
    fn vjp(&self, b: &mut dyn Build, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Grads {
        let Some(g) = dy[0].filter(|&g| b.dtype(g).is_float()) else {
            return Grads::from_slice(&[None]);
        };
        let rank = b.shape(x[0]).rank() as u8;
        let picks = Picks {
            axis: self.axis,
            data: (0..rank).filter(|&a| a != self.axis).collect(),
            index: (0..rank).collect(),
        };
        let zeros = b.fill_like(x[0], 0.0);
        let scatter = Scatter { picks, combine: Some(Combine::Add) };
        Grads::from_slice(&[Some(b.one(Op::Scatter(scatter), &[zeros, y[1], g]))])
    }

    fn routine(&self, x: &[&Type]) -> Option<Routine> {
        let (shape, axis) = (&x[0].shape, self.axis as usize);
        let extent = |axes: std::ops::Range<usize>| axes.map(|a| shape[a].get()).product();
        Some(Routine::Sort(routine::Sort {
            dtype: x[0].dtype,
            outer: extent(0..axis),
            extent: shape[axis].get(),
            inner: extent(axis + 1..shape.rank()),
            first: self.first as usize,
            keep: self.keep as usize,
            descending: self.descending,
        }))
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.descending { "descending" } else { "ascending" };
        write!(f, "sort<{}, {order}, keep {} + {}>", self.axis, self.first, self.keep)
    }
}
