//! Gradients against differences.

use super::Case;
use super::choose::Rng;
use rustorch_ir::build::Build;
use rustorch_ir::eval::{EvalError, Tensor, eval};
use rustorch_ir::grad::grad;
use rustorch_ir::op::{Input, Op, Source};
use rustorch_ir::{DType, Graph, Literal, Value};

/// Beyond this, differences say too little.
const TAME: f64 = 1e3;

/// Compares the derivative of the sum of a smooth f64 case's first output, along a random direction, with
/// a difference. Gives whether there was something to compare.
pub fn check_gradient(case: &Case, seed: u64) -> Result<bool, String> {
    let y = case.graph.outputs[0];
    let inputs: Vec<(Value, &Input)> = case
        .graph
        .live()
        .into_iter()
        .filter_map(|node| match &case.graph.node(node).op {
            Op::Input(input) if input.dtype == DType::F64 && input.source != Source::Scalar => {
                Some((Value { node, port: 0 }, input))
            }
            _ => None,
        })
        .collect();
    if case.graph.ty(y).dtype != DType::F64 || inputs.is_empty() {
        return Ok(false);
    }
    let mut rng = Rng::new(seed);
    let directions: Vec<Vec<f64>> = inputs
        .iter()
        .map(|(_, input)| (0..input.shape.numel()).map(|_| rng.small() as f64 / 8.0).collect())
        .collect();
    let along = |step: f64| -> Result<f64, EvalError> {
        let mut moved = case.clone();
        for ((_, input), direction) in inputs.iter().zip(&directions) {
            let memory = &mut moved.slots[input.slot as usize].tensor;
            let elements: Vec<Literal> = memory
                .literals()
                .zip(direction)
                .map(|(x, d)| Literal::from_f64(DType::F64, x.as_f64() + step * d))
                .collect();
            *memory = Tensor::from_literals(DType::F64, memory.ty.shape.clone(), &elements);
        }
        moved.graph.outputs.truncate(1);
        Ok(total(&eval(&moved.graph, &moved.slots(), &moved.scalars)?[0]))
    };
    let h = 1e-5;
    let (Ok(a), Ok(b), Ok(middle)) = (along(h), along(-h), along(0.0)) else { return Ok(false) };
    let difference = (a - b) / (2.0 * h);
    let mut graph: Graph = case.graph.clone();
    let build: &mut dyn Build = &mut graph;
    let one = build.fill_like(y, 1.0);
    let wrt: Vec<Value> = inputs.iter().map(|i| i.0).collect();
    let gradients = grad(&mut graph, &[(y, one)], &wrt);
    graph.outputs = gradients.iter().copied().flatten().collect();
    let values = eval(&graph, &case.slots(), &case.scalars).map_err(|e| e.to_string())?;
    let mut values = values.iter();
    let (mut slope, mut scale) = (0.0, middle.abs());
    for (gradient, direction) in gradients.iter().zip(&directions) {
        if gradient.is_none() {
            continue;
        }
        let elements = values.next().ok_or("a gradient is missing")?.literals();
        for (g, d) in elements.zip(direction) {
            slope += g.as_f64() * d;
            scale += (g.as_f64() * d).abs();
        }
    }
    if !(scale < TAME && difference.is_finite()) {
        return Ok(false);
    }
    if (slope - difference).abs() <= 1e-4 * (1.0 + scale) {
        return Ok(true);
    }
    Err(format!("the slope is {slope}, but the difference {difference} (of {scale})"))
}

fn total(t: &Tensor) -> f64 {
    t.literals().map(Literal::as_f64).sum()
}
