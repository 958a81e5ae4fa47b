//! Random kernels: the JIT against the interpreter, bit by bit.

mod jit_support;

use jit_support::{Random, agree, canonical, run_jit};
use rustorch_backend::cranelift::{Jit, Symbols};
use rustorch_backend::host::vector::fold_routine;
use rustorch_ir::DType;
use rustorch_ir::loops::arbitrary::{Case, Options, case};
use rustorch_ir::loops::interp;
use rustorch_ir::loops::*;
use rustorch_ir::op::scalar_math::{TABLES, table};

fn tables() -> Vec<&'static str> {
    TABLES.iter().map(|t| t.0).collect()
}

#[test]
fn random_kernels() {
    let tables = tables();
    let options = Options { strips: &[], folds: false, tables: &tables, checks: false };
    for seed in 0..400 {
        let Case { kernel, buffers, scalars } = case(seed, &options);
        agree(&kernel, &buffers, &scalars, (0, kernel.parallel as i64));
    }
}

#[test]
fn random_kernels_run_in_pieces() {
    let tables = tables();
    let options = Options { strips: &[], folds: false, tables: &tables, checks: false };
    for seed in 400..500 {
        let Case { kernel, buffers, scalars } = case(seed, &options);
        let cut = Random(seed).below(kernel.parallel as u64 + 1) as i64;
        agree(&kernel, &buffers, &scalars, (cut, kernel.parallel as i64));
        agree(&kernel, &buffers, &scalars, (0, cut));
    }
}

#[test]
fn random_kernels_that_check() {
    let tables = tables();
    let options = Options { strips: &[], folds: false, tables: &tables, checks: true };
    let mut failed = 0;
    for seed in 1000..1300 {
        let Case { kernel, buffers, scalars } = case(seed, &options);
        let (outcome, _) = agree(&kernel, &buffers, &scalars, (0, kernel.parallel as i64));
        failed += usize::from(outcome != interp::Outcome::Done);
    }
    assert!((10..300).contains(&failed), "{failed} of 300 ended at a check");
}

struct Strips;

macro_rules! strip {
    ($name:ident($($src:ident),+) -> $elem:ty = $value:expr) => {
        unsafe extern "C" fn $name($($src: *const $elem,)+ dst: *mut $elem, n: i64) {
            for k in 0..n.max(0) as usize {
                // SAFETY: generated strips stay inside their scratch parameters.
                unsafe {
                    $(let $src = *$src.add(k);)+
                    *dst.add(k) = $value;
                }
            }
        }
    };
}

strip!(half_f32(a) -> f32 = a * 0.5);
strip!(half_f64(a) -> f64 = a * 0.5);
strip!(less_f32(a, b) -> f32 = a - b);
strip!(less_f64(a, b) -> f64 = a - b);

impl Symbols for Strips {
    fn strip(&self, routine: &str, elem: Elem) -> Option<*const u8> {
        Some(match (routine, elem) {
            ("half", Elem::F32) => half_f32 as *const u8,
            ("half", Elem::F64) => half_f64 as *const u8,
            ("less", Elem::F32) => less_f32 as *const u8,
            ("less", Elem::F64) => less_f64 as *const u8,
            _ => return None,
        })
    }

    fn table(&self, name: &str) -> Option<&'static [u64]> {
        table(name)
    }
}

fn scalar_strip(routine: &str, args: &[u64], elem: Elem) -> Option<u64> {
    let single = |k: usize| f32::from_bits(args[k] as u32);
    let double = |k: usize| f64::from_bits(args[k]);
    Some(match (routine, elem) {
        ("half", Elem::F32) => (single(0) * 0.5).to_bits().into(),
        ("half", Elem::F64) => (double(0) * 0.5).to_bits(),
        ("less", Elem::F32) => (single(0) - single(1)).to_bits().into(),
        ("less", Elem::F64) => (double(0) - double(1)).to_bits(),
        _ => return None,
    })
}

#[test]
fn random_kernels_with_strips() {
    let tables = tables();
    let options =
        Options { strips: &[("half", 1), ("less", 2)], folds: false, tables: &tables, checks: false };
    let jit = Jit::new(true, Box::new(Strips)).unwrap();
    for seed in 2000..2300 {
        let Case { kernel, buffers, scalars } = case(seed, &options);
        let range = (0, kernel.parallel as i64);
        let mut expected = buffers.clone();
        let mut slices: Vec<&mut [u8]> = expected.iter_mut().map(|b| &mut b[..]).collect();
        let wanted = interp::run(&kernel, &mut slices, &scalars, range.0, range.1, &scalar_strip).unwrap();
        let mut actual = buffers;
        let compiled = jit.compile(&kernel).unwrap();
        let outcome = run_jit(&compiled, &kernel, &mut actual, &scalars, range);
        assert_eq!(outcome, wanted, "seed {seed}\n{kernel}");
        for ((param, actual), expected) in kernel.params.iter().zip(&actual).zip(&expected) {
            assert!(canonical(param.mem, actual) == canonical(param.mem, expected), "seed {seed}\n{kernel}");
        }
    }
}

/// On a host that has the routines.
#[test]
fn random_kernels_with_folds() {
    if fold_routine(Combine::Add, DType::F32, 32).is_none() {
        println!("no folds: this machine lacks AVX2, FMA or F16C");
        return;
    }
    let tables = tables();
    let options = Options { strips: &[], folds: true, tables: &tables, checks: false };
    for seed in 3000..3400 {
        let Case { kernel, buffers, scalars } = case(seed, &options);
        agree(&kernel, &buffers, &scalars, (0, kernel.parallel as i64));
    }
}
