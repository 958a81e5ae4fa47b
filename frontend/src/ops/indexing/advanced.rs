//! Index tensors: one gather or scatter, whatever their number.
//!
//! The axes that the index tensors choose from are brought together and merged into one, by views; the index tensors
//! become one index into it. Where the chosen axes are neighbours the result has the index's axes in their place,
//! otherwise in front, as in NumPy.

use super::known::{Count, out_of_bounds, prepared};
use super::{is_mask, positions};
use crate::error::{Error, Result, runtime};
use crate::grad_mode::no_grad;
use crate::ops::layout::finish;
use crate::ops::view_ops;
use crate::record::{Recorded, broadcast_shapes};
use crate::tensor::Tensor;
use crate::view::ViewOp;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks, Scalar};
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// One index of a subscript: places within `axes` neighbouring axes.
struct Choice {
    axis: usize,
    axes: usize,
    places: Tensor,
}

/// How index tensors find elements.
pub(crate) struct Lookup {
    /// The data's axes with the chosen ones in front, where these are no neighbours.
    order: Option<SmallVec<[usize; 8]>>,
    /// The data with the chosen axes merged.
    merged: Shape,
    data: Shape,
    index: Recorded,
    picks: Picks,
    /// The shape of what is found.
    pub found: Shape,
    /// For the layout of the result: the chosen axes, and the index tensors.
    chosen: Vec<usize>,
    places: Vec<Tensor>,
    at: usize,
}

impl Lookup {
    /// `Ok(None)` if no index chooses anything.
    pub fn new(data: &Shape, indices: &[Option<Tensor>]) -> Result<Option<Lookup>> {
        let choices = choices(data, indices)?;
        let Some(first) = choices.first() else { return Ok(None) };
        let shape = index_shape(&choices)?;
        let chosen: Vec<usize> = choices.iter().flat_map(|c| c.axis..c.axis + c.axes).collect();
        let extents: Vec<usize> = chosen.iter().map(|&axis| data[axis].get()).collect();
        if extents.contains(&0) && shape.iter().all(|d| d.get() > 0) {
            return Err(Error::Index("index is out of bounds for dimension with size 0".into()));
        }
        let neighbours = chosen.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let at = if neighbours { first.axis } else { 0 };
        let others: SmallVec<[usize; 8]> = (0..data.rank()).filter(|axis| !chosen.contains(axis)).collect();
        let order = (!neighbours).then(|| chosen.iter().chain(&others).copied().collect());
        let mut merged: Shape = others.iter().map(|&axis| data[axis]).collect();
        let mut found = merged.clone();
        merged.insert(at, extents.iter().product::<usize>().into());
        shape.iter().rev().for_each(|&d| found.insert(at, d));
        let rank = shape.rank() as u8;
        let picks = Picks {
            axis: at as u8,
            data: (0..others.len() as u8).map(|i| if (i as usize) < at { i } else { i + rank }).collect(),
            index: (at as u8..at as u8 + rank).collect(),
        };
        let index = linear(data, &choices, found.numel() == 0)?;
        let places = choices.into_iter().map(|c| c.places).collect();
        Ok(Some(Lookup { order, merged, data: data.clone(), index, picks, found, chosen, places, at }))
    }

    fn bring(&self, x: &Recorded) -> Result<Recorded> {
        match &self.order {
            Some(order) => x.permute(order)?.reshape(&self.merged),
            None => x.reshape(&self.merged),
        }
    }

    pub fn read(&self, x: &Recorded) -> Result<Recorded> {
        self.bring(x)?.gather(&self.index, self.picks.clone())
    }

    /// `x` with `values`, which broadcast to what is found, put (or combined) there.
    pub fn write(&self, x: &Recorded, values: &Recorded, combine: Option<Combine>) -> Result<Recorded> {
        let values = values.broadcast_to(&self.found)?;
        let new = self.bring(x)?.scatter(&self.index, &values, self.picks.clone(), combine)?;
        let Some(order) = &self.order else { return new.reshape(&self.data) };
        let permuted: Shape = order.iter().map(|&axis| self.data[axis]).collect();
        let mut inverse: SmallVec<[usize; 8]> = SmallVec::from_elem(0, order.len());
        order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        new.reshape(&permuted)?.permute(&inverse)
    }

    /// A tensor of `value`, which was read from `x`, with the order of axes in memory that torch gives it: that of
    /// `x` along its own axes, that of the indices along theirs.
    fn finish(&self, value: Recorded, x: &Tensor) -> Result<Tensor> {
        let plain = x.is_contiguous() && self.places.iter().all(|t| t.is_contiguous());
        if plain || self.found.numel() == 0 {
            return Tensor::from_value(value);
        }
        let rank = self.picks.index.len();
        let operands = no_grad(|| {
            let mut own = x.detach();
            for &axis in self.chosen.iter().rev() {
                own = own.view(ViewOp::Select { axis, index: 0 })?;
            }
            for _ in 0..rank {
                own = own.view(ViewOp::Unsqueeze(self.at))?;
            }
            let mut operands = vec![own.view(ViewOp::Expand(self.found.clone()))?];
            for places in &self.places {
                let mut index = places.clone();
                for _ in self.at + rank..self.found.rank() {
                    index = index.view(ViewOp::Unsqueeze(index.dim()))?;
                }
                operands.push(index.view(ViewOp::Expand(self.found.clone()))?);
            }
            Ok::<_, Error>(operands)
        })?;
        finish(value, &operands.iter().collect::<Vec<_>>())
    }
}

/// Masks become places; dtypes and shapes are checked.
fn choices(data: &Shape, indices: &[Option<Tensor>]) -> Result<Vec<Choice>> {
    for t in indices.iter().flatten() {
        if !matches!(t.dtype(), DType::I64 | DType::I32 | DType::U8 | DType::Bool) {
            return Err(Error::Index(
                "tensors used as indices must be long, int, byte or bool tensors".into(),
            ));
        }
    }
    let axes = |t: &Option<Tensor>| t.as_ref().filter(|t| is_mask(t)).map_or(1, Tensor::dim);
    let used: usize = indices.iter().map(axes).sum();
    if used > data.rank() {
        return Err(Error::Index(format!(
            "too many indices for tensor of dimension {} (got {used})",
            data.rank()
        )));
    }
    let mut out = Vec::new();
    let mut axis = 0;
    for index in indices {
        let count = axes(index);
        match index {
            None => {}
            Some(mask) if is_mask(mask) => {
                let sizes = mask.sizes();
                if let Some(i) = (0..count).find(|&i| sizes[i] != data[axis + i]) {
                    return Err(Error::Index(format!(
                        "The shape of the mask {sizes} at index {i} does not match the shape of the indexed tensor \
                         {data} at index {}",
                        axis + i
                    )));
                }
                // A mask without axes chooses nothing.
                if count > 0 {
                    out.push(Choice { axis, axes: count, places: positions::of_mask(mask)? });
                }
            }
            Some(places) => out.push(Choice { axis, axes: 1, places: places.clone() }),
        }
        axis += count;
    }
    Ok(out)
}

fn index_shape(choices: &[Choice]) -> Result<Shape> {
    let mut shape = Shape::scalar();
    for choice in choices {
        shape = broadcast_shapes(&shape, &choice.places.sizes()).map_err(|_| {
            let list: Vec<String> = choices
                .iter()
                .flat_map(|c| std::iter::repeat_n(c.places.sizes().to_string(), c.axes))
                .collect();
            Error::Index(format!(
                "shape mismatch: indexing tensors could not be broadcast together with shapes {}",
                list.join(", ")
            ))
        })?;
    }
    Ok(shape)
}

/// One index into the merged axes. Where nothing is looked up, nothing is checked.
fn linear(data: &Shape, choices: &[Choice], unused: bool) -> Result<Recorded> {
    let mut sum: Option<Recorded> = None;
    let mut stride: i64 = 1;
    let single = choices.len() == 1;
    for choice in choices.iter().rev() {
        let extent: usize = data[choice.axis..choice.axis + choice.axes].iter().map(|d| d.get()).product();
        let value = if unused || choice.axes > 1 {
            choice.places.read()?.cast(DType::I64)?
        } else {
            let error = |i| out_of_bounds(i, choice.axis, extent);
            let index = prepared(&choice.places, extent, Count::FromBoth, error)?;
            if single || index.checked { index.value } else { checked(&index.value, extent)? }
        };
        let value = if single { value } else { value.cast(DType::I64)? };
        let value = if stride == 1 { value } else { value.map2(Scalar::Mul, &value.literal_int(stride))? };
        sum = Some(match sum {
            Some(sum) => value.add(&sum)?,
            None => value,
        });
        stride *= extent as i64;
    }
    match sum {
        Some(sum) => Ok(sum),
        None => runtime("internal error: an index without index tensors"),
    }
}

/// The index itself, where it is within an axis; otherwise the kernel fails.
fn checked(index: &Recorded, extent: usize) -> Result<Recorded> {
    let axes: Axes = (0..index.rank() as u8).collect();
    Recorded::iota(extent)?.gather(index, Picks { axis: 0, data: Axes::new(), index: axes })
}

/// The elements that the index tensors choose.
pub fn index(x: &Tensor, indices: &[Option<Tensor>]) -> Result<Tensor> {
    match Lookup::new(&x.sizes(), indices)? {
        Some(lookup) => lookup.finish(lookup.read(&x.read()?)?, x),
        None => finish(x.read()?, &[x]),
    }
}

/// `x` with `values` put, or added, where the index tensors choose.
pub fn index_put(
    x: &Tensor,
    indices: &[Option<Tensor>],
    values: &Tensor,
    accumulate: bool,
) -> Result<Recorded> {
    if !accumulate
        && values.numel() == 1
        && let Some(mask) = only_mask(x, indices)?
    {
        let value = values.read()?.reshape(&Shape::scalar())?.cast(x.dtype())?;
        return mask.select(&value, &x.read()?);
    }
    let lookup = Lookup::new(&x.sizes(), indices)?;
    let found = lookup.as_ref().map_or_else(|| x.sizes(), |l| l.found.clone());
    let from = values.sizes();
    if !matches!(broadcast_shapes(&from, &found), Ok(shape) if shape == found) {
        let message = format!(
            "shape mismatch: value tensor of shape {from} cannot be broadcast to indexing result of shape {found}"
        );
        return Err(Error::shapes(message, &from, &found));
    }
    if values.dtype() != x.dtype() {
        return Err(Error::DType(format!(
            "Index put requires the source and destination dtypes match, got {} for the destination and {} for the \
             source.",
            x.dtype().scalar_type_name(),
            values.dtype().scalar_type_name()
        )));
    }
    let (data, values) = (x.read()?, values.read()?);
    let combine = accumulate.then_some(Combine::Add);
    match lookup {
        Some(lookup) => lookup.write(&data, &values, combine),
        None if accumulate => data.add(&values),
        None => values.broadcast_to(&found),
    }
}

/// The mask, broadcast against `x`, if it is the only index: then no places have to be known.
fn only_mask(x: &Tensor, indices: &[Option<Tensor>]) -> Result<Option<Recorded>> {
    let mut given = indices.iter().enumerate().filter_map(|(i, t)| t.as_ref().map(|t| (i, t)));
    let (Some((axis, mask)), None) = (given.next(), given.next()) else { return Ok(None) };
    let (own, sizes) = (mask.sizes(), x.sizes());
    let fits = is_mask(mask)
        && own.rank() > 0
        && axis + own.rank() <= sizes.rank()
        && own.iter().zip(&sizes[axis..]).all(|(a, b)| a == b);
    if !fits {
        return Ok(None);
    }
    let value = mask.read()?.cast(DType::Bool)?;
    let behind = std::iter::repeat_n(1.into(), sizes.rank() - axis - own.rank());
    let shape: Shape = own.iter().copied().chain(behind).collect();
    value.reshape(&shape).map(Some)
}

/// The shape of an index for [`view_ops::reshape`]: its elements along one axis.
pub(crate) fn flat(t: &Tensor) -> Result<Tensor> {
    no_grad(|| view_ops::reshape(t, &[t.numel() as i64]))
}
