//! The operations of PyTorch, by theme; each file ends in the table of its entries.

mod arithmetic;
mod comparison;
mod creation;
mod extremes;
mod layout;
mod operands;
mod pointwise;
mod power;
mod ternary;

use crate::registry::Entry;

const TABLES: &[&[Entry]] = &[
    arithmetic::ENTRIES,
    comparison::ENTRIES,
    creation::ENTRIES,
    extremes::ENTRIES,
    pointwise::ENTRIES,
    power::ENTRIES,
    ternary::ENTRIES,
];

/// All entries. Overloads of one name are tried in this order.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().copied().flatten()
}
