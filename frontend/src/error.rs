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
    /// Two shapes that do not go together.
    #[error("{message}")]
    ShapeMismatch { message: String, shape1: Shape, shape2: Shape },
    /// A shape that cannot be.
    #[error("{0}")]
    Shape(String),
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
    /// An axis that the tensor does not have.
    #[error("{0}")]
    Axis(String),
    #[error("{0}")]
    Runtime(String),
    /// A tensor of several elements, or none, where one number is needed.
    #[error("{0}")]
    NotScalar(String),
    #[error("{0}")]
    DivisionByZero(String),
    /// A factorisation or a solution that does not exist.
    #[error("{0}")]
    LinearAlgebra(String),
    /// A gradient that cannot be had.
    #[error("{0}")]
    Autograd(String),
    /// A value that a gradient needs was overwritten.
    #[error("{0}")]
    SavedModified(String),
    /// A backward through a graph that was freed.
    #[error("{0}")]
    GraphFreed(String),
    /// A graph that could not be compiled.
    #[error("{0}")]
    Compile(String),
    #[error("{0}")]
    NotImplemented(String),
    #[error(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to \
         allocate {requested} bytes. Error code 12 (Cannot allocate memory). At most {available} bytes can be had: let \
         go of tensors that are no longer needed, work in smaller pieces, or use a smaller dtype"
    )]
    Memory { requested: usize, available: usize },
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Error::ShapeMismatch { .. }
            | Error::Shape(_)
            | Error::DType(_)
            | Error::Runtime(_)
            | Error::NotScalar(_)
            | Error::DivisionByZero(_)
            | Error::LinearAlgebra(_)
            | Error::Autograd(_)
            | Error::SavedModified(_)
            | Error::GraphFreed(_)
            | Error::Compile(_) => Class::Runtime,
            Error::Argument(_) => Class::Type,
            Error::Value(_) => Class::Value,
            Error::Index(_) | Error::Axis(_) => Class::Index,
            Error::NotImplemented(_) => Class::NotImplemented,
            Error::Memory { .. } => Class::Memory,
            Error::Interrupted => Class::Interrupt,
        }
    }

    pub fn shapes(message: impl Into<String>, shape1: &Shape, shape2: &Shape) -> Error {
        Error::ShapeMismatch { message: message.into(), shape1: shape1.clone(), shape2: shape2.clone() }
    }
}

/// `Err` of a kind of error with its message: `fail(Error::Autograd, "...")`.
pub fn fail<T>(kind: fn(String) -> Error, message: impl Into<String>) -> Result<T> {
    Err(kind(message.into()))
}

/// `Err` of [`Error::Runtime`].
pub fn runtime<T>(message: impl Into<String>) -> Result<T> {
    fail(Error::Runtime, message)
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
