//! The text form of plans: what it looks like, that it reads back exactly, and how it is refused.

use rustorch_ir::plan::parse::parse_plan;
use rustorch_ir::plan::{Place, Step};

const EVERYTHING: &str = r#"plan 2 inputs, 2 scalars, arena 4608
%0 = input 0, bytes -8..2048 : f32[2, 64, 8] "input"
%1 = input 1, bytes 0..256 : f32[8, 8] "input"
%2 = arena 0 : f32[2, 64, 8] "product by a host routine"
%3 = arena 4096 : f64[] "a \"quoted\" \\ reason\nof two lines # no comment"
%4 = output 0 : f32[2, 64, 8] "output"
%5 = output 1 : bool[0] ""
product f32 [2, 3] 64 x 8 x 8
  lhs %0 + 3, rows 8, cols -1, batches [512, 0]
  rhs %1 + 0, rows 1, cols 8, batches [0, 0]
  out %2
  epilogue @0(%2, %4) scalars [1] grain 16
product f64 [] 1 x 1 x 1
  lhs %3 + 0, rows 0, cols 0, batches []
  rhs %3 + 0, rows [2:12,3:-1], cols 0, batches []
  out %3
launch
  task @0(%4, %4) scalars [0] grain 64
  task @1() scalars [] grain 1
  finish @0(%2, %4) scalars [1] grain 1
routine sort<f32, 2 x 64 x 8, keep 1 + 3, descending>(%2) -> (%4, %3)
routine sort<i64, 1 x 0 x 1, keep 0 + 0>() -> ()
launch
return %4 : f32[128, 8], %5 : bool[0], %4 : f32[2, 64, 8]
kernel k0(in %b0: f32, out %b1: f32, scratch %b2: f32[16], scalar s0: f32) parallel 1024 (v0..v1)
where
  v3: f32 = scalar s0
{
  for v2 in v0..v1 step 1 {
    v4: f32 = load f32 %b0[v2]
    v5: f32 = mul v4, v3
    store f32 %b1[v2] = v5
  }
}
kernel "kernel two"() parallel 1 (v0..v1)
{
}
"#;

#[test]
fn everything_reads_back() {
    let plan = parse_plan(EVERYTHING).unwrap();
    assert_eq!(plan.to_string(), EVERYTHING);
    assert_eq!(parse_plan(&plan.to_string()).unwrap(), plan);
    assert_eq!((plan.arena, plan.input_slots, plan.scalar_slots), (4608, 2, 2));
    assert_eq!(plan.buffers[0].place, Place::Input { slot: 0, begin: -8, end: 2048 });
    assert_eq!(plan.buffers[3].reason, "a \"quoted\" \\ reason\nof two lines # no comment");
    let Step::Product(p) = &plan.steps[0] else { panic!("a product") };
    assert_eq!(
        (p.lhs.offset, p.lhs.cols.stride(), p.lhs.batch_strides.as_slice()),
        (3, Some(-1), &[512, 0][..])
    );
    assert_eq!(p.epilogue.as_ref().unwrap().scalars, [1]);
    assert_eq!((plan.outputs.len(), plan.kernels[1].name.as_str()), (3, "kernel two"));
}

#[test]
fn routines_read_back() {
    let routines = [
        "cholesky<f32, 5 x 3 x 3>",
        "lu<f64, 1 x 3 x 4>",
        "qr<f32, 2 x 3 x 4>",
        "qr_complete<f32, 2 x 3 x 4>",
        "svd<f64, 1 x 0 x 4>",
        "svd_values<f64, 1 x 3 x 4>",
        "svd_complete<f64, 1 x 3 x 4>",
        "eigh<f32, 1 x 3 x 3>",
        "eigh_values<f32, 1 x 3 x 3>",
        "triangular_solve<upper, transposed, unit, f32, 2 x 3 x 1>",
        "triangular_solve<lower, f64, 2 x 3 x 1>",
        "solve<f32, 2 x 3 x 1>",
        "solve<transposed, f64, 2 x 3 x 1>",
        "fft<forward, f32, 2 x 8>",
        "fft<inverse, f64, 2 x 8>",
    ];
    for routine in routines {
        let text = format!("plan 0 inputs, 0 scalars, arena 0\nroutine {routine}() -> ()\nreturn\n");
        assert_eq!(parse_plan(&text).unwrap().to_string(), text);
    }
}

#[test]
fn the_empty_plan_reads_back() {
    let text = "plan 0 inputs, 0 scalars, arena 0\nreturn\n";
    assert_eq!(parse_plan(text).unwrap().to_string(), text);
}

#[test]
fn comments_and_blank_lines_do_not_count() {
    let text = "# a plan\n\nplan 0 inputs, 0 scalars, arena 0\n  # of nothing\nreturn\n\n";
    assert_eq!(parse_plan(text).unwrap().to_string(), "plan 0 inputs, 0 scalars, arena 0\nreturn\n");
}

/// A damage to the text, and what is said of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("plan 2 inputs", "plans 2 inputs", "1:1: expected `plan`, found `plans`"),
    ("arena 4608", "arena -1", "1:33: expected a number of bytes, found `-`"),
    ("%2 = arena", "%3 = arena", "4:1: expected `%2`, found `%`"),
    ("%2 = arena 0", "%2 = heap 0", "4:6: expected `input`, `output` or `arena`, found `heap`"),
    (": f64[]", ": f65[]", "5:19: expected a dtype, found `f65`"),
    ("\"output\"", "output", "6:31: expected `\"`, found `output`"),
    ("\"\"\n", "\"\n", "7:25: expected a reason, found `\"`"),
    ("64 x 8 x 8", "64 x 8", "8:26: expected `x`, found the end of the line"),
    ("rhs %1", "rhs %6", "10:8: expected a buffer given before, found `%6`"),
    (
        "epilogue @0",
        "finish @0",
        "12:3: expected a step, a part of the step before, or `return`, found `finish`",
    ),
    ("@0(%4, %4)", "@0(%4)", "18:9: expected 2 buffers and 1 scalars, found 1 and 1"),
    ("@1()", "@2()", "19:9: expected a kernel that follows, found `@2`"),
    ("grain 64", "grain 64 more", "18:40: expected the end of the line, found `more`"),
    ("return %4", "return %9", "24:9: expected a buffer given before, found `%9`"),
    ("mul v4, v3", "mul v4", "32:5: expected `,`, found `store`"),
    ("sort<f32", "shuffle<f32", "21:9: expected a routine, found `shuffle`"),
    ("keep 1 + 3", "keep 1", "21:37: expected `+`, found `,`"),
    (
        "launch\nreturn",
        "launch\n%6 = arena 0 : f32[] \"\"\nreturn",
        "24:1: expected a step or `return`, found `%`",
    ),
];

#[test]
fn mistakes_are_refused_where_they_are() {
    let mut wrong = Vec::new();
    for (old, new, message) in MISTAKES {
        assert!(EVERYTHING.contains(old), "{old}");
        let said = parse_plan(&EVERYTHING.replacen(old, new, 1)).unwrap_err().to_string();
        if said != *message {
            wrong.push(format!("{new}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let cut = "plan 0 inputs, 0 scalars, arena 0\nlaunch\n";
    assert_eq!(parse_plan(cut).unwrap_err().to_string(), "2:1: expected `return`, found the end");
}

#[test]
fn no_part_of_a_plan_makes_reading_panic() {
    for end in (0..EVERYTHING.len()).filter(|&i| EVERYTHING.is_char_boundary(i)) {
        let _ = parse_plan(&EVERYTHING[..end]);
        let _ = parse_plan(&EVERYTHING[end..]);
    }
}
