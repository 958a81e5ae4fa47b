//! The IR of rustorch.
pub mod dtype;
pub mod loops;
pub mod shape;
