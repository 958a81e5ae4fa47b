//! Views as operations on values, forward and backward.

use super::Geometry;
use super::places::{picks, places};
use crate::error::Result;
use crate::record::{Recorded, sum_to_shape};
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks, Span};
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;
use std::sync::Arc;

/// How elements are written of which several may share a place.
#[derive(Clone)]
pub enum Writes {
    /// One after the other: a number for each element, greater than 0 where it is written. The last one stays.
    InOrder(Recorded),
    /// These are added, one after the other.
    Added(Recorded),
}

/// One operation of a view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    Reshape {
        from: Shape,
        to: Shape,
    },
    Permute(Axes),
    Slice(SmallVec<[Span; 4]>),
    /// Axes of extent 1 repeated; equal rank.
    Expand {
        from: Shape,
        to: Shape,
    },
    /// The same bytes as elements of another dtype.
    Bits {
        from: DType,
        to: DType,
    },
    /// The elements that `at` names of the value in row-major order.
    Pick {
        from: Shape,
        at: Geometry,
    },
}

impl Step {
    pub fn apply(&self, value: &Recorded) -> Result<Recorded> {
        match self {
            Step::Reshape { to, .. } => value.reshape(to),
            Step::Permute(axes) => value.permute(&wide(axes)),
            Step::Slice(spans) => value.slice(spans),
            Step::Expand { to, .. } => value.expand(to),
            Step::Bits { to, .. } => value.bitcast(*to),
            Step::Pick { at, .. } => value.flatten()?.gather(&places(at)?, picks(at)),
        }
    }

    /// As [`Step::put`], for elements that may share a place.
    fn put_shared(&self, base: &Recorded, new: &Recorded, writes: &Writes) -> Result<Recorded> {
        let Step::Expand { from, to } = self else { return self.put(base, new) };
        if to.iter().any(|d| d.get() == 0) {
            return Ok(base.clone());
        }
        let times = match writes {
            Writes::Added(added) => return base.add(&sum_to_shape(added, from)?),
            Writes::InOrder(times) => times,
        };
        let (repeated, single): (Vec<usize>, Vec<usize>) = (0..to.rank()).partition(|&i| from[i] != to[i]);
        let order: Vec<usize> = single.iter().chain(&repeated).copied().collect();
        let mut shape: Shape = single.iter().map(|&i| to[i]).collect();
        shape.push(repeated.iter().map(|&i| to[i].get()).product::<usize>().into());
        let last = shape.rank() - 1;
        let rows = |value: &Recorded| value.permute(&order)?.reshape(&shape);
        let times = rows(times)?;
        let latest = times.arg_reduce(true, last)?;
        let written = times.reduce(Combine::Max, &[last])?.ne(&times.literal_int(0))?;
        let along: Axes = (0..last as u8).collect();
        let picks = Picks { axis: last as u8, data: along.clone(), index: along };
        let value = rows(new)?.gather(&latest, picks)?.reshape(from)?;
        written.reshape(from)?.select(&value, base)
    }

    /// `base` with what this step reads of it replaced by `new`.
    fn put(&self, base: &Recorded, new: &Recorded) -> Result<Recorded> {
        match self {
            Step::Reshape { from, .. } => new.reshape(from),
            Step::Permute(axes) => {
                let mut inverse: SmallVec<[usize; 8]> = SmallVec::from_elem(0, axes.len());
                axes.iter().enumerate().for_each(|(to, &from)| inverse[from as usize] = to);
                new.permute(&inverse)
            }
            Step::Slice(spans) => base.update(spans, new),
            // Repeated elements: each place takes the first of the values that go there.
            Step::Expand { from, to } if to.iter().all(|d| d.get() > 0) => {
                let spans: SmallVec<[Span; 4]> = from.iter().map(|d| Span::all(d.get())).collect();
                new.slice(&spans)
            }
            // No element is written, but the gradient of what would have been is 0.
            Step::Expand { .. } => Ok(if new.tracks() { base.flat_in(&[base, new]) } else { base.clone() }),
            Step::Bits { from, .. } => new.bitcast(*from),
            Step::Pick { from, at } => {
                base.flatten()?.scatter(&places(at)?, new, picks(at), None::<Combine>)?.reshape(from)
            }
        }
    }

    fn is_identity(&self) -> bool {
        match self {
            Step::Reshape { from, to } | Step::Expand { from, to } => from == to,
            Step::Permute(axes) => axes.iter().copied().eq(0..axes.len() as u8),
            Step::Bits { from, to } => from == to,
            Step::Slice(_) | Step::Pick { .. } => false,
        }
    }

    /// For a repetition and then `next`: the same as another step and then a repetition.
    fn swapped(&self, next: &Step) -> Option<(Step, Step)> {
        let Step::Expand { from, to } = self else { return None };
        match next {
            Step::Slice(spans) => {
                let repeats = |i: usize| from[i] != to[i];
                let own =
                    |(i, s): (usize, &Span)| if repeats(i) { Span::all(s.size.min(1) as usize) } else { *s };
                let inner: SmallVec<[Span; 4]> = spans.iter().enumerate().map(own).collect();
                let cut = |spans: &[Span]| spans.iter().map(|s| s.size as usize).collect::<Shape>();
                let (from, to) = (cut(&inner), cut(spans));
                let first = Step::Slice(inner);
                Some((first, Step::Expand { from, to }))
            }
            Step::Permute(axes) => {
                let moved = |shape: &Shape| axes.iter().map(|&a| shape[a as usize]).collect::<Shape>();
                Some((Step::Permute(axes.clone()), Step::Expand { from: moved(from), to: moved(to) }))
            }
            Step::Reshape { to: shape, .. } => {
                // Axes of extent 1 that come and go.
                let mut rest = to.iter().zip(from.iter()).filter(|(wide, _)| !wide.is_one());
                let mut narrow = Shape::scalar();
                for &extent in shape.iter() {
                    narrow.push(if extent.is_one() {
                        extent
                    } else {
                        let (wide, own) = rest.next()?;
                        if *wide != extent {
                            return None;
                        }
                        *own
                    });
                }
                if rest.next().is_some() {
                    return None;
                }
                let first = Step::Reshape { from: from.clone(), to: narrow.clone() };
                Some((first, Step::Expand { from: narrow, to: shape.clone() }))
            }
            Step::Expand { .. } | Step::Pick { .. } | Step::Bits { .. } => None,
        }
    }

    /// This step and then `next`, as one.
    fn then(&self, next: &Step) -> Option<Step> {
        match (self, next) {
            (Step::Reshape { from, .. }, Step::Reshape { to, .. }) => {
                Some(Step::Reshape { from: from.clone(), to: to.clone() })
            }
            (Step::Expand { from, .. }, Step::Expand { to, .. }) => {
                Some(Step::Expand { from: from.clone(), to: to.clone() })
            }
            (Step::Permute(first), Step::Permute(second)) => {
                Some(Step::Permute(second.iter().map(|&a| first[a as usize]).collect()))
            }
            (Step::Slice(outer), Step::Slice(inner)) => {
                let compose = |(a, b): (&Span, &Span)| Span {
                    start: if b.size == 0 { 0 } else { a.start + a.step * b.start },
                    step: if b.size <= 1 { 1 } else { a.step * b.step },
                    size: b.size,
                };
                Some(Step::Slice(outer.iter().zip(inner).map(compose).collect()))
            }
            _ => None,
        }
    }
}

fn wide(axes: &[u8]) -> SmallVec<[usize; 8]> {
    axes.iter().map(|&a| a as usize).collect()
}

/// The steps from a row-major value of shape `from` to the view `at` of it: slices of a reshape where the
/// strides nest, single picked elements where they do not. Repetitions come last.
pub(crate) fn strided(from: &Shape, at: &Geometry) -> SmallVec<[Step; 2]> {
    nested(from, at).unwrap_or_else(|| {
        let mut single = at.clone();
        for (size, &stride) in single.sizes.iter_mut().zip(&at.strides) {
            if stride == 0 {
                *size = 1.into();
            }
        }
        let repeat = Step::Expand { from: single.sizes.clone(), to: at.sizes.clone() };
        let pick = Step::Pick { from: from.clone(), at: single };
        if repeat.is_identity() { SmallVec::from_iter([pick]) } else { SmallVec::from_iter([pick, repeat]) }
    })
}

fn nested(from: &Shape, at: &Geometry) -> Option<SmallVec<[Step; 2]>> {
    let numel = from.numel() as i64;
    if at.numel() == 0 {
        let flat = Shape::from_sizes(&[numel as usize]);
        let none = Shape::from_sizes(&[0]);
        return Some(SmallVec::from_iter([
            Step::Reshape { from: from.clone(), to: flat },
            Step::Slice(SmallVec::from_iter([Span { start: 0, step: 1, size: 0 }])),
            Step::Reshape { from: none, to: at.sizes.clone() },
        ]));
    }
    let mut axes: SmallVec<[usize; 8]> =
        (0..at.rank()).filter(|&i| at.sizes[i].get() > 1 && at.strides[i] != 0).collect();
    axes.sort_by_key(|&i| -at.strides[i]);
    // Each stride divides the one before: the storage in row-major order is a tensor with these extents.
    let mut extents = Vec::with_capacity(axes.len() + 1);
    let mut before = numel;
    for &axis in &axes {
        let stride = at.strides[axis];
        if stride < 0 || before % stride != 0 {
            return None;
        }
        extents.push(before / stride);
        before = stride;
    }
    extents.push(before);
    let mut spans: SmallVec<[Span; 4]> = SmallVec::new();
    let mut rest = at.offset;
    for (&axis, &extent) in axes.iter().zip(&extents) {
        let (start, size) = (rest / at.strides[axis], at.sizes[axis].get() as i64);
        if start + size > extent {
            return None;
        }
        rest %= at.strides[axis];
        spans.push(Span { start, step: 1, size: size as u64 });
    }
    spans.push(Span { start: rest, step: 1, size: 1 });
    if rest >= before {
        return None;
    }
    let whole: Shape = extents.iter().map(|&e| e as usize).collect();
    let cut: Shape = spans.iter().map(|s| s.size as usize).collect();
    let sorted: Shape = axes.iter().map(|&i| at.sizes[i]).collect();
    let mut order: SmallVec<[(usize, u8); 8]> = axes.iter().enumerate().map(|(k, &i)| (i, k as u8)).collect();
    order.sort_unstable();
    let permutation: Axes = order.iter().map(|&(_, k)| k).collect();
    let permuted: Shape = order.iter().map(|&(i, _)| at.sizes[i]).collect();
    let single: Shape =
        (0..at.rank()).map(|i| if axes.contains(&i) { at.sizes[i] } else { 1.into() }).collect();
    let mut chain = Chain::default();
    chain.extend([
        Step::Reshape { from: from.clone(), to: whole },
        Step::Slice(spans),
        Step::Reshape { from: cut, to: sorted },
        Step::Permute(permutation),
        Step::Reshape { from: permuted, to: single.clone() },
        Step::Expand { from: single, to: at.sizes.clone() },
    ]);
    Some(chain.steps().iter().cloned().collect())
}

/// Appends a step. Repetitions come last where they can: what is cut away before is not repeated, and a write to
/// one of several equal elements reaches the one that they are.
fn push(all: &mut Vec<Step>, step: Step) {
    let Some(last) = all.last() else {
        if !step.is_identity() {
            all.push(step);
        }
        return;
    };
    if let Some(merged) = last.then(&step) {
        all.pop();
        push(all, merged);
    } else if let Some((first, repeated)) = last.swapped(&step) {
        all.pop();
        push(all, first);
        push(all, repeated);
    } else if !step.is_identity() {
        all.push(step);
    }
}

/// Steps one after the other; neighbours that are one step are merged.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Chain(Option<Arc<Vec<Step>>>);

impl Chain {
    pub fn steps(&self) -> &[Step] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    pub fn is_empty(&self) -> bool {
        self.steps().is_empty()
    }

    pub fn extend(&mut self, steps: impl IntoIterator<Item = Step>) {
        let mut all = self.steps().to_vec();
        for step in steps {
            push(&mut all, step);
        }
        self.0 = (!all.is_empty()).then(|| Arc::new(all));
    }

    /// Whether elements are repeated before another step.
    pub fn repeats_within(&self) -> bool {
        let inner = self.steps().split_last().map_or(&[][..], |(_, inner)| inner);
        inner.iter().any(|step| matches!(step, Step::Expand { .. }))
    }

    pub fn apply(&self, base: &Recorded) -> Result<Recorded> {
        apply(self.steps(), base)
    }

    /// `base` with the view replaced by `new`, which has the view's shape and dtype. Where elements share a place
    /// and nothing is said of the writes, any of them stays.
    pub fn put(&self, base: &Recorded, new: &Recorded, writes: Option<&Writes>) -> Result<Recorded> {
        let Some((last, inner)) = self.steps().split_last() else { return Ok(new.clone()) };
        let mut bases = vec![base.clone()];
        for (step, i) in inner.iter().zip(0..) {
            let next = step.apply(&bases[i])?;
            bases.push(next);
        }
        let mut value = match writes {
            Some(writes) => last.put_shared(&bases[inner.len()], new, writes)?,
            None => last.put(&bases[inner.len()], new)?,
        };
        for (step, base) in inner.iter().zip(&bases).rev() {
            value = step.put(base, &value)?;
        }
        Ok(value)
    }
}

/// The value after these steps.
pub(crate) fn apply(steps: &[Step], base: &Recorded) -> Result<Recorded> {
    let mut value = base.clone();
    for step in steps {
        value = step.apply(&value)?;
    }
    Ok(value)
}
