//! What can be wrong with an operation's operands.

use crate::dtype::DType;
use crate::shape::Shape;
use thiserror::Error;

/// Raised when an operation is added to a graph with operands it does not take.
///
/// Front ends check their users' arguments in the users' terms first; what reaches a primitive and
/// fails here is a defect of the caller.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum OpError {
    #[error("{op}: takes {expected} operands, got {got}")]
    Arity { op: String, expected: usize, got: usize },
    #[error("{op}: does not take {dtype}")]
    DType { op: String, dtype: DType },
    #[error("{op}: operands have different dtypes, {a} and {b}")]
    DTypes { op: String, a: DType, b: DType },
    #[error("{op}: operands have different shapes, {a} and {b}")]
    Shapes { op: String, a: Shape, b: Shape },
    #[error("{op}: {why} (operand of shape {shape})")]
    Attribute { op: String, why: String, shape: Shape },
}

impl OpError {
    pub fn attribute(op: &str, why: impl Into<String>, shape: &Shape) -> OpError {
        OpError::Attribute { op: op.into(), why: why.into(), shape: shape.clone() }
    }
}
