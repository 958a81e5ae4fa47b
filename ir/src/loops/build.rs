//! Building LoopIR with index simplification and hoisting.
//!
//! Instructions are shared and placed by what they depend on: each goes to the outermost open block
//! in which all its operands are visible. So a value pulled inside a loop that does not depend on
//! the loop's variable is computed once, outside; a reduction pulled by a loop over the elements of
//! its row becomes a loop of its own before it. Only reads of buffers that the kernel writes stay
//! where they were asked for.
//!
//! Index expressions are kept as [`Inst::Affine`] sums with known ranges; divisions and remainders
//! by constants vanish wherever the ranges allow.

use super::*;
use crate::dtype::DType;
use crate::op::scalar_math::conversion;
use rustc_hash::FxHashMap;

#[derive(Debug)]
struct OpenBlock {
    id: u32,
    stmts: Block,
}

/// Blocks set aside while code is emitted further out; see [`LoopBuilder::leave_to`].
#[derive(Debug)]
#[must_use]
pub struct Suspended(Vec<OpenBlock>);

/// A loop being built.
#[derive(Debug)]
#[must_use]
pub struct OpenLoop {
    pub var: Val,
    pub phis: SmallVec<[Val; 4]>,
    begin: Val,
    end: Val,
    step: i64,
    inits: SmallVec<[Val; 4]>,
}

#[derive(Debug)]
pub struct LoopBuilder {
    insts: Vec<(Inst, Ty)>,
    /// Block in which a value lives, and that block's depth.
    homes: Vec<(u32, u32)>,
    ranges: Vec<Option<(i64, i64)>>,
    chain: Vec<OpenBlock>,
    next_block: u32,
    /// Instructions go no further out than this many loops: for code that should rarely run.
    floor: usize,
    shared: FxHashMap<(Inst, Ty), Val>,
    /// Of an f32 value that was a 16-bit float: which, and its bits.
    halves: FxHashMap<Val, (DType, Val)>,
    params: Vec<Param>,
    scalars: Vec<Elem>,
    begin: Val,
    end: Val,
}

impl Default for LoopBuilder {
    fn default() -> Self {
        LoopBuilder::new()
    }
}

impl LoopBuilder {
    pub fn new() -> LoopBuilder {
        let mut b = LoopBuilder {
            insts: Vec::new(),
            homes: Vec::new(),
            ranges: Vec::new(),
            chain: vec![OpenBlock { id: 0, stmts: Vec::new() }],
            next_block: 1,
            floor: 0,
            shared: FxHashMap::default(),
            halves: FxHashMap::default(),
            params: Vec::new(),
            scalars: Vec::new(),
            begin: Val(0),
            end: Val(1),
        };
        b.define(Ty::I64);
        b.define(Ty::I64);
        b
    }

    /// The bounds of the part of the parallel space that a call runs.
    pub fn bounds(&self) -> (Val, Val) {
        (self.begin, self.end)
    }

    pub fn param(&mut self, mem: DType, role: Role) -> Buf {
        self.params.push(Param { mem, role });
        Buf(self.params.len() as u32 - 1)
    }

    /// The next run-time scalar argument.
    pub fn scalar(&mut self, elem: Elem) -> Val {
        self.scalars.push(elem);
        self.emit(Inst::Scalar(self.scalars.len() as u16 - 1), Ty::scalar(elem))
    }

    pub fn finish(mut self, name: String, parallel: usize) -> Kernel {
        assert_eq!(self.chain.len(), 1, "a loop is still open");
        let body = self.chain.pop().expect("the root block").stmts;
        Kernel {
            name,
            params: self.params,
            scalars: self.scalars,
            insts: self.insts,
            parallel,
            begin: self.begin,
            end: self.end,
            body,
        }
    }

    pub fn inst(&self, v: Val) -> &Inst {
        &self.insts[v.0 as usize].0
    }

    pub fn ty(&self, v: Val) -> Ty {
        self.insts[v.0 as usize].1
    }

    /// Number of values so far: a measure of the kernel's size.
    pub fn len(&self) -> usize {
        self.insts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.insts.len() == 2
    }

    // Blocks and loops

    /// Number of open loops around the point of emission.
    pub fn depth(&self) -> usize {
        self.chain.len() - 1
    }

    /// The number of loops around the place where `v` lives.
    pub fn depth_of(&self, v: Val) -> usize {
        self.homes[v.0 as usize].1 as usize
    }

    /// Whether `v` can be used at the point of emission.
    pub fn visible(&self, v: Val) -> bool {
        let (block, depth) = self.homes[v.0 as usize];
        self.chain.get(depth as usize).is_some_and(|b| b.id == block)
    }

    /// Remembers that `value` is the f32 value of these bits of a 16-bit float.
    pub fn set_half_bits(&mut self, value: Val, dtype: DType, bits: Val) {
        self.halves.insert(value, (dtype, bits));
    }

    /// The bits of a 16-bit float of this dtype whose f32 value is `value`, if it was made of some.
    pub fn half_bits(&self, value: Val, dtype: DType) -> Option<Val> {
        let &(from, bits) = self.halves.get(&value)?;
        (from == dtype && self.visible(bits)).then_some(bits)
    }

    /// Goes out to `depth` open loops; what is emitted until [`LoopBuilder::return_to`] stands before
    /// the loops left.
    pub fn leave_to(&mut self, depth: usize) -> Suspended {
        Suspended(self.chain.split_off(depth + 1))
    }

    pub fn return_to(&mut self, suspended: Suspended) {
        self.chain.extend(suspended.0);
    }

    pub fn open_loop(&mut self, begin: Val, end: Val, step: i64, inits: &[Val]) -> OpenLoop {
        self.chain.push(OpenBlock { id: self.next_block, stmts: Vec::new() });
        self.next_block += 1;
        let var = self.define(Ty::I64);
        let low = self.range(begin).map_or(0, |r| r.0);
        let high = self.range(end).map_or(i64::MAX / 4, |r| r.1 - 1);
        self.ranges[var.0 as usize] = Some((low, high.max(low)));
        let phis = inits.iter().map(|&i| self.define(self.ty(i))).collect();
        OpenLoop { var, phis, begin, end, step, inits: inits.into() }
    }

    /// Opens `for var in 0..extent`.
    pub fn open_count(&mut self, extent: usize, inits: &[Val]) -> OpenLoop {
        let (begin, end) = (self.index(0), self.index(extent as i64));
        self.open_loop(begin, end, 1, inits)
    }

    /// Closes the innermost loop; gives what its carried values hold behind it.
    pub fn close_loop(
        &mut self,
        open: OpenLoop,
        nexts: &[Val],
        combine: &[Option<Combine>],
    ) -> SmallVec<[Val; 4]> {
        let body = self.chain.pop().expect("an open loop").stmts;
        let mut carried = Vec::with_capacity(nexts.len());
        let mut results = SmallVec::new();
        for (i, &next) in nexts.iter().enumerate() {
            let result = self.define(self.ty(open.phis[i]));
            carried.push(Carried {
                phi: open.phis[i],
                init: open.inits[i],
                next,
                result,
                combine: combine.get(i).copied().flatten(),
            });
            results.push(result);
        }
        let (var, begin, end, step) = (open.var, open.begin, open.end, open.step);
        self.push(Stmt::For(Box::new(For { var, begin, end, step, carried, body })));
        results
    }

    /// `slow` where `mask` is true, else `fast`: a loop that runs once if any lane wants it, else not.
    pub fn if_ever(&mut self, mask: Val, fast: Val, slow: impl FnOnce(&mut Self) -> Val) -> Val {
        let any = match self.ty(mask).lanes {
            1 => mask,
            _ => self.emit(Inst::ReduceLanes(Combine::Or, mask), Ty::MASK),
        };
        let (begin, end) = (self.index(0), self.cast(CastOp::MaskToInt, any, Elem::I64));
        let open = self.open_loop(begin, end, 1, &[fast]);
        let inside = self.depth();
        let floor = std::mem::replace(&mut self.floor, inside);
        let value = slow(self);
        let next = self.select(mask, value, open.phis[0]);
        self.floor = floor;
        self.close_loop(open, &[next], &[None])[0]
    }

    pub(super) fn push(&mut self, stmt: Stmt) {
        self.chain.last_mut().expect("the root block").stmts.push(stmt);
    }

    /// A value that a statement defines, living in the innermost open block.
    fn define(&mut self, ty: Ty) -> Val {
        let depth = self.chain.len() - 1;
        self.append(Inst::Defined, ty, depth)
    }

    /// A value that nothing computes, for analyses: it is visible wherever code is emitted.
    pub fn opaque(&mut self, ty: Ty) -> Val {
        self.append(Inst::Defined, ty, 0)
    }

    fn append(&mut self, inst: Inst, ty: Ty, depth: usize) -> Val {
        let v = Val(self.insts.len() as u32);
        self.insts.push((inst, ty));
        self.homes.push((self.chain[depth].id, depth as u32));
        self.ranges.push(None);
        v
    }

    // Instructions

    /// Adds an instruction where its operands allow it, or finds it there.
    pub fn emit(&mut self, inst: Inst, ty: Ty) -> Val {
        let key = (inst, ty);
        if let Some(&v) = self.shared.get(&key)
            && self.visible(v)
        {
            return v;
        }
        let free = matches!(key.0, Inst::Const(_) | Inst::Scalar(_));
        let mut depth = if free { 0 } else { self.floor };
        operands(&key.0, |v| {
            debug_assert!(self.visible(v), "operand {v:?} of {:?} is out of scope", key.0);
            depth = depth.max(self.homes[v.0 as usize].1 as usize)
        });
        let v = self.append(key.0.clone(), ty, depth);
        if !free {
            self.chain[depth].stmts.push(Stmt::Let(v));
        }
        self.shared.insert(key, v);
        v
    }

    /// Adds an instruction here, unshared: reads of buffers that the kernel writes.
    pub fn emit_pinned(&mut self, inst: Inst, ty: Ty) -> Val {
        let depth = self.chain.len() - 1;
        let v = self.append(inst, ty, depth);
        self.push(Stmt::Let(v));
        v
    }

    pub fn constant(&mut self, elem: Elem, bits: u64) -> Val {
        let v = self.emit(Inst::Const(bits), Ty::scalar(elem));
        if elem == Elem::I64 {
            self.ranges[v.0 as usize] = Some((bits as i64, bits as i64));
        }
        v
    }

    pub fn mask(&mut self, value: bool) -> Val {
        self.constant(Elem::Mask, value as u64)
    }

    pub fn int(&mut self, elem: Elem, value: i64) -> Val {
        let bits = if elem == Elem::I32 { value as i32 as u32 as u64 } else { value as u64 };
        self.constant(elem, bits)
    }

    pub fn float(&mut self, elem: Elem, value: f64) -> Val {
        let bits = if elem == Elem::F32 { (value as f32).to_bits() as u64 } else { value.to_bits() };
        self.constant(elem, bits)
    }

    fn known(&self, v: Val) -> Option<u64> {
        match self.inst(v) {
            Inst::Const(bits) => Some(*bits),
            _ => None,
        }
    }

    pub fn bin(&mut self, op: BinOp, a: Val, b: Val) -> Val {
        let ty = self.ty(a);
        if ty.elem == Elem::Mask {
            match (op, self.known(a), self.known(b)) {
                (BinOp::And, Some(1), _) | (BinOp::Or, Some(0), _) => return b,
                (BinOp::And, _, Some(1)) | (BinOp::Or, _, Some(0)) => return a,
                (BinOp::And, Some(0), _) | (BinOp::Or, Some(1), _) => return a,
                (BinOp::And, _, Some(0)) | (BinOp::Or, _, Some(1)) => return b,
                _ => {}
            }
        }
        self.emit(Inst::Bin(op, a, b), ty)
    }

    pub fn un(&mut self, op: UnOp, a: Val) -> Val {
        if let (UnOp::Not, Elem::Mask, Some(bits)) = (op, self.ty(a).elem, self.known(a)) {
            return self.mask(bits == 0);
        }
        self.emit(Inst::Un(op, a), self.ty(a))
    }

    pub fn cmp(&mut self, op: CmpOp, a: Val, b: Val) -> Val {
        let ty = self.ty(a);
        if ty == Ty::I64
            && let (Some(x), Some(y)) = (self.range(a), self.range(b))
        {
            let known = match op {
                CmpOp::Lt if x.1 < y.0 => Some(true),
                CmpOp::Lt if x.0 >= y.1 => Some(false),
                CmpOp::Le if x.1 <= y.0 => Some(true),
                CmpOp::Le if x.0 > y.1 => Some(false),
                _ => None,
            };
            if let Some(known) = known {
                return self.mask(known);
            }
        }
        self.emit(Inst::Cmp(op, a, b), Ty { elem: Elem::Mask, lanes: ty.lanes })
    }

    pub fn select(&mut self, mask: Val, a: Val, b: Val) -> Val {
        if a == b {
            return a;
        }
        match self.known(mask) {
            Some(0) => b,
            Some(_) => a,
            None => {
                let v = self.emit(Inst::Select(mask, a, b), self.ty(a));
                if let (Some(x), Some(y)) = (self.range(a), self.range(b)) {
                    self.ranges[v.0 as usize] = Some((x.0.min(y.0), x.1.max(y.1)));
                }
                v
            }
        }
    }

    pub fn fused_multiply_add(&mut self, a: Val, b: Val, c: Val) -> Val {
        self.emit(Inst::Fma(a, b, c), self.ty(a))
    }

    pub fn cast(&mut self, op: CastOp, a: Val, elem: Elem) -> Val {
        self.emit(Inst::Cast(op, a), Ty { elem, lanes: self.ty(a).lanes })
    }

    /// A function by name; see [`Inst::Math`].
    pub fn math(&mut self, name: &'static str, args: &[Val]) -> Val {
        let ty = self.ty(args[0]);
        let elem = conversion(name).map_or(ty.elem, |(_, to)| register_of(to));
        self.emit(Inst::Math(name, args.into()), Ty { elem, ..ty })
    }

    /// `scalar` in as many lanes as `like` has.
    pub fn spread_like(&mut self, scalar: Val, like: Val) -> Val {
        let lanes = self.ty(like).lanes;
        let ty = self.ty(scalar).with_lanes(lanes);
        if lanes == 1 { scalar } else { self.emit(Inst::Splat(scalar), ty) }
    }

    /// A scalar load from a buffer that the kernel only reads.
    pub fn load(&mut self, buf: Buf, index: Val) -> Val {
        let mem = self.params[buf.0 as usize].mem;
        let inst = Inst::Load { buf, mem, addr: Addr::Unit(index) };
        let ty = Ty::scalar(register_of(mem));
        if self.params[buf.0 as usize].role == Role::In {
            self.emit(inst, ty)
        } else {
            self.emit_pinned(inst, ty)
        }
    }

    pub fn store(&mut self, buf: Buf, index: Val, value: Val) {
        let mem = self.params[buf.0 as usize].mem;
        self.push(Stmt::Store { buf, mem, addr: Addr::Unit(index), value });
    }

    pub fn check(&mut self, ok: Val, code: i32, detail: Val) {
        if self.known(ok) != Some(1) {
            let depth = self.depth_of(ok).max(self.depth_of(detail));
            self.chain[depth].stmts.push(Stmt::Check { ok, code, detail });
        }
    }

    /// `combine(acc, x)`, in the form that emitters and the interpreter use for lanes.
    pub fn combine(&mut self, op: Combine, acc: Val, x: Val) -> Val {
        let elem = self.ty(acc).elem;
        match op {
            Combine::Add => self.bin(BinOp::Add, acc, x),
            Combine::Mul => self.bin(BinOp::Mul, acc, x),
            Combine::And => self.bin(BinOp::And, acc, x),
            Combine::Or => self.bin(BinOp::Or, acc, x),
            Combine::Min | Combine::Max if elem.is_int() => {
                self.bin(if op == Combine::Min { BinOp::Min } else { BinOp::Max }, acc, x)
            }
            Combine::Min | Combine::Max => {
                let better = if op == Combine::Min { (x, acc) } else { (acc, x) };
                let better = self.cmp(CmpOp::Lt, better.0, better.1);
                let nan = self.cmp(CmpOp::Ne, x, x);
                let take = self.bin(BinOp::Or, better, nan);
                self.select(take, x, acc)
            }
        }
    }

    // Index arithmetic

    pub fn index(&mut self, value: i64) -> Val {
        self.int(Elem::I64, value)
    }

    /// The smallest and largest value an index takes, when known.
    pub fn range(&self, v: Val) -> Option<(i64, i64)> {
        self.ranges[v.0 as usize]
    }

    /// States what is known about an opaque index.
    pub fn assume_range(&mut self, v: Val, low: i64, high: i64) {
        self.ranges[v.0 as usize] = Some((low, high));
    }

    /// `v` as a sum of terms.
    pub fn terms(&self, v: Val) -> (SmallVec<[(Val, i64); 4]>, i64) {
        match self.inst(v) {
            Inst::Affine { terms, offset } => (terms.clone(), *offset),
            Inst::Const(c) => (SmallVec::new(), *c as i64),
            _ => (SmallVec::from_slice(&[(v, 1)]), 0),
        }
    }

    /// The index `offset + sum of terms`.
    pub fn affine(&mut self, terms: &[(Val, i64)], offset: i64) -> Val {
        let mut sum: SmallVec<[(Val, i64); 4]> = SmallVec::new();
        let mut total = offset;
        for &(v, k) in terms {
            let (inner, o) = self.terms(v);
            total = total.wrapping_add(o.wrapping_mul(k));
            sum.extend(inner.into_iter().map(|(v, c)| (v, c.wrapping_mul(k))));
        }
        sum.sort_unstable_by_key(|t| t.0);
        let mut merged: SmallVec<[(Val, i64); 4]> = SmallVec::new();
        for (v, c) in sum {
            match merged.last_mut() {
                Some(last) if last.0 == v => last.1 += c,
                _ => merged.push((v, c)),
            }
        }
        merged.retain(|t| t.1 != 0);
        total = total.wrapping_add(self.rejoin(&mut merged));
        if merged.is_empty() {
            return self.index(total);
        }
        if let ([(v, 1)], 0) = (merged.as_slice(), total) {
            return *v;
        }
        let range = self.range_of_sum(&merged, total);
        let v = self.emit(Inst::Affine { terms: merged, offset: total }, Ty::I64);
        self.ranges[v.0 as usize] = range;
        v
    }

    /// Replaces `(a / n) * (c * n) + (a % n) * c` by `a * c`; gives what that adds to the offset.
    fn rejoin(&self, terms: &mut SmallVec<[(Val, i64); 4]>) -> i64 {
        let divided = |v: Val, want: BinOp| match self.inst(v) {
            Inst::Bin(op, a, n) if *op == want => self.known(*n).map(|n| (*a, n as i64)),
            _ => None,
        };
        let mut added = 0i64;
        let mut at = 0;
        while at < terms.len() {
            let (r, c) = terms[at];
            at += 1;
            let Some((a, n)) = divided(r, BinOp::Rem) else { continue };
            let partner =
                terms.iter().position(|&(q, k)| divided(q, BinOp::Div) == Some((a, n)) && k == c * n);
            let Some(partner) = partner else { continue };
            let (i, j) = (partner.min(at - 1), partner.max(at - 1));
            terms.remove(j);
            terms.remove(i);
            // If a sum was divided, its terms take its place.
            let (inner, offset) = self.terms(a);
            added = added.wrapping_add(offset.wrapping_mul(c));
            for (v, k) in inner {
                merge_term(terms, v, k * c);
            }
            at = 0;
        }
        added
    }

    fn range_of_sum(&self, terms: &[(Val, i64)], offset: i64) -> Option<(i64, i64)> {
        terms.iter().try_fold((offset, offset), |(low, high), &(v, c)| {
            let (a, b) = self.range(v)?;
            let (x, y) = (a.checked_mul(c)?, b.checked_mul(c)?);
            Some((low.checked_add(x.min(y))?, high.checked_add(x.max(y))?))
        })
    }

    pub fn index_add(&mut self, a: Val, b: Val) -> Val {
        self.affine(&[(a, 1), (b, 1)], 0)
    }

    /// Quotient and remainder of a non-negative index by a positive constant.
    pub fn div_rem(&mut self, a: Val, by: i64) -> (Val, Val) {
        if by == 1 {
            let zero = self.index(0);
            return (a, zero);
        }
        let (terms, offset) = self.terms(a);
        let (mut quotient, mut rest) =
            (SmallVec::<[(Val, i64); 4]>::new(), SmallVec::<[(Val, i64); 4]>::new());
        for (v, c) in terms {
            if c % by == 0 { quotient.push((v, c / by)) } else { rest.push((v, c)) }
        }
        let (q0, r0) = (offset.div_euclid(by), offset.rem_euclid(by));
        // What is not a multiple must stay non-negative for the truncated division below.
        let (q0, r0) = match self.range_of_sum(&rest, r0) {
            Some((low, _)) if low >= 0 => (q0, r0),
            _ => {
                let r = self.affine(&rest, offset);
                let (q, r) = self.div_rem_opaque(r, by);
                quotient.push((q, 1));
                return (self.affine(&quotient, 0), r);
            }
        };
        let remainder = self.affine(&rest, r0);
        if self.range(remainder).is_some_and(|(_, high)| high < by) {
            return (self.affine(&quotient, q0), remainder);
        }
        let (q, r) = self.div_rem_opaque(remainder, by);
        quotient.push((q, 1));
        (self.affine(&quotient, q0), r)
    }

    fn div_rem_opaque(&mut self, a: Val, by: i64) -> (Val, Val) {
        let divisor = self.index(by);
        let q = self.emit(Inst::Bin(BinOp::Div, a, divisor), Ty::I64);
        if let Some((low, high)) = self.range(a) {
            self.ranges[q.0 as usize] = Some((low / by, high / by));
        }
        // As a sum, so that `a - q * by` cancels against other uses of `q`.
        let r = self.emit(Inst::Bin(BinOp::Rem, a, divisor), Ty::I64);
        self.ranges[r.0 as usize] = Some((0, by - 1));
        (q, r)
    }
}

/// Adds a term to a sorted sum.
fn merge_term(terms: &mut SmallVec<[(Val, i64); 4]>, v: Val, c: i64) {
    match terms.binary_search_by_key(&v, |t| t.0) {
        Ok(i) => {
            terms[i].1 += c;
            if terms[i].1 == 0 {
                terms.remove(i);
            }
        }
        Err(i) => terms.insert(i, (v, c)),
    }
}

/// Calls `f` with each operand of an instruction.
pub fn operands(inst: &Inst, mut f: impl FnMut(Val)) {
    match inst {
        Inst::Const(_) | Inst::Defined | Inst::Scalar(_) => {}
        Inst::Affine { terms, .. } => terms.iter().for_each(|t| f(t.0)),
        Inst::Bin(_, a, b) | Inst::Cmp(_, a, b) => {
            f(*a);
            f(*b);
        }
        Inst::Un(_, a) | Inst::Cast(_, a) | Inst::Splat(a) | Inst::Ramp(a, _) => f(*a),
        Inst::ReduceLanes(_, a) | Inst::Table(_, a) => f(*a),
        Inst::Math(_, args) => args.iter().for_each(|&a| f(a)),
        Inst::Select(a, b, c) | Inst::Fma(a, b, c) => {
            f(*a);
            f(*b);
            f(*c);
        }
        Inst::Load { addr, .. } => f(addr.index()),
        Inst::Fold { src, count, .. } => {
            src.at.into_iter().for_each(&mut f);
            f(*count);
        }
    }
}
