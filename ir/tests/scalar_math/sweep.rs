//! f32 functions of one argument over the whole range of bit patterns.

use crate::plain::{Bits, Plain};
use rustorch_ir::op::scalar_math as sm;

type Expansion = fn(&mut Plain, Bits) -> Bits;

pub fn step() -> usize {
    match std::env::var("RUSTORCH_SWEEP_STEP") {
        Ok(step) => step.parse().expect("RUSTORCH_SWEEP_STEP is a number"),
        Err(_) => 3001,
    }
}

/// The distance of `got` from `want` in units of the last place of an f32 near `want`.
pub fn error_f32(got: f32, want: f64) -> f64 {
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() && want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let rounded = want as f32;
    if got.is_infinite() || rounded.is_infinite() {
        // A result on the verge of overflow may fall on either side.
        let reach = f64::from(f32::MAX);
        let limit = |v: f32| f64::from(v).clamp(-2.0 * reach, 2.0 * reach);
        let near = want.abs() < reach * (1.0 + 2.0f64.powi(-23));
        return if got == rounded || (near && limit(got).signum() == want.signum() && got.abs() >= f32::MAX) {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if got == 0.0 && want == 0.0 {
        let same_sign = got.is_sign_negative() == want.is_sign_negative();
        return if same_sign { 0.0 } else { f64::INFINITY };
    }
    let exponent = ((rounded.to_bits() >> 23) & 0xff).max(1) as i32;
    let ulp = 2.0f64.powi(exponent - 150);
    (f64::from(got) - want).abs() / ulp
}

fn sweep(name: &str, limit: f64, function: Expansion, reference: impl Fn(f64) -> f64) {
    let mut worst = (0.0, 0.0f32);
    for bits in (0..=u32::MAX).step_by(step()) {
        let x = f32::from_bits(bits);
        let got = function(&mut Plain, x.into()).f32();
        let error = error_f32(got, reference(x.into()));
        if error > worst.0 {
            worst = (error, x);
        }
        assert!(
            error <= limit,
            "{name}({x:e} = {bits:#010x}) = {got:e}, wanted {:e}: {error:.3} ulp",
            reference(x.into())
        );
    }
    println!("{name} f32: at most {:.3} ulp, at {:e}", worst.0, worst.1);
}

fn wide(function: Expansion) -> impl Fn(f64) -> f64 {
    move |x| function(&mut Plain, x.into()).f64()
}

macro_rules! sweeps {
    ($($name:ident $limit:literal $reference:expr;)*) => {
        $(#[test]
        fn $name() {
            sweep(stringify!($name), $limit, sm::$name, $reference);
        })*
    };
}

// erf, erfc and what std lacks are judged by their f64 expansions, which the tables judge.
sweeps! {
    exp 1.5 f64::exp;
    exp2 1.0 f64::exp2;
    expm1 1.5 f64::exp_m1;
    sigmoid 2.0 |x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
    log 1.0 f64::ln;
    log2 1.5 f64::log2;
    log10 1.5 f64::log10;
    log1p 1.5 f64::ln_1p;
    sin 2.0 f64::sin;
    cos 2.0 f64::cos;
    tan 2.0 f64::tan;
    asin 2.0 f64::asin;
    acos 2.0 f64::acos;
    atan 2.0 f64::atan;
    tanh 2.0 f64::tanh;
    sinh 2.0 f64::sinh;
    cosh 2.0 f64::cosh;
    asinh 2.0 wide(sm::asinh);
    acosh 2.0 wide(sm::acosh);
    atanh 2.0 f64::atanh;
    erf 2.0 wide(sm::erf);
    erfc 2.0 wide(sm::erfc);
    erfinv 2.0 wide(sm::erfinv);
    i0 6.0 wide(sm::i0);
    i1 8.0 wide(sm::i1);
}

/// Where a function crosses zero away from the integers, only its absolute error can be small.
fn sweep_absolute(name: &str, range: std::ops::Range<f32>, function: Expansion) {
    let reference = wide(function);
    for bits in (0..=u32::MAX).step_by(7 * step()) {
        let x = f32::from_bits(bits);
        if !range.contains(&x) {
            continue;
        }
        let got = f64::from(function(&mut Plain, x.into()).f32());
        let want = f64::from(reference(x.into()) as f32);
        // Close to a pole the argument's own unit decides.
        let near_pole = x < 0.0 && (x - x.round()).abs() < 1e-3;
        let tolerance = if near_pole { 1e-3 } else { 4e-6 };
        let fits = got == want || (got - want).abs() <= tolerance * want.abs().max(1.0);
        assert!(fits || want.is_nan(), "{name}({x:e}) = {got:e}, wanted {want:e}");
    }
}

#[test]
fn lgamma() {
    sweep_absolute("lgamma", -100.0..1e30, sm::lgamma);
}

#[test]
fn digamma() {
    sweep_absolute("digamma", -20.0..1e30, sm::digamma);
}

type Binary = fn(&mut Plain, Bits, Bits) -> Bits;

/// Numbers spread evenly over the logarithms from `low` to `high`.
fn spread(low: f64, high: f64, count: usize) -> impl Iterator<Item = f32> {
    let (from, step) = (low.ln(), (high / low).ln() / count as f64);
    (0..=count).map(move |i| (from + step * i as f64).exp() as f32)
}

/// The regularised incomplete gamma functions in single precision, against the double one.
#[test]
fn incomplete_gamma() {
    let functions: [(&str, Binary); 2] = [("igamma", sm::igamma), ("igammac", sm::igammac)];
    for (name, function) in functions {
        let mut worst = (0.0, 0.0f32, 0.0f32);
        for a in spread(1e-3, 1e4, 150) {
            let near = spread(f64::from(a) * 0.5, f64::from(a) * 2.0, 50);
            for x in spread(1e-6, 1e4, 150).chain(near) {
                let got = function(&mut Plain, a.into(), x.into()).f32();
                let want = function(&mut Plain, f64::from(a).into(), f64::from(x).into()).f64();
                let error = error_f32(got, want);
                assert!(error <= 1.0, "{name}({a:e}f32, {x:e}) = {got:e}, wanted {want:e}: {error:.3} ulp");
                if error > worst.0 {
                    worst = (error, a, x);
                }
            }
        }
        println!("{name} f32: at most {:.3} ulp, at ({:e}, {:e})", worst.0, worst.1, worst.2);
    }
}
