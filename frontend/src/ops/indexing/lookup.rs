//! Tables of rows, and their inverse.

use super::known::{Count, known_range, prepared};
use super::{integers, real};
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Axes, Picks};
use rustorch_ir::{DType, Shape};
use std::sync::Arc;

/// The rows of `weight` that `index` names. The row `padding` gets no gradient; `by_frequency` divides a row's
/// gradient by how often it was named.
pub fn embedding(
    weight: &Tensor,
    index: &Tensor,
    padding: Option<i64>,
    by_frequency: bool,
) -> Result<Tensor> {
    if weight.dim() != 2 {
        return runtime("'weight' must be 2-D");
    }
    real(index, &[DType::I64, DType::I32], |dtype| {
        Error::DType(format!(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got \
             torch.{}Tensor instead (while checking arguments for embedding)",
            dtype.scalar_type_name()
        ))
    })?;
    let rows = weight.sizes()[0].get();
    let out_of_range = |_| Error::Index("index out of range in self".into());
    let places = prepared(index, rows, Count::FromFront, out_of_range)?.value;
    let table = weight.read()?;
    let rank = index.dim() as u8;
    let picks = Picks { axis: 0, data: Axes::from_slice(&[rank]), index: (0..rank).collect() };
    if by_frequency && table.tracks() {
        return counted(weight, &table, &places, picks, padding);
    }
    let found = table.gather(&places, picks)?;
    match padding.filter(|_| found.tracks()) {
        Some(row) => {
            let is_padding = places.eq(&places.literal_int(row))?.unsqueeze(rank as usize)?;
            Tensor::from_value(is_padding.select(&found.detach(), &found)?)
        }
        None => Tensor::from_value(found),
    }
}

/// The rows, with the gradient of each divided by how often it was named.
fn counted(
    weight: &Tensor,
    table: &Recorded,
    places: &Recorded,
    picks: Picks,
    padding: Option<i64>,
) -> Result<Tensor> {
    let out = Tensor::from_value(table.detach().gather(places, picks.clone())?)?;
    let (places, ty) = (places.clone(), weight.ty());
    let backward = move |grads: &[Option<Tensor>]| {
        let Some(Some(grad)) = grads.first() else { return Ok(vec![None]) };
        let grad = grad.read()?;
        let zeros = |shape: &Shape| grad.literal(0.0).broadcast_to(shape);
        let named = places.flatten()?;
        let along = Picks { axis: 0, data: Axes::new(), index: Axes::from_slice(&[0]) };
        let ones = grad.literal(1.0).broadcast_to(named.shape())?;
        let counts = zeros(&Shape::from_sizes(&[ty.shape[0].get()]))?
            .scatter(&named, &ones, along.clone(), Some(Combine::Add))?
            .gather(&named, along)?
            .reshape(places.shape())?
            .unsqueeze(places.rank())?;
        let mut share = grad.div(&counts)?;
        if let Some(row) = padding {
            let is_padding = places.eq(&places.literal_int(row))?.unsqueeze(places.rank())?;
            share = is_padding.select(&share.literal(0.0), &share)?;
        }
        let sum = zeros(&ty.shape)?.scatter(&places, &share, picks.clone(), Some(Combine::Add))?;
        Ok(vec![Some(Tensor::from_value(sum)?)])
    };
    let outputs = std::slice::from_ref(&out);
    Tensor::attach_backward_to(
        outputs,
        std::slice::from_ref(table),
        Arc::new(backward),
        "EmbeddingBackward0",
    )?;
    Ok(out)
}

/// For each class its unit vector, as int64 along a new last axis. `-1`: as many classes as the values ask for.
pub fn one_hot(x: &Tensor, classes: i64) -> Result<Tensor> {
    if x.dtype() != DType::I64 {
        return runtime("one_hot is only applicable to index tensor of type LongTensor.");
    }
    if x.numel() == 0 {
        if classes <= 0 {
            return runtime("Can not infer total number of classes from empty tensor.");
        }
        let mut shape = x.sizes();
        shape.push((classes as usize).into());
        return Tensor::from_value(x.read()?.literal_int(0).broadcast_to(&shape)?);
    }
    let range = match known_range(x)? {
        None if classes == -1 => {
            let values = integers(x)?;
            values.iter().min().copied().zip(values.iter().max().copied())
        }
        range => range,
    };
    if range.is_some_and(|(low, _)| low < 0) {
        return runtime("Class values must be non-negative.");
    }
    let classes = match range {
        Some((_, high)) if classes == -1 => high + 1,
        Some((_, high)) if high >= classes => {
            return runtime("Class values must be smaller than num_classes.");
        }
        _ if classes < 1 => return runtime("Class values must be smaller than num_classes."),
        _ => classes,
    };
    let all = Recorded::iota(classes as usize)?;
    let mut own = x.read()?;
    if range.is_none() {
        // Found by the kernel only: a value that is no class fails there.
        let picks = Picks { axis: 0, data: Axes::new(), index: (0..own.rank() as u8).collect() };
        own = all.gather(&own, picks)?;
    }
    Tensor::from_value(own.unsqueeze(x.dim())?.eq(&all)?.cast(DType::I64)?)
}
