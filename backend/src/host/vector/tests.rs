//! Equal bits from strips and from the expansions run one number at a time.

use super::{StripFn, avx2, avx512, strip_routine};
use rustorch_ir::op::scalar_math as sm;

/// The single-number [`sm::Core`] that the expansions themselves are tested with.
#[allow(dead_code)]
#[path = "../../../../ir/tests/scalar_math/plain.rs"]
mod plain;

use plain::{Bits, Plain};

fn expected(name: &str, x: Bits, y: Bits) -> Bits {
    let args = [x, y];
    let arity = sm::math_arity(name).expect("a routine is named after a function");
    sm::expand(&mut Plain, name, &args[..arity]).expect("a function has an expansion")
}

type Routines = fn(&str, bool) -> Option<StripFn>;

/// The routines for each kind of registers that this machine has.
fn kinds() -> Vec<(&'static str, Routines, &'static [&'static str])> {
    let mut kinds: Vec<(_, Routines, _)> = Vec::new();
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
    {
        kinds.push(("avx2", avx2::routine, avx2::NAMES));
    }
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
        kinds.push(("avx512", avx512::routine, avx512::NAMES));
    }
    kinds
}

/// Patterns that look random (splitmix64), with special values among them and ordinary sizes prevailing.
fn inputs(seed: u64, count: usize) -> Vec<f64> {
    let specials =
        [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-310, 5e300, 1e-40, 3e38];
    let pattern = |i: u64| {
        let z = (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 29)
    };
    (0..count as u64)
        .map(|i| match i % 16 {
            0 => specials[(pattern(i) % specials.len() as u64) as usize],
            1..4 => f64::from_bits(pattern(i)),
            4..6 => f64::from(f32::from_bits(pattern(i) as u32)),
            _ => (pattern(i) as i64 as f64) * 2f64.powi(-60 - (i % 7) as i32),
        })
        .collect()
}

trait Element: Copy + Into<Bits> + Default + PartialEq {
    const DOUBLE: bool;
    fn of(value: f64) -> Self;
}

impl Element for f32 {
    const DOUBLE: bool = false;
    fn of(value: f64) -> Self {
        value as f32
    }
}

impl Element for f64 {
    const DOUBLE: bool = true;
    fn of(value: f64) -> Self {
        value
    }
}

fn run<T: Element>(routine: StripFn, x: &[T], y: &[T]) -> Vec<T> {
    // One element more than asked for, which must stay as it is.
    let mut result = vec![T::default(); x.len() + 1];
    let n = x.len() as i64;
    // SAFETY: the address is of a routine for this type and number of inputs, see `StripFn`; all slices
    // hold at least `n` elements.
    unsafe {
        if routine.inputs == 1 {
            let f: unsafe extern "C" fn(*const T, *mut T, i64) = std::mem::transmute(routine.address);
            f(x.as_ptr(), result.as_mut_ptr(), n);
        } else {
            let f: unsafe extern "C" fn(*const T, *const T, *mut T, i64) =
                std::mem::transmute(routine.address);
            f(x.as_ptr(), y.as_ptr(), result.as_mut_ptr(), n);
        }
    }
    assert!(result.pop() == Some(T::default()), "wrote past the end");
    result
}

fn equal(a: Bits, b: Bits) -> bool {
    let nan = |v: Bits| match v {
        Bits::Single(_) => v.f32().is_nan(),
        Bits::Double(_) => v.f64().is_nan(),
    };
    a == b || (nan(a) && nan(b))
}

fn check<T: Element + std::fmt::Debug>() {
    for (kind, routines, names) in kinds() {
        for &name in names {
            check_routine::<T>(kind, name, routines(name, T::DOUBLE).expect("a name of the list"));
        }
    }
}

fn check_routine<T: Element + std::fmt::Debug>(kind: &str, name: &str, routine: StripFn) {
    assert_eq!(Some(routine.inputs), sm::math_arity(name));
    // Every length of tail.
    for length in (0..40).chain([20_011]) {
        let x: Vec<T> = inputs(length as u64, length).into_iter().map(T::of).collect();
        let y: Vec<T> = inputs(97 + length as u64, length).into_iter().rev().map(T::of).collect();
        let got = run(routine, &x, &y);
        for i in 0..length {
            let want = expected(name, x[i].into(), y[i].into());
            assert!(
                equal(got[i].into(), want),
                "{name}({:?}, {:?}) = {:?} in a strip of {kind}, {want:?} alone",
                x[i],
                y[i],
                got[i]
            );
        }
    }
}

#[test]
fn singles() {
    check::<f32>();
}

#[test]
fn doubles() {
    check::<f64>();
}

fn converted<F, T: Copy + Default + PartialEq>(routine: StripFn, x: &[F]) -> Vec<T> {
    let mut result = vec![T::default(); x.len() + 1];
    // SAFETY: the address is of a conversion between these types, see `StripFn`; both slices hold `x.len()`.
    unsafe {
        let f: unsafe extern "C" fn(*const F, *mut T, i64) = std::mem::transmute(routine.address);
        f(x.as_ptr(), result.as_mut_ptr(), x.len() as i64);
    }
    assert!(result.pop() == Some(T::default()), "wrote past the end");
    result
}

/// Every bit counts, of NaN too.
#[test]
fn conversions() {
    for (kind, routines, _) in kinds() {
        let halves: Vec<u16> = (0..=u16::MAX).collect();
        let routine = routines("f16_to_f32", false).expect("a conversion");
        let got: Vec<f32> = converted(routine, &halves);
        for (&x, y) in halves.iter().zip(got) {
            let want = expected("f16_to_f32", Bits::Single(x.into()), 0.0f32.into());
            assert_eq!(Bits::from(y), want, "{x:#06x} in a strip of {kind}");
        }
        // Every exponent with the bits around what is cut off, and patterns between.
        let edges = (0..=u16::MAX).flat_map(|high| {
            let high = u32::from(high) << 16;
            [0, 1, 0xfff, 0x1000, 0x1001, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff].map(|low| high | low)
        });
        for (length, name) in
            (0..70).chain([usize::MAX]).flat_map(|n| [(n, "f32_to_f16"), (n, "f32_to_bf16")])
        {
            let x: Vec<f32> = edges.clone().map(f32::from_bits).take(length).collect();
            let got: Vec<u16> = converted(routines(name, false).expect("a conversion"), &x);
            for (&x, y) in x.iter().zip(got) {
                let want = expected(name, x.into(), 0.0f32.into()).i32();
                assert_eq!(i32::from(y), want, "{name} of {:#010x} in a strip of {kind}", x.to_bits());
            }
        }
    }
}

#[test]
fn in_place() {
    let Some(routine) = strip_routine("exp", false) else {
        println!("no strips: this machine lacks AVX2 or FMA");
        return;
    };
    let mut x: Vec<f32> = (0..37).map(|i| i as f32 * 0.25 - 4.0).collect();
    let want = run(routine, &x, &[]);
    // SAFETY: as in `run`; input and output may be the same memory.
    unsafe {
        let f: unsafe extern "C" fn(*const f32, *mut f32, i64) = std::mem::transmute(routine.address);
        f(x.as_ptr(), x.as_mut_ptr(), 37);
    }
    assert_eq!(x, want);
}

#[test]
fn unknown_names() {
    assert!(strip_routine("no such function", false).is_none());
}
