//! The expansions of scalar functions, run as plain arithmetic and judged in units in the last place.
//!
//! f32: a sweep over bit patterns against f64 arithmetic. Every 3001st pattern by default;
//! `RUSTORCH_SWEEP_STEP=1` takes all of them. f64: against correctly rounded values in `data/`.

#[path = "scalar_math/bit_level.rs"]
mod bit_level;
#[path = "scalar_math/plain.rs"]
mod plain;
#[path = "scalar_math/special.rs"]
mod special;
#[path = "scalar_math/sweep.rs"]
mod sweep;
#[path = "scalar_math/table.rs"]
mod table;
