//! Dumps: each pass of each compile unit leaves its file, and what is IR reads back as it was printed.

use rustorch_backend::buffer::Buffer;
use rustorch_frontend::dump::set_directory;
use rustorch_frontend::{Recorded, Tensor};
use rustorch_ir::graph::Type;
use rustorch_ir::loops::parse::parse_kernels;
use rustorch_ir::op::Scalar;
use rustorch_ir::parse::parse_graph;
use rustorch_ir::plan::parse::parse_plan;
use rustorch_ir::{DType, Literal, Shape};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn input(sizes: &[usize]) -> Recorded {
    let shape = Shape::from_sizes(sizes);
    let numbers: Vec<f32> = (0..shape.numel()).map(|i| (i % 7) as f32 - 3.0).collect();
    let buffer = Buffer::from_slice(&numbers).unwrap();
    Recorded::from_buffer(buffer, Type::new(DType::F32, shape)).unwrap()
}

fn softmax(x: &Recorded) -> Recorded {
    let e = x.map1(Scalar::Exp).unwrap();
    let sum = e.sum(&[1]).unwrap().unsqueeze(1).unwrap().expand(x.shape()).unwrap();
    e.div(&sum).unwrap()
}

fn product(a: &Recorded, b: &Recorded) -> Recorded {
    a.contract(b, (&[], &[]), (&[1], &[0])).unwrap()
}

fn programs() -> Vec<Vec<Recorded>> {
    let (x, y) = (input(&[40, 30]), input(&[30, 20]));
    let scalar = Recorded::scalar(Literal::from_f64(DType::F32, 1.5));
    let scaled = x.mul(&scalar.broadcast_to(x.shape()).unwrap()).unwrap();
    let zero = x.literal(0.0).broadcast_to(x.shape()).unwrap();
    let relu = zero.lt(&x).unwrap().select(&x, &zero).unwrap();
    let long = input(&[200_000]);
    vec![
        vec![scaled.add(&x).unwrap()],
        vec![softmax(&scaled)],
        vec![product(&relu, &y).map1(Scalar::Tanh).unwrap(), scaled.sum(&[0]).unwrap()],
        vec![long.sum(&[0]).unwrap().map1(Scalar::Exp).unwrap(), long.arg_reduce(true, 0).unwrap()],
        vec![Recorded::concat(&[&x, &relu], 0).unwrap().cast(DType::I32).unwrap()],
        vec![x.add(&x.literal(-0.0).broadcast_to(x.shape()).unwrap()).unwrap().neg().unwrap()],
    ]
}

/// The text is read back from a file and prints the same; comments of graphs aside.
fn reread(name: &str, text: &str) {
    let again = match name.rsplit('.').next().unwrap() {
        "ir" => parse_graph(text).map(|g| g.to_string()).map_err(|e| e.to_string()),
        "loops" => parse_kernels(text)
            .map(|kernels| kernels.iter().map(|k| k.to_string()).collect())
            .map_err(|e| e.to_string()),
        _ => parse_plan(text).map(|p| p.to_string()).map_err(|e| e.to_string()),
    };
    let again = again.unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
    let plain = |line: &str| line.split("  # ").next().unwrap().to_string();
    let text: Vec<String> = text.lines().filter(|l| !l.starts_with('#')).map(plain).collect();
    assert_eq!(again.lines().collect::<Vec<_>>(), text, "{name}");
}

#[test]
fn each_pass_leaves_a_file_that_reads_back() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dumps");
    let _ = fs::remove_dir_all(&directory);
    set_directory(Some(directory.clone()));
    let programs = programs();
    for values in &programs {
        let tensors: Vec<Tensor> = values.iter().map(|v| Tensor::from_value(v.clone()).unwrap()).collect();
        let text = tensors[0].ir().unwrap();
        assert_eq!(parse_graph(&text).unwrap().to_string(), text);
        rustorch_frontend::realize::realize(values).unwrap();
    }
    set_directory(None);
    rustorch_frontend::realize::realize(&[input(&[3]).neg().unwrap()]).unwrap();

    let mut names: Vec<String> =
        fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut everything = String::new();
    for name in &names {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        match name.rsplit('.').next().unwrap() {
            "clif" => assert!(text.starts_with("function u0:0(") && text.contains("block0"), "{name}"),
            "asm" => assert!(text.contains("ret") && !text.contains("v0 ="), "{name}: {text}"),
            _ => reread(name, &text),
        }
        everything += &text;
    }
    for part in [
        "  # stored by unit 0: output",
        "# unit 0: kernel over",
        "product f32",
        "math exp",
        "# plus zero: add -> input",
    ] {
        assert!(everything.contains(part), "{part}");
    }
    for unit in 1..=programs.len() {
        let of_unit: BTreeSet<&str> =
            names.iter().filter_map(|n| n.strip_prefix(&format!("{unit:04}-"))).collect();
        for file in [
            "00-extracted.ir",
            "01-rewritten.ir",
            "02-fused.ir",
            "03-lowered.loops",
            "04-tiled.loops",
            "05-vectorized.loops",
            "06-strips.loops",
            "07-expanded.loops",
            "08-plan.txt",
            "09-k0.clif",
            "10-k0.asm",
        ] {
            assert!(of_unit.contains(file), "{file} in {of_unit:?}");
        }
    }
    assert!(!names.iter().any(|n| n.starts_with(&format!("{:04}", programs.len() + 1))));
}
