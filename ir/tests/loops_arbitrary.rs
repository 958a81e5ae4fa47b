//! Random kernels: accepted by the verifier, read back from their text, run without a fault, and the
//! same however the parallel space is cut.

use rustorch_ir::loops::arbitrary::{Case, Options, agree, case};
use rustorch_ir::loops::interp::{Interpreter, Outcome};
use rustorch_ir::loops::parse::parse_kernel;
use rustorch_ir::loops::verify::verify;
use rustorch_ir::loops::*;
use std::collections::HashSet;

const PLAIN: Options<'static> = Options { strips: &[], folds: false, tables: &[], checks: false };
const FULL: Options<'static> = Options {
    strips: &[("negate", 1), ("hypotenuse", 2)],
    folds: true,
    tables: &["two_over_pi_f32", "two_over_pi_f64"],
    checks: true,
};

fn strip(name: &str, x: &[u64], elem: Elem) -> Option<u64> {
    let x: Vec<f64> = x
        .iter()
        .map(|&b| if elem == Elem::F32 { f32::from_bits(b as u32) as f64 } else { f64::from_bits(b) })
        .collect();
    let y = match (name, &x[..]) {
        ("negate", [x]) => -x,
        ("hypotenuse", [x, y]) => x.hypot(*y),
        _ => return None,
    };
    Some(if elem == Elem::F32 { (y as f32).to_bits() as u64 } else { y.to_bits() })
}

/// Runs the case in the given pieces and returns its buffers.
fn run(case: &Case, cuts: &[i64]) -> (Outcome, Vec<Vec<u8>>) {
    let mut buffers = case.buffers.clone();
    let interpreter = Interpreter::new(&case.kernel).unwrap();
    let mut slices: Vec<&mut [u8]> = buffers.iter_mut().map(|b| &mut b[..]).collect();
    for piece in cuts.windows(2) {
        let outcome = interpreter
            .run(&mut slices, &case.scalars, piece[0], piece[1], &strip)
            .unwrap_or_else(|e| panic!("{e}\n{}", case.kernel));
        if outcome != Outcome::Done {
            return (outcome, buffers);
        }
    }
    (Outcome::Done, buffers)
}

#[test]
fn random_kernels_are_valid_and_read_back() {
    for seed in 0..3000 {
        let kernel = case(seed, if seed % 2 == 0 { &PLAIN } else { &FULL }).kernel;
        verify(&kernel).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
        let text = kernel.to_string();
        let back = parse_kernel(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(back, kernel, "{text}");
        assert_eq!(back.to_string(), text);
    }
}

#[test]
fn random_kernels_run_without_faults_in_any_pieces() {
    let mut failed = 0;
    for seed in 0..1500 {
        let case = case(seed, if seed % 2 == 0 { &PLAIN } else { &FULL });
        let n = case.kernel.parallel as i64;
        let (outcome, whole) = run(&case, &[0, n]);
        let (in_pieces, pieces) = run(&case, &(0..=n).collect::<Vec<_>>());
        assert_eq!(outcome, in_pieces, "{}", case.kernel);
        failed += (outcome != Outcome::Done) as u32;
        for ((param, a), b) in case.kernel.params.iter().zip(&whole).zip(&pieces) {
            assert!(agree(param.mem, a, b), "{}", case.kernel);
        }
    }
    assert!(failed > 20, "only {failed} checks have failed");
}

#[test]
fn equal_seeds_give_equal_cases() {
    let (a, b) = (case(7, &FULL), case(7, &FULL));
    assert_eq!(a.kernel, b.kernel);
    assert_eq!(a.buffers, b.buffers);
    assert_eq!(a.scalars, b.scalars);
    assert_ne!(a.kernel, case(8, &FULL).kernel);
}

#[test]
fn nan_bits_are_the_only_difference_that_agrees() {
    let (quiet, other) = (f32::NAN.to_le_bytes(), (-f32::NAN).to_le_bytes());
    assert_ne!(quiet, other);
    assert!(agree(rustorch_ir::dtype::DType::F32, &quiet, &other));
    assert!(!agree(rustorch_ir::dtype::DType::I32, &quiet, &other));
    assert!(!agree(rustorch_ir::dtype::DType::F32, &0f32.to_le_bytes(), &(-0f32).to_le_bytes()));
    assert!(!agree(rustorch_ir::dtype::DType::F32, &quiet, &[]));
}

/// The kinds of instructions and statements that random kernels are made of, with element and shape of use.
fn kinds(kernel: &Kernel) -> Vec<String> {
    fn statements(kernel: &Kernel, block: &Block, into: &mut Vec<String>) {
        for stmt in block {
            match stmt {
                Stmt::Let(_) => {}
                Stmt::For(l) => {
                    into.push(format!("for{}", if l.carried.is_empty() { "" } else { " carry" }));
                    into.extend(l.carried.iter().filter_map(|c| Some(format!("by {}", c.combine?))));
                    statements(kernel, &l.body, into);
                }
                Stmt::Store { mem, addr, .. } => into.push(format!("store {mem} {}", form(addr))),
                Stmt::Check { .. } => into.push("check".into()),
                Stmt::Strip { .. } => into.push("strip".into()),
                Stmt::FoldRows { combine, acc, .. } => {
                    into.push(format!("fold_rows {combine} {}", kernel.params[acc.0 as usize].mem));
                }
            }
        }
    }
    fn form(addr: &Addr) -> &'static str {
        match addr {
            Addr::Unit(_) => "unit",
            Addr::Strided(..) => "strided",
            Addr::Lanes(_) => "lanes",
        }
    }
    let mut kinds = Vec::new();
    statements(kernel, &kernel.body, &mut kinds);
    for (inst, ty) in &kernel.insts {
        kinds.push(match inst {
            Inst::Const(_) => format!("const {}", ty.elem),
            Inst::Defined => format!("defined {ty}"),
            Inst::Scalar(_) => format!("scalar {}", ty.elem),
            Inst::Affine { .. } => "affine".into(),
            Inst::Bin(op, ..) => format!("{op} {ty}"),
            Inst::Un(op, _) => format!("{op} {ty}"),
            Inst::Cmp(op, a, _) => format!("{op} {}", kernel.ty(*a)),
            Inst::Select(..) => format!("select {ty}"),
            Inst::Fma(..) => format!("fma {ty}"),
            Inst::Cast(op, a) => format!("{op} {} {}", kernel.ty(*a).elem, ty.elem),
            Inst::Load { mem, addr, .. } => format!("load {mem} {}", form(addr)),
            Inst::Splat(_) => format!("splat {ty}"),
            Inst::Ramp(..) => format!("ramp {}", ty.lanes),
            Inst::ReduceLanes(by, a) => format!("reduce {by} {}", kernel.ty(*a)),
            Inst::Fold { combine, lanes, .. } => format!("fold {combine} {ty} {lanes}"),
            Inst::Math(name, _) => format!("math {name}"),
            Inst::Table(..) => format!("table {ty}"),
        });
    }
    kinds
}

#[test]
fn random_kernels_cover_the_language() {
    let mut seen = HashSet::new();
    for seed in 0..3000 {
        seen.extend(kinds(&case(seed, &FULL).kernel));
    }
    let mut wanted: Vec<String> =
        ["for", "for carry", "check", "strip", "affine"].map(String::from).into_iter().collect();
    let numbers = &Elem::ALL[1..];
    for lanes in [1, 2, 4, 8, 16, 32] {
        let ty = |elem| Ty { elem, lanes };
        for &e in Elem::ALL {
            wanted.push(format!("select {}", ty(e)));
            if lanes > 1 {
                wanted.push(format!("splat {}", ty(e)));
            }
            let combines = match e {
                Elem::Mask => &Combine::ALL[4..],
                Elem::I32 | Elem::I64 => Combine::ALL,
                Elem::F32 | Elem::F64 => &Combine::ALL[..4],
            };
            if lanes > 1 {
                wanted.extend(combines.iter().map(|c| format!("reduce {c} {}", ty(e))));
            }
        }
        for &e in numbers {
            wanted.extend(CmpOp::ALL.iter().map(|op| format!("{op} {}", ty(e))));
            wanted.push(format!("table {}", ty(e)));
        }
        for e in [Elem::I32, Elem::I64] {
            wanted.extend(BinOp::ALL.iter().map(|op| format!("{op} {}", ty(e))));
        }
        for e in [Elem::F32, Elem::F64] {
            wanted.extend(BinOp::ALL[..4].iter().map(|op| format!("{op} {}", ty(e))));
            wanted.extend(UnOp::ALL[..7].iter().map(|op| format!("{op} {}", ty(e))));
            wanted.push(format!("fma {}", ty(e)));
        }
    }
    for mem in rustorch_ir::dtype::DType::ALL {
        for form in ["unit", "strided", "lanes"] {
            wanted.extend([format!("load {mem} {form}"), format!("store {mem} {form}")]);
        }
    }
    wanted.extend(Combine::ALL.iter().map(|c| format!("by {c}")));
    for combine in &Combine::ALL[..4] {
        let lanes = if matches!(combine, Combine::Min | Combine::Max) { 16 } else { 32 };
        wanted.extend([format!("fold {combine} f32 {lanes}"), format!("fold {combine} f64 16")]);
        wanted.extend([format!("fold_rows {combine} f32"), format!("fold_rows {combine} f64")]);
    }
    for (op, from, to) in [
        ("sign_extend", "i32", "i64"),
        ("zero_extend", "i32", "i64"),
        ("wrap", "i64", "i32"),
        ("int_to_float", "i32", "f32"),
        ("int_to_float", "i64", "f32"),
        ("int_to_float", "i32", "f64"),
        ("int_to_float", "i64", "f64"),
        ("float_to_int", "f32", "i32"),
        ("float_to_int", "f64", "i32"),
        ("float_to_int", "f32", "i64"),
        ("float_to_int", "f64", "i64"),
        ("widen", "f32", "f64"),
        ("narrow", "f64", "f32"),
        ("mask_to_int", "mask", "i32"),
        ("mask_to_int", "mask", "i64"),
        ("bits", "f32", "i32"),
        ("bits", "i32", "f32"),
        ("bits", "f64", "i64"),
        ("bits", "i64", "f64"),
    ] {
        wanted.push(format!("{op} {from} {to}"));
    }
    let missing: Vec<_> = wanted.iter().filter(|w| !seen.contains(*w)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
