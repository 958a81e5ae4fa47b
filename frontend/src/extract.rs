//! From recorded nodes to a compile unit: what is computed, of what, apart from the bytes.
//!
//! The region that is not realised is read off, operands first, one line for each node. Its leaves become slots,
//! numbered by first visit: a realised value read through views is one strided input whose start is given at run
//! time, so `X[i:i+32]` in a loop gives the same lines each time; so do run-time scalars, whatever their values.
//! The lines are written on a [`Tape`], which is the whole key of the compiled program: a program that is there is
//! found without building a graph. [`Unit::request`] builds it where there is none; interning begins there.

use crate::error::{Error, Result};
use crate::places::Places;
use crate::record::{Recorded, RecordedNode, Stored};
use crate::region::{Member, Region};
use crate::tape::Tape;
use rustc_hash::FxHashSet;
use rustorch_backend::buffer::Buffer;
use rustorch_ir::build::Build;
use rustorch_ir::graph::Type;
use rustorch_ir::op::{Input, Kind, Op, Source};
use rustorch_ir::{DType, Graph, NodeId, Shape, Strides, Value};
use rustorch_passes::Request;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::hash::Hash;

/// Result `port` of a line.
#[derive(Clone, Copy)]
struct Ref {
    line: u32,
    port: u8,
}

impl Ref {
    fn word(self) -> u64 {
        u64::from(self.line) << 8 | u64::from(self.port)
    }

    fn of_word(word: u64) -> Ref {
        Ref { line: (word >> 8) as u32, port: word as u8 }
    }
}

/// A strided stretch of a buffer.
#[derive(Clone)]
pub(crate) struct Leaf<'r> {
    pub buffer: &'r Buffer,
    /// In elements.
    offset: usize,
    strides: Cow<'r, Strides>,
    shape: &'r Shape,
    dtype: DType,
}

impl<'r> Leaf<'r> {
    fn new(stored: &'r Stored, ty: &'r Type) -> Leaf<'r> {
        Leaf {
            buffer: &stored.buffer,
            offset: stored.offset,
            strides: Cow::Borrowed(&stored.strides),
            shape: &ty.shape,
            dtype: ty.dtype,
        }
    }

    /// Bytes from the start of the buffer to element 0.
    pub fn start(&self) -> usize {
        self.offset * self.dtype.size()
    }

    /// From which byte of the buffer to which its elements lie.
    pub fn extent(&self) -> (i64, i64) {
        let (size, start) = (self.dtype.size() as i64, self.start() as i64);
        if self.shape.numel() == 0 {
            return (start, start);
        }
        let (mut low, mut high) = (start, start + size);
        for (d, &stride) in self.shape.iter().zip(self.strides.iter()) {
            let reach = (d.get() as i64 - 1) * stride * size;
            *(if reach < 0 { &mut low } else { &mut high }) += reach;
        }
        (low, high)
    }

    fn address(&self) -> usize {
        (self.buffer.ptr() as usize).wrapping_add(self.start())
    }

    /// Repeated to `shape` by NumPy's rule.
    fn broadcast(self, shape: &'r Shape) -> Leaf<'r> {
        if self.shape == shape {
            return self;
        }
        let lead = shape.rank().saturating_sub(self.shape.rank());
        let stride = |axis: usize| match axis.checked_sub(lead) {
            Some(own) if self.shape[own] == shape[axis] => self.strides[own],
            _ => 0,
        };
        Leaf { strides: Cow::Owned((0..shape.rank()).map(stride).collect()), shape, ..self }
    }

    fn stored(self) -> Stored {
        Stored { buffer: self.buffer.clone(), offset: self.offset, strides: self.strides.into_owned() }
    }
}

/// What the first result of a recorded node is in the unit.
#[derive(Clone)]
enum Resolved<'r> {
    /// This result of a line; the node's other results are the line's following ones.
    Value(Ref),
    /// A strided stretch of a buffer, not yet read by any line.
    Leaf(Leaf<'r>),
}

/// A recorded result and what it is in the unit.
#[derive(Clone, Copy)]
pub(crate) struct Target<'r> {
    value: Ref,
    pub node: &'r RecordedNode,
    pub port: u8,
}

enum Line<'r> {
    Input {
        slot: u32,
    },
    Scalar {
        slot: u32,
        dtype: DType,
    },
    /// Its operands stand on the tape from here on.
    Node {
        node: &'r RecordedNode,
        operands: usize,
    },
}

/// A compile unit with what stands behind its slots and outputs.
pub(crate) struct Unit<'r> {
    lines: Vec<Line<'r>>,
    /// The lines, outputs and wanted values: equal tapes are equal units.
    pub tape: Tape,
    pub inputs: Vec<Leaf<'r>>,
    pub scalars: SmallVec<[u64; 4]>,
    pub outputs: SmallVec<[Target<'r>; 2]>,
    /// Values worth keeping if they get buffers.
    pub wanted: SmallVec<[Target<'r>; 2]>,
    /// Results that are views of realised values: nothing has to run for them.
    pub aliases: Vec<(&'r RecordedNode, u8, Stored)>,
}

/// The graph of a unit, to be compiled.
pub(crate) struct Wanted {
    pub request: Request,
    /// For each value that the request keeps, its place among the unit's wanted values.
    pub places: Vec<usize>,
}

struct Extraction<'r> {
    unit: Unit<'r>,
    region: &'r Region,
    resolved: Vec<Resolved<'r>>,
    /// Slots by address, with the lines that read them.
    slots: Option<Places>,
    slot_lines: SmallVec<[Ref; 8]>,
}

/// Up to here slots are found by looking through them.
const FEW: usize = 8;

fn internal(e: rustorch_ir::OpError) -> Error {
    Error::Runtime(format!("internal error: a recorded operation does not type: {e}"))
}

impl<'r> Extraction<'r> {
    /// The line that reads a strided stretch of memory; equal stretches are one.
    fn input(&mut self, leaf: Leaf<'r>) -> Ref {
        let address = leaf.address();
        let inputs = &self.unit.inputs;
        let same = |slot: u32| {
            let other = &inputs[slot as usize];
            other.address() == address
                && other.dtype == leaf.dtype
                && other.strides == leaf.strides
                && other.shape == leaf.shape
        };
        let found = match &self.slots {
            Some(slots) => slots.find(address, same),
            None => (0..inputs.len() as u32).find(|&slot| same(slot)),
        };
        if let Some(slot) = found {
            return self.slot_lines[slot as usize];
        }
        let slot = inputs.len() as u32;
        self.unit.tape.input(leaf.dtype, leaf.shape, &leaf.strides);
        self.unit.inputs.push(leaf);
        let value = self.line(Line::Input { slot });
        self.slot_lines.push(value);
        match &mut self.slots {
            Some(slots) => slots.add(address, slot),
            None if self.unit.inputs.len() > FEW => {
                let mut slots = Places::new();
                self.unit.inputs.iter().zip(0..).for_each(|(leaf, slot)| slots.add(leaf.address(), slot));
                self.slots = Some(slots);
            }
            None => {}
        }
        value
    }

    /// Adds a line; gives its first result.
    fn line(&mut self, line: Line<'r>) -> Ref {
        self.unit.lines.push(line);
        Ref { line: self.unit.lines.len() as u32 - 1, port: 0 }
    }

    /// What the value at the end of an edge is; `place` is its node's in the region.
    fn resolve(&self, node: &'r RecordedNode, port: u8, place: u32) -> Result<Resolved<'r>> {
        match self.resolved.get(place as usize) {
            Some(Resolved::Value(Ref { line, port: first })) => {
                return Ok(Resolved::Value(Ref { line: *line, port: first + port }));
            }
            Some(leaf) => return Ok(leaf.clone()),
            None => {}
        }
        match node.stored(port) {
            Some(stored) => Ok(Resolved::Leaf(Leaf::new(stored, &node.types()[port as usize]))),
            None => Err(Error::Runtime(
                "internal error: a recorded value has neither operands nor a result".into(),
            )),
        }
    }

    fn operand(&self, member: &'r Member, i: usize) -> Result<Resolved<'r>> {
        let edge = &member.inputs[i];
        self.resolve(&edge.node, edge.port, member.places[i])
    }

    fn member(&mut self, member: &'r Member) -> Result<Resolved<'r>> {
        let node = &*member.node;
        if let Op::Input(Input { source: Source::Scalar, dtype, .. }) = node.op() {
            let slot = self.unit.scalars.len() as u32;
            self.unit.scalars.push(node.scalar_bits());
            self.unit.tape.scalar(*dtype);
            return Ok(Resolved::Value(self.line(Line::Scalar { slot, dtype: *dtype })));
        }
        if node.op().kind() == Kind::View
            && member.inputs.len() == 1
            && let Some(view) = self.view(member)?
        {
            return Ok(view);
        }
        let mut operands: SmallVec<[u64; 4]> = SmallVec::new();
        for i in 0..member.inputs.len() {
            operands.push(match self.operand(member, i)? {
                Resolved::Value(value) => value.word(),
                Resolved::Leaf(leaf) if matches!(node.op(), Op::Map(_)) => {
                    self.input(leaf.broadcast(&node.types()[0].shape)).word()
                }
                Resolved::Leaf(leaf) => self.input(leaf).word(),
            });
        }
        node.op().hash(&mut self.unit.tape);
        let operands = self.unit.tape.list(&operands);
        Ok(Resolved::Value(self.line(Line::Node { node, operands })))
    }

    /// A view that is no line: of a buffer, or of the same type as what it views.
    fn view(&self, member: &'r Member) -> Result<Option<Resolved<'r>>> {
        let (op, to) = (member.node.op(), &member.node.types()[0]);
        let edge = &member.inputs[0];
        let same = match op {
            Op::Detach(_) => true,
            Op::Reshape(_) => *to == edge.node.types()[edge.port as usize],
            _ => false,
        };
        let from = self.operand(member, 0)?;
        if same {
            return Ok(Some(from));
        }
        let Resolved::Leaf(from) = from else { return Ok(None) };
        let Some((strides, shift)) = op.restride(from.shape, &from.strides, &to.shape) else {
            return Ok(None);
        };
        let offset = (from.offset as i64 + shift).max(0) as usize;
        Ok(Some(Resolved::Leaf(Leaf { offset, strides: Cow::Owned(strides), shape: &to.shape, ..from })))
    }

    fn targets(&mut self, targets: &'r [Recorded]) -> Result<()> {
        for target in targets.iter().filter(|t| !t.is_realised()) {
            let place = self.region.place(target.node());
            let (node, port) = (&**target.node(), target.port());
            match self.resolve(node, port, place)? {
                Resolved::Leaf(leaf) => self.unit.aliases.push((node, port, leaf.stored())),
                Resolved::Value(value) => self.unit.outputs.push(Target { value, node, port }),
            }
        }
        Ok(())
    }

    fn wanted(&mut self) {
        for (i, member) in self.region.wanted() {
            let Resolved::Value(Ref { line, port: first }) = self.resolved[i] else { continue };
            for port in 0..member.node.types().len() as u8 {
                let value = Ref { line, port: first + port };
                self.unit.wanted.push(Target { value, node: &member.node, port });
            }
        }
    }
}

impl<'r> Unit<'r> {
    /// The unit that computes `targets`, which `region` was collected for.
    pub fn of(targets: &'r [Recorded], region: &'r Region) -> Result<Unit<'r>> {
        Unit::new(targets, region, true)
    }

    /// As [`Unit::of`], where nothing but the targets is worth keeping.
    pub fn alone(targets: &'r [Recorded], region: &'r Region) -> Result<Unit<'r>> {
        Unit::new(targets, region, false)
    }

    fn new(targets: &'r [Recorded], region: &'r Region, keeps: bool) -> Result<Unit<'r>> {
        let members = region.members();
        let unit = Unit {
            lines: Vec::with_capacity(2 * members.len() + 4),
            tape: Tape::new(),
            inputs: Vec::with_capacity(4),
            scalars: SmallVec::new(),
            outputs: SmallVec::new(),
            wanted: SmallVec::new(),
            aliases: Vec::new(),
        };
        let resolved = Vec::with_capacity(members.len());
        let mut x = Extraction { unit, region, resolved, slots: None, slot_lines: SmallVec::new() };
        for member in members {
            let resolved = x.member(member)?;
            x.resolved.push(resolved);
        }
        x.targets(targets)?;
        if keeps {
            x.wanted();
        }
        let mut unit = x.unit;
        for list in [&unit.outputs, &unit.wanted] {
            let words: SmallVec<[u64; 4]> = list.iter().map(|target| target.value.word()).collect();
            unit.tape.list(&words);
        }
        Ok(unit)
    }

    /// The unit's graph.
    pub fn request(&self) -> Result<Wanted> {
        let mut graph = Graph::new();
        let mut nodes: Vec<NodeId> = Vec::with_capacity(self.lines.len());
        let value = |nodes: &[NodeId], r: Ref| Value { node: nodes[r.line as usize], port: r.port };
        for line in &self.lines {
            let id = match line {
                Line::Input { slot } => {
                    let leaf = &self.inputs[*slot as usize];
                    let source = Source::Buffer(leaf.strides.clone().into_owned());
                    let input = Input { slot: *slot, dtype: leaf.dtype, shape: leaf.shape.clone(), source };
                    graph.add(Op::Input(input), &[])
                }
                Line::Scalar { slot, dtype } => {
                    let (slot, dtype, shape) = (*slot, *dtype, Shape::scalar());
                    graph.add(Op::Input(Input { slot, dtype, shape, source: Source::Scalar }), &[])
                }
                Line::Node { node, operands } => {
                    let refs = self.tape.list_at(*operands).iter().map(|&word| Ref::of_word(word));
                    let mut operands: SmallVec<[Value; 4]> = refs.map(|r| value(&nodes, r)).collect();
                    node.add_to(&mut graph, &mut operands)
                }
            };
            nodes.push(id.map_err(internal)?);
        }
        graph.outputs = self.outputs.iter().map(|target| value(&nodes, target.value)).collect();
        let mut seen: FxHashSet<Value> = graph.outputs.iter().copied().collect();
        let (mut keep, mut places) = (Vec::new(), Vec::new());
        for (place, target) in self.wanted.iter().enumerate() {
            let value = value(&nodes, target.value);
            if seen.insert(value) {
                keep.push(value);
                places.push(place);
            }
        }
        Ok(Wanted { request: Request { graph, keep }, places })
    }
}
