//! Each invariant of LoopIR with a kernel that breaks it and nothing else.

use rustorch_ir::dtype::DType;
use rustorch_ir::loops::parse::parse_kernel;
use rustorch_ir::loops::verify::{MAX_NESTING, Problem, verify};
use rustorch_ir::loops::*;

fn kernel(params: &str, values: &str, body: &str) -> Kernel {
    let text = format!("kernel k({params}) parallel 8 (v0..v1)\nwhere\n{values}\n{{\n{body}\n}}");
    parse_kernel(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[track_caller]
fn accepted(params: &str, values: &str, body: &str) {
    let k = kernel(params, values, body);
    verify(&k).unwrap_or_else(|e| panic!("{e}\n{k}"));
}

#[track_caller]
fn refused(params: &str, values: &str, body: &str, want: Problem) {
    assert_eq!(verify(&kernel(params, values, body)).expect_err("an invalid kernel").problem, want);
}

fn wrong_type(v: u32, is: &str, wanted: &str) -> Problem {
    let (elem, lanes) = is.split_once('x').unwrap_or((is, "1"));
    let ty = Ty { elem: Elem::from_word(elem).unwrap(), lanes: lanes.parse().unwrap() };
    Problem::Type(Val(v), ty, wanted.into())
}

const CONSTS: &str = "
    v2: i64 = const 2
    v3: f32 = const 1.5
    v4: f64 = const 1.5
    v5: i32 = const 7
    v6: mask = const true";

/// A body over [`CONSTS`]; its values start at v7.
#[track_caller]
fn ok(body: &str) {
    accepted("in %b0: f32, out %b1: f32, inout %b2: i8, scratch %b3: f32[16], scalar s0: i32", CONSTS, body);
}

#[track_caller]
fn bad(body: &str, want: Problem) {
    let params = "in %b0: f32, out %b1: f32, inout %b2: i8, scratch %b3: f32[16], scalar s0: i32";
    refused(params, CONSTS, body, want);
}

#[test]
fn errors_name_the_kernel_and_the_place() {
    let error = verify(&kernel("in %b0: f32", CONSTS, "store f32 %b0[v2] = v3")).unwrap_err();
    assert_eq!(error.to_string(), "kernel `k`, at `store f32 %b0[v2] = v3`: %b0 may not be stored to");
    let error = verify(&kernel("", CONSTS, "v7: f32 = add v3, v4")).unwrap_err();
    assert_eq!(error.to_string(), "kernel `k`, at `v7: f32 = add v3, v4`: v4 is f64 where f32 is required");
}

#[test]
fn values_are_in_the_arena() {
    bad("v7: f32 = neg v99", Problem::UnknownValue(Val(99)));
    bad("store f32 %b1[v99] = v3", Problem::UnknownValue(Val(99)));
    bad("for v7 in v0..v99 step 1 {}", Problem::UnknownValue(Val(99)));
    bad("for v7 in v0..v1 step 1 carry (v8: f32 = v3 -> v99 => v9) {}", Problem::UnknownValue(Val(99)));
    let mut k = kernel("", CONSTS, "");
    k.body.push(Stmt::Let(Val(99)));
    assert_eq!(verify(&k).unwrap_err().problem, Problem::UnknownValue(Val(99)));
    k.body.clear();
    k.end = Val(99);
    assert_eq!(verify(&k).unwrap_err().problem, Problem::UnknownValue(Val(99)));
}

#[test]
fn values_are_used_after_their_definition_and_in_scope() {
    ok("v7: f32 = neg v3\nv8: f32 = neg v7");
    ok("v7: f32 = neg v3\nfor v8 in v0..v1 step 1 {\nv9: f32 = neg v7\n}");
    bad("v8: f32 = neg v7\nv7: f32 = neg v3", Problem::NotInScope(Val(7)));
    bad("for v7 in v0..v1 step 1 {\nv8: f32 = neg v3\n}\nv9: f32 = neg v8", Problem::NotInScope(Val(8)));
    bad("for v7 in v0..v1 step 1 {\n}\nv8: i64 = neg v7", Problem::NotInScope(Val(7)));
    bad("for v7 in v0..v7 step 1 {\n}", Problem::NotInScope(Val(7)));
    let carry = "for v7 in v0..v1 step 1 carry (v8: f32 = v3 -> v9 => v10) {\nv9: f32 = neg v8\n}\n";
    ok(&format!("{carry}v11: f32 = neg v10"));
    bad(&format!("{carry}v11: f32 = neg v8"), Problem::NotInScope(Val(8)));
    bad(&format!("{carry}v11: f32 = neg v9"), Problem::NotInScope(Val(9)));
    let early = "for v7 in v0..v1 step 1 carry (v8: f32 = v3 -> v9 => v10) {\nv9: f32 = neg v10\n}";
    bad(early, Problem::NotInScope(Val(10)));
    let init = "for v7 in v0..v1 step 1 carry (v8: f32 = v8 -> v8 => v9) {}";
    bad(init, Problem::NotInScope(Val(8)));
    let inner = "for v7 in v0..v1 step 1 carry (v8: f32 = v3 -> v10 => v11) {
        for v9 in v0..v1 step 1 {\nv10: f32 = neg v8\n}\n}";
    bad(inner, Problem::NotInScope(Val(10)));
    bad("store f32 %b1[v2] = v7\nv7: f32 = neg v3", Problem::NotInScope(Val(7)));
    bad("check v7 else 1, v2\nv7: mask = not v6", Problem::NotInScope(Val(7)));
    bad("strip exp(%b3) -> %b3 count v7\nv7: i64 = neg v2", Problem::NotInScope(Val(7)));
}

#[test]
fn constants_and_scalars_are_available_everywhere() {
    ok("v7: i32 = scalar s0\nv8: i32 = neg v7");
    ok(
        "for v7 in v0..v1 step 1 {\nv8: i32 = scalar s0\nv9: f32 = const 2.0\n}\nv10: i32 = neg v8\nv11: f32 = neg v9",
    );
}

#[test]
fn values_are_defined_once() {
    let mut k = kernel("", CONSTS, "v7: f32 = neg v3");
    k.body.push(Stmt::Let(Val(7)));
    assert_eq!(verify(&k).unwrap_err().problem, Problem::DefinedTwice(Val(7)));
    let twice = "for v7 in v0..v1 step 1 {}\nfor v7 in v0..v1 step 1 {}";
    bad(twice, Problem::DefinedTwice(Val(7)));
    bad("for v0 in v0..v1 step 1 {}", Problem::DefinedTwice(Val(0)));
    let results = "for v7 in v0..v1 step 1 carry (v8: f32 = v3 -> v8 => v10, v9: f32 = v3 -> v9 => v10) {}";
    bad(results, Problem::DefinedTwice(Val(10)));
    let mut k = kernel("", CONSTS, "");
    k.end = k.begin;
    assert_eq!(verify(&k).unwrap_err().problem, Problem::DefinedTwice(Val(0)));
}

#[test]
fn what_loops_define_is_defined_and_nothing_else_is() {
    bad("v7: i64 = defined", Problem::WrongDefinition(Val(7)));
    bad("for v2 in v0..v1 step 1 {}", Problem::WrongDefinition(Val(2)));
    bad("for v7 in v0..v1 step 1 carry (v3: f32 = v3 -> v3 => v8) {}", Problem::WrongDefinition(Val(3)));
    bad("for v7 in v0..v1 step 1 carry (v8: f32 = v3 -> v8 => v3) {}", Problem::WrongDefinition(Val(3)));
    let mut k = kernel("", CONSTS, "");
    k.begin = Val(2);
    assert_eq!(verify(&k).unwrap_err().problem, Problem::WrongDefinition(Val(2)));
}

#[test]
fn unused_values_are_typed_too() {
    accepted("", &format!("{CONSTS}\nv7: f32 = neg v3\nv8: f32 = defined"), "");
    refused("", &format!("{CONSTS}\nv7: f32 = neg v4"), "", wrong_type(4, "f64", "f32"));
}

#[test]
fn lanes_are_powers_of_two() {
    ok("v7: f32x32 = splat v3");
    for lanes in [0, 3, 64] {
        bad(&format!("v7: f32x{lanes} = splat v3"), Problem::LaneCount(lanes));
    }
}

#[test]
fn constants_are_scalar_and_fit() {
    bad("v7: f32x4 = const 1.0", Problem::ResultType(Ty::scalar(Elem::F32).with_lanes(4), "f32".into()));
    bad("v7: i32 = const 0x100000000", Problem::ConstRange(1 << 32));
    bad("v7: f32 = const 0x100000000", Problem::ConstRange(1 << 32));
    bad("v7: mask = const 0x2", Problem::ConstRange(2));
    ok("v7: i64 = const -1\nv8: f32 = const 0xffffffff");
}

#[test]
fn scalars_exist_with_their_type() {
    ok("v7: i32 = scalar s0");
    bad("v7: i32 = scalar s1", Problem::UnknownScalar(1));
    bad("v7: f32 = scalar s0", Problem::ResultType(Ty::scalar(Elem::F32), "i32".into()));
}

#[test]
fn affine_forms_are_canonical() {
    ok("v7: i64 = affine 2*v0 - v2 + 5");
    bad("v7: i64 = affine v2 + v0", Problem::AffineForm);
    bad("v7: i64 = affine v0 + v0", Problem::AffineForm);
    bad("v7: i64 = affine 0*v0", Problem::AffineForm);
    bad("v7: i64 = affine v5", wrong_type(5, "i32", "i64"));
    bad("v7: i32 = affine 1", Problem::ResultType(Ty::scalar(Elem::I32), "i64".into()));
    bad("v7: i64x4 = splat v2\nv8: i64 = affine v7", wrong_type(7, "i64x4", "i64"));
}

#[test]
fn operations_apply_to_their_types() {
    let one = ["i32", "i64", "f32", "f64", "mask"];
    let args = ["v5", "v2", "v3", "v4", "v6"];
    let all = |ops: &[&str], admitted: &[&str], operands: usize| {
        for op in ops {
            for (ty, arg) in one.iter().zip(args) {
                let body = format!("v7: {ty} = {op} {}", vec![arg; operands].join(", "));
                match admitted.contains(ty) {
                    true => ok(&body),
                    false => match verify(&kernel("", CONSTS, &body)).unwrap_err().problem {
                        Problem::Undefined(name, elem) => assert_eq!((name, elem.word()), (*op, *ty)),
                        other => panic!("{body}: {other}"),
                    },
                }
            }
        }
    };
    let (ints, floats, numbers) = (&one[..2], &one[2..4], &one[..4]);
    all(&["add", "sub", "mul", "div"], numbers, 2);
    all(&["rem", "min", "max", "shl", "shr_u", "shr_s"], ints, 2);
    all(&["and", "or", "xor"], &["i32", "i64", "mask"], 2);
    all(&["neg", "abs"], numbers, 1);
    all(&["sqrt", "floor", "ceil", "trunc", "nearest"], floats, 1);
    all(&["not"], &["i32", "i64", "mask"], 1);
    all(&["fma"], floats, 3);
}

#[test]
fn operands_have_the_results_type_and_lanes() {
    bad("v7: f32 = add v3, v4", wrong_type(4, "f64", "f32"));
    bad("v7: f32 = add v4, v3", wrong_type(4, "f64", "f32"));
    bad("v7: f32 = sqrt v4", wrong_type(4, "f64", "f32"));
    bad("v7: f32 = fma v3, v3, v4", wrong_type(4, "f64", "f32"));
    bad("v7: f32x4 = splat v3\nv8: f32x4 = add v7, v3", wrong_type(3, "f32", "f32x4"));
    bad("v7: f32x4 = splat v3\nv8: f32x8 = neg v7", wrong_type(7, "f32x4", "f32x8"));
}

#[test]
fn comparisons_give_masks() {
    ok("v7: f32x4 = splat v3\nv8: maskx4 = lt v7, v7");
    bad("v7: i32 = lt v3, v3", Problem::ResultType(Ty::scalar(Elem::I32), "mask".into()));
    bad("v7: mask = lt v3, v4", wrong_type(4, "f64", "f32"));
    bad("v7: mask = eq v6, v6", Problem::Undefined("eq", Elem::Mask));
    let lanes = Ty::MASK.with_lanes(4);
    bad("v7: maskx4 = lt v3, v3", Problem::ResultType(lanes, "mask".into()));
}

#[test]
fn selections_choose_lane_by_lane() {
    ok("v7: mask = select v6, v6, v6");
    bad("v7: f32 = select v5, v3, v3", wrong_type(5, "i32", "mask"));
    bad("v7: f32x4 = splat v3\nv8: f32x4 = select v6, v7, v7", wrong_type(6, "mask", "maskx4"));
    bad("v7: f32 = select v6, v3, v4", wrong_type(4, "f64", "f32"));
    bad("v7: f32 = select v6, v4, v3", wrong_type(4, "f64", "f32"));
}

#[test]
fn casts_have_their_pairs_of_types() {
    let types = [("i32", "v5"), ("i64", "v2"), ("f32", "v3"), ("f64", "v4"), ("mask", "v6")];
    let mut admitted = Vec::new();
    for op in CastOp::ALL {
        for (from, v) in types {
            for (to, _) in types {
                let body = format!("v7: {to} = {op} {v}");
                match verify(&kernel("", CONSTS, &body)).map_err(|e| e.problem) {
                    Ok(()) => admitted.push(format!("{op} {from} {to}")),
                    Err(Problem::Type(..)) => {}
                    Err(other) => panic!("{body}: {other}"),
                }
            }
        }
    }
    let want = [
        "sign_extend i32 i64",
        "zero_extend i32 i64",
        "wrap i64 i32",
        "int_to_float i32 f32",
        "int_to_float i32 f64",
        "int_to_float i64 f32",
        "int_to_float i64 f64",
        "float_to_int f32 i32",
        "float_to_int f32 i64",
        "float_to_int f64 i32",
        "float_to_int f64 i64",
        "widen f32 f64",
        "narrow f64 f32",
        "mask_to_int mask i32",
        "mask_to_int mask i64",
        "bits i32 f32",
        "bits i64 f64",
        "bits f32 i32",
        "bits f64 i64",
    ];
    assert_eq!(admitted, want);
    let lanes = wrong_type(3, "f32", "something that `widen` turns into f64x4");
    bad("v7: f64x4 = widen v3", lanes);
}

#[test]
fn accesses_name_a_buffer_and_its_stored_type() {
    ok("v7: f32 = load f32 %b0[v2]\nstore f32 %b1[v2] = v7");
    ok("v7: i32 = load i8 %b2[v2]\nstore i8 %b2[v2] = v7");
    bad("v7: f32 = load f32 %b9[v2]", Problem::UnknownBuffer(Buf(9)));
    bad("store f32 %b9[v2] = v3", Problem::UnknownBuffer(Buf(9)));
    bad("v7: f64 = load f64 %b0[v2]", Problem::StoredType(Buf(0), DType::F32, DType::F64));
    bad("store f64 %b1[v2] = v4", Problem::StoredType(Buf(1), DType::F32, DType::F64));
    bad("v7: f64 = load f32 %b0[v2]", Problem::ResultType(Ty::scalar(Elem::F64), "f32".into()));
    bad("store f32 %b1[v2] = v4", wrong_type(4, "f64", "f32"));
}

#[test]
fn every_stored_type_has_its_register() {
    let registers = [
        ("bool", "mask"),
        ("u8", "i32"),
        ("i8", "i32"),
        ("i16", "i32"),
        ("i32", "i32"),
        ("i64", "i64"),
        ("f16", "i32"),
        ("bf16", "i32"),
        ("f32", "f32"),
        ("f64", "f64"),
    ];
    for (mem, register) in registers {
        let body = format!("v3: {register} = load {mem} %b0[v2]\nstore {mem} %b0[v2] = v3");
        accepted(&format!("inout %b0: {mem}"), "v2: i64 = const 0", &body);
    }
}

#[test]
fn roles_are_respected() {
    bad("v7: f32 = load f32 %b1[v2]", Problem::NotReadable(Buf(1)));
    bad("store f32 %b0[v2] = v3", Problem::NotWritable(Buf(0)));
    ok("store f32 %b3[v2] = v3\nv7: f32 = load f32 %b3[v2]");
}

#[test]
fn indices_fit_the_form_of_the_access() {
    ok(
        "v7: f32x4 = load f32 %b0[v2]\nv8: f32x4 = load f32 %b0[v2 by 3]\nv9: i64x4 = ramp v2 by 5\nv10: f32x4 = load f32 %b0[lanes v9]",
    );
    ok("v7: f32x4 = load f32 %b0[v2 by 0]\nv8: f32x4 = load f32 %b0[v2 by -1]");
    bad("v7: f32 = load f32 %b0[v5]", wrong_type(5, "i32", "i64"));
    bad("v7: f32x4 = load f32 %b0[v2 by 1]", Problem::StrideOne);
    bad("v7: f32x4 = load f32 %b0[v5 by 2]", wrong_type(5, "i32", "i64"));
    bad("v7: f32x4 = load f32 %b0[lanes v2]", wrong_type(2, "i64", "i64x4"));
    bad("v7: i64x4 = splat v2\nv8: f32x4 = load f32 %b0[v7]", wrong_type(7, "i64x4", "i64"));
    bad("v7: f32x4 = splat v3\nstore f32 %b1[v2 by 1] = v7", Problem::StrideOne);
    let scalar = Problem::ScalarAddress;
    bad("v7: f32 = load f32 %b0[v2 by 2]", scalar.clone());
    bad("store f32 %b1[lanes v2] = v3", scalar);
}

#[test]
fn splat_ramp_and_reduction_relate_one_lane_to_several() {
    let several = |elem, lanes| Problem::ResultType(Ty { elem, lanes }, "several lanes".into());
    bad("v7: f32 = splat v3", several(Elem::F32, 1));
    bad("v7: f32x4 = splat v4", wrong_type(4, "f64", "f32"));
    bad("v7: f32x4 = splat v3\nv8: f32x4 = splat v7", wrong_type(7, "f32x4", "f32"));
    bad("v7: i64 = ramp v2 by 1", several(Elem::I64, 1));
    bad("v7: i32x4 = ramp v2 by 1", Problem::ResultType(Ty { elem: Elem::I32, lanes: 4 }, "i64x4".into()));
    bad("v7: i64x4 = ramp v5 by 1", wrong_type(5, "i32", "i64"));
    ok("v7: f32x4 = splat v3\nv8: f32 = reduce add v7");
    bad("v7: f32 = reduce add v3", wrong_type(3, "f32", "several lanes"));
    let lanes = Ty { elem: Elem::F32, lanes: 2 };
    bad("v7: f32x4 = splat v3\nv8: f32x2 = reduce add v7", Problem::ResultType(lanes, "f32".into()));
}

#[test]
fn combinations_apply_to_their_types() {
    let values = ["v5", "v2", "v3", "v4", "v6"];
    for combine in Combine::ALL {
        for (elem, v) in [Elem::I32, Elem::I64, Elem::F32, Elem::F64, Elem::Mask].into_iter().zip(values) {
            let admitted = match combine {
                Combine::And | Combine::Or => !elem.is_float(),
                _ => elem != Elem::Mask,
            };
            let lanes = format!("v7: {elem}x4 = splat {v}\nv8: {elem} = reduce {combine} v7");
            let carry =
                format!("for v7 in v0..v1 step 1 carry (v8: {elem} = {v} -> v8 => v9 by {combine}) {{}}");
            for body in [lanes, carry] {
                match admitted {
                    true => ok(&body),
                    false => bad(&body, Problem::Undefined(combine.word(), elem)),
                }
            }
        }
    }
}

#[test]
fn tables_are_known_and_indexed_by_integers() {
    let name = rustorch_ir::op::scalar_math::TABLES[0].0;
    ok(&format!("v7: i32 = table {name}[v2]\nv8: f64 = table {name}[v5]"));
    bad("v7: i32 = table nowhere[v2]", Problem::UnknownTable("nowhere"));
    let index = "an integer with the result's lanes";
    bad(&format!("v7: i32 = table {name}[v3]"), wrong_type(3, "f32", index));
    bad(&format!("v7: i32x4 = table {name}[v2]"), wrong_type(2, "i64", index));
    bad(&format!("v7: mask = table {name}[v2]"), Problem::Undefined("table", Elem::Mask));
}

#[test]
fn loops_have_scalar_bounds_and_positive_steps() {
    ok("for v7 in v0..v1 step 3 {}");
    bad("for v7 in v0..v1 step 0 {}", Problem::Step(0));
    bad("for v7 in v0..v1 step -1 {}", Problem::Step(-1));
    bad("for v7 in v5..v1 step 1 {}", wrong_type(5, "i32", "i64"));
    bad("for v7 in v0..v5 step 1 {}", wrong_type(5, "i32", "i64"));
    refused(
        "",
        "v3: i64 = const 1\nv2: i32 = defined",
        "for v2 in v0..v3 step 1 {}",
        wrong_type(2, "i32", "i64"),
    );
    refused("", "v1: i32 = defined", "", wrong_type(1, "i32", "i64"));
}

#[test]
fn the_values_of_a_carry_have_one_type() {
    let carry = |init, next, result| {
        format!(
            "for v7 in v0..v1 step 1 carry (v8: f32 = {init} -> {next} => {result}) {{}}\nv9: f64 = neg v4"
        )
    };
    bad(&carry("v4", "v8", "v10"), wrong_type(4, "f64", "f32"));
    bad(&carry("v3", "v4", "v10"), wrong_type(4, "f64", "f32"));
    let values = format!("{CONSTS}\nv9: f64 = defined");
    let body = "for v7 in v0..v1 step 1 carry (v8: f32 = v3 -> v8 => v9) {}";
    refused("", &values, body, wrong_type(9, "f64", "f32"));
}

#[test]
fn checks_test_a_mask_and_fail_with_a_code() {
    ok("check v6 else -3, v2");
    bad("check v6 else 0, v2", Problem::CheckCode);
    bad("check v5 else 1, v2", wrong_type(5, "i32", "mask"));
    ok("v7: maskx4 = splat v6\ncheck v7 else 1, v2");
    ok("v7: maskx4 = splat v6\nv8: i64x4 = splat v2\ncheck v7 else 1, v8");
    bad("v7: maskx4 = splat v6\nv8: i64x8 = splat v2\ncheck v7 else 1, v8", wrong_type(8, "i64x8", "i64x4"));
    bad("check v6 else 1, v5", wrong_type(5, "i32", "i64"));
}

#[test]
fn strips_work_on_float_scratch_of_one_type() {
    let strip = |params: &str, body: &str| verify(&kernel(params, CONSTS, body)).map_err(|e| e.problem);
    let two = "scratch %b0: f32[16], scratch %b1: f64[16], in %b2: f32, scratch %b3: i32[16]";
    assert_eq!(strip(two, "strip exp(%b0) -> %b0 count v2"), Ok(()));
    assert_eq!(strip(two, "strip exp() -> %b0 count v2"), Err(Problem::StripSources));
    assert_eq!(strip(two, "strip exp(%b2) -> %b0 count v2"), Err(Problem::NotScratch(Buf(2))));
    assert_eq!(strip(two, "strip exp(%b0) -> %b2 count v2"), Err(Problem::NotScratch(Buf(2))));
    assert_eq!(strip(two, "strip exp(%b0) -> %b9 count v2"), Err(Problem::UnknownBuffer(Buf(9))));
    let other = Problem::StoredType(Buf(1), DType::F64, DType::F32);
    assert_eq!(strip(two, "strip pow(%b0, %b1) -> %b0 count v2"), Err(other.clone()));
    assert_eq!(strip(two, "strip exp(%b0) -> %b1 count v2"), Err(other));
    assert_eq!(strip(two, "strip exp(%b3) -> %b3 count v2"), Err(Problem::Undefined("strip", Elem::I32)));
    assert_eq!(strip(two, "strip exp(%b0) -> %b0 count v5"), Err(wrong_type(5, "i32", "i64")));
}

#[test]
fn scratch_is_addressable() {
    let half = usize::MAX / 4;
    refused(&format!("scratch %b0: f32[{half}]"), "", "", Problem::ScratchSize);
    let quarter = isize::MAX as usize / 8;
    let many =
        format!("scratch %b0: f32[{quarter}], scratch %b1: f32[{quarter}], scratch %b2: f32[{quarter}]");
    refused(&many, "", "", Problem::ScratchSize);
}

#[test]
fn loops_nest_to_a_limit() {
    let nest = |depth: usize| {
        let mut body = Vec::new();
        let mut k = kernel("", "", "");
        for _ in 0..depth {
            k.insts.push((Inst::Defined, Ty::I64));
            let var = Val(k.insts.len() as u32 - 1);
            let (begin, end, carried) = (k.begin, k.end, Vec::new());
            body = vec![Stmt::For(Box::new(For { var, begin, end, step: 1, carried, body }))];
        }
        k.body = body;
        verify(&k).map_err(|e| e.problem)
    };
    assert_eq!(nest(MAX_NESTING), Ok(()));
    assert_eq!(nest(MAX_NESTING + 1), Err(Problem::Nesting));
}
