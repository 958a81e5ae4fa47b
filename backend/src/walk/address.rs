//! From element indices to pointers.
//!
//! An index is taken apart into its affine terms; they are added to the buffer's pointer outermost loop first, so
//! that all but the innermost sum is invariant in the innermost loop, and the constant goes into the displacement.

use super::Walk;
use crate::target::{Place, Reg, Target};
use rustorch_ir::loops::{Addr, BinOp, Block, Buf, Inst, Kernel, Stmt, Val, build::operands};
use smallvec::SmallVec;

/// A pointer and bytes behind it.
#[derive(Clone, Copy)]
pub(super) struct Base<V> {
    pointer: V,
    offset: i64,
}

type Terms = SmallVec<[(Val, i64); 4]>;

impl<T: Target> Walk<'_, T> {
    /// The place `extra` bytes behind the element at a scalar index.
    pub(super) fn place(&mut self, buf: Buf, index: Val, size: usize, extra: i64) -> Place<T::Value> {
        let base = match self.addresses.iter().find(|(b, v, _)| (*b, *v) == (buf, index)) {
            Some((_, _, base)) => *base,
            None => {
                let base = self.base(buf, index, size);
                self.addresses.push((buf, index, base));
                base
            }
        };
        self.displaced(base.pointer, base.offset.wrapping_add(extra))
    }

    /// Bytes behind a pointer, in the displacement when they fit with room for a register's width.
    pub(super) fn displaced(&mut self, pointer: T::Value, offset: i64) -> Place<T::Value> {
        match i32::try_from(offset) {
            Ok(offset) if offset <= i32::MAX - 64 => Place { base: pointer, offset },
            _ => {
                let bytes = self.int(offset);
                let base = self.target.bin(BinOp::Add, Reg::I64, pointer, bytes);
                Place { base, offset: 0 }
            }
        }
    }

    /// Whether an index has another value in each iteration of the innermost loop.
    pub(super) fn moves(&self, index: Val) -> bool {
        let mut terms = Terms::new();
        self.flatten(index, 1, &mut terms);
        terms.iter().any(|&(v, coefficient)| coefficient != 0 && self.depth[v.0 as usize] == self.level)
    }

    fn base(&mut self, buf: Buf, index: Val, size: usize) -> Base<T::Value> {
        let mut terms = Terms::new();
        let offset = self.flatten(index, 1, &mut terms);
        terms.sort_by_key(|&(v, _)| self.depth[v.0 as usize]);
        let mut pointer = self.buffer(buf);
        for (v, coefficient) in terms {
            let bytes = self.scaled(v, coefficient.wrapping_mul(size as i64));
            pointer = self.target.bin(BinOp::Add, Reg::I64, pointer, bytes);
        }
        Base { pointer, offset: offset.wrapping_mul(size as i64) }
    }

    /// The I64 value of an affine instruction.
    pub(super) fn affine(&mut self, v: Val) -> T::Value {
        let mut terms = Terms::new();
        let offset = self.flatten(v, 1, &mut terms);
        terms.sort_by_key(|&(v, _)| self.depth[v.0 as usize]);
        let mut sum = None;
        for (v, coefficient) in terms {
            let term = self.scaled(v, coefficient);
            sum = Some(match sum {
                None => term,
                Some(sum) => self.target.bin(BinOp::Add, Reg::I64, sum, term),
            });
        }
        match sum {
            None => self.int(offset),
            Some(sum) if offset == 0 => sum,
            Some(sum) => {
                let offset = self.int(offset);
                self.target.bin(BinOp::Add, Reg::I64, sum, offset)
            }
        }
    }

    fn scaled(&mut self, v: Val, factor: i64) -> T::Value {
        let value = self.one(v);
        if factor == 1 {
            return value;
        }
        if factor > 0 && factor.count_ones() == 1 {
            let amount = self.int(i64::from(factor.trailing_zeros()));
            return self.target.shift(BinOp::Shl, Reg::I64, value, amount);
        }
        let factor = self.int(factor);
        self.target.bin(BinOp::Mul, Reg::I64, value, factor)
    }

    /// Appends the terms of `factor * v` and returns the constant, looking through other affine values.
    fn flatten(&self, v: Val, factor: i64, terms: &mut Terms) -> i64 {
        match self.kernel.inst(v) {
            Inst::Const(bits) => (*bits as i64).wrapping_mul(factor),
            Inst::Affine { terms: inner, offset } => {
                let mut sum = offset.wrapping_mul(factor);
                for &(term, coefficient) in inner {
                    sum = sum.wrapping_add(self.flatten(term, coefficient.wrapping_mul(factor), terms));
                }
                sum
            }
            _ => {
                match terms.iter_mut().find(|(other, _)| *other == v) {
                    Some((_, coefficient)) => *coefficient = coefficient.wrapping_add(factor),
                    None => terms.push((v, factor)),
                }
                0
            }
        }
    }
}

/// Which affine values are needed as numbers: those that something other than an address or another affine reads.
pub(super) fn computed_affines(kernel: &Kernel) -> Vec<bool> {
    let mut computed = vec![false; kernel.insts.len()];
    for (inst, _) in &kernel.insts {
        match inst {
            Inst::Affine { .. } | Inst::Load { addr: Addr::Unit(_) | Addr::Strided(..), .. } => {}
            _ => operands(inst, |v| computed[v.0 as usize] = true),
        }
    }
    mark_block(&kernel.body, &mut computed);
    computed
}

fn mark_block(block: &Block, computed: &mut [bool]) {
    for stmt in block {
        let mut mark = |v: Val| computed[v.0 as usize] = true;
        match stmt {
            Stmt::Let(_) => {}
            Stmt::For(f) => {
                [f.begin, f.end].into_iter().for_each(&mut mark);
                f.carried.iter().flat_map(|c| [c.init, c.next]).for_each(mark);
                mark_block(&f.body, computed);
            }
            Stmt::Store { addr: Addr::Lanes(index), value, .. } => {
                [*index, *value].into_iter().for_each(mark)
            }
            Stmt::Store { value, .. } => mark(*value),
            Stmt::Check { ok, detail, .. } => [*ok, *detail].into_iter().for_each(mark),
            Stmt::Strip { count, .. } => mark(*count),
            Stmt::FoldRows { rows, count, .. } => [*rows, *count].into_iter().for_each(mark),
        }
    }
}
