//! Infinities, signed zeros, denormals and NaN, in both widths.

use crate::plain::{Bits, Plain};
use rustorch_ir::op::scalar_math as sm;

type Unary = fn(&mut Plain, Bits) -> Bits;
type Binary = fn(&mut Plain, Bits, Bits) -> Bits;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

fn same(got: f64, want: f64) -> bool {
    (got.is_nan() && want.is_nan()) || got.to_bits() == want.to_bits()
}

fn check(name: &str, function: Unary, cases: &[(f64, f64)]) {
    for &(x, want) in cases {
        let got = function(&mut Plain, x.into()).f64();
        assert!(same(got, want), "{name}({x:e}) = {got:e}, wanted {want:e}");
        let got = f64::from(function(&mut Plain, (x as f32).into()).f32());
        let want = f64::from(want as f32);
        assert!(same(got, want), "{name}({x:e}f32) = {got:e}, wanted {want:e}");
    }
}

/// Functions that are `x` itself near zero, denormals included.
#[test]
fn identities_near_zero() {
    let functions: [(&str, Unary); 9] = [
        ("asin", sm::asin),
        ("atan", sm::atan),
        ("expm1", sm::expm1),
        ("log1p", sm::log1p),
        ("sin", sm::sin),
        ("tan", sm::tan),
        ("tanh", sm::tanh),
        ("sinh", sm::sinh),
        ("asinh", sm::asinh),
    ];
    for (name, function) in functions {
        for bits in [0, 1, 2, 3, 0x12345, (1 << 23) - 1, 1 << 23] {
            for sign in [0, 1 << 31] {
                let x = f32::from_bits(bits | sign);
                let got = function(&mut Plain, x.into()).f32();
                assert_eq!(got.to_bits(), x.to_bits(), "{name}({x:e}f32) = {got:e}");
                let x = f64::from_bits(u64::from(bits) | (u64::from(sign) << 32));
                let got = function(&mut Plain, x.into()).f64();
                assert_eq!(got.to_bits(), x.to_bits(), "{name}({x:e}) = {got:e}");
            }
        }
    }
}

#[test]
fn exponentials() {
    check(
        "exp",
        sm::exp,
        &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (1e5, INF), (-1e5, 0.0)],
    );
    check("exp2", sm::exp2, &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (10.0, 1024.0)]);
    check("expm1", sm::expm1, &[(INF, INF), (-INF, -1.0), (NAN, NAN), (-1e5, -1.0), (1e5, INF)]);
    check("sigmoid", sm::sigmoid, &[(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (NAN, NAN)]);
}

#[test]
fn logarithms() {
    let zeros = [(0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (NAN, NAN), (-1.0, NAN), (1.0, 0.0)];
    check("log", sm::log, &zeros);
    check("log2", sm::log2, &zeros);
    check("log10", sm::log10, &zeros);
    check("log1p", sm::log1p, &[(-1.0, -INF), (INF, INF), (-INF, NAN), (NAN, NAN), (-1.5, NAN)]);
    for e in -149..128 {
        let x = 2.0f64.powi(e);
        check("log2", sm::log2, &[(x, f64::from(e))]);
    }
}

#[test]
fn trigonometric() {
    let undefined = [(INF, NAN), (-INF, NAN), (NAN, NAN)];
    check("sin", sm::sin, &undefined);
    check("cos", sm::cos, &undefined);
    check("tan", sm::tan, &undefined);
    check("cos", sm::cos, &[(0.0, 1.0), (-0.0, 1.0)]);
}

#[test]
fn inverse_trigonometric() {
    use std::f64::consts::{FRAC_PI_2, PI};
    check("asin", sm::asin, &[(1.0, FRAC_PI_2), (-1.0, -FRAC_PI_2), (1.5, NAN), (-INF, NAN), (NAN, NAN)]);
    check("acos", sm::acos, &[(1.0, 0.0), (-1.0, PI), (0.0, FRAC_PI_2), (1.5, NAN), (INF, NAN), (NAN, NAN)]);
    check("atan", sm::atan, &[(INF, FRAC_PI_2), (-INF, -FRAC_PI_2), (NAN, NAN)]);
}

/// Functions of two arguments at every pair of these, against std.
#[test]
fn pairs() {
    let values = [
        0.0,
        1.0,
        0.5,
        3.0,
        1e-300,
        1e300,
        f64::from_bits(3),
        f64::MAX,
        f64::MIN_POSITIVE,
        INF,
        NAN,
        1e-40,
        1e38,
    ];
    let signed = || values.iter().flat_map(|&v| [v, -v]);
    type Pair<T> = fn(T, T) -> T;
    let functions: [(&str, Binary, Pair<f64>, Pair<f32>); 3] = [
        ("atan2", sm::atan2, f64::atan2, f32::atan2),
        ("hypot", sm::hypot, f64::hypot, f32::hypot),
        ("fmod", sm::fmod, |x, y| x % y, |x, y| x % y),
    ];
    for (name, function, double, single) in functions {
        for x in signed() {
            for y in signed() {
                let want = double(x, y);
                let got = function(&mut Plain, x.into(), y.into()).f64();
                let near = got.is_sign_negative() == want.is_sign_negative()
                    && got.to_bits().abs_diff(want.to_bits()) <= 1;
                assert!(same(got, want) || near, "{name}({x:e}, {y:e}) = {got:e}, wanted {want:e}");
                let (x, y) = (x as f32, y as f32);
                let want = single(x, y);
                let got = function(&mut Plain, x.into(), y.into()).f32();
                let near = got.is_sign_negative() == want.is_sign_negative()
                    && got.to_bits().abs_diff(want.to_bits()) <= 1;
                let near = near || same(got.into(), want.into());
                assert!(near, "{name}({x:e}f32, {y:e}) = {got:e}, wanted {want:e}");
            }
        }
    }
}

#[test]
fn hyperbolic() {
    check("tanh", sm::tanh, &[(INF, 1.0), (-INF, -1.0), (NAN, NAN), (30.0, 1.0)]);
    check("sinh", sm::sinh, &[(INF, INF), (-INF, -INF), (NAN, NAN)]);
    check("cosh", sm::cosh, &[(INF, INF), (-INF, INF), (NAN, NAN), (0.0, 1.0), (-0.0, 1.0)]);
    check("asinh", sm::asinh, &[(INF, INF), (-INF, -INF), (NAN, NAN)]);
    check("acosh", sm::acosh, &[(INF, INF), (-INF, NAN), (NAN, NAN), (1.0, 0.0), (0.5, NAN), (-2.0, NAN)]);
    check(
        "atanh",
        sm::atanh,
        &[
            (1.0, INF),
            (-1.0, -INF),
            (NAN, NAN),
            (1.5, NAN),
            (-1.5, NAN),
            (INF, NAN),
            (0.0, 0.0),
            (-0.0, -0.0),
        ],
    );
}

#[test]
fn error_functions() {
    check("erf", sm::erf, &[(INF, 1.0), (-INF, -1.0), (NAN, NAN), (0.0, 0.0), (-0.0, -0.0)]);
    check("erfc", sm::erfc, &[(INF, 0.0), (-INF, 2.0), (NAN, NAN), (0.0, 1.0), (-0.0, 1.0)]);
}

/// Every pair of special values, against the C library's `pow` as std reaches it.
#[test]
fn powers() {
    let tiny = f64::from_bits(1);
    let values = [
        0.0,
        1.0,
        2.0,
        3.0,
        0.5,
        1.5,
        1e-300,
        1e300,
        tiny,
        f64::MAX,
        f64::MIN_POSITIVE,
        INF,
        NAN,
        16_777_215.0,
        16_777_217.0,
        9_007_199_254_740_991.0,
        9_007_199_254_740_993.0,
        0.1,
        1000.0,
        4503599627370497.5,
    ];
    let signed = values.iter().flat_map(|&v| [v, -v]);
    for x in signed.clone() {
        for y in signed.clone() {
            let want = x.powf(y);
            let got = sm::pow(&mut Plain, x.into(), y.into()).f64();
            let close = (got / want - 1.0).abs() < 1e-15;
            assert!(same(got, want) || close, "pow({x:e}, {y:e}) = {got:e}, wanted {want:e}");
            let (x, y) = (x as f32, y as f32);
            let want = f64::from(x).powf(f64::from(y));
            let got = sm::pow(&mut Plain, x.into(), y.into()).f32();
            let error = crate::sweep::error_f32(got, want);
            // f64 cannot tell zero from what underflows in f32, so the sign is judged by want itself.
            assert!(error <= 1.5, "pow({x:e}f32, {y:e}) = {got:e}, wanted {want:e}: {error} ulp");
        }
    }
}

#[test]
fn gamma_functions() {
    check(
        "lgamma",
        sm::lgamma,
        &[
            (1.0, 0.0),
            (2.0, 0.0),
            (0.0, INF),
            (-0.0, INF),
            (-1.0, INF),
            (-3.0, INF),
            (f32::MIN.into(), INF),
            (INF, INF),
            (-INF, INF),
            (NAN, NAN),
        ],
    );
    check(
        "digamma",
        sm::digamma,
        &[(0.0, -INF), (-0.0, INF), (-1.0, NAN), (-7.0, NAN), (INF, INF), (NAN, NAN), (-INF, NAN)],
    );
    check(
        "erfinv",
        sm::erfinv,
        &[(1.0, INF), (-1.0, -INF), (1.5, NAN), (NAN, NAN), (0.0, 0.0), (-0.0, -0.0)],
    );
    check("i0", sm::i0, &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (NAN, NAN)]);
    check("i1", sm::i1, &[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (NAN, NAN), (1e-30, 5e-31)]);
    check("trigamma", sm::trigamma, &[(0.0, INF), (INF, 0.0), (NAN, NAN), (-INF, NAN)]);
    check("trigamma", |c, x| sm::polygamma(c, 1, x), &[(0.0, INF), (-1.0, INF), (INF, 0.0), (NAN, NAN)]);
    let zeta = |s: f64, q: f64| sm::zeta(&mut Plain, s.into(), q.into()).f64();
    assert_eq!(zeta(1.0, 2.0), INF);
    assert!(zeta(0.5, 2.0).is_nan() && zeta(2.5, -0.5).is_nan() && zeta(NAN, 1.0).is_nan());
    assert_eq!(zeta(2.0, -1.0), INF);
}

/// The edges of the quarter plane, and the step that is left of the functions far out.
#[test]
fn incomplete_gamma_functions() {
    let cases = [
        (0.0, 1.0, 1.0),
        (0.0, 0.0, NAN),
        (0.0, INF, 1.0),
        (1.0, 0.0, 0.0),
        (1.0, -0.0, 0.0),
        (1e-40, 0.0, 0.0),
        (1.0, INF, 1.0),
        (INF, 1.0, 0.0),
        (INF, 0.0, 0.0),
        (INF, INF, NAN),
        (-1.0, 1.0, NAN),
        (1.0, -1.0, NAN),
        (-1.0, -1.0, NAN),
        (-INF, 1.0, NAN),
        (1.0, -INF, NAN),
        (NAN, 1.0, NAN),
        (1.0, NAN, NAN),
        (1e30, 1e10, 0.0),
        (1e10, 1e30, 1.0),
        (1e38, 0.5e38, 0.0),
        (1e38, 2e38, 1.0),
        (1e-38, 1e38, 1.0),
        (1e38, 1e-38, 0.0),
        (1.0, 1e5, 1.0),
        (1e5, 1.0, 0.0),
    ];
    for (a, x, lower) in cases {
        let single = |v: f64| Bits::from(v as f32);
        for (name, function, want) in
            [("igamma", sm::igamma as Binary, lower), ("igammac", sm::igammac as Binary, 1.0 - lower)]
        {
            let got = function(&mut Plain, a.into(), x.into()).f64();
            assert!(same(got, want), "{name}({a:e}, {x:e}) = {got:e}, wanted {want:e}");
            let got = f64::from(function(&mut Plain, single(a), single(x)).f32());
            assert!(same(got, want), "{name}({a:e}f32, {x:e}) = {got:e}, wanted {want:e}");
        }
    }
}

/// The known answers of the Random123 distribution.
#[test]
fn philox() {
    let answers: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (counter, key, want) in answers {
        let got = sm::philox4x32(&mut Plain, counter.map(Bits::Single), key.map(Bits::Single));
        assert_eq!(got, want.map(Bits::Single));
    }
    let uniform = |bits: u32| sm::uniform_f32(&mut Plain, Bits::Single(bits)).f32();
    assert_eq!((uniform(0), uniform(1 << 31), uniform(u32::MAX)), (0.0, 0.5, 1.0f32.next_down()));
    let uniform = |bits: u64| sm::uniform_f64(&mut Plain, Bits::Double(bits)).f64();
    assert_eq!((uniform(0), uniform(1 << 63), uniform(u64::MAX)), (0.0, 0.5, 1.0f64.next_down()));
}
