//! Attention: values weighted by how well their keys go with a query.

use super::drawn::{drawing, kept};
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::promote::type_name;
use crate::record::{Recorded, broadcast_shapes, sum_to_shape};
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::Scalar;
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// Which keys a query sees, beside what the operands say.
#[derive(Clone, Copy)]
struct Attention {
    causal: bool,
    masked: bool,
    dropped: bool,
}

/// The operands by name: query, key, value, scale, then the mask, then what dropout draws from.
struct Parts<'a> {
    query: &'a Recorded,
    key: &'a Recorded,
    value: &'a Recorded,
    scale: &'a Recorded,
    mask: Option<&'a Recorded>,
    dropout: Option<[&'a Recorded; 4]>,
}

impl Attention {
    fn parts<'a>(&self, x: &'a [Recorded]) -> Parts<'a> {
        let at = 4 + usize::from(self.masked);
        Parts {
            query: &x[0],
            key: &x[1],
            value: &x[2],
            scale: &x[3],
            mask: self.masked.then(|| &x[4]),
            dropout: self.dropped.then(|| [&x[at], &x[at + 1], &x[at + 2], &x[at + 3]]),
        }
    }

    /// The weights of the values for each query: a softmax that is 0 where a query sees nothing.
    fn weights(&self, p: &Parts<'_>) -> Result<Recorded> {
        let scores = product(&p.query.mul(p.scale)?, p.key, Sides::Rows)?;
        let hidden = scores.literal(f64::NEG_INFINITY);
        let scores = if self.causal {
            let [queries, keys] =
                [scores.rank() - 2, scores.rank() - 1].map(|axis| scores.shape()[axis].get());
            let seen = Recorded::iota(keys)?.le(&Recorded::iota(queries)?.unsqueeze(1)?)?;
            seen.select(&scores, &hidden)?
        } else {
            scores
        };
        let scores = match p.mask {
            Some(mask) if mask.dtype() == DType::Bool => mask.select(&scores, &hidden)?,
            Some(mask) => scores.add(mask)?,
            None => scores,
        };
        let last = [scores.rank() - 1];
        let most = scores.stop_gradient()?.reduce_keep(Combine::Max, &last)?;
        let most = most.eq(&hidden)?.select(&most.literal(0.0), &most)?;
        let powers = scores.sub(&most)?.map1(Scalar::Exp)?;
        let sum = powers.reduce_keep(Combine::Add, &last)?;
        let none = sum.eq(&sum.literal(0.0))?;
        powers.mul(&sum.literal(1.0).div(&none.select(&sum.literal(1.0), &sum)?)?)
    }

    /// 0 where dropout takes a weight away, else what it is multiplied with.
    fn share(&self, p: &Parts<'_>, shape: &Shape) -> Result<Option<Recorded>> {
        let Some([key, offset, limit, share]) = p.dropout else { return Ok(None) };
        Ok(Some(kept(shape, [key, offset, limit])?.select(share, &share.literal(0.0))?))
    }

    fn value(&self, x: &[Recorded]) -> Result<Recorded> {
        let p = self.parts(x);
        let weights = self.weights(&p)?;
        let weights = match self.share(&p, weights.shape())? {
            Some(share) => weights.mul(&share)?,
            None => weights,
        };
        product(&weights, p.value, Sides::Plain)
    }

    /// From the weights, which are computed again rather than kept.
    fn gradient(&self, x: &[Recorded], y: &Recorded, g: &Recorded) -> Result<Vec<Recorded>> {
        let p = self.parts(x);
        let weights = self.weights(&p)?;
        let share = self.share(&p, weights.shape())?;
        let times = |w: &Recorded| share.as_ref().map_or(Ok(w.clone()), |share| w.mul(share));
        let of_weights = times(&product(g, p.value, Sides::Rows)?)?;
        let along = g.mul(y)?.reduce_keep(Combine::Add, &[g.rank() - 1])?;
        let of_scores = weights.mul(&of_weights.sub(&along)?)?;
        let mut gradients = vec![
            product(&of_scores, p.key, Sides::Plain)?.mul(p.scale)?,
            product(&of_scores, p.query, Sides::Columns)?.mul(p.scale)?,
            product(&times(&weights)?, g, Sides::Columns)?,
            p.scale.literal(0.0),
        ];
        match p.mask {
            Some(mask) if mask.dtype() != DType::Bool => {
                gradients.push(sum_to_shape(&of_scores, mask.shape())?);
            }
            _ => {}
        }
        // The share that dropout multiplies with is a float that nobody differentiates by.
        gradients.extend(p.dropout.map(|[.., share]| share.literal(0.0)));
        Ok(gradients)
    }
}

/// Which axes of the two matrices a product runs over.
enum Sides {
    /// `a @ b`
    Plain,
    /// `a @ b.T`
    Rows,
    /// `a.T @ b`
    Columns,
}

fn product(a: &Recorded, b: &Recorded, sides: Sides) -> Result<Recorded> {
    let batch: SmallVec<[usize; 4]> = (0..a.rank() - 2).collect();
    let (row, column) = (a.rank() - 2, a.rank() - 1);
    let (left, right) = match sides {
        Sides::Plain => (column, row),
        Sides::Rows => (column, column),
        Sides::Columns => (row, row),
    };
    a.contract(b, (&batch, &batch), (&[left], &[right]))
}

/// torch's checks of what belongs together.
fn check(a: &Args<'_>) -> Result<()> {
    let [q, k, v] = [a.tensor(0), a.tensor(1), a.tensor(2)];
    let [dq, dk, dv] = [q, k, v].map(Tensor::dim);
    if dq < 2 || dk < 2 || dv < 2 {
        return runtime(format!(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {dq} key.dim: {dk} \
             and value.dim: {dv} instead."
        ));
    }
    if q.dtype() != k.dtype() || q.dtype() != v.dtype() {
        let [q, k, v] = [q, k, v].map(|t| type_name(t.dtype()));
        return Err(Error::DType(format!(
            "Expected query, key, and value to have the same dtype, but got query.dtype: {q} key.dtype: {k} and \
             value.dtype: {v} instead."
        )));
    }
    if let Some(mask) = a.opt_tensor(3) {
        let dtype = mask.dtype();
        if dtype != DType::Bool && dtype != q.dtype() && dtype != DType::F32 {
            return Err(Error::DType(format!(
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {} and  \
                 query.dtype: {} instead.",
                type_name(dtype),
                type_name(q.dtype())
            )));
        }
        if a.bool(5) {
            return runtime(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True",
            );
        }
    }
    if a.float(4) > 1.0 {
        return runtime(format!("dropout probability has to be between 0 and 1, but got {}", a.float(4)));
    }
    if !q.dtype().is_float() {
        let name = q.dtype().scalar_type_name();
        if dq == 2 && dk == 2 {
            let name = type_name(q.dtype());
            let message = format!("expected m1 and m2 to have the same dtype, but got: float != {name}");
            return Err(Error::DType(message));
        }
        return Err(Error::DType(format!("expected scalar type Float but found {name}")));
    }
    Ok(())
}

/// Heads of keys or values, each as often as queries share it.
fn shared(x: &Recorded, heads: usize) -> Result<Recorded> {
    let axis = x.rank() - 3;
    let own = x.shape()[axis].get();
    if own == heads {
        return Ok(x.clone());
    }
    let wide = x.unsqueeze(axis + 1)?;
    let mut shape = wide.shape().clone();
    shape[axis + 1] = (heads / own).into();
    let mut joined = x.shape().clone();
    joined[axis] = heads.into();
    wide.expand(&shape)?.reshape(&joined)
}

fn attention(a: &Args<'_>) -> Result<Tensor> {
    check(a)?;
    let tensors = [a.tensor(0), a.tensor(1), a.tensor(2)];
    let mut values: SmallVec<[Recorded; 3]> = SmallVec::new();
    for tensor in tensors {
        let x = tensor.read()?;
        values.push(x.cast(x.dtype().accumulator())?);
    }
    if a.bool(7) && values.iter().all(|x| x.rank() >= 3) {
        let heads = |x: &Recorded| x.shape()[x.rank() - 3].get();
        let queries = heads(&values[0]);
        if [1, 2].iter().any(|&i| heads(&values[i]) == 0 || queries % heads(&values[i]) != 0) {
            return runtime("Number of heads in key and value must divide the number of heads in query");
        }
        for i in [1, 2] {
            values[i] = shared(&values[i], queries)?;
        }
    }
    let extent = |x: &Recorded, back: usize| x.shape()[x.rank() - back].get();
    let batch_of = |x: &Recorded| -> Shape { x.shape().iter().take(x.rank() - 2).map(|d| d.get()).collect() };
    let batch = broadcast_shapes(&batch_of(&values[0]), &batch_of(&values[1]))?;
    let batch = broadcast_shapes(&batch, &batch_of(&values[2]))?;
    let matrices = batch.numel();
    let [queries, keys, width] = [extent(&values[0], 2), extent(&values[1], 2), extent(&values[0], 1)];
    let mismatch = |columns: usize, want: [usize; 2], got: [usize; 2]| {
        if batch.rank() == 0 {
            return runtime(format!(
                "mm: mat1 and mat2 shapes cannot be multiplied ({queries}x{} and {}x{columns})",
                want[1], got[1]
            ));
        }
        runtime(format!(
            "Expected size for first two dimensions of batch2 tensor to be: {want:?} but got: {got:?}."
        ))
    };
    if extent(&values[1], 1) != width {
        return mismatch(keys, [matrices, width], [matrices, extent(&values[1], 1)]);
    }
    if extent(&values[2], 2) != keys {
        return mismatch(extent(&values[2], 1), [matrices, keys], [matrices, extent(&values[2], 2)]);
    }
    let whole = |rows: usize, columns: usize| -> Shape {
        batch.iter().map(|d| d.get()).chain([rows, columns]).collect()
    };
    for (x, rows) in values.iter_mut().zip([queries, keys, keys]) {
        *x = x.broadcast_to(&whole(rows, extent(x, 1)))?;
    }
    let dtype = values[0].dtype();
    let scale = a.opt_float(6).unwrap_or(if width == 0 { 1.0 } else { 1.0 / (width as f64).sqrt() });
    let scale = Number::Float(scale).recorded(dtype);
    let mask = match a.opt_tensor(3) {
        Some(mask) => {
            let mask = mask.read()?;
            broadcast_shapes(&whole(queries, keys), mask.shape())?;
            Some(if mask.dtype() == DType::Bool { mask } else { mask.cast(dtype)? })
        }
        None => None,
    };
    let p = a.float(4);
    let dropout: SmallVec<[Recorded; 4]> = if p > 0.0 {
        let share = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        drawing(p).into_iter().chain([Number::Float(share).recorded(dtype)]).collect()
    } else {
        SmallVec::new()
    };
    let attention = Attention { causal: a.bool(5), masked: mask.is_some(), dropped: !dropout.is_empty() };
    let operands: SmallVec<[&Recorded; 9]> =
        values.iter().chain([&scale]).chain(&mask).chain(&dropout).collect();
    let attributes = [attention.causal, attention.masked, attention.dropped].map(u64::from);
    let value = Composition { name: "attention", attributes: &attributes }.record_with_gradient(
        &operands,
        |x| attention.value(x),
        |x, y, g| attention.gradient(x, y, g),
    )?;
    for tensor in tensors.into_iter().chain(a.opt_tensor(3)) {
        a.save(tensor)?;
    }
    Tensor::from_value(value.cast(a.tensor(0).dtype())?)
}

crate::entries! {
    "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor"
        [NN] grad "ScaledDotProductFlashAttentionForCpuBackward0"
        "`softmax(query @ key.T * scale) @ value` of queries (..., L, E), keys (..., S, E) and values (..., S, V): (..., L, V). \
         `scale` is the root of 1/E if not given. A query sees the keys where a bool `attn_mask` is True, or up to its own \
         place with `is_causal`; a float mask is added to the scores. A query that sees nothing gets zeros. Weights are \
         dropped with probability `dropout_p`, always. With `enable_gqa` several heads of queries, axis -3, share one of \
         keys and values." => |a| attention(a);
}
