//! Reads the text form of LoopIR that [`text`](super::text) describes.
//!
//! Reading checks the grammar and that every value up to the highest number is given once; whether the
//! kernel makes sense is [`verify`](super::verify::verify)'s question. No input makes it panic.

mod token;

use super::verify::MAX_NESTING;
use super::*;
use crate::op::scalar_math::math_arity;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::{LazyLock, Mutex, PoisonError};
use thiserror::Error;
pub(super) use token::is_numbered;
use token::{Token, Tokens};

#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{line}:{column}: expected {expected}, found {found}")]
pub struct ParseError {
    /// Counted from 1, as is the column, in characters.
    pub line: usize,
    pub column: usize,
    pub expected: String,
    pub found: String,
}

/// Reads one kernel and nothing after it: `parse_kernel(&k.to_string()) == Ok(k)`.
pub fn parse_kernel(text: &str) -> Result<Kernel, ParseError> {
    let mut parser = Parser::new(text)?;
    let kernel = parser.kernel()?;
    parser.tokens.end()?;
    Ok(kernel)
}

/// Reads any number of kernels, one behind the other.
pub fn parse_kernels(text: &str) -> Result<Vec<Kernel>, ParseError> {
    let mut parser = Parser::new(text)?;
    let mut kernels = Vec::new();
    while *parser.tokens.peek() != Token::End {
        kernels.push(parser.kernel()?);
    }
    Ok(kernels)
}

/// One copy for the whole process of each name that a text mentions (of tables, routines and reasons).
pub(crate) fn intern(name: String) -> &'static str {
    static NAMES: LazyLock<Mutex<FxHashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name.as_str()) {
        Some(known) => known,
        None => {
            let fresh: &'static str = name.leak();
            names.insert(fresh);
            fresh
        }
    }
}

struct Parser<'t> {
    tokens: Tokens<'t>,
    values: FxHashMap<Val, (Inst, Ty)>,
    /// Values that are `defined` with this type unless the text gives them otherwise; the first counts.
    implied: Vec<(Val, Ty)>,
}

type Parse<T> = Result<T, ParseError>;

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parse<Parser<'t>> {
        Ok(Parser { tokens: Tokens::new(text)?, values: FxHashMap::default(), implied: Vec::new() })
    }

    fn kernel(&mut self) -> Parse<Kernel> {
        self.tokens.word("kernel")?;
        let name = self.tokens.name()?;
        let (params, scalars) = self.params()?;
        self.tokens.word("parallel")?;
        let parallel = self.tokens.integer("the size of the parallel space")?;
        self.tokens.symbol("(")?;
        let begin = self.value()?;
        self.tokens.symbol("..")?;
        let end = self.value()?;
        self.tokens.symbol(")")?;
        self.implied.extend([(begin, Ty::I64), (end, Ty::I64)]);
        if self.tokens.take_word("where") {
            while matches!(self.tokens.peek(), Token::Value(_)) {
                self.definition()?;
            }
        }
        let body = self.block(0)?;
        let insts = self.arena()?;
        Ok(Kernel { name, params, scalars, insts, parallel, begin, end, body })
    }

    fn params(&mut self) -> Parse<(Vec<Param>, Vec<Elem>)> {
        let (mut params, mut scalars) = (Vec::new(), Vec::new());
        self.tokens.symbol("(")?;
        while !self.tokens.take_symbol(")") {
            if !(params.is_empty() && scalars.is_empty()) {
                self.tokens.symbol(",")?;
            }
            let role = self.tokens.any_word("`in`, `out`, `inout`, `scratch` or `scalar`")?;
            if role == "scalar" {
                self.tokens.exactly(Token::Scalar(scalars.len() as u64))?;
                self.tokens.symbol(":")?;
                scalars.push(self.elem()?);
                continue;
            }
            let mut role = match role.as_str() {
                "in" => Role::In,
                "out" => Role::Out,
                "inout" => Role::InOut,
                "scratch" => Role::Scratch(0),
                _ => return Err(self.tokens.error_before("`in`, `out`, `inout`, `scratch` or `scalar`")),
            };
            self.tokens.exactly(Token::Buffer(params.len() as u64))?;
            self.tokens.symbol(":")?;
            let mem = self.mem()?;
            if let Role::Scratch(n) = &mut role {
                self.tokens.symbol("[")?;
                *n = self.tokens.integer("a number of elements")?;
                self.tokens.symbol("]")?;
            }
            params.push(Param { mem, role });
        }
        Ok((params, scalars))
    }

    /// The values in order; each number up to the highest must have been given.
    fn arena(&mut self) -> Parse<Vec<(Inst, Ty)>> {
        for (v, ty) in self.implied.drain(..) {
            self.values.entry(v).or_insert((Inst::Defined, ty));
        }
        let mut insts = Vec::with_capacity(self.values.len());
        for i in 0..self.values.len() as u32 {
            match self.values.remove(&Val(i)) {
                Some(inst) => insts.push(inst),
                None => {
                    return Err(self
                        .tokens
                        .error_here(&format!("a definition of {} before the end", Val(i))));
                }
            }
        }
        Ok(insts)
    }

    fn block(&mut self, depth: usize) -> Parse<Block> {
        if depth > MAX_NESTING {
            return Err(self.tokens.error_here(&format!("at most {MAX_NESTING} nested loops")));
        }
        self.tokens.symbol("{")?;
        let mut block = Vec::new();
        while !self.tokens.take_symbol("}") {
            if matches!(self.tokens.peek(), Token::Value(_)) {
                block.push(Stmt::Let(self.definition()?));
                continue;
            }
            let word = self.tokens.any_word("a statement or `}`")?;
            block.push(match word.as_str() {
                "for" => Stmt::For(Box::new(self.for_loop(depth)?)),
                "store" => {
                    let (mem, buf, addr) = self.access()?;
                    self.tokens.symbol("=")?;
                    Stmt::Store { buf, mem, addr, value: self.value()? }
                }
                "check" => {
                    let ok = self.value()?;
                    self.tokens.word("else")?;
                    let code = self.tokens.integer("a 32-bit code")?;
                    self.tokens.symbol(",")?;
                    Stmt::Check { ok, code, detail: self.value()? }
                }
                "strip" => self.strip()?,
                "fold_rows" => self.fold_rows()?,
                _ => return Err(self.tokens.error_before("a statement or `}`")),
            });
        }
        Ok(block)
    }

    fn for_loop(&mut self, depth: usize) -> Parse<For> {
        let var = self.value()?;
        self.implied.push((var, Ty::I64));
        self.tokens.word("in")?;
        let begin = self.value()?;
        self.tokens.symbol("..")?;
        let end = self.value()?;
        self.tokens.word("step")?;
        let step = self.tokens.integer("a step")?;
        let mut carried = Vec::new();
        if self.tokens.take_word("carry") {
            self.tokens.symbol("(")?;
            loop {
                carried.push(self.carry()?);
                if self.tokens.take_symbol(")") {
                    break;
                }
                self.tokens.symbol(",")?;
            }
        }
        let body = self.block(depth + 1)?;
        Ok(For { var, begin, end, step, carried, body })
    }

    fn carry(&mut self) -> Parse<Carried> {
        let phi = self.value()?;
        let ty = if self.tokens.take_symbol(":") { Some(self.ty()?) } else { None };
        self.tokens.symbol("=")?;
        let init = self.value()?;
        self.tokens.symbol("->")?;
        let next = self.value()?;
        self.tokens.symbol("=>")?;
        let result = self.value()?;
        self.implied.extend(ty.into_iter().flat_map(|ty| [(phi, ty), (result, ty)]));
        let combine = if self.tokens.take_word("by") {
            Some(self.one_of(Combine::from_word, "a combination")?)
        } else {
            None
        };
        Ok(Carried { phi, init, next, result, combine })
    }

    fn strip(&mut self) -> Parse<Stmt> {
        let routine = intern(self.tokens.name()?);
        let mut src = SmallVec::new();
        self.tokens.symbol("(")?;
        while !self.tokens.take_symbol(")") {
            if !src.is_empty() {
                self.tokens.symbol(",")?;
            }
            src.push(self.stretch()?);
        }
        self.tokens.symbol("->")?;
        let dst = self.stretch()?;
        self.tokens.word("count")?;
        Ok(Stmt::Strip { routine, src, dst, count: self.value()? })
    }

    fn fold_rows(&mut self) -> Parse<Stmt> {
        let combine = self.one_of(Combine::from_word, "a combination")?;
        let src = self.stretch()?;
        self.tokens.word("stride")?;
        let stride = self.tokens.integer("a stride")?;
        self.tokens.word("rows")?;
        let rows = self.value()?;
        self.tokens.word("into")?;
        let acc = self.buffer()?;
        self.tokens.word("count")?;
        Ok(Stmt::FoldRows { combine, src, stride, rows, acc, count: self.value()? })
    }

    fn stretch(&mut self) -> Parse<Stretch> {
        let buf = self.buffer()?;
        let mut at = None;
        if self.tokens.take_symbol("[") {
            at = Some(self.value()?);
            self.tokens.symbol("]")?;
        }
        Ok(Stretch { buf, at })
    }

    /// `v: type = instruction`
    fn definition(&mut self) -> Parse<Val> {
        let v = self.value()?;
        if self.values.contains_key(&v) {
            return Err(self.tokens.error_before("a value that is not defined yet"));
        }
        self.tokens.symbol(":")?;
        let ty = self.ty()?;
        self.tokens.symbol("=")?;
        let inst = self.inst(ty)?;
        self.values.insert(v, (inst, ty));
        Ok(v)
    }

    fn inst(&mut self, ty: Ty) -> Parse<Inst> {
        let word = self.tokens.any_word("an instruction")?;
        Ok(match word.as_str() {
            "const" => Inst::Const(self.tokens.constant(ty.elem)?),
            "defined" => Inst::Defined,
            "scalar" => Inst::Scalar(self.tokens.scalar()?),
            "affine" => self.affine()?,
            "select" => {
                let [m, a, b] = self.values()?;
                Inst::Select(m, a, b)
            }
            "fma" => {
                let [a, b, c] = self.values()?;
                Inst::Fma(a, b, c)
            }
            "load" => {
                let (mem, buf, addr) = self.access()?;
                Inst::Load { buf, mem, addr }
            }
            "splat" => Inst::Splat(self.value()?),
            "ramp" => {
                let base = self.value()?;
                self.tokens.word("by")?;
                Inst::Ramp(base, self.tokens.integer("a step")?)
            }
            "reduce" => {
                let combine = self.one_of(Combine::from_word, "a combination")?;
                Inst::ReduceLanes(combine, self.value()?)
            }
            "fold" => {
                let combine = self.one_of(Combine::from_word, "a combination")?;
                let src = self.stretch()?;
                self.tokens.word("lanes")?;
                let lanes = self.tokens.integer("a number of lanes")?;
                self.tokens.word("count")?;
                Inst::Fold { combine, lanes, src, count: self.value()? }
            }
            "math" => {
                let name = intern(self.tokens.name()?);
                let mut args: SmallVec<[Val; 2]> = SmallVec::from_elem(self.value()?, 1);
                for _ in 1..math_arity(name).unwrap_or(1) {
                    self.tokens.symbol(",")?;
                    args.push(self.value()?);
                }
                Inst::Math(name, args)
            }
            "table" => {
                let name = intern(self.tokens.name()?);
                self.tokens.symbol("[")?;
                let index = self.value()?;
                self.tokens.symbol("]")?;
                Inst::Table(name, index)
            }
            word => {
                if let Some(op) = BinOp::from_word(word) {
                    let [a, b] = self.values()?;
                    Inst::Bin(op, a, b)
                } else if let Some(op) = UnOp::from_word(word) {
                    Inst::Un(op, self.value()?)
                } else if let Some(op) = CmpOp::from_word(word) {
                    let [a, b] = self.values()?;
                    Inst::Cmp(op, a, b)
                } else if let Some(op) = CastOp::from_word(word) {
                    Inst::Cast(op, self.value()?)
                } else {
                    return Err(self.tokens.error_before("an instruction"));
                }
            }
        })
    }

    /// `3*v5 - v6 + 7`: terms, then at most one offset.
    fn affine(&mut self) -> Parse<Inst> {
        let mut terms = SmallVec::new();
        let mut negative = self.tokens.take_symbol("-");
        loop {
            let number = match self.tokens.peek() {
                Token::Value(_) => None,
                _ => Some(self.tokens.magnitude(negative)?),
            };
            if let Some(offset) = number
                && !self.tokens.take_symbol("*")
            {
                return Ok(Inst::Affine { terms, offset });
            }
            terms.push((self.value()?, number.unwrap_or(if negative { -1 } else { 1 })));
            negative = self.tokens.take_symbol("-");
            if !negative && !self.tokens.take_symbol("+") {
                return Ok(Inst::Affine { terms, offset: 0 });
            }
        }
    }

    fn access(&mut self) -> Parse<(DType, Buf, Addr)> {
        let mem = self.mem()?;
        let buf = self.buffer()?;
        self.tokens.symbol("[")?;
        let addr = if self.tokens.take_word("lanes") {
            Addr::Lanes(self.value()?)
        } else {
            let v = self.value()?;
            match self.tokens.take_word("by") {
                true => Addr::Strided(v, self.tokens.integer("a stride")?),
                false => Addr::Unit(v),
            }
        };
        self.tokens.symbol("]")?;
        Ok((mem, buf, addr))
    }

    fn values<const N: usize>(&mut self) -> Parse<[Val; N]> {
        let mut values = [Val(0); N];
        for (i, v) in values.iter_mut().enumerate() {
            if i > 0 {
                self.tokens.symbol(",")?;
            }
            *v = self.value()?;
        }
        Ok(values)
    }

    fn value(&mut self) -> Parse<Val> {
        self.tokens.value().map(Val)
    }

    fn buffer(&mut self) -> Parse<Buf> {
        self.tokens.buffer().map(Buf)
    }

    fn elem(&mut self) -> Parse<Elem> {
        self.one_of(Elem::from_word, "a register type")
    }

    fn mem(&mut self) -> Parse<DType> {
        self.one_of(|w| w.parse().ok(), "a stored type")
    }

    /// `f32` or `f32x16`
    fn ty(&mut self) -> Parse<Ty> {
        let read = |word: &str| {
            let Some((elem, lanes)) = word.split_once('x') else {
                return Some(Ty::scalar(Elem::from_word(word)?));
            };
            let lanes = lanes.parse().ok().filter(|&n: &u16| n != 1 && lanes == n.to_string())?;
            Some(Ty { elem: Elem::from_word(elem)?, lanes })
        };
        self.one_of(read, "a register type with its lanes")
    }

    fn one_of<T>(&mut self, read: impl Fn(&str) -> Option<T>, expected: &str) -> Parse<T> {
        let word = self.tokens.any_word(expected)?;
        read(&word).ok_or_else(|| self.tokens.error_before(expected))
    }
}
