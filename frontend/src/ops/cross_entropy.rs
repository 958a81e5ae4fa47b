//! Losses of class scores: the negative log-likelihood and the cross entropy.

use super::extrema::pick_along;
use super::indexing::integers;
use super::loss::{Reduction, total};
use super::operands::{keep, not_implemented};
use super::softmax::log_softmax_of;
use crate::compose::Composition;
use crate::error::{Error, Result, runtime};
use crate::record::Recorded;
use crate::registry::{Args, Scalar as Number};
use crate::tensor::Tensor;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Picks, Scalar};
use rustorch_ir::{DType, Shape};
use smallvec::SmallVec;

/// Scores with the classes along axis 1, targets without that axis.
struct Classes {
    axis: usize,
    count: usize,
}

impl Classes {
    fn of(shape: &Shape) -> Classes {
        let axis = usize::from(shape.rank() > 1);
        Classes { axis, count: shape.get(axis).map_or(1, |d| d.get()) }
    }

    /// Weights of the classes, repeated along the other axes of scores of this rank.
    fn broadcast(&self, weight: &Recorded, rank: usize) -> Result<Recorded> {
        let shape: Shape = (0..rank).map(|i| if i == self.axis { self.count } else { 1 }).collect();
        weight.reshape(&shape)
    }
}

/// torch's checks of a target of class indices.
fn check_target(scores: &Recorded, target: &Tensor, classes: &Classes) -> Result<()> {
    let (shape, sizes) = (scores.shape(), target.sizes());
    let rank = shape.rank();
    if rank == 0 {
        return Err(Error::Value("Expected 1 or more dimensions (got 0)".into()));
    }
    if rank == 1 && sizes.rank() == 1 && !sizes[0].is_one() {
        let message = format!("For 1D input, 1D target must have size 1, but got target size: {}", sizes[0]);
        return Err(Error::Value(message));
    }
    if rank > 1 {
        let batch = sizes.first().map_or(0, |d| d.get());
        if batch != shape[0].get() {
            let message =
                format!("Expected input batch_size ({}) to match target batch_size ({batch}).", shape[0]);
            return Err(Error::Value(message));
        }
    }
    if rank <= 2 && sizes.rank() > 1 {
        return runtime("0D or 1D target tensor expected, multi-target not supported");
    }
    if rank > 2 {
        let want: Shape =
            shape.iter().enumerate().filter(|(i, _)| *i != classes.axis).map(|(_, &d)| d).collect();
        if sizes.rank() != want.rank() {
            let what = if want.rank() == 3 {
                "batches of spatial targets supported (3D tensors)"
            } else {
                "targets"
            };
            return runtime(format!("only {what} but got targets of dimension: {}", sizes.rank()));
        }
        if sizes != want {
            return Err(Error::shapes(format!("Expected target size {want}, got {sizes}"), shape, &sizes));
        }
    }
    if !matches!(target.dtype(), DType::I64 | DType::U8) {
        let name = target.dtype().scalar_type_name();
        return Err(Error::DType(format!("expected target dtype to be Long or Byte, but got {name}")));
    }
    Ok(())
}

fn check_weight(scores: &Recorded, weight: Option<&Tensor>, classes: &Classes) -> Result<()> {
    let Some(weight) = weight else { return Ok(()) };
    let sizes = weight.sizes();
    if sizes.rank() != 1 || sizes[0].get() != classes.count {
        return runtime(if scores.rank() > 2 {
            "weight tensor should be defined either for all or no classes".to_string()
        } else {
            format!(
                "weight tensor should be defined either for all {} classes or no classes but got weight tensor of \
                 shape: {sizes}",
                classes.count
            )
        });
    }
    if weight.dtype() != scores.dtype() {
        return Err(Error::DType(format!(
            "expected scalar type {} but found {}",
            scores.dtype().scalar_type_name(),
            weight.dtype().scalar_type_name()
        )));
    }
    Ok(())
}

/// torch's error for a target that names no class, where the targets are at hand; else the kernel finds it.
fn check_range(target: &Tensor, classes: usize, ignored: i64) -> Result<()> {
    if target.numel() == 0 || !target.is_at_hand()? {
        return Ok(());
    }
    match integers(target)?.into_iter().find(|&t| t != ignored && !(0..classes as i64).contains(&t)) {
        Some(target) => Err(Error::Index(format!("Target {target} is out of bounds."))),
        None => Ok(()),
    }
}

/// What class indices say about each place: the class, safe to look up, and whether it counts at all.
struct Targets {
    index: Recorded,
    ignored: Recorded,
}

impl Targets {
    /// The gradient in `scores` is constant, which torch's second derivative says by zeros.
    fn of(target: &Recorded, ignore: i64, scores: &Recorded) -> Result<Targets> {
        let target = target.cast(DType::I64)?;
        let ignored = target.eq(&target.literal_int(ignore))?;
        let index = ignored.select(&target.literal_int(0), &target)?;
        Ok(Targets { index, ignored: ignored.flat_in(&[scores]) })
    }

    /// The entries of `scores` that the classes name; without the class axis.
    fn pick(&self, scores: &Recorded, classes: &Classes) -> Result<Recorded> {
        if scores.rank() == 1 {
            let picks =
                Picks { axis: 0, data: Default::default(), index: (0..self.index.rank() as u8).collect() };
            return scores.gather(&self.index, picks);
        }
        pick_along(scores, &self.index.unsqueeze(classes.axis)?, classes.axis)?.squeeze(classes.axis)
    }

    /// 0 where a place does not count.
    fn counted(&self, x: &Recorded) -> Result<Recorded> {
        self.ignored.select(&x.literal(0.0), x)
    }

    /// The weight of each place.
    fn weights(&self, weight: Option<&Recorded>, dtype: DType) -> Result<Recorded> {
        match weight {
            Some(weight) => {
                let picks = Picks {
                    axis: 0,
                    data: Default::default(),
                    index: (0..self.index.rank() as u8).collect(),
                };
                self.counted(&weight.gather(&self.index, picks)?)
            }
            None => self.ignored.map1(Scalar::Not)?.cast(dtype),
        }
    }
}

/// `-log_probabilities[class] * weight` of each place, and the weights' sum.
fn likelihood(
    scores: &Recorded,
    targets: &Targets,
    weight: Option<&Recorded>,
    classes: &Classes,
    reduction: Reduction,
) -> Result<Recorded> {
    let picked = targets.pick(scores, classes)?.neg()?;
    let losses = match weight {
        Some(_) => targets.counted(&picked.mul(&targets.weights(weight, scores.dtype())?)?)?,
        None => targets.counted(&picked)?,
    };
    match reduction {
        Reduction::None => Ok(losses),
        Reduction::Sum => total(&losses),
        Reduction::Mean => total(&losses)?.div(&total(&targets.weights(weight, scores.dtype())?)?),
    }
}

fn read_weight(weight: Option<&Tensor>, dtype: DType) -> Result<Option<Recorded>> {
    weight.map(|w| w.read()?.cast(dtype)).transpose()
}

fn nll_loss(a: &Args<'_>) -> Result<Tensor> {
    let (scores, target, weight) = (a.tensor(0).read()?, a.tensor(1), a.opt_tensor(2));
    let (ignore, reduction) = (a.int(3), Reduction::parse(a.string(4))?);
    let classes = Classes::of(scores.shape());
    check_target(&scores, target, &classes)?;
    if !scores.dtype().is_float() {
        return not_implemented("nll_loss_out_frame", scores.dtype());
    }
    check_weight(&scores, weight, &classes)?;
    check_range(target, classes.count, ignore)?;
    let wide = scores.dtype().accumulator();
    let (target, weight) = (target.read()?, read_weight(weight, wide)?);
    let operands: SmallVec<[&Recorded; 3]> = [&scores, &target].into_iter().chain(&weight).collect();
    let attributes = [ignore as u64, reduction as u64];
    let loss = Composition { name: "nll_loss", attributes: &attributes }.record(&operands, |x| {
        let targets = Targets::of(&x[1], ignore, &x[0])?;
        likelihood(&x[0].cast(wide)?, &targets, x.get(2), &classes, reduction)
    })?;
    finish(a, loss, scores.dtype())
}

fn finish(a: &Args<'_>, loss: Recorded, dtype: DType) -> Result<Tensor> {
    // A class alone and its target in a row of one give one number.
    let out = Tensor::from_value(loss.cast(dtype)?)?;
    keep(a, &[0, 1, 2])?;
    Ok(out)
}

fn cross_entropy(a: &Args<'_>) -> Result<Tensor> {
    let (scores, target, weight) = (a.tensor(0).read()?, a.tensor(1), a.opt_tensor(2));
    let (ignore, reduction, smoothing) = (a.int(3), Reduction::parse(a.string(4))?, a.float(5));
    let classes = Classes::of(scores.shape());
    if !(0.0..=1.0).contains(&smoothing) {
        return runtime(format!("label_smoothing must be between 0.0 and 1.0. Got: {smoothing}"));
    }
    let dense = target.sizes() == *scores.shape();
    if dense && !target.dtype().is_float() {
        return Err(Error::DType(format!(
            "Expected floating point type for target with class probabilities, got {}",
            target.dtype().scalar_type_name()
        )));
    }
    if dense && ignore >= 0 {
        return runtime("ignore_index is not supported for floating point target");
    }
    if !scores.dtype().is_float() {
        return not_implemented("log_softmax_lastdim_kernel_impl", scores.dtype());
    }
    if !dense {
        check_target(&scores, target, &classes)?;
        check_range(target, classes.count, ignore)?;
    }
    check_weight(&scores, weight, &classes)?;
    let wide = scores.dtype().accumulator();
    let x = scores.cast(wide)?;
    let weight = read_weight(weight, wide)?;
    let target = target.read()?;
    let dtype = if dense { scores.dtype().promote(target.dtype()) } else { scores.dtype() };
    let smooth = smoothing > 0.0;
    let shares = smooth.then(|| {
        let share = |v: f64| Number::Float(v).recorded(dtype.accumulator());
        [share(1.0 - smoothing), share(smoothing / classes.count as f64)]
    });
    let operands: SmallVec<[&Recorded; 5]> =
        [&x, &target].into_iter().chain(&weight).chain(shares.iter().flatten()).collect();
    let weighted = weight.is_some();
    let attributes = [ignore as u64, reduction as u64, u64::from(weighted)];
    let loss = Composition { name: "cross_entropy", attributes: &attributes }.record(&operands, |x| {
        let (weight, shares) = if weighted { (Some(&x[2]), &x[3..]) } else { (None, &x[2..]) };
        let scores = &x[0];
        let log = if scores.numel() == 0 { scores.clone() } else { log_softmax_of(scores, classes.axis)? };
        if dense {
            let wide = dtype.accumulator();
            let (log, target) = (log.cast(wide)?, x[1].cast(wide)?);
            return of_probabilities(&log, &target, weight, &classes, reduction, shares);
        }
        let targets = Targets::of(&x[1], ignore, &log)?;
        let loss = likelihood(&log, &targets, weight, &classes, reduction)?;
        match shares {
            [rest, share] => {
                let each = smoothed(&log, &targets, weight, &classes, reduction)?.mul(share)?;
                loss.mul(rest)?.add(&each)
            }
            _ => Ok(loss),
        }
    })?;
    finish(a, loss, dtype)
}

/// The loss against the classes in equal parts: the sum over classes for each place, reduced.
fn smoothed(
    log: &Recorded,
    targets: &Targets,
    weight: Option<&Recorded>,
    classes: &Classes,
    reduction: Reduction,
) -> Result<Recorded> {
    let weighted = match weight {
        Some(w) => log.mul(&classes.broadcast(w, log.rank())?)?,
        None => log.clone(),
    };
    let sums = weighted.reduce(Combine::Add, &[classes.axis])?.neg()?;
    let sums =
        if sums.rank() < targets.ignored.rank() { sums.reshape(targets.ignored.shape())? } else { sums };
    let losses = targets.counted(&sums)?;
    match reduction {
        Reduction::None => Ok(losses),
        Reduction::Sum => total(&losses),
        Reduction::Mean => total(&losses)?.div(&total(&targets.weights(weight, log.dtype())?)?),
    }
}

fn of_probabilities(
    log: &Recorded,
    target: &Recorded,
    weight: Option<&Recorded>,
    classes: &Classes,
    reduction: Reduction,
    shares: &[Recorded],
) -> Result<Recorded> {
    let target = match shares {
        [rest, share] => target.mul(rest)?.add(share)?,
        _ => target.clone(),
    };
    let products = log.mul(&target)?;
    let products = match weight {
        Some(w) => products.mul(&classes.broadcast(&w.cast(log.dtype())?, log.rank())?)?,
        None => products,
    };
    match reduction {
        Reduction::None => products.reduce(Combine::Add, &[classes.axis])?.neg(),
        Reduction::Sum => total(&products)?.neg(),
        Reduction::Mean => {
            let places = if log.rank() > 1 { log.numel() / classes.count.max(1) } else { 1 };
            total(&products)?.neg()?.div(&log.literal(places as f64))
        }
    }
}

crate::entries! {
    "nll_loss(Tensor self, Tensor target, Tensor? weight=None, int ignore_index=-100, str reduction='mean') -> Tensor"
        [NN]
        "The negative of the log-probability `self[n, target[n]]` that scores of shape (N, C, ...) give to the classes of \
         `target`, of shape (N, ...), times the class's `weight`. Places with `ignore_index` count nothing; the mean is \
         by the sum of weights." => |a| nll_loss(a);
    "cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int ignore_index=-100, str reduction='mean', float label_smoothing=0.0) -> Tensor"
        [NN] grad "NllLossBackward0"
        "`nll_loss` of the log-softmax of the logits `self`, of shape (C) or (N, C, ...), for class indices or, if \
         `target` has the shape of `self`, probabilities. `label_smoothing` spreads that share of each target over all \
         classes." => |a| cross_entropy(a);
}
