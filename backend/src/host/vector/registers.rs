//! What makes a kind of register the lanes of [`Core`](rustorch_ir::op::scalar_math::Core).
//!
//! The values are used inside functions compiled for the instructions in question only: the crate makes
//! them nowhere else. Every method is inlined into those, since a method of a trait cannot ask for
//! instructions by itself. Floats and integers both travel as bits, in the integer register.

/// Some lanes of one type, as a register holds them.
pub(super) trait Lanes {
    type Element: Copy;
    type Register: Copy;
    const COUNT: usize;

    /// # Safety
    /// The machine has the instructions, and `from` points at `COUNT` elements, aligned or not.
    unsafe fn load(from: *const Self::Element) -> Self::Register;
    /// # Safety
    /// The machine has the instructions, and `to` has room for `COUNT` elements, aligned or not.
    unsafe fn store(to: *mut Self::Element, lanes: Self::Register);
    /// The first `count` lanes, fewer than all, from memory, the others 1.
    ///
    /// # Safety
    /// The machine has the instructions, and `from` points at `count` elements, aligned or not.
    unsafe fn load_part(from: *const Self::Element, count: usize) -> Self::Register;
    /// The first `count` lanes, fewer than all, to memory.
    ///
    /// # Safety
    /// The machine has the instructions, and `to` has room for `count` elements, aligned or not.
    unsafe fn store_part(to: *mut Self::Element, count: usize, lanes: Self::Register);

    /// All lanes 0.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn zero() -> Self::Register;
    /// Lane `k + by` in lane `k`; `by` is a power of two below [`Self::COUNT`], the upper lanes are unspecified.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn lowered(lanes: Self::Register, by: usize) -> Self::Register;
    /// Lane 0.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn first(lanes: Self::Register) -> Self::Element;

    /// # Safety
    /// As for both ways to load.
    #[inline(always)]
    unsafe fn load_up_to(from: *const Self::Element, count: usize) -> Self::Register {
        // SAFETY: by the caller's word.
        unsafe { if count == Self::COUNT { Self::load(from) } else { Self::load_part(from, count) } }
    }
    /// # Safety
    /// As for both ways to store.
    #[inline(always)]
    unsafe fn store_up_to(to: *mut Self::Element, count: usize, lanes: Self::Register) {
        // SAFETY: by the caller's word.
        unsafe {
            if count == Self::COUNT {
                Self::store(to, lanes);
            } else {
                Self::store_part(to, count, lanes);
            }
        }
    }
}

/// Lanes of f32 that can be brought into 16 bits.
pub(super) trait Halves: Lanes<Element = f32> {
    /// # Safety
    /// The machine has the instructions, and `from` points at `COUNT` f16, aligned or not.
    unsafe fn load_f16(from: *const u16) -> Self::Register;
    /// # Safety
    /// The machine has the instructions, and `from` points at `COUNT` bf16, aligned or not.
    unsafe fn load_bf16(from: *const u16) -> Self::Register;
    /// Rounded to nearest, ties to even.
    ///
    /// # Safety
    /// The machine has the instructions, and `to` has room for `COUNT` f16, aligned or not.
    unsafe fn store_f16(to: *mut u16, lanes: Self::Register);
    /// Integers that fit, as 16 bits each.
    ///
    /// # Safety
    /// The machine has the instructions, and `to` has room for `COUNT` elements, aligned or not.
    unsafe fn store_low(to: *mut u16, lanes: Self::Register);
}

/// Implements `Core` for a type without fields: `floats` are written over float registers, all else over
/// integer registers and masks.
macro_rules! core_of_registers {
    (
        $(#[$doc:meta])* $name:ident, double $double:literal, $float:ty as $int:ty, masks $mask:ty,
        casts $to_float:ident $to_int:ident,
        constants $splat_float:expr, $splat_int:expr;
        floats { $($f:ident($($fx:ident),+) = $fe:expr;)* }
        ints { $($i:ident($($ix:ident),+) = $ie:expr;)* }
        shifts { $($s:ident($sx:ident, $by:ident) = $se:expr;)* }
        int_to_float($itf:ident) = $itf_expr:expr;
        float_to_int($fti:ident) = $fti_expr:expr;
        float_masks { $($c:ident($($cx:ident),+) = $ce:expr;)* }
        int_masks { $($d:ident($($dx:ident),+) = $de:expr;)* }
        masks { $($m:ident($($mx:ident),+) = $me:expr;)* }
        select($sm:ident, $sa:ident, $sb:ident) = $select:expr;
        none($none:ident) = $is_none:expr;
        table($entries:ident, $index:ident) = $table:expr;
    ) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl rustorch_ir::op::scalar_math::Core for $name {
            type V = $int;
            type M = $mask;

            #[inline(always)]
            fn is_double(&self, _: $int) -> bool {
                $double
            }
            #[inline(always)]
            fn float(&mut self, _: $int, c: f64) -> $int {
                // SAFETY: the instructions are there, see the module.
                unsafe { $to_int($splat_float(c)) }
            }
            #[inline(always)]
            fn int(&mut self, _: $int, c: i64) -> $int {
                // SAFETY: the instructions are there, see the module.
                unsafe { $splat_int(c) }
            }
            $(
                #[inline(always)]
                fn $f(&mut self, $($fx: $int),+) -> $int {
                    // SAFETY: the instructions are there, see the module.
                    unsafe {
                        $(let $fx: $float = $to_float($fx);)+
                        $to_int($fe)
                    }
                }
            )*
            $(
                #[inline(always)]
                fn $i(&mut self, $($ix: $int),+) -> $int {
                    // SAFETY: the instructions are there, see the module.
                    unsafe { $ie }
                }
            )*
            $(
                #[inline(always)]
                fn $s(&mut self, $sx: $int, by: u32) -> $int {
                    // SAFETY: the instructions are there, see the module.
                    unsafe {
                        let $by = std::arch::x86_64::_mm_cvtsi32_si128(by as i32);
                        $se
                    }
                }
            )*
            #[inline(always)]
            fn to_bits(&mut self, a: $int) -> $int {
                a
            }
            #[inline(always)]
            fn from_bits(&mut self, a: $int) -> $int {
                a
            }
            #[inline(always)]
            fn int_to_float(&mut self, $itf: $int) -> $int {
                // SAFETY: the instructions are there, see the module.
                unsafe { $to_int($itf_expr) }
            }
            #[inline(always)]
            fn float_to_int(&mut self, a: $int) -> $int {
                // SAFETY: the instructions are there, see the module.
                unsafe {
                    let $fti: $float = $to_float(a);
                    $fti_expr
                }
            }
            fn widen(&mut self, _: $int) -> $int {
                panic!("a register of lanes of one width has none of the other")
            }
            fn narrow(&mut self, _: $int) -> $int {
                panic!("a register of lanes of one width has none of the other")
            }
            $(
                #[inline(always)]
                fn $c(&mut self, $($cx: $int),+) -> $mask {
                    // SAFETY: the instructions are there, see the module.
                    unsafe {
                        $(let $cx: $float = $to_float($cx);)+
                        $ce
                    }
                }
            )*
            $(
                #[inline(always)]
                fn $d(&mut self, $($dx: $int),+) -> $mask {
                    // SAFETY: the instructions are there, see the module.
                    unsafe { $de }
                }
            )*
            $(
                #[inline(always)]
                fn $m(&mut self, $($mx: $mask),+) -> $mask {
                    // SAFETY: the instructions are there, see the module.
                    #[allow(unused_unsafe, reason = "some masks are plain integers")]
                    unsafe { $me }
                }
            )*
            #[inline(always)]
            fn select(&mut self, $sm: $mask, $sa: $int, $sb: $int) -> $int {
                // SAFETY: the instructions are there, see the module.
                unsafe { $select }
            }
            #[inline(always)]
            fn table(&mut self, $entries: &'static [u64], $index: $int) -> $int {
                // SAFETY: the instructions are there, see the module.
                unsafe { $table }
            }
            #[inline(always)]
            fn rarely(&mut self, $none: $mask, fast: $int, slow: impl FnOnce(&mut Self) -> $int) -> $int {
                // SAFETY: the instructions are there, see the module.
                #[allow(unused_unsafe, reason = "some masks are plain integers")]
                if unsafe { $is_none } {
                    return fast;
                }
                let slow = slow(self);
                self.select($none, slow, fast)
            }
            #[inline(always)]
            fn repeat<const N: usize>(
                &mut self,
                times: u32,
                mut state: [$int; N],
                step: impl FnOnce(&mut Self, [$int; N]) -> [$int; N] + Clone,
            ) -> [$int; N] {
                for _ in 0..times {
                    state = step.clone()(self, state);
                }
                state
            }
        }
    };
}

pub(super) use core_of_registers;
