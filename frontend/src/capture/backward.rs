//! The gradient of a captured program: a second one.
//!
//! What the second program reads of the first (arguments, parameters, intermediate values that got a buffer) is kept
//! from one call to its backward pass, as are the keys of what was drawn.

use super::Break;
use super::binding::{Bytes, Word};
use super::replay::{Resolved, at};
use super::trace::Trace;
use crate::autograd::{self, Options};
use crate::cache::Planned;
use crate::engine::Bound;
use crate::error::{Result, runtime};
use crate::extract::Unit;
use crate::grad_mode;
use crate::gradient::{Callback, GradNode, Kind};
use crate::realize::{compiled, execute};
use crate::record::{Recorded, RecordedNode, Stored, lock};
use crate::region::Region;
use crate::tensor::Tensor;
use rustc_hash::FxHashSet;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::Strides;
use rustorch_ir::graph::Type;
use smallvec::SmallVec;
use std::sync::Arc;

/// Where the gradient of something that the program reads goes.
pub(super) enum Path {
    Argument(usize),
    Leaf(Arc<GradNode>, u8, Type),
}

/// Bytes that the second program reads.
enum From {
    Bytes(Bytes),
    /// Of the nth result of the first.
    Result {
        number: usize,
        start: usize,
    },
    /// Of the gradient of the nth result that has one.
    Seed {
        port: usize,
        start: usize,
    },
}

/// A gradient that it gives.
enum Gives {
    Result(usize, Type),
    /// What it reads, as it is.
    Same(From, Strides, Type),
}

pub(super) struct Backward {
    planned: Option<Arc<Planned>>,
    inputs: Vec<From>,
    words: Vec<Word>,
    /// For each path its gradient, if there is one.
    gradients: Vec<Option<Gives>>,
    pub paths: Vec<Path>,
    /// Types of the results that have a gradient.
    seeds: Vec<Type>,
}

/// The gradient before the first program has run.
pub(super) struct Draft {
    gradients: Vec<Option<Recorded>>,
    paths: Vec<Path>,
    seeds: Vec<Recorded>,
}

fn no(why: &str) -> Break {
    Break { why: why.into(), place: None }
}

/// The gradients of `outputs` as values, of seeds without contents.
pub(super) fn draft(trace: &Trace, outputs: &[Tensor]) -> Result<std::result::Result<Draft, Break>> {
    let mut inputs: Vec<(Tensor, Path)> = Vec::new();
    for tensor in trace.tensors() {
        let argument = trace.args.iter().position(|arg| arg.is_same(&tensor));
        if !tensor.requires_grad() || (argument.is_none() && !tensor.is_leaf()?) {
            continue;
        }
        let value = tensor.read()?;
        let Some((node, port)) = value.grad_node() else { continue };
        if let Kind::Leaf(slot) = node.kind()
            && !(lock(&slot.hooks).is_empty())
        {
            return Ok(Err(no("a tensor from outside has a hook")));
        }
        let path = match argument {
            Some(place) => Path::Argument(place),
            None => Path::Leaf(node.clone(), port, tensor.ty()),
        };
        inputs.push((tensor, path));
    }
    let mut ends: FxHashSet<usize> = FxHashSet::default();
    for (tensor, _) in &inputs {
        ends.extend(tensor.read()?.grad_node().map(|(node, _)| Arc::as_ptr(node) as usize));
    }
    if let Err(reason) = survey(trace, outputs, &mut ends)? {
        return Ok(Err(reason));
    }
    let mut seeds = Vec::new();
    for output in outputs {
        seeds.push(Recorded::from_buffer(Buffer::uninit(output.ty().bytes())?, output.ty())?);
    }
    let given = seeds.iter().map(|seed| Tensor::from_value(seed.clone()).map(Some));
    let given: Vec<Option<Tensor>> = given.collect::<Result<_>>()?;
    let options = Options { retain_graph: true, create_graph: false, accumulate: false, allow_unused: true };
    let (tensors, paths): (Vec<Tensor>, Vec<Path>) = inputs.into_iter().unzip();
    let found = autograd::backward(outputs, &given, Some(&tensors), options)?;
    let gradients = found.into_iter().map(|grad| grad.map(|grad| grad.read_data()).transpose());
    let gradients = gradients.collect::<Result<Vec<_>>>()?;
    Ok(Ok(Draft { gradients, paths, seeds }))
}

/// Whether the gradients of `outputs` end at `ends` and meet no hook.
fn survey(
    trace: &Trace,
    outputs: &[Tensor],
    ends: &mut FxHashSet<usize>,
) -> Result<std::result::Result<(), Break>> {
    let mut open: Vec<Arc<GradNode>> = Vec::new();
    for output in outputs {
        open.extend(output.grad_node()?.map(|(node, _)| node));
    }
    while let Some(node) = open.pop() {
        if !ends.insert(Arc::as_ptr(&node) as usize) {
            continue;
        }
        if node.seq() < trace.began {
            return Ok(Err(no("it reads a tensor from outside that has a gradient path of its own")));
        }
        if node.is_watched() || matches!(node.kind(), Kind::Custom { .. }) {
            return Ok(Err(no("a hook or a custom function is part of a gradient that is computed later")));
        }
        open.extend(node.edges().inputs.iter().filter_map(|input| Some(input.grad_node()?.0.clone())));
    }
    Ok(Ok(()))
}

impl Draft {
    /// The second program, now that the first has run: `results` are what it has given.
    pub fn build(
        self,
        results: &[(&RecordedNode, u8)],
        locate: impl Fn(&Buffer, usize) -> Bytes,
        words: impl Fn(&Region) -> Vec<Word>,
    ) -> Result<Backward> {
        let values: Vec<Recorded> = self.gradients.iter().flatten().cloned().collect();
        let region = Region::collect(&values);
        let unit = Unit::alone(&values, &region)?;
        let blocks: Vec<Option<&Stored>> = results.iter().map(|(node, port)| node.stored(*port)).collect();
        let from = |buffer: &Buffer, start: usize| {
            let same = |stored: &&Stored| stored.buffer.same_block(buffer);
            if let Some(port) = self.seeds.iter().position(|seed| seed.stored().as_ref().is_some_and(same)) {
                return From::Seed { port, start };
            }
            match blocks.iter().position(|stored| stored.as_ref().is_some_and(same)) {
                Some(number) => From::Result { number, start },
                None => From::Bytes(locate(buffer, start)),
            }
        };
        let inputs = unit.inputs.iter().map(|leaf| from(leaf.buffer, leaf.start())).collect();
        let words = words(&region);
        let mut gradients = Vec::new();
        for value in &self.gradients {
            let Some(value) = value else {
                gradients.push(None);
                continue;
            };
            let ty = value.ty().clone();
            let is =
                |node: &RecordedNode, port: u8| std::ptr::eq(node, &**value.node()) && port == value.port();
            let same = |stored: &Stored| {
                Gives::Same(
                    from(&stored.buffer, stored.offset * ty.dtype.size()),
                    stored.strides.clone(),
                    ty.clone(),
                )
            };
            gradients.push(Some(if let Some(stored) = value.stored() {
                same(stored)
            } else if let Some(i) = unit.outputs.iter().position(|target| is(target.node, target.port)) {
                Gives::Result(i, ty.clone())
            } else if let Some((_, _, stored)) = unit.aliases.iter().find(|(node, port, _)| is(node, *port)) {
                same(stored)
            } else {
                return runtime("internal error: a captured gradient is in no place");
            }));
        }
        let planned = if unit.outputs.is_empty() { None } else { Some(compiled(&unit)?) };
        let seeds = self.seeds.iter().map(|seed| seed.ty().clone()).collect();
        Ok(Backward { planned, inputs, words, gradients, paths: self.paths, seeds })
    }
}

/// Bytes that are known when the first program has run, or a seed.
#[derive(Clone)]
enum Kept {
    Bytes(Buffer, usize),
    Seed(usize, usize),
}

impl Backward {
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The node that computes the gradients of one call.
    pub fn node(
        self: &Arc<Self>,
        args: &[Tensor],
        resolved: &Resolved,
        results: &[Buffer],
        words: SmallVec<[u64; 8]>,
    ) -> Result<Arc<GradNode>> {
        let mut owned: Vec<(Buffer, Buffer)> = Vec::new();
        let mut keep = |from: &From| -> Result<Kept> {
            Ok(match from {
                From::Seed { port, start } => Kept::Seed(*port, *start),
                From::Result { number, start } => Kept::Bytes(results[*number].clone(), *start),
                From::Bytes(bytes) => {
                    let (buffer, start) = at(bytes, resolved)?;
                    if !buffer.is_external() {
                        return Ok(Kept::Bytes(buffer, start));
                    }
                    // An array outside may write it before the gradient is asked for.
                    if let Some((_, own)) = owned.iter().find(|(other, _)| other.same_block(&buffer)) {
                        return Ok(Kept::Bytes(own.clone(), start));
                    }
                    let own = Buffer::uninit(buffer.len())?;
                    crate::engine::engine().overwrite(&own, &buffer)?;
                    owned.push((buffer, own.clone()));
                    Kept::Bytes(own, start)
                }
            })
        };
        let inputs: Vec<Kept> = self.inputs.iter().map(&mut keep).collect::<Result<_>>()?;
        let same: Vec<Option<Kept>> = (self.gradients.iter())
            .map(|gives| match gives {
                Some(Gives::Same(from, ..)) => keep(from).map(Some),
                _ => Ok(None),
            })
            .collect::<Result<_>>()?;
        let mut tracked = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            tracked.push(match path {
                Path::Argument(place) => args[*place].read()?,
                Path::Leaf(node, port, ty) => Recorded::argument(0, ty).with_grad(node.clone(), *port),
            });
        }
        let this = self.clone();
        let callback: Callback = Arc::new(move |grads| this.run(grads, &inputs, &same, &words));
        Ok(GradNode::custom(&tracked, self.seeds.clone(), callback, "CompiledFunctionBackward"))
    }

    fn run(
        &self,
        grads: &[Option<Tensor>],
        inputs: &[Kept],
        same: &[Option<Kept>],
        words: &[u64],
    ) -> Result<Vec<Option<Tensor>>> {
        if grad_mode::is_grad_enabled() {
            return runtime(
                "rt.compile does not support double backward: the gradient of a compiled function has no gradient. \
                 Compile the whole step, with its calls of backward, or leave the function uncompiled",
            );
        }
        let mut seeds = Vec::with_capacity(self.seeds.len());
        for (port, ty) in self.seeds.iter().enumerate() {
            seeds.push(match grads.get(port).and_then(Option::as_ref) {
                Some(grad) => grad.contiguous_buffer()?,
                None => {
                    let zero = Recorded::full(rustorch_ir::Literal::from_f64(ty.dtype, 0.0), &ty.shape)?;
                    crate::realize::contiguous(&zero)?
                }
            });
        }
        let found = |kept: &Kept| match kept {
            Kept::Bytes(buffer, start) => (buffer.clone(), *start),
            Kept::Seed(port, start) => (seeds[*port].clone(), *start),
        };
        let buffers = match &self.planned {
            None => Vec::new(),
            Some(planned) => {
                let bound: SmallVec<[Bound; 8]> =
                    inputs.iter().map(found).map(|(buffer, offset)| Bound { buffer, offset }).collect();
                execute(planned, &bound, words)?
            }
        };
        let made = self.gradients.iter().zip(same).map(|(gives, kept)| {
            let value = match (gives, kept) {
                (Some(Gives::Result(i, ty)), _) => Recorded::from_buffer(buffers[*i].clone(), ty.clone())?,
                (Some(Gives::Same(_, strides, ty)), Some(kept)) => {
                    let (buffer, start) = found(kept);
                    let stored = Stored { buffer, offset: start / ty.dtype.size(), strides: strides.clone() };
                    Recorded::from_stored(stored, ty.clone())?
                }
                _ => return Ok(None),
            };
            Tensor::from_value(value).map(Some)
        });
        made.collect()
    }
}
