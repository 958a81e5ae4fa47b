//! From what a call has touched to a program.

use super::binding::{Bytes, Word};
use super::replay::{
    After, Argument, Captured, Drawn, Fresh, Given, Place, ReadAt, Resolved, SlotAt, Source, WriteAt,
    word_bits,
};
use super::trace::{Draw, Origin, Read, Trace, history_of};
use super::{Break, Fill, backward};
use crate::error::Result;
use crate::extract::{Target, Unit};
use crate::realize::{compile_and_run, in_order};
use crate::record::{Recorded, RecordedNode, Stored, lock, scalar_word};
use crate::region::Region;
use crate::storage::Storage;
use crate::tensor::Tensor;
use rustc_hash::FxHashMap;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::op::{Input, Op, Source as Leaf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What became of a capture.
pub enum Outcome {
    /// A program, and which numbers from outside it holds for the present values of only.
    Captured(Arc<Captured>, Vec<u32>),
    /// The next call will do something else.
    Again,
    Broken(Break),
}

/// What the values that the unit computes are for.
struct Wanted {
    values: Vec<Recorded>,
    /// Storages that were made, by address, with their places among the values.
    fresh: FxHashMap<*const Storage, usize>,
    fresh_places: Vec<usize>,
    /// Results whose gradients are asked for later.
    tracked: Vec<Tensor>,
}

impl Wanted {
    fn value(&mut self, value: Recorded) -> usize {
        self.values.push(value);
        self.values.len() - 1
    }

    /// The number of a storage that was made.
    fn fresh(&mut self, storage: &Arc<Storage>) -> usize {
        if let Some(&number) = self.fresh.get(&Arc::as_ptr(storage)) {
            return number;
        }
        let place = self.value(storage.value());
        self.fresh_places.push(place);
        self.fresh.insert(Arc::as_ptr(storage), self.fresh_places.len() - 1);
        self.fresh_places.len() - 1
    }
}

fn no(why: impl Into<String>) -> Break {
    Break { why: why.into(), place: None }
}

pub(super) fn finish(trace: Trace, outputs: &[Tensor]) -> Result<Outcome> {
    if trace.broken.is_some() || trace.again {
        let mut trace = Box::new(trace);
        let broken = trace.broken.take();
        trace.settle()?;
        return Ok(broken.map_or(Outcome::Again, Outcome::Broken));
    }
    match build(&trace, outputs)? {
        Ok(captured) => {
            let mut fixed: Vec<u32> = trace.fixed.iter().copied().collect();
            fixed.sort_unstable();
            Ok(Outcome::Captured(Arc::new(captured), fixed))
        }
        Err(reason) => {
            Box::new(trace).settle()?;
            Ok(Outcome::Broken(reason))
        }
    }
}

fn build(trace: &Trace, outputs: &[Tensor]) -> Result<std::result::Result<Captured, Break>> {
    for read in &trace.reads {
        if history_of(&read.storage) != read.history {
            return Ok(Err(no("it makes a tensor from outside part of a graph of gradients")));
        }
    }
    let mut wanted = Wanted {
        values: Vec::new(),
        fresh: FxHashMap::default(),
        fresh_places: Vec::new(),
        tracked: Vec::new(),
    };
    let mut written = Vec::new();
    for (number, read) in trace.reads.iter().enumerate() {
        let (now, bump) = (read.storage.value(), read.storage.version_count() - read.version);
        let place = (!now.same(&read.before)).then(|| wanted.value(now));
        if place.is_some() || bump > 0 {
            written.push((number, place, bump));
        }
    }
    let mut slots = Vec::new();
    for slot in &trace.slots {
        let now = lock(&slot.slot.grad).clone();
        let after = match (&slot.before, now) {
            (None, None) => After::Same,
            (Some(before), Some(now)) if now.is_same(before) => After::Same,
            (_, None) => After::Gone,
            (_, Some(grad)) => match given(trace, &mut wanted, &grad)? {
                Ok(given) => After::Given(given),
                Err(reason) => return Ok(Err(reason)),
            },
        };
        let needs = slot.looked.then_some(slot.before.is_some());
        slots.push(SlotAt { slot: slot.slot.clone(), needs, after });
    }
    let mut gives = Vec::with_capacity(outputs.len());
    for output in outputs {
        match given(trace, &mut wanted, output)? {
            Ok(given) => gives.push(given),
            Err(reason) => return Ok(Err(reason)),
        }
    }

    let ordered = in_order(&wanted.values);
    let region = Region::collect(&ordered);
    let draft = if wanted.tracked.is_empty() {
        None
    } else {
        match backward::draft(trace, &wanted.tracked)? {
            Ok(draft) => Some(draft),
            Err(reason) => return Ok(Err(reason)),
        }
    };
    // The gradient reads intermediate values again: those that get buffers anyway are kept.
    let unit = match &draft {
        Some(_) => Unit::of(&ordered, &region)?,
        None => Unit::alone(&ordered, &region)?,
    };
    let words = words(trace, &region);
    let mut arguments = arguments(trace);
    for (number, place, _) in &written {
        if let (Origin::Argument(j), Some(_)) = (&trace.reads[*number].origin, place) {
            arguments[*j].whole = true;
        }
    }
    for result in gives.iter().chain(slots.iter().filter_map(|slot| slot.after.given())) {
        if let Given::Made(_, Source::Read(number)) = result
            && let Origin::Argument(j) = trace.reads[*number].origin
        {
            arguments[j].whole = true;
        }
    }
    for leaf in &unit.inputs {
        if let Some(j) = argument_of(trace, leaf.buffer)
            && !within(&leaf.extent(), &trace.reads, &trace.args[j], leaf.buffer)
        {
            arguments[j].whole = true;
        }
    }
    let locate = |buffer: &Buffer, start: usize| -> Bytes {
        let found = trace.reads.iter().enumerate().find_map(|(number, read)| {
            let stored = read.before.stored()?;
            stored.buffer.same_block(buffer).then_some((number, read, stored))
        });
        let Some((read, at, stored)) = found else {
            let is = |draw: &Draw| matches!(draw, Draw::Fill(_, drawn) if drawn.same_block(buffer));
            return match trace.draws.iter().position(is) {
                Some(draw) => Bytes::Drawn { draw, start },
                None => Bytes::Kept { buffer: buffer.clone(), start },
            };
        };
        let mut shift = start as i64 - (stored.offset * at.before.dtype().size()) as i64;
        if let Origin::Argument(j) = at.origin
            && !arguments[j].whole
        {
            let arg = &trace.args[j];
            shift -= arg.storage_offset() * arg.dtype().size() as i64;
        }
        Bytes::Storage { read, shift }
    };
    let inputs = unit.inputs.iter().map(|leaf| locate(leaf.buffer, leaf.start())).collect();
    let mut places = Vec::with_capacity(wanted.values.len());
    for value in &wanted.values {
        let ty = value.ty().clone();
        let aliased = |stored: &Stored| Place::Alias {
            bytes: locate(&stored.buffer, stored.offset * ty.dtype.size()),
            strides: stored.strides.clone(),
            ty: ty.clone(),
        };
        let is = |node: &RecordedNode, port: u8| std::ptr::eq(node, &**value.node()) && port == value.port();
        let place = if let Some(stored) = value.stored() {
            aliased(stored)
        } else if let Some(i) = unit.outputs.iter().position(|Target { node, port, .. }| is(node, *port)) {
            Place::Result(i, ty.clone())
        } else if let Some((_, _, stored)) = unit.aliases.iter().find(|(node, port, _)| is(node, *port)) {
            aliased(stored)
        } else {
            return crate::error::runtime("internal error: a captured value is in no place");
        };
        places.push(place);
    }
    let mut results: Vec<(&RecordedNode, u8)> = unit.outputs.iter().map(|t| (t.node, t.port)).collect();
    let kept: Vec<(&RecordedNode, u8)> = unit.wanted.iter().map(|t| (t.node, t.port)).collect();
    let planned = compile_and_run(unit)?;
    results.extend(planned.iter().flat_map(|planned| planned.kept.iter().map(|&place| kept[place])));
    let backward = match draft {
        Some(draft) => {
            let backward = Arc::new(draft.build(&results, locate, |region| self::words(trace, region))?);
            // Of this call too: memory that an array outside shares is kept as it is now.
            let resolved = trace.resolved(&arguments);
            let buffers: Vec<Buffer> =
                results.iter().filter_map(|(node, port)| Some(node.stored(*port)?.buffer.clone())).collect();
            let words = backward.words().iter().map(|&word| trace.word_bits(word, &resolved));
            let words = words.collect::<Result<_>>()?;
            let node = backward.node(&trace.args, &resolved, &buffers, words)?;
            for (port, output) in wanted.tracked.iter().enumerate() {
                output.replace_path(node.clone(), port as u8)?;
            }
            Some(backward)
        }
        None => None,
    };
    let writes = written
        .into_iter()
        .map(|(read, place, bump)| WriteAt { read, place: place.map(|place| places[place].clone()), bump })
        .collect();
    let fresh = wanted.fresh_places.iter().map(|&place| Fresh { place: places[place].clone() }).collect();
    let reads = trace
        .reads
        .iter()
        .map(|read| ReadAt {
            own: matches!(read.origin, Origin::Own).then(|| read.storage.clone()),
            origin: read.origin.clone(),
            ty: read.before.ty().clone(),
        })
        .collect();
    let seen = trace.seen_tensors();
    Ok(Ok(Captured {
        planned,
        inputs,
        words,
        draws: trace.fills(),
        arguments,
        reads,
        writes,
        fresh,
        slots,
        outputs: gives,
        backward,
        seen,
        epoch: AtomicU64::new(super::epoch()),
    }))
}

/// How a tensor that the call gives back is had at each call.
fn given(trace: &Trace, wanted: &mut Wanted, tensor: &Tensor) -> Result<std::result::Result<Given, Break>> {
    if let Some(place) = trace.args.iter().position(|arg| arg.is_same(tensor)) {
        return Ok(Ok(Given::Argument(place)));
    }
    let storage = tensor.storage();
    let path = tensor.grad_node()?;
    let later = path.as_ref().is_some_and(|(grad, _)| !grad.edges().freed);
    let from_outside = trace.reads.iter().position(|read| Arc::ptr_eq(&read.storage, &storage));
    if later
        && from_outside.is_some()
        && tensor.grad_node()?.is_some_and(|(grad, _)| grad.seq() >= trace.began)
    {
        return Ok(Err(no("it returns a view of a tensor from outside, with a gradient")));
    }
    if let Some(number) = from_outside {
        return Ok(Ok(if matches!(trace.reads[number].origin, Origin::Argument(_)) {
            Given::Made(tensor.template(), Source::Read(number))
        } else {
            Given::Held(tensor.clone())
        }));
    }
    if !trace.was_made(&storage) {
        return Ok(Ok(Given::Held(tensor.clone())));
    }
    let fresh = wanted.fresh(&storage);
    if !later {
        return Ok(Ok(Given::Made(tensor.template(), Source::Fresh(fresh, path))));
    }
    wanted.tracked.push(tensor.clone());
    Ok(Ok(Given::Made(tensor.template(), Source::Tracked(fresh, wanted.tracked.len() - 1))))
}

/// The run-time scalars in the order of their slots.
fn words(trace: &Trace, region: &Region) -> Vec<Word> {
    let scalars = region
        .members()
        .iter()
        .filter(|member| matches!(member.node.op(), Op::Input(Input { source: Leaf::Scalar, .. })));
    scalars
        .map(|member| {
            let known = trace.words.get(&Arc::as_ptr(&member.node)).copied();
            known.unwrap_or(Word::Fixed(member.node.scalar_bits()))
        })
        .collect()
}

/// The arguments, where one that shares its storage with another counts as a whole.
fn arguments(trace: &Trace) -> Vec<Argument> {
    let storages: Vec<Arc<Storage>> = trace.args.iter().map(Tensor::storage).collect();
    let first = |j: usize| storages.iter().position(|s| Arc::ptr_eq(s, &storages[j])).unwrap_or(j);
    let shared = |j: usize| storages.iter().filter(|s| Arc::ptr_eq(s, &storages[j])).count() > 1;
    (trace.args.iter().enumerate())
        .map(|(j, arg)| Argument {
            same_as: first(j),
            whole: shared(j),
            geometry: arg.geometry(),
            storage: storages[j].ty(),
        })
        .collect()
}

fn argument_of(trace: &Trace, buffer: &Buffer) -> Option<usize> {
    trace.reads.iter().find_map(|read| match read.origin {
        Origin::Argument(j) if read.before.stored()?.buffer.same_block(buffer) => Some(j),
        _ => None,
    })
}

/// Whether these bytes of the buffer belong to elements of the argument.
fn within(extent: &(i64, i64), reads: &[Read], arg: &Tensor, buffer: &Buffer) -> bool {
    let Some(stored) = reads
        .iter()
        .filter_map(|read| read.before.stored().map(|s| (s, read.before.dtype())))
        .find_map(|(stored, dtype)| stored.buffer.same_block(buffer).then_some(stored.offset * dtype.size()))
    else {
        return false;
    };
    let Some((low, high)) = arg.geometry().extent() else { return extent.0 == extent.1 };
    let size = arg.dtype().size() as i64;
    let start = stored as i64;
    start + low * size <= extent.0 && extent.1 <= start + high * size
}

impl Trace {
    /// What the call under capture has read.
    fn resolved(&self, arguments: &[Argument]) -> Resolved {
        let storages = self.reads.iter().filter_map(|read| {
            let mut stored = read.before.stored()?.clone();
            stored.offset *= read.before.dtype().size();
            if let Origin::Argument(j) = read.origin
                && !arguments[j].whole
            {
                let shift = self.args[j].storage_offset() * self.args[j].dtype().size() as i64;
                stored.offset = (stored.offset as i64 + shift) as usize;
            }
            Some((read.storage.clone(), stored))
        });
        let draws = self.draws.iter().map(|draw| match draw {
            Draw::Key(key) => Drawn::Key(*key),
            Draw::Fill(_, buffer) => Drawn::Numbers(buffer.clone()),
        });
        Resolved { storages: storages.collect(), draws: draws.collect() }
    }

    fn word_bits(&self, word: Word, resolved: &Resolved) -> Result<u64> {
        match word {
            Word::Number { id, dtype, negated } => {
                let given = self.given.get(&id).copied();
                match given {
                    Some(number) => Ok(scalar_word(number.literal(dtype, negated))),
                    None => crate::error::runtime("internal error: a captured number is missing"),
                }
            }
            other => word_bits(other, &[], resolved),
        }
    }

    fn fills(&self) -> Vec<Option<Fill>> {
        let fill = |draw: &Draw| match draw {
            Draw::Key(_) => None,
            Draw::Fill(fill, _) => Some(fill.clone()),
        };
        self.draws.iter().map(fill).collect()
    }

    fn seen_tensors(&self) -> Vec<super::replay::SeenAt> {
        let seen = self.seen.iter().map(|seen| super::replay::SeenAt {
            tensor: seen.tensor.clone(),
            storage: seen.storage.clone(),
            tracks: seen.tracks,
        });
        seen.collect()
    }
}
