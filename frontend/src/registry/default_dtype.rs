//! The dtype of floats that come without one.

use crate::error::{Error, Result};
use rustorch_ir::DType;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

static DEFAULT: AtomicU8 = AtomicU8::new(DType::F32 as u8);

pub fn default_dtype() -> DType {
    let chosen = DEFAULT.load(Relaxed);
    DType::ALL.into_iter().find(|&dtype| dtype as u8 == chosen).unwrap_or(DType::F32)
}

pub fn set_default_dtype(dtype: DType) -> Result<()> {
    if !dtype.is_float() {
        return Err(Error::Argument(
            "only floating-point types are supported as the default type".to_string(),
        ));
    }
    DEFAULT.store(dtype as u8, Relaxed);
    Ok(())
}
