//! Logical lanes as machine registers.
//!
//! A value of 4, 8, 16 or 32 lanes is split into parts of 4: one register when its lanes have 32 bits, two when
//! they have 64. Values of 1 or 2 lanes are split into scalars. A mask has the form of what was compared, and is
//! brought to another on demand.

use crate::target::Reg;
use rustorch_ir::loops::Elem;

/// One part of a value.
#[derive(Clone, Copy, Debug)]
pub enum Part<V> {
    One(V),
    /// Four lanes of 32 bits.
    Quad(V),
    /// Four lanes of 64 bits: two and two.
    Pair([V; 2]),
}

/// How the lanes of a part are held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    One,
    Quad,
    Pair,
}

impl<V: Copy> Part<V> {
    pub fn form(self) -> Form {
        match self {
            Part::One(_) => Form::One,
            Part::Quad(_) => Form::Quad,
            Part::Pair(_) => Form::Pair,
        }
    }

    /// The same operation on each register.
    pub fn map(self, mut f: impl FnMut(V) -> V) -> Part<V> {
        match self {
            Part::One(v) => Part::One(f(v)),
            Part::Quad(v) => Part::Quad(f(v)),
            Part::Pair([a, b]) => Part::Pair([f(a), f(b)]),
        }
    }

    /// The same operation on each pair of registers of two parts of one form.
    pub fn zip(self, other: Part<V>, mut f: impl FnMut(V, V) -> V) -> Part<V> {
        match (self, other) {
            (Part::One(a), Part::One(b)) => Part::One(f(a, b)),
            (Part::Quad(a), Part::Quad(b)) => Part::Quad(f(a, b)),
            (Part::Pair(a), Part::Pair(b)) => Part::Pair([f(a[0], b[0]), f(a[1], b[1])]),
            _ => unreachable!("parts of different forms"),
        }
    }

    pub fn zip3(self, b: Part<V>, c: Part<V>, mut f: impl FnMut(V, V, V) -> V) -> Part<V> {
        match (self, b, c) {
            (Part::One(a), Part::One(b), Part::One(c)) => Part::One(f(a, b, c)),
            (Part::Quad(a), Part::Quad(b), Part::Quad(c)) => Part::Quad(f(a, b, c)),
            (Part::Pair(a), Part::Pair(b), Part::Pair(c)) => {
                Part::Pair([f(a[0], b[0], c[0]), f(a[1], b[1], c[1])])
            }
            _ => unreachable!("parts of different forms"),
        }
    }

    /// Its registers in the order of their lanes.
    pub fn registers(&self) -> &[V] {
        match self {
            Part::One(v) | Part::Quad(v) => std::slice::from_ref(v),
            Part::Pair(pair) => pair,
        }
    }
}

impl Form {
    /// The form in which values of this type are held, masks as `Quad`.
    pub fn of(elem: Elem, lanes: u16) -> Form {
        match elem {
            _ if lanes < 4 => Form::One,
            Elem::I64 | Elem::F64 => Form::Pair,
            Elem::Mask | Elem::I32 | Elem::F32 => Form::Quad,
        }
    }

    /// The register of this form for an element, which for masks depends on the form.
    pub fn reg(self, elem: Elem) -> Reg {
        match (self, elem) {
            (Form::One, _) => Reg::scalar(elem),
            (Form::Pair, Elem::Mask) => Reg::I64x2,
            _ => Reg::vector(elem),
        }
    }

    pub fn registers(self) -> usize {
        match self {
            Form::Pair => 2,
            Form::One | Form::Quad => 1,
        }
    }

    /// A part of this form from its registers in order.
    pub fn part<V: Copy>(self, registers: &[V]) -> Part<V> {
        match self {
            Form::One => Part::One(registers[0]),
            Form::Quad => Part::Quad(registers[0]),
            Form::Pair => Part::Pair([registers[0], registers[1]]),
        }
    }
}

/// Lanes of one part.
pub fn part_lanes(lanes: u16) -> u16 {
    if lanes < 4 { 1 } else { 4 }
}

/// Parts of a value.
pub fn part_count(lanes: u16) -> usize {
    usize::from(lanes / part_lanes(lanes))
}
