//! Loops in another order: column tiles, blocks of transpositions, turned nests. Each at sizes that leave something
//! over, interpreted and compiled, whole and split, against the same sums in the order that the reduction tree sets.

use rustorch_ir::build::Build;
use rustorch_ir::loops::{Combine, Stmt};
use rustorch_ir::op::{Op, Picks, Reduce, Scalar, Scatter};
use rustorch_ir::plan::Step;
use rustorch_ir::{DType, Graph, Value};
use rustorch_tests::{compiled, input, noise, run_f32};

fn b(g: &mut Graph) -> &mut dyn Build {
    g
}

fn reduce(g: &mut Graph, combine: Combine, x: Value, axes: &[u8]) -> Value {
    b(g).one(Op::Reduce(Reduce { combine, axes: axes.into() }), &[x])
}

/// Whether the first kernel's outermost loop goes by more than lanes.
fn is_tiled(g: &Graph) -> bool {
    compiled(g).plan.kernels.iter().any(|k| k.body.iter().any(|s| matches!(s, Stmt::For(f) if f.step > 16)))
}

fn same_bits(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    let at = got.iter().zip(want).position(|(a, b)| a.to_bits() != b.to_bits());
    assert!(at.is_none(), "element {at:?}: {:?} is not {:?}", at.map(|i| got[i]), at.map(|i| want[i]));
}

#[test]
fn columns_take_in_their_rows_in_order() {
    for (rows, columns) in [(32, 64), (33, 65), (100, 1037), (257, 128)] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[rows, columns]);
        let shape = b(&mut g).shape(x);
        let sum = reduce(&mut g, Combine::Add, x, &[0]);
        let wide = b(&mut g).expand_axes(sum, &[0], &shape);
        let d = b(&mut g).mul(x, wide);
        let most = reduce(&mut g, Combine::Max, d, &[0]);
        g.outputs = vec![most];
        assert!(is_tiled(&g), "{rows} x {columns}");
        let data = noise(rows * columns, 1);
        let want: Vec<f32> = (0..columns)
            .map(|c| {
                let column = || (0..rows).map(|r| data[r * columns + c]);
                let sum: f32 = column().fold(0.0, |a, x| a + x);
                column().fold(f32::NEG_INFINITY, |a, x| a.max(x * sum))
            })
            .collect();
        same_bits(&run_f32(&g, &[&data])[0], &want);
    }
}

#[test]
fn a_transposition_goes_by_blocks() {
    for (rows, columns) in [(64, 64), (100, 77), (130, 1024)] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[rows, columns]);
        let y = input(&mut g, 1, DType::F32, &[columns, rows]);
        let t = b(&mut g).permute(x, &[1, 0]);
        let sum = b(&mut g).add_(t, y);
        g.outputs = vec![sum];
        let (p, q) = (noise(rows * columns, 2), noise(rows * columns, 3));
        let want: Vec<f32> = (0..rows * columns).map(|i| p[i % rows * columns + i / rows] + q[i]).collect();
        same_bits(&run_f32(&g, &[&p, &q])[0], &want);
        let kernels = compiled(&g).plan.kernels;
        assert!(matches!(kernels[0].body.as_slice(), [Stmt::For(f)] if f.step == 16), "{}", kernels[0]);
    }
}

#[test]
fn rows_are_added_where_an_index_says() {
    let (rows, columns) = (50, 1100);
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[7, columns]);
    let i = input(&mut g, 1, DType::F32, &[rows]);
    let i = b(&mut g).map(Scalar::Abs, &[i]);
    let i = b(&mut g).scale(i, 6.9);
    let i = b(&mut g).cast(i, DType::I64);
    let u = input(&mut g, 2, DType::F32, &[rows, columns]);
    let picks = Picks { axis: 0, data: [1].into_iter().collect(), index: [0].into_iter().collect() };
    let y = b(&mut g).one(Op::Scatter(Scatter { picks, combine: Some(Combine::Add) }), &[x, i, u]);
    g.outputs = vec![y];
    assert!(is_tiled(&g));
    let (data, index, updates) = (noise(7 * columns, 4), noise(rows, 5), noise(rows * columns, 6));
    let mut want = data.clone();
    for r in 0..rows {
        let to = (index[r].abs() * 6.9) as usize;
        (0..columns).for_each(|c| want[to * columns + c] += updates[r * columns + c]);
    }
    same_bits(&run_f32(&g, &[&data, &index, &updates])[0], &want);
}

/// The elements that the one launch of `function` hands to a thread at least.
fn elements_a_thread(function: Scalar) -> usize {
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[1 << 16]);
    let y = b(&mut g).map(function, &[x]);
    g.outputs = vec![y];
    match compiled(&g).plan.steps.as_slice() {
        [Step::Launch { tasks, .. }] if tasks.len() == 1 => tasks[0].grain,
        other => panic!("one kernel is expected: {other:?}"),
    }
}

#[test]
fn what_rarely_runs_is_not_counted_as_work() {
    let (plain, reduced) = (elements_a_thread(Scalar::Exp), elements_a_thread(Scalar::Sin));
    assert!(reduced * 4 > plain, "{reduced} elements of sin beside {plain} of exp");
    let (small, large) = (elements_a_thread(Scalar::Neg), elements_a_thread(Scalar::Erfinv));
    assert!(large * 8 < small, "{large} elements of erfinv beside {small} of neg");
}

#[test]
fn a_check_waits_for_the_function_that_it_looks_at() {
    let n = 700;
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[n]);
    let x3 = b(&mut g).map(Scalar::Abs, &[x]);
    let x3 = b(&mut g).scale(x3, 3.0);
    let power = b(&mut g).map(Scalar::Exp2, &[x3]);
    let divisor = b(&mut g).cast(power, DType::I32);
    let hundred = b(&mut g).fill_like(divisor, 100.0);
    // Division by zero is looked for, and the divisor is what a routine computes.
    let left = b(&mut g).map(Scalar::Remainder, &[hundred, divisor]);
    let left = b(&mut g).cast(left, DType::F32);
    g.outputs = vec![left];
    let strips = |block: &[Stmt]| block.iter().any(|s| matches!(s, Stmt::Strip { .. }));
    let kernel = &compiled(&g).plan.kernels[0];
    assert!(kernel.body.iter().any(|s| matches!(s, Stmt::For(f) if strips(&f.body))), "{kernel}");
    let data = noise(n, 7);
    let want: Vec<f32> = data.iter().map(|x| (100 % (x.abs() * 3.0).exp2() as i32) as f32).collect();
    same_bits(&run_f32(&g, &[&data])[0], &want);
}
