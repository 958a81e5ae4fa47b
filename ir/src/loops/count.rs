//! What a kernel does in one run over its whole parallel space: floating-point operations and memory traffic.

use super::build::operands;
use super::{BinOp, Block, Buf, Elem, For, Inst, Kernel, Stmt, Stretch, UnOp, Val};
use rustc_hash::FxHashMap;

/// Counts of one run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Additions, multiplications, divisions, roots and roundings of floats; a fused multiply-add is two. A call of
    /// a routine over a strip is one for each element.
    pub flops: u64,
    /// Bytes that loads and stores move, for each parameter. Scratch memory counts too.
    pub loaded: Vec<u64>,
    pub stored: Vec<u64>,
}

impl Counts {
    fn add(&mut self, other: &Counts, times: u64) {
        let sum = |a: &mut u64, b: u64| *a = a.saturating_add(b.saturating_mul(times));
        sum(&mut self.flops, other.flops);
        self.loaded.iter_mut().zip(&other.loaded).for_each(|(a, &b)| sum(a, b));
        self.stored.iter_mut().zip(&other.stored).for_each(|(a, &b)| sum(a, b));
    }
}

/// Exact wherever the bounds of loops follow from the kernel alone; a loop whose bounds depend on data, which
/// lowering does not make, counts as one iteration.
pub fn count(kernel: &Kernel) -> Counts {
    let known = FxHashMap::from_iter([(kernel.begin, 0), (kernel.end, kernel.parallel as i64)]);
    let mut counter = Counter { kernel, known };
    counter.block(&kernel.body)
}

struct Counter<'k> {
    kernel: &'k Kernel,
    /// Loop variables and the ends of the parallel space where the walk is.
    known: FxHashMap<Val, i64>,
}

impl Counter<'_> {
    fn block(&mut self, block: &Block) -> Counts {
        let params = self.kernel.params.len();
        let mut sum = Counts { flops: 0, loaded: vec![0; params], stored: vec![0; params] };
        for stmt in block {
            match stmt {
                Stmt::Let(v) => self.instruction(*v, &mut sum),
                Stmt::For(l) => self.for_loop(l, &mut sum),
                Stmt::Store { buf, mem, value, .. } => {
                    let lanes = self.kernel.ty(*value).lanes as u64;
                    sum.stored[buf.0 as usize] += lanes * mem.size() as u64;
                }
                Stmt::Strip { src, dst, count, .. } => self.strip(src, *dst, *count, &mut sum),
                Stmt::FoldRows { src, rows, acc, count, .. } => {
                    let [rows, count] = [rows, count].map(|v| self.value(*v).unwrap_or(1).max(0) as u64);
                    let size = |buf: Buf| self.kernel.params[buf.0 as usize].mem.size() as u64;
                    sum.flops += rows * count;
                    sum.loaded[src.buf.0 as usize] += rows * count * size(src.buf);
                    sum.loaded[acc.0 as usize] += count * size(*acc);
                    sum.stored[acc.0 as usize] += count * size(*acc);
                }
                Stmt::Check { .. } => {}
            }
        }
        sum
    }

    fn for_loop(&mut self, l: &For, sum: &mut Counts) {
        let (Some(begin), Some(end)) = (self.value(l.begin), self.value(l.end)) else {
            let once = self.block(&l.body);
            return sum.add(&once, 1);
        };
        let step = l.step.max(1);
        let trips = (end.saturating_sub(begin).max(0) as u64).div_ceil(step as u64);
        let outer = self.known.get(&l.var).copied();
        if trips > 0 && !self.steers(l.var, &l.body) {
            self.known.insert(l.var, begin);
            let each = self.block(&l.body);
            sum.add(&each, trips);
        } else {
            for trip in 0..trips as i64 {
                self.known.insert(l.var, begin + trip * step);
                let each = self.block(&l.body);
                sum.add(&each, 1);
            }
        }
        match outer {
            Some(value) => self.known.insert(l.var, value),
            None => self.known.remove(&l.var),
        };
    }

    /// Whether how often something in the block runs depends on `var`.
    fn steers(&self, var: Val, block: &Block) -> bool {
        block.iter().any(|stmt| match stmt {
            Stmt::For(l) => {
                self.depends(l.begin, var) || self.depends(l.end, var) || self.steers(var, &l.body)
            }
            Stmt::Strip { count, .. } => self.depends(*count, var),
            Stmt::FoldRows { rows, count, .. } => self.depends(*rows, var) || self.depends(*count, var),
            Stmt::Let(_) | Stmt::Store { .. } | Stmt::Check { .. } => false,
        })
    }

    fn depends(&self, of: Val, var: Val) -> bool {
        let mut found = of == var;
        if !found {
            operands(self.kernel.inst(of), |operand| found |= self.depends(operand, var));
        }
        found
    }

    fn strip(&self, src: &[Stretch], dst: Stretch, count: Val, sum: &mut Counts) {
        let count = self.value(count).unwrap_or(1).max(0) as u64;
        let bytes = |buf: Buf| count * self.kernel.params[buf.0 as usize].mem.size() as u64;
        sum.flops += count;
        src.iter().for_each(|s| sum.loaded[s.buf.0 as usize] += bytes(s.buf));
        sum.stored[dst.buf.0 as usize] += bytes(dst.buf);
    }

    fn instruction(&self, v: Val, sum: &mut Counts) {
        let ty = self.kernel.ty(v);
        let lanes = ty.lanes as u64;
        if let Inst::Load { buf, mem, .. } = self.kernel.inst(v) {
            sum.loaded[buf.0 as usize] += lanes * mem.size() as u64;
        }
        if let Inst::Fold { src, count, .. } = self.kernel.inst(v) {
            let size = self.kernel.params[src.buf.0 as usize].mem.size() as u64;
            sum.loaded[src.buf.0 as usize] += self.value(*count).unwrap_or(1).max(0) as u64 * size;
        }
        if !matches!(ty.elem, Elem::F32 | Elem::F64) {
            return;
        }
        sum.flops += match self.kernel.inst(v) {
            Inst::Bin(..) | Inst::Math(..) => lanes,
            Inst::Un(op, _) if !matches!(op, UnOp::Neg | UnOp::Abs) => lanes,
            Inst::Fma(..) => 2 * lanes,
            Inst::Fold { count, .. } => self.value(*count).unwrap_or(1).max(0) as u64,
            Inst::ReduceLanes(_, of) => self.kernel.ty(*of).lanes.saturating_sub(1) as u64,
            _ => 0,
        };
    }

    /// The value of an index where the walk is.
    fn value(&self, of: Val) -> Option<i64> {
        if let Some(&value) = self.known.get(&of) {
            return Some(value);
        }
        match self.kernel.inst(of) {
            Inst::Const(bits) => Some(*bits as i64),
            Inst::Affine { terms, offset } => terms.iter().try_fold(*offset, |sum, &(term, factor)| {
                Some(sum.wrapping_add(self.value(term)?.wrapping_mul(factor)))
            }),
            &Inst::Bin(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                match op {
                    BinOp::Add => Some(a.wrapping_add(b)),
                    BinOp::Sub => Some(a.wrapping_sub(b)),
                    BinOp::Mul => Some(a.wrapping_mul(b)),
                    BinOp::Div => a.checked_div(b),
                    BinOp::Rem => a.checked_rem(b),
                    BinOp::Min => Some(a.min(b)),
                    BinOp::Max => Some(a.max(b)),
                    BinOp::And => Some(a & b),
                    BinOp::Or => Some(a | b),
                    BinOp::Xor => Some(a ^ b),
                    BinOp::Shl | BinOp::ShrU | BinOp::ShrS => None,
                }
            }
            _ => None,
        }
    }
}
