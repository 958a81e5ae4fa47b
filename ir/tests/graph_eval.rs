//! What graphs mean: each primitive's results, written out.

use rustorch_ir::eval::{EvalError, Slot, Tensor, eval};
use rustorch_ir::op::{DIVISION_BY_ZERO, INDEX_OUT_OF_RANGE};
use rustorch_ir::parse::parse_graph;
use rustorch_ir::verify::verify;
use rustorch_ir::{DType, Literal, Shape};

fn tensor(dtype: DType, sizes: &[usize], elements: &[f64]) -> Tensor {
    let literals: Vec<Literal> = elements.iter().map(|&x| Literal::from_f64(dtype, x)).collect();
    Tensor::from_literals(dtype, Shape::from_sizes(sizes), &literals)
}

fn outputs(text: &str, inputs: &[Tensor]) -> Result<Vec<Vec<f64>>, EvalError> {
    let graph = parse_graph(text).unwrap();
    verify(&graph).unwrap();
    let slots: Vec<Slot<'_>> = inputs.iter().map(Slot::from).collect();
    let outputs = eval(&graph, &slots, &[7])?;
    Ok(outputs.iter().map(|t| t.literals().map(Literal::as_f64).collect()).collect())
}

/// The only output of a graph over `x = [[1, 2, 3], [4, 5, 6]]` (f32) and `i = [1, 0]` (i64).
fn of(lines: &str) -> Vec<f64> {
    let text = format!(
        "%0 = input<0, f32, [2, 3], strides=[3,1]> : f32[2, 3]
%1 = input<1, i64, [2], strides=[1]> : i64[2]
{lines}"
    );
    let x = tensor(DType::F32, &[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let i = tensor(DType::I64, &[2], &[1., 0.]);
    outputs(&text, &[x, i]).unwrap().remove(0)
}

#[test]
fn views_move_elements() {
    assert_eq!(of("%2 = reshape<[3, 2]> %0 : f32[3, 2]\nreturn %2"), [1., 2., 3., 4., 5., 6.]);
    assert_eq!(of("%2 = permute<1,0> %0 : f32[3, 2]\nreturn %2"), [1., 4., 2., 5., 3., 6.]);
    assert_eq!(of("%2 = slice<1:2:-1,0:2:2> %0 : f32[2, 2]\nreturn %2"), [4., 6., 1., 3.]);
    assert_eq!(
        of("%2 = const<f32:9.0> : f32[]\n%3 = pad<1:2:-1,1:3:1, [2, 5]> %0, %2 : f32[2, 5]\nreturn %3"),
        [9., 4., 5., 6., 9., 9., 1., 2., 3., 9.]
    );
    assert_eq!(
        of("%2 = slice<0:2:1,2:1:1> %0 : f32[2, 1]\n%3 = expand<[2, 2]> %2 : f32[2, 2]\nreturn %3"),
        [3., 3., 6., 6.]
    );
    assert_eq!(of("%2 = detach %0 : f32[2, 3]\nreturn %2"), [1., 2., 3., 4., 5., 6.]);
}

#[test]
fn loops_combine_elements() {
    assert_eq!(of("%2 = reduce<sum, 1> %0 : f32[2]\nreturn %2"), [6., 15.]);
    assert_eq!(of("%2 = reduce<max, 0,1> %0 : f32[]\nreturn %2"), [6.]);
    assert_eq!(of("%2 = arg_reduce<max, 0> %0 : i64[3]\nreturn %2"), [1., 1., 1.]);
    assert_eq!(of("%2 = contract<; ; 1; 1> %0, %0 : f32[2, 2]\nreturn %2"), [14., 32., 32., 77.]);
    assert_eq!(
        of("%2 = slice<0:0:1,0:3:1> %0 : f32[0, 3]\n%3 = reduce<min, 0> %2 : f32[3]\nreturn %3"),
        [f64::INFINITY; 3]
    );
}

#[test]
fn indices_pick_and_place() {
    assert_eq!(of("%2 = gather<0; 1; 0> %0, %1 : f32[2, 3]\nreturn %2"), [4., 5., 6., 1., 2., 3.]);
    assert_eq!(of("%2 = gather<1; 0; 0> %0, %1 : f32[2]\nreturn %2"), [2., 4.]);
    let added = "%2 = gather<0; 1; 0> %0, %1 : f32[2, 3]\n%3 = scatter<add, 0; 1; 0> %0, %1, %2 : f32[2, 3]\nreturn %3";
    assert_eq!(of(added), [2., 4., 6., 8., 10., 12.]);
    assert_eq!(
        of("%2 = slice<0:2:1,0:1:1> %0 : f32[2, 1]\n%3 = update<0:2:1,2:1:1> %0, %2 : f32[2, 3]\nreturn %3"),
        [1., 2., 1., 4., 5., 4.]
    );
    assert_eq!(
        of("%2 = slice<1:1:1,0:3:1> %0 : f32[1, 3]\n%3 = concat<0> %2, %0 : f32[3, 3]\nreturn %3"),
        [4., 5., 6., 1., 2., 3., 4., 5., 6.]
    );
}

#[test]
fn scans_run_either_way() {
    assert_eq!(of("%2 = scan<sum, 1, up> %0 : f32[2, 3]\nreturn %2"), [1., 3., 6., 4., 9., 15.]);
    assert_eq!(of("%2 = scan<sum, 0, down> %0 : f32[2, 3]\nreturn %2"), [5., 7., 9., 4., 5., 6.]);
    assert_eq!(of("%2 = scan<prod, 1, down> %0 : f32[2, 3]\nreturn %2"), [6., 6., 3., 120., 30., 6.]);
    // Each result before, times the first operand, plus the second.
    assert_eq!(of("%2 = scan<linear, 1, up> %0, %0 : f32[2, 3]\nreturn %2"), [1., 4., 15., 4., 25., 156.]);
}

#[test]
fn scans_find_the_last_extremum() {
    let text = "\
%0 = input<0, f32, [6], strides=[1]> : f32[6]
%1 = scan<argmax, 0, up> %0 : i64[6]
%2 = scan<argmin, 0, down> %0 : i64[6]
return %1, %2
";
    let values = [f64::NEG_INFINITY, 2., -1., 2., f64::NAN, 5.];
    let got = outputs(text, &[tensor(DType::F32, &[6], &values)]).unwrap();
    assert_eq!(got, [vec![0., 1., 1., 3., 4., 4.], vec![4., 4., 4., 4., 4., 5.]]);
}

#[test]
fn scans_of_f32_accumulate_in_f64() {
    let text = "\
%0 = input<0, f32, [4], strides=[1]> : f32[4]
%1 = scan<sum, 0, up> %0 : f32[4]
return %1
";
    let got = outputs(text, &[tensor(DType::F32, &[4], &[16777216., 1., 1., 1.])]).unwrap();
    assert_eq!(got, [vec![16777216., 16777216., 16777218., 16777220.]]);
}

#[test]
fn scalars_and_strides_come_from_outside() {
    let text = "\
%0 = input<0, i16, [3], strides=[-2]> : i16[3]
%1 = scalar<0, i16> : i16[]
%2 = reshape<[1]> %1 : i16[1]
%3 = expand<[3]> %2 : i16[3]
%4 = add %0, %3 : i16[3]
return %4
";
    let memory = tensor(DType::I16, &[5], &[1., 2., 3., 4., 32767.]);
    let slot = Slot { bytes: &memory.bytes, origin: 4 };
    let got = eval(&parse_graph(text).unwrap(), &[slot], &[7]).unwrap();
    let elements: Vec<i64> = got[0].literals().map(Literal::as_i64).collect();
    assert_eq!(elements, [-32762, 10, 8]);
}

#[test]
fn reduced_floats_round_after_every_node() {
    let text = "\
%0 = input<0, bf16, [2], strides=[1]> : bf16[2]
%1 = mul %0, %0 : bf16[2]
%2 = reduce<sum, 0> %1 : bf16[]
return %1, %2
";
    let got = outputs(text, &[tensor(DType::BF16, &[2], &[1.0078125, 256.0])]).unwrap();
    assert_eq!(got, [vec![1.015625, 65536.0], vec![65536.0]]);
}

#[test]
fn failed_checks_are_errors() {
    let text = "\
%0 = input<0, i32, [2], strides=[1]> : i32[2]
%1 = trunc_div %0, %0 : i32[2]
%2 = gather<0; ; 0> %0, %0 : i32[2]
return %1
";
    let fails = outputs(text, &[tensor(DType::I32, &[2], &[0., 1.])]);
    assert!(matches!(fails, Err(EvalError::Check { code: DIVISION_BY_ZERO, .. })));
    let text = text.replace("return %1", "return %2");
    let fails = outputs(&text, &[tensor(DType::I32, &[2], &[0., 2.])]);
    assert!(matches!(fails, Err(EvalError::Check { code: INDEX_OUT_OF_RANGE, detail: 2, .. })));
}
