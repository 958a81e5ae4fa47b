//! A reference engine: it evaluates graphs element by element, by the definition of each primitive, in f64.
//!
//! The tests of the front end judge what is recorded and when it runs, not how it is compiled. Bytes of buffers
//! cannot be read by safe code, so the engine remembers what it has put into each.

#![allow(dead_code)]

use rustorch_backend::buffer::Buffer;
use rustorch_frontend::engine::{self, Bound, Engine, Program};
use rustorch_frontend::{Error, Recorded, Result, Tensor};
use rustorch_ir::graph::Type;
use rustorch_ir::loops::Combine;
use rustorch_ir::op::{Op, Scalar, Source};
use rustorch_ir::{DType, Literal, Node, Shape, Value};
use rustorch_passes::Request;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, Once};

static CONTENT: LazyLock<Mutex<HashMap<usize, Vec<f64>>>> = LazyLock::new(Mutex::default);
static RUNS: AtomicU64 = AtomicU64::new(0);

fn store(dtype: DType, values: Vec<f64>) -> Buffer {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|&v| Literal::from_f64(dtype, v).bits.to_le_bytes()[..dtype.size()].to_vec())
        .collect();
    let buffer = Buffer::from_slice(&bytes).expect("memory for a test");
    CONTENT.lock().unwrap().insert(buffer.ptr() as usize, values);
    buffer
}

pub fn runs() -> u64 {
    RUNS.load(SeqCst)
}

struct Reference;

struct Evaluation {
    request: Request,
    kept: Vec<usize>,
}

impl Engine for Reference {
    fn compile(&self, request: &Request) -> Result<Arc<dyn Program>> {
        Ok(Arc::new(Evaluation { request: request.clone(), kept: (0..request.keep.len()).collect() }))
    }

    fn overwrite(&self, to: &Buffer, from: &Buffer) -> Result<()> {
        let mut content = CONTENT.lock().unwrap();
        let values = content[&(from.ptr() as usize)].clone();
        content.insert(to.ptr() as usize, values);
        Ok(())
    }
}

/// Row-major indices of a shape.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in shape {
        all = all.iter().flat_map(|i| (0..n).map(move |k| [i.as_slice(), &[k]].concat())).collect();
    }
    all
}

fn flat(shape: &[usize], index: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |flat, (&i, &n)| flat * n + i)
}

fn sizes(ty: &Type) -> Vec<usize> {
    ty.shape.sizes().to_vec()
}

fn combine(c: Combine, a: f64, b: f64) -> f64 {
    match c {
        Combine::Add => a + b,
        Combine::Mul => a * b,
        Combine::Min => a.min(b),
        Combine::Max => a.max(b),
        Combine::And => ((a as i64) & (b as i64)) as f64,
        Combine::Or => ((a as i64) | (b as i64)) as f64,
    }
}

fn scalar(op: Scalar, x: &[f64]) -> f64 {
    let truth = |b: bool| if b { 1.0 } else { 0.0 };
    match op {
        Scalar::Add => x[0] + x[1],
        Scalar::Sub => x[0] - x[1],
        Scalar::Mul => x[0] * x[1],
        Scalar::Div => x[0] / x[1],
        Scalar::Neg => -x[0],
        Scalar::Exp => x[0].exp(),
        Scalar::Log => x[0].ln(),
        Scalar::Sin => x[0].sin(),
        Scalar::Cos => x[0].cos(),
        Scalar::Lt => truth(x[0] < x[1]),
        Scalar::Le => truth(x[0] <= x[1]),
        Scalar::Eq => truth(x[0] == x[1]),
        Scalar::Select => x[if x[0] != 0.0 { 1 } else { 2 }],
        other => unimplemented!("the reference engine does not know {}", other.name()),
    }
}

fn evaluate(node: &Node, types: &[&Type], x: &[&Vec<f64>]) -> Vec<f64> {
    let out = sizes(&node.types[0]);
    let at = |i: usize, index: &[usize]| x[i][flat(&sizes(types[i]), index)];
    let span = |s: &rustorch_ir::op::Span, i: usize| (s.start + s.step * i as i64) as usize;
    match &node.op {
        Op::Constant(c) => vec![c.literal.as_f64()],
        Op::Iota(_) => (0..out[0]).map(|i| i as f64).collect(),
        Op::Reshape(_) | Op::Detach(_) | Op::Fence(_) => x[0].clone(),
        Op::Cast(c) => x[0].iter().map(|&v| Literal::from_f64(c.dtype, v).as_f64()).collect(),
        Op::Map(f) => {
            let value = |i: usize| scalar(*f, &x.iter().map(|x| x[i]).collect::<Vec<_>>());
            (0..out.iter().product())
                .map(|i| Literal::from_f64(node.types[0].dtype, value(i)).as_f64())
                .collect()
        }
        Op::Permute(p) => indices(&out)
            .iter()
            .map(|i| {
                let mut from = vec![0; i.len()];
                p.axes.iter().zip(i).for_each(|(&a, &k)| from[a as usize] = k);
                at(0, &from)
            })
            .collect(),
        Op::Expand(_) => {
            let from = sizes(types[0]);
            let clip = |i: &Vec<usize>| {
                i.iter().zip(&from).map(|(&k, &n)| if n == 1 { 0 } else { k }).collect::<Vec<_>>()
            };
            indices(&out).iter().map(|i| at(0, &clip(i))).collect()
        }
        Op::Slice(s) => indices(&out)
            .iter()
            .map(|i| at(0, &s.spans.iter().zip(i).map(|(s, &k)| span(s, k)).collect::<Vec<_>>()))
            .collect(),
        Op::Pad(p) => {
            let mut y = vec![x[1][0]; out.iter().product()];
            for i in indices(&sizes(types[0])) {
                let to: Vec<usize> = p.spans.iter().zip(&i).map(|(s, &k)| span(s, k)).collect();
                y[flat(&out, &to)] = at(0, &i);
            }
            y
        }
        Op::Update(u) => {
            let mut y = x[0].clone();
            for i in indices(&sizes(types[1])) {
                let to: Vec<usize> = u.spans.iter().zip(&i).map(|(s, &k)| span(s, k)).collect();
                y[flat(&out, &to)] = at(1, &i);
            }
            y
        }
        Op::Reduce(r) => {
            let mut y: Vec<Option<f64>> = vec![None; out.iter().product()];
            for i in indices(&sizes(types[0])) {
                let kept: Vec<usize> =
                    (0..i.len()).filter(|a| !r.axes.contains(&(*a as u8))).map(|a| i[a]).collect();
                let slot = &mut y[flat(&out, &kept)];
                *slot = Some(slot.map_or(at(0, &i), |y| combine(r.combine, y, at(0, &i))));
            }
            y.into_iter().map(|y| y.unwrap_or(0.0)).collect()
        }
        Op::Gather(g) => indices(&out)
            .iter()
            .map(|i| {
                let place: Vec<usize> = g.picks.index.iter().map(|&a| i[a as usize]).collect();
                let mut from: Vec<usize> = g.picks.data.iter().map(|&a| i[a as usize]).collect();
                from.insert(g.picks.axis as usize, at(1, &place) as usize);
                at(0, &from)
            })
            .collect(),
        Op::Scatter(s) => {
            let mut y = x[0].clone();
            for i in indices(&sizes(types[2])) {
                let place: Vec<usize> = s.picks.index.iter().map(|&a| i[a as usize]).collect();
                let mut to: Vec<usize> = s.picks.data.iter().map(|&a| i[a as usize]).collect();
                to.insert(s.picks.axis as usize, at(1, &place) as usize);
                let slot = &mut y[flat(&out, &to)];
                *slot = s.combine.map_or(at(2, &i), |c| combine(c, *slot, at(2, &i)));
            }
            y
        }
        other => unimplemented!("the reference engine does not know {other}"),
    }
}

impl Program for Evaluation {
    fn run(&self, inputs: &[Bound], scalars: &[u64], _: &mut dyn FnMut(usize)) -> Result<Vec<Buffer>> {
        RUNS.fetch_add(1, SeqCst);
        let graph = &self.request.graph;
        let mut values: HashMap<Value, Vec<f64>> = HashMap::new();
        for &id in graph.order() {
            let node = graph.node(id);
            let ty = &node.types[0];
            let value = match &node.op {
                Op::Input(input) if input.source == Source::Scalar => {
                    vec![Literal { dtype: ty.dtype, bits: scalars[input.slot as usize] }.as_f64()]
                }
                Op::Input(input) => {
                    let Source::Buffer(strides) = &input.source else { unreachable!() };
                    let bound = &inputs[input.slot as usize];
                    let content = CONTENT.lock().unwrap();
                    let bytes = &content[&(bound.buffer.ptr() as usize)];
                    let start = (bound.offset / ty.dtype.size()) as i64;
                    let place = |i: &Vec<usize>| {
                        start + i.iter().zip(strides).map(|(&i, s)| i as i64 * s).sum::<i64>()
                    };
                    indices(&sizes(ty)).iter().map(|i| bytes[place(i) as usize]).collect()
                }
                _ => {
                    let types: Vec<&Type> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
                    let x: Vec<&Vec<f64>> = node.inputs.iter().map(|v| &values[v]).collect();
                    evaluate(node, &types, &x)
                }
            };
            values.insert(Value { node: id, port: 0 }, value);
        }
        if values.values().flatten().any(|v| *v == 666.25) {
            return Err(Error::Runtime("the number of the beast".into()));
        }
        let wanted = graph.outputs.iter().chain(&self.request.keep);
        Ok(wanted.map(|v| store(graph.ty(*v).dtype, values[v].clone())).collect())
    }

    fn kept(&self) -> &[usize] {
        &self.kept
    }
}

pub fn start() {
    static START: Once = Once::new();
    START.call_once(|| assert!(engine::install(Box::new(Reference))));
}

pub fn shape(sizes: &[usize]) -> Shape {
    Shape::from_sizes(sizes)
}

/// A realised f32 tensor.
pub fn tensor(sizes: &[usize], values: &[f64]) -> Tensor {
    start();
    let ty = Type::new(DType::F32, shape(sizes));
    assert_eq!(ty.shape.numel(), values.len());
    Tensor::from_buffer(store(DType::F32, values.to_vec()), ty).unwrap()
}

/// `[0, 1, 2, ..]` in these sizes.
pub fn range(sizes: &[usize]) -> Tensor {
    tensor(sizes, &(0..sizes.iter().product()).map(|i| i as f64).collect::<Vec<_>>())
}

pub fn leaf(sizes: &[usize], values: &[f64]) -> Tensor {
    let t = tensor(sizes, values);
    t.set_requires_grad(true).unwrap();
    t
}

/// The elements in row-major order.
pub fn values(t: &Tensor) -> Vec<f64> {
    let buffer = t.contiguous_buffer().unwrap();
    let content = CONTENT.lock().unwrap()[&(buffer.ptr() as usize)].clone();
    assert_eq!(content.len(), t.numel());
    content
}

pub fn content(buffer: &Buffer) -> Vec<f64> {
    CONTENT.lock().unwrap()[&(buffer.ptr() as usize)].clone()
}

pub fn map2(op: Scalar, a: &Tensor, b: &Tensor) -> Tensor {
    Tensor::from_value(a.read().unwrap().map2(op, &b.read().unwrap()).unwrap()).unwrap()
}

pub fn add(a: &Tensor, b: &Tensor) -> Tensor {
    map2(Scalar::Add, a, b)
}

pub fn mul(a: &Tensor, b: &Tensor) -> Tensor {
    map2(Scalar::Mul, a, b)
}

/// `a` times a number given at run time.
pub fn times(a: &Tensor, by: f64) -> Tensor {
    let by = Recorded::scalar(Literal::from_f64(a.dtype(), by));
    Tensor::from_value(a.read().unwrap().mul(&by).unwrap()).unwrap()
}

/// `a *= by`.
pub fn scale_(a: &Tensor, by: f64) -> Result<()> {
    a.check_write(false)?;
    let by = Recorded::scalar(Literal::from_f64(a.dtype(), by));
    a.write(a.read()?.mul(&by)?)
}

pub fn sum(a: &Tensor) -> Tensor {
    let axes: Vec<usize> = (0..a.dim()).collect();
    Tensor::from_value(a.read().unwrap().sum(&axes).unwrap()).unwrap()
}

pub fn message<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(e) => e.to_string(),
    }
}
