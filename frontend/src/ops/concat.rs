//! Tensors joined to one.

use crate::entries;
use crate::error::{Error, Result, runtime};
use crate::ops::view_ops::{self, atleast, meshgrid, reshape};
use crate::promote::Promotion;
use crate::record::Recorded;
use crate::tensor::Tensor;
use crate::view::wrap_axis;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Axes, Picks, Span};
use rustorch_ir::{DType, Literal, Shape};

fn common_dtype(list: &[Tensor]) -> DType {
    list.iter().fold(Promotion::default(), |p, t| p.value(t.dtype(), t.dim())).dtype()
}

fn nonempty(list: &[Tensor], name: &str) -> Result<()> {
    if list.is_empty() { runtime(format!("{name} expects a non-empty TensorList")) } else { Ok(()) }
}

/// The tensors, one behind the other along an axis. 1-D tensors without elements are left out, whatever the rank.
pub fn cat(list: &[Tensor], dim: i64) -> Result<Tensor> {
    if list.is_empty() {
        return Err(Error::Value("torch.cat(): expected a non-empty list of Tensors".into()));
    }
    if let Some(i) = list.iter().position(|t| t.dim() == 0) {
        return runtime(format!("zero-dimensional tensor (at position {i}) cannot be concatenated"));
    }
    let dtype = common_dtype(list);
    let skipped = |t: &Tensor| t.dim() == 1 && t.numel() == 0;
    let parts: Vec<(usize, &Tensor)> = list.iter().enumerate().filter(|(_, t)| !skipped(t)).collect();
    let first = parts.first().map_or(&list[0], |&(_, t)| t);
    let axis = wrap_axis(dim, first.dim())?;
    let shape = first.sizes();
    for &(i, part) in parts.iter().skip(1) {
        let sizes = part.sizes();
        if sizes.rank() != shape.rank() {
            let (a, b) = (shape.rank(), sizes.rank());
            let message = format!("Tensors must have same number of dimensions: got {a} and {b}");
            return Err(Error::shapes(message, &shape, &sizes));
        }
        if let Some(other) = (0..shape.rank()).find(|&k| k != axis && shape[k] != sizes[k]) {
            let message = format!(
                "Sizes of tensors must match except in dimension {axis}. Expected size {} but got size {} for tensor \
                 number {i} in the list.",
                shape[other], sizes[other]
            );
            return Err(Error::shapes(message, &shape, &sizes));
        }
    }
    let mut none = shape.clone();
    none[axis] = 0.into();
    // What is left out has a gradient too, without elements.
    let value = |t: &Tensor| {
        let value = t.read()?.cast(dtype)?;
        if skipped(t) { Ok(value.reshape(&none)?.flat_in(&[&value])) } else { Ok(value) }
    };
    let values: Vec<Recorded> = list.iter().map(value).collect::<Result<_>>()?;
    Tensor::from_value(joined(&values, axis)?)
}

fn joined(values: &[Recorded], axis: usize) -> Result<Recorded> {
    match values {
        [only] => Ok(only.clone()),
        _ => Recorded::concat(&values.iter().collect::<Vec<_>>(), axis),
    }
}

/// The tensors, which have one shape, along a new axis.
pub fn stack(list: &[Tensor], dim: i64) -> Result<Tensor> {
    let Some(first) = list.first() else { return runtime("stack expects a non-empty TensorList") };
    let shape = first.sizes();
    let axis = wrap_axis(dim, shape.rank() + 1)?;
    for (i, other) in list.iter().enumerate() {
        let sizes = other.sizes();
        if sizes != shape {
            let message = format!(
                "stack expects each tensor to be equal size, but got {shape} at entry 0 and {sizes} at entry {i}"
            );
            return Err(Error::shapes(message, &shape, &sizes));
        }
    }
    let dtype = common_dtype(list);
    let values: Vec<Recorded> =
        list.iter().map(|t| t.read()?.cast(dtype)?.unsqueeze(axis)).collect::<Result<_>>()?;
    Tensor::from_value(joined(&values, axis)?)
}

pub fn hstack(list: &[Tensor]) -> Result<Tensor> {
    nonempty(list, "hstack")?;
    let list = view_ops::each(list, |t| atleast(t, 1))?;
    cat(&list, if list[0].dim() == 1 { 0 } else { 1 })
}

pub fn vstack(list: &[Tensor]) -> Result<Tensor> {
    nonempty(list, "vstack")?;
    cat(&view_ops::each(list, |t| atleast(t, 2))?, 0)
}

pub fn dstack(list: &[Tensor]) -> Result<Tensor> {
    nonempty(list, "dstack")?;
    cat(&view_ops::each(list, |t| atleast(t, 3))?, 2)
}

pub fn column_stack(list: &[Tensor]) -> Result<Tensor> {
    nonempty(list, "column_stack")?;
    let column = |t: &Tensor| {
        if t.dim() <= 1 { reshape(t, &[t.numel() as i64, 1]) } else { Ok(t.clone()) }
    };
    hstack(&view_ops::each(list, column)?)
}

/// A matrix with these matrices along its diagonal.
pub fn block_diag(list: &[Tensor]) -> Result<Tensor> {
    if let Some((i, t)) = list.iter().enumerate().find(|(_, t)| t.dim() > 2) {
        return runtime(format!(
            "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {} dimensions",
            t.dim()
        ));
    }
    let dtype = common_dtype(list);
    if list.is_empty() {
        let empty = Literal::from_f64(dtype, 0.0);
        return Tensor::from_value(Recorded::full(empty, &Shape::from_sizes(&[1, 0]))?);
    }
    let mut blocks = Vec::with_capacity(list.len());
    for t in list {
        let value = t.read()?.cast(dtype)?;
        let shape = value.shape().sizes();
        let (rows, columns) = match shape.as_slice() {
            [] => (1, 1),
            [n] => (1, *n),
            [n, m, ..] => (*n, *m),
        };
        blocks.push(value.reshape(&Shape::from_sizes(&[rows, columns]))?);
    }
    let width: usize = blocks.iter().map(|b| b.shape()[1].get()).sum();
    let mut start = 0;
    let mut bands = Vec::with_capacity(blocks.len());
    for block in &blocks {
        let (rows, columns) = (block.shape()[0].get(), block.shape()[1].get());
        let spans = [Span::all(rows), Span { start, step: 1, size: columns as u64 }];
        start += columns as i64;
        bands.push(block.pad(&spans, &Shape::from_sizes(&[rows, width]), &block.literal(0.0))?);
    }
    Tensor::from_value(joined(&bands, 0)?)
}

fn vector(t: &Tensor) -> Result<()> {
    if t.dim() == 1 { Ok(()) } else { runtime(format!("Expect a 1D vector, but got shape {}", t.sizes())) }
}

/// All tuples with an element of each tensor, a row each.
pub fn cartesian_prod(list: &[Tensor]) -> Result<Tensor> {
    list.iter().try_for_each(vector)?;
    if let [only] = list {
        return Ok(only.clone());
    }
    let grids = meshgrid(list, "ij")?;
    let columns = view_ops::each(&grids, |g| reshape(g, &[g.numel() as i64]))?;
    stack(&columns, 1)
}

/// All selections of `r` elements, a row each, in order.
pub fn combinations(x: &Tensor, r: i64, with_replacement: bool) -> Result<Tensor> {
    vector(x)?;
    if r < 0 {
        return runtime(format!("Expect a non-negative number, but got {r}"));
    }
    if r == 0 {
        return Tensor::from_value(x.read()?.narrow(0, 0, 0)?);
    }
    let rows = selections(x.numel(), r as usize, with_replacement);
    let shape = Shape::from_sizes(&[rows.len() / r as usize, r as usize]);
    let index = Recorded::from_buffer(Buffer::from_slice(&rows)?, Type::new(DType::I64, shape))?;
    let picks = Picks { axis: 0, data: Axes::new(), index: Axes::from_slice(&[0, 1]) };
    Tensor::from_value(x.read()?.gather(&index, picks)?)
}

/// The places of all selections of `r` of `n`, in lexicographic order, one behind the other.
fn selections(n: usize, r: usize, with_replacement: bool) -> Vec<i64> {
    let apart = i64::from(!with_replacement);
    let mut current: Vec<i64> = (0..r as i64).map(|i| i * apart).collect();
    let last = |place: usize| n as i64 - 1 - (r - 1 - place) as i64 * apart;
    let mut rows = Vec::new();
    if n == 0 || current[r - 1] > last(r - 1) {
        return rows;
    }
    loop {
        rows.extend_from_slice(&current);
        let Some(place) = (0..r).rev().find(|&p| current[p] < last(p)) else { return rows };
        current[place] += 1;
        for next in place + 1..r {
            current[next] = current[next - 1] + apart;
        }
    }
}

entries! {
    "cat(Tensor[] tensors, int dim=0) -> Tensor" [FUNCTION | OUT] alias ["concat", "concatenate"]
        "The tensors, one behind the other along an axis." => |a| cat(a.tensors(0), a.int(1));
    "stack(Tensor[] tensors, int dim=0) -> Tensor" [FUNCTION | OUT]
        "The tensors, which have one shape, along a new axis." => |a| stack(a.tensors(0), a.int(1));
    "hstack(Tensor[] tensors) -> Tensor" [FUNCTION | OUT] grad "CatBackward0"
        "The tensors side by side: along axis 1, or the only axis." => |a| hstack(a.tensors(0));
    "vstack(Tensor[] tensors) -> Tensor" [FUNCTION | OUT] alias ["row_stack"] grad "CatBackward0"
        "The tensors one below the other: along axis 0, vectors as rows." => |a| vstack(a.tensors(0));
    "dstack(Tensor[] tensors) -> Tensor" [FUNCTION | OUT] grad "CatBackward0"
        "The tensors one behind the other: along axis 2." => |a| dstack(a.tensors(0));
    "column_stack(Tensor[] tensors) -> Tensor" [FUNCTION | OUT] grad "CatBackward0"
        "The tensors side by side, vectors as columns." => |a| column_stack(a.tensors(0));
    "block_diag(Tensor[] *tensors) -> Tensor" [FUNCTION]
        "A matrix with these matrices along its diagonal, and 0 elsewhere." => |a| block_diag(a.tensors(0));
    "cartesian_prod(Tensor[] *tensors) -> Tensor" [FUNCTION] grad "StackBackward0"
        "All tuples with an element of each 1-D tensor, a row each." => |a| cartesian_prod(a.tensors(0));
    "combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor" [FUNCTION] grad "IndexBackward0"
        "All selections of `r` elements of a 1-D tensor, a row each."
        => |a| combinations(a.tensor(0), a.int(1), a.bool(2));
}
