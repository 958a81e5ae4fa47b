//! The text form of LoopIR; [`parse_kernel`](super::parse::parse_kernel) reads it back exactly.
//!
//! ```text
//! kernel row_sum(in %b0: f32, out %b1: f32, scalar s0: f32) parallel 64 (v0..v1)
//! where
//!   v3: i64 = const 0
//!   v4: i64 = const 16
//!   v5: f32 = scalar s0
//! {
//!   for v2 in v0..v1 step 1 {
//!     for v6 in v3..v4 step 4 carry (v7: f32 = v5 -> v10 => v11 by add) {
//!       v8: i64 = affine 16*v2 + v6
//!       v9: f32 = load f32 %b0[v8]
//!       v10: f32 = add v7, v9
//!     }
//!     store f32 %b1[v2] = v11
//!   }
//! }
//! ```
//!
//! A value's number is its place in the kernel's arena. The `where` clause holds the values that no
//! statement introduces: constants, scalar arguments and what a pass has left unused. The ends of the
//! parallel range and loop variables are `i64` unless the clause says otherwise; a loop's result has the
//! type of its carried value. An index is `[v]` (neighbours from `v`), `[v by 3]` (lanes three apart) or
//! `[lanes v]`. Floats are printed in the shortest form that reads back; NaNs and constants that do not
//! fit their type are printed as bits in hexadecimal. A comment runs from `;` to the end of its line.

use super::parse::is_numbered;
use super::{
    Addr, BinOp, Block, CastOp, CmpOp, Combine, Elem, For, Inst, Kernel, Role, Stmt, Stretch, Ty, UnOp, Val,
};
use rustc_hash::FxHashMap;
use std::fmt::{self, Display, Formatter, Write};

/// Gives an enum of plain words its names, its `ALL`, `Display`, and the way back from a name.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// The word of the text form.
            pub const fn word(self) -> &'static str {
                match self { $($type::$variant => $word),* }
            }

            pub fn from_word(word: &str) -> Option<$type> {
                match word { $($word => Some($type::$variant),)* _ => None }
            }
        }

        impl Display for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words!(Elem { Mask = "mask", I32 = "i32", I64 = "i64", F32 = "f32", F64 = "f64" });
words!(BinOp {
    Add = "add",
    Sub = "sub",
    Mul = "mul",
    Div = "div",
    Rem = "rem",
    Min = "min",
    Max = "max",
    And = "and",
    Or = "or",
    Xor = "xor",
    Shl = "shl",
    ShrU = "shr_u",
    ShrS = "shr_s",
});
words!(UnOp {
    Neg = "neg",
    Abs = "abs",
    Sqrt = "sqrt",
    Floor = "floor",
    Ceil = "ceil",
    Trunc = "trunc",
    Nearest = "nearest",
    Not = "not",
});
words!(CmpOp { Lt = "lt", Le = "le", Eq = "eq", Ne = "ne" });
words!(CastOp {
    SignExtend = "sign_extend",
    ZeroExtend = "zero_extend",
    Wrap = "wrap",
    IntToFloat = "int_to_float",
    FloatToInt = "float_to_int",
    Widen = "widen",
    Narrow = "narrow",
    MaskToInt = "mask_to_int",
    Bits = "bits",
});
words!(Combine { Add = "add", Mul = "mul", Min = "min", Max = "max", And = "and", Or = "or" });

impl Display for Ty {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.lanes {
            1 => write!(f, "{}", self.elem),
            n => write!(f, "{}x{n}", self.elem),
        }
    }
}

impl Display for Val {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for super::Buf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%b{}", self.0)
    }
}

impl Display for Addr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Addr::Unit(v) => write!(f, "[{v}]"),
            Addr::Strided(v, stride) => write!(f, "[{v} by {stride}]"),
            Addr::Lanes(v) => write!(f, "[lanes {v}]"),
        }
    }
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}(", Name(&self.name))?;
        let mut comma = "";
        for (i, p) in self.params.iter().enumerate() {
            let (role, mem) = (p.role, p.mem);
            match role {
                Role::In => write!(f, "{comma}in %b{i}: {mem}")?,
                Role::Out => write!(f, "{comma}out %b{i}: {mem}")?,
                Role::InOut => write!(f, "{comma}inout %b{i}: {mem}")?,
                Role::Scratch(n) => write!(f, "{comma}scratch %b{i}: {mem}[{n}]")?,
            }
            comma = ", ";
        }
        for (i, elem) in self.scalars.iter().enumerate() {
            write!(f, "{comma}scalar s{i}: {elem}")?;
            comma = ", ";
        }
        writeln!(f, ") parallel {} ({}..{})", self.parallel, self.begin, self.end)?;
        let introduced = introduced(self);
        let mut head = "where\n";
        for (i, (inst, ty)) in self.insts.iter().enumerate() {
            if introduced.get(&Val(i as u32)) != Some(&(inst, *ty)) {
                writeln!(f, "{head}  {}: {ty} = {}", Val(i as u32), InstText(inst, *ty))?;
                head = "";
            }
        }
        f.write_str("{\n")?;
        write_block(f, self, &self.body, 1)?;
        f.write_str("}\n")
    }
}

/// What a reader of the text without its `where` clause takes each value to be: a statement's own
/// definition first, else what its first use by the kernel or a loop implies.
fn introduced(k: &Kernel) -> FxHashMap<Val, (&Inst, Ty)> {
    fn visit<'k>(
        k: &'k Kernel,
        block: &'k Block,
        lets: &mut FxHashMap<Val, (&'k Inst, Ty)>,
        implied: &mut Vec<(Val, Ty)>,
    ) {
        for stmt in block {
            match stmt {
                Stmt::Let(v) => {
                    if let Some((inst, ty)) = k.insts.get(v.0 as usize) {
                        lets.insert(*v, (inst, *ty));
                    }
                }
                Stmt::For(l) => {
                    implied.push((l.var, Ty::I64));
                    for c in &l.carried {
                        let ty = k.insts.get(c.phi.0 as usize).map_or(Ty::I64, |i| i.1);
                        implied.extend([(c.phi, ty), (c.result, ty)]);
                    }
                    visit(k, &l.body, lets, implied);
                }
                Stmt::Store { .. } | Stmt::Check { .. } | Stmt::Strip { .. } | Stmt::FoldRows { .. } => {}
            }
        }
    }
    let mut values = FxHashMap::default();
    let mut implied = vec![(k.begin, Ty::I64), (k.end, Ty::I64)];
    visit(k, &k.body, &mut values, &mut implied);
    for (v, ty) in implied {
        values.entry(v).or_insert((&Inst::Defined, ty));
    }
    values
}

fn write_block(f: &mut Formatter<'_>, k: &Kernel, block: &Block, depth: usize) -> fmt::Result {
    for stmt in block {
        write!(f, "{:indent$}{}", "", StmtText { kernel: k, stmt }, indent = 2 * depth)?;
        if let Stmt::For(l) = stmt {
            f.write_str(" {\n")?;
            write_block(f, k, &l.body, depth + 1)?;
            write!(f, "{:indent$}}}", "", indent = 2 * depth)?;
        }
        f.write_str("\n")?;
    }
    Ok(())
}

/// One statement; of a loop its head only.
pub struct StmtText<'a> {
    pub kernel: &'a Kernel,
    pub stmt: &'a Stmt,
}

impl Display for StmtText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.stmt {
            Stmt::Let(v) => match self.kernel.insts.get(v.0 as usize) {
                Some((inst, ty)) => write!(f, "{v}: {ty} = {}", InstText(inst, *ty)),
                None => write!(f, "{v} = ?"),
            },
            Stmt::For(l) => write_for(f, self.kernel, l),
            Stmt::Store { buf, mem, addr, value } => write!(f, "store {mem} {buf}{addr} = {value}"),
            Stmt::Check { ok, code, detail } => write!(f, "check {ok} else {code}, {detail}"),
            Stmt::Strip { routine, src, dst, count } => {
                write!(f, "strip {}(", Name(routine))?;
                for (i, s) in src.iter().enumerate() {
                    write!(f, "{}{s}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, ") -> {dst} count {count}")
            }
            Stmt::FoldRows { combine, src, stride, rows, acc, count } => {
                write!(f, "fold_rows {combine} {src} stride {stride} rows {rows} into {acc} count {count}")
            }
        }
    }
}

impl Display for Stretch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}[{at}]", self.buf),
            None => write!(f, "{}", self.buf),
        }
    }
}

fn write_for(f: &mut Formatter<'_>, k: &Kernel, l: &For) -> fmt::Result {
    write!(f, "for {} in {}..{} step {}", l.var, l.begin, l.end, l.step)?;
    for (i, c) in l.carried.iter().enumerate() {
        f.write_str(if i == 0 { " carry (" } else { ", " })?;
        write!(f, "{}", c.phi)?;
        if let Some((_, ty)) = k.insts.get(c.phi.0 as usize) {
            write!(f, ": {ty}")?;
        }
        write!(f, " = {} -> {} => {}", c.init, c.next, c.result)?;
        if let Some(combine) = c.combine {
            write!(f, " by {combine}")?;
        }
    }
    f.write_str(if l.carried.is_empty() { "" } else { ")" })
}

/// An instruction without its result; the type decides how a constant is printed.
pub struct InstText<'a>(pub &'a Inst, pub Ty);

impl Display for InstText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Inst::Const(bits) => write!(f, "const {}", Bits(*bits, self.1.elem)),
            Inst::Defined => f.write_str("defined"),
            Inst::Scalar(i) => write!(f, "scalar s{i}"),
            Inst::Affine { terms, offset } => write_affine(f, terms, *offset),
            Inst::Bin(op, a, b) => write!(f, "{op} {a}, {b}"),
            Inst::Un(op, a) => write!(f, "{op} {a}"),
            Inst::Cmp(op, a, b) => write!(f, "{op} {a}, {b}"),
            Inst::Select(m, a, b) => write!(f, "select {m}, {a}, {b}"),
            Inst::Fma(a, b, c) => write!(f, "fma {a}, {b}, {c}"),
            Inst::Cast(op, a) => write!(f, "{op} {a}"),
            Inst::Load { buf, mem, addr } => write!(f, "load {mem} {buf}{addr}"),
            Inst::Splat(a) => write!(f, "splat {a}"),
            Inst::Ramp(base, step) => write!(f, "ramp {base} by {step}"),
            Inst::ReduceLanes(combine, a) => write!(f, "reduce {combine} {a}"),
            Inst::Fold { combine, lanes, src, count } => {
                write!(f, "fold {combine} {src} lanes {lanes} count {count}")
            }
            Inst::Math(name, args) => {
                write!(f, "math {}", Name(name))?;
                args.iter()
                    .enumerate()
                    .try_for_each(|(i, a)| write!(f, "{}{a}", if i == 0 { " " } else { ", " }))
            }
            Inst::Table(name, index) => write!(f, "table {}[{index}]", Name(name)),
        }
    }
}

/// `3*v5 - v6 + 7`; the offset stands last and is left out when it is 0 beside a term.
fn write_affine(f: &mut Formatter<'_>, terms: &[(Val, i64)], offset: i64) -> fmt::Result {
    f.write_str("affine ")?;
    for (i, &(v, c)) in terms.iter().enumerate() {
        f.write_str(match (i, c < 0) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => " + ",
            (_, true) => " - ",
        })?;
        match c.unsigned_abs() {
            1 => write!(f, "{v}")?,
            n => write!(f, "{n}*{v}")?,
        }
    }
    match (terms.is_empty(), offset) {
        (true, _) => write!(f, "{offset}"),
        (false, 0) => Ok(()),
        (false, _) => write!(f, " {} {}", if offset < 0 { '-' } else { '+' }, offset.unsigned_abs()),
    }
}

/// The bits of a lane as a literal of its type.
struct Bits(u64, Elem);

impl Display for Bits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Bits(bits, elem) = *self;
        match elem {
            Elem::Mask if bits <= 1 => write!(f, "{}", bits == 1),
            Elem::I32 if bits <= u32::MAX as u64 => write!(f, "{}", bits as u32 as i32),
            Elem::I64 => write!(f, "{}", bits as i64),
            Elem::F32 if bits <= u32::MAX as u64 && !f32::from_bits(bits as u32).is_nan() => {
                write!(f, "{:?}", f32::from_bits(bits as u32))
            }
            Elem::F64 if !f64::from_bits(bits).is_nan() => write!(f, "{:?}", f64::from_bits(bits)),
            _ => write!(f, "{bits:#x}"),
        }
    }
}

/// A name as a bare word where it is one and no value's or scalar's, else in quotes.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = self.0.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && self.0.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !is_numbered(self.0);
        if word {
            return f.write_str(self.0);
        }
        Quoted(self.0).fmt(f)
    }
}

/// Any text between quotes.
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
