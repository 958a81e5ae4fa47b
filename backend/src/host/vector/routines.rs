//! The routines, compiled for one kind of registers.

/// A routine of one argument over contiguous elements.
macro_rules! unary {
    ($lanes:ident, $features:literal, $function:ident) => {
        #[target_feature(enable = $features)]
        pub(super) unsafe extern "C" fn $function(
            x: *const <$lanes as Lanes>::Element,
            y: *mut <$lanes as Lanes>::Element,
            n: i64,
        ) {
            let n = n as usize;
            let mut i = 0;
            // One place where the function stands, and is inlined whatever its size. SAFETY: the caller gives
            // `n` elements behind both pointers; i + count stays within them.
            unsafe {
                while i < n {
                    let count = $lanes::COUNT.min(n - i);
                    let v = $lanes::load_up_to(x.add(i), count);
                    let v = rustorch_ir::op::scalar_math::$function(&mut $lanes, v);
                    $lanes::store_up_to(y.add(i), count, v);
                    i += count;
                }
            }
        }
    };
}

/// A routine of two arguments.
macro_rules! binary {
    ($lanes:ident, $features:literal, $function:ident) => {
        #[target_feature(enable = $features)]
        pub(super) unsafe extern "C" fn $function(
            a: *const <$lanes as Lanes>::Element,
            b: *const <$lanes as Lanes>::Element,
            y: *mut <$lanes as Lanes>::Element,
            n: i64,
        ) {
            let n = n as usize;
            let mut i = 0;
            // SAFETY: as for functions of one argument, with two inputs.
            unsafe {
                while i < n {
                    let count = $lanes::COUNT.min(n - i);
                    let (v, w) = ($lanes::load_up_to(a.add(i), count), $lanes::load_up_to(b.add(i), count));
                    let v = rustorch_ir::op::scalar_math::$function(&mut $lanes, v, w);
                    $lanes::store_up_to(y.add(i), count, v);
                    i += count;
                }
            }
        }
    };
}

/// A conversion by `$step`, of as many elements as the lanes are.
macro_rules! conversion {
    ($lanes:ident, $features:literal, $function:ident, $from:ty, $to:ty, $step:expr) => {
        #[target_feature(enable = $features)]
        pub(super) unsafe extern "C" fn $function(x: *const $from, y: *mut $to, n: i64) {
            const COUNT: usize = $lanes::COUNT;
            let n = n as usize;
            let mut i = 0;
            // SAFETY: the caller gives `n` elements behind both pointers; a full step stays within them, and the
            // last one has memory of its own.
            unsafe {
                while n - i >= COUNT {
                    $step(x.add(i), y.add(i));
                    i += COUNT;
                }
                let (mut from, mut to) = ([<$from>::default(); COUNT], [<$to>::default(); COUNT]);
                std::ptr::copy_nonoverlapping(x.add(i), from.as_mut_ptr(), n - i);
                $step(from.as_ptr(), to.as_mut_ptr());
                std::ptr::copy_nonoverlapping(to.as_ptr(), y.add(i), n - i);
            }
        }
    };
}

/// The conversions between f32 and 16 bits, over these lanes.
macro_rules! conversions {
    ($lanes:ident, $features:literal) => {
        mod conversions {
            use super::*;
            use $crate::host::vector::routines::conversion;
            conversion!($lanes, $features, f16_to_f32, u16, f32, |x, y| $lanes::store(
                y,
                $lanes::load_f16(x)
            ));
            conversion!($lanes, $features, f32_to_f16, f32, u16, |x, y| $lanes::store_f16(
                y,
                $lanes::load(x)
            ));
            conversion!($lanes, $features, f32_to_bf16, f32, u16, |x, y| {
                let bits = rustorch_ir::op::scalar_math::f32_to_bf16(&mut $lanes, $lanes::load(x));
                $lanes::store_low(y, bits);
            });
        }
    };
}

/// Every routine, over these lanes of f32 and of f64, which need these features.
macro_rules! routines {
    ($single:ident, $double:ident, $features:literal) => {
        use $crate::host::vector::routines::routines_of;
        $crate::host::vector::routines::conversions!($single, $features);
        rustorch_ir::routine_functions! { routines_of ($single, $double, $features) }
    };
}

/// The routines of these functions, and how they are found.
macro_rules! routines_of {
    (($single:ident, $double:ident, $features:literal) $($function:ident($($arg:ident),+);)*) => {
        mod singles {
            use super::*;
            $($crate::host::vector::routines::compiled!($single, $features, $function($($arg),+));)*
        }
        mod doubles {
            use super::*;
            $($crate::host::vector::routines::compiled!($double, $features, $function($($arg),+));)*
        }

        /// The routine of this name; the caller has checked that the machine has the instructions.
        pub(super) fn routine(name: &str, double: bool) -> Option<super::StripFn> {
            let (address, inputs) = match (name, double) {
                $(
                    (stringify!($function), false) => {
                        (singles::$function as *const u8, [$(stringify!($arg)),+].len())
                    }
                    (stringify!($function), true) => {
                        (doubles::$function as *const u8, [$(stringify!($arg)),+].len())
                    }
                )*
                ("f16_to_f32", false) => (conversions::f16_to_f32 as *const u8, 1),
                ("f32_to_f16", false) => (conversions::f32_to_f16 as *const u8, 1),
                ("f32_to_bf16", false) => (conversions::f32_to_bf16 as *const u8, 1),
                _ => return None,
            };
            Some(super::StripFn { address, inputs })
        }

        /// The names that [`routine`] knows, but for conversions.
        #[cfg(test)]
        pub(super) const NAMES: &[&str] = &[$(stringify!($function)),*];
    };
}

/// One routine under the name of its function, by the number of its arguments.
macro_rules! compiled {
    ($lanes:ident, $features:literal, $function:ident($x:ident)) => {
        $crate::host::vector::routines::unary!($lanes, $features, $function);
    };
    ($lanes:ident, $features:literal, $function:ident($x:ident, $y:ident)) => {
        $crate::host::vector::routines::binary!($lanes, $features, $function);
    };
}

pub(super) use {binary, compiled, conversion, conversions, routines, routines_of, unary};
