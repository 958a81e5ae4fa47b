//! The order in which a reduction combines its elements: a function of its extents alone.
//!
//! Short inner axes are flattened with their neighbours until a run is worth vector lanes. Each run
//! longer than a chunk is cut into chunks, which start from the neutral element and are combined in
//! order; the lanes of a chunk are combined by halves. So f32 sums lose no more than a cascade does, and
//! the chunks of the outermost run can be computed by different threads, or kernels, with equal bits.

use rustorch_ir::loops::build::LoopBuilder;
use rustorch_ir::loops::{Combine, Val};
use rustorch_ir::op::{Index, Input, Pull};
use rustorch_ir::{DType, Type, Value};
use smallvec::SmallVec;

/// Elements that one accumulator (of as many lanes as it has) takes in before it is put aside.
const CHUNK: usize = 16384;
/// An inner run shorter than this is flattened with the axis outside it.
const SHORT: usize = 64;

/// A run of neighbouring reduced axes that one loop walks.
#[derive(Clone, Debug)]
struct Run {
    axes: std::ops::Range<usize>,
    extent: usize,
}

fn runs(extents: &[usize]) -> SmallVec<[Run; 4]> {
    let mut runs: SmallVec<[Run; 4]> = SmallVec::new();
    for axis in (0..extents.len()).rev() {
        match runs.last_mut() {
            Some(run) if run.extent < SHORT => {
                run.axes.start = axis;
                run.extent *= extents[axis];
            }
            _ => runs.push(Run { axes: axis..axis + 1, extent: extents[axis] }),
        }
    }
    runs.reverse();
    runs
}

/// How the outermost run of a reduction over `extents` is cut: rows of a chunk, and number of chunks.
fn cut(runs: &[Run]) -> (usize, usize) {
    let inner: usize = runs[1..].iter().map(|r| r.extent).product();
    let rows = (CHUNK / inner.max(1)).max(1);
    (rows, runs[0].extent.div_ceil(rows))
}

/// The number of chunks that a reduction over `extents` combines at last; 1 when it is not cut.
pub fn chunks(extents: &[usize]) -> usize {
    if extents.is_empty() || extents.contains(&0) { 1 } else { cut(&runs(extents)).1 }
}

/// The stored type of partial results.
pub fn partial_dtype(dtype: DType) -> DType {
    dtype.accumulator()
}

/// `combine` of all elements, starting from `init`, at the current place of emission.
pub fn reduce(
    p: &mut dyn Pull,
    combine: Combine,
    extents: &[usize],
    init: Val,
    body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
) -> Val {
    if extents.contains(&0) {
        return init;
    }
    let runs = runs(extents);
    let zero = p.loops().index(0);
    let mut index: Index = SmallVec::from_elem(zero, extents.len());
    if runs.is_empty() {
        let value = body(p, &index);
        return p.loops().combine(combine, init, value);
    }
    level(p, combine, extents, &runs, init, &mut index, body)
}

/// The reduction over `runs`, the outer axes being fixed in `index`.
fn level(
    p: &mut dyn Pull,
    combine: Combine,
    extents: &[usize],
    runs: &[Run],
    init: Val,
    index: &mut Index,
    body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
) -> Val {
    let (rows, chunks) = cut(runs);
    if chunks == 1 {
        let (begin, end) = (p.loops().index(0), p.loops().index(runs[0].extent as i64));
        return stretch(p, combine, extents, runs, init, (begin, end), index, body);
    }
    let open = p.loops().open_count(chunks, &[init]);
    let part = chunk(p, combine, extents, runs, init, (open.var, rows), index, body);
    let next = p.loops().combine(combine, open.phis[0], part);
    p.loops().close_loop(open, &[next], &[None])[0]
}

/// Chunk number `number` of the outermost run.
#[allow(clippy::too_many_arguments)] // one recursion's state
fn chunk(
    p: &mut dyn Pull,
    combine: Combine,
    extents: &[usize],
    runs: &[Run],
    init: Val,
    (number, rows): (Val, usize),
    index: &mut Index,
    body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
) -> Val {
    let extent = runs[0].extent;
    let b = p.loops();
    let begin = b.affine(&[(number, rows as i64)], 0);
    let mut end = b.affine(&[(number, rows as i64)], rows as i64);
    if !extent.is_multiple_of(rows) {
        let last = b.index(extent as i64);
        let past = b.cmp(rustorch_ir::loops::CmpOp::Lt, last, end);
        end = b.select(past, last, end);
        b.assume_range(end, 0, extent as i64);
    }
    b.assume_range(begin, 0, extent as i64 - 1);
    stretch(p, combine, extents, runs, init, (begin, end), index, body)
}

/// The rows `begin..end` of the outermost run, from the neutral element on.
#[allow(clippy::too_many_arguments)] // one recursion's state
fn stretch(
    p: &mut dyn Pull,
    combine: Combine,
    extents: &[usize],
    runs: &[Run],
    init: Val,
    (begin, end): (Val, Val),
    index: &mut Index,
    body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
) -> Val {
    let open = p.loops().open_loop(begin, end, 1, &[init]);
    p.loops().assume_range(open.var, 0, runs[0].extent as i64 - 1);
    let mut rest = open.var;
    let axes = runs[0].axes.clone();
    for axis in axes.clone().rev() {
        if axis == axes.start {
            index[axis] = rest;
        } else {
            let (q, r) = p.loops().div_rem(rest, extents[axis] as i64);
            index[axis] = r;
            rest = q;
        }
    }
    let value = if runs.len() == 1 {
        body(p, index)
    } else {
        level(p, combine, extents, &runs[1..], init, index, body)
    };
    let next = p.loops().combine(combine, open.phis[0], value);
    // Only the innermost loop may be spread over lanes: outer ones combine finished rows in order.
    let regroup = (runs.len() == 1).then_some(combine);
    p.loops().close_loop(open, &[next], &[regroup])[0]
}

/// Stands between a reduction and its operand: computes one chunk instead of all.
pub struct OneChunk<'a> {
    inner: &'a mut dyn Pull,
    number: Val,
    result: Option<Val>,
}

impl<'a> OneChunk<'a> {
    pub fn new(inner: &'a mut dyn Pull, number: Val) -> OneChunk<'a> {
        OneChunk { inner, number, result: None }
    }

    /// The combined elements of the chunk.
    pub fn result(self) -> Val {
        self.result.expect("a reduction was pulled")
    }
}

impl Pull for OneChunk<'_> {
    fn pull(&mut self, v: Value, index: &[Val]) -> Val {
        self.inner.pull(v, index)
    }

    fn type_of(&self, v: Value) -> &Type {
        self.inner.type_of(v)
    }

    fn loops(&mut self) -> &mut LoopBuilder {
        self.inner.loops()
    }

    fn leaf(&mut self, input: &Input, index: &[Val]) -> Val {
        self.inner.leaf(input, index)
    }

    fn reduce(
        &mut self,
        combine: Combine,
        extents: &[usize],
        init: Val,
        _: usize,
        body: &mut dyn FnMut(&mut dyn Pull, &[Val]) -> Val,
    ) -> Val {
        let runs = runs(extents);
        let (rows, _) = cut(&runs);
        let zero = self.inner.loops().index(0);
        let mut index: Index = SmallVec::from_elem(zero, extents.len());
        let value = chunk(self.inner, combine, extents, &runs, init, (self.number, rows), &mut index, body);
        self.result.get_or_insert(value);
        value
    }
}
