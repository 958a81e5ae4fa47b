//! When things run: once, when needed, through few programs; what is never looked at does not grow.

mod common;

use common::*;
use rustorch_frontend::realize::{flush, set_eager, synchronize};
use rustorch_frontend::stats::stats;
use rustorch_frontend::trace::{finish, start as start_trace};
use rustorch_frontend::{Tensor, ViewOp};
use rustorch_ir::op::Span;
use rustorch_ir::parse::parse_graph;
use smallvec::smallvec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The counters are of the process: these tests run one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    start();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn nothing_runs_before_it_is_needed_and_nothing_twice() {
    let _alone = alone();
    let x = range(&[4]);
    let before = runs();
    let a = times(&x, 2.0);
    let b = add(&a, &a);
    assert_eq!(runs(), before);
    assert_eq!(values(&b), [0., 4., 8., 12.]);
    assert_eq!(values(&b), [0., 4., 8., 12.]);
    // `a` had a handle and a buffer on the way, so it was kept.
    assert_eq!(values(&a), [0., 2., 4., 6.]);
    assert_eq!(runs(), before + 1);
}

#[test]
fn batches_by_slicing_compile_once() {
    let _alone = alone();
    let x = range(&[64, 3]);
    let before = stats();
    for i in 0..16 {
        let batch =
            x.view(ViewOp::Slice(smallvec![Span { start: 4 * i, step: 1, size: 4 }, Span::all(3)])).unwrap();
        let y = times(&sum(&times(&batch, 0.5)), 1.0 + i as f64);
        let first = (12 * i) as f64;
        let expected: f64 = (0..12).map(|k| (first + k as f64) * 0.5).sum::<f64>() * (1.0 + i as f64);
        assert_eq!(values(&y), [expected]);
    }
    let after = stats();
    assert_eq!((after.compiles - before.compiles, after.cache_hits - before.cache_hits), (1, 15));
}

#[test]
fn views_of_realised_values_run_nothing() {
    let _alone = alone();
    let x = range(&[4, 3]);
    let before = runs();
    let v =
        x.view(ViewOp::Permute(smallvec![1, 0])).unwrap().view(ViewOp::Select { axis: 0, index: 2 }).unwrap();
    let stored = v.buffer().unwrap();
    assert_eq!((stored.offset, stored.strides.to_vec()), (2, vec![3]));
    assert_eq!(v.data_ptr().unwrap(), x.data_ptr().unwrap() + 8);
    assert_eq!(runs(), before);
}

#[test]
fn long_dependent_chains_neither_overflow_nor_grow() {
    let _alone = alone();
    let one = range(&[2]);
    let mut x = range(&[2]);
    let mut most = 0;
    for _ in 0..100_000 {
        x = add(&x, &one);
        most = most.max(stats().nodes_pending);
    }
    assert!(most <= 21_000, "{most} nodes were pending");
    assert_eq!(values(&x), [0., 100_001.]);
}

#[test]
fn a_loop_that_never_looks_is_steady_and_cached() {
    let _alone = alone();
    let w = range(&[3]);
    let before = stats();
    let step = |w: &Tensor| {
        let g = times(&sum(w), 0.25);
        scale_(w, 0.5).unwrap();
        let parts = w.view(ViewOp::Reshape(shape(&[3, 1]))).unwrap();
        let h = mul(&parts, &parts);
        w.write(add(w, &times(&h, 0.0).view(ViewOp::Reshape(shape(&[3]))).unwrap()).read().unwrap()).unwrap();
        drop(g);
    };
    for _ in 0..20_000 {
        step(&w);
    }
    let after = stats();
    assert!(after.cache_hits - before.cache_hits >= 3, "{before:?} {after:?}");
    assert!(after.compiles - before.compiles <= 3, "{before:?} {after:?}");
    assert!(after.nodes_pending <= 21_000);
}

#[test]
fn dropped_handles_free_their_nodes() {
    let _alone = alone();
    synchronize().unwrap();
    let before = stats().nodes_pending;
    let mut x = range(&[2]);
    for _ in 0..5_000 {
        x = times(&x, 1.0);
    }
    assert!(stats().nodes_pending >= before + 5_000);
    drop(x);
    assert_eq!(stats().nodes_pending, before);
}

#[test]
fn flush_takes_what_waits_for_the_same() {
    let _alone = alone();
    let x = range(&[4]);
    let shared = times(&x, 2.0);
    let (a, b) = (times(&shared, 3.0), times(&shared, 5.0));
    let apart = times(&range(&[4]), 7.0);
    drop(shared);
    let before = runs();
    flush(std::slice::from_ref(&a)).unwrap();
    assert!(a.read().unwrap().is_realised() && b.read().unwrap().is_realised());
    assert!(!apart.read().unwrap().is_realised());
    assert_eq!(runs(), before + 1);
    flush(&[a]).unwrap();
    assert_eq!(runs(), before + 1);
}

#[test]
fn eager_mode_runs_each_operation() {
    let _alone = alone();
    let x = range(&[2]);
    set_eager(true);
    let y = times(&x, 2.0);
    let z = add(&y, &y);
    set_eager(false);
    assert!(y.read().unwrap().is_realised() && z.read().unwrap().is_realised());
}

#[test]
fn a_failed_run_leaves_tensors_usable() {
    let _alone = alone();
    let x = tensor(&[2], &[333.125, 1.0]);
    let y = times(&x, 2.0);
    let z = times(&y, 0.5);
    assert_eq!(message(z.realize()), "the number of the beast");
    assert_eq!(message(z.realize()), "the number of the beast");
    let w = times(&x, 3.0);
    assert_eq!(values(&w), [999.375, 3.]);
}

#[test]
fn tensors_are_used_from_many_threads() {
    let _alone = alone();
    let x = range(&[8]);
    let y = times(&x, 2.0);
    std::thread::scope(|s| {
        for k in 0..4 {
            let (x, y) = (x.clone(), y.clone());
            s.spawn(move || {
                for _ in 0..50 {
                    let z = times(&add(&x, &y), k as f64);
                    assert_eq!(values(&z)[7], 21.0 * k as f64);
                    assert_eq!(values(&y)[7], 14.0);
                }
            });
        }
    });
}

#[test]
fn runs_are_traced() {
    let _alone = alone();
    let x = range(&[5]);
    let compute = || {
        let y = {
            let twice = add(&x, &x);
            times(&twice, 9.0)
        };
        values(&y)
    };
    let watched = |f: &dyn Fn()| {
        start_trace();
        f();
        finish()
    };
    let before = stats();
    let first = watched(&|| drop(compute())).runs;
    let second = watched(&|| assert_eq!(compute(), [0., 18., 36., 54., 72.])).runs;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(first[0].compile.is_some() && second[0].compile.is_none());
    assert!(watched(&|| drop(times(&x, 2.0))).runs.is_empty());
    // The reference engine has no code: both runs were interpreted, and nothing was launched.
    let after = stats();
    assert_eq!((after.interpreted - before.interpreted, after.launches - before.launches), (2, 0));
    assert!(finish().runs.is_empty());
}

#[test]
fn graphs_print() {
    let _alone = alone();
    let y = times(&range(&[2]), 3.0);
    let text = y.ir().unwrap();
    assert!(text.contains("mul %") && text.contains("scalar<0, f32>") && text.starts_with("%0 = "), "{text}");
    assert_eq!(parse_graph(&text).unwrap().to_string(), text);
}
