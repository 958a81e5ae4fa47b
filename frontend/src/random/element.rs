//! The element types that can be filled, and how torch converts a drawn value to each.

use half::{bf16, f16};

/// A type that `random_`, `bernoulli_`, `geometric_` and (but for `bool`) `randperm` can produce.
pub trait Element: Copy + Default + 'static {
    /// The type as torch's messages about ranges write it, and as its other messages do.
    const NAME: &'static str;
    const SCALAR_NAME: &'static str;
    /// Least and greatest representable value, as `random_` bounds them.
    const LOWEST: f64;
    const HIGHEST: f64;
    /// Greatest value of an open-ended `random_(from)`: the largest integer of the type, or 2^mantissa.
    const HIGHEST_INTEGER: i64;
    /// Significant bits of a floating-point type.
    const DIGITS: Option<u32>;
    /// Whether an open `random_()` draws two engine words.
    const WIDE: bool;

    fn from_i64(value: i64) -> Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
}

/// A floating-point element: `uniform_`, `normal_` and the continuous distributions.
///
/// Conversion from f64 passes through f32 for the half types, as in torch, and so rounds twice.
pub trait Real: Element + PartialEq {
    /// Draws and parameters are f64 for f64 and f32 for the others.
    const DOUBLE: bool;

    fn from_f32(value: f32) -> Self;
}

macro_rules! integer {
    ($($type:ty, $name:literal, $scalar:literal, $wide:literal;)*) => {$(
        impl Element for $type {
            const NAME: &'static str = $name;
            const SCALAR_NAME: &'static str = $scalar;
            const LOWEST: f64 = <$type>::MIN as f64;
            const HIGHEST: f64 = <$type>::MAX as f64;
            const HIGHEST_INTEGER: i64 = <$type>::MAX as i64;
            const DIGITS: Option<u32> = None;
            const WIDE: bool = $wide;

            fn from_i64(value: i64) -> Self {
                value as $type
            }

            fn from_f64(value: f64) -> Self {
                value as i64 as $type
            }

            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

integer! {
    u8, "unsigned char", "Byte", false;
    i8, "signed char", "Char", false;
    i16, "short int", "Short", false;
    i32, "int", "Int", false;
    i64, "long int", "Long", true;
}

impl Element for bool {
    const NAME: &'static str = "bool";
    const SCALAR_NAME: &'static str = "Bool";
    const LOWEST: f64 = 0.0;
    const HIGHEST: f64 = 1.0;
    const HIGHEST_INTEGER: i64 = 1;
    const DIGITS: Option<u32> = None;
    const WIDE: bool = false;

    fn from_i64(value: i64) -> Self {
        value != 0
    }

    fn from_f64(value: f64) -> Self {
        value != 0.0
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

macro_rules! real {
    ($($type:ty, $name:literal, $scalar:literal, $max:expr, $digits:literal, $double:literal,
       from_i64: $from_i64:expr, from_f64: $from_f64:expr, from_f32: $from_f32:expr;)*) => {$(
        impl Element for $type {
            const NAME: &'static str = $name;
            const SCALAR_NAME: &'static str = $scalar;
            const LOWEST: f64 = -$max;
            const HIGHEST: f64 = $max;
            const HIGHEST_INTEGER: i64 = 1 << $digits;
            const DIGITS: Option<u32> = Some($digits);
            const WIDE: bool = $double;

            fn from_i64(value: i64) -> Self {
                ($from_i64)(value)
            }

            fn from_f64(value: f64) -> Self {
                ($from_f64)(value)
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }

        impl Real for $type {
            const DOUBLE: bool = $double;

            fn from_f32(value: f32) -> Self {
                ($from_f32)(value)
            }
        }
    )*};
}

const BF16_MAX: f64 = 338_953_138_925_153_547_590_470_800_371_487_866_880.0;

real! {
    f16, "c10::Half", "Half", 65504.0, 11, false,
        from_i64: |v| f16::from_f32(v as f32), from_f64: |v| f16::from_f32(v as f32), from_f32: f16::from_f32;
    bf16, "c10::BFloat16", "BFloat16", BF16_MAX, 8, false,
        from_i64: |v| bf16::from_f32(v as f32), from_f64: |v| bf16::from_f32(v as f32), from_f32: bf16::from_f32;
    f32, "float", "Float", (f32::MAX as f64), 24, false,
        from_i64: |v| v as f32, from_f64: |v| v as f32, from_f32: |v| v;
    f64, "double", "Double", f64::MAX, 53, true,
        from_i64: |v| v as f64, from_f64: |v| v, from_f32: f64::from;
}
