//! Functions whose results are exact: remainders, neighbours, mantissas, 16-bit floats.

use crate::plain::{Bits, Plain};
use crate::sweep::step;
use rustorch_ir::op::scalar_math as sm;

/// A sequence of bit patterns that looks random (splitmix64).
fn patterns(count: usize) -> impl Iterator<Item = u64> {
    (1..=count as u64).map(|i| {
        let z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

fn same_f64(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn same_f32(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn remainders() {
    let modulo = |x: f64, y: f64| {
        let r = x % y;
        if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
    };
    let modulo_single = |x: f32, y: f32| {
        let r = x % y;
        if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
    };
    let ones: Vec<u64> = patterns(60_000).collect();
    for pair in ones.windows(2) {
        let (x, y) = (f64::from_bits(pair[0]), f64::from_bits(pair[1]));
        // A divisor of similar size as well, since random exponents differ much.
        let close = f64::from_bits((pair[0] & !0xf_ffff_ffff_ffff).wrapping_sub(5 << 52) | (pair[1] >> 12));
        for y in [y, close] {
            let got = sm::fmod(&mut Plain, x.into(), y.into()).f64();
            assert!(same_f64(got, x % y), "fmod({x:e}, {y:e}) = {got:e}, wanted {:e}", x % y);
            let (got, want) = (sm::remainder(&mut Plain, x.into(), y.into()).f64(), modulo(x, y));
            assert!(same_f64(got, want), "remainder({x:e}, {y:e}) = {got:e}, wanted {want:e}");
        }
        let (x, y) = (f32::from_bits(pair[0] as u32), f32::from_bits(pair[1] as u32));
        let close = f32::from_bits((x.to_bits() & !0x7f_ffff).wrapping_sub(3 << 23) | (pair[1] as u32 >> 9));
        for y in [y, close] {
            let got = sm::fmod(&mut Plain, x.into(), y.into()).f32();
            assert!(same_f32(got, x % y), "fmod({x:e}f32, {y:e}) = {got:e}, wanted {:e}", x % y);
            let (got, want) = (sm::remainder(&mut Plain, x.into(), y.into()).f32(), modulo_single(x, y));
            assert!(same_f32(got, want), "remainder({x:e}f32, {y:e}) = {got:e}, wanted {want:e}");
        }
    }
    for (x, y) in [
        (5.0, 3.0),
        (-5.0, 3.0),
        (6.0, 3.0),
        (-6.0, 3.0),
        (0.0, 3.0),
        (-0.0, -3.0),
        (1.0, 0.0),
        (3.0, f64::INFINITY),
    ] {
        let got = sm::fmod(&mut Plain, x.into(), y.into()).f64();
        assert!(same_f64(got, x % y), "fmod({x}, {y}) = {got}");
    }
}

#[test]
fn neighbours() {
    for pattern in patterns(20_000).chain([0, 1 << 63, 1, f64::MAX.to_bits(), f64::INFINITY.to_bits()]) {
        let (x, y) = (f64::from_bits(pattern), f64::INFINITY);
        let got = sm::nextafter(&mut Plain, x.into(), y.into()).f64();
        assert!(same_f64(got, x.next_up()), "nextafter({x:e}, inf) = {got:e}");
        let got = sm::nextafter(&mut Plain, x.into(), (-y).into()).f64();
        assert!(same_f64(got, x.next_down()), "nextafter({x:e}, -inf) = {got:e}");
        let x = f32::from_bits(pattern as u32);
        let got = sm::nextafter(&mut Plain, x.into(), f32::INFINITY.into()).f32();
        assert!(same_f32(got, x.next_up()), "nextafter({x:e}f32, inf) = {got:e}");
    }
    let at = |x: f64, y: f64| sm::nextafter(&mut Plain, x.into(), y.into()).f64();
    assert!(same_f64(at(0.0, -0.0), -0.0) && same_f64(at(-0.0, 0.0), 0.0));
    assert!(at(1.0, f64::NAN).is_nan() && at(f64::NAN, 1.0).is_nan());
}

#[test]
fn mantissas_and_exponents() {
    for pattern in patterns(20_000).chain([1, 0xf_ffff_ffff_ffff, 1 << 52, f64::MAX.to_bits()]) {
        let x = f64::from_bits(pattern);
        if !x.is_finite() || x == 0.0 {
            continue;
        }
        let m = sm::frexp_mantissa(&mut Plain, x.into());
        let e = sm::frexp_exponent(&mut Plain, x.into());
        assert!((0.5..1.0).contains(&m.f64().abs()), "frexp({x:e}) = {:e}", m.f64());
        assert!(same_f64(sm::ldexp(&mut Plain, m, e).f64(), x), "ldexp(frexp({x:e}))");
        let x = f32::from_bits(pattern as u32);
        if !x.is_finite() || x == 0.0 {
            continue;
        }
        let m = sm::frexp_mantissa(&mut Plain, x.into());
        let e = sm::frexp_exponent(&mut Plain, x.into());
        assert!((0.5..1.0).contains(&m.f32().abs()), "frexp({x:e}f32) = {:e}", m.f32());
        assert!(same_f32(sm::ldexp(&mut Plain, m, e).f32(), x), "ldexp(frexp({x:e}f32))");
        // Rounded once: f64 holds every product exactly.
        for n in [-300, -200, -150, -140, -127, -30, 0, 64, 127, 128, 250, 400, i32::MIN, i32::MAX] {
            let got = sm::ldexp(&mut Plain, x.into(), Bits::Single(n as u32)).f32();
            let want = (f64::from(x) * 2f64.powi(n.clamp(-400, 400))) as f32;
            assert!(same_f32(got, want), "ldexp({x:e}, {n}) = {got:e}, wanted {want:e}");
        }
    }
    for x in [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        assert!(same_f64(sm::frexp_mantissa(&mut Plain, x.into()).f64(), x));
        assert_eq!(sm::frexp_exponent(&mut Plain, x.into()), Bits::Double(0));
    }
}

/// The value of a 16-bit float with this many mantissa bits, by arithmetic.
fn value_of(bits: u32, mantissa: i32) -> f64 {
    let exponent_bits = 15 - mantissa;
    let bias = (1 << (exponent_bits - 1)) - 1;
    let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
    let exponent = ((bits & 0x7fff) >> mantissa) as i32;
    let fraction = f64::from(bits & ((1 << mantissa) - 1)) / f64::from(1 << mantissa);
    if exponent == (1 << exponent_bits) - 1 {
        return if fraction == 0.0 { sign * f64::INFINITY } else { f64::NAN };
    }
    if exponent == 0 {
        return sign * fraction * 2f64.powi(1 - bias);
    }
    sign * (1.0 + fraction) * 2f64.powi(exponent - bias)
}

type Convert = fn(&mut Plain, Bits) -> Bits;

fn check_half(name: &str, mantissa: i32, widen: Convert, narrow: Convert) {
    for bits in 0..1u32 << 16 {
        let got = widen(&mut Plain, Bits::Single(bits)).f32();
        let want = value_of(bits, mantissa) as f32;
        assert!(same_f32(got, want), "{name} {bits:#06x} = {got:e}, wanted {want:e}");
        let back = narrow(&mut Plain, got.into()).i32() as u32;
        assert!(got.is_nan() || back == bits, "{name} {got:e} = {back:#06x}, wanted {bits:#06x}");
    }
    let infinity = ((1u32 << (15 - mantissa)) - 1) << mantissa;
    // Past the last finite value lies what would be the next power of two, where rounding is concerned.
    let magnitude = |bits: u32| {
        if bits == infinity {
            2.0 * value_of((infinity >> mantissa << mantissa) - (1 << mantissa), mantissa)
        } else {
            value_of(bits, mantissa)
        }
    };
    let halves = (0..infinity).flat_map(|bits| {
        let middle = ((magnitude(bits) + magnitude(bits + 1)) / 2.0) as f32;
        [middle, middle.next_up(), middle.next_down()]
    });
    for x in (0..=u32::MAX).step_by(step()).map(f32::from_bits).chain(halves) {
        let got = narrow(&mut Plain, x.into()).i32() as u32;
        assert_eq!(got >> 16, 0, "{name}({x:e}) has bits above the sixteenth");
        if x.is_nan() {
            assert!(value_of(got, mantissa).is_nan(), "{name}(NaN) = {got:#06x}");
            continue;
        }
        assert_eq!(got >> 15, x.to_bits() >> 31, "the sign of {name}({x:e})");
        let size = got & 0x7fff;
        assert!(size <= infinity, "{name}({x:e}) = {got:#06x}");
        let a = f64::from(x.abs());
        let error = (a - magnitude(size)).abs();
        let rivals = [size.wrapping_sub(1), size + 1];
        for rival in rivals.into_iter().filter(|&rival| rival <= infinity && a.is_finite()) {
            let other = (a - magnitude(rival)).abs();
            let better = error < other || (error == other && size.is_multiple_of(2));
            assert!(better, "{name}({x:e}) = {got:#06x}, but {rival:#06x} is nearer");
        }
        assert!(a.is_finite() || size == infinity, "{name}({x:e}) = {got:#06x}");
    }
}

#[test]
fn half_floats() {
    check_half("f16", 10, sm::half::f16_to_f32, sm::half::f32_to_f16);
}

#[test]
fn bfloats() {
    check_half("bf16", 7, sm::half::bf16_to_f32, sm::half::f32_to_bf16);
}
