//! What a machine must provide so that [`crate::walk`] can emit a LoopIR kernel for it.
//!
//! A target sees scalars and 128-bit vectors only: the walk has already split logical lanes into parts,
//! found the addresses, and taken apart by lane whatever the target does not call [`Target::native`].
//!
//! Masks: a scalar truth value is a [`Reg::Bool`]; a vector of them is an integer vector of the width of what
//! was compared, each lane all ones or all zeros.

use crate::BackendError;
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::{BinOp, CastOp, CmpOp, Combine, Elem, UnOp};

/// What one machine register holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reg {
    Bool,
    I32,
    I64,
    F32,
    F64,
    I32x4,
    I64x2,
    F32x4,
    F64x2,
}

impl Reg {
    pub const fn lanes(self) -> usize {
        match self {
            Reg::Bool | Reg::I32 | Reg::I64 | Reg::F32 | Reg::F64 => 1,
            Reg::I64x2 | Reg::F64x2 => 2,
            Reg::I32x4 | Reg::F32x4 => 4,
        }
    }

    pub const fn is_vector(self) -> bool {
        self.lanes() > 1
    }

    pub const fn is_float(self) -> bool {
        matches!(self, Reg::F32 | Reg::F64 | Reg::F32x4 | Reg::F64x2)
    }

    /// The scalar register of one lane.
    pub const fn lane(self) -> Reg {
        match self {
            Reg::I32x4 => Reg::I32,
            Reg::I64x2 => Reg::I64,
            Reg::F32x4 => Reg::F32,
            Reg::F64x2 => Reg::F64,
            scalar => scalar,
        }
    }

    /// The scalar register for an element.
    pub const fn scalar(elem: Elem) -> Reg {
        match elem {
            Elem::Mask => Reg::Bool,
            Elem::I32 => Reg::I32,
            Elem::I64 => Reg::I64,
            Elem::F32 => Reg::F32,
            Elem::F64 => Reg::F64,
        }
    }

    /// The vector register for an element; masks are held in 32 bits.
    pub const fn vector(elem: Elem) -> Reg {
        match elem {
            Elem::Mask | Elem::I32 => Reg::I32x4,
            Elem::I64 => Reg::I64x2,
            Elem::F32 => Reg::F32x4,
            Elem::F64 => Reg::F64x2,
        }
    }

    /// What a comparison of two such registers yields.
    pub const fn mask(self) -> Reg {
        match self {
            Reg::I32x4 | Reg::F32x4 => Reg::I32x4,
            Reg::I64x2 | Reg::F64x2 => Reg::I64x2,
            _ => Reg::Bool,
        }
    }
}

/// An operation whose vector form a machine may lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Bin(BinOp),
    Un(UnOp),
    Cmp(CmpOp),
    Fma,
    /// Of the two element types.
    Cast(CastOp, Elem, Elem),
}

/// A place in memory: a pointer and a constant number of bytes behind it.
#[derive(Clone, Copy, Debug)]
pub struct Place<V> {
    pub base: V,
    pub offset: i32,
}

/// A loop being emitted.
pub struct Opened<T: Target + ?Sized> {
    pub handle: T::Loop,
    pub var: T::Value,
    pub phis: Vec<T::Value>,
}

/// An emitter. Every method but [`Target::native`] appends code; a value may be used wherever the place that
/// made it dominates.
pub trait Target {
    type Value: Copy;
    type Loop;

    /// Whether the vector form exists; for scalars every operation must.
    fn native(&self, op: Op, reg: Reg) -> bool;

    /// A constant; `bits` has one entry per lane.
    fn constant(&mut self, reg: Reg, bits: &[u64]) -> Self::Value;
    /// The run-time scalar of this slot.
    fn scalar(&mut self, slot: u16, reg: Reg) -> Self::Value;
    /// The first byte of a parameter, scratch or not.
    fn buffer(&mut self, param: u32) -> Self::Value;
    /// The part of the parallel space to run.
    fn bounds(&self) -> (Self::Value, Self::Value);
    /// The first byte of a constant table of 8-byte entries.
    fn table(&mut self, name: &'static str) -> Result<Self::Value, BackendError>;

    /// All but the shifts. Masks have And, Or and Xor.
    fn bin(&mut self, op: BinOp, reg: Reg, a: Self::Value, b: Self::Value) -> Self::Value;
    /// Every lane shifted by one scalar amount, an I32 or I64 below the width.
    fn shift(&mut self, op: BinOp, reg: Reg, a: Self::Value, amount: Self::Value) -> Self::Value;
    fn un(&mut self, op: UnOp, reg: Reg, a: Self::Value) -> Self::Value;
    /// A mask of `reg.mask()`.
    fn cmp(&mut self, op: CmpOp, reg: Reg, a: Self::Value, b: Self::Value) -> Self::Value;
    fn select(&mut self, reg: Reg, mask: Self::Value, a: Self::Value, b: Self::Value) -> Self::Value;
    fn fma(&mut self, reg: Reg, a: Self::Value, b: Self::Value, c: Self::Value) -> Self::Value;

    /// Between registers with one number of lanes. `Bits` between an integer vector and a mask is the identity.
    fn cast(&mut self, op: CastOp, from: Reg, to: Reg, a: Self::Value) -> Self::Value;
    /// The low or high two lanes of a 32-bit vector to a 64-bit one.
    fn widen(&mut self, op: CastOp, from: Reg, to: Reg, a: Self::Value, high: bool) -> Self::Value;
    /// Two 64-bit vectors to one 32-bit vector.
    fn narrow(&mut self, op: CastOp, from: Reg, to: Reg, a: [Self::Value; 2]) -> Self::Value;

    fn splat(&mut self, reg: Reg, a: Self::Value) -> Self::Value;
    /// A vector from one scalar per lane.
    fn build(&mut self, reg: Reg, lanes: &[Self::Value]) -> Self::Value;
    fn extract(&mut self, reg: Reg, a: Self::Value, lane: usize) -> Self::Value;
    /// The upper half of the lanes moved to the lower; the upper half of the result is unspecified.
    fn high_half(&mut self, reg: Reg, a: Self::Value) -> Self::Value;

    /// Neighbouring elements of a stored type, widened to the register as LoopIR's loads do; no alignment is assumed.
    /// A bool goes to `Bool` or to the mask `I32x4`. What is `steady` is not written while the innermost loop runs,
    /// nor is it read before its turn in a loop that never runs: the load may wait for its use.
    fn load(&mut self, mem: DType, reg: Reg, at: Place<Self::Value>, steady: bool) -> Self::Value;
    fn store(&mut self, mem: DType, reg: Reg, value: Self::Value, at: Place<Self::Value>);

    /// `nonempty` promises one iteration at least. Everything up to the matching `close_loop` is the body.
    fn open_loop(
        &mut self,
        range: [Self::Value; 2],
        step: i64,
        inits: &[(Reg, Self::Value)],
        nonempty: bool,
    ) -> Opened<Self>;
    /// The carried values behind the loop.
    fn close_loop(&mut self, opened: Self::Loop, nexts: &[Self::Value]) -> Vec<Self::Value>;
    /// What follows, up to `fail`, runs unless `ok`, and is not expected to.
    fn unless(&mut self, ok: Self::Value);
    /// Stores `detail` in the failure record and returns `code`; what follows runs where `ok` held.
    fn fail(&mut self, code: i32, detail: Self::Value);
    /// Calls the host's vector routine: sources, destination, count.
    fn strip(
        &mut self,
        routine: &'static str,
        elem: Elem,
        src: &[Self::Value],
        dst: Self::Value,
        count: Self::Value,
    ) -> Result<(), BackendError>;
    /// The host's vector routine that folds so many elements from a pointer on.
    fn fold(
        &mut self,
        combine: Combine,
        mem: DType,
        lanes: u16,
        src: Self::Value,
        count: Self::Value,
    ) -> Result<Self::Value, BackendError>;
    /// The host's vector routine that takes rows into accumulators: pointers to these and to the rows, number of rows,
    /// elements from one to the next, columns.
    fn fold_rows(&mut self, combine: Combine, mem: DType, args: [Self::Value; 5])
    -> Result<(), BackendError>;
    /// The end of the kernel: it succeeded.
    fn finish(&mut self);
}
