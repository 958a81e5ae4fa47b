//! Folds: all elements of a stretch of memory combined in lanes, and those by halves, as `Inst::Fold` says.

use super::registers::Lanes;
use rustorch_ir::DType;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::scalar_math::Core;

/// All lanes of a fold, whatever registers hold them: as many as loops have that combine such elements.
pub(super) const fn all_lanes(combine: Combine, mem: DType) -> usize {
    match (combine, mem) {
        (Combine::Add | Combine::Mul, DType::F16 | DType::BF16 | DType::F32) => 32,
        _ => 16,
    }
}

/// Lanes that can be computed with.
pub(super) trait Register: Lanes<Register = <Self as Core>::V> + Core {}

impl<L: Lanes<Register = <L as Core>::V> + Core> Register for L {}

/// How lanes take elements in.
pub(super) trait Fold<C: Core> {
    type State: Copy;

    /// Of lanes that have seen nothing; `like` is any value.
    fn begin(c: &mut C, like: C::V) -> Self::State;
    fn take(c: &mut C, state: Self::State, x: C::V) -> Self::State;
    fn end(c: &mut C, state: Self::State) -> C::V;
    fn both(c: &mut C, a: C::V, b: C::V) -> C::V;
}

/// A fold that takes in one element as it combines two results.
macro_rules! plain {
    ($name:ident, $neutral:literal, $op:ident) => {
        pub(super) struct $name;

        impl<C: Core> Fold<C> for $name {
            type State = C::V;

            #[inline(always)]
            fn begin(c: &mut C, like: C::V) -> C::V {
                c.float(like, $neutral)
            }
            #[inline(always)]
            fn take(c: &mut C, state: C::V, x: C::V) -> C::V {
                c.$op(state, x)
            }
            #[inline(always)]
            fn end(_: &mut C, state: C::V) -> C::V {
                state
            }
            #[inline(always)]
            fn both(c: &mut C, a: C::V, b: C::V) -> C::V {
                c.$op(a, b)
            }
        }
    };
}

/// A fold that takes in what compares as better, and notes beside that whether there was a NaN.
macro_rules! extreme {
    ($name:ident, $neutral:expr, $op:ident) => {
        pub(super) struct $name;

        impl<C: Core> Fold<C> for $name {
            type State = (C::V, C::M);

            #[inline(always)]
            fn begin(c: &mut C, like: C::V) -> Self::State {
                let most = c.float(like, $neutral);
                (most, c.fne(most, most))
            }
            #[inline(always)]
            fn take(c: &mut C, (most, seen): Self::State, x: C::V) -> Self::State {
                let nan = c.fne(x, x);
                (c.$op(x, most), c.mor(seen, nan))
            }
            #[inline(always)]
            fn end(c: &mut C, (most, seen): Self::State) -> C::V {
                let nan = c.float(most, f64::NAN);
                c.select(seen, nan, most)
            }
            #[inline(always)]
            fn both(c: &mut C, a: C::V, b: C::V) -> C::V {
                let better = c.$op(b, a);
                let nan = c.fne(b, b);
                c.select(nan, b, better)
            }
        }
    };
}

plain!(Add, 0.0, fadd);
plain!(Mul, 1.0, fmul);
extreme!(Min, f64::INFINITY, fmin);
extreme!(Max, f64::NEG_INFINITY, fmax);

/// The combination of `n` elements that `load` gives register by register; `R` registers make up all lanes.
///
/// # Safety
/// `load` can be called for each multiple of the registers' lanes below `n`, which is a multiple of all lanes.
#[inline(always)]
pub(super) unsafe fn fold<F: Fold<L>, L: Register, const R: usize>(
    c: &mut L,
    n: usize,
    load: impl Fn(usize) -> L::V,
) -> L::Element {
    // SAFETY: the instructions are there by the caller's word.
    let like = unsafe { L::zero() };
    let mut state = [F::begin(c, like); R];
    let mut i = 0;
    while i < n {
        for (r, state) in state.iter_mut().enumerate() {
            *state = F::take(c, *state, load(i + r * L::COUNT));
        }
        i += R * L::COUNT;
    }
    let mut lanes = state.map(|s| F::end(c, s));
    let mut half = R / 2;
    while half > 0 {
        for r in 0..half {
            lanes[r] = F::both(c, lanes[r], lanes[r + half]);
        }
        half /= 2;
    }
    let mut half = L::COUNT / 2;
    while half > 0 {
        // SAFETY: as above; half of the lanes are fewer than all.
        let upper = unsafe { L::lowered(lanes[0], half) };
        lanes[0] = F::both(c, lanes[0], upper);
        half /= 2;
    }
    // SAFETY: as above.
    unsafe { L::first(lanes[0]) }
}

/// Combines the `n` accumulators with rows of which `load` and `load_part` give registers: the row's number, the first
/// column, and of a part how many lanes there are.
///
/// # Safety
/// There are `n` accumulators, and the rows have as many columns.
#[inline(always)]
pub(super) unsafe fn fold_rows<F: Fold<L>, L: Register>(
    c: &mut L,
    acc: *mut L::Element,
    rows: usize,
    n: usize,
    load: impl Fn(usize, usize) -> L::V,
    load_part: impl Fn(usize, usize, usize) -> L::V,
) {
    /// Registers that are filled side by side, for the waits.
    const SIDE: usize = 4;
    let mut j = 0;
    // SAFETY: by the caller's word; what is read and written lies below `n`.
    unsafe {
        while n - j >= SIDE * L::COUNT {
            let mut own: [L::V; SIDE] = std::array::from_fn(|r| L::load(acc.add(j + r * L::COUNT)));
            for row in 0..rows {
                for (r, own) in own.iter_mut().enumerate() {
                    *own = F::both(c, *own, load(row, j + r * L::COUNT));
                }
            }
            for (r, own) in own.into_iter().enumerate() {
                L::store(acc.add(j + r * L::COUNT), own);
            }
            j += SIDE * L::COUNT;
        }
        while n - j >= L::COUNT {
            let mut own = L::load(acc.add(j));
            for row in 0..rows {
                own = F::both(c, own, load(row, j));
            }
            L::store(acc.add(j), own);
            j += L::COUNT;
        }
        if n > j {
            let mut own = L::load_part(acc.add(j), n - j);
            for row in 0..rows {
                own = F::both(c, own, load_part(row, j, n - j));
            }
            L::store_part(acc.add(j), n - j, own);
        }
    }
}

/// Elements of which there are fewer than a register has lanes, in memory that has room for all.
///
/// # Safety
/// `from` points at `count` elements, fewer than `COUNT`.
#[inline(always)]
pub(super) unsafe fn padded<T: Copy + Default, const COUNT: usize>(
    from: *const T,
    count: usize,
) -> [T; COUNT] {
    let mut all = [T::default(); COUNT];
    // SAFETY: by the caller's word.
    unsafe { std::ptr::copy_nonoverlapping(from, all.as_mut_ptr(), count) };
    all
}

/// The routines for one type of memory: of a stretch, and of rows.
macro_rules! routine {
    ($lanes:ident, $features:literal, $fold:ident, $name:ident, $rows:ident, $from:ty, $to:ident, |$at:ident| $load:expr) => {
        #[target_feature(enable = $features)]
        pub(in super::super) unsafe extern "C" fn $name(x: *const $from, n: i64) -> $to {
            const MEM: DType = if size_of::<$to>() == 8 { DType::F64 } else { DType::F32 };
            const ALL: usize = $crate::host::vector::folds::all_lanes(Combine::$fold, MEM);
            // SAFETY: the caller gives `n` elements, a multiple of all lanes, and has the instructions.
            unsafe {
                $crate::host::vector::folds::fold::<
                    $crate::host::vector::folds::$fold,
                    _,
                    { ALL / $lanes::COUNT },
                >(&mut $lanes, n as usize, |i| {
                    let $at = x.add(i);
                    $load
                })
            }
        }

        #[target_feature(enable = $features)]
        pub(in super::super) unsafe extern "C" fn $rows(
            acc: *mut $to,
            x: *const $from,
            rows: i64,
            stride: i64,
            n: i64,
        ) {
            // SAFETY: the caller gives `n` accumulators, and rows of as many elements, and has the instructions.
            unsafe {
                $crate::host::vector::folds::fold_rows::<$crate::host::vector::folds::$fold, _>(
                    &mut $lanes,
                    acc,
                    rows as usize,
                    n as usize,
                    |row, j| {
                        let $at = x.offset(row as isize * stride as isize).add(j);
                        $load
                    },
                    |row, j, count| {
                        let part = x.offset(row as isize * stride as isize).add(j);
                        let all = $crate::host::vector::folds::padded::<_, { $lanes::COUNT }>(part, count);
                        let $at = all.as_ptr();
                        $load
                    },
                )
            }
        }
    };
}

/// The routines, over these lanes of f32 and of f64.
macro_rules! folds {
    ($single:ident, $double:ident, $features:literal) => {
        $crate::host::vector::folds::folds! { $single, $double, $features, add Add, mul Mul, min Min, max Max }
    };
    ($single:ident, $double:ident, $features:literal, $($module:ident $fold:ident),+) => {
        mod folds {
            $(pub(super) mod $module {
                use super::super::{Halves, Lanes, $single, $double};
                use $crate::host::vector::folds::routine;
                use rustorch_ir::{DType, loops::Combine};
                routine!($single, $features, $fold, of_f32, rows_of_f32, f32, f32, |x| $single::load(x));
                routine!($single, $features, $fold, of_f16, rows_of_f16, u16, f32, |x| $single::load_f16(x));
                routine!($single, $features, $fold, of_bf16, rows_of_bf16, u16, f32, |x| $single::load_bf16(x));
                routine!($double, $features, $fold, of_f64, rows_of_f64, f64, f64, |x| $double::load(x));
            })+
        }

        /// The routine of [`super::fold_routine`]; the caller has checked that the machine has the instructions.
        pub(super) fn fold(combine: rustorch_ir::loops::Combine, mem: rustorch_ir::DType) -> Option<*const u8> {
            use rustorch_ir::{DType, loops::Combine};
            Some(match (combine, mem) {
                $(
                    (Combine::$fold, DType::F32) => folds::$module::of_f32 as *const u8,
                    (Combine::$fold, DType::F16) => folds::$module::of_f16 as *const u8,
                    (Combine::$fold, DType::BF16) => folds::$module::of_bf16 as *const u8,
                    (Combine::$fold, DType::F64) => folds::$module::of_f64 as *const u8,
                )+
                _ => return None,
            })
        }

        /// The routine of [`super::row_fold_routine`], under the same condition.
        pub(super) fn row_fold(combine: rustorch_ir::loops::Combine, mem: rustorch_ir::DType) -> Option<*const u8> {
            use rustorch_ir::{DType, loops::Combine};
            Some(match (combine, mem) {
                $(
                    (Combine::$fold, DType::F32) => folds::$module::rows_of_f32 as *const u8,
                    (Combine::$fold, DType::F16) => folds::$module::rows_of_f16 as *const u8,
                    (Combine::$fold, DType::BF16) => folds::$module::rows_of_bf16 as *const u8,
                    (Combine::$fold, DType::F64) => folds::$module::rows_of_f64 as *const u8,
                )+
                _ => return None,
            })
        }
    };
}

pub(super) use {folds, routine};
