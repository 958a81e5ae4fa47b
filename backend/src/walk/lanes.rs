//! Taking parts apart into lanes and putting them together: what vectors of the target cannot do, masks of
//! another form, and reductions over lanes.

use super::Walk;
use super::part::{Form, Part, part_count};
use crate::target::{Reg, Target};
use rustorch_ir::loops::{BinOp, CastOp, CmpOp, Combine, Elem, Val};
use smallvec::SmallVec;

/// The lanes of one part.
pub(super) type Lanes<V> = SmallVec<[V; 4]>;

impl<T: Target> Walk<'_, T> {
    /// A mask in another form; other parts have only the one they are asked in.
    pub(super) fn mask_as(&mut self, value: Part<T::Value>, form: Form) -> Part<T::Value> {
        match (value, form) {
            (Part::Quad(v), Form::Pair) => Part::Pair(
                [false, true]
                    .map(|high| self.target.widen(CastOp::SignExtend, Reg::I32x4, Reg::I64x2, v, high)),
            ),
            (Part::Pair(v), Form::Quad) => {
                Part::Quad(self.target.narrow(CastOp::Wrap, Reg::I64x2, Reg::I32x4, v))
            }
            _ => value,
        }
    }

    /// Two masks in one form.
    pub(super) fn same_form(&mut self, a: Part<T::Value>, b: Part<T::Value>) -> [Part<T::Value>; 2] {
        if a.form() == b.form() { [a, b] } else { [self.mask_as(a, Form::Quad), self.mask_as(b, Form::Quad)] }
    }

    /// Lane `k` of a part as a scalar.
    pub(super) fn lane(&mut self, elem: Elem, value: Part<T::Value>, k: usize) -> T::Value {
        let reg = value.form().reg(elem);
        let lane = match value {
            Part::One(v) => return v,
            Part::Quad(v) => self.target.extract(reg, v, k),
            Part::Pair(v) => self.target.extract(reg, v[k / 2], k % 2),
        };
        if elem != Elem::Mask {
            return lane;
        }
        let zero = self.target.constant(reg.lane(), &[0]);
        self.target.cmp(CmpOp::Ne, reg.lane(), lane, zero)
    }

    pub(super) fn split(&mut self, elem: Elem, value: Part<T::Value>) -> Lanes<T::Value> {
        let lanes = if value.form() == Form::One { 1 } else { 4 };
        (0..lanes).map(|k| self.lane(elem, value, k)).collect()
    }

    pub(super) fn join(&mut self, elem: Elem, form: Form, lanes: &[T::Value]) -> Part<T::Value> {
        if form == Form::One {
            return Part::One(lanes[0]);
        }
        let reg = form.reg(elem);
        if elem != Elem::Mask {
            let registers: SmallVec<[_; 2]> =
                lanes.chunks(reg.lanes()).map(|lanes| self.target.build(reg, lanes)).collect();
            return form.part(&registers);
        }
        let ints: Lanes<_> = lanes
            .iter()
            .map(|&lane| self.target.cast(CastOp::MaskToInt, Reg::Bool, Reg::I32, lane))
            .collect();
        let ones = self.target.build(Reg::I32x4, &ints);
        let zero = self.target.constant(Reg::I32x4, &[0; 4]);
        let mask = Part::Quad(self.target.bin(BinOp::Sub, Reg::I32x4, zero, ones));
        self.mask_as(mask, form)
    }

    /// One operation done lane by lane on scalars.
    pub(super) fn by_lane(
        &mut self,
        operands: &[(Elem, Part<T::Value>)],
        (elem, form): (Elem, Form),
        mut f: impl FnMut(&mut T, &[T::Value]) -> T::Value,
    ) -> Part<T::Value> {
        let split: SmallVec<[_; 3]> = operands.iter().map(|&(elem, value)| self.split(elem, value)).collect();
        let lanes: Lanes<_> = (0..split[0].len())
            .map(|k| {
                let lane: SmallVec<[_; 3]> = split.iter().map(|lanes| lanes[k]).collect();
                f(self.target, &lane)
            })
            .collect();
        self.join(elem, form, &lanes)
    }

    /// All lanes of a value combined: lane `k` with lane `k + lanes / 2`, until one is left.
    pub(super) fn reduce_lanes(&mut self, combine: Combine, v: Val) -> T::Value {
        let ty = self.kernel.ty(v);
        let form = Form::of(ty.elem, ty.lanes);
        let mut parts: Vec<_> = (0..part_count(ty.lanes)).map(|p| self.part_as(v, p, form)).collect();
        let reg = form.reg(ty.elem);
        while parts.len() > 1 {
            let high = parts.split_off(parts.len() / 2);
            for (low, high) in parts.iter_mut().zip(high) {
                *low = low.zip(high, |a, b| self.combine(combine, reg, a, b));
            }
        }
        let pair = match parts[0] {
            Part::One(v) => return v,
            Part::Quad(v) => {
                let high = self.target.high_half(reg, v);
                Part::Quad(self.combine(combine, reg, v, high))
            }
            Part::Pair([a, b]) => {
                let low = self.combine(combine, reg, a, b);
                Part::Pair([low, low])
            }
        };
        let [low, high] = [0, 1].map(|k| self.lane(ty.elem, pair, k));
        self.combine(combine, Reg::scalar(ty.elem), low, high)
    }

    /// The largest detail of the lanes of a mask that do not hold, one of which does not.
    pub(super) fn failed(&mut self, ok: Val, detail: Val) -> T::Value {
        if self.parts_of(detail) == 1 && self.kernel.ty(detail).lanes == 1 {
            return self.one(detail);
        }
        let none = self.int(i64::MIN);
        let mut largest = none;
        for part in 0..self.parts_of(ok) {
            let (ok, details) = (self.part(ok, part), self.part(detail, part));
            let (ok, details) = (self.split(Elem::Mask, ok), self.split(Elem::I64, details));
            for (ok, detail) in ok.into_iter().zip(details) {
                let failed = self.target.select(Reg::I64, ok, none, detail);
                largest = self.target.bin(BinOp::Max, Reg::I64, largest, failed);
            }
        }
        largest
    }

    /// `a` is the accumulator or the lower lane. A float minimum or maximum is NaN when one of the two is.
    fn combine(&mut self, combine: Combine, reg: Reg, a: T::Value, b: T::Value) -> T::Value {
        let op = match combine {
            Combine::Add => BinOp::Add,
            Combine::Mul => BinOp::Mul,
            Combine::And => BinOp::And,
            Combine::Or => BinOp::Or,
            Combine::Min | Combine::Max if reg.is_float() => {
                let (x, y) = if combine == Combine::Min { (b, a) } else { (a, b) };
                let takes_new = self.target.cmp(CmpOp::Lt, reg, x, y);
                let ordered = self.target.select(reg, takes_new, b, a);
                let nan = self.target.cmp(CmpOp::Ne, reg, b, b);
                return self.target.select(reg, nan, b, ordered);
            }
            Combine::Min => BinOp::Min,
            Combine::Max => BinOp::Max,
        };
        self.target.bin(op, reg, a, b)
    }
}
