//! What hosts compute by routines of their own, between the kernels of a plan: no loop nest says it well.
//!
//! A routine reads contiguous buffers and writes fresh ones. [`Routine::run`] is its meaning, and what interpreters run;
//! a backend brings a faster one, whose results are the same bytes.

mod sort;

pub use sort::{Sort, sort_key};

use crate::parse::{Cursor, Parse};
use std::fmt;

/// A routine with what it must know of its buffers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Routine {
    Sort(Sort),
}

impl Routine {
    /// The word that its text begins with.
    pub fn name(&self) -> &'static str {
        match self {
            Routine::Sort(_) => "sort",
        }
    }

    /// Elements that it looks at.
    pub fn elements(&self) -> usize {
        match self {
            Routine::Sort(s) => s.outer * s.extent * s.inner,
        }
    }

    /// The results of these operands, all contiguous.
    pub fn run(&self, inputs: &[&[u8]], outputs: &mut [Vec<u8>]) {
        match self {
            Routine::Sort(s) => s.run(inputs[0], outputs),
        }
    }

    /// Reads back what [`fmt::Display`] prints.
    pub fn parse(c: &mut Cursor<'_>) -> Parse<Routine> {
        if c.take("sort") {
            return Ok(Routine::Sort(Sort::parse(c)?));
        }
        c.expected("a routine")
    }
}

impl fmt::Display for Routine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Routine::Sort(s) => s.fmt(f),
        }
    }
}
