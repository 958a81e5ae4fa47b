//! Conversions between registers, and loads and stores that widen and cut.
//!
//! Vectors use only what every x86-64 has, but for byte permutations and `Features`.

use super::target::{Emitter, plain, ty};
use crate::target::{Place, Reg};
use cranelift::prelude::*;
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::CastOp;

impl Emitter<'_> {
    fn permute(&mut self, ty: Type, a: Value, b: Value, bytes: [u8; 16]) -> Value {
        let (a, b) = (self.bits(types::I8X16, a), self.bits(types::I8X16, b));
        let mask = self.b.func.dfg.immediates.push(bytes.to_vec().into());
        let shuffled = self.b.ins().shuffle(a, b, mask);
        self.bits(ty, shuffled)
    }

    /// The upper eight bytes in both halves.
    pub(super) fn upper(&mut self, ty: Type, a: Value) -> Value {
        self.permute(ty, a, a, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15])
    }

    /// The lower eight bytes of two vectors.
    fn lower_halves(&mut self, ty: Type, [a, b]: [Value; 2]) -> Value {
        self.permute(ty, a, b, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23])
    }

    pub(super) fn convert(&mut self, op: CastOp, from: Reg, to: Reg, a: Value) -> Value {
        let result = ty(to);
        match op {
            CastOp::SignExtend => self.b.ins().sextend(result, a),
            CastOp::ZeroExtend | CastOp::MaskToInt => self.b.ins().uextend(result, a),
            CastOp::Wrap => self.b.ins().ireduce(result, a),
            CastOp::IntToFloat => self.b.ins().fcvt_from_sint(result, a),
            CastOp::FloatToInt if self.features.x86 && from == Reg::F32x4 => {
                self.b.ins().x86_cvtt2dq(result, a)
            }
            // The scalar form of the instruction tests for what cannot be; the vector form does not.
            CastOp::FloatToInt if self.features.x86 && (from, to) == (Reg::F32, Reg::I32) => {
                let vector = self.b.ins().scalar_to_vector(types::F32X4, a);
                let ints = self.b.ins().x86_cvtt2dq(types::I32X4, vector);
                self.b.ins().extractlane(ints, 0)
            }
            CastOp::FloatToInt => self.b.ins().fcvt_to_sint_sat(result, a),
            CastOp::Widen => self.b.ins().fpromote(result, a),
            CastOp::Narrow => self.b.ins().fdemote(result, a),
            CastOp::Bits => self.bits(result, a),
        }
    }

    pub(super) fn widen_half(&mut self, op: CastOp, to: Reg, a: Value, high: bool) -> Value {
        match op {
            CastOp::SignExtend if high => self.b.ins().swiden_high(a),
            CastOp::SignExtend => self.b.ins().swiden_low(a),
            CastOp::ZeroExtend if high => self.b.ins().uwiden_high(a),
            CastOp::ZeroExtend => self.b.ins().uwiden_low(a),
            _ => {
                let a = if high { self.upper(self.b.func.dfg.value_type(a), a) } else { a };
                if op == CastOp::Widen {
                    return self.b.ins().fvpromote_low(a);
                }
                let wide = self.b.ins().swiden_low(a);
                self.b.ins().fcvt_from_sint(ty(to), wide)
            }
        }
    }

    pub(super) fn narrow_pair(&mut self, op: CastOp, to: Reg, pair: [Value; 2]) -> Value {
        let result = ty(to);
        match op {
            CastOp::Narrow => {
                let halves = pair.map(|v| self.b.ins().fvdemote(v));
                self.lower_halves(result, halves)
            }
            CastOp::FloatToInt if self.features.x86 => {
                let halves = pair.map(|v| {
                    let ints = self.b.ins().x86_cvtt2dq(types::I64X2, v);
                    let zero = self.bytes(types::I64X2, [0; 16]);
                    self.b.ins().snarrow(ints, zero)
                });
                self.lower_halves(result, halves)
            }
            CastOp::FloatToInt => {
                let ints = pair.map(|v| self.b.ins().fcvt_to_sint_sat(types::I64X2, v));
                self.even_words(ints)
            }
            _ => self.even_words(pair),
        }
    }

    /// The low halves of four 64-bit lanes.
    fn even_words(&mut self, [a, b]: [Value; 2]) -> Value {
        self.permute(types::I32X4, a, b, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27])
    }

    pub(super) fn load_widened(
        &mut self,
        mem: DType,
        reg: Reg,
        at: Place<Value>,
        flags: MemFlagsData,
    ) -> Value {
        let Place { base, offset } = at;
        if !reg.is_vector() {
            let ins = self.b.ins();
            return match mem {
                DType::Bool => {
                    let byte = ins.load(types::I8, flags, base, offset);
                    self.b.ins().icmp_imm_s(IntCC::NotEqual, byte, 0)
                }
                DType::U8 => ins.uload8(types::I32, flags, base, offset),
                DType::I8 => ins.sload8(types::I32, flags, base, offset),
                DType::I16 => ins.sload16(types::I32, flags, base, offset),
                DType::F16 | DType::BF16 => ins.uload16(types::I32, flags, base, offset),
                DType::I32 | DType::I64 | DType::F32 | DType::F64 => ins.load(ty(reg), flags, base, offset),
            };
        }
        match mem {
            DType::Bool => {
                let lanes = self.load_bytes(false, at, flags);
                let zero = self.bytes(types::I32X4, [0; 16]);
                self.b.ins().icmp(IntCC::NotEqual, lanes, zero)
            }
            DType::U8 => self.load_bytes(false, at, flags),
            DType::I8 => self.load_bytes(true, at, flags),
            DType::I16 => self.b.ins().sload16x4(flags, base, offset),
            DType::F16 | DType::BF16 => self.b.ins().uload16x4(flags, base, offset),
            DType::I32 | DType::I64 | DType::F32 | DType::F64 => {
                self.b.ins().load(ty(reg), flags, base, offset)
            }
        }
    }

    /// Four bytes, each widened to a 32-bit lane.
    fn load_bytes(&mut self, signed: bool, at: Place<Value>, flags: MemFlagsData) -> Value {
        let word = self.b.ins().load(types::I32, flags, at.base, at.offset);
        let vector = self.b.ins().scalar_to_vector(types::I32X4, word);
        let bytes = self.bits(types::I8X16, vector);
        if signed {
            let halves = self.b.ins().swiden_low(bytes);
            self.b.ins().swiden_low(halves)
        } else {
            let halves = self.b.ins().uwiden_low(bytes);
            self.b.ins().uwiden_low(halves)
        }
    }

    pub(super) fn store_cut(&mut self, mem: DType, reg: Reg, value: Value, at: Place<Value>) {
        let Place { base, offset } = at;
        let vector = reg.is_vector();
        let stored = match mem {
            DType::U8 | DType::I8 if !vector => {
                self.b.ins().istore8(plain(), value, base, offset);
                return;
            }
            DType::I16 | DType::F16 | DType::BF16 if !vector => {
                self.b.ins().istore16(plain(), value, base, offset);
                return;
            }
            DType::Bool if vector => {
                let halves = self.b.ins().snarrow(value, value);
                let bytes = self.b.ins().snarrow(halves, halves);
                let one = self.bytes(types::I8X16, [1; 16]);
                let bytes = self.b.ins().band(bytes, one);
                self.low_word(types::I32X4, bytes)
            }
            DType::U8 | DType::I8 => {
                let bytes = if self.features.permute {
                    self.permute(
                        types::I8X16,
                        value,
                        value,
                        [0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12],
                    )
                } else {
                    let low = self.sign_extended(value, 24);
                    let halves = self.b.ins().snarrow(low, low);
                    self.b.ins().snarrow(halves, halves)
                };
                self.low_word(types::I32X4, bytes)
            }
            DType::I16 | DType::F16 | DType::BF16 => {
                let halves = if self.features.permute {
                    self.permute(
                        types::I16X8,
                        value,
                        value,
                        [0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13],
                    )
                } else {
                    let low = self.sign_extended(value, 16);
                    self.b.ins().snarrow(low, low)
                };
                self.low_word(types::I64X2, halves)
            }
            DType::Bool | DType::I32 | DType::I64 | DType::F32 | DType::F64 => value,
        };
        self.b.ins().store(plain(), stored, base, offset);
    }

    /// The low bits of each lane as a signed number, so that a saturating narrowing keeps them.
    fn sign_extended(&mut self, value: Value, shift: i64) -> Value {
        let up = self.b.ins().ishl_imm_s(value, shift);
        self.b.ins().sshr_imm_s(up, shift)
    }

    fn low_word(&mut self, lanes: Type, value: Value) -> Value {
        let vector = self.bits(lanes, value);
        self.b.ins().extractlane(vector, 0)
    }
}
