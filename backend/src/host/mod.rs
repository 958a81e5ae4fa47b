//! What the host machine provides: its memory and processors, and routines tuned for it.

pub mod fft;
pub mod gemm;
pub mod indices;
pub mod limits;
pub mod linalg;
pub mod pages;
pub mod rows;
pub mod sort;
pub mod vector;

use crate::alloc::AllocError;
use crate::threads::Interrupted;

/// Why a host routine could not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Alloc(#[from] AllocError),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
