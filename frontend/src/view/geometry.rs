//! Sizes, strides and offset, by torch's rules.

use crate::error::{Error, Result, fail, runtime};
use crate::record::check_extent;
use rustorch_ir::op::Span;
use rustorch_ir::{DType, Shape, Strides};
use smallvec::SmallVec;

/// Where the elements of a tensor lie in its storage, in elements.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Geometry {
    pub sizes: Shape,
    pub strides: Strides,
    pub offset: i64,
}

impl Geometry {
    pub fn contiguous(sizes: &Shape) -> Geometry {
        Geometry { sizes: sizes.clone(), strides: sizes.contiguous_strides(), offset: 0 }
    }

    /// The place of the same bytes in elements of another dtype, with torch's refusals.
    pub fn bits(&self, from: DType, to: DType) -> Result<Geometry> {
        let (own, new) = (from.size() as i64, to.size() as i64);
        let mut at = self.clone();
        if own == new {
            return Ok(at);
        }
        let refuse = |what: String, must: &str, got: Option<i64>| {
            let got = got.map_or(String::new(), |got| format!(", but got {got}"));
            let (from, to) = (from.scalar_type_name(), to.scalar_type_name());
            runtime(format!("self.{what} {must} to view {from} as {to} (different element sizes){got}"))
        };
        let Some(last) = self.rank().checked_sub(1) else {
            return refuse("dim()".into(), "cannot be 0", None);
        };
        let size = self.sizes[last].get() as i64;
        let ratio = (new / own).max(1);
        let whole = format!("must be divisible by {ratio}");
        if size % ratio != 0 {
            return refuse("size(-1)".into(), &whole, Some(size));
        }
        if self.offset % ratio != 0 {
            return refuse("storage_offset()".into(), &whole, Some(self.offset));
        }
        if self.strides[last] != 1 {
            return refuse("stride(-1)".into(), "must be 1", Some(self.strides[last]));
        }
        let odd = self.strides[..last].iter().position(|stride| stride % ratio != 0);
        if let Some(axis) = odd {
            return refuse(format!("stride({axis})"), &whole, Some(self.strides[axis]));
        }
        at.offset = self.offset * own / new;
        at.sizes[last] = ((size * own / new) as usize).into();
        at.strides[..last].iter_mut().for_each(|stride| *stride = *stride * own / new);
        Ok(at)
    }

    pub fn rank(&self) -> usize {
        self.sizes.rank()
    }

    pub fn numel(&self) -> usize {
        self.sizes.numel()
    }

    fn axes(&self) -> impl DoubleEndedIterator<Item = (usize, i64)> + '_ {
        self.sizes.iter().map(|d| d.get()).zip(self.strides.iter().copied())
    }

    /// Whether the elements lie in row-major order without gaps. Axes of extent 1 may have any stride.
    pub fn is_contiguous(&self) -> bool {
        if self.sizes.iter().any(|d| d.get() == 0) {
            return true;
        }
        let mut expected = 1i64;
        for (size, stride) in self.axes().rev() {
            if size != 1 {
                if stride != expected {
                    return false;
                }
                expected *= size as i64;
            }
        }
        true
    }

    /// Whether the elements fill a stretch of memory, each place once, in any order of axes.
    pub fn is_dense(&self) -> bool {
        if self.is_contiguous() {
            return true;
        }
        let mut axes: SmallVec<[(usize, i64); 8]> = self.axes().filter(|&(size, _)| size > 1).collect();
        axes.sort_by_key(|&(_, stride)| stride);
        let mut expected = 1i64;
        axes.into_iter().all(|(size, stride)| {
            let fits = stride == expected;
            expected *= size as i64;
            fits
        })
    }

    /// Whether an axis repeats its elements, so that a write would meet itself.
    pub fn repeats(&self) -> bool {
        self.numel() > 0 && self.axes().any(|(size, stride)| size > 1 && stride == 0)
    }

    /// The axes from the outermost in memory to the innermost, if the elements are dense; else row-major.
    pub fn memory_order(&self) -> SmallVec<[usize; 4]> {
        let mut order: SmallVec<[usize; 4]> = (0..self.rank()).collect();
        if !self.is_contiguous() && self.is_dense() {
            order.sort_by_key(|&axis| std::cmp::Reverse(self.strides[axis]));
        }
        order
    }

    /// The places in the storage from the first to behind the last, or `None` if there are none.
    pub fn extent(&self) -> Option<(i64, i64)> {
        if self.sizes.iter().any(|d| d.get() == 0) {
            return None;
        }
        let last = self.axes().map(|(size, stride)| (size as i64 - 1).saturating_mul(stride));
        Some((self.offset, last.fold(self.offset, i64::saturating_add).saturating_add(1)))
    }

    /// torch's `view`.
    pub fn reshape(&self, sizes: &Shape) -> Result<Geometry> {
        if sizes.checked_numel() != Some(self.numel()) {
            let message = format!("shape '{sizes}' is invalid for input of size {}", self.numel());
            return Err(Error::shapes(message, &self.sizes, sizes));
        }
        match self.reshaped_strides(sizes) {
            Some(strides) => Ok(Geometry { sizes: sizes.clone(), strides, offset: self.offset }),
            None => fail(
                Error::Shape,
                "view size is not compatible with input tensor's size and stride (at least one dimension spans \
                 across two contiguous subspaces). Use .reshape(...) instead.",
            ),
        }
    }

    /// The strides of a view of this one with other sizes (of as many elements), if it can be one: each run of
    /// axes that lie one behind the other in memory must split into the new axes exactly.
    pub fn reshaped_strides(&self, sizes: &Shape) -> Option<Strides> {
        let rank = self.rank();
        if rank == 0 {
            return Some(SmallVec::from_elem(1, sizes.rank()));
        }
        if self.numel() == 0 {
            return Some(if self.sizes == *sizes {
                self.strides.clone()
            } else {
                sizes.contiguous_strides()
            });
        }
        let mut strides: Strides = SmallVec::from_elem(0, sizes.rank());
        let mut to = sizes.rank();
        let (mut run, mut covered) = (1i64, 1i64);
        let mut unit = self.strides[rank - 1];
        for axis in (0..rank).rev() {
            run *= self.sizes[axis].get() as i64;
            let run_ends =
                axis == 0 || (!self.sizes[axis - 1].is_one() && self.strides[axis - 1] != run * unit);
            if !run_ends {
                continue;
            }
            while to > 0 && (covered < run || sizes[to - 1].is_one()) {
                to -= 1;
                strides[to] = covered * unit;
                covered *= sizes[to].get() as i64;
            }
            if covered != run {
                return None;
            }
            if axis > 0 {
                unit = self.strides[axis - 1];
                (run, covered) = (1, 1);
            }
        }
        (to == 0).then_some(strides)
    }

    pub fn permute(&self, axes: &[usize]) -> Geometry {
        Geometry {
            sizes: axes.iter().map(|&a| self.sizes[a]).collect(),
            strides: axes.iter().map(|&a| self.strides[a]).collect(),
            offset: self.offset,
        }
    }

    /// torch's `expand`, to full sizes.
    pub fn expand(&self, sizes: &Shape) -> Result<Geometry> {
        check_extent(sizes, DType::Bool)?;
        let (from, to) = (self.rank(), sizes.rank());
        if to < from {
            let message = format!(
                "expand: the number of sizes provided ({to}) must be greater or equal to the number of dimensions \
                 in the tensor ({from})"
            );
            return Err(Error::shapes(message, &self.sizes, sizes));
        }
        let mut strides: Strides = SmallVec::from_elem(0, to);
        for i in (0..to).rev() {
            let (size, stride) = match (i + from).checked_sub(to) {
                Some(axis) => (self.sizes[axis], self.strides[axis]),
                None => {
                    let next = (i + 1 < to).then(|| sizes[i + 1].get() as i64 * strides[i + 1]);
                    (1.into(), next.unwrap_or(1))
                }
            };
            if size != sizes[i] && !size.is_one() {
                let message = format!(
                    "The expanded size of the tensor ({}) must match the existing size ({size}) at non-singleton \
                     dimension {i}.  Target sizes: {sizes}.  Tensor sizes: {}",
                    sizes[i], self.sizes
                );
                return Err(Error::shapes(message, &self.sizes, sizes));
            }
            strides[i] = if size == sizes[i] { stride } else { 0 };
        }
        Ok(Geometry { sizes: sizes.clone(), strides, offset: self.offset })
    }

    /// One span per axis, within it.
    pub fn slice(&self, spans: &[Span]) -> Geometry {
        let start: i64 = spans.iter().zip(&self.strides).map(|(s, k)| s.start * k).sum();
        Geometry {
            sizes: spans.iter().map(|s| s.size as usize).collect(),
            strides: spans.iter().zip(&self.strides).map(|(s, k)| s.step.saturating_mul(*k)).collect(),
            offset: self.offset + start,
        }
    }

    pub fn unsqueeze(&self, axis: usize) -> Geometry {
        let mut out = self.clone();
        let stride = if axis < self.rank() { self.sizes[axis].get() as i64 * self.strides[axis] } else { 1 };
        out.sizes.insert(axis, 1.into());
        out.strides.insert(axis, stride);
        out
    }

    pub fn without(&self, axes: &[usize]) -> Geometry {
        let kept = |i: &usize| !axes.contains(i);
        Geometry {
            sizes: (0..self.rank()).filter(kept).map(|i| self.sizes[i]).collect(),
            strides: (0..self.rank()).filter(kept).map(|i| self.strides[i]).collect(),
            offset: self.offset,
        }
    }

    pub fn diagonal(&self, offset: i64, axis1: usize, axis2: usize) -> Geometry {
        let (rows, columns) = (self.sizes[axis1].get() as i64, self.sizes[axis2].get() as i64);
        let size = if offset >= 0 {
            rows.min(columns.saturating_sub(offset))
        } else {
            rows.saturating_add(offset).min(columns)
        }
        .max(0);
        let mut out = self.without(&[axis1, axis2]);
        if size > 0 {
            let axis = if offset >= 0 { axis2 } else { axis1 };
            out.offset += offset.abs() * self.strides[axis];
        }
        out.sizes.push((size as usize).into());
        out.strides.push(self.strides[axis1] + self.strides[axis2]);
        out
    }

    pub fn unfold(&self, axis: usize, size: usize, step: usize) -> Result<Geometry> {
        let extent = self.sizes.get(axis).map_or(1, |d| d.get());
        if size > extent {
            return runtime(format!(
                "maximum size for tensor at dimension {axis} is {extent} but size is {size}"
            ));
        }
        if step == 0 {
            return runtime("step is 0 but must be > 0");
        }
        let mut out = self.clone();
        out.sizes.push(size.into());
        out.strides.push(self.strides.get(axis).copied().unwrap_or(1));
        if self.rank() > 0 {
            out.sizes[axis] = ((extent - size) / step + 1).into();
            out.strides[axis] = self.strides[axis].saturating_mul(step as i64);
        }
        Ok(out)
    }
}

/// torch's size arguments, of which one may be -1, as sizes for `numel` elements.
pub fn infer_sizes(sizes: &[i64], numel: usize) -> Result<Shape> {
    let text = || {
        let list: Vec<String> = sizes.iter().map(i64::to_string).collect();
        list.join(", ")
    };
    let mut free = None;
    let mut known = Some(1usize);
    for (i, &size) in sizes.iter().enumerate() {
        match size {
            -1 if free.is_some() => return fail(Error::Shape, "only one dimension can be inferred"),
            -1 => free = Some(i),
            0.. => known = known.and_then(|k| k.checked_mul(size as usize)),
            _ => {
                return fail(
                    Error::Shape,
                    format!("invalid shape dimension {size} at index {i} of shape [{}]", text()),
                );
            }
        }
    }
    let invalid = || fail(Error::Shape, format!("shape '[{}]' is invalid for input of size {numel}", text()));
    let mut shape: Shape = sizes.iter().map(|&s| s.max(0) as usize).collect();
    match (free, known) {
        (None, Some(known)) if known == numel => Ok(shape),
        (Some(_), Some(0)) if numel == 0 => fail(
            Error::Shape,
            format!(
                "cannot reshape tensor of 0 elements into shape [{}] because the unspecified dimension size -1 can be \
             any value and is ambiguous",
                text()
            ),
        ),
        (Some(i), Some(known)) if known > 0 && numel.is_multiple_of(known) => {
            shape[i] = (numel / known).into();
            Ok(shape)
        }
        _ => invalid(),
    }
}

/// A possibly negative axis of a tensor of rank `rank`, counted from the front.
pub fn wrap_axis(axis: i64, rank: usize) -> Result<usize> {
    let bound = rank.max(1) as i64;
    if (-bound..bound).contains(&axis) {
        return Ok(if axis < 0 { axis + bound } else { axis } as usize);
    }
    Err(Error::Axis(format!(
        "Dimension out of range (expected to be in range of [{}, {}], but got {axis})",
        -bound,
        bound - 1
    )))
}
