//! What compiled code refers to by name.

use crate::host::vector::{fold_routine, row_fold_routine, strip_routine};
use rustorch_ir::DType;
use rustorch_ir::loops::{Combine, Elem};

/// Finds the functions and tables that kernels name.
pub trait Symbols: Send + Sync {
    /// A vector routine `unsafe extern "C" fn(src.., dst, count)` of pointers to `elem` and an `i64`.
    fn strip(&self, routine: &str, elem: Elem) -> Option<*const u8>;
    /// A vector routine `unsafe extern "C" fn(src, count)` that folds `mem` in so many lanes, to a float.
    fn fold(&self, _combine: Combine, _mem: DType, _lanes: u16) -> Option<*const u8> {
        None
    }
    /// A vector routine `unsafe extern "C" fn(acc, src, rows, stride, count)` that takes rows of `mem` into floats.
    fn fold_rows(&self, _combine: Combine, _mem: DType) -> Option<*const u8> {
        None
    }
    /// A constant table; each entry holds the bits of a lane, zero-extended.
    fn table(&self, name: &str) -> Option<&'static [u64]>;
}

/// The tables of the scalar expansions and the vector routines of this machine.
pub struct HostSymbols;

impl Symbols for HostSymbols {
    fn strip(&self, routine: &str, elem: Elem) -> Option<*const u8> {
        strip_routine(routine, elem == Elem::F64).map(|f| f.address)
    }

    fn fold(&self, combine: Combine, mem: DType, lanes: u16) -> Option<*const u8> {
        fold_routine(combine, mem, lanes)
    }

    fn fold_rows(&self, combine: Combine, mem: DType) -> Option<*const u8> {
        row_fold_routine(combine, mem)
    }

    fn table(&self, name: &str) -> Option<&'static [u64]> {
        rustorch_ir::op::scalar_math::table(name)
    }
}
