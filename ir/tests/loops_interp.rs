//! What each instruction and statement of LoopIR means.

use rustorch_ir::dtype::DType;
use rustorch_ir::loops::interp::{CallProblem, Fault, InterpError, Interpreter, Outcome, StripFn, run};
use rustorch_ir::loops::parse::parse_kernel;
use rustorch_ir::loops::*;

/// A scalar with its type.
#[derive(Clone, Copy, Debug)]
enum S {
    M(bool),
    I(i32),
    L(i64),
    F(f32),
    D(f64),
}
use S::*;

impl S {
    fn elem(self) -> Elem {
        match self {
            M(_) => Elem::Mask,
            I(_) => Elem::I32,
            L(_) => Elem::I64,
            F(_) => Elem::F32,
            D(_) => Elem::F64,
        }
    }

    /// The bits of a lane; those of an i32 with rubbish above them when `dirty`.
    fn slot(self, dirty: bool) -> u64 {
        let rubbish = if dirty { 0xdead_beef << 32 } else { 0 };
        match self {
            M(m) => m as u64 | rubbish,
            I(n) => n as u32 as u64 | rubbish,
            L(n) => n as u64,
            F(x) => x.to_bits() as u64 | rubbish,
            D(x) => x.to_bits(),
        }
    }
}

fn no_strip(_: &str, _: &[u64], _: Elem) -> Option<u64> {
    None
}

/// The result's bits of `op v2, v3, …` over scalar arguments.
fn eval(op: &str, result: Elem, args: &[S]) -> Result<u64, Fault> {
    let params: Vec<String> =
        args.iter().enumerate().map(|(i, a)| format!(", scalar s{i}: {}", a.elem())).collect();
    let values: Vec<String> =
        args.iter().enumerate().map(|(i, a)| format!("v{}: {} = scalar s{i}\n", i + 2, a.elem())).collect();
    let operands: Vec<String> = (2..2 + args.len()).map(|v| format!("v{v}")).collect();
    let mem = match result {
        Elem::Mask => "bool",
        other => other.word(),
    };
    let (v, zero) = (args.len() + 2, args.len() + 3);
    let text = format!(
        "kernel k(out %b0: {mem}{}) parallel 1 (v0..v1) where {} v{zero}: i64 = const 0 {{
        v{v}: {result} = {op} {}
        store {mem} %b0[v{zero}] = v{v} }}",
        params.concat(),
        values.concat(),
        operands.join(", ")
    );
    let kernel = parse_kernel(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut out = vec![0; mem.parse::<DType>().unwrap().size()];
    let slots: Vec<u64> = args.iter().map(|a| a.slot(true)).collect();
    match run(&kernel, &mut [&mut out], &slots, 0, 1, &no_strip) {
        Ok(outcome) => {
            assert_eq!(outcome, Outcome::Done);
            out.resize(8, 0);
            Ok(u64::from_le_bytes(out.try_into().unwrap()))
        }
        Err(InterpError::Fault { fault, .. }) => Err(fault),
        Err(other) => panic!("{other}\n{text}"),
    }
}

#[track_caller]
fn gives(op: &str, args: &[S], want: S) {
    let got = eval(op, want.elem(), args);
    assert_eq!(got, Ok(want.slot(false)), "{op} {args:?} is {want:?}");
}

#[track_caller]
fn gives_nan(op: &str, args: &[S]) {
    match args[0] {
        D(_) => assert!(f64::from_bits(eval(op, Elem::F64, args).unwrap()).is_nan()),
        _ => assert!(f32::from_bits(eval(op, Elem::F32, args).unwrap() as u32).is_nan()),
    }
}

#[test]
fn integers_wrap() {
    gives("add", &[I(i32::MAX), I(1)], I(i32::MIN));
    gives("sub", &[L(i64::MIN), L(1)], L(i64::MAX));
    gives("mul", &[I(65536), I(65537)], I(65536));
    gives("mul", &[L(1 << 62), L(6)], L(i64::MIN));
    gives("neg", &[I(i32::MIN)], I(i32::MIN));
    gives("abs", &[L(i64::MIN)], L(i64::MIN));
    gives("abs", &[I(-5)], I(5));
    gives("not", &[I(0)], I(-1));
    gives("not", &[M(true)], M(false));
    gives("min", &[I(-1), I(1)], I(-1));
    gives("max", &[L(-1), L(1)], L(1));
    gives("and", &[I(-1), I(6)], I(6));
    gives("or", &[M(false), M(true)], M(true));
    gives("xor", &[L(5), L(3)], L(6));
    gives("xor", &[M(true), M(true)], M(false));
}

#[test]
fn integer_division_truncates_and_faults_where_hardware_traps() {
    gives("div", &[I(-7), I(2)], I(-3));
    gives("rem", &[I(-7), I(2)], I(-1));
    gives("rem", &[L(7), L(-2)], L(1));
    assert_eq!(eval("div", Elem::I32, &[I(1), I(0)]), Err(Fault::DivisionByZero));
    assert_eq!(eval("rem", Elem::I64, &[L(1), L(0)]), Err(Fault::DivisionByZero));
    assert_eq!(eval("div", Elem::I32, &[I(i32::MIN), I(-1)]), Err(Fault::DivisionOverflow));
    assert_eq!(eval("rem", Elem::I64, &[L(i64::MIN), L(-1)]), Err(Fault::DivisionOverflow));
}

#[test]
fn shifts_are_below_the_width() {
    gives("shl", &[I(3), I(31)], I(i32::MIN));
    gives("shr_u", &[I(-1), I(28)], I(15));
    gives("shr_s", &[I(-16), I(2)], I(-4));
    gives("shr_u", &[L(-1), L(63)], L(1));
    assert_eq!(eval("shl", Elem::I32, &[I(1), I(32)]), Err(Fault::Shift(32)));
    assert_eq!(eval("shr_s", Elem::I64, &[L(1), L(64)]), Err(Fault::Shift(64)));
    assert_eq!(eval("shr_u", Elem::I32, &[I(1), I(-1)]), Err(Fault::Shift(-1)));
}

#[test]
fn floats_are_ieee() {
    gives("add", &[F(0.1), F(0.2)], F(0.1f32 + 0.2));
    gives("add", &[F(-0.0), F(-0.0)], F(-0.0));
    gives("sub", &[D(0.0), D(0.0)], D(0.0));
    gives("mul", &[F(1e-30), F(1e-15)], F(1e-45));
    gives("div", &[F(1.0), F(-0.0)], F(f32::NEG_INFINITY));
    gives("div", &[D(1.0), D(3.0)], D(1.0 / 3.0));
    gives_nan("div", &[F(0.0), F(0.0)]);
    gives_nan("sub", &[D(f64::INFINITY), D(f64::INFINITY)]);
    gives("sqrt", &[F(2.0)], F(std::f32::consts::SQRT_2));
    gives("sqrt", &[D(-0.0)], D(-0.0));
    gives_nan("sqrt", &[F(-1.0)]);
}

#[test]
fn rounding_goes_to_even_and_keeps_the_sign_of_zero() {
    for (x, nearest) in
        [(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (-1.5, -2.0), (8388607.5, 8388608.0)]
    {
        gives("nearest", &[F(x)], F(nearest));
        gives("nearest", &[D(x as f64)], D(nearest as f64));
    }
    gives("ceil", &[F(-0.5)], F(-0.0));
    gives("floor", &[D(-0.5)], D(-1.0));
    gives("trunc", &[F(-1.9)], F(-1.0));
    gives("floor", &[F(f32::NEG_INFINITY)], F(f32::NEG_INFINITY));
    gives_nan("nearest", &[D(f64::NAN)]);
}

#[test]
fn negation_and_absolute_value_only_touch_the_sign() {
    let nan = f32::from_bits(0x7fa0_1234);
    gives("neg", &[F(nan)], F(f32::from_bits(0xffa0_1234)));
    gives("abs", &[F(f32::from_bits(0xffa0_1234))], F(nan));
    gives("neg", &[D(0.0)], D(-0.0));
    gives("abs", &[D(-0.0)], D(0.0));
}

#[test]
fn fused_multiply_add_rounds_once() {
    let x = 1.0 + f32::EPSILON;
    gives("fma", &[F(x), F(x), F(-(x * x))], F(f32::EPSILON * f32::EPSILON));
    let x = 1.0 + f64::EPSILON;
    gives("fma", &[D(x), D(x), D(-(x * x))], D(f64::EPSILON * f64::EPSILON));
    gives_nan("fma", &[F(0.0), F(f32::INFINITY), F(1.0)]);
}

#[test]
fn comparisons_are_false_on_nan_but_for_ne() {
    for (op, less, equal, nan) in [
        ("lt", true, false, false),
        ("le", true, true, false),
        ("eq", false, true, false),
        ("ne", true, false, true),
    ] {
        gives(op, &[F(1.0), F(2.0)], M(less));
        gives(op, &[D(-0.0), D(0.0)], M(equal));
        gives(op, &[F(f32::NAN), F(f32::NAN)], M(nan));
        gives(op, &[D(1.0), D(f64::NAN)], M(nan));
        gives(op, &[I(-1), I(1)], M(less));
        gives(op, &[L(i64::MIN), L(i64::MIN)], M(equal));
    }
}

#[test]
fn selection_moves_bits() {
    let nan = f32::from_bits(0x7fa0_1234);
    gives("select", &[M(true), F(nan), F(1.0)], F(nan));
    gives("select", &[M(false), I(1), I(2)], I(2));
    gives("select", &[M(false), M(true), M(false)], M(false));
}

#[test]
fn casts_convert() {
    gives("sign_extend", &[I(-1)], L(-1));
    gives("zero_extend", &[I(-1)], L(0xffff_ffff));
    gives("wrap", &[L(0x1_8000_0000)], I(i32::MIN));
    gives("int_to_float", &[I(16777217)], F(16777216.0));
    gives("int_to_float", &[L(16777219)], F(16777220.0));
    // Rounded once: through f64 this would be a tie and fall to the even side.
    gives("int_to_float", &[L((1 << 54) + (1 << 30) + 1)], F(((1i64 << 54) + (1 << 31)) as f32));
    gives("int_to_float", &[L(i64::MAX)], D(9223372036854775808.0));
    gives("int_to_float", &[I(i32::MIN)], D(-2147483648.0));
    gives("float_to_int", &[F(-1.9)], I(-1));
    gives("float_to_int", &[D(2147483647.9)], I(i32::MAX));
    gives("float_to_int", &[D(-2147483648.9)], I(i32::MIN));
    gives("float_to_int", &[F(-9223372036854775808.0)], L(i64::MIN));
    gives("widen", &[F(1e-45)], D(1e-45f32 as f64));
    gives("narrow", &[D(1.0 + f64::EPSILON)], F(1.0));
    gives("narrow", &[D(1e300)], F(f32::INFINITY));
    gives("mask_to_int", &[M(true)], L(1));
    gives("mask_to_int", &[M(false)], I(0));
    gives("bits", &[F(-0.0)], I(i32::MIN));
    gives("bits", &[L(0x7ff8_0000_0000_0000)], D(f64::from_bits(0x7ff8_0000_0000_0000)));
}

#[test]
fn floats_that_fit_no_integer_fault() {
    for x in [2147483648.0, -2147483649.0, f64::INFINITY] {
        assert_eq!(eval("float_to_int", Elem::I32, &[D(x)]), Err(Fault::FloatToInt(x)));
    }
    let limit = 9223372036854775808.0;
    assert_eq!(eval("float_to_int", Elem::I64, &[D(limit)]), Err(Fault::FloatToInt(limit)));
    assert!(
        matches!(eval("float_to_int", Elem::I64, &[F(f32::NAN)]), Err(Fault::FloatToInt(x)) if x.is_nan())
    );
}

/// Runs `body` over f32 input `%b0` and output `%b1` of the lengths given.
fn on_floats(values: &str, body: &str, input: &[f32], outputs: usize) -> Result<Vec<f32>, InterpError> {
    let text = format!(
        "kernel k(in %b0: f32, out %b1: f32, scratch %b2: f32[4]) parallel 8 (v0..v1)\nwhere\n{values}\n{{\n{body}\n}}"
    );
    let kernel = parse_kernel(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut input: Vec<u8> = input.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut out = vec![0; outputs * 4];
    let outcome = run(&kernel, &mut [&mut input, &mut out, &mut []], &[], 0, 8, &|name, x, _| {
        (name == "half").then(|| (f32::from_bits(x[0] as u32) / 2.0).to_bits() as u64)
    })?;
    assert_eq!(outcome, Outcome::Done);
    Ok(out.chunks(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect())
}

#[track_caller]
fn faults(values: &str, body: &str, place: &str, want: Fault) {
    match on_floats(values, body, &[1.0; 8], 8) {
        Err(InterpError::Fault { kernel, place: at, fault }) => {
            assert_eq!((kernel.as_str(), at.as_str(), fault), ("k", place, want));
        }
        other => panic!("{other:?}"),
    }
}

const BASE: &str = "v2: i64 = const 0\nv3: i64 = const 6";

#[test]
fn lanes_reduce_by_halves() {
    // (1e8 + -1e8) + (1 + 1): any other tree loses a one.
    let body = "v4: f32x4 = load f32 %b0[v2]\nv5: f32 = reduce add v4\nstore f32 %b1[v2] = v5";
    assert_eq!(on_floats(BASE, body, &[1e8, 1.0, -1e8, 1.0], 1).unwrap(), [2.0]);
    assert_ne!(on_floats(BASE, body, &[1e8, -1e8, 1.0, 1.0], 1).unwrap(), [2.0]);
    let body = body.replace("x4", "x8");
    let input = [1e8, 1.0, 3e8, 1.0, -1e8, 2.0, -3e8, 2.0];
    assert_eq!(on_floats(BASE, &body, &input, 1).unwrap(), [6.0]);
}

#[test]
fn combining_extremes_keeps_nan_and_the_first_of_equal_zeros() {
    let pair = |by: &str, a: f32, b: f32| {
        let body = format!("v4: f32x2 = load f32 %b0[v2]\nv5: f32 = reduce {by} v4\nstore f32 %b1[v2] = v5");
        on_floats(BASE, &body, &[a, b], 1).unwrap()[0].to_bits()
    };
    let nan = f32::from_bits(0x7fc0_1234);
    for by in ["min", "max"] {
        assert_eq!(pair(by, nan, 1.0), nan.to_bits());
        assert_eq!(pair(by, 1.0, nan), nan.to_bits());
        assert_eq!(pair(by, f32::NAN, nan), nan.to_bits());
        assert_eq!(pair(by, 0.0, -0.0), 0.0f32.to_bits());
        assert_eq!(pair(by, -0.0, 0.0), (-0.0f32).to_bits());
    }
    assert_eq!(pair("min", 1.0, 2.0), 1.0f32.to_bits());
    assert_eq!(pair("max", 1.0, 2.0), 2.0f32.to_bits());
    assert_eq!(pair("mul", 3.0, 2.0), 6.0f32.to_bits());
}

#[test]
fn lanes_are_found_by_the_form_of_the_index() {
    let input: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let load = |addr: &str| {
        let body =
            format!("v5: i64x4 = ramp v3 by -2\nv4: f32x4 = load f32 %b0[{addr}]\nstore f32 %b1[v2] = v4");
        on_floats(BASE, &body, &input, 4).unwrap()
    };
    assert_eq!(load("v2"), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(load("v2 by 2"), [0.0, 2.0, 4.0, 6.0]);
    assert_eq!(load("v3 by -1"), [6.0, 5.0, 4.0, 3.0]);
    assert_eq!(load("v3 by 0"), [6.0; 4]);
    assert_eq!(load("lanes v5"), [6.0, 4.0, 2.0, 0.0]);
    // Lanes are stored in order: the last one that falls on an element stays.
    let body = "v4: f32x4 = load f32 %b0[v2]\nstore f32 %b1[v2 by 0] = v4\nv5: i64x4 = ramp v3 by -2\nstore f32 %b1[lanes v5] = v4";
    assert_eq!(on_floats(BASE, body, &input, 8).unwrap(), [3.0, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn stored_types_widen_and_are_cut() {
    let cases: [(DType, &[u8], u64); 9] = [
        (DType::Bool, &[2], 1),
        (DType::U8, &[200], 200),
        (DType::I8, &[200], 0xffff_ffc8),
        (DType::I16, &[0, 0x80], 0xffff_8000),
        (DType::F16, &[0, 0xfc], 0xfc00),
        (DType::BF16, &[0x80, 0xff], 0xff80),
        (DType::I32, &[1, 0, 0, 0x80], 0x8000_0001),
        (DType::I64, &[1, 0, 0, 0, 0, 0, 0, 0x80], 0x8000_0000_0000_0001),
        (DType::F64, &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f], 1.0f64.to_bits()),
    ];
    for (mem, bytes, lane) in cases {
        assert_eq!(interp::lanes::load(mem, bytes), lane, "{mem}");
        let mut back = vec![0; bytes.len()];
        interp::lanes::store(&mut back, lane);
        assert_eq!(back, if mem == DType::Bool { &[1] } else { bytes }, "{mem}");
    }
}

#[test]
fn loops_carry_in_parallel_and_yield_their_last_values() {
    let values =
        "v2: i64 = const 0\nv3: i64 = const 6\nv4: f32 = const 1.0\nv5: f32 = const 2.0\nv20: i64 = const 1";
    let swap = "for v6 in v2..v3 step 2 carry (v7: f32 = v4 -> v8 => v9, v8: f32 = v5 -> v7 => v10, v11: i64 = v2 -> v12 => v13 by add) {
            v12: i64 = add v11, v6
        }
        v14: f32 = int_to_float v13
        store f32 %b1[v2] = v9\nstore f32 %b1[v20] = v10\nv15: i64 = const 2\nstore f32 %b1[v15] = v14
        v16: i64 = const 0\nv17: i64 = const 0\nv18: i64 = const 0\nv19: i64 = const 0";
    assert_eq!(on_floats(values, swap, &[], 3).unwrap(), [2.0, 1.0, 6.0]);
    let none = swap.replace("v2..v3", "v3..v2");
    assert_eq!(on_floats(values, &none, &[], 3).unwrap(), [1.0, 2.0, 0.0]);
}

#[test]
fn indices_are_checked() {
    let out = |buf, index, len| Fault::OutOfBounds { buf: Buf(buf), index, len };
    faults(BASE, "v4: f32x4 = load f32 %b0[v3]", "v4: f32x4 = load f32 %b0[v3]", out(0, 8, 8));
    faults(BASE, "v4: f32x4 = load f32 %b0[v2 by -1]", "v4: f32x4 = load f32 %b0[v2 by -1]", out(0, -1, 8));
    let store = "v4: f32x2 = load f32 %b0[v2]\nstore f32 %b1[v3 by 5] = v4";
    faults(BASE, store, "store f32 %b1[v3 by 5] = v4", out(1, 11, 8));
    let values = "v2: i64 = const 9223372036854775807";
    let body = "v3: f32x2 = load f32 %b0[v2 by 3]";
    faults(values, body, body, out(0, i64::MAX, 8));
}

#[test]
fn scratch_is_undefined_until_written() {
    let body = "v4: f32 = load f32 %b2[v2]";
    faults(BASE, body, body, Fault::Unwritten { buf: Buf(2), index: 0 });
    let body = "v4: f32x2 = load f32 %b0[v2]\nstore f32 %b2[v2] = v4\nv5: f32x2 = load f32 %b2[v2]\nstore f32 %b1[v2] = v5";
    assert_eq!(on_floats(BASE, body, &[3.0, 4.0], 2).unwrap(), [3.0, 4.0]);
}

#[test]
fn strips_apply_a_function_to_scratch() {
    let fill = "v4: f32x4 = load f32 %b0[v2]\nstore f32 %b2[v2] = v4\n";
    let values = "v2: i64 = const 0\nv3: i64 = const 3";
    let body = format!(
        "{fill}strip half(%b2) -> %b2 count v3\nv5: f32x4 = load f32 %b2[v2]\nstore f32 %b1[v2] = v5"
    );
    assert_eq!(on_floats(values, &body, &[2.0, 4.0, 6.0, 8.0], 4).unwrap(), [1.0, 2.0, 3.0, 8.0]);
    let unknown = format!("{fill}strip twice(%b2) -> %b2 count v3");
    let place = "strip twice(%b2) -> %b2 count v3";
    faults(values, &unknown, place, Fault::Routine("twice", 1, Elem::F32));
    let long = format!("{fill}strip half(%b2) -> %b2 count v3").replace("v3", "v5");
    let values = format!("{values}\nv5: i64 = const 5");
    let place = "strip half(%b2) -> %b2 count v5";
    faults(&values, &long, place, Fault::OutOfBounds { buf: Buf(2), index: 4, len: 4 });
}

#[test]
fn tables_are_read_by_their_low_bits() {
    let (name, entries) = rustorch_ir::op::scalar_math::TABLES[0];
    let text = |index: i64| {
        format!(
            "kernel k(out %b0: i32, out %b1: i64) parallel 1 (v0..v1) where v2: i64 = const {index} v5: i64 = const 0 {{
            v3: i32 = table {name}[v2] v4: i64 = table {name}[v2]
            store i32 %b0[v5] = v3 store i64 %b1[v5] = v4 }}"
        )
    };
    let kernel = parse_kernel(&text(1)).unwrap();
    let (mut low, mut all) = ([0; 4], [0; 8]);
    run(&kernel, &mut [&mut low, &mut all], &[], 0, 1, &no_strip).unwrap();
    assert_eq!((u32::from_le_bytes(low), u64::from_le_bytes(all)), (entries[1] as u32, entries[1]));
    for index in [-1, entries.len() as i64] {
        let kernel = parse_kernel(&text(index)).unwrap();
        let error = run(&kernel, &mut [&mut low, &mut all], &[], 0, 1, &no_strip).unwrap_err();
        let want = Fault::TableIndex { name, index, len: entries.len() };
        assert!(matches!(error, InterpError::Fault { fault, .. } if fault == want));
    }
}

#[test]
fn a_failed_check_leaves_at_once() {
    let text = "kernel k(out %b0: i64) parallel 4 (v0..v1) where v2: i64 = const 2 {
        for v3 in v0..v1 step 1 {
            v4: mask = lt v3, v2
            v5: i64 = affine 10*v3 - 3
            check v4 else 9, v5
            store i64 %b0[v3] = v5
        }
    }";
    let kernel = parse_kernel(text).unwrap();
    let mut out = [0; 32];
    let outcome = run(&kernel, &mut [&mut out], &[], 1, 4, &no_strip).unwrap();
    assert_eq!(outcome, Outcome::Failed { code: 9, detail: 17 });
    let out: Vec<i64> = out.chunks(8).map(|c| i64::from_le_bytes(c.try_into().unwrap())).collect();
    assert_eq!(out, [0, 7, 0, 0]);
}

#[test]
fn calls_are_checked() {
    let text = "kernel k(in %b0: f32, scratch %b1: f32[2], scalar s0: i32) parallel 4 (v0..v1) {}";
    let kernel = parse_kernel(text).unwrap();
    let interpreter = Interpreter::new(&kernel).unwrap();
    let call = |bufs: &[usize], scalars: &[u64], begin, end| {
        let mut bytes: Vec<Vec<u8>> = bufs.iter().map(|&n| vec![0; n]).collect();
        let mut slices: Vec<&mut [u8]> = bytes.iter_mut().map(|b| &mut b[..]).collect();
        let strip: &StripFn<'_> = &no_strip;
        match interpreter.run(&mut slices, scalars, begin, end, strip) {
            Ok(_) => None,
            Err(InterpError::Call { problem, .. }) => Some(problem),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(call(&[8, 8], &[0], 0, 4), None);
    assert_eq!(call(&[8, 0], &[0], 2, 2), None);
    assert_eq!(call(&[8], &[0], 0, 4), Some(CallProblem::Buffers { given: 1, wanted: 2 }));
    assert_eq!(call(&[8, 0], &[], 0, 4), Some(CallProblem::Scalars { given: 0, wanted: 1 }));
    assert_eq!(call(&[7, 0], &[0], 0, 4), Some(CallProblem::BufferSize { buf: Buf(0), bytes: 7 }));
    assert_eq!(call(&[8, 4], &[0], 0, 4), Some(CallProblem::BufferSize { buf: Buf(1), bytes: 4 }));
    for (begin, end) in [(-1, 2), (3, 2), (0, 5)] {
        assert_eq!(call(&[8, 0], &[0], begin, end), Some(CallProblem::Range { begin, end, parallel: 4 }));
    }
    let invalid = parse_kernel("kernel k() parallel 1 (v0..v1) { v2: i64 = neg v9 }").unwrap();
    assert!(matches!(Interpreter::new(&invalid), Err(InterpError::Invalid(_))));
}
