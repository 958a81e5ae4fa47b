//! Random instructions, with the guards that keep them from trapping.

use super::Generator;
use crate::loops::*;
use crate::op::scalar_math::table;

impl Generator<'_> {
    /// A new value of a type by a random instruction.
    pub(super) fn instruction(&mut self, ty: Ty) -> Val {
        if self.rng.chance(2) {
            let (a, b) = (self.value(ty), self.value(ty));
            let m = self.value(Ty { elem: Elem::Mask, lanes: ty.lanes });
            self.orphan(Inst::Select(m, a, b), ty);
        }
        match self.rng.below(8) {
            0 => self.load(ty),
            1 if ty.lanes == 1 => self.reduction(ty.elem),
            1 => {
                let v = self.value(Ty::scalar(ty.elem));
                self.spread(v, ty.lanes)
            }
            2 => {
                let (a, b) = (self.value(ty), self.value(ty));
                let m = self.value(Ty { elem: Elem::Mask, lanes: ty.lanes });
                self.select(m, a, b)
            }
            3 => self.cast(ty),
            _ => match ty.elem {
                Elem::Mask => self.mask(ty),
                Elem::I32 | Elem::I64 => self.integer(ty),
                Elem::F32 | Elem::F64 => self.float(ty),
            },
        }
    }

    fn mask(&mut self, ty: Ty) -> Val {
        match self.rng.below(4) {
            0 => {
                let a = self.value(ty);
                self.emit(Inst::Un(UnOp::Not, a), ty)
            }
            1 => {
                let (a, b) = (self.value(ty), self.value(ty));
                let op = *self.rng.pick(&[BinOp::And, BinOp::Or, BinOp::Xor]);
                self.bin(op, a, b)
            }
            _ => {
                let of = Ty { elem: *self.rng.pick(&Elem::ALL[1..]), lanes: ty.lanes };
                let (a, b) = (self.value(of), self.value(of));
                let op = *self.rng.pick(CmpOp::ALL);
                self.cmp(op, a, b)
            }
        }
    }

    fn integer(&mut self, ty: Ty) -> Val {
        let a = self.value(ty);
        match self.rng.below(6) {
            0 if self.rng.chance(30) => self.entry(ty),
            0 => {
                let op = *self.rng.pick(&[UnOp::Neg, UnOp::Abs, UnOp::Not]);
                self.emit(Inst::Un(op, a), ty)
            }
            1 if ty.elem == Elem::I64 && ty.lanes == 1 => self.affine(),
            1 if ty.elem == Elem::I64 => {
                let base = self.value(Ty::I64);
                let step = self.rng.small();
                self.emit(Inst::Ramp(base, step), ty)
            }
            _ => match *self.rng.pick(BinOp::ALL) {
                op @ (BinOp::Div | BinOp::Rem) => self.division(op, a),
                op @ (BinOp::Shl | BinOp::ShrU | BinOp::ShrS) => {
                    let (b, below) = (self.value(ty), self.int_like(ty, ty.elem.bits() as i64 - 1));
                    let amount = self.bin(BinOp::And, b, below);
                    self.bin(op, a, amount)
                }
                op => {
                    let b = self.value(ty);
                    self.bin(op, a, b)
                }
            },
        }
    }

    /// A division that does not trap: by a positive number, or of one that is not the least.
    fn division(&mut self, op: BinOp, a: Val) -> Val {
        let ty = self.ty(a);
        let b = self.value(ty);
        let least = if ty.elem == Elem::I32 { i32::MIN as i64 } else { i64::MIN };
        if self.rng.chance(50) {
            let (positive, one) = (self.int_like(ty, !least), self.int_like(ty, 1));
            let b = self.bin(BinOp::And, b, positive);
            let b = self.bin(BinOp::Or, b, one);
            return self.bin(op, a, b);
        }
        let (zero, other, low) = (self.int_like(ty, 0), self.int_like(ty, -7), self.int_like(ty, least + 1));
        let is_zero = self.cmp(CmpOp::Eq, b, zero);
        let b = self.select(is_zero, other, b);
        let a = self.bin(BinOp::Max, a, low);
        self.bin(op, a, b)
    }

    fn affine(&mut self) -> Val {
        let count = self.rng.below(4) as usize;
        let mut values: Vec<Val> = (0..count).map(|_| self.value(Ty::I64)).collect();
        values.sort_unstable();
        values.dedup();
        let terms = values.into_iter().map(|v| {
            let c = if self.rng.chance(5) { i64::MIN } else { self.rng.small() };
            (v, if c == 0 { 1 } else { c })
        });
        let terms = terms.collect();
        let offset = self.rng.lane(Elem::I64) as i64;
        self.emit(Inst::Affine { terms, offset }, Ty::I64)
    }

    fn float(&mut self, ty: Ty) -> Val {
        let a = self.value(ty);
        match self.rng.below(4) {
            0 => {
                let op = *self.rng.pick(&UnOp::ALL[..UnOp::ALL.len() - 1]);
                self.emit(Inst::Un(op, a), ty)
            }
            1 => {
                let (b, c) = (self.value(ty), self.value(ty));
                self.emit(Inst::Fma(a, b, c), ty)
            }
            2 if self.rng.chance(20) => self.entry(ty),
            _ => {
                let b = self.value(ty);
                let op = *self.rng.pick(&[BinOp::Add, BinOp::Sub, BinOp::Mul, BinOp::Div]);
                self.bin(op, a, b)
            }
        }
    }

    fn entry(&mut self, ty: Ty) -> Val {
        if self.options.tables.is_empty() {
            return self.cast(ty);
        }
        let name = *self.rng.pick(self.options.tables);
        let len = table(name).expect("a known table").len();
        let of = Ty { elem: *self.rng.pick(&[Elem::I32, Elem::I64]), lanes: ty.lanes };
        let (index, below) = (self.value(of), self.int_like(of, (1 << len.ilog2()) - 1));
        let index = self.bin(BinOp::And, index, below);
        self.emit(Inst::Table(name, index), ty)
    }

    pub(super) fn cast(&mut self, ty: Ty) -> Val {
        use Elem::*;
        let op = match ty.elem {
            Mask => return self.mask(ty),
            I32 => *self.rng.pick(&[CastOp::Wrap, CastOp::MaskToInt, CastOp::FloatToInt, CastOp::Bits]),
            I64 => {
                let ops = [
                    CastOp::SignExtend,
                    CastOp::ZeroExtend,
                    CastOp::MaskToInt,
                    CastOp::FloatToInt,
                    CastOp::Bits,
                ];
                *self.rng.pick(&ops)
            }
            F32 => *self.rng.pick(&[CastOp::IntToFloat, CastOp::Narrow, CastOp::Bits]),
            F64 => *self.rng.pick(&[CastOp::IntToFloat, CastOp::Widen, CastOp::Bits]),
        };
        let elem = match op {
            CastOp::SignExtend | CastOp::ZeroExtend => I32,
            CastOp::Wrap => I64,
            CastOp::IntToFloat => *self.rng.pick(&[I32, I64]),
            CastOp::FloatToInt => *self.rng.pick(&[F32, F64]),
            CastOp::Widen => F32,
            CastOp::Narrow => F64,
            CastOp::MaskToInt => Mask,
            CastOp::Bits => match ty.elem {
                I32 => F32,
                I64 => F64,
                F32 => I32,
                _ => I64,
            },
        };
        let from = Ty { elem, lanes: ty.lanes };
        let mut a = self.value(from);
        match op {
            CastOp::FloatToInt => {
                let limit = if ty.elem == I32 { 2f64.powi(31) } else { 2f64.powi(63) };
                let (limit, zero) = (self.float_like(from, limit), self.float_like(from, 0.0));
                let size = self.emit(Inst::Un(UnOp::Abs, a), from);
                let fits = self.cmp(CmpOp::Lt, size, limit);
                a = self.select(fits, a, zero);
            }
            CastOp::Bits if elem.is_float() => {
                let (nan, one) = (self.cmp(CmpOp::Ne, a, a), self.float_like(from, 1.0));
                a = self.select(nan, one, a);
            }
            _ => {}
        }
        self.emit(Inst::Cast(op, a), ty)
    }

    pub(super) fn some_combine(&mut self, elem: Elem) -> Combine {
        *self.rng.pick(match elem {
            Elem::Mask => &Combine::ALL[4..],
            Elem::I32 | Elem::I64 => Combine::ALL,
            Elem::F32 | Elem::F64 => &Combine::ALL[..4],
        })
    }

    fn reduction(&mut self, elem: Elem) -> Val {
        let lanes = *self.rng.pick(&[2, 4, 8, 16, 32]);
        let v = self.value(Ty { elem, lanes });
        let combine = self.some_combine(elem);
        self.emit(Inst::ReduceLanes(combine, v), Ty::scalar(elem))
    }
}
