//! Loads, stores and constant tables.

use super::Walk;
use super::part::{Form, Part, part_lanes};
use crate::BackendError;
use crate::target::{Place, Reg, Target};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::{Addr, BinOp, Buf, CastOp, Elem, Val, register_of};
use smallvec::SmallVec;

impl<T: Target> Walk<'_, T> {
    pub(super) fn load(&mut self, v: Val, buf: Buf, mem: DType, addr: Addr, part: usize) -> Part<T::Value> {
        let ty = self.kernel.ty(v);
        let form = Form::of(ty.elem, ty.lanes);
        let width = part_lanes(ty.lanes);
        let steady = self.is_steady(addr);
        if form == Form::One || matches!(addr, Addr::Unit(_)) {
            let reg = form.reg(ty.elem);
            let registers: SmallVec<[_; 2]> = (0..form.registers())
                .map(|k| {
                    let at = self.element(buf, mem, addr, (part, width), k * reg.lanes());
                    self.target.load(mem, reg, at, steady)
                })
                .collect();
            return form.part(&registers);
        }
        let lane = Reg::scalar(ty.elem);
        let lanes: SmallVec<[_; 4]> = (0..4)
            .map(|k| {
                let at = self.element(buf, mem, addr, (part, width), k);
                self.target.load(mem, lane, at, steady)
            })
            .collect();
        self.join(ty.elem, form, &lanes)
    }

    pub(super) fn store(&mut self, buf: Buf, mem: DType, addr: Addr, value: Val, part: usize) {
        let elem = register_of(mem);
        let lanes = self.kernel.ty(value).lanes;
        let form = Form::of(elem, lanes);
        let width = part_lanes(lanes);
        let value = self.part_as(value, part, form);
        if form == Form::One || matches!(addr, Addr::Unit(_)) {
            let reg = form.reg(elem);
            for (k, &register) in value.registers().iter().enumerate() {
                let at = self.element(buf, mem, addr, (part, width), k * reg.lanes());
                self.target.store(mem, reg, register, at);
            }
            return;
        }
        for (k, lane) in self.split(elem, value).into_iter().enumerate() {
            let at = self.element(buf, mem, addr, (part, width), k);
            self.target.store(mem, Reg::scalar(elem), lane, at);
        }
    }

    /// Whether a load moves with the innermost loop, and nothing is written in that loop. What does not move with it
    /// could end up before the loop, which may not run at all.
    fn is_steady(&self, addr: Addr) -> bool {
        self.quiet && !matches!(addr, Addr::Lanes(_)) && self.moves(addr.index())
    }

    /// Where lane `k` of a part lies; parts have `width` lanes.
    fn element(
        &mut self,
        buf: Buf,
        mem: DType,
        addr: Addr,
        (part, width): (usize, u16),
        k: usize,
    ) -> Place<T::Value> {
        let size = mem.size();
        match addr {
            Addr::Unit(index) | Addr::Strided(index, _) => {
                let stride = if let Addr::Strided(_, stride) = addr { stride } else { 1 };
                let lane = (part * usize::from(width) + k) as i64;
                self.place(buf, index, size, lane.wrapping_mul(stride).wrapping_mul(size as i64))
            }
            Addr::Lanes(index) => {
                let lanes = self.part(index, part);
                let index = self.lane(Elem::I64, lanes, k);
                let bytes = self.bytes(index, size);
                let base = self.buffer(buf);
                let base = self.target.bin(BinOp::Add, Reg::I64, base, bytes);
                Place { base, offset: 0 }
            }
        }
    }

    pub(super) fn table(
        &mut self,
        v: Val,
        name: &'static str,
        index: Val,
        part: usize,
    ) -> Result<Part<T::Value>, BackendError> {
        let ty = self.kernel.ty(v);
        let index_elem = self.elem(index);
        let mem = match ty.elem {
            Elem::Mask => DType::Bool,
            Elem::I32 => DType::I32,
            Elem::I64 => DType::I64,
            Elem::F32 => DType::F32,
            Elem::F64 => DType::F64,
        };
        let base = self.target.table(name)?;
        let index = self.part(index, part);
        let lanes: SmallVec<[_; 4]> = self
            .split(index_elem, index)
            .into_iter()
            .map(|lane| {
                let lane = match index_elem {
                    Elem::I32 => self.target.cast(CastOp::SignExtend, Reg::I32, Reg::I64, lane),
                    _ => lane,
                };
                let bytes = self.bytes(lane, 8);
                let base = self.target.bin(BinOp::Add, Reg::I64, base, bytes);
                self.target.load(mem, Reg::scalar(ty.elem), Place { base, offset: 0 }, false)
            })
            .collect();
        Ok(self.join(ty.elem, Form::of(ty.elem, ty.lanes), &lanes))
    }

    /// An element index as bytes.
    fn bytes(&mut self, index: T::Value, size: usize) -> T::Value {
        if size == 1 {
            return index;
        }
        let amount = self.int(i64::from(size.trailing_zeros()));
        self.target.shift(BinOp::Shl, Reg::I64, index, amount)
    }
}
