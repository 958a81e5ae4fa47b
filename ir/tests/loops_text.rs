//! The text form of LoopIR: what it looks like, that it reads back exactly, and how it is refused.

use rustorch_ir::loops::parse::{ParseError, parse_kernel};
use rustorch_ir::loops::verify::verify;
use rustorch_ir::loops::*;

const ROW_SUM: &str = "\
kernel row_sum(in %b0: f32, out %b1: f32, scalar s0: f32) parallel 64 (v0..v1)
where
  v3: i64 = const 0
  v4: i64 = const 16
  v5: f32 = scalar s0
{
  for v2 in v0..v1 step 1 {
    for v6 in v3..v4 step 4 carry (v7: f32 = v5 -> v10 => v11 by add) {
      v8: i64 = affine 16*v2 + v6
      v9: f32 = load f32 %b0[v8]
      v10: f32 = add v7, v9
    }
    store f32 %b1[v2] = v11
  }
}
";

const EVERYTHING: &str = "\
kernel everything(in %b0: f32, out %b1: bool, inout %b2: bf16, scratch %b3: f64[32], scratch %b4: f64[32], scalar s0: mask, scalar s1: i64) parallel 3 (v0..v1)
where
  v2: mask = scalar s0
  v3: i64 = scalar s1
  v4: i32 = const -2147483648
  v5: f32 = const 1e-45
  v6: f64 = const -inf
  v7: f32 = const 0x7fc00001
  v8: i64 = defined
  v9: f64 = const 0xfff8000000000000
  v10: f32x8 = neg v11
{
  v11: f32x8 = splat v5
  v12: f32x8 = fma v11, v11, v11
  v13: maskx8 = le v12, v11
  v14: f32x8 = select v13, v11, v12
  v15: i64 = affine -v0 - 9223372036854775808*v3 - 9223372036854775808
  v16: i64 = affine 9223372036854775807
  v17: i64x8 = ramp v15 by -3
  v18: f32x8 = load f32 %b0[lanes v17]
  v19: f32x8 = load f32 %b0[v16 by -2]
  v20: f32 = reduce max v19
  v21: i32 = float_to_int v20
  v22: i32 = table two_over_pi_f32[v21]
  v23: i32 = shr_u v22, v4
  v24: mask = const true
  strip \"odd name\"(%b3, %b4) -> %b4 count v3
  check v24 else -7, v3
  store bf16 %b2[v16] = v23
  for v25 in v0..v1 step 2 carry (v26: i32 = v4 -> v27 => v29, v27: i32 = v23 -> v26 => v28 by min) {
    store bool %b1[v25] = v2
  }
}
";

#[test]
fn kernels_print_as_they_were_read() {
    for text in [ROW_SUM, EVERYTHING] {
        let kernel = parse_kernel(text).unwrap_or_else(|e| panic!("{e}"));
        verify(&kernel).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(kernel.to_string(), text);
        assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel);
    }
}

#[test]
fn text_means_what_it_says() {
    let k = parse_kernel(ROW_SUM).unwrap();
    assert_eq!((k.name.as_str(), k.parallel, k.begin, k.end), ("row_sum", 64, Val(0), Val(1)));
    assert_eq!(k.insts.len(), 12);
    assert_eq!(k.insts[0], (Inst::Defined, Ty::I64));
    assert_eq!(k.insts[5], (Inst::Scalar(0), Ty::scalar(Elem::F32)));
    assert_eq!(k.insts[11], (Inst::Defined, Ty::scalar(Elem::F32)));
    let terms = [(Val(2), 16), (Val(6), 1)].into_iter().collect();
    assert_eq!(*k.inst(Val(8)), Inst::Affine { terms, offset: 0 });
    let Stmt::For(outer) = &k.body[0] else { panic!("a loop") };
    let Stmt::For(inner) = &outer.body[0] else { panic!("a loop") };
    let combine = Some(Combine::Add);
    let carried = Carried { phi: Val(7), init: Val(5), next: Val(10), result: Val(11), combine };
    assert_eq!((inner.var, inner.begin, inner.end, inner.step), (Val(6), Val(3), Val(4), 4));
    assert_eq!(inner.carried, [carried]);
    let add = Inst::Bin(BinOp::Add, Val(7), Val(9));
    assert_eq!(k.insts[10], (add, Ty::scalar(Elem::F32)));
}

#[test]
fn every_constant_reads_back() {
    let floats =
        [0.0, -0.0, 0.1, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let singles = floats.iter().map(|x| (x.to_bits() as u64, Elem::F32));
    let doubles = floats.iter().map(|&x| ((x as f64 / 3.0).to_bits(), Elem::F64));
    let nans = [(0x7f80_0001, Elem::F32), (0xffff_ffff, Elem::F32), (0x7ff0_0000_0000_0001, Elem::F64)];
    let ints = [0, 1, 0xffff_ffff, 0x8000_0000].map(|b| (b, Elem::I32));
    let longs = [0, u64::MAX, 1 << 63].map(|b| (b, Elem::I64));
    let misfits = [(2, Elem::Mask), (1 << 32, Elem::I32), (1 << 40, Elem::F32)];
    let mut kernel = parse_kernel("kernel k() parallel 1 (v0..v1) {}").unwrap();
    for (bits, elem) in singles.chain(doubles).chain(nans).chain(ints).chain(longs).chain(misfits) {
        kernel.insts.push((Inst::Const(bits), Ty::scalar(elem)));
    }
    kernel.insts.extend([0, 1].map(|b| (Inst::Const(b), Ty::MASK)));
    assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel, "{kernel}");
}

#[test]
fn names_of_any_kind_read_back() {
    for name in ["k", "_a1", "v7", "s0", "v", "where", "kernel", "", "two words", "a\"b\\c\nd", "größe", "0"]
    {
        let mut kernel = parse_kernel(ROW_SUM).unwrap();
        kernel.name = name.to_string();
        assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel, "{kernel}");
    }
}

#[test]
fn invalid_kernels_read_back_too() {
    // A loop variable that is no i64, a result of another type, a begin that is a constant.
    let mut kernel = parse_kernel(ROW_SUM).unwrap();
    kernel.insts[6] = (Inst::Defined, Ty::scalar(Elem::F64));
    kernel.insts[11] = (Inst::Defined, Ty::MASK);
    kernel.insts[7] = (Inst::Scalar(3), Ty::scalar(Elem::F32));
    kernel.insts[0] = (Inst::Const(5), Ty::I64);
    assert!(verify(&kernel).is_err());
    assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel, "{kernel}");
}

#[test]
fn comments_and_layout_do_not_matter() {
    let dense = ROW_SUM.replace("\n", " ");
    let commented = ROW_SUM.replace("\n", " ; store v0 \"\n\n");
    assert_eq!(parse_kernel(&dense), parse_kernel(ROW_SUM));
    assert_eq!(parse_kernel(&commented), parse_kernel(ROW_SUM));
}

#[track_caller]
fn refused(text: &str, line: usize, column: usize, expected: &str, found: &str) {
    let (expected, found) = (expected.to_string(), found.to_string());
    assert_eq!(parse_kernel(text), Err(ParseError { line, column, expected, found }));
}

#[test]
fn errors_say_where_and_what() {
    let with = |body: &str| format!("kernel k(in %b0: f32) parallel 1 (v0..v1)\n{{\n  {body}\n}}\n");
    refused("", 1, 1, "`kernel`", "the end");
    refused("kernel k() parallel 1 (v0..v1) {} x", 1, 35, "the end", "`x`");
    refused("kernel k(in %b1: f32)", 1, 13, "`%b0`", "`%b1`");
    refused("kernel k(on %b0: f32)", 1, 10, "`in`, `out`, `inout`, `scratch` or `scalar`", "`on`");
    refused("kernel k(in %b0: f31)", 1, 18, "a stored type", "`f31`");
    refused("kernel k() parallel -1", 1, 22, "the size of the parallel space", "`1`");
    refused(&with("v2: f32 = frob v0"), 3, 13, "an instruction", "`frob`");
    refused(&with("v2: f32x1 = neg v0"), 3, 7, "a register type with its lanes", "`f32x1`");
    refused(&with("v2: f32x04 = neg v0"), 3, 7, "a register type with its lanes", "`f32x04`");
    refused(&with("v2: f32 = add v0"), 4, 1, "`,`", "`}`");
    refused(&with("v2: i32 = const 2147483648"), 3, 19, "a constant of type i32", "`2147483648`");
    refused(
        &with("v2: i64 = affine 9223372036854775808"),
        3,
        20,
        "a 64-bit integer",
        "`9223372036854775808`",
    );
    refused(&with("v2: f32 = neg v0\n v2: f32 = neg v0"), 4, 2, "a value that is not defined yet", "`v2`");
    refused(&with("v3: f32 = neg v0"), 5, 1, "a definition of v2 before the end", "the end");
    refused(&with("jump v2"), 3, 3, "a statement or `}`", "`jump`");
    refused(&with("store f32 %c0[v0] = v0"), 3, 13, "a buffer `%b` with its number", "`%`");
    refused(&with("store f32 %b0[v0] = v0 ?"), 3, 26, "a word of LoopIR", "`?`");
    refused("kernel \"k", 1, 8, "a closing quote", "`\"`");
    let error = parse_kernel(&with("jump v2")).unwrap_err();
    assert_eq!(error.to_string(), "3:3: expected a statement or `}`, found `jump`");
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let deep = "for v2 in v0..v1 step 1 {".repeat(100_000);
    let error = parse_kernel(&format!("kernel k() parallel 1 (v0..v1) {{{deep}")).unwrap_err();
    assert_eq!(error.expected, "at most 64 nested loops");
}

#[test]
fn no_damaged_text_panics() {
    for text in [ROW_SUM, EVERYTHING] {
        for at in 0..text.len() {
            let _ = parse_kernel(&text[..at]);
            for with in ["", "9", "v", "(", "\"", "-", "é", "x4", "."] {
                let damaged = format!("{}{with}{}", &text[..at], &text[at + 1..]);
                if let Ok(kernel) = parse_kernel(&damaged) {
                    let _ = verify(&kernel);
                    assert_eq!(parse_kernel(&kernel.to_string()).as_ref(), Ok(&kernel), "{damaged}");
                }
            }
        }
    }
}
