//! What hosts compute by routines of their own, between the kernels of a plan: no loop nest says it well.
//!
//! A routine reads contiguous buffers and writes fresh ones. [`Routine::run`] is its meaning, and what interpreters run;
//! a backend brings a faster one, whose results are the same bytes, or for [`Routine::is_rounded`] as good.

mod factor;
mod fft;
mod sort;

pub use factor::{Factor, Form, Solve, Triangle, Triangular, Vectors};
pub use fft::Fft;
pub use sort::{Sort, sort_key};

use crate::parse::{Cursor, Parse};
use std::fmt;

/// A routine with what it must know of its buffers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Routine {
    Sort(Sort),
    Factor(Factor),
    Triangular(Triangular),
    Solve(Solve),
    Fft(Fft),
}

impl Routine {
    /// The word that its text begins with.
    pub fn name(&self) -> &'static str {
        match self {
            Routine::Sort(_) => "sort",
            Routine::Factor(f) => f.form.word(),
            Routine::Triangular(_) => "triangular_solve",
            Routine::Solve(_) => "solve",
            Routine::Fft(_) => "fft",
        }
    }

    /// Roughly how many operations it takes; 0 if there is nothing to compute.
    pub fn work(&self) -> usize {
        match self {
            Routine::Sort(s) => s.outer * s.extent * s.inner,
            Routine::Factor(f) => f.work(),
            Routine::Triangular(t) => t.work(),
            Routine::Solve(s) => s.work(),
            Routine::Fft(f) => f.rows * f.extent * (f.extent.max(1).ilog2() as usize + 1),
        }
    }

    /// Whether others that compute the same may round elsewhere.
    pub fn is_rounded(&self) -> bool {
        !matches!(self, Routine::Sort(_))
    }

    /// The results of these operands, all contiguous.
    pub fn run(&self, inputs: &[&[u8]], outputs: &mut [Vec<u8>]) {
        match self {
            Routine::Sort(s) => s.run(inputs[0], outputs),
            Routine::Factor(f) => f.run(inputs[0], outputs),
            Routine::Triangular(t) => t.run(inputs[0], inputs[1], &mut outputs[0]),
            // The matrix itself is there for gradients alone.
            Routine::Solve(s) => s.run(inputs[1], inputs[2], inputs[3], &mut outputs[0]),
            Routine::Fft(f) => f.run(inputs[0], &mut outputs[0]),
        }
    }

    /// Reads back what [`fmt::Display`] prints.
    pub fn parse(c: &mut Cursor<'_>) -> Parse<Routine> {
        if c.take("sort") {
            return Ok(Routine::Sort(Sort::parse(c)?));
        }
        if c.take("triangular_solve") {
            return Ok(Routine::Triangular(Triangular::parse(c)?));
        }
        if c.take("solve") {
            return Ok(Routine::Solve(Solve::parse(c)?));
        }
        if c.take("fft") {
            return Ok(Routine::Fft(Fft::parse(c)?));
        }
        match Factor::parse(c)? {
            Some(factor) => Ok(Routine::Factor(factor)),
            None => c.expected("a routine"),
        }
    }
}

impl fmt::Display for Routine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Routine::Sort(s) => s.fmt(f),
            Routine::Factor(factor) => factor.fmt(f),
            Routine::Triangular(t) => t.fmt(f),
            Routine::Solve(s) => s.fmt(f),
            Routine::Fft(fft) => fft.fmt(f),
        }
    }
}
