//! Loops in another order: column tiles, blocks of transpositions, turned nests. Each at sizes that leave something
//! over, interpreted and compiled, whole and split, against the same sums in the order that the reduction tree sets.

use rustorch_backend::host::vector::{fold_routine, strip_routine};
use rustorch_ir::build::Build;
use rustorch_ir::loops::{Combine, Inst, Kernel, Stmt};
use rustorch_ir::op::{Op, Picks, Reduce, Running, Scalar, Scan, Scatter};
use rustorch_ir::plan::Step;
use rustorch_ir::{DType, Graph, Value};
use rustorch_passes::{Request, Target, compile};
use rustorch_tests::{compiled, input, noise, run_f32, run_plan, softmax};

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

/// Sums of a row as they run: four elements among themselves, each of these and the accumulator, the rest one by one.
fn running_sums(row: &[f32], block: usize) -> Vec<f32> {
    let mut total = 0f64;
    let mut sums = Vec::new();
    let (whole, rest) = row.split_at(row.len() - row.len() % block);
    for elements in whole.chunks(block).chain(rest.chunks(1)) {
        let mut among = None;
        let each = elements.iter().map(|&x| {
            let sum = among.map_or(f64::from(x), |a: f64| a + f64::from(x));
            among = Some(sum);
            total + sum
        });
        let each: Vec<f64> = each.collect();
        total = each[elements.len() - 1];
        sums.extend(each.iter().map(|&s| s as f32));
    }
    sums
}

#[test]
fn running_sums_of_rows_go_by_four() {
    for (rows, columns) in [(1, 1), (1, 4), (5, 3), (3, 1030), (130, 70)] {
        for reverse in [false, true] {
            let mut g = Graph::new();
            let x = input(&mut g, 0, DType::F32, &[rows, columns]);
            let y = b(&mut g).one(Op::Scan(Scan { running: Running::Sum, axis: 1, reverse }), &[x]);
            g.outputs = vec![y];
            let data = noise(rows * columns, 7);
            let turned = |row: &[f32]| -> Vec<f32> {
                if reverse { row.iter().rev().copied().collect() } else { row.to_vec() }
            };
            let want: Vec<f32> =
                data.chunks(columns).flat_map(|row| turned(&running_sums(&turned(row), 4))).collect();
            same_bits(&run_f32(&g, &[&data])[0], &want);
        }
    }
}

#[test]
fn running_sums_down_columns_take_in_their_rows_in_order() {
    for (rows, columns) in [(2, 5), (40, 64), (33, 1100)] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[rows, columns]);
        let y = b(&mut g).one(Op::Scan(Scan { running: Running::Sum, axis: 0, reverse: false }), &[x]);
        g.outputs = vec![y];
        assert_eq!(is_tiled(&g), rows >= 32, "{rows} x {columns}");
        let data = noise(rows * columns, 8);
        let mut want = vec![0f32; rows * columns];
        for c in 0..columns {
            let column: Vec<f32> = (0..rows).map(|r| data[r * columns + c]).collect();
            running_sums(&column, 1).into_iter().enumerate().for_each(|(r, s)| want[r * columns + c] = s);
        }
        same_bits(&run_f32(&g, &[&data])[0], &want);
    }
}

#[test]
fn running_extremes_are_found_where_a_look_ahead_sees_them() {
    let (rows, columns) = (6, 230);
    let mut data = noise(rows * columns, 10);
    for (i, x) in data.iter_mut().enumerate() {
        *x = match i / columns {
            0 => i as f32,
            1 => -(i as f32),
            2 => (*x * 3.0).round(),
            3 if i % columns == 77 || i % columns == 200 => f32::NAN,
            4 if i % columns < 64 => f32::NEG_INFINITY,
            _ => *x,
        };
    }
    for running in [Running::ArgMax, Running::ArgMin] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[rows, columns]);
        let y = b(&mut g).one(Op::Scan(Scan { running, axis: 1, reverse: false }), &[x]);
        let y = b(&mut g).cast(y, DType::F32);
        g.outputs = vec![y];
        let looks = |k: &Kernel| k.to_string().contains("mask_to_int");
        assert!(compiled(&g).plan.kernels.iter().any(looks));
        let want: Vec<f32> = data
            .chunks(columns)
            .flat_map(|row| {
                let mut at = 0;
                row.iter().enumerate().map(move |(i, &x)| {
                    let reaches = if running == Running::ArgMax { x >= row[at] } else { x <= row[at] };
                    if x.is_nan() || reaches {
                        at = i;
                    }
                    at as f32
                })
            })
            .collect();
        same_bits(&run_f32(&g, &[&data])[0], &want);
    }
}

#[test]
fn few_blocks_of_columns_are_walked_inside() {
    let (blocks, rows, columns) = (2, 9, 70);
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[blocks, rows, columns]);
    let y = b(&mut g).one(Op::Scan(Scan { running: Running::Sum, axis: 1, reverse: false }), &[x]);
    g.outputs = vec![y];
    assert_eq!(compiled(&g).plan.kernels[0].parallel, columns);
    let data = noise(blocks * rows * columns, 9);
    let mut want = data.clone();
    for (block, c) in (0..blocks).flat_map(|b| (0..columns).map(move |c| (b, c))) {
        let at = |r: usize| (block * rows + r) * columns + c;
        let column: Vec<f32> = (0..rows).map(|r| data[at(r)]).collect();
        running_sums(&column, 1).into_iter().enumerate().for_each(|(r, s)| want[at(r)] = s);
    }
    same_bits(&run_f32(&g, &[&data])[0], &want);
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
    assert!(large * 4 < small, "{large} elements of erfinv beside {small} of neg");
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

/// The host routines that the kernels of a graph call, by name.
fn routines(g: &Graph) -> Vec<&'static str> {
    fn of(block: &[Stmt], found: &mut Vec<&'static str>) {
        for stmt in block {
            match stmt {
                Stmt::Strip { routine, .. } => found.push(routine),
                Stmt::For(f) => of(&f.body, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    compiled(g).plan.kernels.iter().for_each(|k| of(&k.body, &mut found));
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the routines are these, on a host that has any.
fn calls(g: &Graph, wanted: &[&str]) {
    if strip_routine("exp", false).is_some() {
        assert_eq!(routines(g), wanted);
    }
}

#[test]
fn quotients_and_roots_alone_are_strips() {
    let n = 1000;
    let (p, q): (Vec<f32>, Vec<f32>) =
        noise(n, 5).into_iter().zip(noise(n, 6)).map(|(p, q)| (p, q.abs())).unzip();
    type Case = (&'static str, fn(&mut dyn Build, Value, Value) -> Value, fn(f32, f32) -> f32);
    let cases: [Case; 4] = [
        ("div", |b, x, y| b.div(x, y), |x, y| x / y),
        ("sqrt", |b, _, y| b.map(Scalar::Sqrt, &[y]), |_, y| y.sqrt()),
        (
            "reciprocal",
            |b, _, y| {
                let one = b.fill_like(y, 1.0);
                b.div(one, y)
            },
            |_, y| 1.0 / y,
        ),
        (
            "rsqrt",
            |b, _, y| {
                let (one, root) = (b.fill_like(y, 1.0), b.map(Scalar::Sqrt, &[y]));
                b.div(one, root)
            },
            |_, y| 1.0 / y.sqrt(),
        ),
    ];
    for (name, made, meant) in cases {
        let mut g = Graph::new();
        let (x, y) = (input(&mut g, 0, DType::F32, &[n]), input(&mut g, 1, DType::F32, &[n]));
        let value = made(b(&mut g), x, y);
        g.outputs = vec![value];
        calls(&g, &[name]);
        let want: Vec<f32> = p.iter().zip(&q).map(|(&x, &y)| meant(x, y)).collect();
        same_bits(&run_f32(&g, &[&p, &q])[0], &want);
        // Beside other work the division stands where it was.
        let more = b(&mut g).mul(value, x);
        g.outputs = vec![more];
        calls(&g, &[]);
    }
}

#[test]
fn conversions_to_sixteen_bits_are_strips() {
    let n = 1000;
    let data = noise(n, 7);
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[n]);
    let narrow = b(&mut g).cast(x, DType::F16);
    g.outputs = vec![narrow];
    calls(&g, &["f32_to_f16"]);
    let wide = b(&mut g).cast(narrow, DType::F32);
    let twice = b(&mut g).add_(wide, wide);
    g.outputs = vec![twice];
    calls(&g, &["f16_to_f32", "f32_to_f16"]);
    // Eleven bits of a normal number are kept: adding and subtracting this rounds to them.
    let round = |x: f32| {
        let magic = 1.5 * f32::from_bits((x.to_bits() & 0x7f80_0000).max(113 << 23)) * 8192.0;
        (x + magic) - magic
    };
    let want: Vec<f32> = data.iter().map(|&x| 2.0 * round(x)).collect();
    same_bits(&run_f32(&g, &[&data])[0], &want);
}

/// How often the kernels of a graph fold stretches, and rows.
fn folds(g: &Graph) -> (usize, usize) {
    fn of(kernel: &Kernel, block: &[Stmt], found: &mut (usize, usize)) {
        for stmt in block {
            match stmt {
                Stmt::Let(v) => found.0 += usize::from(matches!(kernel.inst(*v), Inst::Fold { .. })),
                Stmt::FoldRows { .. } => found.1 += 1,
                Stmt::For(f) => of(kernel, &f.body, found),
                _ => {}
            }
        }
    }
    let mut found = (0, 0);
    compiled(g).plan.kernels.iter().for_each(|k| of(k, &k.body, &mut found));
    found
}

#[test]
fn what_only_combines_is_folded_by_routines() {
    if fold_routine(Combine::Add, DType::F32, 32).is_none() {
        println!("no folds: this machine lacks AVX2, FMA or F16C");
        return;
    }
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        for combine in [Combine::Add, Combine::Mul, Combine::Min, Combine::Max] {
            for (axis, wanted) in [(1, (1, 0)), (0, (0, 1))] {
                let mut g = Graph::new();
                let x = input(&mut g, 0, dtype, &[300, 700]);
                let y = reduce(&mut g, combine, x, &[axis]);
                g.outputs = vec![y];
                assert_eq!(folds(&g), wanted, "{combine} of {dtype} along {axis}");
            }
        }
    }
    // What is computed first goes through scratch memory, which is folded as well.
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[300, 700]);
    let y = softmax(&mut g, x, 1);
    g.outputs = vec![y];
    assert_eq!(folds(&g), (2, 0));
}

#[test]
fn folds_change_no_bit() {
    for axes in [&[0][..], &[1], &[0, 1]] {
        for combine in [Combine::Add, Combine::Min, Combine::Max] {
            let mut g = Graph::new();
            let x = input(&mut g, 0, DType::F32, &[130, 277]);
            let y = reduce(&mut g, combine, x, axes);
            g.outputs = vec![y];
            let data = noise(130 * 277, 3);
            let request = Request { graph: g.clone(), keep: vec![] };
            let portable = compile(&request, &Target::PORTABLE).expect("a plan");
            let want = run_plan(portable, &[&data]);
            same_bits(&run_f32(&g, &[&data])[0], &want[0]);
        }
    }
}
