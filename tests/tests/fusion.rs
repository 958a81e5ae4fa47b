//! How many launches typical graphs take.

use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Gather, Op, Picks, Scalar};
use rustorch_ir::{DType, Graph, Shape, Value};
use rustorch_tests::{b, compiled, input, reduce};

fn steps(g: &Graph) -> usize {
    compiled(g).plan.steps.len()
}

fn mean(g: &mut Graph, x: Value, axis: u8) -> Value {
    let n = b(g).shape(x)[axis as usize].get() as f64;
    let s = reduce(g, Combine::Add, x, &[axis]);
    let n = b(g).fill_like(s, n);
    b(g).div(s, n)
}

#[test]
fn layer_norm_is_one_launch() {
    for rows in [64usize, 1024] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[rows, 256]);
        let w = input(&mut g, 1, DType::F32, &[256]);
        let shape = b(&mut g).shape(x);
        let m = mean(&mut g, x, 1);
        let m = b(&mut g).expand_axes(m, &[1], &shape);
        let d = b(&mut g).sub(x, m);
        let q = b(&mut g).mul(d, d);
        let v = mean(&mut g, q, 1);
        let v = b(&mut g).offset(v, 1e-5);
        let s = b(&mut g).map(Scalar::Sqrt, &[v]);
        let s = b(&mut g).expand_axes(s, &[1], &shape);
        let y = b(&mut g).div(d, s);
        let w = b(&mut g).expand_axes(w, &[0], &shape);
        let y = b(&mut g).mul(y, w);
        g.outputs = vec![y];
        assert_eq!(steps(&g), 1, "{rows} rows");
    }
}

#[test]
fn cross_entropy_is_one_launch() {
    for (rows, classes) in [(32usize, 10usize), (64, 1000), (4096, 10)] {
        let mut g = Graph::new();
        let x = input(&mut g, 0, DType::F32, &[rows, classes]);
        let t = input(&mut g, 1, DType::I64, &[rows]);
        let shape = b(&mut g).shape(x);
        let m = reduce(&mut g, Combine::Max, x, &[1]);
        let wide = b(&mut g).expand_axes(m, &[1], &shape);
        let d = b(&mut g).sub(x, wide);
        let e = b(&mut g).map(Scalar::Exp, &[d]);
        let s = reduce(&mut g, Combine::Add, e, &[1]);
        let l = b(&mut g).map(Scalar::Log, &[s]);
        let l = b(&mut g).expand_axes(l, &[1], &shape);
        let y = b(&mut g).sub(d, l);
        let picks = Picks { axis: 1, data: [0].into_iter().collect(), index: [0].into_iter().collect() };
        let y = b(&mut g).one(Op::Gather(Gather { picks }), &[y, t]);
        let y = b(&mut g).neg(y);
        let y = mean(&mut g, y, 0);
        g.outputs = vec![y];
        assert_eq!(steps(&g), 1, "{rows} x {classes}");
    }
}

#[test]
fn an_adam_step_is_one_launch() {
    let mut g = Graph::new();
    let mut outputs = vec![];
    for (i, sizes) in [&[64usize, 128][..], &[128], &[128, 10], &[10]].iter().enumerate() {
        let i = i as u32 * 4;
        let [p, grad, m, v] = [0, 1, 2, 3].map(|k| input(&mut g, i + k, DType::F32, sizes));
        let m1 = b(&mut g).scale(m, 0.9);
        let g1 = b(&mut g).scale(grad, 0.1);
        let m1 = b(&mut g).add_(m1, g1);
        let g2 = b(&mut g).mul(grad, grad);
        let g2 = b(&mut g).scale(g2, 0.001);
        let v1 = b(&mut g).scale(v, 0.999);
        let v1 = b(&mut g).add_(v1, g2);
        let r = b(&mut g).map(Scalar::Sqrt, &[v1]);
        let r = b(&mut g).offset(r, 1e-8);
        let u = b(&mut g).div(m1, r);
        let u = b(&mut g).scale(u, 1e-3);
        let p1 = b(&mut g).sub(p, u);
        outputs.extend([m1, v1, p1]);
    }
    g.outputs = outputs;
    let plan = compiled(&g).plan;
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.kernels.len(), 4);
}

#[test]
fn a_long_chain_with_views_and_a_cast_is_one_launch() {
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[100, 60]);
    let row = input(&mut g, 1, DType::F32, &[60]);
    let shape = Shape::from_sizes(&[100, 60]);
    let row = b(&mut g).expand_axes(row, &[0], &shape);
    let mut y = x;
    for i in 0..20 {
        y = match i % 4 {
            0 => b(&mut g).add_(y, row),
            1 => b(&mut g).scale(y, 0.5),
            2 => b(&mut g).map(Scalar::Abs, &[y]),
            _ => b(&mut g).offset(y, -1.0),
        };
    }
    let y = b(&mut g).cast(y, DType::F64);
    let y = b(&mut g).permute(y, &[1, 0]);
    g.outputs = vec![y];
    assert_eq!(steps(&g), 1);
}

#[test]
fn a_chain_of_updates_copies_once() {
    use rustorch_ir::op::{Span, Update};
    let mut g = Graph::new();
    let x = input(&mut g, 0, DType::F32, &[1000]);
    let mut y = x;
    for i in 0..10 {
        let v = b(&mut g).fill(&rustorch_ir::Type::new(DType::F32, Shape::from_sizes(&[5])), i as f64);
        let spans = [Span { start: i * 50, step: 2, size: 5 }].into_iter().collect();
        y = b(&mut g).one(Op::Update(Update { spans }), &[y, v]);
    }
    g.outputs = vec![y];
    let plan = compiled(&g).plan;
    // The copy, and behind it the writes.
    assert_eq!(plan.kernels.len(), 11);
    assert_eq!(plan.arena, 0);
    let data = rustorch_tests::noise(1000, 9);
    let mut want = data.clone();
    for i in 0..10 {
        (0..5).for_each(|k| want[i * 50 + 2 * k] = i as f32);
    }
    assert_eq!(rustorch_tests::run_f32(&g, &[&data])[0], want);
}
