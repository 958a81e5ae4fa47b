//! How the functions of the table that are neither one instruction nor an expansion are computed.

use super::scalar::DIVISION_BY_ZERO;
use super::scalar_math::{self as math, Core};
use crate::dtype::DType;
use crate::loops::build::LoopBuilder;
use crate::loops::{BinOp, CastOp, CmpOp, Combine, Elem, UnOp, Val};

pub(super) fn bin(number: BinOp, boolean: BinOp) -> impl Fn(&mut LoopBuilder, DType, &[Val]) -> Val {
    move |b, t, x| b.bin(if t == DType::Bool { boolean } else { number }, x[0], x[1])
}

/// Comparison of masks, as of the integers 0 and 1.
pub(super) fn compare(b: &mut LoopBuilder, op: CmpOp, t: DType, x: &[Val]) -> Val {
    if t != DType::Bool {
        return b.cmp(op, x[0], x[1]);
    }
    let not_a = b.un(UnOp::Not, x[0]);
    match op {
        CmpOp::Lt => b.bin(BinOp::And, not_a, x[1]),
        CmpOp::Le => b.bin(BinOp::Or, not_a, x[1]),
        CmpOp::Ne => b.bin(BinOp::Xor, x[0], x[1]),
        CmpOp::Eq => {
            let ne = b.bin(BinOp::Xor, x[0], x[1]);
            b.un(UnOp::Not, ne)
        }
    }
}

/// The larger (or smaller) of two; a NaN wins.
pub(super) fn extremum(b: &mut LoopBuilder, t: DType, x: &[Val], larger: bool) -> Val {
    let (combine, boolean) = if larger { (Combine::Max, Combine::Or) } else { (Combine::Min, Combine::And) };
    b.combine(if t == DType::Bool { boolean } else { combine }, x[0], x[1])
}

/// Division of integers, guarded: by zero fails, the one overflow wraps.
pub(super) fn int_div(b: &mut LoopBuilder, x: &[Val], op: BinOp) -> (Val, Val) {
    let elem = b.ty(x[0]).elem;
    let (zero, one, minus) = (b.int(elem, 0), b.int(elem, 1), b.int(elem, -1));
    let ok = b.cmp(CmpOp::Ne, x[1], zero);
    let detail = b.index(0);
    b.check(ok, DIVISION_BY_ZERO, detail);
    let special = b.cmp(CmpOp::Eq, x[1], minus);
    let bad = b.un(UnOp::Not, ok);
    let special_or_bad = b.bin(BinOp::Or, special, bad);
    let safe = b.select(special_or_bad, one, x[1]);
    let value = b.bin(op, x[0], safe);
    let by_minus_one = if op == BinOp::Div { b.un(UnOp::Neg, x[0]) } else { zero };
    (b.select(special, by_minus_one, value), safe)
}

/// Whether a remainder must be moved to the divisor's sign.
pub(super) fn wrong_sign(b: &mut LoopBuilder, rem: Val, divisor: Val) -> Val {
    let elem = b.ty(rem).elem;
    let zero = b.int(elem, 0);
    let inexact = b.cmp(CmpOp::Ne, rem, zero);
    let mixed = b.bin(BinOp::Xor, rem, divisor);
    let differ = b.cmp(CmpOp::Lt, mixed, zero);
    b.bin(BinOp::And, inexact, differ)
}

pub(super) fn int_floor_div(b: &mut LoopBuilder, x: &[Val]) -> Val {
    let (q, _) = int_div(b, x, BinOp::Div);
    let (r, _) = int_div(b, x, BinOp::Rem);
    let lower = wrong_sign(b, r, x[1]);
    let one = b.int(b.ty(q).elem, 1);
    let below = b.bin(BinOp::Sub, q, one);
    b.select(lower, below, q)
}

pub(super) fn int_remainder(b: &mut LoopBuilder, x: &[Val]) -> Val {
    let (r, _) = int_div(b, x, BinOp::Rem);
    let move_it = wrong_sign(b, r, x[1]);
    let moved = b.bin(BinOp::Add, r, x[1]);
    b.select(move_it, moved, r)
}

/// Python's floor division of floats, from the exact remainder.
pub(super) fn float_floor_div(b: &mut LoopBuilder, x: &[Val]) -> Val {
    let elem = b.ty(x[0]).elem;
    let (zero, one, half) = (b.float(elem, 0.0), b.float(elem, 1.0), b.float(elem, 0.5));
    let rem = b.math("fmod", &[x[0], x[1]]);
    let exact = b.bin(BinOp::Sub, x[0], rem);
    let quotient = b.bin(BinOp::Div, exact, x[1]);
    let inexact = b.cmp(CmpOp::Ne, rem, zero);
    let (neg_rem, neg_div) = (b.cmp(CmpOp::Lt, rem, zero), b.cmp(CmpOp::Lt, x[1], zero));
    let differ = b.bin(BinOp::Xor, neg_rem, neg_div);
    let lower = b.bin(BinOp::And, inexact, differ);
    let below = b.bin(BinOp::Sub, quotient, one);
    let quotient = b.select(lower, below, quotient);
    let floor = b.un(UnOp::Floor, quotient);
    let gap = b.bin(BinOp::Sub, quotient, floor);
    let up = b.cmp(CmpOp::Lt, half, gap);
    let above = b.bin(BinOp::Add, floor, one);
    let rounded = b.select(up, above, floor);
    // A zero quotient carries the sign of the true one; a zero divisor gives the plain quotient.
    let plain = b.bin(BinOp::Div, x[0], x[1]);
    let signed_zero = copysign(b, zero, plain);
    let is_zero = b.cmp(CmpOp::Eq, quotient, zero);
    let value = b.select(is_zero, signed_zero, rounded);
    let by_zero = b.cmp(CmpOp::Eq, x[1], zero);
    b.select(by_zero, plain, value)
}

/// Shifts by the width or more give 0 (or the sign), as in torch; negative amounts likewise.
pub(super) fn shift(b: &mut LoopBuilder, x: &[Val], t: DType, op: BinOp) -> Val {
    let elem = b.ty(x[0]).elem;
    let bits = t.size() as i64 * 8;
    let (zero, width, last) = (b.int(elem, 0), b.int(elem, bits), b.int(elem, bits - 1));
    let not_negative = b.cmp(CmpOp::Le, zero, x[1]);
    let below = b.cmp(CmpOp::Lt, x[1], width);
    let fits = b.bin(BinOp::And, not_negative, below);
    if op == BinOp::ShrS {
        let by = b.select(fits, x[1], last);
        let shifted = b.bin(op, x[0], by);
        return if t == DType::U8 { b.select(fits, shifted, zero) } else { shifted };
    }
    let by = b.select(fits, x[1], zero);
    let shifted = b.bin(op, x[0], by);
    b.select(fits, shifted, zero)
}

pub(super) fn int_pow(b: &mut LoopBuilder, base: Val, exponent: Val) -> Val {
    let elem = b.ty(base).elem;
    let (zero, one, minus) = (b.int(elem, 0), b.int(elem, 1), b.int(elem, -1));
    let open = b.open_count(elem.bits() as usize, &[one, base, exponent]);
    let (result, square, left) = (open.phis[0], open.phis[1], open.phis[2]);
    let low = b.bin(BinOp::And, left, one);
    let odd = b.cmp(CmpOp::Ne, low, zero);
    let product = b.bin(BinOp::Mul, result, square);
    let result = b.select(odd, product, result);
    let square = b.bin(BinOp::Mul, square, square);
    let left = b.bin(BinOp::ShrU, left, one);
    let power = b.close_loop(open, &[result, square, left], &[])[0];
    let negative = b.cmp(CmpOp::Lt, exponent, zero);
    let low = b.bin(BinOp::And, exponent, one);
    let even = b.cmp(CmpOp::Eq, low, zero);
    let (is_one, is_minus) = (b.cmp(CmpOp::Eq, base, one), b.cmp(CmpOp::Eq, base, minus));
    let sign = b.select(even, one, minus);
    let inverse = b.select(is_minus, sign, zero);
    let inverse = b.select(is_one, one, inverse);
    b.select(negative, inverse, power)
}

/// Euclid's algorithm, as many steps as the width can need.
pub(super) fn gcd(b: &mut LoopBuilder, t: DType, x: Val, y: Val) -> Val {
    let elem = b.ty(x).elem;
    let zero = b.int(elem, 0);
    let one = b.int(elem, 1);
    let (x, y) = if t == DType::U8 { (x, y) } else { (b.un(UnOp::Abs, x), b.un(UnOp::Abs, y)) };
    let steps = if elem == Elem::I64 { 92 } else { 46 };
    let open = b.open_count(steps, &[x, y]);
    let (large, small) = (open.phis[0], open.phis[1]);
    let done = b.cmp(CmpOp::Eq, small, zero);
    let divisor = b.select(done, one, small);
    let rem = b.bin(BinOp::Rem, large, divisor);
    let (a, c) = (b.select(done, large, small), b.select(done, zero, rem));
    b.close_loop(open, &[a, c], &[])[0]
}

/// The magnitude of `x` with the sign of `sign`.
pub(super) fn copysign(b: &mut LoopBuilder, x: Val, sign: Val) -> Val {
    let float = b.ty(x).elem;
    let int = if float == Elem::F32 { Elem::I32 } else { Elem::I64 };
    let least = b.int(int, if int == Elem::I32 { i32::MIN as i64 } else { i64::MIN });
    let sign = b.cast(CastOp::Bits, sign, int);
    let sign = b.bin(BinOp::And, sign, least);
    let magnitude = b.un(UnOp::Abs, x);
    let magnitude = b.cast(CastOp::Bits, magnitude, int);
    let bits = b.bin(BinOp::Or, magnitude, sign);
    b.cast(CastOp::Bits, bits, float)
}

/// `(-1)^(n+1) n! zeta(n + 1, x)`, for orders of 1 and more.
pub(super) fn polygamma(b: &mut LoopBuilder, n: Val, x: Val) -> Val {
    let elem = b.ty(x).elem;
    let (one, two) = (b.float(elem, 1.0), b.float(elem, 2.0));
    let next = b.bin(BinOp::Add, n, one);
    let factorial = b.math("lgamma", &[next]);
    let factorial = b.math("exp", &[factorial]);
    // Exact for the orders in use.
    let factorial = b.un(UnOp::Nearest, factorial);
    let zeta = b.math("zeta", &[next, x]);
    let value = b.bin(BinOp::Mul, factorial, zeta);
    let half = b.bin(BinOp::Div, n, two);
    let floor = b.un(UnOp::Floor, half);
    let even = b.cmp(CmpOp::Eq, half, floor);
    let negative = b.un(UnOp::Neg, value);
    b.select(even, negative, value)
}

/// By the larger and the distance; torch's kernels contract the binary form.
pub(super) fn log_add_exp(b: &mut LoopBuilder, x: &[Val], binary: bool) -> Val {
    let elem = b.ty(x[0]).elem;
    let larger = b.combine(Combine::Max, x[0], x[1]);
    let gap = b.bin(BinOp::Sub, x[0], x[1]);
    let gap = b.un(UnOp::Abs, gap);
    let gap = b.un(UnOp::Neg, gap);
    let power = b.math(if binary { "exp2" } else { "exp" }, &[gap]);
    let log = b.math("log1p", &[power]);
    let sum = if binary {
        let scale = b.float(elem, std::f64::consts::LOG2_E);
        b.fma(log, scale, larger)
    } else {
        b.bin(BinOp::Add, larger, log)
    };
    // Equal infinities have no distance.
    let infinity = b.float(elem, f64::INFINITY);
    let size = b.un(UnOp::Abs, x[0]);
    let infinite = b.cmp(CmpOp::Eq, size, infinity);
    let equal = b.cmp(CmpOp::Eq, x[0], x[1]);
    let both = b.bin(BinOp::And, infinite, equal);
    b.select(both, x[0], sum)
}

/// `min(x, 0) - log(1 + exp(-|x|))`.
pub(super) fn log_sigmoid(b: &mut LoopBuilder, x: Val) -> Val {
    let zero = b.float(b.ty(x).elem, 0.0);
    let size = b.un(UnOp::Abs, x);
    let minus = b.un(UnOp::Neg, size);
    let power = b.math("exp", &[minus]);
    let log = b.math("log1p", &[power]);
    let below = b.combine(Combine::Min, x, zero);
    b.bin(BinOp::Sub, below, log)
}

pub(super) fn mish(b: &mut LoopBuilder, x: Val) -> Val {
    let minus = b.un(UnOp::Neg, x);
    let soft = log_sigmoid(b, minus);
    // Never -0: far to the left the result is -0.
    let zero = b.float(b.ty(x).elem, 0.0);
    let soft = b.bin(BinOp::Sub, zero, soft);
    let t = b.math("tanh", &[soft]);
    b.bin(BinOp::Mul, x, t)
}

pub(super) fn xlogy(b: &mut LoopBuilder, x: Val, y: Val) -> Val {
    let zero = b.float(b.ty(x).elem, 0.0);
    let log = b.math("log", &[y]);
    let product = b.bin(BinOp::Mul, x, log);
    let none = b.cmp(CmpOp::Eq, x, zero);
    let number = b.cmp(CmpOp::Eq, y, y);
    let still = b.bin(BinOp::And, none, number);
    b.select(still, zero, product)
}

pub(super) fn lerp(b: &mut LoopBuilder, x: Val, y: Val, w: Val) -> Val {
    let elem = b.ty(x).elem;
    let (half, one) = (b.float(elem, 0.5), b.float(elem, 1.0));
    let way = b.bin(BinOp::Sub, y, x);
    let from_start = b.fma(w, way, x);
    let rest = b.bin(BinOp::Sub, one, w);
    let back = b.un(UnOp::Neg, way);
    let from_end = b.fma(back, rest, y);
    let size = b.un(UnOp::Abs, w);
    let near = b.cmp(CmpOp::Lt, size, half);
    b.select(near, from_start, from_end)
}

pub(super) fn sinc(b: &mut LoopBuilder, x: Val) -> Val {
    let elem = b.ty(x).elem;
    let (zero, one, pi) = (b.float(elem, 0.0), b.float(elem, 1.0), b.float(elem, std::f64::consts::PI));
    let angle = b.bin(BinOp::Mul, x, pi);
    let sine = b.math("sin", &[angle]);
    let ratio = b.bin(BinOp::Div, sine, angle);
    let at_zero = b.cmp(CmpOp::Eq, x, zero);
    b.select(at_zero, one, ratio)
}

pub(super) fn logit(b: &mut LoopBuilder, x: Val) -> Val {
    let one = b.float(b.ty(x).elem, 1.0);
    let rest = b.bin(BinOp::Sub, one, x);
    let odds = b.bin(BinOp::Div, x, rest);
    b.math("log", &[odds])
}

/// NaN at infinity, as in torch.
pub(super) fn bessel(b: &mut LoopBuilder, name: &'static str, x: Val) -> Val {
    let zero = b.float(b.ty(x).elem, 0.0);
    let value = b.math(name, &[x]);
    let nothing = b.bin(BinOp::Mul, x, zero);
    b.bin(BinOp::Add, value, nothing)
}

/// The next number of dtype `t`; the 16-bit types step their own bits.
pub(super) fn next_after(b: &mut LoopBuilder, t: DType, x: Val, y: Val) -> Val {
    match t {
        DType::F16 => next_half(b, x, y, math::half::f32_to_f16, math::half::f16_to_f32),
        DType::BF16 => next_half(b, x, y, math::half::f32_to_bf16, math::half::bf16_to_f32),
        _ => math::nextafter(b, x, y),
    }
}

fn next_half(
    b: &mut LoopBuilder,
    x: Val,
    y: Val,
    narrow: fn(&mut LoopBuilder, Val) -> Val,
    widen: fn(&mut LoopBuilder, Val) -> Val,
) -> Val {
    let (zero, one, minus) = (b.float(Elem::F32, 0.0), b.int(Elem::I32, 1), b.int(Elem::I32, -1));
    let bits = narrow(b, x);
    // Away from zero the bits count up, whatever the sign.
    let (rises, positive) = (b.cmp(CmpOp::Lt, x, y), b.cmp(CmpOp::Lt, zero, x));
    let (up, down) = (b.select(rises, one, minus), b.select(rises, minus, one));
    let step = b.select(positive, up, down);
    let next = b.bin(BinOp::Add, bits, step);
    let next = widen(b, next);
    let least = widen(b, one);
    let least = copysign(b, least, y);
    let from_zero = b.cmp(CmpOp::Eq, x, zero);
    let next = b.select(from_zero, least, next);
    let same = b.cmp(CmpOp::Eq, x, y);
    let next = b.select(same, y, next);
    let (x_nan, y_nan) = (b.cmp(CmpOp::Ne, x, x), b.cmp(CmpOp::Ne, y, y));
    let nan = b.bin(BinOp::Or, x_nan, y_nan);
    let sum = b.bin(BinOp::Add, x, y);
    b.select(nan, sum, next)
}

/// The first word that Philox gives for a 64-bit counter and key.
pub(super) fn random_bits(b: &mut LoopBuilder, counter: Val, key: Val) -> Val {
    let thirty_two = b.int(Elem::I64, 32);
    let halves = |b: &mut LoopBuilder, v: Val| {
        let high = b.bin(BinOp::ShrU, v, thirty_two);
        (b.cast(CastOp::Wrap, v, Elem::I32), b.cast(CastOp::Wrap, high, Elem::I32))
    };
    let ((c0, c1), (k0, k1)) = (halves(b, counter), halves(b, key));
    let zero = b.int(Elem::I32, 0);
    let words = math::philox4x32(b, [c0, c1, zero, zero], [k0, k1]);
    b.cast(CastOp::ZeroExtend, words[0], Elem::I64)
}
