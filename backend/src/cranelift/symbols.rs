//! What compiled code refers to by name.

use crate::host::vector::strip_routine;
use rustorch_ir::loops::Elem;

/// Finds the functions and tables that kernels name.
pub trait Symbols: Send + Sync {
    /// A vector routine `unsafe extern "C" fn(src.., dst, count)` of pointers to `elem` and an `i64`.
    fn strip(&self, routine: &str, elem: Elem) -> Option<*const u8>;
    /// A constant table; each entry holds the bits of a lane, zero-extended.
    fn table(&self, name: &str) -> Option<&'static [u64]>;
}

/// The tables of the scalar expansions and the vector routines of this machine.
pub struct HostSymbols;

impl Symbols for HostSymbols {
    fn strip(&self, routine: &str, elem: Elem) -> Option<*const u8> {
        strip_routine(routine, elem == Elem::F64).map(|f| f.address)
    }

    fn table(&self, name: &str) -> Option<&'static [u64]> {
        rustorch_ir::op::scalar_math::table(name)
    }
}
