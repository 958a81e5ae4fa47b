//! Random nodes whose results are buffers: pieces put together, rows in order, factorisations and what uses them.

use super::choose::{self, LARGEST};
use super::generate::Generator;
use rustorch_ir::build::Build;
use rustorch_ir::op::*;
use rustorch_ir::{DType, Literal, Shape, Type, Value};

impl Generator {
    pub(super) fn concat(&mut self, x: Value, ty: &Type) -> Option<Value> {
        if ty.shape.rank() == 0 {
            return None;
        }
        let axis = self.rng.below(ty.shape.rank() as u64) as usize;
        let mut operands = vec![x];
        for _ in 0..self.rng.below(4) {
            let mut other = ty.clone();
            if self.rng.chance(50) {
                other.shape[axis] = choose::extent(&mut self.rng).into();
            }
            if other.shape.numel() <= LARGEST {
                let y = if self.rng.chance(20) { x } else { self.like(&other) };
                operands.insert(self.rng.below(operands.len() as u64 + 1) as usize, y);
            }
        }
        self.add(Op::Concat(Concat { axis: axis as u8 }), &operands)
    }

    pub(super) fn sort(&mut self, x: Value, ty: &Type) -> Option<Value> {
        if ty.shape.rank() == 0 {
            return None;
        }
        let axis = self.rng.below(ty.shape.rank() as u64) as u8;
        let extent = ty.shape[axis as usize].get() as u64;
        let first = if self.rng.chance(60) { 0 } else { self.rng.below(extent + 1) };
        let keep = if self.rng.chance(50) { extent - first } else { self.rng.below(extent - first + 1) };
        let (first, keep, descending) = (first as u32, keep as u32, self.rng.chance(50));
        let sorted = self.add(Op::Sort(Sort { axis, descending, first, keep }), &[x])?;
        Some(Value { port: self.rng.chance(40).into(), ..sorted })
    }

    pub(super) fn update(&mut self, x: Value, ty: &Type) -> Option<Value> {
        if self.rng.chance(50) {
            let spans: Vec<Span> = ty.shape.iter().map(|d| self.span(d.get())).collect();
            let shape: Shape = spans.iter().map(|s| s.size as usize).collect();
            let value = self.like(&Type::new(ty.dtype, shape));
            return self.add(Op::Update(Update { spans: spans.into() }), &[x, value]);
        }
        let placed: Vec<(Span, usize)> = ty.shape.iter().map(|d| self.placed(d.get())).collect();
        let shape: Shape = placed.iter().map(|p| p.1).collect();
        if shape.numel() > LARGEST {
            return None;
        }
        let base = self.like(&Type::new(ty.dtype, shape));
        let spans = placed.iter().map(|p| p.0).collect();
        self.add(Op::Update(Update { spans }), &[base, x])
    }

    /// The sizes of matrices that linear algebra takes.
    fn matrices(ty: &Type) -> Option<(usize, usize)> {
        let rank = ty.shape.rank();
        let fits = rank >= 2 && matches!(ty.dtype, DType::F32 | DType::F64);
        fits.then(|| (ty.shape[rank - 2].get(), ty.shape[rank - 1].get()))
    }

    /// `x` made small, and a diagonal far from 0 whose elements are far apart: every factorisation of it is smooth.
    fn tamed(&mut self, x: Value, ty: &Type) -> Value {
        let (m, n) = Generator::matrices(ty).expect("matrices");
        let b: &mut dyn Build = &mut self.graph;
        let small = b.map(Scalar::Tanh, &[x]);
        let small = b.scale(small, 0.2);
        let number = |b: &mut dyn Build, extent: usize, shape: &[usize]| {
            let numbers = b.one(Op::Iota(Iota { extent: extent.into() }), &[]);
            let numbers = b.reshape(numbers, &Shape::from_sizes(shape));
            b.expand(numbers, &Shape::from_sizes(&[m, n]))
        };
        let (rows, columns) = (number(b, m, &[m, 1]), number(b, n, &[1, n]));
        let on = b.map(Scalar::Eq, &[rows, columns]);
        let size = b.cast(rows, ty.dtype);
        let size = b.offset(size, 1.0);
        let size = b.scale(size, 3.0);
        let diagonal = b.mask(on, size);
        let diagonal = b.broadcast_to(diagonal, &ty.shape);
        b.add_(small, diagonal)
    }

    /// The mean of `x` and its transposed matrices.
    fn symmetric(&mut self, x: Value) -> Value {
        let rank = self.ty(x).shape.rank();
        let mut axes: Vec<usize> = (0..rank).collect();
        axes.swap(rank - 2, rank - 1);
        let b: &mut dyn Build = &mut self.graph;
        let turned = b.permute(x, &axes);
        let sum = b.add_(x, turned);
        b.scale(sum, 0.5)
    }

    pub(super) fn factor(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let (m, n) = Generator::matrices(ty)?;
        let smooth = self.options.smooth;
        if smooth && m.max(n) > 8 {
            return None;
        }
        let fits = |form: &Form| {
            // Vectors that complete a basis are any, and have no gradient.
            let complete =
                matches!(form, Form::Svd(Vectors::Complete)) || *form == Form::Qr { complete: true } && m > n;
            (m == n || !form.is_of_squares()) && !(smooth && complete)
        };
        let forms: Vec<Form> = Form::ALL.into_iter().filter(fits).collect();
        let form = *self.rng.pick(&forms);
        let mut x = x;
        if smooth {
            x = self.tamed(x, ty);
            if form.is_of_squares() {
                x = self.symmetric(x);
            }
        }
        let factors = self.add(Op::Factor(Factor { form }), &[x])?;
        let ports = self.graph.node(factors.node).types.len() as u64;
        let port = if self.rng.chance(50) { self.rng.below(ports) as u8 } else { 0 };
        let value = Value { port, ..factors };
        Some(if smooth && !self.ty(value).dtype.is_float() { factors } else { value })
    }

    /// Square matrices and right sides for them, one of which is made of `x`.
    fn system(&mut self, x: Value, ty: &Type) -> Option<(Value, Value)> {
        let (m, n) = Generator::matrices(ty)?;
        let smooth = self.options.smooth;
        if smooth && m > 8 {
            return None;
        }
        if m == n && self.rng.chance(50) {
            let a = if smooth { self.tamed(x, ty) } else { x };
            return Some((a, self.like(ty)));
        }
        let mut square = ty.clone();
        let rank = square.shape.rank();
        square.shape[rank - 1] = m.into();
        if square.shape.numel() > LARGEST {
            return None;
        }
        let a = self.like(&square);
        Some((if smooth { self.tamed(a, &square) } else { a }, x))
    }

    pub(super) fn triangular_solve(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let (a, b) = self.system(x, ty)?;
        let (upper, transposed, unit) = (self.rng.chance(50), self.rng.chance(50), self.rng.chance(30));
        let triangle = Triangle { upper, transposed, unit };
        self.add(Op::TriangularSolve(TriangularSolve { triangle }), &[a, b])
    }

    pub(super) fn solve(&mut self, x: Value, ty: &Type) -> Option<Value> {
        let (a, b) = self.system(x, ty)?;
        let lu = self.add(Op::Factor(Factor { form: Form::Lu }), &[a])?;
        let places = Value { port: 2, ..lu };
        let transposed = self.rng.chance(50);
        self.add(Op::Solve(Solve { transposed }), &[a, lu, places, b])
    }

    pub(super) fn fft(&mut self, x: Value, ty: &Type) -> Option<Value> {
        if !matches!(ty.dtype, DType::F32 | DType::F64) {
            return None;
        }
        let rank = ty.shape.rank();
        let inverse = self.rng.chance(50);
        if rank >= 2 && ty.shape[rank - 1].get() == 2 {
            return self.add(Op::Fft(Fft { inverse }), &[x]);
        }
        if rank == 0 || ty.shape.numel() * 2 > LARGEST {
            return None;
        }
        // Real parts, and imaginary ones of 0.
        let b: &mut dyn Build = &mut self.graph;
        let mut shape = ty.shape.clone();
        shape.push(1.into());
        let parts = b.reshape(x, &shape);
        shape[rank] = 2.into();
        let spans = shape.iter().map(|d| Span::all(d.get())).collect::<Vec<_>>();
        let spans = spans[..rank].iter().copied().chain([Span::all(1)]).collect();
        let zero = b.literal(Literal::from_f64(ty.dtype, 0.0));
        let pairs = b.one(Op::Pad(Pad { spans, shape }), &[parts, zero]);
        self.add(Op::Fft(Fft { inverse }), &[pairs])
    }
}
