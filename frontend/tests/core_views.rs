//! Views alias, also after writes; geometry and refusals are torch's.

mod common;

use common::*;
use rustorch_frontend::error::Class;
use rustorch_frontend::grad_mode::{ModeGuard, no_grad};
use rustorch_frontend::tensor::{Overlap, overlap};
use rustorch_frontend::view::{Geometry, infer_sizes, wrap_axis};
use rustorch_frontend::{Tensor, ViewOp};
use rustorch_ir::op::Span;
use smallvec::smallvec;

fn slice(axis: usize, start: i64, step: i64, size: u64, of: &Tensor) -> ViewOp {
    let mut spans: smallvec::SmallVec<[Span; 4]> = of.sizes().iter().map(|d| Span::all(d.get())).collect();
    spans[axis] = Span { start, step, size };
    ViewOp::Slice(spans)
}

fn strides(t: &Tensor) -> Vec<i64> {
    t.strides().to_vec()
}

#[test]
fn geometry_follows_torch() {
    let x = range(&[2, 3, 4]);
    let t = x.view(ViewOp::Permute(smallvec![2, 0, 1])).unwrap();
    assert_eq!((strides(&t), t.is_contiguous()), (vec![1, 12, 4], false));
    assert_eq!(t.memory_order().as_slice(), [1, 2, 0]);
    let e = x.view(ViewOp::Select { axis: 1, index: 1 }).unwrap();
    assert_eq!((strides(&e), e.storage_offset()), (vec![12, 1], 4));
    let e = e.view(ViewOp::Unsqueeze(1)).unwrap().view(ViewOp::Expand(shape(&[5, 2, 3, 4]))).unwrap();
    assert_eq!(strides(&e), [0, 12, 0, 1]);
    assert_eq!(strides(&x.view(ViewOp::Unsqueeze(3)).unwrap()), [12, 4, 1, 1]);
    let empty = range(&[2, 0, 3]);
    assert_eq!((strides(&empty), empty.is_contiguous()), (vec![3, 3, 1], true));
    assert_eq!(strides(&empty.view(ViewOp::Reshape(shape(&[0, 5]))).unwrap()), [5, 1]);
    // Axes of extent 1 take the stride that their place has.
    let one = range(&[4, 1, 3]).view(ViewOp::Permute(smallvec![1, 0, 2])).unwrap();
    assert!(one.is_contiguous());
    assert_eq!(strides(&one.view(ViewOp::Reshape(shape(&[2, 2, 3]))).unwrap()), [6, 3, 1]);
    let u = range(&[7]).view(ViewOp::Unfold { axis: 0, size: 3, step: 2 }).unwrap();
    assert_eq!((u.sizes(), strides(&u)), (shape(&[3, 3]), vec![2, 1]));
    assert_eq!(values(&u), [0., 1., 2., 2., 3., 4., 4., 5., 6.]);
    let d = range(&[3, 4]).view(ViewOp::Diagonal { offset: 1, axis1: 0, axis2: 1 }).unwrap();
    assert_eq!((strides(&d), d.storage_offset(), values(&d)), (vec![5], 1, vec![1., 6., 11.]));
}

#[test]
fn views_that_would_copy_are_refused() {
    let t = range(&[2, 3]).view(ViewOp::Permute(smallvec![1, 0])).unwrap();
    let e = t.view(ViewOp::Reshape(shape(&[6]))).unwrap_err();
    assert!(e.to_string().starts_with("view size is not compatible with input tensor's size and stride"));
    assert_eq!(e.class(), Class::Runtime);
    assert!(!t.can_view(&shape(&[6])) && t.can_view(&shape(&[3, 1, 2])));
    assert_eq!(message(t.view(ViewOp::Reshape(shape(&[4])))), "shape '[4]' is invalid for input of size 6");
    assert!(
        message(t.view(ViewOp::Reshape(shape(&[1 << 40, 1 << 40]))))
            .ends_with("is invalid for input of size 6")
    );
    assert!(message(t.view(ViewOp::Expand(shape(&[1 << 40, 1 << 40, 3, 2])))).contains("overflowed"));
    assert_eq!(
        message(t.view(ViewOp::Expand(shape(&[2])))),
        "expand(torch.FloatTensor{[3, 2]}, size=[2]): the number of sizes provided (1) must be greater or equal to \
         the number of dimensions in the tensor (2)"
    );
    assert_eq!(
        message(t.view(ViewOp::Permute(smallvec![0, 0]))),
        "permute(): duplicate dims are not allowed."
    );
    assert_eq!(t.view(ViewOp::Select { axis: 0, index: 3 }).unwrap_err().class(), Class::Index);
    assert_eq!(t.view(ViewOp::Select { axis: 2, index: 0 }).unwrap_err().class(), Class::Index);
    assert!(message(t.view(ViewOp::Expand(shape(&[4, 2])))).contains("must match the existing size (3)"));
    let out = ViewOp::AsStrided { sizes: shape(&[4]), strides: smallvec![3], offset: 0 };
    assert!(
        message(t.view(out))
            .contains("requiring a storage size of 40 are out of bounds for storage of size 24")
    );
    assert_eq!(
        message(wrap_axis(2, 2)),
        "Dimension out of range (expected to be in range of [-2, 1], but got 2)"
    );
    assert_eq!(infer_sizes(&[2, -1], 6).unwrap(), shape(&[2, 3]));
    assert_eq!(message(infer_sizes(&[2, -1], 5)), "shape '[2, -1]' is invalid for input of size 5");
    assert_eq!(message(infer_sizes(&[-1, -1], 5)), "only one dimension can be inferred");
    assert_eq!(
        message(infer_sizes(&[i64::MAX, 4], 5)),
        format!("shape '[{}, 4]' is invalid for input of size 5", i64::MAX)
    );
}

#[test]
fn writes_are_seen_by_every_alias() {
    let x = range(&[3, 4]);
    let row = x.view(ViewOp::Select { axis: 0, index: 1 }).unwrap();
    let t = x.view(ViewOp::Permute(smallvec![1, 0])).unwrap();
    let column = t.view(slice(0, 1, 2, 2, &t)).unwrap();
    let flat = x.view(ViewOp::Reshape(shape(&[12]))).unwrap();
    assert_eq!(values(&row), [4., 5., 6., 7.]);
    scale_(&row, 10.0).unwrap();
    assert_eq!(values(&x), [0., 1., 2., 3., 40., 50., 60., 70., 8., 9., 10., 11.]);
    scale_(&column, -1.0).unwrap();
    assert_eq!(values(&flat), [0., -1., 2., -3., 40., -50., 60., -70., 8., -9., 10., -11.]);
    assert_eq!(values(&row), [40., -50., 60., -70.]);
    assert_eq!((x.version().unwrap(), row.version().unwrap()), (2, 2));
    scale_(&x, 0.0).unwrap();
    assert_eq!(values(&column), [0.; 6]);
    assert!(row.shares_storage(&flat) && !row.is_same(&flat));
}

#[test]
fn writes_reach_through_picked_elements() {
    let x = range(&[3, 3]);
    let d = x.view(ViewOp::Diagonal { offset: 0, axis1: 0, axis2: 1 }).unwrap();
    scale_(&d, 10.0).unwrap();
    assert_eq!(values(&x), [0., 1., 2., 3., 40., 5., 6., 7., 80.]);
    let s = ViewOp::AsStrided { sizes: shape(&[2, 2]), strides: smallvec![1, 4], offset: 1 };
    let s = x.view(s).unwrap();
    assert_eq!(values(&s), [1., 5., 2., 6.]);
    scale_(&s, -1.0).unwrap();
    assert_eq!(values(&x), [0., -1., -2., 3., 40., -5., -6., 7., 80.]);
    assert_eq!(values(&d), [0., 40., 80.]);
}

#[test]
fn any_strided_view_is_its_elements() {
    // All views of a storage of 24 elements by two strides, against direct addressing.
    let x = range(&[2, 3, 4]);
    for (n, m) in [(1usize, 1usize), (2, 3), (3, 2), (4, 1), (2, 2)] {
        for s in 0..=6i64 {
            for t in 0..=6i64 {
                for offset in [0i64, 1, 5] {
                    let sizes = shape(&[n, m]);
                    let op = ViewOp::AsStrided { sizes, strides: smallvec![s, t], offset };
                    let v = x.view(op).unwrap();
                    let expected: Vec<f64> = (0..n as i64)
                        .flat_map(|i| (0..m as i64).map(move |j| (offset + i * s + j * t) as f64))
                        .collect();
                    assert_eq!(values(&v), expected, "sizes {n} {m} strides {s} {t} offset {offset}");
                }
            }
        }
    }
}

#[test]
fn repeated_elements_cannot_be_written() {
    let x = range(&[3, 1]);
    let e = x.view(ViewOp::Expand(shape(&[3, 2]))).unwrap();
    assert_eq!(values(&e), [0., 0., 1., 1., 2., 2.]);
    assert!(
        message(scale_(&e, 2.0))
            .starts_with("unsupported operation: more than one element of the written-to")
    );
    let same = x.view(ViewOp::Expand(shape(&[2, 3, 1]))).unwrap();
    assert!(scale_(&same, 2.0).is_err());
    let lead = x.view(ViewOp::Expand(shape(&[1, 3, 1]))).unwrap();
    scale_(&lead, 2.0).unwrap();
    assert_eq!(values(&x), [0., 2., 4.]);
}

#[test]
fn overlap_is_judged_as_torch_does() {
    let x = range(&[6]);
    let (a, b) = (x.view(slice(0, 0, 1, 5, &x)).unwrap(), x.view(slice(0, 1, 1, 5, &x)).unwrap());
    assert_eq!(overlap(&a, &b), Overlap::Partial);
    assert_eq!(overlap(&a, &x.view(slice(0, 5, 1, 1, &x)).unwrap()), Overlap::No);
    assert_eq!(overlap(&a, &x.view(slice(0, 0, 1, 5, &x)).unwrap()), Overlap::Full);
    assert_eq!(overlap(&a, &x.view(slice(0, 0, 2, 3, &x)).unwrap()), Overlap::Unknown);
    assert_eq!(overlap(&x, &range(&[6])), Overlap::No);
}

#[test]
fn views_of_views_do_not_grow() {
    let mut x = range(&[4, 6]);
    for _ in 0..1000 {
        x = x.view(ViewOp::Permute(smallvec![1, 0])).unwrap();
        x = x.view(slice(0, 0, 1, x.sizes()[0].get() as u64, &x)).unwrap();
    }
    assert_eq!(values(&x), values(&range(&[4, 6])));
    let ir = x.ir().unwrap();
    assert!(ir.lines().count() <= 3, "{ir}");
}

#[test]
fn empty_views_read_and_write() {
    let x = range(&[3, 2]);
    let none = x.view(slice(0, 3, 1, 0, &x)).unwrap();
    assert_eq!((none.sizes(), values(&none)), (shape(&[0, 2]), vec![]));
    scale_(&none, 5.0).unwrap();
    assert_eq!(values(&x), [0., 1., 2., 3., 4., 5.]);
    assert_eq!(none.version().unwrap(), 1);
}

#[test]
fn detached_aliases_share_data_but_no_history() {
    let w = leaf(&[2], &[3., 4.]);
    let y = times(&w, 2.0);
    let d = y.detach();
    assert!(!d.requires_grad() && d.is_leaf().unwrap());
    scale_(&d, 10.0).unwrap();
    assert_eq!((values(&y), values(&d)), (vec![60., 80.], vec![60., 80.]));
    assert!(y.requires_grad());
    assert_eq!((y.version().unwrap(), d.version().unwrap()), (1, 1));
    let data = y.data();
    scale_(&data, 0.5).unwrap();
    assert_eq!((y.version().unwrap(), values(&y)), (1, vec![30., 40.]));
}

#[test]
fn set_data_keeps_the_tensor() {
    let w = leaf(&[2], &[1., 2.]);
    w.set_data(&tensor(&[3], &[7., 8., 9.])).unwrap();
    assert!(w.requires_grad() && w.is_leaf().unwrap());
    assert_eq!((w.sizes(), values(&w)), (shape(&[3]), vec![7., 8., 9.]));
}

#[test]
fn other_memory_orders_keep_their_strides() {
    let v = range(&[2, 3]).read().unwrap();
    let t = Tensor::from_value_in_order(v, &[1, 0]).unwrap();
    assert_eq!((strides(&t), values(&t)), (vec![1, 2], vec![0., 1., 2., 3., 4., 5.]));
    let flat = t.view(ViewOp::AsStrided { sizes: shape(&[6]), strides: smallvec![1], offset: 0 }).unwrap();
    assert_eq!(values(&flat), [0., 3., 1., 4., 2., 5.]);
    scale_(&t, 2.0).unwrap();
    assert_eq!((strides(&t), values(&flat)), (vec![1, 2], vec![0., 6., 2., 8., 4., 10.]));
}

#[test]
fn inference_tensors_are_not_written_outside() {
    let x = {
        let _mode = ModeGuard::inference(true);
        let x = range(&[2]);
        scale_(&x, 2.0).unwrap();
        x
    };
    assert!(message(scale_(&x, 2.0)).starts_with("Inplace update to inference tensor outside InferenceMode"));
    assert_eq!(message(x.version()), "Inference tensors do not track version counter.");
    assert!(x.set_requires_grad(true).is_err());
    assert_eq!(values(&x), [0., 2.]);
}

#[test]
fn shared_memory_is_copied_when_read_and_written_through() {
    let base = range(&[4]);
    let (stored, lease) = base.lend().unwrap();
    let before = times(&base, 1.0);
    scale_(&base, 3.0).unwrap();
    assert_eq!(content(&stored.buffer), [0., 3., 6., 9.]);
    assert_eq!(values(&before), [0., 1., 2., 3.]);
    let view = base.view(slice(0, 2, 1, 2, &base)).unwrap();
    scale_(&view, 2.0).unwrap();
    assert_eq!(content(&stored.buffer), [0., 3., 12., 18.]);
    drop(lease);
    scale_(&base, 0.0).unwrap();
    assert_eq!(content(&stored.buffer), [0., 3., 12., 18.]);
    assert_eq!(values(&base), [0.; 4]);
}

#[test]
fn what_was_promised_before_lending_stays() {
    let x = range(&[3]);
    let pending = times(&x, 2.0);
    let (stored, _lease) = x.lend().unwrap();
    scale_(&x, 100.0).unwrap();
    assert_eq!(values(&pending), [0., 2., 4.]);
    assert_eq!(content(&stored.buffer), [0., 100., 200.]);
}

#[test]
fn contiguity_of_degenerate_shapes() {
    let g = |sizes: &[usize], strides: &[i64]| Geometry {
        sizes: shape(sizes),
        strides: strides.into(),
        offset: 0,
    };
    assert!(g(&[1, 5], &[77, 1]).is_contiguous());
    assert!(g(&[0, 5], &[1, 9]).is_contiguous());
    assert!(!g(&[2, 2], &[1, 2]).is_contiguous() && g(&[2, 2], &[1, 2]).is_dense());
    assert!(!g(&[2, 2], &[4, 1]).is_dense() && g(&[2, 1], &[0, 1]).repeats());
}

#[test]
fn writes_under_no_grad_keep_history() {
    let w = leaf(&[2], &[1., 2.]);
    let y = times(&w, 3.0);
    no_grad(|| scale_(&y, 0.0)).unwrap();
    assert!(y.requires_grad() && !y.is_leaf().unwrap());
    assert_eq!(values(&y), [0., 0.]);
    no_grad(|| scale_(&w, 2.0)).unwrap();
    assert!(w.is_leaf().unwrap() && w.requires_grad());
    assert_eq!(values(&w), [2., 4.]);
}
