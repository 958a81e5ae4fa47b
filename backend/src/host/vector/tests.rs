//! Equal bits from routines and from what they stand for, run one number at a time.

use super::{StripFn, avx2, avx512, folds, strip_routine};
use rustorch_ir::DType;
use rustorch_ir::loops::interp::lanes;
use rustorch_ir::loops::{Combine, Elem, fold};
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

type Folds = fn(Combine, DType) -> Option<*const u8>;

/// The folds of stretches and of rows for each kind of registers that this machine has.
fn fold_kinds() -> Vec<(&'static str, Folds, Folds)> {
    kinds()
        .into_iter()
        .map(|(kind, ..)| match kind {
            "avx2" => (kind, avx2::fold as Folds, avx2::row_fold as Folds),
            _ => (kind, avx512::fold as Folds, avx512::row_fold as Folds),
        })
        .collect()
}

/// What a register holds of an element of memory.
fn widened(mem: DType, bytes: &[u8]) -> u64 {
    let bits = lanes::load(mem, bytes);
    match mem {
        DType::F16 => half::f16::from_bits(bits as u16).to_f32().to_bits().into(),
        DType::BF16 => half::bf16::from_bits(bits as u16).to_f32().to_bits().into(),
        _ => bits,
    }
}

fn same(elem: Elem, a: u64, b: u64) -> bool {
    let nan = |v: u64| match elem {
        Elem::F32 => f32::from_bits(v as u32).is_nan(),
        _ => f64::from_bits(v).is_nan(),
    };
    a == b || (nan(a) && nan(b))
}

/// Memory of `count` elements; with NaN and infinities only if asked for.
fn memory(mem: DType, seed: u64, count: usize, special: bool) -> Vec<u8> {
    let values = inputs(seed, count).into_iter().map(|x| if special { x } else { (x % 4.0).abs() - 1.5 });
    values
        .map(|x| if special || x.is_finite() { x } else { 0.25 })
        .flat_map(|x| match mem {
            DType::F16 => half::f16::from_f64(x).to_bits().to_le_bytes().to_vec(),
            DType::BF16 => half::bf16::from_f64(x).to_bits().to_le_bytes().to_vec(),
            DType::F32 => (x as f32).to_le_bytes().to_vec(),
            _ => x.to_le_bytes().to_vec(),
        })
        .collect()
}

const COMBINES: [Combine; 4] = [Combine::Add, Combine::Mul, Combine::Min, Combine::Max];
const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];

#[test]
fn stretches_fold_in_lanes() {
    for (kind, fold, _) in fold_kinds() {
        for (combine, mem) in COMBINES.into_iter().flat_map(|c| FLOATS.map(|m| (c, m))) {
            let elem = fold::register_of(mem).expect("a float");
            let all = folds::all_lanes(combine, mem);
            for (steps, special) in [0, 1, 2, 3, 17].into_iter().flat_map(|n| [(n, false), (n, true)]) {
                let data = memory(mem, steps as u64, steps * all, special);
                let mut want = vec![combine.neutral(elem); all];
                for (k, bytes) in data.chunks_exact(mem.size()).enumerate() {
                    want[k % all] = lanes::combine(combine, elem, want[k % all], widened(mem, bytes));
                }
                let want = lanes::reduce(combine, elem, &mut want);
                let address = fold(combine, mem).expect("a fold");
                let n = (steps * all) as i64;
                // SAFETY: a fold of this type, whose result is F64 for F64 and F32 else; the memory holds `n`.
                let got = unsafe {
                    if elem == Elem::F64 {
                        let f: unsafe extern "C" fn(*const u8, i64) -> f64 = std::mem::transmute(address);
                        f(data.as_ptr(), n).to_bits()
                    } else {
                        let f: unsafe extern "C" fn(*const u8, i64) -> f32 = std::mem::transmute(address);
                        f(data.as_ptr(), n).to_bits().into()
                    }
                };
                assert!(same(elem, got, want), "{combine} of {n} {mem} by {kind}: {got:#x}, {want:#x} alone");
            }
        }
    }
}

#[test]
fn rows_fold_into_accumulators() {
    for (kind, _, fold) in fold_kinds() {
        for (combine, mem) in COMBINES.into_iter().flat_map(|c| FLOATS.map(|m| (c, m))) {
            let elem = fold::register_of(mem).expect("a float");
            let float = if elem == Elem::F64 { DType::F64 } else { DType::F32 };
            for (columns, rows, special) in [(1, 3, true), (13, 0, true), (70, 8, false), (150, 5, true)] {
                let stride = columns + 3;
                let data = memory(mem, 5, rows * stride, special);
                // One accumulator more than asked for, which must stay as it is.
                let mut acc = memory(float, 11, columns + 1, false);
                let mut want: Vec<u64> =
                    acc.chunks_exact(float.size()).map(|b| lanes::load(float, b)).collect();
                for (row, k) in (0..rows).flat_map(|r| (0..columns).map(move |k| (r, k))) {
                    let at = (row * stride + k) * mem.size();
                    want[k] =
                        lanes::combine(combine, elem, want[k], widened(mem, &data[at..at + mem.size()]));
                }
                // SAFETY: a fold of rows of this type; there are as many accumulators and rows as it is told.
                unsafe {
                    let f: unsafe extern "C" fn(*mut u8, *const u8, i64, i64, i64) =
                        std::mem::transmute(fold(combine, mem).expect("a fold"));
                    f(acc.as_mut_ptr(), data.as_ptr(), rows as i64, stride as i64, columns as i64);
                }
                for (k, bytes) in acc.chunks_exact(float.size()).enumerate() {
                    let got = lanes::load(float, bytes);
                    assert!(
                        same(elem, got, want[k]),
                        "{combine} of {mem}, column {k} of {columns} by {kind}"
                    );
                }
            }
        }
    }
}
