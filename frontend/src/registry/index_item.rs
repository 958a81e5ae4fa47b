//! The parts of a subscript.

use crate::tensor::Tensor;

/// One item of `t[..., ...]`; sequences arrive as tensors.
#[derive(Clone)]
pub enum IndexItem {
    Int(i64),
    /// As written: ends may be missing, negative or beyond the axis.
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: Option<i64>,
    },
    /// `None`: a new axis of extent 1.
    NewAxis,
    Ellipsis,
    Tensor(Tensor),
    /// A new axis that is there or empty.
    Bool(bool),
}
