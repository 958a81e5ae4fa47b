//! What goes wrong, by the exception class that torch raises for it.

use rustorch_backend::alloc::AllocError;
use rustorch_ir::OpError;
use rustorch_ir::shape::Shape;
use thiserror::Error;

pub type Result<T> = std::result::Result<T, Error>;

/// The class of the exception that a Python user catches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Runtime,
    Type,
    Value,
    Index,
    NotImplemented,
    Memory,
    Interrupt,
}

#[derive(Clone, PartialEq, Debug, Error)]
pub enum Error {
    #[error("{message}")]
    ShapeMismatch { message: String, shape1: Shape, shape2: Shape },
    #[error("{0}")]
    DType(String),
    /// An argument of the wrong kind or number.
    #[error("{0}")]
    Argument(String),
    /// An argument of the right kind with a value that is not taken.
    #[error("{0}")]
    Value(String),
    #[error("{0}")]
    Index(String),
    #[error("{0}")]
    Runtime(String),
    #[error("{0}")]
    NotImplemented(String),
    #[error("not enough memory: tried to allocate {requested} bytes, {available} bytes are available")]
    Memory { requested: usize, available: usize },
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Error::ShapeMismatch { .. } | Error::DType(_) | Error::Runtime(_) => Class::Runtime,
            Error::Argument(_) => Class::Type,
            Error::Value(_) => Class::Value,
            Error::Index(_) => Class::Index,
            Error::NotImplemented(_) => Class::NotImplemented,
            Error::Memory { .. } => Class::Memory,
            Error::Interrupted => Class::Interrupt,
        }
    }

    pub fn shapes(message: impl Into<String>, shape1: &Shape, shape2: &Shape) -> Error {
        Error::ShapeMismatch { message: message.into(), shape1: shape1.clone(), shape2: shape2.clone() }
    }
}

/// `Err` of [`Error::Runtime`].
pub fn runtime<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::Runtime(message.into()))
}

impl From<OpError> for Error {
    fn from(e: OpError) -> Error {
        let message = e.to_string();
        match e {
            OpError::Shapes { a, b, .. } => Error::ShapeMismatch { message, shape1: a, shape2: b },
            OpError::DType { .. } | OpError::DTypes { .. } => Error::DType(message),
            OpError::Arity { .. } | OpError::Attribute { .. } => Error::Runtime(message),
        }
    }
}

impl From<AllocError> for Error {
    fn from(e: AllocError) -> Error {
        Error::Memory { requested: e.requested, available: e.available }
    }
}
