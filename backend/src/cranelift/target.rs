//! [`Target`] over Cranelift's IR: control flow, constants and arithmetic. Conversions and memory are in
//! [`super::convert`].

use super::features::Features;
use super::soft;
use super::symbols::Symbols;
use crate::BackendError;
use crate::target::{Op, Opened, Place, Reg, Target};
use cranelift::prelude::*;
use cranelift_codegen::ir::{
    BlockArg, Endianness, Function, Inst, InstructionData, Opcode, SigRef, ValueDef,
};
use cranelift_codegen::isa::{TargetFrontendConfig, TargetIsa};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::{BinOp, CastOp, CmpOp, Combine, Elem, Kernel, UnOp};

/// Memory that is there, at any alignment.
pub(super) fn plain() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// Memory that keeps its content at least until what is loaded is used. Cranelift leaves other loads where they
/// stand and computes at last: all that a loop reads would be in registers at once.
fn waiting() -> MemFlagsData {
    plain().with_readonly().with_can_move()
}

/// A table of the call itself: it does not change while the kernel runs.
fn argument() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// A loop: its body, what is behind it, its variable and bounds.
pub(super) struct Loop {
    body: Block,
    exit: Block,
    var: Value,
    end: Value,
    step: i64,
}

pub(super) struct Emitter<'a> {
    pub(super) b: FunctionBuilder<'a>,
    pub(super) features: Features,
    symbols: &'a dyn Symbols,
    config: TargetFrontendConfig,
    convention: isa::CallConv,
    buffers: Vec<Value>,
    scalars: Value,
    bounds: (Value, Value),
    scratch: Value,
    /// Signatures already imported: parameters and result.
    signatures: Vec<(Vec<Type>, Option<Type>, SigRef)>,
    /// Where a check continues that holds, while what happens otherwise is emitted.
    good: Option<cranelift_codegen::ir::Block>,
}

pub(super) fn ty(reg: Reg) -> Type {
    match reg {
        Reg::Bool => types::I8,
        Reg::I32 => types::I32,
        Reg::I64 => types::I64,
        Reg::F32 => types::F32,
        Reg::F64 => types::F64,
        Reg::I32x4 => types::I32X4,
        Reg::I64x2 => types::I64X2,
        Reg::F32x4 => types::F32X4,
        Reg::F64x2 => types::F64X2,
    }
}

impl<'a> Emitter<'a> {
    pub fn signature(isa: &dyn TargetIsa) -> Signature {
        let mut signature = Signature::new(isa.default_call_conv());
        signature.params = vec![AbiParam::new(types::I64); 5];
        signature.returns = vec![AbiParam::new(types::I32)];
        signature
    }

    pub fn new(
        kernel: &Kernel,
        func: &'a mut Function,
        context: &'a mut FunctionBuilderContext,
        isa: &dyn TargetIsa,
        features: Features,
        symbols: &'a dyn Symbols,
    ) -> Self {
        let mut b = FunctionBuilder::new(func, context);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let &[bufs, scalars, begin, end, scratch] = b.block_params(entry) else {
            unreachable!("the signature has five parameters")
        };
        let (_, offsets) = kernel.scratch_layout();
        let buffers = offsets
            .iter()
            .enumerate()
            .map(|(k, offset)| match offset {
                Some(offset) => b.ins().iadd_imm_s(scratch, *offset as i64),
                None => b.ins().load(types::I64, argument(), bufs, (k * 8) as i32),
            })
            .collect();
        Emitter {
            b,
            features,
            symbols,
            config: isa.frontend_config(),
            convention: isa.default_call_conv(),
            buffers,
            scalars,
            bounds: (begin, end),
            scratch,
            signatures: Vec::new(),
            good: None,
        }
    }

    pub fn finalize(mut self) {
        self.b.seal_all_blocks();
        self.b.finalize(self.config);
    }

    /// Calls a C function of the host.
    fn call(&mut self, function: *const u8, args: &[Value], result: Option<Type>) -> Inst {
        let params: Vec<Type> = args.iter().map(|&v| self.b.func.dfg.value_type(v)).collect();
        let known = self.signatures.iter().find(|(p, r, _)| *p == params && *r == result);
        let signature = match known {
            Some((_, _, signature)) => *signature,
            None => {
                let mut signature = Signature::new(self.convention);
                signature.params = params.iter().map(|&t| AbiParam::new(t)).collect();
                signature.returns = result.iter().map(|&t| AbiParam::new(t)).collect();
                let signature = self.b.import_signature(signature);
                self.signatures.push((params, result, signature));
                signature
            }
        };
        let callee = self.b.ins().iconst(types::I64, function as i64);
        self.b.ins().call_indirect(signature, callee, args)
    }

    fn call_float(&mut self, function: *const u8, reg: Reg, args: &[Value]) -> Value {
        let call = self.call(function, args, Some(ty(reg)));
        self.b.inst_results(call)[0]
    }

    /// Between types of one size; lane 0 stays at the lowest address.
    pub(super) fn bits(&mut self, to: Type, v: Value) -> Value {
        if self.b.func.dfg.value_type(v) == to {
            return v;
        }
        self.b.ins().bitcast(to, MemFlagsData::new().with_endianness(Endianness::Little), v)
    }

    pub(super) fn bytes(&mut self, reg: Type, bytes: [u8; 16]) -> Value {
        let constant = self.b.func.dfg.constants.insert(bytes.to_vec().into());
        self.b.ins().vconst(reg, constant)
    }

    /// Whether `bitselect` is the best select: Cranelift turns it into a minimum, a maximum or a blend when it sees
    /// the comparison; elsewhere `blendv` promises what our masks are, whole lanes.
    fn selects_bits(&self, reg: Reg, mask: Value) -> bool {
        let compare = match self.b.func.dfg.value_def(mask) {
            ValueDef::Result(inst, _) => match self.b.func.dfg.insts[inst].opcode() {
                Opcode::Fcmp => true,
                Opcode::Icmp => !reg.is_float(),
                _ => false,
            },
            _ => false,
        };
        compare || !(self.features.x86 && self.features.round)
    }

    /// Selects floats in vector registers when a comparison of such floats decides: x86 has no conditional move
    /// for them, and a branch on data is mispredicted. Minimum and maximum are one instruction without this.
    fn blend_scalars(&mut self, reg: Reg, mask: Value, a: Value, b: Value) -> Option<Value> {
        let ValueDef::Result(inst, _) = self.b.func.dfg.value_def(mask) else { return None };
        let InstructionData::FloatCompare { cond, args, .. } = self.b.func.dfg.insts[inst] else {
            return None;
        };
        let minimum = cond == FloatCC::LessThan && (args == [a, b] || args == [b, a]);
        if minimum || !reg.is_float() || self.b.func.dfg.value_type(args[0]) != ty(reg) {
            return None;
        }
        let vector = if reg == Reg::F32 { types::F32X4 } else { types::F64X2 };
        let [x, y, a, b] = [args[0], args[1], a, b].map(|v| self.b.ins().scalar_to_vector(vector, v));
        let mask = self.b.ins().fcmp(cond, x, y);
        let mask = self.bits(vector, mask);
        let selected = self.b.ins().bitselect(mask, a, b);
        Some(self.b.ins().extractlane(selected, 0))
    }
}

impl Emitter<'_> {
    /// Both `0 <= x` and `x < end`, for a constant end that is not negative: one comparison of unsigned numbers.
    fn within(&mut self, low: Value, high: Value) -> Option<Value> {
        let compared = |v: Value, code: IntCC| {
            let dfg = &self.b.func.dfg;
            let ValueDef::Result(inst, _) = dfg.value_def(v) else { return None };
            let InstructionData::IntCompare { cond, args, .. } = dfg.insts[inst] else { return None };
            (cond == code && !dfg.value_type(args[0]).is_vector()).then_some(args)
        };
        let constant = |v: Value| {
            let dfg = &self.b.func.dfg;
            let ValueDef::Result(inst, _) = dfg.value_def(v) else { return None };
            match dfg.insts[inst] {
                InstructionData::UnaryImm { imm, .. } => Some(imm.bits()),
                _ => None,
            }
        };
        let [zero, x] = compared(low, IntCC::SignedLessThanOrEqual)?;
        let [same, end] = compared(high, IntCC::SignedLessThan)?;
        let range = constant(zero)? == 0 && x == same && constant(end)? >= 0;
        range.then(|| self.b.ins().icmp(IntCC::UnsignedLessThan, x, end))
    }
}

impl Target for Emitter<'_> {
    type Value = Value;
    type Loop = Loop;

    fn native(&self, op: Op, reg: Reg) -> bool {
        let x86 = self.features.x86;
        match op {
            Op::Bin(BinOp::Div | BinOp::Rem) => reg.is_float(),
            Op::Bin(_) | Op::Cmp(_) => true,
            Op::Un(UnOp::Floor | UnOp::Ceil | UnOp::Trunc | UnOp::Nearest) => self.features.round,
            Op::Un(_) => true,
            Op::Fma => self.features.fma,
            Op::Cast(CastOp::IntToFloat, from, to) => {
                from == Elem::I32 || (!x86 && (from, to) == (Elem::I64, Elem::F64))
            }
            Op::Cast(CastOp::FloatToInt, from, to) => {
                to == Elem::I32 || (!x86 && (from, to) == (Elem::F64, Elem::I64))
            }
            Op::Cast(..) => true,
        }
    }

    fn constant(&mut self, reg: Reg, bits: &[u64]) -> Value {
        match reg {
            Reg::Bool => self.b.ins().iconst(types::I8, (bits[0] & 1) as i64),
            Reg::I32 => self.b.ins().iconst(types::I32, i64::from(bits[0] as u32)),
            Reg::I64 => self.b.ins().iconst(types::I64, bits[0] as i64),
            Reg::F32 => self.b.ins().f32const(Ieee32::with_bits(bits[0] as u32)),
            Reg::F64 => self.b.ins().f64const(Ieee64::with_bits(bits[0])),
            Reg::I32x4 | Reg::F32x4 | Reg::I64x2 | Reg::F64x2 => {
                let mut bytes = [0; 16];
                let size = 16 / reg.lanes();
                for (lane, bits) in bytes.chunks_mut(size).zip(bits) {
                    lane.copy_from_slice(&bits.to_le_bytes()[..size]);
                }
                self.bytes(ty(reg), bytes)
            }
        }
    }

    fn scalar(&mut self, slot: u16, reg: Reg) -> Value {
        let value = self.b.ins().load(ty(reg), argument(), self.scalars, i32::from(slot) * 8);
        if reg == Reg::Bool { self.b.ins().band_imm_s(value, 1) } else { value }
    }

    fn buffer(&mut self, param: u32) -> Value {
        self.buffers[param as usize]
    }

    fn bounds(&self) -> (Value, Value) {
        self.bounds
    }

    fn table(&mut self, name: &'static str) -> Result<Value, BackendError> {
        let table = self.symbols.table(name).ok_or(BackendError::UnknownTable(name))?;
        Ok(self.b.ins().iconst(types::I64, table.as_ptr() as i64))
    }

    fn bin(&mut self, op: BinOp, reg: Reg, a: Value, b: Value) -> Value {
        let float = reg.is_float();
        match op {
            BinOp::Add if float => self.b.ins().fadd(a, b),
            BinOp::Add => self.b.ins().iadd(a, b),
            BinOp::Sub if float => self.b.ins().fsub(a, b),
            BinOp::Sub => self.b.ins().isub(a, b),
            BinOp::Mul if float => self.b.ins().fmul(a, b),
            BinOp::Mul => self.b.ins().imul(a, b),
            BinOp::Div if float => self.b.ins().fdiv(a, b),
            BinOp::Div => self.b.ins().sdiv(a, b),
            BinOp::Rem => self.b.ins().srem(a, b),
            BinOp::Min => self.b.ins().smin(a, b),
            BinOp::Max => self.b.ins().smax(a, b),
            BinOp::And => match self.within(a, b) {
                Some(within) => within,
                None => self.b.ins().band(a, b),
            },
            BinOp::Or => self.b.ins().bor(a, b),
            BinOp::Xor => self.b.ins().bxor(a, b),
            BinOp::Shl | BinOp::ShrU | BinOp::ShrS => self.shift(op, reg, a, b),
        }
    }

    fn shift(&mut self, op: BinOp, _: Reg, a: Value, amount: Value) -> Value {
        match op {
            BinOp::Shl => self.b.ins().ishl(a, amount),
            BinOp::ShrU => self.b.ins().ushr(a, amount),
            _ => self.b.ins().sshr(a, amount),
        }
    }

    fn un(&mut self, op: UnOp, reg: Reg, a: Value) -> Value {
        let float = reg.is_float();
        match op {
            UnOp::Neg if float => self.b.ins().fneg(a),
            UnOp::Neg => self.b.ins().ineg(a),
            UnOp::Abs if float => self.b.ins().fabs(a),
            UnOp::Abs => self.b.ins().iabs(a),
            UnOp::Sqrt => self.b.ins().sqrt(a),
            UnOp::Not if reg == Reg::Bool => self.b.ins().bxor_imm_s(a, 1),
            UnOp::Not => self.b.ins().bnot(a),
            UnOp::Floor | UnOp::Ceil | UnOp::Trunc | UnOp::Nearest if !self.features.round => {
                self.call_float(soft::round(op, reg == Reg::F64), reg, &[a])
            }
            UnOp::Floor => self.b.ins().floor(a),
            UnOp::Ceil => self.b.ins().ceil(a),
            UnOp::Trunc => self.b.ins().trunc(a),
            UnOp::Nearest => self.b.ins().nearest(a),
        }
    }

    fn cmp(&mut self, op: CmpOp, reg: Reg, a: Value, b: Value) -> Value {
        if reg.is_float() {
            let code = match op {
                CmpOp::Lt => FloatCC::LessThan,
                CmpOp::Le => FloatCC::LessThanOrEqual,
                CmpOp::Eq => FloatCC::Equal,
                CmpOp::Ne => FloatCC::NotEqual,
            };
            return self.b.ins().fcmp(code, a, b);
        }
        let code = match op {
            CmpOp::Lt => IntCC::SignedLessThan,
            CmpOp::Le => IntCC::SignedLessThanOrEqual,
            CmpOp::Eq => IntCC::Equal,
            CmpOp::Ne => IntCC::NotEqual,
        };
        self.b.ins().icmp(code, a, b)
    }

    fn select(&mut self, reg: Reg, mask: Value, a: Value, b: Value) -> Value {
        if !reg.is_vector() {
            let blended = if self.features.x86 { self.blend_scalars(reg, mask, a, b) } else { None };
            return blended.unwrap_or_else(|| self.b.ins().select(mask, a, b));
        }
        if self.selects_bits(reg, mask) {
            let mask = self.bits(ty(reg), mask);
            return self.b.ins().bitselect(mask, a, b);
        }
        let int = ty(reg.mask());
        let (a, b) = (self.bits(int, a), self.bits(int, b));
        let selected = self.b.ins().blendv(mask, a, b);
        self.bits(ty(reg), selected)
    }

    fn fma(&mut self, reg: Reg, a: Value, b: Value, c: Value) -> Value {
        if self.features.fma {
            self.b.ins().fma(a, b, c)
        } else {
            self.call_float(soft::fma(reg == Reg::F64), reg, &[a, b, c])
        }
    }

    fn cast(&mut self, op: CastOp, from: Reg, to: Reg, a: Value) -> Value {
        self.convert(op, from, to, a)
    }

    fn widen(&mut self, op: CastOp, _: Reg, to: Reg, a: Value, high: bool) -> Value {
        self.widen_half(op, to, a, high)
    }

    fn narrow(&mut self, op: CastOp, _: Reg, to: Reg, a: [Value; 2]) -> Value {
        self.narrow_pair(op, to, a)
    }

    fn splat(&mut self, reg: Reg, a: Value) -> Value {
        self.b.ins().splat(ty(reg), a)
    }

    fn build(&mut self, reg: Reg, lanes: &[Value]) -> Value {
        let mut vector = self.b.ins().scalar_to_vector(ty(reg), lanes[0]);
        for (k, &lane) in lanes.iter().enumerate().skip(1) {
            vector = self.b.ins().insertlane(vector, lane, k as u8);
        }
        vector
    }

    fn extract(&mut self, _: Reg, a: Value, lane: usize) -> Value {
        self.b.ins().extractlane(a, lane as u8)
    }

    fn high_half(&mut self, reg: Reg, a: Value) -> Value {
        self.upper(ty(reg), a)
    }

    fn load(&mut self, mem: DType, reg: Reg, at: Place<Value>, steady: bool) -> Value {
        self.load_widened(mem, reg, at, if steady { waiting() } else { plain() })
    }

    fn store(&mut self, mem: DType, reg: Reg, value: Value, at: Place<Value>) {
        self.store_cut(mem, reg, value, at);
    }

    /// The test is at the bottom, and once before an iteration that is not certain.
    fn open_loop(
        &mut self,
        [begin, end]: [Value; 2],
        step: i64,
        inits: &[(Reg, Value)],
        nonempty: bool,
    ) -> Opened<Self> {
        let (body, exit) = (self.b.create_block(), self.b.create_block());
        let var = self.b.append_block_param(body, types::I64);
        let phis = inits.iter().map(|&(reg, _)| self.b.append_block_param(body, ty(reg))).collect();
        for &(reg, _) in inits {
            self.b.append_block_param(exit, ty(reg));
        }
        let skipped: Vec<BlockArg> = inits.iter().map(|&(_, v)| v.into()).collect();
        let entered: Vec<BlockArg> = std::iter::once(begin.into()).chain(skipped.iter().copied()).collect();
        if nonempty {
            self.b.ins().jump(body, &entered);
        } else {
            let some = self.b.ins().icmp(IntCC::SignedLessThan, begin, end);
            self.b.ins().brif(some, body, &entered, exit, &skipped);
        }
        self.b.switch_to_block(body);
        Opened { handle: Loop { body, exit, var, end, step }, var, phis }
    }

    fn close_loop(&mut self, l: Loop, nexts: &[Value]) -> Vec<Value> {
        let next = self.b.ins().iadd_imm_s(l.var, l.step);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, l.end);
        let left: Vec<BlockArg> = nexts.iter().map(|&v| v.into()).collect();
        let again: Vec<BlockArg> = std::iter::once(next.into()).chain(left.iter().copied()).collect();
        self.b.ins().brif(more, l.body, &again, l.exit, &left);
        self.b.switch_to_block(l.exit);
        self.b.block_params(l.exit).to_vec()
    }

    fn unless(&mut self, ok: Value) {
        let (good, bad) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(bad);
        let fails = self.b.ins().icmp_imm_s(IntCC::Equal, ok, 0);
        self.b.ins().brif(fails, bad, &[], good, &[]);
        self.b.switch_to_block(bad);
        self.good = Some(good);
    }

    fn fail(&mut self, code: i32, detail: Value) {
        self.b.ins().store(plain(), detail, self.scratch, 0);
        let code = self.b.ins().iconst(types::I32, i64::from(code as u32));
        self.b.ins().return_(&[code]);
        let good = self.good.take().expect("`unless` stands before");
        self.b.switch_to_block(good);
    }

    fn strip(
        &mut self,
        routine: &'static str,
        elem: Elem,
        src: &[Value],
        dst: Value,
        count: Value,
    ) -> Result<(), BackendError> {
        let function = self.symbols.strip(routine, elem).ok_or(BackendError::UnknownRoutine(routine))?;
        let args: Vec<Value> = src.iter().copied().chain([dst, count]).collect();
        self.call(function, &args, None);
        Ok(())
    }

    fn fold(
        &mut self,
        combine: Combine,
        mem: DType,
        lanes: u16,
        src: Value,
        count: Value,
    ) -> Result<Value, BackendError> {
        let function = self.symbols.fold(combine, mem, lanes);
        let function = function.ok_or(BackendError::UnknownRoutine(combine.word()))?;
        let result = if mem == DType::F64 { types::F64 } else { types::F32 };
        let call = self.call(function, &[src, count], Some(result));
        Ok(self.b.inst_results(call)[0])
    }

    fn fold_rows(&mut self, combine: Combine, mem: DType, args: [Value; 5]) -> Result<(), BackendError> {
        let function = self.symbols.fold_rows(combine, mem);
        let function = function.ok_or(BackendError::UnknownRoutine(combine.word()))?;
        self.call(function, &args, None);
        Ok(())
    }

    fn finish(&mut self) {
        let status = self.b.ins().iconst(types::I32, 0);
        self.b.ins().return_(&[status]);
    }
}
