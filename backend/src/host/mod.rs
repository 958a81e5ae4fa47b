//! What the host machine provides: its memory and processors.

pub mod limits;
pub mod pages;
