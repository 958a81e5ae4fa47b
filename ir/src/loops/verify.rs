//! The invariants of LoopIR. A kernel that [`verify`] accepts can be interpreted and compiled by
//! every emitter without further checks.
//!
//! **Values.** Every instruction of the arena is well typed, used or not, and names only values of the
//! arena. A value has 1, 2, 4, 8, 16 or 32 lanes. Constants and scalar arguments are available
//! everywhere, whether or not a `Let` lists them. Any other value is defined exactly once: by a `Let`, as
//! a loop's variable, carried value or result, or as the kernel's `begin` or `end`; and precisely the
//! values defined by loops and the kernel are [`Inst::Defined`]. A value is used only where it is in
//! scope: after its `Let` in the same block and in blocks nested there; a loop's variable and carried
//! values in its body; a loop's results after it, in the block that holds it; `begin` and `end` everywhere.
//!
//! **Types.** Operands and results are as the documentation of each instruction says; operations on
//! lanes have equally many of them everywhere. Constants fit their type. An affine form is scalar `I64`
//! over scalar `I64` terms, sorted by value without repetition, with coefficients other than 0. Splat,
//! ramp and lane reduction relate one lane to several (at least two).
//!
//! **Memory.** An access names a parameter and its stored type, and the register type is the one that
//! [`register_of`] gives. `In` is never stored to, `Out` never loaded from. An index is `I64`: one scalar
//! for neighbours and strides, as many lanes as the access for [`Addr::Lanes`]; the two latter forms
//! have several lanes, and a stride is not 1. All scratch together is addressable.
//!
//! **Control.** Loop bounds are scalar `I64`, steps positive. The four values of a carry have one type,
//! and its `combine` applies to that type. A check tests a scalar mask, has a code other than 0 and a scalar
//! `I64` detail. A strip reads and writes scratch of one stored type, F32 or F64; its count is a scalar
//! `I64`. Loops nest at most [`MAX_NESTING`] deep.

use super::text::{InstText, StmtText};
use super::*;
use crate::op::scalar_math::{conversion, math_arity, table};
use thiserror::Error;

/// Readers and emitters recurse over nested loops; this bounds their stack.
pub const MAX_NESTING: usize = 64;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("kernel `{kernel}`, at `{place}`: {problem}")]
pub struct VerifyError {
    pub kernel: String,
    /// The text of the statement or value that breaks the rule.
    pub place: String,
    pub problem: Problem,
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Problem {
    #[error("{0} is not in the arena")]
    UnknownValue(Val),
    #[error("{0} is used where it is not defined")]
    NotInScope(Val),
    #[error("{0} is defined more than once")]
    DefinedTwice(Val),
    #[error("{0} is not the kind of value that this place defines")]
    WrongDefinition(Val),
    #[error("{0} lanes; 1, 2, 4, 8, 16 or 32 are possible")]
    LaneCount(u16),
    #[error("{0} is {1} where {2} is required")]
    Type(Val, Ty, String),
    #[error("the result is {0} where {1} is required")]
    ResultType(Ty, String),
    #[error("{0} does not apply to {1}")]
    Undefined(&'static str, Elem),
    #[error("the constant {0:#x} does not fit its type")]
    ConstRange(u64),
    #[error("the kernel has no scalar s{0}")]
    UnknownScalar(u16),
    #[error("the affine form is not sorted by value, or has a coefficient 0")]
    AffineForm,
    #[error("the kernel has no parameter {0}")]
    UnknownBuffer(Buf),
    #[error("{0} holds {1}, not {2}")]
    StoredType(Buf, DType, DType),
    #[error("{0} may not be loaded from")]
    NotReadable(Buf),
    #[error("{0} may not be stored to")]
    NotWritable(Buf),
    #[error("{0} is not scratch memory")]
    NotScratch(Buf),
    #[error("an access of one lane is a unit access")]
    ScalarAddress,
    #[error("a stride of 1 is a unit access")]
    StrideOne,
    #[error("no constant table is called `{0}`")]
    UnknownTable(&'static str),
    #[error("no function of so many arguments is called `{0}`")]
    UnknownFunction(&'static str),
    #[error("the step {0} is not positive")]
    Step(i64),
    #[error("code 0 means success")]
    CheckCode,
    #[error("a strip has at least one source")]
    StripSources,
    #[error("the scratch memory is larger than the address space")]
    ScratchSize,
    #[error("loops are nested more than {MAX_NESTING} deep")]
    Nesting,
}

type Check = Result<(), Problem>;

/// Whether `kernel` keeps every invariant of this module.
pub fn verify(kernel: &Kernel) -> Result<(), VerifyError> {
    let fail = |place: String, problem| VerifyError { kernel: kernel.name.clone(), place, problem };
    if scratch_overflows(kernel) {
        return Err(fail("scratch".into(), Problem::ScratchSize));
    }
    for (i, (inst, ty)) in kernel.insts.iter().enumerate() {
        Types { kernel }
            .inst(inst, *ty)
            .map_err(|p| fail(format!("{}: {ty} = {}", Val(i as u32), InstText(inst, *ty)), p))?;
    }
    let mut scopes = Scopes::new(kernel);
    for v in [kernel.begin, kernel.end] {
        scopes
            .define_special(v)
            .and_then(|()| Types { kernel }.index(v))
            .map_err(|p| fail(format!("({}..{})", kernel.begin, kernel.end), p))?;
    }
    match scopes.block(&kernel.body, 0) {
        Ok(_) => Ok(()),
        Err((stmt, p)) => Err(fail(StmtText { kernel, stmt }.to_string(), p)),
    }
}

fn scratch_overflows(kernel: &Kernel) -> bool {
    let mut total = FAILURE_RECORD_BYTES;
    kernel.params.iter().any(|p| match p.role {
        Role::Scratch(n) => {
            let end = n.checked_mul(p.mem.size()).and_then(|b| b.checked_add(total + 63));
            total = end.unwrap_or(usize::MAX);
            total > isize::MAX as usize
        }
        _ => false,
    })
}

/// The typing rules; nothing here knows about scope.
struct Types<'k> {
    kernel: &'k Kernel,
}

impl Types<'_> {
    fn ty(&self, v: Val) -> Result<Ty, Problem> {
        self.kernel.insts.get(v.0 as usize).map(|i| i.1).ok_or(Problem::UnknownValue(v))
    }

    fn is(&self, v: Val, want: Ty) -> Check {
        match self.ty(v)? {
            ty if ty == want => Ok(()),
            ty => Err(Problem::Type(v, ty, want.to_string())),
        }
    }

    /// A scalar I64: what indices, bounds and counts are.
    fn index(&self, v: Val) -> Check {
        self.is(v, Ty::I64)
    }

    fn several(&self, ty: Ty) -> Check {
        if ty.lanes > 1 { Ok(()) } else { Err(Problem::ResultType(ty, "several lanes".into())) }
    }

    fn inst(&self, inst: &Inst, ty: Ty) -> Check {
        if !matches!(ty.lanes, 1 | 2 | 4 | 8 | 16 | 32) {
            return Err(Problem::LaneCount(ty.lanes));
        }
        let result = |want: Ty| {
            if ty == want { Ok(()) } else { Err(Problem::ResultType(ty, want.to_string())) }
        };
        match inst {
            Inst::Const(bits) => {
                result(Ty::scalar(ty.elem))?;
                let fits = ty.elem.bits() == 64 || bits >> ty.elem.bits() == 0;
                if fits { Ok(()) } else { Err(Problem::ConstRange(*bits)) }
            }
            Inst::Defined => Ok(()),
            Inst::Scalar(i) => {
                let elem = self.kernel.scalars.get(*i as usize).ok_or(Problem::UnknownScalar(*i))?;
                result(Ty::scalar(*elem))
            }
            Inst::Affine { terms, .. } => {
                result(Ty::I64)?;
                terms.iter().try_for_each(|&(v, _)| self.index(v))?;
                let sorted = terms.windows(2).all(|w| w[0].0 < w[1].0);
                if sorted && terms.iter().all(|t| t.1 != 0) { Ok(()) } else { Err(Problem::AffineForm) }
            }
            Inst::Bin(op, a, b) => {
                bin_applies(*op, ty.elem)?;
                self.is(*a, ty)?;
                self.is(*b, ty)
            }
            Inst::Un(op, a) => {
                un_applies(*op, ty.elem)?;
                self.is(*a, ty)
            }
            Inst::Cmp(op, a, b) => {
                let operand = self.ty(*a)?;
                result(Ty { elem: Elem::Mask, lanes: operand.lanes })?;
                if operand.elem == Elem::Mask {
                    return Err(Problem::Undefined(op.word(), Elem::Mask));
                }
                self.is(*b, operand)
            }
            Inst::Select(m, a, b) => {
                self.is(*m, Ty { elem: Elem::Mask, lanes: ty.lanes })?;
                self.is(*a, ty)?;
                self.is(*b, ty)
            }
            Inst::Fma(a, b, c) => {
                if !ty.elem.is_float() {
                    return Err(Problem::Undefined("fma", ty.elem));
                }
                [a, b, c].into_iter().try_for_each(|&v| self.is(v, ty))
            }
            Inst::Cast(op, a) => self.cast(*op, *a, ty),
            Inst::Load { buf, mem, addr } => {
                let param = self.param(*buf, *mem)?;
                if param.role == Role::Out {
                    return Err(Problem::NotReadable(*buf));
                }
                result(Ty { elem: register_of(*mem), lanes: ty.lanes })?;
                self.addr(*addr, ty.lanes)
            }
            Inst::Splat(a) => {
                self.several(ty)?;
                self.is(*a, Ty::scalar(ty.elem))
            }
            Inst::Ramp(base, _) => {
                result(Ty::I64.with_lanes(ty.lanes))?;
                self.several(ty)?;
                self.index(*base)
            }
            Inst::ReduceLanes(combine, a) => {
                let operand = self.ty(*a)?;
                result(Ty::scalar(operand.elem))?;
                combine_applies(*combine, operand.elem)?;
                if operand.lanes > 1 {
                    Ok(())
                } else {
                    Err(Problem::Type(*a, operand, "several lanes".into()))
                }
            }
            Inst::Fold { combine, lanes, src, count } => {
                result(Ty::scalar(self.folded(*combine, *src)?))?;
                if !matches!(lanes, 2 | 4 | 8 | 16 | 32) {
                    return Err(Problem::LaneCount(*lanes));
                }
                self.index(*count)
            }
            Inst::Math(name, args) => {
                let converted = conversion(name).map(|(from, to)| (register_of(from), register_of(to)));
                let (from, to) = converted.unwrap_or((ty.elem, ty.elem));
                if ty.elem != to || (converted.is_none() && !to.is_float()) {
                    return Err(Problem::Undefined("math", ty.elem));
                }
                if math_arity(name) != Some(args.len()) {
                    return Err(Problem::UnknownFunction(name));
                }
                args.iter().try_for_each(|&v| self.is(v, Ty { elem: from, ..ty }))
            }
            Inst::Table(name, index) => {
                if ty.elem == Elem::Mask {
                    return Err(Problem::Undefined("table", ty.elem));
                }
                let operand = self.ty(*index)?;
                if !operand.elem.is_int() || operand.lanes != ty.lanes {
                    return Err(Problem::Type(*index, operand, "an integer with the result's lanes".into()));
                }
                table(name).map(|_| ()).ok_or(Problem::UnknownTable(name))
            }
        }
    }

    fn cast(&self, op: CastOp, a: Val, to: Ty) -> Check {
        use Elem::*;
        let from = self.ty(a)?;
        let possible = match op {
            CastOp::SignExtend | CastOp::ZeroExtend => (from.elem, to.elem) == (I32, I64),
            CastOp::Wrap => (from.elem, to.elem) == (I64, I32),
            CastOp::IntToFloat => from.elem.is_int() && to.elem.is_float(),
            CastOp::FloatToInt => from.elem.is_float() && to.elem.is_int(),
            CastOp::Widen => (from.elem, to.elem) == (F32, F64),
            CastOp::Narrow => (from.elem, to.elem) == (F64, F32),
            CastOp::MaskToInt => from.elem == Mask && to.elem.is_int(),
            CastOp::Bits => {
                matches!((from.elem, to.elem), (I32, F32) | (F32, I32) | (I64, F64) | (F64, I64))
            }
        };
        if possible && from.lanes == to.lanes {
            return Ok(());
        }
        Err(Problem::Type(a, from, format!("something that `{op}` turns into {to}")))
    }

    fn param(&self, buf: Buf, mem: DType) -> Result<Param, Problem> {
        let param = *self.kernel.params.get(buf.0 as usize).ok_or(Problem::UnknownBuffer(buf))?;
        if param.mem == mem { Ok(param) } else { Err(Problem::StoredType(buf, param.mem, mem)) }
    }

    fn addr(&self, addr: Addr, lanes: u16) -> Check {
        if lanes == 1 && !matches!(addr, Addr::Unit(_)) {
            return Err(Problem::ScalarAddress);
        }
        match addr {
            Addr::Unit(v) => self.index(v),
            Addr::Strided(_, 1) => Err(Problem::StrideOne),
            Addr::Strided(v, _) => self.index(v),
            Addr::Lanes(v) => self.is(v, Ty::I64.with_lanes(lanes)),
        }
    }

    fn store(&self, buf: Buf, mem: DType, addr: Addr, value: Val) -> Check {
        let param = self.param(buf, mem)?;
        if param.role == Role::In {
            return Err(Problem::NotWritable(buf));
        }
        let ty = self.ty(value)?;
        self.is(value, Ty { elem: register_of(mem), lanes: ty.lanes })?;
        self.addr(addr, ty.lanes)
    }

    fn strip(&self, routine: &str, src: &[Stretch], dst: Stretch, count: Val) -> Check {
        let &first = src.first().ok_or(Problem::StripSources)?;
        let mem = self.stretch(first)?;
        let converted = conversion(routine);
        if converted.is_none() && !matches!(mem, DType::F32 | DType::F64) {
            return Err(Problem::Undefined("strip", register_of(mem)));
        }
        let (from, to) = converted.unwrap_or((mem, mem));
        for (&s, wanted) in src.iter().map(|s| (s, from)).chain([(&dst, to)]) {
            let other = self.stretch(s)?;
            if other != wanted {
                return Err(Problem::StoredType(s.buf, other, wanted));
            }
        }
        if self.kernel.params[dst.buf.0 as usize].role == Role::In {
            return Err(Problem::NotWritable(dst.buf));
        }
        self.index(count)
    }

    fn fold_rows(&self, combine: Combine, src: Stretch, rows: Val, acc: Buf, count: Val) -> Check {
        let elem = self.folded(combine, src)?;
        let (held, wanted) =
            (self.stretch(acc.into())?, if elem == Elem::F64 { DType::F64 } else { DType::F32 });
        if held != wanted {
            return Err(Problem::StoredType(acc, held, wanted));
        }
        self.index(rows)?;
        self.index(count)
    }

    /// The register in which the elements of a stretch are combined.
    fn folded(&self, combine: Combine, src: Stretch) -> Result<Elem, Problem> {
        let mem = self.stretch(src)?;
        let elem = fold::register_of(mem).ok_or(Problem::Undefined("fold", register_of(mem)))?;
        combine_applies(combine, elem)?;
        if self.kernel.params[src.buf.0 as usize].role == Role::Out {
            return Err(Problem::NotReadable(src.buf));
        }
        Ok(elem)
    }

    /// The type of its memory; what has no index is scratch.
    fn stretch(&self, s: Stretch) -> Result<DType, Problem> {
        let param = self.kernel.params.get(s.buf.0 as usize).ok_or(Problem::UnknownBuffer(s.buf))?;
        match s.at {
            Some(at) => self.index(at)?,
            None if !matches!(param.role, Role::Scratch(_)) => return Err(Problem::NotScratch(s.buf)),
            None => {}
        }
        Ok(param.mem)
    }
}

fn applies(op: &'static str, elem: Elem, possible: bool) -> Check {
    if possible { Ok(()) } else { Err(Problem::Undefined(op, elem)) }
}

fn bin_applies(op: BinOp, elem: Elem) -> Check {
    let possible = match op {
        BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Div => elem != Elem::Mask,
        BinOp::And | BinOp::Or | BinOp::Xor => !elem.is_float(),
        BinOp::Rem | BinOp::Min | BinOp::Max | BinOp::Shl | BinOp::ShrU | BinOp::ShrS => elem.is_int(),
    };
    applies(op.word(), elem, possible)
}

fn un_applies(op: UnOp, elem: Elem) -> Check {
    let possible = match op {
        UnOp::Neg | UnOp::Abs => elem != Elem::Mask,
        UnOp::Sqrt | UnOp::Floor | UnOp::Ceil | UnOp::Trunc | UnOp::Nearest => elem.is_float(),
        UnOp::Not => !elem.is_float(),
    };
    applies(op.word(), elem, possible)
}

fn combine_applies(combine: Combine, elem: Elem) -> Check {
    let possible = match combine {
        Combine::Add | Combine::Mul | Combine::Min | Combine::Max => elem != Elem::Mask,
        Combine::And | Combine::Or => !elem.is_float(),
    };
    applies(combine.word(), elem, possible)
}

/// Whether a value needs no definition in the body.
fn everywhere(inst: &Inst) -> bool {
    matches!(inst, Inst::Const(_) | Inst::Scalar(_))
}

/// The rules of definition and scope, in one walk over the body.
struct Scopes<'k> {
    kernel: &'k Kernel,
    types: Types<'k>,
    defined: Vec<bool>,
    visible: Vec<bool>,
}

impl<'k> Scopes<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let visible = kernel.insts.iter().map(|(inst, _)| everywhere(inst)).collect();
        Scopes { kernel, types: Types { kernel }, defined: vec![false; kernel.insts.len()], visible }
    }

    fn used(&self, v: Val) -> Check {
        match self.visible.get(v.0 as usize) {
            Some(true) => Ok(()),
            Some(false) => Err(Problem::NotInScope(v)),
            None => Err(Problem::UnknownValue(v)),
        }
    }

    fn define(&mut self, v: Val) -> Check {
        if std::mem::replace(&mut self.defined[v.0 as usize], true) {
            return Err(Problem::DefinedTwice(v));
        }
        self.visible[v.0 as usize] = true;
        Ok(())
    }

    /// Defines a value that is no instruction's result.
    fn define_special(&mut self, v: Val) -> Check {
        self.types.ty(v)?;
        match self.kernel.inst(v) {
            Inst::Defined => self.define(v),
            _ => Err(Problem::WrongDefinition(v)),
        }
    }

    /// Walks a block and returns what it has defined, still visible: a loop looks at its `next` values
    /// before it hides them.
    fn block(&mut self, block: &'k Block, depth: usize) -> Result<Vec<Val>, (&'k Stmt, Problem)> {
        let mut local = Vec::new();
        for stmt in block {
            match stmt {
                Stmt::For(l) => {
                    self.loop_head(l, depth).map_err(|p| (stmt, p))?;
                    let inner = self.block(&l.body, depth + 1)?;
                    self.loop_tail(l, inner).map_err(|p| (stmt, p))?;
                    local.extend(l.carried.iter().map(|c| c.result));
                }
                Stmt::Let(v) => {
                    self.instruction(*v).map_err(|p| (stmt, p))?;
                    local.push(*v);
                }
                _ => self.effect(stmt).map_err(|p| (stmt, p))?,
            }
        }
        Ok(local)
    }

    fn instruction(&mut self, v: Val) -> Check {
        self.types.ty(v)?;
        let inst = self.kernel.inst(v);
        if *inst == Inst::Defined {
            return Err(Problem::WrongDefinition(v));
        }
        let mut operands = Ok(());
        build::operands(inst, |o| {
            if operands.is_ok() {
                operands = self.used(o);
            }
        });
        operands?;
        self.define(v)
    }

    fn effect(&self, stmt: &Stmt) -> Check {
        match stmt {
            Stmt::Store { buf, mem, addr, value } => {
                self.used(addr.index())?;
                self.used(*value)?;
                self.types.store(*buf, *mem, *addr, *value)
            }
            Stmt::Check { ok, code, detail } => {
                self.used(*ok)?;
                self.used(*detail)?;
                let lanes = self.types.ty(*ok)?.lanes;
                self.types.is(*ok, Ty::MASK.with_lanes(lanes))?;
                if self.types.ty(*detail)?.lanes == 1 {
                    self.types.index(*detail)?;
                } else {
                    self.types.is(*detail, Ty::I64.with_lanes(lanes))?;
                }
                if *code == 0 { Err(Problem::CheckCode) } else { Ok(()) }
            }
            Stmt::Strip { routine, src, dst, count } => {
                self.used(*count)?;
                src.iter().chain([dst]).filter_map(|s| s.at).try_for_each(|v| self.used(v))?;
                self.types.strip(routine, src, *dst, *count)
            }
            Stmt::FoldRows { combine, src, rows, acc, count, .. } => {
                [*rows, *count].into_iter().chain(src.at).try_for_each(|v| self.used(v))?;
                self.types.fold_rows(*combine, *src, *rows, *acc, *count)
            }
            Stmt::Let(_) | Stmt::For(_) => unreachable!("these define values"),
        }
    }

    fn loop_head(&mut self, l: &For, depth: usize) -> Check {
        if depth == MAX_NESTING {
            return Err(Problem::Nesting);
        }
        for v in [l.begin, l.end] {
            self.used(v)?;
            self.types.index(v)?;
        }
        if l.step <= 0 {
            return Err(Problem::Step(l.step));
        }
        for c in &l.carried {
            self.used(c.init)?;
            let ty = self.types.ty(c.phi)?;
            [c.init, c.next, c.result].into_iter().try_for_each(|v| self.types.is(v, ty))?;
            if let Some(combine) = c.combine {
                combine_applies(combine, ty.elem)?;
            }
        }
        self.define_special(l.var)?;
        self.types.index(l.var)?;
        l.carried.iter().try_for_each(|c| self.define_special(c.phi))
    }

    fn loop_tail(&mut self, l: &For, inner: Vec<Val>) -> Check {
        l.carried.iter().try_for_each(|c| self.used(c.next))?;
        for v in inner.into_iter().chain([l.var]).chain(l.carried.iter().map(|c| c.phi)) {
            self.visible[v.0 as usize] = everywhere(self.kernel.inst(v));
        }
        l.carried.iter().try_for_each(|c| self.define_special(c.result))
    }
}
