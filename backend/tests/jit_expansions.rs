//! The expansions of the transcendentals, scalar and wide, against the interpreter bit by bit.

mod jit_support;

use jit_support::widen::{element_wise, widen};
use jit_support::{Random, agree};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::Val;
use rustorch_ir::loops::build::LoopBuilder;
use rustorch_ir::loops::expand::expand;
use rustorch_ir::op::scalar_math::{
    asinh, erf, erfc, exp, exp2, expm1, log, log1p, log2, sigmoid, sinh, tanh,
};

const N: usize = 256;

fn check(name: &str, f: fn(&mut LoopBuilder, Val) -> Val) {
    for mem in [DType::F32, DType::F64] {
        let kernel = element_wise(name, N, &[mem], &[mem], |b, x| vec![f(b, x[0])]);
        let data = [Random(11).buffer(mem, N), vec![0; N * mem.size()]];
        agree(&expand(&kernel), &data, &[], (0, N as i64));
        for lanes in [2, 4, 16] {
            agree(&expand(&widen(&kernel, lanes)), &data, &[], (0, N as i64));
        }
    }
}

#[test]
fn exponentials() {
    check("exp", exp);
    check("exp2", exp2);
    check("expm1", expm1);
    check("sigmoid", sigmoid);
}

#[test]
fn logarithms() {
    check("log", log);
    check("log2", log2);
    check("log1p", log1p);
}

#[test]
fn hyperbolics() {
    check("tanh", tanh);
    check("sinh", sinh);
    check("asinh", asinh);
}

#[test]
fn error_functions() {
    check("erf", erf);
    check("erfc", erfc);
}

#[test]
fn trigonometry_over_the_whole_range() {
    // Their slow paths are loops, which are put in place only after the lanes.
    check("sin", |b, x| b.math("sin", &[x]));
    check("cos", |b, x| b.math("cos", &[x]));
    check("tan", |b, x| b.math("tan", &[x]));
}
