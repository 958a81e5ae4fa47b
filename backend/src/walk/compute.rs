//! Instructions without memory: one part at a time, in vectors where the target has them.

use super::Walk;
use super::part::{Form, Part, part_count, part_lanes};
use crate::BackendError;
use crate::target::{Op, Reg, Target};
use rustorch_ir::loops::{BinOp, CastOp, CmpOp, Elem, Inst, Ty, UnOp, Val};
use smallvec::SmallVec;

impl<T: Target> Walk<'_, T> {
    /// One part of a value, or `None` for what is not needed as a value.
    pub(super) fn compute(&mut self, v: Val, part: usize) -> Result<Option<Part<T::Value>>, BackendError> {
        let kernel = self.kernel;
        let (inst, ty) = &kernel.insts[v.0 as usize];
        let form = Form::of(ty.elem, ty.lanes);
        let value = match inst {
            Inst::Const(_) | Inst::Scalar(_) => return Ok(None),
            Inst::Defined => unreachable!("defined by its loop"),
            Inst::Affine { .. } if !self.computed[v.0 as usize] => return Ok(None),
            Inst::Affine { .. } => Part::One(self.affine(v)),
            Inst::Bin(op @ (BinOp::Shl | BinOp::ShrU | BinOp::ShrS), a, b) => {
                self.shift(*op, ty.elem, *a, *b, part)
            }
            Inst::Bin(op, a, b) => {
                let (a, b) = (self.part(*a, part), self.part(*b, part));
                self.binary(*op, ty.elem, a, b)
            }
            Inst::Un(op, a) => {
                let a = self.part(*a, part);
                self.unary(*op, ty.elem, a)
            }
            Inst::Cmp(op, a, b) => {
                let elem = self.elem(*a);
                let (a, b) = (self.part(*a, part), self.part(*b, part));
                self.compare(*op, elem, a, b)
            }
            Inst::Select(mask, a, b) => self.select(ty.elem, form, [*mask, *a, *b], part),
            Inst::Fma(a, b, c) => {
                let [a, b, c] = [*a, *b, *c].map(|v| self.part(v, part));
                let reg = form.reg(ty.elem);
                if form == Form::One || self.target.native(Op::Fma, reg) {
                    a.zip3(b, c, |a, b, c| self.target.fma(reg, a, b, c))
                } else {
                    let lane = reg.lane();
                    self.by_lane(&[a, b, c].map(|p| (ty.elem, p)), (ty.elem, form), |t, v| {
                        t.fma(lane, v[0], v[1], v[2])
                    })
                }
            }
            Inst::Cast(op, a) => {
                let from = self.elem(*a);
                let a = self.part(*a, part);
                self.cast(*op, from, (ty.elem, form), a)
            }
            Inst::Load { buf, mem, addr } => self.load(v, *buf, *mem, *addr, part),
            Inst::Splat(a) => return Ok(self.splat(v, *a, *ty, part)),
            Inst::Ramp(base, step) => self.ramp(*base, *step, *ty, part),
            Inst::ReduceLanes(..) | Inst::Fold { .. } => unreachable!("ends a bundle"),
            Inst::Math(name, _) => return Err(BackendError::UnknownRoutine(name)),
            Inst::Table(name, index) => self.table(v, name, *index, part)?,
        };
        Ok(Some(value))
    }

    /// A constant in every lane.
    fn constant(&mut self, bits: u64, ty: Ty) -> Part<T::Value> {
        let form = Form::of(ty.elem, ty.lanes);
        let reg = form.reg(ty.elem);
        let bits = if ty.elem == Elem::Mask && reg.is_vector() { 0u64.wrapping_sub(bits & 1) } else { bits };
        let value = self.target.constant(reg, &[bits; 4][..reg.lanes()]);
        form.part(&[value; 2])
    }

    /// All parts of a splat are the registers of the first, which also stand for the others.
    fn splat(&mut self, v: Val, a: Val, ty: Ty, part: usize) -> Option<Part<T::Value>> {
        if part > 0 {
            return None;
        }
        let form = Form::of(ty.elem, ty.lanes);
        let reg = form.reg(ty.elem);
        let value = match self.constant_of(a) {
            Some(bits) => self.constant(bits, ty),
            None if form == Form::One => Part::One(self.one(a)),
            None if ty.elem == Elem::Mask => {
                let lane = self.one(a);
                self.join(Elem::Mask, form, &[lane; 4])
            }
            None => {
                let lane = self.one(a);
                let value = self.target.splat(reg, lane);
                form.part(&[value; 2])
            }
        };
        for p in 0..part_count(ty.lanes) {
            self.define(v, p, value);
        }
        None
    }

    fn ramp(&mut self, base: Val, step: i64, ty: Ty, part: usize) -> Part<T::Value> {
        let base = self.one(base);
        let first = (part * usize::from(part_lanes(ty.lanes))) as i64;
        let offset = |lane: i64| (first + lane).wrapping_mul(step) as u64;
        if part_lanes(ty.lanes) == 1 {
            let offset = self.target.constant(Reg::I64, &[offset(0)]);
            return Part::One(self.target.bin(BinOp::Add, Reg::I64, base, offset));
        }
        let base = self.target.splat(Reg::I64x2, base);
        Part::Pair([0, 2].map(|lane| {
            let offsets = self.target.constant(Reg::I64x2, &[offset(lane), offset(lane + 1)]);
            self.target.bin(BinOp::Add, Reg::I64x2, base, offsets)
        }))
    }

    fn binary(&mut self, op: BinOp, elem: Elem, a: Part<T::Value>, b: Part<T::Value>) -> Part<T::Value> {
        let [a, b] = self.same_form(a, b);
        let reg = a.form().reg(elem);
        if a.form() == Form::One || self.target.native(Op::Bin(op), reg) {
            return a.zip(b, |a, b| self.target.bin(op, reg, a, b));
        }
        let lane = reg.lane();
        self.by_lane(&[(elem, a), (elem, b)], (elem, a.form()), |t, v| t.bin(op, lane, v[0], v[1]))
    }

    fn shift(&mut self, op: BinOp, elem: Elem, a: Val, amount: Val, part: usize) -> Part<T::Value> {
        let value = self.part(a, part);
        let reg = value.form().reg(elem);
        let scalar = match *self.kernel.inst(amount) {
            Inst::Splat(scalar) => Some(scalar),
            _ => None,
        };
        if let Some(scalar) = scalar {
            let amount = self.one(scalar);
            return value.map(|v| self.target.shift(op, reg, v, amount));
        }
        let amount = self.part(amount, part);
        let lane = reg.lane();
        self.by_lane(&[(elem, value), (elem, amount)], (elem, value.form()), |t, v| {
            t.shift(op, lane, v[0], v[1])
        })
    }

    fn unary(&mut self, op: UnOp, elem: Elem, a: Part<T::Value>) -> Part<T::Value> {
        let reg = a.form().reg(elem);
        if a.form() == Form::One || self.target.native(Op::Un(op), reg) {
            return a.map(|a| self.target.un(op, reg, a));
        }
        let lane = reg.lane();
        self.by_lane(&[(elem, a)], (elem, a.form()), |t, v| t.un(op, lane, v[0]))
    }

    fn compare(&mut self, op: CmpOp, elem: Elem, a: Part<T::Value>, b: Part<T::Value>) -> Part<T::Value> {
        let reg = a.form().reg(elem);
        if a.form() == Form::One || self.target.native(Op::Cmp(op), reg) {
            return a.zip(b, |a, b| self.target.cmp(op, reg, a, b));
        }
        let lane = reg.lane();
        self.by_lane(&[(elem, a), (elem, b)], (Elem::Mask, a.form()), |t, v| t.cmp(op, lane, v[0], v[1]))
    }

    fn select(&mut self, elem: Elem, form: Form, [mask, a, b]: [Val; 3], part: usize) -> Part<T::Value> {
        let [then, other] = [a, b].map(|v| self.part_as(v, part, form));
        let reg = form.reg(elem);
        if let Some((less, nan)) = self.nan_minimum(mask, a, b) {
            let less = self.part_as(less, part, form);
            let nan = self.part_as(nan, part, form);
            let ordered = less.zip3(then, other, |m, a, b| self.target.select(reg, m, a, b));
            return nan.zip3(then, ordered, |m, a, b| self.target.select(reg, m, a, b));
        }
        let mask = self.part_as(mask, part, form);
        mask.zip3(then, other, |m, a, b| self.target.select(reg, m, a, b))
    }

    /// Recognises `select(less | new != new, new, old)` with `less` an order of the two, the minimum or maximum
    /// that carries NaN on: selecting twice lets the first be one minimum instruction.
    fn nan_minimum(&self, mask: Val, new: Val, old: Val) -> Option<(Val, Val)> {
        let &Inst::Bin(BinOp::Or, less, nan) = self.kernel.inst(mask) else { return None };
        let &Inst::Cmp(CmpOp::Ne, x, y) = self.kernel.inst(nan) else { return None };
        let &Inst::Cmp(CmpOp::Lt, a, b) = self.kernel.inst(less) else { return None };
        let ordered = (a, b) == (new, old) || (a, b) == (old, new);
        (ordered && (x, y) == (new, new) && self.elem(new).is_float()).then_some((less, nan))
    }

    fn cast(
        &mut self,
        op: CastOp,
        from: Elem,
        (to, form): (Elem, Form),
        a: Part<T::Value>,
    ) -> Part<T::Value> {
        let (source, result) = (a.form().reg(from), form.reg(to));
        if a.form() == Form::One {
            return a.map(|a| self.target.cast(op, source, result, a));
        }
        if op == CastOp::MaskToInt {
            let one = self.target.constant(result, &[1; 4][..result.lanes()]);
            let mask = self.mask_as(a, form);
            return mask.map(|m| self.target.bin(BinOp::And, result, m, one));
        }
        if self.target.native(Op::Cast(op, from, to), source) {
            return match (a, form) {
                (Part::Quad(a), Form::Pair) => {
                    Part::Pair([false, true].map(|high| self.target.widen(op, source, result, a, high)))
                }
                (Part::Pair(a), Form::Quad) => Part::Quad(self.target.narrow(op, source, result, a)),
                _ => a.map(|a| self.target.cast(op, source, result, a)),
            };
        }
        let lanes: SmallVec<[_; 1]> = SmallVec::from_slice(&[(from, a)]);
        self.by_lane(&lanes, (to, form), |t, v| t.cast(op, source.lane(), result.lane(), v[0]))
    }
}
