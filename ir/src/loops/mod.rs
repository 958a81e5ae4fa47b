//! LoopIR: a small typed loop language, the form in which every kernel leaves the passes.
//!
//! A [`Kernel`] is SSA in structured control flow. Values ([`Val`]) are instructions of an arena;
//! a block lists, in order, which of them are computed and what is stored. Loops carry values.
//! There are five register types ([`Elem`]); narrower stored types widen on load and are cut on
//! store. Logical lanes may be wider than a machine's registers: emitters legalise them.
//!
//! A compiled kernel is `fn(bufs, scalars, begin, end, scratch) -> i32`: it runs the iterations
//! `begin..end` of its parallel space and returns 0 or the code of the first failed [`Stmt::Check`].

#[doc(hidden)]
pub mod arbitrary;
pub mod build;
mod core;
pub mod count;
pub mod expand;
pub mod fold;
pub mod interp;
pub mod parse;
pub mod text;
pub mod verify;

use crate::dtype::DType;
use smallvec::SmallVec;

/// What a register lane holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Elem {
    /// A truth value; not the stored bool, which is a byte.
    Mask,
    I32,
    I64,
    F32,
    F64,
}

impl Elem {
    pub const fn is_float(self) -> bool {
        matches!(self, Elem::F32 | Elem::F64)
    }

    pub const fn is_int(self) -> bool {
        matches!(self, Elem::I32 | Elem::I64)
    }

    /// Bits of a lane of a number.
    pub const fn bits(self) -> u32 {
        match self {
            Elem::Mask => 1,
            Elem::I32 | Elem::F32 => 32,
            Elem::I64 | Elem::F64 => 64,
        }
    }
}

/// A register type. `lanes` is 1, 2, 4, 8, 16 or 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ty {
    pub elem: Elem,
    pub lanes: u16,
}

impl Ty {
    pub const I64: Ty = Ty::scalar(Elem::I64);
    pub const MASK: Ty = Ty::scalar(Elem::Mask);

    pub const fn scalar(elem: Elem) -> Ty {
        Ty { elem, lanes: 1 }
    }

    pub const fn with_lanes(self, lanes: u16) -> Ty {
        Ty { elem: self.elem, lanes }
    }
}

/// An SSA value: an index into [`Kernel::insts`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Val(pub u32);

/// A parameter of the kernel: an index into [`Kernel::params`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Buf(pub u32);

/// Both operands and the result have one type. Integers wrap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinOp {
    /// int, float
    Add,
    Sub,
    Mul,
    /// float: IEEE quotient. int: truncated quotient; the divisor is not 0 and the quotient fits.
    Div,
    /// int: remainder of the truncated quotient, under the same condition.
    Rem,
    /// int (signed)
    Min,
    Max,
    /// int, mask
    And,
    Or,
    Xor,
    /// int; the amount is below the width
    Shl,
    /// logical
    ShrU,
    /// arithmetic
    ShrS,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnOp {
    /// int, float
    Neg,
    /// int (wraps at the minimum), float
    Abs,
    /// float
    Sqrt,
    Floor,
    Ceil,
    Trunc,
    /// float, to nearest, ties to even
    Nearest,
    /// int, mask
    Not,
}

/// Comparisons: ordered for floats (false on NaN) but for `Ne`; signed for integers. The result is a mask.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CmpOp {
    Lt,
    Le,
    Eq,
    Ne,
}

/// Conversions; the source and result types say the widths.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CastOp {
    /// I32 to I64
    SignExtend,
    /// I32 (as unsigned) to I64
    ZeroExtend,
    /// I64 to I32, dropping the high bits
    Wrap,
    /// int to float, to nearest
    IntToFloat,
    /// float to int, truncated; in range and not NaN
    FloatToInt,
    /// F32 to F64
    Widen,
    /// F64 to F32, to nearest
    Narrow,
    /// Mask to int: 0 or 1
    MaskToInt,
    /// between int and float of one width
    Bits,
}

/// How a loop's accumulators are combined across lanes. Of integers `Min` and `Max` are signed; of floats
/// they carry NaN on: accumulator `a` and new value `b` give `select(or(lt(b, a), ne(b, b)), b, a)` for
/// `Min` and `select(or(lt(a, b), ne(b, b)), b, a)` for `Max`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Combine {
    Add,
    Mul,
    Min,
    Max,
    And,
    Or,
}

/// Where a load or store finds its lanes, in elements of the buffer. One lane is always [`Addr::Unit`]. A
/// store writes its lanes in order: of those that fall on one element the last stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Addr {
    /// Neighbours, starting at the scalar index.
    Unit(Val),
    /// Lane `k` at `index + k * stride`; never stride 1.
    Strided(Val, i64),
    /// Lane `k` at lane `k` of the index (I64 with as many lanes).
    Lanes(Val),
}

impl Addr {
    pub fn index(self) -> Val {
        match self {
            Addr::Unit(v) | Addr::Strided(v, _) | Addr::Lanes(v) => v,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Inst {
    /// A scalar constant: the bits of the lane, zero-extended. Masks are 0 or 1.
    Const(u64),
    /// A loop variable, a carried value or a loop's result: defined by its [`For`]; or `begin`/`end`.
    Defined,
    /// Run-time scalar argument: the slot's low bits (of a mask, the lowest).
    Scalar(u16),
    /// `offset + sum of coefficient * value`, I64 and scalar; terms sorted by value, coefficients not 0.
    Affine {
        terms: SmallVec<[(Val, i64); 4]>,
        offset: i64,
    },
    Bin(BinOp, Val, Val),
    Un(UnOp, Val),
    Cmp(CmpOp, Val, Val),
    /// mask, then, else
    Select(Val, Val, Val),
    /// `a * b + c`, rounded once
    Fma(Val, Val, Val),
    Cast(CastOp, Val),
    /// Loads widen: bool to a mask (byte is not 0), u8/i8/i16 to I32 by their sign, f16/bf16 to I32 as raw bits.
    Load {
        buf: Buf,
        mem: DType,
        addr: Addr,
    },
    /// A scalar in every one of several lanes.
    Splat(Val),
    /// I64, several lanes: lane `k` is `base + k * step`; `base` is scalar.
    Ramp(Val, i64),
    /// Several lanes combined by halves: lane `k`, as the accumulator, with lane `k + lanes/2`, again until
    /// one is left.
    ReduceLanes(Combine, Val),
    /// Neighbouring floats of memory in so many lanes, which begin with the neutral element, and those as
    /// [`Inst::ReduceLanes`] does: a host vector routine. 16 bits are widened to F32. `count` is an I64 scalar, a
    /// multiple of `lanes`.
    Fold {
        combine: Combine,
        lanes: u16,
        src: Stretch,
        count: Val,
    },
    /// A float function of the table of expansions (`scalar_math::expand`), or a conversion of it
    /// (`scalar_math::conversion`). Loops are put into lanes and strips while it stands; [`expand::expand`]
    /// replaces it before a kernel is emitted.
    Math(&'static str, SmallVec<[Val; 2]>),
    /// Entry of the named constant table (see `scalar_math::TABLES`), cut to the lane's width. The index is
    /// I32 or I64, whatever the result's type, and in range.
    Table(&'static str, Val),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Stmt {
    Let(Val),
    For(Box<For>),
    /// Stores cut: I32 to u8/i8/i16/f16/bf16 keeps the low bits, a mask becomes the byte 0 or 1.
    Store {
        buf: Buf,
        mem: DType,
        addr: Addr,
        value: Val,
    },
    /// Leaves the kernel with `code`, which is not 0, unless the mask holds in all its lanes. `detail` (I64, of
    /// one lane or as many as the mask) goes to the first word of the failure record at the start of the scratch
    /// memory; of the lanes that fail the largest detail does.
    Check {
        ok: Val,
        code: i32,
        detail: Val,
    },
    /// `dst[..n] = routine(src[..n])`, a host vector routine when there is one. All have one type, F32 or
    /// F64, and `dst` may be a source, unless the routine is a conversion between two types; `count` is an I64
    /// scalar; `routine` is a scalar function by name.
    Strip {
        routine: &'static str,
        src: SmallVec<[Stretch; 2]>,
        dst: Stretch,
        count: Val,
    },
    /// `acc[j] = combine(acc[j], src[r * stride + j])` of each row `r` below `rows`, in order, and each column `j`
    /// below `count`: a host vector routine. `acc` is scratch of the floats that `src` has, 16 bits being widened to
    /// F32; `rows` and `count` are I64 scalars.
    FoldRows {
        combine: Combine,
        src: Stretch,
        stride: i64,
        rows: Val,
        acc: Buf,
        count: Val,
    },
}

/// Elements of a parameter one behind the other, from the one at a scalar index on, or from the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stretch {
    pub buf: Buf,
    pub at: Option<Val>,
}

impl From<Buf> for Stretch {
    fn from(buf: Buf) -> Stretch {
        Stretch { buf, at: None }
    }
}

impl Stretch {
    pub fn map(self, f: impl FnOnce(Val) -> Val) -> Stretch {
        Stretch { at: self.at.map(f), ..self }
    }
}

pub type Block = Vec<Stmt>;

/// `for var in (begin..end).step_by(step)`; runs no iteration when `begin >= end`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct For {
    pub var: Val,
    pub begin: Val,
    pub end: Val,
    pub step: i64,
    pub carried: Vec<Carried>,
    pub body: Block,
}

/// One loop-carried value: `phi` is `init` in the first iteration and the last `next` after;
/// `result` is what it holds behind the loop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Carried {
    pub phi: Val,
    pub init: Val,
    pub next: Val,
    pub result: Val,
    /// Set when iterations may be regrouped over lanes: `next` is `combine(phi, something without phi)`.
    pub combine: Option<Combine>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    In,
    Out,
    /// Read and written.
    InOut,
    /// Private to a thread: this many elements, undefined when a call begins.
    Scratch(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Param {
    pub mem: DType,
    pub role: Role,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Kernel {
    pub name: String,
    pub params: Vec<Param>,
    /// Register types of the run-time scalars; each is passed in an 8-byte slot.
    pub scalars: Vec<Elem>,
    pub insts: Vec<(Inst, Ty)>,
    /// The size of the parallel space; `begin` and `end` delimit a part of it.
    pub parallel: usize,
    pub begin: Val,
    pub end: Val,
    pub body: Block,
}

impl Kernel {
    pub fn inst(&self, v: Val) -> &Inst {
        &self.insts[v.0 as usize].0
    }

    pub fn ty(&self, v: Val) -> Ty {
        self.insts[v.0 as usize].1
    }

    /// Bytes of scratch memory a call needs, with the failure record, and where each scratch parameter
    /// starts in it (64-byte aligned); `None` for the other parameters.
    pub fn scratch_layout(&self) -> (usize, Vec<Option<usize>>) {
        let mut bytes = FAILURE_RECORD_BYTES;
        let offsets = self
            .params
            .iter()
            .map(|p| match p.role {
                Role::Scratch(n) => {
                    let at = bytes;
                    bytes = (at + n * p.mem.size()).next_multiple_of(64);
                    Some(at)
                }
                _ => None,
            })
            .collect();
        (bytes, offsets)
    }
}

/// The start of every scratch memory: what a failed check leaves behind.
pub const FAILURE_RECORD_BYTES: usize = 64;

/// The register type in which an element of a stored type is held after a load.
pub const fn register_of(mem: DType) -> Elem {
    match mem {
        DType::Bool => Elem::Mask,
        DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::F16 | DType::BF16 => Elem::I32,
        DType::I64 => Elem::I64,
        DType::F32 => Elem::F32,
        DType::F64 => Elem::F64,
    }
}
