//! An estimate of a kernel's floating-point operations: those of its loops, for the ranges they run over.

use rustorch_ir::loops::{BinOp, Block, Elem, Inst, Kernel, Stmt, UnOp, Val};
use std::collections::HashMap;

/// Functions and fused multiply-adds count one and two; a range that depends on the data counts once.
pub fn flops(kernel: &Kernel) -> u64 {
    let mut known = HashMap::from([(kernel.begin, 0), (kernel.end, kernel.parallel as i64)]);
    block(kernel, &kernel.body, &mut known)
}

fn block(kernel: &Kernel, stmts: &Block, known: &mut HashMap<Val, i64>) -> u64 {
    let mut sum = 0;
    for stmt in stmts {
        sum += match stmt {
            Stmt::Let(value) => operations(kernel, *value),
            Stmt::For(inner) => {
                let begin = value(kernel, inner.begin, known);
                let end = value(kernel, inner.end, known);
                let trips = match (begin, end) {
                    (Some(begin), Some(end)) => (end - begin).max(0) as u64 / inner.step.max(1) as u64,
                    _ => 1,
                };
                known.insert(inner.var, begin.unwrap_or(0));
                trips.saturating_mul(block(kernel, &inner.body, known))
            }
            Stmt::Strip { count, .. } => value(kernel, *count, known).unwrap_or(1).max(0) as u64,
            Stmt::Store { .. } | Stmt::Check { .. } => 0,
        };
    }
    sum
}

fn operations(kernel: &Kernel, value: Val) -> u64 {
    let ty = kernel.ty(value);
    if !matches!(ty.elem, Elem::F32 | Elem::F64) {
        return 0;
    }
    let each = match kernel.inst(value) {
        Inst::Bin(..) | Inst::Math(..) => 1,
        Inst::Un(op, _) => u64::from(!matches!(op, UnOp::Neg | UnOp::Abs)),
        Inst::Fma(..) => 2,
        Inst::ReduceLanes(_, operand) => return u64::from(kernel.ty(*operand).lanes.saturating_sub(1)),
        _ => 0,
    };
    each * u64::from(ty.lanes)
}

/// The value of an index where the ranges around it are known; a loop variable has its first value.
fn value(kernel: &Kernel, of: Val, known: &HashMap<Val, i64>) -> Option<i64> {
    if let Some(&value) = known.get(&of) {
        return Some(value);
    }
    match kernel.inst(of) {
        Inst::Const(bits) => Some(*bits as i64),
        Inst::Affine { terms, offset } => terms.iter().try_fold(*offset, |sum, &(term, factor)| {
            Some(sum.wrapping_add(value(kernel, term, known)?.wrapping_mul(factor)))
        }),
        &Inst::Bin(op, a, b) => {
            let (a, b) = (value(kernel, a, known)?, value(kernel, b, known)?);
            match op {
                BinOp::Add => a.checked_add(b),
                BinOp::Sub => a.checked_sub(b),
                BinOp::Mul => a.checked_mul(b),
                BinOp::Div => a.checked_div(b),
                BinOp::Rem => a.checked_rem(b),
                BinOp::Min => Some(a.min(b)),
                BinOp::Max => Some(a.max(b)),
                BinOp::And => Some(a & b),
                _ => None,
            }
        }
        _ => None,
    }
}
