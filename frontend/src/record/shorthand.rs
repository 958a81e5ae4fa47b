//! The vocabulary in which compositions are written.
//!
//! Operands keep their dtypes: promotion is the caller's. Methods of two operands broadcast by NumPy's rule.

use super::Recorded;
use crate::error::{Error, Result, runtime};
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{
    ArgReduce, Axes, Bitcast, Cast, Concat, Contract, Detach, Expand, Fence, Fold, Gather, Iota, Op, Pad,
    Pane, Permute, Picks, Reduce, Reshape, Running, Scalar, Scan, Scatter, Slice, Sort, Span, Update, Window,
};
use rustorch_ir::{DType, Literal, Shape};
use smallvec::SmallVec;
use std::ops::Range;

impl Recorded {
    /// `op` applied element by element; operands are broadcast to one shape.
    pub fn map(op: Scalar, inputs: &[&Recorded]) -> Result<Recorded> {
        Recorded::apply(Op::Map(op), inputs)
    }

    pub fn map1(&self, op: Scalar) -> Result<Recorded> {
        Recorded::map(op, &[self])
    }

    pub fn map2(&self, op: Scalar, other: &Recorded) -> Result<Recorded> {
        Recorded::map(op, &[self, other])
    }

    pub fn add(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Add, other)
    }

    pub fn sub(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Sub, other)
    }

    pub fn mul(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Mul, other)
    }

    pub fn div(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Div, other)
    }

    pub fn neg(&self) -> Result<Recorded> {
        self.map1(Scalar::Neg)
    }

    pub fn eq(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Eq, other)
    }

    pub fn ne(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Ne, other)
    }

    pub fn lt(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Lt, other)
    }

    pub fn le(&self, other: &Recorded) -> Result<Recorded> {
        self.map2(Scalar::Le, other)
    }

    /// `a` where this mask, else `b`.
    pub fn select(&self, a: &Recorded, b: &Recorded) -> Result<Recorded> {
        Recorded::map(Scalar::Select, &[self, a, b])
    }

    /// A structural 0-d literal of this value's dtype.
    pub fn literal(&self, value: f64) -> Recorded {
        Recorded::constant(Literal::from_f64(self.dtype(), value))
    }

    /// A structural 0-d integer literal of this value's dtype.
    pub fn literal_int(&self, value: i64) -> Recorded {
        Recorded::constant(Literal::from_i64(self.dtype(), value))
    }

    /// This value plus a structural literal.
    pub fn add_literal(&self, value: f64) -> Result<Recorded> {
        self.add(&self.literal(value))
    }

    /// This value times a structural literal.
    pub fn mul_literal(&self, value: f64) -> Result<Recorded> {
        self.mul(&self.literal(value))
    }

    /// A tensor that holds a structural literal everywhere.
    pub fn full(literal: Literal, shape: &Shape) -> Result<Recorded> {
        Recorded::constant(literal).broadcast_to(shape)
    }

    /// `[0, 1, .., extent - 1]`, i64.
    pub fn iota(extent: usize) -> Result<Recorded> {
        Recorded::apply(Op::Iota(Iota { extent: extent.into() }), &[])
    }

    pub fn cast(&self, dtype: DType) -> Result<Recorded> {
        if self.dtype() == dtype {
            return Ok(self.clone());
        }
        Recorded::apply(Op::Cast(Cast { dtype }), &[self])
    }

    /// The same value as no path for gradients, said by a node: for compositions, which are differentiated as graphs.
    pub(crate) fn stop_gradient(&self) -> Result<Recorded> {
        Recorded::apply(Op::Detach(Detach), &[self])
    }

    /// The same bits as another dtype, no path for gradients.
    pub fn bitcast(&self, dtype: DType) -> Result<Recorded> {
        if self.dtype() == dtype {
            return Ok(self.detach());
        }
        Recorded::apply(Op::Bitcast(Bitcast { dtype }), &[self]).map(|bits| bits.detach())
    }

    pub fn reshape(&self, shape: &Shape) -> Result<Recorded> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        Recorded::apply(Op::Reshape(Reshape { shape: shape.clone() }), &[self])
    }

    /// One axis.
    pub fn flatten(&self) -> Result<Recorded> {
        self.reshape(&Shape::from_sizes(&[self.numel()]))
    }

    /// Axis `i` of the result is axis `axes[i]` of this value.
    pub fn permute(&self, axes: &[usize]) -> Result<Recorded> {
        if axes.len() == self.rank() && axes.iter().enumerate().all(|(i, &a)| i == a) {
            return Ok(self.clone());
        }
        Recorded::apply(Op::Permute(Permute { axes: narrow(axes) }), &[self])
    }

    pub fn transpose(&self, a: usize, b: usize) -> Result<Recorded> {
        let mut axes: SmallVec<[usize; 8]> = (0..self.rank()).collect();
        if a >= axes.len() || b >= axes.len() {
            return Err(Error::Index(format!("axes {a} and {b} of a value of shape {}", self.shape())));
        }
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// Axes of extent 1 repeated to the extents of `shape`, which has the same rank.
    pub fn expand(&self, shape: &Shape) -> Result<Recorded> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        Recorded::apply(Op::Expand(Expand { shape: shape.clone() }), &[self])
    }

    /// NumPy's broadcast: leading axes are added, axes of extent 1 repeated.
    pub fn broadcast_to(&self, shape: &Shape) -> Result<Recorded> {
        let (from, to) = (self.rank(), shape.rank());
        if from > to {
            let message = format!("a value of shape {} does not broadcast to {shape}", self.shape());
            return Err(Error::shapes(message, self.shape(), shape));
        }
        if from == to {
            return self.expand(shape);
        }
        let mut lead: Shape = (from..to).map(|_| 1usize).collect();
        self.shape().iter().for_each(|&d| lead.push(d));
        self.reshape(&lead)?.expand(shape)
    }

    pub fn unsqueeze(&self, axis: usize) -> Result<Recorded> {
        let mut shape = self.shape().clone();
        if axis > shape.rank() {
            return Err(Error::Index(format!("axis {axis} of a value of shape {shape}")));
        }
        shape.insert(axis, 1.into());
        self.reshape(&shape)
    }

    /// Without `axis`, which has extent 1.
    pub fn squeeze(&self, axis: usize) -> Result<Recorded> {
        let mut shape = self.shape().clone();
        if axis >= shape.rank() {
            return Err(Error::Index(format!("axis {axis} of a value of shape {shape}")));
        }
        shape.remove(axis);
        self.reshape(&shape)
    }

    /// One [`Span`] for each axis.
    pub fn slice(&self, spans: &[Span]) -> Result<Recorded> {
        if self.covers(spans) {
            return Ok(self.clone());
        }
        Recorded::apply(Op::Slice(Slice { spans: spans.into() }), &[self])
    }

    /// `size` elements of one axis from `start` on.
    pub fn narrow(&self, axis: usize, start: usize, size: usize) -> Result<Recorded> {
        let mut spans: SmallVec<[Span; 4]> = self.shape().iter().map(|d| Span::all(d.get())).collect();
        match spans.get_mut(axis) {
            Some(span) => *span = Span { start: start as i64, step: 1, size: size as u64 },
            None => return Err(Error::Index(format!("axis {axis} of a value of shape {}", self.shape()))),
        }
        self.slice(&spans)
    }

    /// Axes in the opposite order of elements.
    pub fn flip(&self, axes: &[usize]) -> Result<Recorded> {
        let spans: SmallVec<[Span; 4]> = self
            .shape()
            .iter()
            .enumerate()
            .map(|(axis, d)| match d.get() {
                n if n > 0 && axes.contains(&axis) => Span { start: n as i64 - 1, step: -1, size: n as u64 },
                n => Span::all(n),
            })
            .collect();
        self.slice(&spans)
    }

    /// This value, but `new` where [`Recorded::slice`] with `spans` reads it.
    pub fn update(&self, spans: &[Span], new: &Recorded) -> Result<Recorded> {
        if self.covers(spans) && new.ty() == self.ty() {
            return Ok(new.clone());
        }
        Recorded::apply(Op::Update(Update { spans: spans.into() }), &[self, new])
    }

    /// A tensor of `shape` with this value where `spans` read it, and `fill` (0-d) elsewhere.
    pub fn pad(&self, spans: &[Span], shape: &Shape, fill: &Recorded) -> Result<Recorded> {
        Recorded::apply(Op::Pad(Pad { spans: spans.into(), shape: shape.clone() }), &[self, fill])
    }

    /// Windows that slide over axes, their elements along new axes at the end.
    pub fn window(&self, panes: &[Pane]) -> Result<Recorded> {
        Recorded::apply(Op::Window(Window { panes: panes.into() }), &[self])
    }

    /// The sums, in a tensor of `shape`, of what [`Recorded::window`] would read at each place.
    pub fn fold(&self, panes: &[Pane], shape: &Shape) -> Result<Recorded> {
        Recorded::apply(Op::Fold(Fold { panes: panes.into(), shape: shape.clone() }), &[self])
    }

    fn covers(&self, spans: &[Span]) -> bool {
        spans.len() == self.rank()
            && spans.iter().zip(self.shape().iter()).all(|(s, d)| *s == Span::all(d.get()))
    }

    /// Combined along `axes` (in any order), which disappear.
    pub fn reduce(&self, combine: Combine, axes: &[usize]) -> Result<Recorded> {
        let mut axes: Axes = narrow(axes);
        axes.sort_unstable();
        Recorded::apply(Op::Reduce(Reduce { combine, axes }), &[self])
    }

    pub fn sum(&self, axes: &[usize]) -> Result<Recorded> {
        if axes.is_empty() {
            return Ok(self.clone());
        }
        self.reduce(Combine::Add, axes)
    }

    /// As [`Recorded::reduce`], but the axes stay with extent 1.
    pub fn reduce_keep(&self, combine: Combine, axes: &[usize]) -> Result<Recorded> {
        let mut shape = self.shape().clone();
        for &axis in axes {
            match shape.get_mut(axis) {
                Some(d) => *d = 1.into(),
                None => {
                    return Err(Error::Index(format!("axis {axis} of a value of shape {}", self.shape())));
                }
            }
        }
        self.reduce(combine, axes)?.reshape(&shape)
    }

    /// The first index along `axis` of the maximum or minimum.
    pub fn arg_reduce(&self, largest: bool, axis: usize) -> Result<Recorded> {
        Recorded::apply(Op::ArgReduce(ArgReduce { largest, axis: axis as u8 }), &[self])
    }

    /// The elements along an axis that have these numbers in their order, and their places.
    pub fn sort(&self, axis: usize, descending: bool, numbers: Range<usize>) -> Result<(Recorded, Recorded)> {
        let (Ok(first), Ok(keep)) = (u32::try_from(numbers.start), u32::try_from(numbers.len())) else {
            return runtime(format!("sort(): the axis {axis} is too long to be sorted"));
        };
        let op = Op::Sort(Sort { axis: axis as u8, descending, first, keep });
        let mut results = Recorded::apply_all(op, &[self])?.into_iter();
        match (results.next(), results.next()) {
            (Some(values), Some(places)) => Ok((values, places)),
            _ => runtime("internal error: sorting has two results"),
        }
    }

    /// Sums of products: batch axes in pairs, contracted axes in pairs.
    pub fn contract(
        &self,
        other: &Recorded,
        (lhs_batch, rhs_batch): (&[usize], &[usize]),
        (lhs_contract, rhs_contract): (&[usize], &[usize]),
    ) -> Result<Recorded> {
        let op = Contract {
            lhs_batch: narrow(lhs_batch),
            rhs_batch: narrow(rhs_batch),
            lhs_contract: narrow(lhs_contract),
            rhs_contract: narrow(rhs_contract),
        };
        Recorded::apply(Op::Contract(op), &[self, other])
    }

    pub fn gather(&self, index: &Recorded, picks: Picks) -> Result<Recorded> {
        Recorded::apply(Op::Gather(Gather { picks }), &[self, index])
    }

    /// This value with `updates` put (or combined) where [`Recorded::gather`] would read.
    pub fn scatter(
        &self,
        index: &Recorded,
        updates: &Recorded,
        picks: Picks,
        combine: Option<Combine>,
    ) -> Result<Recorded> {
        Recorded::apply(Op::Scatter(Scatter { picks, combine }), &[self, index, updates])
    }

    /// The running combination along `axis`, of one operand.
    pub fn scan(&self, running: Running, axis: usize) -> Result<Recorded> {
        Recorded::apply(Op::Scan(Scan { running, axis: axis as u8, reverse: false }), &[self])
    }

    /// Along `axis` the result before, times this value, plus `terms`.
    pub fn scan_linear(&self, terms: &Recorded, axis: usize) -> Result<Recorded> {
        let scan = Scan { running: Running::Linear, axis: axis as u8, reverse: false };
        Recorded::apply(Op::Scan(scan), &[self, terms])
    }

    pub fn concat(parts: &[&Recorded], axis: usize) -> Result<Recorded> {
        Recorded::apply(Op::Concat(Concat { axis: axis as u8 }), parts)
    }

    /// The value as a buffer of its own.
    pub fn fence(&self) -> Result<Recorded> {
        Recorded::apply(Op::Fence(Fence), &[self])
    }
}

/// Axis numbers as the IR keeps them. Ranks are bounded far below 255 before they come here, and what is out of
/// range stays so.
fn narrow(axes: &[usize]) -> Axes {
    axes.iter().map(|&a| a.min(u8::MAX as usize) as u8).collect()
}

/// The shape both broadcast to, or torch's error.
pub(crate) fn broadcast_shapes(a: &Shape, b: &Shape) -> Result<Shape> {
    a.broadcast(b).map_err(|axis| {
        let rank = a.rank().max(b.rank());
        let extent = |s: &Shape| (axis + s.rank()).checked_sub(rank).map_or(1, |i| s[i].get());
        let message = format!(
            "The size of tensor a ({}) must match the size of tensor b ({}) at non-singleton dimension {axis}",
            extent(a),
            extent(b)
        );
        Error::shapes(message, a, b)
    })
}

/// The inverse of a broadcast: sums what `shape` repeats.
pub fn sum_to_shape(value: &Recorded, shape: &Shape) -> Result<Recorded> {
    if value.shape() == shape {
        return Ok(value.clone());
    }
    let lead = value.rank().saturating_sub(shape.rank());
    let axes: SmallVec<[usize; 8]> = (0..value.rank())
        .filter(|&i| i < lead || (shape[i - lead].is_one() && !value.shape()[i].is_one()))
        .collect();
    value.sum(&axes)?.reshape(shape)
}

/// Values of one shape along a new axis.
pub fn stack_axes(parts: &[&Recorded], axis: usize) -> Result<Recorded> {
    let parts: Vec<Recorded> = parts.iter().map(|r| r.unsqueeze(axis)).collect::<Result<_>>()?;
    Recorded::concat(&parts.iter().collect::<Vec<_>>(), axis)
}
