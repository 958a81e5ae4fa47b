//! The registry: every operation under its name, with its signature, its documentation and its function.
//!
//! An operation is one or more [`Entry`]s of the same name, each an overload with a schema in ATen's syntax.
//! Bindings, stubs and tables are derived from them: a front end parses its caller's arguments against the
//! [`Signature`] into [`Args`] and calls [`Overload::call`]. In-place forms follow from a flag.

mod args;
mod call;
mod default_dtype;
mod index_item;
mod schema;
#[cfg(test)]
mod tests;

pub use args::{Arg, Args, Operand, Ret, Scalar};
pub use call::{can_cast, check_out, write_out, write_result};
pub use default_dtype::{default_dtype, set_default_dtype};
pub use index_item::IndexItem;
pub use schema::{Default, Param, Returns, Signature, Ty};

use crate::error::Result;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Where an entry appears and what its arguments may be: a set of the flags in [`kinds`].
pub type Kinds = u16;

pub mod kinds {
    use super::Kinds;

    /// A function of the package.
    pub const FUNCTION: Kinds = 1;
    /// A method of tensors: the receiver is the parameter called `self`.
    pub const METHOD: Kinds = 1 << 1;
    /// A function of the native module's `_nn`.
    pub const NN: Kinds = 1 << 2;
    /// A function of `linalg`.
    pub const LINALG: Kinds = 1 << 3;
    /// Also the method `name_`, with [`FUNCTION`] the function where the tensor is the only parameter, and with
    /// [`NN`] the function where there is a parameter `inplace`: computes, and writes the result to `self`.
    pub const INPLACE: Kinds = 1 << 4;
    /// Numbers stand for tensors in all parameters but the first: [`super::Args::operand`] tells them apart.
    pub const NUMBERS: Kinds = 1 << 5;
    /// Numbers stand for tensors in the first parameter too.
    pub const NUMBERS_FIRST: Kinds = 1 << 6;
    /// Makes a tensor: also takes `device`, `layout`, `pin_memory` and `requires_grad`.
    pub const FACTORY: Kinds = 1 << 7;
    /// Also takes `out=`: computes, and writes the result there.
    pub const OUT: Kinds = 1 << 8;
    /// What the in-place form writes may meet its operands in memory in any way, unless the entry itself asks for
    /// them to be apart ([`super::Args::require_apart`]). Without this, not in part.
    pub const MEETS: Kinds = 1 << 9;
    /// An `out=` has the dtype of the result; elsewhere the result is converted.
    pub const EXACT: Kinds = 1 << 10;
}

/// One overload of an operation.
pub struct Entry {
    /// In ATen's syntax: `sum.dim(Tensor self, int[1]? dim, bool keepdim=False) -> Tensor`.
    pub schema: &'static str,
    pub kind: Kinds,
    /// Other names of the same operation.
    pub aliases: &'static [&'static str],
    /// torch's name of the gradient function, where it is not made from the entry's name (`AddBackward0`).
    pub grad: Option<&'static str>,
    pub doc: &'static str,
    pub call: fn(&Args<'_>) -> Result<Ret>,
}

impl Entry {
    /// The name without overload: `sum`.
    pub fn name(&self) -> &'static str {
        let end = self.schema.find(['.', '(']).unwrap_or(self.schema.len());
        &self.schema[..end]
    }
}

/// Makes `pub const ENTRIES: &[Entry]`:
///
/// ```text
/// entries! {
///     "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor" [FUNCTION | METHOD | INPLACE | NUMBERS]
///         "Adds `other`, times `alpha`." => |a| add(a.operand(0), a.operand(1), a.scalar(2));
///     "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor" [FUNCTION | METHOD] alias ["total"] grad "SumBackward0"
///         "Sum of all elements." => |a| sum(a.tensor(0), a.opt_dtype(1));
/// }
/// ```
///
/// The right side gives a `Result` of what a [`Ret`] is made from: a tensor, several, a number, nothing.
#[macro_export]
macro_rules! entries {
    ($($schema:literal [$kind:expr] $(alias [$($alias:literal),* $(,)?])? $(grad $grad:literal)? $doc:literal
        => |$a:pat_param| $body:expr;)*) => {
        pub const ENTRIES: &[$crate::registry::Entry] = &[$($crate::registry::Entry {
            schema: $schema,
            kind: {
                #[allow(unused_imports)]
                use $crate::registry::kinds::*;
                $kind
            },
            aliases: &[$($($alias),*)?],
            grad: { let _grad: Option<&'static str> = None; $(let _grad = Some($grad);)? _grad },
            doc: $doc,
            call: |$a: &$crate::registry::Args<'_>| -> $crate::Result<$crate::registry::Ret> {
                let result: $crate::Result<_> = $body;
                result.map($crate::registry::Ret::from)
            },
        }),*];
    };
}

/// An entry under one of its names, with its parsed signature.
pub struct Overload {
    pub entry: &'static Entry,
    pub signature: Signature,
    /// Writes the result to the parameter called `self`.
    pub in_place: bool,
    /// torch's name of the gradient function.
    pub grad: &'static str,
}

/// An operation: all overloads of one name, in the order in which they are tried.
pub struct Operation {
    pub name: &'static str,
    entries: Vec<(&'static Entry, bool)>,
    overloads: OnceLock<Vec<Overload>>,
}

impl Operation {
    pub fn overloads(&self) -> &[Overload] {
        self.overloads.get_or_init(|| {
            self.entries.iter().map(|&(entry, in_place)| Overload::new(entry, in_place)).collect()
        })
    }

    pub fn entries(&self) -> impl Iterator<Item = &'static Entry> + '_ {
        self.entries.iter().map(|&(entry, _)| entry)
    }

    pub fn is_in_place(&self) -> bool {
        self.entries.iter().all(|&(_, in_place)| in_place)
    }
}

/// The operations of a name space: [`kinds::FUNCTION`], [`kinds::METHOD`], [`kinds::NN`] or [`kinds::LINALG`].
pub fn operations(kind: Kinds) -> &'static [Operation] {
    static TABLES: [OnceLock<Vec<Operation>>; 4] = [const { OnceLock::new() }; 4];
    let table = kind.trailing_zeros() as usize;
    assert!(kind.is_power_of_two() && table < TABLES.len(), "not one name space: {kind:#b}");
    TABLES[table].get_or_init(|| collect(kind))
}

/// The operation of a name space that is called `name`.
pub fn operation(kind: Kinds, name: &str) -> Option<&'static Operation> {
    let table = operations(kind);
    table.binary_search_by(|op| op.name.cmp(name)).ok().map(|at| &table[at])
}

fn collect(kind: Kinds) -> Vec<Operation> {
    let mut named: BTreeMap<&'static str, Vec<(&'static Entry, bool)>> = BTreeMap::new();
    for entry in crate::ops::all().filter(|entry| entry.kind & kind != 0) {
        let alone = || !entry.schema[..entry.schema.find("->").unwrap_or_default()].contains(',');
        let in_place = entry.kind & kinds::INPLACE != 0
            && match kind {
                kinds::METHOD => true,
                kinds::FUNCTION => alone(),
                _ => entry.schema.contains("bool inplace"),
            };
        // Aliases are names of the package and of methods.
        let aliases = if kind == kinds::NN { &[][..] } else { entry.aliases };
        for name in std::iter::once(entry.name()).chain(aliases.iter().copied()) {
            named.entry(name).or_default().push((entry, false));
            if in_place {
                let changed = format!("{name}_");
                // Once for each name, for the length of the program: names of attributes live as long.
                let known = named.get_key_value(changed.as_str()).map(|(known, _)| *known);
                named.entry(known.unwrap_or_else(|| leak(changed))).or_default().push((entry, true));
            }
        }
    }
    named.into_iter().map(|(name, entries)| Operation { name, entries, overloads: OnceLock::new() }).collect()
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}
