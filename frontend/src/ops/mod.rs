//! The operations of PyTorch, by theme; each file ends in the table of its entries.

use crate::registry::Entry;

const TABLES: &[&[Entry]] = &[];

/// All entries. Overloads of one name are tried in this order.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().copied().flatten()
}
