//! Random kernels for tests of whatever reads LoopIR: all verified, free of faults, and with every instruction.
//!
//! Each iteration of the parallel space reads and writes rows of its own in the buffers it writes, so a
//! run may be split anywhere. What arithmetic leaves in a NaN's bits is undefined, so the bits of a float
//! are only taken after NaNs are replaced, and [`agree`] compares stored NaNs as equal.

mod instructions;
mod rng;

pub use rng::Rng;

use super::*;

/// Elements of a buffer that one parallel iteration may touch.
const ROW: i64 = 128;
/// Every scalar index is cut below this before strides and offsets are added.
const INDEX_SPAN: i64 = 32;

/// A kernel with what it is called on. Buffers of scratch parameters are empty.
#[derive(Clone, Debug)]
pub struct Case {
    pub kernel: Kernel,
    pub buffers: Vec<Vec<u8>>,
    pub scalars: Vec<u64>,
}

/// What a case may use beyond the instructions themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Routines of [`Stmt::Strip`] with their numbers of arguments.
    pub strips: &'a [(&'static str, usize)],
    /// Whether there are folds.
    pub folds: bool,
    pub tables: &'a [&'static str],
    /// Whether checks appear; most of them fail on some data.
    pub checks: bool,
}

/// The case with this number: equal for equal arguments.
pub fn case(seed: u64, options: &Options<'_>) -> Case {
    Generator::new(seed, options).finish(seed)
}

/// Whether two contents of a buffer are equal, with all NaNs of float buffers alike.
pub fn agree(mem: DType, a: &[u8], b: &[u8]) -> bool {
    let nan = |bytes: &[u8]| match mem {
        DType::F32 => f32::from_le_bytes(bytes.try_into().expect("four bytes")).is_nan(),
        DType::F64 => f64::from_le_bytes(bytes.try_into().expect("eight bytes")).is_nan(),
        _ => false,
    };
    let (left, right) = (a.chunks_exact(mem.size()), b.chunks_exact(mem.size()));
    a.len() == b.len() && left.zip(right).all(|(x, y)| x == y || (nan(x) && nan(y)))
}

struct Generator<'a> {
    rng: Rng,
    options: &'a Options<'a>,
    insts: Vec<(Inst, Ty)>,
    params: Vec<Param>,
    scalars: Vec<Elem>,
    /// Values in scope; the blocks being filled, innermost last.
    visible: Vec<Val>,
    blocks: Vec<Block>,
    /// The parallel loop's variable while its body is generated.
    row: Option<Val>,
    budget: u32,
}

impl<'a> Generator<'a> {
    fn new(seed: u64, options: &'a Options<'a>) -> Self {
        let mut rng = Rng::new(seed);
        let mut params = Vec::new();
        let mut add = |rng: &mut Rng, role: Role, least: u64, most: u64| {
            for _ in 0..least + rng.below(most - least + 1) {
                params.push(Param { mem: *rng.pick(&DType::ALL), role });
            }
        };
        add(&mut rng, Role::In, 1, 4);
        add(&mut rng, Role::Out, 1, 3);
        add(&mut rng, Role::InOut, 0, 2);
        add(&mut rng, Role::Scratch(ROW as usize), 0, 2);
        if options.folds {
            let mem = *rng.pick(&[DType::F16, DType::BF16, DType::F32, DType::F64]);
            let float = if mem == DType::F64 { DType::F64 } else { DType::F32 };
            params.extend([mem, float].map(|mem| Param { mem, role: Role::Scratch(ROW as usize) }));
        }
        if !options.strips.is_empty() {
            let mem = *rng.pick(&[DType::F32, DType::F64]);
            params.extend([Param { mem, role: Role::Scratch(ROW as usize) }; 3]);
        }
        let scalars = (0..rng.below(4)).map(|_| *rng.pick(Elem::ALL)).collect();
        let budget = 10 + rng.below(60) as u32;
        Generator {
            rng,
            options,
            insts: Vec::new(),
            params,
            scalars,
            visible: Vec::new(),
            blocks: vec![Vec::new()],
            row: None,
            budget,
        }
    }

    fn finish(mut self, seed: u64) -> Case {
        let parallel = 1 + self.rng.below(5) as usize;
        // Not in scope for the body: what is computed from them would depend on how a run is split.
        let (begin, end) = (self.orphan(Inst::Defined, Ty::I64), self.orphan(Inst::Defined, Ty::I64));
        self.statements(0, 3);
        let outside = self.visible.len();
        let var = self.define(Ty::I64);
        self.row = Some(var);
        self.open();
        self.fill_scratch();
        self.statements(1, 30);
        for buf in 0..self.params.len() {
            if self.params[buf].role == Role::Out {
                self.store(Buf(buf as u32));
            }
        }
        let body = self.close(outside);
        self.push(Stmt::For(Box::new(For { var, begin, end, step: 1, carried: Vec::new(), body })));
        let body = self.blocks.pop().expect("the outermost block");
        let buffers = self.params.iter().map(|p| match p.role {
            Role::Scratch(_) => Vec::new(),
            _ => self.rng.elements(p.mem, parallel * ROW as usize),
        });
        let buffers = buffers.collect();
        let scalars = self.scalars.iter().map(|&elem| self.rng.lane(elem)).collect();
        let Generator { insts, params, scalars: slots, .. } = self;
        let name = format!("arbitrary_{seed}");
        Case {
            kernel: Kernel { name, params, scalars: slots, insts, parallel, begin, end, body },
            buffers,
            scalars,
        }
    }

    fn define(&mut self, ty: Ty) -> Val {
        let v = self.orphan(Inst::Defined, ty);
        self.visible.push(v);
        v
    }

    /// A value of the arena that no block mentions.
    fn orphan(&mut self, inst: Inst, ty: Ty) -> Val {
        self.insts.push((inst, ty));
        Val(self.insts.len() as u32 - 1)
    }

    fn emit(&mut self, inst: Inst, ty: Ty) -> Val {
        let v = self.orphan(inst, ty);
        self.visible.push(v);
        self.push(Stmt::Let(v));
        v
    }

    fn push(&mut self, stmt: Stmt) {
        self.blocks.last_mut().expect("an open block").push(stmt);
    }

    fn open(&mut self) {
        self.blocks.push(Vec::new());
    }

    /// Ends a block; what came into scope after the first `outside` values leaves it.
    fn close(&mut self, outside: usize) -> Block {
        self.visible.truncate(outside);
        self.blocks.pop().expect("an open block")
    }

    fn ty(&self, v: Val) -> Ty {
        self.insts[v.0 as usize].1
    }

    fn some_ty(&mut self) -> Ty {
        let lanes = *self.rng.pick(&[1, 1, 1, 4, 4, 16, 2, 8, 32]);
        Ty { elem: *self.rng.pick(Elem::ALL), lanes }
    }

    fn constant(&mut self, elem: Elem, lane: u64) -> Val {
        if self.rng.chance(10) {
            return self.emit(Inst::Const(lane), Ty::scalar(elem));
        }
        self.orphan(Inst::Const(lane), Ty::scalar(elem))
    }

    fn int(&mut self, elem: Elem, n: i64) -> Val {
        self.constant(elem, if elem == Elem::I32 { n as u32 as u64 } else { n as u64 })
    }

    /// A scalar in as many lanes as `ty` has.
    fn spread(&mut self, v: Val, lanes: u16) -> Val {
        if lanes == 1 { v } else { self.emit(Inst::Splat(v), self.ty(v).with_lanes(lanes)) }
    }

    fn int_like(&mut self, ty: Ty, n: i64) -> Val {
        let c = self.int(ty.elem, n);
        self.spread(c, ty.lanes)
    }

    fn float_like(&mut self, ty: Ty, x: f64) -> Val {
        let lane = if ty.elem == Elem::F32 { (x as f32).to_bits() as u64 } else { x.to_bits() };
        let c = self.constant(ty.elem, lane);
        self.spread(c, ty.lanes)
    }

    /// A value of a type: one in scope, or a new leaf.
    fn value(&mut self, ty: Ty) -> Val {
        let known: Vec<Val> = self.visible.iter().copied().filter(|&v| self.ty(v) == ty).collect();
        if !known.is_empty() && self.rng.chance(80) {
            return *self.rng.pick(&known);
        }
        let slots: Vec<u16> =
            (0..self.scalars.len() as u16).filter(|&i| self.scalars[i as usize] == ty.elem).collect();
        let leaf = if !slots.is_empty() && self.rng.chance(40) {
            let slot = *self.rng.pick(&slots);
            self.orphan(Inst::Scalar(slot), Ty::scalar(ty.elem))
        } else {
            let lane = self.rng.lane(ty.elem);
            self.constant(ty.elem, lane)
        };
        self.spread(leaf, ty.lanes)
    }

    fn bin(&mut self, op: BinOp, a: Val, b: Val) -> Val {
        self.emit(Inst::Bin(op, a, b), self.ty(a))
    }

    fn cmp(&mut self, op: CmpOp, a: Val, b: Val) -> Val {
        let lanes = self.ty(a).lanes;
        self.emit(Inst::Cmp(op, a, b), Ty { elem: Elem::Mask, lanes })
    }

    fn select(&mut self, mask: Val, a: Val, b: Val) -> Val {
        self.emit(Inst::Select(mask, a, b), self.ty(a))
    }

    /// An address in the row of the running iteration (or the first, outside of the parallel loop).
    fn addr(&mut self, lanes: u16) -> Addr {
        let below = if lanes > 1 && self.rng.chance(25) {
            let of = Ty::I64.with_lanes(lanes);
            let (v, below) = (self.value(of), self.int_like(of, ROW - 1));
            let v = self.bin(BinOp::And, v, below);
            let Some(row) = self.row else { return Addr::Lanes(v) };
            let terms = SmallVec::from_slice(&[(row, ROW)]);
            let base = self.emit(Inst::Affine { terms, offset: 0 }, Ty::I64);
            let base = self.spread(base, lanes);
            return Addr::Lanes(self.bin(BinOp::Add, v, base));
        } else {
            let v = self.value(Ty::I64);
            let below = self.int(Elem::I64, INDEX_SPAN - 1);
            self.bin(BinOp::And, v, below)
        };
        let stride = if lanes > 1 && self.rng.chance(40) { *self.rng.pick(&[0, 2, 3, -1, -2]) } else { 1 };
        let span = (lanes as i64 - 1) * stride;
        let room = ROW - INDEX_SPAN - span.abs();
        let offset = self.rng.below(room as u64 + 1) as i64 - span.min(0);
        let mut terms: SmallVec<[(Val, i64); 4]> = SmallVec::from_slice(&[(below, 1)]);
        terms.extend(self.row.map(|row| (row, ROW)));
        terms.sort_unstable();
        let index = self.emit(Inst::Affine { terms, offset }, Ty::I64);
        if stride == 1 { Addr::Unit(index) } else { Addr::Strided(index, stride) }
    }

    /// The same for scratch memory, whose one row is everybody's.
    fn scratch_addr(&mut self, lanes: u16) -> Addr {
        let row = self.row.take();
        let addr = self.addr(lanes);
        self.row = row;
        addr
    }

    fn addr_in(&mut self, buf: Buf, lanes: u16) -> Addr {
        match self.params[buf.0 as usize].role {
            Role::Scratch(_) => self.scratch_addr(lanes),
            _ => self.addr(lanes),
        }
    }

    fn load(&mut self, ty: Ty) -> Val {
        let in_row = self.row.is_some();
        let readable = |p: &Param| match p.role {
            Role::In => true,
            Role::Out => false,
            Role::InOut | Role::Scratch(_) => in_row,
        };
        let bufs: Vec<usize> = (0..self.params.len())
            .filter(|&i| readable(&self.params[i]) && register_of(self.params[i].mem) == ty.elem)
            .collect();
        if bufs.is_empty() {
            return self.cast(ty);
        }
        let buf = Buf(*self.rng.pick(&bufs) as u32);
        let mem = self.params[buf.0 as usize].mem;
        let addr = self.addr_in(buf, ty.lanes);
        self.emit(Inst::Load { buf, mem, addr }, ty)
    }

    fn store(&mut self, buf: Buf) {
        let mem = self.params[buf.0 as usize].mem;
        let ty = Ty { elem: register_of(mem), lanes: self.some_ty().lanes };
        let value = if self.rng.chance(60) { self.instruction(ty) } else { self.value(ty) };
        let addr = self.addr_in(buf, ty.lanes);
        self.push(Stmt::Store { buf, mem, addr, value });
    }

    /// Gives every element of every scratch parameter a value.
    fn fill_scratch(&mut self) {
        let (zero, end) = (self.int(Elem::I64, 0), self.int(Elem::I64, ROW));
        for i in 0..self.params.len() {
            let Param { mem, role: Role::Scratch(_) } = self.params[i] else { continue };
            let value = self.value(Ty { elem: register_of(mem), lanes: 16 });
            let var = self.define(Ty::I64);
            let body = vec![Stmt::Store { buf: Buf(i as u32), mem, addr: Addr::Unit(var), value }];
            self.visible.retain(|&v| v != var);
            let (begin, carried) = (zero, Vec::new());
            self.push(Stmt::For(Box::new(For { var, begin, end, step: 16, carried, body })));
        }
    }

    fn statements(&mut self, depth: u32, most: u64) {
        for _ in 0..1 + self.rng.below(most) {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            match self.rng.below(20) {
                0..=2 if depth < 4 => self.nested(depth),
                3 if self.options.checks => self.check(),
                4..=6 if self.row.is_some() => {
                    let writable = |i: &usize| self.params[*i].role != Role::In;
                    let bufs: Vec<usize> = (0..self.params.len()).filter(writable).collect();
                    let buf = *self.rng.pick(&bufs);
                    self.store(Buf(buf as u32));
                }
                7 if self.row.is_some() && !self.options.strips.is_empty() => self.strip(),
                8 if self.row.is_some() && self.options.folds => self.fold(),
                _ => {
                    let ty = self.some_ty();
                    self.instruction(ty);
                }
            }
        }
    }

    fn check(&mut self) {
        let (ok, detail) = (self.instruction(Ty::MASK), self.value(Ty::I64));
        let code = 1 + self.rng.below(100) as i32;
        self.push(Stmt::Check { ok, code, detail });
    }

    fn strip(&mut self) {
        let (routine, arity) = *self.rng.pick(self.options.strips);
        let buffer = |rng: &mut Rng, n: usize| Stretch::from(Buf((n - 1 - rng.below(3) as usize) as u32));
        let n = self.params.len();
        let src = (0..arity).map(|_| buffer(&mut self.rng, n)).collect();
        let dst = buffer(&mut self.rng, n);
        let (v, below) = (self.value(Ty::I64), self.int(Elem::I64, ROW - 1));
        let count = self.bin(BinOp::And, v, below);
        self.push(Stmt::Strip { routine, src, dst, count });
    }

    /// Of the two parameters before those of strips.
    fn fold(&mut self) {
        let end = self.params.len() - if self.options.strips.is_empty() { 0 } else { 3 };
        let [mem, acc] = [2, 1].map(|k| Buf((end - k) as u32));
        let elem = fold::register_of(self.params[mem.0 as usize].mem).expect("a float");
        let combine = self.some_combine(elem);
        let masked = |g: &mut Self, mask: i64| {
            let (v, mask) = (g.value(Ty::I64), g.int(Elem::I64, mask));
            g.bin(BinOp::And, v, mask)
        };
        if self.rng.chance(50) {
            // The routines' own numbers of lanes.
            let lanes =
                if elem == Elem::F64 || matches!(combine, Combine::Min | Combine::Max) { 16 } else { 32 };
            let (count, at) = (masked(self, 96 / lanes * lanes), masked(self, 31));
            let src = Stretch { buf: mem, at: self.rng.chance(70).then_some(at) };
            self.emit(Inst::Fold { combine, lanes: lanes as u16, src, count }, Ty::scalar(elem));
        } else {
            let stride = self.rng.below(17) as i64;
            let (rows, at, count) = (masked(self, 3), masked(self, 15), masked(self, 63));
            let src = Stretch { buf: mem, at: Some(at) };
            self.push(Stmt::FoldRows { combine, src, stride, rows, acc, count });
        }
    }

    fn nested(&mut self, depth: u32) {
        let (begin, trips) = (self.rng.small(), self.rng.below(7) as i64);
        let step = 1 + self.rng.below(3) as i64;
        let (begin, end) = if self.rng.chance(70) {
            (self.int(Elem::I64, begin), self.int(Elem::I64, begin + trips))
        } else {
            let (v, below) = (self.value(Ty::I64), self.int(Elem::I64, 7));
            let begin = self.bin(BinOp::And, v, below);
            let terms = SmallVec::from_slice(&[(begin, 1)]);
            (begin, self.emit(Inst::Affine { terms, offset: trips - 1 }, Ty::I64))
        };
        let types: Vec<Ty> = (0..self.rng.below(4)).map(|_| self.some_ty()).collect();
        let inits: Vec<Val> = types.iter().map(|&ty| self.value(ty)).collect();
        let outside = self.visible.len();
        let var = self.define(Ty::I64);
        let phis: Vec<Val> = types.iter().map(|&ty| self.define(ty)).collect();
        self.open();
        self.statements(depth + 1, 6);
        let next: Vec<(Val, Option<Combine>)> = phis.iter().map(|&phi| self.next(phi)).collect();
        let body = self.close(outside);
        let mut carried = Vec::new();
        for (i, (next, combine)) in next.into_iter().enumerate() {
            let result = self.define(types[i]);
            carried.push(Carried { phi: phis[i], init: inits[i], next, result, combine });
        }
        self.push(Stmt::For(Box::new(For { var, begin, end, step, carried, body })));
    }

    /// What a carried value becomes: a combination with something without it, or anything of its type.
    fn next(&mut self, phi: Val) -> (Val, Option<Combine>) {
        let ty = self.ty(phi);
        if self.rng.chance(50) {
            return (self.value(ty), None);
        }
        let lane = self.rng.lane(ty.elem);
        let c = self.constant(ty.elem, lane);
        let with = if self.rng.chance(50) { self.load_without(ty) } else { None };
        let with = with.unwrap_or_else(|| self.spread(c, ty.lanes));
        let combine = self.some_combine(ty.elem);
        let next = match combine {
            Combine::Min | Combine::Max if ty.elem.is_float() => {
                let (low, high) = if combine == Combine::Min { (with, phi) } else { (phi, with) };
                let (less, nan) = (self.cmp(CmpOp::Lt, low, high), self.cmp(CmpOp::Ne, with, with));
                let take = self.bin(BinOp::Or, less, nan);
                self.select(take, with, phi)
            }
            Combine::Add => self.bin(BinOp::Add, phi, with),
            Combine::Mul => self.bin(BinOp::Mul, phi, with),
            Combine::Min => self.bin(BinOp::Min, phi, with),
            Combine::Max => self.bin(BinOp::Max, phi, with),
            Combine::And => self.bin(BinOp::And, phi, with),
            Combine::Or => self.bin(BinOp::Or, phi, with),
        };
        (next, Some(combine))
    }

    /// An element of an input at the running row: nothing in it depends on a carried value.
    fn load_without(&mut self, ty: Ty) -> Option<Val> {
        let fits = |p: &Param| p.role == Role::In && register_of(p.mem) == ty.elem;
        let buf = self.params.iter().position(fits)?;
        let terms = self.row.into_iter().map(|row| (row, ROW)).collect();
        let offset = self.rng.below((ROW - ty.lanes as i64) as u64) as i64;
        let index = self.emit(Inst::Affine { terms, offset }, Ty::I64);
        let mem = self.params[buf].mem;
        Some(self.emit(Inst::Load { buf: Buf(buf as u32), mem, addr: Addr::Unit(index) }, ty))
    }
}
