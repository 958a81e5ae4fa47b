//! What convolutions and pools share: padding, windows, and numbers given for each axis.

use crate::error::{Result, runtime};
use crate::record::Recorded;
use rustorch_ir::op::{Pane, Span};
use rustorch_ir::{Literal, Shape};
use smallvec::SmallVec;

/// A number for each spatial axis.
pub(super) type PerAxis = SmallVec<[i64; 3]>;

/// The extents of the last `rank` axes.
pub(super) fn spatial(shape: &Shape, rank: usize) -> PerAxis {
    shape[shape.rank() - rank..].iter().map(|d| d.get() as i64).collect()
}

/// `given` for each of `rank` axes; `None` if they are neither one nor so many.
pub(super) fn per_axis(given: &[i64], rank: usize) -> Option<PerAxis> {
    match given {
        [one] => Some(PerAxis::from_elem(*one, rank)),
        _ => (given.len() == rank).then(|| given.into()),
    }
}

/// As Python prints a list.
pub(super) fn sizes(shape: &Shape) -> String {
    format!("{:?}", shape.sizes())
}

/// `fill` before and behind the elements of the last axes; negative amounts cut.
pub(super) fn padded(x: &Recorded, before: &[i64], after: &[i64], fill: Literal) -> Result<Recorded> {
    if before.iter().chain(after).all(|&n| n == 0) {
        return Ok(x.clone());
    }
    let lead = x.rank() - before.len();
    let mut shape = x.shape().clone();
    let mut kept: SmallVec<[Span; 4]> = shape.iter().map(|d| Span::all(d.get())).collect();
    let mut placed = kept.clone();
    for (i, (&before, &after)) in before.iter().zip(after).enumerate() {
        let extent = shape[lead + i].get() as i64;
        let total = (extent + before + after).max(0);
        let (first, last) = ((-before).clamp(0, extent), (total - before).clamp(0, extent));
        let size = (last - first).max(0) as u64;
        let start = |at: i64| if size == 0 { 0 } else { at };
        kept[lead + i] = Span { start: start(first), step: 1, size };
        placed[lead + i] = Span { start: start(first + before), step: 1, size };
        shape[lead + i] = (total as usize).into();
    }
    let kept = x.slice(&kept)?;
    if kept.shape() == &shape { Ok(kept) } else { kept.pad(&placed, &shape, &Recorded::constant(fill)) }
}

/// How windows lie over the last axes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Windows {
    pub size: PerAxis,
    pub stride: PerAxis,
    pub dilation: PerAxis,
    pub count: PerAxis,
}

impl Windows {
    /// How far a window reaches along each axis, less 1.
    pub fn reach(&self) -> PerAxis {
        self.size.iter().zip(&self.dilation).map(|(&n, &d)| (n - 1).max(0) * d).collect()
    }

    /// For a value of rank `rank`, whose last axes these are.
    pub fn panes(&self, rank: usize) -> SmallVec<[Pane; 3]> {
        let axes = self.size.len();
        (0..axes)
            .map(|i| Pane {
                axis: (rank - axes + i) as u8,
                count: self.count[i] as u64,
                stride: self.stride[i] as u64,
                size: self.size[i] as u64,
                dilation: self.dilation[i] as u64,
            })
            .collect()
    }

    pub fn of(&self, x: &Recorded) -> Result<Recorded> {
        x.window(&self.panes(x.rank()))
    }
}

/// Channels in groups: axis `axis` as two, if there are several.
pub(super) fn grouped(x: &Recorded, axis: usize, groups: usize) -> Result<Recorded> {
    if groups == 1 {
        return Ok(x.clone());
    }
    let mut shape = x.shape().clone();
    let extent = shape[axis].get();
    if !extent.is_multiple_of(groups) {
        return runtime(format!("{extent} channels do not make {groups} groups"));
    }
    shape[axis] = (extent / groups).into();
    shape.insert(axis, groups.into());
    x.reshape(&shape)
}

/// The inverse of [`grouped`].
pub(super) fn ungrouped(x: &Recorded, axis: usize, groups: usize) -> Result<Recorded> {
    if groups == 1 {
        return Ok(x.clone());
    }
    let mut shape = x.shape().clone();
    let each = shape[axis + 1].get();
    shape.remove(axis + 1);
    shape[axis] = (groups * each).into();
    x.reshape(&shape)
}
