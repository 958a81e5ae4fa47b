//! What can go wrong in a backend.

/// A kernel could not be compiled, or the machine could not give what running it needs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BackendError {
    #[error("this processor cannot run compiled kernels: {0}")]
    Host(String),
    #[error("kernel {kernel} could not be compiled: {reason}")]
    Codegen { kernel: String, reason: String },
    #[error("kernel uses the table {0}, which does not exist")]
    UnknownTable(&'static str),
    #[error("kernel uses the vector routine {0}, which this host does not have for that type")]
    UnknownRoutine(&'static str),
}
