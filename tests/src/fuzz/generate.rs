//! Random graphs: each node takes a value that is there, and gives the primitive a fitting setting.

use super::choose::{self, Content, LARGEST, Rng};
use super::{Case, Memory};
use rustorch_ir::build::Build;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::*;
use rustorch_ir::{DType, Dim, Graph, Literal, Shape, Type, Value};

/// Steers what the cases contain.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Nodes beyond those that are asked for.
    pub nodes: u64,
    /// Only what has a gradient, and is smooth where it is used: all in f64.
    pub smooth: bool,
}

pub struct Generator {
    pub rng: Rng,
    pub graph: Graph,
    slots: Vec<Memory>,
    scalars: Vec<u64>,
    /// In the body of a call every leaf is an operand: of this type, with such a content.
    pub(super) operands: Option<Vec<(Type, Content)>>,
    pub(super) options: Options,
}

/// A case that contains the pair of primitives `pair`, the first feeding the second, if that is possible.
pub fn case(seed: u64, pair: Option<(&str, &str)>, options: Options) -> Option<Case> {
    let mut g = Generator::new(seed, options);
    let before = g.rng.below(options.nodes + 1);
    for _ in 0..before {
        g.random();
    }
    let mut wanted = Vec::new();
    if let Some((first, second)) = pair {
        let mut made = None;
        for _ in 0..60 {
            let from = g.any(|_| true);
            let Some(a) = g.grow(first, from) else { continue };
            if let Some(b) = g.grow(second, Some(a)) {
                made = Some(b);
                break;
            }
        }
        wanted.push(made?);
    }
    for _ in before..options.nodes {
        g.random();
    }
    Some(g.finish(wanted))
}

impl Generator {
    pub fn new(seed: u64, options: Options) -> Generator {
        let (rng, graph) = (Rng::new(seed), Graph::new());
        Generator { rng, graph, slots: vec![], scalars: vec![], operands: None, options }
    }

    fn finish(mut self, wanted: Vec<Value>) -> Case {
        let mut outputs = wanted;
        let last = self.graph.order().last().map(|&node| Value { node, port: 0 });
        outputs.extend(last);
        for _ in 0..self.rng.below(3) {
            outputs.extend(self.any(|_| true));
        }
        if self.rng.chance(90) {
            outputs.dedup();
        }
        if outputs.is_empty() {
            outputs.push(self.leaf(&Type::new(DType::F32, Shape::scalar()), Content::Plain));
        }
        self.graph.outputs = outputs;
        let keep = (0..self.rng.below(3)).filter_map(|_| self.any(|_| true)).collect();
        let grain = *self.rng.pick(&[0, 1, 1, 2, 5, 16, 64]);
        Case { graph: self.graph, slots: self.slots, scalars: self.scalars, keep, grain }
    }

    pub(super) fn random(&mut self) {
        let kind = *self.rng.pick(Op::PRIMITIVES);
        let kind = if self.rng.chance(30) { "Map" } else { kind };
        let from = self.any(|_| true);
        self.grow(kind, from);
    }

    pub(super) fn ty(&self, v: Value) -> Type {
        self.graph.ty(v).clone()
    }

    pub(super) fn dtype(&mut self) -> DType {
        if self.options.smooth { DType::F64 } else { choose::dtype(&mut self.rng) }
    }

    pub(super) fn content(&mut self) -> Content {
        if self.options.smooth { Content::Plain } else { choose::content(&mut self.rng) }
    }

    /// A value that satisfies `fits`, rather a late one.
    pub fn any(&mut self, fits: impl Fn(&Type) -> bool) -> Option<Value> {
        let all: Vec<Value> = self
            .graph
            .order()
            .iter()
            .map(|&node| Value { node, port: 0 })
            .filter(|&v| fits(self.graph.ty(v)))
            .collect();
        let n = all.len() as u64;
        if n == 0 {
            return None;
        }
        let at = self.rng.below(n).max(self.rng.below(n));
        Some(all[at as usize])
    }

    pub(super) fn add(&mut self, op: Op, inputs: &[Value]) -> Option<Value> {
        let types: Vec<&Type> = inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let inferred = op.infer(&types).unwrap_or_else(|e| panic!("the generator made {op}: {e}"));
        let fits = inferred.iter().all(|t| t.shape.checked_numel().is_some_and(|n| n <= LARGEST));
        let node = fits.then(|| self.graph.add(op, inputs).expect("inferred above"))?;
        Some(Value { node, port: 0 })
    }

    pub(super) fn leaf(&mut self, ty: &Type, content: Content) -> Value {
        if self.operands.is_some() {
            return self.operand(ty, content);
        }
        if ty.shape.rank() == 0 && self.rng.chance(40) {
            let one = choose::elements(&mut self.rng, ty.dtype, 1, content);
            let literal = one.literals().next().expect("one element");
            if self.rng.chance(50) && !self.options.smooth {
                return self.add(Op::Constant(Constant { literal }), &[]).expect("small");
            }
            if !self.options.smooth {
                self.scalars.push(literal.bits);
                let slot = self.scalars.len() as u32 - 1;
                let (dtype, shape, source) = (ty.dtype, Shape::scalar(), Source::Scalar);
                return self.add(Op::Input(Input { slot, dtype, shape, source }), &[]).expect("small");
            }
        }
        let (strides, memory) =
            choose::layout(&mut self.rng, ty.dtype, &ty.shape, content, self.options.smooth);
        self.slots.push(memory);
        let input = Input {
            slot: self.slots.len() as u32 - 1,
            dtype: ty.dtype,
            shape: ty.shape.clone(),
            source: Source::Buffer(strides),
        };
        let node = self.graph.add(Op::Input(input), &[]).expect("an input");
        Value { node, port: 0 }
    }

    /// A value of this type: one that is there, one broadcast to it, or a leaf.
    pub(super) fn like(&mut self, ty: &Type) -> Value {
        match self.rng.below(10) {
            0..=4 => {
                if let Some(v) = self.any(|t| t == ty) {
                    return v;
                }
            }
            5 | 6 => {
                let dtype = ty.dtype;
                let scalar = self.any(|t| t.dtype == dtype && t.shape.rank() == 0);
                let scalar = match scalar {
                    Some(v) => v,
                    None => {
                        let content = self.content();
                        self.leaf(&Type::new(dtype, Shape::scalar()), content)
                    }
                };
                let b: &mut dyn Build = &mut self.graph;
                return b.broadcast_to(scalar, &ty.shape);
            }
            _ => {}
        }
        let content = self.content();
        self.leaf(ty, content)
    }

    /// A node of primitive `kind` that reads `from`.
    pub fn grow(&mut self, kind: &str, from: Option<Value>) -> Option<Value> {
        match kind {
            "Input" => {
                let ty = Type::new(self.dtype(), choose::shape(&mut self.rng));
                let content = self.content();
                return Some(self.leaf(&ty, content));
            }
            "Constant" => {
                let dtype = self.dtype();
                let content = self.content();
                let one = choose::elements(&mut self.rng, dtype, 1, content);
                let literal: Literal = one.literals().next()?;
                return self.add(Op::Constant(Constant { literal }), &[]);
            }
            "Iota" => {
                let extent = Dim::new(choose::extent(&mut self.rng));
                return self.add(Op::Iota(Iota { extent }), &[]);
            }
            _ => {}
        }
        let x = match from {
            Some(v) => v,
            None => {
                let ty = Type::new(self.dtype(), choose::shape(&mut self.rng));
                self.like(&ty)
            }
        };
        let ty = self.ty(x);
        if self.options.smooth && !ty.dtype.is_float() {
            return None;
        }
        match kind {
            "Reshape" => {
                let shape = self.refactored(&ty.shape);
                self.add(Op::Reshape(Reshape { shape }), &[x])
            }
            "Permute" => {
                let axes = self.permutation(ty.shape.rank());
                self.add(Op::Permute(Permute { axes }), &[x])
            }
            "Expand" => {
                let shape = ty
                    .shape
                    .iter()
                    .map(|d| if d.is_one() { choose::extent(&mut self.rng) } else { d.get() })
                    .collect();
                self.add(Op::Expand(Expand { shape }), &[x])
            }
            "Slice" => {
                let spans = ty.shape.iter().map(|d| self.span(d.get())).collect();
                self.add(Op::Slice(Slice { spans }), &[x])
            }
            "Pad" => self.pad(x, &ty),
            "Window" => self.window(x, &ty),
            "Fold" => self.fold(x, &ty),
            "Map" => self.map(x, &ty),
            "Cast" => {
                let dtype = if self.options.smooth { DType::F64 } else { choose::dtype(&mut self.rng) };
                self.add(Op::Cast(Cast { dtype }), &[x])
            }
            // The bits of a NaN that was computed are nobody's promise.
            "Bitcast" if ty.dtype.is_float() && !self.is_given(x) => None,
            "Bitcast" if self.options.smooth => None,
            "Bitcast" => {
                let op = Op::Bitcast(Bitcast { dtype: choose::dtype(&mut self.rng) });
                op.infer(&[&ty]).is_ok().then(|| self.add(op, &[x]))?
            }
            "Reduce" => {
                let axes = (0..ty.shape.rank() as u8).filter(|_| self.rng.chance(50)).collect();
                let all = if ty.dtype.is_float() { &Combine::ALL[..4] } else { Combine::ALL };
                let combine = if self.options.smooth { Combine::Add } else { *self.rng.pick(all) };
                self.add(Op::Reduce(Reduce { combine, axes }), &[x])
            }
            "ArgReduce" => {
                if ty.shape.rank() == 0 || self.options.smooth {
                    return None;
                }
                let axis = self.rng.below(ty.shape.rank() as u64) as u8;
                let largest = self.rng.chance(50);
                let fits = ty.shape[axis as usize].get() > 0;
                fits.then(|| self.add(Op::ArgReduce(ArgReduce { largest, axis }), &[x]))?
            }
            "Scan" => self.scan(x, &ty),
            "Contract" => self.contract(x, &ty),
            "Gather" => self.gather(x, &ty),
            "Scatter" => self.scatter(x, &ty),
            "Concat" => self.concat(x, &ty),
            "Update" => self.update(x, &ty),
            // Where elements are equal it has a kink.
            "Sort" if self.options.smooth => None,
            "Sort" => self.sort(x, &ty),
            "Factor" => self.factor(x, &ty),
            "TriangularSolve" => self.triangular_solve(x, &ty),
            "Solve" => self.solve(x, &ty),
            "Fft" => self.fft(x, &ty),
            "Call" => self.call(x),
            "Detach" if self.options.smooth => None,
            "Detach" => self.add(Op::Detach(Detach), &[x]),
            "Fence" => self.add(Op::Fence(Fence), &[x]),
            other => unreachable!("no primitive {other}"),
        }
    }

    /// Whether the elements come from outside, rather than from what a call is given.
    fn is_given(&self, x: Value) -> bool {
        self.operands.is_none() && matches!(self.graph.node(x.node).op, Op::Input(_))
    }

    pub(super) fn permutation(&mut self, rank: usize) -> Axes {
        let mut axes: Axes = (0..rank as u8).collect();
        for i in (1..rank).rev() {
            axes.swap(i, self.rng.below(i as u64 + 1) as usize);
        }
        axes
    }

    /// Another shape with as many elements: axes split, merged and put in.
    fn refactored(&mut self, shape: &Shape) -> Shape {
        let mut sizes = shape.sizes();
        for _ in 0..1 + self.rng.below(3) {
            let at = self.rng.below(sizes.len() as u64 + 1) as usize;
            match self.rng.below(4) {
                0 if sizes.len() < 5 => sizes.insert(at, 1),
                1 if at < sizes.len() && sizes[at] == 1 => {
                    sizes.remove(at);
                }
                2 if at < sizes.len() && sizes.len() < 5 => {
                    let divisors: Vec<usize> =
                        (1..=sizes[at].max(1)).filter(|d| sizes[at].is_multiple_of(*d)).collect();
                    let d = *self.rng.pick(&divisors);
                    sizes[at] /= d;
                    sizes.insert(at + self.rng.below(2) as usize, d);
                }
                _ if at + 1 < sizes.len() => {
                    let inner = sizes.remove(at + 1);
                    sizes[at] *= inner;
                }
                _ => {}
            }
        }
        Shape::from_sizes(&sizes)
    }

    /// Some elements of an axis of this extent.
    pub(super) fn span(&mut self, extent: usize) -> Span {
        if extent == 0 || self.rng.chance(30) {
            return Span::all(extent);
        }
        let step = *self.rng.pick(&[1, 1, 1, 2, 3, -1, -2]);
        let start = self.rng.below(extent as u64) as i64;
        let room = if step > 0 { extent as i64 - 1 - start } else { start };
        let most = room / i64::abs(step) + 1;
        let size = if self.rng.chance(50) { most } else { self.rng.below(most as u64 + 1) as i64 };
        Span { start, step, size: size as u64 }
    }

    /// Where an axis of extent `size` may lie in a larger one, and how large that is.
    pub(super) fn placed(&mut self, size: usize) -> (Span, usize) {
        let step = *self.rng.pick(&[1, 1, 1, 2, 3, -1, -2]);
        let reach = (size as i64 - 1).max(0) * i64::abs(step);
        let (before, after) = (self.rng.below(4) as i64, self.rng.below(4) as i64);
        let start = if step > 0 { before } else { before + reach };
        let extent = (before + reach + after + (size > 0) as i64) as usize;
        if self.rng.chance(30) {
            return (Span::all(size), size);
        }
        (Span { start, step, size: size as u64 }, extent)
    }

    fn pad(&mut self, x: Value, ty: &Type) -> Option<Value> {
        if ty.shape.rank() == 0 && self.rng.chance(50) {
            // As the fill of something else.
            let other = Type::new(ty.dtype, choose::shape(&mut self.rng));
            let y = self.like(&other);
            return self.pad_with(y, &other, x);
        }
        let fill = Type::new(ty.dtype, Shape::scalar());
        let fill = self.like(&fill);
        self.pad_with(x, ty, fill)
    }

    fn pad_with(&mut self, x: Value, ty: &Type, fill: Value) -> Option<Value> {
        let placed: Vec<(Span, usize)> = ty.shape.iter().map(|d| self.placed(d.get())).collect();
        let spans = placed.iter().map(|p| p.0).collect();
        let shape = placed.iter().map(|p| p.1).collect();
        self.add(Op::Pad(Pad { spans, shape }), &[x, fill])
    }

    fn map(&mut self, x: Value, ty: &Type) -> Option<Value> {
        use Scalar::*;
        let smooth = [Add, Sub, Mul, Tanh, Sin, Cos, Sigmoid, Atan, Erf, Asinh, Neg, Exp, Select];
        let all = if self.options.smooth { &smooth[..] } else { Scalar::ALL };
        let op = *self.rng.pick(all);
        let mut operands = vec![x; op.arity()];
        let place = self.rng.below(op.arity() as u64) as usize;
        for (i, operand) in operands.iter_mut().enumerate() {
            if i != place {
                let mut ty = ty.clone();
                if op == Select && i == 0 {
                    ty.dtype = DType::Bool;
                } else if op == Select && place == 0 {
                    ty.dtype = self.dtype();
                }
                let divides = matches!(op, TruncDiv | FloorDiv | Remainder | Fmod) && i == 1;
                *operand = if divides && !ty.dtype.is_float() && self.rng.chance(95) {
                    self.leaf(&ty, Content::NotZero)
                } else {
                    self.like(&ty)
                };
            }
        }
        if op == Select && place == 0 && operands.len() == 3 {
            let ty = self.ty(operands[1]);
            operands[2] = self.like(&ty);
        }
        // As the bits, the sign of a NaN that was computed is nobody's promise.
        if op == Copysign && !self.is_given(operands[1]) {
            return None;
        }
        let types: Vec<&Type> = operands.iter().map(|&v| self.graph.ty(v)).collect();
        op.infer(&types).is_ok().then(|| self.add(Op::Map(op), &operands))?
    }

    fn contract(&mut self, x: Value, ty: &Type) -> Option<Value> {
        if ty.dtype == DType::Bool {
            return None;
        }
        // Which axes of `x` are paired, and what the other side has besides.
        let (mut own_batch, mut own_contract) = (Axes::new(), Axes::new());
        let (mut batch, mut contract) = (Axes::new(), Axes::new());
        let mut other = Vec::new();
        for &axis in &self.permutation(ty.shape.rank()) {
            let paired = match self.rng.below(4) {
                0 => (&mut own_batch, &mut batch),
                1 | 2 => (&mut own_contract, &mut contract),
                _ => continue,
            };
            paired.0.push(axis);
            paired.1.push(other.len() as u8);
            other.push(ty.shape[axis as usize].get());
        }
        for _ in 0..self.rng.below(3) {
            other.push(choose::extent(&mut self.rng));
        }
        let places = self.permutation(other.len());
        let mut sizes = other.clone();
        places.iter().zip(&other).for_each(|(&to, &n)| sizes[to as usize] = n);
        let moved = |axes: &Axes| -> Axes { axes.iter().map(|&a| places[a as usize]).collect() };
        let (batch, contract) = (moved(&batch), moved(&contract));
        if sizes.iter().product::<usize>() > LARGEST {
            return None;
        }
        let y = self.like(&Type::new(ty.dtype, Shape::from_sizes(&sizes)));
        let own = (own_batch, own_contract);
        let ((lhs_batch, lhs_contract), (rhs_batch, rhs_contract), inputs) = if self.rng.chance(50) {
            (own, (batch, contract), [x, y])
        } else {
            ((batch, contract), own, [y, x])
        };
        let op = Contract { lhs_batch, rhs_batch, lhs_contract, rhs_contract };
        let work = |op: &Contract, g: &Graph| {
            let shape = &g.ty(inputs[0]).shape;
            let k: usize = op.lhs_contract.iter().map(|&a| shape[a as usize].get()).product();
            let types = [g.ty(inputs[0]), g.ty(inputs[1])];
            Op::Contract(op.clone()).infer(&types).map_or(0, |t| t[0].shape.numel() * k)
        };
        (work(&op, &self.graph) < 1 << 16).then(|| self.add(Op::Contract(op), &inputs))?
    }

    fn scan(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let all = [Running::Sum, Running::Prod, Running::Linear, Running::ArgMax, Running::ArgMin];
        let running = *self.rng.pick(&all[..if self.options.smooth { 3 } else { 5 }]);
        let axis = self.rng.below(ty.shape.rank().max(1) as u64) as u8;
        let op = Op::Scan(Scan { running, axis, reverse: self.rng.chance(50) });
        let mut operands = vec![x];
        if running == Running::Linear {
            let other = self.like(ty);
            operands.insert(self.rng.below(2) as usize, other);
        }
        let types: Vec<&Type> = operands.iter().map(|_| ty).collect();
        op.infer(&types).is_ok().then(|| self.add(op, &operands))?
    }
}
