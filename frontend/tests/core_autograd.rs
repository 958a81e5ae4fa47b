//! The backward pass: values, order, in-place and views, torch's errors.

mod common;

use common::*;
use rustorch_frontend::autograd::{Options, backward};
use rustorch_frontend::grad_mode::{ModeGuard, no_grad};
use rustorch_frontend::gradient::Scope;
use rustorch_frontend::{Error, Recorded, Result, Tensor, ViewOp};
use rustorch_ir::op::{Scalar, Span};
use smallvec::smallvec;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

const PLAIN: Options =
    Options { retain_graph: false, create_graph: false, accumulate: true, allow_unused: false };

fn run(t: &Tensor) -> Result<()> {
    backward(std::slice::from_ref(t), &[None], None, PLAIN).map(drop)
}

fn grad_of(t: &Tensor, inputs: &[Tensor], options: Options) -> Result<Vec<Option<Tensor>>> {
    backward(std::slice::from_ref(t), &[None], Some(inputs), Options { accumulate: false, ..options })
}

fn grad(t: &Tensor) -> Vec<f64> {
    values(&t.grad().expect("a gradient"))
}

/// `a * b` as an operation that saves both.
fn saved_mul(a: &Tensor, b: &Tensor) -> Tensor {
    let scope = Scope::enter("MulBackward0");
    let y = mul(a, b);
    scope.save(a).unwrap();
    scope.save(b).unwrap();
    y
}

#[test]
fn products_and_sums() {
    let (a, b) = (leaf(&[2], &[2., 3.]), leaf(&[2], &[5., 7.]));
    run(&sum(&mul(&a, &b))).unwrap();
    assert_eq!((grad(&a), grad(&b)), (vec![5., 7.], vec![2., 3.]));
    run(&sum(&mul(&a, &b))).unwrap();
    assert_eq!(grad(&a), [10., 14.]);
}

#[test]
fn accumulation_is_in_place() {
    let a = leaf(&[1], &[2.]);
    run(&times(&a, 3.0)).unwrap();
    let first = a.grad().unwrap();
    run(&times(&a, 4.0)).unwrap();
    assert!(first.is_same(&a.grad().unwrap()));
    assert_eq!(values(&first), [7.]);
    a.set_grad(None).unwrap();
    assert!(a.grad().is_none());
}

#[test]
fn diamonds_cost_what_they_hold() {
    let x = leaf(&[], &[1.]);
    let mut y = times(&x, 1.0);
    for _ in 0..60 {
        y = add(&y, &y);
    }
    let y = times(&y, 2f64.powi(-60));
    run(&y).unwrap();
    assert_eq!(grad(&x), [1.]);
}

#[test]
fn long_chains_do_not_overflow() {
    let x = leaf(&[], &[1.]);
    let mut y = times(&x, 1.0);
    for _ in 0..100_000 {
        y = add(&y, &x);
    }
    run(&y).unwrap();
    drop(y);
    let g = x.grad().unwrap();
    assert_eq!(values(&g), [100_001.]);
}

#[test]
fn long_chains_drop_without_a_backward_pass() {
    let x = leaf(&[], &[1.]);
    let mut y = times(&x, 1.0);
    for _ in 0..100_000 {
        y = add(&y, &y);
    }
    drop(y);
    // Through custom functions that hold their inputs.
    let mut y = times(&x, 1.0);
    for _ in 0..20_000 {
        let next = Tensor::from_value(y.read().unwrap().detach().fence().unwrap()).unwrap();
        let held = y.clone();
        let callback = Arc::new(move |g: &[Option<Tensor>]| {
            let _ = held.sizes();
            Ok(g.to_vec())
        });
        Tensor::attach_backward(std::slice::from_ref(&next), &[y], callback, "Held").unwrap();
        y = next;
    }
    drop(y);
}

#[test]
fn higher_orders() {
    let x = leaf(&[], &[3.]);
    let y = mul(&mul(&x, &x), &x);
    let again = Options { create_graph: true, retain_graph: true, ..PLAIN };
    let first = grad_of(&y, std::slice::from_ref(&x), again).unwrap().remove(0).unwrap();
    assert_eq!((values(&first), first.requires_grad()), (vec![27.], true));
    let second = grad_of(&first, std::slice::from_ref(&x), again).unwrap().remove(0).unwrap();
    assert_eq!(values(&second), [18.]);
    let third = grad_of(&second, std::slice::from_ref(&x), PLAIN).unwrap().remove(0).unwrap();
    assert_eq!((values(&third), third.requires_grad()), (vec![6.], false));
    assert!(x.grad().is_none());
}

#[test]
fn in_place_is_differentiated() {
    let w = leaf(&[3], &[1., 2., 3.]);
    let y = times(&w, 2.0);
    scale_(&y, 5.0).unwrap();
    assert!(!y.is_leaf().unwrap());
    run(&sum(&mul(&y, &y))).unwrap();
    // (10 w)^2
    assert_eq!(grad(&w), [200., 400., 600.]);
}

#[test]
fn in_place_through_views_is_differentiated() {
    let w = leaf(&[2, 2], &[1., 2., 3., 4.]);
    let y = times(&w, 1.0);
    let row = y.view(ViewOp::Select { axis: 0, index: 1 }).unwrap();
    let column = y.view(ViewOp::Select { axis: 1, index: 0 }).unwrap();
    scale_(&row, 10.0).unwrap();
    assert_eq!(y.grad_fn().unwrap().unwrap(), "CopySlices");
    assert_eq!(row.grad_fn().unwrap().unwrap(), "AsStridedBackward0");
    run(&add(&sum(&y), &sum(&column))).unwrap();
    assert_eq!(grad(&w), [2., 1., 20., 10.]);
}

#[test]
fn a_tracked_value_written_into_a_plain_tensor() {
    let w = leaf(&[2], &[1., 2.]);
    let base = tensor(&[4], &[9., 9., 9., 9.]);
    let part = base.view(ViewOp::Slice(smallvec![Span { start: 1, step: 1, size: 2 }])).unwrap();
    part.write(times(&w, 3.0).read().unwrap()).unwrap();
    assert!(base.requires_grad() && part.requires_grad());
    assert_eq!(values(&base), [9., 3., 6., 9.]);
    run(&sum(&mul(&base, &base))).unwrap();
    assert_eq!(grad(&w), [18., 36.]);
}

#[test]
fn an_overwritten_value_ends_the_gradient() {
    let w = leaf(&[2], &[1., 2.]);
    let y = times(&w, 3.0);
    let before = sum(&y);
    y.write(tensor(&[2], &[0., 0.]).read().unwrap()).unwrap();
    assert!(y.requires_grad());
    run(&add(&before, &sum(&y))).unwrap();
    assert_eq!(grad(&w), [3., 3.]);
}

#[test]
fn writes_that_torch_forbids() {
    let w = leaf(&[2], &[1., 2.]);
    assert_eq!(
        message(scale_(&w, 2.0)),
        "a leaf Variable that requires grad is being used in an in-place operation."
    );
    let v = w.view(ViewOp::Reshape(shape(&[2, 1]))).unwrap();
    assert_eq!(
        message(scale_(&v, 2.0)),
        "a view of a leaf Variable that requires grad is being used in an in-place operation."
    );
    let y = times(&w, 1.0);
    let silent = no_grad(|| y.view(ViewOp::Alias)).unwrap();
    assert!(silent.requires_grad());
    let parts =
        y.views([ViewOp::Select { axis: 0, index: 0 }, ViewOp::Select { axis: 0, index: 1 }]).unwrap();
    let e = message(scale_(&parts[1], 2.0));
    assert!(e.starts_with("Output 1 of ") && e.contains("function that returns multiple views"), "{e}");
    let e = message(silent.write(w.read().unwrap()));
    assert!(e.starts_with("A view was created in no_grad mode"), "{e}");
    assert_eq!(values(&y), [1., 2.]);
}

#[test]
fn overwritten_saved_values_are_an_error() {
    let (a, b) = (leaf(&[2], &[1., 2.]), times(&leaf(&[2], &[1., 1.]), 1.0));
    let y = sum(&saved_mul(&a, &b));
    scale_(&b, 2.0).unwrap();
    let e = message(run(&y));
    let start = "one of the variables needed for gradient computation has been modified by an inplace operation: \
                 [torch.FloatTensor [2]], which is output 0 of MulBackward0, is at version 1; expected version 0";
    assert!(e.starts_with(start), "{e}");
    // Through an alias of the storage as well, but not through `.data`.
    let y = sum(&saved_mul(&a, &b));
    scale_(&b.data(), 2.0).unwrap();
    run(&y).unwrap();
    let y = sum(&saved_mul(&a, &b));
    no_grad(|| scale_(&b.detach(), 2.0)).unwrap();
    assert!(run(&y).is_err());
}

#[test]
fn a_second_backward_pass() {
    let a = leaf(&[2], &[1., 2.]);
    let y = sum(&saved_mul(&a, &a));
    backward(std::slice::from_ref(&y), &[None], None, Options { retain_graph: true, ..PLAIN }).unwrap();
    run(&y).unwrap();
    assert_eq!(grad(&a), [4., 8.]);
    assert!(message(run(&y)).starts_with("Trying to backward through the graph a second time"));
    // A function that saves nothing can be walked any number of times.
    let scope = Scope::enter("AddBackward0");
    let y = add(&leaf(&[], &[1.]), &a.view(ViewOp::Select { axis: 0, index: 0 }).unwrap());
    drop(scope);
    run(&y).unwrap();
    run(&y).unwrap();
    assert_eq!(grad(&a), [6., 8.]);
}

#[test]
fn refusals() {
    let x = range(&[2]);
    let w = leaf(&[2], &[1., 2.]);
    assert_eq!(message(run(&x)), "element 0 of tensors does not require grad and does not have a grad_fn");
    assert_eq!(message(run(&w)), "grad can be implicitly created only for scalar outputs");
    let e = backward(std::slice::from_ref(&w), &[Some(range(&[3]))], None, PLAIN);
    assert!(message(e).starts_with("Mismatch in shape: grad_output[0] has a shape of torch.Size([3])"));
    let other = leaf(&[2], &[1., 2.]);
    assert!(
        message(grad_of(&sum(&w), std::slice::from_ref(&other), PLAIN))
            .starts_with("The differentiated Tensor at index 0 appears to not have been used in the graph")
    );
    let unused = Options { allow_unused: true, ..PLAIN };
    assert!(grad_of(&sum(&w), &[other], unused).unwrap()[0].is_none());
    assert_eq!(
        message(grad_of(&sum(&w), std::slice::from_ref(&x), PLAIN)),
        "One of the differentiated Tensors does not require grad"
    );
    let int = Tensor::from_value(Recorded::iota(3).unwrap()).unwrap();
    assert!(message(int.set_requires_grad(true)).starts_with("only Tensors of floating point"));
    assert!(
        message(times(&w, 2.0).set_requires_grad(false))
            .starts_with("you can only change requires_grad flags")
    );
    assert!(message(w.set_grad(Some(x.view(ViewOp::Unsqueeze(0)).unwrap()))).contains("of size '[1, 2]'"));
}

#[test]
fn only_the_paths_to_the_inputs_are_walked() {
    let (a, b) = (leaf(&[1], &[2.]), leaf(&[1], &[5.]));
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    let side = times(&b, 3.0);
    side.register_hook(Arc::new(move |_| {
        counter.fetch_add(1, SeqCst);
        Ok(None)
    }))
    .unwrap();
    let y = mul(&times(&a, 2.0), &side);
    let got = grad_of(&y, std::slice::from_ref(&a), Options { retain_graph: true, ..PLAIN }).unwrap();
    assert_eq!((values(got[0].as_ref().unwrap()), seen.load(SeqCst)), (vec![30.], 0));
    assert!(b.grad().is_none());
    let got = grad_of(&y, &[side.clone(), b.clone()], PLAIN).unwrap();
    assert_eq!(values(got[0].as_ref().unwrap()), [4.]);
    assert_eq!(values(got[1].as_ref().unwrap()), [12.]);
    assert_eq!(seen.load(SeqCst), 1);
    let y = mul(&a, &b);
    backward(&[y], &[None], Some(std::slice::from_ref(&b)), PLAIN).unwrap();
    assert_eq!((a.grad().is_none(), grad(&b)), (true, vec![2.]));
}

#[test]
fn hooks_and_retained_gradients() {
    let w = leaf(&[2], &[1., 2.]);
    let y = times(&w, 2.0);
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    let id = y
        .register_hook(Arc::new(move |g: &Tensor| {
            seen.lock().unwrap().push(values(g));
            Ok(Some(times(g, 10.0)))
        }))
        .unwrap();
    y.retain_grad().unwrap();
    y.retain_grad().unwrap();
    w.register_hook(Arc::new(|g: &Tensor| Ok(Some(times(g, -1.0))))).unwrap();
    let posts = Arc::new(AtomicUsize::new(0));
    let counter = posts.clone();
    w.register_post_accumulate_grad_hook(Arc::new(move || {
        counter.fetch_add(1, SeqCst);
        Ok(())
    }))
    .unwrap();
    let z = sum(&y);
    backward(std::slice::from_ref(&z), &[None], None, Options { retain_graph: true, ..PLAIN }).unwrap();
    assert_eq!(*log.lock().unwrap(), vec![vec![1., 1.]]);
    assert_eq!((grad(&y), grad(&w)), (vec![10., 10.], vec![-20., -20.]));
    assert_eq!(posts.load(SeqCst), 1);
    y.remove_hook(id).unwrap();
    run(&z).unwrap();
    assert_eq!((log.lock().unwrap().len(), grad(&y)), (1, vec![11., 11.]));
    assert!(range(&[1]).register_hook(Arc::new(|_| Ok(None))).is_err());
    let bad = times(&w, 1.0);
    bad.register_hook(Arc::new(|_| Ok(Some(range(&[5]))))).unwrap();
    assert_eq!(message(run(&sum(&bad))), "hook has changed the size of value");
}

#[test]
fn custom_functions() {
    let (a, b) = (leaf(&[2], &[1., 2.]), leaf(&[1], &[3.]));
    let forward = || {
        let _mode = ModeGuard::grad(false);
        (times(&a, 2.0), times(&b, 5.0))
    };
    let (p, q) = forward();
    let callback = Arc::new(|g: &[Option<Tensor>]| {
        assert!(g[1].is_none());
        let g = g[0].clone().ok_or_else(|| Error::Runtime("no gradient".into()))?;
        Ok(vec![Some(times(&g, 100.0)), Some(g)])
    });
    Tensor::attach_backward(&[p.clone(), q.clone()], &[a.clone(), b.clone()], callback, "MyBackward")
        .unwrap();
    assert_eq!(p.grad_fn().unwrap().unwrap(), "MyBackward");
    assert!(p.requires_grad() && q.requires_grad() && !p.is_leaf().unwrap());
    let z = sum(&p);
    run(&z).unwrap();
    // The second gradient has two elements for an input of one: it is summed.
    assert_eq!((grad(&a), grad(&b)), (vec![100., 100.], vec![2.]));
    assert!(message(run(&z)).starts_with("Trying to backward"));
    let (p, _) = forward();
    Tensor::attach_backward(
        std::slice::from_ref(&p),
        std::slice::from_ref(&a),
        Arc::new(|_| Ok(vec![])),
        "Wrong",
    )
    .unwrap();
    assert_eq!(
        message(run(&sum(&p))),
        "function Wrong returned an incorrect number of gradients (expected 1, got 0)"
    );
}

#[test]
fn names_and_next_functions() {
    let w = leaf(&[2], &[1., 2.]);
    assert_eq!(w.grad_fn().unwrap(), None);
    let y = saved_mul(&w, &range(&[2]));
    let scope = Scope::enter("SumBackward0");
    let z = sum(&times(&y, 1.0));
    drop(scope);
    assert_eq!(z.grad_fn().unwrap().unwrap(), "SumBackward0");
    let (node, _) = z.grad_node().unwrap().unwrap();
    let next = node.next_functions();
    assert_eq!((next.len(), next[0].0.name().as_ref(), next[0].1), (1, "MulBackward0", 0));
    assert_eq!(next[0].0.next_functions()[0].0.name(), "AccumulateGrad");
}

#[test]
fn a_copy_of_a_leaf_is_no_leaf() {
    let w = leaf(&[2], &[1., 2.]);
    let c = Tensor::from_value(w.read().unwrap()).unwrap();
    assert!(!c.is_leaf().unwrap() && c.requires_grad());
    let y = times(&w, 2.0);
    let d = Tensor::from_value(y.read().unwrap()).unwrap();
    d.register_hook(Arc::new(|g: &Tensor| Ok(Some(times(g, 0.0))))).unwrap();
    run(&add(&sum(&y), &sum(&d))).unwrap();
    assert_eq!(grad(&w), [2., 2.]);
}

#[test]
fn gradients_lie_in_memory_as_their_variables() {
    let base = range(&[2, 3]).view(ViewOp::Permute(smallvec![1, 0])).unwrap();
    let w = base.detach();
    w.set_requires_grad(true).unwrap();
    run(&sum(&mul(&w, &w))).unwrap();
    let g = w.grad().unwrap();
    assert_eq!((g.strides().to_vec(), values(&g)), (vec![1, 3], vec![0., 6., 2., 8., 4., 10.]));
}

#[test]
fn views_of_a_part_that_became_a_leaf() {
    let big = range(&[6]);
    let part = big.view(ViewOp::Slice(smallvec![Span { start: 2, step: 1, size: 4 }])).unwrap().detach();
    part.set_requires_grad(true).unwrap();
    let inner = ViewOp::AsStrided { sizes: shape(&[2]), strides: smallvec![2], offset: 3 };
    let inner = part.view(inner).unwrap();
    run(&sum(&mul(&inner, &inner))).unwrap();
    assert_eq!((values(&inner), grad(&part)), (vec![3., 5.], vec![0., 6., 0., 10.]));
    let outside = ViewOp::AsStrided { sizes: shape(&[2]), strides: smallvec![2], offset: 0 };
    assert!(part.view(outside).is_err());
    assert!(!big.requires_grad());
}

#[test]
fn modes_are_restored() {
    let w = leaf(&[1], &[1.]);
    let quiet = no_grad(|| times(&w, 2.0));
    assert!(!quiet.requires_grad() && times(&w, 2.0).requires_grad());
    let compare = map2(Scalar::Lt, &w, &w);
    assert!(!compare.requires_grad());
}
