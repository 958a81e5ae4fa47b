//! [`Core`] over single numbers held as bits: the expansions run as ordinary arithmetic.

use rustorch_ir::op::scalar_math::Core;

/// The bits of a float or an integer, with their width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    Single(u32),
    Double(u64),
}

use Bits::{Double, Single};

impl Bits {
    pub fn f32(self) -> f32 {
        match self {
            Single(bits) => f32::from_bits(bits),
            Double(_) => panic!("a 64-bit value where 32 bits are wanted"),
        }
    }

    pub fn f64(self) -> f64 {
        match self {
            Double(bits) => f64::from_bits(bits),
            Single(_) => panic!("a 32-bit value where 64 bits are wanted"),
        }
    }

    pub fn i32(self) -> i32 {
        match self {
            Single(bits) => bits as i32,
            Double(_) => panic!("a 64-bit value where 32 bits are wanted"),
        }
    }
}

impl From<f32> for Bits {
    fn from(value: f32) -> Self {
        Single(value.to_bits())
    }
}

impl From<f64> for Bits {
    fn from(value: f64) -> Self {
        Double(value.to_bits())
    }
}

pub struct Plain;

fn float_unary(a: Bits, single: fn(f32) -> f32, double: fn(f64) -> f64) -> Bits {
    match a {
        Single(_) => single(a.f32()).into(),
        Double(_) => double(a.f64()).into(),
    }
}

fn float_binary(a: Bits, b: Bits, single: fn(f32, f32) -> f32, double: fn(f64, f64) -> f64) -> Bits {
    match a {
        Single(_) => single(a.f32(), b.f32()).into(),
        Double(_) => double(a.f64(), b.f64()).into(),
    }
}

fn float_test(a: Bits, b: Bits, single: fn(&f32, &f32) -> bool, double: fn(&f64, &f64) -> bool) -> bool {
    match a {
        Single(_) => single(&a.f32(), &b.f32()),
        Double(_) => double(&a.f64(), &b.f64()),
    }
}

fn int_binary(a: Bits, b: Bits, single: fn(u32, u32) -> u32, double: fn(u64, u64) -> u64) -> Bits {
    match (a, b) {
        (Single(a), Single(b)) => Single(single(a, b)),
        (Double(a), Double(b)) => Double(double(a, b)),
        _ => panic!("two widths in one operation"),
    }
}

fn shift(a: Bits, by: u32, single: fn(u32, u32) -> u32, double: fn(u64, u32) -> u64) -> Bits {
    match a {
        Single(a) => {
            assert!(by < 32, "shift by {by}");
            Single(single(a, by))
        }
        Double(a) => {
            assert!(by < 64, "shift by {by}");
            Double(double(a, by))
        }
    }
}

impl Core for Plain {
    type V = Bits;
    type M = bool;

    fn is_double(&self, x: Bits) -> bool {
        matches!(x, Double(_))
    }
    fn float(&mut self, like: Bits, c: f64) -> Bits {
        match like {
            Single(_) => (c as f32).into(),
            Double(_) => c.into(),
        }
    }
    fn int(&mut self, like: Bits, c: i64) -> Bits {
        match like {
            Single(_) => Single(c as u32),
            Double(_) => Double(c as u64),
        }
    }

    fn fadd(&mut self, a: Bits, b: Bits) -> Bits {
        float_binary(a, b, |a, b| a + b, |a, b| a + b)
    }
    fn fsub(&mut self, a: Bits, b: Bits) -> Bits {
        float_binary(a, b, |a, b| a - b, |a, b| a - b)
    }
    fn fmul(&mut self, a: Bits, b: Bits) -> Bits {
        float_binary(a, b, |a, b| a * b, |a, b| a * b)
    }
    fn fdiv(&mut self, a: Bits, b: Bits) -> Bits {
        float_binary(a, b, |a, b| a / b, |a, b| a / b)
    }
    fn fma(&mut self, a: Bits, b: Bits, c: Bits) -> Bits {
        match a {
            Single(_) => a.f32().mul_add(b.f32(), c.f32()).into(),
            Double(_) => a.f64().mul_add(b.f64(), c.f64()).into(),
        }
    }
    fn fneg(&mut self, a: Bits) -> Bits {
        float_unary(a, |a| -a, |a| -a)
    }
    fn fabs(&mut self, a: Bits) -> Bits {
        float_unary(a, f32::abs, f64::abs)
    }
    fn fsqrt(&mut self, a: Bits) -> Bits {
        float_unary(a, f32::sqrt, f64::sqrt)
    }
    fn ffloor(&mut self, a: Bits) -> Bits {
        float_unary(a, f32::floor, f64::floor)
    }
    fn fceil(&mut self, a: Bits) -> Bits {
        float_unary(a, f32::ceil, f64::ceil)
    }
    fn ftrunc(&mut self, a: Bits) -> Bits {
        float_unary(a, f32::trunc, f64::trunc)
    }
    fn fround(&mut self, a: Bits) -> Bits {
        float_unary(a, f32::round_ties_even, f64::round_ties_even)
    }

    fn iadd(&mut self, a: Bits, b: Bits) -> Bits {
        int_binary(a, b, u32::wrapping_add, u64::wrapping_add)
    }
    fn isub(&mut self, a: Bits, b: Bits) -> Bits {
        int_binary(a, b, u32::wrapping_sub, u64::wrapping_sub)
    }
    fn imul(&mut self, a: Bits, b: Bits) -> Bits {
        int_binary(a, b, u32::wrapping_mul, u64::wrapping_mul)
    }
    fn iand(&mut self, a: Bits, b: Bits) -> Bits {
        int_binary(a, b, |a, b| a & b, |a, b| a & b)
    }
    fn ior(&mut self, a: Bits, b: Bits) -> Bits {
        int_binary(a, b, |a, b| a | b, |a, b| a | b)
    }
    fn ixor(&mut self, a: Bits, b: Bits) -> Bits {
        int_binary(a, b, |a, b| a ^ b, |a, b| a ^ b)
    }
    fn ishl(&mut self, a: Bits, by: u32) -> Bits {
        shift(a, by, |a, by| a << by, |a, by| a << by)
    }
    fn ushr(&mut self, a: Bits, by: u32) -> Bits {
        shift(a, by, |a, by| a >> by, |a, by| a >> by)
    }
    fn sshr(&mut self, a: Bits, by: u32) -> Bits {
        shift(a, by, |a, by| (a as i32 >> by) as u32, |a, by| (a as i64 >> by) as u64)
    }

    fn to_bits(&mut self, a: Bits) -> Bits {
        a
    }
    fn from_bits(&mut self, a: Bits) -> Bits {
        a
    }
    fn int_to_float(&mut self, a: Bits) -> Bits {
        match a {
            Single(a) => (a as i32 as f32).into(),
            Double(a) => (a as i64 as f64).into(),
        }
    }
    fn float_to_int(&mut self, a: Bits) -> Bits {
        match a {
            Single(_) => Single(a.f32() as i32 as u32),
            Double(_) => Double(a.f64() as i64 as u64),
        }
    }
    fn widen(&mut self, a: Bits) -> Bits {
        f64::from(a.f32()).into()
    }
    fn narrow(&mut self, a: Bits) -> Bits {
        (a.f64() as f32).into()
    }

    fn flt(&mut self, a: Bits, b: Bits) -> bool {
        float_test(a, b, f32::lt, f64::lt)
    }
    fn fle(&mut self, a: Bits, b: Bits) -> bool {
        float_test(a, b, f32::le, f64::le)
    }
    fn feq(&mut self, a: Bits, b: Bits) -> bool {
        float_test(a, b, f32::eq, f64::eq)
    }
    fn fne(&mut self, a: Bits, b: Bits) -> bool {
        float_test(a, b, f32::ne, f64::ne)
    }
    fn ilt(&mut self, a: Bits, b: Bits) -> bool {
        match (a, b) {
            (Single(a), Single(b)) => (a as i32) < b as i32,
            (Double(a), Double(b)) => (a as i64) < b as i64,
            _ => panic!("two widths in one comparison"),
        }
    }
    fn ieq(&mut self, a: Bits, b: Bits) -> bool {
        a == b
    }
    fn mand(&mut self, a: bool, b: bool) -> bool {
        a && b
    }
    fn mor(&mut self, a: bool, b: bool) -> bool {
        a || b
    }
    fn mnot(&mut self, a: bool) -> bool {
        !a
    }
    fn select(&mut self, m: bool, a: Bits, b: Bits) -> Bits {
        if m { a } else { b }
    }

    fn table(&mut self, table: &'static [u64], index: Bits) -> Bits {
        match index {
            Single(index) => Single(table[index as usize] as u32),
            Double(index) => Double(table[index as usize]),
        }
    }
    fn rarely(&mut self, m: bool, fast: Bits, slow: impl FnOnce(&mut Self) -> Bits) -> Bits {
        // Evaluated in any case, as a vector does whose other lanes need it: it must not trap.
        let slow = slow(self);
        if m { slow } else { fast }
    }
    fn repeat<const N: usize>(
        &mut self,
        times: u32,
        mut state: [Bits; N],
        step: impl FnOnce(&mut Self, [Bits; N]) -> [Bits; N] + Clone,
    ) -> [Bits; N] {
        for _ in 0..times {
            state = step.clone()(self, state);
        }
        state
    }
}
