//! Quotients and roots. Every machine has the instructions; as functions they can be run by host routines, in
//! registers that are wider than those of the code around them.

use super::Core;

#[inline(always)]
pub fn div<C: Core>(c: &mut C, x: C::V, y: C::V) -> C::V {
    c.fdiv(x, y)
}

#[inline(always)]
pub fn reciprocal<C: Core>(c: &mut C, x: C::V) -> C::V {
    let one = c.float(x, 1.0);
    c.fdiv(one, x)
}

#[inline(always)]
pub fn sqrt<C: Core>(c: &mut C, x: C::V) -> C::V {
    c.fsqrt(x)
}

/// `1 / sqrt(x)`, both rounded.
#[inline(always)]
pub fn rsqrt<C: Core>(c: &mut C, x: C::V) -> C::V {
    let root = c.fsqrt(x);
    reciprocal(c, root)
}
