//! What the rules of simplification share; each rule stands in its op's file.

use super::*;
use crate::dtype::{Category, DType, Literal};
use crate::eval::eval;
use crate::graph::{Graph, Operands};

/// A name and the value that a node may be replaced with: it has the node's type and every bit of its
/// elements, NaNs apart.
pub type Simplified = Option<(&'static str, Value)>;

/// The literal that a value holds everywhere, if it is one under views that move elements.
pub fn splat(g: &Graph, v: Value) -> Option<Literal> {
    let mut node = g.node(v.node);
    loop {
        match &node.op {
            Op::Constant(c) => return Some(c.literal),
            Op::Reshape(_) | Op::Permute(_) | Op::Expand(_) | Op::Slice(_) | Op::Detach(_) => {
                node = g.node(node.inputs[0].node);
            }
            _ => return None,
        }
    }
}

/// Whether a value is a number everywhere; of floats, -0.0 and 0.0 are different numbers.
pub(super) fn is_splat(g: &Graph, v: Value, number: f64) -> bool {
    splat(g, v).is_some_and(|l| l == Literal::from_f64(l.dtype, number))
}

/// The op and operands behind a value that is a node's only result.
pub(super) fn made_by(g: &Graph, v: Value) -> (&Op, &Operands) {
    let node = g.node(v.node);
    (&node.op, &node.inputs)
}

/// The value of an element-wise op whose operands are literals.
pub(super) fn fold(g: &mut Graph, op: &Op, x: &[Value]) -> Option<Value> {
    let literals: SmallVec<[Literal; 3]> = x.iter().map(|&v| splat(g, v)).collect::<Option<_>>()?;
    let mut one = Graph::new();
    let mut operands = Operands::new();
    for literal in literals {
        let node = one.add(Op::Constant(Constant { literal }), &[]).ok()?;
        operands.push(Value { node, port: 0 });
    }
    let node = one.add(op.clone(), &operands).ok()?;
    one.outputs = vec![Value { node, port: 0 }];
    // A division by zero stays, to fail where it is run.
    let literal = eval(&one, &[], &[]).ok()?[0].literals().next()?;
    let shape = g.ty(x[0]).shape.clone();
    let b: &mut dyn Build = g;
    let literal = b.literal(literal);
    Some(b.broadcast_to(literal, &shape))
}

/// Whether every value of `from` is one of `to`.
pub(super) fn contains(to: DType, from: DType) -> bool {
    use DType::*;
    match (from.category(), to.category()) {
        _ if from == to => true,
        (Category::Bool, _) => true,
        (_, Category::Bool) => false,
        (Category::Integer, Category::Integer) => {
            let ((a, b), (c, d)) = (range(from), range(to));
            c <= a && b <= d
        }
        (Category::Integer, Category::Float) => match from {
            U8 | I8 => true,
            I16 => matches!(to, F32 | F64),
            I32 => to == F64,
            _ => false,
        },
        (Category::Float, Category::Integer) => false,
        (Category::Float, Category::Float) => to == F64 || (to == F32 && from != F64),
    }
}

fn range(dtype: DType) -> (i64, i64) {
    dtype.integer_range().unwrap_or((0, 0))
}
