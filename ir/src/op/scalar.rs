//! THE TABLE of scalar functions: one row each, with everything the workspace knows about it.
//!
//! A row says the function's name in the textual IR, the dtypes it takes, what it costs, how it is
//! computed on registers and its gradient. Registers hold small integers as I32 and f16/bf16 as f32;
//! [`super::map`] wraps and rounds results.

use super::Cost;
use super::scalar_emit::*;
use super::scalar_math as math;
use crate::build::{Build, Grads};
use crate::dtype::DType;
use crate::graph::Value;
use crate::loops::build::LoopBuilder;
use crate::loops::{BinOp, CastOp, CmpOp, UnOp, Val};
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10, PI};

/// The dtypes a row takes and gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signature {
    /// Any one dtype, which is also the result's. On bool, `add` and `max` are or, `mul` and `min` are and.
    Number,
    /// Any one dtype but bool, which is also the result's.
    NotBool,
    /// One float dtype.
    Float,
    /// One integer dtype, without bool.
    Integer,
    /// i64.
    Long,
    /// Bool or one integer dtype.
    Bits,
    /// Any one dtype; the result is bool.
    Compare,
    /// Bool, then twice any one dtype, which is the result's.
    Select,
}

/// The status code of an integer division by zero.
pub const DIVISION_BY_ZERO: i32 = 1;
/// The status code of an index out of range.
pub const INDEX_OUT_OF_RANGE: i32 = 2;

type Emit = fn(&mut LoopBuilder, DType, &[Val]) -> Val;
type Gradient = fn(&mut dyn Build, &[Value], Value, Value) -> Vec<Option<Value>>;

macro_rules! scalars {
    ($($(#[$doc:meta])* $variant:ident($arity:literal) $name:literal $signature:ident $cost:ident
        emit $emit:expr, grad $grad:expr;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Scalar { $($(#[$doc])* $variant,)* }

        impl Scalar {
            pub const ALL: &[Scalar] = &[$(Scalar::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Scalar::$variant => $name,)* }
            }
            pub const fn arity(self) -> usize {
                match self { $(Scalar::$variant => $arity,)* }
            }
            pub const fn signature(self) -> Signature {
                match self { $(Scalar::$variant => Signature::$signature,)* }
            }
            pub const fn cost(self) -> Cost {
                match self { $(Scalar::$variant => Cost::$cost,)* }
            }
            /// The function of operands of dtype `dtype` (of the last operand, where they differ).
            pub fn emit(self, b: &mut LoopBuilder, dtype: DType, x: &[Val]) -> Val {
                let emit: Emit = match self { $(Scalar::$variant => $emit,)* };
                emit(b, dtype, x)
            }
            /// Gradients of the operands `x`, given the result `y` and its gradient `g`.
            pub fn gradient(self, b: &mut dyn Build, x: &[Value], y: Value, g: Value) -> Grads {
                let gradient: Gradient = match self { $(Scalar::$variant => $grad,)* };
                gradient(b, x, y, g).into()
            }
        }
    };
}

fn none(_: &mut dyn Build, x: &[Value], _: Value, _: Value) -> Vec<Option<Value>> {
    x.iter().map(|_| None).collect()
}

/// For steps: the gradient is 0 wherever there is one.
fn zero(b: &mut dyn Build, x: &[Value], _: Value, _: Value) -> Vec<Option<Value>> {
    x.iter().map(|&x| Some(b.fill_like(x, 0.0))).collect()
}

/// Gradient of an extremum: to the winner, shared on ties.
fn extremum_gradient(b: &mut dyn Build, x: &[Value], g: Value, larger: bool) -> Vec<Option<Value>> {
    let (zero, half) = (b.fill_like(g, 0.0), b.scale(g, 0.5));
    let tie = b.map(Scalar::Eq, &[x[0], x[1]]);
    let share = b.select(tie, half, g);
    let (less, greater) = (b.map(Scalar::Lt, &[x[0], x[1]]), b.map(Scalar::Lt, &[x[1], x[0]]));
    let (first_loses, second_loses) = if larger { (less, greater) } else { (greater, less) };
    vec![Some(b.select(first_loses, zero, share)), Some(b.select(second_loses, zero, share))]
}

/// `g * f` as the one gradient of a function of one argument.
fn times(b: &mut dyn Build, g: Value, f: Value) -> Vec<Option<Value>> {
    vec![Some(b.mul(g, f))]
}

/// `1 / sqrt(v)`.
fn rsqrt(b: &mut dyn Build, v: Value) -> Value {
    let root = b.map(Scalar::Sqrt, &[v]);
    let one = b.fill_like(v, 1.0);
    b.div(one, root)
}

/// `a * x^2 + c`.
fn quadratic(b: &mut dyn Build, x: Value, a: f64, c: f64) -> Value {
    let square = b.mul(x, x);
    let scaled = if a == 1.0 { square } else { b.scale(square, a) };
    b.offset(scaled, c)
}

scalars! {
    Add(2) "add" Number Cheap
        emit |b, t, x| bin(BinOp::Add, BinOp::Or)(b, t, x),
        grad |_, _, _, g| vec![Some(g), Some(g)];
    Sub(2) "sub" Number Cheap
        emit |b, t, x| bin(BinOp::Sub, BinOp::Xor)(b, t, x),
        grad |b, _, _, g| { let n = b.neg(g); vec![Some(g), Some(n)] };
    Mul(2) "mul" Number Cheap
        emit |b, t, x| bin(BinOp::Mul, BinOp::And)(b, t, x),
        grad |b, x, _, g| { let (p, q) = (b.mul(g, x[1]), b.mul(g, x[0])); vec![Some(p), Some(q)] };
    Div(2) "div" Float Cheap
        emit |b, _, x| b.bin(BinOp::Div, x[0], x[1]),
        grad |b, x, y, g| {
            let p = b.div(g, x[1]);
            let slope = b.div(y, x[1]);
            let q = b.mul(g, slope);
            let q = b.neg(q);
            vec![Some(p), Some(q)]
        };
    /// Rounded towards minus infinity (Python's `//`).
    FloorDiv(2) "floor_div" NotBool Dear
        emit |b, t, x| if t.is_float() { float_floor_div(b, x) } else { int_floor_div(b, x) },
        grad zero;
    /// Integer quotient rounded towards zero.
    TruncDiv(2) "trunc_div" Integer Cheap
        emit |b, _, x| int_div(b, x, BinOp::Div).0,
        grad none;
    /// Remainder with the divisor's sign (Python's `%`).
    Remainder(2) "remainder" NotBool Dear
        emit |b, t, x| if t.is_float() { b.math("remainder", &[x[0], x[1]]) } else { int_remainder(b, x) },
        grad |b, x, _, g| {
            let q = b.map(Scalar::FloorDiv, &[x[0], x[1]]);
            let q = b.mul(g, q);
            let q = b.neg(q);
            vec![Some(g), Some(q)]
        };
    /// Remainder with the dividend's sign (C's `fmod`).
    Fmod(2) "fmod" NotBool Dear
        emit |b, t, x| if t.is_float() { b.math("fmod", &[x[0], x[1]]) } else { int_div(b, x, BinOp::Rem).0 },
        grad |b, x, _, g| {
            let q = b.div(x[0], x[1]);
            let q = b.map(Scalar::Trunc, &[q]);
            let q = b.mul(g, q);
            let q = b.neg(q);
            vec![Some(g), Some(q)]
        };
    Pow(2) "pow" Float Dear
        emit |b, _, x| b.math("pow", &[x[0], x[1]]),
        grad |b, x, y, g| {
            let zero = b.fill_like(x[0], 0.0);
            let lower = b.offset(x[1], -1.0);
            let slope = b.map(Scalar::Pow, &[x[0], lower]);
            let slope = b.mul(x[1], slope);
            let flat = b.map(Scalar::Eq, &[x[1], zero]);
            let slope = b.select(flat, zero, slope);
            let base = b.mul(g, slope);
            let log = b.map(Scalar::Log, &[x[0]]);
            let growth = b.mul(y, log);
            let (at_zero, positive) = (b.map(Scalar::Eq, &[x[0], zero]), b.map(Scalar::Le, &[zero, x[1]]));
            let still = b.map(Scalar::And, &[at_zero, positive]);
            let growth = b.select(still, zero, growth);
            let exponent = b.mul(g, growth);
            vec![Some(base), Some(exponent)]
        };
    /// Integer power by squaring; a negative exponent gives 0 unless the base is 1 or -1.
    IntPow(2) "int_pow" Integer Dear
        emit |b, _, x| int_pow(b, x[0], x[1]),
        grad none;
    Atan2(2) "atan2" Float Dear
        emit |b, _, x| b.math("atan2", &[x[0], x[1]]),
        grad |b, x, _, g| {
            let (p, q) = (b.mul(x[0], x[0]), b.mul(x[1], x[1]));
            let norm = b.add_(p, q);
            let (zero, one) = (b.fill_like(norm, 0.0), b.fill_like(norm, 1.0));
            let inverse = b.div(one, norm);
            let origin = b.map(Scalar::Eq, &[norm, zero]);
            let inverse = b.select(origin, zero, inverse);
            let (p, minus) = (b.mul(g, x[1]), b.neg(x[0]));
            let q = b.mul(g, minus);
            let (p, q) = (b.mul(p, inverse), b.mul(q, inverse));
            vec![Some(p), Some(q)]
        };
    Hypot(2) "hypot" Float Cheap
        emit |b, _, x| b.math("hypot", &[x[0], x[1]]),
        grad |b, x, y, g| {
            let (p, q) = (b.mul(g, x[0]), b.mul(g, x[1]));
            vec![Some(b.div(p, y)), Some(b.div(q, y))]
        };
    /// `log(exp(x) + exp(y))`, by the larger and the distance.
    LogAddExp(2) "log_add_exp" Float Dear
        emit |b, _, x| log_add_exp(b, x, false),
        grad |b, x, _, g| softmax_of_two(b, x, g, Scalar::Exp);
    /// `log2(2^x + 2^y)`.
    LogAddExp2(2) "log_add_exp2" Float Dear
        emit |b, _, x| log_add_exp(b, x, true),
        grad |b, x, _, g| softmax_of_two(b, x, g, Scalar::Exp2);
    /// `x log(y)`; 0 where x is 0 and y a number.
    Xlogy(2) "xlogy" Float Dear
        emit |b, _, x| xlogy(b, x[0], x[1]),
        grad |b, x, _, g| {
            let zero = b.fill_like(x[0], 0.0);
            let log = b.map(Scalar::Log, &[x[1]]);
            let (none, endless) = (b.map(Scalar::Eq, &[x[0], zero]), b.map(Scalar::Le, &[x[1], zero]));
            let still = b.map(Scalar::And, &[none, endless]);
            let log = b.select(still, zero, log);
            let (p, q) = (b.mul(g, log), b.mul(g, x[0]));
            vec![Some(p), Some(b.div(q, x[1]))]
        };
    /// The larger; NaN if either is.
    Max(2) "max" Number Cheap
        emit |b, t, x| extremum(b, t, x, true),
        grad |b, x, _, g| extremum_gradient(b, x, g, true);
    /// The smaller; NaN if either is.
    Min(2) "min" Number Cheap
        emit |b, t, x| extremum(b, t, x, false),
        grad |b, x, _, g| extremum_gradient(b, x, g, false);
    /// The first operand's magnitude with the second's sign.
    Copysign(2) "copysign" Float Cheap
        emit |b, _, x| copysign(b, x[0], x[1]),
        grad |b, x, y, g| {
            let zero = b.fill_like(x[0], 0.0);
            let ratio = b.div(y, x[0]);
            let still = b.map(Scalar::Eq, &[x[0], zero]);
            let ratio = b.select(still, zero, ratio);
            let p = b.mul(g, ratio);
            vec![Some(p), Some(zero)]
        };
    /// The next number towards the second operand.
    NextAfter(2) "next_after" Float Cheap
        emit |b, t, x| next_after(b, t, x[0], x[1]),
        grad none;
    Gcd(2) "gcd" Integer Dear
        emit |b, t, x| gcd(b, t, x[0], x[1]),
        grad none;
    Polygamma(2) "polygamma" Float Dear
        emit |b, _, x| polygamma(b, x[0], x[1]),
        grad |b, x, _, g| {
            let next = b.offset(x[0], 1.0);
            let slope = b.map(Scalar::Polygamma, &[next, x[1]]);
            let p = b.mul(g, slope);
            vec![None, Some(p)]
        };
    Lt(2) "lt" Compare Cheap
        emit |b, t, x| compare(b, CmpOp::Lt, t, x), grad none;
    Le(2) "le" Compare Cheap
        emit |b, t, x| compare(b, CmpOp::Le, t, x), grad none;
    Eq(2) "eq" Compare Cheap
        emit |b, t, x| compare(b, CmpOp::Eq, t, x), grad none;
    Ne(2) "ne" Compare Cheap
        emit |b, t, x| compare(b, CmpOp::Ne, t, x), grad none;
    And(2) "and" Bits Cheap
        emit |b, _, x| b.bin(BinOp::And, x[0], x[1]), grad none;
    Or(2) "or" Bits Cheap
        emit |b, _, x| b.bin(BinOp::Or, x[0], x[1]), grad none;
    Xor(2) "xor" Bits Cheap
        emit |b, _, x| b.bin(BinOp::Xor, x[0], x[1]), grad none;
    Shl(2) "shl" Integer Cheap
        emit |b, t, x| shift(b, x, t, BinOp::Shl), grad none;
    /// Arithmetic on signed types.
    Shr(2) "shr" Integer Cheap
        emit |b, t, x| shift(b, x, t, BinOp::ShrS), grad none;
    Not(1) "not" Bits Cheap
        emit |b, _, x| b.un(UnOp::Not, x[0]), grad none;
    Neg(1) "neg" NotBool Cheap
        emit |b, _, x| b.un(UnOp::Neg, x[0]),
        grad |b, _, _, g| vec![Some(b.neg(g))];
    Abs(1) "abs" NotBool Cheap
        emit |b, t, x| if t == DType::U8 { x[0] } else { b.un(UnOp::Abs, x[0]) },
        grad |b, x, _, g| {
            let zero = b.fill_like(x[0], 0.0);
            let (up, down) = (b.map(Scalar::Lt, &[zero, x[0]]), b.map(Scalar::Lt, &[x[0], zero]));
            let n = b.neg(g);
            let rest = b.select(down, n, zero);
            vec![Some(b.select(up, g, rest))]
        };
    Sqrt(1) "sqrt" Float Cheap
        emit |b, _, x| b.un(UnOp::Sqrt, x[0]),
        grad |b, _, y, g| { let d = b.scale(y, 2.0); vec![Some(b.div(g, d))] };
    Floor(1) "floor" Float Cheap
        emit |b, _, x| b.un(UnOp::Floor, x[0]), grad zero;
    Ceil(1) "ceil" Float Cheap
        emit |b, _, x| b.un(UnOp::Ceil, x[0]), grad zero;
    Trunc(1) "trunc" Float Cheap
        emit |b, _, x| b.un(UnOp::Trunc, x[0]), grad zero;
    /// To the nearest integer, ties to even.
    Round(1) "round" Float Cheap
        emit |b, _, x| b.un(UnOp::Nearest, x[0]), grad zero;
    Exp(1) "exp" Float Dear
        emit |b, _, x| b.math("exp", &[x[0]]),
        grad |b, _, y, g| times(b, g, y);
    Exp2(1) "exp2" Float Dear
        emit |b, _, x| b.math("exp2", &[x[0]]),
        grad |b, _, y, g| { let s = b.scale(y, LN_2); times(b, g, s) };
    Expm1(1) "expm1" Float Dear
        emit |b, _, x| b.math("expm1", &[x[0]]),
        grad |b, x, _, g| { let s = b.map(Scalar::Exp, x); times(b, g, s) };
    Log(1) "log" Float Dear
        emit |b, _, x| b.math("log", &[x[0]]),
        grad |b, x, _, g| vec![Some(b.div(g, x[0]))];
    Log2(1) "log2" Float Dear
        emit |b, _, x| b.math("log2", &[x[0]]),
        grad |b, x, _, g| { let d = b.scale(x[0], LN_2); vec![Some(b.div(g, d))] };
    Log10(1) "log10" Float Dear
        emit |b, _, x| b.math("log10", &[x[0]]),
        grad |b, x, _, g| { let d = b.scale(x[0], LN_10); vec![Some(b.div(g, d))] };
    Log1p(1) "log1p" Float Dear
        emit |b, _, x| b.math("log1p", &[x[0]]),
        grad |b, x, _, g| { let d = b.offset(x[0], 1.0); vec![Some(b.div(g, d))] };
    Sin(1) "sin" Float Dear
        emit |b, _, x| b.math("sin", &[x[0]]),
        grad |b, x, _, g| { let c = b.map(Scalar::Cos, x); times(b, g, c) };
    Cos(1) "cos" Float Dear
        emit |b, _, x| b.math("cos", &[x[0]]),
        grad |b, x, _, g| { let s = b.map(Scalar::Sin, x); let s = b.neg(s); times(b, g, s) };
    Tan(1) "tan" Float Dear
        emit |b, _, x| b.math("tan", &[x[0]]),
        grad |b, _, y, g| { let s = quadratic(b, y, 1.0, 1.0); times(b, g, s) };
    Asin(1) "asin" Float Dear
        emit |b, _, x| b.math("asin", &[x[0]]),
        grad |b, x, _, g| { let q = quadratic(b, x[0], -1.0, 1.0); let s = rsqrt(b, q); times(b, g, s) };
    Acos(1) "acos" Float Dear
        emit |b, _, x| b.math("acos", &[x[0]]),
        grad |b, x, _, g| {
            let q = quadratic(b, x[0], -1.0, 1.0);
            let s = rsqrt(b, q);
            let s = b.neg(s);
            times(b, g, s)
        };
    Atan(1) "atan" Float Dear
        emit |b, _, x| b.math("atan", &[x[0]]),
        grad |b, x, _, g| { let q = quadratic(b, x[0], 1.0, 1.0); vec![Some(b.div(g, q))] };
    Sinh(1) "sinh" Float Dear
        emit |b, _, x| b.math("sinh", &[x[0]]),
        grad |b, x, _, g| { let c = b.map(Scalar::Cosh, x); times(b, g, c) };
    Cosh(1) "cosh" Float Dear
        emit |b, _, x| b.math("cosh", &[x[0]]),
        grad |b, x, _, g| { let s = b.map(Scalar::Sinh, x); times(b, g, s) };
    Tanh(1) "tanh" Float Dear
        emit |b, _, x| b.math("tanh", &[x[0]]),
        grad |b, _, y, g| { let s = quadratic(b, y, -1.0, 1.0); times(b, g, s) };
    Asinh(1) "asinh" Float Dear
        emit |b, _, x| b.math("asinh", &[x[0]]),
        grad |b, x, _, g| { let q = quadratic(b, x[0], 1.0, 1.0); let s = rsqrt(b, q); times(b, g, s) };
    Acosh(1) "acosh" Float Dear
        emit |b, _, x| b.math("acosh", &[x[0]]),
        grad |b, x, _, g| { let q = quadratic(b, x[0], 1.0, -1.0); let s = rsqrt(b, q); times(b, g, s) };
    Atanh(1) "atanh" Float Dear
        emit |b, _, x| b.math("atanh", &[x[0]]),
        grad |b, x, _, g| { let q = quadratic(b, x[0], -1.0, 1.0); vec![Some(b.div(g, q))] };
    Sigmoid(1) "sigmoid" Float Dear
        emit |b, _, x| b.math("sigmoid", &[x[0]]),
        grad |b, _, y, g| {
            let one = b.fill_like(y, 1.0);
            let rest = b.sub(one, y);
            let s = b.mul(rest, y);
            times(b, g, s)
        };
    /// `x * sigmoid(x)`.
    Silu(1) "silu" Float Dear
        emit |b, _, x| { let s = b.math("sigmoid", &[x[0]]); b.bin(BinOp::Mul, x[0], s) },
        grad |b, x, _, g| {
            let one = b.fill_like(x[0], 1.0);
            let s = b.map(Scalar::Sigmoid, x);
            let rest = b.sub(one, s);
            let rise = b.mul(x[0], rest);
            let rise = b.add_(one, rise);
            let slope = b.mul(s, rise);
            times(b, g, slope)
        };
    /// `x * tanh(log(1 + exp(x)))`.
    Mish(1) "mish" Float Dear
        emit |b, _, x| mish(b, x[0]),
        grad |b, x, _, g| {
            let n = b.neg(x[0]);
            let soft = b.map(Scalar::LogSigmoid, &[n]);
            let soft = b.neg(soft);
            let (t, s) = (b.map(Scalar::Tanh, &[soft]), b.map(Scalar::Sigmoid, x));
            let rest = quadratic(b, t, -1.0, 1.0);
            let rise = b.mul(x[0], s);
            let rise = b.mul(rise, rest);
            let slope = b.add_(t, rise);
            times(b, g, slope)
        };
    /// `log(sigmoid(x))`, without overflow.
    LogSigmoid(1) "log_sigmoid" Float Dear
        emit |b, _, x| log_sigmoid(b, x[0]),
        grad |b, x, _, g| {
            let n = b.neg(x[0]);
            let s = b.map(Scalar::Sigmoid, &[n]);
            times(b, g, s)
        };
    Erf(1) "erf" Float Dear
        emit |b, _, x| b.math("erf", &[x[0]]),
        grad |b, x, _, g| { let s = bell(b, x[0], FRAC_2_SQRT_PI); times(b, g, s) };
    Erfc(1) "erfc" Float Dear
        emit |b, _, x| b.math("erfc", &[x[0]]),
        grad |b, x, _, g| { let s = bell(b, x[0], -FRAC_2_SQRT_PI); times(b, g, s) };
    Erfinv(1) "erfinv" Float Dear
        emit |b, _, x| b.math("erfinv", &[x[0]]),
        grad |b, _, y, g| {
            let square = b.mul(y, y);
            let e = b.map(Scalar::Exp, &[square]);
            let s = b.scale(e, PI.sqrt() / 2.0);
            times(b, g, s)
        };
    Lgamma(1) "lgamma" Float Dear
        emit |b, _, x| b.math("lgamma", &[x[0]]),
        grad |b, x, _, g| { let s = b.map(Scalar::Digamma, x); times(b, g, s) };
    Digamma(1) "digamma" Float Dear
        emit |b, _, x| b.math("digamma", &[x[0]]),
        grad |b, x, _, g| {
            let s = b.map(Scalar::Trigamma, &[x[0]]);
            times(b, g, s)
        };
    /// The derivative of `digamma`.
    Trigamma(1) "trigamma" Float Dear
        emit |b, _, x| b.math("trigamma", &[x[0]]),
        grad |b, x, _, g| {
            let two = b.fill_like(x[0], 2.0);
            let s = b.map(Scalar::Polygamma, &[two, x[0]]);
            times(b, g, s)
        };
    /// `sin(pi x) / (pi x)`; 1 at 0.
    Sinc(1) "sinc" Float Dear
        emit |b, _, x| sinc(b, x[0]),
        grad |b, x, _, g| {
            let zero = b.fill_like(x[0], 0.0);
            let angle = b.scale(x[0], PI);
            let square = b.mul(x[0], x[0]);
            let square = b.scale(square, PI);
            let (sine, cosine) = (b.map(Scalar::Sin, &[angle]), b.map(Scalar::Cos, &[angle]));
            let slope = b.mul(angle, cosine);
            let slope = b.sub(slope, sine);
            let slope = b.div(slope, square);
            let d = b.mul(g, slope);
            let flat = b.map(Scalar::Eq, &[square, zero]);
            vec![Some(b.select(flat, zero, d))]
        };
    /// `log(x / (1 - x))`.
    Logit(1) "logit" Float Dear
        emit |b, _, x| logit(b, x[0]),
        grad |b, x, _, g| {
            let (zero, one) = (b.fill_like(x[0], 0.0), b.fill_like(x[0], 1.0));
            let nan = b.fill_like(x[0], f64::NAN);
            let (above, below) = (b.map(Scalar::Le, &[zero, x[0]]), b.map(Scalar::Le, &[x[0], one]));
            let inside = b.map(Scalar::And, &[above, below]);
            let rest = b.sub(one, x[0]);
            let d = b.mul(x[0], rest);
            let d = b.div(g, d);
            vec![Some(b.select(inside, d, nan))]
        };
    /// Regularised lower incomplete gamma function; the gradient is with respect to the second operand.
    Igamma(2) "igamma" Float Dear
        emit |b, _, x| b.math("igamma", &[x[0], x[1]]),
        grad |b, x, _, g| { let d = gamma_density(b, x); let p = b.mul(g, d); vec![None, Some(p)] };
    /// Regularised upper incomplete gamma function.
    Igammac(2) "igammac" Float Dear
        emit |b, _, x| b.math("igammac", &[x[0], x[1]]),
        grad |b, x, _, g| {
            let d = gamma_density(b, x);
            let p = b.mul(g, d);
            let p = b.neg(p);
            vec![None, Some(p)]
        };
    /// Modified Bessel function of the first kind, order 0.
    I0(1) "i0" Float Dear
        emit |b, _, x| bessel(b, "i0", x[0]),
        grad |b, x, _, g| { let s = b.map(Scalar::I1, x); times(b, g, s) };
    /// Modified Bessel function of the first kind, order 1.
    I1(1) "i1" Float Dear
        emit |b, _, x| bessel(b, "i1", x[0]),
        grad |b, x, y, g| {
            let i0 = b.map(Scalar::I0, x);
            let zero = b.fill_like(x[0], 0.0);
            let ratio = b.div(y, x[0]);
            let half = b.fill_like(x[0], 0.5);
            let origin = b.map(Scalar::Eq, &[x[0], zero]);
            let ratio = b.select(origin, half, ratio);
            let s = b.sub(i0, ratio);
            times(b, g, s)
        };
    /// Mantissa in [0.5, 1) with the operand's sign.
    Mantissa(1) "mantissa" Float Cheap
        emit |b, _, x| math::frexp_mantissa(b, x[0]),
        grad none;
    /// The power of two that goes with `mantissa`, as a float.
    Exponent(1) "exponent" Float Cheap
        emit |b, _, x| {
            let exponent = math::frexp_exponent(b, x[0]);
            b.cast(CastOp::IntToFloat, exponent, b.ty(x[0]).elem)
        },
        grad none;
    /// The second operand where the first is true, else the third.
    Select(3) "select" Select Cheap
        emit |b, _, x| b.select(x[0], x[1], x[2]),
        grad |b, x, _, g| {
            let zero = b.fill_like(g, 0.0);
            let (p, q) = (b.select(x[0], g, zero), b.select(x[0], zero, g));
            vec![None, Some(p), Some(q)]
        };
    /// `x + w (y - x)` of x, y and w, from the nearer end; torch's kernels contract it.
    Lerp(3) "lerp" Float Cheap
        emit |b, _, x| lerp(b, x[0], x[1], x[2]),
        grad |b, x, _, g| {
            let one = b.fill_like(x[2], 1.0);
            let (rest, way) = (b.sub(one, x[2]), b.sub(x[1], x[0]));
            vec![Some(b.mul(g, rest)), Some(b.mul(g, x[2])), Some(b.mul(g, way))]
        };
    /// 32 random bits (non-negative, as i64): Philox 4x32-10 of a counter and a key.
    RandomBits(2) "random_bits" Long Dear
        emit |b, _, x| random_bits(b, x[0], x[1]),
        grad none;
}

/// The gradients of the logarithm of a sum of two powers, each its share of the sum.
fn softmax_of_two(b: &mut dyn Build, x: &[Value], g: Value, power: Scalar) -> Vec<Option<Value>> {
    let one = b.fill_like(g, 1.0);
    let mut share = |own: Value, other: Value| {
        let gap = b.sub(other, own);
        let ratio = b.map(power, &[gap]);
        let whole = b.add_(one, ratio);
        b.div(g, whole)
    };
    vec![Some(share(x[0], x[1])), Some(share(x[1], x[0]))]
}

/// `scale * exp(-x^2)`.
fn bell(b: &mut dyn Build, x: Value, scale: f64) -> Value {
    let square = b.mul(x, x);
    let n = b.neg(square);
    let e = b.map(Scalar::Exp, &[n]);
    b.scale(e, scale)
}

/// `x^(a-1) exp(-x) / gamma(a)`: the derivative of `igamma(a, x)` in `x`.
fn gamma_density(b: &mut dyn Build, x: &[Value]) -> Value {
    let a1 = b.offset(x[0], -1.0);
    let log = b.map(Scalar::Log, &[x[1]]);
    let power = b.mul(a1, log);
    let lgamma = b.map(Scalar::Lgamma, &[x[0]]);
    let exponent = b.sub(power, x[1]);
    let exponent = b.sub(exponent, lgamma);
    b.map(Scalar::Exp, &[exponent])
}
