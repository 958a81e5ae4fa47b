//! The text form of graphs: what it looks like, that it reads back exactly, and how it is refused.

use rustorch_ir::build::Build;
use rustorch_ir::op::{Op, Scalar};
use rustorch_ir::parse::parse_graph;
use rustorch_ir::verify::{VerifyError, verify};
use rustorch_ir::{DType, Graph, Value};

const EVERYTHING: &str = r#"%0 = input<0, f32, [2, 3], strides=[3,1]> : f32[2, 3]
%1 = input<1, i64, [2], strides=[-1]> : i64[2]
%2 = scalar<0, f32> : f32[]
%3 = const<f32:-0.0> : f32[]
%4 = const<f16:0x7e01> : f16[]
%5 = const<bool:1> : bool[]
%6 = iota<0> : i64[0]
%7 = reshape<[3, 2]> %0 : f32[3, 2]
%8 = permute<1,0> %0 : f32[3, 2]
%9 = reshape<[1, 1]> %2 : f32[1, 1]
%10 = expand<[3, 2]> %9 : f32[3, 2]
%11 = slice<1:2:-1,0:3:1> %0 : f32[2, 3]
%12 = pad<0:2:2,2:3:-1, [4, 3]> %0, %3 : f32[4, 3]
%13 = pad<, []> %2, %3 : f32[]
%14 = permute<> %2 : f32[]
%15 = mul %7, %8 : f32[3, 2]
%16 = lt %15, %10 : bool[3, 2]
%17 = select %16, %15, %10 : f32[3, 2]
%18 = cast<bf16> %17 : bf16[3, 2]
%19 = reduce<sum, 0,1> %17 : f32[]
%20 = reduce<any, > %16 : bool[3, 2]
%21 = arg_reduce<min, 1> %17 : i64[3]
%22 = contract<; ; 1; 0> %7, %0 : f32[3, 3]
%23 = contract<0; 0; ; > %0, %11 : f32[2, 3, 3]
%24 = gather<0; 1; 0> %7, %1 : f32[2, 2]
%25 = scatter<add, 0; 1; 0> %7, %1, %24 : f32[3, 2]
%26 = scatter<set, 0; 1; 0> %7, %1, %24 : f32[3, 2]
%27 = concat<0> %7, %24, %7 : f32[8, 2]
%28 = update<0:2:1,0:2:1> %27, %24 : f32[8, 2]
%29 = detach %28 : f32[8, 2]
%30 = fence %29 : f32[8, 2]
%31 = call<"twice", [f32[8, 2],f32[]], "%0 = input<0, f32, [8, 2], strides=[2,1]> : f32[8, 2]\n%1 = add %0, %0 : f32[8, 2]\nreturn %1, %0\n"> %30, %2 : f32[8, 2], f32[8, 2]
%32 = bitcast<i16> %0 : i16[2, 6]
%33 = scan<linear, 1, down> %0, %0 : f32[2, 3]
%34 = scan<argmin, 0, up> %16 : i64[3, 2]
%35 = sort<1, descending, keep 1 + 2> %0 : f32[2, 2], i64[2, 2]
%36 = qr_complete %0 : f32[2, 2], f32[2, 3]
%37 = triangular_solve<upper, transposed, unit> %22, %15 : f32[3, 2]
%38 = fft<inverse> %24 : f32[2, 2]
%39 = lu %23 : f32[2, 3, 3], i32[2, 3], i64[2, 3], i32[2]
%40 = solve<transposed> %23, %39, %39.2, %23 : f32[2, 3, 3]
%41 = window<0:3:2:2:1,1:1:1:2:1> %28 : f32[3, 1, 2, 2]
%42 = fold<0:3:2:2:1,1:1:1:2:1, [8, 2]> %41 : f32[8, 2]
return %30, %19, %30
"#;

#[test]
fn everything_reads_back() {
    let graph = parse_graph(EVERYTHING).unwrap();
    assert_eq!(graph.to_string(), EVERYTHING);
    verify(&graph).unwrap();
    for name in Op::PRIMITIVES {
        let used = graph.order().iter().any(|&id| graph.node(id).op.primitive() == *name);
        assert!(used, "{name} is missing above");
    }
}

#[test]
fn every_scalar_function_reads_back() {
    let mut g = Graph::new();
    let mut inputs = Vec::new();
    for (slot, dtype) in [DType::F64, DType::I64, DType::Bool].into_iter().enumerate() {
        let text = format!("%0 = input<{slot}, {dtype}, [3], strides=[1]> : {dtype}[3]\nreturn");
        let one = parse_graph(&text).unwrap();
        let node = g.add(one.node(one.order()[0]).op.clone(), &[]).unwrap();
        inputs.push(Value { node, port: 0 });
    }
    for &s in Scalar::ALL {
        let added = inputs.iter().any(|&x| {
            let mut operands = vec![x; s.arity()];
            if s == Scalar::Select {
                operands[0] = inputs[2];
            }
            g.add(Op::Map(s), &operands).is_ok()
        });
        assert!(added, "{s} takes no dtype");
    }
    assert_eq!(parse_graph(&g.to_string()).unwrap().to_string(), g.to_string());
}

#[test]
fn comments_and_blank_lines_do_not_count() {
    let text = "# a graph\n\n  %0 = iota<3> : i64[3] # of three\nreturn %0\n# the end\n";
    assert_eq!(parse_graph(text).unwrap().to_string(), "%0 = iota<3> : i64[3]\nreturn %0\n");
}

#[test]
fn refusals_say_where_and_why() {
    for (text, want) in [
        ("", "1:1: expected `return`, found the end"),
        ("%1 = iota<3> : i64[3]", "1:1: expected `%0`, found `%`"),
        ("%0 = iota<3> : i64[4]", "1:16: the op gives i64[3]"),
        ("%0 = iota<3> : i65[3]", "1:16: expected a dtype, found `i65`"),
        ("%0 = mota<3> : i64[3]", "1:6: expected an op, found `mota`"),
        ("%0 = iota<3 : i64[3]", "1:13: expected `>`, found `:`"),
        ("%0 = reduce<add, 0> : i64[3]", "1:13: expected a combination, found `add`"),
        ("%0 = neg %0 : i64[3]", "1:10: expected a value given before, found `%0.0`"),
        ("%0 = iota<3> : i64[3]\nreturn %0.1", "2:8: expected a value given before, found `%0.1`"),
        ("%0 = iota<3> : i64[3]\n%1 = iota<3> : i64[3]", "2:6: the same node as %0"),
        ("%0 = iota<3> : i64[3]\n%1 = add %0 : i64[3]", "2:6: add: takes 2 operands, got 1"),
        ("return\nreturn", "2:1: expected the end, found `return`"),
        (
            "%0 = iota<9000000000000000000> : i64[9000000000000000000]",
            "1:34: more elements than the address space has bytes",
        ),
        (
            "%0 = const<i8:1> : i8[]\n%1 = expand<[4294967296, 4294967296]> %0 : i8[]",
            "2:14: more elements than the address space has bytes",
        ),
    ] {
        assert_eq!(parse_graph(text).unwrap_err().to_string(), want, "{text}");
    }
}

/// Reading a damaged text may succeed or fail, and what it reads is a graph.
#[test]
fn damaged_text_does_not_panic() {
    let mut state = 7u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let pieces =
        ["%", "-", "9223372036854775807", "[", "]", ",", "<", ">", ":", "0", "3", "\n", "é", "", "-1"];
    let mut read = 0;
    for _ in 0..20_000 {
        let mut text = EVERYTHING.to_string();
        for _ in 0..1 + random(3) {
            let at = random(text.len() + 1);
            let end = (at + random(3)).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, pieces[random(pieces.len())]);
            }
        }
        if let Ok(graph) = parse_graph(&text) {
            verify(&graph).or_else(|e| if e.to_string().contains("slot") { Ok(()) } else { Err(e) }).unwrap();
            read += 1;
        }
    }
    assert!(read > 100, "{read}");
}

#[test]
fn a_slot_has_one_description() {
    let text = "\
%0 = input<0, f32, [2], strides=[1]> : f32[2]
%1 = scalar<0, f32> : f32[]
%2 = input<0, f32, [2], strides=[0]> : f32[2]
return %0
";
    let error = verify(&parse_graph(text).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "%2 (`input<0, f32, [2], strides=[0]>`) is broken: %0 describes the same slot");
}

#[test]
fn outputs_belong_to_the_graph() {
    let mut g = parse_graph("%0 = iota<3> : i64[3]\nreturn %0").unwrap();
    verify(&g).unwrap();
    g.outputs[0].port = 1;
    assert_eq!(verify(&g), Err(VerifyError::Output(0)));
    let larger = parse_graph("%0 = iota<3> : i64[3]\n%1 = neg %0 : i64[3]\nreturn %1").unwrap();
    g.outputs = larger.outputs.clone();
    assert_eq!(verify(&g), Err(VerifyError::Output(0)));
}

/// Bodies are told apart by what they are, not by where they were made.
#[test]
fn equal_bodies_are_one() {
    let call = EVERYTHING.lines().find(|l| l.contains("call<")).unwrap();
    let head = "%0 = input<0, f32, [8, 2], strides=[2,1]> : f32[8, 2]\n%1 = scalar<0, f32> : f32[]\n";
    let line = |n: usize| call.replace("%31 =", &format!("%{n} =")).replace("%30, %2", "%0, %1");
    let twice = format!("{head}{}\n{}\nreturn", line(2), line(3));
    assert_eq!(parse_graph(&twice).unwrap_err().to_string(), "4:6: the same node as %2");
    let other = format!("{head}{}\n{}\nreturn", line(2), line(3).replace("add", "mul"));
    assert_eq!(parse_graph(&other).unwrap().len(), 4);
}

#[test]
fn a_call_says_what_its_body_lacks() {
    let call = |types: &str, graph: &str| {
        let text =
            format!("%0 = iota<3> : i64[3]\n%1 = call<\"f\", [{types}], \"{graph}\"> %0 : i64[3]\nreturn");
        parse_graph(&text).unwrap_err().to_string()
    };
    let input = "%0 = input<0, i64, [3], strides=[1]> : i64[3]";
    assert!(call("i64[3]", "return").ends_with("too few or too many results (operand of shape [])"));
    assert!(
        call("i64[4]", &format!("{input}\\nreturn %0"))
            .ends_with("an input of its graph is not an argument (operand of shape [])")
    );
    assert!(
        call("i64[3],i64[3]", &format!("{input}\\nreturn %0")).ends_with("call: takes 2 operands, got 1")
    );
    assert!(call("i64[3]", "%0 = what").ends_with("expected an op, found `what`"));
}
